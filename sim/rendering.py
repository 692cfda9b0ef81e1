"""Pictures of the workcell by ray casting: no graphics library, good enough for reports."""

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from podhand.core.poses import FloatArray, Pose
from podhand.sim.camera import intrinsics, looking_at
from podhand.sim.plant import SimPlant
from podhand.sim.rays import BAND, Hits, cast, pixel_rays

BACKGROUND = (232, 236, 240)
BAND_COLOUR = (0.08, 0.08, 0.10)
_LIGHT = np.array([-0.55, 0.35, 0.76])


class View(StrEnum):
    """Fixed views on the active bin."""

    FRONT = "front"
    SIDE = "side"
    ABOVE = "above"
    CELL = "cell"


# Eye and target in the nominal bin frame [m], vertical field of view [rad].
_PLACES: dict[View, tuple[tuple[float, float, float], tuple[float, float, float], float]] = {
    View.FRONT: ((-0.85, 0.12, 0.48), (0.10, 0.0, 0.10), 0.50),
    View.SIDE: ((-0.50, -0.75, 0.30), (-0.02, 0.0, 0.08), 0.62),
    View.ABOVE: ((-0.10, 0.0, 1.05), (0.02, 0.001, 0.10), 0.60),
    View.CELL: ((-2.6, -2.2, 1.30), (-0.50, -0.2, 0.15), 0.62),
}


def view_pose(view: View | str, X_world_bin_nominal: Pose) -> tuple[Pose, float]:
    """Return where a view stands, and its vertical field of view [rad]."""
    eye, target, fov = _PLACES[View(view)]
    X = X_world_bin_nominal
    return looking_at((X @ np.array([*eye, 1.0]))[:3], (X @ np.array([*target, 1.0]))[:3]), fov


def render(
    plant: SimPlant, X_world_camera: Pose, fov_y_rad: float, size_px: tuple[int, int], *, cutaway: bool = False
) -> NDArray[np.uint8]:
    """Draw the scene from a place.

    Args:
        plant: the plant as it stands now.
        X_world_camera: the eye, OpenCV axes.
        fov_y_rad: vertical field of view.
        size_px: width and height.
        cutaway: look through what hangs above the active bin.

    Returns:
        (h, w, 3) RGB.
    """
    width, height = size_px
    rays = pixel_rays(intrinsics(width, height, fov_y_rad), width, height)
    hits = cast(plant, X_world_camera, rays, cutaway=cutaway)
    colour = _colours(plant, hits)
    shade = _shade(hits, rays @ X_world_camera[:3, :3].T)
    picture = np.clip(colour * shade[:, None] * 255.0, 0, 255).astype(np.uint8)
    picture[hits.distance_m < 0] = BACKGROUND
    drawn: NDArray[np.uint8] = picture.reshape(height, width, 3)
    return drawn


def _colours(plant: SimPlant, hits: Hits) -> FloatArray:
    palette = np.vstack([plant.model.geom_rgba[:, :3], BAND_COLOUR])
    index = np.where(hits.surface == BAND, len(palette) - 1, hits.surface)
    colours: FloatArray = palette[index]
    return colours


def _shade(hits: Hits, rays: FloatArray) -> FloatArray:
    light = _LIGHT / np.linalg.norm(_LIGHT)
    diffuse = np.clip(hits.normal @ light, 0.0, 1.0)
    facing = np.clip(-np.einsum("ij,ij->i", hits.normal, rays), 0.0, 1.0)
    fade = np.clip(1.15 - 0.10 * np.maximum(hits.distance_m, 0.0), 0.6, 1.0)
    shade: FloatArray = (0.32 + 0.40 * diffuse + 0.33 * facing) * fade
    return shade
