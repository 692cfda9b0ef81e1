"""Items of every shape as MJCF: boxes, cylinders, spheres, bags, irregular ones and books.

Bags, irregular items and books have the item frame of the catalogue: x along bag chain and spine, y through the
thickness, z up. A bag's or book's own parts never collide with each other; their joints' ranges keep them apart.
"""

from dataclasses import dataclass
from xml.etree.ElementTree import Element

import numpy as np

from podhand.core.items import Shape
from podhand.core.poses import FloatArray, Pose, pose
from podhand.sim.contact_groups import Part, contact
from podhand.sim.mjcf import add, add_body, add_box, add_capsule, add_inertial, box_inertia, numbers

_GRAVITY_M_S2 = 9.81
_EDGE_OVER_SOLE_M = 0.0001
_ROLLING_M = 0.0005
"""Lever of the rolling resistance of bottles, rolls and balls: about 1.5 % of a radius."""

BAG_GIVES = 0.25
"""A bag becomes thinner by this share ..."""
BAG_GIVES_AT_N = 15.0
"""... under this squeeze over its whole side."""
_BAG_LIMIT_RAD = 0.6
"""Of each joint, either way."""
_BAG_END = (0.88, 0.95)
"""A bag's ends are thinner and lower than its middle, by these factors."""
_BAG_SLACK_S = 0.25
"""What is in a bag shifts and stays: its bends fade this slowly, they do not spring back."""
_BAG_SOFT = "0.012 1"
_BAG_ARMATURE = 0.05
"""Numerical inertia of its joints, over mass and mass times length squared: light pieces alone would chatter."""

_COVER_SHARE, _COVER_MIN_M, _COVER_MAX_M = 0.10, 0.0015, 0.003
_COVER_MASS_SHARE = 0.12
_COVER_OVER_M = 0.004
"""Covers are longer and higher than the pages, by this."""
_OPEN_LIMIT_RAD = 2.6
_PAPER = "0.93 0.92 0.86 1"

COM_OFF = (0.16, 0.06, 0.12)
"""An irregular item's centre of mass lies off its middle by up to these shares of its sides."""


@dataclass(frozen=True, kw_only=True)
class ItemForm:
    """What a body is made from."""

    name: str
    shape: Shape
    size_m: tuple[float, float, float]
    mass_kg: float
    friction: float
    rgba: str
    axis: int = 2
    """Of a cylinder in its own frame: 0 x, 2 z."""
    edge_radius_m: float = 0.0
    form_seed: int = 0
    """Draws an irregular item's pieces and centre of mass."""

    def surface(self, condim: int = 4, **more: str) -> dict[str, str]:
        """Return the attributes of its geoms."""
        friction = numbers((self.friction, 0.005, _ROLLING_M))
        return {"friction": friction, "rgba": self.rgba, **contact(Part.ITEM, condim=condim), **more}


def add_item(root: Element, X_world_item: Pose, form: ItemForm, *, sleeps: bool = True) -> None:
    """Add an item as a free body, named as the form, to the scene; ``sleeps`` lets it when it lies still."""
    worldbody = root.find("worldbody")
    assert worldbody is not None
    body = add_body(worldbody, form.name, X_world_item, sleep="allowed" if sleeps else "never")
    add(body, "freejoint", name=form.name)
    if form.shape is Shape.BAG:
        _add_bag(root, body, form)
    elif form.shape is Shape.BOOK:
        _add_book(root, body, form)
    elif form.shape is Shape.IRREGULAR:
        _add_irregular(body, form)
    elif form.shape is Shape.BOX:
        _add_rounded_box(body, form) if form.edge_radius_m > 0.0 else _add_solid(body, form)
    else:
        _add_solid(body, form)


def _add_solid(body: Element, form: ItemForm) -> None:
    """Add a box, cylinder or sphere as one geom."""
    half = [s / 2 for s in form.size_m]
    mass = {"name": form.name, "mass": repr(float(form.mass_kg))}
    if form.shape is Shape.BOX:
        add(body, "geom", type="box", size=numbers(half), **mass, **form.surface())
    elif form.shape is Shape.SPHERE:
        add(body, "geom", type="sphere", size=repr(half[0]), **mass, **form.surface(condim=6))
    else:
        radius, axis = half[1], "1 0 0" if form.axis == 0 else "0 0 1"
        size = numbers((radius, half[form.axis]))
        add(body, "geom", type="cylinder", size=size, zaxis=axis, **mass, **form.surface(condim=6))


