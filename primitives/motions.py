"""Building blocks of primitives: segments for joint paths, lines, rests, grips, and their estimates."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import inf, sqrt

import numpy as np

from podhand.controllers.conditions import Condition, Expr, time
from podhand.controllers.segments import (
    AxisForce,
    AxisReference,
    Compliant,
    Hold,
    Law,
    Reflex,
    Rigid,
    Segment,
    SegmentLimits,
    Target,
)
from podhand.controllers.trajectories import joint_limits, joint_path, line
from podhand.core.errors import StateError
from podhand.core.exchange import Axis
from podhand.core.poses import FloatArray, Pose
from podhand.primitives.base import Point, Trace
from podhand.primitives.cell import StowCell

__all__ = ["axis_timeout_s", "distance_m", "gives_way_aside", "grip", "limits", "move_joints", "move_line",
           "path_duration_s", "rest",
           "straight_duration_s", "tare", "tool_points", "travel_duration_s"]  # fmt: skip

GRIP_SPEED_M_S = 0.05
_TARE_S = 0.15
_SETTLE_S = 0.08
_MOST_TARED_N = 8.0
_SAME_START_RAD = 0.02
_MAX_SEGMENTS = 12
_TRANSFER_SPEED_SHARE = 0.75
"""Of the tool speed at which the last-stage limiter steps in; it looks ahead to the end of a stop."""
_TURN_RAD_S = 6.0
_LINE_ACCELERATION_M_S2 = 1.5
_BELTS_INERTIA_N = 6.0
"""What the inertia of a held item adds to the force that is felt."""
_BELTS_ACCELERATION_M_S2 = 6.0
"""At most when they start, at least when they stop; with gravity 1.2 times the weight: less than any grip bears."""
_ASIDE_DAMPING_N_S_M, _ASIDE_STIFFNESS_N_M = 250.0, 600.0
"""A few newtons give a few millimetres; an error of the tare gives less than one."""


def limits(
    cell: StowCell,
    force_n: float,
    *,
    speed_m_s: float | None = 0.10,
    acceleration_m_s2: float = 2.0,
    jerk_m_s3: float = 40.0,
    angular_speed_rad_s: float = 1.5,
    damping_n_s_m: float = 500.0,
    contact_stiffness_n_m: float = 2000.0,
    component_n: Point = (inf, inf, inf),
    axis_force: Mapping[Axis, float] | None = None,
) -> SegmentLimits:
    """Return a segment's limits; the speed is that of an arm that stands or creeps unless given (None: station's)."""
    return SegmentLimits.for_station(
        cell.station,
        force_norm_n=min(force_n, cell.station.safety.max_force_norm_n),
        speed_m_s=speed_m_s,
        acceleration_m_s2=acceleration_m_s2,
        jerk_m_s3=jerk_m_s3,
        angular_speed_rad_s=angular_speed_rad_s,
        damping_n_s_m=damping_n_s_m,
        contact_stiffness_n_m=contact_stiffness_n_m,
        force_n=component_n,
        axis_force=axis_force or {},
    )


def belts(cell: StowCell, speed_m_s: float) -> Target:
    """Return both belts running at a speed (m/s, positive pushes out).

    They start so that a held item does not slip, and change speed as fast as its mass allows: the sensor feels that.
    """
    block, mass_kg = cell.station.axes.belts, cell.held.mass_kg if cell.held else 0.0
    by_mass_m_s2 = min(_BELTS_INERTIA_N / mass_kg if mass_kg > 0.0 else inf, block.max_acceleration_m_s2)
    return Target(
        values=(speed_m_s, speed_m_s),
        max_speed_m_s=block.max_speed_m_s,
        speed_up_m_s2=min(by_mass_m_s2, _BELTS_ACCELERATION_M_S2),
        slow_down_m_s2=max(by_mass_m_s2, min(_BELTS_ACCELERATION_M_S2, block.max_acceleration_m_s2)),
    )


def grip(cell: StowCell) -> AxisReference:
    """Return what the squeeze axis does while the arm moves: keep its grip on a held item, else stand."""
    if cell.held is None:
        return Hold()
    return AxisForce(force_n=-cell.held.grip_force_n, max_speed_m_s=GRIP_SPEED_M_S)


async def move_joints(
    trace: Trace,
    waypoints_rad: Sequence[Sequence[float]],
    *,
    speed_scale: float,
    force_n: float,
    start_gap_rad: float,
    squeeze: AxisReference | None = None,
    blade: AxisReference | None = None,
) -> None:
    """Move the arm through waypoints, from where it is; the first waypoint may be off by ``start_gap_rad``.

    Raises StateError when it is farther off, Unsuccessful when the motion does not reach its end.
    """
    cell = trace.cell
    points = _from_here(cell.arm_q(), waypoints_rad, start_gap_rad)
    profiles = joint_path(points, joint_limits(cell.station, speed_scale=speed_scale))
    segments = [
        Segment(
            name="joint move",
            arm=profile,
            squeeze=grip(cell) if squeeze is None else squeeze,
            blade=Hold() if blade is None else blade,
            # Checked for collision, and too fast for a limit on contact: no contact is declared.
            limits=limits(
                cell,
                force_n,
                speed_m_s=_TRANSFER_SPEED_SHARE * cell.station.safety.max_tool_speed_m_s,
                angular_speed_rad_s=_TURN_RAD_S,
                contact_stiffness_n_m=0.0,
            ),
            payload=cell.payload,
            timeout_s=3.0 * profile.duration_s + 2.0,
        )
        for profile in profiles
        if profile.duration_s > 0.0
    ]
    for first in range(0, len(segments), _MAX_SEGMENTS):
        await trace.run(segments[first : first + _MAX_SEGMENTS])


def _from_here(q_rad: list[float], waypoints_rad: Sequence[Sequence[float]], start_gap_rad: float) -> list[FloatArray]:
    here, points = np.array(q_rad), [np.array(q, float) for q in waypoints_rad]
    gap = float(np.abs(points[0] - here).max())
    if gap > start_gap_rad:
        raise StateError(
            f"the arm is {gap:.3f} rad away from where the planned path begins (at most {start_gap_rad} rad): "
            "plan again"
        )
    return [here, *points[1:]] if gap < _SAME_START_RAD and len(points) > 1 else [here, *points]


async def move_line(
    trace: Trace,
    X_base_goal: Pose,
    *,
    name: str,
    speed_m_s: float,
    force_n: float,
    until: Mapping[str, Condition | Expr] | None = None,
    reflexes: Mapping[str, Reflex] | None = None,
    accept: Sequence[str] = (),
    contact_stiffness_n_m: float = 1000.0,
    squeeze: AxisReference | None = None,
    blade: AxisReference | None = None,
    belts: Hold | Target | None = None,
    payload: int | None = None,
    X_base_frame: Pose | None = None,
    angular_speed_rad_s: float = 1.0,
) -> str:
    """Move the tool straight from its commanded pose to a goal; returns the name of the until that ended it, or "".

    Raises Unsuccessful when it neither reaches the goal nor ends by an until in ``accept``.
    """
    cell = trace.cell
    path = line(
        cell.session.state.X_base_tool_cmd,
        X_base_goal,
        speed_m_s=speed_m_s,
        acceleration_m_s2=_LINE_ACCELERATION_M_S2,
        jerk_m_s3=25.0 * _LINE_ACCELERATION_M_S2,
        angular_speed_rad_s=angular_speed_rad_s,
    )
    if path.duration_s == 0.0:
        return ""
    outcome = await trace.run(
        [
            Segment(
                name=name,
                arm=path,
                squeeze=grip(cell) if squeeze is None else squeeze,
                blade=Hold() if blade is None else blade,
                belts=Hold() if belts is None else belts,
                law=Rigid(),
                limits=limits(cell, force_n, speed_m_s=1.2 * speed_m_s, contact_stiffness_n_m=contact_stiffness_n_m),
                until=until or {},
                reflexes=reflexes or {},
                payload=cell.payload if payload is None else payload,
                X_base_frame=X_base_frame,
                timeout_s=3.0 * path.duration_s + 2.0,
            )
        ],
        accept=accept,
    )
    return outcome.name


def rest(cell: StowCell, seconds: float, *, name: str, force_n: float, payload: int | None = None) -> Segment:
    """Return a segment that stands still for a time, with the grip kept."""
    return Segment(
        name=name,
        squeeze=grip(cell),
        limits=limits(cell, force_n),
        until={"time is up": time > seconds},
        payload=cell.payload if payload is None else payload,
        timeout_s=seconds + 1.0,
    )


async def tare(trace: Trace, force_n: float) -> None:
    """Let the tool swing out, then take the mean wrench as the new bias.

    The tool must touch nothing: more force than a bias and an unknown remainder of weight explain ends the primitive.
    """
    cell = trace.cell
    swing = rest(cell, _SETTLE_S, name="settle", force_n=force_n)
    tared = Segment(
        name="tare",
        squeeze=grip(cell),
        limits=limits(cell, force_n),
        until={"tared": time > _TARE_S},
        tare=True,
        payload=cell.payload,
        timeout_s=_TARE_S + 1.0,
    )
    await trace.run([swing], accept=("time is up",))
    felt_n = float(np.linalg.norm(cell.session.state.F_tool[:3]))
    if felt_n > _MOST_TARED_N:
        trace.fail(
            f"{felt_n:.1f} N are felt in free space (at most {_MOST_TARED_N} N): the tool touches something, the item "
            "is not as it was weighed, or the sensor is off"
        )
    await trace.run([tared], accept=("tared",))


def gives_way_aside(cell: StowCell) -> tuple[Law, Law, Law, Law, Law, Law]:
    """Return laws that give way along y of the segment's frame and come back when nothing presses any more."""
    carried_kg = cell.station.tool.mass_kg + (cell.held.mass_kg if cell.held else 0.0)
    aside = Compliant(mass=1.2 * carried_kg, damping=_ASIDE_DAMPING_N_S_M, stiffness=_ASIDE_STIFFNESS_N_M)
    return (Rigid(), aside, Rigid(), Rigid(), Rigid(), Rigid())


