"""Campaigns go on where they stopped, as they were begun, and nothing that was finished is lost."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from podhand.app import campaign, evaluate
from podhand.app.cli import app
from podhand.app.episode import Episode, EpisodeJob
from podhand.app.results import EpisodeResult, StowOutcome
from podhand.app.run_folder import EVENTS, MANIFEST, verify_run
from podhand.app.shell import ExitCode
from podhand.app.steps import Step

STEP = Step(name="approach", begin_s=0.2, end_s=1.2, words="went", force_limit_n=15.0)


class Episodes:
    """Stands in for the simulation: quick, deterministic results; Ctrl-C before the ``stop_at``-th."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.run: list[int] = []
        self.stop_at: int | None = None
        monkeypatch.setattr(evaluate, "run_episode", self)
        monkeypatch.setattr(campaign, "code_sha256", lambda: "the code")

    def __call__(self, job: EpisodeJob) -> Episode:
        if len(self.run) == self.stop_at:
            raise KeyboardInterrupt
        self.run.append(job.index)
        good = job.index % 4 != 3
        result = EpisodeResult(
            index=job.index, seed=job.index, item="soap", bin="A1", accepted=True, cycle_s=1.0, ticks=1000,
            outcome=StowOutcome.SUCCESS if good else StowOutcome.UNPRODUCTIVE, cause="" if good else "sweep stalled",
            plan=("approach",), plan_params={"way": "direct"}, steps=(STEP,),
        )  # fmt: skip
        return Episode(result=result)


@pytest.fixture
def episodes(monkeypatch: pytest.MonkeyPatch) -> Episodes:
    return Episodes(monkeypatch)


def evaluate_stow(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["evaluate", "stow", "--jobs", "1", *arguments])


