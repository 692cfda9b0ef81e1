"""Ablations: the same worlds, paired world by world, and honest about chance."""

import json
from math import comb
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from podhand.app import ablation_table, evaluate
from podhand.app import campaign as campaign_module
from podhand.app.ablation_table import ROWS, compare
from podhand.app.ablations import EXTRAS, PARTS, Ablation
from podhand.app.choices import Eject
from podhand.app.cli import app
from podhand.app.episode import Episode, EpisodeJob
from podhand.app.pairs import Paired, holm
from podhand.app.results import Campaign, EpisodeResult, StowOutcome
from podhand.app.run_folder import verify_run
from podhand.app.shell import ExitCode
from podhand.core.errors import ConfigError
from podhand.planning.affordances import SPACE_MAKERS, StowRules


def result(index: int, outcome: StowOutcome) -> EpisodeResult:
    return EpisodeResult(
        index=index, seed=100 + index, item="soap", bin="A1", accepted=True, outcome=outcome, cycle_s=10.0,
        cause="" if outcome is StowOutcome.SUCCESS else "it fell",
    )  # fmt: skip


def campaign(good: list[bool]) -> Campaign:
    outcomes = [StowOutcome.SUCCESS if each else StowOutcome.DEFECT for each in good]
    return Campaign(
        station="sim-stow", seed=1, episodes=tuple(result(i, o) for i, o in enumerate(outcomes)), coverage=(1, 1),
        wall_s=1.0, tick_s=0.001, world="standard-1",
    )  # fmt: skip


def test_an_ablation_says_what_planner_and_perception_may_use() -> None:
    assert Ablation().rules() == StowRules()
    assert (Ablation().register, Ablation().label) == (True, "")
    rules = Ablation(without=("stack", "sweep"), eject=Eject.DROP_PUSH).rules()
    assert (rules.moves, rules.eject, rules.feeling) == (frozenset(), "drop_push", True)
    assert Ablation(extra=("slot", "flip_up")).rules().moves == SPACE_MAKERS
    assert Ablation(extra=("slot",)).label == "with slot"
    assert not Ablation(without=("feeling",)).rules().feeling
    assert not Ablation(without=("registration",)).register
    assert Ablation(without=("stack", "stack"), eject=Eject.DROP_PUSH).label == "without stack, ejects by drop_push"


def test_an_unknown_part_is_refused_with_those_that_exist() -> None:
    with pytest.raises(ConfigError, match="--without must be one of sweep, stack, registration, feeling"):
        Ablation(without=("blade",))
    with pytest.raises(ConfigError, match="--with must be one of flip_up, slot"):
        Ablation(extra=("sweep",))


def test_pairs_are_matched_by_world_not_by_place() -> None:
    first = [result(0, StowOutcome.SUCCESS), result(1, StowOutcome.DEFECT), result(2, StowOutcome.SUCCESS)]
    second = [result(2, StowOutcome.DEFECT), result(1, StowOutcome.DEFECT), result(9, StowOutcome.SUCCESS)]
    pairs = Paired.of(first, second, lambda r: r.outcome is StowOutcome.SUCCESS)
    assert (pairs.both, pairs.only_first, pairs.only_second, pairs.neither) == (0, 1, 0, 1)


@pytest.mark.parametrize(("lost", "won"), [(0, 0), (5, 0), (8, 2), (1, 12), (3, 3)])
def test_mcnemar_is_the_exact_binomial_sum(lost: int, won: int) -> None:
    n = lost + won
    chances = [comb(n, k) / 2**n for k in range(n + 1)]
    expected = sum(p for p in chances if p <= chances[lost] * (1 + 1e-9))
    assert Paired(both=50, only_first=lost, only_second=won, neither=4).mcnemar_p == pytest.approx(expected)


def test_the_paired_interval_holds_the_true_difference_nineteen_times_of_twenty() -> None:
    rng = np.random.default_rng(11)
    for chances in ((0.85, 0.08, 0.02, 0.05), (0.6, 0.15, 0.15, 0.1), (0.9, 0.02, 0.06, 0.02)):
        true = chances[2] - chances[1]
        held = 0
        for cells in rng.multinomial(100, chances, size=600):
            both, lost, won, neither = (int(c) for c in cells)
            low, high = Paired(both=both, only_first=lost, only_second=won, neither=neither).difference_ci95
            held += low <= true <= high
        assert 0.93 <= held / 600 <= 0.995


def test_the_paired_interval_is_tighter_than_the_unpaired_one() -> None:
    pairs = Paired(both=70, only_first=10, only_second=0, neither=20)
    low, high = pairs.difference_ci95
    assert low < pairs.difference == -0.1 < high < 0.0
    assert high - low < 0.16, "two independent rates of 100 worlds would leave 0.24"


