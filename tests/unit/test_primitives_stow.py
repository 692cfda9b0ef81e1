"""The stow primitives on a plant of ideal axes with a simple item."""

import asyncio
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from scipy.optimize import least_squares

from podhand.controllers.lockstep import LockstepHost
from podhand.core.exchange import Axis, SlowSignal
from podhand.core.items import Item, Shape
from podhand.core.ports import PresentedItem
from podhand.core.poses import FloatArray, Pose, pose
from podhand.primitives.base import PrimitiveReport, Result
from podhand.primitives.catalogue import (
    Align,
    Approach,
    CloseBands,
    EjectItem,
    ExtendBlade,
    OpenBands,
    Park,
    ReceiveItem,
    Retract,
    ReturnItem,
    Sweep,
    Verify,
)
from podhand.primitives.cell import Bands, HeldItem, Inspection, ItemPlace, StowCell
from podhand.primitives.recipes import Recipe, RecipeReport, par, run_recipe, seq, step
from tests.unit.fake_plant import STATION, Contact, FakePlant

ITEM = Item(sku="tea", length_m=0.15, width_m=0.06, height_m=0.10, mass_kg=0.5, shape=Shape.BOX, friction=0.5,
            max_squeeze_n=60.0)  # fmt: skip
HOME = tuple(STATION.arm.home_q_rad)
X_HOME: Pose = STATION.arm.kinematics.flange(np.array(HOME)) @ STATION.tool.X_flange_tool


def moved(x: float = 0.0, y: float = 0.0, z: float = 0.0) -> Pose:
    """Return home's tool pose moved along base."""
    return pose(X_HOME[:3, :3], X_HOME[:3, 3] + [x, y, z])


def matrix(X: Pose) -> Any:
    return tuple(tuple(float(v) for v in row) for row in X)


def joints(X: Pose) -> tuple[float, ...]:
    """Return joint positions near home for a tool pose."""
    arm, X_flange_tool = STATION.arm.kinematics, STATION.tool.X_flange_tool

    def miss(q: FloatArray) -> FloatArray:
        return np.asarray((arm.flange(q) @ X_flange_tool - X)[:3]).ravel()

    found = least_squares(miss, np.array(HOME), xtol=1e-12)
    assert found.cost < 1e-12
    return tuple(float(q) for q in found.x)


X_GRASP = moved(x=0.05)
Q_LIFTED = joints(moved(x=0.05, z=0.05))
X_BIN: Pose = pose(None, X_HOME[:3, 3] + [0.17, 0.0, 0.03])


@dataclass
class FakeItem:
    """An item that is squeezed where the infeed is, lifts with the tool, and leaves with the belts."""

    plant: FakePlant
    mass_kg: float = 0.62
    belts_at_grip_m: float = 0.0
    gone: bool = False
    slips: bool = False

    def __call__(self, plant: FakePlant) -> None:
        gripped = -plant.tau[Axis.SQUEEZE] > 3.0 and not self.gone
        flange = STATION.arm.kinematics.flange(plant.q[:6]) @ STATION.tool.X_flange_tool
        lifted = flange[2, 3] > X_GRASP[2, 3] + 0.004
        held = gripped and (lifted or plant.held_mass_kg > 0.0) and not self.slips
        belts = plant.q[Axis.BELT_LEFT]
        if not held and not self.gone:
            self.belts_at_grip_m = belts
        out_m = belts - self.belts_at_grip_m - 0.005
        self.gone = self.gone or out_m > ITEM.length_m
        plant.item_width_m = 0.0 if self.gone else ITEM.width_m
        plant.held_mass_kg = self.mass_kg if held and not self.gone else 0.0
        plant.slow[SlowSignal.ITEM_IN_PADDLES] = float(gripped and not self.slips)
        plant.slow[SlowSignal.MOUTH_BLOCKED] = float(0.0 < out_m < ITEM.length_m and not self.gone)


class Bench:
    def __init__(self, contact: Contact | None = None, **item: Any) -> None:
        self.plant = FakePlant(contact=contact, noise_n=0.05)
        self.plant.squeeze_stiffness_n_m = 6000.0
        self.plant.item_width_m = ITEM.width_m
        self.item = FakeItem(self.plant, **item)
        self.plant.on_step = self.item
        self.host = LockstepHost.for_station(self.plant, STATION)
        self.cell = StowCell(
            session=self.host.session,
            station=STATION,
            presented=PresentedItem(item=ITEM, X_base_item=pose()),
            X_base_bin=X_BIN,
        )

    def run(self, *primitives: Any) -> list[PrimitiveReport]:
        async def client() -> list[PrimitiveReport]:
            return [await p.run(self.cell) for p in primitives]

        return self.host.run(client())

    def recipe(self, root: Any) -> RecipeReport:
        return self.host.run(run_recipe(Recipe(name="test", root=root), self.cell))


