"""Free space in real frames: some views are fused, others held out to catch what was called free and is not.

The bin: a hardcover leans on the left wall, a tissue box stands at the back, a flat bag of chenille stems lies in front
of the right wall, against which a second book leans. Metal floor and glossy box mirror: some views see surfaces that
are not there.
"""

from functools import cache

import numpy as np
import pytest

from podhand.app.rgbd_folder import read_rgbd_folder, scene_of_folder
from podhand.app.scene_file import Scene
from podhand.core.errors import PerceptionError
from podhand.core.ports import DepthFrame
from podhand.core.poses import FloatArray, inverse
from podhand.perception.bin_search import find_bin
from podhand.perception.fitting import fit_item
from podhand.perception.frames import back_project
from podhand.perception.free_boxes import free_boxes, volume_m3
from podhand.perception.fusion import Volume, fuse
from podhand.perception.placements import Placement
from tests.unit import real_shelf

FOLDER = real_shelf.folder()
pytestmark = pytest.mark.skipif(FOLDER is None, reason=real_shelf.NEEDS)

ITEMS_M = [
    (0.03, 0.03, 0.03), (0.05, 0.05, 0.05), (0.12, 0.04, 0.035), (0.15, 0.10, 0.06), (0.10, 0.10, 0.10),
    (0.20, 0.13, 0.05), (0.20, 0.15, 0.08), (0.25, 0.18, 0.03), (0.08, 0.08, 0.24), (0.30, 0.20, 0.06),
]  # fmt: skip
SPLITS = {
    "even views": (0, 2, 4, 6, 8),
    "odd views": (1, 3, 5, 7, 9),
    "from low down": (0, 1, 2, 3, 4),
    "three views": (0, 4, 7),
}
TOLERANCE_M = 0.005
SAME_M = 0.010


@cache
def scene() -> Scene:
    assert FOLDER is not None
    return scene_of_folder(FOLDER)


@cache
def whole() -> Volume:
    return fuse(scene().frames, scene().X_world_bin, scene().size_m)


@cache
def points_m(n: int) -> FloatArray:
    """Every known pixel of a view that lies in or near the bin, as it was recorded; bin frame."""
    X, size = inverse(scene().X_world_bin), scene().size_m
    p = back_project(scene().frames[n]) @ X[:3, :3].T + X[:3, 3]
    inside = (p[:, 0] > 0.0) & (p[:, 0] < size[0]) & (np.abs(p[:, 1]) < size[1] / 2) & (p[:, 2] > 0.0)
    return p[inside & (p[:, 2] < size[2])]


def is_real(p_bin_m: FloatArray, others: list[DepthFrame]) -> np.ndarray:
    """Not real is what two other views look through, and not half as many see: mirror images and flying pixels."""
    p_world = p_bin_m @ scene().X_world_bin[:3, :3].T + scene().X_world_bin[:3, 3]
    seen, passed = np.zeros(len(p_world), int), np.zeros(len(p_world), int)
    for frame in others:
        Y = inverse(frame.X_world_camera)
        q = p_world @ Y[:3, :3].T + Y[:3, 3]
        u, v = np.round((q @ frame.K.T)[:, :2] / q[:, 2:]).astype(int).T
        gaps = []
        for dv in range(-2, 3):
            for du in range(-2, 3):
                ok = (q[:, 2] > 0.0) & (v + dv >= 0) & (v + dv < 480) & (u + du >= 0) & (u + du < 640)
                depth = frame.depth_m[np.clip(v + dv, 0, 479), np.clip(u + du, 0, 639)]
                gaps.append(np.where(ok & (depth > 0.0), depth - q[:, 2], np.nan))
        gap, known = np.array(gaps), np.isfinite(gaps)
        passed += known.any(axis=0) & ~(known & (gap <= SAME_M)).any(axis=0)
        seen += (known & (np.abs(gap) < SAME_M)).any(axis=0)
    return ~((passed >= 2) & (passed > 2 * seen))


def inside(place: Placement, p: FloatArray) -> np.ndarray:
    return np.asarray((np.abs(p - place.X_bin_item[:3, 3]) < np.array(place.size_m) / 2 - TOLERANCE_M).all(axis=1))


