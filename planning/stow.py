"""The stow decision: how an item gets into a bin, or in words why it does not."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from math import cos, degrees, erf, pi, sin, sqrt

from podhand.core.errors import PlanningError
from podhand.core.items import Item
from podhand.core.ports import PresentedItem
from podhand.core.tooling import StowTool
from podhand.perception.bin_model import BinModel, Block
from podhand.perception.slants import Slant, rolled_size_m
from podhand.planning.affordances import DirectStow, NoSweep, Passage, StowRules, Sweep, direct_stows, passage, sweeps
from podhand.planning.flipping import Flip, after_flip, flips
from podhand.planning.placing import Stack, lowest_slot_m, slots, stacks

DIRECT_BONUS = 0.02
"""What a direct stow is worth over another way with the same prediction: it moves nothing and takes least time."""


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
    UNSURE = "unsure"


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
    out, is un-pressed and comes in. Every other stow goes to ``y_eject_m`` and runs the belts: into a gap, rolled by
    ``tilt_rad`` into a slanted one, or on top of something ``support_z_m`` high.
    """

    kind: StowKind
    roll_rad: float
    """0: blade at tool -y; pi: blade at tool +y of the bin."""
    mouth_x_m: float
    tool_z_m: float
    y_eject_m: float
    """Tool while the belts run."""
    y_item_m: float
    """Middle of the item while the belts run; differs from the tool's when it is tilted."""
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
    sweep_back_m: float = 0.0
    """Travel of the tool the other way after the sweep, to push what stands there too; 0: none."""
    tilt_rad: float = 0.0
    """Roll of tool and item at the bin, beyond ``roll_rad``; positive leans the item's upper end to -y."""
    support_z_m: float = 0.0
    """Height of what the item is put on; 0 is the floor."""
    out_m: float = 0.0
    """How far the item is let out over what carries it, to feel for it; 0: not felt for."""
    lower_m: float = 0.0
    """How far the tool goes down at the mouth, at most, until the item is carried."""
    enter_x_m: float = 0.0
    """How far the mouth goes into the bin to drop the item there; 0: the belts eject it from in front."""
    drop_open_m: float = 0.0
    """How far the paddles open there."""
    feeling: bool = True
    """Whether blade and sweep are led by what they feel."""
    flip: Flip | None = None
    """What is stood up before anything else."""
    rules_success: float | None = None
    """What the rules predicted, where ``predicted_success`` is a trained predictor's."""

    @property
    def sweep_needed(self) -> bool:
        """True when something must be swept aside; after a flip, when it does not make room enough alone."""
        return self.sweep_direction != 0

    @property
    def item_place_m(self) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
        """Corners (low, high) in the bin frame [m] of where the item should be at last."""
        front, length = 0.004, self.item_size_m[0]
        width, height = rolled_size_m(*self.item_size_m[1:], self.tilt_rad)
        y = self.y_item_m
        return (front, y - width / 2, self.support_z_m), (front + length, y + width / 2, self.support_z_m + height)


Predict = Callable[[Sequence[StowPlan], Item], Sequence[float]]
"""``predict(plans, item)``: the chance of success of each plan, 0 … 1."""


def plan_stow(
    model: BinModel,
    presented: PresentedItem,
    *,
    tool: StowTool,
    force_limit_n: float,
    rules: StowRules | None = None,
    predict: Predict | None = None,
) -> StowPlan | Refusal:
    """Decide how to stow an item: the way with the best prediction of all that are possible, or not at all.

    Args and errors as of ``rank_stows``.
    """
    ranked = rank_stows(model, presented, tool=tool, force_limit_n=force_limit_n, rules=rules, predict=predict)
    return ranked if isinstance(ranked, Refusal) else ranked[0]


