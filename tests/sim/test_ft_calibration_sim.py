"""Calibrating the simulated sensor: what is found is what is true, and what spoils it is refused in words."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from podhand.app.ft_commands import CalibrateJob, calibrate, take_tare, watch_workcell, with_calibration
from podhand.app.ft_poses import plan_tour
from podhand.app.wiring import sim_settings, standard_world
from podhand.controllers.ft_watch import DriftState
from podhand.controllers.lockstep import LockstepHost
from podhand.core.errors import DeviceError, MotionFault, PlanningError, StateError
from podhand.core.ft_calibration import FtCalibration
from podhand.core.poses import FloatArray, inverse, pose
from podhand.core.station import Station, load_station
from podhand.planning.cell_model import CellModel, CellState, Obstacle
from podhand.planning.motion import MotionPlanner
from podhand.sim.catalogue import load_catalogue
from podhand.sim.faults import FaultKind
from podhand.sim.workcell import SimWorkcell
from tests.sim.sim_rig import Rig

STATION = load_station("sim-stow")
QUICK = CalibrateJob(out=Path("nowhere.yaml"), fit_poses=8, verification_poses=3, rest_s=0.2, speed_scale=0.7)
SEEDS = (1, 2, 5)


def cell(seed: int, *, drift: FloatArray | None = None, delay_s: float | None = None, off: bool = True) -> SimWorkcell:
    """A workcell whose tool and sensor are off from what the station says, by the seed."""
    rng = np.random.default_rng(seed)
    world = standard_world(STATION, load_catalogue(None), seed=seed, index=0)
    errors, tool = world.ft, STATION.tool
    if off:
        tool = replace(
            tool,
            mass_kg=tool.mass_kg * float(rng.uniform(0.9, 1.1)),
            com_tool_x_m=tool.com_tool_x_m + float(rng.uniform(-0.015, 0.015)),
        )
        errors = replace(errors, bias=np.concatenate([rng.uniform(-12, 12, 3), rng.uniform(-1, 1, 3)]))
    if drift is not None:
        errors = replace(errors, drift_per_s=drift)
    if delay_s is not None:
        errors = replace(errors, delay_s=delay_s)
    return SimWorkcell(replace(world, ft=errors), settings=sim_settings(STATION), tool=tool, pod=STATION.pod)


def true_tool(workcell: SimWorkcell) -> tuple[float, FloatArray]:
    """Mass and centre of everything behind the sensor, by MuJoCo's own sums, in the sensor's frame."""
    model, data = workcell.plant.model, workcell.plant.data
    body, site = model.body("tool").id, data.site("ft")
    com: FloatArray = site.xmat.reshape(3, 3).T @ (data.subtree_com[body] - site.xpos)
    return float(model.body_subtreemass[body]), com


@pytest.fixture(scope="module", params=SEEDS)
def calibrated(request: pytest.FixtureRequest) -> tuple[SimWorkcell, FtCalibration]:
    workcell = cell(request.param)
    return workcell, calibrate(workcell, STATION, QUICK)


def test_the_truth_is_found(calibrated: tuple[SimWorkcell, FtCalibration]) -> None:
    workcell, found = calibrated
    mass_kg, com_m = true_tool(workcell)
    errors = workcell.world.ft
    assert found.tool.mass_kg == pytest.approx(mass_kg, abs=max(0.003, 4.0 * found.tool.mass_std_kg))
    np.testing.assert_allclose(found.tool.com_sensor_m, com_m, atol=5e-4)
    bias = errors.bias + errors.drift_per_s * workcell.plant.time_s
    np.testing.assert_allclose(found.bias.force_n, bias[:3], atol=0.15)
    np.testing.assert_allclose(found.bias.torque_n_m, bias[3:], atol=0.01)
    np.testing.assert_allclose(found.noise.force_n, errors.noise_n, rtol=0.15)
    np.testing.assert_allclose(found.noise.torque_n_m, errors.noise_n_m, rtol=0.15)
    np.testing.assert_allclose(found.drift_per_s.force_n, errors.drift_per_s[:3], atol=0.006)
    assert found.quality.verification_residual_force_n < 0.2
    assert found.quality.condition_number < 2.5


def test_nothing_was_touched_and_the_arm_came_back(calibrated: tuple[SimWorkcell, FtCalibration]) -> None:
    workcell, _ = calibrated
    assert float(workcell.plant.peak_touch_n.max()) == 0.0
    np.testing.assert_allclose(workcell.plant.data.qpos[:6], STATION.arm.park_q_rad, atol=0.002)


def felt_n(workcell: SimWorkcell, station: Station) -> float:
    """What the kernel takes for contact while nothing touches, without any tare."""
    with LockstepHost.for_station(workcell.plant, station) as host:
        host.run(host.session.wait(0.1))
        return float(np.linalg.norm(host.session.state.F_tool[:3]))


def test_a_station_that_uses_it_feels_nothing_in_free_space(calibrated: tuple[SimWorkcell, FtCalibration]) -> None:
    workcell, found = calibrated
    assert felt_n(workcell, STATION) > 2.0
    assert felt_n(workcell, with_calibration(STATION, found)) < 0.5


def test_the_loop_delay_is_that_of_sensor_and_drives() -> None:
    """Four milliseconds more in the sensor are four more in the loop, and none in the reported place."""
    short, long = (calibrate(cell(3, delay_s=delay), STATION, QUICK) for delay in (0.002, 0.006))
    assert 0.003 < short.loop_delay_s < 0.005
    assert long.loop_delay_s - short.loop_delay_s == pytest.approx(0.004, abs=6e-4)
    assert long.position_delay_s == pytest.approx(short.position_delay_s, abs=1e-4)
    assert with_calibration(STATION, long).ft.loop_delay_s == long.loop_delay_s > STATION.ft.loop_delay_s


@pytest.mark.parametrize(
    ("kind", "words"),
    [(FaultKind.FT_SATURATED, "saturated"), (FaultKind.FT_FROZEN, "frozen"), (FaultKind.FT_STALE, "stale"),
     (FaultKind.FT_NAN, "not finite"), (FaultKind.EMERGENCY_STOP, "emergency stop")],
)  # fmt: skip
def test_a_failing_sensor_ends_it_where_it_stands(kind: FaultKind, words: str) -> None:
    workcell = cell(1, off=False)
    workcell.faults.inject(kind, from_s=3.0)
    with pytest.raises(MotionFault, match=words) as fault:
        calibrate(workcell, STATION, QUICK)
    assert "nothing was written, the arm stands" in str(fault.value)
    for _ in range(500):  # drives brake by themselves at an emergency stop
        workcell.plant.step()
    assert np.abs(workcell.plant.data.qvel[:6]).max() < 0.01


def test_a_drifting_sensor_is_refused() -> None:
    drift = np.array([0.03, -0.05, 0.02, 0.0, 0.0, 0.0])
    with pytest.raises(DeviceError, match=r"the bias drifts by 0\.0(5[5-9]|6\d) N/s.*at most 0\.033 N/s.*warm up"):
        calibrate(cell(1, drift=drift), STATION, QUICK)


Force = Callable[[float, FloatArray], FloatArray]
"""Force (3,) on the tool's middle, world axes [N], from time and place."""


