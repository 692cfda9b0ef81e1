"""The arm on its lift as MJCF: exact joint frames and inertias, primitive shapes."""

from dataclasses import dataclass
from xml.etree.ElementTree import Element

from podhand.core.arm_model import ArmModel
from podhand.core.poses import Pose
from podhand.sim.contact_groups import SCENERY, Part, contact
from podhand.sim.mjcf import add, add_body, add_box, add_capsule, add_inertial, numbers
from podhand.sim.settings import DriveSettings

_GREY = {"rgba": "0.72 0.75 0.78 1"}
_BLUE = {"rgba": "0.45 0.62 0.78 1"}


@dataclass(frozen=True, kw_only=True)
class Capsule:
    """A capsule of a link in its joint's frame [m]."""

    start_m: tuple[float, float, float]
    end_m: tuple[float, float, float]
    radius_m: float


UR10E_SHAPE: tuple[tuple[Capsule, ...], ...] = (
    (Capsule(start_m=(0, 0, -0.04), end_m=(0, -0.11, 0), radius_m=0.085),),
    (
        Capsule(start_m=(0, 0, 0.175), end_m=(-0.6127, 0, 0.175), radius_m=0.065),
        Capsule(start_m=(-0.6127, 0, 0.175), end_m=(-0.6127, 0, 0.07), radius_m=0.06),
    ),
    (
        Capsule(start_m=(0, 0, 0.05), end_m=(-0.57155, 0, 0.05), radius_m=0.05),
        Capsule(start_m=(-0.57155, 0, 0.05), end_m=(-0.57155, 0, 0.12), radius_m=0.045),
    ),
    (Capsule(start_m=(0, 0.01, 0), end_m=(0, -0.06, 0), radius_m=0.048),),
    (Capsule(start_m=(0, -0.01, 0), end_m=(0, 0.06, 0), radius_m=0.048),),
    (Capsule(start_m=(0, 0, -0.05), end_m=(0, 0, -0.045), radius_m=0.045),),
)
"""Capsules around the links of the UR10e, read from its dimensions; for contact and pictures, not for masses."""


def add_arm(worldbody: Element, arm: ArmModel, X_world_base: Pose, drives: DriveSettings) -> Element:
    """Add base, lift and links; return the body of the last link, whose frame is the flange."""
    base = add_body(worldbody, "base", X_world_base)
    add(base, "geom", name="base", type="cylinder", size="0.095 0.045", pos="0 0 0.045", **_GREY, **contact(Part.ARM))
    height_m = float(X_world_base[2, 3])
    add_box(base, "lift_plate", (0.36, 0.5, 0.02), (-0.06, 0, -0.01), rgba="0.3 0.32 0.35 1", **SCENERY)
    add_box(base, "lift_column", (0.14, 0.22, 2.6), (-0.40, 0, 1.3 - height_m), rgba="0.38 0.4 0.43 1", **SCENERY)
    body = base
    for i, link in enumerate(arm.links):
        body = add_body(body, link.name, link.X_parent_joint, gravcomp="1")
        add_inertial(body, link.mass_kg, link.com_m, link.inertia_kg_m2)
        add(
            body,
            "joint",
            name=f"arm_{i}",
            type="hinge",
            axis="0 0 1",
            armature=repr(drives.joint_armature_kg_m2[i]),
            range=numbers((link.min_position_rad, link.max_position_rad)),
        )
        shape = UR10E_SHAPE[i] if len(arm.links) == len(UR10E_SHAPE) else ()
        for k, c in enumerate(shape):
            colour = _BLUE if k else _GREY
            add_capsule(body, f"{link.name}_{k}", c.start_m, c.end_m, c.radius_m, **colour, **contact(Part.ARM))
    return body
