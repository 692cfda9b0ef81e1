"""The motions of one stow, planned and checked from numbers: infeed, transfer, bin, park, and the way back."""

from dataclasses import dataclass, replace
from math import pi

import numpy as np

from podhand.core.errors import PlanningError
from podhand.core.ports import PresentedItem
from podhand.core.poses import FloatArray, Pose
from podhand.core.tooling import StowTool
from podhand.planning.cell_model import CellState, HeldItem, WaitingItem, roll_pose
from podhand.planning.flipping import Flip, FlipMotions, entry_pose, plan_flip_motions
from podhand.planning.motion import PARK_Q_RAD, JointPath, LinePath, MotionPlanner
from podhand.planning.stow import StowKind, StowPlan
from podhand.primitives.bands import HOOK_CORNER_M, HOOK_FIRST_CORNER_M

Point = tuple[float, float, float]

ITEM_SETBACK_M = 0.005
"""The item's front face is this far behind the mouth when it is received, unless the item is nearly as long as the
paddles."""
PALM_GAP_M = 0.005
"""At least this much room stays between the item and the palm; a very long item then reaches out of the mouth."""
ITEM_OVER_EDGE_M = 0.005
"""The item's bottom is this far over the paddles' lower edge."""
BLADE_CLEARANCE_M = 0.001
"""The blade may pass this near to the walls inside the bin: it is soft and force-limited."""


@dataclass(frozen=True, kw_only=True)
class StowMotionRequest:
    """Numbers that one stow needs. Poses in the base frame, points of the mouth in the bin frame."""

    X_base_item: Pose
    """The presented item: axes along the base's, x along the rails."""
    item_size_m: Point
    roll_rad: float
    """Roll of the tool at infeed and bin: 0 (blade to the right) or pi."""
    receive_opening_m: float
    """Between the belt faces while they straddle the item."""
    held_opening_m: float
    """With the item squeezed."""
    X_base_bin: Pose
    base_height_m: float
    entry_bin_m: Point
    """Mouth where the tool stops in front of the bin and the blade goes in."""
    sweep_end_bin_m: Point
    """Mouth at the end of the sweep; the entry point when there is none."""
    sweep_back_bin_m: Point | None = None
    """Mouth at the end of a second sweep the other way; None when there is none."""
    eject_bin_m: Point
    """Mouth where the item is ejected."""
    blade_extension_m: float
    """While it sweeps; 0 when it does not."""
    tilt_rad: float = 0.0
    """Roll of the tool beyond ``roll_rad`` where the item is ejected."""
    rolls_at_mouth: bool = False
    """True: the tool comes to the mouth upright and rolls there; False: it comes rolled."""
    lower_m: float = 0.0
    """How far the tool may go down from where it ejects, in search of what shall carry the item."""
    enter_x_m: float = 0.0
    """How far the mouth goes into the bin to drop the item there; 0: it stays in front."""
    drop_opening_m: float = 0.0
    """Of the paddles in the bin then."""
    blade_stays: bool = False
    """The blade stays out between the end of the sweep and the ejection."""
    flip: Flip | None = None
    """What is stood up before anything else."""
    hook_opens_m: tuple[Point, ...] = ()
    """The hook's way from rest to holding the bands, beside the arm's to the infeed; base frame, empty: no band arm."""
    hook_closes_m: tuple[Point, ...] = ()
    """Its way from there to rest; up to the second point while the arm leaves the bin, then beside its way to park."""
    approach_x_bin_m: float = -0.15
    clear_x_bin_m: float = -0.10
    """Mouth where it is out of the way of hook and bands."""
    retreat_x_bin_m: float = -0.22
    lift_m: float = 0.10

    @classmethod
    def of_plan(
        cls,
        plan: StowPlan,
        presented: PresentedItem,
        *,
        X_base_bin: Pose,
        base_height_m: float,
        tool: StowTool,
        receive_margin_m: float = 0.020,
        hook_opens_m: tuple[Point, ...] = (),
        hook_closes_m: tuple[Point, ...] = (),
    ) -> "StowMotionRequest":
        """Take the numbers from a stow plan.

        Args:
            plan: the decision; its places are in the found bin frame.
            presented: the waiting item.
            X_base_bin: the bin as found.
            base_height_m: base frame over the floor.
            tool: gives the largest opening.
            receive_margin_m: the paddles straddle the item with this much more than its width, within their range.
            hook_opens_m: the hook's way from rest to holding the bands, base frame; empty when there is no band arm.
            hook_closes_m: its way from there to rest.
        """
        length, width, height = plan.item_size_m

        def mouth(y_m: float) -> Point:
            return (plan.mouth_x_m, y_m, plan.tool_z_m)

        y_swept_m = plan.y_entry_m + plan.sweep_direction * plan.sweep_distance_m
        return cls(
            X_base_item=presented.X_base_item,
            item_size_m=(length, width, height),
            roll_rad=plan.roll_rad,
            receive_opening_m=min(width + receive_margin_m, tool.max_opening_m),
            held_opening_m=width,
            X_base_bin=X_base_bin,
            base_height_m=base_height_m,
            entry_bin_m=mouth(plan.y_entry_m),
            sweep_end_bin_m=mouth(y_swept_m),
            sweep_back_bin_m=mouth(y_swept_m - plan.sweep_direction * plan.sweep_back_m) if plan.sweep_back_m else None,
            eject_bin_m=mouth(plan.y_eject_m),
            blade_extension_m=plan.blade_extension_m,
            tilt_rad=plan.tilt_rad,
            rolls_at_mouth=plan.kind is StowKind.SLOT,
            lower_m=plan.lower_m,
            enter_x_m=plan.enter_x_m,
            drop_opening_m=width + plan.drop_open_m,
            blade_stays=plan.blade_stays,
            flip=plan.flip,
            hook_opens_m=hook_opens_m,
            hook_closes_m=hook_closes_m,
        )


