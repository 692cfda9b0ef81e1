"""The calibration file: written and read again, used by a station, refused with a finding when it does not fit."""

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ruamel.yaml import YAML

import podhand.core.station as station_module
from podhand.controllers.parameters import EMPTY_PAYLOAD, HELD_PAYLOAD, check_config, empty_tool, kernel_config
from podhand.controllers.segments import Compliant
from podhand.core.errors import ConfigError
from podhand.core.ft_calibration import MAX_TARES, FtCalibration, Tare, Wrench, load_ft_calibration, save_ft_calibration
from podhand.core.station import dump_station, load_station, parse_station
from tests.unit.test_accepted_gains import refusal, segment

TEXT = (Path(station_module.__file__).resolve().parents[1] / "stations" / "sim-stow.yaml").read_text(encoding="utf-8")
DOCUMENT: dict[str, Any] = {
    "format": "podhand-ft-calibration-1",
    "station": "sim-stow",
    "tool": {"mass_kg": 3.31, "com_sensor_m": [0.001, -0.002, 0.155], "mass_std_kg": 0.001, "com_std_m": 0.0001},
    "first_bias": {"force_n": [1.5, -2.5, 3.5], "torque_n_m": [0.1, 0.2, -0.3]},
    "drift_per_s": {"force_n": [0.001, 0.0, 0.0], "torque_n_m": [0.0, 0.0, 0.0]},
    "noise": {"force_n": [0.3, 0.3, 0.3], "torque_n_m": [0.015, 0.015, 0.015]},
    "loop_delay_s": 0.0062,
    "position_delay_s": 0.0026,
    "quality": {
        "condition_number": 1.5, "fit_poses": 12, "verification_poses": 4, "fit_residual_force_n": 0.03,
        "fit_residual_torque_n_m": 0.002, "verification_residual_force_n": 0.04,
        "verification_residual_torque_n_m": 0.002, "residual_bound_force_n": 0.66, "residual_bound_torque_n_m": 0.06,
    },
    "provenance": {
        "made_at": "2026-11-21T12:00:00+00:00", "podhand": "0.1.0", "kernel_build": "0.1.0+abc", "gravity_m_s2": 9.81,
        "opening_m": 0.12, "blade_m": 0.0, "poses_q_rad": [[0.1, 0.2, 0.3, 0.4, 0.5, 0.6]], "verification": [0],
    },
}  # fmt: skip


def calibration(**changes: Any) -> FtCalibration:
    return FtCalibration.model_validate({**copy.deepcopy(DOCUMENT), **changes})


def write(folder: Path, document: object = DOCUMENT, *, station: str = TEXT) -> Path:
    """Write a station that uses a calibration file beside it; return the station's path."""
    with (folder / "ft.yaml").open("w", encoding="utf-8") as file:
        YAML().dump(document, file)
    path = folder / "cell.yaml"
    path.write_text(station.replace("\nft:\n", "\nft:\n  calibration_file: ft.yaml\n"), encoding="utf-8")
    return path


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "new" / "ft.yaml"
    tared = calibration().with_tare(Tare(made_at="2026-11-22T06:00:00+00:00", bias=Wrench.of([1, 2, 3, 4, 5, 6.5])))
    save_ft_calibration(tared, path)
    assert load_ft_calibration(path) == tared
    assert tared.bias.values == (1.0, 2.0, 3.0, 4.0, 5.0, 6.5)
    assert calibration().bias == calibration().first_bias
    assert [file.name for file in path.parent.iterdir()] == ["ft.yaml"]


def test_the_newest_tares_are_kept() -> None:
    found = calibration()
    for k in range(MAX_TARES + 5):
        found = found.with_tare(Tare(made_at=f"day {k}", bias=Wrench.of([k, 0, 0, 0, 0, 0])))
    assert len(found.tares) == MAX_TARES
    assert found.bias.force_n[0] == MAX_TARES + 4


def test_a_station_uses_tool_bias_and_delay(tmp_path: Path) -> None:
    station = load_station(write(tmp_path))
    config = kernel_config(station)
    check_config(config)
    for index in (EMPTY_PAYLOAD, HELD_PAYLOAD):
        assert config["payload"][index]["mass_kg"] == 3.31
        np.testing.assert_array_equal(config["payload"][index]["com_sensor_m"], [0.001, -0.002, 0.155])
    np.testing.assert_array_equal(config["ft"]["bias"], [1.5, -2.5, 3.5, 0.1, 0.2, -0.3])
    assert config["ft"]["loop_delay_s"] == station.ft.loop_delay_s == 0.0062
    assert empty_tool(station)["mass_kg"] == 3.31


