"""Putting an item on top of something and rolling it into a slant, on a plant of ideal axes with a simple item."""

import numpy as np
import pytest

from podhand.core.poses import FloatArray, Pose, pose, rotation_rpy
from podhand.primitives.base import Result
from podhand.primitives.catalogue import EjectItem, Slot, Stack
from podhand.primitives.cell import ItemPlace
from podhand.primitives.recipes import seq
from tests.unit.fake_plant import Contact
from tests.unit.test_primitives_stow import ITEM, RECEIVE, Bench, matrix, moved

X_HELD = moved(x=0.05, z=0.05)
LOW = moved(x=0.05, z=0.03)
STACK = Stack(X_base_tool_low=matrix(LOW), out_m=0.05)


def ground(at_z_m: float, stiffness_n_m: float = 2000.0) -> Contact:
    """Something that carries the tool's load from a height on."""

    def push(p: FloatArray, q: FloatArray) -> FloatArray:
        return np.array([0.0, 0.0, stiffness_n_m * max(0.0, at_z_m - p[2]) if p[2] > LOW[2, 3] - 0.005 else 0.0])

    return push


def rolled(angle_rad: float) -> Pose:
    return X_HELD @ pose(rotation_rpy(angle_rad, 0.0, 0.0))


SLOT = Slot(X_base_tool_slant=matrix(rolled(0.25)), X_base_tool_upright=matrix(X_HELD))


def test_a_stack_is_lowered_until_it_touches_and_lifted_a_hair() -> None:
    touch_z_m = float(X_HELD[2, 3]) - 0.012
    bench = Bench(ground(touch_z_m))
    _, report = bench.run(RECEIVE, STACK)
    assert report.result is Result.DONE, report.words
    assert report.data["lowered_m"] == pytest.approx(0.012 + STACK.touch_n / 2000.0, abs=0.002)
    assert float(bench.cell.session.state.X_base_tool_cmd[2, 3]) == pytest.approx(touch_z_m + 0.0005, abs=0.002)
    assert report.peak_filtered_force_n < report.force_limit_n
    assert bench.cell.held is not None
    assert bench.cell.held.place is ItemPlace.MOUTH


def test_what_carries_nothing_is_not_ejected_onto_and_the_item_comes_back() -> None:
    bench = Bench()
    report = bench.recipe(seq(RECEIVE, STACK, EjectItem()))
    assert not report.ok
    assert report.failed is not None
    assert "nothing carries the item" in report.failed.words
    assert report.plan[:4] == ("receive_item", "stack", "undo stack", "undo receive_item")
    assert bench.cell.held is None
    assert "at the infeed" in report.item


def test_a_blind_stack_goes_down_without_a_touch() -> None:
    bench = Bench()
    _, report = bench.run(RECEIVE, STACK.model_copy(update={"out_m": 0.0, "feel": False}))
    assert report.ok, report.words
    assert report.data["lowered_m"] == pytest.approx(0.02, abs=1e-4)
    assert bench.cell.held is not None
    assert bench.cell.held.place is ItemPlace.PADDLES


def test_a_stack_is_refused_without_a_grip_far_away_and_too_far_out() -> None:
    bench = Bench()
    (report,) = bench.run(STACK)
    assert report.result is Result.REFUSED
    assert "does not hold the item" in report.words
    far = STACK.model_copy(update={"X_base_tool_low": matrix(moved(z=-0.1))})
    out = STACK.model_copy(update={"out_m": ITEM.length_m})
    _, away, lost = bench.run(RECEIVE, far, out)
    assert "go to the mouth first" in away.words
    assert "the belts would lose it" in lost.words
    assert not away.moved and not lost.moved


def test_previews_move_nothing_and_say_what_would_move() -> None:
    bench = Bench()
    bench.run(RECEIVE)
    q = bench.plant.q.copy()
    down, roll = STACK.preview(bench.cell), SLOT.preview(bench.cell)
    assert "at most 20 mm until it touches" in down.words
    assert down.path_base_m[-1][2] == pytest.approx(LOW[2, 3])
    assert "14°" in roll.words
    assert np.array_equal(q, bench.plant.q)


def test_a_slot_rolls_about_the_mouth_and_back() -> None:
    bench = Bench()
    _, report = bench.run(RECEIVE, SLOT)
    assert report.ok, report.words
    X = bench.cell.session.state.X_base_tool_cmd
    assert X[:3, 3] == pytest.approx(X_HELD[:3, 3], abs=1e-4)
    assert X[:3, :3] == pytest.approx(rolled(0.25)[:3, :3], abs=1e-3)
    undone = bench.host.run(SLOT.undo(bench.cell))
    assert undone is not None and undone.ok
    assert bench.cell.session.state.X_base_tool_cmd[:3, :3] == pytest.approx(X_HELD[:3, :3], abs=1e-3)


def test_contact_ends_a_roll() -> None:
    upright_rad = 0.0

    def wall(p: FloatArray, q: FloatArray) -> FloatArray:
        return np.array([0.0, 1e3 * max(0.0, abs(float(q[5]) - upright_rad) - 0.1) if pushing else 0.0, 0.0])

    pushing = False
    bench = Bench(wall)
    bench.run(RECEIVE)
    upright_rad, pushing = float(bench.plant.q[5]), True
    (report,) = bench.run(SLOT)
    assert report.result is Result.FAILED
    assert "in the way" in report.words
    assert report.max_force_ratio <= 1.0
