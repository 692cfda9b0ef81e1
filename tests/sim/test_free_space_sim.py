"""Free space in scenes of the simulated cameras, against what the simulator knows to be there."""

import json
from functools import cache
from pathlib import Path

import numpy as np
from typer.testing import CliRunner

from podhand.app.cli import app
from podhand.app.scene_commands import registered_scene
from podhand.app.wiring import build_workcell, read_catalogue, standard_world
from podhand.core.items import Shape
from podhand.core.poses import FloatArray, Pose, inverse
from podhand.core.station import load_station
from podhand.perception.fitting import fit_item
from podhand.perception.fusion import Volume, fuse
from podhand.perception.occupancy import FREE, OCCUPIED
from podhand.sim.workcell import Body

WORLDS = 4
ITEMS_M = ((0.03, 0.03, 0.03), (0.12, 0.04, 0.035), (0.15, 0.10, 0.03), (0.20, 0.12, 0.05))
TOLERANCE_M = 0.006
"""Registration leaves about 1 mm and 0.1 degrees, depth noise 1 mm."""


@cache
def seen() -> tuple[tuple[Volume, Pose, tuple[Body, ...]], ...]:
    """Volumes, the true bin in the found one, and what truly is in it."""
    station, catalogue, cases = load_station("sim-stow"), read_catalogue(None), []
    for index in range(WORLDS):
        workcell = build_workcell(station, standard_world(station, catalogue, seed=11, index=index))
        frames = [camera.capture() for camera in workcell.cameras]
        scene = registered_scene(frames, workcell.X_world_bin_nominal, station.pod.bin_size_m)
        truth = workcell.truth()
        volume = fuse(scene.frames, scene.X_world_bin, scene.size_m)
        cases.append((volume, inverse(scene.X_world_bin) @ truth.X_world_bin, truth.contents))
    return tuple(cases)


def depth_inside_m(body: Body, X_found_true: Pose, p_found_m: FloatArray) -> FloatArray:
    """How deep points (n, 3) of the found bin frame lie inside a box or cylinder; negative outside."""
    X = inverse(X_found_true @ body.X_bin_item)
    p = np.abs(p_found_m @ X[:3, :3].T + X[:3, 3])
    half = np.array(body.size_m) / 2
    if body.shape is Shape.CYLINDER:
        return np.asarray(np.minimum(half[0] - np.hypot(p[:, 0], p[:, 1]), half[2] - p[:, 2]))
    return np.asarray((half - p).min(axis=1))


def middles_m(volume: Volume) -> FloatArray:
    return volume.low_corner_m + (np.argwhere(volume.states < 9) + 0.5) * volume.voxel_m


def solid(contents: tuple[Body, ...]) -> list[Body]:
    """Bodies that are exactly what their size says."""
    return [body for body in contents if body.shape in (Shape.BOX, Shape.CYLINDER)]


def test_what_is_called_free_is_free_in_the_simulator() -> None:
    bodies = 0
    for volume, X_found_true, contents in seen():
        p, free = middles_m(volume), volume.states.ravel() == FREE
        assert 0.15 < volume.share(FREE) < 0.95
        for body in solid(contents):
            bodies += 1
            inside = depth_inside_m(body, X_found_true, p) > TOLERANCE_M
            assert inside.sum() > 50
            assert (inside & free).sum() <= 0.001 * inside.sum(), body.name
    assert bodies >= WORLDS


def test_what_is_called_occupied_is_there() -> None:
    for volume, X_found_true, contents in seen():
        if len(solid(contents)) < len(contents):
            continue
        p = middles_m(volume)[volume.states.ravel() == OCCUPIED]
        depth = np.max([depth_inside_m(body, X_found_true, p) for body in contents], axis=0)
        to_wall = np.min([0.4 - p[:, 0], 0.15 - np.abs(p[:, 1]), p[:, 2], 0.28 - p[:, 2]], axis=0)
        assert ((depth > -0.010) | (to_wall < 0.012)).mean() > 0.97


def test_places_hold_nothing_of_what_truly_is_in_the_bin() -> None:
    places = 0
    for volume, X_found_true, contents in seen():
        for item in ITEMS_M:
            for place in fit_item(volume, item).placements:
                places += 1
                steps = [np.arange(-s / 2 + TOLERANCE_M, s / 2 - TOLERANCE_M + 1e-9, 0.004) for s in place.size_m]
                p = np.stack(np.meshgrid(*steps, indexing="ij"), axis=-1).reshape(-1, 3) + place.X_bin_item[:3, 3]
                for body in solid(contents):
                    assert depth_inside_m(body, X_found_true, p).max() < TOLERANCE_M, (item, body.name)
    assert places > 5 * WORLDS


def test_the_command_answers_on_a_scene_of_the_simulator(tmp_path: Path) -> None:
    scene, answer = tmp_path / "bin.npz", tmp_path / "answer.json"
    assert CliRunner().invoke(app, ["scene", "from-sim", str(scene), "--seed", "11"]).exit_code == 0
    command = ["free-space", str(scene), "--item", "0.03x0.03x0.03", "--json", str(answer)]
    assert CliRunner().invoke(app, command).exit_code == 0
    first = fit_item(seen()[0][0], (0.03, 0.03, 0.03))
    told = json.loads(answer.read_text())
    assert told["fits"] == first.fits
    np.testing.assert_allclose(told["placements"][0]["X_bin_item"], first.placements[0].X_bin_item, atol=1e-6)
