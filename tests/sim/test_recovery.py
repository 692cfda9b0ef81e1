"""One fault in a stow: the cause is told, the state is safe, the item's place is known, and the next stow starts."""

from math import inf

import pytest

from podhand.app.episode import EpisodeJob
from podhand.app.fault_campaign import CTRL_C, KINDS, FaultEpisode, _FaultEpisode, run_fault_episode, summarise
from podhand.app.recovering import recover
from podhand.app.single import run_single, stop_a_stow
from podhand.app.wiring import build_workcell, read_catalogue, standard_world
from podhand.core.station import load_station
from podhand.planning.thinking import make_planner
from podhand.primitives.catalogue import Recover
from podhand.sim.faults import FaultKind

pytestmark = pytest.mark.slow
SEED = 3
BEFORE_THE_GRIP_S, ON_THE_WAY_S = 1.5, 5.5


def episode(kind: str, from_s: float, lasts_s: float = inf, index: int = 0) -> FaultEpisode:
    job = EpisodeJob(station="sim-stow", items=None, seed=SEED, index=index)
    return _FaultEpisode(job, kind, from_s, lasts_s).run()


@pytest.mark.parametrize(
    ("kind", "from_s", "lasts_s"),
    [
        (FaultKind.FT_NAN, ON_THE_WAY_S, 0.5),
        (FaultKind.FT_FROZEN, BEFORE_THE_GRIP_S, inf),
        (FaultKind.CAMERA_ZEROS, BEFORE_THE_GRIP_S, inf),
        (FaultKind.ITEM_SLIPS, ON_THE_WAY_S, inf),
        (FaultKind.ITEM_DROPPED, ON_THE_WAY_S, 0.5),
        (FaultKind.BELT_STALL, BEFORE_THE_GRIP_S, inf),
        (FaultKind.BAND_LOST, ON_THE_WAY_S, inf),
        (FaultKind.EMERGENCY_STOP, ON_THE_WAY_S, inf),
        (CTRL_C, ON_THE_WAY_S, inf),
    ],
)
def test_one_fault_is_told_and_ends_safe(kind: str, from_s: float, lasts_s: float) -> None:
    found = episode(kind, from_s, lasts_s)
    assert found.noticed
    assert found.cause_right, found.cause
    assert found.unsafe == ()
    assert found.not_at_rest == ()
    assert found.next_started, found.next_cause


def test_a_lasting_fault_of_the_sensor_lets_the_hook_give_the_bands_back() -> None:
    found = episode(FaultKind.FT_FROZEN, BEFORE_THE_GRIP_S)
    assert "the arm stands" in found.left
    assert "bands back" in found.left


def test_a_fault_episode_belongs_to_its_seed_and_index() -> None:
    job = EpisodeJob(station="sim-stow", items=None, seed=SEED, index=KINDS.index(FaultKind.BLADE_JAM))
    first, second = run_fault_episode(job), run_fault_episode(job)
    assert first == second
    assert first.fault == FaultKind.BLADE_JAM
    assert first.safe
    summary = summarise([first])
    assert summary["kinds"]["blade_jam"]["safe"] == 1
    assert summary["safe_ci95"][0] < 1.0


@pytest.mark.parametrize("stopped_at_s", [2.0, 6.5, 9.0])
def test_a_new_controller_recovers_from_where_a_stow_was_stopped(stopped_at_s: float) -> None:
    station = load_station("sim-stow")
    workcell = build_workcell(station, standard_world(station, read_catalogue(None), seed=5, index=0))
    stop_a_stow(workcell, "sim-stow", seed=5, at_s=stopped_at_s)
    report = recover(workcell, station, make_planner(station))
    assert report.ok, report.words
    assert abs(workcell.plant.data.qpos[:6] - station.arm.park_q_rad).max() < 0.02


def test_recover_alone_from_a_strange_pose() -> None:
    report = run_single(Recover(), station_name="sim-stow", seed=5, stopped_at_s=7.0)
    assert report.ok, report.words
    assert "at rest" in report.words
