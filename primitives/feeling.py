"""Feeling while something is pushed: how fast one may go by what is felt, and what the outcomes tell of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from podhand.controllers.conditions import Condition, ft
from podhand.controllers.outcomes import Cause, Outcome
from podhand.core.station import Station

__all__ = [
    "GEARS",
    "HEAVIER",
    "JAMMED",
    "TOUCHED_N",
    "Gear",
    "felt",
    "jam_condition",
    "jam_stiffness_n_m",
    "reaction_s",
    "safe_speed_m_s",
]

JAMMED, HEAVIER = "jammed", "heavier"
_LEAST_WAY_M = 0.0002
_MOST_SHARE = 0.95
"""Of the force limit that a jam may reach."""
_JAM_FORCE_SHARE = 0.3
_JAM_RATE_SHARE = 0.4
"""Of the rate at which the believed stiffness would raise the force: what is pushed slides at a far lower one."""
_JAM_S = 0.002
TOUCHED_N = 1.5
"""More than noise and an unknown remainder of weight: something is in front of the blade."""


@dataclass(frozen=True, kw_only=True)
class Gear:
    """A range of forces with one speed for all of it."""

    name: str
    most_share: float
    """Of the force limit, up to which this gear serves."""


GEARS = (
    Gear(name="light", most_share=0.15),
    Gear(name="easy", most_share=0.3),
    # The last: from here on the kernel slows the path itself.
    Gear(name="heavy", most_share=0.5),
)


def reaction_s(station: Station) -> float:
    """Return the time from a contact to the kernel's first answer."""
    return station.ft.loop_delay_s + station.ft.filter_time_constant_s + station.control.tick_s


def safe_speed_m_s(station: Station, *, limit_n: float, felt_n: float, stiffness_n_m: float) -> float:
    """Return the speed at which a jam, pushed on for the reaction time, ends below the force limit.

    Args:
        station: gives the reaction time.
        limit_n: of the filtered force.
        felt_n: what is felt already when the jam begins.
        stiffness_n_m: of the jam, blade and arm in series.
    """
    return max(_MOST_SHARE * limit_n - felt_n, 0.0) / (stiffness_n_m * reaction_s(station))


def jam_condition(*, limit_n: float, stiffness_n_m: float, speed_m_s: float) -> Condition:
    """Return when a force rises as only a jam makes it rise."""
    rising = ft.force.rate > _JAM_RATE_SHARE * stiffness_n_m * speed_m_s
    return (rising & (ft.force.norm > _JAM_FORCE_SHARE * limit_n)).for_(_JAM_S)


def jam_stiffness_n_m(outcome: Outcome, *, speed_m_s: float, reaction_s: float) -> float:
    """Return the stiffness of the jam that ended a segment: what the force gained in the reaction time."""
    if outcome.cause is not Cause.REFLEX or outcome.name != JAMMED:
        return 0.0
    before_n = abs(outcome.mean_force_n[1])
    return max(outcome.peak_force_norm_n - before_n, 0.0) / (speed_m_s * reaction_s)


def felt(outcomes: Sequence[Outcome]) -> dict[str, float]:
    """Return what the outcomes of a push along y tell of what is pushed.

    ``resistance_n``: mean force of the segments in which something was in front of the blade. ``stiffness_n_m``: force
    over way between the ends of two gears that followed each other, the largest; absent where it never rose so far.
    """
    pushed = [o for o in outcomes if abs(o.mean_force_n[1]) > TOUCHED_N and o.duration_s > 0.0]
    time_s = sum(o.duration_s for o in pushed)
    found: dict[str, float] = {}
    if time_s > 0.0:
        found["resistance_n"] = sum(abs(o.mean_force_n[1]) * o.duration_s for o in pushed) / time_s
    rises = [(b.value - a.value) / way_m for a, b in pairwise(outcomes)
             if a.name == b.name == HEAVIER and (way_m := _way_m(a, b)) > _LEAST_WAY_M]  # fmt: skip
    if rises:
        found["stiffness_n_m"] = max(rises)
    return found


def _way_m(a: Outcome, b: Outcome) -> float:
    return float(np.linalg.norm(b.X_base_tool[:3, 3] - a.X_base_tool[:3, 3]))
