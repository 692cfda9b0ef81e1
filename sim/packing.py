"""How the contents of a bin stand, lie and lean: columns along y with gaps between them, for a wished fill and gap."""

from dataclasses import dataclass, field, replace
from enum import StrEnum
from math import cos, pi, sin, tan

import numpy as np

from podhand.core.items import Shape
from podhand.core.poses import FloatArray, Pose, pose, rotation_rpy

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
BAG_SHARE, IRREGULAR_SHARE, BOOK_SHARE = 0.50, 0.50, 0.10
"""Of upright items whose sides allow it."""
LYING_SHARE, LEANING_SHARE = 0.68, 0.26
"""Of columns of an empty bin, as drawn; the fuller the bin, the fewer, as low items leave its height unused. What
cannot be packed is drawn again: about a third of these shares is left over all fills."""
NONE_LIES_FILL = 0.60
LYING_COLUMN_M, LEANING_COLUMN_M = (0.070, 0.160), (0.042, 0.110)
MAX_LYING_HEIGHT_M = 0.11
LEAN_RAD = (5.0 * pi / 180, 15.0 * pi / 180)
LYING_EDGE_M = 0.004
"""Radius of the lower edges of a box that lies."""
SOLID_SHARE: dict[Shape, float] = {
    Shape.BOX: 1.0,
    Shape.CYLINDER: pi / 4,
    Shape.SPHERE: pi / 6,
    Shape.BAG: 0.9,
    Shape.IRREGULAR: 0.65,
    Shape.BOOK: 1.0,
}
"""Volume over that of the bounding box; about, for irregular items, whose pieces are drawn."""
_REST_M = 0.0002
"""Everything starts this far above what it rests on, and sinks onto it while the scene settles."""
_TOUCH_M = 0.0005
"""A leaning slab starts this far from what it leans on."""

_UPRIGHT = np.eye(3)
_THIN_SIDE_UP = np.array([[1.0, 0, 0], [0, 0, -1.0], [0, 1.0, 0]])
"""Bags and books that lie: their y points up."""
_SPINE_IN_FRONT = np.array([[0, 0, 1.0], [0, -1.0, 0], [1.0, 0, 0]])
"""A book on its short edge: its x points up, its spine to the opening."""
_AXIS_ALONG_X = np.array([[0, 0, 1.0], [0, 1.0, 0], [-1.0, 0, 0]])
"""A bottle on its side."""


class Stand(StrEnum):
    """How the items of a column rest."""

    UPRIGHT = "upright"
    LYING = "lying"
    """Low: on the flat side, one or two on each other."""
    LEANING = "leaning"
    """A slab on its lower edge against a wall or a neighbour."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Block:
    """An item of a packing. ``sides_m`` are along the bin's axes, before yaw and lean."""

    sides_m: tuple[float, float, float]
    middle_m: tuple[float, float]
    """Of the slot that it stands in, x and y."""
    bottom_m: float = 0.0
    yaw_rad: float = 0.0
    lean_rad: float = 0.0
    """About x; positive: its top goes to -y."""
    shape: Shape = Shape.BOX
    R_box_item: FloatArray = field(default_factory=lambda: _UPRIGHT)
    """How the item's own axes lie in the box of its sides."""
    stand: Stand = Stand.UPRIGHT

    @property
    def size_m(self) -> tuple[float, float, float]:
        """Sides along the item's own axes."""
        x, y, z = np.abs(self.R_box_item.T) @ np.array(self.sides_m)
        return float(x), float(y), float(z)

    @property
    def volume_m3(self) -> float:
        """Volume of the solid."""
        return float(np.prod(self.sides_m)) * SOLID_SHARE[self.shape]

    @property
    def X_bin_item(self) -> Pose:
        """Where the item is, a hair above what it rests on."""
        _, y, z = self.sides_m
        lowest_m = (y * abs(sin(self.lean_rad)) + z * cos(self.lean_rad)) / 2
        R = rotation_rpy(self.lean_rad, 0.0, self.yaw_rad) @ self.R_box_item
        return pose(R, (*self.middle_m, self.bottom_m + lowest_m + _REST_M))


