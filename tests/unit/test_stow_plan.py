"""Stow decisions on rendered bins, judged by what pushing does to the true row."""

from collections.abc import Sequence
from dataclasses import replace
from math import pi
from typing import Any

import numpy as np
import pytest

from podhand.core.errors import PlanningError
from podhand.core.items import Item, Shape
from podhand.core.ports import PresentedItem
from podhand.core.poses import pose
from podhand.core.tooling import StowTool
from podhand.perception.bin_model import estimate_bin
from podhand.perception.pictures import draw_bin_model
from podhand.planning.affordances import StowRules
from podhand.planning.stow import Refusal, RefusalKind, StowKind, StowPlan, plan_stow
from tests.unit.row_kinematics import Interval, carry_out, on_top, slant_clearance_m
from tests.unit.synthetic_bin import SIZE_M, Box, leaning, make_scene, random_row, standing

TOOL = StowTool()
SWEEPS = StowRules(moves=frozenset({"sweep"}))
TOPS = StowRules(moves=frozenset({"stack"}))
SLANTS = StowRules(moves=frozenset({"slot"}))


def item(width_m: float = 0.05, length_m: float = 0.18, height_m: float = 0.10) -> Item:
    return Item(
        sku="test",
        length_m=length_m,
        width_m=width_m,
        height_m=height_m,
        mass_kg=0.3,
        shape=Shape.BOX,
        friction=0.5,
        max_squeeze_n=40.0,
    )


def decide(
    items: list[Box], held: Item, seed: int = 0, *, force_limit_n: float = 20.0, rules: StowRules | None = None
) -> StowPlan | Refusal:
    scene = make_scene(items, seed)
    model = estimate_bin(scene.frames, scene.X_world_bin_nominal, SIZE_M)
    presented = PresentedItem(item=held, X_base_item=pose())
    return plan_stow(model, presented, tool=TOOL, force_limit_n=force_limit_n, rules=rules)


def full_row(gap_m: float, *, at: int = 1, blocks: int = 4, height_m: float = 0.15) -> list[Box]:
    """Equal blocks without gaps between them, but for one before block ``at``."""
    width = (SIZE_M[1] - gap_m) / blocks
    starts = [-SIZE_M[1] / 2 + k * width + (gap_m if k >= at else 0.0) for k in range(blocks)]
    return [standing(y_low_m=y, width_m=width, depth_m=0.2, height_m=height_m, front_m=0.02) for y in starts]


def spread_row(gaps_m: list[float], *, height_m: float = 0.12, depth_m: float = 0.18) -> list[Box]:
    """Equal blocks with given gaps, the first at the right wall."""
    blocks = len(gaps_m) - 1
    width = (SIZE_M[1] - sum(gaps_m)) / blocks
    y, row = -SIZE_M[1] / 2, []
    for gap in gaps_m[:-1]:
        y += gap
        row.append(standing(y_low_m=y, width_m=width, depth_m=depth_m, height_m=height_m, front_m=0.02))
        y += width
    return row


def test_a_wide_gap_is_used_as_it_is() -> None:
    plan = decide(full_row(0.08, at=2), item(0.05))
    assert isinstance(plan, StowPlan)
    assert plan.kind is StowKind.DIRECT
    assert not plan.sweep_needed
    assert plan.y_eject_m == pytest.approx(0.0, abs=0.003)
    assert plan.predicted_clearance_m == pytest.approx(0.015, abs=0.003)
    assert plan.tool_z_m == pytest.approx(0.07)
    assert "a gap of" in plan.reason


def test_gaps_that_suffice_together_are_swept_together() -> None:
    row = spread_row([0.03, 0.0, 0.035, 0.0])
    plan = decide(row, item(0.045), rules=SWEEPS)
    assert isinstance(plan, StowPlan)
    assert plan.kind is StowKind.SWEEP
    assert plan.roll_rad == (0.0 if plan.sweep_direction < 0 else pi)
    assert 0.0 < plan.sweep_distance_m < 0.08
    assert 0.0 < plan.blade_extension_m <= TOOL.blade_stroke_m
    assert plan.blade_reach_m == pytest.approx(plan.blade_extension_m + plan.mouth_x_m + TOOL.blade_rest_m)
    offset = plan.y_entry_m - plan.blade_y_m
    assert offset == pytest.approx(plan.sweep_direction * TOOL.blade_offset_m(0.045))


