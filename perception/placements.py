"""Exact placements of a box in the voxels of a bin: every place is looked at, by three-dimensional sums."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from podhand.core.errors import PerceptionError
from podhand.core.poses import Pose, pose
from podhand.perception.bin_model import BinModel
from podhand.perception.frames import BoolArray
from podhand.perception.occupancy import FREE, StateArray

_MAX_CLEARANCE_VOXELS = 8


@dataclass(frozen=True, kw_only=True)
class Placement:
    """A place where a box is free of everything occupied or unknown."""

    X_bin_item: Pose
    """Pose of the box's middle in the bin frame; axes as the bin's."""
    size_m: tuple[float, float, float]
    clearance_m: float
    """Free space on both sides along y, up to the resolution of the voxels [m]."""
    score: float
    """0 … 1, more is better: clearance, then a low place near the opening."""


def blocked_sums(states: StateArray) -> NDArray[np.int64]:
    """Return the summed volume table (nx + 1, ny + 1, nz + 1) of voxels that are not free."""
    table = np.zeros(tuple(n + 1 for n in states.shape), np.int64)
    table[1:, 1:, 1:] = (states != FREE).cumsum(0).cumsum(1).cumsum(2)
    return table


def free_places(table: NDArray[np.int64], voxels: tuple[int, int, int]) -> BoolArray:
    """Return, per lowest corner, whether a box of whole voxels is free; empty where it does not fit at all.

    Args:
        table: from ``blocked_sums``.
        voxels: sides of the box along x, y, z, each at least 1.
    """
    a, b, c = voxels
    if any(n < k + 1 for n, k in zip(table.shape, voxels, strict=True)):
        return np.zeros((0, 0, 0), np.bool_)
    t = table[a:] - table[:-a]
    t = t[:, b:] - t[:, :-b]
    blocked = t[:, :, c:] - t[:, :, :-c]
    return np.asarray(blocked == 0)


def find_placements(
    model: BinModel, size_m: tuple[float, float, float], *, on_floor: bool = True, most: int = 20
) -> list[Placement]:
    """Find where a box of a given size fits into the bin as it stands, without moving anything.

    Args:
        model: the bin.
        size_m: sides along x, y, z of the bin frame [m].
        on_floor: only places whose lower side is on the floor.
        most: longest list returned.

    Returns:
        Best first; of the places with the same x and z and one free interval along y, only its best.

    Raises:
        PerceptionError: the size is not positive and finite.
    """
    if not all(np.isfinite(s) and s > 0.0 for s in size_m):
        raise PerceptionError(f"box size must be positive and finite along x, y, z (got {size_m} m); check the item")
    voxel = model.voxel_m
    a, b, c = (max(1, int(np.ceil(s / voxel - 1e-6))) for s in size_m)
    table = blocked_sums(model.occupancy)
    free = free_places(table, (a, b, c))
    if on_floor:
        free = free[:, :, :1]
    if not free.any():
        return []
    margin = _side_clearance(table, free, (a, b, c))
    keep = free & _is_crest(margin)
    places = np.argwhere(keep)
    scores = _scores(places, margin[keep], free.shape)
    order = np.lexsort((places[:, 1], places[:, 0], places[:, 2], -scores))[:most]
    found = []
    for n in order:
        i, j, k = (int(v) for v in places[n])
        corner = np.array([i, j, k]) * voxel - np.array([0.0, model.size_m[1] / 2, 0.0])
        middle = corner + np.array([size_m[0], b * voxel, size_m[2]]) / 2
        slack = (b * voxel - size_m[1]) / 2
        clearance = float(margin[i, j, k]) * voxel + slack
        found.append(
            Placement(X_bin_item=pose(None, middle), size_m=size_m, clearance_m=clearance, score=float(scores[n]))
        )
    return found


def _side_clearance(table: NDArray[np.int64], free: BoolArray, voxels: tuple[int, int, int]) -> NDArray[np.int64]:
    """Return per place how many voxels are free on both sides along y."""
    a, b, c = voxels
    margin = np.zeros(free.shape, np.int64)
    still = free.copy()
    for m in range(1, _MAX_CLEARANCE_VOXELS + 1):
        wide = free_places(table, (a, b + 2 * m, c))[:, :, : free.shape[2]]
        ok = np.zeros_like(free)
        if wide.size:
            ok[:, m : m + wide.shape[1]] = wide
        still &= ok
        if not still.any():
            break
        margin[still] = m
    return margin


def _is_crest(margin: NDArray[np.int64]) -> BoolArray:
    """Keep, along y, places with no better neighbour; of equal ones the first."""
    before = np.pad(margin, ((0, 0), (1, 0), (0, 0)), constant_values=-1)[:, :-1]
    after = np.pad(margin, ((0, 0), (0, 1), (0, 0)), constant_values=-1)[:, 1:]
    return np.asarray((margin > before) & (margin >= after))


def _scores(places: NDArray[np.intp], margin: NDArray[np.int64], shape: tuple[int, ...]) -> NDArray[np.float64]:
    low = 1.0 - places[:, 2] / max(shape[2], 1)
    front = 1.0 - places[:, 0] / max(shape[0], 1)
    return np.asarray(0.8 * margin / _MAX_CLEARANCE_VOXELS + 0.1 * low + 0.1 * front)
