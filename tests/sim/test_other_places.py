"""Whole stows where no upright gap takes the item: on top, tilted, after two pushes, with paddles that go in."""

from math import cos, radians, sin

import pytest

from podhand.app.scene import SceneStow, stow_in_scene
from podhand.core.items import Item, Shape
from podhand.core.poses import pose, rotation_rpy
from podhand.core.station import load_station
from podhand.planning.affordances import SPACE_MAKERS, StowRules
from podhand.planning.stow import StowKind
from podhand.planning.thinking import make_planner
from podhand.sim.world import ContentItem, World

STATION = load_station("sim-stow")
PLANNER = make_planner(STATION)
ALL_MOVES = StowRules(moves=SPACE_MAKERS)
pytestmark = pytest.mark.slow


def held(length_m: float = 0.15, width_m: float = 0.04, height_m: float = 0.10) -> Item:
    return Item(sku="item", length_m=length_m, width_m=width_m, height_m=height_m, mass_kg=0.25, shape=Shape.BOX,
                friction=0.5, max_squeeze_n=40.0)  # fmt: skip


def box(
    name: str, y_m: float, size_m: tuple[float, float, float], *, lean_rad: float = 0.0, front_m: float = 0.02,
    mass_kg: float = 0.8,
) -> ContentItem:  # fmt: skip
    """A box whose lowest edge is at ``y_m``, its upper end leaning to -y."""
    depth, width, height = size_m
    y = y_m + width / 2 * cos(lean_rad) - height / 2 * sin(lean_rad)
    z = width / 2 * sin(lean_rad) + height / 2 * cos(lean_rad) + 0.0005
    X = pose(rotation_rpy(lean_rad, 0.0, 0.0), (front_m + depth / 2, y, z))
    return ContentItem(name=name, shape=Shape.BOX, size_m=size_m, X_bin_item=X, mass_kg=mass_kg, friction=0.5)


LOW = [box("a", -0.148, (0.22, 0.10, 0.08)), box("b", -0.046, (0.24, 0.10, 0.09)), box("c", 0.056, (0.2, 0.09, 0.2))]
"""From wall to wall, low but for one."""
APART = [
    box("a", -0.130, (0.22, 0.06, 0.15)), box("b", -0.065, (0.22, 0.045, 0.14)),
    box("c", 0.015, (0.22, 0.045, 0.14)), box("d", 0.065, (0.22, 0.06, 0.15)),
]  # fmt: skip
"""A gap of 35 mm in the middle, 20 and 25 mm at the walls."""


def leaning() -> list[ContentItem]:
    """Two books lean to the right; what stands between them at the back keeps the front of their gap open."""
    lean = radians(15.0)
    contents = [box("pillar", -0.148, (0.30, 0.047, 0.20))]
    y = -0.10 + 0.19 * sin(lean) + 0.001
    for name, depth, width, front in (("b1", 0.33, 0.03, 0.02), ("f", 0.10, 0.054, 0.25), ("b2", 0.33, 0.03, 0.02)):
        contents.append(box(name, y, (depth, width, 0.19), lean_rad=lean, front_m=front, mass_kg=0.45))
        y += width / cos(lean) + 0.0005
    return [*contents, box("block", y + 0.004, (0.33, 0.143 - y, 0.20), mass_kg=1.5)]


def stow(item: Item, contents: list[ContentItem], seed: int, rules: StowRules = ALL_MOVES) -> SceneStow:
    return stow_in_scene(STATION, PLANNER, World.scene(item, contents, seed=seed), rules=rules)


def story(stows: list[SceneStow]) -> str:
    return "; ".join(
        f"{s.score.outcome} {s.score.cause} {s.run.failure}" if s.run and s.score else s.thought.refusal for s in stows
    )


def check(stows: list[SceneStow], kind: StowKind, primitive: str) -> None:
    assert all(s.score is not None and s.score.outcome == "success" for s in stows), story(stows)
    for s in stows:
        assert s.thought.plan is not None and s.run is not None
        assert s.thought.plan.kind is kind
        assert primitive in [step.name for step in s.run.steps]


def test_items_are_put_on_top() -> None:
    stows = [stow(held(), LOW, seed) for seed in (0, 1, 2)]
    check(stows, StowKind.STACK, "stack")
    for s in stows:
        assert s.thought.plan is not None
        assert s.workcell.truth().item.X_bin_item[2, 3] == pytest.approx(s.thought.plan.support_z_m + 0.02, abs=0.004)


def test_nothing_is_let_go_over_what_is_not_there() -> None:
    too_high = StowRules(stack_drop_m=0.05, stack_search_m=-0.03)
    s = stow(held(), LOW, 3, too_high)
    assert s.run is not None and s.score is not None
    assert "nothing carries the item" in s.run.failure
    assert s.score.outcome == "unproductive"
    assert s.score.item_at_infeed


def test_items_go_into_slanted_gaps() -> None:
    check([stow(held(0.16, 0.04, 0.12), leaning(), seed) for seed in (0, 1, 2)], StowKind.SLOT, "slot")


def test_two_pushes_make_room_where_one_is_too_heavy() -> None:
    rules = StowRules(moves=frozenset({"sweep"}), max_force_share=0.45)
    stows = [stow(held(0.15, 0.055, 0.10), APART, seed, rules) for seed in (0, 1)]
    check(stows, StowKind.SWEEP, "sweep")
    for s in stows:
        assert s.thought.plan is not None and s.run is not None
        assert s.thought.plan.sweep_back_m > 0.0
        assert [step.name for step in s.run.steps].count("sweep") == 2


def test_paddles_go_in_and_push() -> None:
    row = [box("a", -0.148, (0.22, 0.06, 0.15)), box("c", 0.056, (0.20, 0.07, 0.17))]
    check([stow(held(), row, seed, StowRules(eject="drop_push")) for seed in (0, 1)], StowKind.DIRECT, "drop_push")
