"""Reading station files: all findings at once, each with its line and column."""

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, is_dataclass
from importlib import resources
from io import StringIO
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from podhand.core.errors import ConfigError
from podhand.core.ft_calibration import load_ft_calibration
from podhand.core.station_schema import Backend, Station

__all__ = ["Station", "dump_station", "load_station", "parse_station", "shipped_stations"]

Location = tuple[int | str, ...]

_UNITS = {
    "_rad_s3": "rad/s³", "_rad_s2": "rad/s²", "_rad_s": "rad/s", "_rad": "rad", "_m_s3": "m/s³", "_m_s2": "m/s²",
    "_m_s": "m/s", "_n_m": "N m", "_n": "N", "_m": "m", "_s": "s", "_kg": "kg", "_px": "px",
}  # fmt: skip
_FOREIGN_UNITS = re.compile(r"(_(deg|mm|cm|um|ms|us|g|hz|min|n|kn|rad|m|s|kg|nm|px)(?=_|$)(_(s|s2|s3|m|mm|min))?)+$")
_SAFETY_BLOCKS = {"safety", "axes", "forces"}
_CALIBRATION_FILE = "calibration_file"


@dataclass(frozen=True, kw_only=True)
class _Finding:
    line: int
    column: int
    key: str
    text: str


def shipped_stations() -> list[str]:
    """Return the names of the stations that come with podhand, sorted."""
    folder = _shipped_folder()
    return sorted(path.stem for path in folder.glob("*.yaml")) if folder else []


def load_station(name_or_path: str | Path) -> Station:
    """Read and validate a station, by the name of a shipped one or by path.

    Raises:
        ConfigError: no such station, not YAML, or findings: all of them, one per line, each as
            ``file:line:column key - rule (got value)``. Nothing was started.
    """
    path = _find(name_or_path)
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}:1:1 file - must be UTF-8 text (got {error.reason} at byte {error.start})") from error
    except OSError as error:
        raise ConfigError(f"{path}:1:1 file - cannot be read ({error.strerror})") from error
    return parse_station(text, source=str(path), folder=path.parent)


def parse_station(text: str, *, source: str = "station", folder: Path | None = None) -> Station:
    """Validate the text of a station file.

    Args:
        text: YAML.
        source: names it in messages.
        folder: where files that it names are looked for; the working directory when None.

    Raises:
        ConfigError: as ``load_station``.
    """
    document = _parse_yaml(text, source)
    plain = _plain(document)
    findings = _back_end_findings(document, plain) + _read_calibration(document, plain, folder or Path())
    try:
        station = Station.model_validate(plain)
    except ValidationError as error:
        findings += [_finding(document, dict(entry)) for entry in error.errors(include_url=False)]
    if findings:
        findings.sort(key=lambda f: (f.line, f.column))
        raise ConfigError("\n".join(f"{source}:{f.line}:{f.column} {f.key} - {f.text}" for f in findings))
    return station


def dump_station(station: Station) -> str:
    """Return the effective station as YAML text that loads to an equal station."""
    yaml = YAML()
    yaml.width = 120
    stream = StringIO()
    yaml.dump(_with_lists_in_line(station.model_dump(mode="json")), stream)
    return stream.getvalue()


def _with_lists_in_line(node: Any) -> Any:
    """Mark lists of numbers to be written as ``[1, 2]``; blocks stay one key per line."""
    if isinstance(node, dict):
        return {key: _with_lists_in_line(value) for key, value in node.items()}
    if isinstance(node, list):
        sequence = CommentedSeq([_with_lists_in_line(value) for value in node])
        if not any(isinstance(value, dict) for value in node):
            sequence.fa.set_flow_style()
        return sequence
    return node


def _shipped_folder() -> Path | None:
    installed = Path(str(resources.files("podhand"))) / "stations"
    # In a source tree without the package-data link, the folder lies beside core/.
    beside = Path(__file__).resolve().parents[1] / "stations"
    return next((folder for folder in (installed, beside) if folder.is_dir()), None)