def summary(out: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((out / "summary.json").read_text())
    return document


def without_wall_time(document: dict[str, Any]) -> dict[str, Any]:
    document["summary"].pop("wall_seconds")
    return document


def test_ctrl_c_says_how_to_go_on_and_the_rest_is_run_once(episodes: Episodes, tmp_path: Path) -> None:
    out, whole = tmp_path / "run", tmp_path / "whole"
    episodes.stop_at = 3
    stopped = evaluate_stow("--episodes", "8", "--seed", "3", "--out", str(out))
    assert stopped.exit_code == ExitCode.INTERRUPTED
    assert f"podhand evaluate stow --resume {out}" in stopped.stderr.replace("\n", "")
    assert not verify_run(out).complete
    episodes.stop_at = None
    assert evaluate_stow("--resume", str(out)).exit_code == ExitCode.DONE
    assert episodes.run == list(range(8))
    manifest = verify_run(out)
    assert manifest.complete and "times.png" in manifest.files
    assert evaluate_stow("--episodes", "8", "--seed", "3", "--out", str(whole)).exit_code == ExitCode.DONE
    assert without_wall_time(summary(out)) == without_wall_time(summary(whole))


def test_the_same_out_goes_on_and_more_episodes_may_be_asked_for(episodes: Episodes, tmp_path: Path) -> None:
    out = ("--out", str(tmp_path / "run"))
    evaluate_stow("--episodes", "2", *out)
    result = evaluate_stow("--episodes", "5", *out, "--json", "-")
    assert result.exit_code == ExitCode.DONE, result.stderr
    assert episodes.run == [0, 1, 2, 3, 4]
    assert json.loads(result.stdout)["summary"]["attempts"] == 5
    evaluate_stow("--episodes", "5", *out)
    assert len(episodes.run) == 5, "a finished campaign runs nothing"


def test_a_torn_last_line_costs_one_episode(episodes: Episodes, tmp_path: Path) -> None:
    out = tmp_path / "run"
    evaluate_stow("--episodes", "4", "--out", str(out))
    events = out / EVENTS
    events.write_bytes(events.read_bytes()[:-25])
    (out / MANIFEST).unlink()
    (out / "summary.json").unlink()
    result = evaluate_stow("--resume", str(out))
    assert result.exit_code == ExitCode.DONE, result.stderr
    assert episodes.run == [0, 1, 2, 3, 3]
    assert [e["index"] for e in summary(out)["episodes"]] == [0, 1, 2, 3]
    assert all(json.loads(line) for line in events.read_text().splitlines())
    verify_run(out)


@pytest.mark.parametrize(
    ("arguments", "difference"),
    [
        (("--seed", "2"), "seed: 1 there, 2 now"),
        (("--without", "sweep"), "without: [] there, ['sweep'] now"),
        (("--eject", "drop_push"), "eject: 'belts' there, 'drop_push' now"),
        (("--station", "sim-unlimited"), "station: 'sim-stow' there, 'sim-unlimited' now"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else None,
)
@pytest.mark.parametrize("option", ["--resume", "--out"])
def test_another_configuration_is_refused_with_what_differs(
    option: str, arguments: tuple[str, ...], difference: str, episodes: Episodes, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    evaluate_stow("--episodes", "2", "--out", str(out))
    before = {path: path.read_bytes() for path in out.iterdir()}
    result = evaluate_stow("--episodes", "4", option, str(out), *arguments)
    assert result.exit_code == ExitCode.BAD_INPUT
    assert difference in result.stderr
    assert episodes.run == [0, 1]
    assert before == {path: path.read_bytes() for path in out.iterdir()}


def test_other_contents_are_another_configuration(
    episodes: Episodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, items = tmp_path / "run", tmp_path / "items.csv"
    head = "sku,length_mm,width_mm,height_mm,mass_kg,shape\n"
    items.write_text(head + "soap,100,60,40,0.2,box\n")
    evaluate_stow("--episodes", "1", "--items", str(items), "--out", str(out))
    items.write_text(head + "soap,100,60,40,0.3,box\n")
    monkeypatch.setattr(campaign, "code_sha256", lambda: "other code")
    monkeypatch.setattr(campaign, "build_id", lambda: "other build")
    result = evaluate_stow("--resume", str(out))
    assert result.exit_code == ExitCode.BAD_INPUT
    for words in ("the catalogue's content has changed", "the code that decides an episode has changed",
                  "'other build' now"):  # fmt: skip
        assert words in result.stderr
    assert episodes.run == [0]


def test_hard_worlds_are_a_campaign_of_their_own_products(episodes: Episodes, tmp_path: Path) -> None:
    out, items = tmp_path / "run", tmp_path / "items.csv"
    items.write_text("sku,length_mm,width_mm,height_mm,mass_kg,shape\nsoap,100,60,40,0.2,box\n")
    done = evaluate_stow("--world", "hard", "--episodes", "2", "--out", str(out))
    assert done.exit_code == ExitCode.DONE, done.stderr
    assert summary(out)["world"].startswith("hard-")
    assert "world: 'hard' there, 'standard' now" in evaluate_stow("--episodes", "2", "--out", str(out)).stderr
    refused = evaluate_stow("--world", "hard", "--items", str(items), "--out", str(tmp_path / "other"))
    assert refused.exit_code == ExitCode.BAD_INPUT
    assert "bring their own products" in refused.stderr.replace("\n", " ")
    assert not (tmp_path / "other").exists()


def test_a_folder_of_something_else_is_not_continued(episodes: Episodes, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    assert "holds no campaign" in evaluate_stow("--resume", str(tmp_path)).stderr
    assert "is not empty" in evaluate_stow("--out", str(tmp_path)).stderr
    assert episodes.run == []
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_breaks_do_not_count_as_wall_time(episodes: Episodes, tmp_path: Path) -> None:
    out = tmp_path / "run"
    evaluate_stow("--episodes", "1", "--out", str(out))
    events = out / EVENTS
    lines = [json.loads(line) for line in events.read_text().splitlines()]
    for line, second in zip(lines, ("00", "40"), strict=True):  # 40 s of work, then years of a break
        line["time"] = f"2020-01-01T00:00:{second}.000+00:00"
    events.write_text("".join(json.dumps(line) + "\n" for line in lines))
    evaluate_stow("--episodes", "2", "--out", str(out))
    assert 40.0 <= summary(out)["summary"]["wall_seconds"] < 60.0


@pytest.mark.slow
def test_a_killed_campaign_goes_on_and_leaves_no_worker_behind(tmp_path: Path) -> None:
    out = tmp_path / "run"
    command = [sys.executable, "-m", "podhand.app.cli", "evaluate", "stow", "--seed", "5", "--jobs", "2"]
    with subprocess.Popen([*command, "--episodes", "50", "--out", str(out)], start_new_session=True) as process:
        deadline = time.monotonic() + 90.0
        while _finished(out) < 2 and time.monotonic() < deadline:
            time.sleep(0.1)
        os.kill(process.pid, signal.SIGKILL)
    deadline = time.monotonic() + 30.0
    while _session_lives(process.pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not _session_lives(process.pid)
    finished = _finished(out)
    assert 2 <= finished < 50
    episodes = str(finished + 1)
    result = CliRunner().invoke(app, ["evaluate", "stow", "--resume", str(out), "--episodes", episodes, "--jobs", "1"])
    assert result.exit_code == ExitCode.DONE, result.stderr
    assert {e["index"] for e in summary(out)["episodes"]} >= set(range(finished + 1))
    assert verify_run(out).complete


def _finished(out: Path) -> int:
    events = out / EVENTS
    return events.read_text().count('"event": "episode"') if events.exists() else 0


def _session_lives(session: int) -> bool:
    try:
        os.killpg(session, 0)
    except ProcessLookupError:
        return False
    return True