@dataclass(frozen=True, kw_only=True)
class StowMotions:
    """The checked motions of a stow, in order."""

    to_infeed: JointPath
    """Empty tool to behind the item."""
    forward: LinePath
    """Paddles straddle the item."""
    lift: LinePath
    """Held item off the rails."""
    to_bin: JointPath
    approach: LinePath
    """To the mouth of the bin."""
    flip: FlipMotions | None
    """Standing something up; None without."""
    aside: LinePath | None
    """From the end of a flip, blade retracted, to where the rest begins; None without a flip."""
    sweep: LinePath | None
    """Sideways with the blade in the bin; None without a sweep."""
    sweep_back: LinePath | None
    """The other way; None without a second sweep."""
    shift: LinePath | None
    """From the end of the sweep to where the item is ejected; None when that is the same place."""
    place: LinePath | None
    """From the mouth: down onto what carries the item, rolled into a slanted gap, or into the bin; None: none."""
    retreat: LinePath
    """Empty tool out of the way of the bands, which are still held down."""
    away: LinePath
    """Further back, while the hook lets the bands up; it comes forward after that."""
    to_park: JointPath


def item_setback_m(length_m: float, paddle_length_m: float) -> float:
    """Return how far behind the mouth the front face of an item is received [m]; negative: it reaches out."""
    return min(ITEM_SETBACK_M, paddle_length_m - length_m - PALM_GAP_M)


def receive_pose(request: StowMotionRequest, tool: StowTool) -> Pose:
    """Return ``X_base_tool`` where the paddles close around the presented item."""
    length, _, height = request.item_size_m
    p = request.X_base_item[:3, 3]
    z = float(p[2]) - height / 2 - ITEM_OVER_EDGE_M + tool.paddle_half_height_m
    x = float(p[0]) + length / 2 + item_setback_m(length, tool.paddle_length_m)
    return roll_pose((x, float(p[1]), z), request.roll_rad)


def bin_pose(X_base_bin: Pose, mouth_bin_m: Point, roll_rad: float) -> Pose:
    """Return ``X_base_tool`` for a mouth point in the bin frame; the tool looks along the bin's x."""
    return X_base_bin @ roll_pose(mouth_bin_m, roll_rad)