def _find(name_or_path: str | Path) -> Path:
    path = Path(name_or_path)
    if path.suffix in (".yaml", ".yml") or path.exists():
        if path.is_file():
            return path
        raise ConfigError(
            f"{path}:1:1 file - station file not found; shipped stations: {', '.join(shipped_stations())}"
        )
    folder = _shipped_folder()
    if folder and (folder / f"{name_or_path}.yaml").is_file():
        return folder / f"{name_or_path}.yaml"
    hint = _did_you_mean(str(name_or_path), shipped_stations())
    raise ConfigError(
        f"no station {str(name_or_path)!r}{hint}; shipped: {', '.join(shipped_stations())}; or give a .yaml file"
    )


def _parse_yaml(text: str, source: str) -> CommentedMap:
    try:
        document = YAML(typ="rt").load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{mark.line + 1}:{mark.column + 1}" if mark else "1:1"
        problem = (error.problem or "not valid YAML").splitlines()[0]
        raise ConfigError(f"{source}:{where} file - not valid YAML: {problem}") from error
    except YAMLError as error:
        raise ConfigError(f"{source}:1:1 file - not valid YAML: {str(error).splitlines()[0]}") from error
    if not isinstance(document, CommentedMap):
        raise ConfigError(f"{source}:1:1 file - must be a mapping of station keys (got {type(document).__name__})")
    return document


