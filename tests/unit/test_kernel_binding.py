"""The border between numpy and the kernel."""

import numpy as np
import pytest

from podhand import _kernel
from podhand.core.exchange import INPUTS_DTYPE, OUTPUTS_DTYPE, Axis
from tests.unit.kernel_rig import Rig, segments, station_config

TIME_SIGNAL = 8


def until_time(chain: np.ndarray, after_s: float) -> None:
    condition = chain["until"][0][0]
    condition["node_count"] = 1
    condition["nodes"][0]["signal"] = TIME_SIGNAL
    condition["nodes"][0]["value"] = after_s
    condition["code"] = 5


def test_layouts_agree_with_core() -> None:
    assert _kernel.INPUTS_DTYPE == INPUTS_DTYPE
    assert _kernel.OUTPUTS_DTYPE == OUTPUTS_DTYPE
    assert _kernel.layout_hash() == _kernel.layout_hash() != 0
    assert _kernel.build_id().split("+")[0] == "0.1.0"


def test_views_share_the_kernels_memory() -> None:
    kernel = _kernel.Kernel()
    kernel.inputs["time_s"] = 4.25
    assert kernel.inputs["time_s"] == 4.25
    assert kernel.inputs.dtype == INPUTS_DTYPE and kernel.inputs.shape == ()
    with pytest.raises(ValueError, match="read-only"):
        kernel.state["tick"] = 3
    view = Rig().inputs  # the kernel lives as long as a view on it
    view["q"][0] = 1.0


def test_outcome_comes_back_with_its_code() -> None:
    rig = Rig()
    chain = segments()
    until_time(chain, 0.05)
    number = rig.kernel.submit(0, chain)
    assert rig.state["chain"][0] == number
    outcome = rig.finish()
    assert [int(outcome[name]) for name in ("cause", "code", "chain")] == [2, 5, number]
    assert outcome["duration_s"] == pytest.approx(0.05, abs=2e-3)
    assert rig.kernel.take_outcome() is None
    assert rig.kernel.submit(0, chain) == number + 1


def test_refusals_say_where_what_and_the_range() -> None:
    rig = Rig()
    chain = segments(3)
    chain["limits"]["force_norm_n"][2] = 500.0
    with pytest.raises(_kernel.KernelRefusal, match=r"^segment 2: limits: force_norm_n .*\(got 500, allowed .* 100\)$"):
        rig.kernel.submit(0, chain)
    assert issubclass(_kernel.KernelRefusal, ValueError)
    config = station_config()
    config["safety"]["max_force_norm_n"] = np.nan
    with pytest.raises(_kernel.KernelRefusal, match="max_force_norm_n"):
        _kernel.validate_config(config)
    with pytest.raises(TypeError, match="SEGMENT_DTYPE"):
        rig.kernel.submit(0, np.zeros(3))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="KERNEL_CONFIG_DTYPE"):
        rig.kernel.configure(chain)


def test_recorded_ticks_replay_bit_for_bit() -> None:
    rig = Rig()
    chain = segments()
    reference = chain["reference"][0][3]
    reference["kind"], reference["target"][0], reference["target_speed"] = 4, 0.2, 0.3
    rig.kernel.record_into(400)
    rig.kernel.submit(0, chain)
    for _ in range(450):
        rig.step()
    assert rig.kernel.overflow == 50
    ticks = np.frombuffer(rig.kernel.drain_ticks(), np.dtype([("inputs", INPUTS_DTYPE), ("outputs", OUTPUTS_DTYPE)]))
    assert ticks.size == 400 and rig.kernel.recorded == 0
    again = Rig()
    again.kernel.submit(0, chain)
    outputs = again.kernel.tick_many(np.ascontiguousarray(ticks["inputs"]))
    assert outputs.tobytes() == np.ascontiguousarray(ticks["outputs"]).tobytes()
    assert outputs["command"][-1, Axis.BLADE] > 0.05
