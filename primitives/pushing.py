"""Making room: the blade goes in and pushes what stands there aside."""

from collections.abc import Mapping, Sequence
from math import hypot, sqrt
from typing import ClassVar, Literal

from pydantic import Field

from podhand.controllers.conditions import Condition, Expr, axis, ft, time, tool
from podhand.controllers.outcomes import Outcome
from podhand.controllers.segments import (
    AxisForce,
    AxisReference,
    Hold,
    Reflex,
    Rigid,
    Segment,
    SegmentLimits,
    Twist,
)
from podhand.core.exchange import Axis
from podhand.core.poses import Pose, inverse
from podhand.primitives import feeling, motions
from podhand.primitives.base import Primitive, PrimitivePreview, Trace
from podhand.primitives.cell import StowCell
from podhand.primitives.reaching import blade_in, unpress

__all__ = ["ExtendBlade", "Sweep"]

_SWEEP_ACCELERATION_M_S2 = 2.0
_SWEEP_JERK_M_S3 = 100.0
_UNPRESS_WAY_M = 0.010
_INWARD_SPEED_M_S = 0.30
_TIP_BACK_M, _TIP_SPEED_M_S, _SLIDE_SPEED_M_S = 0.005, 0.02, 0.012
_FOUND_M = 0.004
"""Farther in than where it was blocked: the tip is in a gap."""
_HARD_SHARE = 0.2
"""Of the force limit: what meets the tip head on is hard, and the blade's drive takes a way to stop."""
_EDGE_M = 0.003
"""Sideways after the tip has found the gap, so that the blade does not rub along the edge."""
_FAR_ENOUGH = "far enough"
_ENDINGS = (feeling.JAMMED, "slipped", "lighter", "stalled", "slow")
_LEAST_SPEED_M_S = 0.008
_HEAVIER_S, _LIGHTER_S, _SLIP_S = 0.012, 0.15, 0.03
_FIRM_SHARE = 0.3
_LIGHTER_SHARE = 0.3
"""Of the force limit; well below where the last gear begins."""
_JAM_RETREAT_M = 0.001
_MAX_CHAINS = 16
_LIFT_M, _LIFT_SHARE, _DOWN_SPEED_M_S = 0.010, 0.4, 0.02
_RESTS_SHARE = 0.25
"""Of the force limit: a blade that comes down feels this of what it comes down on."""
_PATIENCE_S = 4.0
"""Near the limit the path hardly moves: then rather take weight off the load."""
_RELEASE_WAY_M = 0.003
_PROGRESS_M = 0.002
"""Less from one lift to the next is none."""


