"""Depth views of one moment fused into one volume: seen free, seen occupied, not seen.

Nothing is known here about the pod that ``registration`` knows: any box-shaped bin at a given pose will do. Real
sensors leave holes and flying pixels, calibrations are off by millimetres. Where evidence disagrees, occupied wins
unless one view stands against many; what no line of sight has passed stays unknown.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, uniform_filter

from podhand.core.errors import PerceptionError
from podhand.core.ports import DepthFrame
from podhand.core.poses import FloatArray, Pose, inverse
from podhand.perception.compiled import compiled
from podhand.perception.frames import check_frame
from podhand.perception.occupancy import FREE, OCCUPIED, UNKNOWN, WALL_SKIN_M, StateArray, remove_bands

FINE_VOXEL_M = 0.004
_MAX_VOXELS, _MAX_VOXELS_PER_LAYER = 4_000_000, 32_000
"""Larger bins get larger voxels. A layer is laid out as one line of an image."""
MIN_SIDE_M, MAX_SIDE_M = 0.05, 2.0
_WINDOW_PX = 2
_AGREEMENT = 0.010
"""Neighbouring pixels on one surface differ by at most this share of their depth."""
_EDGE = 0.025
"""Neighbours that differ by a larger share of their depth belong to different things."""
_MAX_STRIPE_PX = 24
"""Taller stripes than this are no band's shadow."""
_PLANE_SLACK_PER_M, _PLANE_SHARE = 0.002, 0.4
"""How far the slopes of 1/depth per pixel may differ along one plane."""
_MIN_AGREEING = 3
_MIN_FILLING = 6
_MIN_HITS = 2
"""Points of one view that make a voxel occupied."""
_VIEWS_AGAINST_ONE = 4
"""What one view alone sees, and as many others look through, is a mirror image or another mistake of that view."""
_SURFACE_MARGIN_M = 0.001
_FREE_AROUND_SPECK = 20
"""Of 26 neighbours. Dropped pixels leave specks; a thing of that size cannot hide from all views. A sheet seen from its
edge can, and has 18 free neighbours."""

Image = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Volume:
    """What is known about the inside of a bin, in the bin's frame."""

    states: StateArray
    """(nx, ny, nz): 0 free, 1 occupied, 2 unknown; x from the opening inwards, y from the right wall (-y), z up."""
    voxel_m: float
    size_m: tuple[float, float, float]
    """Of the bin; whole voxels fill it from the opening, the floor and its middle, less than one is left over."""
    frames: tuple[DepthFrame, ...]
    """As given."""
    X_bin_cameras: tuple[Pose, ...]
    looked_through: tuple[int, ...]
    """Per frame, how many voxels its lines of sight passed."""

    @property
    def low_corner_m(self) -> FloatArray:
        """Corner (3,) of voxel (0, 0, 0) in the bin frame [m]."""
        return np.array([0.0, -self.states.shape[1] * self.voxel_m / 2, 0.0])

    def share(self, state: int) -> float:
        """Return the share of the voxels that is free, occupied or unknown."""
        return float(np.count_nonzero(self.states == state)) / self.states.size

    @cached_property
    def signed_distance_m(self) -> NDArray[np.float32]:
        """Distance of every voxel's middle from the border of the free space, negative outside of it [m].

        The opening is no border; walls, floor and ceiling are.
        """
        free = _walled(self.states == FREE)
        inside = distance_transform_edt(free) - 0.5
        outside = distance_transform_edt(~free) - 0.5
        signed = self.voxel_m * np.where(free, inside, -outside)
        return np.ascontiguousarray(signed[1:-1, 1:-1, 1:-1], np.float32)

    @cached_property
    def side_distance_m(self) -> NDArray[np.float32]:
        """Distance of every voxel's border from the nearest that is not free at the same height; 0 outside [m]."""
        free = _walled(self.states == FREE)
        # Levels far apart keep what is above and below out of it.
        level = distance_transform_edt(free, sampling=(1.0, 1.0, 1e3))
        return np.ascontiguousarray(self.voxel_m * np.maximum(level[1:-1, 1:-1, 1:-1] - 1.0, 0.0), np.float32)