def pulls(workcell: SimWorkcell, force: Force) -> Callable[[LockstepHost], None]:
    """Let something pull at the palm."""
    plant = workcell.plant
    body = plant.model.body("tool").id

    def attach(host: LockstepHost) -> None:
        def pull() -> None:
            plant.data.xfrc_applied[body, :3] = force(plant.time_s, plant.data.xipos[body])

        host.observe(pull, every_ticks=1)

    return attach


def cable(workcell: SimWorkcell) -> Force:
    hook = np.add(workcell.plant.data.body("tool").xipos, (0.0, 0.5, 0.5))
    return lambda _, p: 12.0 * (hook - p)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda _: lambda t, _p: np.array([0.0, 4.0 * (4.0 < t < 9.0), 0.0]), r"poses do not fit the model"),
        (lambda _: lambda t, _p: np.array([0.0, 0.0, 5.0 * (t < 2.5)]), r"poses do not fit|changed by .* arm stood"),
        (cable, r"\d of \d+ poses do not fit .* something touched or pulled at the tool"),
    ],
    ids=["a hand for a while", "a hand at the start", "a cable"],
)  # fmt: skip
def test_something_that_touches_the_tool_is_refused(make: Callable[[SimWorkcell], Force], words: str) -> None:
    workcell = cell(1)
    with pytest.raises(DeviceError, match=words) as refused:
        calibrate(workcell, STATION, QUICK, attach=pulls(workcell, make(workcell)))
    assert "calibration refused, nothing was written" in str(refused.value)
    assert re.search(r"pose \d+", str(refused.value))