@dataclass(frozen=True, kw_only=True, eq=False)
class Packing:
    """A packed bin."""

    blocks: tuple[Block, ...]
    gaps_m: tuple[float, ...]
    """From the -y wall to the +y wall; as wide as the slots of the columns leave them."""
    stands: tuple[Stand, ...]
    """Of the columns, from -y to +y."""


def draw_stands(rng: np.random.Generator, fill: float) -> list[Stand]:
    """Draw how each of two to five columns rests; one at least is upright, as its heights make the fill exact."""
    columns = int(rng.integers(2, 6))
    room = max(0.0, 1.0 - fill / NONE_LIES_FILL)
    lying, low = room * LYING_SHARE, room * (LYING_SHARE + LEANING_SHARE)
    stands = [Stand.LYING if u < lying else Stand.LEANING if u < low else Stand.UPRIGHT for u in rng.random(columns)]
    if Stand.UPRIGHT not in stands:
        stands[int(rng.integers(columns))] = Stand.UPRIGHT
    return stands


def pack(
    rng: np.random.Generator,
    bin_size_m: tuple[float, float, float],
    fill: float,
    ratio: float,
    need_m: float,
    stands: list[Stand],
) -> Packing | None:
    """Try once to pack a bin.

    Args:
        rng: source of chance.
        bin_size_m: inner size (x, y, z) [m].
        fill: volume of the items over the bin's volume.
        ratio: widest gap over the needed width.
        need_m: needed width of a gap [m].
        stands: how the items of each column rest, from -y to +y; at least one is upright.

    Returns:
        A packing that has exactly this fill and widest gap, or None when this try found none.
    """
    columns = len(stands)
    low = np.array([_COLUMN_M[stand][0] for stand in stands])
    gaps = _gaps(rng, columns + 1, ratio, need_m, bin_size_m[1] - float(low.sum()))
    if gaps is None:
        return None
    high = np.array([_COLUMN_M[stand][1] for stand in stands])
    widths = _shares(rng, bin_size_m[1] - float(gaps.sum()), low, high)
    if widths is None:
        return None
    leans = _close_gaps(stands, widths, gaps)
    if leans is None or (ratio < 1.0 and gaps.sum() < GAPS_TOGETHER * need_m):
        return None
    built = _build(rng, stands, widths, gaps, leans, fill * float(np.prod(bin_size_m)), -bin_size_m[1] / 2)
    if built is None or sum(len(column) for column in built) > MAX_ITEMS:
        return None
    if not all(_is_supported(built, k, int(leans[k])) for k in range(columns) if leans[k]):
        return None
    blocks = tuple(block for column in built for block in column)
    return Packing(blocks=blocks, gaps_m=tuple(float(g) for g in gaps), stands=tuple(stands))


_COLUMN_M = {
    Stand.UPRIGHT: (MIN_COLUMN_M, MAX_COLUMN_M),
    Stand.LYING: LYING_COLUMN_M,
    Stand.LEANING: LEANING_COLUMN_M,
}


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
    shares = _shares(rng, rest, np.full(count - 1, low), np.full(count - 1, widest * 0.995))
    if shares is None:
        return None
    place = int(rng.integers(count))
    return np.insert(shares, place, widest)


def _shares(rng: np.random.Generator, total: float, low: FloatArray, high: FloatArray) -> FloatArray | None:
    """Divide ``total`` at random into parts within ``low`` … ``high``."""
    if not low.sum() <= total <= high.sum():
        return None
    for _ in range(20):
        parts = low + rng.dirichlet(np.full(len(low), 2.0)) * (total - low.sum())
        if np.all(parts <= high):
            return np.asarray(parts)
    # Nearly all of them must be at the upper end: the same share of each one's range.
    return np.asarray(low + (high - low) * (total - low.sum()) / (high.sum() - low.sum()))


