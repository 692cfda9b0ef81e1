"""Placements against a search that tries every place one by one."""

from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podhand.core.errors import PerceptionError
from podhand.perception.bin_model import BinModel
from podhand.perception.occupancy import VOXEL_M
from podhand.perception.placements import blocked_sums, find_placements, free_places


def grid_model(states: np.ndarray) -> BinModel:
    """Only what placements look at."""
    size = tuple(n * VOXEL_M for n in states.shape)
    return cast(BinModel, SimpleNamespace(occupancy=states.astype(np.uint8), voxel_m=VOXEL_M, size_m=size))


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), box=st.tuples(*[st.integers(1, 6)] * 3))
def test_every_free_place_is_found_and_no_other(seed: int, box: tuple[int, int, int]) -> None:
    rng = np.random.default_rng(seed)
    states = rng.choice([0, 1, 2], size=rng.integers(1, 9, 3), p=[0.9, 0.06, 0.04])
    free = free_places(blocked_sums(states), box)
    nx, ny, nz = (n - b + 1 for n, b in zip(states.shape, box, strict=True))
    if min(nx, ny, nz) <= 0:
        assert free.size == 0
        return
    a, b, c = box
    for i, j, k in np.ndindex(nx, ny, nz):
        assert free[i, j, k] == (not states[i : i + a, j : j + b, k : k + c].any())


def test_the_widest_gap_comes_first() -> None:
    states = np.zeros((20, 30, 20), np.uint8)
    states[:, 8:10] = 1
    states[:, 24:26] = 1
    placements = find_placements(grid_model(states), (0.06, 0.02, 0.05))
    best = placements[0]
    assert best.X_bin_item[1, 3] == pytest.approx((17 - 15) * VOXEL_M, abs=VOXEL_M)
    assert best.clearance_m == pytest.approx(0.025, abs=VOXEL_M)
    assert best.X_bin_item[2, 3] == pytest.approx(0.025)
    assert [p.score for p in placements] == sorted((p.score for p in placements), reverse=True)


def test_unknown_space_is_not_used() -> None:
    states = np.full((20, 30, 20), 2, np.uint8)
    assert find_placements(grid_model(states), (0.01, 0.01, 0.01)) == []


def test_a_box_of_the_bin_s_size_fits_exactly() -> None:
    states = np.zeros((20, 30, 20), np.uint8)
    assert len(find_placements(grid_model(states), (0.10, 0.15, 0.10))) == 1
    assert find_placements(grid_model(states), (0.10, 0.151, 0.10)) == []


def test_wrong_sizes_are_refused() -> None:
    with pytest.raises(PerceptionError, match="box size must be positive"):
        find_placements(grid_model(np.zeros((5, 5, 5), np.uint8)), (0.1, -0.1, 0.1))
