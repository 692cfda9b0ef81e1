"""Poses, twists and wrenches as numpy arrays with monogram names.

``X_a_b`` is the pose of frame b in frame a, a (4, 4) float64 array; chains cancel: ``X_a_c = X_a_b @ X_b_c``.
Twists are ``(v, w)`` [m/s, rad/s], wrenches ``(F, T)`` [N, N m], both (6,).
"""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

FloatArray: TypeAlias = NDArray[np.float64]
Pose: TypeAlias = NDArray[np.float64]
"""(4, 4) homogeneous transform."""


def pose(R: FloatArray | None = None, p_m: Sequence[float] | FloatArray = (0.0, 0.0, 0.0)) -> Pose:
    """Build a (4, 4) pose from a (3, 3) rotation (identity when None) and a position (3,) [m]."""
    X = np.eye(4)
    if R is not None:
        X[:3, :3] = R
    X[:3, 3] = p_m
    return X


def inverse(X_a_b: Pose) -> Pose:
    """Return ``X_b_a``."""
    R_b_a = X_a_b[:3, :3].T
    return pose(R_b_a, -R_b_a @ X_a_b[:3, 3])


def rotation_rpy(roll_rad: float, pitch_rad: float, yaw_rad: float) -> FloatArray:
    """Return the (3, 3) rotation Rz(yaw) Ry(pitch) Rx(roll), the URDF convention."""
    cr, sr = np.cos(roll_rad), np.sin(roll_rad)
    cp, sp = np.cos(pitch_rad), np.sin(pitch_rad)
    cy, sy = np.cos(yaw_rad), np.sin(yaw_rad)
    return np.array(
        [
            [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
            [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
            [-sp, cp * sr, cp * cr],
        ]
    )


def rotation_vector(R: FloatArray) -> FloatArray:
    """Return the rotation vector (3,) [rad] of a (3, 3) rotation, angle in [0, pi]."""
    axis = 0.5 * np.array([R[2, 1] - R[1, 2], R[0, 2] - R[2, 0], R[1, 0] - R[0, 1]])
    sine, cosine = float(np.linalg.norm(axis)), 0.5 * (float(np.trace(R)) - 1.0)
    if sine > 1e-9:
        vector: FloatArray = axis * (np.arctan2(sine, cosine) / sine)
        return vector
    if cosine > 0.0:
        return axis
    # Half a turn: the axis is the column of R + I with the largest diagonal entry.
    M = R + np.eye(3)
    k = int(np.argmax(np.diag(M)))
    column: FloatArray = M[:, k] / np.linalg.norm(M[:, k])
    return np.pi * column


def adjoint_wrench(X_a_b: Pose, F_b: FloatArray) -> FloatArray:
    """Express a wrench given at b's origin in b's axes at a's origin in a's axes; (6,) in and out [N, N m]."""
    R, p = X_a_b[:3, :3], X_a_b[:3, 3]
    force = R @ F_b[:3]
    return np.concatenate([force, R @ F_b[3:] + np.cross(p, force)])


def pack_pose(X: Pose) -> FloatArray:
    """Return the kernel's layout (12,): rotation row-major (9), position [m] (3)."""
    return np.concatenate([X[:3, :3].reshape(9), X[:3, 3]])


def unpack_pose(packed: FloatArray) -> Pose:
    """Inverse of :func:`pack_pose`."""
    return pose(np.asarray(packed[:9]).reshape(3, 3), packed[9:12])
