"""Bota Systems' sensors behind a serial port. Needs the extra ``serial``."""

import contextlib
import math
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import serial

from podhand.core.clock import Clock
from podhand.core.errors import ConfigError, DeviceError
from podhand.drivers.ft_sensor.device import FtSensor
from podhand.drivers.ft_sensor.links import BotaLink
from podhand.drivers.ft_sensor.wrench import WrenchLimits, WrenchReading
from podhand.firmware_iface.ft_bota import BAUD

_REOPEN_S = 0.5
_READ_BYTES = 8192
"""More than a system keeps for a serial port."""


@dataclass(frozen=True, kw_only=True)
class BotaConfig:
    """Where the sensor is."""

    port: str
    """Device file; prefer ``/dev/serial/by-id/…``, which stays with its adapter."""
    limits: WrenchLimits

    def __post_init__(self) -> None:
        if not self.port:
            raise ConfigError("port of the F/T sensor must not be empty, for example /dev/serial/by-id/usb-…")


class BotaSensor(FtSensor):
    """The sensor behind a serial port; a lost port is opened again by itself.

    Raises DeviceError on entry when the port cannot be opened.
    """

    def __init__(self, config: BotaConfig, *, clock: Clock | None = None) -> None:
        self._config = config
        self._port: serial.Serial | None = None
        self._reopen_s = -math.inf
        link = BotaLink(config.limits)
        super().__init__(f"F/T sensor on {config.port}", link.track, clock)
        self._link = link

    def __enter__(self) -> Self:
        try:
            self._port = self._open()
        except (serial.SerialException, OSError) as error:
            raise DeviceError(f"{self.name} cannot be opened ({error}); look at cable, name and rights") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._port is not None:
            self._port.close()
            self._port = None

    def update(self) -> None:
        """Take in what has arrived; never waits, but for the opening of a port that was lost."""
        data = self._read()
        now_s = self._clock.now_s()
        self._link.receive(data, now_s)
        self._link.poll(now_s)

    def reading(self) -> WrenchReading:
        """Return the wrench as it is known now."""
        return self._link.reading(self._clock.now_s())

    @property
    def temperature_deg_c(self) -> float | None:
        """The sensor's own temperature [°C]; ``None`` before the first sample."""
        return self._link.temperature_deg_c

    def _open(self) -> serial.Serial:
        port = serial.Serial(self._config.port, BAUD, timeout=0.0, exclusive=True)
        # USB adapters otherwise keep bytes back for 16 ms; those without the setting do not need it.
        with contextlib.suppress(OSError, ValueError, NotImplementedError):
            port.set_low_latency_mode(True)
        port.reset_input_buffer()
        return port

    def _read(self) -> bytes:
        if self._port is None:
            self._reopen()
            return b""
        try:
            return bytes(self._port.read(_READ_BYTES))
        except (serial.SerialException, OSError):
            with contextlib.suppress(serial.SerialException, OSError):
                self._port.close()
            self._port = None
            self._reopen_s = self._clock.now_s() + _REOPEN_S
            self._link.port_lost()
            return b""

    def _reopen(self) -> None:
        now_s = self._clock.now_s()
        if now_s >= self._reopen_s:
            self._reopen_s = now_s + _REOPEN_S
            with contextlib.suppress(serial.SerialException, OSError):
                self._port = self._open()
