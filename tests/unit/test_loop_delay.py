"""The loop delay: found where it is known, in courses and on a plant; refused when it cannot be true."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podhand.controllers.lockstep import LockstepHost
from podhand.controllers.loop_delay import Course, measure_loop_delay, phase_delay, shake_stroke_m
from podhand.controllers.trajectories import line
from podhand.core.exchange import Axis, SlowSignal
from podhand.core.poses import FloatArray, pose
from podhand.primitives.base import Trace
from podhand.primitives.cell import StowCell
from podhand.primitives.ft_measuring import shake, unmet
from tests.unit.fake_plant import STATION, FakePlant

MASS_KG = 3.2
STROKE_M = 0.004


def places() -> FloatArray:
    """Commanded places (n,) of twelve strokes, each rounded up to ticks, at 1 kHz."""
    path = line(pose(), pose(None, (STROKE_M, 0.0, 0.0)), speed_m_s=0.2, acceleration_m_s2=1.8, jerk_m_s3=37.5)
    ticks = int(np.ceil(1e3 * path.duration_s))
    there = []
    for t in 1e-3 * np.arange(ticks):
        phase = next(p for p in reversed(path.progress) if p.t0_s <= t)
        u = t - phase.t0_s
        there.append(STROKE_M * (phase.p + u * (phase.v + u * (phase.a / 2 + u * phase.j / 6))))
    one = np.array(there)
    return np.concatenate([one, STROKE_M - one] * 6)


def course(
    name: str, axis: int, *, loop_s: float, position_s: float = 0.001, mass_kg: float = MASS_KG, seed: int = 1,
    noise_n: float = 0.3,
) -> Course:  # fmt: skip
    """Return what a plant with dead times shows: forces by differences of its own delayed motion."""
    x = places()
    t: FloatArray = 1e-3 * np.arange(len(x), dtype=np.float64)
    rng = np.random.default_rng(seed)
    h = 1e-3

    def late(by_s: float) -> FloatArray:
        return np.asarray(np.interp(t - by_s, t, x))

    a = (late(loop_s - h) - 2.0 * late(loop_s) + late(loop_s + h)) / h**2
    p_cmd, p, f = np.zeros((len(t), 3)), np.zeros((len(t), 3)), rng.normal(0.0, noise_n, (len(t), 3))
    p_cmd[:, axis], p[:, axis] = x, late(position_s)
    f[:, axis] += 12.0 - mass_kg * a
    f[:, 2] -= 31.4
    return Course(name=name, time_s=t, p_base_cmd_m=p_cmd, p_base_m=p, force_base_n=f)


@settings(deadline=None, max_examples=20)
@given(loop_ms=st.floats(1.0, 40.0), position_ms=st.floats(0.0, 20.0), seed=st.integers(0, 1000))
def test_known_delays_are_found(loop_ms: float, position_ms: float, seed: int) -> None:
    found = measure_loop_delay(
        [
            course(n, k, loop_s=1e-3 * loop_ms, position_s=1e-3 * position_ms, seed=seed + k)
            for k, n in enumerate("xyz")
        ],
        mass_kg=MASS_KG,
    )
    assert 1e3 * found.loop_s == pytest.approx(loop_ms, abs=1.0)
    assert 1e3 * float(np.mean(list(found.by_direction_s.values()))) == pytest.approx(loop_ms, abs=0.7)
    assert 1e3 * found.position_s == pytest.approx(position_ms, abs=0.05)
    assert found.felt_mass_kg == pytest.approx(MASS_KG, rel=0.05)


def test_the_longest_direction_counts() -> None:
    delays = (0.004, 0.005, 0.0055)
    found = measure_loop_delay(
        [course(n, k, loop_s=d, noise_n=0.0) for (k, n), d in zip(enumerate("xyz"), delays, strict=True)],
        mass_kg=MASS_KG,
    )
    assert found.loop_s == pytest.approx(0.0055, abs=1e-4)


def test_phase_of_a_sine() -> None:
    t: FloatArray = 1e-3 * np.arange(3000, dtype=np.float64)
    delay, gain = phase_delay(t, np.sin(20 * t), 2.5 * np.sin(20 * (t - 0.013)) + np.sin(70 * t), 20 / (2 * np.pi))
    assert delay == pytest.approx(0.013, abs=2e-4)
    assert gain == pytest.approx(2.5, rel=0.02)


def courses(*, loop_s: float = 0.004, mass_kg: float = MASS_KG) -> list[Course]:
    """Three directions, of which the last is different."""
    return [
        course("x", 0, loop_s=0.004),
        course("y", 1, loop_s=0.004),
        course("z", 2, loop_s=loop_s, mass_kg=mass_kg),
    ]


@pytest.mark.parametrize(
    ("given_courses", "words"),
    [
        (courses(loop_s=0.012), r"differs by \d\.\d ms between directions \(x 4\.\d ms.*at most 2 ms"),
        (courses(mass_kg=0.0), r"z: shaken, the tool feels like 0\.\d+ kg, it weighs 3\.20 kg \(± 50 %\)"),
        (courses(mass_kg=8.0), r"z: shaken, the tool feels like [78]\.\d+ kg"),
        (courses(mass_kg=-3.2), r"z: the force reading comes .* ms after the set-points \(0 … 50 ms\)"),
        (courses(loop_s=0.07), r"z: the force reading comes [67]\d\.\d ms after the set-points"),
        (
            [replace(courses()[0], time_s=np.arange(30.0), p_base_cmd_m=np.zeros((30, 3)))],
            r"x: 30 samples are too few for a delay \(at least 100\)",
        ),
    ],
    ids=["directions disagree", "no answer", "held", "turned axes", "too late", "too short"],
)
def test_what_cannot_be_true_is_refused_in_words(given_courses: list[Course], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        measure_loop_delay(given_courses, mass_kg=MASS_KG)


def test_strokes_have_the_frequency_of_the_tool_on_a_hard_contact() -> None:
    stiffness_n_m, jerk = 1300.0, 37.5
    stroke_m = shake_stroke_m(stiffness_n_m, MASS_KG, jerk_m_s3=jerk)
    path = line(pose(), pose(None, (stroke_m, 0.0, 0.0)), speed_m_s=0.2, acceleration_m_s2=1.8, jerk_m_s3=jerk)
    assert 1.0 / (2.0 * path.duration_s) == pytest.approx(np.sqrt(stiffness_n_m / MASS_KG) / (2 * np.pi), rel=0.01)


@pytest.mark.parametrize(
    ("slow", "blade_m", "words"),
    [(0.0, 0.0, []), (1.0, 0.0, ["something is between the paddles"]), (np.nan, 0.0, ["gives no valid signal"]),
     (0.0, 0.05, ["the blade is out by 0.050 m"])],
)  # fmt: skip
def test_what_must_be_so_before_the_tool_is_measured(slow: float, blade_m: float, words: list[str]) -> None:
    plant = FakePlant()
    plant.slow[SlowSignal.ITEM_IN_PADDLES] = slow
    with LockstepHost.for_station(plant, STATION) as host:
        plant.q[Axis.BLADE] = host.kernel.outputs["command"][Axis.BLADE] = blade_m
        host.run(host.session.wait(0.005))
        found = unmet(StowCell(session=host.session, station=STATION))
    assert len(found) == len(words)
    assert all(word in finding for word, finding in zip(words, found, strict=True))


def test_measured_on_a_plant_of_known_delay() -> None:
    """The fake plant moves one tick late, and its sensor shows accelerations three ticks old."""
    with LockstepHost.for_station(FakePlant(noise_n=0.1), STATION) as host:
        cell = StowCell(session=host.session, station=STATION)
        found = measure_loop_delay(host.run(shake(Trace(cell), force_n=60.0)), mass_kg=MASS_KG)
    assert found.loop_s == pytest.approx(0.004, abs=3e-4)
    assert found.position_s == pytest.approx(0.001, abs=1e-4)
    assert found.felt_mass_kg == pytest.approx(MASS_KG, rel=0.02)
    assert found.frequency_hz == pytest.approx(3.2, abs=0.1)
