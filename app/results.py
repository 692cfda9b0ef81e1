"""Results of episodes and campaigns, and the JSON that scripts rely on."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Final

from scipy.stats import binomtest

from podhand.app.steps import Step, primitive_times
from podhand.sim.scoring import StowOutcome

__all__ = ["RESULT_SCHEMA", "Campaign", "EpisodeResult", "Step", "StowOutcome", "causes", "count", "wilson_ci95"]

RESULT_SCHEMA: Final = "podhand-stow-1"
"""Version of the JSON of ``stow`` and ``evaluate``."""


@dataclass(frozen=True, kw_only=True)
class EpisodeResult:
    """One stow, from the item at the infeed to the score. Numbers are 0 where the item was refused."""

    index: int
    seed: int
    """Seed of the world."""
    item: str
    bin: str
    accepted: bool
    refusal_reason: str = ""
    outcome: StowOutcome = StowOutcome.UNPRODUCTIVE
    cause: str = ""
    """What made it not a success; empty on success."""
    plan: tuple[str, ...] = ()
    """Names of the primitives in the order in which they ran."""
    plan_params: dict[str, Any] = field(default_factory=dict)
    features: dict[str, Any] = field(default_factory=dict)
    """What was known of the stow before the motion, with its schema; empty without a plan, and in older records."""
    sweep_needed: bool = False
    cycle_s: float = 0.0
    """Simulated time of the motion."""
    think_s: float = 0.0
    """Wall time of perception and planning."""
    peak_force_n: float = 0.0
    """Largest raw |F|."""
    peak_filtered_force_n: float = 0.0
    max_force_ratio: float = 0.0
    """Largest filtered force over the limit that held at that moment."""
    neighbours_out: int = 0
    ticks: int = 0
    late_ticks: int = 0
    wall_s: float = 0.0
    tick_mean_us: float = 0.0
    """Mean wall time of the kernel's tick."""
    fault: str = ""
    """A device or safety fault that ended the episode, in words; empty otherwise."""
    steps: tuple[Step, ...] = ()

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> "EpisodeResult":
        """Return a result from its entry; keys that are not of a result are left out."""
        known = {item.name: entry[item.name] for item in fields(cls) if item.name in entry}
        known |= {
            "outcome": StowOutcome(entry["outcome"]),
            "plan": tuple(entry["plan"]),
            "steps": tuple(Step.from_json(step) for step in entry["steps"]),
        }
        return cls(**known)

    def to_json(self) -> dict[str, Any]:
        """Return the entry of ``episodes[]``."""
        entry = asdict(self)
        entry["outcome"] = self.outcome.value
        entry["plan"] = list(self.plan)
        entry["steps"] = [{k: _finite(v) for k, v in asdict(step).items()} for step in self.steps]
        return {key: _finite(value) for key, value in entry.items()}