def rank_stows(
    model: BinModel,
    presented: PresentedItem,
    *,
    tool: StowTool,
    force_limit_n: float,
    rules: StowRules | None = None,
    predict: Predict | None = None,
) -> list[StowPlan] | Refusal:
    """Return the best plan of every kind that is possible, best prediction first, or why there is none.

    Args:
        model: the bin as seen.
        presented: the waiting item as its scanner knows it.
        tool: geometry of paddles and blade.
        force_limit_n: limit of the sweep on the filtered force [N], > 0.
        rules: margins and beliefs, and what may be used; the defaults when None.
        predict: a trained predictor, asked instead of the rules' own prediction; None: the rules.

    Raises:
        PlanningError: the force limit is not positive.
    """
    if not force_limit_n > 0.0:
        raise PlanningError(
            f"force_limit_n must be more than 0 N (got {force_limit_n}); check the station's forces block"
        )
    rules = rules or StowRules()
    item = presented.item
    way = passage(item, tool, rules)
    refusal = _does_not_fit_at_all(model, item, way, tool, rules)
    if refusal:
        return refusal
    plans = [_direct_plan(stow, item, way, rules) for stow in direct_stows(model, way, rules)]
    failed: list[NoSweep] = []
    if "sweep" in rules.moves:
        found, failed = sweeps(model, item, way, tool, rules, force_limit_n=force_limit_n)
        plans += [_sweep_plan(sweep, item, way, tool, rules, force_limit_n) for sweep in found]
    if "stack" in rules.moves and rules.eject == "belts":
        plans += [_stack_plan(stack, item, rules) for stack in stacks(model, item, rules)]
    if "slot" in rules.moves and rules.eject == "belts":
        plans += [_slot_plan(slant, item, rules) for slant in slots(model, item, rules)]
    if "flip_up" in rules.moves:
        plans += _flip_plans(model, presented, tool, rules, force_limit_n)
    if predict and plans:
        chances = predict(plans, item)
        plans = [
            replace(plan, predicted_success=chance, rules_success=plan.predicted_success)
            for plan, chance in zip(plans, chances, strict=True)
        ]
    best = {plan.kind: plan for plan in sorted(plans, key=_worth)}
    ranked = sorted(best.values(), key=_worth, reverse=True)
    sure = [plan for plan in ranked if plan.predicted_success >= rules.least_success]
    return sure or (_unsure(ranked[0], rules) if ranked else _refuse(model, way, rules, failed))


def _worth(plan: StowPlan) -> float:
    return plan.predicted_success + (DIRECT_BONUS if plan.kind is StowKind.DIRECT else 0.0)


def _does_not_fit_at_all(model: BinModel, item: Item, way: Passage, tool: StowTool, rules: StowRules) -> Refusal | None:
    lx, _, lz = model.size_m
    depth, height = way.depth_m, way.height_m
    if "slot" in rules.moves and rules.eject == "belts":
        height = min(height, lowest_slot_m(item, rules))
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


def _direct_plan(stow: DirectStow, item: Item, way: Passage, rules: StowRules) -> StowPlan:
    return _placed_plan(
        StowKind.DIRECT, item, rules,
        y_m=stow.y_item_m, z_m=rules.bottom_m(item) + item.height_m / 2,
        clearance_m=stow.clearance_m,
        success=_fit_chance(stow.clearance_m) * _band_chance(stow.y_item_m, way.width_m / 2, rules),
        enter_x_m=way.enter_x_m,
        reason=f"a gap of {1e3 * stow.gap.width_m:.0f} mm takes the item of {1e3 * item.width_m:.0f} mm with "
        f"{1e3 * stow.clearance_m:.0f} mm on each side",
    )  # fmt: skip


def _placed_plan(
    kind: StowKind, item: Item, rules: StowRules, *, y_m: float, z_m: float, clearance_m: float, success: float,
    reason: str, tilt_rad: float = 0.0, support_z_m: float = 0.0, out_m: float = 0.0, lower_m: float = 0.0,
    enter_x_m: float = 0.0,
) -> StowPlan:  # fmt: skip
    """Return a plan that ejects the item with its middle at (y, z), rolled by a tilt."""
    # The middle of a held item is over the tool's origin by this, along the item's height.
    over_m = item.height_m / 2 - rules.tool_over_item_bottom_m
    y_tool_m = y_m + over_m * sin(tilt_rad)
    return StowPlan(
        kind=kind,
        roll_rad=0.0,
        mouth_x_m=rules.mouth_x_m,
        tool_z_m=z_m - over_m * cos(tilt_rad),
        y_eject_m=y_tool_m,
        y_item_m=y_m,
        y_entry_m=y_tool_m,
        blade_y_m=y_tool_m,
        blade_reach_m=0.0,
        blade_extension_m=0.0,
        sweep_direction=0,
        sweep_distance_m=0.0,
        blade_stays=False,
        item_size_m=item.size_m,
        predicted_force_n=0.0,
        predicted_clearance_m=clearance_m,
        predicted_success=success,
        moved_blocks=(),
        reason=reason,
        tilt_rad=tilt_rad,
        support_z_m=support_z_m,
        out_m=out_m,
        lower_m=lower_m,
        enter_x_m=enter_x_m,
        drop_open_m=rules.drop_open_m if enter_x_m else 0.0,
        feeling=rules.feeling,
    )


