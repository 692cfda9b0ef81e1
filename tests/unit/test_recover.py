"""Recover on a plant of ideal axes: measure, hold, out, bands back, item back, rest."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from podhand.controllers.lockstep import LockstepHost
from podhand.core.exchange import Axis, Safety, SlowSignal
from podhand.core.poses import FloatArray, pose
from podhand.primitives.base import PrimitiveReport, Result
from podhand.primitives.catalogue import Park, Recover
from podhand.primitives.cell import Bands, ItemPlace, Joints, Point, ReturnWay, StowCell
from tests.unit.fake_plant import STATION, Contact, FakePlant
from tests.unit.test_primitives_stow import HOME, Q_LIFTED, RECEIVE, X_GRASP, X_HOME, Bench, moved

PARK = tuple(STATION.arm.park_q_rad)
HOOK_PARK: Point = (STATION.band_arm.park_base_m[0], STATION.band_arm.park_base_m[1], STATION.band_arm.park_base_m[2])


@dataclass
class FakeWays:
    """Straight ways, without looking at anything."""

    hook: tuple[Point, ...] = ()

    def to_park(self, cell: StowCell) -> Joints:
        return (tuple(cell.arm_q()), PARK)

    def to_infeed(self, cell: StowCell) -> ReturnWay:
        return ReturnWay(
            to_infeed_rad=(tuple(cell.arm_q()), Q_LIFTED),
            X_base_tool_above=moved(x=0.05, z=0.05),
            X_base_tool_down=X_GRASP,
            X_base_tool_back=moved(x=-0.13),
        )

    def hook_to_park(self, cell: StowCell) -> tuple[Point, ...]:
        return self.hook


def bench_in_front_of_the_bin(contact: Contact | None = None, **item: Any) -> Bench:
    bench = Bench(contact, **item)
    bench.cell.ways = FakeWays()
    return bench


def set_down(bench: Bench) -> None:
    """Let the item stand on the rails when it is lowered onto them."""
    item = bench.plant.on_step

    def watch(plant: FakePlant) -> None:
        assert item is not None
        item(plant)
        if (STATION.arm.kinematics.flange(plant.q[:6]) @ STATION.tool.X_flange_tool)[2, 3] < X_GRASP[2, 3] + 0.002:
            plant.held_mass_kg = 0.0

    bench.plant.on_step = watch


def recover(bench: Bench, **params: Any) -> PrimitiveReport:
    (report,) = bench.run(Recover(**params))
    return report


def test_an_empty_tool_before_the_bin_comes_out_and_parks() -> None:
    bench = bench_in_front_of_the_bin()
    report = recover(bench)
    assert report.result is Result.DONE, report.words
    assert "came out of the bin" in report.words
    np.testing.assert_allclose(bench.plant.q[:6], PARK, atol=1e-4)
    bench.cell.X_base_bin = pose(None, X_HOME[:3, 3] + [0.6, 0.0, 0.0])
    assert recover(bench).words.startswith("nothing to do")


def test_a_new_controller_finds_the_held_item_and_brings_it_back() -> None:
    bench = bench_in_front_of_the_bin()
    bench.run(RECEIVE, Park(waypoints_rad=(Q_LIFTED, HOME)))
    set_down(bench)
    presented = bench.cell.presented
    bench.cell = StowCell(session=bench.host.session, station=STATION, presented=presented,
                          X_base_bin=bench.cell.X_base_bin, ways=FakeWays())  # fmt: skip
    report = recover(bench)
    assert report.result is Result.DONE, report.words
    assert "returned tea to the infeed" in report.words
    assert bench.cell.held is None
    np.testing.assert_allclose(bench.plant.q[:6], PARK, atol=1e-4)
    assert report.max_force_ratio < 1.0


def test_without_room_at_the_infeed_the_item_stays_held() -> None:
    bench = bench_in_front_of_the_bin()
    bench.run(RECEIVE, Park(waypoints_rad=(Q_LIFTED, HOME)))
    bench.plant.slow[SlowSignal.ITEM_AT_INFEED] = 1.0
    report = recover(bench)
    assert report.result is Result.FAILED
    assert "no room at the infeed" in report.words
    assert bench.cell.held is not None
    assert bench.cell.held.place is ItemPlace.PADDLES
    assert -bench.plant.tau[Axis.SQUEEZE] > 0.6 * bench.cell.held.grip_force_n


def test_pressure_is_relieved_the_way_the_force_points() -> None:
    def pressed(p: FloatArray, q: FloatArray) -> FloatArray:
        inside = p[0] > X_HOME[0, 3] - 0.002
        return np.array([0.0, 2000.0 * max(0.0, X_HOME[1, 3] + 0.006 - p[1]) if inside else 0.0, 0.0])

    bench = bench_in_front_of_the_bin(pressed)
    ways: list[float] = []

    def watch(plant: FakePlant) -> None:
        ways.append(float((STATION.arm.kinematics.flange(plant.q[:6]) @ STATION.tool.X_flange_tool)[1, 3]))

    bench.plant.on_step = watch
    report = recover(bench)
    assert report.result is Result.DONE, report.words
    assert "N off the tool" in report.words
    relieved_m = max(ways) - X_HOME[1, 3]
    assert 0.004 < relieved_m < 0.012


def test_bands_go_back_only_after_the_arm_is_out() -> None:
    bench = bench_in_front_of_the_bin()
    out = (HOOK_PARK[0], HOOK_PARK[1], HOOK_PARK[2] + 0.2)
    bench.cell.ways = FakeWays(hook=(out, HOOK_PARK))
    seen: list[tuple[float, float]] = []

    def watch(plant: FakePlant) -> None:
        x = float((STATION.arm.kinematics.flange(plant.q[:6]) @ STATION.tool.X_flange_tool)[0, 3])
        seen.append((x, float(plant.q[Axis.BAND_Z])))

    bench.plant.on_step = watch
    report = recover(bench)
    assert "bands back" in report.words
    assert bench.cell.bands is Bands.CLOSED
    clear_x_m = X_HOME[0, 3] - 0.07
    assert all(x < clear_x_m for x, z in seen if z > HOOK_PARK[2] + 0.01)


def test_a_fault_that_lasts_is_said_and_nothing_moves_then_it_passes() -> None:
    bench = bench_in_front_of_the_bin()

    async def press_the_button() -> None:
        bench.plant.safety = int(Safety.EMERGENCY_STOP)
        await bench.host.session.wait(0.01)

    bench.host.run(press_the_button())
    before = bench.plant.q.copy()
    report = recover(bench, wait_s=0.3)
    assert report.result is not Result.DONE
    assert "the fault stays, nothing moves" in report.words
    assert "tea is at the infeed" in report.words
    np.testing.assert_array_equal(bench.plant.q, before)
    bench.plant.safety = 0
    assert recover(bench).result is Result.DONE
    np.testing.assert_allclose(bench.plant.q[:6], PARK, atol=1e-4)


def test_an_item_lost_on_the_way_ends_the_motion_and_is_reported() -> None:
    bench = bench_in_front_of_the_bin()
    bench.run(RECEIVE)
    carried = bench.plant.on_step
    begin = bench.plant.tick

    def drop(plant: FakePlant) -> None:
        assert carried is not None
        bench.item.gone = plant.tick > begin + 150
        carried(plant)

    bench.plant.on_step = drop
    (report,) = bench.run(Park(waypoints_rad=(Q_LIFTED, HOME)))
    assert report.result is Result.FAILED
    assert "item lost" in report.words
    assert bench.cell.held is None
    assert bench.cell.lost is not None
    after = recover(bench)
    assert "the item is lost" in after.words
    assert "believed to be" in after.words
    np.testing.assert_allclose(bench.plant.q[:6], PARK, atol=1e-4)


def test_light_barriers_without_a_reading_keep_everything_still() -> None:
    bench = bench_in_front_of_the_bin()
    bench.plant.on_step = None
    bench.plant.slow[SlowSignal.ITEM_IN_PADDLES] = np.nan
    report = recover(bench)
    assert "light barriers give no reading" in report.words
    assert not report.moved


@pytest.mark.parametrize("missing", ["ways", "X_base_bin"])
def test_recover_says_what_it_lacks(missing: str) -> None:
    bench = bench_in_front_of_the_bin()
    setattr(bench.cell, missing, None)
    assert recover(bench).result is Result.REFUSED


def test_a_dead_force_sensor_keeps_the_arm_but_not_the_hook_when_the_arm_is_clear() -> None:
    plant = FakePlant(noise_n=0.0)
    host = LockstepHost.for_station(plant, STATION)
    cell = StowCell(session=host.session, station=STATION, X_base_bin=pose(None, X_HOME[:3, 3] + [0.40, 0.0, 0.0]),
                    ways=FakeWays(hook=(HOOK_PARK,)))  # fmt: skip
    report = host.run(Recover().run(cell))
    assert "not plausible (frozen)" in report.words
    assert cell.bands is Bands.CLOSED
    np.testing.assert_allclose(plant.q[:6], HOME)
