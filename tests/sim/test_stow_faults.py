"""Faults and Ctrl-C through the command line: controlled stops with their cause, and run folders that still replay."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from podhand.app.cli import app
from podhand.app.run_folder import verify_run
from podhand.app.shell import ExitCode
from podhand.app.wiring import build_workcell
from podhand.core.station import Station
from podhand.primitives.base import Trace
from podhand.primitives.catalogue import Sweep
from podhand.primitives.cell import StowCell
from podhand.sim.faults import FaultKind
from podhand.sim.workcell import SimWorkcell
from podhand.sim.world import World

pytestmark = pytest.mark.slow
SEED, FIRST_THAT_SWEEPS = 1, 1
INTO_THE_SWEEP_S = 0.4
AT_REST = 2e-3
"""Speed of every joint [rad/s]."""


class Cell:
    """Catches the workcell of the episode, and orders a fault for the middle of its sweep."""

    def __init__(self, patch: pytest.MonkeyPatch, kind: FaultKind, lasts_s: float = np.inf) -> None:
        self.workcell: SimWorkcell | None = None
        self.from_s = np.inf
        sweep = Sweep._do

        def built(station: Station, world: World) -> SimWorkcell:
            self.workcell = build_workcell(station, world)
            return self.workcell

        async def spoiled(primitive: Sweep, cell: StowCell, trace: Trace) -> str:
            assert self.workcell is not None
            self.from_s = self.workcell.plant.time_s + INTO_THE_SWEEP_S
            self.workcell.faults.inject(kind, from_s=self.from_s, until_s=self.from_s + lasts_s)
            return await sweep(primitive, cell, trace)

        patch.setattr("podhand.app.episode.build_workcell", built)
        patch.setattr(Sweep, "_do", spoiled)


def stow(out: Path, *arguments: str) -> Result:
    command = ["stow", "--seed", str(SEED), "--first", str(FIRST_THAT_SWEEPS), "--out", str(out), *arguments]
    return CliRunner().invoke(app, [*command, "--json", str(out.with_suffix(".json"))])


def primitives(out: Path) -> dict[str, dict[str, Any]]:
    """Return the events of a run's primitives by name, the last of each."""
    events = [json.loads(line) for line in (out / "events.jsonl").read_text().splitlines()]
    return {event["name"]: event for event in events if event["event"] == "primitive"}


def replays(out: Path) -> bool:
    result = CliRunner().invoke(app, ["replay", str(out), "--json", "-"])
    assert result.exit_code == ExitCode.DONE, result.stderr
    recordings = json.loads(result.stdout)["recordings"]
    return len(recordings) == 1 and recordings[0]["identical"] and recordings[0]["same_build"]


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (FaultKind.FT_NAN, "signal is not plausible (not finite)"),
        (FaultKind.FT_FROZEN, "signal is not plausible (frozen)"),
        (FaultKind.FT_STALE, "signal is not plausible (stale)"),
        (FaultKind.FT_SATURATED, "signal is not plausible (saturated)"),
        (FaultKind.EMERGENCY_STOP, "emergency stop"),
    ],
)
def test_a_fault_in_mid_sweep_is_a_controlled_stop_and_status_3(
    kind: FaultKind, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell, out = Cell(monkeypatch, kind), tmp_path / "run"
    result = stow(out, "--count", "2")
    assert result.exit_code == ExitCode.FAULT, result.stderr
    assert words in result.stderr.replace("\n", " ")
    assert "Traceback" not in result.stderr
    document = json.loads(out.with_suffix(".json").read_text())
    (episode,) = document["episodes"]  # the second product is not begun
    assert episode["accepted"] and episode["outcome"] != "success"
    assert episode["max_force_ratio"] <= 1.0
    sweep = primitives(out)["sweep"]
    assert not sweep["ok"] and words in sweep["words"]
    assert cell.workcell is not None
    assert cell.workcell.plant.time_s > cell.from_s
    assert np.abs(cell.workcell.plant.data.qvel[:6]).max() < AT_REST
    assert verify_run(out).complete
    assert replays(out)


def test_after_a_short_fault_the_item_comes_back_and_the_status_is_still_3(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell, out = Cell(monkeypatch, FaultKind.FT_NAN, lasts_s=0.01), tmp_path / "run"
    result = stow(out, "--count", "1")
    assert result.exit_code == ExitCode.FAULT, result.stderr
    (episode,) = json.loads(out.with_suffix(".json").read_text())["episodes"]
    assert episode["outcome"] == "unproductive"
    assert "not finite" in episode["cause"]
    assert cell.workcell is not None
    item, presented = cell.workcell.truth().item, cell.workcell.infeed.present()
    X_base_item = np.linalg.inv(cell.workcell.X_world_base) @ cell.workcell.scene.X_world_bin @ item.X_bin_item
    assert np.linalg.norm(X_base_item[:3, 3] - presented.X_base_item[:3, 3]) < 0.03
    assert replays(out)


def test_ctrl_c_to_the_parent_alone_ends_a_campaign_and_keeps_what_was_finished(tmp_path: Path) -> None:
    out = tmp_path / "run"
    command = [sys.executable, "-m", "podhand.app.cli", "evaluate", "stow", "--episodes", "200", "--jobs", "2"]
    command += ["--seed", str(SEED), "--keep", "all", "--out", str(out)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        deadline = time.monotonic() + 90.0
        while _episodes(out) < 2 and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.1)
        os.kill(process.pid, signal.SIGINT)
        begin = time.monotonic()
        _, errors = process.communicate(timeout=60)
    assert process.returncode == ExitCode.INTERRUPTED, errors
    assert time.monotonic() - begin < 15.0
    assert "Stopped by Ctrl-C" in errors
    assert "Traceback" not in errors
    assert not verify_run(out).complete
    finished = json.loads((out / "summary.json").read_text())["episodes"]
    assert 2 <= len(finished) == _episodes(out) < 20
    assert CliRunner().invoke(app, ["replay", str(out)]).exit_code == ExitCode.DONE


def _episodes(out: Path) -> int:
    events = out / "events.jsonl"
    return events.read_text().count('"event": "episode"') if events.exists() else 0
