"""What the limiter does beside holding its limits: it passes, scales along the path, brakes, and comes to rest."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from podhand._kernel import Limiter
from podhand.core.arm_model import UR10E
from podhand.core.poses import FloatArray, pack_pose
from tests.safety.limiter_rig import (
    ARM,
    AXES,
    BAND,
    BELTS,
    HOME,
    MAX_ACCELERATION,
    MAX_POSITION,
    MAX_SPEED,
    MAX_TOOL_SPEED,
    MIN_POSITION,
    SINGLE,
    X_FLANGE_TOOL,
    Rig,
    tool_positions,
)

DT = 1e-3
PASSED, SCALED, BRAKED, INVALID = range(4)
TOOL_SPEED = 14
GROUPS = [ARM, slice(7, 8), slice(10, 11), BAND]


def arguments() -> dict[str, Any]:
    return {
        "min_position": MIN_POSITION,
        "max_position": MAX_POSITION,
        "max_speed": np.where(MAX_SPEED > 0, MAX_SPEED, 0.0),
        "max_acceleration": MAX_ACCELERATION,
        "present": np.arange(AXES) != 6,
        "is_speed": np.isin(np.arange(AXES), BELTS),
        "max_tool_speed_m_s": MAX_TOOL_SPEED,
        "X_parent_joint": np.array([pack_pose(link.X_parent_joint) for link in UR10E.links]),
        "X_flange_tool": pack_pose(X_FLANGE_TOOL),
    }


def ramp(steps: int, rise: int) -> FloatArray:
    """Progress 0..1 in `steps`, speeding up and slowing down over `rise` steps without jerks at the ends."""
    speed = np.minimum(np.minimum(np.arange(steps), np.arange(steps)[::-1]) / rise, 1.0)
    speed = 3 * speed**2 - 2 * speed**3
    progress: FloatArray = np.cumsum(speed) / speed.sum()
    return progress


def test_feasible_motion_passes_untouched() -> None:
    rig = Rig()
    goal = HOME + np.where(np.arange(AXES) == 6, 0.0, 0.05)
    desired = HOME + ramp(3000, 800)[:, None] * (goal - HOME)
    out, result, scale, axis = rig.run(desired, np.full(3000, DT))
    assert (result == PASSED).all()
    assert (out == desired).all()
    assert (scale == 1.0).all()
    assert (axis == -1).all()


def test_motion_exactly_at_its_limits_passes() -> None:
    """Bang-bang in speed, at full acceleration and full speed, is still the controller's right."""
    rig = Rig()
    speed = np.minimum(MAX_ACCELERATION[7] * DT * np.arange(1, 200), MAX_SPEED[7])
    desired = np.tile(HOME, (199, 1))
    desired[:, 7] = 0.02 + np.cumsum(speed * DT)
    rig = Rig(start=np.where(np.arange(AXES) == 7, 0.02, HOME))
    _, result, _, _ = rig.run(desired, np.full(199, DT))
    assert (result == PASSED).all()


@pytest.mark.parametrize("axis", [7, 10, 11, 0])
def test_smooth_arrival_at_a_position_limit_passes(axis: int) -> None:
    """A retracted blade stands at its limit; arriving there with limited jerk is no violation."""
    rig = Rig()
    desired = np.tile(HOME, (2000, 1))
    desired[:, axis] += ramp(2000, 600) * (MIN_POSITION[axis] - HOME[axis]) * (0.1 if axis == 0 else 1.0)
    if axis == 0:
        rig = Rig(start=np.where(np.arange(AXES) == 0, MIN_POSITION[0] + 0.3, HOME))
        desired[:, 0] = MIN_POSITION[0] + 0.3 * (1 - ramp(2000, 600))
    _, result, _, _ = rig.run(desired, np.full(2000, DT))
    assert (result == PASSED).all()
    rig.judge()


