"""What podhand-rt does when others die, stall or run out of something: the table in docs/realtime.md, row by row."""

import os
import re
import resource
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from podhand import _kernel
from podhand.controllers.conditions import ft
from podhand.controllers.flight import save_flight
from podhand.controllers.outcomes import Cause
from podhand.controllers.parameters import kernel_config
from podhand.controllers.realtime import EventKind, Pace, RealtimeHost, RealtimeProcess, _executable
from podhand.controllers.recorder import read_recording, replay
from podhand.controllers.segments import Reflex, Segment, SegmentLimits, Twist, compile_chain
from podhand.core.errors import DeviceError, StateError
from tests.unit.fake_plant import STATION, FakePlant, wall

LIMITS = SegmentLimits.for_station(STATION, force_norm_n=40.0, speed_m_s=0.15)
ROOT = Path(__file__).parents[2]
PATIENCE_S = 180.0
LEASE_S = 1.0  # four times the usual: on a busy machine nobody loses it by chance
ONE_WAKE_S = 0.020  # what a wake-up of the cycle adds to a silence at most
ROWS: list[str] = []
"""First column of the table, as far as it is tested here."""


def row(what: str) -> pytest.MarkDecorator:
    """Mark the test of a row of the table."""
    ROWS.append(what)
    return pytest.mark.death


# ---- tools ------------------------------------------------------------------------------------------------------


@contextmanager
def part(role: str, name: str = "") -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.unit.realtime_parts", role, name]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(autouse=True)
def _no_flight_recorder_stays() -> Iterator[None]:
    """A podhand-rt that was killed leaves its flight recorder, and nobody here saves it."""
    yield
    for path in Path("/dev/shm").glob(f"podhand-{os.getpid()}-*.flight"):
        path.unlink()


@pytest.fixture
def rt() -> Iterator[RealtimeProcess]:
    with RealtimeProcess(kernel_config(STATION), pace=Pace.REAL, priority=0, lease_s=LEASE_S) as process:
        yield process


def segment(v_m_s: float = 0.03, timeout_s: float = 0.2, **more: Any) -> Segment:
    return Segment(name="forward", arm=Twist(v_m_s=(v_m_s, 0.0, 0.0)), limits=LIMITS, timeout_s=timeout_s, **more)


def lines_of(process: subprocess.Popen[str]) -> list[str]:
    return process.communicate(timeout=PATIENCE_S)[0].splitlines()


