"""How podhand-rt itself is doing: latencies as histograms, the worst case of each, late ticks by reason."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from podhand import _kernel
from podhand.core.errors import DeviceError

__all__ = ["HISTOGRAMS", "LATE_REASONS", "Histogram", "HostStatistics", "Worst", "read_statistics", "running_hosts",
           "statistics_of"]  # fmt: skip

HISTOGRAMS: Final = {
    "wake": "from the time of a cycle until its thread ran",
    "wait": "from then until the plant's readings were there",
    "compute": "one tick of the kernel, with its publication",
    "period": "from the beginning of one tick to that of the next",
}
LATE_REASONS: Final = {"woke": "woke late", "waited": "waited for the plant", "computed": "computed long"}
_SHARED_MEMORY = Path("/dev/shm")
_PROMETHEUS_EDGES_NS = tuple(
    1 << power for power in range(10, 24)
)  # 1 us to 8 ms; ends of buckets, so counts are exact
_CHANNELS = ("arm", "band arm")


@dataclass(frozen=True, kw_only=True)
class Worst:
    """The longest duration of a kind since podhand-rt started, and what ran then."""

    duration_s: float
    cycle: int
    """Wake-ups of podhand-rt until then."""
    ticks: int
    """Ticks made before; the place in a recording."""
    chain: tuple[int, int]
    """Number of the chain per channel, 0 when it was idle."""
    segment: tuple[int, int]
    tag: tuple[int, int]

    def in_words(self) -> str:
        """Return where it was and what ran."""
        ran = [
            f"{name}: chain {chain} segment {segment}" + (f" (tag {tag})" if tag else "")
            for name, chain, segment, tag in zip(_CHANNELS, self.chain, self.segment, self.tag, strict=True)
            if chain
        ]
        return f"cycle {self.cycle}, tick {self.ticks}, {'; '.join(ran) or 'nothing ran'}"

    def to_json(self) -> dict[str, Any]:
        """Return the record as plain data."""
        return {"duration_s": self.duration_s, "cycle": self.cycle, "ticks": self.ticks, "chain": list(self.chain),
                "segment": list(self.segment), "tag": list(self.tag)}  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class Histogram:
    """Durations of one kind. Buckets are a sixteenth of their value wide, so quantiles are known to 6 %."""

    counts: NDArray[np.uint64]
    sum_s: float
    worst: Worst | None
    """None while nothing was counted."""

    @property
    def count(self) -> int:
        """How many durations."""
        return int(self.counts.sum())

    def quantile_s(self, share: float) -> float:
        """Return the duration that ``share`` of all do not exceed, up to the end of its bucket; 0 without any."""
        if not self.count or not self.worst:
            return 0.0
        reached = np.cumsum(self.counts)
        bucket = int(np.searchsorted(reached, np.ceil(share * float(reached[-1]))))
        floors = _kernel.BUCKET_FLOORS_NS
        end_ns = float(floors[bucket + 1]) if bucket + 1 < len(floors) else np.inf
        return min(1e-9 * end_ns, self.worst.duration_s)

    def to_json(self) -> dict[str, Any]:
        """Return quantiles [s] and the buckets that hold something."""
        filled = np.flatnonzero(self.counts)
        return {
            "count": self.count,
            "sum_s": self.sum_s,
            **{f"{name}_s": self.quantile_s(share) for name, share in (("p50", 0.5), ("p99", 0.99), ("p999", 0.999))},
            "max_s": self.worst.duration_s if self.worst else 0.0,
            "worst": self.worst.to_json() if self.worst else None,
            "buckets": [[1e-9 * int(_kernel.BUCKET_FLOORS_NS[i]), int(self.counts[i])] for i in filled],
        }


@dataclass(frozen=True, kw_only=True, eq=False)
class HostStatistics:
    """Everything podhand-rt counts about itself."""

    name: str
    pid: int
    tick_s: float
    ticks: int
    health: Mapping[str, float]
    """Counts, and ``busy_s``: wall time inside ticks."""
    histograms: Mapping[str, Histogram]
    """``wake``, ``wait``, ``compute``, ``period``; see ``HISTOGRAMS``."""

    def late(self) -> dict[str, int]:
        """Return how many ticks were late, by the largest part of their delay."""
        return {reason: int(self.health[f"late_{reason}"]) for reason in LATE_REASONS}

    def summary(self) -> dict[str, float]:
        """Return health and quantiles as flat numbers: counts, and durations in seconds."""
        flat = dict(self.health)
        for name, histogram in self.histograms.items():
            flat |= {f"{name}_p50_s": histogram.quantile_s(0.5), f"{name}_p999_s": histogram.quantile_s(0.999),
                     f"{name}_max_s": histogram.worst.duration_s if histogram.worst else 0.0}  # fmt: skip
        return flat

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain data, durations in seconds."""
        return {
            "schema": "podhand-stats-1",
            "name": self.name,
            "pid": self.pid,
            "tick_s": self.tick_s,
            "ticks": self.ticks,
            "health": dict(self.health),
            **{name: histogram.to_json() for name, histogram in self.histograms.items()},
        }

    def to_prometheus(self) -> str:
        """Return the text exposition format 0.0.4 of Prometheus."""
        return "\n".join(self._prometheus()) + "\n"

    def _prometheus(self) -> Iterator[str]:
        host = f'host="{self.name}"'
        for name, histogram in self.histograms.items():
            metric = f"podhand_rt_{name}_seconds"
            yield f"# HELP {metric} Duration {HISTOGRAMS[name]}."
            yield f"# TYPE {metric} histogram"
            for edge_ns in _PROMETHEUS_EDGES_NS:
                below = int(histogram.counts[_kernel.BUCKET_FLOORS_NS < edge_ns].sum())
                # Durations are whole nanoseconds: less than the edge is at most one before it.
                yield f'{metric}_bucket{{{host},le="{1e-9 * (edge_ns - 1):.9g}"}} {below}'
            yield f'{metric}_bucket{{{host},le="+Inf"}} {histogram.count}'
            yield f"{metric}_sum{{{host}}} {histogram.sum_s!r}"
            yield f"{metric}_count{{{host}}} {histogram.count}"
        yield "# HELP podhand_rt_worst_seconds Longest duration since the start."
        yield "# TYPE podhand_rt_worst_seconds gauge"
        for name, histogram in self.histograms.items():
            if histogram.worst:
                yield f'podhand_rt_worst_seconds{{{host},what="{name}"}} {histogram.worst.duration_s!r}'
        yield "# HELP podhand_rt_late_ticks_total Set-points more than half a period after their time."
        yield "# TYPE podhand_rt_late_ticks_total counter"
        for reason, count in self.late().items():
            yield f'podhand_rt_late_ticks_total{{{host},reason="{reason}"}} {count}'
        counters = (("ticks", self.ticks, "Ticks made."), ("cycles", self.health["cycles"], "Wake-ups."),
                    ("waits", self.health["waits"], "Waits for the plant of more than a period."),
                    ("leases_lost", self.health["leases_lost"], "Clients that fell silent or died."))  # fmt: skip
        for name, value, words in counters:
            yield f"# HELP podhand_rt_{name}_total {words}"
            yield f"# TYPE podhand_rt_{name}_total counter"
            yield f"podhand_rt_{name}_total{{{host}}} {int(value)}"


