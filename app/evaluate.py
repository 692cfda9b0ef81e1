"""Campaigns: many worlds on all cores, judged by intervals, continued where they were stopped."""

import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import datetime
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from rich.table import Table

from podhand.app import words
from podhand.app.campaign import EvaluateJob, check_same, configuration, is_campaign, write_campaign
from podhand.app.choices import Keep
from podhand.app.episode import EpisodeJob, run_episode
from podhand.app.plots import time_plot
from podhand.app.predictor import tell_predictor
from podhand.app.results import RESULT_SCHEMA, Campaign, EpisodeResult, StowOutcome, count
from podhand.app.run_folder import RunFolder, new_run_path
from podhand.app.shell import check_json_target, console, progress, write_json
from podhand.app.wiring import catalogue_of, world_version
from podhand.app.workers import run_all
from podhand.core.station import load_station


def run_evaluate_job(job: EvaluateJob) -> Campaign:
    """Run or continue a campaign, leave its run folder, print rates, write the JSON.

    Raises:
        ConfigError: station, catalogue or output cannot be used, or the folder was begun with another configuration;
            nothing was run.
        StoppedByOperator, KeyboardInterrupt: Ctrl-C; the folder can be continued.
    """
    check_json_target(job.json_target)
    tell_predictor(job.predictor)
    path = job.out or new_run_path(Path("runs"), f"evaluate-seed{job.seed}")
    try:
        campaign = run_campaign(job, path)
    except KeyboardInterrupt:
        console.print(f"Continue with: podhand evaluate stow --resume {path}", markup=False, soft_wrap=True)
        raise
    print_summary(campaign)
    console.print(f"Run folder: {path}", markup=False, soft_wrap=True)
    write_json(campaign.to_json(), job.json_target)
    return campaign


def run_campaign(job: EvaluateJob, path: Path, *, label: str = "stowing") -> Campaign:
    """Run those episodes of a campaign that its folder does not hold yet. Raises as ``run_evaluate_job``."""
    decided_by = configuration(job)
    resume = is_campaign(path)
    if resume:
        check_same(path, decided_by)
    schemas = {"result": RESULT_SCHEMA, "world": world_version(job.world)}
    with RunFolder(path, build_id=decided_by["build_id"], schemas=schemas, resume=resume) as folder:
        write_campaign(folder, job, decided_by)
        folder.write_station(load_station(job.station))
        tally = _Tally(job, folder.past)
        folder.event("campaign_resumed" if resume else "campaign_started", episodes=job.episodes, first=job.first)
        todo = [i for i in range(job.first, job.first + job.episodes) if i not in tally.results]
        jobs = [job.episode(index, _recording(path, index) if job.keep is not Keep.NONE else None) for index in todo]
        stowed = run_all(partial(_run_one, keep=job.keep), jobs, workers=job.jobs)
        try:
            with progress(label, job.episodes, done=job.episodes - len(todo)) as advance, closing(stowed):
                for result in stowed:
                    folder.event("episode", **result.to_json())
                    tally.results[result.index] = result
                    advance(tally.note())
        finally:
            campaign = tally.campaign()
            folder.write_json("summary.json", campaign.to_json())
        if times := campaign.times_by_way():
            folder.write_bytes("times.png", time_plot(times))
    return campaign