def _walled(free: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Put walls around the bin; the opening (x = 0) stays open."""
    walled = np.pad(free, 1)
    walled[0] = True
    return walled


def fuse(frames: Sequence[DepthFrame], X_world_bin: Pose, size_m: tuple[float, float, float]) -> Volume:
    """Fuse depth frames of one moment.

    Args:
        frames: one per view; bands may hang before the opening.
        X_world_bin: pose of the bin: origin at the middle of the opening's lower edge, x inwards, z up.
        size_m: inner size along x, y, z [m].

    Raises:
        PerceptionError: a frame, a pose or the size cannot be used, or no frame shows the bin.
    """
    if len(frames) == 0:
        raise PerceptionError("no depth frames were given; at least one that sees the bin is needed")
    if not all(MIN_SIDE_M <= s <= MAX_SIDE_M for s in size_m):
        raise PerceptionError(
            f"bin_size_m must be within {MIN_SIDE_M:g} … {MAX_SIDE_M:g} m along each axis (got {_numbers(size_m)} m); "
            "check the bin's size and its unit"
        )
    check_rigid(X_world_bin, "X_world_bin")
    for frame in frames:
        check_rigid(frame.X_world_camera, f"{frame.name}: X_world_camera")
        check_frame(frame, min_known_share=0.0)
        if not frame.depth_m.any():
            raise PerceptionError(
                f"{frame.name}: not one of its {frame.depth_m.size} depth pixels is known; leave the frame out, or "
                "check lens, cable and light and take it again"
            )
    X_bin_world = inverse(X_world_bin)
    X_bin_cameras = tuple(X_bin_world @ frame.X_world_camera for frame in frames)
    voxel_m = _voxel_for(size_m)
    shape = tuple(max(1, int(s / voxel_m + 1e-6)) for s in size_m)
    looked_through = []
    stopped, passed = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
    for frame, X in zip(frames, X_bin_cameras, strict=True):
        unbanded = remove_bands(frame, X, size_m).depth_m
        depth = cleaned(unbanded)
        hits = np.zeros(shape, np.uint16)
        _count_hits(depth, frame.K, X[:3, :3].copy(), X[:3, 3].copy(), hits, voxel_m, *size_m)
        stopped += (hits >= _MIN_HITS) & (stopped < 255)
        Y = inverse(X)
        through_bands = bridged(depth, (frame.depth_m > 0.0) & (unbanded == 0.0))
        nearest = nearest_of_neighbours(through_bands)
        looked_through.append(_carve(nearest, frame.K, Y[:3, :3].copy(), Y[:3, 3].copy(), passed, voxel_m))
    if not stopped.any() and not passed.any():
        raise PerceptionError(
            "no frame shows the inside of the bin: no known pixel lies in it or behind it; check X_world_bin, "
            "X_world_camera and K"
        )
    states = np.full(shape, UNKNOWN, np.uint8)
    states[passed > 0] = FREE
    states[(stopped > 0) & ~((stopped == 1) & (passed >= _VIEWS_AGAINST_ONE))] = OCCUPIED
    _fill_specks(states)
    return Volume(states=states, voxel_m=voxel_m, size_m=size_m, frames=tuple(frames), X_bin_cameras=X_bin_cameras,
                  looked_through=tuple(looked_through))  # fmt: skip


def _fill_specks(states: StateArray) -> None:
    """Make single unknown voxels, and lines of them, free where free space surrounds them; sheets stay unknown."""
    free = uniform_filter((states == FREE).astype(np.float32), 3, mode="nearest") * 27
    occupied = uniform_filter((states == OCCUPIED).astype(np.float32), 3, mode="nearest") * 27
    states[(states == UNKNOWN) & (free > _FREE_AROUND_SPECK - 0.5) & (occupied < 0.5)] = FREE


def _voxel_for(size_m: tuple[float, float, float]) -> float:
    lx, ly, lz = size_m
    layer_m = max(lx * ly, ly * lz, lz * lx) ** 0.5 / _MAX_VOXELS_PER_LAYER**0.5
    return float(max(FINE_VOXEL_M, (lx * ly * lz / _MAX_VOXELS) ** (1 / 3), layer_m))


def check_rigid(X: Pose, where: str) -> None:
    """Check that a matrix is a pose: finite, (4, 4), right-handed, last row 0 0 0 1. Raises PerceptionError."""
    if X.shape != (4, 4) or not np.isfinite(X).all():
        raise PerceptionError(f"{where} must be a finite (4, 4) pose (got shape {X.shape}); check the calibration file")
    R = X[:3, :3]
    error = float(np.abs(R @ R.T - np.eye(3)).max())
    if error > 1e-3 or np.linalg.det(R) < 0.0 or not np.allclose(X[3], (0.0, 0.0, 0.0, 1.0), atol=1e-6):
        raise PerceptionError(
            f"{where} must be rigid: a right-handed rotation within 0.001 and a last row 0 0 0 1 (got determinant "
            f"{np.linalg.det(R):.4f}, R Rᵀ off by {error:.4f}, last row {X[3].tolist()}); check the calibration file"
        )


def _numbers(values: Sequence[float]) -> str:
    return " × ".join(f"{v:g}" for v in values)


@compiled
def cleaned(depth: Image) -> Image:
    """Return a depth image without flying pixels, small holes filled where the surface around them is one.

    A known pixel stays where at least three of its 24 neighbours lie on its surface. An unknown one is filled from at
    least six that lie on one surface.
    """
    h, w = depth.shape
    out = np.zeros_like(depth)
    for v in range(h):
        for u in range(w):
            d = depth[v, u]
            known, agreeing, total = 0, 0, 0.0
            low, high = np.inf, 0.0
            for i in range(max(v - _WINDOW_PX, 0), min(v + _WINDOW_PX + 1, h)):
                for j in range(max(u - _WINDOW_PX, 0), min(u + _WINDOW_PX + 1, w)):
                    n = depth[i, j]
                    if n > 0.0:
                        known += 1
                        total += n
                        low, high = min(low, n), max(high, n)
                        if abs(n - d) < _AGREEMENT * d:
                            agreeing += 1
            if d > 0.0:
                if agreeing > _MIN_AGREEING:
                    out[v, u] = d
            elif known >= _MIN_FILLING and high - low < 2 * _AGREEMENT * low:
                out[v, u] = total / known
    return out


@compiled
def bridged(depth: Image, band: NDArray[np.bool_]) -> Image:
    """Return a depth image for lines of sight, with the stripes behind bands filled.

    Where one plane goes on behind the band (1/depth is linear along a column), it is the plane; else the nearer of what
    lies right above and below.
    """
    h, w = depth.shape
    out = depth.copy()
    for u in range(w):
        start, has_band = 0, False
        for v in range(h):
            if depth[v, u] <= 0.0:
                has_band = has_band or band[v, u]
                continue
            if has_band and start > 0 and v - start <= _MAX_STRIPE_PX:
                above, below = 1.0 / depth[start - 1, u], 1.0 / depth[v, u]
                slope = (below - above) / (v - start + 1)
                plane = start > 3 and v + 3 < h and depth[start - 4, u] > 0.0 and depth[v + 3, u] > 0.0
                if plane:
                    before, after = (above - 1.0 / depth[start - 4, u]) / 3, (1.0 / depth[v + 3, u] - below) / 3
                    allowed = _PLANE_SLACK_PER_M + _PLANE_SHARE * abs(slope)
                    plane = abs(before - slope) < allowed and abs(after - slope) < allowed
                for k in range(start, v):
                    out[k, u] = 1.0 / (above + slope * (k - start + 1)) if plane else 1.0 / max(above, below)
            start, has_band = v + 1, False
    return out


@compiled
def nearest_of_neighbours(depth: Image) -> Image:
    """Return, beside the edge of something nearer, its depth; a surface that slopes is no edge.

    Pixels at an edge see both sides of it. Unknown pixels stay unknown.
    """
    h, w = depth.shape
    out = depth.copy()
    for v in range(h):
        for u in range(w):
            d = depth[v, u]
            if d <= 0.0:
                continue
            for i in range(-1, 2):
                for j in range(-1, 2):
                    if not (0 <= v + i < h and 0 <= u + j < w):
                        continue
                    nearer = depth[v + i, u + j]
                    if not 0.0 < nearer < (1.0 - _EDGE) * d:
                        continue
                    opposite = depth[v - i, u - j] if 0 <= v - i < h and 0 <= u - j < w else np.float32(0.0)
                    # The other side recedes as much: a wall seen at a flat angle.
                    if not 0.5 < (opposite - d) / (d - nearer) < 2.0:
                        out[v, u] = min(out[v, u], nearer)
    return out


@compiled
def _count_hits(
    depth: Image, K: FloatArray, R: FloatArray, t: FloatArray, hits: NDArray[np.uint16], voxel: float, lx: float,
    ly: float, lz: float,
) -> None:  # fmt: skip
    nx, ny, nz = hits.shape
    h, w = depth.shape
    right = -ny * voxel / 2
    for v in range(h):
        b = (v - K[1, 2]) / K[1, 1]
        for u in range(w):
            d = depth[v, u]
            if d <= 0.0:
                continue
            a = (u - K[0, 2]) / K[0, 0]
            x = (R[0, 0] * a + R[0, 1] * b + R[0, 2]) * d + t[0]
            y = (R[1, 0] * a + R[1, 1] * b + R[1, 2]) * d + t[1]
            z = (R[2, 0] * a + R[2, 1] * b + R[2, 2]) * d + t[2]
            if x < 0.0 or x > lx - WALL_SKIN_M or abs(y) > ly / 2 - WALL_SKIN_M:
                continue
            if z < WALL_SKIN_M or z > lz - WALL_SKIN_M:
                continue
            i, j, k = int(x / voxel), int((y - right) / voxel), int(z / voxel)
            if i < nx and 0 <= j < ny and k < nz and hits[i, j, k] < 65535:
                hits[i, j, k] += 1


@compiled
def _carve(depth: Image, K: FloatArray, R: FloatArray, t: FloatArray, passed: NDArray[np.uint8], voxel: float) -> int:
    """Count this view in every voxel that its lines of sight passed; return how many these are."""
    count = 0
    nx, ny, nz = passed.shape
    h, w = depth.shape
    margin = voxel / 2 + _SURFACE_MARGIN_M
    for i in range(nx):
        x = (i + 0.5) * voxel
        for j in range(ny):
            y = (j + 0.5 - ny / 2) * voxel
            for k in range(nz):
                z = (k + 0.5) * voxel
                c = R[2, 0] * x + R[2, 1] * y + R[2, 2] * z + t[2]
                if c <= 0.05:
                    continue
                u = int(np.floor(K[0, 0] * (R[0, 0] * x + R[0, 1] * y + R[0, 2] * z + t[0]) / c + K[0, 2] + 0.5))
                v = int(np.floor(K[1, 1] * (R[1, 0] * x + R[1, 1] * y + R[1, 2] * z + t[1]) / c + K[1, 2] + 0.5))
                if 0 <= u < w and 0 <= v < h and depth[v, u] > c + margin:
                    passed[i, j, k] = min(passed[i, j, k] + 1, 255)
                    count += 1
    return count
