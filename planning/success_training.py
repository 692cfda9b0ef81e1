"""Training of success predictors, and what they are worth: judged in worlds that were held out."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression
from scipy.stats import beta

from podhand.core.errors import ConfigError
from podhand.core.poses import FloatArray
from podhand.planning.success import CATEGORIES, CONFIDENCE, FEATURES, FEATURES_SCHEMA, CountedRates, body_sha256

if TYPE_CHECKING:
    import lightgbm

FOLDS: Final = 5
LEAST_FAILURES: Final = 10
"""With fewer failures, or fewer than ``LEAST_TRIALS`` stows, there is nothing for trees to learn."""
LEAST_TRIALS: Final = 100
BAND: Final = (0.90, 0.99)
"""The chances that decide; the calibration error is of predictions in this band."""
_BAND_EDGES: Final = (0.90, 0.92, 0.94, 0.96, 0.98, 0.99)
TABLE_EDGES: Final = (0.0, 0.80, 0.90, 0.94, 0.96, 0.98, 0.99, 1.0)
_RESAMPLES: Final = 2000
_MOST_ROUNDS: Final = 150
_GROUPS: Final = 8
_LEAST_GROUP: Final = 50
_OFTEN: Final = 20
"""Ways and shapes that occurred less often are not known to the trees."""
_SEED: Final = 1
_PARAMETERS: Final[Mapping[str, Any]] = {
    "objective": "binary",
    "learning_rate": 0.05,
    "num_leaves": 4,
    "min_data_in_leaf": 50,
    "lambda_l2": 5.0,
    "monotone_constraints": [int(name == "rules_success") for name in FEATURES],
    "max_bin": 63,
    "seed": _SEED,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbosity": -1,
}
"""Small trees, since failures are few; what the rules believe in more is not believed in less. The logarithmic loss
by itself asks for calibrated chances."""

BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Trials:
    """Stows that were carried out."""

    rows: FloatArray
    """(n, len(FEATURES))."""
    succeeded: BoolArray
    """(n,)."""
    worlds: Sequence[str]
    """n names of worlds; stows of one world are never in training and test at once."""
    cycle_s: FloatArray
    """(n,) time of motion [s]."""

    def __len__(self) -> int:
        return len(self.succeeded)

    def only(self, mask: BoolArray) -> "Trials":
        """Return those where a mask (n,) is true."""
        worlds = [world for world, wanted in zip(self.worlds, mask, strict=True) if wanted]
        return Trials(rows=self.rows[mask], succeeded=self.succeeded[mask], worlds=worlds, cycle_s=self.cycle_s[mask])

    def sha256(self) -> str:
        """Return a digest of the data, whatever its order."""
        lines = zip(self.worlds, self.rows, self.succeeded, self.cycle_s, strict=True)
        return body_sha256({"trials": sorted([w, [*map(repr, r.tolist())], bool(s), float(c)] for w, r, s, c in lines)})


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A figure and its 95 % bootstrap interval over worlds."""

    value: float
    low: float
    high: float

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {"value": self.value, "ci95": [self.low, self.high]}


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What a predictor is worth in worlds that it was not trained on."""

    log_loss: Interval
    brier: Interval
    band_trials: int
    """Predictions in ``BAND``."""
    band_error: Interval | None
    """Expected calibration error in the band; None without a prediction there."""
    table: tuple[Mapping[str, Any], ...]
    """Reliability: from, to, trials, successes, mean prediction."""

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "log_loss": self.log_loss.to_json(),
            "brier": self.brier.to_json(),
            "band": list(BAND),
            "band_trials": self.band_trials,
            "band_calibration_error": self.band_error.to_json() if self.band_error else None,
            "reliability": [dict(row) for row in self.table],
        }


@dataclass(frozen=True, kw_only=True)
class Training:
    """A trained model, as the body of its file, and how good it is."""

    body: Mapping[str, Any]
    judged: Mapping[str, Judgement]
    """By predictor: rules, counts and, where trees could be trained, learned."""
    gain: Interval | None
    """Log-loss of the counts less that of the trees: more than 0 is better."""
    importance: Mapping[str, float]
    """Share of the trees' gain by feature, largest first; empty without trees."""
    note: str
    """Why there are no trees, in words; empty when there are."""