RECEIVE = ReceiveItem(waypoints_rad=(HOME,), X_base_tool_grasp=matrix(X_GRASP), opening_m=0.075, lift_m=0.05)


def springs(k_n_m: float, at_y_m: float) -> Contact:
    """Something in the bin that the blade pushes toward -y."""

    def push(p: FloatArray, q: FloatArray) -> FloatArray:
        inside = q[Axis.BLADE] > 0.05
        return np.array([0.0, k_n_m * max(0.0, at_y_m - p[1]) if inside else 0.0, 0.0])

    return push


def test_a_grip_that_gives_way_stops_the_arm_though_the_item_is_still_there() -> None:
    bench = Bench()
    bench.run(RECEIVE)
    begin_s = bench.cell.session.state.time_s + 0.5

    def gives_way(plant: FakePlant) -> None:
        bench.item(plant)
        weak = begin_s < plant.tick * plant.tick_s < begin_s + 0.1
        plant.squeeze_stiffness_n_m = 0.0 if weak else 6000.0
        plant.slow[SlowSignal.ITEM_IN_PADDLES] = 1.0

    bench.plant.on_step = gives_way
    (report,) = bench.run(Approach(waypoints_rad=(Q_LIFTED, HOME), X_base_tool_mouth=matrix(moved(x=0.15))))
    assert report.result is Result.FAILED
    assert "grip lost" in report.words
    assert report.ended_s < begin_s + 0.3, "the arm stands at once"
    assert bench.cell.item_place is ItemPlace.PADDLES


def test_receive_weighs_the_item_and_lets_the_kernel_carry_it() -> None:
    bench = Bench()
    (report,) = bench.run(RECEIVE)
    assert report.result is Result.DONE, report.words
    assert report.data["mass_kg"] == pytest.approx(0.62, abs=0.03)
    assert bench.cell.held is not None
    assert bench.cell.held.com_tool_m[0] == pytest.approx(-0.08, abs=0.01)
    assert bench.cell.where_is_the_item() == f"tea, {bench.cell.held.mass_kg:.2f} kg is between the paddles"
    assert -bench.plant.tau[Axis.SQUEEZE] == pytest.approx(bench.cell.held.grip_force_n, rel=0.3)

    async def feel() -> float:
        outcome = await bench.host.session.run([rest_segment(bench.cell)])
        return float(outcome.peak_force_norm_n)

    assert bench.host.run(feel()) < 0.5  # the payload is known: nothing is felt any more


def rest_segment(cell: StowCell) -> Any:
    from podhand.primitives.motions import rest

    return rest(cell, 0.2, name="rest", force_n=20.0)


def test_an_item_that_stays_behind_is_noticed_and_left_at_the_infeed() -> None:
    bench = Bench(slips=True)
    report = bench.recipe(seq(RECEIVE))
    assert not report.ok
    assert "not between the paddles" in report.words
    assert report.plan == ("receive_item", "undo receive_item")
    assert report.steps[1].ok, report.steps[1].words
    assert bench.cell.held is None


RETURN = ReturnItem(
    waypoints_rad=(HOME, Q_LIFTED),
    X_base_tool_above=matrix(moved(x=0.05, z=0.05)),
    X_base_tool_down=matrix(X_GRASP),
    X_base_tool_back=matrix(moved(x=-0.13)),
)


