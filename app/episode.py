"""One stow from the waiting item to the score: look, think, move, judge."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from podhand.app.ablations import WHOLE_STOW, Ablation
from podhand.app.choices import HostKind, WorldKind
from podhand.app.hosts import open_host
from podhand.app.looking import confirms
from podhand.app.plots import ForceTrace
from podhand.app.recovering import recover
from podhand.app.results import EpisodeResult, Step, StowOutcome
from podhand.app.stow_run import StowRun, StowRunner
from podhand.app.watching import ForceWatch, OutcomeWatch
from podhand.app.wiring import build_workcell, draw_world, read_catalogue, world_seed
from podhand.controllers.host import Host
from podhand.controllers.outcomes import Outcome
from podhand.controllers.realtime import Pace
from podhand.core.errors import PerceptionError
from podhand.core.ports import DepthFrame
from podhand.core.station import Station, load_station
from podhand.perception.bin_model import BinModel, estimate_bin
from podhand.planning.motion import MotionPlanner
from podhand.planning.stow import StowPlan
from podhand.planning.success import SuccessModel, plan_features, read_model
from podhand.planning.thinking import Thought, make_planner, think
from podhand.primitives.cell import ItemPlace
from podhand.sim.catalogue import CatalogueEntry
from podhand.sim.scoring import SETTLE_S, StowScore, score
from podhand.sim.workcell import SimWorkcell
from podhand.sim.world import World

Note = Callable[[str, Mapping[str, Any]], None]
"""``note(event, fields)``: something worth a line in ``events.jsonl``."""


MOMENTS = {"sweep": "at the end of the sweep", "item goes": "while the belts push the item in"}
"""Segments whose end is worth a picture."""


class Watcher(Protocol):
    """A live view."""

    def show(self, workcell: SimWorkcell, title: str) -> None:
        """Show another workcell."""

    def update(self, workcell: SimWorkcell) -> None:
        """Show how it stands now."""


@dataclass(frozen=True, kw_only=True)
class EpisodeJob:
    """Which episode to run. Plain data: it travels to worker processes."""

    station: str
    items: Path | None
    seed: int
    index: int
    recording: Path | None = None
    pictures: bool = False
    world: WorldKind = WorldKind.STANDARD
    ablation: Ablation = WHOLE_STOW
    predictor: Path | None = None
    """A success model to ask instead of the rules."""
    host: HostKind = HostKind.LOCKSTEP
    pace: Pace = Pace.REAL
    """Of the real-time host."""

    @property
    def flight_dir(self) -> Path | None:
        """Where the real-time host keeps recordings of faults: beside the recording of the run."""
        return self.recording.parent if self.recording else None


@dataclass(frozen=True, kw_only=True, eq=False)
class Look:
    """A look into the bin."""

    when: str
    frames: tuple[DepthFrame, ...]
    model: BinModel


@dataclass(frozen=True, kw_only=True, eq=False)
class Episode:
    """An episode's result, and what the report shows of it."""

    result: EpisodeResult
    recipe: Any = None
    """Plain data."""
    plan: StowPlan | None = None
    trace: ForceTrace | None = None
    looks: tuple[Look, ...] = ()
    scenes: tuple[tuple[str, str, NDArray[np.uint8]], ...] = ()
    """(name, caption, (h, w, 3))."""
    score: StowScore | None = field(default=None)
    run: StowRun | None = None
    """How the motion went; None when nothing moved."""


def run_episode(
    job: EpisodeJob,
    *,
    watcher: Watcher | None = None,
    note: Note | None = None,
    arrange: Callable[[SimWorkcell], None] | None = None,
    attach: Callable[[Host], None] | None = None,
    workcell: SimWorkcell | None = None,
) -> Episode:
    """Run one episode.

    Args:
        job: which one.
        watcher: a live view.
        note: takes events.
        arrange: changes the workcell before it starts, e.g. orders faults; for tests and demonstrations.
        attach: gets the host before the motion, e.g. to watch it.
        workcell: goes on in this one, as it stands, instead of building one: first it is brought to rest.

    Raises:
        ConfigError: station or catalogue cannot be used; nothing was started.
        StoppedByOperator: Ctrl-C; the arm stands, the recording is whole.
    """
    station, catalogue = _station(job.station), _catalogue(job.items)
    world = draw_world(job.world, station, catalogue, seed=job.seed, index=job.index)
    note = note or _no_note
    found = workcell
    workcell = found or build_workcell(station, world)
    if arrange:
        arrange(workcell)
    episode = _Episode(job, station, world, workcell, watcher, note, attach)
    if found:
        report = recover(found, station, planner_of(job.station), note=note, kind=job.host, pace=job.pace)
        if not report.ok:
            return episode.refused(f"the cell is not at rest: {report.words}")
    return episode.run()


