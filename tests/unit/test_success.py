"""Success prediction: counted rates, trees, what they are worth, and that there is always an answer."""

import json
from collections.abc import Callable
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta

from podhand.core.errors import ConfigError
from podhand.core.poses import FloatArray
from podhand.planning.success import (
    CATEGORIES,
    FEATURES,
    MODEL_SCHEMA,
    CountedRates,
    SuccessModel,
    body_sha256,
    feature_row,
    read_model,
)
from podhand.planning.success_training import BAND, Training, Trials, calibration_error, held_out, lower_bounds, train
from tests.unit.success_data import draw, make_trials, row_of, true_chance

COLUMN = {name: column for column, name in enumerate(FEATURES)}


@pytest.fixture(scope="module")
def trained() -> Training:
    return train(make_trials(1500)[0])


def write(path: Path, training: Training, **changes: Any) -> Path:
    body = json.loads(json.dumps({**training.body, **changes}))
    path.write_text(json.dumps({"schema": MODEL_SCHEMA, "sha256": body_sha256(body), "model": body}))
    return path


def rows_like(*changes: dict[str, Any]) -> np.ndarray[Any, np.dtype[np.float64]]:
    usual = {
        **draw(np.random.default_rng(3)), "way": "sweep", "shape": "box", "force_n": 4.0, "sweep_m": 0.03,
        "moved_blocks": 1, "fence": 1, "blade_extension_m": 0.2, "rules_success": 0.94,
    }  # fmt: skip
    return np.array([feature_row({**usual, **change}) for change in changes])


def test_a_counted_rate_lies_between_its_cell_and_its_way() -> None:
    rates = CountedRates(cells={("sweep", "box"): (95, 100), ("sweep", "bag"): (3, 5), ("direct", "box"): (200, 200)})
    said = rates.predict(rows_like({}, {"shape": "bag"}, {"shape": "cylinder"}, {"way": "direct"}))
    box, bag, never, direct = said.chance
    assert 0.60 < bag < never < box < 0.95 < direct < 1.0
    assert np.all(said.lower < said.chance)
    assert said.lower[2] < said.lower[0], "what was never counted is less sure"
    assert 0.98 < said.lower[3] < 0.995, "200 of 200 may still be 98.5 %"
    assert not said.learned.any()


def test_counted_rates_are_beta_posteriors() -> None:
    only = CountedRates(cells={("sweep", "box"): (18, 20)}).predict(rows_like({}))
    overall = 18.5 / 21.0
    way = (18 + 10 * overall) / 30.0
    good, bad = 18 + 10 * way, 2 + 10 * (1 - way)
    assert only.chance[0] == pytest.approx(good / (good + bad))
    assert only.lower[0] == pytest.approx(beta.ppf(0.05, good, bad + 0.5))


@given(st.integers(0, 400), st.integers(0, 400))
def test_more_successes_are_never_believed_less(successes: int, failures: int) -> None:
    def chance(good: int) -> float:
        cells = {("sweep", "box"): (good, good + failures), ("direct", "box"): (50, 52)}
        return float(CountedRates(cells=cells).predict(rows_like({})).chance[0])

    assert 0.0 < chance(successes) < chance(successes + 1) < 1.0


def test_trees_find_what_makes_stows_fail(trained: Training, tmp_path: Path) -> None:
    model = read_model(write(tmp_path / "m.json", trained))
    assert trained.gain is not None
    assert trained.gain.low > 0.0, "1500 stows are enough to see that force matters"
    assert trained.body["use"] == "learned"
    random = np.random.default_rng(9)
    drawn = [draw(random) for _ in range(400)]
    rows, truth = np.array([row_of(one) for one in drawn]), np.array([true_chance(one) for one in drawn])
    said = model.predict(rows)
    counted = model.rates.predict(rows)
    assert said.learned.all()
    assert np.abs(said.chance - truth).mean() < 0.6 * np.abs(counted.chance - truth).mean()
    assert np.all(said.lower <= said.chance)


def test_lower_bounds_hold(trained: Training, tmp_path: Path) -> None:
    """Of stows that a bound says succeed at least so often, at least so many do."""
    model = read_model(write(tmp_path / "m.json", trained))
    trials, chance = make_trials(4000, seed=5)
    said = model.predict(trials.rows)
    for low in (0.7, 0.8, 0.9, 0.96):
        sure = said.lower >= low
        assert sure.sum() > 50
        assert chance[sure].mean() >= low - 0.005