def test_return_item_brings_a_held_item_back_to_the_infeed() -> None:
    bench = Bench()
    bench.run(RECEIVE, Park(waypoints_rad=(Q_LIFTED, HOME)))
    grip_n = -bench.plant.tau[Axis.SQUEEZE]
    lowest = [np.inf]
    item = bench.plant.on_step

    def watch(plant: FakePlant) -> None:
        assert item is not None
        item(plant)
        z = float((STATION.arm.kinematics.flange(plant.q[:6]) @ STATION.tool.X_flange_tool)[2, 3])
        lowest[0] = min(lowest[0], z)
        if z < X_GRASP[2, 3] + 0.002:
            plant.held_mass_kg = 0.0  # it stands on the rails
        if plant.held_mass_kg > 0.0:
            assert -plant.tau[Axis.SQUEEZE] > 0.6 * grip_n  # held until it stands

    bench.plant.on_step = watch
    assert bench.cell.held is not None
    (report,) = bench.run(RETURN)
    assert report.result is Result.DONE, report.words
    assert report.words == "returned tea to the infeed"
    assert bench.cell.held is None
    assert bench.cell.where_is_the_item() == "tea is at the infeed"
    assert bench.cell.opening_m > ITEM.width_m
    assert lowest[0] == pytest.approx(X_GRASP[2, 3], abs=0.003)
    X_tool = bench.host.session.state.X_base_tool
    np.testing.assert_allclose(X_tool[:3, 3], moved(x=-0.13)[:3, 3], atol=1e-3)
    assert report.max_force_ratio < 1.0


@pytest.mark.parametrize(
    ("place", "message"),
    [(None, "the tool holds nothing"), (ItemPlace.MOUTH, "not in a safe grip")],
)
def test_return_item_wants_an_item_in_a_safe_grip(place: ItemPlace | None, message: str) -> None:
    bench = Bench()
    if place:
        bench.cell.held = HeldItem(item=ITEM, place=place, grip_force_n=10.0)
    before = bench.plant.q.copy()
    (report,) = bench.run(RETURN)
    assert report.result is Result.REFUSED
    assert message in report.words
    np.testing.assert_array_equal(bench.plant.q, before)


@pytest.mark.parametrize(("waits", "words"), [(1.0, "left the item at the infeed"), (0.0, "no longer on its rails")])
def test_nothing_between_the_paddles_is_noticed(waits: float, words: str) -> None:
    bench = Bench()
    bench.plant.slow[SlowSignal.ITEM_AT_INFEED] = waits
    bench.plant.on_step = lambda plant: setattr(plant, "item_width_m", 0.0)
    report = bench.recipe(seq(RECEIVE))
    assert "nothing there" in report.words
    assert words in report.steps[1].words


def test_an_item_too_heavy_goes_back() -> None:
    bench = Bench(mass_kg=4.3)
    bench.cell.presented = PresentedItem(item=replace(ITEM, mass_kg=3.5), X_base_item=pose())
    report = bench.recipe(seq(RECEIVE))
    assert "weighs 4.3" in report.words
    assert report.steps[-1].ok, report.steps[-1].words
    assert report.item == "tea is at the infeed"


def hook(x: float, z: float) -> tuple[float, float, float]:
    return (x, 0.0, z)


OPEN = OpenBands(positions_base_m=(hook(1.05, 0.2), hook(1.10, 0.2), hook(1.10, 0.0)), least_pull_n=0.0)
CLOSE = CloseBands(positions_base_m=(hook(1.10, 0.2), hook(1.05, 0.2), hook(1.05, -0.3)))


def stow(sweep_m: float = 0.04) -> Any:
    mouth = moved(x=0.15, z=0.10)
    return seq(
        RECEIVE,
        par(Approach(waypoints_rad=(Q_LIFTED, HOME), X_base_tool_mouth=matrix(mouth)), OPEN),
        ExtendBlade(extension_m=0.20),
        Sweep(direction=-1, distance_m=sweep_m, min_distance_m=0.02),
        ExtendBlade(extension_m=0.0),
        Align(X_base_tool_mouth=matrix(moved(x=0.15, y=-sweep_m, z=0.10))),
        EjectItem(),
        Retract(to_x_bin_m=-0.12),
        CLOSE,
        Verify(settle_s=0.05),
        Park(),
    )


def test_a_whole_stow() -> None:
    bench = Bench(springs(200.0, X_HOME[1, 3] - 0.01))
    bench.cell.inspect = lambda: Inspection(ok=True, words="the item stands in the bin", data={"x_m": 0.1})
    report = bench.recipe(stow())
    assert report.ok, report.words
    assert report.plan == ("receive_item", "approach", "open_bands", "extend_blade", "sweep", "extend_blade", "align",
                           "eject_item", "retract", "close_bands", "verify", "park") or report.plan[1:3] == (
                               "open_bands", "approach")  # fmt: skip
    assert report.item == "tea is in the bin"
    assert bench.cell.bands is Bands.CLOSED
    swept = next(r for r in report.steps if r.name == "sweep")
    assert swept.data["travelled_m"] == pytest.approx(0.04, abs=0.004)
    assert max(r.max_force_ratio for r in report.steps) < 1.0
    np.testing.assert_allclose(bench.plant.q[:6], STATION.arm.park_q_rad, atol=1e-4)


