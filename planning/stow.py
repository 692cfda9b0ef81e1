"""The stow decision: how an item gets into a bin, or in words why it does not."""

from dataclasses import dataclass
from enum import StrEnum
from math import erf, pi, sqrt

from podhand.core.errors import PlanningError
from podhand.core.items import Item
from podhand.core.ports import PresentedItem
from podhand.core.tooling import StowTool
from podhand.perception.bin_model import BinModel, Block
from podhand.planning.affordances import DirectStow, NoSweep, StowRules, Sweep, direct_stows, space_for, sweeps


class StowKind(StrEnum):
    """How room is found."""

    DIRECT = "direct"
    SWEEP = "sweep"
    FLIP_UP = "flip_up"
    STACK = "stack"
    SLOT = "slot"


class RefusalKind(StrEnum):
    """Why an item is not stowed in a bin."""

    TOO_HIGH = "too_high"
    TOO_LONG = "too_long"
    NO_SPACE = "no_space"
    TOO_HEAVY = "too_heavy"
    NO_BLADE_ENTRY = "no_blade_entry"
    NOT_SEEN = "not_seen"
    ITEM_NOT_HANDLED = "item_not_handled"


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """An honest no."""

    kind: RefusalKind
    reason: str


@dataclass(frozen=True, kw_only=True)
class StowPlan:
    """A stow as numbers; places in the found bin frame, x and y of the tool are those of its mouth.

    A sweep goes: tool to ``y_entry_m``, blade out to ``blade_reach_m``, tool by ``sweep_direction *
    sweep_distance_m``, then, unless ``blade_stays``, blade in and tool to ``y_eject_m``; the belts run; the blade, if
    out, is un-pressed and comes in. A direct stow goes to ``y_eject_m`` and runs the belts.
    """

    kind: StowKind
    roll_rad: float
    """0: blade at tool -y; pi: blade at tool +y of the bin."""
    mouth_x_m: float
    tool_z_m: float
    y_eject_m: float
    """Tool and item middle while the belts run."""
    y_entry_m: float
    """Tool while the blade enters; equals ``y_eject_m`` for a direct stow."""
    blade_y_m: float
    """The blade's mid plane while it enters."""
    blade_reach_m: float
    """x of the blade's tip; behind the opening plane."""
    blade_extension_m: float
    """The blade axis' position for that reach, 0 for a direct stow."""
    sweep_direction: int
    """+1 to +y, -1 to -y, 0 no sweep."""
    sweep_distance_m: float
    blade_stays: bool
    item_size_m: tuple[float, float, float]
    predicted_force_n: float
    """Sliding force of what the blade pushes; a guess, masses are not known."""
    predicted_clearance_m: float
    """On each side of the item."""
    predicted_success: float
    """0 … 1."""
    moved_blocks: tuple[Block, ...]
    reason: str
    """Why this plan, in words."""

    @property
    def sweep_needed(self) -> bool:
        """True when no gap takes the item as it is."""
        return self.kind is StowKind.SWEEP

    @property
    def item_place_m(self) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
        """Corners (low, high) in the bin frame [m] of where the item should stand at last, on the floor."""
        length, width, height = self.item_size_m
        front = 0.004
        return (front, self.y_eject_m - width / 2, 0.0), (front + length, self.y_eject_m + width / 2, height)


def plan_stow(
    model: BinModel,
    presented: PresentedItem,
    *,
    tool: StowTool,
    force_limit_n: float,
    rules: StowRules | None = None,
) -> StowPlan | Refusal:
    """Decide how to stow an item: directly into a gap, else by the sweep with the best prediction, else not.

    Args:
        model: the bin as seen.
        presented: the waiting item as its scanner knows it.
        tool: geometry of paddles and blade.
        force_limit_n: limit of the sweep on the filtered force [N], > 0.
        rules: margins and beliefs; the defaults when None.

    Raises:
        PlanningError: the force limit is not positive.
    """
    if not force_limit_n > 0.0:
        raise PlanningError(
            f"force_limit_n must be more than 0 N (got {force_limit_n}); check the station's forces block"
        )
    rules = rules or StowRules()
    item = presented.item
    refusal = _does_not_fit_at_all(model, item, tool, rules)
    if refusal:
        return refusal
    direct = direct_stows(model, item, rules)
    if direct:
        return _direct_plan(direct[0], item, rules)
    found, failed = (
        sweeps(model, item, tool, rules, force_limit_n=force_limit_n) if "sweep" in rules.moves else ([], [])
    )
    if found:
        best = max(found, key=lambda s: _sweep_success(s, item, rules, force_limit_n))
        return _sweep_plan(best, item, tool, rules, force_limit_n)
    return _refuse(model, item, rules, failed)