@pytest.mark.parametrize("seed", range(4))
def test_steps_stay_on_the_line_to_the_target(seed: int) -> None:
    random = np.random.default_rng(seed)
    rig = Rig()
    target = HOME + random.uniform(-0.2, 0.2, AXES) * (np.arange(AXES) != 6)
    for _ in range(400):
        before = rig.now
        name = rig.step(target, DT)
        if name == "PASSED":
            break
        assert name == "SCALED"
        for group in GROUPS:
            way, step = (target - before)[group], (rig.now - before)[group]
            np.testing.assert_allclose(np.outer(way, step), np.outer(step, way), atol=1e-15)
            assert (step * way >= 0.0).all()


def test_a_jump_of_the_target_is_reached_without_swinging() -> None:
    """From rest to a standing target: never past it, and it stays there."""
    rig = Rig()
    target = HOME + 0.06 * (np.arange(AXES) != 6)
    out, result, _, _ = rig.run(np.tile(target, (1500, 1)), np.full(1500, DT))
    rig.judge()
    assert (result != BRAKED).all()
    axes = [*range(6), *SINGLE, *range(11, 14)]
    assert (np.diff(out[:, axes], axis=0) >= 0.0).all()
    assert (out[:, axes] <= target[axes]).all()
    assert (out[-1] == target).all()
    assert result[-1] == PASSED


def test_too_fast_a_motion_is_slowed_not_stopped() -> None:
    """1 % too fast: one scale a little under one, at full speed, no braking."""
    rig = Rig()
    speed = np.minimum(0.5 * MAX_ACCELERATION[11] * DT * np.arange(1, 700), 1.01 * MAX_SPEED[11])
    desired = np.tile(HOME, (699, 1))
    desired[:, 11] = HOME[11] + np.cumsum(speed * DT)
    out, result, scale, axis = rig.run(desired, np.full(699, DT))
    assert set(result.tolist()) <= {PASSED, SCALED}
    fast = result == SCALED
    assert fast.any()
    assert (axis[fast] == 11).all()
    assert (scale[fast] > 0.1).all()
    np.testing.assert_allclose(np.diff(out[-50:, 11]) / DT, MAX_SPEED[11], rtol=1e-8)


def reversal(rig: Rig, axis: int) -> tuple[FloatArray, NDArray[np.int32]]:
    desired = np.tile(HOME, (800, 1))
    desired[:300, axis] += 10.0
    desired[300:, axis] -= 10.0
    out, result, _, _ = rig.run(desired, np.full(800, DT))
    rig.judge()
    return out[:, axis], result


@pytest.mark.parametrize("axis", [0, 12])
def test_a_reversal_brakes_at_the_full_acceleration(axis: int) -> None:
    out, result = reversal(Rig(), axis)
    v = np.diff(out) / DT
    braking = np.flatnonzero(result[301:] == BRAKED) + 300
    np.testing.assert_allclose(np.diff(v)[braking[:-1]] / DT, -MAX_ACCELERATION[axis], rtol=1e-6)
    assert v[-1] < 0.0


@pytest.mark.parametrize("seed", range(10))
def test_alpha_is_the_largest(seed: int) -> None:
    """Two per cent more would break a limit at once, or leave no way to stop."""
    random = np.random.default_rng(seed)
    rig = Rig()
    target = HOME + random.choice([-1.0, 1.0], AXES) * 100.0
    checked = 0
    for _ in range(1200):
        dt = float(random.uniform(0.5e-3, 2e-3))
        rig.step(target, dt)
        if len(rig.walk) < 4:
            continue
        speed_before = (rig.walk[-2] - rig.walk[-3]) / rig.times[-2]
        for group in GROUPS:
            step = (rig.now - rig.walk[-2])[group]
            if np.abs(step / dt / MAX_SPEED[group]).max() < 0.02:
                continue
            checked += 1
            assert not may_move(rig.walk[-2], group, 1.02 * step / dt, speed_before, dt)
    assert checked > 300


