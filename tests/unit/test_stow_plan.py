"""Stow decisions on rendered bins, judged by what pushing does to the true row."""

from dataclasses import replace
from math import pi

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
from tests.unit.row_kinematics import Interval, carry_out, on_top
from tests.unit.synthetic_bin import SIZE_M, Box, make_scene, random_row, standing

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
