"""Small helpers for writing MJCF: numbers, poses and geoms as XML elements."""

from collections.abc import Iterable
from xml.etree.ElementTree import Element, SubElement

import mujoco
import numpy as np

from podhand.core.poses import FloatArray, Pose


def add(parent: Element, tag: str, **attributes: str) -> Element:
    """Add an element with its attributes to its parent."""
    return SubElement(parent, tag, attributes)


def numbers(values: Iterable[float]) -> str:
    """Write numbers so that they read back bit for bit."""
    return " ".join(repr(float(v)) for v in values)


def quaternion(R: FloatArray) -> FloatArray:
    """Return the unit quaternion (w, x, y, z) of a (3, 3) rotation."""
    quat = np.zeros(4)
    mujoco.mju_mat2Quat(quat, np.ascontiguousarray(R).reshape(9))
    return quat


def add_body(parent: Element, name: str, X_parent_body: Pose, **attributes: str) -> Element:
    """Add a body at a pose."""
    return add(
        parent,
        "body",
        name=name,
        pos=numbers(X_parent_body[:3, 3]),
        quat=numbers(quaternion(X_parent_body[:3, :3])),
        **attributes,
    )


def add_inertial(body: Element, mass_kg: float, com_m: Iterable[float], inertia_kg_m2: FloatArray) -> None:
    """Give a body an explicit mass; ``inertia_kg_m2`` is (3, 3) about the centre of mass in body axes."""
    i = inertia_kg_m2
    tensor = (i[0, 0], i[1, 1], i[2, 2], i[0, 1], i[0, 2], i[1, 2])
    add(body, "inertial", pos=numbers(com_m), mass=repr(float(mass_kg)), fullinertia=numbers(tensor))


def box_inertia(mass_kg: float, size_m: Iterable[float]) -> FloatArray:
    """Return the inertia (3, 3) of a solid box about its middle; ``size_m`` are full sides."""
    x, y, z = size_m
    return np.diag([y * y + z * z, x * x + z * z, x * x + y * y]) * (mass_kg / 12.0)


def add_box(body: Element, name: str, size_m: Iterable[float], middle_m: Iterable[float], **attributes: str) -> Element:
    """Add a box geom given by its full sides and its middle."""
    half = [s / 2 for s in size_m]
    return add(body, "geom", name=name, type="box", size=numbers(half), pos=numbers(middle_m), **attributes)


def add_capsule(
    body: Element, name: str, start_m: Iterable[float], end_m: Iterable[float], radius_m: float, **attributes: str
) -> Element:
    """Add a capsule geom between two points."""
    return add(
        body,
        "geom",
        name=name,
        type="capsule",
        size=repr(float(radius_m)),
        fromto=numbers([*start_m, *end_m]),
        **attributes,
    )