def may_move(x: FloatArray, group: slice, v: FloatArray, before: FloatArray, dt: float) -> bool:
    """Simulate one step of speed v in the group and the uniform stop after it, in ticks of 0.5 ms."""
    if (np.abs(v) > MAX_SPEED[group]).any() or (np.abs(v - before[group]) / dt > MAX_ACCELERATION[group]).any():
        return False
    x = x.copy()
    stop = float((np.abs(v) / MAX_ACCELERATION[group]).max())
    steps = [(v, dt)] + [(v * (1 - t / stop), 0.5e-3) for t in np.arange(0.5e-3, stop, 0.5e-3)]
    for speed, time in steps:
        arm = x[ARM].copy()
        x[group] += speed * time
        if (x[group] > MAX_POSITION[group]).any() or (x[group] < MIN_POSITION[group]).any():
            return False
        if group == ARM:
            tool = tool_positions(np.array([arm, x[ARM]]))
            if np.linalg.norm(tool[1] - tool[0]) / time > MAX_TOOL_SPEED:
                return False
    return True


@pytest.mark.parametrize("seed", [8, 76, 112, 152, 174, 177, 219, 241])
def test_tool_speed_holds_on_long_stops(seed: int) -> None:
    """With weak brakes the arm stretches while it stops, and the tool gains speed although every joint slows down."""
    random = np.random.default_rng(seed)
    start = HOME.copy()
    start[ARM] = [0, random.uniform(-2.4, -0.1), random.choice([-1, 1]) * random.uniform(1.5, 2.5), 0, 1, 0]
    unfold = -np.sign(start[2])
    rig = Rig(start=start, acceleration_share=float(random.choice([0.01, 0.02, 0.05, 0.1])))
    desired = np.tile(start, (6000, 1))
    desired[:, 2] = 2.6 * unfold
    desired[:, 1] += 2.0 * random.choice([0.0, unfold, -unfold])
    desired[:, 0] = random.choice([-3.0, 3.0, 0.0])
    desired[random.integers(300, 4000) :] = np.nan
    rig.run(desired, np.full(6000, 2e-3))
    rig.judge()


def test_nan_brakes_every_group_and_recovers() -> None:
    rig = Rig()
    target = HOME + 0.5 * (np.arange(AXES) != 6)
    rig.run(np.tile(target, (40, 1)), np.full(40, DT))
    speed = np.diff(np.array(rig.walk), axis=0)[-1]
    broken = target.copy()
    broken[13] = np.nan
    assert rig.step(broken) == "INVALID"
    assert rig.limiter.scale == 0.0
    step = rig.now - rig.walk[-2]
    positions = [0, 1, 2, 3, 4, 5, 7, 10, 11, 12, 13]
    assert (np.abs(step) <= np.abs(speed))[positions].all()
    assert rig.now[8] < rig.walk[-2][8]
    rig.run(np.tile(broken, (3000, 1)), np.full(3000, DT))
    assert (np.diff(np.array(rig.walk)[-10:], axis=0) == 0.0).all()
    rig.run(np.tile(HOME, (4000, 1)), np.full(4000, DT))
    np.testing.assert_array_equal(rig.now, HOME)
    rig.judge()


@pytest.mark.parametrize("dt_s", [0.0, -1e-3, 0.49e-3, 2.01e-3, 1.0, np.nan, np.inf])
def test_odd_times_are_refused(dt_s: float) -> None:
    rig = Rig()
    rig.run(np.tile(HOME + 0.3 * (np.arange(AXES) != 6), (40, 1)), np.full(40, DT))
    assert rig.step(HOME, dt_s) == "INVALID"
    rig.judge()


@pytest.mark.parametrize("dt_s", [0.5e-3, 2e-3])
def test_the_ends_of_the_range_of_dt_belong_to_it(dt_s: float) -> None:
    assert Rig().step(HOME, dt_s) == "PASSED"


