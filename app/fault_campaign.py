"""Campaigns of faults: one fault in each stow, then a safe state, then the next stow."""

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from math import inf, isfinite
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich.table import Table

from podhand.app.episode import Episode, EpisodeJob, planner_of, run_episode
from podhand.app.recovering import recover
from podhand.app.results import StowOutcome, wilson_ci95
from podhand.app.shell import check_json_target, console, progress, write_json
from podhand.app.wiring import read_catalogue, world_seed
from podhand.app.workers import run_all
from podhand.controllers.host import Host
from podhand.controllers.outcomes import Outcome
from podhand.core.errors import DeviceError, StoppedByOperator
from podhand.core.exchange import SlowSignal
from podhand.core.station import Station, load_station
from podhand.primitives.cell import ItemPlace
from podhand.sim.faults import FaultKind
from podhand.sim.scoring import BAND_BACK_M, score
from podhand.sim.workcell import SimWorkcell

FAULT_SCHEMA: Final = "podhand-faults-1"
CTRL_C: Final = "ctrl_c"
KINDS: Final = (
    FaultKind.FT_NAN, FaultKind.FT_FROZEN, FaultKind.FT_STALE, FaultKind.FT_SATURATED, FaultKind.CAMERA_ZEROS,
    FaultKind.BLADE_JAM, FaultKind.ITEM_SLIPS, FaultKind.ITEM_DROPPED, FaultKind.BELT_STALL, FaultKind.BAND_LOST,
    FaultKind.EMERGENCY_STOP, CTRL_C,
)  # fmt: skip
"""In turn."""
CAUSES: Final = {
    FaultKind.FT_NAN: "not finite",
    FaultKind.FT_FROZEN: "frozen",
    FaultKind.FT_STALE: "stale",
    FaultKind.FT_SATURATED: "saturated",
    FaultKind.CAMERA_ZEROS: "the look failed|cannot be seen|pixels are known",
    FaultKind.BLADE_JAM: "blade",
    FaultKind.ITEM_SLIPS: "item lost|item is not between the paddles|nothing there|item (comes|goes): (timed|stopped)",
    FaultKind.ITEM_DROPPED: "item lost|item is not between the paddles|squeeze|nothing there|an axis did not follow",
    FaultKind.BELT_STALL: "belts",
    FaultKind.BAND_LOST: "band",
    FaultKind.EMERGENCY_STOP: "emergency stop",
    CTRL_C: "stopped on request",
}
"""What the cause in words must speak of."""

WITHIN_S: Final = (0.3, 14.0)
"""A fault begins within this; a stow takes about 13 s."""
LASTS_S: Final = (0.02, 2.0)
"""A fault that passes lasts this long; the other half of the faults lasts until a person removes it."""
WORLDS_PER_EPISODE: Final = 20
_BLADE_SAID, _BANDS_SAID = "blade|nothing moves|the arm stands|stopped on request", "hook|bands|stopped on request"
"""A blade that is out and bands that are not back must be told."""
_SETTLE_S = 0.5
_AT_REST_RAD_S = 5e-3
_HOLDS_RAD = 0.02
_PARKED_RAD = 0.03
_BLADE_IN_M = 0.01
_BEFORE_BIN_M = 0.15


@dataclass(frozen=True, kw_only=True)
class FaultJob:
    """What ``podhand evaluate faults`` was asked for."""

    station: str = "sim-stow"
    items: Path | None = None
    episodes: int = 200
    seed: int = 1
    first: int = 0
    jobs: int = 0
    json_target: str | None = None


