"""Success prediction: how likely a stow works, from what is known before anything moves.

Two predictors live in one model file, trained by ``podhand train success``: rates of what was counted per way and
shape (Beta-binomial), and boosted trees (LightGBM, log-loss). Where the trees cannot be used or do not know what they
are asked about, the rates answer.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from podhand.core.errors import ConfigError
from podhand.core.items import Item, Shape
from podhand.core.poses import FloatArray
from podhand.planning.stow import StowKind, StowPlan

FEATURES_SCHEMA: Final = "podhand-stow-features-1"
MODEL_SCHEMA: Final = "podhand-success-1"
CATEGORIES: Final[Mapping[str, tuple[str, ...]]] = {
    "way": tuple(kind.value for kind in StowKind),
    "shape": tuple(shape.value for shape in Shape),
}
"""Features that are words; in rows they stand as their place in these lists."""
FEATURES: Final = (
    "way",
    "shape",
    "length_m",
    "width_m",
    "height_m",
    "mass_kg",
    "clearance_m",
    "force_n",
    "sweep_m",
    "sweep_back_m",
    "moved_blocks",
    "fence",
    "blade_extension_m",
    "off_middle_m",
    "tilt_rad",
    "support_z_m",
    "rules_success",
)
"""Columns of a row of features, in this order: the categories, then the numbers."""
CONFIDENCE: Final = 0.95
"""One-sided, of every lower bound."""
_PRIOR_TRIALS: Final = 10.0
"""A cell's rate is drawn to that of its way, and a way's to that of all, as if so many more had been counted."""
_MARGIN: Final = 0.05
"""A value so far outside of what was trained on, as a share of its span, still counts as inside."""
_MAX_BYTES: Final = 50_000_000

BoolArray = NDArray[np.bool_]


def plan_features(plan: StowPlan, item: Item) -> dict[str, Any]:
    """Return what is known of a stow before the motion, with its schema; plain data for a record."""
    rules_success = plan.predicted_success if plan.rules_success is None else plan.rules_success
    return {
        "schema": FEATURES_SCHEMA,
        "way": plan.kind.value,
        "shape": item.shape.value,
        "length_m": item.length_m,
        "width_m": item.width_m,
        "height_m": item.height_m,
        "mass_kg": item.mass_kg,
        "clearance_m": plan.predicted_clearance_m,
        "force_n": plan.predicted_force_n,
        "sweep_m": plan.sweep_distance_m,
        "sweep_back_m": plan.sweep_back_m,
        "moved_blocks": len(plan.moved_blocks),
        "fence": int(plan.blade_stays),
        "blade_extension_m": plan.blade_extension_m,
        "off_middle_m": abs(plan.y_item_m),
        "tilt_rad": abs(plan.tilt_rad),
        "support_z_m": plan.support_z_m,
        "rules_success": rules_success,
    }


def feature_row(features: Mapping[str, Any]) -> FloatArray:
    """Return recorded features as a row (len(FEATURES),); NaN where a value is missing.

    Raises:
        ConfigError: a word that is not among ``CATEGORIES``, or a value that is no number.
    """
    row = np.full(len(FEATURES), np.nan)
    for column, name in enumerate(FEATURES):
        value = features.get(name)
        if value is None:
            continue
        words = CATEGORIES.get(name)
        if words and value not in words:
            raise ConfigError(f"{name} must be one of {', '.join(words)} (got {value!r})")
        try:
            row[column] = words.index(value) if words else float(value)
        except (TypeError, ValueError) as error:
            raise ConfigError(f"{name} must be a number (got {value!r})") from error
    return row


@dataclass(frozen=True, kw_only=True, eq=False)
class Prediction:
    """Chances of success, one for each row asked about."""

    chance: FloatArray
    """(n,) 0 … 1."""
    lower: FloatArray
    """(n,) one-sided 95 % bound of it, never above ``chance``."""
    learned: BoolArray
    """(n,) False where the counted rates answered."""


@dataclass(frozen=True, kw_only=True)
class CountedRates:
    """How often stows succeeded, by way and shape."""

    cells: Mapping[tuple[str, str], tuple[int, int]]
    """(way, shape): successes and trials."""

    def predict(self, rows: FloatArray) -> Prediction:
        """Return the chances for rows (n, len(FEATURES)).

        What was never counted gets the rate of its way, or of all.
        """
        chance, lower = self._table
        way, shape = (_codes(rows[:, column], len(words)) for column, words in enumerate(CATEGORIES.values()))
        return Prediction(chance=chance[way, shape], lower=lower[way, shape], learned=np.zeros(len(rows), np.bool_))

    @cached_property
    def _table(self) -> tuple[FloatArray, FloatArray]:
        """Chance and lower bound (ways + 1, shapes + 1); the last of each is for what is not known."""
        ways, shapes = (len(words) for words in CATEGORIES.values())
        successes, trials = np.zeros((ways + 1, shapes + 1)), np.zeros((ways + 1, shapes + 1))
        for (way, shape), (succeeded, tried) in self.cells.items():
            cell = CATEGORIES["way"].index(way), CATEGORIES["shape"].index(shape)
            successes[cell], trials[cell] = succeeded, tried
        overall = (successes.sum() + 0.5) / (trials.sum() + 1.0)
        of_way = (successes.sum(axis=1) + _PRIOR_TRIALS * overall) / (trials.sum(axis=1) + _PRIOR_TRIALS)
        good = successes + _PRIOR_TRIALS * of_way[:, None]
        bad = trials - successes + _PRIOR_TRIALS * (1.0 - of_way[:, None])
        # Half a failure more: a cell that never failed is not as good as sure.
        lower = np.asarray(beta.ppf(1.0 - CONFIDENCE, good, bad + 0.5), float)
        chance = good / (good + bad)
        return chance, np.minimum(lower, chance)


def _codes(column: FloatArray, count: int) -> NDArray[np.intp]:
    """Return category codes as indices; ``count`` for what is missing."""
    return np.where(np.isnan(column), count, np.nan_to_num(column)).astype(np.intp)


class Trees(Protocol):
    """What is used of a ``lightgbm.Booster``."""

    def predict(self, data: FloatArray, *, num_threads: int) -> Any:
        """Return the chances (n,) for rows (n, features)."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class LearnedChances:
    """Boosted trees, what they were trained on, and how sure one can be of what they say."""

    trees: Trees
    seen: tuple[BoolArray, ...]
    """For each of ``CATEGORIES`` which of its words occurred often enough."""
    low: FloatArray
    """(len(FEATURES) - len(CATEGORIES),) least value of every number in training."""
    high: FloatArray
    missing: BoolArray
    """(len(FEATURES),) whether a value may be missing."""
    bound_chance: FloatArray
    """(k,) predictions for worlds that were held out, in groups, rising."""
    bound_lower: FloatArray
    """(k,) lower bounds of the success rates of those groups."""

    def knows(self, rows: FloatArray) -> BoolArray:
        """Return which rows (n, len(FEATURES)) are like those of the training."""
        words, numbers = rows[:, : len(CATEGORIES)], rows[:, len(CATEGORIES) :]
        margin = _MARGIN * (self.high - self.low)
        inside = np.empty(rows.shape, np.bool_)
        inside[:, len(CATEGORIES) :] = (numbers >= self.low - margin) & (numbers <= self.high + margin)
        for column, seen in enumerate(self.seen):
            inside[:, column] = np.append(seen, False)[_codes(words[:, column], len(seen))]
        inside |= np.isnan(rows) & self.missing
        known: BoolArray = np.all(inside, axis=1)
        return known

    def predict(self, rows: FloatArray) -> Prediction:
        """Return the chances for rows (n, len(FEATURES)) that are known."""
        chance = np.asarray(self.trees.predict(rows, num_threads=1), float)
        lower = np.interp(chance, np.append(0.0, self.bound_chance), np.append(0.0, self.bound_lower))
        return Prediction(chance=chance, lower=np.minimum(lower, chance), learned=np.ones(len(rows), np.bool_))


