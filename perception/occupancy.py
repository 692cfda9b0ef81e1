"""From registered depth frames to voxels: seen free, seen occupied, or not seen."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from podhand.core.ports import DepthFrame
from podhand.core.poses import FloatArray, Pose, inverse
from podhand.perception.compiled import compiled
from podhand.perception.registration import BAND_X_M

FREE, OCCUPIED, UNKNOWN = 0, 1, 2
VOXEL_M = 0.005
FINE_Y = 5
"""Surface points are counted in slices of a fifth of a voxel along y: the widths of gaps matter most."""
WALL_SKIN_M = 0.005
"""Points this close to side walls and floor are walls and floor."""
BACK_SKIN_M = 0.012
"""The same for the back wall: it is seen head-on, where depth noise counts in full."""
_SURFACE_MARGIN_M = 0.004
_MAX_BAND_PX = 24
_MAX_STEP_OVER_BAND_M = 0.02

CountArray = NDArray[np.uint16]
StateArray = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class FineGrid:
    """Evidence per voxel, index (x, y, z), y counted from the right wall (-y)."""

    hits: CountArray
    """Surface points in slices of ``VOXEL_M`` x ``VOXEL_M / FINE_Y`` x ``VOXEL_M``."""
    seen_free: StateArray
    """Number of cameras that looked through cubes of ``VOXEL_M``."""
    top_m: NDArray[np.float32]
    """(nx, ny) height of the highest surface point per ``VOXEL_M`` along x and y [m], -1 where none was seen."""
    step_m: FloatArray
    """Size of a slice of ``hits`` (3,) [m]."""
    size_m: tuple[float, float, float]


def remove_bands(frame: DepthFrame, X_bin_camera: Pose, size_m: tuple[float, float, float]) -> DepthFrame:
    """Take elastic bands out of a frame and fill the stripes where what lies above and below agrees.

    A stripe stays unknown where the depths above and below differ by more than 20 mm.
    """
    X = X_bin_camera
    filled = frame.depth_m.astype(np.float32).copy()
    _remove_bands(filled, frame.K, X[:3, :3].copy(), X[:3, 3].copy(), size_m[1] / 2, size_m[2])
    return DepthFrame(depth_m=filled, K=frame.K, X_world_camera=frame.X_world_camera, name=frame.name)


@compiled
def _remove_bands(
    depth: NDArray[np.float32], K: FloatArray, R: FloatArray, t: FloatArray, half_m: float, height_m: float
) -> None:
    h, w = depth.shape
    for u in range(w):
        a = (u - K[0, 2]) / K[0, 0]
        last_known, run_start = -1, -1
        for v in range(h):
            d = depth[v, u]
            is_band = False
            if d > 0.0:
                b = (v - K[1, 2]) / K[1, 1]
                x = (R[0, 0] * a + R[0, 1] * b + R[0, 2]) * d + t[0]
                y = (R[1, 0] * a + R[1, 1] * b + R[1, 2]) * d + t[1]
                z = (R[2, 0] * a + R[2, 1] * b + R[2, 2]) * d + t[2]
                is_band = BAND_X_M[0] < x < BAND_X_M[1] and abs(y) < half_m + 0.01 and 0.0 < z < height_m
            if is_band:
                depth[v, u] = 0.0
                if run_start < 0:
                    run_start = v
            elif d > 0.0:
                if run_start >= 0:
                    # One more row on either side: rays that graze a band are not to be trusted.
                    low, high = run_start - 1, v
                    above = low - 1
                    below = min(high + 1, h - 1)
                    if above >= 0 and last_known >= above and v - run_start <= _MAX_BAND_PX:
                        d0, d1 = depth[above, u], depth[below, u]
                        if d0 > 0.0 and d1 > 0.0 and abs(d0 - d1) < _MAX_STEP_OVER_BAND_M:
                            for k in range(low, below):
                                f = (k - above) / (below - above)
                                depth[k, u] = (1.0 - f) * d0 + f * d1
                        else:
                            depth[low, u] = 0.0
                    run_start = -1
                last_known = v


def fine_grid(
    frames: Sequence[DepthFrame], X_bin_cameras: Sequence[Pose], size_m: tuple[float, float, float]
) -> FineGrid:
    """Carve the bin from band-free frames with registered cameras."""
    cubes = tuple(round(s / VOXEL_M) for s in size_m)
    seen = np.zeros(cubes, np.uint8)
    hits = np.zeros((cubes[0], cubes[1] * FINE_Y, cubes[2]), np.uint16)
    top = np.full(cubes[:2], -1.0, np.float32)
    step = np.array([VOXEL_M, VOXEL_M / FINE_Y, VOXEL_M])
    for frame, X in zip(frames, X_bin_cameras, strict=True):
        depth = np.ascontiguousarray(frame.depth_m, dtype=np.float32)
        _count_hits(depth, frame.K, X[:3, :3].copy(), X[:3, 3].copy(), hits, top, step, *size_m)
        Y = inverse(X)
        _carve(depth, frame.K, Y[:3, :3].copy(), Y[:3, 3].copy(), seen, VOXEL_M, size_m[1])
    return FineGrid(hits=hits, seen_free=seen, top_m=top, step_m=step, size_m=size_m)


@compiled
def _count_hits(
    depth: NDArray[np.float32], K: FloatArray, R: FloatArray, t: FloatArray, hits: CountArray,
    top: NDArray[np.float32], step: FloatArray, lx: float, ly: float, lz: float,
) -> None:  # fmt: skip
    nx, ny, nz = hits.shape
    h, w = depth.shape
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
            if x < BAND_X_M[1] or x > lx - BACK_SKIN_M or abs(y) > ly / 2 - WALL_SKIN_M:
                continue
            i = max(int(x / step[0]), 0)
            j = int((y + ly / 2) / step[1])
            if i >= nx or j < 0 or j >= ny or z > lz - WALL_SKIN_M:
                continue
            if z > top[i, j // FINE_Y]:
                top[i, j // FINE_Y] = max(z, 0.0)
            k = int(z / step[2])
            if z >= WALL_SKIN_M and k < nz and hits[i, j, k] < 65535:
                hits[i, j, k] += 1


@compiled
def _carve(
    depth: NDArray[np.float32], K: FloatArray, R: FloatArray, t: FloatArray, seen: StateArray, step: float,
    ly: float,
) -> None:  # fmt: skip
    nx, ny, nz = seen.shape
    h, w = depth.shape
    for i in range(nx):
        x = (i + 0.5) * step
        for j in range(ny):
            y = (j + 0.5) * step - ly / 2
            for k in range(nz):
                z = (k + 0.5) * step
                c = R[2, 0] * x + R[2, 1] * y + R[2, 2] * z + t[2]
                if c <= 0.05:
                    continue
                u = int(K[0, 0] * (R[0, 0] * x + R[0, 1] * y + R[0, 2] * z + t[0]) / c + K[0, 2] + 0.5)
                v = int(K[1, 1] * (R[1, 0] * x + R[1, 1] * y + R[1, 2] * z + t[1]) / c + K[1, 2] + 0.5)
                if 0 <= u < w and 0 <= v < h and depth[v, u] > c + _SURFACE_MARGIN_M:
                    seen[i, j, k] += 1


def voxel_states(grid: FineGrid, *, min_hits: int = 2) -> StateArray:
    """Merge the evidence into cubes of ``VOXEL_M``: (nx, ny, nz) uint8, 0 free, 1 occupied, 2 unknown.

    What is hidden directly behind a visible surface counts as occupied, up to the next voxel that was seen free.
    """
    nx, ny, nz = grid.seen_free.shape
    hits = grid.hits.reshape(nx, ny, FINE_Y, nz).sum(axis=2)
    states = np.full((nx, ny, nz), UNKNOWN, np.uint8)
    states[grid.seen_free > 0] = FREE
    # A voxel that a ray passed and another ray ended in is the border of a thing: occupied is the safe reading.
    states[hits >= min_hits] = OCCUPIED
    fill_behind(states)
    return states


@compiled
def fill_behind(states: StateArray) -> None:
    """Make unknown voxels occupied, in place, that lie behind an occupied one along x, up to the next free one."""
    nx, ny, nz = states.shape
    for j in range(ny):
        for k in range(nz):
            behind = False
            for i in range(nx):
                if states[i, j, k] == 1:
                    behind = True
                elif states[i, j, k] == 0:
                    behind = False
                elif behind:
                    states[i, j, k] = 1
