"""What is known of the wrench: its newest good sample, how old that is, and why it may not be used.

Everything is judged by the sensor's own period. A sample that was held up on its way looks old, never young: the
sensor's numbering says when it was made, relative to those that came through fastest.
"""

import math
from collections import Counter, deque
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from podhand.core.errors import ConfigError
from podhand.core.exchange import FtStatus
from podhand.firmware_iface.ft_reject import FtReject

STALE_PERIODS = 3.0
"""A good sample older than this many of the sensor's periods is not valid."""
SETTLE_SAMPLES = 3
"""Samples in order that make a stream: a single one between two restarts proves nothing."""
_CLOCK_DRIFT = 500e-6
"""How much slower than ours the sensor's clock may run: two crystals stay well below."""
_KEPT_EVENTS = 100
_NAMES = ("force x", "force y", "force z", "torque x", "torque y", "torque z")

Wrench = tuple[float, float, float, float, float, float]
_NEVER: Wrench = (math.nan, math.nan, math.nan, math.nan, math.nan, math.nan)


class BadSample(StrEnum):
    """Kinds by which samples are counted that came well and were not good."""

    REPORTED = "sensor reports an error"
    SATURATED = "saturated"
    NOT_A_NUMBER = "not a number"
    FROZEN = "reading stands still"


@dataclass(frozen=True, kw_only=True)
class WrenchLimits:
    """What a sensor can do; none of it has a default but the count of equal readings."""

    period_s: float
    """Time between samples as the sensor is configured [s], 0.1 … 20 ms."""
    range_force_n: float
    """A component at or above it is saturated, whatever the status says."""
    range_torque_n_m: float
    frozen_periods: int = 3
    """Equal samples after a first one that make a reading frozen; a live sensor shows noise in six axes at once."""

    def __post_init__(self) -> None:
        if not 1e-4 <= self.period_s <= 0.02:
            raise ConfigError(f"period_s of an F/T sensor must be in 0.0001 … 0.02 s (got {self.period_s})")
        for name, value, most in (
            ("range_force_n", self.range_force_n, 5000.0),
            ("range_torque_n_m", self.range_torque_n_m, 500.0),
        ):
            if not 0.0 < value <= most:
                raise ConfigError(f"{name} of an F/T sensor must be in 0 … {most} (got {value}); see its data sheet")
        if not 2 <= self.frozen_periods <= 1000:
            raise ConfigError(f"frozen_periods of an F/T sensor must be in 2 … 1000 (got {self.frozen_periods})")


@dataclass(frozen=True, kw_only=True)
class WrenchReading:
    """The wrench as it was last measured well. A bad sample never becomes zero: the value stays, its age grows."""

    wrench: Wrench
    """Force [N] and torque [N m] that the world exerts on the sensor's tool side, in its axes; NaN before the first."""
    sequence: int
    """Good samples so far, modulo 2^32."""
    age_s: float
    """Time since it was measured [s]."""
    status: FtStatus
    why_not: str = ""
    """In words, empty while valid."""

    @property
    def valid(self) -> bool:
        """True when a loop may be closed over it."""
        return self.status is FtStatus.OK

    def write_inputs(self, inputs: NDArray[np.void], *, period_s: float) -> None:
        """Write it into a record of ``INPUTS_DTYPE``: a reading that is not valid keeps value and sequence."""
        inputs["wrench"] = self.wrench
        inputs["ft_period_s"] = period_s
        inputs["ft_status"] = int(self.status)
        inputs["ft_sequence"] = self.sequence


