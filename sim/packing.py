"""How the contents of a bin stand: columns along y with gaps between them, for a wished fill and widest gap."""

from dataclasses import dataclass
from math import cos, pi, sin

import numpy as np

from podhand.core.items import Shape
from podhand.core.poses import FloatArray

MIN_GAP_RATIO, MAX_GAP_RATIO = 0.4, 1.6
GAPS_TOGETHER = 1.15
"""Where no gap takes the item, all gaps together are at least this much of the need."""
MIN_COLUMN_M, MAX_COLUMN_M = 0.028, 0.115
MIN_HEIGHT_M, MAX_HEIGHT_M = 0.07, 0.258
MIN_DEPTH_M, MAX_DEPTH_M = 0.06, 0.368
MAX_ITEM_DEPTH_M = 0.24
MAX_SLENDERNESS = 6.5
"""Height over width of an upright item."""
FRONT_M = 0.016
"""Contents begin at least this far behind the opening plane."""
MIN_GAP_M = 0.002
MAX_ITEMS = 10
BOTTLE_SHARE = 0.2
SOLID_SHARE: dict[Shape, float] = {
    Shape.BOX: 1.0,
    Shape.CYLINDER: pi / 4,
    Shape.SPHERE: pi / 6,
    Shape.BAG: 0.9,
    Shape.IRREGULAR: 0.65,
    Shape.BOOK: 1.0,
}
"""Volume over that of the bounding box; about, for irregular items, whose pieces are drawn."""


@dataclass(frozen=True, kw_only=True)
class Block:
    """An upright item: sides along its own axes, middle of its footprint in the bin, turn about z."""

    size_m: tuple[float, float, float]
    middle_m: tuple[float, float]
    yaw_rad: float
    round: bool


@dataclass(frozen=True, kw_only=True)
class Packing:
    """A packed bin."""

    blocks: tuple[Block, ...]
    gaps_m: tuple[float, ...]
    """From the -y wall to the +y wall; as wide as the slots of the columns leave them."""


def pack(
    rng: np.random.Generator, bin_size_m: tuple[float, float, float], fill: float, ratio: float, need_m: float
) -> Packing | None:
    """Try once to pack a bin.

    Args:
        rng: source of chance.
        bin_size_m: inner size (x, y, z) [m].
        fill: volume of the items over the bin's volume.
        ratio: widest gap over the needed width.
        need_m: needed width of a gap [m].

    Returns:
        A packing that has exactly this fill and widest gap, or None when this try found none.
    """
    columns = int(rng.integers(2, 6))
    gaps = _gaps(rng, columns + 1, ratio, need_m, bin_size_m[1] - columns * MIN_COLUMN_M)
    if gaps is None:
        return None
    widths = _widths(rng, columns, bin_size_m[1] - float(gaps.sum()))
    if widths is None:
        return None
    volume_m3 = fill * float(np.prod(bin_size_m))
    sections = _sections(rng, widths, volume_m3)
    if sections is None:
        return None
    blocks: list[Block] = []
    y = -bin_size_m[1] / 2
    for gap, width, section in zip(gaps, widths, sections, strict=False):
        y += gap
        column = _column(rng, float(width), float(section), float(y))
        if column is None:
            return None
        blocks.extend(column)
        y += width
    if len(blocks) > MAX_ITEMS:
        return None
    fitted = _fit_fill(blocks, volume_m3)
    return Packing(blocks=tuple(fitted), gaps_m=tuple(float(g) for g in gaps)) if fitted else None


def _gaps(rng: np.random.Generator, count: int, ratio: float, need_m: float, most_m: float) -> FloatArray | None:
    widest = ratio * need_m
    low = MIN_GAP_M
    rest_low, rest_high = (count - 1) * low, (count - 1) * widest * 0.98
    if ratio < 1.0:
        rest_low = max(rest_low, GAPS_TOGETHER * need_m * 1.001 - widest)
        rest_high = min(rest_high, 2.2 * need_m - widest)
    else:
        rest_high = min(rest_high, 0.06)
    rest_high = min(rest_high, most_m - widest)
    if rest_high <= rest_low:
        return None
    rest = float(rng.uniform(rest_low, rest_high))
    shares = _shares(rng, count - 1, rest, low, widest * 0.995)
    if shares is None:
        return None
    place = int(rng.integers(count))
    return np.insert(shares, place, widest)


def _widths(rng: np.random.Generator, columns: int, total_m: float) -> FloatArray | None:
    return _shares(rng, columns, total_m, MIN_COLUMN_M, MAX_COLUMN_M)