def test_the_tool_stands_at_the_item_s_place_after_a_sweep_with_fence() -> None:
    plan = decide(spread_row([0.06, 0.0, 0.045, 0.0]), item(0.055))
    assert isinstance(plan, StowPlan)
    assert plan.blade_stays
    assert plan.y_entry_m + plan.sweep_direction * plan.sweep_distance_m == pytest.approx(plan.y_eject_m, abs=1e-9)


def test_plans_do_to_the_true_row_what_they_promise() -> None:
    accepted, attempts, sweeps = 0, 24, 0
    for seed in range(attempts):
        rng = np.random.default_rng(100 + seed)
        width = float(rng.uniform(0.025, 0.07))
        row = random_row(rng, width + 0.012)
        plan = decide(row, item(width), seed)
        if isinstance(plan, Refusal):
            continue
        accepted += 1
        sweeps += plan.sweep_needed
        if plan.kind is StowKind.STACK:
            top = on_top(plan, row)
            assert top.carried_share > 0.6, plan.reason
            assert top.clearance_m > 0.001, plan.reason
            continue
        depth = max(plan.item_size_m[0], plan.blade_reach_m)
        intervals = [
            Interval(low_m=b.y_low_m, high_m=b.y_high_m) for b in row if b.centre_m[0] - b.size_m[0] / 2 < depth
        ]
        result = carry_out(plan, intervals, SIZE_M[1])
        assert result.entry_clearance_m > 0.001, plan.reason
        assert result.clearance_m > 0.0, plan.reason
        assert result.wall_overlap_m < 0.004, plan.reason
    assert accepted >= 0.75 * attempts
    assert sweeps >= 4


def low_row(height_m: float = 0.08, *, lean_rad: float = 0.0) -> list[Box]:
    """Three blocks without a gap: two low ones, and one that leaves no room over it."""
    low = [standing(y_low_m=y, width_m=0.1, depth_m=0.22, height_m=height_m, front_m=0.02) for y in (-0.149, -0.048)]
    low = [replace(b, lean_rad=lean_rad) for b in low]
    return [*low, standing(y_low_m=0.053, width_m=0.096, depth_m=0.22, height_m=0.22, front_m=0.02)]


@pytest.mark.parametrize("seed", range(2))
def test_where_nothing_gives_way_an_item_goes_on_top(seed: int) -> None:
    row = low_row()
    plan = decide(row, item(0.04, 0.15), seed)
    assert isinstance(plan, StowPlan)
    assert plan.kind is StowKind.STACK
    assert plan.support_z_m == pytest.approx(0.08, abs=0.003)
    top = on_top(plan, row)
    assert top.carried_share > 0.8
    assert top.clearance_m > 0.004
    # The item reaches over the front of what carries it, and no further than the belts hold it.
    assert 0.02 + 0.022 < plan.out_m < 0.6 * 0.15
    assert plan.lower_m > 0.010
    assert isinstance(decide(row, item(0.04, 0.15), seed, rules=SWEEPS), Refusal)


def test_a_flat_item_lies_down_where_that_is_steadier() -> None:
    plan = decide(low_row(), item(0.03, 0.15, 0.095), rules=TOPS)
    assert isinstance(plan, StowPlan)
    assert abs(plan.tilt_rad) == pytest.approx(pi / 2)
    (_, y0, z0), (_, y1, z1) = plan.item_place_m
    assert y1 - y0 == pytest.approx(0.095)
    assert z1 - z0 == pytest.approx(0.03)


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(low_row(lean_rad=0.15), id="slanted tops"),
        pytest.param(full_row(0.008, blocks=9, height_m=0.235), id="no height left"),
        pytest.param([replace(b, size_m=(0.06, *b.size_m[1:])) for b in low_row()], id="tops too short"),
    ],
)
def test_what_would_not_carry_an_item_is_not_stacked_on(row: list[Box]) -> None:
    assert isinstance(decide(row, item(0.04, 0.15), rules=TOPS), Refusal)


@pytest.mark.parametrize("shape", [Shape.CYLINDER, Shape.BAG, Shape.IRREGULAR])
def test_what_rolls_or_hangs_down_is_not_stacked(shape: Shape) -> None:
    assert isinstance(decide(low_row(), replace(item(0.04, 0.15), shape=shape), rules=TOPS), Refusal)


