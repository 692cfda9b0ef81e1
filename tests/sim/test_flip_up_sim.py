"""Whole stows that need something to stand up first, over masses, frictions and sides; and one that is too heavy."""

from math import atan2, degrees

import numpy as np
import pytest

from podhand.app.scene import SceneStow, stow_in_scene
from podhand.app.wiring import build_workcell
from podhand.core.items import Item, Shape
from podhand.core.poses import pose
from podhand.core.station import load_station
from podhand.perception.bin_model import BinModel, estimate_bin
from podhand.planning.affordances import SPACE_MAKERS, StowRules
from podhand.planning.flipping import after_flip, flips
from podhand.planning.stow import StowKind
from podhand.planning.thinking import make_planner
from podhand.sim.workcell import SimWorkcell
from podhand.sim.world import ContentItem, World

STATION = load_station("sim-stow")
PLANNER = make_planner(STATION)
ALL_MOVES = StowRules(moves=SPACE_MAKERS)
LIMIT_N = STATION.forces.sweep_n
CARTON = (0.24, 0.14, 0.045)


def held(width_m: float = 0.10) -> Item:
    return Item(sku="item", length_m=0.20, width_m=width_m, height_m=0.215, mass_kg=0.5, shape=Shape.BOX,
                friction=0.5, max_squeeze_n=60.0)  # fmt: skip


def carton(
    side: int, size_m: tuple[float, float, float] = CARTON, *, density_kg_m3: float = 275.0, friction: float = 0.5,
    off_wall_m: float = 0.0,
) -> ContentItem:  # fmt: skip
    """A carton that lies at the wall of a side."""
    length, width, height = size_m
    middle = (0.015 + length / 2, side * (0.15 - off_wall_m - width / 2), height / 2 + 0.0003)
    return ContentItem(
        name="carton", shape=Shape.BOX, size_m=size_m, X_bin_item=pose(None, middle), friction=friction,
        mass_kg=density_kg_m3 * length * width * height, edge_radius_m=0.005,
    )  # fmt: skip


def tall(side: int, inner_m: float, width_m: float) -> ContentItem:
    """A box that stands; its face is ``inner_m`` from the wall of the other side."""
    y = side * (0.15 - inner_m - width_m / 2)
    return ContentItem(name="tall", shape=Shape.BOX, size_m=(0.24, width_m, 0.21),
                       X_bin_item=pose(None, (0.14, y, 0.1053)), mass_kg=0.6, friction=0.5)  # fmt: skip


def standing_rad(workcell: SimWorkcell) -> float:
    R = workcell.truth().contents[0].X_bin_item[:3, :3]
    return abs(atan2(R[2, 1], R[1, 1]))


def seen(world: World) -> BinModel:
    workcell = build_workcell(STATION, world)
    frames = [camera.capture() for camera in workcell.cameras]
    return estimate_bin(frames, workcell.X_world_bin_nominal, STATION.pod.bin_size_m)


def stow(world: World, rules: StowRules = ALL_MOVES) -> SceneStow:
    return stow_in_scene(STATION, PLANNER, world, rules=rules)


def test_lying_carton_is_found_with_what_it_wins() -> None:
    model = seen(World.scene(held(), [carton(1), tall(1, 0.22, 0.08)], seed=3))
    (flip,), _ = flips(model, STATION.tool, StowRules(), force_limit_n=LIMIT_N)
    assert flip.direction == 1
    assert (flip.width_m, flip.height_m) == pytest.approx(CARTON[1:], abs=0.003)
    assert flip.support_y_m == pytest.approx(0.15, abs=0.003)
    assert flip.gain_m == pytest.approx(0.095, abs=0.004)
    assert flip.blade_reach_m > flip.front_x_m + 0.6 * CARTON[0]
    before = max(gap.width_m for gap in model.gaps(depth_m=0.25, height_m=0.2))
    after = max(gap.width_m for gap in after_flip(model, flip).gaps(depth_m=0.25, height_m=0.2))
    assert after - before == pytest.approx(flip.gain_m, abs=0.006)


