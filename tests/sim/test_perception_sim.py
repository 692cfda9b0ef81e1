"""Perception and decision in simulated standard worlds, against the simulator's truth, over many seeds."""

from dataclasses import dataclass
from functools import cache

import numpy as np

from podhand.app.wiring import build_workcell, standard_world
from podhand.core.items import Shape
from podhand.core.poses import FloatArray, inverse, rotation_vector
from podhand.core.station import load_station
from podhand.core.tooling import StowTool
from podhand.perception.bin_model import BinModel, estimate_bin
from podhand.planning.affordances import StowRules, passage
from podhand.planning.stow import Refusal, StowKind, StowPlan, plan_stow
from podhand.sim.catalogue import load_catalogue
from podhand.sim.workcell import Body, Truth
from podhand.sim.world import World
from tests.unit.row_kinematics import Interval, carry_out

SEEDS = 24
DEPTH_OF_OFFSET = np.array([0.1, 0.0, 0.07, 1.0])


@dataclass(frozen=True, kw_only=True)
class Case:
    world: World
    truth: Truth
    model: BinModel
    decision: StowPlan | Refusal

    @property
    def error(self) -> FloatArray:
        """The found bin in the true one."""
        return inverse(self.truth.X_world_bin) @ self.model.X_world_bin


@cache
def cases() -> tuple[Case, ...]:
    station, catalogue, found = load_station("sim-stow"), load_catalogue(), []
    for index in range(SEEDS):
        world = standard_world(station, catalogue, seed=7, index=index)
        workcell = build_workcell(station, world)
        frames = [camera.capture() for camera in workcell.cameras]
        model = estimate_bin(frames, workcell.X_world_bin_nominal, station.pod.bin_size_m)
        decision = plan_stow(model, workcell.infeed.present(), tool=station.tool, force_limit_n=station.forces.sweep_n)
        found.append(Case(world=world, truth=workcell.truth(), model=model, decision=decision))
    return tuple(found)


def footprint(body: Body) -> tuple[float, float, float]:
    """Front x, lowest and highest y in the true bin frame."""
    x, y, z = body.size_m
    p, R = body.X_bin_item[:3, 3], body.X_bin_item[:3, :3]
    half = np.array([x / 2, x / 2]) if body.shape is Shape.CYLINDER else (np.abs(R) @ np.array([x, y, z]) / 2)[:2]
    return float(p[0] - half[0]), float(p[1] - half[1]), float(p[1] + half[1])


def row(case: Case, depth_m: float) -> list[Interval]:
    """What stands in the bin up to a depth; things behind each other are one."""
    merged: list[Interval] = []
    for front, low, high in sorted((footprint(b) for b in case.truth.contents), key=lambda f: f[1]):
        if front > depth_m:
            continue
        if merged and low < merged[-1].high_m - 0.002:
            merged[-1] = Interval(low_m=merged[-1].low_m, high_m=max(high, merged[-1].high_m))
        else:
            merged.append(Interval(low_m=low, high_m=high))
    return merged


def test_bins_are_found_as_well_as_the_cameras_are_calibrated() -> None:
    shift = np.array([case.error[:3, 3] for case in cases()])
    turn = np.rad2deg([rotation_vector(case.error[:3, :3]) for case in cases()])
    # Three cameras with ± 3 mm and ± 0.3 deg each leave about 1.2 mm and 0.1 deg, however good the fit is.
    assert np.sqrt((shift**2).mean(axis=0)).max() < 0.0020
    assert np.sqrt((turn**2).mean(axis=0)).max() < 0.25
    assert np.abs(shift).max() < 0.0055


def test_edges_of_gaps_are_found_within_millimetres() -> None:
    edges, missed, gaps = [], 0, 0
    for case in cases():
        way = passage(case.world.item, StowTool(), StowRules())
        found = case.model.gaps(depth_m=way.depth_m, height_m=way.height_m)
        blocks = row(case, way.depth_m)
        borders = [-0.15, *(v for b in blocks for v in (b.low_m, b.high_m)), 0.15]
        for low, high in zip(borders[::2], borders[1::2], strict=True):
            if high - low < 0.010:
                continue
            gaps += 1
            near = [g for g in found if min(g.y_high_m, high) - max(g.y_low_m, low) > 0.0]
            missed += not near
            edges += [v for g in near[:1] for v in (g.y_low_m - low, g.y_high_m - high)]
    assert gaps > 2 * SEEDS
    assert missed <= 0.03 * gaps
    assert np.sqrt(np.mean(np.square(edges))) < 0.002
    assert np.percentile(np.abs(edges), 95) < 0.004


def test_decisions_are_mostly_yes_and_true_to_the_row() -> None:
    accepted = [case for case in cases() if isinstance(case.decision, StowPlan)]
    assert len(accepted) >= 0.8 * SEEDS
    assert sum(case.decision.sweep_needed for case in accepted if isinstance(case.decision, StowPlan)) >= SEEDS / 4
    good, judged = 0, 0
    for case in accepted:
        plan = case.decision
        assert isinstance(plan, StowPlan)
        # The row says nothing of what goes on top of others, or of what is turned.
        if plan.kind not in (StowKind.DIRECT, StowKind.SWEEP):
            continue
        judged += 1
        offset = float((case.error @ DEPTH_OF_OFFSET)[1])
        depth = max(plan.item_size_m[0], plan.blade_reach_m)
        result = carry_out(plan, row(case, depth), 0.30, offset_m=offset)
        good += result.clearance_m > 0.0 and result.entry_clearance_m > 0.0005 and result.wall_overlap_m < 0.004
    assert judged >= 0.6 * len(accepted)
    assert good >= 0.95 * judged


def test_predicted_forces_are_about_right() -> None:
    ratios = []
    for case in cases():
        plan = case.decision
        if not isinstance(plan, StowPlan) or not plan.moved_blocks:
            continue
        low, high = (f(v) for f, v in ((min, [b.y_low_m for b in plan.moved_blocks]),
                                       (max, [b.y_high_m for b in plan.moved_blocks])))  # fmt: skip
        masses = {c.name: c.mass_kg * c.friction for c in case.world.contents}
        true = sum(masses[b.name] * 9.81 for b in case.truth.contents if low < b.X_bin_item[1, 3] < high)
        ratios.append(true / plan.predicted_force_n)
    assert 0.6 < float(np.median(ratios)) < 1.5
