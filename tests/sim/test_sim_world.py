import dataclasses
from collections import Counter

import numpy as np
import pytest

from podhand.core.errors import ConfigError
from podhand.core.items import Shape
from podhand.core.poses import FloatArray, pose
from podhand.core.tooling import Pod
from podhand.sim.catalogue import load_catalogue
from podhand.sim.workcell import SimWorkcell
from podhand.sim.world import FILL_RANGE, GAP_RATIO_RANGE, ContentItem, World, needed_width_m
from tests.sim.sim_rig import Rig

SEEDS = range(200)


@pytest.fixture(scope="module")
def worlds() -> list[World]:
    catalogue = load_catalogue()
    return [World.standard(seed, catalogue) for seed in SEEDS]


def low_and_high_m(content: ContentItem) -> tuple[FloatArray, FloatArray]:
    """Return the corners of the box around a content."""
    half = np.abs(content.X_bin_item[:3, :3]) @ np.array(content.size_m) / 2
    if content.shape in ("cylinder", "sphere"):
        assert np.abs(content.X_bin_item[:3, 2]).max() > 0.999  # upright, or along an axis: the box is exact
        half = np.abs(np.round(content.X_bin_item[:3, :3])) @ np.array(content.size_m) / 2
    return content.X_bin_item[:3, 3] - half, content.X_bin_item[:3, 3] + half


def tilt_deg(content: ContentItem) -> float:
    """Return the angle between the vertical and the nearest of the content's own axes."""
    return float(np.degrees(np.arccos(min(1.0, np.abs(content.X_bin_item[2, :3]).max()))))


def lies(content: ContentItem) -> bool:
    low, high = low_and_high_m(content)
    return bool(high[2] - low[2] < 0.068 or (content.shape in ("sphere", "cylinder") and high[2] < 0.1))


def test_fill_and_gap_ratio_stay_in_range_and_are_spread(worlds: list[World]) -> None:
    fills = np.array([w.fill for w in worlds])
    ratios = np.array([w.gap_ratio for w in worlds])
    assert FILL_RANGE[0] - 1e-9 <= fills.min() and fills.max() <= FILL_RANGE[1] + 1e-9
    assert GAP_RATIO_RANGE[0] - 1e-9 <= ratios.min() and ratios.max() <= GAP_RATIO_RANGE[1] + 1e-9
    assert np.histogram(fills, 4, FILL_RANGE)[0].min() > 25
    assert np.histogram(ratios, 4, GAP_RATIO_RANGE)[0].min() > 25


def test_where_no_gap_takes_the_item_all_gaps_together_do(worlds: list[World]) -> None:
    tight = [w for w in worlds if w.gap_ratio < 1.0]
    assert len(tight) > 50
    assert min(sum(w.gaps_m) / w.needed_width_m for w in tight) >= 1.15


def test_gaps_are_where_the_contents_leave_them(worlds: list[World]) -> None:
    for world in worlds:
        edges = sorted(c.y_extent_m for c in world.contents)
        free, last = [], -0.15
        for low, high in edges:
            free.append(low - last)
            last = max(last, high)
        free.append(0.15 - last)
        # Items behind each other in one column give no gap.
        widest = max(free) / world.needed_width_m
        assert widest == pytest.approx(world.gap_ratio, abs=0.02), world.seed


def test_contents_stand_inside_the_bin_without_overlap(worlds: list[World]) -> None:
    size = Pod().bin_size_m
    for world in [*worlds, *(World.hard(seed) for seed in range(30))]:
        assert 1 <= len(world.contents) <= 10
        boxes = []
        for content in world.contents:
            low, high = low_and_high_m(content)
            assert low[0] > 0.01 and high[0] < size[0], world.seed
            assert low[1] >= -size[1] / 2 and high[1] <= size[1] / 2, world.seed
            assert high[2] < size[2], world.seed
            assert 0.05 <= content.mass_kg <= 2.0
            boxes.append((low, high))
        for i, (low, high) in enumerate(boxes):
            for low_b, high_b in boxes[:i]:
                assert np.any((high_b <= low + 1e-9) | (high <= low_b + 1e-9)), world.seed