def test_holm_asks_more_of_the_best_of_many() -> None:
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03}) == pytest.approx({"a": 0.03, "c": 0.06, "b": 0.06})
    assert holm({"a": 0.8, "b": 0.9})["b"] == 1.0


def test_the_table_marks_what_helps_and_what_makes_no_difference() -> None:
    whole = campaign([True] * 60)
    rows = compare(whole, {"sweep": campaign([False] * 20 + [True] * 40), "slot": campaign([False] + [True] * 59)})[
        "rows"
    ]
    assert [row["name"] for row in rows] == ["whole", "sweep", "slot"]
    assert rows[1]["verdict"] == "fewer successes, more defects"
    assert rows[1]["paired_success"]["difference"] == pytest.approx(-1 / 3)
    assert (rows[2]["verdict"], rows[2]["paired_success"]["mcnemar_p"]) == ("no difference seen", 1.0)


@pytest.fixture
def episodes(monkeypatch: pytest.MonkeyPatch) -> list[EpisodeJob]:
    """Replace the simulation: without sweep every third stow fails."""
    run: list[EpisodeJob] = []

    def run_episode(job: EpisodeJob) -> Episode:
        run.append(job)
        good = "sweep" not in job.ablation.without or job.index % 3 > 0
        return Episode(result=result(job.index, StowOutcome.SUCCESS if good else StowOutcome.DEFECT))

    monkeypatch.setattr(evaluate, "run_episode", run_episode)
    for module in (campaign_module, ablation_table):
        monkeypatch.setattr(module, "code_sha256", lambda: "the code")
    return run


def test_the_command_runs_every_row_in_the_same_worlds_and_goes_on(episodes: list[EpisodeJob], tmp_path: Path) -> None:
    out = tmp_path / "run"
    command = ["evaluate", "ablations", "--seed", "3", "--jobs", "1", "--out", str(out), "--json", "-"]
    done = CliRunner().invoke(app, [*command, "--episodes", "9"])
    assert done.exit_code == ExitCode.DONE, done.stderr
    document = json.loads(done.stdout)
    assert [row["name"] for row in document["rows"]] == ["whole", *ROWS]
    rows = {row["name"]: row for row in document["rows"]}
    assert rows["sweep"]["paired_success"]["only_whole"] == 3
    assert rows["drop_push"]["paired_success"]["worlds"] == 9
    whole, *others = [episodes[k : k + 9] for k in range(0, len(episodes), 9)]
    assert len(others) == len(ROWS)
    for name, jobs in zip(ROWS, others, strict=True):
        assert [(job.seed, job.index) for job in jobs] == [(job.seed, job.index) for job in whole]
        assert {job.ablation.without for job in jobs} == {(name,) if name in PARTS else ()}
        assert {job.ablation.extra for job in jobs} == {(name,) if name in EXTRAS else ()}
        assert {job.station for job in jobs} == {"sim-unlimited" if name == "limits" else "sim-stow"}
        assert {job.ablation.eject.value for job in jobs} == {"drop_push" if name == "drop_push" else "belts"}
    assert verify_run(out).complete
    assert "| without sweep | 66.7" in (out / "ablations.md").read_text()
    count = len(episodes)
    assert CliRunner().invoke(app, [*command, "--episodes", "9"]).exit_code == ExitCode.DONE
    assert len(episodes) == count, "finished rows are not run again"
    CliRunner().invoke(app, [*command, "--episodes", "10"])
    assert len(episodes) == count + 1 + len(ROWS)


def test_rows_of_different_code_are_not_compared(
    episodes: list[EpisodeJob], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes = iter(["old", "old", "new"])
    monkeypatch.setattr(ablation_table, "code_sha256", lambda: next(codes))
    done = CliRunner().invoke(app, ["evaluate", "ablations", "--episodes", "2", "--jobs", "1", "--out", str(tmp_path)])
    assert done.exit_code == ExitCode.BAD_INPUT
    assert "the code changed between two rows" in done.stderr.replace("\n", " ")
    assert len(episodes) == 4, "the whole system and one row"


def test_unknown_rows_are_refused_before_anything_runs(episodes: list[EpisodeJob], tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["evaluate", "ablations", "--only", "blade", "--out", str(tmp_path / "run")])
    assert done.exit_code == ExitCode.BAD_INPUT
    assert "drop_push, limits" in done.stderr.replace("\n", " ")
    assert episodes == [] and not (tmp_path / "run").exists()