def await_that(what: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not what():
        assert time.monotonic() < end
        time.sleep(0.002)


def stopped(pid: int) -> bool:
    """Whether all threads of a process stand still: a signal takes its time."""
    return all(task.joinpath("stat").read_text().rsplit(")", 1)[1].split()[0] == "T"
               for task in Path("/proc", str(pid), "task").iterdir())  # fmt: skip


def await_motion(watch: Any) -> None:
    def moving() -> bool:
        watch.refresh()
        return bool(watch.cell["state"]["chain"][0]) and float(np.abs(watch.cell["inputs"]["qd"][:6]).max()) > 0.01

    await_that(moving)


def await_event(watch: Any, *kinds: EventKind) -> Any:
    found: list[Any] = []

    def come() -> bool:
        watch.beat()  # whoever has no lease keeps nobody's alive
        while not found and (event := watch.take_event()) is not None:
            found.extend([event] if int(event["kind"]) in kinds else [])
        return bool(found)

    await_that(come)
    return found[0]


def await_outcome(watch: Any) -> Any:
    found: list[Any] = []

    def come() -> bool:
        found.extend([record] if (record := watch.take_outcome()) is not None else [])
        return bool(found)

    await_that(come)
    return found[0]


def ended(process: subprocess.Popen[str]) -> bool:
    return process.poll() is not None


def stands(watch: Any, ticks: int = 100) -> None:
    """Nothing moves while ticks go on."""
    watch.refresh()
    assert not watch.cell["state"]["chain"].any()
    before = watch.cell["outputs"]["command"].copy()
    assert watch.wait_beyond(int(watch.cell["ticks"]) + ticks, PATIENCE_S)
    np.testing.assert_array_equal(watch.cell["outputs"]["command"], before)


def goes_on(rt: RealtimeProcess, watch: Any, tmp_path: Path) -> None:
    """The cell is at rest and free; the next client moves it, and all that was is kept and runs again bit for bit."""
    stands(watch)
    assert rt.process.poll() is None
    assert watch.owner_pid == 0
    with RealtimeHost(rt.name, tick_s=STATION.control.tick_s) as host:
        assert host.run(host.session.run([segment()])).cause is Cause.TIMEOUT
    report = replay(save_flight(rt.name, tmp_path / "flight.mcap").path)
    assert report.identical, report.in_words()
    assert report.outcomes >= 2


# ---- clients ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Death:
    """What happens to a client in mid-motion, and what must come of it."""

    role: str = "client"
    deed: Callable[[subprocess.Popen[str]], None] = lambda _: None
    events: tuple[EventKind, ...]
    causes: tuple[Cause, ...]
    revive: Callable[[subprocess.Popen[str]], None] | None = None
    """Brings it back; it is then told ``words``."""
    words: str = ""
    status: int | None = None


ENDED = (EventKind.CLIENT_GONE, EventKind.LEASE_LOST)
DEATHS = {
    "client killed (`kill -9`, out-of-memory killer)": Death(
        deed=lambda client: client.kill(), events=ENDED, causes=(Cause.LEASE_LOST,), status=-signal.SIGKILL
    ),
    "client stopped (SIGSTOP, debugger)": Death(
        deed=lambda client: client.send_signal(signal.SIGSTOP),
        events=(EventKind.LEASE_LOST,),
        causes=(Cause.LEASE_LOST,),
        revive=lambda client: client.send_signal(signal.SIGCONT),
        words="forward: stopped because its client lost the lease (silent, or taken over)",
        status=0,
    ),
    "interpreter lock held in a foreign function": Death(
        role="gil",
        events=(EventKind.LEASE_LOST,),
        causes=(Cause.LEASE_LOST,),
        revive=lambda client: _write(client, "x"),
        words="forward: stopped because its client lost the lease (silent, or taken over)",
        status=0,
    ),
    "interpreter busy, but alive": Death(
        role="busy", events=(EventKind.LEASE_RELEASED,), causes=(Cause.TIMEOUT,), words="forward: timed out", status=0
    ),
    "interpreter exits in mid-motion (`sys.exit`)": Death(
        role="exits", events=(EventKind.LEASE_RELEASED,), causes=(Cause.CANCELLED,), status=7
    ),
    "process ends in mid-motion (`os._exit`, crash)": Death(
        role="vanishes", events=ENDED, causes=(Cause.LEASE_LOST,), status=7
    ),
    "script ends in mid-motion, nothing closed": Death(
        role="forgets", events=(EventKind.LEASE_RELEASED, *ENDED), causes=(Cause.LEASE_LOST,), status=0
    ),
    "client out of memory (`MemoryError`)": Death(
        role="hoards", events=(EventKind.LEASE_RELEASED, *ENDED), causes=(Cause.CANCELLED, Cause.LEASE_LOST), status=1
    ),
}
ROWS.extend(DEATHS)


def _write(process: subprocess.Popen[str], text: str) -> None:
    assert process.stdin
    process.stdin.write(text)
    process.stdin.flush()


@pytest.mark.death
@pytest.mark.parametrize("what", DEATHS)
def test_a_client_that_dies_or_stalls_leaves_nothing_in_motion(what: str, rt: RealtimeProcess, tmp_path: Path) -> None:
    death = DEATHS[what]
    watch = _kernel.Client(rt.name)
    with part("plant", rt.name), part(death.role, rt.name) as client:
        await_motion(watch)
        death.deed(client)
        event, outcome = await_event(watch, *death.events), await_outcome(watch)
        cause = Cause(int(outcome["cause"]))
        assert cause in death.causes
        assert int(event["moving"]) == (1 if cause is Cause.LEASE_LOST else 0)
        if EventKind(int(event["kind"])) is EventKind.LEASE_LOST:
            assert LEASE_S < float(event["value"]) <= LEASE_S + 2 * ONE_WAKE_S
        if cause is not Cause.TIMEOUT:
            assert float(outcome["stop_time_s"]) < 0.3  # simulated time
        goes_on(rt, watch, tmp_path)
        if death.revive:
            death.revive(client)
        said = lines_of(client)
        assert client.returncode == death.status
        assert not death.words or death.words in said[0]


@row("second client commands")
def test_a_second_client_may_look_but_not_command(rt: RealtimeProcess, tmp_path: Path) -> None:
    watch = _kernel.Client(rt.name)
    with part("plant", rt.name), part("client", rt.name) as client:
        await_motion(watch)
        with pytest.raises(StateError, match=f"process {client.pid} commands"):
            RealtimeHost(rt.name, tick_s=STATION.control.tick_s)
        assert not watch.take_lease()
        for command in (watch.cancel, watch.reset_fault, lambda: watch.submit(1, compile_chain([segment()]).records)):
            with pytest.raises(_kernel.NotOwner):
                command()
        assert watch.wait_beyond(int(watch.cell["ticks"]) + 100, PATIENCE_S)
        assert watch.cell["state"]["chain"][0]  # the first one's motion goes on
        client.send_signal(signal.SIGINT)
        assert Cause(int(await_outcome(watch)["cause"])) is Cause.CANCELLED
        await_event(watch, EventKind.LEASE_RELEASED)
        goes_on(rt, watch, tmp_path)


@row("second client takes over")
def test_who_takes_over_finds_a_cell_at_rest(rt: RealtimeProcess) -> None:
    watch = _kernel.Client(rt.name)
    with part("plant", rt.name), part("client", rt.name) as client:
        await_motion(watch)
        with RealtimeHost(rt.name, tick_s=STATION.control.tick_s, take_over=True) as host:
            taken = await_event(watch, EventKind.TAKEN_OVER)
            assert (int(taken["value"]), int(taken["moving"])) == (client.pid, 1)
            assert Cause(int(await_outcome(watch)["cause"])) is Cause.LEASE_LOST
            assert "forward: stopped because its client lost the lease" in lines_of(client)[0]
            assert host.run(host.session.run([segment()])).cause is Cause.TIMEOUT
            assert watch.owner_pid == os.getpid()
        assert watch.owner_pid == 0


# ---- podhand-rt and the plant -----------------------------------------------------------------------------------


@row("podhand-rt killed")
def test_a_killed_podhand_rt_is_one_clear_error_and_the_plant_stands(rt: RealtimeProcess, tmp_path: Path) -> None:
    watch = _kernel.Client(rt.name)
    with part("plant", rt.name) as plant, part("client", rt.name) as client:
        await_motion(watch)
        rt.process.kill()
        said = lines_of(client)
        assert len(said) == 1
        assert said[0].startswith(f"DeviceError: podhand-rt {rt.name} (process {rt.pid}) has died")
        assert "start it again" in said[0]
        assert lines_of(plant) == ["podhand-rt has ended: the plant stands", "stands: True"]
    assert watch.host_gone
    assert replay(save_flight(rt.name, tmp_path / "last.mcap").path).identical


@row("podhand-rt killed under its own host")
def test_a_podhand_rt_that_dies_under_its_own_host_is_one_clear_error() -> None:
    plant = FakePlant()

    def kill(p: FakePlant) -> None:
        if p.tick == 200:
            assert host.process
            host.process.process.kill()

    plant.on_step = kill
    with RealtimeHost.for_station(plant, STATION, pace=Pace.PLANT, priority=0) as host:
        with pytest.raises(DeviceError, match=r"has (ended|died)"):
            host.run(host.session.run([segment(timeout_s=1.0)]))
        stood = plant.q.copy()
        with pytest.raises(DeviceError, match=r"has (ended|died)"):
            host.run(host.session.run([segment(timeout_s=1.0)]))
    assert plant.tick == 200
    np.testing.assert_array_equal(plant.q, stood)


@row("podhand-rt itself late (`--late-ticks`; production: 3 in a row)")
def test_a_host_that_is_late_by_its_own_fault_ends_all_motion(tmp_path: Path) -> None:
    """One late tick is enough here: this machine may well be late before it is made to be."""
    with RealtimeProcess(kernel_config(STATION), priority=0, lease_s=LEASE_S, most_late=1) as rt:
        watch = _kernel.Client(rt.name)
        with part("plant", rt.name), part("client", rt.name) as client:
            await_that(lambda: watch.refresh() and bool(watch.owner_pid))
            await_that(
                lambda: (watch.refresh() and bool(watch.cell["state"]["chain"][0])) or watch.cell["ticks"] > 2000
            )
            rt.process.send_signal(signal.SIGSTOP)
            await_that(lambda: stopped(rt.pid))
            time.sleep(0.05)
            rt.process.send_signal(signal.SIGCONT)
            assert "forward: stopped because podhand-rt could not keep its time" in lines_of(client)[0]
            assert Cause(int(await_outcome(watch)["cause"])) is Cause.HOST_LATE
            await_event(watch, EventKind.LATE_TRIP)
            stands(watch)
        assert replay(save_flight(rt.name, tmp_path / "flight.mcap").path).identical


@row("podhand-rt's starter ends")
def test_it_ends_with_the_process_that_started_it() -> None:
    with part("owner") as owner:
        assert owner.stdout
        pid, name = owner.stdout.readline().split()
        owner.kill()
        await_that(lambda: not Path("/dev/shm", name[1:]).exists())
    await_that(lambda: not Path("/proc", pid).exists() or " Z " in Path("/proc", pid, "stat").read_text())


@row("podhand-rt asked to end (SIGTERM, SIGINT, SIGHUP)")
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_asked_to_end_it_brings_everything_to_rest(how: signal.Signals, rt: RealtimeProcess) -> None:
    watch = _kernel.Client(rt.name)
    with part("plant", rt.name) as plant, part("client", rt.name) as client:
        await_motion(watch)
        rt.process.send_signal(how)
        assert Cause(int(await_outcome(watch)["cause"])) is Cause.CANCELLED
        assert rt.process.wait(PATIENCE_S) == 0
        assert "forward: cancelled" in lines_of(client)[0]
        assert lines_of(plant)[-1] == "stands: True"
    assert f"asked to stop ({how.value}): bringing everything to rest (in motion)" in rt.log()
    assert not Path("/dev/shm", rt.name[1:]).exists()


@row("plant killed")
def test_a_plant_that_ends_is_told_of_and_nothing_is_commanded(rt: RealtimeProcess) -> None:
    watch = _kernel.Client(rt.name)
    with part("plant", rt.name) as plant, part("client", rt.name) as client:
        await_motion(watch)
        plant.kill()
        assert float(await_event(watch, EventKind.PLANT_SILENT)["value"]) > 0.5
        watch.refresh()
        ticks = int(watch.cell["ticks"])
        assert not watch.wait_beyond(ticks, 0.1)
        assert "has made no tick for 5.0 s: does its plant run?" in lines_of(client)[0]
        # One that comes back elsewhere is a cell that does not stand where it was left.
        with part("elsewhere", rt.name):
            await_event(watch, EventKind.PLANT_BACK)
            await_that(lambda: watch.refresh() and int(watch.cell["state"]["latched_fault"]) == Cause.FOLLOWING_ERROR)
            assert Cause(int(await_outcome(watch)["cause"])) is Cause.FOLLOWING_ERROR
            stands(watch)
            assert watch.take_lease()
            with pytest.raises(_kernel.KernelRefusal, match="a fault is latched"):
                watch.submit(0, compile_chain([segment()]).records)


# ---- what runs out ----------------------------------------------------------------------------------------------

FULL = 1 << 20  # bytes that a file may have: what a full disk is to whoever writes


@row("disk full: recordings of faults")
def test_a_full_disk_costs_the_recording_and_nothing_else(tmp_path: Path) -> None:
    process = RealtimeProcess(kernel_config(STATION), pace=Pace.PLANT, priority=0, flight_dir=tmp_path)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (FULL, FULL))
    plant = FakePlant(contact=wall(0.80, 1000.0))
    with RealtimeHost(process.name, tick_s=STATION.control.tick_s, plant=plant, process=process) as host:
        stop = Reflex(condition=ft.force.norm > 8.0)
        touched = host.run(host.session.run([segment(0.05, 20.0, reflexes={"hard contact": stop})]))
        assert touched.cause is Cause.REFLEX
        host.run(host.session.wait(5.5))
        await_that(lambda: "not kept: " in process.log())
        assert host.run(host.session.run([segment(-0.05)])).cause is Cause.TIMEOUT
        assert process.process.poll() is None
    assert "File too large" in process.log()
    assert process.process.returncode == 0
    assert list(tmp_path.iterdir()) == []  # half a recording of a full disk helps nobody


