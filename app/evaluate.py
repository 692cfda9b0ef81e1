"""Campaigns: many worlds on all cores, judged by intervals."""

import json
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Generator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from multiprocessing.synchronize import Event
from pathlib import Path

from rich.table import Table

from podhand.app import words
from podhand.app.episode import EpisodeJob, run_episode
from podhand.app.results import RESULT_SCHEMA, Campaign, EpisodeResult, StowOutcome, causes
from podhand.app.run_folder import RunFolder, new_run_path
from podhand.app.shell import check_json_target, console, progress, write_json
from podhand.app.wiring import read_catalogue
from podhand.controllers.parameters import build_id
from podhand.core.errors import StoppedByOperator
from podhand.core.station import load_station
from podhand.sim.world import VERSION


class Keep(StrEnum):
    """Which recordings a campaign keeps."""

    NONE = "none"
    FAILURES = "failures"
    ALL = "all"


@dataclass(frozen=True, kw_only=True)
class EvaluateJob:
    """What ``podhand evaluate stow`` was asked for."""

    station: str
    items: Path | None
    episodes: int
    seed: int
    first: int
    jobs: int
    """0: one per core."""
    out: Path | None
    keep: Keep
    json_target: str | None


def run_evaluate_job(job: EvaluateJob) -> Campaign:
    """Run a campaign, leave its run folder, print rates, write the JSON.

    Raises:
        ConfigError: station, catalogue or output cannot be used; nothing was run.
    """
    check_json_target(job.json_target)
    station, catalogue = load_station(job.station), read_catalogue(job.items)
    begin = time.monotonic()
    path = job.out or new_run_path(Path("runs"), f"evaluate-seed{job.seed}")
    results: dict[int, EpisodeResult] = {}
    with RunFolder(path, build_id=build_id(), schemas={"result": RESULT_SCHEMA, "world": VERSION}) as folder:
        folder.write_station(station)
        folder.event("campaign_started", episodes=job.episodes, seed=job.seed, station=station.name)
        try:
            with progress("stowing", job.episodes) as advance, closing(_run_all(job, path)) as stowed:
                for result in stowed:
                    results[result.index] = result
                    folder.event("episode", **result.to_json())
                    advance()
        finally:
            eligible = sum(1 for entry in catalogue if entry.eligible)
            campaign = Campaign(
                station=station.name,
                seed=job.seed,
                episodes=tuple(results[index] for index in sorted(results)),
                coverage=(eligible, len(catalogue)),
                wall_s=time.monotonic() - begin,
                tick_s=station.control.tick_s,
                world=VERSION,
            )
            folder.write_json("summary.json", campaign.to_json())
    _print_summary(campaign, path)
    write_json(campaign.to_json(), job.json_target)
    return campaign


def _run_all(job: EvaluateJob, folder: Path) -> Generator[EpisodeResult, None, None]:
    """Run all episodes in worker processes and yield results as they come; those under way end when it is closed."""
    # One thread per worker: the workers are the parallelism.
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ.setdefault(variable, "1")
    workers = min(job.jobs or os.cpu_count() or 1, job.episodes)
    episodes = range(job.first, job.first + job.episodes)
    if workers == 1:
        yield from (_run_one(job, index, folder) for index in episodes)
        return
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker, initargs=(stop,))
    try:
        pending: list[Future[EpisodeResult]] = [pool.submit(_work, job, index, folder) for index in episodes]
        for future in as_completed(pending):
            yield future.result()
    finally:
        stop.set()
        pool.shutdown(wait=True, cancel_futures=True)


class _Worker:
    """This process, when it is a worker."""

    stop: Event | None = None


def _start_worker(stop: Event) -> None:
    """Let Ctrl-C reach a worker only while it runs an episode, from the terminal or by ``stop``."""
    _Worker.stop = stop
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_interrupt_at, args=(stop,), daemon=True).start()


def _interrupt_at(stop: Event) -> None:
    stop.wait()
    os.kill(os.getpid(), signal.SIGINT)


def _work(job: EvaluateJob, index: int, folder: Path) -> EpisodeResult:
    """Run one episode in a worker. Raises StoppedByOperator or KeyboardInterrupt when the campaign was stopped."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        if _Worker.stop is not None and _Worker.stop.is_set():  # the pool hands out one job more than it has workers
            raise StoppedByOperator("stopped before it began")
        return _run_one(job, index, folder)
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def _run_one(job: EvaluateJob, index: int, folder: Path) -> EpisodeResult:
    """Run one episode in this process; keep or drop its recording by outcome."""
    recording = folder / f"stow-{index + 1:03d}" / "recording.mcap" if job.keep is not Keep.NONE else None
    episode = EpisodeJob(station=job.station, items=job.items, seed=job.seed, index=index, recording=recording)
    result = run_episode(episode).result
    if recording is None or not recording.exists():
        return result
    if job.keep is Keep.FAILURES and result.outcome is StowOutcome.SUCCESS:
        recording.unlink()
        recording.parent.rmdir()
    else:
        (recording.parent / "result.json").write_text(json.dumps(result.to_json(), indent=1) + "\n", encoding="utf-8")
    return result


def _print_summary(campaign: Campaign, path: Path) -> None:
    summary = campaign.summary()
    table = Table(
        title=f"{summary['attempts']} stows in the standard world, seed {campaign.seed}", title_justify="left"
    )
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
    console.print(
        f"{summary['units_per_hour']:.0f} units an hour · "
        f"force limit exceeded in {summary['force_limit_violations']} · "
        f"{summary['sim_seconds']:.0f} s simulated in {summary['wall_seconds']:.0f} s"
    )
    for cause, number in causes(campaign.episodes).items():
        console.print(f"  {number} × {cause}", markup=False)
    console.print(f"Run folder: {path}", markup=False)
