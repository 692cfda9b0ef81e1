"""Items as MJCF: the contents of the active bin, the presented item on its rails, and the rails."""

from xml.etree.ElementTree import Element

from podhand.core.items import Shape
from podhand.core.poses import Pose, pose
from podhand.core.tooling import Pod
from podhand.sim.contact_groups import Part, contact
from podhand.sim.mjcf import add, add_body, add_box, add_capsule, add_inertial, box_inertia, numbers
from podhand.sim.settings import SimSettings
from podhand.sim.world import ContentItem, World

RAIL_WIDTH_M = 0.003
RAILS_WIDTH_M = 0.012
"""Both rails together: narrower than the thinnest item, so that the paddles straddle them."""
RAIL_LENGTH_M = 0.34
RAIL_HEIGHT_M = 0.05
_EDGE_OVER_SOLE_M = 0.0001

_COLOURS = ("0.70 0.35 0.25 1", "0.30 0.50 0.70 1", "0.45 0.62 0.38 1", "0.62 0.50 0.66 1", "0.75 0.62 0.42 1",
            "0.35 0.58 0.60 1")  # fmt: skip


def add_contents(worldbody: Element, pod: Pod, world: World) -> None:
    """Stand the contents in the active bin."""
    X_world_bin = pod.X_world_bin(world.row, world.column) @ world.X_nominal_bin
    for k, content in enumerate(world.contents):
        X_world_item = X_world_bin @ content.X_bin_item
        body = add_body(worldbody, content.name, X_world_item)
        x, _, z = content.size_m
        round_item = content.shape is Shape.CYLINDER
        size = (x / 2, z / 2) if round_item else tuple(s / 2 for s in content.size_m)
        colour = _COLOURS[k % len(_COLOURS)]
        if content.edge_radius_m > 0.0:
            _add_rounded_box(body, content, colour)
        else:
            _add_item_geom(body, content.name, round_item, size, content.mass_kg, content.friction, colour)


def add_presented_item(worldbody: Element, X_world_item: Pose, world: World) -> None:
    """Lay the presented item where it truly is."""
    item = world.item
    body = add_body(worldbody, "item", X_world_item)
    round_item = item.shape is Shape.CYLINDER
    size = (item_diameter_m(world) / 2, item.length_m / 2) if round_item else tuple(s / 2 for s in item.size_m)
    _add_item_geom(
        body, "item", round_item, size, world.item_mass_kg, world.item_friction, "0.15 0.65 0.30 1", along_x=True
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


def add_rails(worldbody: Element, settings: SimSettings, X_world_base: Pose) -> None:
    """Add the two thin rails of the infeed."""
    x, y = settings.infeed_base_m
    body = add_body(worldbody, "infeed", X_world_base @ pose(None, (x, y, settings.rail_top_base_m)))
    rail = {"rgba": "0.55 0.57 0.60 1", "friction": "0.25 0.005 0.0001", **contact(Part.RAIL)}
    offset = (RAILS_WIDTH_M - RAIL_WIDTH_M) / 2
    size = (RAIL_LENGTH_M, RAIL_WIDTH_M, RAIL_HEIGHT_M)
    for name, side in (("left", offset), ("right", -offset)):
        add_box(body, f"rail_{name}", size, (0, side, -RAIL_HEIGHT_M / 2), **rail)
    add_box(body, "rail_foot", (0.10, 0.012, 0.10), (0, 0, -RAIL_HEIGHT_M - 0.05), **rail)


def _add_item_geom(
    body: Element,
    name: str,
    round_item: bool,
    size: tuple[float, ...],
    mass_kg: float,
    friction: float,
    rgba: str,
    *,
    along_x: bool = False,
) -> None:
    add(body, "freejoint", name=name)
    turned = {"zaxis": "1 0 0"} if round_item and along_x else {}
    add(
        body,
        "geom",
        name=name,
        type="cylinder" if round_item else "box",
        size=numbers(size),
        mass=repr(float(mass_kg)),
        friction=numbers((friction, 0.005, 0.0002)),
        rgba=rgba,
        **turned,
        **contact(Part.ITEM, condim=4),
    )


def _add_rounded_box(body: Element, content: ContentItem, rgba: str) -> None:
    """Add a box whose four edges at -z are round: two boxes and a capsule along each of these edges."""
    add(body, "freejoint", name=content.name)
    add_inertial(body, content.mass_kg, (0, 0, 0), box_inertia(content.mass_kg, content.size_m))
    surface = {"friction": numbers((content.friction, 0.005, 0.0002)), "rgba": rgba, **contact(Part.ITEM, condim=4)}
    (x, y, z), r = content.size_m, content.edge_radius_m
    add_box(body, content.name, (x, y, z - r), (0, 0, r / 2), **surface)
    add_box(body, f"{content.name}_sole", (x - 2 * r, y - 2 * r, z / 2), (0, 0, -z / 4), **surface)
    # A little higher than the sole, so that the item stands on the sole alone.
    low, dx, dy = -z / 2 + r + _EDGE_OVER_SOLE_M, x / 2 - r, y / 2 - r
    corners = ((dx, dy, low), (-dx, dy, low), (-dx, -dy, low), (dx, -dy, low))
    for k in range(4):
        add_capsule(body, f"{content.name}_edge_{k}", corners[k], corners[(k + 1) % 4], r, **surface)
