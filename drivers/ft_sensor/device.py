"""What both sensors are to the cycle that reads them: no thread, no waiting, one look per tick."""

import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from podhand.core.clock import Clock, MonotonicClock
from podhand.core.errors import DeviceError
from podhand.drivers.ft_sensor.wrench import WrenchReading, WrenchTrack


@dataclass(frozen=True, kw_only=True)
class FtStatistics:
    """How a sensor and its line have done since they were opened."""

    received: int
    lost: int
    """Samples that never came, by the gaps in their numbers."""
    rejected: dict[str, int]
    """What was not taken, by reason."""
    bad: dict[str, int]
    """Samples that came well and were not good, by kind."""
    longest_equal_run: int


class FtSensor(ABC):
    """A sensor from ``with`` to its end. ``update`` once per cycle, then ``reading`` or ``write_inputs``.

    Not thread-safe: it belongs to the cycle that reads it. A pause of the cycle loses nothing but time: what has come
    meanwhile is taken in order, and what is old looks old.
    """

    def __init__(self, name: str, track: WrenchTrack, clock: Clock | None) -> None:
        self.name = name
        """What and where, for messages."""
        self._track = track
        self._clock = clock or MonotonicClock()

    @abstractmethod
    def __enter__(self) -> Self: ...

    @abstractmethod
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    @abstractmethod
    def update(self) -> None:
        """Take in what has arrived; never waits, never raises for what a sensor or a line does."""

    @abstractmethod
    def reading(self) -> WrenchReading:
        """Return the wrench as it is known now."""

    @property
    def period_s(self) -> float:
        """The sensor's own period [s]."""
        return self._track.limits.period_s

    @property
    def statistics(self) -> FtStatistics:
        """Counters since it was opened."""
        track = self._track
        return FtStatistics(
            received=track.received,
            lost=track.lost,
            rejected={reason.value: count for reason, count in sorted(track.rejects.items())},
            bad={kind.value: count for kind, count in sorted(track.bad.items())},
            longest_equal_run=track.longest_equal_run,
        )

    def events(self) -> list[tuple[float, str]]:
        """Return the last changes between valid and not, with their times, oldest first."""
        return list(self._track.events)

    def write_inputs(self, inputs: NDArray[np.void]) -> None:
        """Write the wrench with status, sequence and period into a record of ``INPUTS_DTYPE``."""
        self.reading().write_inputs(inputs, period_s=self.period_s)

    def wait_valid(self, timeout_s: float = 2.0) -> WrenchReading:
        """Update until the wrench is valid; for programs without a cycle of their own.

        Raises DeviceError with what stands in the way; nothing but the stream was asked for.
        """
        end_s = time.monotonic() + timeout_s
        while True:
            self.update()
            reading = self.reading()
            if reading.valid:
                return reading
            if time.monotonic() >= end_s:
                raise DeviceError(f"{self.name}: no valid wrench after {timeout_s} s ({reading.why_not})")
            time.sleep(self.period_s / 2)
