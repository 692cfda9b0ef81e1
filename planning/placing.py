"""Places other than an upright gap: on top of what is there, and tilted between others."""

from dataclasses import dataclass
from math import ceil, pi

from podhand.core.items import Item, Shape
from podhand.perception.bin_model import BinModel
from podhand.perception.slants import Slant, find_slants, rolled_size_m
from podhand.perception.supports import Support, find_supports
from podhand.planning.affordances import StowRules

_LYING_RAD = pi / 2
_STACKS = frozenset({Shape.BOX, Shape.BOOK})
"""Flat and stiff: others roll off, or hang down from the paddles so that what carries them is not felt."""
_ROUND = frozenset({Shape.CYLINDER, Shape.SPHERE})


@dataclass(frozen=True, kw_only=True)
class Stack:
    """The item on top of something."""

    support: Support
    tilt_rad: float
    """0: upright as it is held; ±pi/2: lying on its largest side."""


def stacks(model: BinModel, item: Item, rules: StowRules) -> list[Stack]:
    """Return the places on top of things that would carry the item, upright or lying; for boxes and books."""
    if item.shape not in _STACKS:
        return []
    found = []
    for tilt in (0.0, _LYING_RAD, -_LYING_RAD):
        width, height = rolled_size_m(item.width_m, item.height_m, tilt)
        places = find_supports(
            model,
            length_m=item.length_m,
            width_m=width,
            height_m=rules.stack_drop_m + height + rules.height_margin_m,
            side_m=rules.min_side_m,
        )
        found += [
            Stack(support=s, tilt_rad=tilt)
            for s in places
            if s.middle_carried and s.carried_share >= rules.least_carried and _is_level(s, rules)
        ]
    return found


def _is_level(support: Support, rules: StowRules) -> bool:
    return support.slope_rad <= rules.most_slope_rad and support.uneven_m <= rules.most_uneven_m


def slots(model: BinModel, item: Item, rules: StowRules) -> list[Slant]:
    """Return the slanted gaps that take the item, with its rolls."""
    if item.shape in _ROUND:
        return []
    return find_slants(
        model,
        depth_m=item.length_m + rules.depth_margin_m,
        width_m=item.width_m,
        height_m=item.height_m,
        bottom_m=rules.bottom_m(item),
        over_m=rules.height_margin_m,
        tilts_rad=_tilts_rad(rules),
        side_m=rules.slot_side_m,
    )


def lowest_slot_m(item: Item, rules: StowRules) -> float:
    """Return the height over the floor [m] that an item needs at the roll that makes it lowest."""
    rolled = (rolled_size_m(item.width_m, item.height_m, tilt)[1] for tilt in (0.0, *_tilts_rad(rules)))
    return rules.bottom_m(item) + min(rolled) + rules.height_margin_m


def _tilts_rad(rules: StowRules) -> tuple[float, ...]:
    first = ceil(rules.least_tilt_rad / rules.tilt_step_rad)
    last = int(rules.max_tilt_rad / rules.tilt_step_rad + 1e-9)
    return tuple(sign * k * rules.tilt_step_rad for k in range(first, last + 1) for sign in (-1.0, 1.0))