@dataclass(frozen=True, kw_only=True, eq=False)
class SuccessModel:
    """A success predictor that always has an answer."""

    rates: CountedRates
    trees: LearnedChances | None
    """None: the rates alone."""
    cycle_s: Mapping[str, float] = field(default_factory=dict)
    """Mean time of motion by way [s], of stows that succeeded."""
    sha256: str = ""
    """Of the file."""
    fallback: str = ""
    """Why the rates answer although trees were trained, in words; empty otherwise."""

    def predict(self, rows: FloatArray) -> Prediction:
        """Return chances and lower bounds for rows of features (n, len(FEATURES))."""
        counted = self.rates.predict(rows)
        if self.trees is None or len(rows) == 0:
            return counted
        known = self.trees.knows(rows)
        if not known.any():
            return counted
        learned = self.trees.predict(rows[known])
        chance, lower = counted.chance.copy(), counted.lower.copy()
        chance[known], lower[known] = learned.chance, learned.lower
        return Prediction(chance=chance, lower=lower, learned=known)

    def chances(self, plans: Sequence[StowPlan], item: Item) -> list[float]:
        """Return the chance of success of each plan for an item."""
        rows = np.array([feature_row(plan_features(plan, item)) for plan in plans]).reshape(-1, len(FEATURES))
        return [float(chance) for chance in self.predict(rows).chance]