def _close_gaps(stands: list[Stand], widths: FloatArray, gaps: FloatArray) -> list[int] | None:
    """Let leaning columns reach what they lean on: they take the narrower gap beside them, never the widest.

    Returns:
        Per column the side that it leans to, +1 or -1, or 0; None when a leaning column has nothing to lean on.
    """
    leans, widest = [0] * len(stands), int(np.argmax(gaps))
    for k, stand in enumerate(stands):
        if stand is not Stand.LEANING:
            continue
        sides = [side for side in (-1, 1) if (k if side < 0 else k + 1) != widest and not _meets_lean(leans, k, side)]
        if not sides:
            return None
        side = min(sides, key=lambda s: gaps[k if s < 0 else k + 1])
        gap = k if side < 0 else k + 1
        neighbour = k + side
        if 0 <= neighbour < len(stands) and stands[neighbour] is not Stand.UPRIGHT:
            return None
        widths[k] += gaps[gap]
        gaps[gap] = 0.0
        leans[k] = side
    return leans


def _meets_lean(leans: list[int], column: int, side: int) -> bool:
    """Tell whether the neighbour on a side leans on this column."""
    neighbour = column + side
    return 0 <= neighbour < len(leans) and leans[neighbour] == -side


def _build(
    rng: np.random.Generator, stands: list[Stand], widths: FloatArray, gaps: FloatArray, leans: list[int],
    volume_m3: float, y_m: float,
) -> list[list[Block]] | None:  # fmt: skip
    """Fill the columns: first what lies and leans, then upright items with the rest of the volume."""
    lows = y_m + np.cumsum(gaps)[:-1] + np.concatenate([[0.0], np.cumsum(widths)[:-1]])
    columns: list[list[Block]] = [[] for _ in stands]
    for k, stand in enumerate(stands):
        if stand is Stand.LYING:
            columns[k] = _lying(rng, float(widths[k]), float(lows[k]))
        elif stand is Stand.LEANING:
            columns[k] = _leaning(rng, float(widths[k]), float(lows[k]), leans[k])
            if not columns[k]:
                return None
    upright = [k for k, stand in enumerate(stands) if stand is Stand.UPRIGHT]
    rest_m3 = volume_m3 - sum(block.volume_m3 for column in columns for block in column)
    sections = _sections(rng, widths[upright], rest_m3)
    if sections is None:
        return None
    for k, section in zip(upright, sections, strict=True):
        column = _upright(rng, float(widths[k]), float(section), float(lows[k]))
        if column is None:
            return None
        columns[k] = column
    return _fit_fill(columns, rest_m3)


def _sections(rng: np.random.Generator, widths: FloatArray, volume_m3: float) -> FloatArray | None:
    """Divide the volume among upright columns: depth times height of each [m^2]."""
    low = MIN_DEPTH_M * MIN_HEIGHT_M
    high = np.minimum(MAX_HEIGHT_M, MAX_SLENDERNESS * widths) * MAX_DEPTH_M * 0.97
    mean = volume_m3 / float(widths.sum())
    if mean < low:
        return None
    for _ in range(8):
        sections = mean * rng.uniform(0.6, 1.4, len(widths))
        for _ in range(12):
            sections = np.clip(sections, low, high)
            sections *= volume_m3 / float(sections @ widths)
        if np.all(sections <= high) and np.all(sections >= low):
            return sections
    return None


def _upright(rng: np.random.Generator, slot_m: float, section_m2: float, y_m: float) -> list[Block] | None:
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
    slack = MAX_DEPTH_M + 0.01 - sum(depths) - between * (len(depths) - 1)
    if slack < 0:
        return None
    x = FRONT_M + float(rng.uniform(0, min(slack, 0.03)))
    blocks = []
    for d in depths:
        yaw = float(rng.uniform(-1, 1)) * min(1.0 * pi / 180, 0.0015 / d)
        width = (slot_m - d * abs(sin(yaw))) / cos(yaw)
        block = Block(sides_m=(d, width, height), middle_m=(x + d / 2, y_m + slot_m / 2), yaw_rad=yaw)
        blocks.append(_shaped(rng, block))
        x += d + between
    return blocks


