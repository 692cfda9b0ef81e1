"""Moving the tool without work on items: to the bin's mouth, along it, away from it, to rest."""

from typing import ClassVar

import numpy as np
from pydantic import Field

from podhand.controllers.conditions import axis, ft, time, tool
from podhand.controllers.segments import Reflex, Segment, Twist
from podhand.core.exchange import Axis
from podhand.core.poses import Pose
from podhand.primitives import motions
from podhand.primitives.base import Joints, Matrix, Primitive, PrimitivePreview, Trace, to_pose
from podhand.primitives.cell import Bands, StowCell

__all__ = ["Align", "Approach", "Park", "Retract", "blade_in", "unpress"]

BLADE_IN_M = 0.004
_UNPRESSED_N = 2.0
_UNPRESS_SPEED_M_S = 0.03
_DRAG_N, _DRAG_S = 3.0, 0.08
"""A free blade needs far less than this along its way, and only while it speeds up."""
_SHAKE_M, _SHAKE_M_S, _SHAKE_OUT_M_S, _SHAKE_N = 0.004, 0.04, 0.08, 6.0


class Approach(Primitive):
    """Joint path to in front of the bin, then straight to its mouth; contact on the way ends it."""

    name: ClassVar[str] = "approach"

    waypoints_rad: tuple[Joints, ...] = Field(min_length=1, description="Joint path to in front of the bin.")
    X_base_tool_mouth: Matrix = Field(description="Tool at the bin's mouth.")
    speed_m_s: float = Field(default=0.175, gt=0.0, le=0.5, description="Of the straight line.")
    speed_scale: float = Field(default=0.93, gt=0.0, le=1.0, description="Of the joint path.")
    last_m: float = Field(default=0.009, ge=0.0, le=0.2, description="The last piece of the line, gone slowly.")
    last_speed_m_s: float = Field(default=0.025, gt=0.0, le=0.2)
    contact_n: float = Field(default=6.0, gt=1.0, le=50.0, description="|F| that counts as contact, if it stays.")
    tolerance_m: float = Field(
        default=0.004, ge=0.0, le=0.05, description="Contact this close to the mouth is harmless."
    )
    start_gap_rad: float = Field(default=0.1, ge=0.0, le=0.5, description="How far off the path may begin.")

    def check(self, cell: StowCell) -> list[str]:
        """See the base class."""
        return [f"the blade is out by {cell.blade_m:.3f} m: retract it first"] if cell.blade_m > 0.01 else []

    def preview(self, cell: StowCell) -> PrimitivePreview:
        """See the base class."""
        X_mouth = to_pose(self.X_base_tool_mouth)
        path = motions.tool_points(cell, self.waypoints_rad)
        way = float(np.linalg.norm(X_mouth[:3, 3] - path[-1]))
        duration = motions.path_duration_s(cell, self.waypoints_rad, self.speed_scale) + 0.3
        return PrimitivePreview(
            name=self.name,
            words=f"goes to the bin and the last {1e3 * way:.0f} mm straight to its mouth",
            path_base_m=(*path, motions.as_point(X_mouth[:3, 3])),
            waypoints_rad=self.waypoints_rad,
            duration_s=duration + motions.travel_duration_s(way, self.speed_m_s),
            force_limit_n=self.force_limit(cell),
        )

    def force_limit(self, cell: StowCell) -> float:
        """See the base class."""
        return cell.station.forces.approach_n

    async def _do(self, cell: StowCell, trace: Trace) -> str:
        X_mouth, limit_n = to_pose(self.X_base_tool_mouth), self.force_limit(cell)
        await motions.move_joints(
            trace, self.waypoints_rad, speed_scale=self.speed_scale, force_n=cell.station.forces.transfer_n,
            start_gap_rad=self.start_gap_rad,
        )  # fmt: skip
        await motions.tare(trace, limit_n)
        X_slow = self._slow_from(cell, X_mouth)
        for X, name, speed_m_s in (
            (X_slow, "to the bin", self.speed_m_s),
            (X_mouth, "to the mouth", min(self.speed_m_s, self.last_speed_m_s)),
        ):
            await self._carefully(cell, trace, X, name, speed_m_s)
        return "at the mouth of the bin"

    def _slow_from(self, cell: StowCell, X_mouth: Pose) -> Pose:
        """Return where the last, slow piece of the line begins."""
        X = X_mouth.copy()
        way = X_mouth[:3, 3] - cell.session.state.X_base_tool_cmd[:3, 3]
        length_m = float(np.linalg.norm(way))
        if length_m > 0.0:
            X[:3, 3] -= min(1.0, self.last_m / length_m) * way
        return X

    async def _carefully(self, cell: StowCell, trace: Trace, X: Pose, name: str, speed_m_s: float) -> None:
        """Move straight; what stays in the way ends it, what is hard makes the tool stop at once and step back."""
        hard = Reflex(condition=ft.force.norm > 1.5 * self.contact_n, retreat_m=0.002)
        contact = await motions.move_line(
            trace, X, name=name, speed_m_s=speed_m_s, force_n=self.force_limit(cell),
            until={"contact": (ft.force.norm > self.contact_n).for_(0.03)}, reflexes={"hard contact": hard},
            accept=("contact", "hard contact"), contact_stiffness_n_m=1000.0,
        )  # fmt: skip
        left_m = motions.distance_m(cell.session.state.X_base_tool_cmd, to_pose(self.X_base_tool_mouth))
        if contact and left_m > self.tolerance_m:
            felt_n = trace.outcomes[-1].value
            trace.fail(f"something is in the way {1e3 * left_m:.0f} mm before the mouth ({felt_n:.1f} N)")

    async def _undo(self, cell: StowCell, trace: Trace) -> str | None:
        arm, X_flange_tool = cell.station.arm.kinematics, cell.station.tool.X_flange_tool
        X_before = arm.flange(np.array(self.waypoints_rad[-1])) @ X_flange_tool
        if motions.distance_m(cell.session.state.X_base_tool_cmd, X_before) > 0.5:
            trace.fail("the tool is not near the bin's mouth: the way back must be planned")
        await motions.move_line(
            trace, X_before, name="back from the mouth", speed_m_s=self.speed_m_s,
            force_n=cell.station.forces.retract_n,
            until={"caught": (ft.force.norm > 0.6 * cell.station.forces.retract_n).for_(0.02)},
        )  # fmt: skip
        await motions.move_joints(
            trace, tuple(reversed(self.waypoints_rad)), speed_scale=self.speed_scale,
            force_n=cell.station.forces.transfer_n, start_gap_rad=self.start_gap_rad,
        )  # fmt: skip
        return "back where the approach began"


