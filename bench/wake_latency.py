"""How late podhand-rt's cycle wakes up, beside ``cyclictest`` of rt-tests, in turn on the same machine."""

import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from podhand import _kernel
from podhand.bench.timing import Measurement
from podhand.controllers.realtime import RealtimeHost
from podhand.controllers.statistics import Histogram
from podhand.core.exchange import Axis
from podhand.core.station import Station, load_station

ROUNDS = 5
PRIORITY = 80
_HISTOGRAM_US: Final = 20_000
_BIN = re.compile(r"^(\d+)\s+(\d+)$", re.MULTILINE)
_OVERFLOWS = re.compile(r"^# Histogram Overflows:\s*(\d+)", re.MULTILINE)
_MAX = re.compile(r"^# Max Latencies:\s*(\d+)", re.MULTILINE)


@dataclass(frozen=True, kw_only=True, eq=False)
class Latencies:
    """Wake latencies as counts."""

    ends_s: NDArray[np.float64]
    """Upper end of each bucket; the last is the largest seen."""
    counts: NDArray[np.int64]
    max_s: float

    @property
    def count(self) -> int:
        """How many wake-ups."""
        return int(self.counts.sum())

    def quantile_s(self, share: float) -> float:
        """Return the latency that ``share`` of all do not exceed, up to the end of its bucket."""
        reached = np.cumsum(self.counts)
        bucket = int(np.searchsorted(reached, np.ceil(share * reached[-1])))
        return min(float(self.ends_s[bucket]), self.max_s)

    def plus(self, other: "Latencies") -> "Latencies":
        """Return both together; the buckets are the same."""
        return Latencies(ends_s=self.ends_s, counts=self.counts + other.counts, max_s=max(self.max_s, other.max_s))

    def to_json(self) -> dict[str, object]:
        """Return quantiles [ns] and the buckets that hold something: upper end [ns], count."""
        filled = np.flatnonzero(self.counts)
        return {
            "unit": "ns", "n": self.count, "max": 1e9 * self.max_s,
            **{name: 1e9 * self.quantile_s(share) for name, share in (("p50", 0.5), ("p99", 0.99), ("p999", 0.999))},
            "buckets": [[1e9 * float(self.ends_s[i]), int(self.counts[i])] for i in filled],
        }  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class WakeLatency:
    """What came out."""

    ours: Latencies
    scheduler: str
    """What podhand-rt got, in its own words."""
    cyclictest: Latencies | None
    skipped: str
    """Why there is no cyclictest; empty when there is."""
    ratio: float | None
    """Median of cyclictest over ours, median of the rounds: more than 1 is better."""

    def measurement(self) -> Measurement:
        """Return the row ``wake_latency``."""
        p50, p99, p999 = (1e9 * self.ours.quantile_s(share) for share in (0.5, 0.99, 0.999))
        ratios = {} if self.ratio is None else {"cyclictest": self.ratio}
        return Measurement(
            name="wake_latency", unit="ns", p50=p50, p99=p99, p999=p999, n=self.ours.count, ratios=ratios
        )


def bench_wake_latency(seconds: float, *, rounds: int = ROUNDS) -> WakeLatency:
    """Let podhand-rt and cyclictest run in turn, each ``seconds`` in every round, with the same priority and period."""
    station = load_station("sim-stow")
    ours: list[Latencies] = []
    theirs: list[Latencies] = []
    skipped = missing_cyclictest()
    with RealtimeHost.for_station(_Standing(station), station, priority=PRIORITY) as host:
        host.run(host.session.wait(0.1))
        scheduler = _scheduler(host)
        for _ in range(rounds):
            ours.append(_of_host(host, lambda: host.run(host.session.wait(seconds))))
            if not skipped:
                theirs.append(run_cyclictest(seconds))
    ratios = [b.quantile_s(0.5) / a.quantile_s(0.5) for a, b in zip(ours, theirs, strict=False)]
    return WakeLatency(ours=_sum(ours), scheduler=scheduler, cyclictest=_sum(theirs) if theirs else None,
                       skipped=skipped, ratio=float(np.median(ratios)) if ratios else None)  # fmt: skip


def missing_cyclictest() -> str:
    """Return why cyclictest cannot run here; empty when it can."""
    if shutil.which("cyclictest") is None:
        return "cyclictest is not installed (apt-get install rt-tests)"
    tried = subprocess.run(_command(10), capture_output=True, text=True)
    if tried.returncode != 0 or not _MAX.search(tried.stdout):
        return f"cyclictest does not run here: {(tried.stderr or tried.stdout).strip().splitlines()[-1:]}"
    return ""