def _shaped(rng: np.random.Generator, block: Block) -> Block:
    """Turn some boxes into bags, books or irregular items, where such an item would stand by itself."""
    depth, width, height = block.sides_m
    shares = {
        Shape.BAG: BAG_SHARE if depth >= 0.7 * height and height <= 3.2 * width else 0.0,
        Shape.IRREGULAR: IRREGULAR_SHARE if height <= min(3.5 * width, 2.5 * depth) and depth >= 0.08 else 0.0,
        Shape.BOOK: BOOK_SHARE if width <= 0.055 and min(depth, height) >= 2.0 * width else 0.0,
    }
    draws = zip(shares, rng.random(len(shares)), strict=True)
    shape = next((shape for shape, u in draws if u < shares[shape]), Shape.BOX)
    turned = shape is Shape.BOOK and rng.random() < 0.5
    return replace(block, shape=shape, R_box_item=_SPINE_IN_FRONT if turned else _UPRIGHT)


def _bottles(rng: np.random.Generator, slot_m: float, section_m2: float, y_m: float) -> list[Block] | None:
    counts = [n for n in (1, 2, 3, 4) if n * (slot_m + 0.003) < MAX_DEPTH_M]
    rng.shuffle(counts)
    for count in counts:
        height = section_m2 / (pi / 4 * slot_m * count)
        if max(MIN_HEIGHT_M, slot_m) <= height <= min(MAX_HEIGHT_M, 4.0 * slot_m):
            return _row(rng, count, (slot_m, slot_m, height), y_m, Shape.CYLINDER, Stand.UPRIGHT)
    return None


def _row(
    rng: np.random.Generator, count: int, sides_m: tuple[float, float, float], y_m: float, shape: Shape, stand: Stand
) -> list[Block]:
    """Put equal round items behind each other."""
    depth, width, _ = sides_m
    x = FRONT_M + float(rng.uniform(0, 0.02)) + depth / 2
    return [
        Block(sides_m=sides_m, middle_m=(x + k * (depth + 0.002), y_m + width / 2), shape=shape, stand=stand)
        for k in range(count)
    ]


def _lying(rng: np.random.Generator, slot_m: float, y_m: float) -> list[Block]:
    """Lay one or two flat items on each other, or a roll, a ball or a bottle on its side."""
    if slot_m <= 0.095 and rng.random() < 0.3:
        return _lying_round(rng, slot_m, y_m)
    depth = float(rng.uniform(0.12, MAX_ITEM_DEPTH_M))
    x = FRONT_M + float(rng.uniform(0.0, 0.03)) + depth / 2
    lower = (depth, slot_m, float(rng.uniform(0.022, min(0.065, 0.6 * slot_m))))
    blocks = [_flat(rng, Block(sides_m=lower, middle_m=(x, y_m + slot_m / 2), stand=Stand.LYING))]
    if rng.random() < 0.4 and blocks[0].shape is not Shape.BAG:
        shrink = rng.uniform(0.75, 0.95, 2)
        height = float(rng.uniform(0.02, min(0.045, MAX_LYING_HEIGHT_M - lower[2])))
        upper = (float(depth * shrink[0]), float(slot_m * shrink[1]), height)
        bottom = lower[2] + _REST_M
        blocks.append(Block(sides_m=upper, middle_m=(x, y_m + slot_m / 2), bottom_m=bottom, stand=Stand.LYING))
    return blocks


def _flat(rng: np.random.Generator, block: Block) -> Block:
    """Make a lying box a bag or a book at times."""
    depth, width, height = block.sides_m
    shape = Shape(rng.choice([Shape.BOX, Shape.BAG, Shape.BOOK], p=[0.6, 0.2, 0.2]))
    if shape is Shape.BOX or (shape is Shape.BOOK and min(depth, width) < 2.0 * height):
        return block
    return replace(block, shape=shape, R_box_item=_THIN_SIDE_UP)


