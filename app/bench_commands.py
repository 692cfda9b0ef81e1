"""``podhand bench``: measurements with the facts of the machine."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.table import Table

from podhand.app.host_facts import host_facts
from podhand.app.latency_plot import wake_plot
from podhand.app.shell import check_json_target, console, write_json
from podhand.bench.free_space import bench_free_space
from podhand.bench.free_space_peers import opencv
from podhand.bench.loop import bench_loop
from podhand.bench.matching import bench_matching
from podhand.bench.timing import Measurement
from podhand.bench.wake_latency import WakeLatency, bench_wake_latency
from podhand.core.errors import ConfigError
from podhand.perception.free_space import free_space_instruction_set
from podhand.planning.success import read_model


def run_bench_loop(*, ticks: int, wake_s: float, json_target: str | None, png: Path | None = None) -> list[Measurement]:
    """Measure the control loop and how late it wakes up, print a table, write JSON and plot.

    Args:
        ticks: of ours, in each round.
        wake_s: for podhand-rt and for cyclictest, in each round; 0: neither.
        json_target: file, or - for standard output.
        png: file for the plot of wake latencies.

    Raises ConfigError when a file cannot be written, or a plot is wanted of what is not measured.
    """
    check_json_target(json_target)
    if png and not wake_s:
        raise ConfigError("--png shows wake latencies, and --wake 0 leaves them out: drop one of the two")
    host = host_facts()
    results = bench_loop(ticks)
    wake = bench_wake_latency(wake_s) if wake_s else None
    rows = [*results, wake.measurement()] if wake else results
    table = Table(title=f"control loop on {host['cpu']}, load {host['load'][0]}", title_justify="left")
    for column in ("what", "p50", "p99", "p99.9", "against"):
        table.add_column(column, justify="left" if column in ("what", "against") else "right")
    for row in rows:
        ratios = ", ".join(f"{ratio:.1f} × {peer}" for peer, ratio in row.ratios.items())
        table.add_row(row.name, *(f"{value:,.0f} {row.unit}" for value in (row.p50, row.p99, row.p999)), ratios)
    if wake and wake.cyclictest:
        quantiles = (1e9 * wake.cyclictest.quantile_s(share) for share in (0.5, 0.99, 0.999))
        table.add_row("  cyclictest", *(f"{value:,.0f} ns" for value in quantiles), "")
    console.print(table)
    console.print(f"{results[0].n:,} calls from Python each, wall time, the timer's own 40 ns or so included.")
    document = {"schema": "podhand-bench-1", "host": host, "results": [row.to_json() for row in rows]}
    if wake:
        _tell_wake(wake, host)
        document["wake"] = {
            "scheduler": wake.scheduler,
            "ours": wake.ours.to_json(),
            "cyclictest": wake.cyclictest.to_json() if wake.cyclictest else None,
            "skipped": wake.skipped,
        }
    if wake and png:
        _write_png(png, wake_plot(wake, host))
    write_json(document, json_target)
    return rows


def _tell_wake(wake: WakeLatency, host: Mapping[str, Any]) -> None:
    kernel = f"{host['kernel']}{'' if host['preempt_rt'] else ', which is no real-time kernel'}"
    console.print(
        f"Wake latency: {wake.ours.count:,} cycles of 1 ms, scheduler {wake.scheduler or 'unknown'}, on {kernel}."
    )
    if wake.skipped:
        console.print(f"Beside it nothing was measured: {wake.skipped}.", markup=False)
    else:
        console.print("podhand-rt and cyclictest in turn, same priority and period.")


def _write_png(path: Path, picture: bytes) -> None:
    try:
        path.write_bytes(picture)
    except OSError as error:
        raise ConfigError(f"--png {path}: cannot be written ({error.strerror}); give another file") from error
    console.print(f"Plot: {path}", markup=False, soft_wrap=True)


def run_bench_free_space(*, rounds: int, json_target: str | None) -> list[Measurement]:
    """Measure the free-space kernel beside its peers, print a table, write the JSON."""
    check_json_target(json_target)
    host = host_facts()
    host["instruction_set"] = free_space_instruction_set()
    results = bench_free_space(rounds)
    title = f"free space on {host['cpu']} ({host['instruction_set']}), load {host['load'][0]}"
    table = Table(title=title, title_justify="left", show_lines=True)
    for column in ("what", "p50", "p99", "÷ limit", "against"):
        table.add_column(column, justify="left" if column in ("what", "against") else "right")
    for row in results:
        ratios = "\n".join(f"{ratio:.1f} × {peer}" for peer, ratio in row.ratios.items())
        limit = "" if row.limit_ratio is None else f"{row.limit_ratio:.1f} ×"
        table.add_row(row.name, *(f"{value / 1000:,.1f} µs" for value in (row.p50, row.p99)), limit, ratios)
    console.print(table)
    versions = ", ".join(f"{name} {version}" for name, version in host["versions"].items())
    console.print("÷ limit: our time over that of moving the bytes once.")
    console.print(f"One thread, thread CPU time, {rounds} interleaved rounds. {versions}.")
    if opencv() is None:
        console.print("OpenCV is not installed, so its peers are left out: pip install 'podhand[bench]'.")
    write_json({"schema": "podhand-bench-1", "host": host, "results": [row.to_json() for row in results]}, json_target)
    return results


def run_bench_match(*, rounds: int, predictor: Path | None, json_target: str | None) -> list[Measurement]:
    """Measure the matching of 12 items with 40 bins, print a table, write the JSON.

    Raises:
        ConfigError: the success model or the JSON file cannot be used; nothing was measured.
    """
    check_json_target(json_target)
    model = read_model(predictor) if predictor else None
    host = host_facts()
    results = bench_matching(rounds, model)
    table = Table(title=f"matching on {host['cpu']}, load {host['load'][0]}", title_justify="left")
    for column in ("what", "p50", "p99"):
        table.add_column(column, justify="left" if column == "what" else "right")
    for row in results:
        table.add_row(row.name, *(f"{value / 1e6:.2f} ms" for value in (row.p50, row.p99)))
    console.print(table)
    console.print("12 items, 40 bins, ways and faces scored and assigned; one thread, thread CPU time.")
    if model is None:
        console.print("With --predictor FILE a success model is asked, too.")
    elif model.fallback:
        console.print(f"{predictor}: counted rates answer, since {model.fallback}", markup=False, soft_wrap=True)
    write_json({"schema": "podhand-bench-1", "host": host, "results": [row.to_json() for row in results]}, json_target)
    return results
