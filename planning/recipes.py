"""A thought becomes a recipe: primitives with the numbers of plan and motions."""

from typing import Literal

from podhand.core.poses import Pose
from podhand.core.station import Station
from podhand.planning.flipping import HOOK_BELOW_M
from podhand.planning.motion import JointPath
from podhand.planning.stow import StowKind, StowPlan
from podhand.planning.thinking import Thought, closing_places, hook_places
from podhand.primitives.base import Matrix, Primitive
from podhand.primitives.catalogue import (
    Align,
    Approach,
    CloseBands,
    ConfirmBin,
    DropPush,
    EjectItem,
    ExtendBlade,
    OpenBands,
    Park,
    ReceiveItem,
    Retract,
    Slot,
    Stack,
    Sweep,
    Verify,
)
from podhand.primitives.recipes import Recipe, par, seq, step

Joints = tuple[tuple[float, ...], ...]

BLIND_SWEEP_SPEED_M_S = 0.035
"""Of a sweep that is not led by what it feels: slow enough that the force stays under its limit when what is pushed
jams against the wall."""
CAREFUL_BELT_M_S = 0.25
TIGHT_M = 0.0065
"""Clearance on each side that asks for care: limp items turn, and catch at what is beside the gap."""
HOOK_WAITS_M = 0.010
"""The hook comes forward when the mouth is this near to where it goes."""
SWEEP_SLACK_M = 0.006
"""A sweep that stalls this much before its end has made room enough: the plan's clearance covers it."""


def stow_recipe(station: Station, thought: Thought) -> Recipe:
    """Return the recipe of a stow: take, open, go there, make room, eject, come back.

    When a step fails, everything before it is taken back, the item included; `recover` does the rest.
    """
    plan, request, motions = thought.plan, thought.request, thought.motions
    assert plan is not None and request is not None and motions is not None
    hook = hook_places(station, thought.X_base_bin, below_m=HOOK_BELOW_M if plan.flip else 0.0)
    take = ReceiveItem(
        waypoints_rad=joints(motions.to_infeed),
        X_base_tool_grasp=matrix(motions.forward.X_base_goal),
        opening_m=request.receive_opening_m,
        lift_m=request.lift_m,
    )
    go = Approach(waypoints_rad=joints(motions.to_bin), X_base_tool_mouth=matrix(motions.approach.X_base_goal))
    body = seq(
        par(take, OpenBands(positions_base_m=hook[1:])),
        *_confirm(thought),
        go,
        *_confirm(thought),
        *_flip_up(thought),
        *_make_room(thought),
        *_place(thought),
        _eject(plan),
        Retract(to_x_bin_m=request.clear_x_bin_m),
        par(
            CloseBands(
                positions_base_m=closing_places(station, thought.X_base_bin),
                clear_x_bin_m=request.retreat_x_bin_m + HOOK_WAITS_M,
            ),
            seq(Retract(to_x_bin_m=request.retreat_x_bin_m), Park(waypoints_rad=joints(motions.to_park))),
        ),
    )
    return Recipe(name="stow", root=body)


def _confirm(thought: Thought) -> list[Primitive]:
    """Return the look that a registered bin gets before the tool comes close, and again before it enters."""
    return [ConfirmBin()] if thought.model.registration.edges else []


def _flip_up(thought: Thought) -> list[Primitive]:
    """Return what stands a lying item up and brings the tool to where the rest begins, its blade retracted."""
    request, motions = thought.request, thought.motions
    assert request is not None and motions is not None
    if request.flip is None or motions.flip is None or motions.aside is None:
        return []
    return [
        # What lies there is beside the blade and low: there is nothing to seek.
        ExtendBlade(extension_m=motions.flip.blade_extension_m, seek=False),
        request.flip.action,
        ExtendBlade(extension_m=0.0),
        Align(X_base_tool_mouth=matrix(motions.aside.X_base_goal)),
    ]


def _make_room(thought: Thought) -> list[Primitive]:
    """Return what brings blade and contents to where the item can enter, and the tool in front of its place."""
    plan, motions = thought.plan, thought.motions
    assert plan is not None and motions is not None
    if not plan.sweep_needed:
        return []
    direction: Literal[-1, 1] = 1 if plan.sweep_direction > 0 else -1
    steps: list[Primitive] = [
        ExtendBlade(extension_m=plan.blade_extension_m, seek=plan.feeling),
        _sweep(direction, plan.sweep_distance_m, feel=plan.feeling),
    ]
    if plan.sweep_back_m > 0.0:
        steps.append(_sweep(1 if direction < 0 else -1, plan.sweep_back_m, feel=plan.feeling))
    if not plan.blade_stays:
        steps.append(ExtendBlade(extension_m=0.0))
    if motions.shift is not None:
        steps.append(Align(X_base_tool_mouth=matrix(motions.shift.X_base_goal)))
    return steps


def _sweep(direction: Literal[-1, 1], distance_m: float, *, feel: bool) -> Sweep:
    enough_m = max(0.0, distance_m - SWEEP_SLACK_M)
    if feel:
        return Sweep(direction=direction, distance_m=distance_m, min_distance_m=enough_m)
    return Sweep(
        direction=direction, distance_m=distance_m, min_distance_m=enough_m, speed_m_s=BLIND_SWEEP_SPEED_M_S, feel=False
    )


def _place(thought: Thought) -> list[Primitive]:
    """Return the fine positioning at the mouth: down onto what carries the item, or rolled into a slanted gap."""
    plan, motions = thought.plan, thought.motions
    assert plan is not None and motions is not None
    if motions.place is None or plan.enter_x_m > 0.0:
        return []
    X_goal = matrix(motions.place.X_base_goal)
    if plan.kind is StowKind.SLOT:
        return [Slot(X_base_tool_slant=X_goal, X_base_tool_upright=matrix(motions.place.X_base_start))]
    return [Stack(X_base_tool_low=X_goal, out_m=plan.out_m, feel=plan.out_m > 0.0)]


def _eject(plan: StowPlan) -> Primitive:
    if plan.enter_x_m > 0.0:
        return DropPush(depth_m=plan.enter_x_m, open_by_m=plan.drop_open_m, out_x_m=plan.mouth_x_m)
    # What lies under a stacked item may be soft, and beside it a wall: slow belts give the force time to be felt.
    careful = plan.kind is StowKind.STACK or plan.predicted_clearance_m < TIGHT_M
    return EjectItem(belt_speed_m_s=CAREFUL_BELT_M_S) if careful else EjectItem()


def look_recipe(settle_s: float) -> Recipe:
    """Return the recipe of the look after a stow."""
    return Recipe(name="look", root=step(Verify(settle_s=settle_s)))


def joints(path: JointPath) -> Joints:
    """Return a joint path as a parameter."""
    return tuple(tuple(float(q) for q in row) for row in path.waypoints_rad)


def matrix(X: Pose) -> Matrix:
    """Return a pose as a parameter."""
    a, b, c, d = ((float(w), float(x), float(y), float(z)) for w, x, y, z in X)
    return (a, b, c, d)
