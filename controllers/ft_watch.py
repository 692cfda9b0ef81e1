"""When a bias may be taken anew, and whether it changes while nothing touches the tool."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from podhand.controllers.ft_identification import QualityBounds, Standstill, unquiet
from podhand.core.errors import LimitError
from podhand.core.poses import FloatArray

__all__ = ["DriftReport", "DriftState", "DriftWatch", "TareBounds", "refuse_tare"]


@dataclass(frozen=True, kw_only=True)
class TareBounds:
    """What a tare must keep. Shares of the sensor's range: 330 N and 30 N m make the figures in brackets."""

    quality: QualityBounds
    change: float = 0.015
    """Since the last bias (5 N, 0.45 N m): less than what a leaning item or a cable pulls with."""
    total: float = 0.05
    """Since the calibration (16 N, 1.5 N m)."""
    joint_speed_rad_s: float = 0.01
    tool_travel_m: float = 0.0005
    """While it is taken."""


def refuse_tare(
    stand: Standstill,
    felt: FloatArray,
    bounds: TareBounds,
    *,
    joint_speed_rad_s: float,
    tool_travel_m: float,
    since_calibration: FloatArray | None = None,
) -> str:
    """Return why a tare is refused, in words, or nothing: standing still, quiet, within bounds of the last one.

    Args:
        stand: the readings.
        felt: (6,) mean reading less weight and last bias, sensor axes: how far the bias would change.
        bounds: what must be kept.
        joint_speed_rad_s: largest measured speed of a joint meanwhile.
        tool_travel_m: largest measured way of the tool meanwhile.
        since_calibration: (6,) change of the bias since the calibration, when there is one.
    """
    if joint_speed_rad_s > bounds.joint_speed_rad_s or tool_travel_m > bounds.tool_travel_m:
        return (
            f"the arm does not stand still: a joint moves at {joint_speed_rad_s:.3f} rad/s (at most "
            f"{bounds.joint_speed_rad_s:g}), the tool moved by {1e3 * tool_travel_m:.2f} mm (at most "
            f"{1e3 * bounds.tool_travel_m:g} mm): wait until it stands"
        )
    if words := unquiet(stand, bounds.quality):
        return words
    if words := _too_far(felt, bounds.quality, bounds.change, "since the last one"):
        return f"{words}: the tool touches something or holds an item, or the sensor took a blow; free it, tare again"
    if since_calibration is not None and (
        words := _too_far(since_calibration, bounds.quality, bounds.total, "since the calibration")
    ):
        return f"{words}: calibrate again (podhand ft calibrate)"
    return ""


def _too_far(change: FloatArray, quality: QualityBounds, share: float, since: str) -> str:
    force, torque = (float(np.linalg.norm(part)) for part in (change[:3], change[3:]))
    most_n, most_n_m = quality.of(share)
    if force <= most_n and torque <= most_n_m:
        return ""
    return (
        f"the bias would change by {force:.2f} N, {torque:.3f} N m {since} (at most {most_n:.2f} N, {most_n_m:.3f} N m)"
    )


class DriftState(StrEnum):
    """What the watch says."""

    UNKNOWN = "unknown"
    """Not watched for long enough."""
    STEADY = "steady"
    DRIFTING = "drifting"
    """Reported: tare more often."""
    REFUSED = "refused"
    """Over the bound: the sensor is not to be used."""


@dataclass(frozen=True, kw_only=True)
class DriftReport:
    """What the watch has seen since something last moved or touched."""

    state: DriftState
    watched_s: float
    force_n_s: float
    """|drift| of the force."""
    torque_n_m_s: float
    changed_n: float
    changed_n_m: float
    words: str