def target(cell: StowCell, axis: Axis, position_m: float, speed_m_s: float | None = None) -> Target:
    """Return a target of one axis within its range, at its own top speed unless a slower one is given."""
    block = {Axis.SQUEEZE: cell.station.axes.squeeze, Axis.BLADE: cell.station.axes.blade}[axis]
    position_m = min(max(position_m, block.min_position_m), block.max_position_m)
    return Target(values=(position_m,), max_speed_m_s=min(speed_m_s or inf, 0.95 * block.max_speed_m_s))


# ---- estimates --------------------------------------------------------------------------------------------------


def distance_m(a: Pose, b: Pose) -> float:
    """Return the distance of two frames' origins."""
    return float(np.linalg.norm(a[:3, 3] - b[:3, 3]))


def travel_duration_s(length_m: float, speed_m_s: float, acceleration_m_s2: float = 1.0) -> float:
    """Estimate the time from rest to rest; a measured way may be a hair below zero."""
    length_m = max(0.0, length_m)
    ramp = speed_m_s**2 / acceleration_m_s2
    return 2.0 * sqrt(length_m / acceleration_m_s2) if length_m < ramp else length_m / speed_m_s + speed_m_s


def straight_duration_s(a: Pose, b: Pose, speed_m_s: float) -> float:
    """Estimate the time of a straight line."""
    return travel_duration_s(distance_m(a, b), speed_m_s)