def leaning_row(lean_rad: float, gap_m: float) -> list[Box]:
    """Two books lean to the right, a slanted gap between them."""
    row = [standing(y_low_m=-0.149, width_m=0.047, depth_m=0.3, height_m=0.2, front_m=0.02)]
    y = -0.10 + 0.19 * float(np.sin(lean_rad))
    for width in (0.03, 0.03):
        row.append(leaning(y_foot_m=y, width_m=width, depth_m=0.3, height_m=0.19, lean_rad=lean_rad))
        y += (width + gap_m) / float(np.cos(lean_rad))
    y -= gap_m / float(np.cos(lean_rad))
    return [*row, standing(y_low_m=y + 0.002, width_m=0.148 - y, depth_m=0.3, height_m=0.2, front_m=0.02)]


@pytest.mark.parametrize(("lean_deg", "seed"), [(9.0, 0), (18.0, 1)])
def test_a_leaning_gap_takes_a_leaning_item(lean_deg: float, seed: int) -> None:
    lean = float(np.deg2rad(lean_deg))
    row = leaning_row(lean, 0.054)
    plan = decide(row, item(0.038, 0.16, 0.12), seed, rules=SLANTS)
    assert isinstance(plan, StowPlan)
    assert plan.kind is StowKind.SLOT
    assert plan.tilt_rad == pytest.approx(lean, abs=np.deg2rad(5.0))
    assert slant_clearance_m(plan, row) > 0.002
    assert isinstance(decide(row, item(0.038, 0.16, 0.12), seed, rules=replace(SWEEPS, moves=frozenset())), Refusal)


def test_an_item_that_is_too_high_goes_in_tilted() -> None:
    held = item(0.02, 0.16, 0.252)
    assert isinstance(decide([], held, rules=TOPS), Refusal)
    plan = decide([], held, rules=SLANTS)
    assert isinstance(plan, StowPlan)
    assert plan.kind is StowKind.SLOT
    assert plan.item_place_m[1][2] + StowRules.item_bottom_m < SIZE_M[2]


def test_what_is_too_heavy_for_one_push_is_pushed_to_both_sides() -> None:
    row = spread_row([0.025, 0.0, 0.035, 0.0, 0.02], height_m=0.15, depth_m=0.2)
    once = decide(row, item(0.052), rules=SWEEPS, force_limit_n=40.0)
    assert isinstance(once, StowPlan)
    plan = decide(
        row, item(0.052), rules=SWEEPS, force_limit_n=1.05 * once.predicted_force_n / StowRules.max_force_share
    )
    assert isinstance(plan, StowPlan)
    assert plan.sweep_back_m > 0.0
    assert "and" in plan.reason
    intervals = [Interval(low_m=b.y_low_m, high_m=b.y_high_m) for b in row]
    result = carry_out(plan, intervals, SIZE_M[1])
    assert result.clearance_m > 0.0
    assert result.wall_overlap_m < 0.003


def test_a_plan_that_is_not_sure_enough_is_refused_with_its_odds() -> None:
    row, held = spread_row([0.03, 0.0, 0.035, 0.0]), item(0.045)
    sure = decide(row, held)
    assert isinstance(sure, StowPlan)
    refusal = decide(row, held, rules=StowRules(least_success=sure.predicted_success + 0.01))
    assert isinstance(refusal, Refusal)
    assert refusal.kind is RefusalKind.UNSURE
    assert f"only {100 * sure.predicted_success:.0f} % sure" in refusal.reason


def test_paddles_that_go_in_need_a_wider_gap() -> None:
    held, pushed = item(0.05), StowRules(eject="drop_push")
    assert isinstance(decide(full_row(0.08, at=2), held, rules=replace(pushed, moves=frozenset())), Refusal)
    plan = decide(full_row(0.12, at=2), held, rules=pushed)
    assert isinstance(plan, StowPlan)
    assert plan.kind is StowKind.DIRECT
    assert plan.enter_x_m > held.length_m


@pytest.mark.parametrize("wrong", [{"moves": frozenset({"fly"})}, {"eject": "throw"}])
def test_unknown_moves_and_ways_to_eject_are_errors(wrong: dict[str, Any]) -> None:
    with pytest.raises(PlanningError, match="must be"):
        StowRules(**wrong)


@pytest.mark.parametrize(
    ("held", "kind"),
    [
        (item(height_m=0.26), RefusalKind.TOO_HIGH),
        (item(length_m=0.395), RefusalKind.TOO_LONG),
        (item(width_m=0.17), RefusalKind.ITEM_NOT_HANDLED),
    ],
)
def test_what_can_never_fit_is_refused(held: Item, kind: RefusalKind) -> None:
    refusal = decide([], held)
    assert isinstance(refusal, Refusal)
    assert refusal.kind is kind
    assert "mm" in refusal.reason


