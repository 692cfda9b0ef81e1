"""What one would use for free space without podhand, each as well as it can be done, one thread.

Every peer answers the same question with the same numbers; where a library can write into an array of the caller, it
does. OpenCV comes with the extra ``bench``; without it its peers are left out.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.ndimage
import scipy.signal
from numpy.typing import NDArray

from podhand.perception.compiled import compiled

ByteArray = NDArray[np.uint8]
BoolArray = NDArray[np.bool_]
Call = Callable[[], Any]


def opencv() -> Any | None:
    """Return cv2 bound to one thread, or None where it is not installed."""
    try:
        import cv2
    except ImportError:
        return None
    cv2.setNumThreads(1)
    return cv2


def rectangle_peers(occupied: ByteArray, h: int, w: int) -> dict[str, Call]:
    """Return the peers that map the free places of a rectangle, uint8 in, uint8 or bool out."""
    free = (occupied == 0).astype(np.uint8)
    places_h, places_w = occupied.shape[0] - h + 1, occupied.shape[1] - w + 1
    run, sat = np.empty((places_h, places_w), np.uint8), np.empty((places_h, places_w), np.uint8)
    around = np.empty_like(free)

    def minimum_filter() -> ByteArray:
        scipy.ndimage.minimum_filter(free, (h, w), output=around, mode="constant")
        return np.asarray(around[h // 2 : h // 2 + places_h, w // 2 : w // 2 + places_w])

    peers: dict[str, Call] = {
        "numba_runs": lambda: _numba_runs(occupied, h, w, run),
        "numba_area_table": lambda: _numba_area_table(occupied, h, w, sat),
        "numpy_doubling": lambda: _doubling(_doubling(occupied, h, 0), w, 1) == 0,
        "python_big_int": lambda: _unpacked(
            _big_int_erosion(_packed(occupied), occupied.shape[1], h, w), occupied, h, w
        ),
        "scipy_minimum_filter": minimum_filter,
    }
    return {**_erode(free, np.ones((h, w), np.uint8)), **peers}


def packed_peers(occupied: ByteArray, h: int, w: int) -> dict[str, Call]:
    """Return the peers for an image that is packed already; only big integers have such a form."""
    packed = _packed(occupied)
    free = (occupied == 0).astype(np.uint8)
    peers: dict[str, Call] = {"python_big_int": lambda: _big_int_erosion(packed, occupied.shape[1], h, w)}
    return {**_erode(free, np.ones((h, w), np.uint8)), **peers}


def mask_peers(occupied: ByteArray, mask: BoolArray) -> dict[str, Call]:
    """Return the peers that map the free places of a mask."""
    free, values = (occupied == 0).astype(np.uint8), occupied.astype(np.float32)
    weights = mask.astype(np.float32)
    turned = np.ascontiguousarray(weights[::-1, ::-1])
    peers: dict[str, Call] = {"scipy_fftconvolve": lambda: scipy.signal.fftconvolve(values, turned, "valid") < 0.5}
    cv2 = opencv()
    if cv2 is not None:
        peers["cv2_match_template"] = lambda: cv2.matchTemplate(values, weights, cv2.TM_CCORR) < 0.5
    return {**_erode(free, mask.astype(np.uint8)), **peers}


def match_peers(occupied: ByteArray, bins: NDArray[np.int32], sizes: NDArray[np.int32]) -> dict[str, Call]:
    """Return the peers that count the free places of every size in every bin."""
    counts = np.zeros((len(bins), len(sizes)), np.int64)
    peers: dict[str, Call] = {
        "numba_area_table": lambda: _numba_match(occupied, bins, sizes, counts),
        "numpy_area_table": lambda: _numpy_match(occupied, bins, sizes),
    }
    cv2 = opencv()
    if cv2 is None:
        return peers

    def erosions() -> NDArray[np.int64]:
        found = np.zeros((len(bins), len(sizes)), np.int64)
        for i, (y, x, bin_h, bin_w) in enumerate(bins.tolist()):
            free = 1 - occupied[y : y + bin_h, x : x + bin_w]
            for j, (h, w) in enumerate(sizes.tolist()):
                if h <= bin_h and w <= bin_w:
                    found[i, j] = cv2.countNonZero(_eroded(cv2, free, np.ones((h, w), np.uint8)))
        return found

    return {"cv2_erode": erosions, **peers}


def _eroded(cv2: Any, free: ByteArray, shape: ByteArray, out: ByteArray | None = None) -> ByteArray:
    h, w = shape.shape
    full = cv2.erode(free, shape, dst=out, anchor=(0, 0), borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return np.asarray(full[: free.shape[0] - h + 1, : free.shape[1] - w + 1])


def _erode(free: ByteArray, shape: ByteArray) -> dict[str, Call]:
    cv2, out = opencv(), np.empty_like(free)
    return {} if cv2 is None else {"cv2_erode": lambda: _eroded(cv2, free, shape, out)}


def _doubling(occupied: ByteArray, length: int, axis: int) -> ByteArray:
    done = 1
    while done < length:
        step = min(done, length - done)
        low, high = (occupied[step:], occupied[:-step]) if axis == 0 else (occupied[:, step:], occupied[:, :-step])
        occupied, done = low | high, done + step
    return occupied


def _packed(occupied: ByteArray) -> int:
    """Return the image as one integer, 1 = free, rows of whole bytes."""
    return int.from_bytes(np.packbits(occupied == 0, axis=1, bitorder="little").tobytes(), "little")


def _big_int_erosion(bits: int, cols: int, h: int, w: int) -> int:
    for length, stride in ((h, (cols + 7) // 8 * 8), (w, 1)):
        done = 1
        while done < length:
            step = min(done, length - done)
            bits &= bits >> (step * stride)
            done += step
    return bits


def _unpacked(bits: int, occupied: ByteArray, h: int, w: int) -> ByteArray:
    rows, row_bytes = occupied.shape[0], (occupied.shape[1] + 7) // 8
    whole = np.frombuffer(bits.to_bytes(row_bytes * rows, "little"), np.uint8).reshape(rows, row_bytes)
    return np.unpackbits(whole, axis=1, bitorder="little")[: rows - h + 1, : occupied.shape[1] - w + 1]


def _numpy_match(occupied: ByteArray, bins: NDArray[np.int32], sizes: NDArray[np.int32]) -> NDArray[np.int64]:
    found = np.zeros((len(bins), len(sizes)), np.int64)
    for i, (y, x, bin_h, bin_w) in enumerate(bins.tolist()):
        s = np.zeros((bin_h + 1, bin_w + 1), np.int32)
        s[1:, 1:] = occupied[y : y + bin_h, x : x + bin_w].cumsum(0, dtype=np.int32).cumsum(1)
        for j, (h, w) in enumerate(sizes.tolist()):
            if h <= bin_h and w <= bin_w:
                found[i, j] = np.count_nonzero((s[h:, w:] - s[:-h, w:] - s[h:, :-w] + s[:-h, :-w]) == 0)
    return found


@compiled
def _numba_runs(occupied: ByteArray, h: int, w: int, out: ByteArray) -> ByteArray:
    """Free height per column, then the run of columns that are high enough: the best that numba did here."""
    rows, cols = occupied.shape
    height = np.zeros(cols, np.int32)
    for y in range(rows):
        run = 0
        for x in range(cols):
            height[x] = 0 if occupied[y, x] else height[x] + 1
            run = run + 1 if height[x] >= h else 0
            if y >= h - 1 and x >= w - 1:
                out[y - h + 1, x - w + 1] = run >= w
    return out


@compiled
def _numba_area_table(occupied: ByteArray, h: int, w: int, out: ByteArray) -> ByteArray:
    rows, cols = occupied.shape
    s = np.zeros((rows + 1, cols + 1), np.int32)
    for y in range(rows):
        row = 0
        for x in range(cols):
            row += occupied[y, x]
            s[y + 1, x + 1] = s[y, x + 1] + row
    for y in range(rows - h + 1):
        for x in range(cols - w + 1):
            out[y, x] = (s[y + h, x + w] - s[y, x + w] - s[y + h, x] + s[y, x]) == 0
    return out


@compiled
def _numba_match(
    occupied: ByteArray, bins: NDArray[np.int32], sizes: NDArray[np.int32], counts: NDArray[np.int64]
) -> NDArray[np.int64]:
    for b in range(bins.shape[0]):
        y0, x0, rows, cols = bins[b]
        s = np.zeros((rows + 1, cols + 1), np.int32)
        for y in range(rows):
            row = 0
            for x in range(cols):
                row += occupied[y0 + y, x0 + x]
                s[y + 1, x + 1] = s[y, x + 1] + row
        for n in range(sizes.shape[0]):
            h, w = sizes[n]
            free = 0
            for y in range(rows - h + 1):
                for x in range(cols - w + 1):
                    free += (s[y + h, x + w] - s[y, x + w] - s[y + h, x] + s[y, x]) == 0
            counts[b, n] = free
    return counts
