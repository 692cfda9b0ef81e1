"""Recordings replay exactly, and every damage is found."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from podhand.controllers import recorder as module
from podhand.controllers.conditions import ft, time
from podhand.controllers.lockstep import LockstepHost
from podhand.controllers.recorder import read_recording, replay
from podhand.controllers.segments import Segment, SegmentLimits, Target, Twist
from podhand.core.errors import RecordingError
from tests.unit.fake_plant import STATION, FakePlant, wall

LIMITS = SegmentLimits.for_station(STATION, force_norm_n=20.0, speed_m_s=0.15)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording with contact, payload change, cancel and two channels' worth of ticks."""
    path = tmp_path_factory.mktemp("run") / "recording.mcap"
    q = np.array(STATION.arm.home_q_rad)
    start_x = float((STATION.arm.kinematics.flange(q) @ STATION.tool.X_flange_tool)[0, 3])
    plant = FakePlant(contact=wall(start_x + 0.02, 1000.0))
    with LockstepHost.for_station(plant, STATION, recording=path, note={"seed": "3"}) as host:

        async def client() -> None:
            session = host.session
            forward = Segment(name="forward", arm=Twist(v_m_s=(0.05, 0.0, 0.0)), limits=LIMITS, timeout_s=2.0,
                              until={"contact": ft.force.norm > 8.0})  # fmt: skip
            back = Segment(name="back", arm=Twist(v_m_s=(-0.05, 0.0, 0.0)), limits=LIMITS, timeout_s=1.0,
                           until={"up": time > 0.3})  # fmt: skip
            assert (await session.run([forward])).name == "contact"
            await session.run([back])
            session.set_payload(1, mass_kg=3.4, com_sensor_m=np.array([0.0, 0.0, 0.15]))
            blade = Segment(name="blade", blade=Target(values=(0.1,), max_speed_m_s=0.2), limits=LIMITS, payload=0,
                            timeout_s=2.0)  # fmt: skip

            async def stopper() -> None:
                await session.wait(0.2)
                session.cancel(0)

            await session.par(session.run([blade]), stopper())
            await session.wait(0.123)

        host.run(client())
        assert host.ticks % 500  # the last block is a short one
    return path


def test_a_recording_replays_bit_for_bit(path: Path) -> None:
    report = replay(path)
    assert report.identical
    assert report.same_build
    assert report.largest_difference == 0.0
    assert (report.commands, report.outcomes) == (5, 3)
    assert report.in_words() == f"{report.ticks} ticks, 5 commands and 3 outcomes agree bit for bit"


def test_a_recording_tells_what_happened(path: Path) -> None:
    recording = read_recording(path)
    assert recording.note["seed"] == "3"
    assert recording.note["station"] == "sim-stow"
    assert [c.name for c in recording.commands] == ["submit", "submit", "set_payload", "submit", "cancel"]
    assert recording.names[0]["segments"] == ["forward"]
    assert list(recording.ticks["inputs"]["tick"]) == list(range(1, len(recording.ticks) + 1))


def test_a_changed_input_shows_as_a_difference(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def changed(source: Path, **_: bool) -> module.Recording:
        recording = read_recording(source)
        ticks = recording.ticks.copy()
        ticks["inputs"]["wrench"][300:, 0] += 30.0
        return module.Recording(**{**vars(recording), "ticks": ticks})

    monkeypatch.setattr(module, "read_recording", changed)
    report = replay(path)
    assert not report.identical
    assert report.first_difference is not None
    assert 300 <= report.first_difference.tick < 400
    assert "set-point of arm_" in report.in_words()


def test_another_build_is_compared_within_a_tolerance(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def other(source: Path, **_: bool) -> module.Recording:
        recording = read_recording(source)
        ticks = recording.ticks.copy()
        ticks["outputs"]["command"] += 5e-10
        return module.Recording(**{**vars(recording), "ticks": ticks, "build_id": "another"})

    monkeypatch.setattr(module, "read_recording", other)
    report = replay(path)
    assert report.identical
    assert not report.same_build
    assert "within 1e-09, as another build recorded them" in report.in_words()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0.0, 1.0, exclude_max=True), flip=st.integers(1, 255))
def test_any_changed_byte_is_found(path: Path, tmp_path: Path, place: float, flip: int) -> None:
    data = bytearray(path.read_bytes())
    data[int(place * len(data))] ^= flip
    damaged = tmp_path / "damaged.mcap"
    damaged.write_bytes(data)
    with pytest.raises(RecordingError, match=r"damaged\.mcap"):
        read_recording(damaged)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda data: data[: len(data) // 2], "not complete"),
        (lambda data: b"", "not an MCAP file"),
        (lambda data: b"PK" + data[2:], "not an MCAP file"),
    ],
)
def test_incomplete_files_are_named(path: Path, tmp_path: Path, spoil: Callable[[bytes], bytes], message: str) -> None:
    damaged = tmp_path / "damaged.mcap"
    damaged.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(RecordingError, match=message):
        replay(damaged)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"gone\.mcap cannot be read: No such file"):
        replay(tmp_path / "gone.mcap")
