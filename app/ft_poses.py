"""Where an F/T calibration measures: poses that tell the unknowns apart, reached by ways that touch nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import pi

import numpy as np

from podhand.controllers.ft_identification import choose_poses, condition_number
from podhand.controllers.parameters import X_flange_sensor
from podhand.core.errors import PlanningError
from podhand.core.exchange import Axis, SlowSignal
from podhand.core.poses import FloatArray
from podhand.core.station import Station
from podhand.planning.cell_model import CellState, WaitingItem
from podhand.planning.motion import MotionPlanner
from podhand.primitives.cell import Joints, StowCell

__all__ = ["MeasuringPose", "Tour", "cell_state", "plan_tour"]

CLEARANCE_M = 0.04
"""Poses keep this from everything: the tool swings a little when it stops."""
_CANDIDATES = 600
_WRIST_1_RAD, _WRIST_2_RAD = 1.9, 1.9
"""How far the first two wrist joints are turned from where a base posture has them."""
_ATTEMPTS = 6
_SECONDS_A_POSE = 3.0
"""For the condition number of a plan: rest and way."""


@dataclass(frozen=True, kw_only=True)
class MeasuringPose:
    """One pose, and the checked way to it from the one before."""

    name: str
    q_rad: tuple[float, ...]
    waypoints_rad: Joints
    verification: bool
    """Not used in the fit."""


@dataclass(frozen=True, kw_only=True)
class Tour:
    """All poses in order, and the way back to where the arm was."""

    poses: tuple[MeasuringPose, ...]
    back_rad: Joints
    condition_number: float
    """Expected of the fit."""


def cell_state(cell: StowCell, base_height_m: float) -> CellState:
    """Return the cell as the planner sees it: empty tool, cameras in front of the bin, hook where it is."""
    assert cell.X_base_bin is not None
    tool, waiting = cell.station.tool, None
    if cell.presented and cell.session.state.signal(SlowSignal.ITEM_AT_INFEED) > 0.5:
        waiting = WaitingItem(size_m=cell.presented.item.size_m, X_base_item=cell.presented.X_base_item)
    x, y, z = (cell.session.state.axis(a) for a in (Axis.BAND_X, Axis.BAND_Y, Axis.BAND_Z))
    return CellState(
        X_base_bin=cell.X_base_bin,
        base_height_m=base_height_m,
        opening_m=min(max(cell.opening_m, tool.min_opening_m), tool.max_opening_m),
        blade_extension_m=max(0.0, cell.blade_m),
        waiting=waiting,
        hook_way_m=((x, y, z),),
        cameras_at_bin=True,
    )


def plan_tour(
    planner: MotionPlanner,
    station: Station,
    state: CellState,
    q_start_rad: FloatArray,
    *,
    fit_poses: int,
    verification_poses: int,
    seed: int = 1,
) -> Tour:
    """Choose poses and plan the ways between them. Deterministic.

    Args:
        planner: knows the cell.
        station: its station.
        state: what stands where.
        q_start_rad: (n,) where the arm is; it comes back there.
        fit_poses: how many the model is fitted to.
        verification_poses: how many it is checked by.
        seed: of the candidates.

    Raises:
        PlanningError: too few poses are free, or no ways lead to them.
    """
    candidates = _candidates(planner, station, state, q_start_rad, seed)
    wanted = fit_poses + verification_poses
    for _ in range(_ATTEMPTS):
        if len(candidates) < wanted:
            break
        rotations = [_R_base_sensor(station, q) for q in candidates]
        chosen = choose_poses(rotations, fit_poses)
        checks = _spread(rotations, chosen, verification_poses)
        order = _in_order(q_start_rad, candidates, [*chosen, *checks])
        poses, blocked, back = _ways(planner, state, q_start_rad, candidates, order, frozenset(checks))
        if not blocked:
            fitted = [(k, candidates[i]) for k, i in enumerate(order) if i in set(chosen)]
            condition = condition_number(
                [_R_base_sensor(station, q) for _, q in fitted], [_SECONDS_A_POSE * k for k, _ in fitted]
            )
            return Tour(poses=tuple(poses), back_rad=back, condition_number=condition)
        candidates = [q for i, q in enumerate(candidates) if i not in blocked]
    raise PlanningError(
        f"the arm has too little room to turn the tool: {len(candidates)} of {_CANDIDATES} poses are free and can be "
        f"reached, {wanted} are needed; clear the cell, or start from the park pose (podhand primitive run park)"
    )


def _R_base_sensor(station: Station, q_rad: FloatArray) -> FloatArray:
    X = station.arm.kinematics.flange(q_rad) @ X_flange_sensor(station)
    return np.asarray(X[:3, :3])


def _candidates(
    planner: MotionPlanner, station: Station, state: CellState, q_start_rad: FloatArray, seed: int
) -> list[FloatArray]:
    """Return poses that are free: the arm as at its start, at home or at rest, its wrist turned at random."""
    rng = np.random.default_rng(seed)
    bases = [q_start_rad, np.array(station.arm.park_q_rad), np.array(station.arm.home_q_rad)]
    low = planner.cell.kinematics.min_q_rad + planner.clearance.joint_margin_rad
    high = planner.cell.kinematics.max_q_rad - planner.clearance.joint_margin_rad
    scene = planner.cell.scene(state)
    margins = scene.margins(CLEARANCE_M)
    found = []
    for k in range(_CANDIDATES):
        q = bases[k % len(bases)].copy()
        q[-3:] += rng.uniform((-_WRIST_1_RAD, -_WRIST_2_RAD, -pi), (_WRIST_1_RAD, _WRIST_2_RAD, pi))
        q[-1] = (q[-1] + pi) % (2 * pi) - pi  # cables: never more than half a turn
        if (q > low).all() and (q < high).all() and (scene.clearances(q) > margins).all():
            found.append(q)
    return found


def _spread(rotations: Sequence[FloatArray], taken: Sequence[int], count: int) -> list[int]:
    """Return candidates whose gravity, in the sensor's axes, is farthest from that of those taken and each other."""
    down = np.array([R[2] for R in rotations])  # R^T z
    chosen: list[int] = []
    for _ in range(count):
        near = np.max(down @ down[[*taken, *chosen]].T, axis=1)
        near[[*taken, *chosen]] = np.inf
        chosen.append(int(np.argmin(near)))
    return chosen