def _flip_plans(
    model: BinModel, presented: PresentedItem, tool: StowTool, rules: StowRules, force_limit_n: float
) -> list[StowPlan]:
    """Return the stows that are possible when something that lies has been stood up, directly or with a sweep."""
    plans = []
    for flip in flips(model, tool, rules, force_limit_n=force_limit_n)[0]:
        then = rank_stows(
            after_flip(model, flip), presented, tool=tool, force_limit_n=force_limit_n,
            rules=replace(rules, moves=rules.moves & {"sweep"}),
        )  # fmt: skip
        # The tool does not turn over in front of the bin: the blade stays on the side where the flip leaves it.
        plans += [
            replace(
                plan, kind=StowKind.FLIP_UP, roll_rad=flip.roll_rad, flip=flip,
                predicted_success=flip.success * plan.predicted_success,
                predicted_force_n=max(flip.force_n, plan.predicted_force_n),
                reason=f"{flip.in_words()}; then {plan.reason}",
            )
            for plan in ([] if isinstance(then, Refusal) else then)
            if plan.kind is StowKind.DIRECT or plan.roll_rad == flip.roll_rad
        ]  # fmt: skip
    return plans


def _stack_plan(stack: Stack, item: Item, rules: StowRules) -> StowPlan:
    support = stack.support
    width, height = rolled_size_m(item.width_m, item.height_m, stack.tilt_rad)
    out_m = _out_m(support.front_x_m, item, rules)
    lying = ", lying on its side" if stack.tilt_rad else ""
    return _placed_plan(
        StowKind.STACK, item, rules,
        y_m=support.y_m, z_m=support.top_z_m + rules.stack_drop_m + height / 2, tilt_rad=stack.tilt_rad,
        support_z_m=support.top_z_m, out_m=out_m,
        lower_m=rules.stack_drop_m + (rules.stack_search_m if out_m else -rules.stack_blind_m),
        clearance_m=min(support.clearance_m, 2 * rules.wish_side_m),
        success=_stack_success(stack, item, rules, width, height),
        reason=f"the item goes on top of what is {1e3 * support.top_z_m:.0f} mm high{lying}, "
        f"{100 * support.carried_share:.0f} % of its length carried, "
        f"with {1e3 * support.clearance_m:.0f} mm on each side",
    )  # fmt: skip


def _out_m(front_x_m: float, item: Item, rules: StowRules) -> float:
    """Return how far an item must come out to reach over what begins at ``front_x_m``; 0 when it is too short."""
    wish = front_x_m + rules.stack_reach_m - rules.mouth_x_m
    return wish if rules.feeling and wish <= rules.most_out * item.length_m else 0.0


def _slot_plan(slant: Slant, item: Item, rules: StowRules) -> StowPlan:
    leans = "right" if slant.tilt_rad > 0.0 else "left"
    width = rolled_size_m(item.width_m, item.height_m, slant.tilt_rad)[0]
    success = 0.97 * _fit_chance(slant.clearance_m) * _band_chance(slant.y_m, width / 2, rules)
    return _placed_plan(
        StowKind.SLOT, item, rules,
        y_m=slant.y_m, z_m=slant.z_m, tilt_rad=slant.tilt_rad,
        clearance_m=min(slant.clearance_m, 2 * rules.wish_side_m),
        success=success,
        reason=f"a slanted gap takes the item when it leans {degrees(abs(slant.tilt_rad)):.0f}° to the {leans}, with "
        f"at least {1e3 * slant.clearance_m:.0f} mm on each side",
    )  # fmt: skip


def _stack_success(stack: Stack, item: Item, rules: StowRules, width_m: float, height_m: float) -> float:
    """Return a prediction from clearance, and from how level, wide and low the item's place is."""
    support = stack.support
    fit = _fit_chance(min(support.clearance_m, rules.wish_side_m))
    carried = 1.0 - 0.5 * max(0.0, 0.95 - support.carried_share)
    slender = height_m / min(width_m, support.width_m)
    pillar = support.top_z_m / min(support.width_m, support.depth_m)
    stands = 1.0 - 0.08 * max(0.0, slender - 1.2) - 0.06 * max(0.0, pillar - 1.5)
    level = 1.0 - 20.0 * max(0.0, support.uneven_m - 0.001) - max(0.0, support.slope_rad - 0.02)
    bands = _band_chance(support.y_m, width_m / 2, rules)
    return max(0.0, 0.97 * fit * carried * stands * level * bands)