def _lying_round(rng: np.random.Generator, slot_m: float, y_m: float) -> list[Block]:
    kind = int(rng.integers(3))
    if kind == 0:
        return _row(rng, int(rng.integers(1, 3)), (slot_m, slot_m, slot_m), y_m, Shape.SPHERE, Stand.LYING)
    if kind == 1:
        height = float(rng.uniform(0.03, 0.06))
        return _row(rng, int(rng.integers(1, 3)), (slot_m, slot_m, height), y_m, Shape.CYLINDER, Stand.LYING)
    sides = (float(rng.uniform(0.14, 0.22)), slot_m, slot_m)
    return [replace(block, R_box_item=_AXIS_ALONG_X) for block in _row(rng, 1, sides, y_m, Shape.CYLINDER, Stand.LYING)]


def _leaning(rng: np.random.Generator, slot_m: float, y_m: float, side: int) -> list[Block]:
    """Lean a slab to a side of its slot so that it fills the slot; empty where none of a few tries fits."""
    for _ in range(20):
        lean = float(rng.uniform(*LEAN_RAD))
        height = float(rng.uniform(0.12, 0.235))
        thickness = (slot_m - _TOUCH_M - height * sin(lean)) / cos(lean)
        # Thicker, and its weight would set it back on its foot.
        if 0.012 <= thickness <= 0.85 * height * tan(lean):
            break
    else:
        return []
    depth = float(rng.uniform(0.09, 0.20))
    x = FRONT_M + float(rng.uniform(0.0, 0.04)) + depth / 2
    shape = Shape.BOOK if rng.random() < 0.3 else Shape.BOX
    middle = (x, y_m + slot_m / 2 - side * _TOUCH_M / 2)
    sides = (depth, thickness, height)
    return [Block(sides_m=sides, middle_m=middle, lean_rad=-side * lean, shape=shape, stand=Stand.LEANING)]


def _is_supported(columns: list[list[Block]], k: int, side: int) -> bool:
    """Tell whether the slab of a leaning column has a wall, or a neighbour that is high, wide and heavy enough."""
    (slab,) = columns[k]
    if not 0 <= k + side < len(columns):
        return True
    depth, _, height = slab.sides_m
    touch_m = height * cos(slab.lean_rad) + 0.005
    front, back = slab.middle_m[0] - depth / 2, slab.middle_m[0] + depth / 2
    covered, weight = 0.0, 0.0
    for block in columns[k + side]:
        if block.shape not in (Shape.BOX, Shape.BOOK) or block.sides_m[2] < touch_m:
            continue
        low, high = block.middle_m[0] - block.sides_m[0] / 2, block.middle_m[0] + block.sides_m[0] / 2
        share = max(0.0, min(back, high) - max(front, low)) / depth
        if low < slab.middle_m[0] - 0.2 * depth and high > slab.middle_m[0] + 0.2 * depth:
            covered, weight = share, block.volume_m3 * block.sides_m[1]
    push = slab.volume_m3 * tan(abs(slab.lean_rad)) * touch_m
    return covered > 0.7 and push < 0.4 * weight


def _fit_fill(columns: list[list[Block]], volume_m3: float) -> list[list[Block]] | None:
    """Scale the heights of upright items, so that what yaw and shapes have cost in volume comes back."""
    upright = [block for column in columns for block in column if block.stand is Stand.UPRIGHT]
    factor = volume_m3 / sum(block.volume_m3 for block in upright)
    if any(b.sides_m[2] * factor > min(MAX_HEIGHT_M + 0.006, MAX_SLENDERNESS * b.sides_m[1] * 1.05) for b in upright):
        return None

    def fitted(block: Block) -> Block:
        x, y, z = block.sides_m
        return replace(block, sides_m=(x, y, z * factor)) if block.stand is Stand.UPRIGHT else block

    return [[fitted(block) for block in column] for column in columns]
