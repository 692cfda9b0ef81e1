"""Whatever comes in, what goes out is finite and inside the limits."""

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from podhand.core.exchange import AXES, Axis
from tests.unit.kernel_rig import BELTS, Rig, segments

WILD = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True, width=64),
    st.sampled_from([0.0, float("nan"), float("inf"), -float("inf"), 1e308, -1e308, 5e-324]),
)
FIELDS = st.sampled_from(["q", "qd", "tau", "axis_age_s", "wrench", "slow", "dt_s", "time_s", "ft_period_s"])
SPOIL = st.tuples(st.integers(0, 60), FIELDS, st.integers(0, AXES - 1), WILD)
WORDS = st.tuples(st.integers(0, 60), st.sampled_from(["axis_valid", "ft_status", "ft_sequence", "safety"]),
                  st.integers(0, 2**32 - 1))  # fmt: skip


def moving_chain() -> np.ndarray:
    chain = segments()
    arm, squeeze, belts, blade = (chain["reference"][0][group] for group in range(4))
    arm["kind"], arm["twist"] = 3, (0.1, 0.05, 0.0, 0.0, 0.0, 0.2)
    squeeze["kind"], squeeze["force_n"], squeeze["target_speed"] = 5, -20.0, 0.1
    belts["kind"], belts["target"][:2] = 4, 0.3
    blade["kind"], blade["target"][0], blade["target_speed"] = 4, 0.3, 0.3
    law = chain["law"][0][1]
    law["law"], law["mass"], law["damping"], law["stiffness"] = 1, 5.0, 500.0, 200.0
    return chain


def spoil_record(record: Any, field: str, index: int, value: float) -> None:
    if record[field].shape == ():
        record[field] = value
    else:
        record[field][index % record[field].size] = value


@settings(max_examples=60, deadline=None)
@given(spoils=st.lists(SPOIL, max_size=12), words=st.lists(WORDS, max_size=4))
def test_any_inputs_give_finite_limited_outputs(
    spoils: list[tuple[int, str, int, float]], words: list[tuple[int, str, int]]
) -> None:
    rig = Rig()
    rig.kernel.submit(0, moving_chain())
    for _ in range(40):
        rig.step()
    limits = rig.config["axis"]
    previous = rig.outputs["command"].copy()
    for tick in range(61):
        sound = rig.inputs.copy()
        for at, field, index, value in spoils:
            if at == tick:
                spoil_record(rig.inputs, field, index, value)
        for at, field, word in words:
            if at == tick:
                rig.inputs[field] = word
        rig.kernel.tick()
        rig.inputs[...] = sound
        check_outputs(rig, previous, limits)
        previous = rig.outputs["command"].copy()
        rig.inputs["ft_sequence"] += 1
        rig.follow()


def check_outputs(rig: Rig, previous: np.ndarray, limits: np.ndarray) -> None:
    command = rig.outputs["command"]
    assert np.isfinite(command).all()
    assert np.isfinite(rig.state["F_tool"]).all() and np.isfinite(rig.state["X_base_tool_cmd"]).all()
    for axis in range(AXES):
        if axis in BELTS:
            assert abs(command[axis]) <= limits["max_speed"][axis] * (1 + 1e-9)
        elif axis != Axis.ARM_6:
            assert limits["min_position"][axis] <= command[axis] <= limits["max_position"][axis]
            assert abs(command[axis] - previous[axis]) <= limits["max_speed"][axis] * 2e-3 * (1 + 1e-6)


@settings(max_examples=30, deadline=None)
@given(
    values=st.lists(WILD, min_size=6, max_size=6),
    kind=st.integers(0, 255),
    frame=st.integers(0, 255),
    target=WILD,
)
def test_any_chain_is_refused_or_runs_finite(values: list[float], kind: int, frame: int, target: float) -> None:
    rig = Rig()
    chain = segments()
    chain["reference"][0][0]["kind"], chain["reference"][0][0]["twist"] = kind, values
    chain["reference"][0][3]["kind"], chain["reference"][0][3]["target"][0] = kind, target
    chain["frame"] = frame
    try:
        rig.kernel.submit(0, chain)
    except ValueError:
        pass
    for _ in range(50):
        rig.step()
        assert np.isfinite(rig.outputs["command"]).all()