class Align(Primitive):
    """Move the mouth straight in front of the bin, blade retracted; contact on the way ends it."""

    name: ClassVar[str] = "align"

    X_base_tool_mouth: Matrix = Field(description="Where the tool should stand.")
    speed_m_s: float = Field(default=0.10, gt=0.0, le=0.3)
    contact_n: float = Field(default=10.0, gt=1.0, le=50.0, description="|F| that counts as contact.")
    tolerance_m: float = Field(default=0.003, ge=0.0, le=0.02, description="Contact this close to the place is fine.")

    def preview(self, cell: StowCell) -> PrimitivePreview:
        """See the base class."""
        X, here = to_pose(self.X_base_tool_mouth), cell.session.state.X_base_tool_cmd
        return PrimitivePreview(
            name=self.name,
            words=f"moves {1e3 * motions.distance_m(here, X):.0f} mm along the mouth of the bin",
            path_base_m=(motions.as_point(here[:3, 3]), motions.as_point(X[:3, 3])),
            duration_s=motions.straight_duration_s(here, X, self.speed_m_s),
            force_limit_n=self.force_limit(cell),
        )

    def force_limit(self, cell: StowCell) -> float:
        """See the base class."""
        return cell.station.forces.sweep_n

    async def _do(self, cell: StowCell, trace: Trace) -> str:
        X = to_pose(self.X_base_tool_mouth)
        contact = await motions.move_line(
            trace, X, name="along the mouth", speed_m_s=self.speed_m_s, force_n=self.force_limit(cell),
            until={"contact": (ft.force.norm > self.contact_n).for_(0.03)}, accept=("contact",),
            contact_stiffness_n_m=1000.0,
        )  # fmt: skip
        left_m = motions.distance_m(cell.session.state.X_base_tool_cmd, X)
        if contact and left_m > self.tolerance_m:
            felt_n = trace.outcomes[-1].value
            trace.fail(f"something is in the way {1e3 * left_m:.0f} mm before the place ({felt_n:.1f} N)")
        return "in line with the free place"


