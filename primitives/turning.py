"""Standing a lying item up: the blade lifts the side next to it and turns it by 90 degrees against what is behind it.

In a cross-section of the bin (s along y towards what the item turns against, z up) the blade is a straight piece as
long as the blade is high. Its *lean* is the angle between it and the floor: 0 flat, pi/2 upright. The tool's paddles
are on the side that faces the item, in front of the bin, so they and a held item turn with it.

1. *Beside*: the blade leans away from the item, as flat as the gap lets it, and comes down until it feels the floor.
2. *Wedged*: its lower edge slides along the floor under the item's rounded lower edge. It moves in and up together:
   following the edge as it rises, it does not have to push the item against what it turns against.
3. *Under*: it goes further in and lies down as the room it leaves lets it; from here it lifts almost straight.
4. *Lifted*: the item's far lower edge slides out along the floor while its far upper edge slides down what it leans
   on. The blade lies flush under it and turns with it about that edge; the tool follows that arc.
5. *Standing*: past atan(width / height) the item falls the rest of the way by itself. The blade presses it home, backs
   off, and feels whether something still leans on it.

Sliding the blade under the item from the front, flat, would need no gap beside it. But then the whole blade has to
pass under the front edge with nothing but friction holding the item against the push; a push from the side is held by
what the item turns against, over its whole length, and the edge to go under is as long as the blade.

The tool must be at the bin's mouth, leaning, and the blade out beside the item, before this primitive begins.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import atan2, cos, degrees, hypot, pi, radians, sin
from typing import ClassVar, Final, Literal

import numpy as np
from pydantic import Field

from podhand.controllers.conditions import Condition, Expr, ft, time, tool
from podhand.controllers.outcomes import Outcome
from podhand.controllers.segments import Reflex, Segment, Twist
from podhand.controllers.trajectories import line
from podhand.core.poses import Pose, inverse, pose, rotation_rpy
from podhand.core.tooling import StowTool
from podhand.primitives import motions
from podhand.primitives.base import Point, Primitive, PrimitivePreview, Trace
from podhand.primitives.cell import StowCell

__all__ = ["BladeSection", "FlipUp", "mouth_pose", "section_of"]

UNDER_LEAN_RAD: Final = radians(20.0)
"""Lean of the blade under the item before it lifts; flatter, the paddles' edge would come near the floor plate."""
MAX_BLADE_TOP_M: Final = 0.265
"""The blade's upper edge stays under this height: over it the tool would come near the bin's ceiling."""
_WEDGE: Final = ((0.003, 0.005, 0.0), (0.010, 0.012, 0.2), (0.020, 0.015, 0.5))
"""Way in from the felt edge [m], lift [m], and share of the way to the flat lean. In and up together: following the
edge as it rises, the blade does not have to push the item against what it leans on."""
_WEDGED: Final = len(_WEDGE) + 1
_UNDER_LIFT_M, _LEAST_WAY_M = 0.016, 0.030
_LATE_M = 0.012
"""The edge may be this much farther in than it was seen."""
_BENT_M = 0.004
"""The blade is bent by the floor and has a thickness: its edge is this far ahead of its middle when it feels one."""
_STEP_RAD = radians(12.0)
_END_RAD = radians(89.0)
_BESIDE_M, _OVER_FLOOR_M = 0.006, 0.004
"""Where the blade's lower edge is beside the item."""
_PRESS_M = 0.003
"""The path is this much further in than the geometry: what is not known must not let the item slip off."""
_ACCELERATION_M_S2 = 1.0
_JERK_M_S3 = 20.0
_TURN_RAD_S = 0.6
_CONTACT_N_M = 500.0
_STALL_SHARE = 0.65
"""Of the force limit: the path slows down from half of it and stands at 80 %."""
_SLIP_SHARE, _SLIP_LEAST_N = 0.3, 2.0


@dataclass(frozen=True, kw_only=True)
class BladeSection:
    """The blade in a cross-section of the bin, seen so that it lifts towards +s."""

    s_m: float
    """Of its lower edge: y of the bin frame times the direction of the flip."""
    z_m: float
    lean_rad: float
    """Angle between floor and blade; the upper edge is on the side away from the item."""

    @property
    def along(self) -> tuple[float, float]:
        """Unit vector (s, z) from the lower to the upper edge."""
        return -cos(self.lean_rad), sin(self.lean_rad)


