"""The compiled part of matching: for each item and bin the widest gap, and the lightest push that makes one."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from podhand.core.poses import FloatArray
from podhand.perception.bin_model import MIN_BLOCK_M, MIN_GAP_M, MIN_SEEN_SHARE, WALL_GAP_M
from podhand.perception.compiled import compiled

FIT_COLUMNS: Final = ("clearance_m", "y_m", "gap_m", "widest_m", "sum_m")
"""Of the gap that takes the item with most room: room on each side (-1: none), middle, width. Of all gaps: the widest,
their sum."""
PUSH_COLUMNS: Final = ("force_n", "distance_m", "y_m", "blade_extension_m", "moved", "gap_m", "side_m", "why_not")
"""Of the lightest push; force is -1 where there is none, and ``why_not`` then says how far the search came."""
NO_ENTRY, NO_ROOM, TOO_HEAVY, FOUND = 0, 1, 2, 3

MARGINS: Final = (
    "min_side_m", "wish_side_m", "blade_need_m", "blade_longest_m", "blade_tip_m", "loss_m", "force_per_m3",
    "most_force_n", "blade_back_m",
)  # fmt: skip
"""What ``fits`` is told of the rules, in this order."""

BoolArray = NDArray[np.bool_]


@compiled
def _cut(front: FloatArray, seen: FloatArray, depth: float, shortest: FloatArray, free: BoolArray) -> None:
    """Mark the free columns (n,), as ``BinModel.gaps`` does. ``shortest``: of blocks, gaps and wall gaps [columns]."""
    n = len(front)
    for c in range(n):
        free[c] = front[c] >= depth
    _fill_short(free, int(shortest[0]), False)
    for c in range(n):
        free[c] = free[c] and (front[c] < depth or seen[c] >= MIN_SEEN_SHARE)
    _fill_short(free, int(shortest[1]), True)
    skin = int(shortest[2])
    low, high = free[:skin].all(), free[n - skin :].all()
    if not low:
        free[:skin] = False
    if not high:
        free[n - skin :] = False


@compiled
def _fill_short(mask: BoolArray, shortest: int, value: bool) -> None:
    """Turn over runs of ``value`` that are shorter."""
    begin = 0
    for c in range(1, len(mask) + 1):
        if c == len(mask) or mask[c] != mask[begin]:
            if mask[begin] == value and c - begin < shortest:
                mask[begin:c] = not value
            begin = c


@compiled
def _runs(free: BoolArray, ends: NDArray[np.int64]) -> int:
    """Write first and one past the last of every run of True to ``ends`` (k, 2); return their number."""
    count = 0
    for c in range(len(free)):
        if free[c] and (c == 0 or not free[c - 1]):
            ends[count, 0] = c
        if free[c] and (c == len(free) - 1 or not free[c + 1]):
            ends[count, 1] = c + 1
            count += 1
    return count


@compiled
def _depth(front: FloatArray, first: int, last: int) -> float:
    rim = min(3, (last - first - 1) // 3)
    return float(front[first + rim : last - rim].min())


@compiled
def _best_gap(
    front: FloatArray, ends: NDArray[np.int64], count: int, need: FloatArray, column: float, margins: FloatArray,
    out: FloatArray,
) -> None:  # fmt: skip
    """Write FIT_COLUMNS; ``need`` is width and depth of the item's passage."""
    out[0] = -1.0
    middle = len(front) / 2
    for k in range(count):
        first, last = ends[k]
        width = (last - first) * column
        out[3] = max(out[3], width)
        out[4] += width
        side = (width - need[0]) / 2
        least = margins[0] if _depth(front, first, last) >= need[1] else margins[1]
        if side >= least and side > out[0]:
            out[0], out[1], out[2] = side, ((first + last) / 2 - middle) * column, width