def train(trials: Trials, *, use: str = "auto") -> Training:
    """Train both predictors and judge them, cross-validated by world.

    Args:
        trials: at least one.
        use: which predictor the model answers with: "learned", "counts", or "auto": the one with the better log-loss
            in the worlds that were held out.

    Raises:
        ConfigError: no trials; or "learned" was asked for and trees cannot be trained.
    """
    if len(trials) == 0:
        raise ConfigError("there is no stow to learn from: give run folders of `podhand evaluate stow`")
    note = _why_no_trees(trials)
    if note and use == "learned":
        raise ConfigError(f"trees cannot be trained: {note}; give more folders, or --use counts")
    predictions = {"rules": trials.rows[:, FEATURES.index("rules_success")], "counts": held_out(trials, _counts)}
    if not note:
        predictions["learned"] = held_out(trials, _trees)
    resampled = _Resampled(trials.worlds)
    judged = {name: _judge(chance, trials.succeeded, resampled) for name, chance in predictions.items()}
    gain, trees, importance = None, None, {}
    if not note:
        loss = {name: _log_losses(predictions[name], trials.succeeded) for name in ("counts", "learned")}
        gain = resampled.interval_of_mean(loss["counts"] - loss["learned"])
        booster = _fit(trials)
        trees = _trees_json(booster, predictions["learned"], trials.succeeded)
        importance = _importance(booster)
        if use == "auto":
            use = "learned" if gain.value > 0.0 else "counts"
    body = {
        "features_schema": FEATURES_SCHEMA,
        "use": "learned" if use == "learned" else "counts",
        "counts": _count(trials),
        "trees": trees,
        "ranges": _ranges(trials.rows),
        "cycle_s": _cycle_s(trials),
        "data": {"sha256": trials.sha256(), "trials": len(trials), "worlds": len(set(trials.worlds))},
        "judged": {name: judgement.to_json() for name, judgement in judged.items()},
        "gain": gain.to_json() if gain else None,
    }
    return Training(body=body, judged=judged, gain=gain, importance=importance, note=note)


def _why_no_trees(trials: Trials) -> str:
    failures = int((~trials.succeeded).sum())
    if len(trials) < LEAST_TRIALS or failures < LEAST_FAILURES:
        return f"{len(trials)} stows with {failures} failures, at least {LEAST_TRIALS} with {LEAST_FAILURES} are needed"
    if min(len(set(trials.only(trials.succeeded == good).worlds)) for good in (True, False)) < 2 * FOLDS:
        return f"successes and failures must come from at least {2 * FOLDS} worlds each"
    try:
        import lightgbm  # noqa: F401
    except ImportError:
        return "lightgbm is not installed: pip install 'podhand[learn]'"
    return ""


def _folds(trials: Trials, seed: int) -> Iterator[BoolArray]:
    """Yield masks (n,) of what is held out; failures are spread evenly, worlds stay whole."""
    random = np.random.default_rng(seed)
    names, index = np.unique(np.array(trials.worlds), return_inverse=True)
    failed = np.bincount(index, weights=~trials.succeeded, minlength=len(names)) > 0
    fold = np.empty(len(names), np.int64)
    for group in (failed, ~failed):
        members = random.permutation(np.nonzero(group)[0])
        fold[members] = np.arange(len(members)) % FOLDS
    for k in range(FOLDS):
        yield fold[index] == k


def held_out(trials: Trials, fit: Callable[[Trials], Callable[[FloatArray], FloatArray]]) -> FloatArray:
    """Return the prediction for every trial by a predictor that never saw its world."""
    chance = np.empty(len(trials))
    for test in _folds(trials, _SEED):
        chance[test] = fit(trials.only(~test))(trials.rows[test])
    return chance


def _counts(trials: Trials) -> Callable[[FloatArray], FloatArray]:
    rates = CountedRates(cells={(c["way"], c["shape"]): (c["successes"], c["trials"]) for c in _count(trials)})
    return lambda rows: rates.predict(rows).chance


def _trees(trials: Trials) -> Callable[[FloatArray], FloatArray]:
    booster = _fit(trials)
    return lambda rows: np.asarray(booster.predict(rows, num_threads=1), float)


