"""The bin as the planner sees it: registered pose, voxels, item blocks along y and the gaps between them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d, minimum_filter1d

from podhand.core.errors import PerceptionError
from podhand.core.ports import DepthFrame
from podhand.core.poses import FloatArray, Pose
from podhand.perception.frames import BoolArray, check_frame
from podhand.perception.occupancy import (
    FINE_Y,
    VOXEL_M,
    WALL_SKIN_M,
    FineGrid,
    StateArray,
    fine_grid,
    remove_bands,
    voxel_states,
)
from podhand.perception.registration import Registration, nominal_registration, register_bin

COLUMN_HITS = (4, 14)
"""Surface points that make a slice along y blocked: fewer are stray points, more are never asked for, since the front
of an item is seen by fewer pixels than its side."""
EDGE_SHARE = 0.15
"""A slice with less than this share of the points of the densest slice close by is the blurred rim of an item."""
RIM_M = 0.005
MIN_BLOCK_M = 0.007
MIN_GAP_M = 0.003
WALL_GAP_M = 1.4 * WALL_SKIN_M
"""A gap at a side wall is at least this wide: points in the wall's skin are not counted."""
MIN_SEEN_SHARE = 0.25
ENTRY_M = 0.06
_NEIGHBOUR_M = 0.02
"""A slice counts as free only if a camera looked through at least that share of its first ``ENTRY_M`` behind the
front of what stands within ``_NEIGHBOUR_M``."""
_HIDDEN_SHARE = 0.8
"""Where only its front is visible, an item is taken to reach this share of the way to the back wall."""
_MAX_ROW_SPACING_M = 0.05
"""Tops that fewer image rows meet do not tell where an item ends."""
_THINNING = 3
"""Every third slice of a block is measured."""
LOW_M = 0.008
"""Heights below this are floor."""


@dataclass(frozen=True, kw_only=True)
class Block:
    """Items without a gap between them, as an upright box; bin frame."""

    y_low_m: float
    y_high_m: float
    front_x_m: float
    back_x_m: float
    top_z_m: float
    volume_m3: float
    """Of what is visible and hidden behind it, an upper estimate."""
    seen: bool = True
    """False: nothing was seen there at all; it may be free or not."""

    @property
    def width_m(self) -> float:
        """Extent along y [m]."""
        return self.y_high_m - self.y_low_m


@dataclass(frozen=True, kw_only=True)
class Gap:
    """A free interval along y, over the asked depth and height; bin frame."""

    y_low_m: float
    y_high_m: float
    depth_m: float
    """How far in it is free [m], at least what was asked for."""
    seen_share: float
    """Share of its entry that a camera looked through; what lies deeper and hidden is taken as free."""

    @property
    def width_m(self) -> float:
        """Extent along y [m]."""
        return self.y_high_m - self.y_low_m


