"""``podhand bench``: measurements with the facts of the machine."""

from rich.table import Table

from podhand.app.host_facts import host_facts
from podhand.app.shell import check_json_target, console, write_json
from podhand.bench.loop import bench_loop
from podhand.bench.timing import Measurement


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
