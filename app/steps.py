"""The primitives of a stow as they ran, and where its time went."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import mean, median
from typing import Any, Final

WAITING: Final = "waiting"
"""Time of a cycle in which no primitive ran."""
_ARM_CHANNEL: Final = 0


@dataclass(frozen=True, kw_only=True)
class Step:
    """One primitive as it ran, for people: what it did, when, and what it felt."""

    name: str
    begin_s: float
    end_s: float
    words: str = ""
    channel: int = 0
    peak_filtered_force_n: float = 0.0
    force_limit_n: float = math.inf
    succeeded: bool = True

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> "Step":
        """Return a step from its entry in the JSON, where null stands for no limit."""
        limit = entry["force_limit_n"]
        return cls(**{**entry, "force_limit_n": math.inf if limit is None else limit})


def cycle_seconds(steps: Sequence[Step], cycle_s: float) -> dict[str, float]:
    """Split a cycle among its primitives: every moment counts once, so the parts sum to ``cycle_s``.

    A moment belongs to the arm's primitive where one runs, else to the band arm's: what the band arm does beside the
    arm costs no time. Where nothing runs, it is ``WAITING``.
    """
    begin_s = min((step.begin_s for step in steps), default=0.0)
    end_s = begin_s + cycle_s
    cuts = {begin_s, end_s} | {s for step in steps for s in (step.begin_s, step.end_s) if begin_s < s < end_s}
    borders = sorted(cuts)
    seconds: dict[str, float] = {}
    for low_s, high_s in pairwise(borders):
        running = [step for step in steps if step.begin_s <= low_s and step.end_s >= high_s]
        running.sort(key=lambda step: step.channel != _ARM_CHANNEL)
        name = running[0].name if running else WAITING
        seconds[name] = seconds.get(name, 0.0) + high_s - low_s
    return seconds


def primitive_times(cycles: Iterable[tuple[Sequence[Step], float]]) -> dict[str, dict[str, float]]:
    """Return what each primitive takes, the largest share of all cycles first.

    Args:
        cycles: per stow that moved, its steps and its cycle time [s].

    Returns:
        Per primitive: ``runs``, ``mean_s`` and ``median_s`` of one run, ``cycle_share`` of all cycles (these sum to 1)
        and ``per_cycle_s``, its part of a mean cycle. What ran only after the cycle, like the last look, is left out.
    """
    durations: dict[str, list[float]] = {}
    parts: dict[str, float] = {}
    stows, total_s = 0, 0.0
    for steps, cycle_s in cycles:
        stows, total_s = stows + 1, total_s + cycle_s
        split = cycle_seconds(steps, cycle_s)
        end_s = min((step.begin_s for step in steps), default=0.0) + cycle_s
        for name, part_s in split.items():
            parts[name] = parts.get(name, 0.0) + part_s
        for step in steps:
            if step.begin_s < end_s:
                durations.setdefault(step.name, []).append(step.end_s - step.begin_s)
    return {
        name: {
            "runs": len(durations.get(name, ())),
            "mean_s": mean(durations.get(name, [0.0])),
            "median_s": median(durations.get(name, [0.0])),
            "cycle_share": parts.get(name, 0.0) / total_s,
            "per_cycle_s": parts.get(name, 0.0) / stows,
        }
        for name in sorted(parts.keys() | durations.keys(), key=lambda name: (-parts.get(name, 0.0), name))
    }
