"""Fused volumes and places in them: against rendered boxes, and against searches that try everything one by one."""

from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podhand.core.errors import PerceptionError
from podhand.core.ports import DepthFrame
from podhand.core.poses import inverse, pose, rotation_rpy
from podhand.perception.fitting import Fit, fit_item, gap_m, orientations
from podhand.perception.free_boxes import free_boxes, volume_m3
from podhand.perception.fusion import Volume, cleaned, fuse
from podhand.perception.occupancy import FREE, OCCUPIED, UNKNOWN
from podhand.perception.placements import blocked_sums, free_places
from podhand.perception.scene_pictures import draw_free_space
from tests.unit.synthetic_bin import SIZE_M, Box, Scene, look_at, make_scene, render, shell, standing

VOXEL = 0.004


def volume_of(states: np.ndarray) -> Volume:
    """A volume without cameras."""
    size = (states.shape[0] * VOXEL, states.shape[1] * VOXEL, states.shape[2] * VOXEL)
    return Volume(states=states.astype(np.uint8), voxel_m=VOXEL, size_m=size, frames=(), X_bin_cameras=(),
                  looked_through=())  # fmt: skip


def look(scene: Scene) -> Volume:
    return fuse(scene.frames, scene.X_world_bin, SIZE_M)


def random_states(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.choice([FREE, OCCUPIED, UNKNOWN], size=rng.integers(2, 12, 3), p=[0.93, 0.05, 0.02]).astype(np.uint8)


def corner(volume: Volume, fit: Fit, n: int) -> np.ndarray:
    """Lowest corner of a place in whole voxels."""
    place = fit.placements[n]
    b = np.ceil(place.size_m[1] / VOXEL - 1e-6) * VOXEL
    low = place.X_bin_item[:3, 3] - np.array([place.size_m[0], b, place.size_m[2]]) / 2 - volume.low_corner_m
    return np.round(low / VOXEL).astype(int)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), voxels=st.tuples(*[st.integers(1, 5)] * 3))
def test_an_item_fits_exactly_where_a_search_one_by_one_says(seed: int, voxels: tuple[int, int, int]) -> None:
    states = random_states(seed)
    volume = volume_of(states)
    item = (voxels[0] * VOXEL, voxels[1] * VOXEL, voxels[2] * VOXEL)
    if not any((np.array(o) <= np.array(volume.size_m) + 1e-9).all() for o in orientations(item)):
        with pytest.raises(PerceptionError, match="larger than the bin"):
            fit_item(volume, item)
        return
    fit = fit_item(volume, item)
    table, free_anywhere = blocked_sums(states), False
    for size in orientations(item):
        free_anywhere |= bool(free_places(table, tuple(round(s / VOXEL) for s in size)).any())  # type: ignore[arg-type]
    assert not fit.fits or free_anywhere
    # A place on the floor needs no support: it must be found.
    for size in orientations(item):
        on_floor = free_places(table, tuple(round(s / VOXEL) for s in size))[:, :, :1]  # type: ignore[arg-type]
        assert fit.fits or not on_floor.any()
    for n, place in enumerate(fit.placements):
        i, j, k = corner(volume, fit, n)
        a, b, c = (round(s / VOXEL) for s in place.size_m)
        assert (states[i : i + a, j : j + b, k : k + c] == FREE).all()
        assert place.clearance_m == pytest.approx(clearance_one_by_one(states, (i, j, k), (a, b, c)), abs=1e-6)
        assert 0.0 <= place.score <= 1.0
    assert [p.score for p in fit.placements] == sorted((p.score for p in fit.placements), reverse=True)


