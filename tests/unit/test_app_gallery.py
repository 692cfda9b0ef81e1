"""The gallery: failures by cause, the most frequent first, each with pictures and the command that repeats it."""

import re
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from podhand.app import campaign, evaluate, gallery
from podhand.app.cli import app
from podhand.app.episode import Episode, EpisodeJob
from podhand.app.plots import ForceTrace
from podhand.app.results import EpisodeResult, StowOutcome
from podhand.app.run_folder import verify_run
from podhand.app.shell import ExitCode
from podhand.app.steps import Step
from podhand.app.words import kind_of_cause
from tests.unit.test_app_report import Checker

CAUSES = {
    1: (StowOutcome.UNPRODUCTIVE, "sweep: stalled after 12 mm at 17.3 N; soap_bar is between the paddles"),
    4: (StowOutcome.UNPRODUCTIVE, "sweep: stalled after 3 mm at 16.9 N; soap_bar is between the paddles"),
    5: (StowOutcome.DEFECT, "the item protrudes <here>: 10 mm"),
    7: (StowOutcome.UNPRODUCTIVE, "sweep: stalled after 8 mm at 18.0 N; soap_bar is between the paddles"),
}
KIND = "sweep: stalled after … mm at … N"
STEPS = (
    Step(name="approach", begin_s=0.0, end_s=1.0),
    Step(name="sweep", begin_s=1.0, end_s=2.0, peak_filtered_force_n=17.3, force_limit_n=20.0, succeeded=False),
)


class Episodes:
    """Stands in for the simulation."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.with_pictures: list[int] = []
        self.changed = False
        monkeypatch.setattr(evaluate, "run_episode", self)
        monkeypatch.setattr(campaign, "code_sha256", lambda: "the code")
        monkeypatch.setattr(gallery, "run_episode", self)

    def __call__(self, job: EpisodeJob) -> Episode:
        outcome, cause = CAUSES.get(job.index, (StowOutcome.SUCCESS, ""))
        refused = job.index == 8
        t = np.linspace(0.0, 2.0, 100)
        if job.pictures:
            self.with_pictures.append(job.index)
        return Episode(
            result=EpisodeResult(
                index=job.index, seed=job.index, item="soap_bar", bin="A1", accepted=not refused,
                refusal_reason="no gap: 12 mm" if refused else "", cycle_s=0.0 if refused else 2.0,
                outcome=StowOutcome.UNPRODUCTIVE if refused else outcome,
                cause="another thing" if self.changed and cause else cause,
                plan_params={"reason": "a gap & more"}, steps=() if refused else STEPS,
            ),
            trace=ForceTrace(time_s=t, filtered_n=9 * t, raw_n=9.5 * t, limit_n=np.full(100, 20.0)),
        )  # fmt: skip


@pytest.fixture
def episodes(monkeypatch: pytest.MonkeyPatch) -> Episodes:
    return Episodes(monkeypatch)


@pytest.fixture
def run(episodes: Episodes, tmp_path: Path) -> Path:
    out = tmp_path / "run"
    command = [
        "evaluate",
        "stow",
        "--episodes",
        "10",
        "--seed",
        "3",
        "--jobs",
        "1",
        "--out",
        str(out),
        "--without",
        "stack",
    ]
    assert CliRunner().invoke(app, command).exit_code == ExitCode.DONE
    return out


def report(run: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["report", "failures", str(run), "--jobs", "1", *arguments])


def test_causes_that_differ_in_numbers_and_products_are_one_kind() -> None:
    words = {
        kind_of_cause(
            EpisodeResult(
                index=k,
                seed=k,
                item=item,
                bin="A1",
                accepted=True,
                cause=f"{item} pushes {n} blocks, {x} N; {item} is here",
            )
        )
        for k, (item, n, x) in enumerate([("soap", "1", "-3.5"), ("glue_2", "2", "17"), ("box", "12", "+0.25")])
    } | {
        kind_of_cause(EpisodeResult(index=9, seed=9, item="x", bin="A1", accepted=True, cause="x pushes 1 block, 4 N"))
    }
    assert words == {"the item pushes … block, … N"}


def test_the_gallery_shows_the_most_frequent_cause_first_with_share_and_interval(
    run: Path, episodes: Episodes, tmp_path: Path
) -> None:
    page = tmp_path / "gallery.html"
    done = report(run, "--out", str(page), "--each", "2")
    assert done.exit_code == ExitCode.DONE, done.stderr
    assert "5 failures of 10 stows, 3 causes" in done.stderr
    text = page.read_text()
    checker = Checker()
    checker.feed(text)
    assert checker.open == []
    assert all(address.startswith(("data:image/png;base64,", "#")) for address in checker.addresses)
    assert re.findall(r'<td class="number">(\d+)</td>', text) == ["3", "1", "1"]
    assert "30.0 (10.8 … 60.3)" in text
    first = text.index(f"</span>{KIND}</h2>")
    assert first < text.index("the item protrudes &lt;here&gt;: … mm</h2>") and first < text.index("no gap: … mm</h2>")
    assert "stalled after 12 mm at 17.3 N" in text
    assert "Plan: a gap &amp; more" in text
    for index in (1, 4, 5, 7, 8):
        assert f"podhand stow --seed 3 --first {index} --count 1 --without stack" in text
    assert sorted(episodes.with_pictures) == [1, 4, 5, 8], "two of each cause are repeated, the third is listed"
    assert text.count("data:image/png") == 4
    assert "did not go the same way" not in text
    verify_run(run)


def test_a_repetition_that_ends_differently_says_so(run: Path, episodes: Episodes, tmp_path: Path) -> None:
    episodes.changed = True
    report(run, "--out", str(tmp_path / "gallery.html"))
    assert (tmp_path / "gallery.html").read_text().count("It did not go the same way again") == 4


def test_without_out_the_gallery_lies_beside_the_run(run: Path) -> None:
    assert report(run, "--each", "0").exit_code == ExitCode.DONE
    text = (run.parent / "run-failures.html").read_text()
    assert "data:image/png" not in text
    assert "3 more like this" in text
    verify_run(run)


def test_what_is_no_campaign_is_refused(tmp_path: Path) -> None:
    done = report(tmp_path)
    assert done.exit_code == ExitCode.BAD_INPUT
    assert "holds no campaign" in done.stderr
