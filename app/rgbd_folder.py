"""RGB-D folders in the layout of apc-vision-toolbox: numbered PNG frames beside ``cam.info.txt``.

Depth is 16 bit, in 0.1 mm, its bits turned by three, registered to the colour camera.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.image import imread
from numpy.typing import NDArray

from podhand.app.scene_file import ByteArray, Scene
from podhand.core.errors import ConfigError
from podhand.core.ports import DepthFrame
from podhand.core.poses import FloatArray, Pose
from podhand.perception.bin_search import find_bin

_INFO = "cam.info.txt"
_DEPTH_UNITS_PER_M = 10_000.0


def read_rgbd_folder(folder: Path) -> tuple[list[DepthFrame], Pose]:
    """Read all frames, and the rough pose of the bin.

    Raises:
        ConfigError: a file is missing or is not what it should be.
    """
    info = folder / _INFO
    files = sorted(folder.glob("frame-*.depth.png"))
    if not info.is_file() or not files:
        raise ConfigError(f"{folder}: must hold {_INFO} and frame-NNNNNN.depth.png files; give an RGB-D folder")
    matrices = _read_matrices(info)
    K = _matrix(matrices, "Color camera intrinsic", (3, 3), info)
    frames = []
    for file in files:
        name = file.name.split(".")[0]
        X_world_camera = _orthonormal(_matrix(matrices, name, (4, 4), info))
        frames.append(DepthFrame(depth_m=read_depth_m(file), K=K, X_world_camera=X_world_camera, name=name))
    return frames, _orthonormal(_matrix(matrices, "Bin-to-world", (4, 4), info))


def scene_of_folder(folder: Path, chosen: Sequence[int] = ()) -> Scene:
    """Make a scene of a folder's frames: the bin is found in all of them, the scene keeps the chosen ones (or all).

    Raises:
        ConfigError: a file is missing or wrong, or a chosen frame is not there.
        PerceptionError: the bin cannot be found in the frames.
    """
    frames, X_world_bin_rough = read_rgbd_folder(folder)
    X_world_bin, size_m = find_bin(frames, X_world_bin_rough)
    wrong = [n for n in chosen if not 0 <= n < len(frames)]
    if wrong:
        raise ConfigError(f"{folder}: has frames 0 … {len(frames) - 1} (got {wrong[0]}); choose among them")
    kept = [frames[n] for n in chosen] or frames
    pictures = [folder / f"{frame.name}.color.png" for frame in kept]
    colour = tuple(_read_colour(path) for path in pictures) if all(path.is_file() for path in pictures) else ()
    return Scene(frames=tuple(kept), X_world_bin=X_world_bin, size_m=size_m, colour=colour)


def read_depth_m(path: Path) -> NDArray[np.float32]:
    """Return a depth picture (h, w) [m], 0 where unknown. Raises ConfigError."""
    pixels = _pixels(path)
    if pixels.ndim != 2:
        raise ConfigError(f"{path}: must be a grey 16-bit picture (got shape {pixels.shape}); give depth, not colour")
    raw = np.round(pixels * 65535).astype(np.uint32)
    turned = ((raw << 13) | (raw >> 3)) & 0xFFFF
    return (turned / _DEPTH_UNITS_PER_M).astype(np.float32)


def _read_colour(path: Path) -> ByteArray:
    return np.round(255.0 * _pixels(path)[..., :3]).astype(np.uint8)


def _pixels(path: Path) -> FloatArray:
    try:
        return np.asarray(imread(path), float)
    except (OSError, SyntaxError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read as a PNG ({error}); copy it again") from error


def _read_matrices(path: Path) -> dict[str, FloatArray]:
    try:
        return _matrices(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: must be titles after # and rows of numbers ({error}); check the file") from error


def _matrices(text: str) -> dict[str, FloatArray]:
    """Return the matrices by the title in front of them; frames by their name."""
    found: dict[str, FloatArray] = {}
    for block in text.split("#")[1:]:
        title, *rows = block.strip().splitlines()
        numbers = [[float(v) for v in row.split()] for row in rows if row.strip()]
        frame = re.search(r"frame-\d+", title)
        if numbers:
            found[frame.group() if frame else re.sub(r" (matrix|transformation).*", "", title)] = np.array(numbers)
    return found


def _matrix(matrices: dict[str, FloatArray], key: str, shape: tuple[int, int], path: Path) -> FloatArray:
    if key not in matrices or matrices[key].shape != shape:
        got = matrices[key].shape if key in matrices else "none"
        raise ConfigError(f"{path}: '{key}' must have a matrix {shape} (got {got}); check the file")
    return matrices[key]


def _orthonormal(X: Pose) -> Pose:
    """Return the pose with the nearest rotation: files round."""
    u, _, vt = np.linalg.svd(X[:3, :3])
    Y = X.copy()
    Y[:3, :3] = u @ vt
    return Y