def axis_timeout_s(travel_m: float, speed_m_s: float) -> float:
    """Return a generous time for an axis move."""
    return 3.0 * abs(travel_m) / speed_m_s + 1.5


def path_duration_s(cell: StowCell, waypoints_rad: Sequence[Sequence[float]], speed_scale: float) -> float:
    """Return the time of a joint path."""
    if len(waypoints_rad) < 2:
        return 0.0
    points = [np.array(q, float) for q in waypoints_rad]
    return sum(p.duration_s for p in joint_path(points, joint_limits(cell.station, speed_scale=speed_scale)))


def tool_points(cell: StowCell, waypoints_rad: Sequence[Sequence[float]], per_leg: int = 8) -> tuple[Point, ...]:
    """Return points of the mouth along a joint path, base frame [m]."""
    arm, X_flange_tool = cell.station.arm.kinematics, cell.station.tool.X_flange_tool
    points: list[Point] = []
    for a, b in pairwise(waypoints_rad):
        for share in np.linspace(0.0, 1.0, per_leg, endpoint=False):
            q = (1.0 - share) * np.array(a) + share * np.array(b)
            points.append(as_point((arm.flange(q) @ X_flange_tool)[:3, 3]))
    if waypoints_rad:
        points.append(as_point((arm.flange(np.array(waypoints_rad[-1])) @ X_flange_tool)[:3, 3]))
    return tuple(points)


def as_point(p: FloatArray) -> Point:
    """Return a point (3,) as plain numbers."""
    return (float(p[0]), float(p[1]), float(p[2]))
