"""``podhand primitive``: what the primitives are, and one of them alone in the simulated cell."""

import difflib
import json
from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError
from rich.markup import escape
from rich.table import Table

from podhand.app.shell import check_json_target, console, output, write_json
from podhand.app.single import run_single
from podhand.core.errors import ConfigError, MotionFault
from podhand.primitives.base import Primitive, PrimitiveReport
from podhand.primitives.catalogue import load_all


def list_primitives() -> None:
    """Print all primitives with the first line of their descriptions."""
    table = Table(box=None, pad_edge=False, show_header=False)
    for name, primitive in sorted(load_all().items()):
        table.add_row(f"[bold]{name}[/]", escape(_summary(primitive)))
    output.print(table)


def show_primitive(name: str) -> None:
    """Print a primitive's description and parameters. Raises ConfigError for an unknown name."""
    primitive = find_primitive(name)
    output.print(f"[bold]{name}[/]: {escape(' '.join((primitive.__doc__ or '').split()))}")
    schema = primitive.model_json_schema()
    table = Table(box=None, pad_edge=False)
    for column in ("parameter", "default", "range", "meaning"):
        table.add_column(column)
    for key, entry in schema.get("properties", {}).items():
        default = json.dumps(entry["default"]) if "default" in entry else "required"
        table.add_row(key, default, _range(entry), escape(str(entry.get("description", ""))))
    output.print(table if schema.get("properties") else "It takes no parameters.")


def find_primitive(name: str) -> type[Primitive]:
    """Return a primitive by name. Raises ConfigError, with a suggestion, for an unknown one."""
    primitives = load_all()
    if name in primitives:
        return primitives[name]
    close = difflib.get_close_matches(name, list(primitives), n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    raise ConfigError(f"no primitive {name!r}; {hint}there are: {', '.join(sorted(primitives))}")


def parse_parameters(pairs: Sequence[str]) -> dict[str, Any]:
    """Turn ``key=value`` texts into values; a value is JSON, or else text. Raises ConfigError."""
    values: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key:
            raise ConfigError(f"--param {pair!r} must be KEY=VALUE, e.g. extension_m=0.10")
        if key in values:
            raise ConfigError(f"--param {key} is given twice")
        try:
            values[key] = json.loads(text)
        except json.JSONDecodeError:
            values[key] = text
    return values


def make_primitive(name: str, pairs: Sequence[str]) -> Primitive:
    """Return a primitive with parameters from the command line.

    Raises:
        ConfigError: unknown name or key, or values out of range: all findings, one per line.
    """
    kind = find_primitive(name)
    try:
        return kind.model_validate(parse_parameters(pairs))
    except ValidationError as error:
        lines = []
        for entry in error.errors(include_url=False):
            key = ".".join(str(part) for part in entry["loc"])
            hint = _key_hint(kind, key) if entry["type"] == "extra_forbidden" else ""
            got = "" if entry["type"] == "missing" else f" (got {entry['input']!r})"
            lines.append(f"{name}: {key} - {entry['msg'][:1].lower()}{entry['msg'][1:]}{hint}{got}")
        raise ConfigError("\n".join([*lines, f"See: podhand primitive show {name}"])) from error


def run_primitive(
    name: str,
    pairs: Sequence[str],
    *,
    station_name: str,
    seed: int,
    json_target: str | None,
    stopped_at_s: float | None = None,
) -> PrimitiveReport:
    """Run one primitive in the simulated cell, from the parked station or where a stow was stopped.

    Raises:
        ConfigError: unknown name, key or value; nothing was started.
        MotionFault: the primitive did not do what it is for; the arm stands.
    """
    check_json_target(json_target)
    primitive = make_primitive(name, pairs)
    report = run_single(primitive, station_name=station_name, seed=seed, stopped_at_s=stopped_at_s)
    mark = "[green]✓[/]" if report.ok else "[red]✗[/]"
    console.print(f"{mark} [bold]{name}[/] {escape(report.words)} [dim]({report.duration_s:.2f} s)[/]")
    write_json(_entry(primitive, report), json_target)
    if not report.ok:
        raise MotionFault(f"{name}: {report.words}")
    return report


def _entry(primitive: Primitive, report: PrimitiveReport) -> dict[str, Any]:
    return {
        "schema": "podhand-primitive-1",
        "primitive": report.name,
        "params": primitive.model_dump(mode="json"),
        "result": report.result.value,
        "words": report.words,
        "duration_s": report.duration_s,
        "peak_force_n": report.peak_force_n,
        "peak_filtered_force_n": report.peak_filtered_force_n,
        "max_force_ratio": report.max_force_ratio,
        "data": dict(report.data),
    }


def _summary(primitive: type[Primitive]) -> str:
    return (primitive.__doc__ or "").strip().splitlines()[0]


def _range(entry: dict[str, Any]) -> str:
    low = entry.get("minimum", entry.get("exclusiveMinimum"))
    high = entry.get("maximum", entry.get("exclusiveMaximum"))
    if low is None and high is None:
        return str(entry.get("type", ""))
    return f"{'' if low is None else low} … {'' if high is None else high}"


def _key_hint(kind: type[Primitive], key: str) -> str:
    close = difflib.get_close_matches(key, list(kind.model_fields), n=1)
    return f": did you mean '{close[0]}'?" if close else ""


__all__ = ["find_primitive", "list_primitives", "make_primitive", "parse_parameters", "run_primitive", "show_primitive"]
