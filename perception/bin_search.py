"""Where an open box-shaped bin is and how large, from depth frames alone: its walls and the edges of its shelves.

For bins that no pod file describes. ``registration`` is for those whose size is known.
"""

from collections.abc import Sequence

import numpy as np

from podhand.core.errors import PerceptionError
from podhand.core.ports import DepthFrame
from podhand.core.poses import FloatArray, Pose, inverse, pose
from podhand.perception.frames import BoolArray, back_project
from podhand.perception.fusion import cleaned

_REACH_M = ((-0.05, 0.80), (-0.40, 0.40), (-0.15, 0.60))
"""The bin is looked for in this part of the rough bin frame."""
_STEP_M = 0.002
_WALL_THICKNESS_M = 0.006
"""Points within this distance of a wall's peak are that wall: real walls bend, real sensors differ."""
_EDGE_DEPTH_M = 0.010
"""The inside of the bin begins this far behind the front of the shelves' edges."""
_EDGE_HALF_WIDTH_M = 0.10
_MIN_POINTS = 200
_THIN = 0.4
"""The back wall ends where it shows less than this share of the points it usually shows per height."""


def find_bin(frames: Sequence[DepthFrame], X_world_bin_rough: Pose) -> tuple[Pose, tuple[float, float, float]]:
    """Find pose and inner size of a bin; its axes are taken from the rough pose.

    Side walls and back wall are where most points share one y, or one x. The opening lies just behind the front edges
    of the shelves below and above. The floor is where the back wall ends at the bottom, since metal floors mirror and
    are not seen themselves; the ceiling is the lower side of the upper shelf's edge, for nothing taller gets in.

    Args:
        frames: of the same moment.
        X_world_bin_rough: axes along the bin's, origin within 5 cm of the middle of the opening's lower edge.

    Returns:
        ``X_world_bin`` and the inner size along x, y, z [m].

    Raises:
        PerceptionError: which part of the bin cannot be seen.
    """
    X = inverse(X_world_bin_rough)
    clouds = [back_project(_without_strays(frame)) @ X[:3, :3].T + X[:3, 3] for frame in frames]
    p = np.concatenate([np.zeros((0, 3)), *clouds])
    p = p[np.logical_and.reduce([(p[:, n] > low) & (p[:, n] < high) for n, (low, high) in enumerate(_REACH_M)])]
    at_front = (np.abs(p[:, 0]) < -_REACH_M[0][0]) & (np.abs(p[:, 1]) < _EDGE_HALF_WIDTH_M)
    front = _peak(p[at_front, 0], "front edge")
    inside = p[p[:, 0] > front + 0.03]
    left = _peak(inside[inside[:, 1] > 0.04, 1], "left wall")
    right = _peak(inside[inside[:, 1] < -0.04, 1], "right wall")
    between = (inside[:, 1] < left) & (inside[:, 1] > right) & (inside[:, 0] > front + 0.15)
    back = _peak(inside[between, 0], "back wall")
    floor, top = _extent(inside[between & (np.abs(inside[:, 0] - back) < 2 * _WALL_THICKNESS_M), 2])
    edges = p[at_front & (np.abs(p[:, 0] - front) < _WALL_THICKNESS_M), 2]
    upper = edges[edges > (floor + top) / 2]
    if len(upper) < _MIN_POINTS:
        raise _unseen("upper shelf's edge", len(upper))
    opening = front + _EDGE_DEPTH_M
    ceiling = float(np.percentile(upper, 2))
    X_rough_bin = pose(None, (opening, (left + right) / 2, floor))
    return X_world_bin_rough @ X_rough_bin, (back - opening, left - right, ceiling - floor)


def _without_strays(frame: DepthFrame) -> DepthFrame:
    depth = cleaned(np.ascontiguousarray(frame.depth_m, np.float32))
    return DepthFrame(depth_m=depth, K=frame.K, X_world_camera=frame.X_world_camera, name=frame.name)


def _peak(values: FloatArray, what: str) -> float:
    """Return where most values are: the median around the highest bar of their histogram."""
    if len(values) < _MIN_POINTS:
        raise _unseen(what, len(values))
    steps = np.arange(values.min(), values.max() + 2 * _STEP_M, _STEP_M)
    counts, edges = np.histogram(values, steps)
    crest = float(edges[int(np.argmax(counts))]) + _STEP_M / 2
    members: BoolArray = np.abs(values - crest) < _WALL_THICKNESS_M
    return float(np.median(values[members]))


def _extent(heights: FloatArray) -> tuple[float, float]:
    """Return lower and upper end of the back wall: where its points get few, from its densest height on."""
    if len(heights) < _MIN_POINTS:
        raise _unseen("back wall", len(heights))
    counts, edges = np.histogram(heights, np.arange(heights.min(), heights.max() + 2 * _STEP_M, 2 * _STEP_M))
    dense = counts > _THIN * np.median(counts[counts > 0.1 * counts.max()])
    first = last = int(np.argmax(counts))
    while first > 0 and dense[first - 1]:
        first -= 1
    while last + 1 < len(dense) and dense[last + 1]:
        last += 1
    return float(edges[first]), float(edges[last + 1])


def _unseen(what: str, count: int) -> PerceptionError:
    return PerceptionError(
        f"the bin's {what} cannot be seen: {count} points, at least {_MIN_POINTS} are needed; take more frames, or "
        "check the rough pose"
    )
