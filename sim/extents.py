"""How far bodies reach: boxes around all geoms of an item, in any frame."""

from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from podhand.core.poses import FloatArray, Pose


def item_geoms(model: Any, name: str) -> NDArray[np.intp]:
    """Return the numbers of all geoms of an item, those of its jointed parts included."""
    root = model.body(name).id
    geoms: NDArray[np.intp] = np.flatnonzero(model.body_rootid[model.geom_bodyid] == root)
    return geoms


def reach(model: Any, data: Any, geoms: NDArray[np.intp], X_frame_world: Pose) -> tuple[FloatArray, FloatArray]:
    """Return lowest and highest corner (3,) of the box around geoms in a frame [m]."""
    R = X_frame_world[:3, :3] @ data.geom_xmat[geoms].reshape(-1, 3, 3)
    p = data.geom_xpos[geoms] @ X_frame_world[:3, :3].T + X_frame_world[:3, 3]
    half = np.array([_half(model, int(g), R[k]) for k, g in enumerate(geoms)])
    return (p - half).min(axis=0), (p + half).max(axis=0)


def _half(model: Any, geom: int, R: FloatArray) -> FloatArray:
    """Return half the sides of the box around one geom; round ones are not counted by their corners."""
    size, kind = model.geom_size[geom], int(model.geom_type[geom])
    if kind == mujoco.mjtGeom.mjGEOM_SPHERE:
        return np.full(3, float(size[0]))
    along = np.abs(R[:, 2])
    if kind == mujoco.mjtGeom.mjGEOM_CAPSULE:
        return np.asarray(size[0] + along * size[1])
    if kind == mujoco.mjtGeom.mjGEOM_CYLINDER:
        return np.asarray(size[0] * np.sqrt(np.maximum(0.0, 1.0 - along**2)) + along * size[1])
    return np.asarray(np.abs(R) @ size)
