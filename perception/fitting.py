"""Where an item fits into a fused volume: every place of its axis-aligned orientations, and why there is none.

The volume is cut into slabs, one per place along x. Each is an image of how far it is free from there inwards; all
slabs below each other are one image. The free-space kernel reads it once for all lengths an item may have along x, and
finds every free place of every orientation, exactly.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from podhand.core.errors import PerceptionError
from podhand.core.poses import pose
from podhand.perception.frames import BoolArray
from podhand.perception.free_space import BitGrid, depth_planes, window_minima, window_sums
from podhand.perception.fusion import Volume
from podhand.perception.occupancy import FREE, OCCUPIED, UNKNOWN, fill_behind
from podhand.perception.placements import Placement

Size = tuple[float, float, float]
Voxels = tuple[int, int, int]

MOST_PLACEMENTS = 12
_CANDIDATES = 40
"""Per orientation."""
_APART_M = (0.050, 0.020, 0.0)
"""Places with this between them count as different, at first, then, and at last."""
_SUPPORT_REACH_M = 0.016
"""What ends this close below an item carries it: bags and stacks are uneven, and tops are seen at a flat angle."""
_TILT = 0.10
"""Longer items may lean by this slope: they reach further down for their support."""
_HALF_CARRIED = 0.25
"""Each half of the footprint (front, back, left, right) must rest on something by this share: it does not tip then."""
_AMPLE_CLEARANCE_M = 0.020
"""More clearance than this is not better."""
_AXES = ("deep", "wide", "tall")


@dataclass(frozen=True, kw_only=True)
class Fit:
    """Whether and where an item fits."""

    fits: bool
    reason: str
    """A sentence for people."""
    placements: tuple[Placement, ...]
    """In the bin frame, best first; every gap that the item fits into comes before variants of one."""


def fit_item(volume: Volume, item_m: Size) -> Fit:
    """Find where a box fits, in each of its axis-aligned orientations, standing on the floor or on what is there.

    A place is free when no part of it is occupied or unknown. ``clearance_m`` is the distance of its sides and top from
    what is not known to be free, walls included.

    Args:
        volume: of the bin.
        item_m: sides of the item in any order [m].

    Raises:
        PerceptionError: a side is not positive and finite, or the item is larger than the bin in every orientation.
    """
    if not all(np.isfinite(s) and s > 0.0 for s in item_m):
        raise PerceptionError(f"item must have three sides above 0 m (got {millimetres(item_m)} mm); give it as LxWxH")
    sizes = [size for size in orientations(item_m) if bool((np.array(size) <= np.array(volume.size_m) + 1e-9).all())]
    if not sizes:
        raise PerceptionError(
            f"item of {millimetres(item_m)} mm is larger than the bin ({millimetres(volume.size_m)} mm) in every "
            "orientation; check the item and its unit: sides are given in m"
        )
    slabs = _Slabs(volume.states == FREE, volume.voxel_m)
    slabs.read([slabs.voxels(size)[0] for size in sizes])
    free = {size: slabs.free_places(size) for size in sizes}
    found = []
    for size, places in free.items():
        if places.any():
            found += _placements(volume, slabs, size, _lowest(places) & _supported(volume, slabs.voxels(size)))
    if not found:
        reason = _why_not(volume, sizes, in_mid_air=any(places.any() for places in free.values()))
        return Fit(fits=False, reason=reason, placements=())
    best = _different(sorted(found, key=lambda p: -p.score))
    return Fit(fits=True, reason=_in_words(best[0]), placements=best)


def orientations(item_m: Size) -> Iterator[Size]:
    """Yield the different axis-aligned orientations of a box as sides along x, y, z."""
    a, b, c = item_m
    return iter(dict.fromkeys(((a, b, c), (a, c, b), (b, a, c), (b, c, a), (c, a, b), (c, b, a))))


def millimetres(size_m: tuple[float, ...]) -> str:
    """Return sides as people write them: ``120 × 40 × 35``."""
    return " × ".join(f"{1e3 * s:.4g}" for s in size_m)


class _Slabs:
    """Free depth from every place along x inwards, as one image for the kernel: rows are x, then z; columns are y."""

    def __init__(self, free: BoolArray, voxel_m: float) -> None:
        nx, ny, nz = self.shape = free.shape
        self.voxel_m = voxel_m
        run = np.zeros((nx, nz, ny), np.float32)
        level = np.ascontiguousarray(free.transpose(0, 2, 1))
        run[-1] = level[-1]
        for i in range(nx - 2, -1, -1):
            run[i] = np.where(level[i], run[i + 1] + 1.0, 0.0)
        self.run = run
        self._image = run.reshape(nx * nz, ny)
        self._planes: dict[int, BitGrid] = {}

    def voxels(self, size_m: Size) -> Voxels:
        """Return how many voxels a box takes along x, y, z."""
        a, b, c = (max(1, int(np.ceil(s / self.voxel_m - 1e-6))) for s in size_m)
        return a, b, c

    def free_places(self, size_m: Size) -> BoolArray:
        """Return (nx, ny, nz) whether a box with its lowest corner there is free."""
        return self.free_voxels(self.voxels(size_m))

    def free_voxels(self, voxels: Voxels) -> BoolArray:
        a, b, c = voxels
        nx, ny, nz = self.shape
        places = np.zeros((nx, nz, ny), np.bool_)
        if a <= nx and b <= ny and c <= nz:
            if a not in self._planes:
                self.read([a])
            found = np.zeros((nx * nz, ny), np.bool_)
            found[: nx * nz - c + 1, : ny - b + 1] = self._planes[a].placements(c, b).to_array()
            # A window that begins in the last c - 1 levels of a slab would end in the next slab.
            places[:, : nz - c + 1] = found.reshape(nx, nz, ny)[:, : nz - c + 1]
        return places.transpose(0, 2, 1)

    def read(self, depths: list[int]) -> None:
        """Make the planes of several depths in one pass."""
        missing = [d for d in dict.fromkeys(depths) if d not in self._planes]
        if missing:
            grids = depth_planes(self._image, [float(d) for d in missing])
            self._planes.update(zip(missing, grids, strict=True))

    def window_minima(self, values: NDArray[np.float32], voxels: Voxels) -> NDArray[np.float32]:
        """Return the least value (nx, nz, ny) in the box whose lowest corner is there; 0 where it would stick out."""
        a, b, c = voxels
        nx, ny, nz = self.shape
        upright = np.zeros((nx * nz, ny), np.float32)
        upright[: nx * nz - c + 1, : ny - b + 1] = window_minima(values.reshape(nx * nz, ny), c, b)
        least = np.zeros((nx, nz * ny), np.float32)
        least[: nx - a + 1] = window_minima(upright.reshape(nx, nz * ny), a, 1)
        return least.reshape(nx, nz, ny)


def _different(found: list[Placement]) -> tuple[Placement, ...]:
    """Keep places of different gaps, and fill up with the best of the others; best first."""
    apart = well_apart(found, MOST_PLACEMENTS)
    taken = {id(place) for place in apart}
    rest = [place for place in found if id(place) not in taken]
    return tuple(sorted((apart + rest)[:MOST_PLACEMENTS], key=lambda p: -p.score))


def well_apart(found: Sequence[Placement], most: int) -> list[Placement]:
    """Return up to ``most`` places that do not overlap: the first, and those far from it before those close by."""
    chosen: list[Placement] = []
    for least_gap_m in _APART_M:
        for place in found:
            if len(chosen) < most and all(gap_m(place, other) >= least_gap_m for other in chosen):
                chosen.append(place)
    return chosen


def gap_m(a: Placement, b: Placement) -> float:
    """Return the widest gap between two places along any axis [m]; negative where they overlap."""
    distance = np.abs(a.X_bin_item[:3, 3] - b.X_bin_item[:3, 3])
    return float((distance - np.add(a.size_m, b.size_m) / 2).max())


def _lowest(places: BoolArray) -> BoolArray:
    """Leave out places from which the box could sink."""
    lowest = places.copy()
    lowest[:, :, 1:] &= ~places[:, :, :-1]
    return lowest


def _placements(volume: Volume, slabs: _Slabs, size_m: Size, standing: BoolArray) -> list[Placement]:
    """Score all places of one orientation and keep the best of each neighbourhood."""
    if not standing.any():
        return []
    voxel, voxels = volume.voxel_m, slabs.voxels(size_m)
    places = np.argwhere(standing)
    i, j, k = places.T
    # Upright planes with y along the rows are the layout of the kernel's images.
    side = slabs.window_minima(np.ascontiguousarray(volume.side_distance_m.transpose(0, 2, 1)), voxels)[i, k, j]
    over = _room_above(volume, voxels)[k, i, j]
    slack = np.array(voxels) * voxel - np.array(size_m)
    clearance = np.minimum(side + slack[1] / 2, over + slack[2])
    reach = _reachable(slabs, voxels)[i, j, k]
    low = 1.0 - k / max(slabs.shape[2], 1)
    score = 0.4 * np.minimum(clearance / _AMPLE_CLEARANCE_M, 1.0) + 0.3 * reach + 0.3 * low
    found = []
    for n in _spread(places, score, voxels):
        corner = volume.low_corner_m + places[n] * voxel
        middle = corner + np.array([size_m[0], voxels[1] * voxel, size_m[2]]) / 2
        found.append(
            Placement(
                X_bin_item=pose(None, middle), size_m=size_m, clearance_m=float(clearance[n]), score=float(score[n])
            )
        )
    return found


def _spread(places: NDArray[np.intp], score: NDArray[np.floating], voxels: Voxels) -> Iterator[int]:
    """Yield the best places, none closer than half the item to a better one."""
    order = np.lexsort((places[:, 2], places[:, 1], places[:, 0], -np.round(score, 6)))
    for _ in range(_CANDIDATES):
        if len(order) == 0:
            return
        best = int(order[0])
        yield best
        apart = 2 * np.abs(places[order] - places[best]) >= np.array(voxels)
        order = order[apart.any(axis=1)]


def _room_above(volume: Volume, voxels: Voxels) -> NDArray[np.float32]:
    """Return, per lowest corner (nz, nx, ny), how much is free above the box [m]; at least 0."""
    a, b, c = voxels
    free = volume.states == FREE
    nx, ny, nz = free.shape
    up = np.zeros((nz, nx, ny), np.float32)
    up[-1] = free[:, :, -1]
    for k in range(nz - 2, -1, -1):
        up[k] = np.where(free[:, :, k], up[k + 1] + 1.0, 0.0)
    height = np.zeros((nz * nx, ny), np.float32)
    height[: nz * nx - a + 1, : ny - b + 1] = window_minima(up.reshape(nz * nx, ny), a, b)
    return np.asarray(volume.voxel_m * np.maximum(height.reshape(nz, nx, ny) - c, 0.0), np.float32)


def _supported(volume: Volume, voxels: Voxels) -> BoolArray:
    """Return (nx, ny, nz) whether a box with its lowest corner there rests on the floor or on what was seen."""
    a, b, _ = voxels
    nx, ny, nz = volume.states.shape
    reach = max(1, int(_SUPPORT_REACH_M / volume.voxel_m), round(_TILT * max(a, b)))
    bodies = volume.states.copy()
    # Tops are hardly seen from the front: what is hidden directly behind a visible surface belongs to it.
    fill_behind(bodies)
    solid = np.ones((nz + reach, nx, ny), np.uint8)
    solid[reach:] = (bodies == OCCUPIED).transpose(2, 0, 1)
    carrying = np.zeros((nz, nx, ny), np.uint8)
    for below in range(reach):
        carrying |= solid[below : below + nz]
    image = carrying.reshape(nz * nx, ny)
    resting = np.ones((nz, nx, ny), np.bool_)
    half_a, half_b = max(a // 2, 1), max(b // 2, 1)
    front_and_back = (half_a, b, ((0, 0), (a - half_a, 0)))
    right_and_left = (a, half_b, ((0, 0), (0, b - half_b)))
    for h, w, offsets in (front_and_back, right_and_left):
        carried = np.zeros((nz * nx, ny), np.bool_)
        carried[: nz * nx - h + 1, : ny - w + 1] = window_sums(image, h, w) >= _HALF_CARRIED * h * w
        planes = carried.reshape(nz, nx, ny)
        for di, dj in offsets:
            half = np.zeros_like(planes)
            half[:, : nx - di, : ny - dj] = planes[:, di:, dj:]
            resting &= half
    return resting.transpose(1, 2, 0)


def _reachable(slabs: _Slabs, voxels: Voxels) -> BoolArray:
    """Return (nx, ny, nz) whether a box gets there through the opening: straight in, then, if need be, down."""
    a, b, c = voxels
    nx, ny, nz = slabs.shape
    corridor = np.zeros((nz, ny), np.float32)
    corridor[: nz - c + 1, : ny - b + 1] = window_minima(slabs.run[0], c, b)
    straight = corridor.T[None] >= (np.arange(nx) + a)[:, None, None]
    free = slabs.free_voxels(voxels)
    reached = straight & free
    for k in range(nz - 2, -1, -1):
        reached[:, :, k] |= free[:, :, k] & reached[:, :, k + 1]
    return reached


def _in_words(best: Placement) -> str:
    x, y, z = best.X_bin_item[:3, 3] - np.array([best.size_m[0], 0.0, best.size_m[2]]) / 2
    on = "on the floor" if z < _SUPPORT_REACH_M else f"{1e3 * z:.0f} mm up, on what is there"
    where = "in the middle" if abs(y) < 0.005 else f"{1e3 * abs(y):.0f} mm {'left' if y > 0 else 'right'} of the middle"
    return (
        f"it fits {on}, {where}, {1e3 * x:.0f} mm behind the opening, standing {millimetres(best.size_m)} mm "
        f"deep, wide and tall, with {1e3 * best.clearance_m:.0f} mm to spare"
    )


def _why_not(volume: Volume, sizes: list[Size], *, in_mid_air: bool) -> str:
    """Return the reason that a person would give."""
    unseen = f"{100 * volume.share(UNKNOWN):.0f} % of the bin was not seen and does not count as free"
    slabs = _Slabs(volume.states == FREE, volume.voxel_m)
    levels = max(1, int(_SUPPORT_REACH_M / volume.voxel_m)) if in_mid_air else slabs.shape[2]
    shortages = [_shortage(slabs, size, axis, levels) for size in sizes for axis in range(3)]
    # Where nothing at all is free, another axis tells more.
    short = min(shortages, key=lambda s: (s.have_m == 0.0, s.missing_m))
    if in_mid_air:
        return f"on the floor it is {short.in_words()}; higher up is room, but nothing that would carry it; {unseen}"
    hopeful = _Slabs(volume.states != OCCUPIED, volume.voxel_m)
    if any(hopeful.free_places(size).any() for size in sizes):
        return f"{short.in_words()}; it could fit only where no camera looked: {unseen}"
    return f"{short.in_words()}; {unseen}" if volume.share(UNKNOWN) > 0.02 else short.in_words()


@dataclass(frozen=True, kw_only=True)
class _Shortage:
    """How far an orientation is from fitting along one axis, with the other two as they are."""

    size_m: Size
    axis: int
    have_m: float

    @property
    def missing_m(self) -> float:
        return self.size_m[self.axis] - self.have_m

    def in_words(self) -> str:
        need, (first, second) = self.size_m[self.axis], (n for n in range(3) if n != self.axis)
        others = " and ".join(f"{1e3 * self.size_m[n]:.4g} mm {_AXES[n]}" for n in (first, second))
        gap = ("free way inwards", "widest gap", "free height")[self.axis]
        have = f"the {gap} is {1e3 * self.have_m:.0f} mm" if self.have_m > 0.0 else f"there is no {gap}"
        return f"too {_AXES[self.axis]}: where it is {others}, {have}, it needs {1e3 * need:.4g} mm"


def _shortage(slabs: _Slabs, size_m: Size, axis: int, levels: int) -> _Shortage:
    """Find the longest box that is free somewhere, by halving; its lower side is in the lowest ``levels``."""
    voxels = list(slabs.voxels(size_m))
    low, high = 0, voxels[axis] + 1
    while high - low > 1:
        voxels[axis] = (low + high) // 2
        if slabs.free_voxels((voxels[0], voxels[1], voxels[2]))[:, :, :levels].any():
            low = voxels[axis]
        else:
            high = voxels[axis]
    return _Shortage(size_m=size_m, axis=axis, have_m=low * slabs.voxel_m)