def test_a_sweep_against_a_wall_stalls_and_the_item_comes_back() -> None:
    bench = Bench(springs(3000.0, X_HOME[1, 3] - 0.005))
    report = bench.recipe(stow())
    assert not report.ok
    failed = report.failed
    assert failed is not None
    assert failed.name == "sweep"
    assert "stalled after" in failed.words
    assert failed.max_force_ratio < 1.0
    undone = [r.name for r in report.steps if r.name.startswith("undo")]
    assert undone[:2] == ["undo sweep", "undo extend_blade"]
    assert undone[-1] == "undo receive_item"
    assert set(undone[2:4]) == {"undo approach", "undo open_bands"}
    assert all(r.ok for r in report.steps if r.name.startswith("undo")), [
        r.words for r in report.steps if r.name.startswith("undo")
    ]
    assert report.item == "tea is at the infeed"
    assert bench.cell.bands is Bands.CLOSED


def test_an_approach_stops_at_contact() -> None:
    def wall(p: FloatArray, q: FloatArray) -> FloatArray:
        return np.array([-800.0 * max(0.0, p[0] - X_HOME[0, 3] - 0.05), 0.0, 0.0])

    bench = Bench(wall)
    (report,) = bench.run(Approach(waypoints_rad=(HOME,), X_base_tool_mouth=matrix(moved(x=0.15))))
    assert report.result is Result.FAILED
    assert "something is in the way" in report.words
    assert report.peak_filtered_force_n < STATION.forces.approach_n


def test_a_blocked_blade_says_where() -> None:
    def block(p: FloatArray, q: FloatArray) -> FloatArray:
        return np.array([-800.0 * max(0.0, q[Axis.BLADE] - 0.12), 0.0, 0.0])

    bench = Bench(block)
    (report,) = bench.run(ExtendBlade(extension_m=0.25))
    assert report.result is Result.FAILED
    assert "blade was stopped by a hard contact at 1" in report.words
    assert "no way in within 10 mm to either side" in report.words
    assert bench.plant.q[Axis.BLADE] < 0.14


@pytest.mark.parametrize(
    ("primitive", "message"),
    [
        (EjectItem(), "the tool holds nothing"),
        (Sweep(direction=1, distance_m=0.05), "the blade is retracted"),
        (CLOSE, "the bands are closed already"),
        (Verify(), "the cell has no eyes"),
        (Sweep(direction=1, distance_m=0.05, max_force_n=60.0), "may only tighten"),
    ],
)
def test_unmet_preconditions_move_nothing(primitive: Any, message: str) -> None:
    bench = Bench()
    before = bench.plant.q.copy()
    (report,) = bench.run(primitive)
    assert report.result is Result.REFUSED
    assert message in report.words
    np.testing.assert_array_equal(bench.plant.q, before)


def test_a_path_from_elsewhere_is_refused() -> None:
    bench = Bench()
    away = tuple(q + 0.3 for q in HOME)
    (report,) = bench.run(Approach(waypoints_rad=(away,), X_base_tool_mouth=matrix(moved(x=0.1))))
    assert report.result is Result.REFUSED
    assert "0.300 rad away" in report.words


def test_a_jammed_item_is_taken_back_into_the_belts() -> None:
    bench = Bench()
    bench.run(RECEIVE)
    jam = bench.plant.on_step

    def jammed(plant: FakePlant) -> None:
        assert jam is not None
        jam(plant)
        if plant.q[Axis.BELT_LEFT] > 0.05:
            plant.slow[SlowSignal.MOUTH_BLOCKED] = 1.0
            plant.slow[SlowSignal.ITEM_IN_PADDLES] = 1.0
            bench.item.gone = False
            plant.item_width_m = ITEM.width_m

    bench.plant.on_step = jammed
    before_n = bench.cell.held.grip_force_n if bench.cell.held else 0.0
    report = bench.recipe(step(EjectItem(max_time_s=0.5)))
    assert "slipped: the belts run, but the item does not leave" in report.words
    assert report.steps[1].words == "the belts took the item back"
    assert bench.cell.held is not None
    assert before_n <= bench.cell.held.grip_force_n <= ITEM.max_squeeze_n  # carried again
    assert bench.cell.held is not None
    assert bench.cell.held.place is ItemPlace.PADDLES


