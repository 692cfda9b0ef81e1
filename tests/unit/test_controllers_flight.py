"""The flight recorder: what it keeps can be run again, whatever ended podhand-rt."""

import json
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from podhand.app.choices import HostKind
from podhand.app.cli import app
from podhand.app.episode import EpisodeJob
from podhand.app.hosts import open_host
from podhand.controllers.conditions import ft
from podhand.controllers.flight import drop_flight, flights, save_flight
from podhand.controllers.lockstep import LockstepHost
from podhand.controllers.outcomes import Cause, Outcome
from podhand.controllers.parameters import kernel_config
from podhand.controllers.realtime import Pace, RealtimeHost, RealtimeProcess
from podhand.controllers.recorder import read_recording, replay
from podhand.controllers.segments import Reflex, Segment, SegmentLimits, Twist
from podhand.core.errors import ConfigError, DeviceError, RecordingError
from tests.unit.fake_plant import STATION, FakePlant, wall

LIMITS = SegmentLimits.for_station(STATION, force_norm_n=40.0, speed_m_s=0.15)
PATIENCE_S = 60.0


def moving(v_m_s: float, timeout_s: float, **more: Any) -> Segment:
    return Segment(name="move", arm=Twist(v_m_s=(v_m_s, 0.0, 0.0)), limits=LIMITS, timeout_s=timeout_s, **more)


async def to_and_fro(host: RealtimeHost, times: int, timeout_s: float = 1.5) -> list[Outcome]:
    return [await host.session.run([moving(0.01 * sign, timeout_s)]) for _ in range(times) for sign in (1.0, -1.0)]


def kept(folder: Path) -> list[Path]:
    return sorted(folder.glob("fault-*.mcap"))


def about(words: str, path: Path) -> bool:
    """Whether a fault is about this: a machine under load adds faults of its own, such as a cycle that stood."""
    return words in read_recording(path).note["flight"]


