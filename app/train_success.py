"""``podhand train success``: a success model from the episodes of campaigns, with a model card beside it."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from math import pi
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich.table import Table

import podhand
from podhand.app.ablations import WHOLE_STOW
from podhand.app.campaign import EvaluateJob, configuration, read_campaign
from podhand.app.model_card import in_words, judgement_cells, model_card
from podhand.app.results import EpisodeResult, StowOutcome
from podhand.app.run_folder import read_events
from podhand.app.shell import check_json_target, console, write_json
from podhand.app.wiring import catalogue_of
from podhand.core.errors import ConfigError
from podhand.core.items import Item
from podhand.planning.success import FEATURES, FEATURES_SCHEMA, MODEL_SCHEMA, body_sha256, feature_row
from podhand.planning.success_training import BAND, Training, Trials, train


@dataclass(frozen=True, kw_only=True)
class TrainJob:
    """What ``podhand train success`` was asked for."""

    folders: Sequence[Path]
    out: Path
    use: str = "auto"
    json_target: str | None = None


@dataclass(frozen=True, kw_only=True)
class Source:
    """What one folder gave."""

    folder: Path
    world: str
    code: str
    """Begin of the digest of the code that stowed."""
    accepted: int
    reconstructed: int
    """Episodes recorded before features were: theirs come from plan and catalogue, what is not there is missing."""
    duplicates: int
    """Left out: the same world with the same plan and outcome was in another folder."""


def run_train_job(job: TrainJob) -> Training:
    """Train, judge, write model and card, print what they say.

    Raises:
        ConfigError: a folder is no campaign of whole stows, nothing can be learned, or the output cannot be written.
    """
    check_json_target(job.json_target)
    trials, sources = read_trials(job.folders)
    training = train(trials, use=job.use)
    body = {
        **training.body,
        "trained": datetime.now(UTC).isoformat(timespec="seconds"),
        "podhand": podhand.__version__,
        "sources": [{**asdict(source), "folder": source.folder.name} for source in sources],
    }
    digest = body_sha256(body)
    document = {"schema": MODEL_SCHEMA, "sha256": digest, "model": body}
    card = job.out.with_suffix(".md")
    _write(job.out, json.dumps(document, indent=1, allow_nan=False) + "\n")
    _write(card, model_card(job.out.name, digest, body, training))
    _tell(job, body, training, sources, card)
    write_json(
        {"schema": "podhand-train-1", "model": str(job.out), "sha256": digest, "use": body["use"], "data": body["data"],
         "judged": body["judged"], "gain": body["gain"], "importance": dict(training.importance),
         "note": training.note},
        job.json_target,
    )  # fmt: skip
    return training


def read_trials(folders: Sequence[Path]) -> tuple[Trials, list[Source]]:
    """Return the stows that moved, of all folders, and what each folder gave.

    Raises:
        ConfigError: a folder is no campaign of whole stows, or its old episodes cannot be understood any more.
    """
    seen: set[str] = set()
    rows, succeeded, worlds, cycle_s, sources = [], [], [], [], []
    for folder in folders:
        job, decided_by = read_campaign(folder)
        if job.ablation != WHOLE_STOW:
            raise ConfigError(
                f"{folder} - its stows were {job.ablation.label}, a model is of whole stows; leave this folder out"
            )
        items = _Items(folder, job, decided_by)
        world = str(decided_by["world_version"])
        accepted = reconstructed = duplicates = 0
        for result in _episodes(folder):
            if not result.accepted:
                continue
            old = result.features.get("schema") != FEATURES_SCHEMA
            features = _from_plan(result, items.of(result.item)) if old else result.features
            try:
                row = feature_row(features)
            except ConfigError as error:
                raise ConfigError(f"{folder} - episode {result.index}: {error}; leave this folder out") from error
            good = result.outcome is StowOutcome.SUCCESS
            key = json.dumps([world, result.seed, good, [*map(repr, row.tolist())]])
            if key in seen:
                duplicates += 1
                continue
            seen.add(key)
            rows.append(row)
            succeeded.append(good)
            worlds.append(f"{world}/{result.seed}")
            cycle_s.append(result.cycle_s)
            accepted, reconstructed = accepted + 1, reconstructed + old
        sources.append(
            Source(
                folder=folder,
                world=world,
                code=str(decided_by["code_sha256"])[:12],
                accepted=accepted,
                reconstructed=reconstructed,
                duplicates=duplicates,
            )
        )
    return (
        Trials(
            rows=np.array(rows).reshape(-1, len(FEATURES)),
            succeeded=np.array(succeeded, np.bool_),
            worlds=worlds,
            cycle_s=np.array(cycle_s, float),
        ),
        sources,
    )


def _episodes(folder: Path) -> Iterator[EpisodeResult]:
    for event in read_events(folder):
        if event["event"] == "episode":
            yield EpisodeResult.from_json(event)


class _Items:
    """The products of a campaign, for episodes that did not record what they knew of theirs."""

    def __init__(self, folder: Path, job: EvaluateJob, decided_by: Mapping[str, Any]) -> None:
        self._folder, self._job, self._decided_by = folder, job, decided_by
        self._items: dict[str, Item] | None = None

    def of(self, sku: str) -> Item:
        if self._items is None:
            found = configuration(self._job)["catalogue_sha256"]
            if found != self._decided_by["catalogue_sha256"]:
                raise ConfigError(
                    f"{self._folder} - its episodes have no recorded features, and its catalogue has changed since; "
                    "leave this folder out, or run the campaign anew"
                )
            self._items = {entry.item.sku: entry.item for entry in catalogue_of(self._job.world, self._job.items)}
        if sku not in self._items:
            raise ConfigError(f"{self._folder} - item {sku!r} is not in its catalogue; leave this folder out")
        return self._items[sku]


def _from_plan(result: EpisodeResult, item: Item) -> dict[str, Any]:
    """Return the features of an episode that recorded its plan alone; what it does not tell is left out."""
    plan = result.plan_params
    return {
        "way": plan["way"],
        "shape": item.shape.value,
        "length_m": item.length_m,
        "width_m": item.width_m,
        "height_m": item.height_m,
        "mass_kg": item.mass_kg,
        "clearance_m": plan["predicted_clearance_m"],
        "force_n": plan["predicted_force_n"],
        "sweep_m": plan["sweep_distance_m"],
        "blade_extension_m": plan["blade_extension_m"],
        "off_middle_m": abs(plan["y_eject_m"]),
        "rules_success": plan["predicted_success"],
        **_from_words(plan["way"], plan["reason"]),
    }


_MOVED: Final = re.compile(r"pushing (\d+) blocks?")
_BACK: Final = re.compile(r"mm to the \w+ and (\d+) mm to the")
_TOP: Final = re.compile(r"on top of what is (\d+) mm high(, lying)?")


def _from_words(way: str, reason: str) -> dict[str, float]:
    """Return what older records tell of a plan in the words of its reason alone."""
    upright = {"tilt_rad": 0.0, "support_z_m": 0.0}
    if way == "direct":
        return {**upright, "sweep_back_m": 0.0, "moved_blocks": 0, "fence": 0}
    if way == "sweep" and (moved := _MOVED.search(reason)):
        back = _BACK.search(reason)
        return {
            **upright,
            "sweep_back_m": 1e-3 * int(back[1]) if back else 0.0,
            "moved_blocks": int(moved[1]),
            "fence": int("stays as a fence" in reason),
        }
    if way == "stack" and (top := _TOP.search(reason)):
        lying = pi / 2 if top[2] else 0.0
        return {
            "support_z_m": 1e-3 * int(top[1]),
            "tilt_rad": lying,
            "sweep_back_m": 0.0,
            "moved_blocks": 0,
            "fence": 0,
        }
    return {}


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"--out {path}: cannot be written ({error.strerror}); give another file") from error


def _tell(job: TrainJob, body: Mapping[str, Any], training: Training, sources: Sequence[Source], card: Path) -> None:
    data = body["data"]
    failures = sum(cell["trials"] - cell["successes"] for cell in body["counts"])
    table = Table(
        title=f"{data['trials']} stows with {failures} failures in {data['worlds']} worlds, "
        "predicted in worlds held out (95 % intervals)",
        title_justify="left",
    )
    band = f"{BAND[0]:.2f}–{BAND[1]:.2f}"
    for column in ("predictor", "log-loss", "Brier", f"in {band}", "calibration error there"):
        table.add_column(column, justify="left" if column == "predictor" else "right")
    for name, judgement in training.judged.items():
        table.add_row(name, *judgement_cells(judgement))
    console.print(table)
    if training.gain:
        console.print(f"Log-loss of the counts less that of the trees: {in_words(training.gain)}; over 0 is better.")
    if training.note:
        console.print(f"No trees: {training.note}.", markup=False)
    left_out = sum(source.duplicates for source in sources)
    if left_out:
        console.print(f"{left_out} stows were in more than one folder and count once.")
    console.print(f"Stows that use the model ask its {'trees' if body['use'] == 'learned' else 'counted rates'}.")
    console.print(f"Model: {job.out}\nModel card: {card}", markup=False, soft_wrap=True)
