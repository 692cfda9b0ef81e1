"""podhand-rt beside clients and plants that stall, crash, or come a second time."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from podhand import _kernel
from podhand.controllers.conditions import ft
from podhand.controllers.lockstep import LockstepHost
from podhand.controllers.outcomes import Cause, Outcome
from podhand.controllers.parameters import kernel_config
from podhand.controllers.realtime import Pace, RealtimeHost, RealtimeProcess, _executable
from podhand.controllers.recorder import Recorder, read_recording, replay
from podhand.controllers.segments import Segment, SegmentLimits, Twist
from podhand.core.errors import ConfigError, DeviceError, LimitError, StateError
from tests.unit.fake_plant import STATION, FakePlant, wall

LIMITS = SegmentLimits.for_station(STATION, force_norm_n=40.0, speed_m_s=0.15)
ROOT = Path(__file__).parents[2]
PATIENCE_S = 30.0


def forward(**more: Any) -> Segment:
    return Segment(name="forward", arm=Twist(v_m_s=(0.05, 0.0, 0.0)), limits=LIMITS, timeout_s=1.0, **more)


@contextmanager
def part(role: str, name: str = "") -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.unit.realtime_parts", role, name]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.fixture(autouse=True)
def _no_flight_recorder_stays() -> Iterator[None]:
    """A podhand-rt that was killed leaves its flight recorder, and nobody here saves it."""
    yield
    for path in Path("/dev/shm").glob(f"podhand-{os.getpid()}-*.flight"):
        path.unlink()


@pytest.fixture
def rt() -> Iterator[RealtimeProcess]:
    with RealtimeProcess(kernel_config(STATION), pace=Pace.REAL, priority=0) as process:
        yield process


def lines_of(process: subprocess.Popen[str]) -> list[str]:
    return process.communicate(timeout=PATIENCE_S)[0].splitlines()


def await_that(what: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not what():
        assert time.monotonic() < end
        time.sleep(0.002)


def test_both_hosts_give_the_same_outcomes_and_ticks(tmp_path: Path) -> None:
    def course(host: LockstepHost | RealtimeHost) -> list[Outcome]:
        async def client() -> list[Outcome]:
            touched = await host.session.run([forward(until={"contact": ft.force.norm > 8.0})])
            await host.session.wait(0.05)
            back = Segment(name="back", arm=Twist(v_m_s=(-0.05, 0.0, 0.0)), limits=LIMITS, timeout_s=0.3)
            return [touched, await host.session.run([back])]

        with host:
            return host.run(client())

    def plant() -> FakePlant:
        return FakePlant(contact=wall(0.75, 1000.0))

    paths = tmp_path / "lockstep.mcap", tmp_path / "realtime.mcap"
    one = course(LockstepHost.for_station(plant(), STATION, recording=paths[0]))
    other = course(RealtimeHost.for_station(plant(), STATION, recording=paths[1], pace=Pace.PLANT, priority=0))
    assert one == other
    assert [o.cause for o in one] == [Cause.UNTIL, Cause.TIMEOUT]
    first, second = (read_recording(path) for path in paths)
    assert first.ticks.tobytes() == second.ticks.tobytes()
    assert first.commands == second.commands
    assert replay(paths[1]).identical


def test_real_pace_takes_real_time() -> None:
    with RealtimeHost.for_station(FakePlant(), STATION, pace=Pace.REAL, priority=0) as host:
        begin = time.monotonic()
        host.run(host.session.wait(0.5))
        assert time.monotonic() - begin >= 0.499
        assert host.health["cycles"] >= host.ticks >= 500


def test_what_it_got_is_told() -> None:
    with RealtimeProcess(kernel_config(STATION), priority=80) as process:
        said = process.log()
    for setting in ("memory: wanted locked, got", "scheduler: wanted SCHED_FIFO 80, got SCHED_"):
        assert setting in said


def test_time_passes_by_itself_when_the_plant_lives_elsewhere(rt: RealtimeProcess, tmp_path: Path) -> None:
    with (
        Recorder(tmp_path / "late.mcap", config=kernel_config(STATION)) as recorder,
        pytest.raises(StateError, match="begins with the first tick"),
    ):
        RealtimeHost(rt.name, tick_s=0.001, recorder=recorder)
    with part("plant", rt.name), RealtimeHost(rt.name, tick_s=0.001) as host:

        async def client() -> list[Outcome]:
            return [await host.session.run([forward()]) for _ in range(2)]

        outcomes = host.run(client())
    assert [o.cause for o in outcomes] == [Cause.TIMEOUT, Cause.TIMEOUT]
    assert outcomes[1].start_tick > outcomes[0].end_tick


def test_a_disarmed_cell_refuses_chains_and_a_fault_is_reset_in_steps() -> None:
    plant = FakePlant()
    with RealtimeHost.for_station(plant, STATION, pace=Pace.PLANT, priority=0) as host:
        short = replace(forward(), timeout_s=0.1)
        assert host.run(host.session.run([short])).cause is Cause.TIMEOUT
        assert host.arming.name == "ARMED"
        host.disarm()
        assert host.arming.name == "DISARMED"
        with pytest.raises(LimitError, match="the cell is disarmed; arm it"):
            host.run(host.session.run([short]))
        host.arm()
        plant.safety = 1
        assert host.run(host.session.run([short])).cause is Cause.EMERGENCY_STOP
        plant.safety = 0
        host.run(host.session.wait(0.01))
        assert host.arming.name == "FAULT_LATCHED"
        with pytest.raises(StateError, match="acknowledge and reset it before arming"):
            host.arm()
        with pytest.raises(_kernel.KernelRefusal, match="the fault is not acknowledged"):
            host.client.reset_fault()
        with pytest.raises(LimitError, match="a fault is latched"):
            host.run(host.session.run([short]))
        stood = plant.q.copy()
        host.client.acknowledge()
        assert host.arming.name == "FAULT_ACKNOWLEDGED"
        host.session.reset_fault()  # acknowledges, resets and arms
        assert host.arming.name == "ARMED"
        host.run(host.session.wait(0.05))
        np.testing.assert_allclose(plant.q, stood, atol=1e-9)
        assert host.run(host.session.run([short])).cause is Cause.TIMEOUT


def test_clean_end_on_sigterm() -> None:
    process = RealtimeProcess(kernel_config(STATION), priority=0)
    process.process.send_signal(signal.SIGTERM)
    assert process.process.wait(PATIENCE_S) == 0
    assert not Path("/dev/shm", process.name[1:]).exists()
    assert "asked to stop (15): bringing everything to rest" in process.log()
    process.close()


def test_what_a_dead_podhand_rt_left_behind_is_replaced_and_a_living_one_is_not(rt: RealtimeProcess) -> None:
    with pytest.raises(DeviceError, match=f"{rt.name} is in use by podhand-rt, process {rt.pid}"):
        RealtimeProcess(kernel_config(STATION), name=rt.name, priority=0)
    rt.process.kill()
    rt.process.wait()
    assert Path("/dev/shm", rt.name[1:]).exists()
    with RealtimeProcess(kernel_config(STATION), name=rt.name, priority=0) as again:
        assert _kernel.Client(rt.name).host_pid == again.pid


BLOCK = bytes(_kernel.config_block(kernel_config(STATION)))


@pytest.mark.parametrize(
    ("block", "words"),
    [
        (b"", "is shorter than this build's"),
        (b"x" * len(BLOCK), "is not a configuration of podhand"),
        (BLOCK[:8] + b"\0" + BLOCK[9:], "has another version or layout"),
        (BLOCK[:-1000], "is shorter than this build's"),
        (BLOCK[:-900] + b"\7" + BLOCK[-899:], "checksum differs"),
    ],
)
def test_wrong_configurations_are_refused_in_one_line(block: bytes, words: str) -> None:
    done = subprocess.run([_executable(), "--name", "/podhand-refused"], input=block, capture_output=True, timeout=20)
    assert done.returncode == 2
    said = done.stderr.decode().splitlines()
    assert len(said) == 1
    assert words in said[0]


def test_a_refused_station_starts_nothing() -> None:
    config = kernel_config(STATION)
    config["safety"]["max_force_norm_n"] = 0.0
    with pytest.raises(DeviceError, match="the kernel refuses the configuration"):
        RealtimeProcess(config)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--name", "no-slash"], "is shorter"),
        (["--name"], "--name needs a value"),
        (["--pace", "real"], "--name is missing"),
        (["--name", "/x", "--lease-ms", "5"], "--lease-ms must be a whole number from 20 to 10000"),
        (["--name", "/x", "--frobnicate", "5"], "unknown option --frobnicate"),
    ],
)
def test_wrong_arguments_are_refused(arguments: list[str], words: str) -> None:
    done = subprocess.run([_executable(), *arguments], input=b"", capture_output=True, timeout=20)
    assert done.returncode == 2
    assert re.search(words, done.stderr.decode())


def test_attaching_where_nothing_is() -> None:
    with pytest.raises(DeviceError, match="does not exist: no podhand-rt of that name runs"):
        RealtimeHost("/podhand-nobody", tick_s=0.001)


def test_for_station_refuses_what_the_kernel_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    bad = kernel_config(STATION)
    bad["tick_s"] = 0.0
    monkeypatch.setattr("podhand.controllers.realtime.kernel_config", lambda _: bad)
    with pytest.raises(ConfigError, match="the kernel refuses"):
        RealtimeHost.for_station(FakePlant(), STATION)
