"""Wrong station files, wrong catalogues and unreachable poses on the command line: one clear error, nothing started."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from podhand.app.cli import app
from podhand.app.shell import ExitCode
from podhand.core.station import dump_station, load_station

HEADER = b"sku,length_mm,width_mm,height_mm,mass_kg,shape\n"
GOOD = b"tea,150,60,100,0.5,box\n"
PARK = json.dumps([list(load_station("sim-stow").arm.park_q_rad)])


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def is_one_error(result: Result, code: ExitCode, *words: str) -> None:
    """Assert status, one message on standard error with these words, and no traceback."""
    assert result.exit_code == code, result.stderr
    assert result.stdout == ""
    assert result.stderr.count("podhand:") == 1
    assert "Traceback" not in result.output
    assert "mistake in podhand" not in result.output
    text = " ".join(result.stderr.split())
    for word in words:
        assert word in text, text


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("sweep_n:", "sweeep_n:", "forces.sweeep_n - unknown key: did you mean 'sweep_n'?"),
        ("limiter_enabled: true", "limiter_enabled: 1", "safety.limiter_enabled - must be true or false (got 1)"),
        ("  period_s:", "  period_ms:", "ft.period_ms - unknown key: wrong unit? did you mean 'period_s' [s]?"),
        ("period_s: 0.001", "period_s: 5.0", "ft.period_s - must be at most 0.02 [s] (got 5.0)"),
        ("  max_tool_speed_m_s:", "  # max_tool_speed_m_s:", "safety.max_tool_speed_m_s"),
    ],
    ids=["key", "type", "unit", "range", "missing limit"],
)
def test_a_wrong_station_file(old: str, new: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = dump_station(load_station("sim-stow"))
    assert old in text
    Path("cell.yaml").write_text(text.replace(old, new, 1), encoding="utf-8")
    result = run("stow", "--station", "cell.yaml", "--count", "1")
    is_one_error(result, ExitCode.BAD_INPUT, "cell.yaml:", words)
    assert [path.name for path in tmp_path.iterdir()] == ["cell.yaml"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (HEADER + b"tea,150,60,100,-0.5,box\n", "2:16 mass_kg - must be within 0.001 … 100 (got -0.5)"),
        (HEADER + GOOD + GOOD, "3:1 sku - must be unique, first in line 2 (got 'tea')"),
        (HEADER + GOOD + b"book,200,20\n", "3:1 line - must have 6 fields"),
        (HEADER + GOOD + b"\x00\x01\x02\x03\n", "binary"),
        (HEADER + GOOD + b"\xff\xfe\xfa,1,1,1,1,box\n", "UTF-8"),
    ],
    ids=["negative mass", "duplicate SKU", "broken line", "binary line", "not UTF-8"],
)
@pytest.mark.parametrize("command", [("stow",), ("evaluate", "stow")], ids=" ".join)
def test_a_wrong_catalogue(
    command: tuple[str, ...], content: bytes, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("items.csv").write_bytes(content)
    is_one_error(run(*command, "--items", "items.csv"), ExitCode.BAD_INPUT, "items.csv", words)
    assert [path.name for path in tmp_path.iterdir()] == ["items.csv"]


def approach(mouth: str) -> Result:
    parameters = ["--param", f"waypoints_rad={PARK}", "--param", f"X_base_tool_mouth={mouth}"]
    return run("primitive", "run", "approach", *parameters)


def test_an_unreachable_pose_is_refused_before_anything_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    def moved(*_: object) -> None:
        raise AssertionError("something was started")

    monkeypatch.setattr("podhand.app.single.build_workcell", moved)
    result = approach("[[1,0,0,2.5],[0,1,0,-0.4],[0,0,1,0.7],[0,0,0,1]]")
    is_one_error(
        result,
        ExitCode.FAILED,
        "approach: X_base_tool_mouth - tool pose at (2.500, -0.400, 0.700) m in the base frame is out of reach",
        "move the pose there, or move the base",
    )


@pytest.mark.parametrize(
    "mouth",
    ["[[0,0,0,1],[0,0,0,0],[0,0,0,0],[0,0,0,1]]", "[[1,0,0,1],[0,1,0,0],[0,0,-1,0],[0,0,0,1]]",
     "[[1,0,0,1],[0,1,0,0],[0,0,1,0],[0,0,0,2]]"],
    ids=["no rotation", "left-handed", "last row"],
)  # fmt: skip
def test_a_matrix_that_is_no_pose(mouth: str) -> None:
    result = approach(mouth)
    is_one_error(result, ExitCode.BAD_INPUT, "X_base_tool_mouth", "must be a pose", "primitive show approach")
