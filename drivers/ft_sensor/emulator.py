"""Emulated sensors behind a UDP port of this machine and behind a pseudo-terminal.

What opens them cannot tell them from sensors, but for what a line of copper does. A thread sends; ``with
emulator.pause() as sensor`` gives the sensor between two steps, to change what it measures or does wrong.
"""

import contextlib
import os
import socket
import threading
import tty
from abc import ABC, abstractmethod
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from podhand.core.clock import Clock, MonotonicClock
from podhand.drivers.ft_sensor.emulated import EmulatedBota, EmulatedNetFt, WrenchSource, wave
from podhand.drivers.ft_sensor.line import Line
from podhand.drivers.ft_sensor.links import RdtScaling
from podhand.drivers.ft_sensor.wrench import WrenchLimits
from podhand.firmware_iface.ft_bota import BAUD

_STEP_S = 0.0005


class _Emulator(ABC):
    """A thread that steps a sensor, from ``with`` to its end."""

    def __init__(self, *, name: str, clock: Clock | None) -> None:
        self._clock = clock or MonotonicClock()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._close()
        if self._failure is not None and error is None:
            raise self._failure

    def now_s(self) -> float:
        """Return the emulator's time, for calls of the paused sensor [s]."""
        return self._clock.now_s()

    def _serve(self) -> None:
        try:
            while not self._stop.wait(_STEP_S):
                with self._lock:
                    self._step(self._clock.now_s())
        except Exception as failure:  # shown by __exit__: a thread has nobody to raise to
            self._failure = failure

    @abstractmethod
    def _step(self, now_s: float) -> None: ...

    @abstractmethod
    def _close(self) -> None: ...


class NetFtEmulator(_Emulator):
    """An ATI sensor at ``host``:``port``; answers the program that asked last. ``to_host`` is its line."""

    def __init__(
        self,
        limits: WrenchLimits,
        scaling: RdtScaling,
        *,
        source: WrenchSource = wave,
        seed: int = 0,
        rate_hz: float | None = None,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(name="net-ft-emulator", clock=clock)
        self.to_host = Line(seed=seed + 1)
        self._sensor = EmulatedNetFt(
            limits, scaling, now_s=self._clock.now_s(), source=source, seed=seed, rate_hz=rate_hz
        )
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind(("127.0.0.1", 0))
        self.host, self.port = self._socket.getsockname()
        self._client: tuple[str, int] | None = None

    @contextlib.contextmanager
    def pause(self) -> Iterator[EmulatedNetFt]:
        """Give the sensor while no step runs."""
        with self._lock:
            yield self._sensor

    def _step(self, now_s: float) -> None:
        with contextlib.suppress(BlockingIOError, ConnectionRefusedError):
            while True:
                datagram, self._client = self._socket.recvfrom(2048)
                self._sensor.receive(datagram, now_s)
        for datagram in self._sensor.poll(now_s):
            self.to_host.send(datagram, now_s)
        for datagram in self.to_host.receive(now_s):
            if self._client is not None:
                with contextlib.suppress(BlockingIOError, ConnectionRefusedError):
                    self._socket.sendto(datagram, self._client)

    def _close(self) -> None:
        self._socket.close()


class BotaEmulator(_Emulator):
    """A Bota sensor behind the serial port ``port``. ``to_host`` is its line, with the line's speed."""

    def __init__(
        self,
        limits: WrenchLimits,
        *,
        source: WrenchSource = wave,
        seed: int = 0,
        rate_hz: float | None = None,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(name="bota-emulator", clock=clock)
        self.to_host = Line(seed=seed + 1, baud=BAUD)
        self._sensor = EmulatedBota(limits, now_s=self._clock.now_s(), source=source, seed=seed, rate_hz=rate_hz)
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.port = os.ttyname(self._slave)
        """Path of the serial port."""

    @contextlib.contextmanager
    def pause(self) -> Iterator[EmulatedBota]:
        """Give the sensor while no step runs."""
        with self._lock:
            yield self._sensor

    def unplug(self) -> None:
        """Pull the plug of the serial adapter: the port is gone."""
        with self._lock:
            for end in (self._master, self._slave):
                with contextlib.suppress(OSError):
                    os.close(end)
            self._master = self._slave = -1

    def _step(self, now_s: float) -> None:
        for frame in self._sensor.poll(now_s):
            self.to_host.send(frame, now_s)
        for packet in self.to_host.receive(now_s):
            if self._master >= 0:
                with contextlib.suppress(BlockingIOError):  # nobody reads: a real line would lose the bytes too
                    os.write(self._master, packet)

    def _close(self) -> None:
        self.unplug()
