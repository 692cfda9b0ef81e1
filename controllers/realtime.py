"""The real-time host: podhand-rt owns the kernel and its cycle, this process is its client.

Two ways to use it. With a plant of its own (a simulation in this process), time passes only while every client awaits
the session, as in lock-step: cameras and scoring see a cell that stands. Attached to a podhand-rt whose plant lives
elsewhere, time passes by itself.
"""

import os
import signal
import subprocess
import sys
import sysconfig
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import IntEnum, StrEnum
from itertools import count as numbers
from pathlib import Path
from shutil import which
from typing import IO, Any, Self

import numpy as np
from numpy.typing import NDArray

from podhand import _kernel
from podhand.controllers.host import Host, check_layout
from podhand.controllers.parameters import check_config, kernel_config
from podhand.controllers.recorder import Recorder
from podhand.controllers.statistics import HostStatistics, statistics_of
from podhand.core.clock import VirtualClock
from podhand.core.errors import DeviceError, StateError
from podhand.core.ports import Plant
from podhand.core.station import Station

__all__ = ["Arming", "EventKind", "Pace", "RealtimeHost", "RealtimeProcess", "audit_machine", "serve_plant"]

_BEAT_S = 0.05
_TURN_S = 0.05
_PATIENCE_S = 5.0
_START_S = 10.0
_END_S = 4.0
_NUMBERS = numbers(1)


class Pace(StrEnum):
    """How fast podhand-rt makes its ticks."""

    REAL = "real"
    """One per period of wall time, fewer when the plant is slower."""
    PLANT = "plant"
    """As fast as the plant answers."""


class EventKind(IntEnum):
    """What podhand-rt tells; the numbers are those of ``exchange.hpp``."""

    STARTED = 0
    LEASE_TAKEN = 1
    LEASE_RELEASED = 2
    LEASE_LOST = 3
    CLIENT_GONE = 4
    PLANT_SILENT = 5
    PLANT_BACK = 6
    STOP_ASKED = 7
    CYCLE_STALLED = 8
    LATE_TRIP = 9
    ARMING = 10
    TAKEN_OVER = 11


class Arming(IntEnum):
    """Whether the cell may be moved; the numbers are those of ``arming.hpp``, and in ``cell["arming"]``."""

    DISARMED = 0
    ARMED = 1
    FAULT_LATCHED = 2
    FAULT_ACKNOWLEDGED = 3


_CANCELLING = {
    EventKind.LEASE_RELEASED: "lose_lease",
    EventKind.LEASE_LOST: "lose_lease",
    EventKind.CLIENT_GONE: "lose_lease",
    EventKind.TAKEN_OVER: "lose_lease",
    EventKind.LATE_TRIP: "late_trip",
}
"""What a recording says of events that cancel motion."""