def test_previews_move_nothing_and_tell_the_way() -> None:
    bench = Bench()

    async def client() -> list[Any]:
        await asyncio.sleep(0)
        bench.cell.held = HeldItem(item=ITEM, place=ItemPlace.PADDLES, grip_force_n=10.0)
        return [s.make().preview(bench.cell) for s in Recipe(name="x", root=stow()).steps()]

    previews = bench.host.run(client())
    assert bench.plant.tick <= 2
    assert all(p.words for p in previews)
    sweep = next(p for p in previews if p.name == "sweep")
    assert sweep.words == "sweeps 40 mm to the right with at most 20 N"
    assert sweep.path_base_m[1][1] == pytest.approx(sweep.path_base_m[0][1] - 0.04)
    assert sum(p.duration_s for p in previews) > 5.0


def hangs(times: int) -> Contact:
    """Something that hangs on the blade while it is drawn in, and comes off after so many pulls."""
    seen = {"out_m": 0.0, "pulls": 0.0, "last_m": 0.0}

    def pull(p: FloatArray, q: FloatArray) -> FloatArray:
        blade_m, inwards = q[Axis.BLADE], q[Axis.BLADE] < seen["last_m"]
        outwards = q[Axis.BLADE] > seen["last_m"]
        seen["pulls"] += float(outwards and seen["out_m"] < 0.5)
        seen["out_m"] = 1.0 if outwards else 0.0 if inwards else seen["out_m"]
        seen["last_m"] = blade_m
        return np.array([5.0 if inwards and seen["pulls"] <= times and 0.02 < blade_m < 0.17 else 0.0, 0.0, 0.0])

    return pull


@pytest.mark.parametrize(("pulls", "result"), [(1, Result.DONE), (9, Result.FAILED)])
def test_what_hangs_on_the_blade_is_shaken_off_once(pulls: int, result: Result) -> None:
    bench = Bench(hangs(pulls))
    out, back = bench.run(ExtendBlade(extension_m=0.20), ExtendBlade(extension_m=0.0))
    assert out.ok, out.words
    assert back.result is result, back.words
    assert back.data["hooked_n"] > 3.0
    assert [o.segment for o in back.outcomes].count("shake") == 3
    assert ("hooked: something comes along" in back.words) is (result is Result.FAILED)
    assert back.max_force_ratio < 1.0


@pytest.mark.parametrize(("times", "result"), [(1, Result.DONE), (9, Result.FAILED)])
def test_a_band_that_stays_on_the_hook_is_given_back_once_more(times: int, result: Result) -> None:
    bench = Bench()
    item, left = bench.plant.on_step, [0, 0.0]

    def stays(plant: FakePlant) -> None:
        assert item is not None
        item(plant)
        at_end = plant.q[Axis.BAND_Z] < -0.29
        left[0] += int(at_end and not left[1])
        left[1] = at_end
        plant.tau[Axis.BAND_Z] = 30.0 if left[0] <= times else 0.0

    bench.plant.on_step = stays
    opened, closed = bench.run(OPEN, CLOSE)
    assert opened.ok, opened.words
    assert closed.result is result, closed.words
    assert ("hooked: a band still pulls" in closed.words) is (result is Result.FAILED)
    assert bench.cell.bands is (Bands.CLOSED if result is Result.DONE else Bands.UNKNOWN)


def test_without_feeling_a_sweep_plays_its_plan() -> None:
    bench = Bench(springs(200.0, X_HOME[1, 3] - 0.01))
    plain, felt = (Sweep(direction=-1, distance_m=0.03, speed_m_s=0.035, feel=feel) for feel in (False, True))
    _, report = bench.run(ExtendBlade(extension_m=0.20, seek=False), plain)
    assert [o.segment for o in report.outcomes] == ["sweep"]
    assert report.ok, report.words
    again = Bench(springs(200.0, X_HOME[1, 3] - 0.01))
    _, report = again.run(ExtendBlade(extension_m=0.20), felt)
    assert report.ok, report.words
    assert report.outcomes[0].segment == "sweep, light"
    assert report.data["resistance_n"] > 1.5
