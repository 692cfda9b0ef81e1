"""A bin of boxes seen by three depth cameras, rendered by casting rays at boxes: test data without a simulator."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from podhand.core.ports import DepthFrame
from podhand.core.poses import FloatArray, Pose, inverse, pose, rotation_rpy

SIZE_M = (0.40, 0.30, 0.28)
WALL_M = 0.004
EYES_M = {"centre": (-0.60, 0.0, 0.26), "left": (-0.50, 0.22, 0.24), "right": (-0.50, -0.22, 0.24)}
TARGETS_M = {"centre": (0.15, 0.0, 0.11), "left": (0.15, -0.02, 0.10), "right": (0.15, 0.02, 0.10)}


@dataclass(frozen=True, kw_only=True)
class Box:
    """A box in the bin frame, turned about z, or leaning about x (positive: its upper end to -y)."""

    centre_m: tuple[float, float, float]
    size_m: tuple[float, float, float]
    yaw_rad: float = 0.0
    lean_rad: float = 0.0

    @property
    def y_low_m(self) -> float:
        return self.centre_m[1] - self.size_m[1] / 2

    @property
    def y_high_m(self) -> float:
        return self.centre_m[1] + self.size_m[1] / 2


def standing(*, y_low_m: float, width_m: float, depth_m: float, height_m: float, front_m: float = 0.01) -> Box:
    """A box on the floor, given by its right side and front."""
    return Box(
        centre_m=(front_m + depth_m / 2, y_low_m + width_m / 2, height_m / 2), size_m=(depth_m, width_m, height_m)
    )


def leaning(
    *, y_foot_m: float, width_m: float, depth_m: float, height_m: float, lean_rad: float, front_m: float = 0.02
) -> Box:
    """A box that leans to -y, given by the place of its lowest edge."""
    c, s = np.cos(lean_rad), np.sin(lean_rad)
    y = y_foot_m + width_m / 2 * c - height_m / 2 * s
    z = width_m / 2 * s + height_m / 2 * c
    return Box(centre_m=(front_m + depth_m / 2, y, z), size_m=(depth_m, width_m, height_m), lean_rad=lean_rad)


def shell(size_m: tuple[float, float, float] = SIZE_M) -> list[Box]:
    """Walls of the bin and of its neighbours: plates twice the wall thickness, a back wall for all."""
    lx, ly, lz = size_m
    t = 2 * WALL_M
    plates = [Box(centre_m=(lx + t / 2, 0.0, lz / 2), size_m=(t, 3 * ly, 3 * lz))]
    plates += [Box(centre_m=(lx / 2, s * (ly / 2 + WALL_M), lz / 2), size_m=(lx, t, 3 * lz)) for s in (-1.0, 1.0)]
    plates += [Box(centre_m=(lx / 2, 0.0, z), size_m=(lx, 3 * ly, t)) for z in (-WALL_M, lz + WALL_M)]
    return plates


def bands(size_m: tuple[float, float, float] = SIZE_M) -> list[Box]:
    return [Box(centre_m=(-0.012, 0.0, z), size_m=(0.006, size_m[1], 0.006)) for z in (0.07, 0.16)]


def look_at(eye_m: Sequence[float], target_m: Sequence[float]) -> Pose:
    """Camera pose with z forward, x right, y down."""
    forward = np.subtract(target_m, eye_m)
    forward = forward / np.linalg.norm(forward)
    right = np.cross(forward, (0.0, 0.0, 1.0))
    right /= np.linalg.norm(right)
    return pose(np.stack([right, np.cross(forward, right), forward], axis=1), eye_m)


def intrinsics(width_px: int = 320, height_px: int = 240, fov_y_rad: float = 0.75) -> FloatArray:
    f = height_px / 2 / np.tan(fov_y_rad / 2)
    return np.array([[f, 0.0, (width_px - 1) / 2], [0.0, f, (height_px - 1) / 2], [0.0, 0.0, 1.0]])


def render(boxes: Sequence[Box], X_bin_camera: Pose, K: FloatArray, shape: tuple[int, int] = (240, 320)) -> FloatArray:
    """Depth along the camera's z axis [m], 0 where nothing is hit."""
    v, u = np.mgrid[: shape[0], : shape[1]].astype(float)
    ray = np.stack([(u - K[0, 2]) / K[0, 0], (v - K[1, 2]) / K[1, 1], np.ones_like(u)], axis=-1)
    depth = np.full(shape, np.inf)
    for box in boxes:
        X_box_camera = inverse(pose(rotation_rpy(box.lean_rad, 0.0, box.yaw_rad), box.centre_m)) @ X_bin_camera
        d = ray @ X_box_camera[:3, :3].T
        with np.errstate(divide="ignore"):
            a = (-np.array(box.size_m) / 2 - X_box_camera[:3, 3]) / d
            b = (np.array(box.size_m) / 2 - X_box_camera[:3, 3]) / d
        near, far = np.minimum(a, b).max(axis=-1), np.maximum(a, b).min(axis=-1)
        depth = np.where((near < far) & (near > 0.0) & (near < depth), near, depth)
    return np.where(np.isfinite(depth), depth, 0.0)


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What the cameras see and what is true."""

    frames: list[DepthFrame]
    X_world_bin_nominal: Pose
    X_world_bin: Pose
    items: list[Box]


def _error(rng: np.random.Generator, metres: float, degrees: float) -> Pose:
    angles = np.deg2rad(rng.uniform(-degrees, degrees, 3))
    return pose(rotation_rpy(*angles), rng.uniform(-metres, metres, 3))


def make_scene(
    items: Sequence[Box], seed: int = 0, *, noise_m: float = 0.002, with_bands: bool = True, errors: float = 1.0
) -> Scene:
    """Render three frames with noise, dropouts, and pose errors of bin and cameras (``errors`` scales them)."""
    rng = np.random.default_rng(seed)
    X_nominal = pose(None, (0.0, 0.308, 0.826))
    X_true = X_nominal @ _error(rng, 0.005 * errors, 1.0 * errors)
    boxes = [*shell(), *items, *(bands() if with_bands else [])]
    K = intrinsics()
    frames = []
    for name, eye in EYES_M.items():
        X_world_camera = X_nominal @ look_at(eye, TARGETS_M[name])
        moved = X_world_camera @ _error(rng, 0.003 * errors, 0.3 * errors)
        depth = render(boxes, inverse(X_true) @ moved, K)
        depth += np.where(depth > 0.0, rng.normal(0.0, noise_m, depth.shape) * depth**2, 0.0)
        depth[rng.random(depth.shape) < 0.03] = 0.0
        frames.append(DepthFrame(depth_m=depth.astype(np.float32), K=K, X_world_camera=X_world_camera, name=name))
    return Scene(frames=frames, X_world_bin_nominal=X_nominal, X_world_bin=X_true, items=list(items))


def random_row(rng: np.random.Generator, need_m: float = 0.06) -> list[Box]:
    """Boxes standing side by side with gaps between them, all along y."""
    ly = SIZE_M[1]
    widths: list[float] = []
    free = ly - rng.uniform(1.2, 2.0) * need_m
    while True:
        width = float(rng.uniform(0.025, 0.07))
        if sum(widths) + width > free:
            break
        widths.append(width)
    spare = ly - sum(widths)
    shares = rng.dirichlet(np.full(len(widths) + 1, 0.7)) * spare
    y, boxes = -ly / 2, []
    for width, gap in zip(widths, shares, strict=False):
        y += float(gap)
        depth, height = float(rng.uniform(0.09, 0.25)), float(rng.uniform(0.06, 0.20))
        boxes.append(standing(y_low_m=y, width_m=width, depth_m=depth, height_m=height,
                              front_m=float(rng.uniform(0.005, 0.05))))  # fmt: skip
        y += width
    return boxes