class Retract(Primitive):
    """Take the pressure off, draw the blade in, go straight back out of the bin; a snag on the way ends it."""

    name: ClassVar[str] = "retract"

    to_x_bin_m: float = Field(default=-0.25, ge=-0.6, le=-0.02, description="Where the mouth goes, in the bin frame.")
    max_unpress_m: float = Field(default=0.008, ge=0.0, le=0.03, description="Sideways, against the sweep.")
    blade_speed_m_s: float = Field(default=0.25, gt=0.0, le=0.4)
    blade_force_n: float = Field(default=30.0, gt=1.0, le=40.0, description="|force| of the blade's drive, at most.")
    speed_m_s: float = Field(default=0.26, gt=0.0, le=0.5, description="Of the way back.")
    snag_n: float = Field(default=12.0, gt=1.0, le=50.0, description="|F| on the way back that counts as a snag.")

    def check(self, cell: StowCell) -> list[str]:
        """See the base class."""
        return ["no bin is active: the cell does not know X_base_bin"] if cell.X_base_bin is None else []

    def preview(self, cell: StowCell) -> PrimitivePreview:
        """See the base class."""
        here = cell.session.state.X_base_tool_cmd
        back_m = max(0.0, float(cell.X_bin_tool[0, 3]) - self.to_x_bin_m) if cell.X_base_bin is not None else 0.25
        way = cell.bin_axis_in_base(0) if cell.X_base_bin is not None else np.array([1.0, 0.0, 0.0])
        duration = motions.travel_duration_s(back_m, self.speed_m_s)
        duration += motions.travel_duration_s(cell.blade_m, self.blade_speed_m_s, 4.0)
        return PrimitivePreview(
            name=self.name,
            words=f"draws the blade in and goes {1e3 * back_m:.0f} mm straight back",
            path_base_m=(motions.as_point(here[:3, 3]), motions.as_point(here[:3, 3] - back_m * way)),
            duration_s=duration,
            force_limit_n=self.force_limit(cell),
        )

    def force_limit(self, cell: StowCell) -> float:
        """See the base class."""
        return cell.station.forces.retract_n

    async def _do(self, cell: StowCell, trace: Trace) -> str:
        await unpress(cell, trace, max_way_m=self.max_unpress_m, force_n=self.force_limit(cell))
        await blade_in(
            cell, trace, speed_m_s=self.blade_speed_m_s, drive_force_n=self.blade_force_n,
            force_n=self.force_limit(cell),
        )  # fmt: skip
        back_m = float(cell.X_bin_tool[0, 3]) - self.to_x_bin_m
        if back_m > 0.001:
            X_back = cell.session.state.X_base_tool_cmd
            X_back[:3, 3] -= back_m * cell.bin_axis_in_base(0)
            snag = await motions.move_line(
                trace, X_back, name="straight back", speed_m_s=self.speed_m_s, force_n=self.force_limit(cell),
                until={"snag": (ft.force.norm > self.snag_n).for_(0.02)}, accept=("snag",),
                contact_stiffness_n_m=500.0,
            )  # fmt: skip
            if snag:
                left_m = motions.distance_m(cell.session.state.X_base_tool_cmd, X_back)
                felt_n = trace.outcomes[-1].value
                trace.fail(f"the tool is caught {1e3 * left_m:.0f} mm before it is free ({felt_n:.1f} N)")
        return "clear of the bin, blade retracted"


class Park(Primitive):
    """Go to the station's resting pose along a checked joint path."""

    name: ClassVar[str] = "park"

    waypoints_rad: tuple[Joints, ...] = Field(default=(), description="Joint path; empty: straight to the park pose.")
    speed_scale: float = Field(default=1.0, gt=0.0, le=1.0)
    start_gap_rad: float = Field(default=0.35, ge=0.0, le=0.5, description="How far off the path may begin.")

    def check(self, cell: StowCell) -> list[str]:
        """See the base class."""
        unmet = [f"the blade is out by {cell.blade_m:.3f} m: retract it first"] if cell.blade_m > 0.01 else []
        path = self._path(cell)
        gap = float(np.abs(np.array(cell.arm_q()) - np.array(path[0])).max())
        if not self.waypoints_rad and gap > 0.0:
            return unmet
        if gap > self.start_gap_rad:
            unmet.append(f"the arm is {gap:.2f} rad away from where the path begins: plan again")
        return unmet

    def preview(self, cell: StowCell) -> PrimitivePreview:
        """See the base class."""
        path = (tuple(cell.arm_q()), *self._path(cell))
        return PrimitivePreview(
            name=self.name,
            words="goes to rest",
            path_base_m=motions.tool_points(cell, path),
            waypoints_rad=path,
            duration_s=motions.path_duration_s(cell, path, self.speed_scale),
            force_limit_n=self.force_limit(cell),
        )

    def _path(self, cell: StowCell) -> tuple[tuple[float, ...], ...]:
        return self.waypoints_rad or (tuple(cell.station.arm.park_q_rad),)

    async def _do(self, cell: StowCell, trace: Trace) -> str:
        gap = self.start_gap_rad if self.waypoints_rad else 10.0
        await motions.move_joints(
            trace, self._path(cell), speed_scale=self.speed_scale, force_n=self.force_limit(cell), start_gap_rad=gap
        )
        hook = "" if cell.bands is not Bands.OPEN else "; the bands are still held open"
        return f"at rest{hook}"


