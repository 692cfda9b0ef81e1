"""Timing of single calls and of interleaved blocks."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

_LIMIT = "limit"


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One row of ``results[]``."""

    name: str
    unit: str
    p50: float
    p99: float
    p999: float
    n: int
    ratios: Mapping[str, float]
    """Peer time over ours, medians of interleaved rounds: more than 1 is better."""
    limit_ratio: float | None = None
    """Our time over that of a physical limit, in the same rounds: 1 is the limit. None where none is known."""

    def to_json(self) -> dict[str, Any]:
        """Return the row as plain data."""
        row = {
            "name": self.name, "unit": self.unit, "p50": self.p50, "p99": self.p99, "p999": self.p999, "n": self.n,
            "ratios": dict(self.ratios),
        }  # fmt: skip
        return row if self.limit_ratio is None else {**row, "limit_ratio": self.limit_ratio}


def _nothing() -> None:
    pass


def time_calls_ns(
    call: Callable[[], object],
    n: int,
    prepare: Callable[[], object] = _nothing,
    clock: Callable[[], int] = time.perf_counter_ns,
) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Time ``n`` single calls, each after ``prepare``.

    Returns:
        (n,) [ns] by ``clock``, the timer's own cost (some 40 ns of wall time) included, ``prepare`` not.
    """
    durations = np.empty(n, np.int64)
    for i in range(n):
        prepare()
        begin = clock()
        call()
        durations[i] = clock() - begin
    return durations


def measure(
    name: str,
    ours: Callable[[], object],
    peers: Mapping[str, Callable[[], object]],
    *,
    n: int,
    rounds: int = 5,
    prepare: Callable[[], object] = _nothing,
    clock: Callable[[], int] = time.perf_counter_ns,
    limit: Callable[[], object] | None = None,
    least_calls: int = 50,
) -> Measurement:
    """Time ours and its peers in turn, so that a change of the machine's load meets all of them.

    Slow peers get fewer calls per round, at least ``least_calls``, so that a round stays short; percentiles are of
    ours. ``prepare`` runs before each call of ours, untimed. ``limit`` does what no implementation can do without, for
    instance move the bytes.
    """
    others = dict(peers) if limit is None else {**peers, _LIMIT: limit}
    warm = {peer: int(np.median(time_calls_ns(call, min(20, least_calls)))) for peer, call in others.items()}
    own: list[np.ndarray[Any, np.dtype[np.int64]]] = []
    ratios: dict[str, list[float]] = {peer: [] for peer in others}
    for _ in range(rounds):
        durations = time_calls_ns(ours, n, prepare, clock)
        own.append(durations)
        for peer, call in others.items():
            calls = max(least_calls, min(n, int(0.3e9 / max(warm[peer], 1))))
            ratios[peer].append(float(np.median(time_calls_ns(call, calls, clock=clock)) / np.median(durations)))
    medians = {peer: float(np.median(values)) for peer, values in ratios.items()}
    to_limit = medians.pop(_LIMIT, None)
    return _row(name, own, medians, None if to_limit is None else 1.0 / to_limit)


def _row(
    name: str,
    rounds: Sequence[np.ndarray[Any, np.dtype[np.int64]]],
    ratios: Mapping[str, float],
    limit_ratio: float | None,
) -> Measurement:
    durations = np.concatenate(rounds)
    p50, p99, p999 = (float(value) for value in np.percentile(durations, [50, 99, 99.9]))
    return Measurement(
        name=name, unit="ns", p50=p50, p99=p99, p999=p999, n=durations.size, ratios=ratios, limit_ratio=limit_ratio
    )
