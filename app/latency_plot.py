"""Wake latencies as a picture."""

from collections.abc import Mapping
from io import BytesIO
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from podhand.app.plots import FORCE, GRID, MUTED, STYLE
from podhand.bench.wake_latency import Latencies, WakeLatency


def wake_plot(wake: WakeLatency, host: Mapping[str, Any]) -> bytes:
    """Return a PNG: the share of wake-ups that were later than a latency; logarithmic axes show the rare ones."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.5, 4.2), layout="constrained")
        axes = figure.add_subplot()
        _draw(axes, wake.ours, "podhand-rt", FORCE)
        if wake.cyclictest:
            _draw(axes, wake.cyclictest, "cyclictest", MUTED)
        axes.set(xscale="log", yscale="log", xlabel="wake latency [µs]", ylabel="share of wake-ups that were later")
        axes.grid(color=GRID, which="both", linewidth=0.5)
        axes.legend(frameon=False)
        rt = "PREEMPT_RT" if host["preempt_rt"] else "no real-time kernel"
        axes.set_title(f"{host['cpu']}, {host['kernel']} ({rt}), load {host['load'][0]}")
        stream = BytesIO()
        figure.savefig(stream, format="png", dpi=110)
    return stream.getvalue()


def _draw(axes: Axes, latencies: Latencies, label: str, color: str) -> None:
    filled = np.flatnonzero(latencies.counts)
    later = 1.0 - np.cumsum(latencies.counts[filled]) / latencies.count
    ends_us = 1e6 * np.minimum(latencies.ends_s[filled], latencies.max_s)
    # The last step falls to none at all: it ends at one in all.
    words = f"{label}: median {1e6 * latencies.quantile_s(0.5):.0f} µs, max {1e6 * latencies.max_s:.0f} µs"
    axes.step(ends_us, np.maximum(later, 1.0 / latencies.count), where="post", color=color, label=words)