@pytest.mark.parametrize("fused", SPLITS.values(), ids=SPLITS.keys())
def test_places_hold_no_surface_of_the_views_held_out(fused: tuple[int, ...]) -> None:
    held = [n for n in range(10) if n not in fused]
    volume = fuse([scene().frames[n] for n in fused], scene().X_world_bin, scene().size_m)
    places, wrong = 0, []
    for item in ITEMS_M:
        for place in fit_item(volume, item).placements:
            places += 1
            for n in held:
                p = points_m(n)
                p = p[inside(place, p)]
                if len(p) and is_real(p, [scene().frames[m] for m in held if m != n]).any():
                    wrong.append((item, n, len(p), np.round(p.mean(axis=0), 3).tolist()))
    assert places > 30
    assert not wrong


def test_the_test_can_fail() -> None:
    """A place through the tissue box is caught by the held-out views."""
    X_bin_item = np.eye(4)
    X_bin_item[:3, 3] = (0.28, 0.02, 0.06)
    place = Placement(X_bin_item=X_bin_item, size_m=(0.06, 0.06, 0.06), clearance_m=0.0, score=0.0)
    caught = [
        n for n in range(10) if is_real(p := points_m(n)[inside(place, points_m(n))], others(n)).sum() > 50 and len(p)
    ]
    assert len(caught) >= 5


def others(n: int) -> list[DepthFrame]:
    return [frame for m, frame in enumerate(scene().frames) if m != n]


NAMED_GAPS = {
    # What a person names, the item put there, and where its middle must be: x, y, z ranges in the bin frame [m].
    "on the floor between the left book and the bag": ((0.10, 0.05, 0.05), ((0.05, 0.22), (0.0, 0.08), (0.0, 0.07))),
    "tall, in the same gap": ((0.20, 0.13, 0.05), ((0.05, 0.22), (-0.01, 0.08), (0.05, 0.13))),
    "on the tissue box": ((0.10, 0.08, 0.06), ((0.24, 0.40), (-0.06, 0.10), (0.13, 0.22))),
    "on the bag of stems": ((0.06, 0.06, 0.06), ((0.0, 0.22), (-0.13, -0.04), (0.05, 0.10))),
    "behind the bag, right of the tissue box": ((0.06, 0.06, 0.10), ((0.25, 0.40), (-0.14, -0.03), (0.03, 0.10))),
}


@pytest.mark.parametrize(("item", "where"), NAMED_GAPS.values(), ids=NAMED_GAPS.keys())
def test_gaps_that_a_person_names_are_found(
    item: tuple[float, float, float], where: tuple[tuple[float, float], ...]
) -> None:
    middles = [place.X_bin_item[:3, 3] for place in fit_item(whole(), item).placements]
    assert any(all(low < m < high for m, (low, high) in zip(p, where, strict=True)) for p in middles), np.round(
        middles, 3
    )


def test_the_room_over_everything_is_the_largest_free_box() -> None:
    boxes = free_boxes(whole())
    size = np.subtract(boxes[0].max_m, boxes[0].min_m)
    assert size[0] > 0.20
    assert size[1] > 0.15
    assert boxes[0].max_m[2] > 0.20
    assert 0.4 < sum(volume_m3(box) for box in boxes) / np.prod(scene().size_m) < 0.8


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ((0.15, 0.15, 0.15), "too wide"),
        ((0.29, 0.24, 0.06), "nothing that would carry it"),
        ((0.30, 0.20, 0.06), "the free way inwards is"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_reason(item: tuple[float, float, float], words: str) -> None:
    fit = fit_item(whole(), item)
    assert not fit.fits
    assert words in fit.reason
    assert "was not seen" in fit.reason


def test_an_item_wider_than_the_shelf_is_an_error() -> None:
    with pytest.raises(PerceptionError, match="300 × 300 × 60 mm is larger than the bin"):
        fit_item(whole(), (0.30, 0.30, 0.06))


def test_the_bin_is_found_in_the_depth() -> None:
    assert FOLDER is not None
    frames, X_rough = read_rgbd_folder(FOLDER)
    X_all, size_all = find_bin(frames, X_rough)
    assert size_all == pytest.approx((0.414, 0.295, 0.252), abs=0.004)
    for chosen in (frames[::2], frames[1::2], [frames[2], frames[7]]):
        X, size = find_bin(chosen, X_rough)
        assert size == pytest.approx(size_all, abs=0.006)
        assert np.abs(inverse(X_all) @ X - np.eye(4)).max() < 0.005
    with pytest.raises(PerceptionError, match="cannot be seen"):
        find_bin(frames, X_rough @ np.array([[1, 0, 0, 3.0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]))


def test_one_view_is_enough_to_try() -> None:
    volume = fuse([scene().frames[7]], scene().X_world_bin, scene().size_m)
    assert fit_item(volume, (0.10, 0.05, 0.05)).fits
    assert volume.share(2) > whole().share(2)
