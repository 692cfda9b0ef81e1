"""The item catalogue: products as a CSV file, and which of them this tool may handle."""

import csv
import io
from dataclasses import dataclass
from importlib.resources import files
from math import isfinite
from pathlib import Path

from podhand.core.errors import ConfigError
from podhand.core.items import Item, Shape

REQUIRED_COLUMNS = ("sku", "length_mm", "width_mm", "height_mm", "mass_kg", "shape")
OPTIONAL_COLUMNS = ("friction", "max_squeeze_n")
DEFAULT_FRICTION = 0.45
DEFAULT_MAX_SQUEEZE_N = 40.0

MAX_LENGTH_M = 0.29
"""The paddles are 0.30 m long and the item's front stays 5 mm behind the mouth."""
MAX_WIDTH_M = 0.14
MAX_HEIGHT_M = 0.20
MAX_MASS_KG = 3.6
"""About 8 lb, the published limit of such stations."""
MIN_WIDTH_M = 0.015
"""The infeed rails and the closed paddles leave nothing to grip below this."""
MIN_BOTTLE_SLENDERNESS = 1.3
"""A cylinder shorter than this many diameters is not taken: it may lie either way and roll on the belts."""

MAX_OUT_OF_ROUND = 0.15
"""A cylinder's two short sides may differ by this share of the larger one."""

_RANGES: dict[str, tuple[float, float]] = {
    "length_mm": (5.0, 2000.0),
    "width_mm": (1.0, 2000.0),
    "height_mm": (1.0, 2000.0),
    "mass_kg": (0.001, 100.0),
    "friction": (0.05, 2.0),
    "max_squeeze_n": (1.0, 1000.0),
}
_MAX_BYTES = 10_000_000


@dataclass(frozen=True, kw_only=True)
class CatalogueEntry:
    """One product and whether this tool may handle it."""

    item: Item
    eligible: bool
    reason: str
    """Why not, in words; empty when eligible."""


def load_catalogue(path: Path | str | None = None) -> list[CatalogueEntry]:
    """Read a catalogue file.

    Sides may be given in any order: they are sorted into length, height and width.

    Args:
        path: a CSV file; None for the bundled products, ``"hard"`` for the bundled difficult ones.

    Raises:
        ConfigError: the file cannot be read or has errors; the message lists all of them, one per line, as
            ``file:line:column key - rule (got value)``.
    """
    bundled = {None: "products.csv", "hard": "hard.csv"}.get(path if path is None else str(path))
    if bundled:
        return _parse(files("podhand.sim").joinpath(f"data/{bundled}").read_bytes(), bundled)
    assert path is not None
    try:
        raw = Path(path).read_bytes()
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot read the item catalogue ({error.strerror}); give a readable CSV file"
        ) from error
    return _parse(raw, str(path))


def eligibility(item: Item) -> str:
    """Return why this tool may not handle an item, in words; an empty string when it may."""
    if item.shape is Shape.SPHERE:
        return "shape sphere: rolls on the belts"
    if item.length_m > MAX_LENGTH_M:
        return f"longest side {item.length_m * 1e3:.0f} mm is over {MAX_LENGTH_M * 1e3:.0f} mm"
    if item.width_m > MAX_WIDTH_M:
        return f"shortest side {item.width_m * 1e3:.0f} mm is over {MAX_WIDTH_M * 1e3:.0f} mm"
    if item.width_m < MIN_WIDTH_M:
        return f"shortest side {item.width_m * 1e3:.0f} mm is under {MIN_WIDTH_M * 1e3:.0f} mm"
    if item.height_m > MAX_HEIGHT_M:
        return f"middle side {item.height_m * 1e3:.0f} mm is over {MAX_HEIGHT_M * 1e3:.0f} mm"
    if item.mass_kg > MAX_MASS_KG:
        return f"mass {item.mass_kg:.2f} kg is over {MAX_MASS_KG} kg"
    if item.shape is Shape.CYLINDER and item.length_m < MIN_BOTTLE_SLENDERNESS * item.height_m:
        return (
            f"cylinder with sides of {item.length_m * 1e3:.0f} and {item.height_m * 1e3:.0f} mm: "
            f"shorter than {MIN_BOTTLE_SLENDERNESS} diameters, it rolls"
        )
    if item.shape is Shape.CYLINDER and item.height_m - item.width_m > MAX_OUT_OF_ROUND * item.height_m:
        return (
            f"cylinder with short sides of {item.width_m * 1e3:.0f} and {item.height_m * 1e3:.0f} mm: not round; "
            "a flat bottle counts as a box"
        )
    return ""


def coverage(catalogue: list[CatalogueEntry]) -> float:
    """Return the share of products that are eligible, 0 for an empty catalogue."""
    return sum(entry.eligible for entry in catalogue) / len(catalogue) if catalogue else 0.0


@dataclass(frozen=True, kw_only=True)
class _Cell:
    """A field and its place in the file."""

    line: int
    column: int
    text: str


