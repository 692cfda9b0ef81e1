"""Simulated depth cameras: rays into the scene, no graphics library; the bands are rayed as capsules."""

from math import tan

import numpy as np
from numpy.typing import NDArray

from podhand.core.ports import DepthFrame
from podhand.core.poses import FloatArray, Pose, inverse, pose
from podhand.sim.faults import FaultKind, Faults
from podhand.sim.plant import SimPlant
from podhand.sim.rays import cast, pixel_rays
from podhand.sim.settings import CameraMount, SimSettings


def looking_at(eye_m: FloatArray, target_m: FloatArray) -> Pose:
    """Return ``X_world_camera`` of a camera in OpenCV axes (x right, y down, z forward) that stands upright."""
    z = target_m - eye_m
    z = z / np.linalg.norm(z)
    x = np.cross(z, np.array([0.0, 0.0, 1.0]))
    x = x / np.linalg.norm(x)
    return pose(np.column_stack([x, np.cross(z, x), z]), eye_m)


def intrinsics(width_px: int, height_px: int, fov_y_rad: float) -> FloatArray:
    """Return K (3, 3) [px] of square pixels; the centre of the middle pixel block is the optical axis."""
    f = height_px / 2 / tan(fov_y_rad / 2)
    return np.array([[f, 0.0, (width_px - 1) / 2], [0.0, f, (height_px - 1) / 2], [0.0, 0.0, 1.0]])


class SimDepthCamera:
    """One depth camera behind ``podhand.core.ports.DepthCamera``.

    It knows its place from its mount and the nominal bin; its true place differs by ``X_mount_camera``.
    """

    def __init__(
        self,
        mount: CameraMount,
        *,
        plant: SimPlant,
        settings: SimSettings,
        X_world_bin_nominal: Pose,
        X_mount_camera: Pose,
        seed: int,
        faults: Faults,
    ) -> None:
        self.name = mount.name
        self._mount, self._plant, self._settings, self._faults = mount, plant, settings, faults
        eye = (X_world_bin_nominal @ np.array([*mount.eye_bin_m, 1.0]))[:3]
        target = (X_world_bin_nominal @ np.array([*mount.target_bin_m, 1.0]))[:3]
        self.X_world_camera = looking_at(eye, target)
        """Believed."""
        self.X_world_camera_true = self.X_world_camera @ X_mount_camera
        self.K = intrinsics(mount.width_px, mount.height_px, mount.fov_y_rad)
        self._rays = pixel_rays(self.K, mount.width_px, mount.height_px)
        self._rng = np.random.default_rng(seed)

    def capture(self) -> DepthFrame:
        """Take one frame now; noise and dropouts differ from frame to frame, reproducibly."""
        shape = (self._mount.height_px, self._mount.width_px)
        if self._faults.active(FaultKind.CAMERA_ZEROS, self._plant.time_s):
            depth: NDArray[np.float32] = np.zeros(shape, dtype=np.float32)
        else:
            depth = self._spoil(self.true_depth_m())
        return DepthFrame(depth_m=depth, K=self.K.copy(), X_world_camera=self.X_world_camera.copy(), name=self.name)

    def true_depth_m(self) -> FloatArray:
        """Return the depth (h, w) [m] without errors, 0 where nothing is hit."""
        hits = cast(self._plant, self.X_world_camera_true, self._rays)
        depth = hits.distance_m * self._rays[:, 2]
        depth[hits.distance_m < 0] = 0.0
        return depth.reshape(self._mount.height_px, self._mount.width_px)

    def _spoil(self, depth_m: FloatArray) -> NDArray[np.float32]:
        rng, settings = self._rng, self._settings
        noisy = depth_m + rng.standard_normal(depth_m.shape) * settings.camera_noise_m * depth_m**2
        lost = rng.random(depth_m.shape) < settings.camera_dropout
        lost |= (depth_m < self._mount.min_range_m) | (depth_m > self._mount.max_range_m)
        noisy[lost] = 0.0
        return noisy.astype(np.float32)


def project(K: FloatArray, X_world_camera: Pose, p_world_m: FloatArray) -> FloatArray:
    """Return the pixel (u, v) of a point; for tests and pictures."""
    p = inverse(X_world_camera) @ np.append(p_world_m, 1.0)
    uvw = K @ p[:3]
    return np.asarray(uvw[:2] / uvw[2])