async def blade_in(
    cell: StowCell, trace: Trace, *, speed_m_s: float, drive_force_n: float, force_n: float, to_m: float = 0.0
) -> None:
    """Draw the blade in; what comes along with it is pushed back in and shaken off, once.

    Raises Unsuccessful when the blade is stuck, or when something still comes along: it is hooked.
    """
    from_m = cell.blade_m
    if from_m - to_m < BLADE_IN_M:
        return
    drawn = _drawn(cell, to_m, speed_m_s, drive_force_n, force_n)
    outcome = await trace.run([drawn], accept=("stuck", "drags"))
    if outcome.name == "drags":
        trace.data["hooked_n"] = outcome.value
        await _shake_off(cell, trace, from_m, drive_force_n, force_n)
        outcome = await trace.run([drawn], accept=("stuck", "drags"))
    if outcome.name == "drags":
        trace.fail(
            f"hooked: something comes along with the blade ({outcome.value:.1f} N, {1e3 * cell.blade_m:.0f} mm out), "
            "also after it was pushed back and shaken"
        )
    if outcome.name == "stuck":
        trace.fail(f"the blade is stuck {1e3 * cell.blade_m:.0f} mm out: it does not follow its drive")


def _drawn(cell: StowCell, to_m: float, speed_m_s: float, drive_force_n: float, force_n: float) -> Segment:
    stuck = (abs(axis(Axis.BLADE).speed) < 0.005) & (abs(axis(Axis.BLADE).force) > 0.7 * drive_force_n)
    before_n = max(0.0, float(cell.session.state.F_tool[0]))
    return Segment(
        name="blade in",
        blade=motions.target(cell, Axis.BLADE, to_m, speed_m_s),
        squeeze=motions.grip(cell),
        limits=motions.limits(
            cell, force_n, axis_force={Axis.BLADE: drive_force_n}, contact_stiffness_n_m=500.0, speed_m_s=0.1
        ),
        until={
            "stuck": (stuck & (time > 0.2)).for_(0.2),
            "drags": (ft.force.x > before_n + _DRAG_N).for_(_DRAG_S),
        },
        payload=cell.payload,
        timeout_s=motions.axis_timeout_s(cell.blade_m, speed_m_s),
    )


async def _shake_off(cell: StowCell, trace: Trace, from_m: float, drive_force_n: float, force_n: float) -> None:
    """Push the blade out to where it came from, with what hangs on it, and move it to both sides."""
    limits = motions.limits(
        cell, force_n, axis_force={Axis.BLADE: drive_force_n}, contact_stiffness_n_m=500.0, speed_m_s=0.05
    )
    met = (abs(ft.force.x) > _SHAKE_N).for_(0.02)
    out = Segment(
        name="blade back out",
        blade=motions.target(cell, Axis.BLADE, from_m, _SHAKE_OUT_M_S),
        squeeze=motions.grip(cell),
        limits=limits,
        until={"met": met},
        payload=cell.payload,
        timeout_s=motions.axis_timeout_s(from_m - cell.blade_m, _SHAKE_OUT_M_S),
    )
    sides = [
        Segment(
            name="shake",
            arm=Twist(v_m_s=(0.0, side * _SHAKE_M_S, 0.0)),
            squeeze=motions.grip(cell),
            limits=limits,
            until={"pressed": (abs(ft.force.y) > _SHAKE_N).for_(0.01), "far enough": tool.travel > way_m},
            payload=cell.payload,
            timeout_s=way_m / _SHAKE_M_S + 2.0,
        )
        for side, way_m in ((1, _SHAKE_M), (-1, 2.0 * _SHAKE_M), (1, _SHAKE_M))
    ]
    await trace.run([out, *sides], accept=("pressed", "far enough"))


async def unpress(cell: StowCell, trace: Trace, *, max_way_m: float, force_n: float) -> None:
    """Move against the last sweep until the blade presses no more, or for a way; nothing without a sweep."""
    if not cell.swept or max_way_m <= 0.0:
        return
    released = ((abs(ft.force.y) < _UNPRESSED_N) & (time > 0.03)).for_(0.01)
    await trace.run(
        [
            Segment(
                name="un-press",
                arm=Twist(v_m_s=(0.0, -_UNPRESS_SPEED_M_S * cell.swept, 0.0)),
                squeeze=motions.grip(cell),
                X_base_frame=cell.X_base_bin,
                limits=motions.limits(cell, force_n, speed_m_s=0.05, contact_stiffness_n_m=500.0),
                until={"released": released, "far enough": tool.travel > max_way_m},
                payload=cell.payload,
                timeout_s=max_way_m / _UNPRESS_SPEED_M_S + 2.0,
            )
        ],
        accept=("released", "far enough"),
    )
    cell.swept = 0
