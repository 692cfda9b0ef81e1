"""Faults do to the cell what they say, and no longer than they last."""

import numpy as np
import pytest

from podhand.core.errors import DeviceError
from podhand.core.exchange import INPUTS_DTYPE, OUTPUTS_DTYPE, Axis, SlowSignal
from podhand.sim.faults import FaultKind
from tests.sim.sim_rig import Rig

SEEDS = (1, 4)


def order(rig: Rig, kind: FaultKind, lasts_s: float = np.inf) -> None:
    now_s = rig.workcell.plant.time_s
    rig.workcell.faults.inject(kind, from_s=now_s, until_s=now_s + lasts_s)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("moving", [False, True])
def test_a_jammed_blade_stands_whatever_its_drive_gives(seed: int, moving: bool) -> None:
    rig = Rig.of(seed)
    rig.move([Axis.BLADE], np.array([0.05]), 0.2)
    if moving:  # the jam comes in the middle of a motion
        for _ in range(50):
            rig.command[Axis.BLADE] += 0.0002
            rig.wait(1)
    order(rig, FaultKind.BLADE_JAM, lasts_s=0.5)
    rig.wait(20)
    before_m = float(rig.inputs["q"][Axis.BLADE])
    rig.command[Axis.BLADE] = before_m + 0.05
    rig.wait(400)
    assert abs(rig.inputs["q"][Axis.BLADE] - before_m) < 0.001
    assert rig.inputs["tau"][Axis.BLADE] > 30.0
    assert np.abs(rig.workcell.plant.data.qvel[:6]).max() < 0.05
    rig.wait(500)
    assert rig.inputs["q"][Axis.BLADE] == pytest.approx(before_m + 0.05, abs=0.002)


def test_stalled_belts_stand_and_their_encoders_show_it() -> None:
    rig = Rig.of(SEEDS[0])
    rig.command[8:10] = 0.3
    rig.wait(200)
    assert rig.inputs["qd"][Axis.BELT_LEFT] == pytest.approx(0.3, abs=0.01)
    order(rig, FaultKind.BELT_STALL, lasts_s=0.3)
    rig.wait(200)
    assert rig.inputs["qd"][Axis.BELT_LEFT] == 0.0
    rig.wait(300)
    assert rig.inputs["qd"][Axis.BELT_LEFT] == pytest.approx(0.3, abs=0.01)


@pytest.mark.parametrize("kind", [FaultKind.ITEM_DROPPED, FaultKind.ITEM_SLIPS])
def test_a_held_item_falls(kind: FaultKind) -> None:
    rig = Rig.of(SEEDS[0])
    rig.grip()
    assert rig.workcell.plant.holds_item()
    height_m = float(rig.workcell.truth().item.X_bin_item[2, 3])
    opening_m = float(rig.inputs["q"][Axis.SQUEEZE])
    order(rig, kind)
    rig.wait(800)
    assert rig.workcell.truth().item.X_bin_item[2, 3] < height_m - 0.05
    assert rig.inputs["slow"][SlowSignal.ITEM_IN_PADDLES] == 0.0
    springs_open = rig.inputs["q"][Axis.SQUEEZE] > opening_m + 0.02
    assert springs_open == (kind is FaultKind.ITEM_DROPPED)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_lost_band_is_the_upper_one_and_the_hook_feels_it(seed: int) -> None:
    rig = Rig.of(seed)
    p = rig.band_point()
    for offset in ((-0.10, 0, -0.25), (-0.10, 0, 0.21), (0, 0, 0.21), (0, 0, -0.005)):
        rig.hook(p + np.array(offset))
    rig.wait(200)
    pull_n = -float(rig.inputs["tau"][Axis.BAND_Z])
    order(rig, FaultKind.BAND_LOST, lasts_s=0.5)
    rig.wait(400)
    assert -float(rig.inputs["tau"][Axis.BAND_Z]) < 0.5 * pull_n
    rise_m = [float(nodes[5, 2] - start[5, 2]) for nodes, start in
              zip(rig.workcell.truth().band_nodes_m, rig.workcell.band_start_m, strict=True)]  # fmt: skip
    assert rise_m[0] < -0.06
    assert rise_m[1] > -0.12


def test_an_emergency_stop_brakes_and_holds_until_the_controller_begins_where_it_stands() -> None:
    rig = Rig.of(SEEDS[0])
    axis = Axis.ARM_0
    for _ in range(300):
        rig.command[axis] += 0.0005
        rig.wait(1)
    order(rig, FaultKind.EMERGENCY_STOP, lasts_s=1.0)
    speeds = []
    for _ in range(900):
        rig.command[axis] += 0.0005
        rig.wait(1)
        speeds.append(float(rig.inputs["qd"][axis]))
    decelerations = -np.diff(speeds) / 0.001
    assert decelerations[5:].max() < 12.0  # [rad/s^2]; it brakes, it does not hit a wall
    assert abs(speeds[-1]) < 1e-3
    rig.wait(300)  # the stop is over, the set-point is far: nothing moves
    assert abs(rig.inputs["qd"][axis]) < 1e-3
    rig.command[axis] = rig.inputs["q"][axis]
    rig.wait(50)
    rig.move([axis], np.array([rig.command[axis] + 0.05]), 0.2)
    rig.wait(100)
    assert rig.inputs["q"][axis] == pytest.approx(rig.command[axis], abs=0.002)


def test_a_new_controller_reads_the_light_barriers_at_once() -> None:
    rig = Rig.of(SEEDS[0])
    rig.wait(7)  # between two readings
    inputs, outputs = np.zeros((), INPUTS_DTYPE), np.zeros((), OUTPUTS_DTYPE)
    rig.workcell.plant.bind(inputs, outputs)
    assert inputs["slow"][SlowSignal.ITEM_AT_INFEED] == 1.0


def test_the_infeed_presents_a_copy_wherever_the_first_item_went() -> None:
    rig = Rig.of(SEEDS[0])
    start = rig.workcell.truth().item.X_bin_item.copy()
    rig.grip()
    with pytest.raises(DeviceError, match="hold an item"):
        rig.workcell.infeed.present_next()
    order(rig, FaultKind.ITEM_DROPPED, lasts_s=0.5)
    rig.wait(1200)
    rig.workcell.infeed.present_next()
    rig.straight(rig.tool_pose()[:3, 3] + np.array([-0.40, 0.0, 0.0]))
    rig.wait(300)
    assert rig.inputs["slow"][SlowSignal.ITEM_AT_INFEED] == 1.0
    np.testing.assert_allclose(rig.workcell.truth().item.X_bin_item[:3, 3], start[:3, 3], atol=0.005)
