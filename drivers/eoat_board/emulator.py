"""The emulated board on a pseudo-terminal: what a program opens as a serial port, it cannot tell from a board.

A pseudo-terminal has no baud rate, parity or line noise; ``Wire`` gives it the first and, when asked, the last.
"""

import contextlib
import os
import threading
import tty
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from podhand.core.clock import Clock, MonotonicClock
from podhand.drivers.eoat_board.board import Board
from podhand.drivers.eoat_board.plant import SuctionPlant
from podhand.drivers.eoat_board.wire import Wire
from podhand.firmware_iface.eoat_board_messages import PROTOCOL_VERSION, SCHEMA_HASH

_STEP_S = 0.001


class BoardEmulator:
    """A board with its suction cup behind ``port``, from ``with`` to its end.

    ``with emulator.pause() as board`` gives the board between two steps: to inject faults, restart it, move the item.
    ``to_board`` and ``to_host`` are the two directions of the line, with their ``faults``.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        protocol_version: int = PROTOCOL_VERSION,
        schema_hash: int = SCHEMA_HASH,
        clock: Clock | None = None,
    ) -> None:
        self._clock = clock or MonotonicClock()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._failure: BaseException | None = None
        self.to_board, self.to_host = Wire(seed=seed), Wire(seed=seed + 1)
        self._board = Board(
            SuctionPlant(),
            now_s=self._clock.now_s(),
            seed=seed,
            protocol_version=protocol_version,
            schema_hash=schema_hash,
        )
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.port = os.ttyname(self._slave)
        """Path of the serial port."""
        self._thread = threading.Thread(target=self._serve, name="eoat-board-emulator", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self.unplug()
        if self._failure is not None and error is None:
            raise self._failure

    @contextlib.contextmanager
    def pause(self) -> Iterator[Board]:
        """Give the board while no step runs."""
        with self._lock:
            yield self._board

    def now_s(self) -> float:
        """Return the emulator's time, for calls of the paused board [s]."""
        return self._clock.now_s()

    def unplug(self) -> None:
        """Pull the plug of the serial adapter: the port is gone."""
        with self._lock:
            for end in (self._master, self._slave):
                with contextlib.suppress(OSError):
                    os.close(end)
            self._master = self._slave = -1

    def _serve(self) -> None:
        try:
            while not self._stop.wait(_STEP_S):
                with self._lock:
                    self._step(self._clock.now_s())
        except Exception as failure:  # shown by __exit__: a thread has nobody to raise to
            self._failure = failure

    def _step(self, now_s: float) -> None:
        self.to_board.send(self._read(), now_s)
        self._board.receive(self.to_board.receive(now_s), now_s)
        for frame in self._board.poll(now_s):
            self.to_host.send(frame, now_s)
        self._write(self.to_host.receive(now_s))

    def _read(self) -> bytes:
        if self._master < 0:
            return b""
        with contextlib.suppress(BlockingIOError):
            return os.read(self._master, 4096)
        return b""

    def _write(self, data: bytes) -> None:
        if self._master >= 0 and data:
            with contextlib.suppress(BlockingIOError):  # nobody reads: a real line would lose the bytes too
                os.write(self._master, data)