@dataclass(frozen=True, kw_only=True)
class FaultEpisode:
    """One stow with one fault, and what came after."""

    index: int
    seed: int
    """Of the world."""
    item: str
    fault: str
    from_s: float
    lasts_s: float | None
    """None: until a person removes it."""
    during: str
    """Primitives, or segments, that ran when it began; empty when the stow was over."""
    noticed: bool
    outcome: str
    verdict: str
    """Of the score, in words; empty on success."""
    cause: str
    """As recorded: what failed first."""
    cause_right: bool
    """The recorded cause speaks of the fault; a fault without effect has no cause."""
    ordinary: bool
    """The cause speaks of something else, and the same primitive fails without the fault, too."""
    unsafe: tuple[str, ...]
    """What was wrong with the state after the stow and its way back; empty when it was safe."""
    item_believed: str
    item_true: str
    left: str
    """What the way back could not do while the fault lasted, as reported."""
    not_at_rest: tuple[str, ...]
    """What was wrong after the fault was removed and a new controller had recovered."""
    recovery: str
    next_started: bool
    next_outcome: str
    next_cause: str
    max_force_ratio: float
    wall_s: float = field(compare=False)

    @property
    def safe(self) -> bool:
        """Safe after the fault, and at rest after its removal."""
        return not self.unsafe and not self.not_at_rest

    def to_json(self) -> dict[str, Any]:
        """Return the entry of ``episodes[]``."""
        return asdict(self) | {"safe": self.safe}


def run_fault_job(job: FaultJob) -> list[FaultEpisode]:
    """Run a campaign of faults, print what each kind led to, write the JSON.

    Raises:
        ConfigError: station, catalogue or output cannot be used; nothing was run.
    """
    check_json_target(job.json_target)
    load_station(job.station)
    read_catalogue(job.items)
    begin = time.monotonic()
    jobs = [EpisodeJob(station=job.station, items=job.items, seed=job.seed, index=job.first + i)
            for i in range(job.episodes)]  # fmt: skip
    episodes = []
    running = run_all(run_fault_episode, jobs, workers=job.jobs)
    with progress("faults", job.episodes) as advance, closing(running):
        for episode in running:
            episodes.append(episode)
            advance()
    episodes.sort(key=lambda episode: episode.index)
    summary = summarise(episodes) | {"wall_seconds": time.monotonic() - begin}
    _print(summary, episodes)
    document = {"schema": FAULT_SCHEMA, "station": job.station, "seed": job.seed, "summary": summary}
    write_json(document | {"episodes": [episode.to_json() for episode in episodes]}, job.json_target)
    return episodes


def run_fault_episode(job: EpisodeJob) -> FaultEpisode:
    """Run one stow with the fault that belongs to seed and index, judge the state, and run the next stow."""
    rng = np.random.default_rng([job.seed, job.index, 0x4641])
    kind = KINDS[job.index % len(KINDS)]
    from_s = float(rng.uniform(*WITHIN_S))
    lasts_s = inf if rng.random() < 0.5 else float(rng.uniform(*LASTS_S))
    return _FaultEpisode(job, kind, from_s, inf if kind == CTRL_C else lasts_s).run()