class _Findings:
    """Collects every error of one file."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.lines: list[str] = []

    def add(self, line: int, column: int, key: str, rule: str, got: str) -> None:
        self.lines.append(f"{self.name}:{line}:{column} {key} - {rule} (got {got})")

    def raise_any(self) -> None:
        if self.lines:
            raise ConfigError("\n".join(self.lines))


def _parse(raw: bytes, name: str) -> list[CatalogueEntry]:
    findings = _Findings(name)
    text = _decode(raw, findings)
    findings.raise_any()
    rows = _rows(text, findings)
    findings.raise_any()
    if not rows:
        findings.add(1, 1, "header", f"must name the columns {', '.join(REQUIRED_COLUMNS)}", "an empty file")
        findings.raise_any()
    header = rows[0]
    _check_header(header, findings)
    findings.raise_any()
    entries: list[CatalogueEntry] = []
    seen: dict[str, int] = {}
    names = [cell.text for cell in header]
    for row in rows[1:]:
        item = _item(row, names, seen, findings)
        if item is not None:
            reason = eligibility(item)
            entries.append(CatalogueEntry(item=item, eligible=not reason, reason=reason))
    if len(rows) == 1:
        findings.add(header[0].line + 1, 1, "sku", "needs at least one product", "none")
    findings.raise_any()
    return entries


def _decode(raw: bytes, findings: _Findings) -> str:
    if len(raw) > _MAX_BYTES:
        findings.add(1, 1, "file", f"must be at most {_MAX_BYTES} bytes", f"{len(raw)} bytes")
        return ""
    if b"\0" in raw:
        before = raw[: raw.index(b"\0")]
        line, column = before.count(b"\n") + 1, len(before) - before.rfind(b"\n")
        findings.add(line, column, "file", "must be CSV text in UTF-8", "a zero byte: this looks like a binary file")
        return ""
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        line, column = before.count(b"\n") + 1, len(before) - before.rfind(b"\n")
        findings.add(line, column, "file", "must be CSV text in UTF-8", f"byte 0x{raw[error.start]:02x}")
        return ""


def _rows(text: str, findings: _Findings) -> list[list[_Cell]]:
    rows: list[list[_Cell]] = []
    lines = text.splitlines()
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    first = 1
    while True:
        try:
            fields = next(reader)
        except StopIteration:
            return rows
        except csv.Error as error:
            last = min(reader.line_num, len(lines))
            findings.add(first, 1, "line", f"must be valid CSV: {error}", repr(lines[last - 1][:60]) if lines else "''")
            return rows
        if any(field.strip() for field in fields) and not fields[0].lstrip().startswith("#"):
            rows.append(_cells(fields, first, lines[first - 1]))
        first = reader.line_num + 1


def _cells(fields: list[str], line: int, text: str) -> list[_Cell]:
    cells, at = [], 0
    for field in fields:
        found = text.find(field, at) if field else at
        column = (found if found >= 0 else at) + 1
        cells.append(_Cell(line=line, column=column, text=field.strip()))
        comma = text.find(",", column - 1 + len(field))
        at = comma + 1 if comma >= 0 else len(text)
    return cells


def _check_header(header: list[_Cell], findings: _Findings) -> None:
    names = [cell.text for cell in header]
    line = header[0].line
    for key in REQUIRED_COLUMNS:
        if key not in names:
            findings.add(line, 1, key, "column is missing; needed: " + ", ".join(REQUIRED_COLUMNS), ", ".join(names))
    known = REQUIRED_COLUMNS + OPTIONAL_COLUMNS
    for i, cell in enumerate(header):
        if cell.text not in known:
            findings.add(
                line, cell.column, cell.text or "column", f"must be one of {', '.join(known)}", repr(cell.text)
            )
        elif cell.text in names[:i]:
            findings.add(line, cell.column, cell.text, "column must appear once", "a second one")


def _item(row: list[_Cell], names: list[str], seen: dict[str, int], findings: _Findings) -> Item | None:
    line = row[0].line
    if len(row) != len(names):
        findings.add(line, 1, "line", f"must have {len(names)} fields, as the header", str(len(row)))
        return None
    cells = dict(zip(names, row, strict=True))
    before = len(findings.lines)
    sku = cells["sku"]
    if not sku.text:
        findings.add(line, sku.column, "sku", "must not be empty", "''")
    elif sku.text in seen:
        findings.add(line, sku.column, "sku", f"must be unique, first in line {seen[sku.text]}", repr(sku.text))
    else:
        seen[sku.text] = line
    values = {
        "friction": DEFAULT_FRICTION,
        "max_squeeze_n": DEFAULT_MAX_SQUEEZE_N,
    }
    for key in _RANGES:
        cell = cells.get(key)
        if cell is None or (not cell.text and key in OPTIONAL_COLUMNS):
            continue
        value = _number(cell, key, findings)
        if value is not None:
            values[key] = value
    shape = cells["shape"].text.lower()
    if shape not in {s.value for s in Shape}:
        rule = f"must be one of {', '.join(s.value for s in Shape)}"
        findings.add(line, cells["shape"].column, "shape", rule, repr(cells["shape"].text))
    if len(findings.lines) > before:
        return None
    width, height, length = sorted(values[key] / 1e3 for key in ("length_mm", "width_mm", "height_mm"))
    return Item(
        sku=sku.text,
        length_m=length,
        width_m=width,
        height_m=height,
        mass_kg=values["mass_kg"],
        shape=Shape(shape),
        friction=values["friction"],
        max_squeeze_n=values["max_squeeze_n"],
    )


def _number(cell: _Cell, key: str, findings: _Findings) -> float | None:
    low, high = _RANGES[key]
    try:
        value = float(cell.text)
    except ValueError:
        findings.add(cell.line, cell.column, key, "must be a number", repr(cell.text))
        return None
    if not isfinite(value) or not low <= value <= high:
        findings.add(cell.line, cell.column, key, f"must be within {low:g} … {high:g}", cell.text)
        return None
    return value
