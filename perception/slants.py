"""Slanted gaps: free places for a box that is rolled about the direction of stowing."""

from dataclasses import dataclass
from math import cos, sin, tan

import numpy as np
from scipy.ndimage import maximum_filter1d

from podhand.core.poses import FloatArray
from podhand.perception.bin_model import (
    COLUMN_HITS,
    EDGE_SHARE,
    ENTRY_M,
    LOW_M,
    MIN_BLOCK_M,
    MIN_SEEN_SHARE,
    RIM_M,
    BinModel,
    drop_short,
    runs,
)
from podhand.perception.frames import BoolArray
from podhand.perception.occupancy import FINE_Y

_WALL = 1e6
"""Stands for a wall among the counts of surface points."""


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
    c, s = abs(cos(tilt_rad)), abs(sin(tilt_rad))
    return width_m * c + height_m * s, width_m * s + height_m * c


def find_slants(
    model: BinModel,
    *,
    depth_m: float,
    width_m: float,
    height_m: float,
    bottom_m: float,
    over_m: float,
    tilts_rad: tuple[float, ...],
    side_m: float,
) -> list[Slant]:
    """Find where a rolled box passes from the opening inwards: the bin is sheared by each tilt and cut like upright.

    Args:
        model: the bin.
        depth_m: how far in it must be free.
        width_m: side of the box that is across the gap.
        height_m: the other side.
        bottom_m: height of its lowest corner over the floor.
        over_m: least room over it.
        tilts_rad: rolls to try, less than a right angle.
        side_m: least clearance on both sides.
    """
    view = _View.of(model, depth_m)
    found = []
    for tilt in tilts_rad:
        high = rolled_size_m(width_m, height_m, tilt)[1]
        if bottom_m + high + over_m > model.size_m[2]:
            continue
        z_m = bottom_m + high / 2
        for first, last in runs(view.free(tilt, z_m, bottom_m + high + over_m)):
            clearance = ((last - first) * view.step_m * cos(tilt) - width_m) / 2
            if clearance >= side_m:
                y = (first + last) / 2 * view.step_m - model.size_m[1] / 2
                found.append(Slant(tilt_rad=tilt, y_m=y, z_m=z_m, clearance_m=clearance))
    return found


@dataclass(frozen=True, kw_only=True)
class _View:
    """The bin as seen along x: what is in the way, and what was looked into."""

    hits: FloatArray
    """(ny, nz) surface points, fine along y."""
    seen: FloatArray
    """(ny, nz) share of the entry that a camera looked through."""
    step_m: float
    voxel_m: float

    @classmethod
    def of(cls, model: BinModel, depth_m: float) -> "_View":
        deep, entry = int(np.ceil(depth_m / model.voxel_m)), round(ENTRY_M / model.voxel_m)
        seen = (model.grid.seen_free[:entry] > 0).mean(axis=0)
        return cls(
            hits=model.grid.hits[:deep].sum(axis=0, dtype=np.float64),
            seen=np.repeat(seen, FINE_Y, axis=0),
            step_m=float(model.grid.step_m[1]),
            voxel_m=model.voxel_m,
        )

    def free(self, tilt_rad: float, z_m: float, top_m: float) -> BoolArray:
        """Return which fine columns are free along a slanted line that meets them at the height ``z_m``."""
        columns, levels = self.hits.shape
        first, last = round(LOW_M / self.voxel_m), min(int(np.ceil(top_m / self.voxel_m)), levels)
        rows = np.arange(first, last)
        shift = np.round(((rows + 0.5) * self.voxel_m - z_m) * tan(tilt_rad) / self.step_m).astype(np.int64)
        column = np.arange(columns)[:, None] - shift
        inside = (column >= 0) & (column < columns)
        column = np.clip(column, 0, columns - 1)
        total = np.where(inside, self.hits[column, rows], _WALL).sum(axis=1)
        seen = np.where(inside, self.seen[column, rows], 1.0).mean(axis=1)
        crest = maximum_filter1d(total, 2 * round(RIM_M / self.step_m) + 1)
        blocked = total >= np.clip(EDGE_SHARE * crest, *COLUMN_HITS)
        blocked = drop_short(blocked, int(np.ceil(MIN_BLOCK_M / self.step_m)))
        free: BoolArray = ~blocked & (seen >= MIN_SEEN_SHARE)
        return free