def test_the_effective_station_holds_it_all(tmp_path: Path) -> None:
    station = load_station(write(tmp_path))
    assert parse_station(dump_station(station)) == station
    assert pickle.loads(pickle.dumps(station)) == station


def test_a_shorter_measured_delay_loosens_nothing(tmp_path: Path) -> None:
    assert load_station(write(tmp_path, {**DOCUMENT, "loop_delay_s": 0.001})).ft.loop_delay_s == 0.004


def test_the_measured_delay_feeds_the_damping_gate(tmp_path: Path) -> None:
    """The same gains, the same contact: accepted with the declared delay, refused with a measured one of 30 ms."""
    asked = segment(Compliant(mass=5.0, damping=80.0), 0, 2e4)
    assert refusal(kernel_config(load_station("sim-stow")), asked) == ""
    slow = load_station(write(tmp_path, {**DOCUMENT, "loop_delay_s": 0.030}))
    assert "along x: law: damping ratio" in refusal(kernel_config(slow), asked)


@pytest.mark.parametrize(
    ("document", "key", "words"),
    [
        ({**DOCUMENT, "station": "other"}, "ft.calibration", "was made for station 'other', this is 'sim-stow'"),
        ({**DOCUMENT, "tool": {**DOCUMENT["tool"], "mass_kg": 4.0}}, "ft.calibration", "weighs 4.00 kg, tool.mass_kg"),
        (
            {**DOCUMENT, "first_bias": {"force_n": [400.0, 0, 0], "torque_n_m": [0, 0, 0]}},
            "ft.calibration", "outside the sensor's range of 330",
        ),
        ({**DOCUMENT, "format": "9"}, "ft.calibration_file", "format must be 'podhand-ft-calibration-1' (got '9')"),
        ({**DOCUMENT, "extra": 1}, "ft.calibration_file", "extra: extra inputs are not permitted"),
        ({k: v for k, v in DOCUMENT.items() if k != "noise"}, "ft.calibration_file", "noise: field required"),
        ({**DOCUMENT, "loop_delay_s": float("nan")}, "ft.calibration_file", "loop_delay_s: input should be"),
        ([1, 2], "ft.calibration_file", "format must be 'podhand-ft-calibration-1' (got 'list')"),
        (
            {**DOCUMENT, "quality": {**DOCUMENT["quality"], "verification_residual_force_n": 0.7}},
            "ft.calibration_file", "verification_residual_force_n 0.7 is over its bound 0.66: calibrate again",
        ),
    ],
    ids=["another station", "another tool", "out of range", "format", "extra", "missing", "nan", "list", "residual"],
)  # fmt: skip
def test_what_does_not_fit_is_a_finding(tmp_path: Path, document: object, key: str, words: str) -> None:
    with pytest.raises(ConfigError) as found:
        load_station(write(tmp_path, document))
    text = str(found.value)
    assert f" {key} - " in text
    assert words in text
    assert text.startswith(str(tmp_path / "cell.yaml"))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (
            "calibration_file: nowhere.yaml",
            "cannot be read (No such file or directory); make it with: podhand ft calibrate",
        ),
        ("calibration_file: 7", "must be the name of a file (got 7)"),
        ("calibration_file: broken.yaml", "not valid YAML"),
        ("calibration_file: bytes.yaml", "must be UTF-8 text"),
    ],
)
def test_a_file_that_cannot_be_used_is_found_at_its_line(tmp_path: Path, line: str, words: str) -> None:
    (tmp_path / "broken.yaml").write_text("a: [1, 2", encoding="utf-8")
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    text = TEXT.replace("\nft:\n", f"\nft:\n  {line}\n")
    at = text.splitlines().index(f"  {line}") + 1
    with pytest.raises(ConfigError) as found:
        parse_station(text, source="cell.yaml", folder=tmp_path)
    assert f"cell.yaml:{at}:3 ft.calibration_file - " in str(found.value)
    assert words in str(found.value)


def test_a_delay_written_below_the_measured_one_is_refused(tmp_path: Path) -> None:
    text = dump_station(load_station(write(tmp_path))).replace("loop_delay_s: 0.0062", "loop_delay_s: 0.004", 1)
    with pytest.raises(
        ConfigError, match=r"loop_delay_s - must not be less than the measured 0\.0062 s \(got 0\.004\)"
    ):
        parse_station(text)


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(ConfigError, match="cannot be written"):
        save_ft_calibration(calibration(), tmp_path / "file" / "ft.yaml")
