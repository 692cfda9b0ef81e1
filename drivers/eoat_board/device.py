"""The end-of-arm board behind a serial port: a thread keeps the conversation, callers ask and command."""

import contextlib
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import numpy as np
import serial
from numpy.typing import NDArray

from podhand.core.clock import Clock, MonotonicClock
from podhand.core.errors import ConfigError, DeviceError
from podhand.core.exchange import SlowSignal
from podhand.core.ports import Reading
from podhand.drivers.eoat_board.link import HostLink, LinkFault, LinkState
from podhand.firmware_iface.eoat_board_messages import (
    BAUD,
    BoardHello,
    StandDownReason,
    State,
    StatusLight,
    Switches,
)

_READ_S = 0.002
_WRITE_S = 0.05
_REOPEN_S = 0.5
_GOODBYE_S = 0.3
"""How long the end of a program waits for the board to stand down; its command's deadline does the rest."""


@dataclass(frozen=True, kw_only=True)
class EoatBoardConfig:
    """Where the board is."""

    port: str
    """Device file; prefer ``/dev/serial/by-id/…``, which stays with its adapter."""

    def __post_init__(self) -> None:
        if not self.port:
            raise ConfigError("port of the end-of-arm board must not be empty, for example /dev/serial/by-id/usb-…")


@dataclass(frozen=True, kw_only=True)
class LinkStatistics:
    """How the line has done since it was opened."""

    received: int
    lost: int
    """Frames that never came, by the gaps in their numbers."""
    rejected: dict[str, int]
    """Frames not taken, by reason."""
    sessions: int


