"""What podhand-rt counts about itself, as its readers see it."""

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from podhand import _kernel
from podhand.app.cli import app
from podhand.app.shell import console
from podhand.controllers.realtime import Pace, RealtimeHost
from podhand.controllers.segments import Segment, SegmentLimits, Twist
from podhand.controllers.statistics import Histogram, HostStatistics, Worst, read_statistics, running_hosts
from podhand.core.errors import DeviceError
from tests.unit.fake_plant import STATION, FakePlant

FLOORS = _kernel.BUCKET_FLOORS_NS
LIMITS = SegmentLimits.for_station(STATION, force_norm_n=40.0, speed_m_s=0.15)
FORWARD = Segment(name="forward", arm=Twist(v_m_s=(0.05, 0.0, 0.0)), limits=LIMITS, timeout_s=0.3)


def histogram_of(durations_ns: list[int]) -> Histogram:
    counts = np.bincount(np.searchsorted(FLOORS, durations_ns, side="right") - 1, minlength=len(FLOORS))
    worst = Worst(duration_s=1e-9 * max(durations_ns), cycle=1, ticks=1, chain=(0, 0), segment=(0, 0), tag=(0, 0))
    return Histogram(counts=counts.astype(np.uint64), sum_s=1e-9 * sum(durations_ns), worst=worst)


@given(st.lists(st.integers(0, 4_000_000_000), min_size=1, max_size=200), st.sampled_from([0.5, 0.9, 0.99, 0.999, 1.0]))
def test_a_quantile_is_that_of_the_sorted_durations_within_a_bucket(durations_ns: list[int], share: float) -> None:
    exact_s = 1e-9 * sorted(durations_ns)[math.ceil(share * len(durations_ns)) - 1]
    found_s = histogram_of(durations_ns).quantile_s(share)
    assert exact_s <= found_s * (1 + 1e-12)
    assert found_s <= exact_s * 17 / 16 + 1.1e-9


def test_an_empty_histogram_says_nothing() -> None:
    empty = Histogram(counts=np.zeros(len(FLOORS), np.uint64), sum_s=0.0, worst=None)
    assert empty.quantile_s(0.5) == 0.0
    assert empty.to_json()["count"] == 0


def test_a_host_counts_every_tick_and_says_what_ran_at_the_worst() -> None:
    with RealtimeHost.for_station(FakePlant(), STATION, pace=Pace.REAL, priority=0) as host:
        host.run(host.session.run([FORWARD], tag=77))
        host.run(host.session.wait(0.02))
        statistics = host.statistics
        seen = read_statistics(host.name)
        assert host.name in running_hosts()
        ticks = host.ticks
    # The health of a tick is published with the next one, so the newest may not be counted yet.
    for name in ("wake", "wait", "compute", "period"):
        assert ticks - 3 <= statistics.histograms[name].count <= ticks, name
    assert seen.ticks == ticks
    assert seen.pid != 0
    late = statistics.late()
    assert sum(late.values()) == statistics.health["late_ticks"]
    compute, period = statistics.histograms["compute"], statistics.histograms["period"]
    assert compute.worst
    assert compute.worst.tag[0] in (0, 77)
    assert compute.sum_s == pytest.approx(statistics.health["busy_s"], abs=2 * compute.worst.duration_s)
    assert period.sum_s >= 1e-3 * 0.9 * (ticks - 3)
    assert host.health["wake_max_s"] >= host.health["wake_p50_s"] > 0.0
    with pytest.raises(DeviceError, match="does not exist"):
        read_statistics(host.name)
    assert host.name not in running_hosts()


def test_without_a_schedule_nothing_is_late() -> None:
    with RealtimeHost.for_station(FakePlant(), STATION, pace=Pace.PLANT, priority=0) as host:
        host.run(host.session.wait(0.1))
        statistics = host.statistics
    assert statistics.histograms["wake"].count == 0
    assert statistics.histograms["wait"].count > 90
    assert statistics.health["late_ticks"] == 0