class _Tally:
    """The results so far, those of earlier runs into the folder too."""

    def __init__(self, job: EvaluateJob, past: Sequence[Mapping[str, Any]]) -> None:
        self._job, self._station, self._catalogue = job, load_station(job.station), catalogue_of(job.world, job.items)
        self._begin_s, self._past_s = time.monotonic(), _seconds(past)
        found = (EpisodeResult.from_json(event) for event in past if event["event"] == "episode")
        self.results = {result.index: result for result in found}

    def note(self) -> str:
        """Say how it goes, in a few words."""
        done = self.results.values()
        successes = count(done, lambda e: e.outcome is StowOutcome.SUCCESS)
        defects = count(done, lambda e: e.outcome is StowOutcome.DEFECT)
        accepted = count(done, lambda e: e.accepted)
        return f"success of accepted {words.share(successes, accepted)}, defects {defects}"

    def campaign(self) -> Campaign:
        return Campaign(
            station=self._station.name,
            seed=self._job.seed,
            episodes=tuple(self.results[index] for index in sorted(self.results)),
            coverage=(sum(1 for entry in self._catalogue if entry.eligible), len(self._catalogue)),
            wall_s=self._past_s + time.monotonic() - self._begin_s,
            tick_s=self._station.control.tick_s,
            world=world_version(self._job.world),
            ablation=self._job.ablation.label,
        )


def _seconds(past: Sequence[Mapping[str, Any]]) -> float:
    """Return the wall time of earlier runs into a folder; the breaks between them do not count."""
    return sum(
        (datetime.fromisoformat(after["time"]) - datetime.fromisoformat(before["time"])).total_seconds()
        for before, after in pairwise(past)
        if after["event"] != "campaign_resumed"
    )


def _recording(folder: Path, index: int) -> Path:
    return folder / f"stow-{index + 1:03d}" / "recording.mcap"


def _run_one(job: EpisodeJob, *, keep: Keep) -> EpisodeResult:
    """Run one episode; keep or drop its recording by outcome."""
    recording, result = job.recording, run_episode(job).result
    if recording is None or not recording.exists():
        return result
    if keep is Keep.FAILURES and result.outcome is StowOutcome.SUCCESS:
        recording.unlink()
        recording.parent.rmdir()
    else:
        (recording.parent / "result.json").write_text(json.dumps(result.to_json(), indent=1) + "\n", encoding="utf-8")
    return result


def print_summary(campaign: Campaign) -> None:
    """Print rates, pace, time and causes for people."""
    summary = campaign.summary()
    title = f"{summary['attempts']} stows in worlds of {campaign.world}, seed {campaign.seed}"
    table = Table(title=f"{title}{', ' + campaign.ablation if campaign.ablation else ''}", title_justify="left")
    table.add_column("rate")
    table.add_column("% (95 % interval)", justify="right")
    for name, label in (
        ("accepted_rate", "accepted"),
        ("success_rate", "success, of attempts"),
        ("success_rate_of_accepted", "success, of accepted"),
        ("unproductive_rate", "unproductive"),
        ("defect_rate", "defects"),
        ("sweep_share_of_successes", "successes that needed a sweep"),
        ("coverage", "coverage of the catalogue"),
    ):
        table.add_row(label, words.rate_phrase(summary, name))
    console.print(table)
    _print_times(summary)
    console.print(
        f"{summary['units_per_hour']:.0f} units an hour · "
        f"force limit exceeded in {summary['force_limit_violations']} · "
        f"{summary['sim_seconds']:.0f} s simulated in {summary['wall_seconds']:.0f} s"
    )
    failed = (e for e in campaign.episodes if e.outcome is not StowOutcome.SUCCESS)
    for cause, number in Counter(map(words.kind_of_cause, failed)).most_common():
        console.print(f"  {number} × {cause}", markup=False)


def _print_times(summary: Mapping[str, Any]) -> None:
    table = Table(title=f"where the {summary['mean_cycle_s']:.1f} s of a stow go", title_justify="left")
    for column in ("primitive", "runs", "mean s", "median s", "% of the cycle"):
        table.add_column(column, justify="left" if column == "primitive" else "right")
    for name, entry in summary["primitives"].items():
        numbers = (f"{entry['runs']}", f"{entry['mean_s']:.2f}", f"{entry['median_s']:.2f}")
        table.add_row(name, *numbers, f"{100 * entry['cycle_share']:.1f}")
    if summary["primitives"]:
        console.print(table)
