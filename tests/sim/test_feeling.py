"""Blade and sweep in the simulation, in bins made for it: what they feel, and that no force exceeds its limit."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from scipy.optimize import least_squares

from podhand.controllers.lockstep import LockstepHost
from podhand.core.items import Item, Shape
from podhand.core.poses import FloatArray, Pose, inverse, pose
from podhand.core.station import load_station
from podhand.planning.recipes import matrix
from podhand.planning.thinking import hook_places
from podhand.primitives.base import PrimitiveReport
from podhand.primitives.catalogue import Approach, ExtendBlade, OpenBands, Retract, Sweep
from podhand.primitives.cell import StowCell
from podhand.sim.workcell import SimWorkcell
from podhand.sim.world import ContentItem, World

pytestmark = pytest.mark.slow
STATION = load_station("sim-stow")
ITEM = Item(sku="tea", length_m=0.15, width_m=0.06, height_m=0.10, mass_kg=0.5, shape=Shape.BOX, friction=0.5,
            max_squeeze_n=60.0)  # fmt: skip
BLADE_Y_M, TOOL_Z_M, MOUTH_X_M = 0.05, 0.07, -0.022
SEEDS = (1, 2, 3)


def box(name: str, y_low_m: float, y_high_m: float, *, mass_kg: float, length_m: float = 0.20, friction: float = 0.5,
        height_m: float = 0.12) -> ContentItem:  # fmt: skip
    X = pose(None, (0.02 + length_m / 2, (y_low_m + y_high_m) / 2, height_m / 2 + 0.0002))
    size = (length_m, y_high_m - y_low_m, height_m)
    return ContentItem(name=name, shape=Shape.BOX, size_m=size, X_bin_item=X, mass_kg=mass_kg, friction=friction)


def bottle(name: str, x_m: float, y_m: float, *, mass_kg: float, diameter_m: float = 0.06) -> ContentItem:
    X = pose(None, (x_m, y_m, 0.0902))
    size = (diameter_m, diameter_m, 0.18)
    return ContentItem(name=name, shape=Shape.CYLINDER, size_m=size, X_bin_item=X, mass_kg=mass_kg, friction=0.6)


class Bench:
    """A blade in front of a bin with given contents, the bands held open, the paddles empty."""

    def __init__(self, contents: Sequence[ContentItem], *, seed: int) -> None:
        self.workcell = SimWorkcell(World.scene(ITEM, contents, seed=seed))
        self.host = LockstepHost.for_station(self.workcell.plant, STATION)
        X_base_bin = inverse(self.workcell.X_world_base) @ self.workcell.truth().X_world_bin
        self.cell = StowCell(session=self.host.session, station=STATION, X_base_bin=X_base_bin)

    def run(self, *primitives: Any, error_m: float = 0.0) -> list[PrimitiveReport]:
        """Go to the mouth, the blade's mid plane at BLADE_Y_M and an error, and run primitives."""

        async def client() -> list[PrimitiveReport]:
            await self.host.session.wait(0.2)
            reports = [await p.run(self.cell) for p in (*self._there(error_m), *primitives)]
            assert all(r.ok for r in reports[:2]), [r.words for r in reports[:2]]
            return reports[2:]

        return self.host.run(client())

    def _there(self, error_m: float) -> tuple[OpenBands, Approach]:
        assert self.cell.X_base_bin is not None
        y_m = BLADE_Y_M - STATION.tool.blade_offset_m(self.cell.opening_m) + error_m
        X_mouth = self.cell.X_base_bin @ pose(None, (MOUTH_X_M, y_m, TOOL_Z_M))
        X_before = self.cell.X_base_bin @ pose(None, (-0.15, y_m, TOOL_Z_M))
        hook = hook_places(STATION, self.cell.X_base_bin)
        way = (tuple(STATION.arm.home_q_rad), joints(X_before))
        return OpenBands(positions_base_m=hook[1:]), Approach(waypoints_rad=way, X_base_tool_mouth=matrix(X_mouth))


def joints(X_base_tool: Pose) -> tuple[float, ...]:
    """Return joint positions near home for a tool pose."""
    arm, X_flange_tool = STATION.arm.kinematics, STATION.tool.X_flange_tool

    def miss(q: FloatArray) -> FloatArray:
        return np.asarray((arm.flange(q) @ X_flange_tool - X_base_tool)[:3]).ravel()

    found = least_squares(miss, np.array(STATION.arm.home_q_rad), xtol=1e-12)
    assert found.cost < 1e-10
    return tuple(float(q) for q in found.x)