class ExtendBlade(Primitive):
    """Push the blade out to an extension; it stops where something blocks it.

    With seeking a blade that meets something slides its tip along it with little force until it falls into the gap,
    first away from the blade's outer side, then the other way. On its way in it gives way sideways, so that it slides
    along its neighbours. How far the tool was moved is kept in ``cell.aside_m``: a sweep still ends where planned.
    """

    name: ClassVar[str] = "extend_blade"

    extension_m: float = Field(ge=0.0, le=0.34, description="Position of the blade axis; 0 is retracted.")
    speed_m_s: float = Field(default=0.14, gt=0.0, le=0.4, description="Outwards: what the tip may meet at most.")
    blocked_n: float = Field(default=8.0, gt=0.5, le=40.0, description="|F| at the tool that means blocked.")
    drive_force_n: float = Field(default=20.0, gt=1.0, le=40.0, description="|force| of the blade's drive, at most.")
    retreat_m: float = Field(default=0.003, gt=0.0, le=0.005, description="Of the tool, after a hard contact.")
    tolerance_m: float = Field(
        default=0.010, ge=0.0, le=0.1, description="Blocked this close to the end still counts as done."
    )
    seek: bool = Field(default=True, description="Feel for the way in when something blocks the blade.")
    seek_m: float = Field(default=0.010, gt=0.0, le=0.03, description="Sideways to either side, at most.")
    touch_n: float = Field(default=2.5, gt=0.5, le=10.0, description="Force of the tip while it slides along.")

    def preview(self, cell: StowCell) -> PrimitivePreview:
        """See the base class."""
        X = cell.session.state.X_base_tool_cmd
        travel_m = self.extension_m - cell.blade_m
        return PrimitivePreview(
            name=self.name,
            words=f"blade from {1e3 * cell.blade_m:.0f} to {1e3 * self.extension_m:.0f} mm",
            path_base_m=(motions.as_point(X[:3, 3]), motions.as_point(X[:3, 3] + travel_m * X[:3, 0])),
            duration_s=motions.travel_duration_s(abs(travel_m), self.speed_m_s, 4.0),
            force_limit_n=self.force_limit(cell),
        )

    def check(self, cell: StowCell) -> list[str]:
        """See the base class."""
        most = cell.station.axes.blade.max_position_m
        if self.extension_m > most:
            return [f"extension_m must be at most {most} m here (got {self.extension_m})"]
        return []

    def force_limit(self, cell: StowCell) -> float:
        """See the base class."""
        return cell.station.forces.blade_n

    async def _do(self, cell: StowCell, trace: Trace) -> str:
        if self.extension_m < cell.blade_m:
            await unpress(cell, trace, max_way_m=_UNPRESS_WAY_M, force_n=cell.station.forces.retract_n)
            await self._inward(cell, trace)
            return f"blade at {1e3 * cell.blade_m:.0f} mm"
        X_planned, tries = cell.session.state.X_base_tool_cmd, 0
        outcome = await self._outward(cell, trace)
        blocked = outcome.in_words()
        if self._missing(cell, outcome) and self.seek and cell.X_base_bin is not None:
            for side in self._sides(cell):
                tries += 1
                if not await self._slide_in(cell, trace, X_planned, side):
                    continue
                outcome = await self._outward(cell, trace)
                if not self._missing(cell, outcome):
                    break
        trace.data["extension_m"] = cell.blade_m
        if self._missing(cell, outcome):
            how = {"hard contact": "stopped by a hard contact"}.get(outcome.name, outcome.name)
            sought = f"; no way in within {1e3 * self.seek_m:.0f} mm to either side" if tries else ""
            trace.fail(f"the blade was {how} at {1e3 * cell.blade_m:.0f} of {1e3 * self.extension_m:.0f} mm "
                       f"(felt {outcome.value:.1f} N){sought}")  # fmt: skip
        if not tries:
            return f"blade at {1e3 * cell.blade_m:.0f} mm"
        trace.data["aside_m"] = cell.aside_m
        return f"blade at {1e3 * cell.blade_m:.0f} mm, {1e3 * abs(cell.aside_m):.0f} mm beside the plan ({blocked})"

    def _missing(self, cell: StowCell, outcome: Outcome) -> bool:
        return bool(outcome.name) and abs(self.extension_m - cell.blade_m) > self.tolerance_m

    async def _outward(self, cell: StowCell, trace: Trace) -> Outcome:
        """Push the blade out until it is there or something blocks it."""
        limit_n = self.force_limit(cell)
        ahead = ft.force.x < -(_HARD_SHARE if self.seek else 0.6) * limit_n
        hard = Reflex(condition=ahead | (ft.force.norm > 0.6 * limit_n), retreat_m=self.retreat_m)
        # The drive also accelerates the blade: its force means contact only when the blade no longer runs freely.
        held_back = (abs(axis(Axis.BLADE).force) > 0.5 * self.drive_force_n) & (time > 0.15)
        gives = self.seek and cell.X_base_bin is not None
        return await trace.run(
            [
                Segment(
                    name="blade out",
                    blade=motions.target(cell, Axis.BLADE, self.extension_m, self.speed_m_s),
                    squeeze=motions.grip(cell),
                    law=motions.gives_way_aside(cell) if gives else Rigid(),
                    X_base_frame=cell.X_base_bin if gives else None,
                    limits=self._limits(cell),
                    until={
                        "blocked": (ft.force.norm > self.blocked_n).for_(0.005),
                        "held back": held_back.for_(0.03),
                    },
                    reflexes={"hard contact": hard},
                    payload=cell.payload,
                    timeout_s=motions.axis_timeout_s(self.extension_m - cell.blade_m, self.speed_m_s),
                )
            ],
            accept=("blocked", "held back", "hard contact"),
        )

    def _limits(self, cell: StowCell) -> SegmentLimits:
        return motions.limits(
            cell, self.force_limit(cell), axis_force={Axis.BLADE: self.drive_force_n}, contact_stiffness_n_m=500.0,
            speed_m_s=0.1,
        )  # fmt: skip

    def _sides(self, cell: StowCell) -> tuple[int, int]:
        """Return the directions along bin y to try: first off the blade's outer side, where it will push."""
        inner = 1 if float(cell.X_bin_tool[1, 1]) > 0.0 else -1
        return inner, -inner

    async def _slide_in(self, cell: StowCell, trace: Trace, X_planned: Pose, side: int) -> bool:
        """Slide the tip along what blocks it; returns whether it fell into a gap."""
        blocked_m = cell.blade_m
        await blade_in(
            cell, trace, to_m=max(0.0, blocked_m - _TIP_BACK_M), speed_m_s=self.speed_m_s,
            drive_force_n=1.5 * self.drive_force_n, force_n=self.force_limit(cell),
        )  # fmt: skip
        await motions.move_line(
            trace, X_planned, name="to the entry", speed_m_s=_SLIDE_SPEED_M_S, force_n=self.force_limit(cell),
            until={"pressed": self._pressed()}, accept=("pressed",), contact_stiffness_n_m=500.0,
        )  # fmt: skip
        planned_m = float((inverse(cell.X_base_bin) @ X_planned)[1, 3]) if cell.X_base_bin is not None else 0.0
        slide = self._aside(
            cell, "slide", side, self.seek_m, blade=AxisForce(force_n=self.touch_n, max_speed_m_s=_TIP_SPEED_M_S),
            until={"found": axis(Axis.BLADE).position > blocked_m + _FOUND_M},
        )  # fmt: skip
        outcome = await trace.run([slide], accept=("found", "pressed", "far enough"))
        if outcome.name == "found":
            clear = self._aside(cell, "clear of the edge", side, _EDGE_M, until={})
            await trace.run([clear], accept=("pressed", "far enough"))
        cell.aside_m = float(cell.X_bin_tool[1, 3]) - planned_m
        return outcome.name == "found"

    def _pressed(self) -> Condition:
        return (abs(ft.force.y) > 0.5 * self.blocked_n).for_(0.01)

    def _aside(
        self,
        cell: StowCell,
        name: str,
        side: int,
        way_m: float,
        *,
        until: Mapping[str, Condition | Expr],
        blade: AxisReference | None = None,
    ) -> Segment:
        """Return a motion along the mouth that ends where something presses, or after a way."""
        return Segment(
            name=name,
            arm=Twist(v_m_s=(0.0, side * _SLIDE_SPEED_M_S, 0.0)),
            blade=Hold() if blade is None else blade,
            squeeze=motions.grip(cell),
            X_base_frame=cell.X_base_bin,
            limits=self._limits(cell),
            until={**until, "pressed": self._pressed(), "far enough": tool.travel > way_m},
            payload=cell.payload,
            timeout_s=way_m / _SLIDE_SPEED_M_S + 2.0,
        )

    async def _inward(self, cell: StowCell, trace: Trace, to_m: float | None = None) -> None:
        await blade_in(
            cell, trace, to_m=self.extension_m if to_m is None else to_m,
            speed_m_s=max(self.speed_m_s, _INWARD_SPEED_M_S),
            drive_force_n=1.5 * self.drive_force_n, force_n=cell.station.forces.retract_n,
        )  # fmt: skip

    async def _undo(self, cell: StowCell, trace: Trace) -> str | None:
        if cell.blade_m < 0.004:
            return None
        await self._inward(cell, trace, 0.0)
        await self._back_aside(cell, trace)
        return "blade retracted"

    async def _back_aside(self, cell: StowCell, trace: Trace) -> None:
        """Bring the tool back to where the blade was to enter."""
        if cell.aside_m == 0.0:
            return
        X = cell.session.state.X_base_tool_cmd
        X[:3, 3] -= cell.aside_m * cell.bin_axis_in_base(1)
        await motions.move_line(
            trace, X, name="back to the entry", speed_m_s=_SLIDE_SPEED_M_S, force_n=self.force_limit(cell),
            contact_stiffness_n_m=500.0,
        )  # fmt: skip
        cell.aside_m = 0.0


