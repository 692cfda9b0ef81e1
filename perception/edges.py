"""The front edges and the back of a bin: are they where they should be? Quick enough to ask again before entry.

Edges are rigid, and nothing stands in front of them but bands and the tool. A bin that was taken for another one, or
that has moved, shows behind at least one of its edges something deeper: the inside of this or of the next bin. Contents
may hide the back wall, but nothing of this bin lies behind it.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from podhand.core.ports import DepthFrame
from podhand.core.poses import FloatArray, Pose, inverse

MIN_SHARE = 0.9
"""Of the visible samples of a surface. Bins found right show 1.0; found wrong, at most 0.75 of one of their edges."""
MAX_EDGE_OFFSET_M = 0.003
"""How far an edge may lie, in the mean, before or behind the opening plane: depth noise averages out to 0.1 mm."""
MIN_SAMPLES = 40
_STRIPS_M = (0.002, 0.004, 0.006)
"""Distances from the opening at which an edge is sampled: a wall is 8 mm thick together with its neighbour's."""
_PITCH_M = 0.004
_CORNER_M = 0.02
_ON_EDGE_M = 0.008
_ON_BACK_M = 0.020
"""Seen from farther away: depth noise counts more."""
_NEAREST_M = 0.05
BACK = "back wall"


@dataclass(frozen=True, kw_only=True)
class SurfaceView:
    """What the cameras saw where a surface should be."""

    there: int
    """Samples that lie on it."""
    behind: int
    """Samples where the view goes through the place where it should be."""
    offset_m: float
    """Mean distance of the samples on it along x; more than 0 is deeper."""

    @property
    def samples(self) -> int:
        """How many were not hidden."""
        return self.there + self.behind

    @property
    def share(self) -> float:
        """Share of the visible samples that lie on the surface; 0 when all is hidden."""
        return self.there / self.samples if self.samples else 0.0


def look_at_edges(
    frames: Sequence[DepthFrame], X_bin_cameras: Sequence[Pose], size_m: tuple[float, float, float]
) -> dict[str, SurfaceView]:
    """Sample the front edges of side walls, floor and shelf above, and the back wall, in all frames.

    Args:
        frames: checked depth frames.
        X_bin_cameras: pose of each camera in the frame of the bin as it was found.
        size_m: inner size of the bin along x, y, z [m].

    Returns:
        Per surface what was seen; what stands in front of it hides samples, nothing more.
    """
    views = {}
    for name, p_bin_m in _samples(size_m).items():
        within_m = _ON_BACK_M if name == BACK else _ON_EDGE_M
        x = np.concatenate([_depth_in_bin(f, X, p_bin_m) for f, X in zip(frames, X_bin_cameras, strict=True)])
        x -= p_bin_m[0, 0]
        there = np.abs(x) < within_m
        views[name] = SurfaceView(
            there=int(np.count_nonzero(there)),
            behind=int(np.count_nonzero(x >= within_m)),
            offset_m=float(x[there].mean()) if there.any() else 0.0,
        )
    return views


def misplaced(views: Mapping[str, SurfaceView], *, may_hide: Collection[str] = (BACK,)) -> str:
    """Say in words which surfaces are not where they should be; empty when all are.

    Args:
        views: what was seen.
        may_hide: surfaces that need not be seen.
    """
    findings = []
    for name, view in views.items():
        if view.samples < MIN_SAMPLES:
            if name not in may_hide:
                findings.append(
                    f"its {name} is hidden ({view.samples} samples seen, at least {MIN_SAMPLES} are needed)"
                )
        elif view.share < MIN_SHARE:
            findings.append(
                f"{100 * view.share:.0f} % of its {name} is where it should be (at least {100 * MIN_SHARE:.0f} %)"
            )
        elif name != BACK and abs(view.offset_m) > MAX_EDGE_OFFSET_M:
            findings.append(
                f"its {name} is {1e3 * view.offset_m:+.1f} mm off along x (allowed {1e3 * MAX_EDGE_OFFSET_M:.0f} mm)"
            )
    return ", ".join(findings)


def _samples(size_m: tuple[float, float, float]) -> dict[str, FloatArray]:
    """Return per surface points (n, 3) on it; all surfaces lie across x."""
    lx, ly, lz = size_m
    half = ly / 2
    heights = np.arange(_CORNER_M, lz - _CORNER_M, _PITCH_M)
    widths = np.arange(-half + _CORNER_M, half - _CORNER_M, _PITCH_M)
    return {
        "left edge": np.array([(0.0, half + out, z) for z in heights for out in _STRIPS_M]),
        "right edge": np.array([(0.0, -half - out, z) for z in heights for out in _STRIPS_M]),
        "floor edge": np.array([(0.0, y, -out) for y in widths for out in _STRIPS_M]),
        "upper edge": np.array([(0.0, y, lz + out) for y in widths for out in _STRIPS_M]),
        BACK: np.array([(lx, y, z) for y in widths[::3] for z in heights[::3]]),
    }


def _depth_in_bin(frame: DepthFrame, X_bin_camera: Pose, p_bin_m: FloatArray) -> FloatArray:
    """Return x in the bin (n,) of what the camera measured where it should see the given points."""
    X_camera_bin = inverse(X_bin_camera)
    p = p_bin_m @ X_camera_bin[:3, :3].T + X_camera_bin[:3, 3]
    p = p[p[:, 2] > _NEAREST_M]
    (fx, fy), (cx, cy) = frame.K.diagonal()[:2], frame.K[:2, 2]
    u = np.rint(fx * p[:, 0] / p[:, 2] + cx).astype(np.intp)
    v = np.rint(fy * p[:, 1] / p[:, 2] + cy).astype(np.intp)
    h, w = frame.depth_m.shape
    inside = (u >= 0) & (u < w) & (v >= 0) & (v < h)
    u, v = u[inside], v[inside]
    depth = frame.depth_m[v, u].astype(float)
    ray = np.stack([(u - cx) / fx, (v - cy) / fy, np.ones_like(depth)], axis=1)
    x: FloatArray = (ray * depth[:, None]) @ X_bin_camera[0, :3] + X_bin_camera[0, 3]
    known: FloatArray = x[depth > 0.0]
    return known