def _add_rounded_box(body: Element, form: ItemForm) -> None:
    """Add a box whose four edges at -z are round: two boxes and a capsule along each of these edges."""
    add_inertial(body, form.mass_kg, (0, 0, 0), box_inertia(form.mass_kg, form.size_m))
    (x, y, z), r, surface = form.size_m, form.edge_radius_m, form.surface()
    add_box(body, form.name, (x, y, z - r), (0, 0, r / 2), **surface)
    add_box(body, f"{form.name}_sole", (x - 2 * r, y - 2 * r, z / 2), (0, 0, -z / 4), **surface)
    # A little higher than the sole, so that the item stands on the sole alone.
    low, dx, dy = -z / 2 + r + _EDGE_OVER_SOLE_M, x / 2 - r, y / 2 - r
    corners = ((dx, dy, low), (-dx, dy, low), (-dx, -dy, low), (dx, -dy, low))
    for k in range(4):
        add_capsule(body, f"{form.name}_edge_{k}", corners[k], corners[(k + 1) % 4], r, **surface)


def bag_pieces(length_m: float) -> int:
    """Return how many pieces a bag's chain has; odd, so that one is in the middle."""
    return 3 if length_m < 0.15 else 5


def _add_bag(root: Element, body: Element, form: ItemForm) -> None:
    """Add a chain of soft boxes along x; each is two halves that a spring keeps apart through the thickness."""
    length, width, height = form.size_m
    pieces = bag_pieces(length)
    pitch, middle = length / pieces, pieces // 2
    bodies = _bag_piece(body, form, middle, pitch, width, height)
    for side in (1, -1):
        parent = body
        for k in range(1, middle + 1):
            end = k == middle
            child = add_body(parent, f"{form.name}_{middle + side * k}", pose(None, (side * pitch, 0, 0)))
            _add_bag_hinges(child, form, -side * pitch / 2)
            size = (width * _BAG_END[0], height * _BAG_END[1]) if end else (width, height)
            bodies += _bag_piece(child, form, middle + side * k, pitch, *size)
            parent = child
    _exclude(root, bodies)


def _bag_piece(body: Element, form: ItemForm, k: int, pitch_m: float, width_m: float, height_m: float) -> list[str]:
    """Add one piece of a bag to its body and return its bodies' names."""
    pieces = bag_pieces(form.size_m[0])
    half_mass = {"mass": repr(form.mass_kg / (2 * pieces)), **form.surface(solref=_BAG_SOFT)}
    size = (pitch_m - 0.001, width_m / 2, height_m)
    name = form.name if k == pieces // 2 else f"{form.name}_{k}"
    add_box(body, name, size, (0, -width_m / 4, 0), **half_mass)
    other = add_body(body, f"{form.name}_{k}_half", pose())
    stiffness = BAG_GIVES_AT_N / (BAG_GIVES * width_m) / pieces
    damping = 2.0 * np.sqrt(stiffness * form.mass_kg / (2 * pieces))
    add(other, "joint", name=f"{form.name}_{k}_give", type="slide", axis="0 1 0", stiffness=repr(float(stiffness)),
        damping=repr(float(damping)), armature=repr(_BAG_ARMATURE * form.mass_kg),
        range=numbers((-0.45 * width_m, 0.0)))  # fmt: skip
    add_box(other, f"{form.name}_{k}_half", size, (0, width_m / 4, 0), **half_mass)
    return [name, f"{form.name}_{k}_half"]


def _add_bag_hinges(body: Element, form: ItemForm, x_m: float) -> None:
    """Join a piece to its neighbour: easily bent through the thickness, less easily in its plane."""
    weight_n_m = form.mass_kg * _GRAVITY_M_S2 * form.size_m[0]
    armature = _BAG_ARMATURE * form.mass_kg * form.size_m[0] ** 2
    for name, axis, share in (("fold", "0 0 1", 0.15), ("sag", "0 1 0", 0.5)):
        stiffness = share * weight_n_m
        add(body, "joint", name=f"{body.get('name')}_{name}", type="hinge", axis=axis, pos=numbers((x_m, 0, 0)),
            stiffness=repr(stiffness), damping=repr(_BAG_SLACK_S * stiffness), armature=repr(armature),
            range=numbers((-_BAG_LIMIT_RAD, _BAG_LIMIT_RAD)))  # fmt: skip


