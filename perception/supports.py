"""Level places on top of what lies or stands in a bin, free above: where an item can be put down."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from podhand.core.poses import FloatArray
from podhand.perception.bin_model import BinModel, Gap
from podhand.perception.frames import BoolArray

LEVEL_M: Final = 0.004
"""What is within this of a height is level with it: the camera sees tops to about 1 mm."""
_BIN_M = 0.003
_LOWEST_M = 0.025
"""A top below this is no place on top of something: the item would enter over it as over the floor."""
_OVER_TOP_M = 0.006
"""Things that rise less than this over a top are part of it."""
_UNSEEN_M = 0.030
"""A top that two image rows meet this far apart, at the same height, is taken as level between them."""
_INNER_SHARE = 0.30
"""A row of a footprint is carried when it rests on either side of the middle, this share of the width away."""
_STEP_M = 0.0025


@dataclass(frozen=True, kw_only=True)
class Support:
    """A level place for a footprint along x from the opening; bin frame."""

    y_m: float
    """Middle of the footprint."""
    top_z_m: float
    clearance_m: float
    """Free space on both sides over the top."""
    carried_share: float
    """Share of the footprint's length that rests on the top, for the worst of the places where the item may stop."""
    middle_carried: bool
    """The top carries the footprint's middle."""
    slope_rad: float
    """Of the plane through the top under the footprint."""
    uneven_m: float
    """Standard deviation of the heights from that plane."""
    width_m: float
    """How far the level top spans along y, under the footprint and beyond."""
    front_x_m: float
    """Where the level top begins."""
    depth_m: float
    """How far it reaches along x."""


def find_supports(
    model: BinModel,
    *,
    length_m: float,
    width_m: float,
    height_m: float,
    side_m: float,
    rests_m: tuple[float, ...] = (0.0, 0.03),
) -> list[Support]:
    """Find level tops that carry a footprint, free over it, the best place on each.

    Args:
        model: the bin.
        length_m: of the item along x.
        width_m: of its footprint along y.
        height_m: how much must be free over the top.
        side_m: least clearance on each side over the top.
        rests_m: where the item's rear may come to rest.

    Returns:
        Places with any carried length; judge them by their fields.
    """
    tops = _level_map(model)
    found = []
    deep = length_m + max(rests_m)
    for level in _levels(tops, length_m, width_m):
        if level + height_m > model.size_m[2]:
            continue
        flat = np.abs(tops - level) <= LEVEL_M
        gaps = model.gaps(depth_m=deep, height_m=level + height_m, bottom_m=level + _OVER_TOP_M)
        for gap in gaps:
            if gap.width_m >= width_m + 2 * side_m:
                best = _best_place(model, tops, flat, gap, level, length_m, width_m, side_m, rests_m)
                if best is not None:
                    found.append(best)
    return found


def _level_map(model: BinModel) -> FloatArray:
    """Return the height map, with rows along x that the camera skipped filled in between equal heights."""
    tops = np.asarray(model.grid.top_m, float)
    known = tops >= 0.0
    index = np.arange(len(tops))[:, None]
    before = np.maximum.accumulate(np.where(known, index, -1), axis=0)
    after = np.minimum.accumulate(np.where(known, index, len(tops))[::-1], axis=0)[::-1]
    column = np.arange(tops.shape[1])[None, :]
    front, back = tops[np.maximum(before, 0), column], tops[np.minimum(after, len(tops) - 1), column]
    between = (before >= 0) & (after < len(tops)) & ((after - before) * model.voxel_m <= _UNSEEN_M)
    equal = between & (np.abs(front - back) <= LEVEL_M)
    return np.where(known, tops, np.where(equal, (front + back) / 2, np.nan))


def _levels(tops: FloatArray, length_m: float, width_m: float) -> list[float]:
    """Return the heights at which much of the bin is level."""
    heights = tops[np.isfinite(tops) & (tops > _LOWEST_M)]
    if len(heights) == 0:
        return []
    counts = np.bincount((heights / _BIN_M).astype(np.int64))
    wide = np.convolve(counts, np.ones(3, np.int64), "same")
    least = 0.2 * length_m * width_m / 0.005**2
    peaks = [k for k in range(len(wide)) if wide[k] >= least and wide[k] == wide[max(k - 2, 0) : k + 3].max()]
    levels: list[float] = []
    for k in peaks:
        near = heights[np.abs(heights - (k + 0.5) * _BIN_M) <= 1.5 * _BIN_M]
        level = float(np.median(near))
        if not levels or level - levels[-1] > LEVEL_M:
            levels.append(level)
    return levels