class _Episode:
    """The course of one episode."""

    def __init__(
        self,
        job: EpisodeJob,
        station: Station,
        world: World,
        workcell: SimWorkcell,
        watcher: Watcher | None,
        note: Note,
        attach: Callable[[Host], None] | None,
    ) -> None:
        self._attach = attach
        self._job, self._station, self._world, self._workcell = job, station, world, workcell
        self._watcher, self._note = watcher, note
        self._bin = station.pod.bin_name(world.row, world.column)
        self._scenes: list[tuple[str, str, NDArray[np.uint8]]] = []
        self._looks: list[Look] = []
        self._begin_s = time.perf_counter()

    def refused(self, reason: str) -> Episode:
        """Return an episode that was not begun."""
        self._note("refused", {"reason": reason})
        return Episode(result=self._result(refusal=reason))

    def run(self) -> Episode:
        """Look, think, move, judge. Raises as ``run_episode``."""
        self._note("item_presented", {"item": self._world.item.sku, "bin": self._bin})
        self._snapshot("before", "before the stow", ("side", "above"))
        frames = [camera.capture() for camera in self._workcell.cameras]
        try:
            thought = think(
                self._station,
                planner_of(self._job.station),
                frames,
                self._workcell.infeed.present(),
                X_world_bin_nominal=self._workcell.X_world_bin_nominal,
                X_world_base=self._workcell.X_world_base,
                register=self._job.ablation.register,
                rules=self._job.ablation.rules(),
                predict=_success_model(self._job.predictor).chances if self._job.predictor else None,
            )
        except PerceptionError as error:
            return self.refused(f"the bin cannot be seen: {error}")
        if self._job.pictures:
            self._looks.append(Look(when="before", frames=tuple(frames), model=thought.model))
        if thought.motions is None:
            self._note("refused", {"reason": thought.refusal})
            return Episode(
                result=self._result(refusal=thought.refusal, thought=thought),
                plan=thought.plan,
                looks=tuple(self._looks),
                scenes=tuple(self._scenes),
            )
        return self._move(thought)

    def _move(self, thought: Thought) -> Episode:
        assert thought.plan is not None
        self._note("planned", {"way": thought.plan.kind.value, "reason": thought.plan.reason})
        workcell, recording = self._workcell, self._job.recording
        if recording is not None:
            recording.parent.mkdir(parents=True, exist_ok=True)
        facts = {"seed": str(self._world.seed), "item": self._world.item.sku, "bin": self._bin}
        job = self._job
        with open_host(
            job.host, workcell.plant, self._station, recording=recording, note=facts, pace=job.pace,
            flight_dir=job.flight_dir,
        ) as host:  # fmt: skip
            forces = ForceWatch(host) if self._job.pictures else None
            outcomes = OutcomeWatch(host)
            host.session.listen(self._moment)
            self._show(host)
            if self._attach:
                self._attach(host)
            run = StowRunner(
                host,
                self._station,
                thought,
                workcell.infeed.present(),
                planner=planner_of(self._job.station),
                base_height_m=float(workcell.X_world_base[2, 3]),
                look=self._look_again,
                confirm=confirms(self._workcell.cameras, thought.model),
                settle_s=SETTLE_S,
                note=self._note,
            ).run()
        if host.health:
            self._note("host", host.health)
        run = self._without_the_arm(run)
        verdict = score(workcell, over_force=outcomes.over_force)
        self._snapshot("after", "after the stow", ("side", "above"))
        if self._job.pictures:
            self._look("after")
        result = self._result(thought=thought, run=run, watch=outcomes, verdict=verdict, host=host)
        self._note("judged", {"outcome": result.outcome.value, "cause": result.cause})
        return Episode(
            result=result,
            recipe=run.recipe,
            plan=thought.plan,
            trace=forces.trace() if forces else None,
            looks=tuple(self._looks),
            scenes=tuple(self._scenes),
            score=verdict,
            run=run,
        )

    def _without_the_arm(self, run: StowRun) -> StowRun:
        """Let a new controller do what a fault that lasts allows: the hook needs no force sensor.

        Not with an item in the paddles: a controller that starts lets go of it for a moment.
        """
        if not run.left or run.item_place in (ItemPlace.PADDLES, ItemPlace.MOUTH):
            return run
        job = self._job
        report = recover(
            self._workcell, self._station, planner_of(job.station), note=self._note, kind=job.host, pace=job.pace,
            flight_dir=job.flight_dir,
        )  # fmt: skip
        return replace(run, left="" if report.ok else report.words)

    def _show(self, host: Host) -> None:
        if self._watcher is None:
            return
        watcher, workcell = self._watcher, self._workcell
        watcher.show(workcell, f"{self._world.item.sku} → {self._bin}")
        host.observe(lambda: watcher.update(workcell), every_ticks=10)

    def _look_again(self) -> BinModel:
        """Look into the bin with all cameras. Raises PerceptionError."""
        return self._look("").model

    def _look(self, when: str) -> Look:
        frames = tuple(camera.capture() for camera in self._workcell.cameras)
        model = estimate_bin(
            frames,
            self._workcell.X_world_bin_nominal,
            self._station.pod.bin_size_m,
            register=self._job.ablation.register,
        )
        look = Look(when=when, frames=frames, model=model)
        if when:
            self._looks.append(look)
        return look

    def _moment(self, outcome: Outcome) -> None:
        """Take pictures of the moments that a person wants to see."""
        caption = MOMENTS.get(outcome.segment)
        if caption and not any(name.startswith(outcome.segment) for name, _, _ in self._scenes):
            self._snapshot(outcome.segment.replace(" ", "-"), caption, ("front", "above"))

    def _snapshot(self, name: str, caption: str, views: tuple[str, ...]) -> None:
        if not self._job.pictures:
            return
        for view in views:
            where = {"side": "from the side", "above": "from above", "front": "from the front"}[view]
            picture = self._workcell.render(view)
            self._scenes.append((f"{name}-{view}", f"The cell {caption}, {where}.", picture))

    def _result(
        self,
        *,
        refusal: str = "",
        thought: Thought | None = None,
        run: StowRun | None = None,
        watch: OutcomeWatch | None = None,
        verdict: StowScore | None = None,
        host: Host | None = None,
    ) -> EpisodeResult:
        plan = thought.plan if thought else None
        outcome = StowOutcome(verdict.outcome) if verdict else StowOutcome.UNPRODUCTIVE
        cause = ""
        if run and verdict and outcome is not StowOutcome.SUCCESS:
            cause = run.failure if outcome is StowOutcome.UNPRODUCTIVE and run.failure else verdict.cause
        return EpisodeResult(
            index=self._job.index,
            seed=world_seed(self._job.seed, self._job.index),
            item=self._world.item.sku,
            bin=self._bin,
            accepted=run is not None,
            refusal_reason=refusal,
            outcome=outcome,
            cause=cause,
            plan=tuple(step.name for step in run.steps) if run else (),
            plan_params=_plan_params(plan) if plan else {},
            features=plan_features(plan, self._world.item) if plan else {},
            sweep_needed=bool(plan and plan.sweep_needed),
            cycle_s=run.cycle_s if run else 0.0,
            think_s=thought.seconds if thought and run else 0.0,
            peak_force_n=watch.peak_raw_n if watch else 0.0,
            peak_filtered_force_n=watch.peak_filtered_n if watch else 0.0,
            max_force_ratio=watch.max_ratio if watch else 0.0,
            neighbours_out=len(verdict.neighbours_out) if verdict else 0,
            ticks=host.ticks if host else 0,
            tick_mean_us=1e6 * host.kernel.busy_s / host.ticks if host else 0.0,
            late_ticks=watch.late_ticks if watch else 0,
            wall_s=time.perf_counter() - self._begin_s,
            fault=watch.fault if watch else "",
            steps=run.steps if run else (),
        )