def body_sha256(body: Mapping[str, Any]) -> str:
    """Return the digest by which a model file vouches for its body."""
    return hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def read_model(path: Path) -> SuccessModel:
    """Read a model file of ``podhand train success``.

    Without LightGBM, or with one older than the file needs, or when the file's features are older than this podhand's,
    the model answers with the counted rates and says so in ``fallback``.

    Raises:
        ConfigError: the file cannot be read, was changed or cut off, or is not a model of this kind.
    """
    document = _read_document(path)
    body = document["model"]
    try:
        rates = CountedRates(
            cells={(c["way"], c["shape"]): (int(c["successes"]), int(c["trials"])) for c in body["counts"]}
        )
        rates.predict(np.full((1, len(FEATURES)), np.nan))
        fallback = "" if body["trees"] is None else _why_not_trees(body)
        trees = None if fallback or body["trees"] is None or body["use"] != "learned" else _trees_of(body)
        return SuccessModel(
            rates=rates,
            trees=trees,
            cycle_s={str(way): float(seconds) for way, seconds in body["cycle_s"].items()},
            sha256=str(document["sha256"]),
            fallback=fallback if body["use"] == "learned" else "",
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ConfigError(f"{path} - is no whole success model ({error!r}); {_TRAIN}") from error


_TRAIN: Final = "train one with `podhand train success FOLDER… --out FILE`"


def _read_document(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as stream:
            raw = stream.read(_MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{path} - the success model cannot be read ({error.strerror}); {_TRAIN}") from error
    try:
        if len(raw) > _MAX_BYTES:
            raise ValueError(f"more than {_MAX_BYTES} bytes")
        document = json.loads(raw)
        schema, digest, body = document["schema"], document["sha256"], document["model"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ConfigError(f"{path} - is no success model of podhand ({type(error).__name__}); {_TRAIN}") from error
    if schema != MODEL_SCHEMA:
        raise ConfigError(f"{path} - schema {schema!r}, this podhand reads {MODEL_SCHEMA!r}; {_TRAIN}")
    if digest != body_sha256(body):
        raise ConfigError(f"{path} - was changed after training (its sha256 does not match); {_TRAIN}")
    return dict(document)


def _why_not_trees(body: Mapping[str, Any]) -> str:
    """Return why the trees of a model cannot be used here, in words; empty when they can."""
    if body["features_schema"] != FEATURES_SCHEMA:
        return f"the model knows {body['features_schema']}, this podhand has {FEATURES_SCHEMA}: train it anew"
    needed = str(body["trees"]["lightgbm"])
    try:
        found = metadata.version("lightgbm")
    except metadata.PackageNotFoundError:
        return "lightgbm is not installed: pip install 'podhand[learn]'"
    if _version(found) < _version(needed):
        return f"lightgbm {found} is older than {needed}, which trained the model: pip install -U 'podhand[learn]'"
    return ""


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".")[:2])


def _trees_of(body: Mapping[str, Any]) -> LearnedChances:
    import lightgbm

    found = body["trees"]
    ranges = body["ranges"]
    try:
        trees = lightgbm.Booster(model_str=found["text"])
    except lightgbm.basic.LightGBMError as error:
        raise ValueError(str(error)) from error
    if trees.num_feature() != len(FEATURES):
        raise ValueError(f"trees over {trees.num_feature()} features, not {len(FEATURES)}")
    return LearnedChances(
        trees=trees,
        seen=tuple(np.array([word in ranges[name]["seen"] for word in words]) for name, words in CATEGORIES.items()),
        low=_numbers(ranges, "low"),
        high=_numbers(ranges, "high"),
        missing=np.array([bool(ranges[name]["missing"]) for name in FEATURES]),
        bound_chance=np.array(found["bound"]["chance"], float),
        bound_lower=np.array(found["bound"]["lower"], float),
    )


def _numbers(ranges: Mapping[str, Mapping[str, Any]], key: str) -> FloatArray:
    values = [ranges[name][key] for name in FEATURES[len(CATEGORIES) :]]
    return np.array([math.nan if value is None else float(value) for value in values])