def test_nobody_is_judged_by_worlds_that_he_has_seen() -> None:
    """Ten stows of each world with the same outcome and a telltale width: only leaking folds could learn from it."""
    random = np.random.default_rng(4)
    worlds = 60
    base = np.array([row_of({**draw(random), "way": "sweep", "shape": "box"}) for _ in range(worlds)])
    base[:, COLUMN["force_n"]] = 5.0
    base[:, COLUMN["rules_success"]] = 0.9
    good = random.random(worlds) < 0.7
    trials = Trials(
        rows=np.repeat(base, 10, axis=0),
        succeeded=np.repeat(good, 10),
        worlds=[f"w{i // 10}" for i in range(10 * worlds)],
        cycle_s=np.full(10 * worlds, 15.0),
    )
    told = train(trials).judged["learned"].log_loss.value
    entropy = -(good.mean() * np.log(good.mean()) + (1 - good.mean()) * np.log(1 - good.mean()))
    assert told > 0.9 * entropy


def test_predictions_are_those_of_worlds_held_out() -> None:
    trials = make_trials(60)[0]
    trials = replace(trials, worlds=[f"w{i // 3}" for i in range(60)], rows=trials.rows.copy())
    trials.rows[:, 0] = np.arange(60) // 3

    def knows(training: Trials) -> Callable[[FloatArray], FloatArray]:
        seen = set(training.worlds)
        return lambda rows: np.array([f"w{int(row[0])}" in seen for row in rows], float)

    assert held_out(trials, knows).tolist() == [0.0] * 60


def test_a_lucky_group_does_not_lift_the_bound_of_better_predictions() -> None:
    chance = np.repeat([0.95, 0.97], 200)
    good = np.arange(400) < 390  # the lower prediction never fails
    _, bounds = lower_bounds(chance, good)
    assert bounds.max() <= beta.ppf(0.05, 390.5, 10.5) + 1e-9


def test_calibration_error_is_that_of_the_band() -> None:
    chance = np.repeat([0.95, 0.50, 0.93, 0.999], 100)
    good = np.zeros(400, np.bool_)
    good[:90] = good[200:293] = True  # 0.95 succeeds in 90 %, 0.93 as promised, 0.50 and 0.999 never
    assert calibration_error(chance, good) == pytest.approx(0.5 * 0.05)
    assert np.isnan(calibration_error(np.array([0.5]), np.array([True])))


def test_interval_of_the_calibration_error_holds_the_figure(trained: Training) -> None:
    judgement = trained.judged["learned"]
    assert judgement.band_error is not None
    assert judgement.band_error.low <= judgement.band_error.value <= judgement.band_error.high
    assert judgement.band_error.high - judgement.band_error.low > 0.002
    assert judgement.band_trials > 100
    rates = [row for row in judgement.table if BAND[0] <= row["from"] < BAND[1]]
    assert sum(row["trials"] for row in rates) == judgement.band_trials


@given(st.lists(st.tuples(st.floats(0.0, 1.0), st.booleans()), min_size=1, max_size=400))
def test_lower_bounds_rise_and_stay_below_the_rates(said: list[tuple[float, bool]]) -> None:
    chance, good = np.array([c for c, _ in said]), np.array([g for _, g in said])
    means, bounds = lower_bounds(chance, good)
    assert np.all(np.diff(means) >= 0.0)
    assert np.all(np.diff(bounds) >= 0.0)
    assert np.all((bounds >= 0.0) & (bounds < 1.0))


def test_the_same_data_give_the_same_model_in_any_order() -> None:
    trials = make_trials(400)[0]
    order = np.random.default_rng(8).permutation(len(trials))
    again = Trials(
        rows=trials.rows[order],
        succeeded=trials.succeeded[order],
        worlds=[trials.worlds[i] for i in order],
        cycle_s=trials.cycle_s[order],
    )
    assert train(trials).body == train(trials).body
    assert trials.sha256() == again.sha256()
    trials.succeeded[0] ^= True
    assert trials.sha256() != again.sha256()