def _best_place(
    model: BinModel,
    tops: FloatArray,
    flat: BoolArray,
    gap: Gap,
    level: float,
    length_m: float,
    width_m: float,
    side_m: float,
    rests_m: tuple[float, ...],
) -> Support | None:
    low, high = gap.y_low_m + side_m + width_m / 2, gap.y_high_m - side_m - width_m / 2
    places = np.linspace(low, high, max(1, round((high - low) / _STEP_M)))
    found = [_support_at(model, flat, gap, float(y), level, length_m, width_m, rests_m) for y in places]
    best = max((one for one in found if one is not None), key=_quality, default=None)
    if best is None:
        return None
    slope_rad, uneven_m = _plane(model, tops, flat, best, length_m + max(rests_m), width_m)
    return replace(best, slope_rad=slope_rad, uneven_m=uneven_m)


def _plane(
    model: BinModel, tops: FloatArray, flat: BoolArray, support: Support, length_m: float, width_m: float
) -> tuple[float, float]:
    """Fit a plane to the top under a footprint; returns its slope and how far heights scatter about it."""
    voxel, half = model.voxel_m, model.size_m[1] / 2
    low, high = (round((support.y_m + s * width_m / 2 + half) / voxel) for s in (-1, 1))
    under = flat[: round(length_m / voxel), low:high]
    i, j = np.nonzero(under)
    z = tops[i, j + low]
    A = np.stack([i * voxel, j * voxel, np.ones(len(i))], axis=1)
    plane, *_ = np.linalg.lstsq(A, z, rcond=None)
    return float(np.hypot(plane[0], plane[1])), float(np.std(z - A @ plane))


def _quality(s: Support) -> float:
    return s.carried_share + 0.2 * s.middle_carried + 4.0 * min(s.clearance_m, 0.010)


def _support_at(
    model: BinModel,
    flat: BoolArray,
    gap: Gap,
    y_m: float,
    level: float,
    length_m: float,
    width_m: float,
    rests_m: tuple[float, ...],
) -> Support | None:
    voxel, half = model.voxel_m, model.size_m[1] / 2

    def column(y: float) -> int:
        return int(np.clip(round((y + half) / voxel), 0, flat.shape[1]))

    left, right = column(y_m - width_m / 2), column(y_m + width_m / 2)
    inner_left, inner_right = column(y_m - _INNER_SHARE * width_m), column(y_m + _INNER_SHARE * width_m)
    rows = (
        flat[:, left : max(inner_left, left + 1)].any(axis=1)
        & flat[:, min(inner_right, right - 1) : right].any(axis=1)
        & (flat[:, left:right].mean(axis=1) >= 0.5)
    )
    shares, middles = [], []
    for rest in rests_m:
        first, last = round(rest / voxel), min(round((rest + length_m) / voxel), len(rows))
        span = rows[first:last]
        shares.append(float(span.mean()))
        third = len(span) // 3
        middles.append(bool(span[third : len(span) - third].mean() > 0.6))
    if min(shares) <= 0.0:
        return None
    carried = np.nonzero(rows)[0]
    return Support(
        y_m=y_m,
        top_z_m=level,
        clearance_m=min(y_m - width_m / 2 - gap.y_low_m, gap.y_high_m - y_m - width_m / 2),
        carried_share=min(shares),
        middle_carried=all(middles),
        slope_rad=0.0,
        uneven_m=0.0,
        width_m=_level_width(flat, rows, left, right) * voxel,
        front_x_m=float(carried[0] * voxel),
        depth_m=float((carried[-1] - carried[0] + 1) * voxel),
    )


def _level_width(flat: BoolArray, rows: BoolArray, left: int, right: int) -> int:
    """Return how many columns the level top spans, within a footprint and beyond; a gap in between counts."""
    level = flat[rows].mean(axis=0) >= 0.5
    inside = np.nonzero(level[left:right])[0] + left
    if len(inside) == 0:
        return 1
    low, high = int(inside[0]), int(inside[-1]) + 1
    while low > 0 and level[low - 1]:
        low -= 1
    while high < len(level) and level[high]:
        high += 1
    return high - low
