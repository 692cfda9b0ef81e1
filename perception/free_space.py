"""Where a shape fits into an occupancy image: every place is looked at, exactly, one bit per pixel.

Images are C-contiguous arrays ``(h, w)``, y down and x right, of at most 32768 pixels each way. A shape's place is
``(y, x)`` of its upper left corner; a map of places has shape ``(image_h - h + 1, image_w - w + 1)``. All functions
take an occupancy image (``uint8`` or ``bool``, nonzero = occupied) or a ``BitGrid`` made from it once.

Everything that cannot be used (wrong shape or type, a shape larger than the image, sizes below 1, bins outside the
image, NaN) is a ``PerceptionError`` that says what came and what is allowed. See docs/free-space.md for how it works.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from podhand._kernel import (
    BitGrid,
    Mask,
    count_placements,
    depth_planes,
    free_space_instruction_set,
    free_space_instruction_sets,
    placements,
    placements_mask,
    use_free_space_instruction_set,
    window_minima,
    window_sums,
)
from podhand.core.errors import PerceptionError

__all__ = [
    "BitGrid", "Mask", "Place", "best", "best_places", "count", "depth_planes", "free_space_instruction_set",
    "free_space_instruction_sets", "item_and_blade", "placements", "placements_mask", "placements_planes",
    "rotated_rectangle", "use_free_space_instruction_set", "window_minima", "window_sums",
]  # fmt: skip

Occupancy = NDArray[np.uint8] | NDArray[np.bool_] | BitGrid
ByteArray = NDArray[np.uint8]
CostArray = NDArray[np.float32]

count = count_placements


@dataclass(frozen=True, kw_only=True)
class Place:
    """A free place of a shape."""

    y: int
    x: int
    cost: float


def best_places(
    occupancy: Occupancy, shape: tuple[int, int] | Mask, cost: CostArray, *, k: int, separation_px: int = 1
) -> list[Place]:
    """Find the k free places of least cost.

    Args:
        occupancy: image or ``BitGrid`` (H, W).
        shape: height and width of a rectangle in pixels, or a ``Mask``.
        cost: float32, one value per place (see ``window_sums`` and ``window_minima``); infinity is allowed.
        k: longest list returned, at least 1.
        separation_px: no two places are closer than this in both y and x; 1 allows neighbours.

    Returns:
        Best first; of equal ones the upper, then the left. Empty where the shape does not fit anywhere.
    """
    grid = occupancy if isinstance(occupancy, BitGrid) else BitGrid(occupancy)
    free = grid.placements_mask(shape) if isinstance(shape, Mask) else grid.placements(*shape)
    places, costs = free.best(cost, k, separation_px)
    return [Place(y=int(y), x=int(x), cost=float(c)) for (y, x), c in zip(places, costs, strict=True)]


def best(occupancy: Occupancy, shape: tuple[int, int] | Mask, cost: CostArray) -> Place | None:
    """Return the free place of least cost, or None where the shape does not fit anywhere; see ``best_places``."""
    found = best_places(occupancy, shape, cost, k=1)
    return found[0] if found else None


def placements_planes(depth_m: NDArray[np.float32], need_m: Sequence[float], h: int, w: int) -> ByteArray:
    """Return where a rectangle fits at several depths at once.

    Args:
        depth_m: free depth behind each pixel, float32 (H, W) [m]; 0 and NaN are unknown and count as occupied.
        need_m: depths needed, each above 0 [m].
        h: height of the rectangle [px].
        w: width of the rectangle [px].

    Returns:
        uint8 (len(need_m), H - h + 1, W - w + 1), 1 = every pixel of the rectangle is at least that deep.
    """
    planes = depth_planes(depth_m, need_m)
    if not planes:
        raise PerceptionError("need_m: got no depth, needs at least one; name the depth that the item needs")
    return np.stack([placements(plane, h, w) for plane in planes])


def rotated_rectangle(h: float, w: float, angle_rad: float) -> Mask:
    """Return the mask of a rectangle turned counter-clockwise by an angle: all pixels whose middle it covers.

    Args:
        h: height before turning [px], at least 1.
        w: width before turning [px], at least 1.
        angle_rad: any angle [rad].
    """
    if not (h >= 1.0 and w >= 1.0 and np.isfinite([h, w, angle_rad]).all()):
        raise PerceptionError(
            f"rotated rectangle: got h {h} px, w {w} px, angle {angle_rad} rad; sides must be at least 1, all finite"
        )
    cosine, sine = np.cos(angle_rad), np.sin(angle_rad)
    half_y = int(np.ceil((abs(h * cosine) + abs(w * sine)) / 2))
    half_x = int(np.ceil((abs(w * cosine) + abs(h * sine)) / 2))
    y, x = np.mgrid[-half_y : half_y + 1, -half_x : half_x + 1]
    along, across = x * cosine - y * sine, x * sine + y * cosine
    inside = (np.abs(along) <= w / 2) & (np.abs(across) <= h / 2)
    rows, cols = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    return Mask(np.ascontiguousarray(inside[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1]))


def item_and_blade(item: tuple[int, int], blade: tuple[int, int], lip: tuple[int, int] = (0, 0)) -> Mask:
    """Return the mask of an item in the paddles with the blade below it: all three centred one under the other.

    Args:
        item: height and width of the item [px].
        blade: height and width of the blade, which sticks out under the item [px].
        lip: height and width of the gripper's lip across the item's lower edge [px]; it counts from that edge down.
    """
    sizes = {"item": item, "blade": blade, "lip": lip}
    for name, (h, w) in sizes.items():
        if h < 0 or w < 0 or (name == "item" and min(h, w) < 1):
            raise PerceptionError(
                f"{name}: got {h} x {w} pixels (h x w), must not be negative, the item at least 1 x 1"
            )
    width = max(w for _, w in sizes.values())
    pixels = np.zeros((item[0] + max(blade[0], lip[0]), width), np.bool_)
    for name, (h, w) in sizes.items():
        top, left = 0 if name == "item" else item[0], (width - w) // 2
        pixels[top : top + h, left : left + w] = True
    return Mask(pixels)