@pytest.mark.parametrize(
    ("contents", "words"),
    [
        ([carton(1), tall(1, 0.20, 0.10)], "too narrow for the leaning blade"),
        ([carton(1, off_wall_m=0.05), tall(1, 0.27, 0.03)], "nothing to turn against"),
        ([carton(1, (0.24, 0.12, 0.10)), tall(1, 0.20, 0.08)], "would win less"),
        ([carton(1, (0.30, 0.14, 0.08)), tall(1, 0.22, 0.08)], "too heavy, or too thick"),
    ],
    ids=["narrow", "loose", "square", "thick"],
)
def test_says_why_something_is_not_stood_up(contents: list[ContentItem], words: str) -> None:
    model = seen(World.scene(held(), contents, seed=2))
    found, failed = flips(model, STATION.tool, StowRules(), force_limit_n=LIMIT_N)
    assert not [flip for flip in found if flip.direction > 0]
    assert any(words in one.reason for one in failed), [one.reason for one in failed]


def test_nothing_else_finds_room_here() -> None:
    world = World.scene(held(), [carton(1), tall(1, 0.22, 0.08)], seed=3)
    refused = stow(world, StowRules(moves=SPACE_MAKERS - {"flip_up"}))
    assert refused.run is None
    assert "no room" in refused.thought.refusal


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seed", "side", "mass_share", "friction"),
    [(1, 1, 0.7, 0.25), (2, -1, 1.3, 0.9), (3, 1, 1.3, 0.25), (4, -1, 0.7, 0.9), (5, 1, 1.0, 0.6), (6, -1, 1.0, 0.4)],
)
def test_stands_up_and_takes_the_item(seed: int, side: int, mass_share: float, friction: float) -> None:
    lying = carton(side, density_kg_m3=275.0 * mass_share, friction=friction)
    done = stow(World.scene(held(), [lying, tall(side, 0.225, 0.075)], seed=seed))
    assert done.thought.plan is not None
    assert done.thought.plan.kind is StowKind.FLIP_UP
    assert done.run is not None and done.score is not None
    words = [f"{step.name}: {step.words}" for step in done.run.steps]
    assert done.score.outcome == "success", (done.score.cause, words)
    assert degrees(standing_rad(done.workcell)) == pytest.approx(90.0, abs=3.0)
    assert any("stood up" in each for each in words)
    assert done.workcell.truth().peak_touch_n["blade"] < 1.3 * LIMIT_N


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "side"), [(1, 1), (2, -1)])
def test_flip_then_sweep(seed: int, side: int) -> None:
    """Standing up wins width, but the item needs what is free behind the tall box as well."""
    lying = carton(side, (0.20, 0.11, 0.035))
    done = stow(World.scene(held(0.147), [lying, tall(side, 0.185, 0.06)], seed=seed))
    assert done.thought.plan is not None
    assert done.thought.plan.kind is StowKind.FLIP_UP
    assert done.thought.plan.sweep_needed
    assert done.run is not None and done.score is not None
    assert done.score.outcome == "success", done.score.cause
    names = [step.name for step in done.run.steps]
    assert names.index("flip_up") < names.index("sweep") < names.index("eject_item")


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "side", "density_kg_m3"), [(1, 1, 1100.0), (2, -1, 1650.0), (4, 1, 2200.0)])
def test_too_heavy_is_given_up_and_lies_as_before(seed: int, side: int, density_kg_m3: float) -> None:
    lying = carton(side, density_kg_m3=density_kg_m3)
    done = stow(World.scene(held(), [lying, tall(side, 0.22, 0.08)], seed=seed))
    assert done.run is not None and done.score is not None
    (flip,) = [step for step in done.run.steps if step.name == "flip_up"]
    assert "too heavy" in flip.words
    assert done.score.outcome == "unproductive", done.score.cause
    assert degrees(standing_rad(done.workcell)) < 2.0
    now = done.workcell.truth().contents[0].X_bin_item[:3, 3]
    assert np.linalg.norm(now - lying.X_bin_item[:3, 3]) < 0.01
    assert done.workcell.truth().peak_touch_n["blade"] < 1.5 * LIMIT_N
