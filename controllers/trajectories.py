"""Jerk-limited profiles by ruckig, as the constant-jerk phases that the kernel plays."""

from collections.abc import Sequence
from itertools import pairwise
from math import inf

import numpy as np
from ruckig import InputParameter, Result, Ruckig, Synchronization, Trajectory

from podhand.controllers.segments import MAX_PHASES, JointProfile, Line, Phase, Phases
from podhand.core.errors import LimitError
from podhand.core.poses import FloatArray, Pose, rotation_vector
from podhand.core.station import Station

__all__ = ["JointLimits", "joint_limits", "joint_move", "joint_path", "line"]

_SAME_PLACE = 1e-9
_LEGS_PER_PROFILE = 2  # a leg has at most 7 phases


class JointLimits:
    """Speed, acceleration and jerk per joint [rad/s, rad/s^2, rad/s^3] (band arm: m)."""

    def __init__(self, speed: Sequence[float], acceleration: Sequence[float], jerk: Sequence[float]) -> None:
        self.speed, self.acceleration, self.jerk = (np.asarray(v, float) for v in (speed, acceleration, jerk))
        for name in ("speed", "acceleration", "jerk"):
            values = getattr(self, name)
            if values.shape != self.speed.shape or not (np.isfinite(values).all() and (values > 0.0).all()):
                raise LimitError(f"joint {name} limits must be finite, > 0 and one per joint (got {values.tolist()})")

    @property
    def joints(self) -> int:
        """Number of joints."""
        return int(self.speed.size)


def joint_limits(station: Station, *, speed_scale: float = 1.0) -> JointLimits:
    """Return the arm's limits; ``speed_scale`` in (0, 1] slows down (acceleration by its square, jerk by its cube).

    A margin of 2 % keeps the profile inside the last-stage limiter.
    """
    if not 0.0 < speed_scale <= 1.0:
        raise LimitError(f"speed_scale must be within 0 … 1, 0 excluded (got {speed_scale})")
    arm, scale = station.arm, 0.98 * speed_scale
    return JointLimits(
        [v * scale for v in arm.max_speed_rad_s],
        [a * scale * speed_scale for a in arm.max_acceleration_rad_s2],
        [j * scale * speed_scale**2 for j in arm.max_jerk_rad_s3],
    )


def joint_move(start: FloatArray, goal: FloatArray, limits: JointLimits) -> JointProfile:
    """Return a move between rest states, straight in joint space (all joints in phase).

    Args:
        start: positions (n,) [rad or m].
        goal: positions (n,).
        limits: n joints.

    Raises:
        LimitError: a position is not finite, or sizes differ.
    """
    start, goal = np.asarray(start, float), np.asarray(goal, float)
    if start.shape != (limits.joints,) or goal.shape != start.shape:
        raise LimitError(f"a joint move takes {limits.joints} positions (got {start.shape} to {goal.shape})")
    if not (np.isfinite(start).all() and np.isfinite(goal).all()):
        raise LimitError(f"joint positions must be finite (got {start.tolist()} to {goal.tolist()})")
    if np.abs(goal - start).max() < _SAME_PLACE:
        return JointProfile(phases=tuple((Phase(0.0, q, 0.0, 0.0, 0.0),) for q in start.tolist()), duration_s=0.0)
    return _calculate(start, goal, limits)


def joint_path(waypoints: Sequence[FloatArray], limits: JointLimits) -> list[JointProfile]:
    """Return a path through waypoints as profiles to be played one after the other, with a rest at every waypoint.

    Straight in joint space between waypoints, so that a path checked for collision stays one. Each profile holds two
    legs. Raises LimitError as ``joint_move``, and for fewer than two waypoints.
    """
    if len(waypoints) < 2:
        raise LimitError(f"a joint path takes at least 2 waypoints (got {len(waypoints)})")
    legs = [leg for a, b in pairwise(waypoints) if (leg := joint_move(a, b, limits)).duration_s > 0.0]
    if not legs:
        return [joint_move(waypoints[0], waypoints[0], limits)]
    return [_join(legs[i : i + _LEGS_PER_PROFILE]) for i in range(0, len(legs), _LEGS_PER_PROFILE)]