def test_what_the_trees_do_not_know_gets_a_counted_rate(trained: Training, tmp_path: Path) -> None:
    model = read_model(write(tmp_path / "m.json", trained))
    rows = rows_like(
        {}, {"force_n": 40.0}, {"shape": "book"}, {"way": "stack"}, {"mass_kg": None}, {"mass_kg": 1.01},
    )  # fmt: skip
    said = model.predict(rows)
    assert said.learned.tolist() == [True, False, False, False, False, True]
    counted = model.rates.predict(rows)
    assert np.array_equal(said.chance[~said.learned], counted.chance[~said.learned])
    assert model.predict(rows[:0]).chance.shape == (0,)


def test_without_lightgbm_the_rates_answer(trained: Training, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "m.json", trained)

    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    model = read_model(path)
    assert "lightgbm is not installed" in model.fallback
    assert not model.predict(rows_like({})).learned.any()


def test_with_an_older_lightgbm_the_rates_answer(
    trained: Training, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "m.json", trained)
    monkeypatch.setattr(metadata, "version", lambda name: "3.9.1")
    assert "3.9.1 is older" in read_model(path).fallback


def test_trees_over_older_features_are_not_asked(trained: Training, tmp_path: Path) -> None:
    model = read_model(write(tmp_path / "m.json", trained, features_schema="podhand-stow-features-0"))
    assert "podhand-stow-features-0" in model.fallback
    assert not model.predict(rows_like({})).learned.any()


def test_a_model_of_counts_says_nothing_of_fallbacks(trained: Training, tmp_path: Path) -> None:
    model = read_model(write(tmp_path / "m.json", trained, use="counts"))
    assert (model.fallback, model.trees) == ("", None)


def damaged(document: dict[str, Any], key: str) -> str:
    body = document["model"]
    if key == "a bit":
        body["counts"][0]["successes"] += 1
    elif key == "foreign":
        return json.dumps({"weights": [1, 2, 3]})
    elif key == "schema":
        document["schema"] = "podhand-success-0"
    elif key == "cut off":
        return json.dumps(document)[:-200]
    elif key == "list":
        return "[]"
    else:
        {"no counts": lambda: body.pop("counts"), "word": lambda: body["counts"][0].update(way="throw"),
         "trees": lambda: body["trees"].update(text="tree\nnum_class=1\n"),
         "null": lambda: body.update(cycle_s=None)}[key]()  # fmt: skip
        document["sha256"] = body_sha256(body)
    return json.dumps(document)


@pytest.mark.parametrize(
    "key", ["a bit", "foreign", "schema", "cut off", "list", "no counts", "word", "trees", "null", "binary", "missing"]
)
def test_a_corrupt_or_foreign_file_is_one_clear_error(trained: Training, tmp_path: Path, key: str) -> None:
    path = write(tmp_path / "m.json", trained)
    if key == "missing":
        path.unlink()
    elif key == "binary":
        path.write_bytes(bytes(range(256)))
    else:
        path.write_text(damaged(json.loads(path.read_text()), key))
    with pytest.raises(ConfigError, match=r"m\.json - .*podhand train success") as error:
        read_model(path)
    assert "\n" not in str(error.value)


def test_too_few_failures_leave_the_counts() -> None:
    trials = make_trials(90)[0]
    training = train(trials)
    assert training.body["trees"] is None
    assert training.body["use"] == "counts"
    assert "90 stows" in training.note
    with pytest.raises(ConfigError, match="--use counts"):
        train(trials, use="learned")


def test_nothing_to_learn_from_is_said() -> None:
    none = make_trials(1)[0].only(np.array([False]))
    with pytest.raises(ConfigError, match="no stow to learn from"):
        train(none)


def test_training_without_lightgbm_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "lightgbm", None)
    training = train(make_trials(300)[0])
    assert "podhand[learn]" in training.note
    assert training.body["use"] == "counts"


def test_words_of_features_are_checked() -> None:
    with pytest.raises(ConfigError, match="way must be one of"):
        feature_row({"way": "throw"})
    with pytest.raises(ConfigError, match="force_n must be a number"):
        feature_row({"force_n": "much"})
    assert np.isnan(feature_row({})).all()


def test_every_way_and_shape_has_a_place() -> None:
    assert tuple(FEATURES[: len(CATEGORIES)]) == tuple(CATEGORIES)
    model = SuccessModel(rates=CountedRates(cells={}), trees=None)
    pairs = [{"way": way, "shape": shape} for way in CATEGORIES["way"] for shape in CATEGORIES["shape"]]
    assert np.allclose(model.predict(np.array([feature_row(pair) for pair in pairs])).chance, 0.5)
