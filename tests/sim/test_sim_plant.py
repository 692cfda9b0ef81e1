import numpy as np
import pytest

from podhand.core.errors import ConfigError, StateError
from podhand.core.exchange import INPUTS_DTYPE, OUTPUTS_DTYPE, Axis, FtStatus, Safety, SlowSignal
from podhand.sim.faults import FaultKind
from podhand.sim.plant import true_wrench
from podhand.sim.workcell import SimWorkcell
from podhand.sim.world import World
from tests.sim.sim_rig import Rig

GRAVITY_M_S2 = 9.81


def run_script(seed: int) -> bytes:
    rig = Rig.of(seed)
    frames = []
    for k in range(300):
        rig.command[Axis.ARM_0] += 2e-4
        rig.command[Axis.BLADE] = 1e-4 * k
        rig.command[Axis.BELT_LEFT] = 0.1
        rig.wait(1)
        frames.append(rig.inputs.tobytes())
    return b"".join(frames)


def test_same_seed_and_commands_give_identical_inputs() -> None:
    assert run_script(4) == run_script(4)
    assert run_script(4) != run_script(5)


def test_binding_moves_nothing() -> None:
    rig = Rig.of(0)
    start = rig.inputs["q"].copy()
    rig.wait(300)
    assert np.abs(rig.inputs["q"] - start).max() < 1e-4
    assert rig.inputs["tick"] == 300
    assert rig.inputs["time_s"] == pytest.approx(0.3)


def test_wrong_records_and_early_steps_are_refused() -> None:
    workcell = SimWorkcell(World.standard(0))
    with pytest.raises(StateError, match="call bind first"):
        workcell.plant.step()
    with pytest.raises(StateError, match="other record layouts"):
        workcell.plant.bind(np.zeros((), OUTPUTS_DTYPE), np.zeros((), INPUTS_DTYPE))


def test_sensor_shows_the_tools_weight_with_noise_and_bias() -> None:
    rig = Rig.of(2)
    samples = []
    for _ in range(500):
        rig.wait(1)
        samples.append(rig.inputs["wrench"].copy())
    mean, spread = np.mean(samples, axis=0), np.std(samples, axis=0)
    world, tool = rig.workcell.world, rig.workcell.tool
    # At home the tool lies level: down is the flange's x.
    weight = np.array([tool.mass_kg * GRAVITY_M_S2, 0, 0])
    assert true_wrench(rig.workcell.plant)[:3] == pytest.approx(weight, abs=0.1)
    assert mean[:3] - weight == pytest.approx(world.ft.bias[:3], abs=0.15)
    assert spread[:3] == pytest.approx(world.ft.noise_n, rel=0.25)


def test_sensor_is_two_milliseconds_late() -> None:
    rig = Rig.of(1)
    true, seen = [], []
    for k in range(400):
        rig.command[Axis.ARM_1] -= 2e-5 * min(k, 200)
        rig.wait(1)
        true.append(true_wrench(rig.workcell.plant)[2])
        seen.append(rig.inputs["wrench"][2] - rig.workcell.world.ft.bias[2])
    # The true wrench read here belongs to the state before the step: one of the two ticks.
    errors = [float(np.std(np.array(seen[20:]) - np.array(true[20 - lag : len(true) - lag]))) for lag in range(4)]
    assert int(np.argmin(errors)) == 1


def test_squeeze_force_is_capped_by_its_drive() -> None:
    rig = Rig.of(3)
    rig.move([Axis.SQUEEZE], np.array([-0.05]), 0.2)
    rig.wait(200)
    assert rig.inputs["tau"][Axis.SQUEEZE] == pytest.approx(-rig.workcell.settings.drives.squeeze_max_force_n)