def plan_stow_motions(
    planner: MotionPlanner, q_now_rad: FloatArray, request: StowMotionRequest, *, q_park_rad: FloatArray = PARK_Q_RAD
) -> StowMotions:
    """Plan and check all motions of a stow.

    Args:
        planner: knows the cell.
        q_now_rad: (dof,) where the arm is.
        request: item, bin, openings and points.
        q_park_rad: (dof,) where the arm goes at the end.

    Raises:
        PlanningError: one of the motions is impossible; the message begins with which.
    """
    _check(planner, request)
    states = _States(planner, request)
    X_receive, X_behind, X_lifted = _infeed_poses(planner, request)
    roll_rad = request.roll_rad + request.tilt_rad
    comes_rad = request.roll_rad if request.rolls_at_mouth else roll_rad
    X_entry = bin_pose(request.X_base_bin, request.entry_bin_m, comes_rad)
    X_mouth = X_entry if request.flip is None else _flip_entry(planner, request, request.flip)
    X_before = X_mouth.copy()
    X_before[:3, 3] += (request.approach_x_bin_m - request.entry_bin_m[0]) * request.X_base_bin[:3, 0]
    X_ahead = bin_pose(request.X_base_bin, request.eject_bin_m, comes_rad)
    X_eject = bin_pose(request.X_base_bin, request.eject_bin_m, roll_rad)
    X_clear = _at_x(request, request.eject_bin_m, request.clear_x_bin_m, roll_rad)
    X_away = _at_x(request, request.eject_bin_m, request.retreat_x_bin_m, roll_rad)
    to_infeed = _joint(planner, "way to the infeed", q_now_rad, X_behind, states.empty_at_infeed)
    forward = _line(planner, "way over the item", X_behind, X_receive, to_infeed.waypoints_rad, states.empty_at_infeed)
    lift = _line(
        planner, "lift off the infeed", X_receive, X_lifted, forward.waypoints_rad, states.held_at_infeed, on_rails=True
    )
    to_bin = _joint(planner, "way to the bin", lift.waypoints_rad[-1], X_before, states.held_at_bin)
    approach = _line(planner, "approach to the bin", X_before, X_mouth, to_bin.waypoints_rad, states.held_at_bin)
    at_bin, sweep, sweep_back, shift = approach, None, None, None
    flip, aside = None, None
    if request.flip is not None:
        flip = plan_flip_motions(
            planner, request.flip, request.X_base_bin, at_bin.waypoints_rad[-1], states.flipping,
            x_m=request.entry_bin_m[0],
        )  # fmt: skip
        before = flip.path[-1].waypoints_rad
        aside = at_bin = _line(planner, "way aside", flip.X_base_end, X_entry, before, states.held_at_bin)
    X_swept = bin_pose(request.X_base_bin, request.sweep_end_bin_m, comes_rad)
    if request.blade_extension_m > 0.0:
        sweep = at_bin = _line(
            planner, "sweep", X_entry, X_swept, at_bin.waypoints_rad, states.sweeping, near_m=BLADE_CLEARANCE_M
        )
    if request.sweep_back_bin_m is not None:
        X_back = bin_pose(request.X_base_bin, request.sweep_back_bin_m, comes_rad)
        sweep_back = at_bin = _line(
            planner, "sweep back", X_swept, X_back, at_bin.waypoints_rad, states.sweeping, near_m=BLADE_CLEARANCE_M
        )
        X_swept = X_back
    if np.linalg.norm(X_ahead[:3, 3] - X_swept[:3, 3]) > 1e-4:
        state = states.sweeping if request.blade_stays else states.held_at_bin
        shift = at_bin = _line(
            planner, "way to the place of ejection", X_swept, X_ahead, at_bin.waypoints_rad, state,
            near_m=BLADE_CLEARANCE_M,
        )  # fmt: skip
    place = _place(planner, request, states, X_ahead, X_eject, at_bin.waypoints_rad)
    if request.rolls_at_mouth and place is not None:
        at_bin = place
    retreat = _line(planner, "retreat from the bin", X_eject, X_clear, at_bin.waypoints_rad, states.empty_at_bin)
    away = _line(planner, "way from the bin", X_clear, X_away, retreat.waypoints_rad, states.empty_bands_up)
    to_park = _joint(planner, "way to park", away.waypoints_rad[-1], q_park_rad, states.empty_on_the_way)
    return StowMotions(
        to_infeed=to_infeed, forward=forward, lift=lift, to_bin=to_bin, approach=approach, flip=flip,
        aside=aside, sweep=sweep,
        sweep_back=sweep_back, shift=shift, place=place, retreat=retreat, away=away, to_park=to_park,
    )  # fmt: skip


def _flip_entry(planner: MotionPlanner, request: StowMotionRequest, flip: Flip) -> Pose:
    """Return the tool's pose where the blade goes in beside the item that it stands up."""
    X_bin_tool = entry_pose(flip, x_m=request.entry_bin_m[0], opening_m=request.held_opening_m, tool=planner.cell.tool)
    X: Pose = request.X_base_bin @ X_bin_tool
    return X


def _place(
    planner: MotionPlanner, request: StowMotionRequest, states: "_States", X_ahead: Pose, X_eject: Pose,
    before_rad: FloatArray,
) -> LinePath | None:  # fmt: skip
    """Return the last positioning of the loaded tool, from in front of its place."""
    if request.rolls_at_mouth:
        return _line(planner, "roll at the mouth", X_ahead, X_eject, before_rad, states.held_at_bin)
    X_goal = X_eject.copy()
    if request.lower_m > 0.0:
        X_goal[:3, 3] -= request.lower_m * request.X_base_bin[:3, 2]
        return _line(planner, "way down", X_eject, X_goal, before_rad, states.held_at_bin)
    if request.enter_x_m > 0.0:
        X_goal[:3, 3] += (request.enter_x_m - request.eject_bin_m[0]) * request.X_base_bin[:3, 0]
        return _line(planner, "way into the bin", X_eject, X_goal, before_rad, states.dropping)
    return None


