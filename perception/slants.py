"""Slanted gaps: free places for a box that is rolled about the direction of stowing."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from podhand.core.poses import FloatArray
from podhand.perception.bin_model import BinModel
from podhand.perception.frames import BoolArray
from podhand.perception.occupancy import FINE_Y, WALL_SKIN_M

_LEAST_HITS = 2
"""Surface points in three neighbouring slices that make them blocked."""
_LEAST_SEEN = 0.25
_ENTRY_M = 0.06


@dataclass(frozen=True, kw_only=True)
class Slant:
    """A free place for a rolled box; bin frame."""

    tilt_rad: float
    """Roll of the box about x; positive leans its upper end to -y."""
    y_m: float
    """Middle of the box."""
    z_m: float
    """Middle of the box."""
    clearance_m: float
    """Free on both sides, at right angles to them."""


def rolled_size_m(width_m: float, height_m: float, tilt_rad: float) -> tuple[float, float]:
    """Return width and height of the upright box around a rolled one [m]."""
    c, s = abs(np.cos(tilt_rad)), abs(np.sin(tilt_rad))
    return float(width_m * c + height_m * s), float(width_m * s + height_m * c)


def find_slants(
    model: BinModel,
    *,
    depth_m: float,
    width_m: float,
    height_m: float,
    bottom_m: float,
    over_m: float,
    tilts_rad: tuple[float, ...],
    sides_m: tuple[float, ...],
) -> list[Slant]:
    """Find where a rolled box passes from the opening inwards, the roomiest place of each tilt and free interval.

    Args:
        model: the bin.
        depth_m: how far in it must be free.
        width_m: side of the box that is across the gap.
        height_m: the other side.
        bottom_m: height of its lowest corner over the floor.
        over_m: least room over it.
        tilts_rad: rolls to try.
        sides_m: clearances to try, growing; the first must be met.
    """
    blocked = _blocked(model, depth_m)
    table = np.zeros((blocked.shape[0] + 1, blocked.shape[1]), np.int32)
    np.cumsum(blocked, axis=0, out=table[1:])
    found = []
    for tilt in tilts_rad:
        high = rolled_size_m(width_m, height_m, tilt)[1]
        if bottom_m + high + over_m > model.size_m[2]:
            continue
        z_m = bottom_m + high / 2
        rooms = np.zeros(len(blocked))
        for side in sides_m:
            free = _free(table, model, _section(width_m + 2 * side, height_m, z_m, over_m, tilt))
            if not free.any():
                break
            rooms[free] = side
        found += [
            Slant(tilt_rad=tilt, y_m=y, z_m=z_m, clearance_m=room) for y, room in _middles(rooms, model.column_y_m)
        ]
    return found


def _blocked(model: BinModel, depth_m: float) -> BoolArray:
    """Return (ny, nz), fine along y: what is occupied, or was not looked into, somewhere on the way in."""
    deep = int(np.ceil(depth_m / model.voxel_m))
    hits = model.grid.hits[:deep].sum(axis=0, dtype=np.int64)
    around = hits + np.pad(hits, ((1, 0), (0, 0)))[:-1] + np.pad(hits, ((0, 1), (0, 0)))[1:]
    entry = round(_ENTRY_M / model.voxel_m)
    seen = np.repeat((model.grid.seen_free[:entry] > 0).mean(axis=0), FINE_Y, axis=0) >= _LEAST_SEEN
    floor = np.arange(hits.shape[1]) * model.voxel_m < 2 * WALL_SKIN_M
    blocked: BoolArray = ((hits > 0) & (around >= _LEAST_HITS)) | ~(seen | floor)
    return blocked


def _section(width_m: float, height_m: float, z_m: float, over_m: float, tilt_rad: float) -> NDArray[np.float64]:
    """Return the corners (4, 2) of a rolled box about y = 0 and its height; ``over_m`` more at its upper side."""
    c, s = np.cos(tilt_rad), np.sin(tilt_rad)
    u = np.array([-1.0, 1.0, 1.0, -1.0]) * width_m / 2
    v = np.array([-1.0, -1.0, 1.0, 1.0]) * height_m / 2 + np.array([0.0, 0.0, over_m, over_m])
    return np.stack([u * c - v * s, z_m + u * s + v * c], axis=1)


def _free(table: NDArray[np.int32], model: BinModel, corners: NDArray[np.float64]) -> BoolArray:
    """Return per fine column whether a section about it touches nothing, walls included."""
    step, voxel = float(model.grid.step_m[1]), model.voxel_m
    count = len(table) - 1
    places = np.arange(count)
    free = np.ones(count, np.bool_)
    for k in range(max(0, int(corners[:, 1].min() / voxel)), int(np.ceil(corners[:, 1].max() / voxel))):
        if k >= table.shape[1]:
            break
        low_m, high_m = _extent(corners, k * voxel, (k + 1) * voxel)
        low, high = places + int(np.floor(low_m / step)), places + int(np.ceil(high_m / step)) + 1
        inside = (low >= 0) & (high <= count)
        free &= inside
        free[inside] &= table[high[inside], k] == table[low[inside], k]
    return free


def _extent(corners: NDArray[np.float64], z_low: float, z_high: float) -> tuple[float, float]:
    """Return the smallest and largest y of a convex section between two heights."""
    found = [float(y) for y, z in corners if z_low <= z <= z_high]
    for (y0, z0), (y1, z1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        for z in (z_low, z_high):
            if (z0 - z) * (z1 - z) < 0.0:
                found.append(float(y0 + (y1 - y0) * (z - z0) / (z1 - z0)))
    return (min(found), max(found)) if found else (0.0, 0.0)


def _middles(rooms: FloatArray, column_y_m: FloatArray) -> list[tuple[float, float]]:
    """Return, per free interval, the middle of its roomiest part and that room."""
    found = []
    start = None
    for j in range(len(rooms) + 1):
        if j < len(rooms) and rooms[j] > 0.0:
            start = j if start is None else start
        elif start is not None:
            part = rooms[start:j]
            best = np.nonzero(part == part.max())[0] + start
            found.append((float(column_y_m[best[len(best) // 2]]), float(part.max())))
            start = None
    return found
