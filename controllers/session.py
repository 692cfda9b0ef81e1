"""The client's side of the kernel: run chains, wait, read the state. The same for every host."""

import asyncio
from collections.abc import Callable, Collection, Coroutine, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from podhand import _kernel
from podhand.controllers.outcomes import Cause, FtFault, Outcome, decode_outcome
from podhand.controllers.parameters import payload_record
from podhand.controllers.segments import ARM_CHANNEL, BAND_CHANNEL, Chain, CompiledChain, compile_chain
from podhand.core.errors import LimitError, PodhandError, StateError
from podhand.core.exchange import SLOW_SIGNALS, Axis, SlowSignal
from podhand.core.poses import FloatArray, Pose, unpack_pose

__all__ = ["CHANNELS", "CellState", "CommandLog", "KernelPort", "Session"]

CHANNELS = (ARM_CHANNEL, BAND_CHANNEL)
_STOP_ALLOWANCE_S = 2.0


class KernelPort(Protocol):
    """What a session and a host need of the kernel (``podhand._kernel.Kernel``)."""

    @property
    def inputs(self) -> NDArray[np.void]:
        """0-d record, bound."""

    @property
    def outputs(self) -> NDArray[np.void]:
        """0-d record, bound."""

    @property
    def state(self) -> NDArray[np.void]:
        """0-d record, bound, read-only."""

    def submit(self, channel: int, segments: NDArray[np.void]) -> int:
        """Hand over a chain and return its number; raises KernelRefusal."""

    def cancel(self, channel: int) -> None:
        """Cancel a channel, -1 for all."""

    def set_payload(self, index: int, payload: NDArray[np.void]) -> None:
        """Replace a payload; raises KernelRefusal."""

    def reset_fault(self) -> None:
        """Clear a latched fault; raises KernelRefusal."""

    def take_outcome(self) -> NDArray[np.void] | None:
        """Return the oldest outcome not yet taken."""


class CommandLog(Protocol):
    """Who wants to know of every accepted command (the recorder)."""

    def command(self, name: str, *, channel: int = 0, payload: bytes = b"", names: CompiledChain | None = None) -> None:
        """Take note of a command that the kernel accepted."""

    def outcome(self, record: NDArray[np.void]) -> None:
        """Take note of an outcome."""


@dataclass(frozen=True, kw_only=True, eq=False)
class CellState:
    """A copy of the cell's state after one tick. Wrenches are exerted by the world on the tool, at its origin."""

    tick: int
    time_s: float
    X_base_tool: Pose
    """Measured."""
    X_base_tool_cmd: Pose
    F_tool: FloatArray
    """(6,) filtered, in the frame of the running segment [N, N m]."""
    F_tool_raw: FloatArray
    wrench_sensor: FloatArray
    """(6,) as the sensor gives it, at the sensor in its axes: bias and weight included [N, N m]."""
    ft_sequence: int
    """Of that reading: it changes with each new one."""
    q: FloatArray
    """(14,) measured positions by Axis [rad or m]."""
    qd: FloatArray
    tau: FloatArray
    command: FloatArray
    """(14,) set-points by Axis [rad or m], belts [m/s]."""
    slow: FloatArray
    """(8,) by SlowSignal, NaN where not valid."""
    force_limit_n: float
    ft_fault: FtFault
    latched_fault: Cause
    running: tuple[bool, ...]
    """Per channel."""

    def axis(self, which: Axis) -> float:
        """Return the measured position of an axis [rad or m]."""
        return float(self.q[which])

    def signal(self, which: SlowSignal) -> float:
        """Return a slow signal, NaN when it is not valid."""
        return float(self.slow[which])


@dataclass(eq=False)
class _Job:
    """One chain on its way."""

    number: int
    """The kernel's: of state and outcomes. After a lost lease others may run chains on the same channel."""
    compiled: CompiledChain
    future: "asyncio.Future[Outcome]"
    outcomes: list[Outcome]
    overdue_tick: int
    """By then the timeouts of all segments, and their stops, are over."""


@dataclass(eq=False)
class _Wait:
    until_tick: int
    future: "asyncio.Future[None]"