@row("disk full: shared memory at the start")
def test_without_memory_to_share_it_does_not_start() -> None:
    name = f"/podhand-{os.getpid()}-full"
    block = bytes(_kernel.config_block(kernel_config(STATION)))
    limited = f"ulimit -f {FULL // 1024}; exec {_executable()} --name {name} --priority 0"
    done = subprocess.run(["bash", "-c", limited], input=block, capture_output=True, timeout=PATIENCE_S)
    assert done.returncode == 2
    said = done.stderr.decode().splitlines()
    assert len(said) == 1
    assert re.search(r"needs \d+ MiB of shared memory: File too large; make /dev/shm larger", said[0])
    assert not list(Path("/dev/shm").glob(f"{name[1:]}*"))


@row("disk full: recording of the run")
@pytest.mark.parametrize("kind", ["lockstep", "realtime"])
def test_a_run_that_cannot_be_recorded_ends_at_rest(kind: str) -> None:
    with part("records", kind) as run:
        words, at_rest, ticks = lines_of(run)
        assert run.returncode == 0
    assert re.match(r"RecordingError: .*run\.mcap cannot be written any more: File too large; make room", words)
    assert at_rest == "at rest: True"
    made, kept = map(int, ticks.split()[1:])
    assert 0 < kept < made < 8000


