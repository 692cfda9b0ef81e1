"""Pushing after an item, and the hook that waits for the arm, on a plant of ideal axes with a simple item."""

from dataclasses import replace

import numpy as np
import pytest

from podhand.core.exchange import Axis, SlowSignal
from podhand.core.items import Shape
from podhand.core.ports import PresentedItem
from podhand.core.poses import FloatArray, Pose, pose
from podhand.primitives.base import PrimitiveReport, Result
from podhand.primitives.catalogue import CloseBands, EjectItem, ReceiveItem, Retract
from podhand.primitives.cell import Bands
from podhand.primitives.recipes import par
from tests.unit.fake_plant import STATION, FakePlant
from tests.unit.test_primitives_stow import ITEM, OPEN, RECEIVE, X_BIN, Bench, hook, moved

X_EJECT = moved(x=0.05, z=0.05)
EJECT = EjectItem()


def ejected(bench: Bench, shape: Shape = Shape.BOX, X_base_bin: Pose = X_BIN) -> tuple[PrimitiveReport, FloatArray]:
    """Receive and eject; returns the report and the way of the mouth in base (3,)."""
    bench.cell.presented = PresentedItem(item=replace(ITEM, shape=shape), X_base_item=pose())
    bench.cell.X_base_bin = X_base_bin
    received, report = bench.run(RECEIVE, EJECT)
    assert received.result is Result.DONE, received.words
    return report, bench.cell.session.state.X_base_tool_cmd[:3, 3] - X_EJECT[:3, 3]


def test_a_firm_item_is_followed_straight_and_a_little() -> None:
    bench = Bench()
    report, way_m = ejected(bench)
    assert report.result is Result.DONE, report.words
    np.testing.assert_allclose(way_m, [EJECT.follow_m, 0.0, 0.0], atol=1e-4)
    # They had closed by some 3 mm while the mouth was waited for to be clear.
    assert bench.cell.opening_m == pytest.approx(ITEM.width_m - 0.003 - 0.008, abs=0.002)


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_beside_a_wall_the_paddles_move_towards_the_middle(side: float) -> None:
    X_bin = pose(None, X_BIN[:3, 3] - [0.0, side * 0.12, 0.0])
    report, way_m = ejected(Bench(), X_base_bin=X_bin)
    assert report.result is Result.DONE, report.words
    assert -side * way_m[1] > 0.015
    assert way_m[0] == pytest.approx(EJECT.follow_m, abs=1e-4)


@pytest.mark.parametrize(("shape", "stretches"), [(Shape.BAG, True), (Shape.IRREGULAR, False)])
def test_a_limp_item_is_followed_into_the_bin_and_left_with_the_belts_running_out(
    shape: Shape, stretches: bool
) -> None:
    bench = Bench()
    belts: list[float] = []
    bench.host.observe(lambda: belts.append(float(bench.plant.q[Axis.BELT_LEFT])), every_ticks=1)
    report, way_m = ejected(bench, shape)
    assert report.result is Result.DONE, report.words
    assert report.data["followed_m"] == pytest.approx(EJECT.follow_m + EJECT.follow_in_m, abs=1e-3)
    assert way_m[0] == pytest.approx(EJECT.follow_m + EJECT.follow_in_m - 0.035, abs=1e-3)
    assert bench.cell.opening_m == pytest.approx(bench.cell.station.axes.squeeze.min_position_m, abs=0.002)
    steps = np.diff(belts) > 1e-5
    runs = int(np.count_nonzero(np.diff(steps.astype(int)) == 1))
    assert runs >= (3 if stretches else 2)  # out with the item, and again with every way back


def test_what_resists_ends_the_push_under_the_limit() -> None:
    at_x_m = float(X_EJECT[0, 3]) + 0.006

    def wall(p: FloatArray, q: FloatArray) -> FloatArray:
        return np.array([-20_000.0 * max(0.0, p[0] - at_x_m), 0.0, 0.0])

    report, way_m = ejected(Bench(wall))
    assert report.result is Result.DONE, report.words
    assert report.data["followed_m"] == pytest.approx(0.006, abs=0.002)
    assert way_m[0] == pytest.approx(report.data["followed_m"] - 0.003, abs=0.001), "it presses no more"
    assert report.max_force_ratio < 1.0


CLOSE = CloseBands(
    positions_base_m=(hook(1.08, 0.0), hook(1.08, 0.2), hook(1.05, 0.2), hook(1.05, -0.2)), clear_x_bin_m=-0.24
)


def opened() -> Bench:
    bench = Bench()
    bench.cell.X_base_bin = X_BIN
    assert bench.run(OPEN)[0].ok
    return bench


def test_the_hook_waits_over_the_bands_for_an_arm_that_does_not_leave() -> None:
    bench = opened()
    (report,) = bench.run(CLOSE)
    assert report.result is Result.FAILED
    assert "the arm has not left the bin after 3 s" in report.words
    np.testing.assert_allclose(bench.plant.q[[Axis.BAND_X, Axis.BAND_Z]], [1.08, 0.2], atol=1e-3)
    assert bench.cell.bands is Bands.UNKNOWN