def line(
    X_base_start: Pose,
    X_base_goal: Pose,
    *,
    speed_m_s: float,
    acceleration_m_s2: float = 1.0,
    jerk_m_s3: float = 20.0,
    angular_speed_rad_s: float = 1.0,
) -> Line:
    """Return a straight line between two poses at rest, with the shortest rotation on the way.

    Raises LimitError when a limit is not finite and > 0 or a pose is not finite.
    """
    for name, value in (("speed_m_s", speed_m_s), ("acceleration_m_s2", acceleration_m_s2), ("jerk_m_s3", jerk_m_s3),
                        ("angular_speed_rad_s", angular_speed_rad_s)):  # fmt: skip
        if not (np.isfinite(value) and value > 0.0):
            raise LimitError(f"{name} of a line must be finite and > 0 (got {value})")
    if not (np.isfinite(X_base_start).all() and np.isfinite(X_base_goal).all()):
        raise LimitError("the poses of a line must be finite")
    length = float(np.linalg.norm(X_base_goal[:3, 3] - X_base_start[:3, 3]))
    angle = float(np.linalg.norm(rotation_vector(X_base_start[:3, :3].T @ X_base_goal[:3, :3])))
    progress: Phases = (Phase(0.0, 1.0, 0.0, 0.0, 0.0),)
    duration_s = 0.0
    if max(length, angle) > _SAME_PLACE:
        # A turn is capped like the line, as if it ran at a lever arm of v / w.
        rates = [_ratio(speed_m_s, length), _ratio(angular_speed_rad_s, angle)]
        lever = speed_m_s / angular_speed_rad_s
        accelerations = [_ratio(acceleration_m_s2, length), _ratio(acceleration_m_s2, lever * angle)]
        jerks = [_ratio(jerk_m_s3, length), _ratio(jerk_m_s3, lever * angle)]
        limits = JointLimits([min(rates)], [min(accelerations)], [min(jerks)])
        profile = _calculate(np.zeros(1), np.ones(1), limits)
        progress, duration_s = profile.phases[0], profile.duration_s
    return Line(
        X_base_start=np.array(X_base_start, float),
        X_base_goal=np.array(X_base_goal, float),
        progress=progress,
        duration_s=duration_s,
    )


def _ratio(cap: float, length: float) -> float:
    return cap / length if length > _SAME_PLACE else inf


def _calculate(start: FloatArray, goal: FloatArray, limits: JointLimits) -> JointProfile:
    joints = limits.joints
    problem = InputParameter(joints)
    problem.current_position, problem.target_position = start.tolist(), goal.tolist()
    problem.max_velocity, problem.max_acceleration = limits.speed.tolist(), limits.acceleration.tolist()
    problem.max_jerk = limits.jerk.tolist()
    problem.synchronization = Synchronization.Phase
    trajectory = Trajectory(joints)
    result = Ruckig(joints).calculate(problem, trajectory)
    if result not in (Result.Working, Result.Finished):
        raise LimitError(f"no profile from {start.tolist()} to {goal.tolist()}: {result.name}")
    phases = tuple(_phases(profile) for profile in trajectory.profiles[0])
    return JointProfile(phases=phases, duration_s=float(trajectory.duration))


def _phases(profile: object) -> Phases:
    """Convert a ruckig profile: first its brake, then its seven phases; those of no length are left out."""
    brake = profile.brake  # type: ignore[attr-defined]
    pieces = [(t, p, v, a, j) for t, p, v, a, j in zip(brake.t, brake.p, brake.v, brake.a, brake.j, strict=True)]
    pieces += list(zip(profile.t, profile.p, profile.v, profile.a, profile.j, strict=False))  # type: ignore[attr-defined]
    phases, t0 = [], 0.0
    for t, p, v, a, j in pieces:
        if t > 0.0:
            phases.append(Phase(t0, p, v, a, j))
            t0 += t
    # The end is a phase of its own: it holds the goal exactly, without the rounding of the seventh phase.
    phases.append(Phase(t0, profile.pf, 0.0, 0.0, 0.0))  # type: ignore[attr-defined]
    return tuple(phases)


def _join(legs: Sequence[JointProfile]) -> JointProfile:
    joints = len(legs[0].phases)
    joined: list[list[Phase]] = [[] for _ in range(joints)]
    start_s = 0.0
    for leg in legs:
        for joint, phases in enumerate(leg.phases):
            joined[joint] += [phase._replace(t0_s=phase.t0_s + start_s) for phase in phases]
        start_s += leg.duration_s
    if max(len(phases) for phases in joined) > MAX_PHASES:
        raise AssertionError("a leg between rest states has at most eight phases")
    return JointProfile(phases=tuple(tuple(phases) for phases in joined), duration_s=start_s)
