"""``podhand scene``: makes SCENE.npz files, from recorded RGB-D frames or from the simulated cameras."""

from pathlib import Path

from podhand.app.rgbd_folder import scene_of_folder
from podhand.app.scene_file import Scene, save_scene
from podhand.app.shell import console
from podhand.app.wiring import build_workcell, read_catalogue, standard_world
from podhand.core.ports import DepthFrame
from podhand.core.poses import Pose
from podhand.core.station import load_station
from podhand.perception.fitting import millimetres
from podhand.perception.registration import register_bin


def pack_folder(folder: Path, path: Path, frames: list[int]) -> Scene:
    """Make a scene of an RGB-D folder. Raises ConfigError and PerceptionError."""
    return _saved(scene_of_folder(folder, frames), path)


def pack_simulation(path: Path, *, station_name: str, seed: int, first: int) -> Scene:
    """Make a scene of what the simulated cameras see in one standard world, bin and cameras registered.

    Raises:
        ConfigError: the station cannot be used, or the file cannot be written.
        PerceptionError: the bin is not recognised.
    """
    station = load_station(station_name)
    workcell = build_workcell(station, standard_world(station, read_catalogue(None), seed=seed, index=first))
    frames = [camera.capture() for camera in workcell.cameras]
    return _saved(registered_scene(frames, workcell.X_world_bin_nominal, station.pod.bin_size_m), path)


def registered_scene(frames: list[DepthFrame], X_world_bin_nominal: Pose, size_m: tuple[float, float, float]) -> Scene:
    """Return a scene whose poses are those found by registration. Raises PerceptionError."""
    found = register_bin(frames, X_world_bin_nominal, size_m)
    placed = tuple(
        DepthFrame(depth_m=frame.depth_m, K=frame.K, X_world_camera=found.X_world_bin @ X_bin_camera, name=frame.name)
        for frame, X_bin_camera in zip(frames, found.X_bin_cameras, strict=True)
    )
    return Scene(frames=placed, X_world_bin=found.X_world_bin, size_m=size_m)


def _saved(scene: Scene, path: Path) -> Scene:
    save_scene(scene, path)
    console.print(
        f"{path}: {len(scene.frames)} views of a bin of {millimetres(scene.size_m)} mm (deep, wide, tall). "
        f"Next: podhand free-space {path} --item 0.12x0.04x0.035",
        soft_wrap=True,
    )
    return scene