@pytest.mark.parametrize("seed", [1, 2, 3, 5])
def test_paddles_hold_an_item_and_belts_eject_it_at_their_speed(seed: int) -> None:
    rig = Rig.of(seed)
    assert rig.inputs["slow"][SlowSignal.ITEM_AT_INFEED] == 1
    body = rig.workcell.plant.data.body("item")
    z = float(body.xpos[2])
    rig.grip(lift_m=0.12)
    rig.wait(20)
    assert float(body.xpos[2]) - z == pytest.approx(0.12, abs=0.006)
    assert rig.inputs["slow"][SlowSignal.ITEM_AT_INFEED] == 0
    assert rig.inputs["slow"][SlowSignal.ITEM_IN_PADDLES] == 1
    assert rig.inputs["slow"][SlowSignal.MOUTH_BLOCKED] == 0
    rig.command[[Axis.BELT_LEFT, Axis.BELT_RIGHT]] = 0.3
    rig.wait(120)
    x = float(body.xpos[0])
    rig.wait(100)
    assert float(body.xpos[0]) - x == pytest.approx(0.03, abs=0.002)
    assert rig.inputs["slow"][SlowSignal.MOUTH_BLOCKED] == 1
    assert rig.inputs["q"][Axis.BELT_LEFT] > 0.04


@pytest.mark.parametrize("kind", [FaultKind.FT_NAN, FaultKind.FT_FROZEN, FaultKind.FT_STALE, FaultKind.FT_SATURATED])
def test_sensor_faults_come_and_go(kind: FaultKind) -> None:
    rig = Rig.of(0)
    rig.workcell.faults.inject(kind, from_s=0.01, until_s=0.02)
    rig.wait(9)
    before = rig.inputs["wrench"].copy()
    rig.wait(6)
    sequence, wrench = int(rig.inputs["ft_sequence"]), rig.inputs["wrench"].copy()
    rig.wait(1)
    advanced = int(rig.inputs["ft_sequence"]) - sequence
    if kind is FaultKind.FT_NAN:
        assert np.isnan(wrench).all() and advanced == 1
    elif kind is FaultKind.FT_FROZEN:
        assert (wrench == before).all() and advanced == 1
    elif kind is FaultKind.FT_STALE:
        assert advanced == 0
    else:
        assert rig.inputs["ft_status"] == FtStatus.SATURATED
        assert wrench[0] == rig.workcell.settings.ft_range_n
    rig.wait(10)
    assert np.isfinite(rig.inputs["wrench"]).all()
    assert rig.inputs["ft_status"] == FtStatus.OK


def test_emergency_stop_brakes_and_holds() -> None:
    rig = Rig.of(0)
    rig.workcell.faults.inject(FaultKind.EMERGENCY_STOP, from_s=0.1)
    for _ in range(300):
        rig.command[Axis.ARM_0] += 5e-4
        rig.wait(1)
    assert rig.inputs["safety"] == Safety.EMERGENCY_STOP
    rig.wait(600)  # braked by then
    held = float(rig.inputs["q"][0])
    rig.wait(100)
    assert float(rig.inputs["q"][0]) == pytest.approx(held, abs=2e-3)
    assert float(rig.command[0]) - held > 0.03


def test_slippery_belts_drop_the_item() -> None:
    rig = Rig.of(3)
    rig.grip(lift_m=0.05)
    rig.workcell.faults.inject("item_slips", from_s=rig.workcell.plant.time_s)
    z = float(rig.workcell.plant.data.body("item").xpos[2])
    rig.wait(300)
    assert z - float(rig.workcell.plant.data.body("item").xpos[2]) > 0.03


def test_unknown_faults_are_refused() -> None:
    rig = Rig.of(0)
    with pytest.raises(ConfigError, match="must be one of"):
        rig.workcell.faults.inject("gremlins")
    with pytest.raises(ConfigError, match="must be after"):
        rig.workcell.faults.inject("ft_nan", from_s=1.0, until_s=1.0)


def test_axis_forces_are_those_of_the_drives() -> None:
    rig = Rig.of(1)
    rig.grip()
    rig.wait(50)
    held = rig.inputs["tau"].copy()
    assert -25.0 < held[Axis.SQUEEZE] < -12.0
    assert abs(held[Axis.BELT_LEFT] + held[Axis.BELT_RIGHT]) < 0.3
    truth = rig.workcell.truth()
    weight_n = rig.workcell.world.item_mass_kg * GRAVITY_M_S2
    assert truth.contact_now_n[2] == pytest.approx(-weight_n, abs=0.1)
    assert truth.peak_squeeze_n < 30.0
