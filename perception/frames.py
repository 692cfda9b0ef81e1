"""Depth frames: may they be used, and where do their pixels lie."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from podhand.core.errors import PerceptionError
from podhand.core.ports import DepthFrame
from podhand.core.poses import FloatArray, Pose

MIN_KNOWN_SHARE = 0.10
"""A frame with fewer known pixels shows a covered or failing camera (our assumption)."""
MAX_DEPTH_M = 10.0

BoolArray = NDArray[np.bool_]


def check_frame(frame: DepthFrame, *, min_known_share: float = MIN_KNOWN_SHARE) -> float:
    """Check that a depth frame can be used; no effect on it.

    Args:
        frame: depth [m] (h, w), 0 where unknown.
        min_known_share: least share of known pixels, 0 … 1.

    Returns:
        Share of known pixels, 0 … 1.

    Raises:
        PerceptionError: wrong shape, not finite, negative or too far, or too little known; names camera and value.
    """
    depth = frame.depth_m
    if depth.ndim != 2 or min(depth.shape) < 8:
        raise PerceptionError(
            f"camera {frame.name}: depth_m must be an image (h, w) of at least 8 x 8 pixels (got shape {depth.shape}); "
            "check the camera's mode"
        )
    if frame.K.shape != (3, 3) or not np.isfinite(frame.K).all() or min(frame.K[0, 0], frame.K[1, 1]) <= 0.0:
        raise PerceptionError(
            f"camera {frame.name}: K must be a finite (3, 3) matrix with focal lengths > 0 px "
            f"(got {np.asarray(frame.K).tolist()}); check the calibration file"
        )
    _check_pose(frame.X_world_camera, frame.name)
    wrong = int(np.count_nonzero(~np.isfinite(depth)))
    if wrong:
        raise PerceptionError(
            f"camera {frame.name}: {wrong} of {depth.size} depth values are not finite (allowed: 0, unknown is written "
            "as 0 m); check the driver"
        )
    low, high = float(depth.min()), float(depth.max())
    if low < 0.0 or high > MAX_DEPTH_M:
        raise PerceptionError(
            f"camera {frame.name}: depth must be within 0 … {MAX_DEPTH_M:g} m (got {low:.3f} … {high:.3f} m); check "
            "the driver's depth unit"
        )
    share = float(np.count_nonzero(depth)) / depth.size
    if share < min_known_share:
        raise PerceptionError(
            f"camera {frame.name}: {100 * share:.1f} % of its pixels are known, at least {100 * min_known_share:.0f} % "
            "are needed; check lens, cable and light, then take the frame again"
        )
    return share


def _check_pose(X: Pose, name: str) -> None:
    good = X.shape == (4, 4) and bool(np.isfinite(X).all())
    if not good or np.abs(X[:3, :3] @ X[:3, :3].T - np.eye(3)).max() > 1e-3:
        raise PerceptionError(
            f"camera {name}: X_world_camera must be a finite (4, 4) pose with an orthonormal rotation "
            f"(got {np.asarray(X).tolist()}); check the calibration file"
        )


@dataclass(frozen=True, kw_only=True)
class CloudPoints:
    """Points of one frame on a regular pixel grid, in the camera frame."""

    p_camera_m: FloatArray
    """(n, 3) [m]."""
    normal_camera: FloatArray
    """(n, 3) unit normals towards the camera; zeros where the neighbourhood is not known."""


def pixel_rays(frame: DepthFrame, step: int = 1) -> FloatArray:
    """Return (h', w', 3) directions of every ``step``-th pixel in the camera frame, z = 1."""
    h, w = frame.depth_m.shape
    u, v = np.meshgrid(np.arange(0, w, step, dtype=float), np.arange(0, h, step, dtype=float))
    x = (u - frame.K[0, 2]) / frame.K[0, 0]
    y = (v - frame.K[1, 2]) / frame.K[1, 1]
    return np.stack([x, y, np.ones_like(x)], axis=-1)


def back_project(frame: DepthFrame, step: int = 1) -> FloatArray:
    """Return the known pixels of a frame as points (n, 3) in the world [m], taking every ``step``-th pixel."""
    depth = frame.depth_m[::step, ::step].astype(float)
    known = depth > 0.0
    points = pixel_rays(frame, step)[known] * depth[known][:, None]
    X = frame.X_world_camera
    world: FloatArray = points @ X[:3, :3].T + X[:3, 3]
    return world


def sample_points(frame: DepthFrame, *, step: int = 3, reach: int = 1) -> CloudPoints:
    """Thin a frame out and estimate normals by differences over ``reach`` neighbours of the thinned grid.

    Args:
        frame: a checked frame.
        step: every ``step``-th pixel is kept.
        reach: half width of the difference, in kept pixels; wide enough that noise does not turn the normals.
    """
    depth = frame.depth_m[::step, ::step].astype(float)
    P = pixel_rays(frame, step) * depth[..., None]
    known = depth > 0.0
    normal = np.zeros_like(P)
    inner = (slice(reach, -reach), slice(reach, -reach))
    across = P[inner[0], 2 * reach :] - P[inner[0], : -2 * reach]
    down = P[2 * reach :, inner[1]] - P[: -2 * reach, inner[1]]
    N = np.cross(down, across)
    length = np.linalg.norm(N, axis=-1)
    sides_known = (
        known[inner[0], 2 * reach :]
        & known[inner[0], : -2 * reach]
        & known[2 * reach :, inner[1]]
        & known[: -2 * reach, inner[1]]
        & (length > 1e-12)
    )
    N[sides_known] /= length[sides_known][:, None]
    N[~sides_known] = 0.0
    normal[inner] = N
    return CloudPoints(p_camera_m=P[known], normal_camera=normal[known])
