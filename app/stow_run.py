"""Moving: a recipe runs on the host, and what fails is brought to a safe end."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from podhand.app.results import Step
from podhand.controllers.host import Host
from podhand.core.errors import PerceptionError
from podhand.core.ports import PresentedItem
from podhand.core.station import Station
from podhand.perception.bin_model import BinModel
from podhand.planning.motion import MotionPlanner
from podhand.planning.recipes import look_recipe, stow_recipe
from podhand.planning.recovering import RecoveryWays, recover_recipe
from podhand.planning.thinking import Thought
from podhand.primitives.base import PrimitiveReport
from podhand.primitives.cell import Inspection, ItemPlace, LostItem, StowCell
from podhand.primitives.recipes import Recipe, RecipeReport, run_recipe

START_S = 0.2
"""The arm stands this long before the first motion: drives and sensor filters come to rest."""
RECOVERIES = 3
"""A way back that a fault ends is begun again so many times in all."""
LEAST_COVER = 0.6
"""The stowed item must hide this share of its width in the bin model."""

Note = Callable[[str, Mapping[str, Any]], None]


@dataclass(frozen=True, kw_only=True)
class StowRun:
    """How the motion of a stow went."""

    steps: tuple[Step, ...]
    failure: str
    """What failed first, in words; empty when nothing did."""
    cycle_s: float
    item_place: ItemPlace
    """Where the item is believed to be at the end."""
    item: str
    """The same in words."""
    left: str
    """What the way back could not do, in words; empty when the cell is at rest."""
    recipe: dict[str, Any]
    """The recipes as run, as plain data."""


class StowRunner:
    """Runs the recipes of one stow on a host.

    Args:
        host: drives the cell.
        station: its station.
        thought: what to do.
        presented: the waiting item.
        planner: plans ways back.
        base_height_m: the arm's base over the floor.
        look: looks into the bin.
        confirm: looks whether the bin is still where it was found.
        settle_s: time between the end of the motion and the look.
        note: takes events.
    """

    def __init__(
        self,
        host: Host,
        station: Station,
        thought: Thought,
        presented: PresentedItem,
        *,
        planner: MotionPlanner,
        base_height_m: float,
        look: Callable[[], BinModel],
        confirm: Callable[[], Inspection],
        settle_s: float,
        note: Note,
    ) -> None:
        self._host, self._station, self._thought = host, station, thought
        self._look, self._settle_s, self._note = look, settle_s, note
        self._recipes: list[Recipe] = []
        self._reports: list[RecipeReport] = []
        self.cell = StowCell(
            session=host.session,
            station=station,
            presented=presented,
            X_base_bin=thought.X_base_bin,
            inspect=self._inspect,
            confirm=confirm,
            ways=RecoveryWays(planner, station, base_height_m=base_height_m),
        )
        self._left = ""
        self._blind = False
        """The last look saw nothing."""

    def run(self) -> StowRun:
        """Move. Raises StoppedByOperator after Ctrl-C; the arm stands."""
        return self._host.run(self._all())

    async def _all(self) -> StowRun:
        session = self._host.session
        await session.wait(START_S)
        begin_s = session.state.time_s
        stowed = await self._recipe(stow_recipe(self._station, self._thought))
        if not stowed.ok:
            await self._recover()
        cycle_s = session.state.time_s - begin_s
        if not stowed.ok:
            await session.wait(self._settle_s)
        elif not (await self._recipe(look_recipe(self._settle_s))).ok:
            self._doubt()
        steps = tuple(_step(report) for recipe in self._reports for report in recipe.steps)
        return StowRun(
            steps=steps,
            failure=next((report.words for report in self._reports if not report.ok), ""),
            cycle_s=cycle_s,
            item_place=self.cell.item_place,
            item=self.cell.where_is_the_item(),
            left=self._left,
            recipe={"recipes": [recipe.model_dump(mode="json") for recipe in self._recipes]},
        )

    async def _recipe(self, recipe: Recipe) -> RecipeReport:
        self._recipes.append(recipe)
        report = await run_recipe(recipe, self.cell)
        self._reports.append(report)
        for primitive in report.steps:
            self._note("primitive", {"name": primitive.name, "ok": primitive.ok, "words": primitive.words})
        self._note("recipe_ended", {"name": report.name, "ok": report.ok, "words": report.words})
        return report

    async def _recover(self) -> None:
        """Bring the cell to rest; again when a fault ended the way back."""
        for _ in range(RECOVERIES):
            report = await self._recipe(recover_recipe())
            self._left = "" if report.ok else report.words
            if report.ok or not self._host.session.state.latched_fault:
                return

    def _doubt(self) -> None:
        """After a look that did not find the stowed item: it is lost, unless nothing could be seen."""
        cell = self.cell
        if cell.stowed and not self._blind:
            where = "in the bin, at its mouth, or on the floor below"
            cell.lost, cell.stowed = LostItem(item=cell.stowed, where=where, near_bin=True), None

    def _inspect(self) -> Inspection:
        """Look whether the place of the item is taken now."""
        assert self._thought.plan is not None
        low, high = self._thought.plan.item_place_m
        # What carries the item is lower.
        size = {"depth_m": high[0], "height_m": high[2], "bottom_m": low[2] + 0.010}
        try:
            model = self._look()
        except PerceptionError as error:
            self._blind = True
            return Inspection(ok=False, words=f"the look failed: {error}")
        width_m = high[1] - low[1]
        free_m = model.free_width_m(low[1], high[1], **size)
        taken = 1.0 - free_m / width_m
        words = f"{100 * taken:.0f} % of the place planned for the item is taken"
        if taken < LEAST_COVER:
            words = f"the item is not where it should be: only {words}"
        return Inspection(ok=taken >= LEAST_COVER, words=words, data={"taken": taken})


def _step(report: PrimitiveReport) -> Step:
    return Step(
        name=report.name,
        begin_s=report.started_s,
        end_s=report.ended_s,
        words=report.words,
        channel=report.channel,
        peak_filtered_force_n=report.peak_filtered_force_n,
        force_limit_n=report.force_limit_n,
        succeeded=report.ok,
    )
