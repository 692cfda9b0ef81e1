"""ATI Net F/T and Ethernet Axia over UDP."""

import contextlib
import socket
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from podhand.core.clock import Clock
from podhand.core.errors import ConfigError, DeviceError
from podhand.drivers.ft_sensor.device import FtSensor
from podhand.drivers.ft_sensor.links import RdtLink, RdtScaling
from podhand.drivers.ft_sensor.wrench import WrenchLimits, WrenchReading
from podhand.firmware_iface.ft_rdt import MAX_RECORDS, PORT, RECORD

_MOST_PER_UPDATE = 256
"""Datagrams that one update takes: more than a system keeps, so that a flood cannot hold the cycle."""
_READ_BYTES = MAX_RECORDS * RECORD.size + 1
"""One more than any datagram may have, so that a longer one shows."""


@dataclass(frozen=True, kw_only=True)
class NetFtConfig:
    """Where the sensor is and what its numbers mean."""

    host: str
    """Address or name."""
    limits: WrenchLimits
    scaling: RdtScaling
    port: int = PORT

    def __post_init__(self) -> None:
        if not self.host:
            raise ConfigError("host of the F/T sensor must not be empty, for example 192.168.1.1")
        if not 0 < self.port < 0x10000:
            raise ConfigError(f"port of the F/T sensor must be in 1 … 65535 (got {self.port}; the sensor's is {PORT})")


class NetFt(FtSensor):
    """The sensor behind a UDP socket. It answers one program only: the last that asked.

    Raises DeviceError on entry when there is no way to the address; nothing was sent.
    """

    def __init__(self, config: NetFtConfig, *, clock: Clock | None = None) -> None:
        self._config = config
        self._socket: socket.socket | None = None
        link = RdtLink(config.limits, config.scaling)
        super().__init__(f"F/T sensor at {config.host}:{config.port}", link.track, clock)
        self._link = link

    def __enter__(self) -> Self:
        # A connected socket takes datagrams of this sensor only.
        try:
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self._socket.setblocking(False)
            self._socket.connect((self._config.host, self._config.port))
        except OSError as error:
            if self._socket is not None:
                self._socket.close()
                self._socket = None
            raise DeviceError(
                f"{self.name} cannot be reached ({error}); look at the address and the network"
            ) from error
        self.update()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._socket is not None:
            self._send(self._link.goodbye())
            self._socket.close()
            self._socket = None

    def update(self) -> None:
        """Take in what has arrived, ask for the stream when there is none; never waits."""
        for _ in range(_MOST_PER_UPDATE):
            datagram = self._receive()
            if datagram is None:
                break
            self._link.receive(datagram, self._clock.now_s())
        for request in self._link.poll(self._clock.now_s()):
            self._send(request)

    def reading(self) -> WrenchReading:
        """Return the wrench as it is known now."""
        return self._link.reading(self._clock.now_s())

    @property
    def biasing(self) -> bool:
        """True while the sensor takes its zero."""
        return self._link.biasing

    def bias(self) -> None:
        """Make the present load the sensor's zero, with the arm free and still; ``reading`` is valid again after 0.1 s.

        When the wrench did not go to zero it stays not valid until a bias succeeds.
        Raises StateError when the wrench is not valid now; nothing was sent.
        """
        self._link.bias(self._clock.now_s())

    def _receive(self) -> bytes | None:
        # A closed port at the other end shows as an error of the next call; silence tells the same.
        with contextlib.suppress(OSError):
            return self._socket.recv(_READ_BYTES) if self._socket is not None else None
        return None

    def _send(self, request: bytes) -> None:
        with contextlib.suppress(OSError):
            if self._socket is not None:
                self._socket.send(request)