def _shares(rng: np.random.Generator, count: int, total: float, low: float, high: float) -> FloatArray | None:
    """Divide ``total`` at random into ``count`` parts within ``low`` … ``high``."""
    if not count * low <= total <= count * high:
        return None
    for _ in range(20):
        parts = low + rng.dirichlet(np.full(count, 2.0)) * (total - count * low)
        if parts.max() <= high:
            return parts
    # Nearly all of them must be at the upper end: move toward the even division until they fit.
    even = np.full(count, total / count)
    over = (parts.max() - high) / (parts.max() - total / count)
    mixed: FloatArray = parts + (even - parts) * over
    return mixed


def _sections(rng: np.random.Generator, widths: FloatArray, volume_m3: float) -> FloatArray | None:
    """Divide the volume among the columns: depth times height of each [m^2]."""
    low = MIN_DEPTH_M * MIN_HEIGHT_M
    high = np.minimum(MAX_HEIGHT_M, MAX_SLENDERNESS * widths) * MAX_DEPTH_M * 0.97
    mean = volume_m3 / float(widths.sum())
    for _ in range(8):
        sections = mean * rng.uniform(0.6, 1.4, len(widths))
        for _ in range(12):
            sections = np.clip(sections, low, high)
            sections *= volume_m3 / float(sections @ widths)
        if np.all(sections <= high) and np.all(sections >= low):
            return sections
    return None


def _column(rng: np.random.Generator, slot_m: float, section_m2: float, y_m: float) -> list[Block] | None:
    if 0.045 <= slot_m <= 0.09 and rng.random() < BOTTLE_SHARE:
        bottles = _bottles(rng, slot_m, section_m2, y_m)
        if bottles is not None:
            return bottles
    top = min(MAX_HEIGHT_M, MAX_SLENDERNESS * slot_m)
    height_low = max(MIN_HEIGHT_M, section_m2 / (MAX_DEPTH_M * 0.97))
    height_high = min(top, section_m2 / MIN_DEPTH_M)
    if height_high < height_low:
        return None
    height = float(rng.uniform(height_low, height_high))
    depth = section_m2 / height
    split = depth > MAX_ITEM_DEPTH_M or (depth > 2 * MIN_DEPTH_M and rng.random() < 0.35)
    share = float(rng.uniform(0.4, 0.6)) if split else 1.0
    depths = [depth * share, depth * (1 - share)] if split else [depth]
    between = float(rng.uniform(0.002, 0.006))
    length = sum(depths) + between * (len(depths) - 1)
    slack = FRONT_M + MAX_DEPTH_M + 0.01 - FRONT_M - length
    if slack < 0:
        return None
    x = FRONT_M + float(rng.uniform(0, min(slack, 0.03)))
    blocks = []
    for d in depths:
        yaw = float(rng.uniform(-1, 1)) * min(1.0 * pi / 180, 0.0015 / d)
        width = (slot_m - d * abs(sin(yaw))) / cos(yaw)
        middle = (x + d / 2, y_m + slot_m / 2)
        blocks.append(Block(size_m=(d, width, height), middle_m=middle, yaw_rad=yaw, round=False))
        x += d + between
    return blocks


def _bottles(rng: np.random.Generator, slot_m: float, section_m2: float, y_m: float) -> list[Block] | None:
    counts = [n for n in (1, 2, 3, 4) if n * (slot_m + 0.003) < MAX_DEPTH_M]
    rng.shuffle(counts)
    for count in counts:
        height = section_m2 / (pi / 4 * slot_m * count)
        if max(MIN_HEIGHT_M, slot_m) <= height <= min(MAX_HEIGHT_M, 4.0 * slot_m):
            x = FRONT_M + float(rng.uniform(0, 0.02))
            pitch = slot_m + 0.002
            return [
                Block(
                    size_m=(slot_m, slot_m, height),
                    middle_m=(x + slot_m / 2 + k * pitch, y_m + slot_m / 2),
                    yaw_rad=0.0,
                    round=True,
                )
                for k in range(count)
            ]
    return None


def _fit_fill(blocks: list[Block], volume_m3: float) -> list[Block] | None:
    """Scale the heights a little, so that yaw has cost no volume."""
    solid = [float(np.prod(b.size_m)) * (pi / 4 if b.round else 1.0) for b in blocks]
    factor = volume_m3 / sum(solid)
    if max(b.size_m[2] for b in blocks) * factor > MAX_HEIGHT_M + 0.006:
        return None
    return [
        Block(
            size_m=(b.size_m[0], b.size_m[1], b.size_m[2] * factor),
            middle_m=b.middle_m,
            yaw_rad=b.yaw_rad,
            round=b.round,
        )
        for b in blocks
    ]
