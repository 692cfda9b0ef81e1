"""The tare gate and the drift watch: what they take, and what they refuse in words."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from podhand.controllers.ft_identification import QualityBounds, Standstill
from podhand.controllers.ft_watch import DriftReport, DriftState, DriftWatch, TareBounds, refuse_tare
from podhand.core.errors import LimitError
from podhand.core.poses import FloatArray

NOISE = np.repeat([0.3, 0.015], 3)
QUALITY = QualityBounds(range_force_n=330.0, range_torque_n_m=30.0)
BOUNDS = TareBounds(quality=QUALITY)
STILL = Standstill(
    name="tare", time_s=1.0, q_rad=(0.0,) * 6, R_base_sensor=np.eye(3), wrench=np.zeros(6), noise=NOISE,
    step=np.zeros(6), samples=500,
)  # fmt: skip
ZERO = np.zeros(6)


def force(n: float) -> FloatArray:
    return np.array([0.0, n, 0.0, 0.0, 0.0, 0.0])


def gate(
    stand: Standstill = STILL,
    felt: FloatArray = ZERO,
    *,
    speed: float = 0.0,
    travel: float = 0.0,
    since: FloatArray | None = None,
) -> str:
    return refuse_tare(
        stand, felt, BOUNDS, joint_speed_rad_s=speed, tool_travel_m=travel, since_calibration=since
    )  # fmt: skip


def test_a_small_change_is_tared() -> None:
    assert gate(felt=force(4.9)) == ""
    assert gate(felt=force(4.9), since=force(16.0), speed=0.009, travel=0.0004) == ""


@pytest.mark.parametrize(
    ("refusal", "words"),
    [
        (gate(speed=0.02), "a joint moves at 0.020 rad/s (at most 0.01)"),
        (gate(travel=0.001), "the tool moved by 1.00 mm (at most 0.5 mm)"),
        (gate(replace(STILL, noise=6.0 * NOISE)), "a sample scatters by 1.80 N"),
        (gate(replace(STILL, step=force(0.6))), "the reading changed by 0.60 N"),
        (gate(felt=force(5.1)), "would change by 5.10 N, 0.000 N m since the last one (at most 4.95 N, 0.450 N m)"),
        (gate(felt=np.array([0, 0, 0, 0, 0, 0.5])), "0.500 N m since the last one"),
        (gate(felt=force(2.0), since=force(17.0)), "17.00 N, 0.000 N m since the calibration (at most 16.50 N"),
    ],
    ids=["a joint moves", "the tool moves", "noisy", "touched meanwhile", "force", "torque", "since calibration"],
)
def test_refused_with_value_bound_and_what_to_do(refusal: str, words: str) -> None:
    assert words in refusal
    assert any(remedy in refusal for remedy in ("wait until", "look for", "keep away", "free it", "calibrate again"))


@given(st.floats(0.0, 20.0), st.floats(0.0, 2.0))
def test_the_gate_is_its_bounds(force_n: float, torque_n_m: float) -> None:
    refused = bool(gate(felt=np.array([force_n, 0.0, 0.0, 0.0, torque_n_m, 0.0])))
    assert refused == (force_n > 0.015 * 330.0 or torque_n_m > 0.015 * 30.0)


def watched(seconds: float, drift_n_s: float = 0.0, *, seed: int = 1, touch: tuple[float, float, float] | None = None,
            moves_at_s: float = -1.0) -> tuple[DriftWatch, DriftReport]:  # fmt: skip
    """Watch a drift along one axis; ``touch`` is (from, until, force)."""
    noise = NOISE / np.sqrt(10.0)  # a tenth of the samples, each worth ten
    rng, watch = np.random.default_rng(seed), DriftWatch(QUALITY, noise)
    for tick in range(round(100 * seconds)):
        time_s = 1e-2 * tick
        felt = drift_n_s * time_s * force(1.0) + rng.normal(0.0, noise)
        if touch and touch[0] <= time_s < touch[1]:
            felt = felt + force(touch[2])
        watch.feed(time_s, felt, standing=not moves_at_s <= time_s < moves_at_s + 0.1)
    return watch, watch.report()


@pytest.mark.parametrize(
    ("drift_n_s", "state"),
    [(0.0, DriftState.STEADY), (0.008, DriftState.STEADY), (0.02, DriftState.DRIFTING), (0.045, DriftState.REFUSED),
     (0.3, DriftState.REFUSED)],
)  # fmt: skip
def test_slow_change_is_measured_and_judged(drift_n_s: float, state: DriftState) -> None:
    for seed in range(3):
        watch, report = watched(15.0, drift_n_s, seed=seed)
        assert report.state is state
        assert report.force_n_s == pytest.approx(drift_n_s, abs=0.004)
        assert watch.contacts == 0


def test_refusal_names_rate_bound_and_remedy() -> None:
    _, report = watched(12.0, 0.05)
    assert "N/min" in report.words
    assert "at most 1.98 N/min, 0.180 N m/min" in report.words
    assert "warm up" in report.words


def test_a_short_watch_says_nothing() -> None:
    _, report = watched(5.0, 0.3)
    assert report.state is DriftState.UNKNOWN


def test_a_contact_is_no_drift() -> None:
    for seed in range(3):
        watch, report = watched(30.0, touch=(8.3, 14.1, 2.0), seed=seed)
        assert watch.contacts >= 2  # it comes and goes
        assert report.state is DriftState.STEADY
        assert report.watched_s < 16.0


def test_motion_begins_the_watch_anew() -> None:
    watch, report = watched(20.0, 0.02, moves_at_s=9.0)
    assert watch.contacts == 0
    assert report.watched_s == pytest.approx(9.9, abs=1.1)


@pytest.mark.parametrize("bad", [{"window_s": 0.0}, {"window_s": float("nan")}, {"least_windows": 2}], ids=str)
def test_nonsense_settings_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(LimitError, match="window_s > 0 and 3 windows"):
        DriftWatch(QUALITY, NOISE, **bad)  # type: ignore[arg-type]