def _does_not_fit_at_all(model: BinModel, item: Item, tool: StowTool, rules: StowRules) -> Refusal | None:
    lx, _, lz = model.size_m
    depth, height = space_for(item, rules)
    if not tool.min_opening_m <= item.width_m <= tool.max_opening_m:
        return Refusal(
            kind=RefusalKind.ITEM_NOT_HANDLED,
            reason=f"the item is {1e3 * item.width_m:.0f} mm wide, the paddles hold {1e3 * tool.min_opening_m:.0f} … "
            f"{1e3 * tool.max_opening_m:.0f} mm",
        )
    if height > lz:
        return Refusal(
            kind=RefusalKind.TOO_HIGH,
            reason=f"the item needs {1e3 * height:.0f} mm of height, the bin has {1e3 * lz:.0f} mm",
        )
    if depth > lx:
        return Refusal(
            kind=RefusalKind.TOO_LONG,
            reason=f"the item needs {1e3 * depth:.0f} mm of depth, the bin has {1e3 * lx:.0f} mm",
        )
    return None


def _direct_plan(stow: DirectStow, item: Item, rules: StowRules) -> StowPlan:
    gap = stow.gap
    return StowPlan(
        kind=StowKind.DIRECT,
        roll_rad=0.0,
        mouth_x_m=rules.mouth_x_m,
        tool_z_m=rules.item_bottom_m + rules.tool_over_item_bottom_m,
        y_eject_m=stow.y_item_m,
        y_entry_m=stow.y_item_m,
        blade_y_m=stow.y_item_m,
        blade_reach_m=0.0,
        blade_extension_m=0.0,
        sweep_direction=0,
        sweep_distance_m=0.0,
        blade_stays=False,
        item_size_m=item.size_m,
        predicted_force_n=0.0,
        predicted_clearance_m=stow.clearance_m,
        predicted_success=_fit_chance(stow.clearance_m) * _band_chance(stow.y_item_m, item.width_m / 2, rules),
        moved_blocks=(),
        reason=f"a gap of {1e3 * gap.width_m:.0f} mm takes the item of {1e3 * item.width_m:.0f} mm with "
        f"{1e3 * stow.clearance_m:.0f} mm on each side",
    )


def _sweep_plan(sweep: Sweep, item: Item, tool: StowTool, rules: StowRules, force_limit_n: float) -> StowPlan:
    offset = -tool.blade_offset_m(item.width_m)
    towards = "left" if sweep.direction > 0 else "right"
    fence = "the blade stays as a fence" if sweep.blade_stays else "the blade leaves before the item enters"
    return StowPlan(
        kind=StowKind.SWEEP,
        roll_rad=0.0 if sweep.direction < 0 else pi,
        mouth_x_m=rules.mouth_x_m,
        tool_z_m=rules.item_bottom_m + rules.tool_over_item_bottom_m,
        y_eject_m=sweep.y_item_m,
        y_entry_m=sweep.blade_y_m - sweep.direction * offset,
        blade_y_m=sweep.blade_y_m,
        blade_reach_m=sweep.blade_reach_m,
        blade_extension_m=sweep.blade_reach_m - rules.mouth_x_m - tool.blade_rest_m,
        sweep_direction=sweep.direction,
        sweep_distance_m=sweep.distance_m,
        blade_stays=sweep.blade_stays,
        item_size_m=item.size_m,
        predicted_force_n=sweep.force_n,
        predicted_clearance_m=sweep.clearance_m,
        predicted_success=_sweep_success(sweep, item, rules, force_limit_n),
        moved_blocks=sweep.moved,
        reason=f"no gap takes the item of {1e3 * item.width_m:.0f} mm; the blade enters a gap of "
        f"{1e3 * sweep.gap.width_m:.0f} mm at y = {1e3 * sweep.blade_y_m:.0f} mm and sweeps "
        f"{1e3 * sweep.distance_m:.0f} mm to the {towards}, pushing {_count(len(sweep.moved))} with about "
        f"{sweep.force_n:.0f} N; {fence}",
    )