class _FaultEpisode:
    """The course of one stow with a fault."""

    def __init__(self, job: EpisodeJob, kind: str, from_s: float, lasts_s: float) -> None:
        self._job, self._kind, self._from_s, self._lasts_s = job, kind, from_s, lasts_s
        self._station = load_station(job.station)
        self._workcell: SimWorkcell | None = None
        self._segments: list[Outcome] = []
        self._world_index = 0
        self._begin = time.perf_counter()

    def run(self) -> FaultEpisode:
        episode, stopped = self._first_stow()
        workcell = self._workcell
        assert workcell is not None
        _settle(workcell)
        run = episode.run if episode else None
        believed = run.item_place if run else None
        cause = stopped or (run.failure if run else "")
        left = stopped or (run.left if run else "")
        noticed = bool(cause)
        right = not noticed or re.search(CAUSES[self._kind], cause) is not None
        ordinary = not right and self._fails_as_well(cause)
        true_place = _true_place(workcell)
        unsafe = _findings(workcell, self._station, said=left)
        if run:
            unsafe += _belief(run.item_place, run.item, true_place, held=workcell.plant.holds_item())
        workcell.faults.clear()
        report = recover(workcell, self._station, planner_of(self._job.station))
        _settle(workcell)
        not_at_rest = _findings(workcell, self._station, said="")
        unsafe += _recovered_item(workcell, true_place)
        ratios = [o.max_force_ratio for o in self._segments] + [step.max_force_ratio for step in report.steps]
        ratio = max(ratios, default=0.0)
        unsafe += [f"a force reached {100 * ratio:.0f} % of its limit"] if ratio > 1.0 else []
        following, next_words = self._next_stow(workcell)
        return FaultEpisode(
            index=self._job.index,
            seed=world_seed(self._job.seed, self._world_index),
            item=workcell.world.item.sku,
            fault=str(self._kind),
            from_s=self._from_s,
            lasts_s=self._lasts_s if isfinite(self._lasts_s) else None,
            during=self._during(episode),
            noticed=noticed,
            outcome=episode.result.outcome.value if episode else "stopped",
            verdict=episode.score.cause if episode and episode.score else "",
            cause=cause,
            cause_right=right or ordinary,
            ordinary=ordinary,
            unsafe=tuple(unsafe),
            item_believed=believed.value if believed else "",
            item_true=true_place,
            left=left,
            not_at_rest=tuple(not_at_rest),
            recovery=report.steps[-1].words if report.steps else report.words,
            next_started=following is not None and not following.result.refusal_reason.startswith("the cell is not"),
            next_outcome=following.result.outcome.value if following else "",
            next_cause=next_words,
            max_force_ratio=ratio,
            wall_s=time.perf_counter() - self._begin,
        )

    def _first_stow(self) -> tuple[Episode | None, str]:
        """Run the stow with the fault, in the first of its worlds whose item is accepted; also Ctrl-C in words."""
        for attempt in range(WORLDS_PER_EPISODE):
            self._world_index = self._job.index * WORLDS_PER_EPISODE + attempt
            self._segments.clear()
            try:
                episode = run_episode(self._world_job(), arrange=self._arrange, attach=self._attach)
            except StoppedByOperator as stop:
                return None, str(stop)
            if episode.result.accepted or "cannot be seen" in episode.result.refusal_reason:
                break
        return episode, ""

    def _world_job(self) -> EpisodeJob:
        return EpisodeJob(
            station=self._job.station, items=self._job.items, seed=self._job.seed, index=self._world_index
        )

    def _arrange(self, workcell: SimWorkcell) -> None:
        self._workcell = workcell
        if self._kind != CTRL_C:
            workcell.faults.inject(self._kind, from_s=self._from_s, until_s=self._from_s + self._lasts_s)

    def _attach(self, host: Host) -> None:
        host.session.listen(self._segments.append)
        if self._kind == CTRL_C:
            host.observe(host.request_stop, every_ticks=round(self._from_s / host.session.tick_s))

    def _during(self, episode: Episode | None) -> str:
        if episode and episode.run:
            steps = [s.name for s in episode.run.steps if s.begin_s <= self._from_s < s.end_s]
            return ", ".join(steps)
        return ", ".join(o.segment for o in self._segments if o.cause.name == "CANCELLED")

    def _fails_as_well(self, cause: str) -> bool:
        """Return whether the stow fails in the same primitive without the fault."""
        run = run_episode(self._world_job()).run
        return run is not None and run.failure.split(":")[0] == cause.split(":")[0]

    def _next_stow(self, workcell: SimWorkcell) -> tuple[Episode | None, str]:
        try:
            workcell.infeed.present_next()
            episode = run_episode(self._world_job(), workcell=workcell)
        except DeviceError as error:
            return None, str(error)
        return episode, episode.result.cause or episode.result.refusal_reason


def _settle(workcell: SimWorkcell) -> None:
    """Let half a second pass with all drives holding."""
    for _ in range(round(_SETTLE_S / workcell.plant.tick_s)):
        workcell.plant.step()


def _findings(workcell: SimWorkcell, station: Station, *, said: str) -> list[str]:
    """List what is not as at rest and was not said, from the truth."""
    data, joints = workcell.plant.data, len(station.arm.park_q_rad)
    verdict = score(workcell)
    found = []
    if np.abs(data.qvel[:joints]).max() > _AT_REST_RAD_S:
        found.append("the arm moves")
    if not said and np.abs(data.qpos[:joints] - station.arm.park_q_rad).max() > _PARKED_RAD:
        found.append("the arm is not at rest")
    if np.abs(data.qpos[:joints] - data.ctrl[:joints]).max() > _HOLDS_RAD:
        found.append("the drives do not hold")
    if data.joint("blade").qpos[0] > _BLADE_IN_M and not re.search(_BLADE_SAID, said):
        found.append("the blade is out")
    if max(abs(off) for off in verdict.bands_off_m) > BAND_BACK_M and not re.search(_BANDS_SAID, said):
        found.append("a band is not back")
    if verdict.neighbours_out:
        found.append(f"neighbours out of the bin: {', '.join(verdict.neighbours_out)}")
    return found


