"""Ten depth frames of a real warehouse shelf bin, read from the folder that ``PODHAND_TEST_DATA`` names."""

import os
import re
from pathlib import Path

import numpy as np
from matplotlib.image import imread

from podhand.core.ports import DepthFrame
from podhand.core.poses import FloatArray, Pose

VARIABLE = "PODHAND_TEST_DATA"


def folder() -> Path | None:
    """The frames' folder, None where the data is not installed."""
    root = os.environ.get(VARIABLE)
    path = Path(root) / "shelf_bin" if root else None
    return path if path is not None and path.is_dir() else None


def read_depth_m(path: Path) -> FloatArray:
    """16-bit PNG in 0.1 mm, bits turned by three."""
    raw = np.round(imread(path) * 65535).astype(np.uint32)
    turned = ((raw << 13) | (raw >> 3)) & 0xFFFF
    return turned.astype(np.float64) / 10000.0


def read_shelf(path: Path) -> tuple[list[DepthFrame], Pose]:
    """Frames registered to the colour camera, and the bin's pose."""
    matrices = _matrices((path / "cam.info.txt").read_text())
    K = matrices["Color camera intrinsic"]
    frames = []
    for file in sorted(path.glob("frame-*.depth.png")):
        name = file.name.split(".")[0]
        depth = read_depth_m(file).astype(np.float32)
        frames.append(DepthFrame(depth_m=depth, K=K, X_world_camera=_orthonormal(matrices[name]), name=name))
    return frames, matrices["Bin-to-world"]


def _matrices(text: str) -> dict[str, FloatArray]:
    found: dict[str, FloatArray] = {}
    for block in text.split("#")[1:]:
        title, *rows = block.strip().splitlines()
        numbers = [[float(v) for v in row.split()] for row in rows if row.strip()]
        if not numbers:
            continue
        frame = re.search(r"frame-\d+", title)
        key = frame.group() if frame else re.sub(r" (matrix|transformation).*", "", title)
        found[key] = np.array(numbers)
    return found


def _orthonormal(X: Pose) -> Pose:
    u, _, vt = np.linalg.svd(X[:3, :3])
    Y = X.copy()
    Y[:3, :3] = u @ vt
    return Y
