"""Making room: the blade goes in and pushes what stands there aside."""

from math import sqrt
from typing import ClassVar, Literal

from pydantic import Field

from podhand.controllers.conditions import axis, ft, time, tool
from podhand.controllers.segments import Reflex, Segment, Twist
from podhand.core.exchange import Axis
from podhand.primitives import motions
from podhand.primitives.base import Primitive, PrimitivePreview, Trace
from podhand.primitives.cell import StowCell
from podhand.primitives.reaching import blade_in, unpress

__all__ = ["ExtendBlade", "Sweep"]

_SWEEP_ACCELERATION_M_S2 = 2.0
_SWEEP_JERK_M_S3 = 100.0
_UNPRESS_WAY_M = 0.010
_INWARD_SPEED_M_S = 0.30


class ExtendBlade(Primitive):
    """Push the blade out to an extension; it stops where something blocks it."""

    name: ClassVar[str] = "extend_blade"

    extension_m: float = Field(ge=0.0, le=0.34, description="Position of the blade axis; 0 is retracted.")
    speed_m_s: float = Field(default=0.15, gt=0.0, le=0.4)
    blocked_n: float = Field(default=8.0, gt=0.5, le=40.0, description="|F| at the tool that means blocked.")
    drive_force_n: float = Field(default=20.0, gt=1.0, le=40.0, description="|force| of the blade's drive, at most.")
    retreat_m: float = Field(default=0.003, gt=0.0, le=0.005, description="Of the tool, after a hard contact.")
    tolerance_m: float = Field(
        default=0.010, ge=0.0, le=0.1, description="Blocked this close to the end still counts as done."
    )

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
        limit_n, start_m = self.force_limit(cell), cell.blade_m
        if self.extension_m < start_m:
            await unpress(cell, trace, max_way_m=_UNPRESS_WAY_M, force_n=cell.station.forces.retract_n)
            await self._inward(cell, trace)
            return f"blade at {1e3 * cell.blade_m:.0f} mm"
        # The drive also accelerates the blade: its force means contact only when the blade no longer runs freely.
        hard = Reflex(condition=ft.force.norm > 0.6 * limit_n, retreat_m=self.retreat_m)
        held_back = (abs(axis(Axis.BLADE).force) > 0.5 * self.drive_force_n) & (time > 0.15)
        outcome = await trace.run(
            [
                Segment(
                    name="blade out",
                    blade=motions.target(cell, Axis.BLADE, self.extension_m, self.speed_m_s),
                    squeeze=motions.grip(cell),
                    limits=motions.limits(
                        cell, limit_n, axis_force={Axis.BLADE: self.drive_force_n}, contact_stiffness_n_m=500.0,
                        speed_m_s=0.1,
                    ),
                    until={
                        "blocked": (ft.force.norm > self.blocked_n).for_(0.005),
                        "held back": held_back.for_(0.03),
                    },
                    reflexes={"hard contact": hard},
                    payload=cell.payload,
                    timeout_s=motions.axis_timeout_s(self.extension_m - start_m, self.speed_m_s),
                )
            ],
            accept=("blocked", "held back", "hard contact"),
        )  # fmt: skip
        reached_m = cell.session.state.axis(Axis.BLADE)
        trace.data["extension_m"] = reached_m
        missing_m = abs(self.extension_m - reached_m)
        if outcome.name and missing_m > self.tolerance_m:
            how = {"hard contact": "stopped by a hard contact"}.get(outcome.name, outcome.name)
            trace.fail(f"the blade was {how} at {1e3 * reached_m:.0f} of {1e3 * self.extension_m:.0f} mm "
                       f"(felt {outcome.value:.1f} N)")  # fmt: skip
        return f"blade at {1e3 * reached_m:.0f} mm"

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
        return "blade retracted"