class RealtimeProcess:
    """A podhand-rt that this process started. It ends with this process, or when it is closed.

    Args:
        config: configuration record, see ``parameters.kernel_config``.
        name: of the shared memory, a slash and a word; a new one when None.
        pace: how fast it ticks.
        priority: of its cycle, SCHED_FIFO 1 to 98; 0 leaves the ordinary scheduler. What it got it says in ``log()``.
        lease_s: silence after which a client loses its lease; None: 0.25 s.
        most_late: this many ticks in a row that are late by its own fault end all motion; 0: they are only counted.
        flight_dir: folder for recordings of faults, 20 s before and 5 s after each; None: its flight recorder is in
            shared memory alone. One that was killed leaves it there (``controllers.flight``).

    Raises:
        DeviceError: it is not installed, or did not start; the message is its own.
    """

    def __init__(
        self,
        config: NDArray[np.void],
        *,
        name: str | None = None,
        pace: Pace = Pace.REAL,
        priority: int = 80,
        lease_s: float | None = None,
        most_late: int = 0,
        flight_dir: Path | None = None,
    ) -> None:
        self.name = name or f"/podhand-{os.getpid()}-{next(_NUMBERS)}"
        self._ready = False
        self._log: IO[bytes] = tempfile.TemporaryFile()
        lease_ms = round(1e3 * (lease_s or _kernel.LEASE_S))
        command = [_executable(), "--name", self.name, "--pace", pace.value, "--priority", str(priority),
                   "--lease-ms", str(lease_ms), "--late-ticks", str(most_late), "--end-with", str(os.getpid()),
                   *(["--flight-dir", str(flight_dir)] if flight_dir else [])]  # fmt: skip
        # A group of its own: Ctrl-C is for the client, which brings everything to rest first.
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, process_group=0
        )
        self._start(_kernel.config_block(config))

    def _start(self, block: bytes) -> None:
        assert self.process.stdin and self.process.stdout
        too_long = threading.Timer(_START_S, self.process.kill)
        too_long.start()
        try:
            self.process.stdin.write(block)
            self.process.stdin.close()
            ready = self.process.stdout.readline()
        except BrokenPipeError:
            ready = b""
        finally:
            too_long.cancel()
        self._ready = ready == b"ready\n"
        if not self._ready:
            self.process.wait()
            lines = self.log().splitlines() or [f"podhand-rt did not start within {_START_S} s"]
            self.close()
            raise DeviceError(lines[-1])

    @property
    def pid(self) -> int:
        """Of podhand-rt."""
        return self.process.pid

    def log(self) -> str:
        """Return what it has said so far: settings wanted and got, events."""
        return os.pread(self._log.fileno(), 1 << 20, 0).decode(errors="replace")

    def close(self) -> None:
        """Ask it to bring everything to rest and end; idempotent."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(_END_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()
        if self._ready and self.process.returncode < 0:  # killed: it could not take its memory away itself
            Path("/dev/shm", self.name[1:]).unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _executable() -> str:
    """Return where podhand-rt is: beside this interpreter, or on the path."""
    beside = Path(sysconfig.get_path("scripts")) / "podhand-rt"
    found = str(beside) if beside.exists() else which("podhand-rt", path=f"{Path(sys.executable).parent}:{os.defpath}")
    if found is None:
        raise DeviceError(f"podhand-rt is not installed ({beside} does not exist): install podhand again")
    return found


class _RemoteKernel:
    """The kernel in podhand-rt, with the face of the one in this process."""

    def __init__(self, client: Any, recorder: Recorder | None) -> None:
        self.client = client
        self.inputs: NDArray[np.void] = client.cell["inputs"]
        self.outputs: NDArray[np.void] = client.cell["outputs"]
        self.state: NDArray[np.void] = client.cell["state"]
        self._recorder = recorder

    def submit(self, channel: int, segments: NDArray[np.void]) -> int:
        number = 0

        def send() -> int:
            nonlocal number
            place, number = self.client.submit(channel, segments)
            return int(place)

        self._command(send)
        return number

    def cancel(self, channel: int) -> None:
        self._command(lambda: self.client.cancel(channel))

    def set_payload(self, index: int, payload: NDArray[np.void]) -> None:
        self._command(lambda: self.client.set_payload(index, payload))

    def reset_fault(self) -> None:
        """Acknowledge, reset, arm: who resets a fault by program means to go on."""
        self._command(self.client.acknowledge)
        self._command(self.client.reset_fault)
        self._command(self.client.arm)

    def take_outcome(self) -> NDArray[np.void] | None:
        record: NDArray[np.void] | None = self.client.take_outcome()
        if self.client.lost_outcomes:
            raise DeviceError(f"{self.client.lost_outcomes} outcomes were overwritten unread: this client was too slow")
        return record

    @property
    def busy_s(self) -> float:
        return float(self.client.cell["health"]["busy_s"])

    @property
    def overflow(self) -> int:
        return int(self.client.lost_ticks)

    def drain_ticks(self) -> bytes:
        return bytes(self.client.drain_ticks())

    def note_events(self) -> None:
        """Keep in the recording what podhand-rt did on its own."""
        while (event := self.client.take_event()) is not None:
            what = _CANCELLING.get(EventKind(int(event["kind"])))
            if self._recorder and what and int(event["moving"]):
                self._recorder.place = int(event["ticks"])
                self._recorder.command(what, channel=-1)

    def arm(self) -> None:
        self._command(self.client.arm)

    def disarm(self) -> None:
        self._command(self.client.disarm)

    def _command(self, send: Callable[[], int]) -> None:
        with translated():
            self.note_events()
            self._own()
            try:
                place = send()
            except _kernel.NotOwner:  # lost in this very moment
                self._own()
                place = send()
        if self._recorder:
            self._recorder.place = place

    def _own(self) -> None:
        """Take the lease and arm when nobody has it: also again, after a silence in which it was lost."""
        if self.client.holds_lease:
            return
        if self.client.take_lease():
            self._arm_with_new_lease()
            return
        raise StateError(
            f"process {self.client.owner_pid} commands this cell: this client may only look until it lets go"
        )

    def take_over(self) -> None:
        self.client.take_over()
        self._arm_with_new_lease()

    def _arm_with_new_lease(self) -> None:
        """A fault that is latched says so itself, with the next command."""
        with suppress(_kernel.KernelRefusal):
            self.client.arm()


@contextmanager
def translated() -> Iterator[None]:
    """Raise podhand's own errors."""
    try:
        yield
    except (_kernel.ExchangeError, _kernel.NotOwner) as error:
        raise DeviceError(str(error)) from error