def mouth_pose(section: BladeSection, direction: int, *, x_m: float, opening_m: float, tool: StowTool) -> Pose:
    """Return ``X_bin_tool`` that holds the blade in a section.

    Args:
        section: where the blade is.
        direction: +1 when the item turns towards +y, -1 towards -y.
        x_m: of the mouth.
        opening_m: between the belt faces; the blade's place in the tool depends on it.
        tool: its geometry.
    """
    half, offset = tool.blade_half_height_m, -tool.blade_offset_m(opening_m)
    (a, b), lean = section.along, section.lean_rad
    s = section.s_m + half * a + offset * sin(lean)
    z = section.z_m + half * b + offset * cos(lean)
    return pose(rotation_rpy(pi / 2 - direction * lean, 0.0, 0.0), (x_m, direction * s, z))


def section_of(X_bin_tool: Pose, direction: int, *, opening_m: float, tool: StowTool) -> BladeSection:
    """Return the section in which the tool holds its blade; inverse of ``mouth_pose``."""
    half, offset = tool.blade_half_height_m, -tool.blade_offset_m(opening_m)
    roll = atan2(X_bin_tool[2, 1], X_bin_tool[1, 1])
    lean = (direction * (pi / 2 - roll) + pi) % (2 * pi) - pi
    s, z = direction * float(X_bin_tool[1, 3]), float(X_bin_tool[2, 3])
    return BladeSection(
        s_m=s + half * cos(lean) - offset * sin(lean), z_m=z - half * sin(lean) - offset * cos(lean), lean_rad=lean
    )