@dataclass(frozen=True, kw_only=True)
class FreeBox:
    """A free upright box; corners in the bin frame [m]."""

    min_m: tuple[float, float, float]
    max_m: tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class FreeSpace:
    """Free boxes of one depth and height, with the widths that decide: the sum and the widest."""

    boxes: tuple[FreeBox, ...]
    sum_width_m: float
    widest_m: float


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Blocks and gaps along y, both sorted by y, for one depth and height of interest."""

    depth_m: float
    height_m: float
    blocks: tuple[Block, ...]
    gaps: tuple[Gap, ...]


@dataclass(frozen=True, kw_only=True)
class BinModel:
    """What is known about one bin. Everything is in the found bin frame."""

    registration: Registration
    size_m: tuple[float, float, float]
    occupancy: StateArray
    """(nx, ny, nz) voxels of ``voxel_m``: 0 free, 1 occupied, 2 unknown; y from the right wall (-y) on."""
    grid: FineGrid
    known_shares: dict[str, float]
    """Share of known pixels per camera."""
    frames: tuple[DepthFrame, ...]
    """What was looked at; for pictures and records."""
    voxel_m: float = VOXEL_M

    @property
    def X_world_bin(self) -> Pose:
        """Found pose of the bin."""
        return self.registration.X_world_bin

    @cached_property
    def column_y_m(self) -> FloatArray:
        """Middles of the fine columns along y [m]."""
        indices = np.arange(self.grid.hits.shape[1], dtype=float)
        return (indices + 0.5) * float(self.grid.step_m[1]) - self.size_m[1] / 2

    def front_profile(self, height_m: float, bottom_m: float = LOW_M) -> FloatArray:
        """Return per fine column the x of the nearest surface between two heights, bin depth where there is none."""
        k0, k1 = self._levels(bottom_m, height_m)
        counts = self.grid.hits[:, :, k0:k1].sum(axis=2, dtype=np.int64)
        crest = maximum_filter1d(counts.sum(axis=0), 2 * round(RIM_M / self.grid.step_m[1]) + 1)
        blocked = np.cumsum(counts, axis=0) >= np.clip(EDGE_SHARE * crest, *COLUMN_HITS)
        front = np.argmax(blocked, axis=0) * self.grid.step_m[0]
        return np.where(blocked.any(axis=0), front, self.size_m[0])

    def seen_profile(self, front_m: FloatArray, height_m: float, bottom_m: float = LOW_M) -> FloatArray:
        """Return per fine column the share that a camera looked through just behind the fronts of its neighbours.

        Items are straight: where the view enters between two fronts, there is a gap, even if its depth is hidden.
        """
        k0, k1 = self._levels(bottom_m, height_m)
        seen = np.repeat((self.grid.seen_free[:, :, k0:k1] > 0).mean(axis=2), FINE_Y, axis=1)
        reach = 2 * round(_NEIGHBOUR_M / self.grid.step_m[1]) + 1
        start = np.minimum(minimum_filter1d(front_m, reach), ENTRY_M) / self.voxel_m
        first = np.round(start).astype(np.int64)
        count = round(ENTRY_M / self.voxel_m)
        total = np.concatenate([np.zeros((1, seen.shape[1])), np.cumsum(seen, axis=0)])
        columns = np.arange(seen.shape[1])
        share: FloatArray = (total[first + count, columns] - total[first, columns]) / count
        return share

    def layout(self, *, depth_m: float, height_m: float) -> Layout:
        """Cut the bin along y into blocks and gaps.

        Args:
            depth_m: how far in the space is needed, from the opening plane.
            height_m: up to which height it is needed, from the floor.
        """
        front, blocked, free, seen = self._cut(depth_m, height_m, LOW_M)
        blocks = tuple(self._block(first, last, blocked, front) for first, last in runs(~free))
        return Layout(depth_m=depth_m, height_m=height_m, blocks=blocks, gaps=self._gaps(free, front, seen))

    def gaps(self, *, depth_m: float, height_m: float, bottom_m: float = LOW_M) -> tuple[Gap, ...]:
        """Return the gaps of ``layout`` alone; ``bottom_m`` leaves out what is lower: the space over low things."""
        front, _, free, seen = self._cut(depth_m, height_m, bottom_m)
        return self._gaps(free, front, seen)

    def _cut(
        self, depth_m: float, height_m: float, bottom_m: float
    ) -> tuple[FloatArray, BoolArray, BoolArray, FloatArray]:
        """Return per slice along y: front, whether it is blocked, whether it is free, and how much of it was seen."""
        front = self.front_profile(height_m, bottom_m)
        seen = self.seen_profile(front, height_m, bottom_m)
        blocked = front < depth_m
        unseen = ~blocked & (seen < MIN_SEEN_SHARE)
        blocked = drop_short(blocked, int(np.ceil(MIN_BLOCK_M / self.grid.step_m[1])))
        free = drop_short(~blocked & ~unseen, int(np.ceil(MIN_GAP_M / self.grid.step_m[1])))
        # Points in the skin of the side walls are not counted: what begins there stands at the wall.
        skin = round(WALL_GAP_M / self.grid.step_m[1])
        for end in (slice(0, skin), slice(-skin, None)):
            free[end] &= bool(free[end].all())
        return front, blocked, free, seen

    def _gaps(self, free: BoolArray, front: FloatArray, seen: FloatArray) -> tuple[Gap, ...]:
        return tuple(
            Gap(
                y_low_m=self._edge(first),
                y_high_m=self._edge(last),
                depth_m=_depth_without_rims(front[first:last]),
                seen_share=float(seen[first:last].mean()),
            )
            for first, last in runs(free)
        )

    def free_space(self, *, depth_m: float, height_m: float) -> FreeSpace:
        """Return the free boxes from the opening inwards, each over the full bin height that is free of items."""
        gaps = self.gaps(depth_m=depth_m, height_m=height_m)
        boxes = tuple(
            FreeBox(min_m=(0.0, gap.y_low_m, 0.0), max_m=(gap.depth_m, gap.y_high_m, height_m)) for gap in gaps
        )
        widths = [gap.width_m for gap in gaps]
        return FreeSpace(boxes=boxes, sum_width_m=float(sum(widths)), widest_m=float(max(widths, default=0.0)))

    @cached_property
    def free_boxes(self) -> tuple[FreeBox, ...]:
        """Free boxes over 60 % of the bin's depth and 70 % of its height: a summary for people."""
        return self.free_space(depth_m=0.6 * self.size_m[0], height_m=0.7 * self.size_m[2]).boxes

    def free_width_m(
        self, y_low_m: float, y_high_m: float, *, depth_m: float, height_m: float, bottom_m: float = LOW_M
    ) -> float:
        """Return how much of an interval along y is free over a depth, between two heights [m]."""
        gaps = self.gaps(depth_m=depth_m, height_m=height_m, bottom_m=bottom_m)
        return sum(max(0.0, min(g.y_high_m, y_high_m) - max(g.y_low_m, y_low_m)) for g in gaps)

    def _levels(self, low_m: float, high_m: float) -> tuple[int, int]:
        step, count = self.grid.step_m[2], self.grid.hits.shape[2]
        k0 = int(np.clip(round(low_m / step), 0, count - 1))
        return k0, int(np.clip(np.ceil(high_m / step - 1e-9), k0 + 1, count))

    def _edge(self, column: int) -> float:
        return float(column * self.grid.step_m[1] - self.size_m[1] / 2)

    def _block(self, first: int, last: int, blocked: BoolArray, front: FloatArray) -> Block:
        """Measure one run of columns that are not free."""
        y0, y1 = self._edge(first), self._edge(last)
        members = np.nonzero(blocked[first:last])[0][::_THINNING] + first
        if len(members) == 0:
            lx, _, lz = self.size_m
            return Block(y_low_m=y0, y_high_m=y1, front_x_m=0.0, back_x_m=lx, top_z_m=lz,
                         volume_m3=(y1 - y0) * lx * lz, seen=False)  # fmt: skip
        tops, backs = zip(*(self._top_and_back(int(j), float(front[j])) for j in members), strict=True)
        volume = sum(
            (back - front[j]) * top * (y1 - y0) / len(members)
            for j, top, back in zip(members, tops, backs, strict=True)
        )
        return Block(
            y_low_m=y0,
            y_high_m=y1,
            front_x_m=float(np.percentile(front[members], 20)),
            back_x_m=float(np.percentile(backs, 80)),
            top_z_m=float(np.percentile(tops, 80)),
            volume_m3=float(volume),
        )

    def _top_and_back(self, column: int, front_m: float) -> tuple[float, float]:
        """Return the height of what stands in a column and, as far as its top is visible, where it ends."""
        hits = self.grid.hits[:, max(column - 2, 0) : column + 3].sum(axis=1, dtype=np.int64)
        dx, dz = self.grid.step_m[0], self.grid.step_m[2]
        per_level = hits.sum(axis=0)
        levels = np.nonzero(per_level >= 3)[0]
        if len(levels) == 0:
            return float(self.size_m[2]), float(self.size_m[0])
        top = int(levels[-1])
        near_top = np.nonzero(hits[:, max(top - 2, 0) : top + 1].sum(axis=1) >= 1)[0]
        i0, height = int(front_m / dx), float((top + 1) * dz)
        spacing = min(self._row_spacing_m(height), self.size_m[0])
        back = _end_of_run(near_top[near_top >= i0], allowed_hole=2 + int(1.2 * spacing / dx))
        if back is None or spacing > _MAX_ROW_SPACING_M or (back - i0) * dx < 0.02:
            return height, front_m + _HIDDEN_SHARE * (self.size_m[0] - front_m)
        return height, min(float((back + 1) * dx) + spacing / 2, self.size_m[0])

    def _row_spacing_m(self, height_m: float) -> float:
        """Return how far apart the image rows of the highest camera meet a level top half-way into the bin [m]."""
        spacings = [np.inf]
        for X, focal_px in zip(self.registration.X_bin_cameras, self.registration.focal_px, strict=True):
            above = float(X[2, 3]) - height_m
            if above > 0.005:
                spacings.append((self.size_m[0] / 2 - float(X[0, 3])) ** 2 / (above * focal_px))
        return min(spacings)


