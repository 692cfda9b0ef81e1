"""Station files: what is accepted, and one clear finding for each kind of mistake."""

import pickle
import re
from pathlib import Path

import pytest

from podhand.core.errors import ConfigError
from podhand.core.station import Station, dump_station, load_station, parse_station, shipped_stations

FINDING = re.compile(r"^(?P<file>[^:]+):(?P<line>\d+):(?P<column>\d+) (?P<key>\S+) - (?P<rule>.+)$")


@pytest.fixture(scope="module")
def text() -> str:
    import podhand.core.station as module

    return (Path(module.__file__).resolve().parents[1] / "stations" / "sim-stow.yaml").read_text(encoding="utf-8")


def findings(text: str) -> list[dict[str, str]]:
    with pytest.raises(ConfigError) as caught:
        parse_station(text, source="cell.yaml")
    found = [FINDING.match(line) for line in str(caught.value).splitlines()]
    assert all(found), str(caught.value)
    return [match.groupdict() for match in found if match]


def change(text: str, old: str, new: str) -> str:
    assert text.count(old) >= 1, old
    return text.replace(old, new, 1)


@pytest.mark.parametrize("name", ["sim-stow", "sim-unlimited"])
def test_shipped_stations_load_and_survive_dump_and_pickle(name: str) -> None:
    station = load_station(name)
    assert station.name == name
    assert parse_station(dump_station(station)) == station
    assert pickle.loads(pickle.dumps(station)) == station


def test_both_stations_are_listed_and_only_one_is_unlimited() -> None:
    assert shipped_stations() == ["sim-stow", "sim-unlimited"]
    assert not load_station("sim-stow").simulated_unlimited
    assert load_station("sim-unlimited").simulated_unlimited


def test_the_unlimited_station_differs_in_nothing_else() -> None:
    limited, unlimited = (load_station(name).model_dump() for name in ("sim-stow", "sim-unlimited"))
    differing = {key for key in limited if limited[key] != unlimited[key]}
    assert differing == {"name", "description", "safety"}


def test_a_path_works_like_a_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    assert load_station(path) == load_station("sim-stow")


@pytest.mark.parametrize(
    ("old", "new", "key", "rule"),
    [
        ("infeed:", "infed:", "infed", r"unknown key: did you mean 'infeed'\?"),
        ("sweep_n: 20.0", "sweeep_n: 20.0", "forces.sweeep_n", r"did you mean 'sweep_n'\?"),
        ("sweep_n: 20.0", "sweep_n: '20'", "forces.sweep_n", r"must be a number \[N\] \(got '20'\)"),
        ("sweep_n: 20.0", "sweep_n: true", "forces.sweep_n", r"must be a number \[N\] \(got True\)"),
        ("sweep_n: 20.0", "sweep_n: .nan", "forces.sweep_n", r"must be \S"),
        ("sweep_n: 20.0", "sweep_n: 200.0", "forces.sweep_n", r"safety.max_force_norm_n = 80.0 N \(got 200.0\)"),
        ("limiter_enabled: true", "limiter_enabled: 1", "safety.limiter_enabled", r"must be true or false \(got 1\)"),
        ("max_speed_m_s: 0.20", "max_speed_mm_s: 200", "axes.squeeze.max_speed_mm_s", r"did you mean 'max_speed_m_s'"),
        ("period_s: 0.001", "period_ms: 1", "ft.period_ms", r"wrong unit\? did you mean 'period_s' \[s\]\?"),
        ("period_s: 0.001", "period_s: 5.0", "ft.period_s", r"must be at most 0.02 \[s\] \(got 5.0\)"),
        ("  max_force_norm_n: 80.0\n", "", "safety.max_force_norm_n", r"a safety limit has no default"),
        ("[2.0943, 2.0943", "[2.5, 2.0943", "arm.max_speed_rad_s", r"may only tighten .* shoulder .*\(got 2.5\)"),
        ("model: ur10e", "model: ur11", "arm.model", r"must be one of ur10e \(got 'ur11'\)"),
        ("backend: sim", "backend: smi", "backend", r"must be one of 'sim' \(got 'smi'\)"),
        ("width_px: 320", "width_px: 3.5", "cameras[0].width_px", r"must be a whole number \[px\]"),
        ("min_position_m: 0.012", "min_position_m: 0.2", "axes.squeeze.min_position_m", r"below max_position_m"),
        ("base_below_bin_floor_m: 0.10", "base_below_bin_floor_m: 0.9", "mounting", r"the lift must reach"),
        ("schema_version: 1", "schema_version: 2", "schema_version", r"must be at most 1 \(got 2\)"),
    ],
)
def test_each_mistake_gets_one_finding_that_names_it(text: str, old: str, new: str, key: str, rule: str) -> None:
    found = findings(change(text, old, new))
    matching = [f for f in found if f["key"] == key]
    assert len(matching) == 1, found
    assert re.search(rule, matching[0]["rule"])


