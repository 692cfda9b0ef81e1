import numpy as np
import pytest

from podhand.core.poses import inverse
from podhand.sim.faults import FaultKind
from podhand.sim.rays import BAND, cast, pixel_rays
from podhand.sim.workcell import SimWorkcell
from podhand.sim.world import World
from tests.sim.sim_rig import Rig


def test_camera_sees_the_back_wall_and_the_floor_where_they_are() -> None:
    workcell = SimWorkcell(World.standard(6))
    camera = workcell.cameras[0]
    depth = camera.true_depth_m()
    v, u = np.indices(depth.shape)
    pixels = np.stack([u, v, np.ones_like(u)], axis=-1) @ np.linalg.inv(camera.K).T
    points = (pixels * depth[..., None]).reshape(-1, 3)
    X = inverse(workcell.scene.X_world_bin) @ camera.X_world_camera_true
    p = points @ X[:3, :3].T + X[:3, 3]
    inside = (np.abs(p[:, 1]) < 0.14) & (p[:, 0] > 0.01)
    floor = p[inside & (np.abs(p[:, 2]) < 0.004)]
    assert len(floor) > 200
    assert np.abs(floor[:, 2]).max() < 1e-6 or np.abs(np.median(floor[:, 2])) < 1e-6
    back = p[inside & (np.abs(p[:, 0] - 0.40) < 0.004) & (p[:, 2] > 0.01) & (p[:, 2] < 0.27)]
    if len(back):
        assert np.abs(np.median(back[:, 0]) - 0.40) < 1e-6


def test_frames_have_noise_and_holes_and_a_believed_place() -> None:
    workcell = SimWorkcell(World.standard(6))
    camera = workcell.cameras[1]
    true, frame = camera.true_depth_m(), camera.capture()
    assert frame.depth_m.dtype == np.float32
    assert frame.depth_m.shape == (240, 320)
    known = frame.depth_m > 0
    in_range = (true > 0.2) & (true < 2.0)
    assert 0.97 < known[in_range].mean() < 0.995
    error = frame.depth_m[known] - true[known]
    assert 0.0004 < float(np.std(error)) < 0.002
    off = np.linalg.norm(frame.X_world_camera[:3, 3] - camera.X_world_camera_true[:3, 3])
    assert 0 < off < 0.0053


def test_bands_hide_what_is_behind_them() -> None:
    workcell = SimWorkcell(World.standard(1))
    camera = workcell.cameras[0]
    hits = cast(workcell.plant, camera.X_world_camera_true, pixel_rays(camera.K, 320, 240))
    band = hits.surface == BAND
    assert band.sum() > 300
    points = (pixel_rays(camera.K, 320, 240) * hits.distance_m[:, None])[band]
    X = inverse(workcell.scene.X_world_bin) @ camera.X_world_camera_true
    p = points @ X[:3, :3].T + X[:3, 3]
    radius = workcell.settings.bands.radius_m
    assert np.abs(p[:, 0] - workcell.settings.bands.x_bin_m).max() < radius + 0.002
    height = np.abs(p[:, 2, None] - np.array(workcell.settings.bands.heights_bin_m)).min(axis=1)
    # They sag a little between the walls.
    assert height.max() < radius + 0.012


def test_a_blind_camera_gives_zeros() -> None:
    workcell = SimWorkcell(World.standard(1))
    workcell.faults.inject(FaultKind.CAMERA_ZEROS)
    assert not workcell.cameras[0].capture().depth_m.any()


def test_frames_are_reproducible() -> None:
    a, b = SimWorkcell(World.standard(1)), SimWorkcell(World.standard(1))
    first, second = a.cameras[0].capture(), a.cameras[0].capture()
    assert (first.depth_m == b.cameras[0].capture().depth_m).all()
    assert (first.depth_m != second.depth_m).any()


@pytest.mark.parametrize("view", ["front", "side", "above", "cell"])
def test_pictures_show_something(view: str) -> None:
    picture = Rig.of(2).workcell.render(view, (160, 120))
    assert picture.shape == (120, 160, 3)
    assert picture.dtype == np.uint8
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 100


def test_geometry_covers_all_shapes() -> None:
    workcell = SimWorkcell(World.standard(2))
    names = {shape.name for shape in workcell.geometry()}
    assert {"palm", "belt_left", "blade", "prong_left", "item", "content_0", "shelf_0", "band_piece_0"} <= names