def _plan_params(plan: StowPlan) -> dict[str, Any]:
    return {
        "way": plan.kind.value,
        "reason": plan.reason,
        "roll_rad": plan.roll_rad,
        "y_eject_m": plan.y_eject_m,
        "y_entry_m": plan.y_entry_m,
        "blade_extension_m": plan.blade_extension_m,
        "sweep_direction": plan.sweep_direction,
        "sweep_distance_m": plan.sweep_distance_m,
        "predicted_force_n": plan.predicted_force_n,
        "predicted_clearance_m": plan.predicted_clearance_m,
        "predicted_success": plan.predicted_success,
    }


def _no_note(event: str, fields: Mapping[str, Any]) -> None:
    del event, fields


# Worker processes run many episodes of one station: read and build these once.
@lru_cache(maxsize=4)
def _station(name: str) -> Station:
    return load_station(name)


@lru_cache(maxsize=4)
def _catalogue(path: Path | None) -> list[CatalogueEntry]:
    return read_catalogue(path)


@lru_cache(maxsize=4)
def _success_model(path: Path) -> SuccessModel:
    return read_model(path)


@lru_cache(maxsize=4)
def planner_of(name: str) -> MotionPlanner:
    """Return the motion planner of a station."""
    return make_planner(_station(name))


__all__ = ["Episode", "EpisodeJob", "Look", "Note", "Step", "Watcher", "planner_of", "run_episode"]
