"""The band arm as MJCF: three sliding axes and a passive hook of two barbed prongs that comes from below."""

from xml.etree.ElementTree import Element

import numpy as np

from podhand.core.poses import Pose, pose
from podhand.sim.contact_groups import SCENERY, Part, contact
from podhand.sim.mjcf import add, add_body, add_box, add_capsule, add_inertial
from podhand.sim.settings import BandSettings

PRONG_RADIUS_M = 0.004
BAR_X_M = -0.026
"""The bar between the prongs, behind the hook point."""
BARB_X_M = 0.011
"""The barbs, in front of the hook point: the bands lie between bar and barbs."""
BARB_DEPTH_M = 0.014
CARRIAGE_MASS_KG = 1.2
HOOK_MASS_KG = 1.0

_STEEL = {"rgba": "0.85 0.55 0.15 1", "friction": "0.3"}


def add_band_arm(worldbody: Element, X_world_base: Pose, settings: BandSettings) -> None:
    """Add the gantry: joint positions are those of the hook point in the base frame."""
    body = worldbody
    X = pose(None, X_world_base[:3, 3])
    for axis, direction in (("x", "1 0 0"), ("y", "0 1 0"), ("z", "0 0 1")):
        name = "hook" if axis == "z" else f"band_carriage_{axis}"
        body = add_body(body, name, X, gravcomp="1")
        X = pose()
        mass_kg = HOOK_MASS_KG if axis == "z" else CARRIAGE_MASS_KG
        add_inertial(body, mass_kg, (0, 0, -0.15), np.diag([0.01, 0.01, 0.01]))
        add(body, "joint", name=f"band_{axis}", type="slide", axis=direction)
    _add_hook(body, settings)


def _add_hook(body: Element, settings: BandSettings) -> None:
    touch = {**_STEEL, **contact(Part.HOOK)}
    y = settings.prong_y_m
    add_capsule(body, "hook_bar", (BAR_X_M, -y, 0), (BAR_X_M, y, 0), PRONG_RADIUS_M, **touch)
    for name, side in (("left", y), ("right", -y)):
        add_capsule(body, f"prong_{name}", (BAR_X_M, side, 0), (BARB_X_M, side, 0), PRONG_RADIUS_M, **touch)
        barb_end = (BARB_X_M, side, -BARB_DEPTH_M)
        add_capsule(body, f"barb_{name}", (BARB_X_M, side, 0), barb_end, 0.003, **touch)
    add_capsule(body, "hook_stem", (BAR_X_M, 0, 0), (BAR_X_M - 0.02, 0, -0.35), 0.008, **touch)
    add_box(body, "band_slide", (0.05, 0.08, 0.10), (BAR_X_M - 0.03, 0, -0.38), rgba="0.3 0.32 0.35 1", **SCENERY)
    add(body, "site", name="hook", size="0.003")
