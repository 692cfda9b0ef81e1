"""The bin model on rendered boxes: registration within errors, gaps and blocks against the truth, refusals."""

from dataclasses import replace

import numpy as np
import pytest

from podhand.core.errors import PerceptionError
from podhand.core.poses import inverse, pose, rotation_rpy, rotation_vector
from podhand.perception.bin_model import BinModel, estimate_bin
from podhand.perception.occupancy import FREE, OCCUPIED
from podhand.perception.pictures import draw_bin_model
from tests.unit.synthetic_bin import SIZE_M, Box, Scene, make_scene, random_row, standing


def look(scene: Scene) -> BinModel:
    return estimate_bin(scene.frames, scene.X_world_bin_nominal, SIZE_M)


def true_gaps(items: list[Box], depth_m: float) -> list[tuple[float, float]]:
    y, gaps = -SIZE_M[1] / 2, []
    for box in sorted(items, key=lambda b: b.y_low_m):
        if box.centre_m[0] - box.size_m[0] / 2 < depth_m:
            if box.y_low_m - y > 0.008:
                gaps.append((y, box.y_low_m))
            y = max(y, box.y_high_m)
    return [*gaps, (y, SIZE_M[1] / 2)] if SIZE_M[1] / 2 - y > 0.008 else gaps


def test_registration_and_gaps_over_seeds() -> None:
    shifts, turns, edges, missed = [], [], [], 0
    for seed in range(12):
        items = random_row(np.random.default_rng(seed))
        scene = make_scene(items, seed)
        model = look(scene)
        error = inverse(scene.X_world_bin) @ model.X_world_bin
        shifts.append(error[:3, 3])
        turns.append(np.rad2deg(rotation_vector(error[:3, :3])))
        found = model.gaps(depth_m=0.2, height_m=0.12)
        for low, high in true_gaps(items, 0.2):
            near = [g for g in found if min(g.y_high_m, high) - max(g.y_low_m, low) > 0.0]
            missed += not near
            edges += [v for g in near[:1] for v in (g.y_low_m - low, g.y_high_m - high)]
    # What remains is the mean of three cameras' errors: ± 3 mm and ± 0.3 deg each at 0.7 m.
    assert np.sqrt(np.mean(np.square(shifts), axis=0)).max() < 0.002
    assert np.abs(shifts).max() < 0.005
    assert np.abs(turns).max() < 0.5
    assert missed <= 1
    assert np.sqrt(np.mean(np.square(edges))) < 0.002
    assert np.percentile(np.abs(edges), 95) < 0.004


def test_without_errors_the_bin_is_found_to_a_fraction_of_a_millimetre() -> None:
    scene = make_scene([standing(y_low_m=-0.03, width_m=0.05, depth_m=0.2, height_m=0.15)], errors=0.0, noise_m=0.0005)
    error = inverse(scene.X_world_bin) @ look(scene).X_world_bin
    assert np.abs(error[:3, 3]).max() < 0.0005
    assert np.abs(rotation_vector(error[:3, :3])).max() < 0.001


def test_a_block_is_measured() -> None:
    model = look(make_scene([standing(y_low_m=-0.03, width_m=0.06, depth_m=0.15, height_m=0.12, front_m=0.03)], 3))
    (block,) = model.layout(depth_m=0.2, height_m=0.15).blocks
    assert block.y_low_m == pytest.approx(-0.03, abs=0.003)
    assert block.y_high_m == pytest.approx(0.03, abs=0.003)
    assert block.front_x_m == pytest.approx(0.03, abs=0.006)
    assert block.back_x_m == pytest.approx(0.18, abs=0.025)
    assert block.top_z_m == pytest.approx(0.12, abs=0.010)
    assert block.volume_m3 == pytest.approx(0.06 * 0.15 * 0.12, rel=0.25)
    assert block.seen