def _fit(trials: Trials) -> "lightgbm.Booster":
    """Train trees; their number is what does best in worlds held out within the training data."""
    import lightgbm

    curves = []
    for test in _folds(trials, _SEED + 1):
        curve: dict[str, Any] = {}
        data, held_out = _dataset(trials.only(~test)), trials.only(test)
        lightgbm.train(
            dict(_PARAMETERS), data, _MOST_ROUNDS, valid_sets=[_dataset(held_out, data)],
            callbacks=[lightgbm.record_evaluation(curve)],
        )  # fmt: skip
        curves.append(np.array(curve["valid_0"]["binary_logloss"]) * len(held_out))
    rounds = int(np.argmin(np.sum(curves, axis=0))) + 1
    return lightgbm.train(dict(_PARAMETERS), _dataset(trials), rounds)


def _dataset(trials: Trials, reference: "lightgbm.Dataset | None" = None) -> "lightgbm.Dataset":
    import lightgbm

    return lightgbm.Dataset(
        trials.rows,
        trials.succeeded.astype(float),
        reference=reference,
        feature_name=list(FEATURES),
        categorical_feature=[FEATURES.index(name) for name in CATEGORIES],
        params=dict(_PARAMETERS),
    )


def _trees_json(booster: "lightgbm.Booster", held_out: FloatArray, succeeded: BoolArray) -> dict[str, Any]:
    import lightgbm

    chance, lower = lower_bounds(held_out, succeeded)
    return {
        "lightgbm": lightgbm.__version__,
        "text": booster.model_to_string(),
        "bound": {"chance": chance.tolist(), "lower": lower.tolist()},
    }