@compiled
def _lightest_push(
    front: FloatArray, block: FloatArray, ends: NDArray[np.int64], count: int, need: FloatArray, column: float,
    margins: FloatArray, out: FloatArray,
) -> None:  # fmt: skip
    """Write PUSH_COLUMNS: of every gap and both directions the push that needs least force."""
    min_side, wish_side, blade_need, longest, tip, loss, force_per_m3, most_force, blade_back = margins
    out[0] = -1.0
    n = len(front)
    for k in range(count):
        first, last = ends[k]
        gap = (last - first) * column
        if gap < blade_need:
            continue
        depth = _depth(front, first, last)
        for direction in (-1, 1):
            near = last if direction > 0 else first - 1
            if near < 0 or near >= n or block[near, 2] < need[3]:
                continue
            length = block[near, 1] - block[near, 0]
            reach = min(depth - tip, longest)
            if reach < block[near, 0] + 0.55 * length:
                continue
            room, walls = 0.0, 0
            for other in range(count):
                if (other - k) * direction > 0:
                    room += (ends[other, 1] - ends[other, 0]) * column
                    walls += 1
            room -= (walls + 1) * loss
            for side in (wish_side, min_side):
                way = need[0] + 2 * side - gap
                if way > room:
                    out[7] = max(out[7], NO_ROOM)
                    continue
                volume, passed, moved = 0.0, 0.0, 0
                other, c = k, near
                while 0 <= c < n and passed < max(way, 1e-9):
                    following = other + direction
                    if 0 <= following < count:
                        stop = ends[following, 0] if direction > 0 else ends[following, 1] - 1
                    else:
                        stop = n if direction > 0 else -1
                    while c != stop:
                        volume += block[c, 3]
                        c += direction
                    moved += 1
                    if 0 <= following < count:
                        passed += (ends[following, 1] - ends[following, 0]) * column
                        c = ends[following, 1] if direction > 0 else ends[following, 0] - 1
                    other = following
                force = volume * force_per_m3
                if force > most_force:
                    out[7] = max(out[7], TOO_HEAVY)
                    continue
                if out[0] < 0.0 or force < out[0]:
                    far = first if direction > 0 else last
                    wish = max(block[near, 0] + 0.85 * length, 0.8 * need[2])
                    out[0], out[1], out[4], out[5], out[6] = force, max(way, 0.0), moved, gap, side
                    out[2] = (far - n / 2) * column + direction * (side + need[0] / 2)
                    out[3] = min(wish, reach) + blade_back
                    out[7] = FOUND
                break


@compiled
def fits(
    front: FloatArray, seen: FloatArray, block: FloatArray, level: NDArray[np.int64], need: FloatArray, column: float,
    shortest: FloatArray, margins: FloatArray, gaps: FloatArray, pushes: FloatArray,
) -> None:  # fmt: skip
    """Find gap and push for every item and bin.

    Args:
        front: (bins, levels, columns) of ``BinProfile``.
        seen: as ``front``.
        block: (bins, columns, 4).
        level: (items, 2), of the item's passage, and of item and blade together; -1 leaves the item out.
        need: (items, 4) width and depth of the passage, the item's length, and the least height of what the blade
            pushes [m].
        column: width of a column [m].
        shortest: (3,) of ``shortest_columns``.
        margins: MARGINS.
        gaps: (items, bins, len(FIT_COLUMNS)), written.
        pushes: (items, bins, len(PUSH_COLUMNS)), written.
    """
    columns = front.shape[2]
    free = np.empty(columns, np.bool_)
    ends = np.empty((columns, 2), np.int64)
    for i in range(len(level)):
        if level[i, 0] < 0:
            continue
        for b in range(len(front)):
            low, high = level[i]
            _cut(front[b, low], seen[b, low], need[i, 1], shortest, free)
            count = _runs(free, ends)
            _best_gap(front[b, low], ends, count, need[i], column, margins, gaps[i, b])
            if high != low:
                _cut(front[b, high], seen[b, high], need[i, 1], shortest, free)
                count = _runs(free, ends)
            _lightest_push(front[b, high], block[b], ends, count, need[i], column, margins, pushes[i, b])


def shortest_columns(column_m: float) -> FloatArray:
    """Return how many columns a block, a gap, and a gap at a wall have at least (3,)."""
    return np.array([np.ceil(MIN_BLOCK_M / column_m), np.ceil(MIN_GAP_M / column_m), round(WALL_GAP_M / column_m)])