class DriftWatch:
    """Tells slow change of the bias from contact while the tool should be free. Feed it from one place, in time.

    Means over windows are compared. A window that differs from the one before by more than drift explains is a contact
    or a blow: the watch then begins anew, and counts it. So does motion.

    Args:
        bounds: of the sensor; ``drift_per_s`` is where it refuses, a third of it where it reports.
        noise: (6,) standard deviation of a sample.
        window_s: over which readings are averaged.
        least_windows: before this it says nothing.
    """

    def __init__(
        self,
        bounds: QualityBounds,
        noise: Sequence[float] | FloatArray,
        *,
        window_s: float = 1.0,
        least_windows: int = 8,
    ) -> None:
        if not window_s > 0.0 or least_windows < 3:
            raise LimitError(
                f"a drift watch needs window_s > 0 and 3 windows at least (got {window_s}, {least_windows})"
            )
        self._bounds = bounds
        self._noise = np.asarray(noise, float)
        self._window_s, self._least = window_s, least_windows
        self._means: deque[tuple[float, FloatArray]] = deque(maxlen=3600)
        self._sum, self._count, self._begun_s = np.zeros(6), 0, 0.0
        self.contacts = 0
        """How often something touched, as far as seen."""

    def feed(self, time_s: float, felt: FloatArray, *, standing: bool) -> None:
        """Take one reading less weight and bias (6,), sensor axes, and whether the arm stood."""
        if not standing:
            self._begin_anew()
            return
        if self._count == 0:
            self._begun_s = time_s
        self._sum += felt
        self._count += 1
        if time_s - self._begun_s >= self._window_s:
            self._close(time_s)

    def _close(self, time_s: float) -> None:
        mean, middle_s = self._sum / self._count, 0.5 * (self._begun_s + time_s)
        jitter = 6.0 * np.sqrt(2.0 / self._count) * self._noise
        self._sum, self._count = np.zeros(6), 0
        if self._means:
            before_s, before = self._means[-1]
            # Ten times the drift that is refused is no drift any more.
            explained = jitter + 10.0 * (middle_s - before_s) * np.repeat(self._bounds.of(self._bounds.drift_per_s), 3)
            if (np.abs(mean - before) > explained).any():
                self.contacts += 1
                self._means.clear()
        self._means.append((middle_s, mean))

    def _begin_anew(self) -> None:
        self._means.clear()
        self._sum, self._count = np.zeros(6), 0

    def report(self) -> DriftReport:
        """Judge what was seen so far."""
        if len(self._means) < self._least:
            watched_s = self._means[-1][0] - self._means[0][0] if self._means else 0.0
            return DriftReport(
                state=DriftState.UNKNOWN, watched_s=watched_s, force_n_s=0.0, torque_n_m_s=0.0, changed_n=0.0,
                changed_n_m=0.0, words=f"watched for {watched_s:.0f} s without motion and contact: too short to say",
            )  # fmt: skip
        times = np.array([t for t, _ in self._means])
        means = np.array([mean for _, mean in self._means])
        slope = np.polyfit(times - times.mean(), means, 1)[0]
        watched_s = float(times[-1] - times[0])
        force, torque = (float(np.linalg.norm(part)) for part in (slope[:3], slope[3:]))
        most_n_s, most_n_m_s = self._bounds.of(self._bounds.drift_per_s)
        ratio = max(force / most_n_s, torque / most_n_m_s)
        rate = f"{60 * force:.2f} N/min, {60 * torque:.3f} N m/min"
        if ratio > 1.0:
            state = DriftState.REFUSED
            words = (
                f"the bias drifts by {rate} (at most {60 * most_n_s:.2f} N/min, {60 * most_n_m_s:.3f} N m/min): let "
                "the sensor warm up; if it goes on, have it checked"
            )
        elif ratio > 1.0 / 3.0:
            state, words = DriftState.DRIFTING, f"the bias drifts by {rate}: tare before every motion that feels"
        else:
            state, words = DriftState.STEADY, f"the bias drifts by {rate}"
        return DriftReport(
            state=state, watched_s=watched_s, force_n_s=force, torque_n_m_s=torque,
            changed_n=force * watched_s, changed_n_m=torque * watched_s, words=words,
        )  # fmt: skip
