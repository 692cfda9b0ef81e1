"""What a plan does to a row of blocks, by the geometry of pushing along one line: an oracle without forces."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from podhand.core.poses import FloatArray
from podhand.planning.affordances import StowRules
from podhand.planning.stow import StowPlan
from tests.unit.synthetic_bin import Box

BLADE_M = 0.002


@dataclass(frozen=True, kw_only=True)
class Interval:
    low_m: float
    high_m: float


@dataclass(frozen=True, kw_only=True)
class RowResult:
    """``entry_clearance_m``: between blade and blocks when it enters; ``clearance_m``: between item and everything;
    ``wall_overlap_m``: how far blocks would be pressed into the wall."""

    entry_clearance_m: float
    clearance_m: float
    wall_overlap_m: float


@dataclass(frozen=True, kw_only=True)
class TopResult:
    """``carried_share``: of the item's footprint; ``clearance_m``: to what stands higher beside it."""

    carried_share: float
    clearance_m: float


def carry_out(plan: StowPlan, row: Sequence[Interval], width_m: float, *, offset_m: float = 0.0) -> RowResult:
    """Push a row as planned; ``offset_m`` is added to all tool places (an error of the found bin)."""
    blocks = sorted(row, key=lambda b: b.low_m)
    wall = width_m / 2
    entry, overlap = 1.0, 0.0
    if plan.sweep_direction:
        blade = Interval(low_m=plan.blade_y_m + offset_m - BLADE_M / 2, high_m=plan.blade_y_m + offset_m + BLADE_M / 2)
        entry = _clearance(blade, blocks, wall)
        blocks, overlap = _push(blocks, blade, plan.sweep_direction, plan.sweep_distance_m, wall)
        if plan.sweep_back_m:
            way = plan.sweep_direction * plan.sweep_distance_m
            there = Interval(low_m=blade.low_m + way, high_m=blade.high_m + way)
            blocks, back = _push(blocks, there, -plan.sweep_direction, plan.sweep_back_m, wall)
            overlap = max(overlap, back)
    half = plan.item_size_m[1] / 2
    y = plan.y_eject_m + offset_m
    item = Interval(low_m=y - half, high_m=y + half)
    return RowResult(entry_clearance_m=entry, clearance_m=_clearance(item, blocks, wall), wall_overlap_m=overlap)


def _clearance(thing: Interval, blocks: Sequence[Interval], wall: float) -> float:
    gaps = [max(b.low_m - thing.high_m, thing.low_m - b.high_m) for b in blocks]
    return min([*gaps, thing.low_m + wall, wall - thing.high_m])


def _push(
    blocks: Sequence[Interval], blade: Interval, direction: int, distance_m: float, wall: float
) -> tuple[list[Interval], float]:
    """Move the blade and everything that it meets, towards +y after mirroring."""
    if direction < 0:
        mirrored = [Interval(low_m=-b.high_m, high_m=-b.low_m) for b in reversed(blocks)]
        moved, overlap = _push(mirrored, Interval(low_m=-blade.high_m, high_m=-blade.low_m), 1, distance_m, wall)
        return [Interval(low_m=-b.high_m, high_m=-b.low_m) for b in reversed(moved)], overlap
    front = blade.high_m + distance_m
    moved = []
    for b in blocks:
        if b.low_m > (blade.low_m + blade.high_m) / 2 and b.low_m < front:
            b = Interval(low_m=front, high_m=front + b.high_m - b.low_m)
            front = b.high_m
        moved.append(b)
    return moved, max(0.0, max((b.high_m for b in moved), default=-wall) - wall)


def on_top(plan: StowPlan, row: Sequence[Box]) -> TopResult:
    """Look at what is under and beside an item that is put on top of a row."""
    (x0, y0, z), (x1, y1, _) = plan.item_place_m
    under = [b for b in row if abs(b.size_m[2] - z) < 0.004 and b.y_low_m < y1 and b.y_high_m > y0]
    carried = sum(
        max(0.0, min(x1, _back(b)) - max(x0, _front(b))) * (min(y1, b.y_high_m) - max(y0, b.y_low_m)) for b in under
    )
    higher = [b for b in row if b.size_m[2] > z + 0.004 and _front(b) < x1]
    sides = [max(b.y_low_m - y1, y0 - b.y_high_m) for b in higher]
    return TopResult(carried_share=carried / ((x1 - x0) * (y1 - y0)), clearance_m=min(sides, default=1.0))


def slant_clearance_m(plan: StowPlan, row: Sequence[Box]) -> float:
    """Return the least distance of a rolled item's outline from boxes that it passes, by points on its sides."""
    length, width, height = plan.item_size_m
    (_, _, _), (_, _, top) = plan.item_place_m
    c, s = np.cos(plan.tilt_rad), np.sin(plan.tilt_rad)
    middle = np.array([plan.y_item_m, StowRules.item_bottom_m + top / 2])
    v = np.linspace(-height / 2, height / 2, 60)
    outline = [middle + np.array([u * c - w * s, u * s + w * c]) for u in (-width / 2, width / 2) for w in v]
    return min(_distance(p, box) for p in outline for box in row if _front(box) < length)


def _distance(p: FloatArray, box: Box) -> float:
    """Return the distance of a point (y, z) from a box's section, negative inside."""
    c, s = np.cos(box.lean_rad), np.sin(box.lean_rad)
    d = p - np.array(box.centre_m[1:])
    local = np.abs([d[0] * c + d[1] * s, -d[0] * s + d[1] * c]) - np.array(box.size_m[1:]) / 2
    return float(np.linalg.norm(np.maximum(local, 0.0)) + min(local.max(), 0.0))


def _front(box: Box) -> float:
    return box.centre_m[0] - box.size_m[0] / 2


def _back(box: Box) -> float:
    return box.centre_m[0] + box.size_m[0] / 2
