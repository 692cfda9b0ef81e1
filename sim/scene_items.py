"""Items as MJCF: the contents of the active bin, the presented item on its rails, and the rails."""

from math import sqrt
from xml.etree.ElementTree import Element

import numpy as np

from podhand.core.items import Item, Shape
from podhand.core.poses import Pose, pose
from podhand.core.tooling import Pod
from podhand.sim.contact_groups import Part, contact
from podhand.sim.item_bodies import ItemForm, add_item
from podhand.sim.mjcf import add_body, add_box, add_capsule
from podhand.sim.settings import SimSettings
from podhand.sim.world import World

RAIL_WIDTH_M = 0.003
RAILS_SHARE, RAILS_MIN_M, RAILS_MAX_M = 0.45, 0.012, 0.05
"""Both rails together, over the item's width: narrower than the item, so that the paddles straddle them."""
RAIL_BEHIND_M, RAIL_AHEAD_M = 0.13, 0.17
"""From the middle of the item: the palm stays behind the rails, whose tops may be over its lower edge."""
RAIL_HEIGHT_M = 0.05

_COLOURS = ("0.70 0.35 0.25 1", "0.30 0.50 0.70 1", "0.45 0.62 0.38 1", "0.62 0.50 0.66 1", "0.75 0.62 0.42 1",
            "0.35 0.58 0.60 1")  # fmt: skip


def add_contents(root: Element, pod: Pod, world: World) -> None:
    """Put the contents into the active bin."""
    X_world_bin = pod.X_world_bin(world.row, world.column) @ world.X_nominal_bin
    for k, content in enumerate(world.contents):
        form = ItemForm(
            name=content.name,
            shape=content.shape,
            size_m=content.size_m,
            mass_kg=content.mass_kg,
            friction=content.friction,
            rgba=_COLOURS[k % len(_COLOURS)],
            edge_radius_m=content.edge_radius_m,
            form_seed=content.form_seed,
        )
        add_item(root, X_world_bin @ content.X_bin_item, form)


def add_presented_item(root: Element, X_world_item: Pose, world: World) -> None:
    """Lay the presented item where it truly is."""
    # The next one is put on the infeed by its coordinates, which a sleeping body would not notice.
    add_item(root, X_world_item, presented_form(world), sleeps=False)


def presented_form(world: World) -> ItemForm:
    """Return what the presented item truly is."""
    return ItemForm(
        name="item",
        shape=world.item.shape,
        size_m=true_item_size_m(world),
        mass_kg=world.item_mass_kg,
        friction=world.item_friction,
        rgba="0.15 0.65 0.30 1",
        axis=0,
        form_seed=world.seed,
    )


def item_diameter_m(world: World) -> float:
    """Return the true diameter of a cylinder: the mean of its two measured short sides."""
    return (world.item.width_m + world.item.height_m) / 2


def true_item_size_m(world: World) -> tuple[float, float, float]:
    """Return the presented item's true sides in its own frame [m]."""
    if world.item.shape is Shape.CYLINDER:
        d = item_diameter_m(world)
        return (world.item.length_m, d, d)
    return world.item.size_m


def X_world_presented(world: World, settings: SimSettings, X_world_base: Pose) -> tuple[Pose, Pose]:
    """Return where the presented item is believed to be and where it truly is."""
    x, y = settings.infeed_base_m
    X_base_believed = pose(None, (x, y, settings.rail_top_base_m + world.item.height_m / 2))
    X_world_believed = X_world_base @ X_base_believed
    X_world_true = X_world_believed @ world.X_nominal_item
    X_world_true[2, 3] += (true_item_size_m(world)[2] - world.item.height_m) / 2 + 0.0003
    return X_world_believed, X_world_true


def rails_width_m(item: Item) -> float:
    """Return how far apart the outer edges of the infeed's rails stand: they open with the item's width."""
    return float(np.clip(RAILS_SHARE * item.width_m, RAILS_MIN_M, RAILS_MAX_M))


def add_rails(worldbody: Element, settings: SimSettings, X_world_base: Pose, world: World) -> None:
    """Add the two thin rails of the infeed, their tops round: bottles lie between them as in a cradle.

    The lowest point of a bottle is where the underside of a flat item is, as an infeed levels what it hands over.
    """
    x, y = settings.infeed_base_m
    radius = RAIL_WIDTH_M / 2
    offset = rails_width_m(world.item) / 2 - radius
    sunk_m = 0.0
    if world.item.shape in (Shape.CYLINDER, Shape.SPHERE):
        reach = item_diameter_m(world) / 2 + radius
        sunk_m = reach - sqrt(reach**2 - offset**2)
    top = settings.rail_top_base_m + sunk_m
    body = add_body(worldbody, "infeed", X_world_base @ pose(None, (x, y, top)))
    rail = {"rgba": "0.55 0.57 0.60 1", "friction": "0.25 0.005 0.0001", **contact(Part.RAIL)}
    length, height = RAIL_BEHIND_M + RAIL_AHEAD_M, RAIL_HEIGHT_M - radius
    middle_x = (RAIL_AHEAD_M - RAIL_BEHIND_M) / 2
    for name, side in (("left", offset), ("right", -offset)):
        add_box(body, f"rail_{name}", (length, RAIL_WIDTH_M, height), (middle_x, side, -radius - height / 2), **rail)
        # Sharp edges of boxes push round things sideways and wedge them.
        ends = ((-RAIL_BEHIND_M, side, -radius), (RAIL_AHEAD_M, side, -radius))
        add_capsule(body, f"rail_top_{name}", ends[0], ends[1], radius, **rail)
    foot = (0.10, rails_width_m(world.item), 0.10)
    add_box(body, "rail_foot", foot, (0, 0, -RAIL_HEIGHT_M - 0.05), **rail)
