"""``podhand report failures``: what went wrong in a campaign, grouped by cause, the most frequent first."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from podhand.app import words
from podhand.app.campaign import EvaluateJob, check_same, configuration, read_campaign
from podhand.app.episode import EpisodeJob, run_episode
from podhand.app.gallery_page import Failure, Group, render_gallery
from podhand.app.pictures import pictures_of
from podhand.app.report import Picture
from podhand.app.results import EpisodeResult, StowOutcome
from podhand.app.run_folder import read_events
from podhand.app.shell import console, progress
from podhand.app.workers import run_all
from podhand.core.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class GalleryJob:
    """What ``podhand report failures`` was asked for."""

    run: Path
    out: Path | None
    each: int = 3
    """Failures of each cause that are repeated with pictures; the others are listed."""
    jobs: int = 0


def run_gallery_job(job: GalleryJob) -> Path:
    """Repeat failures of a campaign with pictures and write the gallery; the run folder is left as it is.

    Raises:
        ConfigError: the folder holds no campaign, or the output cannot be written.
        StoppedByOperator, KeyboardInterrupt: Ctrl-C; nothing was written.
    """
    campaign = read_campaign(job.run)[0]
    results = [EpisodeResult.from_json(e) for e in read_events(job.run) if e["event"] == "episode"]
    groups = grouped(results)
    out = job.out or job.run.with_name(f"{job.run.resolve().name}-failures.html")
    _warn_if_changed(campaign, job.run)
    chosen = [result for group in groups for result in group[: job.each]]
    repeated = _repeat(campaign, chosen, workers=job.jobs)
    page = render_gallery(
        campaign,
        len(results),
        [
            Group(
                cause=words.kind_of_cause(group[0]),
                failures=tuple(repeated[result.index] for result in group[: job.each]),
                others=tuple(group[job.each :]),
            )
            for group in groups
        ],
    )
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(page, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"--out {out}: cannot be written ({error.strerror}); give another file") from error
    console.print(f"{sum(map(len, groups))} failures of {len(results)} stows, {len(groups)} causes.")
    console.print(f"Gallery: {out}", markup=False, soft_wrap=True)
    return out


def grouped(results: Sequence[EpisodeResult]) -> list[list[EpisodeResult]]:
    """Group what was not a success by outcome and cause, the most frequent first."""
    groups: dict[tuple[StowOutcome, bool, str], list[EpisodeResult]] = {}
    for result in results:
        if result.outcome is not StowOutcome.SUCCESS:
            groups.setdefault((result.outcome, result.accepted, words.kind_of_cause(result)), []).append(result)
    return sorted(groups.values(), key=len, reverse=True)


def _warn_if_changed(campaign: EvaluateJob, run: Path) -> None:
    try:
        check_same(run, configuration(campaign))
    except ConfigError as error:
        console.print(f"[yellow]What is repeated may end differently:[/] {error}", soft_wrap=True)


def _repeat(campaign: EvaluateJob, chosen: Sequence[EpisodeResult], *, workers: int) -> dict[int, Failure]:
    """Run episodes again with pictures."""
    recorded = {result.index: result for result in chosen}
    jobs = [campaign.episode(result.index, pictures=True) for result in chosen]
    found = {}
    with progress("repeating", len(jobs)) as advance, closing(run_all(repeat_one, jobs, workers=workers)) as repeats:
        for again, pictures in repeats:
            found[again.index] = Failure(
                recorded=recorded[again.index],
                again=again,
                pictures=tuple(pictures),
            )
            advance()
    return found


def repeat_one(job: EpisodeJob) -> tuple[EpisodeResult, list[Picture]]:
    """Run one episode with pictures."""
    episode = run_episode(job)
    return episode.result, pictures_of(episode)