class _States:
    """The cell's states in the course of a stow."""

    def __init__(self, planner: MotionPlanner, request: StowMotionRequest) -> None:
        tool = planner.cell.tool
        held = HeldItem.received(
            request.item_size_m,
            request.roll_rad,
            bottom_m=tool.paddle_half_height_m - ITEM_OVER_EDGE_M,
            setback_m=item_setback_m(request.item_size_m[0], tool.paddle_length_m),
        )
        waiting = WaitingItem(size_m=request.item_size_m, X_base_item=request.X_base_item)
        opens, closes = request.hook_opens_m, request.hook_closes_m
        hold = opens[-1:]
        base = CellState(
            X_base_bin=request.X_base_bin, base_height_m=request.base_height_m, opening_m=request.held_opening_m
        )
        self.empty_at_infeed = replace(base, opening_m=request.receive_opening_m, waiting=waiting, hook_way_m=opens)
        self.held_at_infeed = replace(base, held=held)
        self.empty_on_the_way = replace(base, hook_way_m=hold + closes, hook_corner_m=HOOK_CORNER_M)
        self.held_at_bin = replace(base, held=held, hook_way_m=hold)
        self.sweeping = replace(self.held_at_bin, blade_extension_m=request.blade_extension_m)
        in_m = request.flip.blade_reach_m - request.entry_bin_m[0] - tool.blade_rest_m if request.flip else 0.0
        self.flipping = replace(self.held_at_bin, blade_extension_m=in_m)
        self.dropping = replace(self.held_at_bin, opening_m=max(request.drop_opening_m, request.held_opening_m))
        self.empty_at_bin = replace(base, hook_way_m=hold)
        self.empty_bands_up = replace(base, hook_way_m=hold + closes[:2], hook_corner_m=HOOK_FIRST_CORNER_M)


def _check(planner: MotionPlanner, request: StowMotionRequest) -> None:
    length, width, _ = request.item_size_m
    tool = planner.cell.tool
    if abs(np.sin(request.roll_rad)) > 1e-6:
        raise PlanningError(
            f"roll_rad must be 0 or {pi:.4f} (got {request.roll_rad}): the item stands upright on the infeed"
        )
    if not width < request.receive_opening_m <= tool.max_opening_m:
        raise PlanningError(
            f"receive_opening_m must be over the item's width {width:.3f} m and at most {tool.max_opening_m} m "
            f"(got {request.receive_opening_m}); refuse the item at the infeed"
        )
    if length > tool.paddle_length_m + 1e-9:
        raise PlanningError(
            f"item is {length:.3f} m long, the paddles hold at most {tool.paddle_length_m} m; refuse it at the infeed"
        )


def _infeed_poses(planner: MotionPlanner, request: StowMotionRequest) -> tuple[Pose, Pose, Pose]:
    """Return the poses at the item, behind it and lifted with it."""
    X_receive = receive_pose(request, planner.cell.tool)
    X_behind, X_lifted = X_receive.copy(), X_receive.copy()
    # As far back as the item is long, and room for the blade's tip and the clearance.
    X_behind[0, 3] -= request.item_size_m[0] + ITEM_SETBACK_M + planner.cell.tool.blade_rest_m + 0.020
    X_lifted[2, 3] += request.lift_m
    return X_receive, X_behind, X_lifted


def _at_x(request: StowMotionRequest, mouth_bin_m: Point, x_bin_m: float, roll_rad: float) -> Pose:
    return bin_pose(request.X_base_bin, (x_bin_m, mouth_bin_m[1], mouth_bin_m[2]), roll_rad)


def _joint(planner: MotionPlanner, name: str, q_start_rad: FloatArray, goal: FloatArray, state: CellState) -> JointPath:
    try:
        return planner.joint_path(q_start_rad, goal, state)
    except PlanningError as error:
        raise PlanningError(f"{name}: {error}") from error


def _line(
    planner: MotionPlanner,
    name: str,
    X_start: Pose,
    X_goal: Pose,
    before_rad: FloatArray,
    state: CellState,
    *,
    on_rails: bool = False,
    near_m: float | None = None,
) -> LinePath:
    # The item lies on the rails, and the paddles around a thin item nearly touch them.
    allowed = (("held item", "infeed"), ("tool", "infeed rails")) if on_rails else ()
    try:
        return planner.straight_line(X_start, X_goal, before_rad[-1], state, near_m=near_m, allowed_contacts=allowed)
    except PlanningError as error:
        raise PlanningError(f"{name}: {error}") from error
