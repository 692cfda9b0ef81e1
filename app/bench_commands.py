"""``podhand bench``: measurements with the facts of the machine."""

from rich.table import Table

from podhand.app.host_facts import host_facts
from podhand.app.shell import check_json_target, console, write_json
from podhand.bench.free_space import bench_free_space
from podhand.bench.free_space_peers import opencv
from podhand.bench.loop import bench_loop
from podhand.bench.timing import Measurement
from podhand.perception.free_space import free_space_instruction_set


def run_bench_loop(*, ticks: int, json_target: str | None) -> list[Measurement]:
    """Measure the control loop, print a table, write the JSON."""
    check_json_target(json_target)
    host = host_facts()
    results = bench_loop(ticks)
    table = Table(title=f"control loop on {host['cpu']}, load {host['load'][0]}", title_justify="left")
    for column in ("what", "p50", "p99", "p99.9", "against"):
        table.add_column(column, justify="left" if column in ("what", "against") else "right")
    for row in results:
        ratios = ", ".join(f"{ratio:.1f} × {peer}" for peer, ratio in row.ratios.items())
        table.add_row(row.name, *(f"{value:,.0f} {row.unit}" for value in (row.p50, row.p99, row.p999)), ratios)
    console.print(table)
    console.print(f"{results[0].n:,} calls from Python each, wall time, the timer's own 40 ns or so included.")
    write_json({"schema": "podhand-bench-1", "host": host, "results": [row.to_json() for row in results]}, json_target)
    return results


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