def _true_place(workcell: SimWorkcell) -> str:
    """Return where the item truly is: infeed, paddles, bin, dropped."""
    truth = workcell.truth()
    if workcell.plant.holds_item() and not _signal(workcell, SlowSignal.ITEM_AT_INFEED):
        return "paddles"
    x, y, z = (float(v) for v in truth.item.X_bin_item[:3, 3])
    depth, width, height = workcell.pod.bin_size_m
    if -_BEFORE_BIN_M < x < depth and abs(y) < width / 2 and 0.0 < z < height:
        return "bin"
    return "infeed" if _signal(workcell, SlowSignal.ITEM_AT_INFEED) else "dropped"


def _signal(workcell: SimWorkcell, which: SlowSignal) -> bool:
    return workcell.plant.signal(which) > 0.5


def _belief(believed: ItemPlace, words: str, true_place: str, *, held: bool) -> list[str]:
    """Compare where the item is believed to be with where it is."""
    match believed:
        case ItemPlace.PADDLES | ItemPlace.MOUTH:
            right = held
        case ItemPlace.BIN:
            right = true_place == "bin"
        case ItemPlace.INFEED:
            right = true_place == "infeed"
        case _:
            right = true_place == "dropped" or (true_place == "bin" and "bin" in words)
    return [] if right else [f"the item is believed {believed.value}, truly: {true_place}"]


def _recovered_item(workcell: SimWorkcell, before: str) -> list[str]:
    """An item that was held or waited when the controller was stopped must be back at the infeed."""
    now = _true_place(workcell)
    if before in ("paddles", "infeed") and now != "infeed":
        return [f"the item was {before} before the way back and is {now} after it"]
    return []


def summarise(episodes: Sequence[FaultEpisode]) -> dict[str, Any]:
    """Return counts and rates with their 95 % Wilson intervals, for each kind and for all."""
    kinds = {str(kind): [e for e in episodes if e.fault == kind] for kind in KINDS}
    return _counts(episodes) | {"kinds": {kind: _counts(some) for kind, some in kinds.items() if some}}


def _counts(episodes: Sequence[FaultEpisode]) -> dict[str, Any]:
    tests = {
        "safe": [e.safe for e in episodes],
        "cause_right": [e.cause_right for e in episodes],
        "next_started": [e.next_started for e in episodes],
    }
    found: dict[str, Any] = {"episodes": len(episodes), "noticed": sum(e.noticed for e in episodes)}
    for name, passed in tests.items():
        found |= {name: sum(passed), f"{name}_ci95": list(wilson_ci95(sum(passed), len(passed)))}
    found["next_success"] = sum(e.next_outcome == StowOutcome.SUCCESS for e in episodes)
    return found


def _failures(episodes: Sequence[FaultEpisode]) -> Iterator[str]:
    for e in episodes:
        wrong = [*e.unsafe, *e.not_at_rest]
        wrong += [] if e.cause_right else [f"the cause does not speak of the fault: {e.cause}"]
        wrong += [] if e.next_started else [f"the next stow did not start: {e.next_cause or e.recovery}"]
        if wrong:
            when = f"{e.fault} at {e.from_s:.1f} s during {e.during or 'nothing'}"
            yield f"episode {e.index} ({when}): {'; '.join(wrong)}"


def _print(summary: dict[str, Any], episodes: Sequence[FaultEpisode]) -> None:
    table = Table(box=None, pad_edge=False)
    for column in ("fault", "episodes", "noticed", "cause right", "safe", "next stow started", "stowed"):
        table.add_column(column)
    for kind, row in [*summary["kinds"].items(), ("all", summary)]:
        keys = ("episodes", "noticed", "cause_right", "safe", "next_started", "next_success")
        table.add_row(kind, *(str(row[key]) for key in keys))
    console.print(table)
    low, high = summary["safe_ci95"]
    console.print(f"Safe: {summary['safe']} of {summary['episodes']} ({100 * low:.1f} … {100 * high:.1f} %).")
    for line in _failures(episodes):
        console.print(line, markup=False, soft_wrap=True)