def _add_book(root: Element, body: Element, form: ItemForm) -> None:
    """Add the page block and a cover on each side, hinged to it along the spine, which is at -z."""
    length, width, height = form.size_m
    cover = float(np.clip(_COVER_SHARE * width, _COVER_MIN_M, _COVER_MAX_M))
    surface = form.surface()
    pages = (length - _COVER_OVER_M, width - 2 * cover, height - _COVER_OVER_M)
    add_box(body, form.name, pages, (0, 0, 0), mass=repr((1.0 - 2 * _COVER_MASS_SHARE) * form.mass_kg),
            **{**surface, "rgba": _PAPER})  # fmt: skip
    for name, side in (("back", -1.0), ("front", 1.0)):
        board = add_body(body, f"{form.name}_{name}", pose())
        _add_spine(board, form, side, width / 2 - cover)
        add_box(board, f"{form.name}_{name}", (length, cover, height), (0, side * (width - cover) / 2, 0),
                mass=repr(_COVER_MASS_SHARE * form.mass_kg), **surface)  # fmt: skip
    _exclude(root, [form.name, f"{form.name}_back", f"{form.name}_front"])


def _add_spine(body: Element, form: ItemForm, side: float, y_m: float) -> None:
    weight_n_m = form.mass_kg * _GRAVITY_M_S2 * form.size_m[2]
    # Paper and glue keep a book shut a little. The armature is numerical: contacts are as stiff as the bodies behind
    # them are heavy, and a board alone would chatter between belt and pages.
    add(body, "joint", name=f"{body.get('name')}_spine", type="hinge", axis=numbers((-side, 0, 0)),
        pos=numbers((0, side * y_m, -form.size_m[2] / 2)), stiffness=repr(0.1 * weight_n_m), springref="-0.3",
        damping=repr(0.02 * weight_n_m), armature=repr(0.15 * form.mass_kg * form.size_m[2] ** 2),
        range=numbers((0.0, _OPEN_LIMIT_RAD)), solreflimit="0.006 1", solimplimit="0.98 0.998 0.001")  # fmt: skip


def spine_joints(name: str) -> tuple[str, str]:
    """Return the joints whose angles together say how far a book is open."""
    return f"{name}_back_spine", f"{name}_front_spine"


def _exclude(root: Element, bodies: list[str]) -> None:
    """Keep the parts of one item from touching each other."""
    section = root.find("contact")
    if section is None:
        section = add(root, "contact")
    for k, one in enumerate(bodies):
        for other in bodies[:k]:
            add(section, "exclude", body1=other, body2=one)


def com_off_m(form: ItemForm) -> FloatArray:
    """Return an irregular item's centre of mass (3,) in its own frame [m]: off the middle, drawn from its seed."""
    rng = np.random.default_rng([form.form_seed, 0x434F4D])
    return np.asarray(rng.uniform(-1, 1, 3) * COM_OFF * np.array(form.size_m))


def _add_irregular(body: Element, form: ItemForm) -> None:
    """Add a belly as thick as the item, a round head that reaches its top, and a thin tail at its other end."""
    rng = np.random.default_rng([form.form_seed, 0x504945])
    (length, width, height), surface = form.size_m, form.surface()
    add_inertial(body, form.mass_kg, com_off_m(form), box_inertia(form.mass_kg, (0.9 * length, 0.9 * width, height)))
    side = 1.0 if rng.random() < 0.5 else -1.0
    radius = min(float(rng.uniform(0.15, 0.25)) * length, height / 2)
    tail = float(rng.uniform(0.12, 0.22)) * length
    head_width, tail_width = (float(w) * width for w in rng.uniform(0.5, 0.9, 2))
    head_y = float(rng.uniform(-0.5, 0.5)) * (width - head_width)
    tail_y = float(rng.uniform(-0.5, 0.5)) * (width - tail_width)
    tail_height, belly_height = float(rng.uniform(0.45, 0.75)) * height, float(rng.uniform(0.75, 0.95)) * height
    # The belly runs from the tail to the middle of the round head.
    belly = length - tail - radius
    belly_x = side * ((length / 2 - radius) - belly / 2)
    add_box(body, form.name, (belly, width, belly_height), (belly_x, 0, (belly_height - height) / 2), **surface)
    add(body, "geom", name=f"{form.name}_head", type="cylinder", size=numbers((radius, head_width / 2)),
        zaxis="0 1 0", pos=numbers((side * (length / 2 - radius), head_y, height / 2 - radius)), **surface)  # fmt: skip
    size = (tail + 0.01, tail_width, tail_height)
    middle = (-side * (length / 2 - size[0] / 2), tail_y, (tail_height - height) / 2)
    add_box(body, f"{form.name}_tail", size, middle, **surface)