def _in_order(q_start_rad: FloatArray, candidates: Sequence[FloatArray], chosen: Sequence[int]) -> list[int]:
    """Return the chosen ones so that each is the nearest to the one before."""
    here, left, order = q_start_rad, list(chosen), []
    while left:
        nearest = min(left, key=lambda i: float(np.abs(candidates[i] - here).max()))
        left.remove(nearest)
        order.append(nearest)
        here = candidates[nearest]
    return order


def _ways(
    planner: MotionPlanner,
    state: CellState,
    q_start_rad: FloatArray,
    candidates: Sequence[FloatArray],
    order: Sequence[int],
    checks: frozenset[int],
) -> tuple[list[MeasuringPose], set[int], Joints]:
    """Plan from pose to pose and back; also return which poses no way leads to."""
    here, poses, blocked = q_start_rad, list[MeasuringPose](), set[int]()
    for i in order:
        try:
            path = planner.joint_path(here, candidates[i], state)
        except PlanningError:
            blocked.add(i)
            continue
        name = f"pose {len(poses) + 1}"
        poses.append(
            MeasuringPose(name=name, q_rad=_tuple(candidates[i]), waypoints_rad=_rows(path.waypoints_rad),
                          verification=i in checks)
        )  # fmt: skip
        here = candidates[i]
    back: Joints = ()
    if not blocked:
        try:
            back = _rows(planner.joint_path(here, q_start_rad, state).waypoints_rad)
        except PlanningError:
            blocked.add(order[-1])
    return poses, blocked, back


def _tuple(q: FloatArray) -> tuple[float, ...]:
    return tuple(float(v) for v in q)


def _rows(waypoints: FloatArray) -> Joints:
    return tuple(_tuple(row) for row in waypoints)