class Session:
    """Runs chains for its clients. Hosts make it; time passes only while every client awaits it.

    A client is a task: the main one, and those that ``par`` adds. Use it from the host's event loop only.
    """

    def __init__(self, kernel: KernelPort, *, tick_s: float, log: CommandLog | None = None) -> None:
        self._kernel = kernel
        self._tick_s = tick_s
        self._log = log
        self._jobs: dict[int, _Job] = {}
        self._waits: list[_Wait] = []
        self._clients = 1
        self._closed_by: PodhandError | None = None
        self._listeners: list[Callable[[Outcome], None]] = []
        self.ticks = 0
        """Ticks made so far; the host counts."""
        self.wake = asyncio.Event()
        """Set when a client has something for the host to do."""

    # ---- for clients --------------------------------------------------------------------------------------------

    @property
    def tick_s(self) -> float:
        """Nominal period of the kernel [s]."""
        return self._tick_s

    @property
    def state(self) -> CellState:
        """A copy of the state after the last tick."""
        state, inputs = self._kernel.state, self._kernel.inputs
        valid = (int(inputs["slow_valid"]) >> np.arange(SLOW_SIGNALS)) & 1
        chain = state["chain"]
        return CellState(
            tick=int(inputs["tick"]),
            time_s=float(inputs["time_s"]),
            X_base_tool=unpack_pose(state["X_base_tool"].copy()),
            X_base_tool_cmd=unpack_pose(state["X_base_tool_cmd"].copy()),
            F_tool=state["F_tool"].copy(),
            F_tool_raw=state["F_tool_raw"].copy(),
            wrench_sensor=inputs["wrench"].copy(),
            ft_sequence=int(inputs["ft_sequence"]),
            q=inputs["q"].copy(),
            qd=inputs["qd"].copy(),
            tau=inputs["tau"].copy(),
            command=self._kernel.outputs["command"].copy(),
            slow=np.where(valid == 1, inputs["slow"], np.nan),
            force_limit_n=float(state["force_limit_n"]),
            ft_fault=FtFault(int(state["ft_fault"])),
            latched_fault=Cause(int(state["latched_fault"])),
            running=tuple(int(chain[channel]) != 0 for channel in CHANNELS),
        )

    async def run(
        self, chain: Chain, *, channel: int = ARM_CHANNEL, tag: int = 0, expects: Collection[str] = ()
    ) -> Outcome:
        """Run a chain to its end and return the last segment's outcome, with those before in ``earlier``.

        A chain that ends by reflex, limit, timeout or fault returns its outcome as well; ``require_normal`` raises.
        Reflexes named in ``expects`` are part of the plan: podhand-rt writes no recording of a fault for them.

        Raises:
            LimitError: the kernel refused the chain, with segment, rule, value and range; nothing has moved.
            StateError: the channel is busy; nothing has moved.
            StoppedByOperator: a person asked for a stop; the arm stands.
        """
        self._check_open()
        if channel not in CHANNELS:
            raise LimitError(f"channel must be one of {CHANNELS} (got {channel})")
        if channel in self._jobs:
            raise StateError(
                f"channel {channel} is running '{self._jobs[channel].compiled.segments[0]}': await it, or cancel it"
            )
        number, compiled = self._submit(chain, channel, tag, expects)
        longest_s = float(compiled.records["timeout_s"].sum()) + _STOP_ALLOWANCE_S * len(chain)
        job = _Job(
            number=number,
            compiled=compiled,
            future=asyncio.get_running_loop().create_future(),
            outcomes=[],
            overdue_tick=self.ticks + ceil(longest_s / self._tick_s),
        )
        self._jobs[channel] = job
        self.wake.set()
        try:
            return await job.future
        except asyncio.CancelledError:
            await self._see_off(job, channel)
            raise

    async def wait(self, seconds: float) -> None:
        """Let time pass, rounded up to ticks; chains of other clients go on. Raises as ``run``."""
        self._check_open()
        if not (np.isfinite(seconds) and seconds >= 0.0):
            raise LimitError(f"a wait must be finite and >= 0 s (got {seconds})")
        ticks = ceil(seconds / self._tick_s - 1e-9)
        if ticks == 0:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waits.append(_Wait(until_tick=self.ticks + ticks, future=future))
        self.wake.set()
        await future

    async def par(self, *branches: Coroutine[Any, Any, Any]) -> list[Any]:
        """Run branches side by side as clients of their own and return their results in order.

        When one raises, the others are cancelled, brought to rest, and the exception goes on.
        """
        if not branches:
            return []
        tasks = [asyncio.ensure_future(branch) for branch in branches]
        left = len(tasks)
        self._clients += left - 1

        def ended(_: "asyncio.Task[Any]") -> None:
            nonlocal left
            left -= 1
            if left:  # the last branch stands for the caller, who goes on
                self._clients -= 1
            self.wake.set()

        for task in tasks:
            task.add_done_callback(ended)
        try:
            _, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        except asyncio.CancelledError:
            await _cancel_all(tasks)
            raise
        failures = _failures(tasks)
        if pending:
            await _cancel_all(list(pending))
        # Every exception is looked at: asyncio reports unseen ones, with a traceback, when it collects the tasks.
        failures += _failures(list(pending))
        if failures:
            raise failures[0]
        return [task.result() for task in tasks]

    def cancel(self, channel: int | None = None) -> None:
        """End the running segment of a channel (all: None) with a controlled stop; its client gets the outcome."""
        self._kernel.cancel(-1 if channel is None else channel)
        if self._log:
            self._log.command("cancel", channel=-1 if channel is None else channel)

    def set_payload(self, index: int, *, mass_kg: float, com_sensor_m: FloatArray) -> None:
        """Replace a payload model. Raises LimitError when the kernel refuses it (a chain runs, value out of range)."""
        record = payload_record(mass_kg, com_sensor_m)
        try:
            self._kernel.set_payload(index, record)
        except _kernel.KernelRefusal as refusal:
            raise LimitError(f"payload {index} ({mass_kg:.3f} kg) refused: {refusal}") from refusal
        if self._log:
            self._log.command("set_payload", channel=index, payload=record.tobytes())

    def reset_fault(self) -> None:
        """Clear a latched fault whose cause is gone; nothing moves. Raises StateError when the kernel refuses."""
        try:
            self._kernel.reset_fault()
        except _kernel.KernelRefusal as refusal:
            raise StateError(f"the fault cannot be reset: {refusal}") from refusal
        if self._log:
            self._log.command("reset_fault")

    def listen(self, listener: Callable[[Outcome], None]) -> None:
        """Call ``listener`` with every outcome, in order."""
        self._listeners.append(listener)

    # ---- for hosts ----------------------------------------------------------------------------------------------

    def ready(self) -> bool:
        """Return whether every client awaits this session, so that time may pass."""
        waiting = sum(not job.future.done() for job in self._jobs.values())
        waiting += sum(not wait.future.done() for wait in self._waits)
        return waiting >= self._clients

    def next_deadline_tick(self) -> int | None:
        """Return the earliest tick that a client waits for."""
        return min((wait.until_tick for wait in self._waits), default=None)

    def ended(self) -> bool:
        """Return whether a chain that somebody awaits has come to its end."""
        chain = self._kernel.state["chain"]
        return any(chain[channel] != job.number for channel, job in self._jobs.items())

    def settle(self) -> None:
        """Look at the kernel after a tick: take outcomes, wake those whose chain or time is over."""
        self._take_outcomes()
        chain, now = self._kernel.state["chain"], self.ticks
        for channel in [c for c, job in self._jobs.items() if chain[c] != job.number]:
            job = self._jobs.pop(channel)
            if job.future.done():
                continue
            if job.outcomes:
                job.future.set_result(job.outcomes[-1])
            else:
                job.future.set_exception(StateError(f"the kernel dropped the chain of channel {channel}"))
        for channel in [c for c, job in self._jobs.items() if now > job.overdue_tick]:
            job = self._jobs.pop(channel)
            if not job.future.done():
                job.future.set_exception(
                    StateError(f"channel {channel} did not end '{job.compiled.segments[0]}' within all its timeouts")
                )
        for wait in [w for w in self._waits if w.until_tick <= now]:
            self._waits.remove(wait)
            if not wait.future.done():
                wait.future.set_result(None)

    def close(self, reason: PodhandError) -> None:
        """Refuse everything from now on with ``reason``; who waits gets it when the host lets clients run again."""
        self._closed_by = reason
        futures: list[asyncio.Future[Any]] = [job.future for job in self._jobs.values()]
        futures += [wait.future for wait in self._waits]
        for future in futures:
            if not future.done():
                future.set_exception(reason)

    # ---- inside -------------------------------------------------------------------------------------------------

    def _check_open(self) -> None:
        if self._closed_by is not None:
            raise self._closed_by

    def _submit(
        self, chain: Sequence[Any], channel: int, tag: int, expects: Collection[str]
    ) -> tuple[int, CompiledChain]:
        try:
            compiled = compile_chain(chain, tag=tag, expects=expects)
            number = self._kernel.submit(channel, compiled.records)
        except _kernel.KernelRefusal as refusal:
            names = ", ".join(f"{i} '{name}'" for i, name in enumerate(compiled.segments))
            raise LimitError(f"chain refused: {refusal} (segments {names})") from refusal
        except (ValueError, TypeError) as error:
            raise LimitError(f"chain refused: {error}") from error
        if self._log:
            self._log.command("submit", channel=channel, payload=compiled.records.tobytes(), names=compiled)
        return number, compiled

    async def _see_off(self, job: _Job, channel: int) -> None:
        """Bring a chain to rest whose client was cancelled."""
        if self._jobs.get(channel) is not job or self._closed_by is not None:
            return
        self.cancel(channel)
        while self._jobs.get(channel) is job:
            job.future = asyncio.get_running_loop().create_future()
            self.wake.set()
            try:
                await job.future
            except asyncio.CancelledError:
                continue  # a second cancellation changes nothing: the arm must come to rest first

    def _take_outcomes(self) -> None:
        while (record := self._kernel.take_outcome()) is not None:
            if self._log:
                self._log.outcome(record)
            job = self._jobs.get(int(record["channel"]))
            if job and job.number != int(record["chain"]):
                job = None
            outcome = decode_outcome(record, job.compiled if job else None, tuple(job.outcomes) if job else ())
            if job:
                job.outcomes.append(outcome)
            for listener in self._listeners:
                listener(outcome)


def _failures(tasks: Sequence["asyncio.Task[Any]"]) -> list[BaseException]:
    ended = [task for task in tasks if task.done() and not task.cancelled()]
    return [error for task in ended if (error := task.exception()) is not None]


async def _cancel_all(tasks: Sequence["asyncio.Task[Any]"]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
