"""What a campaign is: the configuration that decides every episode, written down so that it can be continued."""

import hashlib
import json
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from podhand.app.ablations import WHOLE_STOW, Ablation
from podhand.app.choices import Eject, Keep, WorldKind
from podhand.app.episode import EpisodeJob
from podhand.app.run_folder import RunFolder
from podhand.app.wiring import catalogue_of, world_version
from podhand.controllers.parameters import build_id
from podhand.core.errors import ConfigError
from podhand.core.station import dump_station, load_station
from podhand.planning.success import read_model

CAMPAIGN_FILE: Final = "campaign.json"
CAMPAIGN_SCHEMA: Final = "podhand-campaign-1"
_ROOMS: Final = ("core", "sim", "controllers", "perception", "primitives", "planning")
_OPTIONS: Final = ("station", "items", "episodes", "seed", "first", "keep", "world", "predictor")
"""Options that are fields of the job under the same name."""
_WORDS: Final = {
    "station_sha256": "the station's content",
    "catalogue_sha256": "the catalogue's content",
    "code_sha256": "the code that decides an episode",
    "build_id": "the kernel's build",
    "world_version": "the world's version",
    "predictor_sha256": "the success model",
}


@dataclass(frozen=True, kw_only=True)
class EvaluateJob:
    """What ``podhand evaluate stow`` was asked for."""

    station: str = "sim-stow"
    items: Path | None = None
    episodes: int = 100
    seed: int = 1
    first: int = 0
    jobs: int = 0
    """0: one per core."""
    out: Path | None = None
    keep: Keep = Keep.FAILURES
    json_target: str | None = None
    world: WorldKind = WorldKind.STANDARD
    ablation: Ablation = WHOLE_STOW
    predictor: Path | None = None
    """A success model to ask instead of the rules."""

    def episode(self, index: int, recording: Path | None = None, *, pictures: bool = False) -> EpisodeJob:
        """Return one of its episodes."""
        return EpisodeJob(
            station=self.station,
            items=self.items,
            seed=self.seed,
            index=index,
            recording=recording,
            pictures=pictures,
            world=self.world,
            ablation=self.ablation,
            predictor=self.predictor,
        )

    def command(self, index: int) -> str:
        """Return the command line that repeats one of its episodes, with pictures."""
        words = ["podhand stow", f"--seed {self.seed}", f"--first {index}", "--count 1"]
        words += [f"--station {self.station}"] if self.station != "sim-stow" else []
        words += [f"--items {self.items}"] if self.items else []
        words += [f"--world {self.world}"] if self.world is not WorldKind.STANDARD else []
        words += [f"--without {name}" for name in self.ablation.without]
        words += [f"--with {name}" for name in self.ablation.extra]
        words += [f"--eject {self.ablation.eject}"] if self.ablation.eject is not Eject.BELTS else []
        words += [f"--predictor {self.predictor}"] if self.predictor else []
        return " ".join(words)


def configuration(job: EvaluateJob) -> dict[str, Any]:
    """Return everything that decides how the episodes of a campaign go, as plain data.

    Raises:
        ConfigError: station, catalogue or success model cannot be used.
    """
    station = load_station(job.station)
    return {
        "seed": job.seed,
        "world": job.world.value,
        "without": list(job.ablation.without),
        "with": list(job.ablation.extra),
        "eject": job.ablation.eject.value,
        "station": station.name,
        "station_sha256": _sha256(dump_station(station)),
        "catalogue_sha256": _sha256(repr(catalogue_of(job.world, job.items))),
        "world_version": world_version(job.world),
        "build_id": build_id(),
        "code_sha256": code_sha256(),
        # Trees or, without LightGBM, rates: which of the two answers decides as much as the file.
        "predictor_sha256": _predictor_sha256(job.predictor),
    }


def _predictor_sha256(path: Path | None) -> str | None:
    if path is None:
        return None
    model = read_model(path)
    return model.sha256 + (" (rates)" if model.fallback else "")