def start(stderr: int) -> tuple[subprocess.Popen[bytes], str]:
    """Start a podhand-rt that says what it says to ``stderr``; return it with its name."""
    name = f"/podhand-{os.getpid()}-mute"
    command = [_executable(), "--name", name, "--priority", "0", "--pace", "plant", "--end-with", str(os.getpid())]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr)
    assert process.stdin
    assert process.stdout
    process.stdin.write(_kernel.config_block(kernel_config(STATION)))
    process.stdin.close()
    assert process.stdout.readline() == b"ready\n"
    process.stdout.close()
    return process, name


@row("log not read any more (pipe full or closed)")
@pytest.mark.parametrize("closed", [True, False])
def test_nobody_has_to_read_what_it_says(closed: bool) -> None:
    read, write = os.pipe()
    os.set_blocking(write, False)
    while not closed:
        try:
            os.write(write, bytes(select.PIPE_BUF))
        except BlockingIOError:
            break
    os.set_blocking(write, True)  # of the pipe, not of the descriptor: podhand-rt has the same
    if closed:
        os.close(read)
    process, name = start(write)
    try:
        with RealtimeHost(name, tick_s=STATION.control.tick_s, plant=FakePlant()) as host:
            assert host.run(host.session.run([segment()])).cause is Cause.TIMEOUT
        process.terminate()
        assert process.wait(PATIENCE_S) == 0
    finally:
        process.kill()
        os.close(write)
        if not closed:
            os.close(read)


