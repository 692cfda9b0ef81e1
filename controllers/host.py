"""What all hosts of the kernel share: clients, observers, recording, stops. A host differs in how ticks are made."""

import asyncio
import signal
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from math import ceil
from types import FrameType
from typing import Any, Protocol, Self, TypeVar

import numpy as np

from podhand import _kernel
from podhand.controllers.recorder import Recorder
from podhand.controllers.session import KernelPort, Session
from podhand.core.clock import VirtualClock
from podhand.core.errors import ConfigError, RecordingError, StateError, StoppedByOperator
from podhand.core.exchange import INPUTS_DTYPE, OUTPUTS_DTYPE

__all__ = ["CHUNK_TICKS", "DRAIN_TICKS", "Host", "HostedKernel", "check_layout"]

T = TypeVar("T")
CHUNK_TICKS = 50  # a stop request and the clients' timers are looked at this often
DRAIN_TICKS = 500
_STOP_LIMIT_S = 5.0


class HostedKernel(KernelPort, Protocol):
    """What a host needs of its kernel beside what sessions need."""

    @property
    def busy_s(self) -> float:
        """Wall time inside the tick so far [s]."""

    @property
    def overflow(self) -> int:
        """Ticks that were made while recording and are lost, because nobody drained them in time."""

    def drain_ticks(self) -> bytes:
        """Return inputs and outputs of the ticks since the last call."""


class Host(ABC):
    """Lets time pass for its clients. Use it with ``with``, or close it.

    Args:
        kernel: configured; its records are bound to a plant.
        tick_s: nominal period [s].
        clock: advanced with the ticks; one is made when None.
        recorder: gets every command, tick and outcome.
    """

    def __init__(
        self,
        kernel: HostedKernel,
        *,
        tick_s: float,
        clock: VirtualClock | None = None,
        recorder: Recorder | None = None,
    ) -> None:
        self.kernel = kernel
        self.clock = clock or VirtualClock()
        self.recorder = recorder
        self.ticks = 0
        """Ticks made so far."""
        self._tick_s = tick_s
        self._stop_asked = False
        self._observers: list[tuple[int, Callable[[], None]]] = []
        # Both channels' chain numbers in one word: one comparison per tick tells that something ended.
        self._running = memoryview(kernel.state["chain"].view(np.uint64).data)
        self.session = Session(kernel, tick_s=tick_s, log=recorder)

    @property
    def health(self) -> dict[str, float]:
        """How the host itself is doing; empty when there is nothing to say."""
        return {}

    @abstractmethod
    def _ticks(self, count: int) -> int:
        """Make ticks, ``count`` at most and fewer when a chain ended; return how many."""

    def observe(self, observer: Callable[[], None], *, every_ticks: int) -> None:
        """Call ``observer`` after every so many ticks (pictures, plots, viewers). It must not move anything."""
        if every_ticks < 1:
            raise StateError(f"every_ticks must be at least 1 (got {every_ticks})")
        self._observers.append((every_ticks, observer))

    def run(self, client: Coroutine[Any, Any, T]) -> T:
        """Run a client and all it starts to the end, and return its result.

        Ctrl-C brings every channel to rest first.

        Raises:
            StoppedByOperator: Ctrl-C, or ``request_stop``; the arm stands, the recording is whole.
        """
        with self._on_interrupt():
            return asyncio.run(self.serve(client))

    async def serve(self, client: Coroutine[Any, Any, T]) -> T:
        """As ``run``, inside an event loop that already runs; Ctrl-C is then the caller's to turn into a request."""
        self.session.wake = asyncio.Event()  # events belong to one loop, and every run has its own
        if self.ticks == 0:
            self._account(self._ticks(1))  # clients may look at the state before they move
        task = asyncio.ensure_future(client)
        task.add_done_callback(lambda _: self.session.wake.set())
        try:
            while not task.done():
                if self._stop_asked:
                    self._stop()
                elif self._may_pass():
                    self._advance()
                else:
                    self.session.wake.clear()
                    await self.session.wake.wait()
                await asyncio.sleep(0)
            return task.result()
        finally:
            self._leave_at_rest()
            self._drain()
            task.cancel()

    def request_stop(self) -> None:
        """Ask for a controlled stop of everything; ``run`` then raises StoppedByOperator. Any thread or handler."""
        self._stop_asked = True

    def close(self) -> None:
        """Complete the recording. Nothing moves any more."""
        self._drain()
        if self.recorder:
            self.recorder.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _may_pass(self) -> bool:
        """Return whether time may pass."""
        return self.session.ready()

    # ---- ticks --------------------------------------------------------------------------------------------------

    def _advance(self) -> None:
        """Make ticks until a client has something to do, or a chunk is full."""
        made = self._ticks(self._budget())
        self._account(made)
        self.session.settle()

    def _budget(self) -> int:
        due = [CHUNK_TICKS]
        due += [every - self.ticks % every for every, _ in self._observers]
        if self.recorder:
            due.append(DRAIN_TICKS - self.ticks % DRAIN_TICKS)
        deadline = self.session.next_deadline_tick()
        if deadline is not None:
            due.append(max(1, deadline - self.ticks))
        return min(due)

    def _account(self, made: int) -> None:
        before = self.ticks
        self.ticks += made
        self.session.ticks = self.ticks
        self.clock.advance(made * self._tick_s)
        if self.recorder:
            self.recorder.ticks = self.ticks
            if self.ticks // DRAIN_TICKS != before // DRAIN_TICKS:
                self._drain()
        for every, observer in self._observers:
            if self.ticks // every != before // every:
                observer()

    def _drain(self) -> None:
        if not self.recorder:
            return
        self.recorder.block(self.kernel.drain_ticks())
        if lost := self.kernel.overflow:
            raise RecordingError(f"{self.recorder.path} has a gap of {lost} ticks: they were not drained in time")

    # ---- stops --------------------------------------------------------------------------------------------------

    def _stop(self) -> None:
        """Bring everything to rest, then tell every client."""
        self._stop_asked = False
        self.session.close(StoppedByOperator("stopped on request: every channel was brought to rest, nothing moves"))
        self._bring_to_rest()  # the clients get to know after this

    def _bring_to_rest(self) -> None:
        self.session.cancel()
        last = self.ticks + ceil(_STOP_LIMIT_S / self._tick_s)
        while self.ticks < last:
            self._account(self._ticks(self._budget()))
            self.session.settle()
            if not self._running[0]:
                return
        raise StateError(f"a channel did not come to rest within {_STOP_LIMIT_S} s: use the emergency stop")

    def _leave_at_rest(self) -> None:
        if self._running[0]:
            self._bring_to_rest()

    @contextmanager
    def _on_interrupt(self) -> Iterator[None]:
        """Turn the first Ctrl-C into a controlled stop; a second one interrupts at once."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def handler(number: int, frame: FrameType | None) -> None:
            if self._stop_asked:
                signal.default_int_handler(number, frame)
            self.request_stop()

        before = signal.signal(signal.SIGINT, handler)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)


def check_layout() -> None:
    """Compare the record layouts of Python and kernel field by field."""
    for name, mine, theirs in (("INPUTS", INPUTS_DTYPE, _kernel.INPUTS_DTYPE),
                               ("OUTPUTS", OUTPUTS_DTYPE, _kernel.OUTPUTS_DTYPE)):  # fmt: skip
        if mine != theirs:
            raise ConfigError(f"{name}_DTYPE of podhand.core.exchange and of the kernel differ: rebuild ('make build')")