def test_hook_and_arm_leave_the_bin_side_by_side() -> None:
    bench = opened()
    report = bench.recipe(par(CLOSE, Retract(to_x_bin_m=-0.25)))
    assert report.ok, report.words
    assert bench.cell.bands is Bands.CLOSED
    assert float(bench.cell.X_bin_tool[0, 3]) == pytest.approx(-0.25, abs=1e-3)


def test_receive_is_where_these_tests_begin() -> None:
    assert isinstance(RECEIVE, ReceiveItem)
    bench = Bench()
    bench.run(RECEIVE)
    np.testing.assert_allclose(bench.cell.session.state.X_base_tool_cmd[:3, 3], X_EJECT[:3, 3], atol=1e-4)


def end_hangs(bench: Bench, left_m: float, pushed_in_at_m: float, *, end_m: float = 0.0) -> None:
    """The belts lose the item while ``left_m`` of it is out of the bin, until the mouth is so far in.

    A piece of it that is ``end_m`` wide stays between the paddles until they open.
    """
    ejects, in_at_m = bench.plant.on_step, float(X_EJECT[0, 3]) + pushed_in_at_m
    lost, opened = [False], [False]

    def hangs(plant: FakePlant) -> None:
        assert ejects is not None
        lost[0] = lost[0] or plant.q[Axis.BELT_LEFT] - bench.item.belts_at_grip_m > ITEM.length_m - left_m
        if not lost[0]:
            ejects(plant)
            return
        opened[0] = opened[0] or (lost[0] and mouth_x_m(plant) < in_at_m - pushed_in_at_m - 0.01)
        plant.item_width_m, plant.held_mass_kg = (0.0 if opened[0] else end_m), 0.0
        plant.slow[SlowSignal.ITEM_IN_PADDLES] = 0.0
        plant.slow[SlowSignal.MOUTH_BLOCKED] = float(mouth_x_m(plant) < in_at_m)

    bench.plant.on_step = hangs


def mouth_x_m(plant: FakePlant) -> float:
    return float((STATION.arm.kinematics.flange(plant.q[:6]) @ STATION.tool.X_flange_tool)[0, 3])


def test_an_end_that_the_belts_have_lost_is_pushed_in_with_care() -> None:
    bench = Bench()
    end_hangs(bench, 0.03, 0.010)
    report, way_m = ejected(bench)
    assert report.result is Result.DONE, report.words
    names = [o.segment for o in report.outcomes]
    assert [o.name for o in report.outcomes if o.segment == "item goes"] == ["lost"], "found out at once"
    assert "leave the item's end" not in names
    pushes = [o for o in report.outcomes if o.segment == "push after the item"]
    assert pushes[0].duration_s > 0.9 * EJECT.follow_m / 0.012, "it may be wedged"
    assert way_m[0] == pytest.approx(EJECT.follow_m, abs=1e-3)


def test_a_lost_end_between_the_paddles_is_left_before_it_is_pushed_in() -> None:
    bench = Bench()
    end_hangs(bench, 0.03, 0.010, end_m=0.043)
    report, way_m = ejected(bench)
    assert report.result is Result.DONE, report.words
    names = [o.segment for o in report.outcomes]
    assert [o.name for o in report.outcomes if o.segment == "close behind the item"] == ["between", ""]
    order = [names.index(name) for name in ("leave the item's end", "return to the item's end", "push after the item")]
    assert order == sorted(order)
    assert way_m[0] == pytest.approx(EJECT.follow_m, abs=1e-3)


def test_what_has_come_between_the_paddles_is_let_go_of_before_they_leave() -> None:
    bench = Bench()
    ejects, x_eject_m = bench.plant.on_step, float(X_EJECT[0, 3])

    def pinches(plant: FakePlant) -> None:
        assert ejects is not None
        ejects(plant)
        if bench.item.gone and mouth_x_m(plant) > x_eject_m + 0.012:
            plant.item_width_m = 0.0503

    bench.plant.on_step = pinches
    report, _ = ejected(bench)
    assert report.result is Result.DONE, report.words
    assert report.outcomes[-1].segment == "open paddles"
    assert abs(float(bench.cell.session.state.tau[Axis.SQUEEZE])) < 0.5


def test_a_heavy_item_is_pushed_slowly_and_is_not_pressed_on_afterwards() -> None:
    at_x_m = float(X_EJECT[0, 3]) + 0.006

    def wall(p: FloatArray, q: FloatArray) -> FloatArray:
        return np.array([-60_000.0 * max(0.0, p[0] - at_x_m), 0.0, 0.0])

    bench = Bench(wall, mass_kg=1.6)
    bench.cell.presented = PresentedItem(item=replace(ITEM, mass_kg=1.6, friction=0.8), X_base_item=pose())
    bench.cell.X_base_bin = X_BIN
    received, report = bench.run(RECEIVE, EJECT)
    assert received.ok and report.ok, (received.words, report.words)
    pushes = [o for o in report.outcomes if o.segment == "push after the item"]
    assert len(pushes) == 3, "each slower and harder than the one before"
    assert report.max_force_ratio < 1.0
    assert report.outcomes[-1].segment == "release"
    assert abs(float(bench.cell.session.state.F_tool[0])) < 2.0