# ---- what is full, and what is nonsense -------------------------------------------------------------------------


@row("podhand-rt stopped (SIGSTOP); command ring full")
def test_commands_that_nobody_takes_up_are_not_carried_out_later(rt: RealtimeProcess, tmp_path: Path) -> None:
    watch = _kernel.Client(rt.name)
    own = _kernel.Client(rt.name)
    chain = compile_chain([segment(timeout_s=8.0)]).records
    with part("plant", rt.name):
        assert watch.wait_beyond(10, PATIENCE_S)
        assert own.take_lease()
        own.arm()
        rt.process.send_signal(signal.SIGSTOP)
        await_that(lambda: stopped(rt.pid))
        for _ in range(4):
            with pytest.raises(_kernel.ExchangeError, match="has not answered a command for 2 s"):
                own.submit(0, chain)
        with pytest.raises(_kernel.ExchangeError, match="its queue is full; nothing was sent"):
            own.submit(0, chain)
        rt.process.send_signal(signal.SIGCONT)
        stands(watch, 500)
        own.release_lease()
        await_event(watch, EventKind.LEASE_RELEASED, EventKind.LEASE_LOST)
        with RealtimeHost(rt.name, tick_s=STATION.control.tick_s) as host:
            assert host.run(host.session.run([segment()])).cause is Cause.TIMEOUT
    assert [command.name for command in read_recording(save_flight(rt.name, tmp_path / "f.mcap").path).commands].count(
        "submit"
    ) == 1


@row("client too slow for its outcomes")
def test_outcomes_that_were_overwritten_unread_are_told() -> None:
    with RealtimeHost.for_station(FakePlant(), STATION, pace=Pace.PLANT, priority=0) as host:
        slow = _kernel.Client(host.name)

        async def many() -> None:
            for _ in range(270):
                await host.session.run([segment(0.0, 0.002)])

        host.run(many())
        first = slow.take_outcome()
        assert first is not None
        assert slow.lost_outcomes + 1 + _count(slow.take_outcome) == 270
        assert int(first["chain"]) == slow.lost_outcomes + 1


def _count(take: Callable[[], object]) -> int:
    return next(number for number in count() if take() is None)


def test_the_table_in_the_manual_has_these_rows() -> None:
    text = (ROOT / "docs" / "realtime.md").read_text().split("## What a death does", 1)[1].split("\n## ", 1)[0]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("| ")][2:]
    here = [cells[0] for cells in rows if cells[-1] == "death"]
    assert sorted(here) == sorted(ROWS)
    for what, *_, proof in rows:
        if what not in here:
            file, test = proof.strip("`").split("::")
            assert f"void {test}(" in (ROOT / "cpp" / "tests" / file).read_text(), what
