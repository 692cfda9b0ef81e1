"""Rays into the scene: distance, surface and normal for every pixel of a picture."""

from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.typing import NDArray

from podhand.core.poses import FloatArray, Pose
from podhand.sim.plant import SimPlant

BAND = -2
"""Surface number of a band; -1 is nothing, others are geoms of the model."""

_GROUPS_BELOW = np.array([1, 0, 1, 1, 1, 1], dtype=np.uint8)


@dataclass(frozen=True, kw_only=True)
class Hits:
    """What n rays hit."""

    distance_m: FloatArray
    """(n,), -1 where nothing is hit."""
    surface: NDArray[np.int32]
    """(n,): geom number, ``BAND`` or -1."""
    normal: FloatArray
    """(n, 3) in the world."""


def pixel_rays(K: FloatArray, width_px: int, height_px: int) -> FloatArray:
    """Return unit directions (h w, 3) through all pixels, in camera axes, row by row."""
    u, v = np.meshgrid(np.arange(width_px), np.arange(height_px))
    x, y = (u - K[0, 2]) / K[0, 0], (v - K[1, 2]) / K[1, 1]
    rays = np.stack([x, y, np.ones_like(x)], axis=-1).reshape(-1, 3)
    directions: FloatArray = rays / np.linalg.norm(rays, axis=1, keepdims=True)
    return directions


def cast(
    plant: SimPlant, X_world_camera: Pose, rays_camera: FloatArray, *, cutaway: bool = False, cutoff_m: float = 6.0
) -> Hits:
    """Cast rays (n, 3), given in camera axes, from a camera's place; ``cutaway`` looks through what hangs above."""
    origin = np.ascontiguousarray(X_world_camera[:3, 3])
    rays = np.ascontiguousarray(rays_camera @ X_world_camera[:3, :3].T)
    n = len(rays)
    distance, surface, normal = np.empty(n), np.empty(n, np.int32), np.empty((n, 3))
    groups = _GROUPS_BELOW if cutaway else None
    flat_rays, flat_normal = rays.reshape(-1), normal.reshape(-1)
    m, d = plant.model, plant.data
    mujoco.mj_multiRay(m, d, origin, flat_rays, groups, 1, -1, surface, distance, flat_normal, n, cutoff_m)
    _cast_bands(plant, origin, rays, distance, surface, normal)
    return Hits(distance_m=distance, surface=surface, normal=normal)


def _cast_bands(
    plant: SimPlant,
    origin: FloatArray,
    rays: FloatArray,
    distance: FloatArray,
    surface: NDArray[np.int32],
    normal: FloatArray,
) -> None:
    """Intersect the rays with the bands' segments: MuJoCo's rays pass through one-dimensional flexes."""
    for start, end, radius in plant.band_segments():
        near = _near_segment(origin, rays, start, end, radius)
        if not len(near):
            continue
        t, n = _capsule(origin, rays[near], start, end, radius)
        old = distance[near]
        hit = (t > 0) & ((old < 0) | (t < old))
        chosen = near[hit]
        distance[chosen], surface[chosen], normal[chosen] = t[hit], BAND, n[hit]


def _near_segment(
    origin: FloatArray, rays: FloatArray, start: FloatArray, end: FloatArray, radius: float
) -> NDArray[np.intp]:
    """Return the rays that point into the cone around a segment."""
    middle = (start + end) / 2 - origin
    far = float(np.linalg.norm(middle))
    reach = float(np.linalg.norm(end - start)) / 2 + radius
    cosine = np.sqrt(max(0.0, 1 - min(1.0, (reach / far) ** 2)))
    return np.flatnonzero(rays @ (middle / far) >= cosine)


def _capsule(
    origin: FloatArray, rays: FloatArray, start: FloatArray, end: FloatArray, radius: float
) -> tuple[FloatArray, FloatArray]:
    """Return distance (-1: missed) and normal of rays against the cylinder and the start's sphere of a capsule."""
    axis = end - start
    length = float(np.linalg.norm(axis))
    axis = axis / max(length, 1e-9)
    o = origin - start
    d_par = rays @ axis
    d_perp = rays - d_par[:, None] * axis
    o_par = float(o @ axis)
    o_perp = o - o_par * axis
    a = np.maximum(np.einsum("ij,ij->i", d_perp, d_perp), 1e-12)
    b = d_perp @ o_perp
    c = float(o_perp @ o_perp) - radius**2
    root = b * b - a * c
    t = np.where(root > 0, (-b - np.sqrt(np.maximum(root, 0))) / a, -1.0)
    along = o_par + t * d_par
    t[(along < -radius * 0.7) | (along > length + radius * 0.7)] = -1.0
    n = (o_perp + t[:, None] * d_perp) / radius
    return t, n