def clearance_one_by_one(states: np.ndarray, low: tuple[int, int, int], size: tuple[int, int, int]) -> float:
    """Distance to the nearest not free voxel at the item's heights, and the free height over it."""
    (i, j, k), (a, b, c), (nx, ny, nz) = low, size, states.shape
    least = np.inf
    for level in range(k, k + c):
        blocked = [(x, y) for x, y in product(range(nx), range(ny)) if states[x, y, level] != FREE]
        # Walls: a ring of voxels around the bin, but for the opening.
        blocked += [(nx, y) for y in range(-1, ny + 1)]
        blocked += [(x, y) for x in range(nx) for y in (-1, ny)]
        for x, y in blocked:
            dx = max(i - x, x - (i + a - 1), 0)
            dy = max(j - y, y - (j + b - 1), 0)
            least = min(least, np.hypot(dx, dy) - 1.0)
    over = 0
    while k + c + over < nz and (states[i : i + a, j : j + b, k + c + over] == FREE).all():
        over += 1
    return VOXEL * min(max(least, 0.0), over)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_free_boxes_are_free_and_do_not_overlap(seed: int) -> None:
    rng = np.random.default_rng(seed)
    states = np.zeros((30, 30, 30), np.uint8)
    for _ in range(int(rng.integers(0, 5))):
        low = rng.integers(0, 26, 3)
        high = low + rng.integers(1, 16, 3)
        states[low[0] : high[0], low[1] : high[1], low[2] : high[2]] = rng.integers(1, 3)
    volume = volume_of(states)
    taken = np.zeros(states.shape, bool)
    boxes = free_boxes(volume)
    for box in boxes:
        low = np.round((np.array(box.min_m) - volume.low_corner_m) / VOXEL).astype(int)
        high = np.round((np.array(box.max_m) - volume.low_corner_m) / VOXEL).astype(int)
        inside = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        assert (states[inside] == FREE).all()
        assert not taken[inside].any()
        taken[inside] = True
    if boxes:
        assert volume_m3(boxes[0]) >= 0.99 * coarse_largest_m3(states == FREE)


def coarse_largest_m3(free: np.ndarray) -> float:
    """The largest box on a grid of twice the voxels, by summed volumes, every box tried."""
    coarse = free.reshape(15, 2, 15, 2, 15, 2).all(axis=(1, 3, 5))
    table = blocked_sums(np.where(coarse, FREE, OCCUPIED).astype(np.uint8))
    best = 0
    for a, b, c in product(range(4, 16), repeat=3):
        if a * b * c > best and free_places(table, (a, b, c)).any():
            best = a * b * c
    return best * (2 * VOXEL) ** 3


def test_an_empty_bin_is_one_free_box() -> None:
    volume = look(make_scene([], 1, errors=0.0))
    assert volume.share(FREE) > 0.93
    assert volume_m3(free_boxes(volume)[0]) > 0.85 * np.prod(SIZE_M)
    fit = fit_item(volume, (0.30, 0.24, 0.20))
    assert fit.fits
    assert "on the floor" in fit.reason


def row_with_gap(gap_m: float) -> list[Box]:
    """Two boxes that leave one gap of the bin's full height, +20 mm left of the middle."""
    half = SIZE_M[1] / 2
    low, high = 0.02 - gap_m / 2, 0.02 + gap_m / 2
    tall = {"depth_m": 0.20, "height_m": 0.275, "front_m": 0.004}
    return [standing(y_low_m=-half, width_m=low + half, **tall), standing(y_low_m=high, width_m=half - high, **tall)]


@pytest.mark.parametrize(("gap", "width", "fits"), [(0.07, 0.05, True), (0.07, 0.08, False), (0.05, 0.03, True)])
def test_a_gap_takes_what_is_narrower(gap: float, width: float, fits: bool) -> None:
    fit = fit_item(look(make_scene(row_with_gap(gap), 2, errors=0.0)), (0.14, width, 0.14))
    assert fit.fits is fits
    for place in fit.placements:
        assert abs(place.X_bin_item[1, 3] - 0.02) <= (gap - place.size_m[1]) / 2 + 0.004
    if not fits:
        assert "too wide" in fit.reason
        assert "the widest gap is" in fit.reason
        found = float(fit.reason.split("the widest gap is ")[1].split(" mm")[0])
        assert 1e3 * gap - 12 <= found <= 1e3 * gap + 4


def test_errors_of_calibration_cost_room_but_nothing_is_called_free_that_is_not() -> None:
    for seed in range(4):
        scene = make_scene(row_with_gap(0.07), seed, errors=1.0)
        volume = fuse(scene.frames, scene.X_world_bin_nominal, SIZE_M)
        X_true_nominal = inverse(scene.X_world_bin) @ scene.X_world_bin_nominal
        for place in fit_item(volume, (0.12, 0.04, 0.08)).placements:
            middle = (X_true_nominal @ place.X_bin_item)[:3, 3]
            for box in scene.items:
                reach = np.add(box.size_m, place.size_m) / 2 - np.abs(middle - np.array(box.centre_m))
                # Three cameras off by up to 3 mm and 0.3 degrees each, a bin off by 5 mm and 1 degree.
                assert reach.min() < 0.010, (seed, box, place)


