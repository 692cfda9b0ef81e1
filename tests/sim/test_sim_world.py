import dataclasses

import numpy as np
import pytest

from podhand.core.errors import ConfigError
from podhand.core.tooling import Pod
from podhand.sim.catalogue import load_catalogue
from podhand.sim.world import FILL_RANGE, GAP_RATIO_RANGE, ContentItem, World

SEEDS = range(200)


@pytest.fixture(scope="module")
def worlds() -> list[World]:
    catalogue = load_catalogue()
    return [World.standard(seed, catalogue) for seed in SEEDS]


def y_extent_m(content: ContentItem) -> tuple[float, float]:
    half = float((np.abs(content.X_bin_item[:3, :3]) @ np.array(content.size_m))[1]) / 2
    if content.shape == "cylinder":
        half = content.size_m[1] / 2
    y = float(content.X_bin_item[1, 3])
    return y - half, y + half


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
        edges = sorted(y_extent_m(c) for c in world.contents)
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
    for world in worlds:
        assert 1 <= len(world.contents) <= 10
        boxes = []
        for content in world.contents:
            half = np.abs(content.X_bin_item[:3, :3]) @ np.array(content.size_m) / 2
            if content.shape == "cylinder":
                half = np.array(content.size_m) / 2
            low, high = content.X_bin_item[:3, 3] - half, content.X_bin_item[:3, 3] + half
            assert low[0] > 0.01 and high[0] < size[0], world.seed
            assert low[1] >= -size[1] / 2 and high[1] <= size[1] / 2, world.seed
            assert high[2] < size[2], world.seed
            assert 0.05 <= content.mass_kg <= 2.0
            boxes.append((low, high))
        for i, (low, high) in enumerate(boxes):
            for low_b, high_b in boxes[:i]:
                assert np.any((high_b <= low + 1e-9) | (high <= low_b + 1e-9)), world.seed


def test_a_seed_is_a_world() -> None:
    a, b, c = World.standard(7), World.standard(7), World.standard(8)
    assert repr(a) == repr(b)
    assert repr(a) != repr(c)
    assert a.version == "standard-1"
    with pytest.raises(dataclasses.FrozenInstanceError):
        a.seed = 1  # type: ignore[misc]


def test_all_bins_and_all_eligible_products_come_up(worlds: list[World]) -> None:
    assert len({w.item.sku for w in worlds}) == 13
    assert len({(w.row, w.column) for w in worlds}) > 35


def test_errors_stay_in_their_ranges(worlds: list[World]) -> None:
    for world in worlds:
        assert np.abs(world.X_nominal_bin[:3, 3]).max() <= 0.005
        assert np.linalg.norm(world.ft.bias[:3]) <= 2.0
        assert all(0.7 <= s <= 1.3 for s in world.band_tension_scale)
        assert 0.7 <= world.item_mass_kg / world.item.mass_kg <= 1.3


def test_a_catalogue_without_eligible_products_is_refused() -> None:
    refused = [entry for entry in load_catalogue() if not entry.eligible]
    with pytest.raises(ConfigError, match="none of its 9 products is eligible"):
        World.standard(0, refused)
    with pytest.raises(ConfigError, match="must be 0 or more"):
        World.standard(-1)
