"""The flight recorder of podhand-rt: its last minute, in shared memory that outlives it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from podhand import _kernel
from podhand.core.errors import ConfigError, DeviceError, RecordingError

__all__ = ["FlightFacts", "SavedFlight", "drop_flight", "flights", "save_flight"]

_SHARED_MEMORY: Final = Path("/dev/shm")
_SUFFIX: Final = ".flight"


@dataclass(frozen=True, kw_only=True)
class FlightFacts:
    """What a flight recorder holds."""

    name: str
    """Of the podhand-rt, as for ``podhand stats``."""
    pid: int
    runs: bool
    ticks: int
    """Made since it started; the last 65 s of them are there."""
    tick_s: float
    faults: tuple[str, ...]
    """In words, oldest first."""


@dataclass(frozen=True, kw_only=True)
class SavedFlight:
    """A recording that was written from a flight recorder."""

    path: Path
    from_ticks: int
    to_ticks: int
    commands: int
    outcomes: int
    length_s: float


def flights(folder: Path = _SHARED_MEMORY) -> list[FlightFacts]:
    """Return the flight recorders on this machine that this user and this build can read."""
    return list(_readable(folder))


def _readable(folder: Path) -> Iterator[FlightFacts]:
    for path in sorted(folder.glob(f"*{_SUFFIX}")):
        name = f"/{path.name.removesuffix(_SUFFIX)}"
        try:
            record = _kernel.FlightRecord(name)
        except _kernel.ExchangeError:
            continue
        yield _facts(name, record)


def save_flight(name: str, path: Path, *, last_s: float | None = None) -> SavedFlight:
    """Write what a flight recorder holds as a recording, of a podhand-rt that runs or of one that was killed.

    Nothing is taken away from it, and a podhand-rt that runs is not disturbed.

    Args:
        name: of the podhand-rt.
        path: the file to write; its folder exists.
        last_s: keep this much at least; None: all there is.

    Raises:
        DeviceError: there is no such flight recorder, or it is of another build.
        ConfigError: the file exists.
        RecordingError: nothing was recorded yet, or the file cannot be written.
    """
    if path.exists():
        raise ConfigError(f"{path} exists; choose another file")
    record = _attach(name)
    facts = _facts(name, record)
    wanted = 0 if last_s is None else max(0, facts.ticks - round(last_s / facts.tick_s))
    ending = "saved while it ran" if facts.runs else "podhand-rt ended without saying so"
    why = "; ".join((ending, *facts.faults[-3:]))
    try:
        from_ticks, to_ticks, commands, outcomes = record.save(str(path), wanted, why)
    except _kernel.ExchangeError as error:
        raise RecordingError(f"{name}: {error}") from error
    return SavedFlight(path=path, from_ticks=from_ticks, to_ticks=to_ticks, commands=commands, outcomes=outcomes,
                       length_s=(to_ticks - from_ticks) * facts.tick_s)  # fmt: skip


def drop_flight(name: str) -> None:
    """Give back the memory of a flight recorder whose podhand-rt is dead.

    Raises DeviceError when there is none, or when its podhand-rt runs; nothing was changed.
    """
    facts = _facts(name, _attach(name))
    if facts.runs:
        raise DeviceError(
            f"podhand-rt {name} (process {facts.pid}) runs: it takes its flight recorder away when it ends"
        )
    (_SHARED_MEMORY / f"{name[1:]}{_SUFFIX}").unlink()


def _attach(name: str) -> Any:
    try:
        return _kernel.FlightRecord(name)
    except _kernel.ExchangeError as error:
        raise DeviceError(f"{error}; `podhand flight list` shows what is there") from error


def _facts(name: str, record: Any) -> FlightFacts:
    return FlightFacts(name=name, pid=record.host_pid, runs=not record.host_gone, ticks=record.ticks,
                       tick_s=record.tick_s, faults=tuple(record.faults()))  # fmt: skip
