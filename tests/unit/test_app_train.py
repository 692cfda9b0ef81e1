"""`podhand train success`: from run folders to a model with its card, and stows that ask it."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from podhand.app.ablations import Ablation
from podhand.app.campaign import CAMPAIGN_FILE, EvaluateJob, configuration, read_campaign
from podhand.app.cli import app
from podhand.app.results import EpisodeResult
from podhand.app.train_success import TrainJob, read_trials, run_train_job
from podhand.core.errors import ConfigError
from podhand.planning.success import FEATURES, FEATURES_SCHEMA, read_model
from tests.unit.success_data import draw, make_campaign, result_of, rewrite

COLUMN = {name: column for column, name in enumerate(FEATURES)}


def test_a_model_and_its_card_come_of_a_campaign(tmp_path: Path) -> None:
    make_campaign(tmp_path / "run", 400)
    out = tmp_path / "success.json"
    done = CliRunner().invoke(app, ["train", "success", str(tmp_path / "run"), "--out", str(out), "--json", "-"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    model = read_model(out)
    assert told["sha256"] == model.sha256
    assert told["data"]["trials"] == 400
    assert set(told["judged"]) == {"rules", "counts", "learned"}
    assert model.cycle_s == pytest.approx({"direct": 15.0, "sweep": 17.0})
    card = out.with_suffix(".md").read_text()
    assert model.sha256 in card
    assert told["data"]["sha256"] in card
    assert "| run | standard-2 |" in card
    assert "calibration error" in card
    for feature in FEATURES:
        assert f"| {feature} |" in card


def test_what_older_records_tell_is_enough(tmp_path: Path) -> None:
    make_campaign(tmp_path / "new", 60)
    make_campaign(tmp_path / "old", 60, recorded=False)
    new, _ = read_trials([tmp_path / "new"])
    old, (source,) = read_trials([tmp_path / "old"])
    assert source.reconstructed == 60
    assert np.array_equal(old.succeeded, new.succeeded)
    for name in ("way", "force_n", "sweep_m", "moved_blocks", "fence", "off_middle_m", "rules_success", "tilt_rad"):
        assert np.allclose(old.rows[:, COLUMN[name]], new.rows[:, COLUMN[name]]), name
    swept = old.rows[:, COLUMN["sweep_m"]] > 0.0
    assert np.allclose(old.rows[swept, COLUMN["sweep_back_m"]], 0.012)
    assert np.all(old.rows[:, COLUMN["length_m"]] == old.rows[0, COLUMN["length_m"]]), "of the catalogue's product"


def test_a_stow_counts_once(tmp_path: Path) -> None:
    make_campaign(tmp_path / "run", 50)
    trials, sources = read_trials([tmp_path / "run", tmp_path / "run"])
    assert (len(trials), [source.duplicates for source in sources]) == (50, [0, 50])


def test_older_records_of_another_catalogue_are_not_guessed_at(tmp_path: Path) -> None:
    make_campaign(tmp_path / "old", 5, recorded=False)
    rewrite(tmp_path / "old" / CAMPAIGN_FILE, lambda d: d["configuration"].update(catalogue_sha256="0" * 64))
    with pytest.raises(ConfigError, match="its catalogue has changed"):
        read_trials([tmp_path / "old"])


def test_stows_without_a_part_are_not_learned_from(tmp_path: Path) -> None:
    job = replace(EvaluateJob(seed=1, episodes=5), ablation=Ablation(without=("feeling",)))
    make_campaign(tmp_path / "run", 5, job=job)
    with pytest.raises(ConfigError, match="its stows were without feeling"):
        read_trials([tmp_path / "run"])


@pytest.mark.parametrize("folder", ["empty", "missing"])
def test_a_folder_without_a_campaign_is_one_clear_error(tmp_path: Path, folder: str) -> None:
    (tmp_path / "empty").mkdir()
    done = CliRunner().invoke(app, ["train", "success", str(tmp_path / folder), "--out", str(tmp_path / "m.json")])
    assert done.exit_code == 2
    assert "holds no campaign" in done.output
    assert not (tmp_path / "m.json").exists()


def test_a_model_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    make_campaign(tmp_path / "run", 30)
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be written"):
        run_train_job(TrainJob(folders=[tmp_path / "run"], out=tmp_path / "file" / "m.json", use="counts"))


def test_results_without_features_are_still_read() -> None:
    features = draw(np.random.default_rng(1))
    entry = result_of(features, 3, good=True).to_json()
    assert EpisodeResult.from_json(entry).features == features
    del entry["features"]
    assert EpisodeResult.from_json(entry).features == {}
    assert features["schema"] == FEATURES_SCHEMA


def test_a_campaign_is_continued_with_the_model_it_was_begun_with(tmp_path: Path) -> None:
    make_campaign(tmp_path / "run", 300)
    run_train_job(TrainJob(folders=[tmp_path / "run"], out=tmp_path / "a.json"))
    run_train_job(TrainJob(folders=[tmp_path / "run"], out=tmp_path / "b.json", use="counts"))
    job = EvaluateJob(episodes=5, predictor=tmp_path / "a.json")
    make_campaign(tmp_path / "asked", 5, job=job)
    assert read_campaign(tmp_path / "asked")[0].predictor == tmp_path / "a.json"
    digests = {
        configuration(replace(job, predictor=path))["predictor_sha256"]
        for path in (None, tmp_path / "a.json", tmp_path / "b.json")
    }
    assert len(digests) == 3
    assert f"--predictor {tmp_path / 'a.json'}" in job.command(3)


@pytest.mark.parametrize("command", [["stow"], ["evaluate", "stow", "--jobs", "1"]])
def test_a_foreign_model_stops_before_anything_runs(tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "m.json").write_text("{}")
    done = CliRunner().invoke(app, [*command, "--predictor", str(tmp_path / "m.json"), "--out", str(tmp_path / "run")])
    assert done.exit_code == 2
    assert "is no success model of podhand" in done.output
    assert not (tmp_path / "run").exists()
