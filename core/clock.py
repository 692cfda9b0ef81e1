"""Injected time: nothing in podhand reads the wall clock on its own to decide anything."""

import time
from typing import Protocol


class Clock(Protocol):
    """Monotonic time in seconds."""

    def now_s(self) -> float:
        """Return the time since an arbitrary start [s]; never goes back."""
        ...


class MonotonicClock:
    """The machine's monotonic clock."""

    def now_s(self) -> float:
        """Return the machine's monotonic time [s]."""
        return time.monotonic()


class VirtualClock:
    """A clock that moves only when told to: lock-step hosts and tests."""

    def __init__(self, start_s: float = 0.0) -> None:
        self._now_s = start_s

    def now_s(self) -> float:
        """Return the virtual time [s]."""
        return self._now_s

    def advance(self, by_s: float) -> None:
        """Move the clock forward by ``by_s`` >= 0 seconds."""
        if by_s < 0.0:
            raise ValueError(f"a clock cannot go back (got {by_s} s)")
        self._now_s += by_s
