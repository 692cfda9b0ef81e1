"""Whole stows through the command line: result, run folder, replay, Ctrl-C, faults."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from podhand.app.cli import app
from podhand.app.episode import EpisodeJob, run_episode
from podhand.app.results import StowOutcome
from podhand.app.run_folder import verify_run
from podhand.app.shell import ExitCode
from podhand.sim.faults import FaultKind
from podhand.sim.workcell import SimWorkcell

pytestmark = pytest.mark.slow
SEED = 5


def test_a_stow_leaves_json_stories_and_a_run_that_replays(tmp_path: Path) -> None:
    out, result_file = tmp_path / "run", tmp_path / "result.json"
    arguments = ["stow", "--count", "2", "--seed", str(SEED), "--first", "4", "--out", str(out), "--json"]
    result = CliRunner().invoke(app, [*arguments, str(result_file)])
    assert result.exit_code == ExitCode.DONE, result.stderr
    assert result.stdout == ""
    assert "products are in the pod" in result.stderr
    document = json.loads(result_file.read_text())
    assert document == json.loads((out / "summary.json").read_text()) | {"summary": document["summary"]}
    assert len(document["episodes"]) == document["summary"]["attempts"] == 2
    for episode in document["episodes"]:
        if episode["accepted"]:
            assert episode["ticks"] > 5000
            assert {"receive_item", "open_bands", "approach"} <= set(episode["plan"])
    manifest = verify_run(out)
    assert manifest.complete
    assert {"report.html", "events.jsonl", "summary.json", "station.yaml"} <= set(manifest.files)
    replayed = CliRunner().invoke(app, ["replay", str(out), "--json", "-"])
    assert replayed.exit_code == ExitCode.DONE, replayed.stderr
    recordings = json.loads(replayed.stdout)["recordings"]
    assert len(recordings) == sum(episode["accepted"] for episode in document["episodes"])
    assert all(entry["identical"] and entry["same_build"] for entry in recordings)


def test_the_same_seed_is_the_same_stow() -> None:
    job = EpisodeJob(station="sim-stow", items=None, seed=SEED, index=3)
    first, second = (run_episode(job).result for _ in range(2))
    for name in ("item", "bin", "outcome", "plan", "ticks", "peak_force_n", "cycle_s"):
        assert getattr(first, name) == getattr(second, name), name


def test_a_campaign_keeps_failures_only_and_reports_rates(tmp_path: Path) -> None:
    out = tmp_path / "campaign"
    arguments = ["evaluate", "stow", "--episodes", "3", "--seed", str(SEED), "--first", "3", "--jobs", "2"]
    result = CliRunner().invoke(app, [*arguments, "--out", str(out), "--json", "-"])
    assert result.exit_code == ExitCode.DONE, result.stderr
    document = json.loads(result.stdout)
    assert [episode["index"] for episode in document["episodes"]] == [3, 4, 5]
    failed = sum(e["accepted"] and e["outcome"] != "success" for e in document["episodes"])
    assert len(verify_run(out).recordings()) == failed
    low, high = document["summary"]["success_rate_ci95"]
    assert 0.0 <= low < document["summary"]["success_rate"] <= high <= 1.0


def test_ctrl_c_in_mid_motion_stops_and_leaves_a_readable_run(tmp_path: Path) -> None:
    out = tmp_path / "run"
    command = [sys.executable, "-m", "podhand.app.cli", "stow", "--count", "5", "--seed", str(SEED), "--out", str(out)]
    with subprocess.Popen([*command, "--first", "4"], stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 60.0
        while not _has_ticks(out) and time.monotonic() < deadline:
            time.sleep(0.05)
        os.kill(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == ExitCode.INTERRUPTED
    assert "Stopped by Ctrl-C" in errors
    assert "Traceback" not in errors
    assert not verify_run(out).complete
    assert CliRunner().invoke(app, ["replay", str(out)]).exit_code == ExitCode.DONE


def _has_ticks(out: Path) -> bool:
    return any(path.stat().st_size > 10_000 for path in out.glob("*/recording.mcap"))


@pytest.mark.parametrize(
    "kind",
    [FaultKind.FT_NAN, FaultKind.FT_FROZEN, FaultKind.FT_STALE, FaultKind.FT_SATURATED, FaultKind.EMERGENCY_STOP],
)
def test_a_fault_in_mid_stow_is_a_controlled_stop_with_its_cause(kind: FaultKind) -> None:
    def arrange(workcell: SimWorkcell) -> None:
        workcell.faults.inject(kind, from_s=5.0)

    result = run_episode(EpisodeJob(station="sim-stow", items=None, seed=SEED, index=5), arrange=arrange).result
    assert result.accepted
    assert result.outcome is not StowOutcome.SUCCESS
    expected = "emergency stop" if kind is FaultKind.EMERGENCY_STOP else "force/torque signal is not plausible"
    assert expected in result.fault
    assert result.cause


def test_blind_cameras_are_a_refusal_before_anything_moves() -> None:
    def arrange(workcell: SimWorkcell) -> None:
        workcell.faults.inject(FaultKind.CAMERA_ZEROS)

    result = run_episode(EpisodeJob(station="sim-stow", items=None, seed=SEED, index=5), arrange=arrange).result
    assert (result.accepted, result.ticks) == (False, 0)
    assert "camera" in result.refusal_reason
