"""The JSON of stow and evaluate: rates, intervals, counts."""

import json
import math

import pytest

from podhand.app.results import Campaign, EpisodeResult, Step, StowOutcome, causes, wilson_ci95

EPISODE_KEYS = {
    "item", "bin", "accepted", "refusal_reason", "outcome", "cause", "plan", "plan_params", "sweep_needed", "cycle_s",
    "think_s", "peak_force_n", "peak_filtered_force_n", "max_force_ratio", "neighbours_out", "ticks", "late_ticks",
}  # fmt: skip
SUMMARY_KEYS = {
    "attempts", "accepted", "success_rate", "unproductive_rate", "defect_rate", "success_rate_of_accepted",
    "units_per_hour", "coverage", "force_limit_violations", "sim_seconds", "wall_seconds",
}  # fmt: skip


def episode(index: int, outcome: StowOutcome, **changes: object) -> EpisodeResult:
    values: dict[str, object] = {
        "index": index, "seed": index, "item": "soap", "bin": "C2", "accepted": True, "outcome": outcome,
        "cycle_s": 10.0, "ticks": 12_000,
    }  # fmt: skip
    return EpisodeResult(**(values | changes))  # type: ignore[arg-type]


def campaign(*episodes: EpisodeResult) -> Campaign:
    return Campaign(
        station="sim-stow", seed=1, episodes=episodes, coverage=(15, 20), wall_s=3.0, tick_s=0.001, world="standard-1"
    )


def test_wilson_agrees_with_its_formula() -> None:
    for successes, trials in ((0, 10), (10, 10), (94, 95), (37, 100), (1, 1)):
        z, p = 1.959963984540054, successes / trials
        middle = (p + z * z / (2 * trials)) / (1 + z * z / trials)
        half = z / (1 + z * z / trials) * math.sqrt(p * (1 - p) / trials + z * z / (4 * trials * trials))
        low, high = wilson_ci95(successes, trials)
        assert low == pytest.approx(max(0.0, middle - half), abs=1e-12)
        assert high == pytest.approx(min(1.0, middle + half), abs=1e-12)


def test_no_trials_mean_no_knowledge() -> None:
    assert wilson_ci95(0, 0) == (0.0, 1.0)


def test_json_has_all_promised_keys_and_is_strict() -> None:
    step = Step(name="approach", begin_s=0.0, end_s=1.0)
    document = campaign(episode(0, StowOutcome.SUCCESS, steps=(step,))).to_json()
    assert set(document) >= {"schema", "station", "seed", "episodes", "summary"}
    assert set(document["episodes"][0]) >= EPISODE_KEYS
    assert set(document["summary"]) >= SUMMARY_KEYS
    for name in ("success_rate", "unproductive_rate", "defect_rate", "success_rate_of_accepted", "coverage"):
        assert len(document["summary"][f"{name}_ci95"]) == 2
    json.dumps(document, allow_nan=False)


def test_rates_are_of_attempts_and_of_accepted() -> None:
    refused = EpisodeResult(index=3, seed=3, item="soap", bin="A1", accepted=False, refusal_reason="no gap")
    summary = campaign(
        episode(0, StowOutcome.SUCCESS, sweep_needed=True, cycle_s=8.0),
        episode(1, StowOutcome.SUCCESS, cycle_s=12.0),
        episode(2, StowOutcome.DEFECT, max_force_ratio=1.02, neighbours_out=1, cause="neighbour out"),
        refused,
    ).summary()
    assert (summary["attempts"], summary["accepted"]) == (4, 3)
    assert summary["success_rate"] == 0.5
    assert summary["success_rate_of_accepted"] == pytest.approx(2 / 3)
    assert (summary["unproductive_rate"], summary["defect_rate"], summary["coverage"]) == (0.25, 0.25, 0.75)
    assert summary["units_per_hour"] == pytest.approx(360.0)
    assert (summary["force_limit_violations"], summary["neighbours_out"]) == (1, 1)
    assert summary["sim_seconds"] == pytest.approx(36.0)
    assert summary["sweep_share_of_successes"] == 0.5


def test_times_are_told_for_every_way_to_find_room() -> None:
    def ways(*names: str) -> list[str]:
        episodes = (
            episode(
                k, StowOutcome.SUCCESS, plan_params={"way": name}, steps=(Step(name="approach", begin_s=0, end_s=9),)
            )
            for k, name in enumerate(names)
        )
        return list(campaign(*episodes).times_by_way())

    assert ways("sweep", "direct", "sweep") == ["all (3)", "sweep (2)", "direct (1)"]
    assert ways("direct") == ["all (1)"]
    assert ways() == []


def test_an_empty_campaign_has_a_summary() -> None:
    summary = campaign().summary()
    assert summary["attempts"] == 0
    assert summary["success_rate"] == 0.0


def test_causes_are_counted_most_frequent_first() -> None:
    episodes = [
        episode(0, StowOutcome.DEFECT, cause="neighbour out"),
        episode(1, StowOutcome.UNPRODUCTIVE, cause="space not made"),
        episode(2, StowOutcome.UNPRODUCTIVE, cause="space not made"),
        episode(3, StowOutcome.SUCCESS),
    ]
    assert causes(episodes) == {"space not made": 2, "neighbour out": 1}
