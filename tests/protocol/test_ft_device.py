"""The devices on a UDP port and a serial port of this system, with emulated sensors behind them."""

import math
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from podhand.core.errors import ConfigError, DeviceError
from podhand.core.exchange import INPUTS_DTYPE, FtStatus
from podhand.drivers.ft_sensor.bota import BotaConfig, BotaSensor
from podhand.drivers.ft_sensor.device import FtSensor
from podhand.drivers.ft_sensor.emulator import BotaEmulator, NetFtEmulator
from podhand.drivers.ft_sensor.net_ft import NetFt, NetFtConfig
from tests.protocol.ft_rig import BOTA_LIMITS, NET_FT_LIMITS, SCALING

pytestmark = pytest.mark.ft_sensor
PATIENCE_S = 60.0
"""How long a busy machine may take; nothing waits longer than it must."""


def steady(_: float) -> tuple[float, ...]:
    return 12.0, -34.0, 56.0, 1.0, -2.0, 3.0


class TurnClock:
    """Goes on by half a millisecond when the emulator has had its turn and the device its own: a busy machine
    is slow, not silent.
    """

    def __init__(self) -> None:
        self._now_s = 50.0
        self._device_had_its_turn = False

    def now_s(self) -> float:
        if not threading.current_thread().name.endswith("emulator"):
            self._device_had_its_turn = True
        elif self._device_had_its_turn:
            self._now_s += 0.0005
            self._device_had_its_turn = False
        return self._now_s


@pytest.fixture
def clock() -> TurnClock:
    return TurnClock()


@pytest.fixture
def net_ft_emulator(clock: TurnClock) -> Iterator[NetFtEmulator]:
    with NetFtEmulator(NET_FT_LIMITS, SCALING, source=steady, seed=1, clock=clock) as emulator:
        yield emulator


@pytest.fixture
def net_ft(net_ft_emulator: NetFtEmulator, clock: TurnClock) -> Iterator[NetFt]:
    with NetFt(net_ft_config(net_ft_emulator), clock=clock) as sensor:
        until(sensor, lambda: sensor.reading().valid, "no valid wrench")
        yield sensor


@pytest.fixture
def bota_emulator(clock: TurnClock) -> Iterator[BotaEmulator]:
    with BotaEmulator(BOTA_LIMITS, source=steady, seed=1, clock=clock) as emulator:
        yield emulator


@pytest.fixture
def bota(bota_emulator: BotaEmulator, clock: TurnClock) -> Iterator[BotaSensor]:
    with BotaSensor(BotaConfig(port=bota_emulator.port, limits=BOTA_LIMITS), clock=clock) as sensor:
        until(sensor, lambda: sensor.reading().valid, "no valid wrench")
        yield sensor


def net_ft_config(emulator: NetFtEmulator) -> NetFtConfig:
    return NetFtConfig(host=emulator.host, port=emulator.port, limits=NET_FT_LIMITS, scaling=SCALING)


def until(sensor: FtSensor, condition: Callable[[], bool], what: str) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while True:
        sensor.update()
        if condition():
            return
        assert time.monotonic() < end_s, (what, sensor.reading(), sensor.statistics)
        time.sleep(0.0005)


def goes_silent_and_comes_back(sensor: FtSensor, emulator: NetFtEmulator | BotaEmulator) -> None:
    before = sensor.reading()
    assert before.wrench == pytest.approx(steady(0.0), abs=0.5)
    inputs = np.zeros((), dtype=INPUTS_DTYPE)
    sensor.write_inputs(inputs)
    assert inputs["ft_status"] == FtStatus.OK and inputs["ft_sequence"] == before.sequence
    emulator.to_host.faults.silent = True
    until(sensor, lambda: not sensor.reading().valid, "silence was not noticed")
    sensor.write_inputs(inputs)
    assert inputs["ft_status"] == FtStatus.INVALID
    assert inputs["wrench"] == pytest.approx(steady(0.0), abs=0.5), "never zeroed"
    emulator.to_host.faults.silent = False
    until(sensor, lambda: sensor.reading().valid, "no wrench after silence")
    assert sensor.reading().sequence > before.sequence
    assert any("nothing comes" in text for _, text in sensor.events())


def test_net_ft(net_ft: NetFt, net_ft_emulator: NetFtEmulator) -> None:
    goes_silent_and_comes_back(net_ft, net_ft_emulator)


def test_bota(bota: BotaSensor, bota_emulator: BotaEmulator) -> None:
    goes_silent_and_comes_back(bota, bota_emulator)
    assert bota.temperature_deg_c == 31.5


def test_status_of_the_sensor_comes_through(net_ft: NetFt, net_ft_emulator: NetFtEmulator) -> None:
    with net_ft_emulator.pause() as emulated:
        emulated.faults.status = 0x80020000
    until(net_ft, lambda: net_ft.reading().status is FtStatus.SATURATED, "saturation was not noticed")
    assert net_ft.statistics.bad == {"saturated": net_ft.statistics.bad["saturated"]}
    with net_ft_emulator.pause() as emulated:
        emulated.faults.status = 0
    until(net_ft, lambda: net_ft.reading().valid, "no wrench after saturation")


def test_datagrams_of_a_wrong_length_are_counted(net_ft: NetFt, net_ft_emulator: NetFtEmulator) -> None:
    net_ft_emulator.to_host.faults.lengthened = 0.5
    until(net_ft, lambda: net_ft.statistics.rejected.get("wrong length", 0) >= 5, "not counted")