def test_a_hard_push_ends_it_by_the_force_limit() -> None:
    workcell = cell(1, off=False)
    push = pulls(workcell, lambda t, _p: np.array([0.0, 75.0 * (t > 3.0), 0.0]))
    with pytest.raises(MotionFault, match=r"force limit of \|F\|"):
        calibrate(workcell, STATION, QUICK, attach=push)


def test_it_does_not_begin_with_something_in_the_tool() -> None:
    workcell = cell(1, off=False)
    Rig(workcell).grip()
    before = workcell.plant.data.qpos[:6].copy()
    with pytest.raises(StateError, match="something is between the paddles"):
        calibrate(workcell, STATION, QUICK)
    np.testing.assert_allclose(workcell.plant.data.qpos[:6], before, atol=0.002)


def test_a_bias_beyond_all_bounds_is_refused_before_anything_moves() -> None:
    world_cell = cell(1, off=False)
    push = pulls(world_cell, lambda _t, _p: np.array([0.0, 60.0, 0.0]))
    with pytest.raises(DeviceError, match=r"not begun: the sensor says .* N.*at most 49\.5 N.*nothing has moved"):
        calibrate(world_cell, STATION, QUICK, attach=push)
    np.testing.assert_allclose(world_cell.plant.data.qpos[:6], STATION.arm.park_q_rad, atol=0.01)


def test_poses_keep_clear_of_what_stands_in_the_cell() -> None:
    """A board beside the tool takes poses away; walls on all sides leave too few."""
    workcell = cell(1, off=False)
    X_base_bin = inverse(workcell.X_world_base) @ workcell.X_world_bin_nominal
    state = CellState(X_base_bin=X_base_bin, base_height_m=float(workcell.X_world_base[2, 3]), opening_m=0.12)
    park = np.array(STATION.arm.park_q_rad)

    def tour(*obstacles: Obstacle) -> None:
        planner = MotionPlanner(CellModel.of_station(STATION, obstacles=obstacles))
        found = plan_tour(planner, STATION, state, park, fit_poses=8, verification_poses=3)
        scene = planner.cell.scene(state)
        for measuring in found.poses:
            assert (scene.clearances(np.array(measuring.q_rad)) >= scene.margins(0.04)).all()

    tour(Obstacle(name="board", X_base_box=pose(None, (0.6, 0.25, 0.8)), size_m=(0.6, 0.02, 0.5)))
    walls = [
        Obstacle(name="wall", X_base_box=pose(None, (0.65, -0.4 + y, 0.7)), size_m=(0.8, 0.02, 1.0))
        for y in (-0.17, 0.17)
    ]
    with pytest.raises(
        PlanningError, match=r"too little room to turn the tool: \d+ of 600 poses are free.*11 are needed"
    ):
        tour(*walls)


