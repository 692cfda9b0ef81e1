"""Wake latency of podhand-rt, and the histogram of cyclictest beside it."""

import stat
from pathlib import Path

import numpy as np
import pytest

from podhand.app.bench_commands import run_bench_loop
from podhand.app.latency_plot import wake_plot
from podhand.bench import wake_latency
from podhand.bench.wake_latency import bench_wake_latency, missing_cyclictest, parse_cyclictest
from podhand.core.errors import ConfigError

TOLD = """# /dev/cpu_dma_latency set to 0us
# Histogram
000000 000000
000011 000600
000012 000399
019999 000000
# Total: 000000999
# Min Latencies: 00011
# Avg Latencies: 00011
# Max Latencies: 31000
# Histogram Overflows: 00001
# Histogram Overflow at cycle number:
# Thread 0: 00512
"""


def fake_cyclictest(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    path = folder / "cyclictest"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def test_the_histogram_of_cyclictest_is_read_with_what_overflowed() -> None:
    latencies = parse_cyclictest(TOLD)
    assert latencies.count == 1000
    assert [latencies.quantile_s(share) for share in (0.5, 0.99, 1.0)] == pytest.approx([11e-6, 12e-6, 31e-3])
    with pytest.raises(RuntimeError, match="no histogram"):
        parse_cyclictest("nothing")


def test_both_run_in_turn_and_are_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_cyclictest(tmp_path, monkeypatch, f"cat <<'END'\n{TOLD}END\necho run >> {tmp_path}/runs")
    wake = bench_wake_latency(0.05, rounds=3)
    assert (tmp_path / "runs").read_text().split() == ["run"] * 4  # one to see whether it runs
    assert wake.ours.count >= 120
    assert wake.cyclictest is not None
    assert wake.cyclictest.count == 3000
    row = wake.measurement().to_json()
    assert row["name"] == "wake_latency"
    assert 0.0 < row["p50"] <= row["p99"] <= row["p999"] <= 1e9 * wake.ours.max_s + 1.0
    assert row["ratios"]["cyclictest"] == pytest.approx(11e3 / row["p50"], rel=3.0)
    facts = {"cpu": "x", "kernel": "6", "preempt_rt": False, "load": [0.1]}
    assert wake_plot(wake, facts).startswith(b"\x89PNG")
    document = wake.ours.to_json()
    assert sum(count for _, count in document["buckets"]) == wake.ours.count  # type: ignore[attr-defined]


def test_without_cyclictest_the_reason_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "rt-tests" in missing_cyclictest()
    fake_cyclictest(tmp_path, monkeypatch, "echo 'Unable to change scheduling policy!' >&2; exit 1")
    assert "Unable to change scheduling policy!" in missing_cyclictest()
    wake = bench_wake_latency(0.02, rounds=1)
    assert wake.cyclictest is None
    assert wake.measurement().ratios == {}


def test_latencies_add_up() -> None:
    one = parse_cyclictest(TOLD)
    both = one.plus(one)
    assert both.count == 2000
    assert np.array_equal(both.counts, 2 * one.counts)


def test_a_plot_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--wake 0"):
        run_bench_loop(ticks=1000, wake_s=0.0, json_target=None, png=tmp_path / "x.png")
    assert wake_latency.PRIORITY == 80