class Sweep(Primitive):
    """Push with the blade sideways in the bin until the way is made, or until what stands there gives way no more.

    With feeling it goes as fast as a jam would allow at any moment, by the force that it feels now, and stops at once
    where one begins. What stands still is pushed again from below, which takes weight off it.
    """

    name: ClassVar[str] = "sweep"

    direction: Literal[-1, 1] = Field(description="+1 to +y of the bin, -1 to -y.")
    distance_m: float = Field(gt=0.0, le=0.30, description="Way of the tool from its planned entry.")
    min_distance_m: float | None = Field(
        default=None, ge=0.0, le=0.30, description="A stall after this way is good enough; None: the whole distance."
    )
    speed_m_s: float = Field(default=0.08, gt=0.0, le=0.15, description="At most; without feeling: all the way.")
    max_force_n: float | None = Field(
        default=None, gt=1.0, le=80.0, description="|F|, filtered, at most; None: the station's sweep_n."
    )
    contact_stiffness_n_m: float = Field(
        default=500.0, gt=0.0, le=20000.0, description="Of what is pushed, in series with the blade's bending."
    )
    jam_stiffness_n_m: float = Field(
        default=70000.0, gt=1000.0, le=500000.0, description="Of the stiffest jam expected; one felt stiffer counts."
    )
    yield_damping_n_s_m: float = Field(default=500.0, gt=0.0, le=20000.0, description="D of giving way near the limit.")
    stall_force_n: float = Field(default=8.0, gt=0.5, le=40.0, description="|F| at which standing still is a stall.")
    stall_speed_m_s: float = Field(default=0.003, gt=0.0, le=0.05)
    stall_s: float = Field(default=0.3, gt=0.0, le=3.0)
    feel: bool = Field(default=True, description="Choose the speed by what is felt, and push again after a stall.")
    max_lifts: int = Field(default=5, ge=0, le=10, description="Pushes after a stall that take weight off the load.")

    def check(self, cell: StowCell) -> list[str]:
        """See the base class."""
        unmet = []
        if cell.X_base_bin is None:
            unmet.append("no bin is active: the cell does not know X_base_bin")
        if cell.blade_m < 0.01:
            unmet.append("the blade is retracted: extend it first")
        limit = self.force_limit(cell)
        if limit > cell.station.forces.sweep_n:
            unmet.append(f"max_force_n may only tighten the station's {cell.station.forces.sweep_n} N (got {limit})")
        return unmet

    def preview(self, cell: StowCell) -> PrimitivePreview:
        """See the base class."""
        here = cell.session.state.X_base_tool_cmd[:3, 3]
        aside = cell.bin_axis_in_base(1) if cell.X_base_bin is not None else [0.0, 1.0, 0.0]
        there = [float(a + self.direction * self.distance_m * b) for a, b in zip(here, aside, strict=True)]
        towards = "left" if self.direction > 0 else "right"
        speed_m_s = self.gear_speed_m_s(cell, feeling.GEARS[0], self.jam_stiffness_n_m) if self.feel else self.speed_m_s
        return PrimitivePreview(
            name=self.name,
            words=f"sweeps {1e3 * self.distance_m:.0f} mm to the {towards} with at most {self.force_limit(cell):.0f} N",
            path_base_m=(motions.as_point(here), (there[0], there[1], there[2])),
            duration_s=motions.travel_duration_s(self.distance_m, speed_m_s, _SWEEP_ACCELERATION_M_S2),
            force_limit_n=self.force_limit(cell),
        )

    def force_limit(self, cell: StowCell) -> float:
        """See the base class."""
        return cell.station.forces.sweep_n if self.max_force_n is None else self.max_force_n

    def gear_speed_m_s(self, cell: StowCell, gear: feeling.Gear, stiffness_n_m: float) -> float:
        """Return the speed of a gear, for the largest force that it serves."""
        limit_n = self.force_limit(cell)
        safe_m_s = feeling.safe_speed_m_s(
            cell.station, limit_n=limit_n, felt_n=gear.most_share * limit_n, stiffness_n_m=stiffness_n_m
        )
        return min(max(safe_m_s, _LEAST_SPEED_M_S), self.speed_m_s)

    async def _do(self, cell: StowCell, trace: Trace) -> str:
        begin_m = float(cell.X_bin_tool[1, 3]) - cell.aside_m
        cell.swept = self.direction  # from here on the blade may press, however the sweep ends
        push = _Push(self, cell, trace, begin_m)
        ending = await (push.by_feeling() if self.feel else push.straight())
        cell.aside_m = 0.0
        needed_m = self.distance_m if self.min_distance_m is None else self.min_distance_m
        peak_n = max(o.peak_force_norm_n for o in trace.outcomes)
        trace.data["travelled_m"] = push.made_m
        trace.data.update(feeling.felt(trace.outcomes))
        if ending == "stalled" and push.made_m < needed_m:
            trace.fail(
                f"stalled after {1e3 * push.made_m:.0f} of {1e3 * needed_m:.0f} mm at {peak_n:.1f} N: no more room on "
                "that side, or too heavy"
            )
        if ending == "slipped":
            trace.fail(
                f"slipped after {1e3 * trace.data['slipped_m']:.0f} of {1e3 * needed_m:.0f} mm: nothing is in front of "
                "the blade any more"
            )
        return f"swept {1e3 * push.made_m:.0f} mm, peak {peak_n:.1f} N"

    async def _undo(self, cell: StowCell, trace: Trace) -> str | None:
        """Take the pressure off the blade, so that it can be drawn in; what was swept stays where it is."""
        if not cell.swept:
            return None
        await unpress(cell, trace, max_way_m=_UNPRESS_WAY_M, force_n=self.force_limit(cell))
        return "took the pressure off the blade"