def read_statistics(name: str) -> HostStatistics:
    """Read what the podhand-rt of a name has counted so far. Its memory is mapped for reading: nothing can disturb it.

    Raises:
        DeviceError: there is none of that name, it has died, or it is of another build.
    """
    try:
        watcher = _kernel.Watcher(name)
    except _kernel.ExchangeError as error:
        raise DeviceError(str(error)) from error
    if watcher.host_gone:
        raise DeviceError(f"podhand-rt {name} (process {watcher.host_pid}) runs no more; start it again")
    return statistics_of(watcher, name=name, pid=watcher.host_pid, tick_s=watcher.tick_s)


def statistics_of(side: Any, *, name: str, pid: int, tick_s: float) -> HostStatistics:
    """Return the statistics as a client or watcher sees them now."""
    side.refresh()
    record = side.cell["health"]
    return HostStatistics(
        name=name,
        pid=pid,
        tick_s=tick_s,
        ticks=int(side.cell["ticks"]),
        health={field: float(record[field]) for field in record.dtype.names or ()},
        histograms={key: _histogram(*parts) for key, parts in side.statistics().items()},
    )


def running_hosts(folder: Path = _SHARED_MEMORY) -> list[str]:
    """Return the names of the podhand-rt that run on this machine and may be read by this user."""
    names = (f"/{path.name}" for path in sorted(folder.iterdir()) if path.is_file())
    return [name for name in names if _runs(name)]


def _runs(name: str) -> bool:
    try:
        return not _kernel.Watcher(name).host_gone
    except _kernel.ExchangeError:
        return False


def _histogram(counts: NDArray[np.uint64], sum_ns: int, worst: NDArray[np.void] | None) -> Histogram:
    return Histogram(counts=counts, sum_s=1e-9 * sum_ns, worst=None if worst is None else _worst(worst))


def _worst(record: NDArray[np.void]) -> Worst:
    running = record["running"]

    def pair(field: str) -> tuple[int, int]:
        arm, band_arm = (int(value) for value in running[field])
        return arm, band_arm

    return Worst(duration_s=1e-9 * int(record["ns"]), cycle=int(record["cycle"]), ticks=int(record["ticks"]),
                 chain=pair("chain"), segment=pair("segment"), tag=pair("tag"))  # fmt: skip