def test_a_tare_takes_what_has_drifted(calibrated: tuple[SimWorkcell, FtCalibration]) -> None:
    workcell, found = calibrated
    bias, change = take_tare(workcell, with_calibration(STATION, found))
    errors = workcell.world.ft
    true_bias = errors.bias + errors.drift_per_s * workcell.plant.time_s
    np.testing.assert_allclose(bias.force_n, true_bias[:3], atol=0.1)
    assert np.linalg.norm(change[:3]) < 0.5


@pytest.mark.parametrize(
    ("force", "words"),
    [
        (lambda _t, _p: np.array([0.0, 7.0, 0.0]), r"would change by [67]\.\d+ N.*since the last one.*free it"),
        (lambda t, _p: np.array([0.0, 2.0 * (t > 0.5), 0.0]), r"the reading changed by .* while the arm stood"),
        (lambda t, _p: np.array([0.0, 8.0 * np.sin(60.0 * t), 0.0]), r"not quiet|does not stand still"),
    ],
    ids=["leaning", "touched meanwhile", "shaken"],
)
def test_a_tare_is_refused_when_something_touches(force: Force, words: str) -> None:
    workcell = cell(1, off=False)
    station = with_calibration(STATION, exact(workcell))
    with pytest.raises(MotionFault, match=f"not tared: .*({words})"):
        take_tare(workcell, station, attach=pulls(workcell, force))


def exact(workcell: SimWorkcell) -> FtCalibration:
    """A calibration that knows the truth."""
    mass_kg, com_m = true_tool(workcell)
    errors = workcell.world.ft
    x, y, z = (float(v) for v in com_m)
    document = {
        "station": STATION.name,
        "tool": {"mass_kg": mass_kg, "com_sensor_m": [x, y, z], "mass_std_kg": 0.0, "com_std_m": 0.0},
        "first_bias": {"force_n": errors.bias[:3].tolist(), "torque_n_m": errors.bias[3:].tolist()},
        "drift_per_s": {"force_n": [0, 0, 0], "torque_n_m": [0, 0, 0]},
        "noise": {"force_n": [0.3] * 3, "torque_n_m": [0.015] * 3},
        "loop_delay_s": 0.004,
        "position_delay_s": 0.002,
        "quality": {
            "condition_number": 1.5, "fit_poses": 12, "verification_poses": 4, "fit_residual_force_n": 0.0,
            "fit_residual_torque_n_m": 0.0, "verification_residual_force_n": 0.0,
            "verification_residual_torque_n_m": 0.0, "residual_bound_force_n": 0.66, "residual_bound_torque_n_m": 0.06,
        },
        "provenance": {
            "made_at": "2026-11-21T12:00:00+00:00", "podhand": "0", "kernel_build": "0", "gravity_m_s2": 9.81,
            "opening_m": 0.12, "blade_m": 0.0, "poses_q_rad": [], "verification": [],
        },
    }  # fmt: skip
    return FtCalibration.model_validate(document)


@pytest.mark.parametrize(
    ("drift_n_s", "state"), [(0.0, DriftState.STEADY), (0.02, DriftState.DRIFTING), (0.06, DriftState.REFUSED)]
)
def test_the_watch_judges_a_drifting_sensor(drift_n_s: float, state: DriftState) -> None:
    workcell = cell(1, off=False, drift=np.array([0.0, 0.0, drift_n_s, 0.0, 0.0, 0.0]))
    watch = watch_workcell(workcell, with_calibration(STATION, exact(workcell)), seconds=12.0)
    report = watch.report()
    assert report.state is state
    assert report.force_n_s == pytest.approx(drift_n_s, abs=0.004)
    assert watch.contacts == 0


def test_the_watch_tells_a_touch_from_drift() -> None:
    workcell = cell(1, off=False, drift=np.zeros(6))
    push = pulls(workcell, lambda t, _p: np.array([0.0, 3.0 * (3.2 < t < 5.7), 0.0]))
    watch = watch_workcell(workcell, with_calibration(STATION, exact(workcell)), seconds=18.0, attach=push)
    assert watch.contacts >= 2
    assert watch.report().state is DriftState.STEADY