@pytest.mark.parametrize("axis", [0, 3, 7, 12])
@pytest.mark.parametrize("side", [-1, 1])
def test_a_start_outside_may_only_come_in(axis: int, side: int) -> None:
    start = HOME.copy()
    limit = MAX_POSITION[axis] if side > 0 else MIN_POSITION[axis]
    start[axis] = limit + side * 0.05
    rig = Rig(start=start)
    outwards = start.copy()
    outwards[axis] += side * 0.1
    out, _, _, _ = rig.run(np.tile(outwards, (50, 1)), np.full(50, DT))
    assert (out[:, axis] == start[axis]).all()
    assert rig.limiter.limiting_axis == axis
    inwards = start.copy()
    inwards[axis] = limit - side * 0.05
    out, _, _, _ = rig.run(np.tile(inwards, (1500, 1)), np.full(1500, DT))
    assert (side * np.diff(out[:, axis]) <= 0.0).all()
    assert out[-1, axis] == inwards[axis]
    rig.judge()


def test_a_belt_seeded_too_fast_may_only_slow_down() -> None:
    start = HOME.copy()
    start[8] = 2.0
    rig = Rig(start=start)
    faster = start.copy()
    faster[8] = 3.0
    out, _, _, _ = rig.run(np.tile(faster, (20, 1)), np.full(20, DT))
    assert (out[:, 8] == 2.0).all()
    out, _, _, _ = rig.run(np.tile(HOME, (300, 1)), np.full(300, DT))
    assert out[-1, 8] == 0.0
    rig.judge()


def test_groups_do_not_slow_each_other() -> None:
    rig = Rig()
    desired = HOME.copy()
    desired[10] = 5.0
    desired[0] += 1e-6
    rig.step(desired)
    assert rig.now[0] == desired[0]
    assert rig.now[10] < 0.11
    assert rig.limiter.limiting_axis == 10
    assert 0.0 < rig.limiter.scale < 1.0


def test_tool_speed_is_named() -> None:
    rig = Rig(max_tool_speed=0.05)
    axes = []
    for _ in range(200):
        rig.step(HOME + np.where(np.arange(AXES) == 0, 2.0, 0.0))
        axes.append(rig.limiter.limiting_axis)
    assert axes[-1] == TOOL_SPEED
    rig.judge()


def test_not_ready_before_configure_and_seed() -> None:
    limiter = Limiter()
    out, result = limiter.step(HOME, DT)
    assert result.name == "NOT_READY"
    assert (out == 0.0).all()
    limiter.configure(**arguments())
    assert limiter.step(HOME, DT)[1].name == "NOT_READY"
    limiter.seed(np.where(np.arange(AXES) == 3, np.nan, HOME))
    assert limiter.step(HOME, DT)[1].name == "NOT_READY"
    limiter.seed(HOME)
    assert limiter.step(HOME, DT)[1].name == "PASSED"
    limiter.seed(np.full(AXES, np.nan))
    out, result = limiter.step(HOME + 0.1, DT)
    assert result.name == "NOT_READY"
    assert (out == HOME * (np.arange(AXES) != 6)).all()


BAD = [
    ("max_speed", 0, 0.0),
    ("max_speed", 13, -1.0),
    ("max_speed", 8, np.inf),
    ("max_acceleration", 5, np.nan),
    ("max_acceleration", 9, 0.0),
    ("min_position", 7, 0.2),
    ("max_position", 10, np.inf),
    ("max_position", 11, np.nan),
    ("present", 2, 0),
    ("present", 6, 1),
    ("is_speed", 7, 1),
    ("is_speed", 8, 0),
]


@pytest.mark.parametrize(("key", "axis", "value"), BAD)
def test_limits_that_are_no_limits_are_refused(key: str, axis: int, value: float) -> None:
    given = arguments()
    column = np.array(given[key], dtype=float)
    column[axis] = value
    with pytest.raises(ValueError, match="refused"):
        Limiter().configure(**{**given, key: column})


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf])
def test_a_tool_speed_that_is_no_limit_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="refused"):
        Limiter().configure(**{**arguments(), "max_tool_speed_m_s": value})


@pytest.mark.parametrize("factor", [1.0 + 1e-6, -1.0, np.nan])
def test_a_chain_that_is_no_chain_is_refused(factor: float) -> None:
    chain = np.array(arguments()["X_parent_joint"], dtype=float)
    chain[3, :9] *= factor
    with pytest.raises(ValueError, match="refused"):
        Limiter().configure(**{**arguments(), "X_parent_joint": chain})