def run_cyclictest(seconds: float) -> Latencies:
    """Run it once, with podhand-rt's priority and period. Raises RuntimeError when it fails."""
    done = subprocess.run(_command(round(1000 * seconds)), capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"cyclictest failed: {done.stderr.strip()}")
    return parse_cyclictest(done.stdout)


def parse_cyclictest(text: str) -> Latencies:
    """Read the histogram of one thread: whole microseconds, and what was longer than the histogram.

    Raises RuntimeError when it is none.
    """
    overflows, longest = _OVERFLOWS.search(text), _MAX.search(text)
    if overflows is None or longest is None:
        raise RuntimeError(f"cyclictest told no histogram: {text[-200:]!r}")
    counts = np.zeros(_HISTOGRAM_US + 1, np.int64)
    for latency_us, count in _BIN.findall(text):
        counts[min(int(latency_us), _HISTOGRAM_US)] += int(count)
    counts[_HISTOGRAM_US] += int(overflows[1])
    max_s = 1e-6 * int(longest[1])
    ends_s = 1e-6 * np.arange(_HISTOGRAM_US + 1, dtype=np.float64)
    ends_s[-1] = np.inf
    return Latencies(ends_s=ends_s, counts=counts, max_s=max_s)


def _command(loops: int) -> list[str]:
    return ["cyclictest", "-q", "-m", "-t1", f"-p{PRIORITY}", "-i1000", f"-l{loops}", f"-h{_HISTOGRAM_US}"]


def _of_host(host: RealtimeHost, run: Callable[[], object]) -> Latencies:
    before = host.statistics.histograms["wake"]
    run()
    after = host.statistics.histograms["wake"]
    counts = (after.counts - before.counts).astype(np.int64)
    ends_s = 1e-9 * np.append(_kernel.BUCKET_FLOORS_NS[1:], np.inf).astype(np.float64)
    return Latencies(ends_s=ends_s, counts=counts, max_s=_largest_s(before, after, ends_s, counts))


def _largest_s(before: Histogram, after: Histogram, ends_s: NDArray[np.float64], counts: NDArray[np.int64]) -> float:
    """Return the largest since ``before``: exact when it is a new worst case, else the end of its bucket."""
    worst = after.worst
    if worst and (before.worst is None or worst.cycle != before.worst.cycle):
        return worst.duration_s
    return float(ends_s[np.flatnonzero(counts)[-1]])


def _sum(rounds: list[Latencies]) -> Latencies:
    total = rounds[0]
    for latencies in rounds[1:]:
        total = total.plus(latencies)
    return total


def _scheduler(host: RealtimeHost) -> str:
    said = host.process.log().splitlines() if host.process else []
    return next((line.partition("scheduler: ")[2] for line in said if "scheduler: " in line), "")


class _Standing:
    """A plant that is where it is sent, at once and free of cost."""

    def __init__(self, station: Station) -> None:
        self.tick_s = station.control.tick_s
        self._axes = [axis for axis in Axis if axis not in (Axis.ARM_6, Axis.BELT_LEFT, Axis.BELT_RIGHT)]
        self._home = np.zeros(14)
        self._home[:6] = [2.802, -1.275, 2.262, -0.987, 1.232, -1.571]
        self._home[Axis.SQUEEZE] = 0.05
        self._home[Axis.BAND_X :] = station.band_arm.park_base_m

    def bind(self, inputs: NDArray[np.void], outputs: NDArray[np.void]) -> None:
        """Take the records to read and write."""
        self._scalars, self._q, self._wrench = inputs, inputs["q"], inputs["wrench"]
        self._q[:] = outputs["command"][:] = self._home
        inputs["dt_s"] = inputs["ft_period_s"] = self.tick_s
        inputs["axis_valid"] = sum(1 << axis for axis in Axis if axis != Axis.ARM_6)
        self._count = 0

    def step(self) -> None:
        """Make a new sample of a cell that stands."""
        self._count += 1
        self._scalars["tick"] = self._scalars["ft_sequence"] = self._count
        self._scalars["time_s"] = self.tick_s * self._count
        self._wrench[0] = 1e-3 * (self._count % 2)
