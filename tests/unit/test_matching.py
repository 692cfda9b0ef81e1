"""Matching of items with bins: against the bin model, the planner, and every other assignment."""

import itertools
import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from podhand.app.cli import app
from podhand.bench.matching import drawn_items, drawn_pod
from podhand.core.errors import PlanningError
from podhand.core.items import Item, Shape
from podhand.core.ports import PresentedItem
from podhand.core.poses import pose
from podhand.core.tooling import StowTool
from podhand.perception.bin_model import BinModel, estimate_bin
from podhand.perception.profiles import LEVEL_STEP_M, BinProfile, bin_profile
from podhand.planning.affordances import StowRules, passage
from podhand.planning.matching import Matcher, MatchValues, PodProfile, Veto
from podhand.planning.matching_kernel import FIT_COLUMNS
from podhand.planning.stow import RefusalKind, StowKind, StowPlan, plan_stow
from podhand.planning.success import CountedRates, SuccessModel
from tests.unit.synthetic_bin import SIZE_M, Box, make_scene, random_row, standing

TOOL, RULES = StowTool(), StowRules()
FIT = {name: column for column, name in enumerate(FIT_COLUMNS)}


def item(width_m: float = 0.05, length_m: float = 0.18, height_m: float = 0.10, shape: Shape = Shape.BOX) -> Item:
    return Item(
        sku="test", length_m=length_m, width_m=width_m, height_m=height_m, mass_kg=0.3, shape=shape, friction=0.5,
        max_squeeze_n=40.0,
    )  # fmt: skip


def model_of(items: list[Box], seed: int = 0) -> BinModel:
    scene = make_scene(items, seed)
    return estimate_bin(scene.frames, scene.X_world_bin_nominal, SIZE_M)


@pytest.fixture(scope="module")
def models() -> list[BinModel]:
    rows = [random_row(np.random.default_rng(seed)) for seed in range(5)]
    return [model_of(row, seed) for seed, row in enumerate(rows)]


@pytest.fixture(scope="module")
def profiles(models: list[BinModel]) -> tuple[BinProfile, ...]:
    return tuple(bin_profile(f"A{k + 1}", model) for k, model in enumerate(models))


def matcher(**changes: object) -> Matcher:
    return Matcher(**{"tool": TOOL, "force_limit_n": 20.0, **changes})  # type: ignore[arg-type]


def row_of_boxes(gaps_m: list[float], height_m: float = 0.15) -> list[Box]:
    """Equal blocks with given gaps, the first at the right wall, the last at the left one."""
    width = (SIZE_M[1] - sum(gaps_m)) / (len(gaps_m) - 1)
    y, row = -SIZE_M[1] / 2, []
    for gap in gaps_m[:-1]:
        y += gap
        row.append(standing(y_low_m=y, width_m=width, depth_m=0.2, height_m=height_m, front_m=0.02))
        y += width
    return row


def test_gaps_are_those_of_the_bin_model(models: list[BinModel], profiles: tuple[BinProfile, ...]) -> None:
    random = np.random.default_rng(2)
    items = [item(random.uniform(0.02, 0.08), random.uniform(0.08, 0.2), random.uniform(0.03, 0.2)) for _ in range(20)]
    found = matcher().match(items, PodProfile(bins=profiles))
    widths = 0
    for (i, held), (b, model) in itertools.product(enumerate(items), enumerate(models)):
        way = passage(held, TOOL, RULES)
        height = np.ceil(way.height_m / LEVEL_STEP_M - 1e-9) * LEVEL_STEP_M
        gaps = model.gaps(depth_m=way.depth_m, height_m=float(height))
        assert found.gaps[i, b, FIT["sum_m"]] == pytest.approx(sum(gap.width_m for gap in gaps))
        assert found.gaps[i, b, FIT["widest_m"]] == pytest.approx(max((gap.width_m for gap in gaps), default=0.0))
        widths += len(gaps)
    assert widths > 200