def lower_bounds(chance: FloatArray, succeeded: BoolArray) -> tuple[FloatArray, FloatArray]:
    """Return what predictions in held-out worlds stood for, at least.

    Predictions are cut into groups of equal size; groups whose success rates fall where the prediction rises are
    joined. Each has the one-sided 95 % bound of its success rate (Jeffreys).

    Returns:
        mean prediction (k,) and lower bound (k,) of each group, both rising.
    """
    order = np.argsort(chance, kind="stable")
    groups = np.array_split(order, max(1, min(_GROUPS, len(chance) // _LEAST_GROUP)))
    rates = np.array([succeeded[group].mean() for group in groups])
    sizes = np.array([len(group) for group in groups], float)
    joined = isotonic_regression(rates, weights=sizes)
    pools = [np.concatenate(groups[a:b]) for a, b in zip(joined.blocks[:-1], joined.blocks[1:], strict=True)]
    means = np.array([chance[pool].mean() for pool in pools])
    good = np.array([succeeded[pool].sum() for pool in pools], float)
    trials = np.array([len(pool) for pool in pools], float)
    bounds = np.asarray(beta.ppf(1.0 - CONFIDENCE, good + 0.5, trials - good + 0.5), float)
    return means, np.maximum.accumulate(bounds)


def _importance(booster: "lightgbm.Booster") -> dict[str, float]:
    gains = np.asarray(booster.feature_importance("gain"), float)
    shares = gains / max(float(gains.sum()), 1e-12)
    return {FEATURES[i]: float(shares[i]) for i in np.argsort(-shares, kind="stable") if shares[i] > 0.0}


def _count(trials: Trials) -> list[dict[str, Any]]:
    """Return successes and trials of every way and shape that occurred."""
    ways, shapes = CATEGORIES["way"], CATEGORIES["shape"]
    cells: dict[tuple[str, str], list[int]] = {}
    for row, good in zip(trials.rows, trials.succeeded, strict=True):
        cell = cells.setdefault((ways[int(row[0])], shapes[int(row[1])]), [0, 0])
        cell[0] += int(good)
        cell[1] += 1
    return [{"way": w, "shape": s, "successes": n[0], "trials": n[1]} for (w, s), n in sorted(cells.items())]


def _ranges(rows: FloatArray) -> dict[str, dict[str, Any]]:
    """Return what of each feature occurred: words that were seen often enough, or the least and the largest value."""
    found: dict[str, dict[str, Any]] = {}
    for column, name in enumerate(FEATURES):
        values = rows[:, column][~np.isnan(rows[:, column])]
        missing = bool(len(values) < len(rows))
        if name in CATEGORIES:
            often = [word for code, word in enumerate(CATEGORIES[name]) if (values == code).sum() >= _OFTEN]
            found[name] = {"seen": often, "missing": missing}
        else:
            low, high = (float(values.min()), float(values.max())) if len(values) else (None, None)
            found[name] = {"low": low, "high": high, "missing": missing}
    return found


def _cycle_s(trials: Trials) -> dict[str, float]:
    """Return the mean time of stows that succeeded, by way [s]."""
    times: dict[str, list[float]] = {}
    for row, good, seconds in zip(trials.rows, trials.succeeded, trials.cycle_s, strict=True):
        if good:
            times.setdefault(CATEGORIES["way"][int(row[0])], []).append(float(seconds))
    return {way: float(np.mean(seconds)) for way, seconds in sorted(times.items())}


def _log_losses(chance: FloatArray, succeeded: BoolArray) -> FloatArray:
    safe = np.clip(chance, 1e-6, 1.0 - 1e-6)
    return np.where(succeeded, -np.log(safe), -np.log1p(-safe))


class _Resampled:
    """Bootstrap over worlds: how often each world counts in each resample, with a fixed seed."""

    def __init__(self, worlds: Sequence[str]) -> None:
        names, self._index = np.unique(np.array(worlds), return_inverse=True)
        shares = np.full(len(names), 1.0 / len(names))
        self._weights = np.random.default_rng(_SEED).multinomial(len(names), shares, size=_RESAMPLES).astype(float)

    def interval(self, figure: Callable[[FloatArray], FloatArray], values: FloatArray) -> Interval:
        """Return a figure with its interval; resamples where it has no value are left out.

        Args:
            figure: of sums (…, k), as an array (…).
            values: (n, k), what is summed over the trials.
        """
        of_world = np.zeros((self._weights.shape[1], values.shape[1]))
        np.add.at(of_world, self._index, values)
        low, high = np.nanpercentile(figure(self._weights @ of_world), [2.5, 97.5])
        return Interval(value=float(figure(values.sum(axis=0))), low=float(low), high=float(high))

    def interval_of_mean(self, values: FloatArray) -> Interval:
        """Return the mean of values (n,) with its interval."""
        return self.interval(lambda sums: sums[..., 0] / sums[..., 1], np.stack([values, np.ones(len(values))], axis=1))


def calibration_error(chance: FloatArray, succeeded: BoolArray) -> float:
    """Return the expected calibration error of predictions in ``BAND``; NaN when there is none.

    That is how far success rate and mean prediction differ, averaged over bins of the band by their share of trials.
    """
    return float(_calibration_error(_surpluses(chance, succeeded).sum(axis=0)))


def _surpluses(chance: FloatArray, succeeded: BoolArray) -> FloatArray:
    """Return per trial (n, bins + 1) its success less its prediction, in the column of its bin, and that it has one."""
    inside = np.nonzero(_in_band(chance))[0]
    found = np.zeros((len(chance), len(_BAND_EDGES)))
    bins = np.clip(np.digitize(chance[inside], _BAND_EDGES) - 1, 0, len(_BAND_EDGES) - 2)
    found[inside, bins] = succeeded[inside] - chance[inside]
    found[inside, -1] = 1.0
    return found


def _calibration_error(sums: FloatArray) -> FloatArray:
    with np.errstate(invalid="ignore"):
        error: FloatArray = np.abs(sums[..., :-1]).sum(axis=-1) / sums[..., -1]
    return error


def _in_band(chance: FloatArray) -> BoolArray:
    return (chance >= BAND[0]) & (chance <= BAND[1])


def _judge(chance: FloatArray, succeeded: BoolArray, resampled: _Resampled) -> Judgement:
    inside = int(_in_band(chance).sum())
    return Judgement(
        log_loss=resampled.interval_of_mean(_log_losses(chance, succeeded)),
        brier=resampled.interval_of_mean((chance - succeeded) ** 2),
        band_trials=inside,
        band_error=resampled.interval(_calibration_error, _surpluses(chance, succeeded)) if inside else None,
        table=tuple(_reliability(chance, succeeded)),
    )


def _reliability(chance: FloatArray, succeeded: BoolArray) -> Iterator[Mapping[str, Any]]:
    bins = np.clip(np.digitize(chance, TABLE_EDGES) - 1, 0, len(TABLE_EDGES) - 2)
    for k in np.unique(bins):
        inside = bins == k
        yield {
            "from": TABLE_EDGES[k],
            "to": TABLE_EDGES[k + 1],
            "trials": int(inside.sum()),
            "successes": int(succeeded[inside].sum()),
            "mean_prediction": float(chance[inside].mean()),
        }
