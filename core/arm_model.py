"""Serial arms as data: joint frames, inertias, limits."""

from dataclasses import dataclass
from math import pi

import numpy as np

from podhand.core.poses import FloatArray, Pose, pose, rotation_rpy


@dataclass(frozen=True, kw_only=True)
class Link:
    """A joint and the link behind it. The joint turns about z of its own frame."""

    name: str
    X_parent_joint: Pose
    mass_kg: float
    com_m: FloatArray
    """Centre of mass in the joint's frame, (3,)."""
    inertia_kg_m2: FloatArray
    """(3, 3) about the centre of mass, in the joint frame's axes."""
    min_position_rad: float
    max_position_rad: float
    max_speed_rad_s: float
    max_torque_n_m: float


@dataclass(frozen=True, kw_only=True)
class ArmModel:
    """A serial arm of revolute joints; the flange is the last joint's frame."""

    name: str
    links: tuple[Link, ...]
    source: str

    @property
    def joints(self) -> int:
        """Number of joints."""
        return len(self.links)

    def flange(self, q_rad: FloatArray) -> Pose:
        """Return ``X_base_flange`` for joint positions (n,) [rad]. For planning and tests; the kernel has its own."""
        X = np.eye(4)
        for link, q in zip(self.links, q_rad, strict=True):
            X = X @ link.X_parent_joint @ pose(rotation_rpy(0.0, 0.0, float(q)))
        return X


def _link(
    name: str,
    xyz_m: tuple[float, float, float],
    rpy_rad: tuple[float, float, float],
    mass_kg: float,
    com_m: tuple[float, float, float],
    com_rpy_rad: tuple[float, float, float],
    tensor_kg_m2: tuple[float, float, float, float, float, float],
    limits: tuple[float, float, float],
) -> Link:
    ixx, ixy, ixz, iyy, iyz, izz = tensor_kg_m2
    R = rotation_rpy(*com_rpy_rad)
    inertia = R @ np.array([[ixx, ixy, ixz], [ixy, iyy, iyz], [ixz, iyz, izz]]) @ R.T
    range_deg, speed_deg_s, torque_n_m = limits
    return Link(
        name=name,
        X_parent_joint=pose(rotation_rpy(*rpy_rad), xyz_m),
        mass_kg=mass_kg,
        com_m=np.array(com_m),
        inertia_kg_m2=inertia,
        min_position_rad=-range_deg * pi / 180,
        max_position_rad=range_deg * pi / 180,
        max_speed_rad_s=speed_deg_s * pi / 180,
        max_torque_n_m=torque_n_m,
    )


UR10E = ArmModel(
    name="ur10e",
    source="Universal_Robots_ROS2_Description, config/ur10e (BSD-3-Clause)",
    links=(
        _link("shoulder", (0, 0, 0.1807), (0, 0, 0), 7.369, (0.021, -0.027, 0.0), (pi / 2, 0, 0),
              (0.03408, 0.00002, -0.00425, 0.03529, 0.00008, 0.02156), (360, 120, 330)),
        _link("upper_arm", (0, 0, 0), (1.570796327, 0, 0), 13.051, (-0.2327, 0.0, 0.158), (0, 0, 0),
              (0.02814, 0.00005, -0.01561, 0.77068, 0.00002, 0.76943), (360, 120, 330)),
        _link("forearm", (-0.6127, 0, 0), (0, 0, 0), 3.989, (-0.33155, 0.0, 0.068), (0, 0, 0),
              (0.01014, 0.00008, 0.00916, 0.30928, 0.0, 0.30646), (180, 180, 150)),
        _link("wrist_1", (-0.57155, 0, 0.17415), (0, 0, 0), 2.1, (0.0, -0.018, 0.007), (pi / 2, 0, 0),
              (0.00296, -0.00001, 0.0, 0.00222, -0.00024, 0.00258), (360, 180, 54)),
        _link("wrist_2", (0, -0.11985, -2.458164590756244e-11), (1.570796327, 0, 0), 1.98, (0.0, 0.018, -0.007),
              (-pi / 2, 0, 0), (0.00296, -0.00001, 0.0, 0.00222, -0.00024, 0.00258), (360, 180, 54)),
        _link("wrist_3", (0, 0.11655, -2.390480459346185e-11), (1.570796326589793, 3.141592653589793,
              3.141592653589793), 0.615, (0.0, 0.0, -0.026), (0, 0, 0),
              (0.0004, 0.0, 0.0, 0.00041, 0.0, 0.00034), (360, 180, 54)),
    ),
)  # fmt: skip
"""UR10e as its maker describes it."""