def _count(blocks: int) -> str:
    return "1 block" if blocks == 1 else f"{blocks} blocks"


def _fit_chance(clearance_m: float) -> float:
    """Return the chance that the true clearance is not used up, for 2.5 mm of error on each side."""
    one_side = 0.5 * (1.0 + erf((clearance_m + 0.001) / (0.0025 * sqrt(2.0))))
    return 0.98 * one_side**2


def _band_chance(y_m: float, half_m: float, rules: StowRules) -> float:
    """Return the chance that the rising ends of the held-down bands do no harm."""
    return 0.96 if abs(y_m) + half_m > rules.clear_half_width_m + 1e-6 else 1.0


def _sweep_success(sweep: Sweep, item: Item, rules: StowRules, force_limit_n: float) -> float:
    """Return a prediction from clearance, entry, force against its limit, bands, and how much moves how far.

    Our assumptions, not yet fitted to outcomes: they rank plans.
    """
    strain = max(sweep.force_n / force_limit_n, 0.05)
    force = 0.5 * (1.0 + erf((1.0 - strain) / (0.35 * strain * sqrt(2.0))))
    entry = _fit_chance(min((sweep.gap.width_m - 0.002) / 2, 0.010)) / 0.98
    bands = _band_chance(sweep.y_item_m, item.width_m / 2, rules) * _band_chance(sweep.blade_y_m, 0.001, rules)
    # What is pushed may turn, tip or come back; a fence keeps it away.
    motion = (1.0 - 0.2 * sweep.distance_m) * 0.99 ** len(sweep.moved) * (0.98 if sweep.blade_stays else 0.97)
    return _fit_chance(sweep.clearance_m) * entry * force * bands * motion


def _refuse(model: BinModel, item: Item, rules: StowRules, failed: list[NoSweep]) -> Refusal:
    depth, height = space_for(item, rules)
    space = model.free_space(depth_m=depth, height_m=height)
    layout = model.layout(depth_m=depth, height_m=height)
    need = item.width_m + 2 * rules.min_side_m
    unseen = sum(b.width_m for b in layout.blocks if not b.seen)
    free = f"the widest gap is {1e3 * space.widest_m:.0f} mm, all gaps together {1e3 * space.sum_width_m:.0f} mm, " \
           f"the item needs {1e3 * need:.0f} mm"  # fmt: skip
    if space.sum_width_m + unseen >= need > space.sum_width_m:
        return Refusal(
            kind=RefusalKind.NOT_SEEN, reason=f"{1e3 * unseen:.0f} mm of the bin were not seen by any camera; {free}"
        )
    if space.sum_width_m < need:
        return Refusal(kind=RefusalKind.NO_SPACE, reason=f"even swept together there is no room: {free}")
    if not failed:
        return Refusal(kind=RefusalKind.NO_SPACE, reason=f"no gap at all for the blade; {free}")
    closest = max(failed, key=lambda f: f.severity)
    kinds = {0: RefusalKind.NO_BLADE_ENTRY, 1: RefusalKind.NO_BLADE_ENTRY, 2: RefusalKind.NO_BLADE_ENTRY,
             3: RefusalKind.NO_SPACE, 4: RefusalKind.TOO_HEAVY}  # fmt: skip
    return Refusal(kind=kinds[closest.severity], reason=f"{closest.reason}; {free}")