def test_the_worst_case_is_told_with_what_ran() -> None:
    worst = Worst(duration_s=1e-3, cycle=12, ticks=11, chain=(4, 0), segment=(2, 0), tag=(7, 0))
    assert worst.in_words() == "cycle 12, tick 11, arm: chain 4 segment 2 (tag 7)"
    idle = Worst(duration_s=1e-3, cycle=12, ticks=11, chain=(0, 0), segment=(0, 0), tag=(0, 0))
    assert idle.in_words() == "cycle 12, tick 11, nothing ran"


def statistics(**health: float) -> HostStatistics:
    fields = dict.fromkeys(("cycles", "waits", "leases_lost", "late_ticks", "late_woke", "late_waited",
                            "late_computed", "busy_s"), 0.0)  # fmt: skip
    durations = {"wake": [1023, 1024, 5_000_000_000], "wait": [0], "compute": [1500] * 4, "period": [1_000_000]}
    return HostStatistics(name="/x", pid=1, tick_s=1e-3, ticks=5, health=fields | health,
                          histograms={name: histogram_of(values) for name, values in durations.items()})  # fmt: skip


def test_prometheus_text_is_cumulative_and_exact() -> None:
    text = statistics(late_ticks=3.0, late_woke=2.0, late_computed=1.0).to_prometheus()
    lines = [line.rpartition(" ") for line in text.splitlines() if line[0] != "#"]
    values = {name: value for name, _, value in lines}
    assert values['podhand_rt_wake_seconds_bucket{host="/x",le="1.023e-06"}'] == "1"
    assert values['podhand_rt_wake_seconds_bucket{host="/x",le="2.047e-06"}'] == "2"
    assert values['podhand_rt_wake_seconds_bucket{host="/x",le="+Inf"}'] == "3"
    assert float(values['podhand_rt_wake_seconds_sum{host="/x"}']) == pytest.approx(5.000002047)
    assert values['podhand_rt_late_ticks_total{host="/x",reason="woke"}'] == "2"
    assert values['podhand_rt_late_ticks_total{host="/x",reason="waited"}'] == "0"
    for name in ("wake", "wait", "compute", "period"):
        counts = [int(v) for k, v in values.items() if k.startswith(f"podhand_rt_{name}_seconds_bucket")]
        assert counts == sorted(counts)
    types = re.findall(r"# TYPE (\S+)", text)
    assert len(types) == len(set(types))


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["stats", *arguments])


def test_the_command_shows_a_running_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with RealtimeHost.for_station(FakePlant(), STATION, pace=Pace.PLANT, priority=0) as host:
        host.run(host.session.run([FORWARD]))
        monkeypatch.setattr("podhand.app.stats.running_hosts", lambda: [host.name])
        monkeypatch.setattr(console, "width", 200)  # a table breaks its lines where the terminal ends
        shown = run("--json", str(tmp_path / "stats.json"))
        assert shown.exit_code == 0, shown.output
        for words in ("from the time of a cycle", "Late ticks", "waited for the plant", host.name):
            assert words in shown.stderr
        document = json.loads((tmp_path / "stats.json").read_text())
        assert document["schema"] == "podhand-stats-1"
        assert document["compute"]["count"] == sum(count for _, count in document["compute"]["buckets"])
        scraped = run(host.name, "--prometheus")
        assert "podhand_rt_compute_seconds_count" in scraped.stdout
        assert run(host.name, "--prometheus", "--json", "-").exit_code == 2
        monkeypatch.setattr("podhand.app.stats.running_hosts", lambda: ["/a", "/b"])
        assert "say which one, /a, /b" in run().stderr
    monkeypatch.setattr("podhand.app.stats.running_hosts", list)
    nothing = run()
    assert (nothing.exit_code, "no podhand-rt runs" in nothing.stderr) == (1, True)
    assert run("/podhand-nobody").exit_code == 3