class _Push:
    """One sweep under way."""

    def __init__(self, sweep: Sweep, cell: StowCell, trace: Trace, begin_m: float) -> None:
        self._sweep, self._cell, self._trace, self._begin_m = sweep, cell, trace, begin_m
        self._limit_n = sweep.force_limit(cell)
        self._stiffness_n_m = sweep.jam_stiffness_n_m
        self._gears: Sequence[feeling.Gear] = feeling.GEARS
        self._z_m = float(cell.X_bin_tool[2, 3])

    @property
    def made_m(self) -> float:
        """Way of the tool from its planned entry."""
        return self._sweep.direction * (float(self._cell.X_bin_tool[1, 3]) - self._begin_m)

    async def straight(self) -> str:
        """Push at one speed; returns how it ended."""
        push = self._segment("sweep", self._sweep.speed_m_s, until={"stalled": self._stalled()})
        outcome = await self._trace.run([push], accept=(_FAR_ENOUGH, "stalled"))
        return outcome.name

    async def by_feeling(self) -> str:
        """Push by what is felt until the way is made, nothing moves any more, or nothing is there; returns which."""
        careful = False
        for _ in range(_MAX_CHAINS):
            self._gears = feeling.GEARS[-1:] if careful else feeling.GEARS
            outcome = await self._trace.run(self._through(self._gears), accept=(_FAR_ENOUGH, *_ENDINGS))
            careful = outcome.name == feeling.JAMMED
            if outcome.name == _FAR_ENOUGH:
                missed = "slipped_m" in self._trace.data and abs(outcome.mean_force_n[1]) < feeling.TOUCHED_N
                return "slipped" if missed else outcome.name
            if outcome.name == "slipped":
                self._trace.data["slipped_m"] = self.made_m
            if careful:
                self._note_jam(outcome)
            if outcome.name in ("stalled", "slow"):
                return "stalled" if self._enough() else await self._lift_on()
        return "stalled"

    async def _lift_on(self) -> str:
        """Push on with strokes upward as long as they gain way; returns how it ended."""
        ending = "stalled"
        for lifts in range(1, self._sweep.max_lifts + 1):
            self._trace.data["lifts"] = lifts
            before_m = self.made_m
            ending = await self._lift()
            if ending == _FAR_ENOUGH or self.made_m - before_m < _PROGRESS_M:
                break
        await self._settle()
        return _FAR_ENOUGH if ending == _FAR_ENOUGH else "stalled"

    async def _settle(self) -> None:
        """Come down to the height of the plan, and back to what has been pushed."""
        y_m = float(self._cell.X_bin_tool[1, 3])
        await self._release()
        X_there = self._cell.session.state.X_base_tool_cmd
        X_there[:3, 3] += (y_m - float(self._cell.X_bin_tool[1, 3])) * self._cell.bin_axis_in_base(1)
        pressed = (abs(ft.force.y) > self._sweep.stall_force_n).for_(0.02)
        await motions.move_line(
            self._trace, X_there, name="back to the load", speed_m_s=self._speed_m_s(feeling.GEARS[0]),
            force_n=self._limit_n, until={"pressed": pressed}, accept=("pressed",), contact_stiffness_n_m=500.0,
            X_base_frame=self._cell.X_base_bin,
        )  # fmt: skip

    def _enough(self) -> bool:
        needed_m = self._sweep.min_distance_m
        return needed_m is not None and self.made_m >= needed_m

    def _note_jam(self, outcome: Outcome) -> None:
        """Believe what was felt when it was stiffer than believed."""
        felt_n_m = feeling.jam_stiffness_n_m(
            outcome, speed_m_s=self._speed_m_s(self._gears[outcome.segment_index]),
            reaction_s=feeling.reaction_s(self._cell.station),
        )  # fmt: skip
        self._trace.data["jam_stiffness_n_m"] = felt_n_m
        self._stiffness_n_m = max(self._stiffness_n_m, felt_n_m)

    def _speed_m_s(self, gear: feeling.Gear) -> float:
        return self._sweep.gear_speed_m_s(self._cell, gear, self._stiffness_n_m)

    def _through(self, gears: Sequence[feeling.Gear]) -> list[Segment]:
        """Return the push through gears, each slower and for more force than the one before, without a rest."""
        chain = []
        for gear in gears:
            speed_m_s, last = self._speed_m_s(gear), gear is gears[-1]
            until: dict[str, Condition | Expr] = {}
            if gear.most_share > _FIRM_SHARE:
                until["slipped"] = (ft.force.norm < feeling.TOUCHED_N).for_(_SLIP_S)
            if last:
                until["stalled"] = self._stalled()
                until["slow"] = time > _PATIENCE_S
                until["lighter"] = (ft.force.norm < _LIGHTER_SHARE * self._limit_n).for_(_LIGHTER_S)
            else:
                until[feeling.HEAVIER] = (ft.force.norm > gear.most_share * self._limit_n).for_(_HEAVIER_S)
            chain.append(self._segment(f"sweep, {gear.name}", speed_m_s, until=until, feels=not last))
        return chain

    async def _lift(self) -> str:
        """Push while the blade strokes upward: its friction carries weight of the load; returns how it ended."""
        await self._release()
        # It begins without pressure; near the limit the kernel slows the path itself.
        speed_m_s = self._speed_m_s(feeling.GEARS[0])
        rising = self._segment(
            "push up", speed_m_s, up_m_s=_LIFT_SHARE * speed_m_s,
            until={"risen": tool.position.z > self._z_m + _LIFT_M, "stalled": self._stalled(),
                   "slow": time > _PATIENCE_S},
        )  # fmt: skip
        outcome = await self._trace.run([rising], accept=(_FAR_ENOUGH, "risen", "stalled", "slow"))
        return outcome.name

    async def _release(self) -> None:
        """Take the pressure off and come back to the height of the plan."""
        sweep, cell = self._sweep, self._cell
        await unpress(cell, self._trace, max_way_m=_RELEASE_WAY_M, force_n=self._limit_n)
        cell.swept = sweep.direction
        X_down = cell.session.state.X_base_tool_cmd
        down_m = float(cell.X_bin_tool[2, 3]) - self._z_m
        if down_m > 0.001:
            X_down[:3, 3] -= down_m * cell.bin_axis_in_base(2)
            # What was lifted with it may have stayed up under the blade.
            rests = Reflex(condition=(abs(ft.force.z) > _RESTS_SHARE * self._limit_n).for_(0.003))
            await motions.move_line(
                self._trace, X_down, name="down again", speed_m_s=_DOWN_SPEED_M_S, force_n=self._limit_n,
                reflexes={"rests": rests}, accept=("rests",), contact_stiffness_n_m=500.0,
            )  # fmt: skip

    def _stalled(self) -> Condition:
        sweep = self._sweep
        standing = (tool.travel_speed < sweep.stall_speed_m_s) & (ft.force.norm > sweep.stall_force_n)
        return standing.for_(sweep.stall_s)

    def _segment(
        self,
        name: str,
        speed_m_s: float,
        *,
        until: Mapping[str, Condition | Expr],
        up_m_s: float = 0.0,
        feels: bool = False,
    ) -> Segment:
        sweep, cell = self._sweep, self._cell
        # The stop takes a way of its own: v sqrt(v / j) for a ramp of full jerk.
        stop_m = speed_m_s * sqrt(speed_m_s / _SWEEP_JERK_M_S3)
        y_end_m = self._begin_m + sweep.direction * max(0.0, sweep.distance_m - stop_m)
        arrived = tool.position.y > y_end_m if sweep.direction > 0 else tool.position.y < y_end_m
        jam = feeling.jam_condition(limit_n=self._limit_n, stiffness_n_m=self._stiffness_n_m, speed_m_s=speed_m_s)
        return Segment(
            name=name,
            arm=Twist(v_m_s=(0.0, sweep.direction * speed_m_s, up_m_s)),
            squeeze=motions.grip(cell),
            X_base_frame=cell.X_base_bin,
            limits=motions.limits(
                cell,
                self._limit_n,
                speed_m_s=1.25 * hypot(speed_m_s, up_m_s),
                acceleration_m_s2=_SWEEP_ACCELERATION_M_S2,
                jerk_m_s3=_SWEEP_JERK_M_S3,
                damping_n_s_m=sweep.yield_damping_n_s_m,
                contact_stiffness_n_m=sweep.contact_stiffness_n_m,
            ),
            until={_FAR_ENOUGH: arrived, **until},
            reflexes={feeling.JAMMED: Reflex(condition=jam, retreat_m=_JAM_RETREAT_M)} if feels else {},
            payload=cell.payload,
            timeout_s=4.0 * sweep.distance_m / speed_m_s + 3.0,
        )
