"""``podhand stats``: what a running podhand-rt has counted about itself."""

import sys

from rich.table import Table

from podhand.app.shell import check_json_target, console, write_json
from podhand.controllers.statistics import (
    HISTOGRAMS,
    LATE_REASONS,
    HostStatistics,
    read_statistics,
    running_hosts,
)
from podhand.core.errors import ConfigError, StateError


def show_stats(name: str | None, *, prometheus: bool, json_target: str | None) -> HostStatistics:
    """Read the statistics of a podhand-rt once, and show them.

    Args:
        name: of its shared memory; None: the only one that runs.
        prometheus: write Prometheus text to standard output instead of a table.
        json_target: file, or - for standard output.

    Raises:
        ConfigError: JSON and Prometheus both want standard output.
        StateError: none runs, or several do and no name was given.
        DeviceError: there is none of that name, or one of another build.
    """
    check_json_target(json_target)
    if prometheus and json_target == "-":
        raise ConfigError("--json - and --prometheus both write to standard output: give --json a file")
    statistics = read_statistics(name or _the_only_one())
    if prometheus:
        sys.stdout.write(statistics.to_prometheus())
    elif json_target != "-":
        _print(statistics)
    write_json(statistics.to_json(), json_target)
    return statistics


def _the_only_one() -> str:
    names = running_hosts()
    if not names:
        raise StateError(
            "no podhand-rt runs on this machine, or none that this user may read; start one, for instance with "
            "`podhand stow --host realtime`"
        )
    if len(names) > 1:
        raise StateError(f"{len(names)} podhand-rt run: say which one, {', '.join(names)}")
    return names[0]


def _print(statistics: HostStatistics) -> None:
    title = f"podhand-rt {statistics.name} (process {statistics.pid}), {statistics.ticks:,} ticks"
    table = Table(title=title, title_justify="left")
    table.add_column("what")
    for column in ("p50", "p99", "p99.9", "max"):
        table.add_column(column, justify="right")
    table.add_column("the worst was at")
    for name, histogram in statistics.histograms.items():
        quantiles = [_duration(histogram.quantile_s(share)) for share in (0.5, 0.99, 0.999)]
        worst = histogram.worst
        last = [_duration(worst.duration_s), worst.in_words()] if worst else ["", "nothing counted yet"]
        table.add_row(f"{name}\n[dim]{HISTOGRAMS[name]}[/]", *quantiles, *last)
    console.print(table)
    late = ", ".join(f"{count:,} {LATE_REASONS[reason]}" for reason, count in statistics.late().items())
    health = statistics.health
    console.print(f"Late ticks, over half a period after their time: {int(health['late_ticks']):,}; {late}.")
    console.print(
        f"Cycles {int(health['cycles']):,}; waits of over a period for the plant {int(health['waits']):,}; "
        f"leases lost {int(health['leases_lost']):,}; inside ticks {_duration(health['busy_s'])}."
    )


def _duration(seconds: float) -> str:
    """Return a duration with three digits and the unit that suits it."""
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds / 1e-9:.0f} ns"
