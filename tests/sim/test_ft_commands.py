"""The commands of the force/torque sensor as a technician uses them."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from podhand.app.cli import app
from podhand.app.shell import ExitCode
from podhand.core.ft_calibration import load_ft_calibration, save_ft_calibration
from podhand.core.station import dump_station, load_station
from tests.unit.test_ft_calibration_file import calibration


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["ft", *arguments])


def test_calibrate_tare_watch_and_use(tmp_path: Path) -> None:
    file, report = tmp_path / "ft.yaml", tmp_path / "ft.json"
    done = run("calibrate", "--out", str(file), "--poses", "6", "--checks", "2", "--json", str(report))
    assert done.exit_code == 0, done.stderr
    assert "condition number" in done.stderr
    assert done.stdout == ""
    found = load_ft_calibration(file)
    assert json.loads(report.read_text())["tool"]["mass_kg"] == found.tool.mass_kg
    assert found.provenance.world == "standard-2, seed 1"
    assert len(found.provenance.poses_q_rad) == 8

    tared = run("tare", str(file), "--json", "-")
    assert tared.exit_code == 0, tared.stderr
    answer = json.loads(tared.stdout)
    assert answer["schema"] == "podhand-ft-tare-1"
    after = load_ft_calibration(file)
    assert list(after.bias.values) == pytest.approx(answer["bias"])
    assert after.first_bias == found.first_bias

    watched = run("watch", str(file), "--seconds", "10", "--json", "-")
    assert watched.exit_code == 0, watched.stderr
    assert json.loads(watched.stdout)["state"] == "steady"

    # A file whose bias is far off stands for a sensor that took a blow.
    x, y, z = after.first_bias.force_n
    blown = after.model_copy(
        update={"tares": (), "first_bias": after.first_bias.model_copy(update={"force_n": (x + 8, y, z)})}
    )
    save_ft_calibration(blown, file)
    refused = run("tare", str(file))
    assert refused.exit_code == ExitCode.FAULT
    assert "not tared: the bias would change by" in refused.stderr.replace("\n", " ")
    assert load_ft_calibration(file) == blown


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["calibrate", "--out", "."], "is a folder; give a file"),
        (["calibrate", "--out", "no/where/ft.yaml"], "there is no folder"),
        (["calibrate", "--poses", "2"], "--poses"),
        (["calibrate", "--station", "sim-stwo"], "did you mean 'sim-stow'"),
        (["tare", "nowhere.yaml"], "make it with: podhand ft calibrate"),
        (["watch", "nowhere.yaml"], "make it with: podhand ft calibrate"),
        (["watch", "nowhere.yaml", "--seconds", "1"], "--seconds"),
    ],
    ids=" ".join,
)
def test_bad_input_is_one_message_and_status_2(
    arguments: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(*arguments)
    assert result.exit_code == ExitCode.BAD_INPUT
    assert words in result.stderr.replace("\n", " ")
    assert list(tmp_path.iterdir()) == []


def test_a_calibration_of_another_station_is_refused(tmp_path: Path) -> None:
    text = dump_station(load_station("sim-stow")).replace("name: sim-stow", "name: cell-7")
    (tmp_path / "cell.yaml").write_text(text, encoding="utf-8")
    save_ft_calibration(calibration(), tmp_path / "ft.yaml")
    result = run("tare", str(tmp_path / "ft.yaml"), "--station", str(tmp_path / "cell.yaml"))
    assert result.exit_code == ExitCode.BAD_INPUT
    assert "was made for station 'sim-stow', this is 'cell-7'" in result.stderr.replace("\n", " ")
