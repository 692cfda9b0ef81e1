"""Moved, tilted, wrong and missing pods in the simulation: found within bounds, refused in words beyond them."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from podhand.app.wiring import sim_settings
from podhand.core.errors import PerceptionError
from podhand.core.ports import DepthFrame
from podhand.core.poses import FloatArray, Pose, inverse, pose, rotation_rpy, rotation_vector
from podhand.core.station import load_station
from podhand.core.tooling import Pod
from podhand.perception.registration import Registration, check_still_there, register_bin
from podhand.sim.workcell import SimWorkcell
from podhand.sim.world import World

STATION = load_station("sim-stow")
SIZE_M = STATION.pod.bin_size_m
SEEDS = range(3)


def cell(seed: int, X_nominal_bin: Pose | None = None, pod: Pod = STATION.pod) -> SimWorkcell:
    world = World.standard(30_000 + seed, pod=pod)
    if X_nominal_bin is not None:
        world = replace(world, X_nominal_bin=X_nominal_bin)
    return SimWorkcell(
        world, settings=sim_settings(STATION), tool=STATION.tool, pod=pod, arm=STATION.arm.kinematics
    )  # fmt: skip


def look(workcell: SimWorkcell) -> list[DepthFrame]:
    return [camera.capture() for camera in workcell.cameras]


def register(workcell: SimWorkcell) -> Registration:
    return register_bin(look(workcell), workcell.X_world_bin_nominal, SIZE_M)


def error_of(workcell: SimWorkcell, found: Registration) -> tuple[float, float]:
    """Distance [m] and angle [rad] between the found and the true bin."""
    X = inverse(workcell.scene.X_world_bin) @ found.X_world_bin
    return float(np.linalg.norm(X[:3, 3])), float(np.linalg.norm(rotation_vector(X[:3, :3])))


def direction(rng: np.random.Generator) -> FloatArray:
    d: FloatArray = rng.normal(size=3)
    return d / np.linalg.norm(d)


def turned(axis: FloatArray, angle_deg: float) -> FloatArray:
    angles = np.deg2rad(angle_deg) * axis
    return rotation_rpy(float(angles[0]), float(angles[1]), float(angles[2]))


@pytest.mark.parametrize("angle_deg", [1.0, 2.5])
@pytest.mark.parametrize("seed", SEEDS)
def test_tilts_about_any_axis_are_found_within_the_bound(seed: int, angle_deg: float) -> None:
    rng = np.random.default_rng([seed, 1])
    workcell = cell(seed, pose(turned(direction(rng), angle_deg), 0.012 * direction(rng)))
    distance_m, angle_rad = error_of(workcell, register(workcell))
    assert distance_m < 0.005
    assert angle_rad < np.deg2rad(0.4)


@pytest.mark.parametrize("angle_deg", [4.0, 8.0])
@pytest.mark.parametrize("seed", SEEDS)
def test_more_tilt_or_turn_is_refused(seed: int, angle_deg: float) -> None:
    rng = np.random.default_rng([seed, 2])
    with pytest.raises(PerceptionError, match=r"bin (not recognised|found)"):
        register(cell(seed, pose(turned(direction(rng), angle_deg), 0.004 * direction(rng))))


@pytest.mark.parametrize("shift_m", [0.030, 0.038, 0.060, 0.110])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_pod_that_moved_is_refused_and_never_taken_for_one_that_stands_right(seed: int, shift_m: float) -> None:
    rng = np.random.default_rng([seed, 3])
    with pytest.raises(PerceptionError, match=r"bin (not recognised|found)"):
        register(cell(seed, pose(rotation_rpy(0, 0, float(rng.uniform(-0.02, 0.02))), shift_m * direction(rng))))


@pytest.mark.parametrize(
    ("pod", "words"),
    [
        (Pod(bin_width_m=0.28), "left edge is where it should be"),
        (Pod(bin_width_m=0.34), "edge is where it should be"),
        (Pod(bin_height_m=0.25), "upper edge"),
        (Pod(bin_height_m=0.32), "upper edge"),
        (Pod(bin_depth_m=0.50), "back wall"),
    ],
    ids=lambda value: "x".join(map(str, value.bin_size_m)) if isinstance(value, Pod) else None,
)
@pytest.mark.parametrize("seed", SEEDS[:2])
def test_a_pod_with_other_bins_is_refused_in_words(seed: int, pod: Pod, words: str) -> None:
    with pytest.raises(PerceptionError, match=words) as caught:
        register(cell(seed, pod=pod))
    assert "another pod" in str(caught.value)


def test_no_pod_at_all_is_refused() -> None:
    with pytest.raises(PerceptionError, match="too few points on its walls"):
        register(cell(0, pose(None, (5.0, 0.0, 0.0))))


BUMPS: dict[str, Callable[[float], Pose]] = {
    "sideways": lambda sign: pose(None, (0.0, 0.006 * sign, 0.0)),
    "up": lambda sign: pose(None, (0.0, 0.0, 0.006 * sign)),
    "in": lambda sign: pose(None, (0.006 * sign, 0.0, 0.0)),
    "turned": lambda sign: pose(rotation_rpy(0.0, 0.0, np.deg2rad(1.5) * sign)),
}


@pytest.mark.parametrize("bump", BUMPS)
@pytest.mark.parametrize("seed", SEEDS)
def test_a_bump_between_two_looks_is_noticed(seed: int, bump: str) -> None:
    workcell = cell(seed)
    found = register(workcell)
    check_still_there(look(workcell), found, SIZE_M)
    for sign in (-1.0, 1.0):
        # The cameras stand; the pod moves: the same edges appear elsewhere in their frames.
        moved = cell(seed, workcell.world.X_nominal_bin @ BUMPS[bump](sign))
        with pytest.raises(PerceptionError, match="not where it was found"):
            check_still_there(look(moved), found, SIZE_M)


def covered(frames: list[DepthFrame], share: float) -> list[DepthFrame]:
    """Hold something close before the left part of every camera."""
    found = []
    for frame in frames:
        depth = frame.depth_m.copy()
        depth[:, : round(share * depth.shape[1])] = 0.25
        found.append(replace(frame, depth_m=depth))
    return found


def test_what_the_tool_hides_does_not_count_but_blindness_does() -> None:
    workcell = cell(1)
    found = register(workcell)
    views = check_still_there(covered(look(workcell), 0.5), found, SIZE_M)
    assert views["left edge"].samples < 40 < views["right edge"].samples
    moved = cell(1, workcell.world.X_nominal_bin @ BUMPS["up"](1.0))
    with pytest.raises(PerceptionError, match="not where it was found"):
        check_still_there(covered(look(moved), 0.5), found, SIZE_M)
    with pytest.raises(PerceptionError, match="cannot be seen: no upright edge"):
        check_still_there(covered(look(workcell), 1.0), found, SIZE_M)