def test_what_is_hidden_behind_a_front_belongs_to_it() -> None:
    model = look(make_scene([standing(y_low_m=-0.05, width_m=0.10, depth_m=0.10, height_m=0.24)], 1))
    columns = slice(25, 35)
    assert (model.occupancy[30, columns, 3:30] == OCCUPIED).mean() > 0.95
    assert (model.occupancy[:60, 45:55, 3:30] == FREE).mean() > 0.95


def test_free_space_of_an_empty_bin_is_the_bin() -> None:
    space = look(make_scene([], 2)).free_space(depth_m=0.3, height_m=0.2)
    assert space.widest_m == pytest.approx(0.30, abs=0.002)
    assert space.sum_width_m == space.widest_m
    assert space.boxes[0].max_m[0] >= 0.3


def test_bands_leave_no_trace() -> None:
    items = [standing(y_low_m=-0.08, width_m=0.05, depth_m=0.2, height_m=0.18, front_m=0.02)]
    with_bands, without = (look(make_scene(items, 5, with_bands=b)) for b in (True, False))
    assert (with_bands.occupancy[:4] == OCCUPIED).sum() <= (without.occupancy[:4] == OCCUPIED).sum() + 5
    a, b = (m.gaps(depth_m=0.2, height_m=0.15) for m in (with_bands, without))
    assert [round(1e3 * g.width_m) for g in a] == pytest.approx([round(1e3 * g.width_m) for g in b], abs=3)


def test_same_frames_give_the_same_model() -> None:
    scene = make_scene(random_row(np.random.default_rng(4)), 4)
    first, second = look(scene), look(scene)
    assert np.array_equal(first.occupancy, second.occupancy)
    assert np.array_equal(first.X_world_bin, second.X_world_bin)


@pytest.mark.parametrize(
    "error", [pose(None, (0.0, 0.0, -0.06)), pose(None, (0.03, 0.0, 0.0)), pose(rotation_rpy(0.0, 0.0, 0.14))]
)
def test_a_bin_far_from_its_place_is_refused(error: np.ndarray) -> None:
    scene = make_scene([standing(y_low_m=-0.05, width_m=0.05, depth_m=0.2, height_m=0.1)], 6)
    with pytest.raises(PerceptionError, match=r"bin (not recognised|found)"):
        estimate_bin(scene.frames, scene.X_world_bin_nominal @ error, SIZE_M)


def test_cameras_that_look_elsewhere_are_refused() -> None:
    scene = make_scene([], 7)
    frames = [replace(f, depth_m=np.full_like(f.depth_m, 0.3)) for f in scene.frames]
    with pytest.raises(PerceptionError, match="bin not recognised"):
        estimate_bin(frames, scene.X_world_bin_nominal, SIZE_M)


def test_wrong_input_is_refused_in_words() -> None:
    scene = make_scene([], 8)
    with pytest.raises(PerceptionError, match="no depth frames"):
        estimate_bin([], scene.X_world_bin_nominal, SIZE_M)
    with pytest.raises(PerceptionError, match="bin size must be"):
        estimate_bin(scene.frames, scene.X_world_bin_nominal, (0.4, 0.0, 0.28))
    dark = replace(scene.frames[1], depth_m=np.zeros_like(scene.frames[1].depth_m))
    with pytest.raises(PerceptionError, match=r"camera left: 0\.0 %"):
        estimate_bin([scene.frames[0], dark], scene.X_world_bin_nominal, SIZE_M)


def test_one_camera_is_enough_to_try() -> None:
    scene = make_scene([standing(y_low_m=-0.03, width_m=0.05, depth_m=0.2, height_m=0.15)], 9)
    model = estimate_bin(scene.frames[:1], scene.X_world_bin_nominal, SIZE_M)
    assert len(model.gaps(depth_m=0.2, height_m=0.15)) == 2


def test_a_picture_is_written(tmp_path: object) -> None:
    path = draw_bin_model(look(make_scene([], 10)), None, f"{tmp_path}/bin.png")
    assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