BLADE = ExtendBlade(extension_m=0.22)
SWEEP = Sweep(direction=-1, distance_m=0.045)


def pushed_m(bench: Bench, name: str = "a") -> float:
    body = next(b for b in bench.workcell.truth().contents if b.name == name)
    return float(body.X_bin_start[1, 3] - body.X_bin_item[1, 3])


@pytest.mark.parametrize("seed", SEEDS)
def test_a_light_load_is_pushed_faster_than_a_heavy_one(seed: int) -> None:
    durations, resistances = [], []
    for mass_kg in (0.3, 2.2):
        bench = Bench([box("a", -0.02, 0.04, mass_kg=mass_kg)], seed=seed)
        blade, sweep = bench.run(BLADE, SWEEP)
        assert blade.ok and sweep.ok, (blade.words, sweep.words)
        assert max(blade.max_force_ratio, sweep.max_force_ratio) <= 1.0
        assert sweep.data["travelled_m"] == pytest.approx(0.045, abs=0.003)
        assert pushed_m(bench) > 0.025
        durations.append(sweep.duration_s)
        resistances.append(sweep.data["resistance_n"])
    assert durations[0] < 0.8 * durations[1]
    assert resistances[1] > 1.8 * resistances[0]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_load_too_heavy_for_a_plain_push_moves_when_weight_is_taken_off(seed: int) -> None:
    load = [box("a", -0.03, 0.04, mass_kg=2.85, friction=0.57)]
    plain = Bench(load, seed=seed).run(BLADE, SWEEP.model_copy(update={"feel": False, "speed_m_s": 0.035}))[-1]
    felt = Bench(load, seed=seed).run(BLADE, SWEEP)[-1]
    assert "stalled" in plain.words
    assert felt.ok, felt.words
    assert felt.data["lifts"] >= 1
    assert max(plain.max_force_ratio, felt.max_force_ratio) <= 1.0


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("mass_kg", [0.3, 1.0])
def test_a_jam_stays_under_the_limit_and_ends_in_words(seed: int, mass_kg: float) -> None:
    contents = [box("a", -0.02, 0.04, mass_kg=mass_kg), box("b", -0.08, -0.025, mass_kg=mass_kg),
                box("c", -0.14, -0.085, mass_kg=mass_kg)]  # fmt: skip
    blade, sweep = Bench(contents, seed=seed).run(BLADE, SWEEP.model_copy(update={"distance_m": 0.07}))
    assert blade.ok, blade.words
    assert not sweep.ok
    assert "stalled after" in sweep.words
    assert sweep.max_force_ratio <= 1.0


@pytest.mark.parametrize("seed", SEEDS)
def test_a_bottle_that_the_tip_slips_off_is_noticed(seed: int) -> None:
    reach_m = MOUTH_X_M + STATION.tool.blade_rest_m + 0.22
    bench = Bench([bottle("a", reach_m + 0.018, 0.015, mass_kg=1.3)], seed=seed)
    blade, sweep = bench.run(BLADE, SWEEP.model_copy(update={"distance_m": 0.08}))
    assert blade.ok, blade.words
    assert not sweep.ok
    assert "slipped after" in sweep.words
    assert sweep.max_force_ratio <= 1.0


@pytest.mark.parametrize(("seed", "error_m"), [(1, 0.006), (2, -0.006), (3, 0.008), (1, -0.008)])
def test_the_blade_feels_its_way_into_a_gap_beside_the_plan(seed: int, error_m: float) -> None:
    contents = [box("a", -0.02, 0.0455, mass_kg=1.5), box("b", 0.0545, 0.12, mass_kg=1.5)]
    blind = Bench(contents, seed=seed).run(BLADE.model_copy(update={"seek": False}), error_m=error_m)[0]
    bench = Bench(contents, seed=seed)
    found, sweep, out = bench.run(BLADE, SWEEP, Retract(), error_m=error_m)
    assert not blind.ok
    assert found.ok, found.words
    assert "beside the plan" in found.words
    assert np.sign(found.data["aside_m"]) == -np.sign(error_m)
    assert sweep.ok, sweep.words
    assert out.ok, out.words
    assert max(r.max_force_ratio for r in (found, sweep, out)) <= 1.0
    # The sweep ends where the plan wanted it: its way counts from the planned entry.
    assert sweep.data["travelled_m"] == pytest.approx(SWEEP.distance_m, abs=0.003)