def code_sha256() -> str:
    """Return a digest of the Python code and data that decide how an episode goes."""
    digest = hashlib.sha256()
    for room in _ROOMS:
        folder = Path(import_module(f"podhand.{room}").__path__[0])
        for path in sorted([*folder.rglob("*.py"), *folder.rglob("*.csv")]):
            digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def is_campaign(path: Path) -> bool:
    """Return whether a folder holds a campaign, finished or not."""
    return (path / CAMPAIGN_FILE).is_file()


def write_campaign(folder: RunFolder, job: EvaluateJob, decided_by: dict[str, Any]) -> None:
    """Write down what a campaign consists of."""
    document = {
        "schema": CAMPAIGN_SCHEMA,
        "sha256": _sha256(json.dumps(decided_by, sort_keys=True)),
        "configuration": decided_by,
        "job": {
            "station": _absolute(job.station) if Path(job.station).is_file() else job.station,
            "items": _absolute(job.items) if job.items else None,
            "first": job.first,
            "episodes": job.episodes,
            "keep": job.keep.value,
            "predictor": _absolute(job.predictor) if job.predictor else None,
        },
    }
    folder.write_json(CAMPAIGN_FILE, document)


def read_campaign(path: Path) -> tuple[EvaluateJob, dict[str, Any]]:
    """Return what a campaign folder was asked for, and the configuration it was begun with.

    Raises:
        ConfigError: the folder holds no campaign of this version.
    """
    file = path / CAMPAIGN_FILE
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        found, job = document["configuration"], document["job"]
        if document["schema"] != CAMPAIGN_SCHEMA:
            raise ValueError(f"schema {document['schema']!r}, this podhand reads {CAMPAIGN_SCHEMA!r}")
        return (
            EvaluateJob(
                station=job["station"],
                items=Path(job["items"]) if job["items"] else None,
                episodes=job["episodes"],
                first=job["first"],
                keep=Keep(job["keep"]),
                seed=found["seed"],
                world=WorldKind(found["world"]),
                ablation=Ablation(
                    without=tuple(found["without"]), extra=tuple(found.get("with", ())), eject=Eject(found["eject"])
                ),
                predictor=Path(job["predictor"]) if job.get("predictor") else None,
                out=path,
            ),
            found,
        )
    except OSError as error:
        raise ConfigError(
            f"{path} - holds no campaign ({CAMPAIGN_FILE}: {error.strerror}); give a folder of `podhand evaluate stow`"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{file} - cannot be read ({error}); begin anew in another folder (--out)") from error


def continued(path: Path, asked: EvaluateJob, *, given: frozenset[str]) -> EvaluateJob:
    """Return the job that continues a campaign: as it was begun, but for what was given explicitly.

    Args:
        path: its folder.
        asked: the command line.
        given: names of the options that were on the command line.

    Raises:
        ConfigError: the folder holds no campaign.
    """
    begun = read_campaign(path)[0]
    changes: dict[str, Any] = {name: getattr(asked, name) for name in _OPTIONS if name in given}
    if given & {"without", "eject"}:
        changes["ablation"] = asked.ablation
    return replace(begun, jobs=asked.jobs, json_target=asked.json_target, **changes)


def check_same(path: Path, decided_by: dict[str, Any]) -> None:
    """Make sure that a campaign goes on as it was begun.

    Raises:
        ConfigError: what differs, all of it; nothing was run.
    """
    begun_with = read_campaign(path)[1]
    changed = [key for key in decided_by if begun_with.get(key) != decided_by[key]]
    # A station of another name has other content too: the name says more.
    changed = [key for key in changed if not (key == "station_sha256" and "station" in changed)]
    if changed:
        lines = [_difference(key, begun_with.get(key), decided_by[key]) for key in changed]
        raise ConfigError(
            "\n".join(
                [
                    f"{path} - was begun with another configuration, so it is not continued:",
                    *(f"  {line}" for line in lines),
                    "Give what the campaign was begun with, or another folder with --out.",
                ]
            )
        )


def _difference(key: str, there: object, here: object) -> str:
    if key.endswith("sha256"):
        return f"{_WORDS[key]} has changed"
    return f"{_WORDS.get(key, key)}: {there!r} there, {here!r} now"


def _absolute(path: str | Path) -> str:
    return str(Path(path).resolve())


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