class FlipUp(Primitive):
    """Stand a lying item up: blade under the side next to it, then turn it by 90 degrees against what is behind it."""

    name: ClassVar[str] = "flip_up"

    direction: Literal[-1, 1] = Field(description="The item turns towards +y of the bin (+1) or -y.")
    support_y_m: float = Field(ge=-0.5, le=0.5, description="Face that the item turns against; y in the bin frame.")
    width_m: float = Field(gt=0.04, le=0.27, description="Of the lying item, along y: its height when it stands.")
    height_m: float = Field(gt=0.010, le=0.12, description="Of the lying item: its width when it stands.")
    insert_m: float = Field(default=0.045, ge=0.015, le=0.08, description="How far the blade goes under the item.")
    touch_m: float = Field(default=0.014, gt=0.0, le=0.04, description="Way down in which the floor must be felt.")
    floor_n: float = Field(default=1.5, gt=0.5, le=10.0, description="Upward force that means the floor.")
    edge_n: float = Field(default=2.5, gt=0.5, le=10.0, description="Sideways force that means the item's edge.")
    wedge_speed_m_s: float = Field(default=0.02, gt=0.0, le=0.05, description="Along the floor, under the edge.")
    speed_m_s: float = Field(default=0.05, gt=0.0, le=0.10, description="Along the arc.")
    max_force_n: float | None = Field(
        default=None, gt=1.0, le=80.0, description="|F|, filtered, at most; None: the station's sweep_n."
    )
    stall_force_n: float = Field(default=13.0, gt=0.5, le=40.0, description="|F| at which standing still is a stall.")
    stall_s: float = Field(default=0.4, gt=0.0, le=3.0)
    seat_m: float = Field(default=0.020, gt=0.0, le=0.05, description="Way in which the standing item must be felt.")
    release_m: float = Field(default=0.012, gt=0.0, le=0.05, description="The blade backs off this far at the end.")
    leaning_n: float = Field(default=2.0, gt=0.5, le=10.0, description="|F| after that which means it leans on us.")

    def check(self, cell: StowCell) -> list[str]:
        """See the base class."""
        if cell.X_base_bin is None:
            return ["no bin is active: the cell does not know X_base_bin"]
        unmet = []
        if cell.blade_m < 0.05:
            unmet.append(f"the blade is out by {cell.blade_m:.3f} m only: extend it beside the item first")
        limit = self.force_limit(cell)
        if limit > cell.station.forces.sweep_n:
            unmet.append(f"max_force_n may only tighten the station's {cell.station.forces.sweep_n} N (got {limit})")
        if hypot(self.width_m, self.height_m) > cell.station.pod.bin_height_m - 0.01:
            unmet.append(
                f"an item of {self.width_m} x {self.height_m} m does not turn under a ceiling of "
                f"{cell.station.pod.bin_height_m} m"
            )
        here = self._section(cell)
        if not radians(15.0) < here.lean_rad < radians(65.0):
            unmet.append(
                f"the blade must lean by 15 … 65 deg beside the item (it does by {degrees(here.lean_rad):.0f})"
            )
        elif here.s_m > self._edge_s_m + _LATE_M:
            unmet.append(
                f"the blade's lower edge is {1e3 * (here.s_m - self._edge_s_m):.0f} mm beyond the item's edge: "
                "enter beside it"
            )
        return unmet

    def preview(self, cell: StowCell) -> PrimitivePreview:
        """See the base class."""
        X_start = np.array(cell.session.state.X_base_tool_cmd)
        towards = "left" if self.direction > 0 else "right"
        points: tuple[Point, ...] = (motions.as_point(X_start[:3, 3]),)
        duration_s = 2.0 + self.touch_m / 0.010 + self.insert_m / self.wedge_speed_m_s
        if cell.X_base_bin is not None:
            points += tuple(motions.as_point(self._goal(cell, each)[:3, 3]) for each in self.sections())
            lift = [self._goal(cell, each) for each in self.sections()[_WEDGED:]]
            duration_s += sum(motions.straight_duration_s(a, b, self.speed_m_s) for a, b in pairwise(lift))
        return PrimitivePreview(
            name=self.name,
            words=f"stands an item of {1e3 * self.width_m:.0f} x {1e3 * self.height_m:.0f} mm up to the {towards}, "
            f"with at most {self.force_limit(cell):.0f} N",
            path_base_m=points,
            duration_s=duration_s,
            force_limit_n=self.force_limit(cell),
        )

    def force_limit(self, cell: StowCell) -> float:
        """See the base class."""
        return cell.station.forces.sweep_n if self.max_force_n is None else self.max_force_n

    # ---- geometry -----------------------------------------------------------------------------------------------

    @property
    def _edge_s_m(self) -> float:
        """Where the lying item's edge is when it touches its support."""
        return self.direction * self.support_y_m - self.width_m

    @property
    def tips_at_rad(self) -> float:
        """Angle from which the item falls towards its support by itself."""
        return atan2(self.width_m, self.height_m)

    def sections(
        self, lean_rad: float = pi / 4, *, floor_z_m: float = 0.0, edge_s_m: float | None = None
    ) -> list[BladeSection]:
        """Return the places of the blade from wedged to standing.

        Args:
            lean_rad: with which it entered.
            floor_z_m: of its lower edge when it felt the floor.
            edge_s_m: of its lower edge when it felt the item's; None: where that should be.
        """
        flat = min(lean_rad, UNDER_LEAN_RAD)
        edge = self._edge_s_m - _BENT_M if edge_s_m is None else edge_s_m
        wedge = [
            BladeSection(s_m=edge + way, z_m=floor_z_m + lift, lean_rad=lean_rad + share * (flat - lean_rad))
            for way, lift, share in _WEDGE
        ]
        last = max(self._edge_s_m + self.insert_m, edge + _LEAST_WAY_M)
        wedge.append(BladeSection(s_m=last, z_m=floor_z_m + _UNDER_LIFT_M, lean_rad=flat))
        angles = np.linspace(UNDER_LEAN_RAD, _END_RAD, round((_END_RAD - UNDER_LEAN_RAD) / _STEP_RAD) + 1)
        return wedge + [self._flush(float(angle), floor_z_m) for angle in angles]

    def _flush(self, angle_rad: float, floor_z_m: float) -> BladeSection:
        """Return the blade flush under the item, turned by an angle and leaning on its support."""
        c, s = cos(angle_rad), sin(angle_rad)
        under = max(self.insert_m, self.width_m + 0.09 - MAX_BLADE_TOP_M)
        foot = self.direction * self.support_y_m - self.height_m * s
        return BladeSection(
            s_m=foot - (self.width_m - under) * c + _PRESS_M,
            z_m=max((self.width_m - under) * s, floor_z_m),
            lean_rad=angle_rad,
        )

    def _section(self, cell: StowCell) -> BladeSection:
        """Return the commanded section of the blade."""
        return section_of(_commanded(cell), self.direction, opening_m=cell.opening_m, tool=cell.station.tool)

    def _goal(self, cell: StowCell, section: BladeSection) -> Pose:
        """Return the tool's pose that brings the blade to a section; the mouth keeps its x."""
        assert cell.X_base_bin is not None
        X: Pose = cell.X_base_bin @ mouth_pose(
            section, self.direction, x_m=float(_commanded(cell)[0, 3]), opening_m=cell.opening_m, tool=cell.station.tool
        )
        return X

    # ---- action -------------------------------------------------------------------------------------------------

    async def _do(self, cell: StowCell, trace: Trace) -> str:
        lean_rad = self._section(cell).lean_rad
        trace.data["angle_rad"] = 0.0
        cell.swept = self.direction  # from here on the blade may press, however this ends
        await self._find_floor(cell, trace)
        floor_z_m = self._section(cell).z_m
        edge_s_m = await self._find_edge(cell, trace)
        path = self.sections(lean_rad, floor_z_m=floor_z_m, edge_s_m=edge_s_m)
        wedge, arc = path[:_WEDGED], path[_WEDGED:]
        for number, section in enumerate(wedge):
            await self._to(cell, trace, section, f"under {number + 1}", self.wedge_speed_m_s)
        await self._lift(cell, trace, arc)
        await self._seat(cell, trace)
        await self._release(cell, trace)
        cell.swept = 0
        trace.data["angle_rad"] = pi / 2
        return (
            f"stood up, {1e3 * (self.width_m - self.height_m):.0f} mm of width won, peak "
            f"{max(o.peak_force_norm_n for o in trace.outcomes):.1f} N"
        )

    async def _find_floor(self, cell: StowCell, trace: Trace) -> None:
        floor = (ft.force.z > self.floor_n).for_(0.01)
        outcome = await self._creep(cell, trace, "to the floor", (0.0, 0.0, -0.010), self.touch_m, "floor", floor)
        if outcome.name != "floor":
            trace.fail(f"no floor was felt within {1e3 * self.touch_m:.0f} mm: the bin is not where it was seen")

    async def _find_edge(self, cell: StowCell, trace: Trace) -> float | None:
        """Slide along the floor until the item's edge is felt or, for a light item that gives way, must be there.

        Returns where the blade's lower edge is when it feels the item's; None when it felt nothing.
        """
        way_m = max(0.001, self._edge_s_m + _LATE_M - self._section(cell).s_m)
        # Setting off shakes the blade, which rubs along the floor: what is felt then is not the edge.
        edge = ((abs(ft.force.y) > self.edge_n) & (time > 0.15)).for_(0.04)
        velocity = (0.0, self.direction * self.wedge_speed_m_s, 0.0)
        outcome = await self._creep(cell, trace, "to the edge", velocity, way_m, "edge", edge)
        felt = outcome.name == "edge"
        trace.data["edge_felt"] = float(felt)
        return self._section(cell).s_m if felt else None

    async def _lift(self, cell: StowCell, trace: Trace, arc: Sequence[BladeSection]) -> None:
        first: tuple[float, float] | None = None  # load and angle when the item hung on the blade for the first time
        for section in arc:
            angle = section.lean_rad
            home = angle > self.tips_at_rad
            outcome = await self._to(
                cell, trace, section, f"lift to {degrees(angle):.0f} deg", self.speed_m_s, home=home
            )
            load_n = hypot(outcome.mean_force_n[1], outcome.mean_force_n[2])
            trace.data["angle_rad"] = angle
            trace.data["load_n"] = max(load_n, trace.data.get("load_n", 0.0))
            torque_n_m = float(np.linalg.norm(outcome.mean_torque_n_m))
            trace.data["torque_n_m"] = max(torque_n_m, trace.data.get("torque_n_m", 0.0))
            first = first or (load_n, angle)
            if outcome.name == "home":
                return
            expected_n = first[0] * sin(self.tips_at_rad - angle) / max(sin(self.tips_at_rad - first[1]), 0.1)
            if expected_n > _SLIP_LEAST_N and load_n < _SLIP_SHARE * expected_n:
                trace.fail(
                    f"the item slipped off the blade at {degrees(angle):.0f} deg: {load_n:.1f} N are felt, about "
                    f"{expected_n:.1f} N should be"
                )

    async def _seat(self, cell: StowCell, trace: Trace) -> None:
        """Press the standing item home; one that has slipped off is not there."""
        felt = (abs(ft.force.y) > self.edge_n).for_(0.01)
        velocity = (0.0, self.direction * self.wedge_speed_m_s, 0.0)
        if (await self._creep(cell, trace, "press home", velocity, self.seat_m, "felt", felt)).name != "felt":
            trace.fail("nothing stands where the item should stand: it slipped off the blade on the way")

    async def _release(self, cell: StowCell, trace: Trace) -> None:
        velocity = (0.0, -self.direction * self.wedge_speed_m_s, 0.0)
        never = ft.force.norm > 1e3
        await self._creep(cell, trace, "back off", velocity, self.release_m, "never", never)
        rest = motions.rest(cell, 0.15, name="look for a leaning item", force_n=self.force_limit(cell))
        outcome = await trace.run([rest], accept=("time is up",))
        felt_n = float(np.linalg.norm(outcome.mean_force_n))
        trace.data["after_n"] = felt_n
        if felt_n > self.leaning_n:
            trace.fail(f"the item does not stand: it still leans on the blade with {felt_n:.1f} N")

    async def _creep(
        self,
        cell: StowCell,
        trace: Trace,
        name: str,
        v_m_s: Point,
        way_m: float,
        until: str,
        condition: Condition | Expr,
    ) -> Outcome:
        """Move straight in the bin frame until something is felt, or for a way."""
        speed = float(np.linalg.norm(v_m_s))
        return await trace.run(
            [
                Segment(
                    name=name,
                    arm=Twist(v_m_s=v_m_s),
                    squeeze=motions.grip(cell),
                    X_base_frame=cell.X_base_bin,
                    limits=motions.limits(
                        cell, self.force_limit(cell), speed_m_s=0.05, contact_stiffness_n_m=_CONTACT_N_M,
                        acceleration_m_s2=_ACCELERATION_M_S2,
                    ),
                    until={until: condition, "far enough": tool.travel > way_m},
                    payload=cell.payload,
                    timeout_s=3.0 * way_m / speed + 2.0,
                )
            ],
            accept=(until, "far enough"),
        )  # fmt: skip

    async def _to(
        self, cell: StowCell, trace: Trace, section: BladeSection, name: str, speed_m_s: float, *, home: bool = False
    ) -> Outcome:
        """Bring the blade to a section: straight, turning on the way; pressing the item home may end it."""
        path = line(
            cell.session.state.X_base_tool_cmd, self._goal(cell, section), speed_m_s=speed_m_s,
            acceleration_m_s2=_ACCELERATION_M_S2, jerk_m_s3=_JERK_M_S3, angular_speed_rad_s=_TURN_RAD_S,
        )  # fmt: skip
        limit_n = self.force_limit(cell)
        stall_n = min(self.stall_force_n, _STALL_SHARE * limit_n)
        stalled = (tool.travel_speed < 0.003) & (ft.force.norm > stall_n) & (time > 0.1)
        outcome = await trace.run(
            [
                Segment(
                    name=name,
                    arm=path,
                    squeeze=motions.grip(cell),
                    X_base_frame=cell.X_base_bin,
                    limits=motions.limits(
                        cell, limit_n, speed_m_s=1.2 * speed_m_s, contact_stiffness_n_m=_CONTACT_N_M,
                        acceleration_m_s2=_ACCELERATION_M_S2,
                    ),
                    until={"home": (abs(ft.force.y) > 2.0 * self.edge_n).for_(0.02)} if home else {},
                    reflexes={"stalled": Reflex(condition=stalled.for_(self.stall_s))},
                    payload=cell.payload,
                    timeout_s=4.0 * path.duration_s + 3.0,
                )
            ],
            accept=("stalled", "home"),
        )  # fmt: skip
        if outcome.name == "stalled":
            trace.fail(f"stalled on the way {name} at {outcome.peak_force_norm_n:.1f} N: the item is too heavy, its "
                       "edge is too sharp to get under, or something is in its way")  # fmt: skip
        return outcome

    # ---- taking back --------------------------------------------------------------------------------------------

    async def _undo(self, cell: StowCell, trace: Trace) -> str | None:
        """Lower an item that hangs on the blade the way it came, and get out from under it."""
        if not cell.swept or cell.X_base_bin is None:
            return None
        here = self._section(cell)
        path = self.sections(max(here.lean_rad, radians(35.0)))
        nearest = min(range(len(path)), key=lambda k: _apart(path[k], here))
        beside = BladeSection(s_m=self._edge_s_m - _BESIDE_M, z_m=_OVER_FLOOR_M, lean_rad=path[0].lean_rad)
        for section in (*reversed(path[:nearest]), beside):
            await self._to(cell, trace, section, "down and out", self.speed_m_s)
        cell.swept = 0
        return "laid the item down again and took the blade from under it"


def _commanded(cell: StowCell) -> Pose:
    """Return the commanded pose of the tool in the bin frame."""
    assert cell.X_base_bin is not None
    X: Pose = inverse(cell.X_base_bin) @ cell.session.state.X_base_tool_cmd
    return X


def _apart(a: BladeSection, b: BladeSection) -> float:
    """Return how far two sections are apart [m]; a turn counts as the blade's edge would move."""
    return hypot(a.s_m - b.s_m, a.z_m - b.z_m) + 0.09 * abs(a.lean_rad - b.lean_rad)
