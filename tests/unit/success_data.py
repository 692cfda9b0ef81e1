"""Stows with known chances of success, and campaigns as they are recorded: test data without a simulator."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from podhand.app.campaign import EvaluateJob, configuration, write_campaign
from podhand.app.results import EpisodeResult, StowOutcome
from podhand.app.run_folder import RunFolder
from podhand.core.poses import FloatArray
from podhand.planning.success import CATEGORIES, FEATURES, FEATURES_SCHEMA
from podhand.planning.success_training import Trials

WAYS, SHAPES = ("direct", "sweep"), ("box", "bag")


def true_chance(features: dict[str, Any]) -> float:
    """Sweeps that push hard fail more often; what hangs fails more often."""
    if features["way"] == "direct":
        return 0.985
    return float(1.0 - 0.02 - 0.035 * features["force_n"] - (0.05 if features["shape"] == "bag" else 0.0))


def draw(random: np.random.Generator) -> dict[str, Any]:
    """Features of one stow."""
    way, shape = str(random.choice(WAYS)), str(random.choice(SHAPES))
    swept = way == "sweep"
    force = float(random.uniform(1.0, 14.0)) if swept else 0.0
    return {
        "schema": FEATURES_SCHEMA, "way": way, "shape": shape,
        "length_m": float(random.uniform(0.1, 0.2)), "width_m": float(random.uniform(0.03, 0.08)),
        "height_m": float(random.uniform(0.05, 0.12)), "mass_kg": float(random.uniform(0.1, 1.0)),
        "clearance_m": float(random.uniform(0.004, 0.012)), "force_n": force,
        "sweep_m": float(random.uniform(0.01, 0.08)) if swept else 0.0, "sweep_back_m": 0.0,
        "moved_blocks": int(random.integers(1, 4)) if swept else 0, "fence": int(swept),
        "blade_extension_m": 0.2 if swept else 0.0, "off_middle_m": float(random.uniform(0.0, 0.1)),
        "tilt_rad": 0.0, "support_z_m": 0.0, "rules_success": 0.98 - 0.01 * force,
    }  # fmt: skip


def row_of(features: dict[str, Any]) -> FloatArray:
    words = {name: CATEGORIES[name].index(features[name]) for name in CATEGORIES}
    return np.array([float({**features, **words}[name]) for name in FEATURES])


def make_trials(count: int, seed: int = 1) -> tuple[Trials, FloatArray]:
    """Trials and the true chance of each."""
    random = np.random.default_rng(seed)
    drawn = [draw(random) for _ in range(count)]
    chance = np.array([true_chance(features) for features in drawn])
    trials = Trials(
        rows=np.array([row_of(features) for features in drawn]),
        succeeded=random.random(count) < chance,
        worlds=[f"standard-2/{seed}-{i}" for i in range(count)],
        cycle_s=np.where(chance > 0.98, 15.0, 17.5),
    )
    return trials, chance


def make_campaign(
    path: Path, count: int, *, seed: int = 1, recorded: bool = True, job: EvaluateJob | None = None
) -> None:
    """Write a campaign's folder; with ``recorded`` False as podhand wrote it before features were recorded."""
    random = np.random.default_rng(seed)
    job = job or EvaluateJob(seed=seed, episodes=count)
    with RunFolder(path, build_id="test", schemas={}) as folder:
        write_campaign(folder, job, configuration(job))
        for index in range(count):
            features = draw(random)
            result = result_of(features, index, good=bool(random.random() < true_chance(features)), recorded=recorded)
            entry = result.to_json()
            if not recorded:
                del entry["features"]
            folder.event("episode", **entry)


def result_of(features: dict[str, Any], index: int, *, good: bool, recorded: bool = True) -> EpisodeResult:
    swept = features["way"] == "sweep"
    blocks = features["moved_blocks"]
    return EpisodeResult(
        index=index, seed=700_000 + index, item="dove_beauty_bar", bin="C3", accepted=True,
        outcome=StowOutcome.SUCCESS if good else StowOutcome.DEFECT, cause="" if good else "protrudes",
        features=features if recorded else {}, cycle_s=17.0 if swept else 15.0,
        plan_params={
            "way": features["way"],
            "reason": f"sweeps 31 mm to the right and 12 mm to the left, pushing {blocks} blocks with about 3 N; the "
            "blade stays as a fence" if swept else "a gap of 50 mm takes the item",
            "y_eject_m": -features["off_middle_m"],
            "blade_extension_m": features["blade_extension_m"],
            "sweep_distance_m": features["sweep_m"],
            "predicted_force_n": features["force_n"],
            "predicted_clearance_m": features["clearance_m"],
            "predicted_success": features["rules_success"],
        },
    )  # fmt: skip


def rewrite(path: Path, change: Any) -> None:
    """Change a JSON file."""
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))