def test_what_lies_on_a_box_stands_and_nothing_hangs() -> None:
    low = standing(y_low_m=-0.15, width_m=0.30, depth_m=0.38, height_m=0.10, front_m=0.004)
    fit = fit_item(look(make_scene([low], 3, errors=0.0, with_bands=False)), (0.1, 0.1, 0.1))
    assert fit.fits
    bottoms = [p.X_bin_item[2, 3] - p.size_m[2] / 2 for p in fit.placements]
    assert min(bottoms) > 0.097
    assert max(bottoms) < 0.12
    states = np.zeros((40, 40, 40), np.uint8)
    states[:, :, 0] = UNKNOWN
    assert not fit_item(volume_of(states[:, :, :20] | UNKNOWN * (np.arange(20) < 6)), (0.04, 0.04, 0.04)).fits


def test_mid_air_and_unseen_are_told_apart() -> None:
    states = np.zeros((30, 30, 30), np.uint8)
    states[:, :, :8] = UNKNOWN
    assert "nothing that would carry it" in fit_item(volume_of(states), (0.06, 0.06, 0.06)).reason
    states[:, :, :] = UNKNOWN
    states[:4] = FREE
    reason = fit_item(volume_of(states), (0.06, 0.06, 0.06)).reason
    assert "it could fit only where no camera looked: 87 % of the bin was not seen" in reason
    assert "too deep" in reason
    assert "the free way inwards is 16 mm" in reason


def test_too_tall_says_how_tall() -> None:
    low = standing(y_low_m=-0.15, width_m=0.30, depth_m=0.39, height_m=0.18, front_m=0.002)
    reason = fit_item(look(make_scene([low], 3, errors=0.0)), (0.25, 0.25, 0.12)).reason
    assert "too tall" in reason
    found = float(reason.split("the free height is ")[1].split(" mm")[0])
    assert 80 <= found <= 104


def test_places_of_one_answer_are_in_different_gaps_first() -> None:
    states = np.zeros((30, 60, 20), np.uint8)
    states[:, 20:26] = OCCUPIED
    states[:, 44:48] = OCCUPIED
    fit = fit_item(volume_of(states), (0.03, 0.03, 0.03))
    assert {int(np.digitize(p.X_bin_item[1, 3], [-0.03, 0.06])) for p in fit.placements} == {0, 1, 2}
    assert gap_m(fit.placements[0], fit.placements[0]) < 0.0


def test_bands_leave_no_trace() -> None:
    with_bands, without = (look(make_scene(row_with_gap(0.08), 5, errors=0.0, with_bands=b)) for b in (True, False))
    assert abs(with_bands.share(FREE) - without.share(FREE)) < 0.01
    assert abs(with_bands.share(OCCUPIED) - without.share(OCCUPIED)) < 0.005


def views(scene: Scene, count: int, phantom_in: tuple[int, ...]) -> list[DepthFrame]:
    """Views of an empty bin, side by side; some see a plate that is not there."""
    K, frames = scene.frames[0].K, []
    plate = Box(centre_m=(0.15, 0.0, 0.10), size_m=(0.002, 0.06, 0.06))
    for n in range(count):
        X_bin_camera = look_at((-0.6, 0.05 * (n - count / 2), 0.25), (0.15, 0.0, 0.11))
        depth = render([*shell(), *([plate] if n in phantom_in else [])], X_bin_camera, K)
        frames.append(DepthFrame(depth_m=depth.astype(np.float32), K=K, X_world_camera=X_bin_camera, name=f"view {n}"))
    return frames


def test_what_one_view_sees_and_four_look_through_is_a_mistake_of_that_view() -> None:
    scene = make_scene([], 1)
    shares = [fuse(views(scene, 5, seen), np.eye(4), SIZE_M).share(OCCUPIED) for seen in ((), (2,), (1, 2))]
    assert shares[1] - shares[0] < 1e-4
    assert shares[2] - shares[0] > 2e-4
    alone = fuse(views(scene, 4, (2,)), np.eye(4), SIZE_M).share(OCCUPIED)
    assert alone - shares[0] > 2e-4


