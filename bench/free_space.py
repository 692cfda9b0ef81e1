"""The free-space kernel beside what one would use instead, on one image of a whole pod."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from podhand.bench.free_space_peers import ByteArray, Call, mask_peers, match_peers, packed_peers, rectangle_peers
from podhand.bench.timing import Measurement, measure
from podhand.perception.free_space import (
    BitGrid,
    Mask,
    count,
    item_and_blade,
    placements,
    placements_mask,
    rotated_rectangle,
)

BIN_ROWS, BIN_COLS = 5, 8
POD = (960, 1280)
VGA = (480, 640)
ITEM = (60, 40)
"""Height and width of the usual item [px]."""
LARGE_ITEM = (120, 90)
SMALL_ITEM = (10, 7)
TURN_RAD = np.deg2rad(15.0)
OUR_CALLS = 40


def pod_scene(h: int, w: int, seed: int = 20250507) -> ByteArray:
    """Draw a pod from the front, 40 bins: walls, boxes standing on every bin's floor, some speckle; 1 = occupied."""
    random = np.random.default_rng(seed)
    occupied = np.zeros((h, w), np.uint8)
    bin_h, bin_w, wall = h // BIN_ROWS, w // BIN_COLS, max(2, w // 400)
    for y, x in ((r * bin_h, c * bin_w) for r in range(BIN_ROWS) for c in range(BIN_COLS)):
        floor, left = y + bin_h - wall, x + wall
        occupied[floor : floor + wall, x : x + bin_w] = 1
        occupied[y : y + bin_h, x:left] = 1
        while left < x + bin_w - bin_w // 8:
            width = int(random.integers(bin_w // 20, bin_w // 3))
            height = int(random.integers(bin_h // 5, int(0.9 * bin_h)))
            if random.random() < 0.62:
                occupied[floor - height : floor, left : min(left + width, x + bin_w)] = 1
            left += width
    speckles = h * w // 40000
    occupied[random.integers(0, h, speckles), random.integers(0, w, speckles)] = 1
    return occupied


def pod_bins(h: int, w: int) -> NDArray[np.int32]:
    """Return the bins of ``pod_scene`` (40, 4) as y, x, h, w."""
    bin_h, bin_w = h // BIN_ROWS, w // BIN_COLS
    corners = [(r * bin_h, c * bin_w, bin_h, bin_w) for r in range(BIN_ROWS) for c in range(BIN_COLS)]
    return np.array(corners, np.int32)


def item_faces(items: int = 12, seed: int = 11) -> NDArray[np.int32]:
    """Return sizes (2 * items, 2) as h, w [px]: every item standing and lying."""
    sides = np.random.default_rng(seed).integers(15, 110, (items, 2))
    return np.concatenate([sides, sides[:, ::-1]]).astype(np.int32)


def bench_free_space(rounds: int) -> list[Measurement]:
    """Measure every row in ``rounds`` interleaved rounds, in thread CPU time.

    Raises:
        RuntimeError: a peer gives another answer, so that a comparison means nothing.
    """
    pod, vga = pod_scene(*POD), pod_scene(*VGA)
    blade = item_and_blade(ITEM, blade=(30, 4), lip=(3, 60))
    return [
        _rectangle("rect_u8_40x60", pod, ITEM, rounds),
        _packed("rect_bits_40x60", pod, ITEM, rounds),
        _rectangle("rect_u8_90x120", pod, LARGE_ITEM, rounds),
        _rectangle("rect_u8_7x10_vga", vga, SMALL_ITEM, rounds),
        _mask("mask_rotated", pod, rotated_rectangle(*ITEM, TURN_RAD), rounds),
        _mask("mask_item_blade", pod, blade, rounds),
        _match("match_12x2x40", pod, rounds),
    ]


def _rectangle(name: str, image: ByteArray, shape: tuple[int, int], rounds: int) -> Measurement:
    out = np.empty((image.shape[0] - shape[0] + 1, image.shape[1] - shape[1] + 1), np.uint8)
    return _measured(
        name, lambda: placements(image, *shape, out=out), rectangle_peers(image, *shape), _copy(out.size), rounds
    )


def _packed(name: str, image: ByteArray, shape: tuple[int, int], rounds: int) -> Measurement:
    grid = BitGrid(image)
    out = grid.placements(*shape)
    peers = packed_peers(image, *shape)
    _require_equal(name, "cv2_erode", out.to_array(), peers["cv2_erode"]() if "cv2_erode" in peers else out.to_array())
    limit = _copy(image.size // 8)
    return _timed(name, lambda: grid.placements(*shape, out=out), peers, limit, rounds)


def _mask(name: str, image: ByteArray, mask: Mask, rounds: int) -> Measurement:
    out = np.empty((image.shape[0] - mask.shape[0] + 1, image.shape[1] - mask.shape[1] + 1), np.uint8)
    peers = mask_peers(image, _pixels(mask))
    return _measured(name, lambda: placements_mask(image, mask, out=out), peers, _copy(out.size), rounds)


def _match(name: str, image: ByteArray, rounds: int) -> Measurement:
    bins, sizes = pod_bins(*image.shape), item_faces()
    # The image must be read once: a copy of half of it moves as many bytes.
    limit = _copy(image.size // 2)
    return _measured(name, lambda: count(image, bins, sizes), match_peers(image, bins, sizes), limit, rounds)


def _measured(name: str, ours: Call, peers: Mapping[str, Call], limit: Call, rounds: int) -> Measurement:
    expected = ours()
    for peer, call in peers.items():
        _require_equal(name, peer, expected, call())
    return _timed(name, ours, peers, limit, rounds)


def _timed(name: str, ours: Call, peers: Mapping[str, Call], limit: Call, rounds: int) -> Measurement:
    return measure(name, ours, peers, n=OUR_CALLS, rounds=rounds, clock=time.thread_time_ns, limit=limit, least_calls=3)


def _copy(size: int) -> Callable[[], object]:
    """Return the memory limit: bytes read and written once."""
    source, target = np.ones(size, np.uint8), np.zeros(size, np.uint8)
    return lambda: np.copyto(target, source)


def _pixels(mask: Mask) -> NDArray[np.bool_]:
    pixels = np.zeros(mask.shape, np.bool_)
    for y, x, h, w in mask.rectangles:
        pixels[y : y + h, x : x + w] = True
    return pixels


def _require_equal(name: str, peer: str, ours: NDArray[Any], theirs: NDArray[Any]) -> None:
    if not np.array_equal(ours, theirs):
        raise RuntimeError(f"{name}: {peer} gives another answer than the kernel; the comparison would mean nothing")
