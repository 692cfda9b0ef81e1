"""What matching needs of a bin model: fronts along y at many heights, and the blocks and tops behind them."""

from dataclasses import dataclass
from math import ceil
from typing import Final

import numpy as np

from podhand.core.poses import FloatArray
from podhand.perception.bin_model import BinModel
from podhand.perception.supports import Support, find_supports

LEVEL_STEP_M: Final = 0.01
"""Heights are rounded up to whole levels: what is a little higher is asked for, never less."""
PROBE_M: Final = (0.08, 0.02, 0.03)
"""Length, width and height of the footprint with which tops are looked for."""
_PROBE_SIDE_M: Final = 0.004


@dataclass(frozen=True, kw_only=True, eq=False)
class BinProfile:
    """One bin, cut at every level; columns are fine slices along y, from the right wall (-y) on."""

    name: str
    size_m: tuple[float, float, float]
    front_m: FloatArray
    """(levels, columns) x of the nearest surface between floor and level, the bin's depth where there is none."""
    seen: FloatArray
    """(levels, columns) share of the entry that a camera looked through."""
    block: FloatArray
    """(columns, 4) of the block that a column belongs to: its front x and back x [m], top z [m] and volume per column
    [m^3]; zeros where there is none, or where nothing was seen."""
    tops: tuple[Support, ...]
    """Level tops, each with the room that a narrow thing has on it."""

    @property
    def column_m(self) -> float:
        """Width of a column [m]."""
        return float(self.size_m[1] / self.front_m.shape[1])

    def level(self, height_m: float) -> int:
        """Return the index of the level of a height; the highest for all that is higher."""
        return min(max(ceil(height_m / LEVEL_STEP_M - 1e-9) - 1, 0), len(self.front_m) - 1)


def bin_profile(name: str, model: BinModel) -> BinProfile:
    """Cut a bin model at every level; once per look, some 50 ms."""
    lx, _, lz = model.size_m
    heights = [(k + 1) * LEVEL_STEP_M for k in range(round(lz / LEVEL_STEP_M))]
    fronts = [model.front_profile(height) for height in heights]
    seen = [model.seen_profile(front, height) for front, height in zip(fronts, heights, strict=True)]
    length, width, height = PROBE_M
    return BinProfile(
        name=name,
        size_m=model.size_m,
        front_m=np.array(fronts),
        seen=np.array(seen),
        block=_blocks(model, 0.6 * lx, 0.7 * lz),
        tops=tuple(find_supports(model, length_m=length, width_m=width, height_m=height, side_m=_PROBE_SIDE_M)),
    )


def _blocks(model: BinModel, depth_m: float, height_m: float) -> FloatArray:
    y_m, step_m = model.column_y_m, float(model.grid.step_m[1])
    found = np.zeros((len(y_m), 4))
    for block in model.layout(depth_m=depth_m, height_m=height_m).blocks:
        if block.seen:
            inside = (y_m > block.y_low_m) & (y_m < block.y_high_m)
            share = block.volume_m3 * step_m / block.width_m
            found[inside] = (block.front_x_m, block.back_x_m, block.top_z_m, share)
    return found
