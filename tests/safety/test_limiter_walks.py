"""Every limit holds on every walk: random, adversarial, broken."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from podhand.core.poses import FloatArray
from tests.safety.limiter_rig import (
    AXES,
    HOME,
    MAX_POSITION,
    MAX_SPEED,
    MIN_POSITION,
    POSITION_AXES,
    PRESENT,
    Rig,
)

STEPS = 3000
PASSED, SCALED, BRAKED, INVALID = range(4)


def random_dt(random: np.random.Generator, n: int = STEPS) -> FloatArray:
    ends = random.choice([0.5e-3, 2e-3], n)
    times: FloatArray = np.where(random.random(n) < 0.2, ends, random.uniform(0.5e-3, 2e-3, n))
    return times


def jumping_targets(random: np.random.Generator) -> FloatArray:
    """Targets anywhere, also far outside, each held for a while."""
    span = MAX_POSITION - MIN_POSITION
    targets = MIN_POSITION - 0.5 * span + 2.0 * span * random.random((STEPS, AXES))
    targets[:, [8, 9]] = 4.0 * random.standard_normal((STEPS, 2))
    hold = np.cumsum(random.random(STEPS) < 0.004)
    held: FloatArray = targets[hold]
    return held


def smooth_paths(random: np.random.Generator, speed: float) -> FloatArray:
    """Sums of sines in every axis, up to `speed` times the speed limits."""
    t = 1e-3 * np.arange(STEPS)[:, None]
    frequency = random.uniform(0.2, 3.0, AXES)
    path: FloatArray = HOME + speed * MAX_SPEED / (2 * np.pi * frequency) * np.sin(2 * np.pi * frequency * t)
    return path


def noisy_walk(random: np.random.Generator) -> FloatArray:
    """Steps of up to ten times what the speed limits allow."""
    steps = random.uniform(-1e-2, 1e-2, (STEPS, AXES)) * MAX_SPEED * random.uniform(0, 1)
    walk: FloatArray = HOME + np.cumsum(steps, axis=0)
    return walk


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("acceleration_share", [1.0, 0.03])
def test_jumping_targets(seed: int, acceleration_share: float) -> None:
    random = np.random.default_rng(seed)
    rig = Rig(acceleration_share=acceleration_share)
    rig.run(jumping_targets(random), random_dt(random))
    rig.judge()


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("speed", [0.3, 1.0, 3.0])
def test_smooth_paths(seed: int, speed: float) -> None:
    random = np.random.default_rng(seed)
    rig = Rig()
    rig.run(smooth_paths(random, speed), random_dt(random))
    rig.judge()


@pytest.mark.parametrize("seed", range(6))
def test_noisy_walk(seed: int) -> None:
    random = np.random.default_rng(seed)
    rig = Rig()
    rig.run(noisy_walk(random), random_dt(random))
    rig.judge()


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("acceleration_share", [1.0, 0.03])
def test_broken_inputs_at_any_moment(seed: int, acceleration_share: float) -> None:
    """Bursts of NaN, infinities, absurd numbers and absurd times. Whatever was going on, the stop keeps every limit."""
    random = np.random.default_rng(100 + seed)
    rig = Rig(acceleration_share=acceleration_share)
    desired = jumping_targets(random) if seed % 2 else smooth_paths(random, 2.0)
    dt = random_dt(random)
    burst = np.cumsum(random.random(STEPS) < 0.01) % 2 == 1
    value = random.choice([np.nan, np.inf, -np.inf, 1e6, -1e300], STEPS)
    axis = random.choice(np.flatnonzero(PRESENT), STEPS)
    desired[burst, axis[burst]] = value[burst]
    desired[burst & (axis % 2 == 0)] = np.nan
    late = random.random(STEPS) < 0.01
    dt[late] = random.choice([0.0, -1e-3, np.nan, np.inf, 3e-3, 0.2], late.sum())
    _, result, _, _ = rig.run(desired, dt)
    assert (result[burst | late] == INVALID).all()
    assert (result[~burst & ~late] != INVALID).all()
    rig.judge()


@pytest.mark.parametrize("seed", range(8))
def test_adversary_that_watches(seed: int) -> None:
    """Always asks for what hurts most: outwards near a limit, backwards at speed, the fastest tool motion."""
    random = np.random.default_rng(200 + seed)
    rig = Rig()
    direction = random.choice([-1.0, 1.0], AXES)
    for _ in range(1500):
        dt = float(random.uniform(0.5e-3, 2e-3))
        if random.random() < 0.01:
            direction = random.choice([-1.0, 0.0, 1.0], AXES)
        reach = random.choice([1e-6, 1e-3, 0.999e-3, 1.001e-3, 1.0])
        rig.step(rig.now + direction * MAX_SPEED * reach, dt)
    rig.judge()


@pytest.mark.parametrize("axis", POSITION_AXES)
@pytest.mark.parametrize("side", [-1, 1])
def test_dense_around_position_limits(axis: int, side: int) -> None:
    """Targets within a micrometre of the limit, on both sides, from rest and in motion."""
    random = np.random.default_rng(axis)
    limit = MAX_POSITION[axis] if side > 0 else MIN_POSITION[axis]
    start = HOME.copy()
    start[axis] = limit - side * 1e-3
    rig = Rig(start=start)
    desired = np.tile(start, (STEPS, 1))
    desired[:, axis] = limit + random.uniform(-1e-6, 1e-6, STEPS)
    desired[::7, axis] = limit
    desired[1000:1200, axis] = limit - side * 2e-3
    desired[2000:, axis] = np.nextafter(limit, side * np.inf)
    out, _, _, _ = rig.run(desired, random_dt(random))
    rig.judge()
    assert abs(out[-1, axis] - limit) < 1e-9


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(
    moves=st.lists(
        st.tuples(
            st.lists(st.floats(allow_nan=True, allow_infinity=True, width=64), min_size=AXES, max_size=AXES),
            st.sampled_from([0.0, 1e-6, 1e-3, 1.0]),
            st.floats(0.5e-3, 2e-3),
            st.integers(1, 40),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_any_floats(moves: list[tuple[list[float], float, float, int]]) -> None:
    """Hypothesis chooses any doubles, as targets and as small steps from where the limiter is."""
    rig = Rig()
    for values, share, dt, repeats in moves:
        for _ in range(repeats):
            with np.errstate(invalid="ignore", over="ignore"):
                desired = rig.now + share * np.array(values) if share < 1.0 else np.array(values)
            rig.step(desired, dt)
    rig.judge()
