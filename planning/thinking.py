"""From depth frames to checked motions: what the station thinks before anything moves."""

import time
from dataclasses import dataclass, replace
from math import pi

import numpy as np

from podhand.core.errors import PlanningError
from podhand.core.ports import DepthFrame, PresentedItem
from podhand.core.poses import Pose, inverse
from podhand.core.station import Station
from podhand.perception.bin_model import BinModel, estimate_bin
from podhand.planning.affordances import StowRules
from podhand.planning.cell_model import CellModel
from podhand.planning.flipping import HOOK_BELOW_M
from podhand.planning.motion import MotionPlanner
from podhand.planning.stow import Predict, Refusal, StowPlan, rank_stows
from podhand.planning.stow_motions import Point, StowMotionRequest, StowMotions, plan_stow_motions


@dataclass(frozen=True, kw_only=True)
class Thought:
    """What came of looking and planning; without motions the item is refused."""

    model: BinModel
    X_base_bin: Pose
    plan: StowPlan | None
    request: StowMotionRequest | None
    motions: StowMotions | None
    refusal: str
    """Why not, in words; empty when there are motions."""
    seconds: float
    """Wall time."""


def think(
    station: Station,
    planner: MotionPlanner,
    frames: list[DepthFrame],
    presented: PresentedItem,
    *,
    X_world_bin_nominal: Pose,
    X_world_base: Pose,
    register: bool = True,
    rules: StowRules | None = None,
    predict: Predict | None = None,
) -> Thought:
    """Look, decide, and plan every motion of a stow.

    ``rules`` are the margins and beliefs of the decision, and what it may use; the defaults when None.
    ``predict`` is a trained predictor, asked instead of the rules' own prediction.
    ``register=False`` believes the pod's nominal pose; to measure what registration is worth.

    Raises:
        PerceptionError: a frame cannot be used; nothing has moved.
    """
    begin = time.perf_counter()
    model = estimate_bin(frames, X_world_bin_nominal, station.pod.bin_size_m, register=register)
    X_base_bin = inverse(X_world_base) @ model.X_world_bin
    decision = rank_stows(
        model, presented, tool=station.tool, force_limit_n=station.forces.sweep_n, rules=rules, predict=predict
    )
    plans = [] if isinstance(decision, Refusal) else decision
    plan = plans[0] if plans else None
    refusal = decision.reason if isinstance(decision, Refusal) else ""
    request, motions = None, None
    for variant in (variant for ranked in plans for variant in _variants(ranked)):
        request = motion_request(station, variant, presented, X_base_bin, float(X_world_base[2, 3]))
        park = np.array(station.arm.park_q_rad)
        try:
            motions = plan_stow_motions(planner, park, request, q_park_rad=park)
        except PlanningError as error:
            refusal = refusal or f"no safe way for the arm: {error}"
        else:
            plan, refusal = variant, ""
            break
    return Thought(
        model=model,
        X_base_bin=X_base_bin,
        plan=plan,
        request=request,
        motions=motions,
        refusal=refusal,
        seconds=time.perf_counter() - begin,
    )


def _variants(plan: StowPlan) -> list[StowPlan]:
    """Return the ways to carry out a plan; without a sweep the blade may be on either side of the item."""
    return [plan] if plan.sweep_needed or plan.flip else [plan, replace(plan, roll_rad=pi - plan.roll_rad)]


def make_planner(station: Station) -> MotionPlanner:
    """Build the planner of a station; costs some time, so keep it."""
    return MotionPlanner(CellModel.of_station(station), home_q_rad=np.array(station.arm.home_q_rad))


def motion_request(
    station: Station, plan: StowPlan, presented: PresentedItem, X_base_bin: Pose, base_height_m: float
) -> StowMotionRequest:
    """Return the numbers that the motions of a plan need, the band arm's places included."""
    hook = hook_places(station, X_base_bin, below_m=HOOK_BELOW_M if plan.flip else 0.0)
    return StowMotionRequest.of_plan(
        plan,
        presented,
        X_base_bin=X_base_bin,
        base_height_m=base_height_m,
        tool=station.tool,
        hook_opens_m=hook,
        hook_closes_m=closing_places(station, X_base_bin),
    )


BANDS_OUT_M = 0.018
"""The hook draws the bands forward by this before it lets them up: so it lifts nothing that stands at the front."""


def hook_places(station: Station, X_base_bin: Pose, *, below_m: float = 0.0) -> tuple[Point, ...]:
    """Return the hook's places from rest to holding the bands: parked, below, in front, above, holding; base frame.

    ``below_m`` holds them lower than the station says.
    """
    bands, arm = station.bands, station.band_arm
    above_m = _above_m(station)
    front, above = (_hook_at(X_base_bin, x, above_m) for x in (bands.x_bin_m - arm.in_front_m, bands.x_bin_m))
    hold = _hook_at(X_base_bin, bands.x_bin_m, arm.hold_z_bin_m - below_m)
    park = (arm.park_base_m[0], arm.park_base_m[1] + front[1], arm.park_base_m[2])
    return (park, (front[0], front[1], park[2]), front, above, hold)


def closing_places(station: Station, X_base_bin: Pose) -> tuple[Point, ...]:
    """Return the hook's places from holding the bands to rest: forward, up over the bands, in front, below, parked."""
    x_m = station.bands.x_bin_m - BANDS_OUT_M
    park, below, front, _, _ = hook_places(station, X_base_bin)
    forward = _hook_at(X_base_bin, x_m, station.band_arm.hold_z_bin_m)
    return (forward, _hook_at(X_base_bin, x_m, _above_m(station)), front, below, park)


def _above_m(station: Station) -> float:
    return max(station.bands.heights_bin_m) + station.band_arm.above_bands_m


def _hook_at(X_base_bin: Pose, x_bin_m: float, z_bin_m: float) -> Point:
    p = X_base_bin @ np.array([x_bin_m, 0.0, z_bin_m, 1.0])
    return (float(p[0]), float(p[1]), float(p[2]))