def test_cleaning_removes_strays_and_fills_small_holes() -> None:
    depth = np.full((30, 30), 0.6, np.float32)
    depth[::3] = 0.0
    depth[16, 16] = 0.4
    depth[:, 20:] = 0.8
    out = cleaned(depth)
    assert out[16, 16] == 0.0
    assert (out[:, 4:13] > 0.59).all()
    edge = out[:, 17:23]
    assert set(np.unique(np.round(edge[edge > 0.0], 3))) == {np.float32(0.6), np.float32(0.8)}


def test_signed_distance_is_the_distance_to_the_border_of_the_free() -> None:
    states = np.zeros((20, 21, 22), np.uint8)
    states[8:12, 8:12, 8:12] = OCCUPIED
    volume = volume_of(states)
    field = volume.signed_distance_m / VOXEL
    assert field[7, 10, 10] == pytest.approx(0.5)
    assert field[4, 10, 10] == pytest.approx(3.5)
    assert field[8, 10, 10] == pytest.approx(-0.5)
    assert field[0, 10, 10] == pytest.approx(7.5)  # the opening is no border
    assert field[19, 10, 10] == pytest.approx(0.5)


def test_large_bins_get_larger_voxels() -> None:
    scene = make_scene([], 1)
    volume = fuse(scene.frames, scene.X_world_bin, (0.4, 1.9, 1.9))
    assert volume.voxel_m > 0.010
    assert fit_item(volume, (0.05, 0.05, 0.05)) is not None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"depth_m": np.zeros((240, 320), np.float32)}, "not one of its 76800 depth pixels is known"),
        ({"depth_m": np.zeros((240, 320, 3), np.float32)}, r"must be an image \(h, w\)"),
        ({"depth_m": np.full((240, 320), 700.0, np.float32)}, "depth unit"),
        ({"K": np.eye(4)}, r"K must be a finite \(3, 3\)"),
        ({"X_world_camera": np.diag([1.0, 1.0, -1.0, 1.0])}, "must be rigid.*determinant -1"),
        ({"X_world_camera": np.diag([1.1, 1.1, 1.1, 1.0])}, "must be rigid.*off by 0.21"),
        ({"X_world_camera": np.full((4, 4), np.nan)}, "must be a finite"),
    ],
    ids=["nothing known", "colour", "millimetres", "K", "left-handed", "scaled", "not finite"],
)
def test_frames_that_cannot_be_used(change: dict[str, np.ndarray], words: str) -> None:
    scene = make_scene([], 1)
    frames = [scene.frames[0], replace(scene.frames[1], **change)]  # type: ignore[arg-type]
    with pytest.raises(PerceptionError, match=words):
        fuse(frames, scene.X_world_bin, SIZE_M)


def test_bins_that_cannot_be_used() -> None:
    scene = make_scene([], 1)
    with pytest.raises(PerceptionError, match="no depth frames"):
        fuse([], scene.X_world_bin, SIZE_M)
    for size in ((0.4, 0.0, 0.28), (0.4, 0.3, np.nan), (400.0, 300.0, 280.0)):
        with pytest.raises(PerceptionError, match="bin_size_m must be within"):
            fuse(scene.frames, scene.X_world_bin, size)
    behind = scene.X_world_bin @ pose(rotation_rpy(0.0, 0.0, np.pi), (-3.0, 0.0, 0.0))
    with pytest.raises(PerceptionError, match="no frame shows the inside of the bin"):
        fuse(scene.frames, behind, SIZE_M)


@pytest.mark.parametrize("item", [(0.0, 0.1, 0.1), (-0.1, 0.1, 0.1), (np.nan, 0.1, 0.1)])
def test_items_that_are_none(item: tuple[float, float, float]) -> None:
    with pytest.raises(PerceptionError, match="three sides above 0"):
        fit_item(volume_of(np.zeros((20, 20, 20), np.uint8)), item)


def test_a_picture_is_small_and_shows_the_answer(tmp_path: Path) -> None:
    volume = look(make_scene(row_with_gap(0.07), 2, errors=0.0))
    for name, item in (("fits", (0.2, 0.05, 0.2)), ("not", (0.2, 0.2, 0.2))):
        path = draw_free_space(volume, free_boxes(volume), fit_item(volume, item), item, tmp_path / f"{name}.png")
        assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
        assert path.stat().st_size < 150_000