def test_matching_foresees_the_plan(models: list[BinModel], profiles: tuple[BinProfile, ...]) -> None:
    items = [item(0.03), item(0.05), item(0.065, height_m=0.12), item(0.08, shape=Shape.BAG)]
    found = matcher().match(items, PodProfile(bins=profiles))
    alike, direct = 0, 0
    for (i, held), (b, model) in itertools.product(enumerate(items), enumerate(models)):
        presented = PresentedItem(item=held, X_base_item=pose())
        plan = plan_stow(model, presented, tool=TOOL, force_limit_n=20.0)
        alike += isinstance(plan, StowPlan) == (found.veto[i, b] == Veto.NONE)
        if isinstance(plan, StowPlan) and plan.kind is StowKind.DIRECT and found.gaps[i, b, 0] >= 0.0:
            direct += 1
            assert found.chance[i, b] == pytest.approx(plan.predicted_success, abs=0.06)
    assert alike >= 18, f"{alike} of 20 as planned"
    assert direct >= 3


def test_the_assignment_is_the_best_of_all() -> None:
    items, bins = drawn_items(4, seed=2), drawn_pod(seed=5).bins[:5]
    by_pair = {}
    for (i, held), one in itertools.product(enumerate(items), bins):
        alone = matcher().match([held], PodProfile(bins=(one,)))
        by_pair[i, one.name] = alone.pairings[0].value if alone.pairings else None
    best: tuple[int, float] = (0, 0.0)
    names: list[str | None] = [one.name for one in bins] + [None] * len(items)
    for chosen in itertools.permutations(names, len(items)):
        values = [by_pair[i, name] for i, name in enumerate(chosen) if name is not None]
        if None not in values:
            best = max(best, (len(values), sum(value for value in values if value is not None)))
    found = matcher().match(items, PodProfile(bins=bins))
    assert len(found.pairings) == best[0]
    assert sum(pairing.value for pairing in found.pairings) == pytest.approx(best[1])
    assert len({pairing.bin for pairing in found.pairings}) == len(found.pairings)
    assert [p.value for p in found.pairings] == sorted((p.value for p in found.pairings), reverse=True)


def test_a_tight_gap_is_kept_for_the_item_that_fills_it() -> None:
    tight, wide = (
        bin_profile(name, model_of(row_of_boxes([0.0, gap_m, 0.0]))) for name, gap_m in (("T", 0.065), ("W", 0.12))
    )
    found = matcher().match([item(0.05)], PodProfile(bins=(wide, tight)))
    assert [pairing.bin for pairing in found.pairings] == ["T"]
    indifferent = matcher(values=MatchValues(fill=0.0)).match([item(0.05)], PodProfile(bins=(wide, tight)))
    assert indifferent.pairings[0].bin == "W", "only its room counts then"


@pytest.mark.parametrize(
    ("row", "held", "limit_n", "veto", "said", "kind"),
    [
        ([], item(0.005), 20.0, Veto.NOT_HANDLED, "do not hold an item 5 mm wide", RefusalKind.ITEM_NOT_HANDLED),
        ([], item(length_m=0.45), 20.0, Veto.TOO_LONG, "450 mm is too long", RefusalKind.TOO_LONG),
        ([], item(height_m=0.27), 20.0, Veto.TOO_HIGH, "270 mm is too high", RefusalKind.TOO_HIGH),
        ([0.02, 0.0, 0.0, 0.01], item(0.08), 20.0, Veto.NO_ROOM, "not even swept together", RefusalKind.NO_SPACE),
        ([0.0, 0.04, 0.0, 0.04], item(0.06), 1.0, Veto.TOO_HEAVY, "too heavy, over 1 N", RefusalKind.TOO_HEAVY),
    ],
)  # fmt: skip
def test_a_veto_is_that_of_the_planner_and_said_in_words(
    row: list[float], held: Item, limit_n: float, veto: Veto, said: str, kind: RefusalKind
) -> None:
    rules = replace(RULES, moves=frozenset({"sweep"}))
    model = model_of(row_of_boxes(row) if row else [])
    found = matcher(force_limit_n=limit_n, rules=rules).match([held], PodProfile(bins=(bin_profile("C3", model),)))
    assert found.veto[0, 0] == veto
    assert said in found.why_not(0, "C3")
    assert said in found.left[0]
    plan = plan_stow(model, PresentedItem(item=held, X_base_item=pose()), tool=TOOL, force_limit_n=limit_n, rules=rules)
    assert not isinstance(plan, StowPlan)
    assert plan.kind is kind


