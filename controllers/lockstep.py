"""The lock-step host: plant and kernel in turn on a virtual clock, in one process.

Time advances only while every client awaits the session, so a run is a function of its inputs: thinking takes no
simulated time, and branches that run side by side always interleave in the same way.
"""

import asyncio
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from math import ceil
from pathlib import Path
from types import FrameType
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from podhand import _kernel
from podhand.controllers.parameters import kernel_config
from podhand.controllers.recorder import Recorder
from podhand.controllers.session import Session
from podhand.core.clock import VirtualClock
from podhand.core.errors import ConfigError, RecordingError, StateError, StoppedByOperator
from podhand.core.exchange import INPUTS_DTYPE, OUTPUTS_DTYPE
from podhand.core.ports import Plant
from podhand.core.station import Station

__all__ = ["LockstepHost"]

T = TypeVar("T")
_CHUNK_TICKS = 50  # a stop request and the clients' timers are looked at this often
_DRAIN_TICKS = 500
_STOP_LIMIT_S = 5.0


class LockstepHost:
    """Owns the loop of plant and kernel.

    Args:
        plant: bound to the kernel's records here.
        config: configuration record, see ``parameters.kernel_config``.
        clock: advanced with the ticks; one is made when None.
        recorder: gets every command, tick and outcome; the caller closes it.

    Raises:
        ConfigError: the kernel refuses the configuration; nothing was started.
    """

    def __init__(
        self,
        plant: Plant,
        *,
        config: NDArray[np.void],
        clock: VirtualClock | None = None,
        recorder: Recorder | None = None,
    ) -> None:
        _check_layout()
        self.kernel = _kernel.Kernel()
        try:
            self.kernel.configure(config)
        except _kernel.KernelRefusal as refusal:
            raise ConfigError(f"the kernel refuses the station's parameters: {refusal}") from refusal
        self.plant = plant
        self.clock = clock or VirtualClock()
        self.recorder = recorder
        self.ticks = 0
        """Ticks made so far."""
        self._tick_s = plant.tick_s
        self._stop_asked = False
        self._observers: list[tuple[int, Callable[[], None]]] = []
        # Both channels' chain numbers in one word: one comparison per tick tells that something ended.
        self._running = memoryview(self.kernel.state["chain"].view(np.uint64).data)
        plant.bind(self.kernel.inputs, self.kernel.outputs)
        if recorder:
            self.kernel.record_into(2 * _DRAIN_TICKS)
            recorder.begin(self.kernel.inputs, self.kernel.outputs)
        self.session = Session(self.kernel, tick_s=self._tick_s, log=recorder)

    @classmethod
    def for_station(
        cls, plant: Plant, station: Station, *, recording: Path | None = None, note: dict[str, str] | None = None
    ) -> Self:
        """Make a host with the station's parameters, and a recording when a path is given (``close`` completes it)."""
        config = kernel_config(station)
        facts = {"station": station.name, **(note or {})}
        recorder = Recorder(recording, config=config, note=facts) if recording else None
        try:
            return cls(plant, config=config, recorder=recorder)
        except Exception:
            if recorder:
                recorder.close()
            raise

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
                elif self.session.ready():
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

    # ---- ticks --------------------------------------------------------------------------------------------------

    def _advance(self) -> None:
        """Make ticks until a client has something to do, or a chunk is full."""
        made = self._ticks(self._budget())
        self._account(made)
        self.session.settle()

    def _budget(self) -> int:
        due = [_CHUNK_TICKS]
        due += [every - self.ticks % every for every, _ in self._observers]
        if self.recorder:
            due.append(_DRAIN_TICKS - self.ticks % _DRAIN_TICKS)
        deadline = self.session.next_deadline_tick()
        if deadline is not None:
            due.append(max(1, deadline - self.ticks))
        return min(due)

    def _ticks(self, count: int) -> int:
        """Make at most ``count`` ticks; fewer when a chain ended. The hot loop."""
        step, tick, running = self.plant.step, self.kernel.tick, self._running
        step()
        tick()  # the first tick starts what was submitted: look at the chains only from here on
        before = running[0]
        if self.session.ended():
            return 1
        for made in range(2, count + 1):
            step()
            tick()
            if running[0] != before:
                return made
        return count

    def _account(self, made: int) -> None:
        self.ticks += made
        self.session.ticks = self.ticks
        self.clock.advance(made * self._tick_s)
        if self.recorder:
            self.recorder.ticks = self.ticks
            if self.ticks % _DRAIN_TICKS == 0:
                self._drain()
        for every, observer in self._observers:
            if self.ticks % every == 0:
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
        for _ in range(ceil(_STOP_LIMIT_S / self._tick_s / _CHUNK_TICKS)):
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


def _check_layout() -> None:
    """Compare the record layouts of Python and kernel field by field."""
    for name, mine, theirs in (("INPUTS", INPUTS_DTYPE, _kernel.INPUTS_DTYPE),
                               ("OUTPUTS", OUTPUTS_DTYPE, _kernel.OUTPUTS_DTYPE)):  # fmt: skip
        if mine != theirs:
            raise ConfigError(f"{name}_DTYPE of podhand.core.exchange and of the kernel differ: rebuild ('make build')")