class EoatBoard:
    """The board, from ``with`` to its end; implements ``podhand.core.ports.SuctionTool``. Safe to call from any thread.

    A lost port is opened again by itself, a lost session asked for again; commands wait for ``acknowledge``.

    Raises DeviceError on entry when the port cannot be opened; nothing was sent.
    """

    def __init__(self, config: EoatBoardConfig, *, clock: Clock | None = None) -> None:
        self._config = config
        self._clock = clock or MonotonicClock()
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._stop = threading.Event()
        sessions = random.SystemRandom()
        self._link = HostLink(now_s=self._clock.now_s(), new_session=lambda: sessions.randint(1, 0xFFFF))
        self._port: serial.Serial | None = None
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._serve, name="eoat-board", daemon=True)

    def __enter__(self) -> Self:
        try:
            self._port = self._open()
        except (serial.SerialException, OSError) as error:
            raise DeviceError(
                f"end-of-arm board: {self._config.port} cannot be opened ({error}); look at cable, name and rights"
            ) from error
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # An error on the way out is not an orderly end.
        self.stand_down(StandDownReason.FINISHED if kind is None else StandDownReason.HOST_FAULT)
        with self._changed:
            self._changed.wait_for(lambda: self._failure is not None or not self._link.standing_down, _GOODBYE_S)
        self._stop.set()
        self._thread.join()
        if self._port is not None:
            self._port.close()

    @property
    def state(self) -> LinkState:
        """Where the conversation stands."""
        with self._lock:
            return self._link.state

    @property
    def fault(self) -> LinkFault | None:
        """The latched cause, ``None`` when there is none."""
        with self._lock:
            return self._link.fault

    @property
    def identity(self) -> BoardHello | None:
        """Who answered: serial number, firmware, starts; ``None`` before the first answer."""
        with self._lock:
            return self._link.identity

    @property
    def board_state(self) -> State | None:
        """The board's newest report, as sent; ``None`` before one. Its age is that of the readings."""
        with self._lock:
            return self._link.board_state

    @property
    def statistics(self) -> LinkStatistics:
        """Counters of the line."""
        with self._lock:
            link = self._link
            rejected = {reason.value: count for reason, count in sorted(link.rejects.items())}
            return LinkStatistics(received=link.received, lost=link.lost, rejected=rejected, sessions=link.sessions)

    def events(self) -> list[tuple[float, str]]:
        """Return the last causes and sessions with their times, oldest first."""
        with self._lock:
            return list(self._link.events)

    def wait_ready(self, timeout_s: float = 2.0) -> None:
        """Wait until commands are taken and the pressure is valid.

        Raises DeviceError with what stands in the way; nothing was commanded.
        """
        if not self._wait(lambda: not self._link.why_not and self._link.vacuum_pressure(self._now()).valid, timeout_s):
            with self._lock:
                why = self._link.why_not or self._link.vacuum_pressure(self._now()).why_not
            raise DeviceError(f"end-of-arm board on {self._config.port} is not ready after {timeout_s} s: {why}")

    def vacuum_pressure(self) -> Reading:
        """Return the gauge pressure in the cup [Pa], negative is suction."""
        with self._lock:
            return self._link.vacuum_pressure(self._now())

    def switch(self, which: Switches) -> Reading:
        """Return one limit switch: 1 tripped, 0 not."""
        with self._lock:
            return self._link.switch(which, self._now())

    def command(
        self,
        *,
        suction: bool,
        life_s: float,
        status_light: StatusLight = StatusLight.GREEN,
        work_light_percent: int = 0,
    ) -> None:
        """Switch the outputs; renew within ``life_s`` (0.04 … 0.5 s), else board and host latch a fault.

        Raises:
            StateError: no session, or a fault waits for ``acknowledge``; nothing was sent.
            LimitError: a value is outside its range; nothing was sent.
        """
        with self._lock:
            self._require_thread()
            self._link.command(
                suction=suction,
                life_s=life_s,
                status_light=status_light,
                work_light_percent=work_light_percent,
                now_s=self._now(),
            )

    def stand_down(self, reason: StandDownReason = StandDownReason.FINISHED) -> None:
        """Take the command back: outputs rest. Reasons other than FINISHED ask for the latched safe state."""
        with self._lock:
            self._link.stand_down(self._now(), reason)

    def acknowledge(self, timeout_s: float = 1.0) -> None:
        """Resume after a fault whose cause a person has seen.

        Raises:
            StateError: the board does not answer, or the cause still stands; nothing has changed.
            DeviceError: the board did not agree in time; the fault stays.
        """
        with self._lock:
            self._require_thread()
            self._link.acknowledge(self._now())
        if not self._wait(lambda: not self._link.why_not, timeout_s):
            with self._lock:
                raise DeviceError(f"end-of-arm board did not resume within {timeout_s} s: {self._link.why_not}")

    def write_inputs(self, inputs: NDArray[np.void]) -> None:
        """Write the pressure with its validity and age into a record of ``INPUTS_DTYPE``."""
        reading = self.vacuum_pressure()
        index = int(SlowSignal.VACUUM_PRESSURE)
        inputs["slow"][index], inputs["slow_age_s"][index] = reading.value, reading.age_s
        bit = np.uint32(1 << index)
        inputs["slow_valid"] = inputs["slow_valid"] | bit if reading.valid else inputs["slow_valid"] & ~bit

    def _now(self) -> float:
        return self._clock.now_s()

    def _wait(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        with self._changed:
            done = self._changed.wait_for(lambda: self._failure is not None or condition(), timeout_s)
            self._require_thread()
            return done

    def _require_thread(self) -> None:
        if self._failure is not None:
            raise DeviceError(f"end-of-arm board: its thread ended ({self._failure}); open it again") from self._failure

    def _open(self) -> serial.Serial:
        port = serial.Serial(self._config.port, BAUD, timeout=_READ_S, write_timeout=_WRITE_S, exclusive=True)
        # USB adapters otherwise keep bytes back for 16 ms; those without the setting do not need it.
        with contextlib.suppress(OSError, ValueError, NotImplementedError):
            port.set_low_latency_mode(True)
        return port

    def _serve(self) -> None:
        try:
            while not self._stop.is_set():
                if self._port is None:
                    self._reopen()
                else:
                    self._turn(self._port)
        except Exception as failure:  # shown by the next call: a thread has nobody to raise to
            with self._changed:
                self._failure = failure
                self._changed.notify_all()

    def _turn(self, port: serial.Serial) -> None:
        """Read what is there or comes within 2 ms, judge, answer."""
        try:
            data = port.read(max(port.in_waiting, 1))
            with self._changed:
                self._link.receive(data, self._now())
                answer = self._link.poll(self._now())
                self._changed.notify_all()
            if answer:
                port.write(answer)
        except (serial.SerialException, OSError) as error:
            with contextlib.suppress(serial.SerialException, OSError):
                port.close()
            self._port = None
            with self._changed:
                self._link.port_lost(f"{self._config.port}: {error}", self._now())
                self._changed.notify_all()

    def _reopen(self) -> None:
        with contextlib.suppress(serial.SerialException, OSError):
            self._port = self._open()
            return
        self._stop.wait(_REOPEN_S)