class Sweep(Primitive):
    """Push with the blade sideways in the bin until the way is made, or until what stands there gives way no more."""

    name: ClassVar[str] = "sweep"

    direction: Literal[-1, 1] = Field(description="+1 to +y of the bin, -1 to -y.")
    distance_m: float = Field(gt=0.0, le=0.30, description="Way of the tool.")
    min_distance_m: float | None = Field(
        default=None, ge=0.0, le=0.30, description="A stall after this way is good enough; None: the whole distance."
    )
    speed_m_s: float = Field(default=0.08, gt=0.0, le=0.15)
    max_force_n: float | None = Field(
        default=None, gt=1.0, le=80.0, description="|F|, filtered, at most; None: the station's sweep_n."
    )
    contact_stiffness_n_m: float = Field(
        default=500.0, gt=0.0, le=20000.0, description="Of what is pushed, in series with the blade's bending."
    )
    yield_damping_n_s_m: float = Field(default=500.0, gt=0.0, le=20000.0, description="D of giving way near the limit.")
    stall_force_n: float = Field(default=8.0, gt=0.5, le=40.0, description="|F| at which standing still is a stall.")
    stall_speed_m_s: float = Field(default=0.003, gt=0.0, le=0.05)
    stall_s: float = Field(default=0.3, gt=0.0, le=3.0)

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
        return PrimitivePreview(
            name=self.name,
            words=f"sweeps {1e3 * self.distance_m:.0f} mm to the {towards} with at most {self.force_limit(cell):.0f} N",
            path_base_m=(motions.as_point(here), (there[0], there[1], there[2])),
            duration_s=motions.travel_duration_s(self.distance_m, self.speed_m_s, _SWEEP_ACCELERATION_M_S2),
            force_limit_n=self.force_limit(cell),
        )

    def force_limit(self, cell: StowCell) -> float:
        """See the base class."""
        return cell.station.forces.sweep_n if self.max_force_n is None else self.max_force_n

    async def _do(self, cell: StowCell, trace: Trace) -> str:
        y_start_m = float(cell.X_bin_tool[1, 3])
        cell.swept = self.direction  # from here on the blade may press, however the sweep ends
        await trace.run([self._segment(cell, y_start_m)], accept=("far enough", "stalled"))
        outcome = trace.outcomes[-1]
        travelled_m = self.direction * (float(cell.X_bin_tool[1, 3]) - y_start_m)
        trace.data["travelled_m"] = travelled_m
        trace.data["mean_force_n"] = abs(outcome.mean_force_n[1])
        needed_m = self.distance_m if self.min_distance_m is None else self.min_distance_m
        if outcome.name == "stalled" and travelled_m < needed_m:
            trace.fail(
                f"stalled after {1e3 * travelled_m:.0f} of {1e3 * needed_m:.0f} mm at "
                f"{outcome.peak_force_norm_n:.1f} N: no more room on that side"
            )
        return f"swept {1e3 * travelled_m:.0f} mm, peak {outcome.peak_force_norm_n:.1f} N"

    def _segment(self, cell: StowCell, y_start_m: float) -> Segment:
        # The stop takes a way of its own: v sqrt(v / j) for a ramp of full jerk.
        stop_m = self.speed_m_s * sqrt(self.speed_m_s / _SWEEP_JERK_M_S3)
        y_end_m = y_start_m + self.direction * max(0.0, self.distance_m - stop_m)
        arrived = tool.position.y > y_end_m if self.direction > 0 else tool.position.y < y_end_m
        stalled = (tool.travel_speed < self.stall_speed_m_s) & (ft.force.norm > self.stall_force_n)
        return Segment(
            name="sweep",
            arm=Twist(v_m_s=(0.0, self.direction * self.speed_m_s, 0.0)),
            squeeze=motions.grip(cell),
            X_base_frame=cell.X_base_bin,
            limits=motions.limits(
                cell,
                self.force_limit(cell),
                speed_m_s=1.25 * self.speed_m_s,
                acceleration_m_s2=_SWEEP_ACCELERATION_M_S2,
                jerk_m_s3=_SWEEP_JERK_M_S3,
                damping_n_s_m=self.yield_damping_n_s_m,
                contact_stiffness_n_m=self.contact_stiffness_n_m,
            ),
            until={"far enough": arrived, "stalled": stalled.for_(self.stall_s)},
            payload=cell.payload,
            timeout_s=4.0 * self.distance_m / self.speed_m_s + 3.0,
        )

    async def _undo(self, cell: StowCell, trace: Trace) -> str | None:
        """Take the pressure off the blade, so that it can be drawn in; what was swept stays where it is."""
        if not cell.swept:
            return None
        await unpress(cell, trace, max_way_m=_UNPRESS_WAY_M, force_n=self.force_limit(cell))
        return "took the pressure off the blade"