def test_closed_bins_and_unsure_stows_say_so() -> None:
    pod = PodProfile(bins=tuple(bin_profile(name, model_of([])) for name in ("A1", "A2")))
    doubtful = SuccessModel(rates=CountedRates(cells={("direct", "box"): (50, 100)}), trees=None)
    found = matcher(model=doubtful).match([item()], pod, closed={"A1": "holds something that looks the same"})
    assert found.pairings == ()
    assert found.best_lower == 0.0
    assert found.why_not(0, "A1") == "holds something that looks the same"
    assert "only 50 % sure, 75 % are asked for" in found.why_not(0, "A2")
    assert "closed in 1" in found.left[0]
    assert "unsure in 1" in found.left[0]


def test_an_item_whose_bin_goes_to_another_says_so() -> None:
    pod = PodProfile(bins=(bin_profile("A1", model_of([])),))
    found = matcher().match([item(0.04), item(0.05)], pod)
    assert len(found.pairings) == 1
    assert list(found.left.values()) == ["1 bins would take it, but other items are worth more there"]


def test_a_model_is_asked_and_its_best_bound_is_told() -> None:
    cells = {("direct", "box"): (990, 1000), ("direct", "bag"): (95, 100)}
    rates = SuccessModel(rates=CountedRates(cells=cells), trees=None, cycle_s={"direct": 20.0})
    pod = PodProfile(bins=tuple(bin_profile(name, model_of([])) for name in ("A1", "A2")))
    found = matcher(model=rates).match([item(), item(shape=Shape.BAG)], pod)
    box, bag = sorted(found.pairings, key=lambda pairing: pairing.item)
    assert box.cycle_s == 20.0
    assert not box.learned
    assert (box.chance, bag.chance) == pytest.approx((0.99, 0.95), abs=0.01)
    assert found.best_lower == max(box.lower, bag.lower) < box.chance


def test_nothing_to_match_is_no_error() -> None:
    pod = drawn_pod()
    assert matcher().match([], pod).pairings == ()
    nowhere = matcher().match([item()], PodProfile(bins=()))
    assert (nowhere.pairings, nowhere.left, nowhere.best_lower) == ((), {0: "there is no bin"}, 0.0)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 14))
def test_whatever_is_chosen_is_possible_once_and_in_words(seed: int, count: int) -> None:
    items, pod = drawn_items(count, seed), drawn_pod(seed % 7)
    found = matcher().match(items, pod)
    for pairing in found.pairings:
        b = found.bins.index(pairing.bin)
        assert found.veto[pairing.item, b] == Veto.NONE
        assert RULES.least_success <= pairing.lower <= pairing.chance <= 1.0
        assert pairing.reason
        assert found.why_not(pairing.item, pairing.bin) == ""
    assert len({pairing.item for pairing in found.pairings}) == len(found.pairings)
    assert set(found.left) == set(range(count)) - {pairing.item for pairing in found.pairings}
    assert all(found.left.values())


def test_a_changed_bin_is_seen_anew() -> None:
    empty, full = (bin_profile("A1", model_of(row)) for row in ([], row_of_boxes([0.01, 0.0, 0.0, 0.0])))
    pod = PodProfile(bins=(empty,))
    assert matcher().match([item()], pod).pairings
    assert not matcher(rules=replace(RULES, moves=frozenset())).match([item()], pod.with_bin(full)).pairings
    with pytest.raises(PlanningError, match="B7 is not of this pod"):
        pod.with_bin(replace(full, name="B7"))


def test_wrong_pods_and_limits_are_one_clear_error() -> None:
    one = drawn_pod().bins[0]
    with pytest.raises(PlanningError, match="different names"):
        PodProfile(bins=(one, one))
    with pytest.raises(PlanningError, match="one size"):
        PodProfile(bins=(one, replace(one, name="Z9", size_m=(0.4, 0.3, 0.2))))
    with pytest.raises(PlanningError, match="more than 0 N"):
        matcher(force_limit_n=0.0)
    with pytest.raises(PlanningError, match="belts alone"):
        matcher(rules=replace(RULES, eject="drop_push"))


def test_bench_times_whole_decisions() -> None:
    done = CliRunner().invoke(app, ["bench", "match", "--rounds", "1", "--json", "-"])
    assert done.exit_code == 0, done.output
    (row,) = json.loads(done.stdout)["results"]
    assert row["name"] == "match_12x40_rules"
    assert 1e4 < row["p50"] <= row["p99"]
