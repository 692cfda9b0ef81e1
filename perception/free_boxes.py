"""The free space of a volume as a few large upright boxes that do not overlap."""

import numpy as np
from numpy.typing import NDArray

from podhand.perception.bin_model import FreeBox
from podhand.perception.compiled import compiled
from podhand.perception.frames import BoolArray
from podhand.perception.fusion import Volume
from podhand.perception.occupancy import FREE

MOST_BOXES = 8
MIN_SIDE_M = 0.030
"""Thinner boxes are of no use to anybody."""
_COARSE = 2


def free_boxes(volume: Volume) -> tuple[FreeBox, ...]:
    """Return the largest free box, then the largest in what is left, and so on; bin frame, largest first.

    Each is the largest on a grid of twice the volume's voxels, then grown to its full resolution. Unknown is not free.
    """
    free = volume.states == FREE
    least = int(np.ceil(MIN_SIDE_M / (_COARSE * volume.voxel_m) - 1e-6))
    found = []
    for _ in range(MOST_BOXES):
        box = _largest(_coarse(free), least)
        if box[1] == 0:
            break
        low, high = _grown(free, _COARSE * np.array(box[::2]), _COARSE * np.array(box[1::2]))
        free[low[0] : high[0], low[1] : high[1], low[2] : high[2]] = False
        corners = [volume.low_corner_m + c * volume.voxel_m for c in (low, high)]
        x, y, z = ((float(a), float(b)) for a, b in zip(*corners, strict=True))
        found.append(FreeBox(min_m=(x[0], y[0], z[0]), max_m=(x[1], y[1], z[1])))
    return tuple(found)


def volume_m3(box: FreeBox) -> float:
    """Return the volume of a box [m³]."""
    return float(np.prod(np.subtract(box.max_m, box.min_m)))


def _coarse(free: BoolArray) -> BoolArray:
    nx, ny, nz = (n // _COARSE for n in free.shape)
    cut = free[: _COARSE * nx, : _COARSE * ny, : _COARSE * nz]
    return np.asarray(cut.reshape(nx, _COARSE, ny, _COARSE, nz, _COARSE).all(axis=(1, 3, 5)))


def _grown(free: BoolArray, low: NDArray[np.intp], high: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Push each face outwards as long as the next layer is free."""
    for axis in range(3):
        for end, step in ((low, -1), (high, 1)):
            while True:
                layer = int(end[axis]) - (1 if step < 0 else 0)
                if not 0 <= layer < free.shape[axis]:
                    break
                window: list[slice | int] = [slice(int(a), int(b)) for a, b in zip(low, high, strict=True)]
                window[axis] = layer
                if not free[tuple(window)].all():
                    break
                end[axis] += step
    return low, high


@compiled
def _largest(free: BoolArray, least: int) -> tuple[int, int, int, int, int, int]:
    """Return x, y and z ranges of the largest free box with sides of at least ``least``, zeros where there is none.

    For every range along x, the cells that are free all through it are an image, whose largest rectangle is found row
    by row from the heights of its free columns.
    """
    nx, ny, nz = free.shape
    best, found = 0, (0, 0, 0, 0, 0, 0)
    height, starts, tops = np.zeros(nz, np.int64), np.zeros(nz + 1, np.int64), np.zeros(nz + 1, np.int64)
    for i0 in range(nx):
        through = np.ones((ny, nz), np.bool_)
        for i1 in range(i0, nx):
            depth = i1 - i0 + 1
            through &= free[i1]
            if depth < least or depth * through.sum() <= best:
                continue
            height[:] = 0
            for j in range(ny):
                open_count = 0
                for k in range(nz + 1):
                    h = 0
                    if k < nz:
                        height[k] = height[k] + 1 if through[j, k] else 0
                        h = height[k]
                    start = k
                    while open_count > 0 and tops[open_count - 1] >= h:
                        open_count -= 1
                        start, top = starts[open_count], tops[open_count]
                        size = depth * top * (k - start)
                        if top >= least and k - start >= least and size > best:
                            best, found = size, (i0, i1 + 1, j + 1 - top, j + 1, start, k)
                    starts[open_count], tops[open_count] = start, h
                    open_count += 1
    return found
