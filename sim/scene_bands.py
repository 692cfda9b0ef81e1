"""Elastic bands as MJCF: chains of point masses joined by springs, with a thin flex over them for contact.

The nodes carry an armature: without it, contact with a prong would be so soft for their few grams that they would
tunnel through.
"""

from itertools import pairwise
from xml.etree.ElementTree import Element

import numpy as np

from podhand.core.poses import pose
from podhand.core.tooling import Pod
from podhand.sim.contact_groups import ABOVE_GROUP, SCENERY, TOUCHES, Part
from podhand.sim.mjcf import add, add_body, add_capsule
from podhand.sim.settings import BandSettings

NODE_MASS_KG = 0.003
_COLOUR = "0.08 0.08 0.10 1"


def node_names(band: int, settings: BandSettings) -> list[str]:
    """Return the body names of a band's nodes from +y to -y, ends included."""
    return [f"band_{band}_{i}" for i in range(settings.nodes)]


def add_bands(
    model: Element, pod_body: Element, pod: Pod, settings: BandSettings, tension_scale: tuple[float, ...]
) -> None:
    """Add the active bin's bands to the pod body (whose frame is the bin's), and their springs and contact shapes."""
    tendons = _section(model, "tendon")
    flexes = _section(model, "deformable")
    half_m = pod.bin_width_m / 2 + pod.wall_m
    ys = np.linspace(half_m, -half_m, settings.nodes)
    segment_m = 2 * half_m / (settings.nodes - 1)
    for band, (z, scale) in enumerate(zip(settings.heights_bin_m, tension_scale, strict=True)):
        names = node_names(band, settings)
        for name, y in zip(names, ys, strict=True):
            body = add_body(pod_body, name, pose(None, (settings.x_bin_m, float(y), z)))
            add(body, "site", name=name, size="0.002", group="4")
            if name not in (names[0], names[-1]):
                _make_movable(body, tendons, name)
        stiffness = settings.stiffness_n_m * scale * (settings.nodes - 1)
        for a, b in pairwise(names):
            spring = add(
                tendons,
                "spatial",
                name=f"{a}_spring",
                stiffness=repr(float(stiffness)),
                damping="0.3",
                springlength=repr(float(segment_m * settings.rest_share)),
            )
            add(spring, "site", site=a)
            add(spring, "site", site=b)
        flex = add(
            flexes,
            "flex",
            name=f"band_{band}",
            dim="1",
            radius=repr(settings.radius_m),
            body=" ".join(names),
            element=" ".join(f"{i} {i + 1}" for i in range(settings.nodes - 1)),
            rgba=_COLOUR,
        )
        # Next to nothing: the springs are the tendons. Without any, the compiler warns that the flex has no forces.
        add(flex, "edge", damping="1e-9")
        add(
            flex,
            "contact",
            selfcollide="none",
            contype=str(int(Part.BAND)),
            conaffinity=str(int(TOUCHES[Part.BAND])),
            condim="3",
            friction="0.3",
            solref="0.004 1",
            solimp="0.98 0.999 0.001",
        )


def _make_movable(body: Element, tendons: Element, name: str) -> None:
    for axis, direction in (("x", "1 0 0"), ("y", "0 1 0"), ("z", "0 0 1")):
        joint = f"{name}_{axis}"
        add(body, "joint", name=joint, type="slide", axis=direction, armature="0.02")
        # Joint damping is refused on nodes of a flex; a fixed tendon over the joint does the same.
        damper = add(tendons, "fixed", name=f"{joint}_damper", damping="0.12")
        add(damper, "joint", joint=joint, coef="1")
    add(body, "inertial", pos="0 0 0", mass=repr(NODE_MASS_KG), diaginertia="1e-7 1e-7 1e-7")


def add_still_bands(
    pod_body: Element, pod: Pod, settings: BandSettings, bin_y_m: float, bin_z_m: float, name: str
) -> None:
    """Add a neighbouring bin's bands as scenery."""
    half_m = pod.bin_width_m / 2
    for band, z in enumerate(settings.heights_bin_m):
        start = (settings.x_bin_m, bin_y_m - half_m, bin_z_m + z)
        end = (settings.x_bin_m, bin_y_m + half_m, bin_z_m + z)
        group = ABOVE_GROUP if bin_z_m > 0.0 else "0"
        add_capsule(
            pod_body, f"{name}_band_{band}", start, end, settings.radius_m, rgba=_COLOUR, group=group, **SCENERY
        )


def _section(model: Element, tag: str) -> Element:
    found = model.find(tag)
    return found if found is not None else add(model, tag)