@dataclass(frozen=True, kw_only=True)
class Campaign:
    """Everything that the JSON of ``stow`` and ``evaluate`` says."""

    station: str
    seed: int
    episodes: tuple[EpisodeResult, ...]
    coverage: tuple[int, int]
    """Eligible products and all products of the catalogue."""
    wall_s: float
    tick_s: float
    world: str
    """Version of the world's definition."""
    ablation: str = ""
    """What was left out, in words; empty when nothing was."""

    def to_json(self) -> dict[str, Any]:
        """Return the document as plain data."""
        return {
            "schema": RESULT_SCHEMA,
            "world": self.world,
            "station": self.station,
            "seed": self.seed,
            "ablation": self.ablation,
            "episodes": [episode.to_json() for episode in self.episodes],
            "summary": self.summary(),
        }

    def times_by_way(self) -> dict[str, dict[str, dict[str, float]]]:
        """Return what each primitive takes in all stows that moved, and in those of each way to find room."""
        moved = [e for e in self.episodes if e.cycle_s > 0.0]
        ways: dict[str, list[EpisodeResult]] = {}
        for episode in moved:
            ways.setdefault(str(episode.plan_params.get("way", "")), []).append(episode)
        groups = [("all", moved)] + (sorted(ways.items(), key=lambda entry: -len(entry[1])) if len(ways) > 1 else [])
        return {
            f"{name} ({len(group)})": primitive_times((e.steps, e.cycle_s) for e in group)
            for name, group in groups
            if group
        }

    def summary(self) -> dict[str, Any]:
        """Return counts, rates with their 95 % Wilson intervals, and times."""
        accepted = [e for e in self.episodes if e.accepted]
        moved = [e for e in accepted if e.cycle_s > 0.0]
        attempts = len(self.episodes)
        successes = count(self.episodes, lambda e: e.outcome is StowOutcome.SUCCESS)
        swept = count(self.episodes, lambda e: e.outcome is StowOutcome.SUCCESS and e.sweep_needed)
        mean_cycle_s = sum(e.cycle_s for e in moved) / len(moved) if moved else 0.0
        summary: dict[str, Any] = {"attempts": attempts, "accepted": len(accepted)}
        summary |= _rate("accepted_rate", len(accepted), attempts)
        summary |= _rate("success_rate", successes, attempts)
        unproductive = count(self.episodes, lambda e: e.outcome is StowOutcome.UNPRODUCTIVE)
        summary |= _rate("unproductive_rate", unproductive, attempts)
        summary |= _rate("defect_rate", count(self.episodes, lambda e: e.outcome is StowOutcome.DEFECT), attempts)
        summary |= _rate("success_rate_of_accepted", successes, len(accepted))
        summary |= _rate("sweep_share_of_successes", swept, successes)
        summary |= _rate("coverage", *self.coverage)
        return summary | {
            "units_per_hour": 3600.0 / mean_cycle_s if mean_cycle_s else 0.0,
            "mean_cycle_s": mean_cycle_s,
            "mean_think_s": sum(e.think_s for e in accepted) / len(accepted) if accepted else 0.0,
            "tick_mean_us": sum(e.tick_mean_us for e in accepted) / len(accepted) if accepted else 0.0,
            "peak_filtered_force_n": max((e.peak_filtered_force_n for e in self.episodes), default=0.0),
            "force_limit_violations": count(self.episodes, lambda e: e.max_force_ratio > 1.0),
            "neighbours_out": sum(e.neighbours_out for e in self.episodes),
            "sim_seconds": sum(e.ticks for e in self.episodes) * self.tick_s,
            "wall_seconds": self.wall_s,
            "primitives": primitive_times((e.steps, e.cycle_s) for e in moved),
        }


def wilson_ci95(successes: int, trials: int) -> tuple[float, float]:
    """Return the 95 % Wilson interval of a rate; (0, 1) when there were no trials."""
    if trials == 0:
        return (0.0, 1.0)
    interval = binomtest(successes, trials).proportion_ci(confidence_level=0.95, method="wilson")
    return (float(interval.low), float(interval.high))


def count(episodes: Iterable[EpisodeResult], test: Callable[[EpisodeResult], bool]) -> int:
    """Count the episodes that pass a test."""
    return sum(1 for episode in episodes if test(episode))


def causes(episodes: Sequence[EpisodeResult]) -> dict[str, int]:
    """Return how often each cause, or reason of refusal, occurred, most frequent first."""
    found: dict[str, int] = {}
    for episode in episodes:
        reason = episode.cause or episode.refusal_reason
        if reason and episode.outcome is not StowOutcome.SUCCESS:
            found[reason] = found.get(reason, 0) + 1
    return dict(sorted(found.items(), key=lambda entry: -entry[1]))


def _rate(name: str, part: int, whole: int) -> dict[str, Any]:
    return {name: part / whole if whole else 0.0, f"{name}_ci95": list(wilson_ci95(part, whole))}


def _finite(value: Any) -> Any:
    """JSON has no infinity: a missing limit becomes null."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
