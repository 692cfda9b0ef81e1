"""Recipes are data, run in order, and take back in reverse what a failure makes useless."""

import json
from typing import Any, ClassVar

import pytest
from pydantic import ValidationError

from podhand.controllers.lockstep import LockstepHost
from podhand.core.errors import LimitError
from podhand.core.items import Item, Shape
from podhand.primitives.base import PRIMITIVES, Primitive, PrimitivePreview, Trace
from podhand.primitives.catalogue import Approach, ExtendBlade, OpenBands, Park, Sweep, make_primitive
from podhand.primitives.cell import HeldItem, ItemPlace, StowCell
from podhand.primitives.recipes import (
    Recipe,
    RecipeReport,
    fallback,
    guarded,
    load_recipe,
    par,
    retry,
    run_recipe,
    seq,
    step,
)
from tests.unit.fake_plant import STATION, FakePlant

LOG: list[str] = []
ITEM = Item(sku="tea", length_m=0.15, width_m=0.06, height_m=0.10, mass_kg=0.4, shape=Shape.BOX, friction=0.5,
            max_squeeze_n=60.0)  # fmt: skip


class Probe(Primitive):
    """Writes down what is done with it."""

    name: ClassVar[str] = "probe"

    mark: str
    fails: int = 0
    sticks: bool = False

    def preview(self, cell: StowCell) -> PrimitivePreview:
        return PrimitivePreview(name=self.name, words=self.mark)

    async def _do(self, cell: StowCell, trace: Trace) -> str:
        LOG.append(self.mark)
        await cell.session.wait(0.002)
        if LOG.count(self.mark) <= self.fails:
            trace.outcomes.append(None)  # type: ignore[arg-type]
            trace.outcomes.clear()
            trace.fail("no luck")
        return "well"

    async def _undo(self, cell: StowCell, trace: Trace) -> str | None:
        LOG.append(f"-{self.mark}")
        if self.sticks:
            trace.fail("stuck")
        return "back"


class BandProbe(Probe):
    name: ClassVar[str] = "band_probe"
    channel: ClassVar[int] = 1


@pytest.fixture
def cell() -> StowCell:
    LOG.clear()
    host = LockstepHost.for_station(FakePlant(), STATION)
    cell = StowCell(session=host.session, station=STATION)
    vars(cell)["host"] = host
    return cell


def run(cell: StowCell, root: Any) -> RecipeReport:
    return vars(cell)["host"].run(run_recipe(Recipe(name="test", root=root), cell))  # type: ignore[no-any-return]


def test_steps_run_in_order(cell: StowCell) -> None:
    report = run(cell, seq(Probe(mark="a"), Probe(mark="b")))
    assert report.ok
    assert LOG == ["a", "b"]
    assert report.plan == ("probe", "probe")


def test_a_failure_takes_back_in_reverse(cell: StowCell) -> None:
    report = run(cell, seq(Probe(mark="a"), seq(Probe(mark="b"), Probe(mark="c")), Probe(mark="d", fails=9)))
    assert not report.ok
    assert LOG == ["a", "b", "c", "d", "-c", "-b", "-a"]
    assert report.words == "probe: no luck; no item is on its way"
    assert report.failed is not None


def test_taking_back_ends_where_it_is_stuck(cell: StowCell) -> None:
    body = seq(Probe(mark="a"), Probe(mark="b", sticks=True), Probe(mark="c"), Probe(mark="d", fails=9))
    run(cell, retry(3, body))
    assert LOG == ["a", "b", "c", "d", "-c", "-b"]


def test_retry_takes_back_in_between(cell: StowCell) -> None:
    assert run(cell, retry(3, seq(Probe(mark="a"), Probe(mark="b", fails=2)))).ok
    assert LOG == ["a", "b", "-a", "a", "b", "-a", "a", "b"]


def test_fallback_and_guarded(cell: StowCell) -> None:
    assert run(cell, fallback(seq(Probe(mark="a"), Probe(mark="b", fails=9)), Probe(mark="c"))).ok
    assert LOG == ["a", "b", "-a", "c"]
    LOG.clear()
    assert not run(cell, guarded(Probe(mark="a", fails=9), Probe(mark="b"))).ok
    assert LOG == ["a", "b"]


