"""``podhand flight``: what the flight recorders of this machine hold, also those of a podhand-rt that was killed."""

import dataclasses
from datetime import datetime
from pathlib import Path

from rich.table import Table

from podhand.app.shell import check_json_target, console, write_json
from podhand.controllers.flight import SavedFlight, drop_flight, flights, save_flight


def list_flights(*, json_target: str | None) -> None:
    """Show all flight recorders that can be read."""
    check_json_target(json_target)
    found = flights()
    table = Table(title="flight recorders", title_justify="left")
    for column in ("name", "process", "ticks", "faults"):
        table.add_column(column)
    for facts in found:
        state = "runs" if facts.runs else "[yellow]dead[/]"
        last = f"{len(facts.faults)}; last: {facts.faults[-1]}" if facts.faults else "none"
        table.add_row(facts.name, f"{facts.pid} {state}", f"{facts.ticks:,}", last)
    if found:
        console.print(table)
    else:
        console.print("There is no flight recorder on this machine: no podhand-rt runs, and none was killed.")
    write_json({"schema": "podhand-flights-1", "flights": [dataclasses.asdict(facts) for facts in found]}, json_target)


def save_flight_file(
    name: str, *, out: Path | None, last_s: float | None, keep: bool, json_target: str | None
) -> SavedFlight:
    """Write a flight recorder as a recording; the memory of a dead podhand-rt is given back then.

    Args:
        name: of the podhand-rt.
        out: the file; None: one in this folder, named by podhand-rt and time.
        last_s: at least so much; None: all.
        keep: leave a dead podhand-rt's memory where it is.
        json_target: file, or - for standard output.

    Raises:
        DeviceError, ConfigError, RecordingError: as ``controllers.flight.save_flight``; nothing was dropped.
    """
    check_json_target(json_target)
    path = out or Path(f"flight-{name.strip('/')}-{datetime.now():%Y%m%d-%H%M%S}.mcap")
    saved = save_flight(name, path, last_s=last_s)
    dead = next((facts for facts in flights() if facts.name == name and not facts.runs), None)
    if dead and not keep:
        drop_flight(name)
    console.print(
        f"{saved.path}: {saved.length_s:.1f} s, ticks {saved.from_ticks:,} to {saved.to_ticks:,}, "
        f"{saved.commands} commands, {saved.outcomes} outcomes.", markup=False, soft_wrap=True,
    )  # fmt: skip
    console.print(f"Run it again: podhand replay {saved.path}", markup=False, soft_wrap=True)
    write_json({"schema": "podhand-flight-1", **dataclasses.asdict(saved), "path": str(saved.path)}, json_target)
    return saved