class WrenchTrack:
    """Takes samples and the passing of time; judges. Times must never go back."""

    def __init__(self, limits: WrenchLimits, *, look_at: str) -> None:
        """``look_at`` names what a technician looks at when nothing comes."""
        self.limits = limits
        self._look_at = look_at
        self.rejects: Counter[FtReject] = Counter()
        """What was not taken, by reason."""
        self.bad: Counter[BadSample] = Counter()
        """Samples that came well and were not good, by kind."""
        self.received = 0
        """Samples taken, good or not."""
        self.lost = 0
        """Samples that never came, by the gaps in their numbers."""
        self.longest_equal_run = 0
        """Equal samples in a row so far: near ``frozen_periods`` on a live sensor, that limit is too tight."""
        self.events: deque[tuple[float, str]] = deque(maxlen=_KEPT_EVENTS)
        """Changes between valid and not, with their times, oldest first."""
        self._good: Wrench = _NEVER
        self._good_s = self._heard_s = -math.inf
        self._sequence = 0
        self._status, self._why = FtStatus.INVALID, ""
        self._newest: Wrench | None = None
        self._equal_run = 0
        self._delay_s = math.inf
        self._sensor_s = math.inf
        self._in_stream = 0
        self._said = ""

    def restart(self, *, delay_s: float = math.inf) -> None:
        """The sensor begins to count anew; ``delay_s`` is the least that its samples take, if known [s].

        The reading stays, and ages.
        """
        self._delay_s, self._sensor_s = delay_s, math.inf
        self._in_stream = 0

    def take(self, wrench: Wrench, *, status: FtStatus, why: str, sensor_s: float, now_s: float) -> None:
        """Take one sample, newer than all before; ``sensor_s`` is when it was made, from any start [s]."""
        self.received += 1
        self._in_stream += 1
        self._heard_s = now_s
        sampled_s = self._sampled_s(sensor_s, now_s)
        self._count_equal(wrench)
        bad: BadSample | None
        if status is not FtStatus.OK:
            bad = BadSample.SATURATED if status is FtStatus.SATURATED else BadSample.REPORTED
        else:
            bad, status, why = self._judge(wrench)
        self._status, self._why = status, why
        if bad is None:
            self._good, self._good_s = wrench, sampled_s
            self._sequence = (self._sequence + 1) % (1 << 32)
        else:
            self.bad[bad] += 1

    def is_late(self, now_s: float) -> bool:
        """Return whether good samples come, but too old ones."""
        stale_s = STALE_PERIODS * self.limits.period_s
        return self._status is FtStatus.OK and now_s - self._heard_s <= stale_s < now_s - self._good_s

    def reading(self, now_s: float) -> WrenchReading:
        """Return what is known now."""
        age_s = max(now_s - self._good_s, 0.0)
        status, why = self._status, self._why
        if now_s - self._heard_s > STALE_PERIODS * self.limits.period_s:
            status |= FtStatus.INVALID
            why = f"nothing comes: look at {self._look_at}"
        elif status is FtStatus.OK and self._in_stream < SETTLE_SAMPLES:
            status, why = FtStatus.INVALID, "the stream begins"
        elif self.is_late(now_s):
            status = FtStatus.INVALID
            why = f"samples come late, or slower than every {self.limits.period_s * 1e3:g} ms"
        return WrenchReading(wrench=self._good, sequence=self._sequence, age_s=age_s, status=status, why_not=why)

    def note_change(self, now_s: float, *, why_not: str) -> None:
        """Remember when the reading became valid, or not valid for another reason."""
        if why_not != self._said:
            self._said = why_not
            self.events.append((now_s, why_not or "valid again"))

    def _sampled_s(self, sensor_s: float, now_s: float) -> float:
        """Return when a sample was made, by our clock, if the fastest one took no time."""
        drift_s = _CLOCK_DRIFT * max(sensor_s - self._sensor_s, 0.0)
        self._sensor_s = sensor_s
        self._delay_s = min(now_s - sensor_s, self._delay_s + drift_s)
        return sensor_s + self._delay_s

    def _count_equal(self, wrench: Wrench) -> None:
        self._equal_run = self._equal_run + 1 if wrench == self._newest else 0
        self.longest_equal_run = max(self.longest_equal_run, self._equal_run)
        self._newest = wrench

    def _judge(self, wrench: Wrench) -> tuple[BadSample | None, FtStatus, str]:
        if not all(map(math.isfinite, wrench)):
            return BadSample.NOT_A_NUMBER, FtStatus.INVALID, "a component is not a number"
        ranges = (self.limits.range_force_n,) * 3 + (self.limits.range_torque_n_m,) * 3
        beyond = [name for name, value, most in zip(_NAMES, wrench, ranges, strict=True) if abs(value) >= most]
        if beyond:
            return BadSample.SATURATED, FtStatus.SATURATED, f"{', '.join(beyond)} at the end of the range"
        if self._equal_run >= self.limits.frozen_periods:
            return BadSample.FROZEN, FtStatus.INVALID, BadSample.FROZEN.value
        return None, FtStatus.OK, ""