def _sweep_plan(
    sweep: Sweep, item: Item, way: Passage, tool: StowTool, rules: StowRules, force_limit_n: float
) -> StowPlan:
    y_entry_m = sweep.blade_y_m + sweep.direction * tool.blade_offset_m(item.width_m)
    return StowPlan(
        kind=StowKind.SWEEP,
        roll_rad=0.0 if sweep.direction < 0 else pi,
        mouth_x_m=rules.mouth_x_m,
        tool_z_m=rules.bottom_m(item) + rules.tool_over_item_bottom_m,
        y_eject_m=sweep.y_item_m,
        y_item_m=sweep.y_item_m,
        y_entry_m=y_entry_m,
        blade_y_m=sweep.blade_y_m,
        blade_reach_m=sweep.blade_reach_m,
        blade_extension_m=sweep.blade_reach_m - rules.mouth_x_m - tool.blade_rest_m,
        sweep_direction=sweep.direction,
        sweep_distance_m=sweep.distance_m,
        sweep_back_m=sweep.back_m,
        blade_stays=sweep.blade_stays,
        item_size_m=item.size_m,
        predicted_force_n=sweep.force_n,
        predicted_clearance_m=sweep.clearance_m,
        predicted_success=_sweep_success(sweep, way, rules, force_limit_n) * _entry_chance(y_entry_m, item, rules),
        moved_blocks=sweep.moved,
        enter_x_m=way.enter_x_m,
        drop_open_m=rules.drop_open_m if way.enter_x_m else 0.0,
        feeling=rules.feeling,
        reason=f"no gap takes the item of {1e3 * item.width_m:.0f} mm; the blade enters a gap of "
        f"{1e3 * sweep.gap.width_m:.0f} mm at y = {1e3 * sweep.blade_y_m:.0f} mm and {_pushes(sweep)}, pushing "
        f"{_count(len(sweep.moved))} with about {sweep.force_n:.0f} N; "
        f"{'the blade stays as a fence' if sweep.blade_stays else 'the blade leaves before the item enters'}",
    )


def _pushes(sweep: Sweep) -> str:
    first, second = ("left", "right") if sweep.direction > 0 else ("right", "left")
    once = f"sweeps {1e3 * sweep.distance_m:.0f} mm to the {first}"
    return f"{once} and {1e3 * sweep.back_m:.0f} mm to the {second}" if sweep.back_m else once


def _count(blocks: int) -> str:
    return "1 block" if blocks == 1 else f"{blocks} blocks"


def _fit_chance(clearance_m: float) -> float:
    """Return the chance that the true clearance is not used up, for 2.5 mm of error on each side."""
    one_side = 0.5 * (1.0 + erf((clearance_m + 0.001) / (0.0025 * sqrt(2.0))))
    return 0.98 * one_side**2


def _band_chance(y_m: float, half_m: float, rules: StowRules) -> float:
    """Return the chance that the rising ends of the held-down bands do no harm."""
    return 0.96 if abs(y_m) + half_m > rules.clear_half_width_m + 1e-6 else 1.0


def _entry_chance(y_m: float, item: Item, rules: StowRules) -> float:
    """Return the chance that the held item passes the rising ends of the bands when the blade enters.

    What is limp or odd reaches further out of the paddles than its size tells.
    """
    if not item.gives_way:
        return 1.0
    return 0.85 if abs(y_m) + item.width_m / 2 > rules.clear_half_width_m + 1e-6 else 1.0


def _sweep_success(sweep: Sweep, way: Passage, rules: StowRules, force_limit_n: float) -> float:
    """Return a prediction from clearance, entry, force against its limit, bands, and how much moves how far.

    Our assumptions, not yet fitted to outcomes: they rank plans.
    """
    strain = max(sweep.force_n / force_limit_n, 0.05)
    force = 0.5 * (1.0 + erf((1.0 - strain) / (0.35 * strain * sqrt(2.0))))
    entry = _fit_chance(min((sweep.gap.width_m - 0.002) / 2, 0.010)) / 0.98
    bands = _band_chance(sweep.y_item_m, way.width_m / 2, rules) * _band_chance(sweep.blade_y_m, 0.001, rules)
    # What is pushed may turn, tip or come back; a fence keeps it away.
    motion = (
        (1.0 - 0.2 * (sweep.distance_m + sweep.back_m))
        * 0.99 ** len(sweep.moved)
        * (0.98 if sweep.blade_stays else 0.97)
    )
    twice = rules.second_push_share if sweep.back_m else 1.0
    return _fit_chance(sweep.clearance_m) * entry * force * bands * motion * twice


def _unsure(plan: StowPlan, rules: StowRules) -> Refusal:
    return Refusal(
        kind=RefusalKind.UNSURE,
        reason=f"the best way, {plan.kind}, is only {100 * plan.predicted_success:.0f} % sure, "
        f"{100 * rules.least_success:.0f} % are asked for: {plan.reason}",
    )


def _refuse(model: BinModel, way: Passage, rules: StowRules, failed: list[NoSweep]) -> Refusal:
    height = min(way.height_m, model.size_m[2])
    space = model.free_space(depth_m=way.depth_m, height_m=height)
    layout = model.layout(depth_m=way.depth_m, height_m=height)
    need = way.width_m + 2 * rules.min_side_m
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