class _Beat:
    """Says to podhand-rt, from a thread of its own, that this interpreter runs."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="podhand-beat", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._over.wait(_BEAT_S):
            self._client.beat()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()


class RealtimeHost(Host):
    """A client of podhand-rt with the face of ``LockstepHost``; see there for what it does.

    Args:
        name: of podhand-rt's shared memory.
        tick_s: its period [s].
        plant: stepped here, in turn with podhand-rt; None: its plant lives elsewhere (``serve_plant``), and time passes
            by itself.
        process: closed with this host.
        clock: advanced with the ticks; one is made when None.
        recorder: gets every command, tick and outcome; the caller closes it.
        take_over: take the lease from a client that has it; his motion is brought to rest. For a person who knows why.

    Its first command takes the lease and arms the cell.

    Raises:
        DeviceError: there is no podhand-rt of that name, or one of another build.
        StateError: another client commands, or a recorder without a plant.
    """

    def __init__(
        self,
        name: str,
        *,
        tick_s: float,
        plant: Plant | None = None,
        process: RealtimeProcess | None = None,
        clock: VirtualClock | None = None,
        recorder: Recorder | None = None,
        take_over: bool = False,
    ) -> None:
        check_layout()
        self.name = name
        self.plant, self.process = plant, process
        self._gone = False
        with translated():
            self.client = _kernel.Client(name)
            self._side = _kernel.PlantSide(name) if plant else None
        self._remote = _RemoteKernel(self.client, recorder)
        if self.client.owner_pid and not take_over:
            raise StateError(f"process {self.client.owner_pid} commands {name}: a second client may only look")
        if recorder and not plant:
            raise StateError("a recording begins with the first tick: only a host that brings the plant can keep one")
        if plant and self._side:
            plant.bind(self._side.inputs, self._side.outputs)
            if recorder:
                recorder.begin(self._side.inputs, self._side.outputs)
        super().__init__(self._remote, tick_s=tick_s, clock=clock, recorder=recorder)
        if not plant:
            self.ticks = self.session.ticks = int(self.client.cell["ticks"])
        self._beat = _Beat(self.client)
        if take_over:
            with translated():
                self._remote.take_over()

    @classmethod
    def for_station(
        cls,
        plant: Plant,
        station: Station,
        *,
        recording: Path | None = None,
        note: dict[str, str] | None = None,
        pace: Pace = Pace.REAL,
        priority: int = 80,
        flight_dir: Path | None = None,
    ) -> Self:
        """Start a podhand-rt with the station's parameters for this plant, and a recording when a path is given.

        Args as ``RealtimeProcess``.

        Raises:
            ConfigError: the kernel refuses the parameters; nothing was started.
            DeviceError: podhand-rt did not start.
        """
        config = kernel_config(station)
        check_config(config)
        facts = {"station": station.name, "host": "realtime", **(note or {})}
        process = RealtimeProcess(config, pace=pace, priority=priority, flight_dir=flight_dir)
        recorder = None
        try:
            recorder = Recorder(recording, config=config, note=facts) if recording else None
            return cls(process.name, tick_s=plant.tick_s, plant=plant, process=process, recorder=recorder)
        except BaseException:
            if recorder:
                recorder.close()
            process.close()
            raise

    @property
    def arming(self) -> Arming:
        """Whether the cell may be moved, as of the last tick or command."""
        return Arming(int(self.client.cell["arming"]))

    def arm(self) -> None:
        """Allow motion again after ``disarm`` or a trip on late ticks; moves nothing.

        Raises:
            StateError: a fault is latched, or another client commands.
        """
        self._arming(self._remote.arm)

    def disarm(self) -> None:
        """Cancel what moves and refuse chains from now on. Raises StateError when another client commands."""
        self._arming(self._remote.disarm)

    def _arming(self, command: Callable[[], None]) -> None:
        try:
            command()
        except _kernel.KernelRefusal as refusal:
            raise StateError(str(refusal)) from refusal

    @property
    def statistics(self) -> HostStatistics:
        """What podhand-rt has counted about itself so far."""
        return statistics_of(self.client, name=self.name, pid=self.client.host_pid, tick_s=self._tick_s)

    @property
    def health(self) -> dict[str, float]:
        """How podhand-rt itself is doing, see ``HostStatistics.summary``."""
        return self.statistics.summary()

    def close(self) -> None:
        """Complete the recording, give the lease back, end the podhand-rt that was started for this host."""
        try:
            super().close()
        finally:
            self._beat.stop()
            self.client.release_lease()
            if self.process:
                self.process.close()

    # ---- ticks --------------------------------------------------------------------------------------------------

    def _advance(self) -> None:
        try:
            super()._advance()
        except DeviceError as error:  # the clients get to know, and can do nothing more
            self._gone = True
            self.session.close(error)

    def _may_pass(self) -> bool:
        return not self._gone and (self.plant is None or self.session.ready())

    def _ticks(self, count: int) -> int:
        with translated():
            made = self._turns(count) if self.plant else self._look()
            self._remote.note_events()
        return made

    def _turns(self, count: int) -> int:
        """As in lock-step, with podhand-rt as the kernel."""
        step, turn, running = self.plant.step, self._turn, self._running  # type: ignore[union-attr]
        step()
        turn()
        before = running[0]
        if self.session.ended():
            return 1
        for made in range(2, count + 1):
            step()
            turn()
            if running[0] != before:
                return made
        return count

    def _turn(self) -> None:
        """Give readings to podhand-rt, take its set-points, look at the cell."""
        side, patience = self._side, round(_PATIENCE_S / _TURN_S)
        assert side is not None
        while not side.exchange(_TURN_S):
            patience -= 1
            if patience == 0:
                raise DeviceError(f"podhand-rt has not answered the plant for {_PATIENCE_S} s: is it stopped?")
        self.client.refresh()

    def _look(self) -> int:
        """Wait until the cell has moved on, wherever its plant is."""
        waits = round(_PATIENCE_S / _TURN_S)
        while not self.client.wait_beyond(self.ticks, _TURN_S):
            waits -= 1
            if waits == 0:
                raise DeviceError(f"podhand-rt has made no tick for {_PATIENCE_S} s: does its plant run?")
        return int(self.client.cell["ticks"]) - self.ticks

    def _leave_at_rest(self) -> None:
        # What moves without this client's lease is not its own: podhand-rt stops the motion of those who lost theirs.
        if not self._gone and self.client.holds_lease:
            super()._leave_at_rest()


def audit_machine(
    *, root: str = "", priority: int = 80, cpu: int | None = None, nic: str | None = None
) -> list[tuple[str, str, str, int, str, str]]:
    """Look at this machine as podhand-rt does before it starts; see ``_kernel.audit_host`` for the columns."""
    return _kernel.audit_host(root=root, priority=priority, cpu=-1 if cpu is None else cpu, nic=nic or "")


def serve_plant(plant: Plant, name: str, *, until: Callable[[], bool] = lambda: False) -> str:
    """Run a plant for a podhand-rt in this process, in turn with it, until ``until`` says so or podhand-rt has ended.

    Returns why it ended, in words. The plant stands from then on: its time passes only by podhand-rt's set-points.
    """
    with translated():
        side = _kernel.PlantSide(name)
    plant.bind(side.inputs, side.outputs)
    try:
        while not until():
            if side.exchange(_TURN_S):
                plant.step()
    except _kernel.ExchangeError as error:
        return str(error)
    return "stopped on request: the plant stands"