def test_line_and_column_point_at_the_key(text: str) -> None:
    broken = change(text, "sweep_n: 20.0", "sweep_n: -1.0")
    (found,) = findings(broken)
    line = broken.splitlines()[int(found["line"]) - 1]
    assert line[int(found["column"]) - 1 :].startswith("sweep_n")


def test_all_findings_come_at_once_in_file_order(text: str) -> None:
    broken = change(
        change(change(text, "sweep_n: 20.0", "sweep_n: -1"), "infeed:", "infed:"), "  max_tool_speed_m_s: 1.5\n", ""
    )
    found = findings(broken)
    assert {"forces.sweep_n", "infed", "infeed", "safety.max_tool_speed_m_s"} == {f["key"] for f in found}
    assert [int(f["line"]) for f in found] == sorted(int(f["line"]) for f in found)


def test_every_safety_limit_is_required(text: str) -> None:
    for name in ("max_force_norm_n", "max_torque_norm_n_m", "max_tool_speed_m_s", "axis_max_age_s", "limiter_enabled",
                 "force_limits_enabled"):  # fmt: skip
        found = findings(re.sub(rf"^  {name}:.*\n", "", text, count=1, flags=re.MULTILINE))
        assert [f["key"] for f in found] == [f"safety.{name}"]
        assert "no default" in found[0]["rule"]


def test_limits_may_be_switched_off_only_in_the_simulation(text: str) -> None:
    unlimited = change(text, "limiter_enabled: true", "limiter_enabled: false")
    assert parse_station(unlimited).simulated_unlimited
    found = findings(change(unlimited, "backend: sim", "backend: ethercat"))
    assert any(f["key"] == "safety.limiter_enabled" and "only with backend: sim" in f["rule"] for f in found)


@pytest.mark.parametrize(
    ("text", "line"),
    [("a: [1", 1), ("- 1", 1), ("", 1), ("3", 1), ("name: a\nname: b", 2), ("a:\n\t- 1", 2)],
)
def test_what_is_no_station_at_all_gets_one_line(text: str, line: int) -> None:
    (found,) = findings(text)
    assert int(found["line"]) == line


def test_a_binary_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "noise.yaml"
    path.write_bytes(b"name: \xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"noise\.yaml:1:1 file - must be UTF-8"):
        load_station(path)


def test_an_unknown_name_gets_a_suggestion() -> None:
    with pytest.raises(ConfigError, match="did you mean 'sim-stow'"):
        load_station("sim-stwo")
    with pytest.raises(ConfigError, match="station file not found"):
        load_station("nowhere.yaml")


def test_tool_and_pod_geometry_can_be_changed_within_ranges(text: str) -> None:
    station = parse_station(text + "pod:\n  rows: 6\ntool:\n  mass_kg: 3.0\n")
    assert (station.pod.rows, station.tool.mass_kg) == (6, 3.0)
    assert isinstance(station, Station)
    (found,) = findings(text + "tool:\n  paddle_length_m: -0.3\n")
    assert found["key"] == "tool.paddle_length_m"