def test_strangers_are_not_heard(net_ft: NetFt) -> None:
    assert net_ft._socket is not None
    received = net_ft.statistics
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        for _ in range(20):
            stranger.sendto(bytes(35), net_ft._socket.getsockname())
    until(net_ft, lambda: net_ft.statistics.received > received.received + 20, "stream stopped")
    assert not net_ft.statistics.rejected


def test_bias(net_ft: NetFt) -> None:
    net_ft.bias()
    assert net_ft.biasing and not net_ft.reading().valid
    until(net_ft, lambda: not net_ft.biasing, "bias did not end")
    until(net_ft, lambda: net_ft.reading().valid, "bias did not take")
    assert net_ft.reading().wrench == pytest.approx((0.0,) * 6, abs=0.5)


def test_the_program_that_asks_last_has_the_stream(
    net_ft: NetFt, net_ft_emulator: NetFtEmulator, clock: TurnClock
) -> None:
    with NetFt(net_ft_config(net_ft_emulator), clock=clock) as second:
        until(second, lambda: second.reading().valid, "the second got nothing")
        until(net_ft, lambda: not net_ft.reading().valid, "two programs have the stream")
    until(net_ft, lambda: net_ft.reading().valid, "the first did not come back")


def test_stream_ends_with_the_program(net_ft_emulator: NetFtEmulator, clock: TurnClock) -> None:
    with NetFt(net_ft_config(net_ft_emulator), clock=clock) as sensor:
        until(sensor, lambda: sensor.reading().valid, "no valid wrench")

    def ended() -> bool:
        clock.now_s()
        with net_ft_emulator.pause() as emulated:
            return not emulated.streaming

    end_s = time.monotonic() + PATIENCE_S
    while not ended():
        assert time.monotonic() < end_s
        time.sleep(0.001)


def test_sensor_that_does_not_answer_is_told_in_words() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mute:
        mute.bind(("127.0.0.1", 0))
        config = NetFtConfig(host="127.0.0.1", port=mute.getsockname()[1], limits=NET_FT_LIMITS, scaling=SCALING)
        with (
            NetFt(config) as sensor,
            pytest.raises(DeviceError, match=r"no valid wrench after 0\.05 s \(nothing comes"),
        ):
            sensor.wait_valid(0.05)
        mute.setblocking(False)
        assert mute.recv(100) == bytes.fromhex("1234000200000000"), "it was asked"


def test_closed_port_is_silence_and_not_a_crash() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
        gone.bind(("127.0.0.1", 0))
        port = gone.getsockname()[1]
    config = NetFtConfig(host="127.0.0.1", port=port, limits=NET_FT_LIMITS, scaling=SCALING)
    with NetFt(config) as sensor:
        for _ in range(50):
            sensor.update()
        assert not sensor.reading().valid


def test_addresses_are_checked() -> None:
    with pytest.raises(ConfigError, match="must not be empty"):
        NetFtConfig(host="", limits=NET_FT_LIMITS, scaling=SCALING)
    with pytest.raises(ConfigError, match=r"must be in 1 … 65535 \(got 0; the sensor's is 49152\)"):
        NetFtConfig(host="192.168.1.1", port=0, limits=NET_FT_LIMITS, scaling=SCALING)
    with pytest.raises(ConfigError, match="must not be empty"):
        BotaConfig(port="", limits=BOTA_LIMITS)
    with pytest.raises(DeviceError, match="no-such-port cannot be opened"):
        BotaSensor(BotaConfig(port="/dev/no-such-port", limits=BOTA_LIMITS)).__enter__()


def test_garbage_on_the_serial_line(bota: BotaSensor, bota_emulator: BotaEmulator) -> None:
    bota_emulator.to_host.faults.garbage = 0.3
    until(bota, lambda: bota.statistics.rejected.get("wrong CRC", 0) + bota.statistics.rejected.get(
        "bytes that belong to no frame", 0) >= 5, "not counted")  # fmt: skip
    bota_emulator.to_host.faults.garbage = 0.0
    until(bota, lambda: bota.reading().valid, "no wrench after garbage")


def test_pulled_plug_and_plugged_in_again(clock: TurnClock, tmp_path: Path) -> None:
    """The name of an adapter leads to another device file each time."""
    by_id = tmp_path / "usb-adapter"
    with BotaEmulator(BOTA_LIMITS, source=steady, seed=1, clock=clock) as first:
        by_id.symlink_to(first.port)
        with BotaSensor(BotaConfig(port=str(by_id), limits=BOTA_LIMITS), clock=clock) as bota:
            until(bota, lambda: bota.reading().valid, "no valid wrench")
            first.unplug()
            until(bota, lambda: not bota.reading().valid, "unplugging was not noticed")
            assert all(map(math.isfinite, bota.reading().wrench))
            by_id.unlink()
            with BotaEmulator(BOTA_LIMITS, source=steady, seed=2, clock=first._clock) as second:
                by_id.symlink_to(second.port)
                until(bota, lambda: bota.reading().valid, "the port was not opened again")


def test_port_that_says_nothing_is_told() -> None:
    master, slave = os.openpty()
    try:
        with (
            BotaSensor(BotaConfig(port=os.ttyname(slave), limits=BOTA_LIMITS)) as bota,
            pytest.raises(DeviceError, match="nothing comes: look at its power and cable, and the baud rate"),
        ):
            bota.wait_valid(0.05)
    finally:
        os.close(slave)
        os.close(master)
