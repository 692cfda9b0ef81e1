"""The command line: help, exit statuses, errors as messages, and who owns standard output."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import podhand
from podhand.app.cli import app
from podhand.app.shell import ExitCode, exit_code_of
from podhand.core.errors import (
    ConfigError,
    DeviceError,
    LimitError,
    MotionFault,
    PerceptionError,
    PlanningError,
    RecordingError,
    StateError,
)
from podhand.core.station import load_station, parse_station

COMMANDS = [
    ["stow"], ["evaluate", "stow"], ["evaluate", "ablations"], ["report", "failures"], ["primitive", "list"],
    ["primitive", "show"], ["primitive", "run"], ["replay"], ["station", "show"], ["station", "check"],
    ["bench", "loop"], ["ft", "calibrate"], ["ft", "tare"], ["ft", "watch"],
]  # fmt: skip


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def test_version() -> None:
    result = run("--version")
    assert (result.exit_code, result.stdout.strip()) == (0, f"podhand {podhand.__version__}")


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_explains_itself(command: list[str]) -> None:
    result = run(*command, "--help")
    assert result.exit_code == 0
    assert "podhand " + " ".join(command) in result.stdout or command == ["primitive", "list"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["stow", "--count", "none"], "--count"),
        (["stow", "--count", "0"], "--count"),
        (["stow", "--sneed", "1"], "--sneed"),
        (["stow", "--host", "cloud"], "realtime"),
        (["dance"], "dance"),
        (["stow", "--station", "sim-stwo"], "did you mean 'sim-stow'"),
        (["stow", "--station", "nowhere.yaml"], "station file not found"),
        (["stow", "--items", "nowhere.csv"], "nowhere.csv"),
        (["evaluate", "stow", "--keep", "some"], "'some' is not one of"),
        (["station", "check", "nowhere.yaml"], "station file not found"),
        (["replay", "."], "no run folder"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_bad_input_is_one_message_and_status_2(
    arguments: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(*arguments)
    assert result.exit_code == ExitCode.BAD_INPUT
    assert words in result.stderr.replace("\n", " ")
    assert "Traceback" not in result.output
    assert result.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_station_show_prints_what_loads_again() -> None:
    result = run("station", "show", "sim-stow")
    assert result.exit_code == 0
    assert parse_station(result.stdout) == load_station("sim-stow")


def test_station_check_collects_all_findings(tmp_path: Path) -> None:
    text = run("station", "show").stdout.replace("sweep_n:", "sweeep_n:").replace("period_s: 0.001", "period_s: 1.0")
    file = tmp_path / "cell.yaml"
    file.write_text(text, encoding="utf-8")
    result = run("station", "check", str(file))
    assert result.exit_code == ExitCode.BAD_INPUT
    for part in ("did you mean 'sweep_n'", "forces.sweep_n - is required", "ft.period_s - must be at most 0.02"):
        assert part in result.stderr.replace("\n", " ")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("x"), 2), (LimitError("x"), 2), (PerceptionError("x"), 2), (RecordingError("x"), 2),
        (PlanningError("x"), 1), (StateError("x"), 1), (RuntimeError("x"), 1), (DeviceError("x"), 3),
        (MotionFault("x"), 3), (KeyboardInterrupt(), 130),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_exit_statuses(error: BaseException, code: int) -> None:
    assert exit_code_of(error) == code


def test_a_mistake_in_podhand_says_so_without_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr("podhand.core.station.load_station", broken)
    result = run("station", "show")
    assert result.exit_code == ExitCode.FAILED
    assert "ZeroDivisionError: oops" in result.stderr
    assert "Traceback" not in result.stderr
    assert "Traceback" in run("--log-level", "debug", "station", "show").stderr


def test_json_to_standard_output_is_all_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    from podhand.app.shell import console, write_json

    console.print("for people")
    write_json({"a": 1}, "-")
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {"a": 1}