def _plain(node: object) -> Any:
    """Strip the round-trip types: pydantic should see, and keep, plain Python values."""
    if isinstance(node, dict):
        return {str(key): _plain(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_plain(value) for value in node]
    for kind in (bool, int, float, str):
        if isinstance(node, kind):
            return kind(node)
    return node


def _back_end_findings(document: CommentedMap, plain: dict[str, Any]) -> list[_Finding]:
    """Find switched-off limits on anything but a simulation, whatever else is wrong with the file."""
    safety = plain.get("safety")
    if plain.get("backend") == Backend.SIM.value or not isinstance(safety, dict):
        return []
    rule = "must be true: limits may be switched off only with backend: sim (got false)"
    return [
        _at(document, ("safety", key), rule)
        for key in ("limiter_enabled", "force_limits_enabled")
        if safety.get(key) is False
    ]


def _read_calibration(document: CommentedMap, plain: dict[str, Any], folder: Path) -> list[_Finding]:
    """Put the content of ``ft.calibration_file`` in its place; a loop delay that was measured longer counts."""
    ft = plain.get("ft")
    if not isinstance(ft, dict) or _CALIBRATION_FILE not in ft:
        return []
    name, place = ft.pop(_CALIBRATION_FILE), ("ft", _CALIBRATION_FILE)
    if not isinstance(name, str) or not name:
        return [_at(document, place, f"must be the name of a file (got {_short(name)})")]
    if "calibration" in ft:
        return [_at(document, place, "give calibration_file or calibration, not both")]
    try:
        calibration = load_ft_calibration(folder / name)
    except ConfigError as error:
        return [_at(document, place, line) for line in str(error).splitlines()]
    ft["calibration"] = calibration.model_dump(mode="json")
    if isinstance(declared_s := ft.get("loop_delay_s"), float):
        ft["loop_delay_s"] = max(declared_s, calibration.loop_delay_s)
    return []


def _at(document: CommentedMap, location: Location, text: str) -> _Finding:
    line, column = _position(document, location)
    return _Finding(line=line, column=column, key=_key(location), text=text)


def _finding(document: CommentedMap, entry: dict[str, Any]) -> _Finding:
    """Turn one pydantic error into a finding with place, rule and value."""
    location: Location = entry["loc"]
    kind: str = entry["type"]
    if kind == "missing":
        return _at(document, location, _missing_text(location))
    if kind in ("extra_forbidden", "unexpected_keyword_argument"):
        return _at(document, location, _unknown_text(location, entry["input"]))
    if kind == "rule":
        blamed: Location = tuple(key for key in str(entry["ctx"]["key"]).split(".") if key)
        return _at(document, (*location, *blamed), str(entry["ctx"]["rule"]))
    return _at(document, location, f"{_rule_text(kind, entry)}{_unit_text(location)} (got {_short(entry['input'])})")


def _missing_text(location: Location) -> str:
    name = location[-1]
    if location[0] in _SAFETY_BLOCKS and len(location) > 1:
        return f"is required: a safety limit has no default. Add '{name}'{_unit_text(location)} here"
    return f"is required. Add '{name}'{_unit_text(location)} here"


def _unknown_text(location: Location, value: object) -> str:
    allowed = _allowed_keys(location[:-1])
    name = str(location[-1])
    stem = _FOREIGN_UNITS.sub("", name)
    same_stem = [key for key in allowed if _FOREIGN_UNITS.sub("", key) == stem]
    if same_stem:
        unit = _unit_text((same_stem[0],)).strip()
        hint = f": wrong unit? did you mean '{same_stem[0]}' {unit}?"
    else:
        hint = _did_you_mean(name, allowed)
    return f"unknown key{hint} (got {_short(value)})"


def _rule_text(kind: str, entry: dict[str, Any]) -> str:
    context = entry.get("ctx", {})
    match kind:
        case "greater_than":
            return f"must be more than {context['gt']:g}"
        case "greater_than_equal":
            return f"must be at least {context['ge']:g}"
        case "less_than":
            return f"must be less than {context['lt']:g}"
        case "less_than_equal":
            return f"must be at most {context['le']:g}"
        case "float_type" | "int_type":
            return "must be a number" if kind == "float_type" else "must be a whole number"
        case "bool_type":
            return "must be true or false"
        case "finite_number":
            return "must be a finite number"
        case "enum":
            return f"must be one of {context['expected']}"
        case "too_short" | "too_long":
            limit = context.get("min_length", context.get("max_length"))
            return (
                f"needs at {'least' if kind == 'too_short' else 'most'} {limit} values, has {context['actual_length']}"
            )
        case "model_type" | "dataclass_type":
            return "must be a block of keys"
        case _:
            message = str(entry["msg"]).removeprefix("Input ").removeprefix("Value error, ")
            return message[:1].lower() + message[1:]


def _unit_text(location: Location) -> str:
    name = next((part for part in reversed(location) if isinstance(part, str)), "")
    for suffix, unit in _UNITS.items():
        if name.endswith(suffix):
            return f" [{unit}]"
    return ""


def _short(value: object) -> str:
    if isinstance(value, dict):
        return f"a block of {len(value)} keys"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _did_you_mean(name: str, candidates: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(candidates), n=1, cutoff=0.6)
    return f": did you mean '{close[0]}'?" if close else ""


def _allowed_keys(location: Location) -> list[str]:
    """Return the keys that the schema allows in the block at a location."""
    block: Any = Station
    for part in location:
        if isinstance(part, int):
            continue
        block = _model_in(_fields(block).get(part))
        if block is None:
            return []
    return list(_fields(block))


def _fields(block: Any) -> dict[str, Any]:
    if isinstance(block, type) and issubclass(block, BaseModel):
        return {name: info.annotation for name, info in block.model_fields.items()}
    return dict(getattr(block, "__dataclass_fields__", {}))


def _model_in(annotation: Any) -> Any:
    """Find the block class inside an annotation such as ``tuple[CameraBlock, ...]``."""
    if isinstance(annotation, type) and (issubclass(annotation, BaseModel) or is_dataclass(annotation)):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part)) is not None), None)


def _key(location: Sequence[int | str]) -> str:
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.lstrip(".") or "station"


def _position(document: CommentedMap, location: Location) -> tuple[int, int]:
    """Return line and column (from 1) of a key, or of the closest parent that is in the file."""
    node: Any = document
    place = (0, 0)
    for part in location:
        try:
            if isinstance(node, CommentedMap):
                place = node.lc.key(part)
            elif isinstance(node, CommentedSeq) and isinstance(part, int):
                place = node.lc.item(part)
            else:
                break
            node = node[part]
        except (KeyError, IndexError, TypeError, AttributeError):
            break
    return place[0] + 1, place[1] + 1
