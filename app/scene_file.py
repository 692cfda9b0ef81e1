"""SCENE.npz: depth views of one bin, with poses; what ``podhand free-space`` reads."""

import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from podhand.core.errors import ConfigError, PerceptionError
from podhand.core.ports import DepthFrame
from podhand.core.poses import Pose

KEYS = ("depth_m", "K", "X_world_camera", "X_world_bin", "bin_size_m")
COLOUR = "colour"
"""Optional (n, h, w, 3) uint8: the same views as pictures, for people only."""

ByteArray = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Depth views of one moment, and where the bin is."""

    frames: tuple[DepthFrame, ...]
    X_world_bin: Pose
    size_m: tuple[float, float, float]
    colour: tuple[ByteArray, ...] = ()
    """(h, w, 3) per frame, or none at all."""


def save_scene(scene: Scene, path: Path) -> None:
    """Write a scene; the folder is made.

    Raises:
        ConfigError: the frames are of different sizes, or the file cannot be written.
    """
    shapes = {frame.depth_m.shape for frame in scene.frames}
    if len(shapes) != 1:
        raise ConfigError(f"{path}: all frames of a scene must be of one size (got {sorted(shapes)}); leave some out")
    arrays: dict[str, Any] = {
        "depth_m": np.stack([frame.depth_m for frame in scene.frames]).astype(np.float32),
        "K": np.stack([frame.K for frame in scene.frames]),
        "X_world_camera": np.stack([frame.X_world_camera for frame in scene.frames]),
        "X_world_bin": scene.X_world_bin,
        "bin_size_m": np.array(scene.size_m),
    }
    if scene.colour:
        arrays[COLOUR] = np.stack(scene.colour)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            np.savez_compressed(file, **arrays)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error.strerror}); give another file") from error


def load_scene(path: Path) -> Scene:
    """Read and check a scene; unknown depth (0 or NaN) becomes 0.

    Raises:
        ConfigError: the file cannot be read, is no npz archive, or lacks an array.
        PerceptionError: an array has a wrong shape, type or value; which, what is wrong, what is allowed.
    """
    arrays = _read(path)
    depth = _numbers(arrays, "depth_m", path, "(n, h, w)", floating=True)
    if depth.ndim != 3 or depth.shape[0] == 0 or min(depth.shape[1:]) < 8:
        raise _wrong(path, "depth_m", "must be images (n, h, w), n at least 1, h and w at least 8", depth.shape)
    n = depth.shape[0]
    K = _numbers(arrays, "K", path, "(3, 3) or (n, 3, 3)")
    if K.shape not in ((3, 3), (n, 3, 3)):
        raise _wrong(path, "K", f"must be (3, 3) or, for {n} views, ({n}, 3, 3)", K.shape)
    X_world_camera = _numbers(arrays, "X_world_camera", path, "(n, 4, 4)")
    if X_world_camera.shape != (n, 4, 4):
        raise _wrong(path, "X_world_camera", f"must be ({n}, 4, 4), one pose per view", X_world_camera.shape)
    X_world_bin = _numbers(arrays, "X_world_bin", path, "(4, 4)")
    if X_world_bin.shape != (4, 4):
        raise _wrong(path, "X_world_bin", "must be (4, 4)", X_world_bin.shape)
    size = _numbers(arrays, "bin_size_m", path, "(3,)")
    if size.shape != (3,):
        raise _wrong(path, "bin_size_m", "must be (3,): x into the bin, y, z", size.shape)
    depth = np.where(np.isnan(depth), 0.0, depth).astype(np.float32)
    every_K = np.broadcast_to(K.astype(float), (n, 3, 3))
    frames = tuple(
        DepthFrame(depth_m=np.ascontiguousarray(depth[i]), K=every_K[i].copy(),
                   X_world_camera=X_world_camera[i].astype(float), name=f"{path}: view {i}")
        for i in range(n)
    )  # fmt: skip
    return Scene(
        frames=frames,
        X_world_bin=X_world_bin.astype(float),
        size_m=(float(size[0]), float(size[1]), float(size[2])),
        colour=_colour(arrays, path, depth.shape),
    )


def _read(path: Path) -> dict[str, NDArray[Any]]:
    if not path.is_file():
        raise ConfigError(f"{path}: there is no such file; give a SCENE.npz, see `podhand scene --help`")
    try:
        archive = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise _unreadable(path, error) from error
    if not isinstance(archive, np.lib.npyio.NpzFile):
        raise ConfigError(f"{path}: holds one array, not the named arrays of an npz archive; write it with np.savez")
    with archive:
        missing = [key for key in KEYS if key not in archive.files]
        if missing:
            there = ", ".join(archive.files) or "none"
            raise ConfigError(f"{path}: lacks {', '.join(missing)} (got {there}); a scene has {', '.join(KEYS)}")
        try:
            return {key: archive[key] for key in (*KEYS, COLOUR) if key in archive.files}
        except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> ConfigError:
    return ConfigError(f"{path}: cannot be read as an npz archive of plain arrays ({error}); write it with np.savez")


def _numbers(
    arrays: dict[str, NDArray[Any]], key: str, path: Path, shape: str, *, floating: bool = False
) -> NDArray[Any]:
    array = arrays[key]
    if array.dtype.kind not in ("f" if floating else "fiu"):
        hint = "; integers are usually mm: divide by 1000" if array.dtype.kind in "iu" else ""
        raise PerceptionError(
            f"{path}: {key} must be {'floating-point' if floating else 'real'} numbers {shape} "
            f"(got {array.dtype}){hint}"
        )
    return array


def _colour(arrays: dict[str, NDArray[Any]], path: Path, shape: Sequence[int]) -> tuple[ByteArray, ...]:
    if COLOUR not in arrays:
        return ()
    colour = arrays[COLOUR]
    if colour.dtype != np.uint8 or colour.shape != (*shape, 3):
        raise PerceptionError(
            f"{path}: {COLOUR} must be uint8 {(*shape, 3)} (got {colour.dtype} {colour.shape}); it may be left out"
        )
    return tuple(colour)


def _wrong(path: Path, key: str, rule: str, shape: tuple[int, ...]) -> PerceptionError:
    return PerceptionError(f"{path}: {key} {rule} (got shape {shape}); check what wrote the scene")