def test_branches_of_par_move_different_channels(cell: StowCell) -> None:
    with pytest.raises(ValidationError, match="different channels"):
        par(Probe(mark="a"), Probe(mark="b"))
    root = par(seq(Probe(mark="a"), Probe(mark="b")), BandProbe(mark="x", fails=9))
    assert not run(cell, root).ok
    assert LOG == ["a", "x", "b", "-b", "-a"]


def test_the_item_is_never_forgotten(cell: StowCell) -> None:
    cell.held = HeldItem(item=ITEM, place=ItemPlace.PADDLES, grip_force_n=10.0, mass_kg=0.41)
    report = run(cell, step(Probe(mark="a", fails=9)))
    assert report.item == "tea, 0.41 kg is between the paddles"
    assert report.words.endswith(report.item)


def recipe() -> Recipe:
    home = tuple(STATION.arm.home_q_rad)
    X = ((1.0, 0.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0), (0.0, 0.0, 1.0, 0.0), (0.0, 0.0, 0.0, 1.0))
    return Recipe(
        name="stow tea",
        root=seq(
            par(Approach(waypoints_rad=(home,), X_base_tool_mouth=X), OpenBands(positions_base_m=((0.9, 0.0, 0.1),))),
            fallback(seq(ExtendBlade(extension_m=0.2), Sweep(direction=-1, distance_m=0.05)), Park()),
        ),
    )


def test_recipes_are_json() -> None:
    text = recipe().model_dump_json()
    assert load_recipe(text) == recipe()
    assert json.loads(text)["root"]["body"][0]["do"] == "par"
    sweep = recipe().steps()[3].make()
    assert sweep == Sweep(direction=-1, distance_m=0.05)


def test_recipes_read_like_a_plan() -> None:
    assert recipe().describe().splitlines() == [
        "stow tea:",
        "  side by side:",
        "    approach (1 waypoints, X_base_tool_mouth)",
        "    open_bands (1 positions_base)",
        "  try:",
        "    extend_blade (extension_m=0.2)",
        "    sweep (direction=-1, distance_m=0.05)",
        "  if that fails:",
        "    park",
    ]


@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        ("swep", {}, "did you mean 'sweep'"),
        ("dance", {}, "there are: open_bands"),
        ("sweep", {"direction": 0, "distance_m": 0.1}, "direction: Input should be -1 or 1"),
        ("sweep", {"direction": 1, "distance_m": 3}, r"distance_m: .*less than or equal to 0.3 \(got 3\)"),
        ("sweep", {"direction": 1, "distance_m": 0.1, "sped": 1}, "sped: Extra inputs"),
        ("sweep", {}, "direction: Field required.*; distance_m: Field required"),
        ("extend_blade", {"extension_m": float("nan")}, "extension_m: "),
    ],
)
def test_wrong_parameters_are_named_all_at_once(name: str, params: dict[str, Any], message: str) -> None:
    with pytest.raises(LimitError, match=message):
        make_primitive(name, params)


def test_a_bad_recipe_says_where() -> None:
    with pytest.raises(LimitError, match=r"not a recipe: root.step: .*no primitive 'sweeep': did you mean 'sweep'"):
        load_recipe('{"name": "x", "root": {"do": "step", "primitive": "sweeep"}}')


def test_every_primitive_has_help_and_described_bounds() -> None:
    for name, kind in PRIMITIVES.items():
        if name.endswith("probe"):
            continue
        assert kind.__doc__, name
        for key, info in kind.model_fields.items():
            has_unit = key.rsplit("_", 1)[-1] in ("m", "s", "n", "rad", "scale", "direction") or "X_" in key
            assert has_unit or info.annotation in (bool, int), f"{name}.{key}"
            assert info.annotation is not None


def test_step_leaves_out_defaults() -> None:
    assert step(Park()).params == {}
