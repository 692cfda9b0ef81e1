"""What is noted while an episode runs: forces for the plot, peaks for the result, pictures for the report."""

import numpy as np

from podhand.app.plots import ForceTrace
from podhand.controllers.host import Host
from podhand.controllers.outcomes import Cause, Outcome

SAMPLE_TICKS = 4
FAULTS = frozenset(
    {Cause.SENSOR_INVALID, Cause.AXIS_INVALID, Cause.EMERGENCY_STOP, Cause.FOLLOWING_ERROR, Cause.SINGULAR}
)
"""Causes that say something is wrong with the machine, not with the stow."""


class ForceWatch:
    """Samples the force on the tool and its limit beside the running kernel."""

    def __init__(self, host: Host) -> None:
        state = host.kernel.state
        self._filtered, self._raw = state["F_tool"][:3], state["F_tool_raw"][:3]
        self._time, self._limit = host.kernel.inputs, state
        self._rows: list[tuple[float, float, float, float]] = []
        host.observe(self._sample, every_ticks=SAMPLE_TICKS)

    def _sample(self) -> None:
        filtered, raw = self._filtered, self._raw
        self._rows.append(
            (
                float(self._time["time_s"]),
                float(filtered @ filtered) ** 0.5,
                float(raw @ raw) ** 0.5,
                float(self._limit["force_limit_n"]),
            )
        )

    def trace(self) -> ForceTrace:
        """Return what was sampled."""
        rows = np.array(self._rows or [(0.0, 0.0, 0.0, np.inf)])
        limit = np.where(rows[:, 3] > 0.0, rows[:, 3], np.inf)
        return ForceTrace(time_s=rows[:, 0], filtered_n=rows[:, 1], raw_n=rows[:, 2], limit_n=limit)


class OutcomeWatch:
    """Collects the peaks and faults of all outcomes of an episode."""

    def __init__(self, host: Host) -> None:
        self.peak_raw_n = 0.0
        self.peak_filtered_n = 0.0
        self.max_ratio = 0.0
        self.late_ticks = 0
        self.fault = ""
        self.over_force = ""
        host.session.listen(self._take)

    def _take(self, outcome: Outcome) -> None:
        self.peak_raw_n = max(self.peak_raw_n, outcome.peak_raw_force_norm_n)
        self.peak_filtered_n = max(self.peak_filtered_n, outcome.peak_force_norm_n)
        self.max_ratio = max(self.max_ratio, outcome.max_force_ratio)
        self.late_ticks += outcome.late_ticks
        if outcome.max_force_ratio > 1.0 and not self.over_force:
            self.over_force = (
                f"{outcome.segment}: force reached {100 * outcome.max_force_ratio:.0f} % of its limit "
                f"(peak {outcome.peak_force_norm_n:.1f} N)"
            )
        if outcome.cause in FAULTS and not self.fault:
            self.fault = outcome.in_words()
