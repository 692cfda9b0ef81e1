"""Where the time of a stow goes: every moment counts once."""

import numpy as np
import pytest

from podhand.app.plots import time_plot
from podhand.app.steps import WAITING, Step, cycle_seconds, primitive_times

BESIDE = (
    Step(name="open_bands", begin_s=0.2, end_s=3.2, channel=1),
    Step(name="receive_item", begin_s=0.2, end_s=4.2),
    Step(name="approach", begin_s=4.2, end_s=8.2),
    Step(name="park", begin_s=8.7, end_s=9.7),
    Step(name="close_bands", begin_s=8.7, end_s=11.7, channel=1),
    Step(name="verify", begin_s=11.7, end_s=12.2),
)
CYCLE_S = 11.5


def test_what_runs_beside_the_arm_costs_only_what_it_takes_longer() -> None:
    assert cycle_seconds(BESIDE, CYCLE_S) == pytest.approx(
        {"receive_item": 4.0, "approach": 4.0, WAITING: 0.5, "park": 1.0, "close_bands": 2.0}
    )


def test_parts_sum_to_the_cycle_whatever_overlaps() -> None:
    rng = np.random.default_rng(3)
    for _ in range(200):
        begins = rng.uniform(0.0, 10.0, 8)
        steps = [
            Step(
                name=f"p{k % 3}", begin_s=float(b), end_s=float(b + rng.uniform(0.0, 4.0)), channel=int(rng.integers(2))
            )
            for k, b in enumerate(begins)
        ]
        cycle_s = float(rng.uniform(0.5, 15.0))
        assert sum(cycle_seconds(steps, cycle_s).values()) == pytest.approx(cycle_s)


def test_shares_of_all_cycles_sum_to_one_and_the_largest_comes_first() -> None:
    quick = (Step(name="receive_item", begin_s=0.2, end_s=2.2), Step(name="approach", begin_s=2.2, end_s=3.2))
    times = primitive_times([(BESIDE, CYCLE_S), (quick, 3.0)])
    assert sum(entry["cycle_share"] for entry in times.values()) == pytest.approx(1.0)
    assert sum(entry["per_cycle_s"] for entry in times.values()) == pytest.approx((CYCLE_S + 3.0) / 2)
    assert next(iter(times)) == "receive_item"
    assert times["receive_item"] == pytest.approx(
        {"runs": 2, "mean_s": 3.0, "median_s": 3.0, "cycle_share": 6.0 / 14.5, "per_cycle_s": 3.0}
    )
    assert (times["open_bands"]["mean_s"], times["open_bands"]["cycle_share"]) == (3.0, 0.0)
    assert "verify" not in times


def test_nothing_moved_takes_no_time() -> None:
    assert primitive_times([]) == {}


def test_the_plot_is_a_picture() -> None:
    picture = time_plot({"seed 1": primitive_times([(BESIDE, CYCLE_S)]), "seed 2": {}})
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