def await_that(what: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not what():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[RealtimeHost]:
    """A host that writes its faults to a folder; what it leaves in shared memory is removed."""
    process = RealtimeProcess(kernel_config(STATION), pace=Pace.PLANT, priority=0, flight_dir=tmp_path)
    plant = FakePlant(contact=wall(0.80, 1000.0))
    host = RealtimeHost(process.name, tick_s=STATION.control.tick_s, plant=plant, process=process)
    yield host
    host.close()
    Path("/dev/shm", f"{process.name[1:]}.flight").unlink(missing_ok=True)


def test_a_fault_is_kept_with_what_was_before_and_after_and_runs_again(host: RealtimeHost, tmp_path: Path) -> None:
    async def course() -> Outcome:
        await to_and_fro(host, 7)
        await host.session.wait(1.0)
        stop = Reflex(condition=ft.force.norm > 8.0)
        return await host.session.run([moving(0.05, 20.0, reflexes={"hard contact": stop})])

    outcome = host.run(course())
    assert outcome.cause is Cause.REFLEX
    assert not [path for path in kept(tmp_path) if about("reflex", path)]  # not before what follows is there, too
    host.run(host.session.wait(5.5))
    await_that(lambda: any(about("reflex", path) for path in kept(tmp_path)))
    (path,) = (path for path in kept(tmp_path) if about("reflex", path))
    recording = read_recording(path)
    if recording.note["flight"].count(" after ") > 1:
        pytest.skip(f"this machine stood still meanwhile: {recording.note['flight']}")
    fault = int(path.stem.partition("tick")[2])
    assert fault - 21_000 < recording.from_ticks <= fault - 20_000
    assert recording.from_ticks % 1000 == 0
    assert recording.from_ticks + len(recording.ticks) == fault + 5_000
    assert recording.start is not None
    assert len(recording.start.chains[0]) == 1  # it begins in motion
    assert "reflex after" in recording.note["flight"]
    assert Cause.REFLEX in [Cause(int(record["cause"])) for record in recording.outcomes]
    report = replay(path)
    assert report.identical
    assert report.commands > 10
    host.close()
    assert host.process
    assert f"are kept in {path}" in host.process.log()


def test_a_replay_that_begins_in_motion_finds_a_changed_input(
    host: RealtimeHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.run(to_and_fro(host, 1))
    path = tmp_path / "now.mcap"
    save_flight(host.name, path, last_s=1.0)
    assert replay(path).identical
    recording = read_recording(path)
    assert recording.start is not None
    assert recording.start.ticks_before >= 1000
    ticks = recording.ticks.copy()
    ticks["inputs"]["wrench"][300:, 0] += 30.0
    changed = type(recording)(**{**vars(recording), "ticks": ticks})
    monkeypatch.setattr("podhand.controllers.recorder.read_recording", lambda path, **_: changed)
    assert not replay(path).identical
    foreign = type(recording)(**{**vars(recording), "build_id": "another"})
    monkeypatch.setattr("podhand.controllers.recorder.read_recording", lambda path, **_: foreign)
    with pytest.raises(RecordingError, match="only build another can take up"):
        replay(path)


def test_every_second_is_a_place_to_begin(host: RealtimeHost, tmp_path: Path) -> None:
    host.run(to_and_fro(host, 3, timeout_s=0.7))
    begins = set()
    for last_s in (0.5, 1.2, 2.0, 2.9, 3.4, 1000.0):
        saved = save_flight(host.name, tmp_path / f"{last_s}.mcap", last_s=last_s)
        assert saved.length_s >= min(last_s, 1e-3 * saved.to_ticks) - 1e-9
        report = replay(saved.path)
        assert report.identical, report.in_words()
        begins.add(saved.from_ticks)
    assert min(begins) == 0
    assert len(begins) >= 4
    with pytest.raises(ConfigError, match="exists"):
        save_flight(host.name, tmp_path / "0.5.mcap")
    with pytest.raises(DeviceError, match="takes its flight recorder away"):
        drop_flight(host.name)


@pytest.mark.death
def test_a_killed_podhand_rt_leaves_its_last_minute(host: RealtimeHost, tmp_path: Path) -> None:
    assert host.process

    def kill(plant: FakePlant) -> None:
        if plant.tick == 3456:
            host.process.process.kill()  # type: ignore[union-attr]

    assert isinstance(host.plant, FakePlant)
    host.plant.on_step = kill
    with pytest.raises(DeviceError, match=r"has (ended|died)"):
        host.run(to_and_fro(host, 5))
    host.close()
    facts = next(facts for facts in flights() if facts.name == host.name)
    assert not facts.runs
    assert facts.ticks >= 3400
    runner = CliRunner()
    listed = runner.invoke(app, ["flight", "list", "--json", str(tmp_path / "list.json")], env={"COLUMNS": "150"})
    assert host.name in listed.stderr
    assert "dead" in listed.stderr
    names = [entry["name"] for entry in json.loads((tmp_path / "list.json").read_text())["flights"]]
    assert host.name in names
    path = tmp_path / "last.mcap"
    saved = runner.invoke(app, ["flight", "save", host.name, "--out", str(path)])
    assert saved.exit_code == 0, saved.stderr
    assert host.name not in [facts.name for facts in flights()]  # its memory was given back
    again = runner.invoke(app, ["replay", str(path)])
    assert again.exit_code == 0, again.stderr
    assert f"{facts.ticks} ticks" in again.stderr
    assert "podhand-rt ended without saying so" in read_recording(path).note["flight"]
    gone = runner.invoke(app, ["flight", "save", host.name])
    assert (gone.exit_code, "podhand flight list" in gone.stderr) == (3, True)


@pytest.mark.death
def test_the_next_podhand_rt_of_that_name_saves_what_the_dead_one_left(host: RealtimeHost, tmp_path: Path) -> None:
    assert host.process
    host.run(to_and_fro(host, 1))
    host.process.process.send_signal(signal.SIGKILL)
    host.process.process.wait()
    with RealtimeProcess(kernel_config(STATION), name=host.name, priority=0, flight_dir=tmp_path) as again:
        assert f"process {host.process.pid} has died; its last minute is in" in again.log()
    report = replay(tmp_path / f"left-by-{host.process.pid}.mcap")
    assert report.identical
    assert report.ticks > 3000


def test_a_lost_lease_is_a_fault_and_closing_writes_it_at_once(tmp_path: Path) -> None:
    process = RealtimeProcess(kernel_config(STATION), pace=Pace.PLANT, priority=0, flight_dir=tmp_path)
    with RealtimeHost(process.name, tick_s=STATION.control.tick_s, plant=FakePlant(), process=process) as host:
        seen = iter(range(10_000))

        def silent(plant: FakePlant) -> None:
            if next(seen) == 700:
                host._beat.stop()
                time.sleep(0.05)
            if host.session.state.time_s > 0.7:
                time.sleep(0.002)  # silence is judged by wall time

        assert isinstance(host.plant, FakePlant)
        host.plant.on_step = silent
        outcome = host.run(host.session.run([moving(0.01, 5.0)]))
        assert outcome.cause is Cause.LEASE_LOST
    (path,) = (path for path in kept(tmp_path) if about("the client fell silent", path))
    recording = read_recording(path)
    assert "lose_lease" in [command.name for command in recording.commands]
    assert replay(path).identical


def test_a_reflex_that_the_motion_expects_is_no_fault(tmp_path: Path) -> None:
    """The first contact is part of the plan, the second is not: one file, about the second."""
    plant = FakePlant(contact=wall(0.80, 1000.0))
    with open_host(
        HostKind.REALTIME, plant, STATION, pace=Pace.PLANT, recording=tmp_path / "recording.mcap", flight_dir=tmp_path
    ) as host:
        assert isinstance(host, RealtimeHost)
        touch = moving(0.05, 20.0, reflexes={"hard contact": Reflex(condition=ft.force.norm > 8.0)})

        async def course() -> list[Outcome]:
            planned = await host.session.run([touch], expects=("hard contact",))
            await host.session.run([moving(-0.02, 0.5)])
            return [planned, await host.session.run([touch])]

        outcomes = host.run(course())
        faults = next(facts.faults for facts in flights() if facts.name == host.name)
    assert [outcome.cause for outcome in outcomes] == [Cause.REFLEX, Cause.REFLEX]
    words = [fault for fault in faults if fault.startswith("reflex")]
    assert len(words) == 1
    assert int(words[0].split()[-2]) >= outcomes[1].end_tick
    (path,) = (path for path in kept(tmp_path) if about("reflex", path))
    assert replay(path).identical
    assert replay(tmp_path / "recording.mcap").identical


def test_an_episode_keeps_its_faults_beside_its_recording(tmp_path: Path) -> None:
    job = EpisodeJob(station="sim-stow", items=None, seed=4, index=0)
    assert job.flight_dir is None
    assert replace(job, recording=tmp_path / "stow-001" / "recording.mcap").flight_dir == tmp_path / "stow-001"


def test_what_cannot_be_written_is_said_and_nothing_stops(tmp_path: Path) -> None:
    process = RealtimeProcess(kernel_config(STATION), pace=Pace.PLANT, priority=0, flight_dir=tmp_path / "missing")
    with RealtimeHost(process.name, tick_s=STATION.control.tick_s, plant=FakePlant(contact=wall(0.80, 1000.0)),
                      process=process) as host:  # fmt: skip
        stop = Reflex(condition=ft.force.norm > 8.0)
        host.run(host.session.run([moving(0.05, 20.0, reflexes={"hard contact": stop})]))
        host.run(host.session.wait(0.1))
    assert "reflex after" in process.log()
    assert f"not kept: {tmp_path}/missing/fault-" in process.log()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A recording of the flight recorder and one of a client."""
    folder = tmp_path_factory.mktemp("recordings")
    with RealtimeHost.for_station(FakePlant(), STATION, pace=Pace.PLANT, priority=0) as host:
        host.run(to_and_fro(host, 2))
        save_flight(host.name, folder / "flight.mcap", last_s=4.0)
    plant = FakePlant()
    with LockstepHost.for_station(plant, STATION, recording=folder / "recording.mcap") as lockstep:
        lockstep.run(lockstep.session.run([moving(0.01, 3.0)]))
    return folder / "flight.mcap", folder / "recording.mcap"


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("share", [0.999, 0.8, 0.55])
def test_a_file_that_breaks_off_is_used_up_to_its_last_whole_chunk(
    whole: tuple[Path, Path], which: int, share: float, tmp_path: Path
) -> None:
    data = whole[which].read_bytes()
    cut = tmp_path / "cut.mcap"
    cut.write_bytes(data[: int(share * len(data))])
    with pytest.raises(RecordingError, match="not complete"):
        read_recording(cut)
    all_ticks, ticks = len(read_recording(whole[which]).ticks), len(read_recording(cut, recover=True).ticks)
    assert 0 < ticks <= all_ticks
    assert which == 1 or ticks >= (share - 0.2) * all_ticks
    report = replay(cut, recover=True)
    assert report.identical
    assert report.ticks == ticks
    assert "cut.mcap breaks off at byte" in report.in_words()


def test_a_chunk_with_a_wrong_checksum_ends_what_is_used(whole: tuple[Path, Path], tmp_path: Path) -> None:
    data = bytearray(whole[0].read_bytes())
    data[int(0.6 * len(data))] ^= 1
    cut = tmp_path / "cut.mcap"
    cut.write_bytes(data)
    with pytest.raises(RecordingError, match="damaged"):
        read_recording(cut)
    report = replay(cut, recover=True)
    assert report.identical
    assert 0.4 < report.ticks / len(read_recording(whole[0]).ticks) < 0.7
    shown = CliRunner().invoke(app, ["replay", str(cut)])
    assert (shown.exit_code, "breaks off" in " ".join(shown.stderr.split())) == (0, True)


def test_nothing_is_recovered_from_nothing(tmp_path: Path, whole: tuple[Path, Path]) -> None:
    cut = tmp_path / "cut.mcap"
    for data in (b"", b"no recording", whole[0].read_bytes()[:60]):
        cut.write_bytes(data)
        with pytest.raises(RecordingError, match=r"cut\.mcap"):
            replay(cut, recover=True)
