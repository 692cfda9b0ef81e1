"""Frames: what is refused with which words, and where pixels lie."""

from dataclasses import replace

import numpy as np
import pytest

from podhand.app.rgbd_folder import read_rgbd_folder
from podhand.core.errors import PerceptionError
from podhand.core.ports import DepthFrame
from podhand.core.poses import inverse, pose, rotation_rpy
from podhand.perception.frames import back_project, check_frame, sample_points
from tests.unit import real_shelf
from tests.unit.synthetic_bin import intrinsics, look_at


def plane_frame(distance_m: float = 0.8, *, share: float = 1.0) -> DepthFrame:
    depth = np.full((48, 64), distance_m, np.float32)
    depth.reshape(-1)[int(share * depth.size) :] = 0.0
    X = look_at((-0.6, 0.1, 0.3), (0.2, 0.0, 0.1))
    return DepthFrame(depth_m=depth, K=intrinsics(64, 48), X_world_camera=X, name="left")


def test_share_of_known_pixels_is_returned() -> None:
    assert check_frame(plane_frame(share=0.75)) == pytest.approx(0.75)


def test_a_frame_of_zeros_names_camera_value_and_remedy() -> None:
    with pytest.raises(PerceptionError, match=r"camera left: 0\.0 % of its pixels are known.*10 %.*check lens"):
        check_frame(plane_frame(share=0.0))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(value: float) -> None:
    frame = plane_frame()
    frame.depth_m[3, 4] = value
    with pytest.raises(PerceptionError, match=r"camera left: 1 of 3072 depth values are not finite"):
        check_frame(frame)


@pytest.mark.parametrize("value", [-0.1, 800.0])
def test_wrong_units_are_refused(value: float) -> None:
    frame = plane_frame()
    frame.depth_m[3, 4] = value
    with pytest.raises(PerceptionError, match="check the driver's depth unit"):
        check_frame(frame)


def test_wrong_shapes_are_refused() -> None:
    frame = plane_frame()
    with pytest.raises(PerceptionError, match="must be an image"):
        check_frame(replace(frame, depth_m=np.zeros((3, 48, 64), np.float32)))
    with pytest.raises(PerceptionError, match="K must be"):
        check_frame(replace(frame, K=-np.eye(3)))
    with pytest.raises(PerceptionError, match="orthonormal"):
        check_frame(replace(frame, X_world_camera=2.0 * np.eye(4)))


def test_back_projection_inverts_projection() -> None:
    frame = plane_frame()
    X = frame.X_world_camera
    p = back_project(frame)
    q = (p - X[:3, 3]) @ X[:3, :3]
    assert np.allclose(q[:, 2], 0.8)
    uv = (q @ frame.K.T)[:, :2] / q[:, 2:]
    v, u = np.mgrid[:48, :64]
    assert np.allclose(uv, np.stack([u.ravel(), v.ravel()], axis=1), atol=1e-4)


def test_normals_point_to_the_camera() -> None:
    cloud = sample_points(plane_frame())
    known = np.linalg.norm(cloud.normal_camera, axis=1) > 0.5
    assert known.sum() > 0.7 * len(known)
    assert np.allclose(cloud.normal_camera[known], (0.0, 0.0, -1.0), atol=1e-5)


def test_poses_are_applied_the_right_way_round() -> None:
    X = pose(rotation_rpy(0.1, -0.2, 0.3), (1.0, 2.0, 3.0))
    frame = replace(plane_frame(), X_world_camera=X)
    in_camera = (inverse(X) @ np.append(back_project(frame)[0], 1.0))[:3]
    assert in_camera[2] == pytest.approx(0.8)


def test_real_frames_show_their_shelf() -> None:
    folder = real_shelf.folder()
    if folder is None:
        pytest.skip(real_shelf.NEEDS)
    frames, X_world_bin = read_rgbd_folder(folder)
    assert len(frames) == 10
    assert all(0.2 < check_frame(frame) < 0.5 for frame in frames)
    X = inverse(X_world_bin)
    p = np.concatenate([back_project(frame) for frame in frames]) @ X[:3, :3].T + X[:3, 3]
    core = (p[:, 0] > 0.02) & (p[:, 0] < 0.40) & (np.abs(p[:, 2] - 0.12) < 0.18)
    sides = _peak(p[core, 1], 0.10, 0.20)
    floor = _peak(p[core & (np.abs(p[:, 1]) < 0.1), 2], -0.05, 0.05)
    back = _peak(p[(np.abs(p[:, 1]) < 0.1) & (p[:, 2] > 0.05) & (p[:, 2] < 0.2), 0], 0.36, 0.50)
    assert sides == pytest.approx(0.145, abs=0.008)
    assert floor == pytest.approx(0.0, abs=0.008)
    assert back == pytest.approx(0.425, abs=0.010)


def _peak(values: np.ndarray, low: float, high: float) -> float:
    counts, edges = np.histogram(values, np.arange(low, high, 0.005))
    return float(edges[np.argmax(counts)] + 0.0025)
