"""``podhand stow``: products into the pod, one after the other, with a run folder and a report."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from podhand.app import words
from podhand.app.ablations import WHOLE_STOW, Ablation
from podhand.app.choices import HostKind, WorldKind
from podhand.app.episode import Episode, EpisodeJob, Watcher, run_episode
from podhand.app.pictures import pictures_of
from podhand.app.predictor import tell_predictor
from podhand.app.report import Picture, render_report
from podhand.app.results import RESULT_SCHEMA, Campaign, EpisodeResult
from podhand.app.run_folder import RunFolder, new_run_path
from podhand.app.shell import check_json_target, console, progress, write_json
from podhand.app.wiring import catalogue_of, world_version
from podhand.controllers.parameters import build_id
from podhand.controllers.recorder import RECORDING_VERSION
from podhand.core.errors import DeviceError
from podhand.core.station import Station, load_station

log = structlog.get_logger()

COLOURS = {"success": "green", "unproductive": "yellow", "defect": "red"}


@dataclass(frozen=True, kw_only=True)
class StowJob:
    """What ``podhand stow`` was asked for."""

    station: str
    items: Path | None
    count: int
    seed: int
    first: int
    out: Path | None
    json_target: str | None
    view: bool
    world: WorldKind = WorldKind.STANDARD
    ablation: Ablation = WHOLE_STOW
    host: HostKind = HostKind.LOCKSTEP
    predictor: Path | None = None
    """A success model to ask instead of the rules."""


def schemas(world: str) -> dict[str, str]:
    """Return the versions of everything in a run folder."""
    return {"result": RESULT_SCHEMA, "world": world, "recording": str(RECORDING_VERSION), "station": "1"}


def run_stow_job(job: StowJob) -> Campaign:
    """Stow, tell the stories, leave the run folder, write the JSON.

    Raises:
        ConfigError: station, catalogue, success model or output cannot be used; nothing was started.
        DeviceError: a device or safety fault ended the run; the folder is complete until then.
        StoppedByOperator: Ctrl-C; the arm was brought to rest, the folder is complete until then.
    """
    check_json_target(job.json_target)
    station, catalogue = load_station(job.station), catalogue_of(job.world, job.items)
    tell_predictor(job.predictor)
    watcher = _live_view() if job.view else None
    path = job.out or new_run_path(Path("runs"), f"stow-seed{job.seed}")
    run = _Run(station, job, (sum(1 for entry in catalogue if entry.eligible), len(catalogue)))
    with RunFolder(path, build_id=build_id(), schemas=schemas(world_version(job.world))) as folder:
        folder.write_station(station)
        folder.event("run_started", count=job.count, seed=job.seed, first=job.first, station=station.name)
        try:
            with progress("stowing", job.count) as advance:
                for index in range(job.first, job.first + job.count):
                    run.add(folder, _one(job, index, path, folder, watcher))
                    advance()
                    if run.fault:
                        break  # a person has to look first
        finally:
            run.write(folder)
    for line in words.campaign_lines(run.campaign()):
        console.print(line, markup=False)
    console.print(f"Report: {path / 'report.html'}", markup=False, soft_wrap=True)
    write_json(run.campaign().to_json(), job.json_target)
    if run.fault:
        raise DeviceError(run.fault)
    return run.campaign()


class _Run:
    """The run so far."""

    def __init__(self, station: Station, job: StowJob, coverage: tuple[int, int]) -> None:
        self._station, self._job, self._coverage = station, job, coverage
        self._begin_s = time.monotonic()
        self._results: list[EpisodeResult] = []
        self._pictures: dict[int, list[Picture]] = {}
        self._recipes: dict[int, Any] = {}

    @property
    def fault(self) -> str:
        """The fault of a device that ended the run, in words; empty when there was none."""
        return self._results[-1].fault if self._results else ""

    def add(self, folder: RunFolder, episode: Episode) -> None:
        result = episode.result
        name = _folder_name(result.index)
        self._results.append(result)
        self._recipes[result.index] = episode.recipe
        self._pictures[result.index] = pictures_of(episode)
        for picture in self._pictures[result.index]:
            folder.write_bytes(f"{name}/{picture.name}.png", picture.png)
        if episode.recipe is not None:
            folder.write_text(f"{name}/recipe.json", json.dumps(episode.recipe, indent=1) + "\n")
        folder.event("episode", **result.to_json())
        _tell(result)

    def campaign(self) -> Campaign:
        return Campaign(
            station=self._station.name,
            seed=self._job.seed,
            episodes=tuple(self._results),
            coverage=self._coverage,
            wall_s=time.monotonic() - self._begin_s,
            tick_s=self._station.control.tick_s,
            world=world_version(self._job.world),
            ablation=self._job.ablation.label,
        )

    def write(self, folder: RunFolder) -> None:
        campaign = self.campaign()
        folder.write_json("summary.json", campaign.to_json())
        folder.write_text("report.html", render_report(campaign, self._pictures, self._recipes))


def _one(job: StowJob, index: int, path: Path, folder: RunFolder, watcher: Watcher | None) -> Episode:
    def note(event: str, fields: Mapping[str, Any]) -> None:
        folder.event(event, episode=index, **fields)
        log.info(event, episode=index, **fields)

    return run_episode(
        EpisodeJob(
            station=job.station,
            items=job.items,
            seed=job.seed,
            index=index,
            recording=path / _folder_name(index) / "recording.mcap",
            pictures=True,
            world=job.world,
            ablation=job.ablation,
            host=job.host,
            predictor=job.predictor,
        ),
        watcher=watcher,
        note=note,
    )


def _folder_name(index: int) -> str:
    return f"stow-{index + 1:03d}"


def _tell(result: EpisodeResult) -> None:
    colour = COLOURS[result.outcome.value]
    console.print(f"[{colour}]{words.MARKS[result.outcome]}[/] [bold]{words.headline(result)}[/]")
    console.print(f"  {words.story(result)}", markup=False)


def _live_view() -> Watcher:
    from podhand.app.view import LiveView

    view = LiveView()
    console.print(f"Open {view.url} in the browser of this machine.")
    view.wait_for_viewer()
    return view