def _depth_without_rims(front_m: FloatArray) -> float:
    """Return the depth of a gap; its outermost slices may hold a few points of the sides beside it."""
    rim = min(3, (len(front_m) - 1) // 3)
    return float(front_m[rim : len(front_m) - rim].min())


def _end_of_run(indices: NDArray[np.intp], allowed_hole: int) -> int | None:
    if len(indices) == 0:
        return None
    breaks = np.nonzero(np.diff(indices) > allowed_hole)[0]
    return int(indices[breaks[0]] if len(breaks) else indices[-1])


def runs(mask: BoolArray) -> list[tuple[int, int]]:
    """Return (first, one past the last) of every run of True."""
    edges = np.diff(np.concatenate([[0], mask.astype(np.int8), [0]]))
    return list(zip(np.nonzero(edges == 1)[0].tolist(), np.nonzero(edges == -1)[0].tolist(), strict=True))


def drop_short(mask: BoolArray, shortest: int) -> BoolArray:
    """Return the mask without runs of True that are shorter."""
    kept = mask.copy()
    for first, last in runs(mask):
        if last - first < shortest:
            kept[first:last] = False
    return kept


def estimate_bin(
    frames: Sequence[DepthFrame],
    X_world_bin_nominal: Pose,
    size_m: tuple[float, float, float],
    *,
    register: bool = True,
) -> BinModel:
    """Make the bin model from depth frames of one moment.

    Args:
        frames: one per camera; bands may hang in front of the opening.
        X_world_bin_nominal: where the pod's plan says the bin is; the true pose may differ by 20 mm and 3°.
        size_m: inner size along x, y, z of the bin frame [m].
        register: False believes the nominal pose; to measure what registration is worth.

    Raises:
        PerceptionError: a frame cannot be used or the bin is not recognised; nothing has moved.
    """
    if len(frames) == 0:
        raise PerceptionError("no depth frames were given; at least one camera that sees the bin is needed")
    if min(size_m) < 10 * WALL_SKIN_M or max(size_m) > 2.0:
        raise PerceptionError(f"bin size must be within 0.05 … 2 m along each axis (got {size_m}); check the pod file")
    shares = {frame.name: check_frame(frame) for frame in frames}
    registration = (
        register_bin(frames, X_world_bin_nominal, size_m)
        if register
        else nominal_registration(frames, X_world_bin_nominal)
    )
    clear = [remove_bands(f, X, size_m) for f, X in zip(frames, registration.X_bin_cameras, strict=True)]
    grid = fine_grid(clear, registration.X_bin_cameras, size_m)
    return BinModel(
        registration=registration,
        size_m=size_m,
        occupancy=voxel_states(grid),
        grid=grid,
        known_shares=shares,
        frames=tuple(frames),
    )