def test_contents_have_every_shape_and_stand_lie_and_lean(worlds: list[World]) -> None:
    contents = [content for world in worlds for content in world.contents]
    count = Counter(content.shape for content in contents)
    assert set(count) == set(Shape)
    # Two behind each other and two on each other are one column.
    columns = {(world.seed, round(float(c.X_bin_item[1, 3]), 3)): c for world in worlds for c in world.contents}
    jointed = [c for c in columns.values() if c.shape in (Shape.BAG, Shape.BOOK, Shape.IRREGULAR)]
    assert 0.2 < len(jointed) / len(columns) < 0.4
    assert 0.10 < sum(lies(c) for c in columns.values()) / len(columns) < 0.22
    tilts = np.array([tilt_deg(c) for c in columns.values()])
    assert 0.04 < (tilts > 4.9).mean() < 0.12
    assert tilts.max() < 15.1
    assert any(c.edge_radius_m > 0.0 for c in contents)


@pytest.mark.parametrize("kind", ["standard", "hard"])
def test_contents_are_at_rest(kind: str) -> None:
    for seed in range(12):
        world = World.standard(seed) if kind == "standard" else World.hard(seed)
        rig = Rig(SimWorkcell(world))
        start = rig.workcell.truth().contents
        rig.wait(500)
        for content, before, after in zip(world.contents, start, rig.workcell.truth().contents, strict=True):
            shift = float(np.linalg.norm(after.X_bin_item[:3, 3] - before.X_bin_item[:3, 3]))
            settled = float(np.linalg.norm(before.X_bin_item[:3, 3] - content.X_bin_item[:3, 3]))
            assert shift < 0.0005 and settled < 0.003, (seed, content.name)
            assert after.opened_rad < 0.05, (seed, content.name)
            assert after.low_bin_m[0] > 0.0 and after.high_bin_m[0] < 0.4, (seed, content.name)
            assert np.abs([after.low_bin_m[1], after.high_bin_m[1]]).max() < 0.1505, (seed, content.name)


def test_hard_worlds_are_full_and_tight() -> None:
    worlds = [World.hard(seed) for seed in range(60)]
    assert min(w.fill for w in worlds) > 0.399 and max(w.fill for w in worlds) < 0.601
    assert 0.4 <= min(w.gap_ratio for w in worlds) and max(w.gap_ratio for w in worlds) <= 1.0
    assert {w.item.shape for w in worlds} == {Shape.BOX, Shape.BAG, Shape.BOOK, Shape.IRREGULAR, Shape.CYLINDER}


def test_a_scene_has_the_given_contents_and_the_seeds_errors() -> None:
    item = World.standard(0).item
    box = ContentItem(name="low", shape=Shape.BOX, size_m=(0.2, 0.1, 0.04), X_bin_item=pose(None, (0.12, -0.1, 0.0202)),
                      mass_kg=0.3, friction=0.5, edge_radius_m=0.004)  # fmt: skip
    scene = World.scene(item, [box], seed=5)
    assert scene.contents == (box,)
    assert scene.gaps_m == pytest.approx((0.0, 0.2))
    assert scene.gap_ratio == pytest.approx(0.2 / needed_width_m(item))
    assert repr(scene) == repr(World.scene(item, [box], seed=5))
    assert not np.allclose(scene.X_nominal_bin, World.scene(item, [box], seed=6).X_nominal_bin)
    with pytest.raises(ConfigError, match="names must differ"):
        World.scene(item, [box, box])


def test_a_seed_is_a_world() -> None:
    a, b, c = World.standard(7), World.standard(7), World.standard(8)
    assert repr(a) == repr(b)
    assert repr(a) != repr(c)
    assert (a.version, World.hard(7).version) == ("standard-2", "hard-1")
    assert repr(World.hard(7)) == repr(World.hard(7))
    with pytest.raises(dataclasses.FrozenInstanceError):
        a.seed = 1  # type: ignore[misc]


def test_all_bins_and_all_eligible_products_come_up(worlds: list[World]) -> None:
    assert len({w.item.sku for w in worlds}) == 19
    assert len({(w.row, w.column) for w in worlds}) > 35


def test_errors_stay_in_their_ranges(worlds: list[World]) -> None:
    for world in worlds:
        assert np.abs(world.X_nominal_bin[:3, 3]).max() <= 0.005
        assert np.linalg.norm(world.ft.bias[:3]) <= 2.0
        assert all(0.7 <= s <= 1.3 for s in world.band_tension_scale)
        assert 0.7 <= world.item_mass_kg / world.item.mass_kg <= 1.3


def test_a_catalogue_without_eligible_products_is_refused() -> None:
    refused = [entry for entry in load_catalogue() if not entry.eligible]
    with pytest.raises(ConfigError, match="none of its 3 products is eligible"):
        World.standard(0, refused)
    with pytest.raises(ConfigError, match="must be 0 or more"):
        World.standard(-1)