def test_a_full_bin_is_refused_with_its_widths() -> None:
    refusal = decide(full_row(0.03), item(0.05))
    assert isinstance(refusal, Refusal)
    assert refusal.kind is RefusalKind.NO_SPACE
    assert "all gaps together" in refusal.reason


def test_what_is_too_heavy_is_refused() -> None:
    refusal = decide(spread_row([0.035, 0.0, 0.035, 0.0], height_m=0.22, depth_m=0.3), item(0.05), force_limit_n=4.0)
    assert isinstance(refusal, Refusal)
    assert refusal.kind is RefusalKind.TOO_HEAVY
    assert "too heavy" in refusal.reason


def test_low_things_are_not_run_over() -> None:
    refusal = decide(spread_row([0.035, 0.0, 0.035, 0.0], height_m=0.03), item(0.05), rules=SWEEPS)
    assert isinstance(refusal, Refusal)
    assert "run over" in refusal.reason


def test_no_entry_for_the_blade_is_refused() -> None:
    refusal = decide(spread_row([0.008] * 8), item(0.04), rules=SWEEPS)
    assert isinstance(refusal, Refusal)
    assert refusal.kind in (RefusalKind.NO_BLADE_ENTRY, RefusalKind.NO_SPACE)


def test_the_mouth_follows_the_rules() -> None:
    plan = decide([], item(), rules=replace(StowRules(), mouth_x_m=-0.02))
    assert isinstance(plan, StowPlan)
    assert plan.mouth_x_m == -0.02


def test_a_force_limit_that_is_none_is_an_error() -> None:
    with pytest.raises(PlanningError, match="force_limit_n must be more than 0"):
        decide([], item(), force_limit_n=0.0)


def test_decisions_can_be_drawn(tmp_path: object) -> None:
    scene = make_scene(spread_row([0.03, 0.0, 0.035, 0.0]), 0)
    model = estimate_bin(scene.frames, scene.X_world_bin_nominal, SIZE_M)
    presented = PresentedItem(item=item(0.045), X_base_item=pose())
    for name, limit in (("plan", 20.0), ("refusal", 0.5)):
        decision = plan_stow(model, presented, tool=TOOL, force_limit_n=limit)
        assert draw_bin_model(model, decision, f"{tmp_path}/{name}.png").stat().st_size > 10_000


def test_limp_items_enter_lower() -> None:
    row = full_row(0.08, at=2)
    firm, limp = decide(row, item(0.05)), decide(row, replace(item(0.05), shape=Shape.BAG))
    assert isinstance(firm, StowPlan)
    assert isinstance(limp, StowPlan)
    rules = StowRules()
    assert firm.tool_z_m - limp.tool_z_m == pytest.approx(rules.item_bottom_m - rules.limp_bottom_m)


@pytest.mark.parametrize(("width_m", "taken"), [(0.050, False), (0.040, True)])
def test_a_gap_with_points_in_it_needs_room_to_spare(width_m: float, taken: bool) -> None:
    row, alone = full_row(0.062, at=2), StowRules(moves=frozenset())
    thin = standing(y_low_m=-0.020, width_m=0.003, depth_m=0.08, height_m=0.15, front_m=0.05)
    assert isinstance(decide(row, item(width_m), rules=alone), StowPlan)
    assert isinstance(decide([*row, thin], item(width_m), rules=alone), StowPlan) is taken


def test_a_predictor_is_asked_instead_of_the_rules() -> None:
    row, held = full_row(0.08, at=2), item(0.05)
    usual = decide(row, held)
    assert isinstance(usual, StowPlan)
    assert usual.rules_success is None
    scene = make_scene(row, 0)
    model = estimate_bin(scene.frames, scene.X_world_bin_nominal, SIZE_M)
    asked: list[StowPlan] = []

    def predict(plans: Sequence[StowPlan], item: Item) -> list[float]:
        assert item == held
        asked.extend(plans)
        return [0.97 if plan.kind is StowKind.SWEEP else 0.80 for plan in plans]

    presented = PresentedItem(item=held, X_base_item=pose())
    plan = plan_stow(model, presented, tool=TOOL, force_limit_n=20.0, predict=predict)
    assert isinstance(plan, StowPlan)
    assert (plan.kind, plan.predicted_success) == (StowKind.SWEEP, 0.97)
    assert plan.rules_success in [one.predicted_success for one in asked if one.kind is StowKind.SWEEP]
    unsure = plan_stow(model, presented, tool=TOOL, force_limit_n=20.0, predict=lambda plans, _: [0.5] * len(plans))
    assert isinstance(unsure, Refusal)
    assert unsure.kind is RefusalKind.UNSURE
