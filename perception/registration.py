"""Where a bin really is: its walls, floor and front edges found in depth frames.

The poses of pod and cameras are both only nearly known. The fit therefore turns and shifts the bin and, within their
calibration errors, each camera: one linear least-squares problem per pass, over planes of the bin and over the inner
edges of its side walls, with robust weights. What the cameras share is the bin's error; what differs is theirs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.spatial.transform import Rotation

from podhand.core.errors import PerceptionError
from podhand.core.ports import DepthFrame
from podhand.core.poses import FloatArray, Pose, inverse, pose
from podhand.perception.edges import MIN_SAMPLES, SurfaceView, look_at_edges, misplaced
from podhand.perception.frames import BoolArray, CloudPoints, pixel_rays, sample_points

MAX_SHIFT_M = 0.020
MAX_ANGLE_RAD = np.deg2rad(3.0)
BAND_X_M = (-0.040, -0.005)
"""Elastic bands hang here, in front of the opening plane."""

_GATES_M = (0.020, 0.014, 0.010, 0.008, 0.006, 0.006)
_FRONT_EDGE_PASS = 2
"""Front edges join when the walls have brought the bin within their reach."""
_POINT_SIGMA_M = 0.002
_EDGE_SIGMA_M = 0.0015
_CAP = 150.0
"""A surface counts at most as this many points: its errors are systematic, more pixels do not average them out."""
# Standard deviations of the errors that the fit expects: uniform ± 5 mm, ± 1° (bin); ± 3 mm, ± 0.3° (cameras).
_BIN_SIGMA = np.array([0.0035] * 3 + [np.deg2rad(0.7)] * 3)
_CAMERA_SIGMA = np.array([0.0018] * 3 + [np.deg2rad(0.18)] * 3)
_MIN_POINTS_PER_AXIS = 40
_MAX_OUTSIDE_SHARE = 0.05


@dataclass(frozen=True, kw_only=True)
class Registration:
    """The bin's place and how it was found."""

    X_world_bin: Pose
    X_bin_cameras: tuple[Pose, ...]
    """Per frame, consistent with each other: camera errors are taken out."""
    focal_px: tuple[float, ...]
    """Vertical, per frame."""
    shift_m: float
    """Distance of the found from the nominal bin origin [m]."""
    angle_rad: float
    rms_m: float
    """Of the points on walls, floor and edges."""
    points: dict[str, int]
    """Points used per surface."""
    edges: Mapping[str, SurfaceView] = field(default_factory=dict)
    """What was seen of the front edges; empty without registration."""


@dataclass(frozen=True, kw_only=True)
class _Plane:
    name: str
    axis: int
    value_m: float
    low_m: tuple[float, float, float]
    high_m: tuple[float, float, float]
    facing: float = 0.0
    """Sign of the normal along the axis, 0 where the surface is too narrow for normals. Told from the sign: the inner
    side of a thin wall from its outer side, which belongs to the neighbouring bin."""


def _planes(size_m: tuple[float, float, float]) -> tuple[_Plane, ...]:
    """Describe the surfaces of an open box: inner walls, floor, and the front edges of its walls."""
    lx, ly, lz = size_m
    half = ly / 2
    # Front edges are seen from 1 to 7 mm beside the opening: closer, rays may meet the wall's inner side.
    near, far = 0.001, 0.007
    inside = ((0.01, -half, 0.0), (lx, half, lz))
    strip_z = (0.02, lz - 0.02)
    return (
        _Plane(name="floor", axis=2, value_m=0.0, low_m=inside[0], high_m=inside[1], facing=1.0),
        _Plane(name="back", axis=0, value_m=lx, low_m=inside[0], high_m=inside[1], facing=-1.0),
        _Plane(name="left", axis=1, value_m=half, low_m=inside[0], high_m=inside[1], facing=-1.0),
        _Plane(name="right", axis=1, value_m=-half, low_m=inside[0], high_m=inside[1], facing=1.0),
        _Plane(name="left_edge", axis=0, value_m=0.0, low_m=(0.0, half + near, strip_z[0]),
               high_m=(0.0, half + far, strip_z[1])),
        _Plane(name="right_edge", axis=0, value_m=0.0, low_m=(0.0, -half - far, strip_z[0]),
               high_m=(0.0, -half - near, strip_z[1])),
        _Plane(name="floor_edge", axis=0, value_m=0.0, low_m=(0.0, -half + 0.02, -far),
               high_m=(0.0, half - 0.02, -near)),
    )  # fmt: skip


def register_bin(
    frames: Sequence[DepthFrame], X_world_bin_nominal: Pose, size_m: tuple[float, float, float]
) -> Registration:
    """Find a bin of known size near its nominal pose.

    Args:
        frames: checked depth frames of the same moment, at least one.
        X_world_bin_nominal: where the pod's plan says the bin is.
        size_m: inner size along x, y, z of the bin frame [m].

    Raises:
        PerceptionError: walls not seen, found too far from the nominal pose (20 mm, 3°), or front edges that are not
            where the found walls say: the pod has moved, or is another one.
    """
    planes = _planes(size_m)
    fit = _Fit(frames=list(frames), X_world_bin_nominal=X_world_bin_nominal, size_m=size_m)
    for k, gate_m in enumerate(_GATES_M):
        fit.step(planes, gate_m, with_edges=k >= _FRONT_EDGE_PASS)
    result = fit.result()
    _check(result, fit.outside_share())
    edges = look_at_edges(frames, result.X_bin_cameras, size_m)
    wrong = misplaced(edges)
    if wrong:
        raise PerceptionError(
            f"bin not recognised: {wrong}; the pod has moved by more than {1e3 * MAX_SHIFT_M:.0f} mm, or it is another "
            "pod; check pod and place, then look again"
        )
    return replace(result, edges=edges)


def check_still_there(
    frames: Sequence[DepthFrame], registration: Registration, size_m: tuple[float, float, float]
) -> dict[str, SurfaceView]:
    """Make sure that a bin is where it was found: a second look at its front edges alone, with the same cameras.

    Quick, and sound with the tool in view: what it hides does not count, as long as one upright and one level edge can
    be seen. It notices shifts of 4 mm and more; turns by what they do to the edges.

    Raises:
        PerceptionError: which edges are not where they were, or that too little can be seen.
    """
    edges = look_at_edges(frames, registration.X_bin_cameras, size_m)
    wrong = misplaced(edges, may_hide=edges)
    if wrong:
        raise PerceptionError(f"the bin is not where it was found: {wrong}; keep out and look again")
    seen = {name for name, view in edges.items() if view.samples >= MIN_SAMPLES}
    for kind, names in (("upright", {"left edge", "right edge"}), ("level", {"floor edge", "upper edge"})):
        if not names & seen:
            raise PerceptionError(
                f"whether the bin is where it was found cannot be seen: no {kind} edge is visible; clear the view "
                "and look again"
            )
    return edges


def nominal_registration(frames: Sequence[DepthFrame], X_world_bin_nominal: Pose) -> Registration:
    """Believe the pod's plan and the cameras' calibration as they are: what happens without registration."""
    X_bin_world = inverse(X_world_bin_nominal)
    return Registration(
        X_world_bin=X_world_bin_nominal,
        X_bin_cameras=tuple(X_bin_world @ frame.X_world_camera for frame in frames),
        focal_px=tuple(float(frame.K[1, 1]) for frame in frames),
        shift_m=0.0,
        angle_rad=0.0,
        rms_m=0.0,
        points={},
    )


class _Fit:
    """State of the least-squares problem: six numbers for the bin, six per camera (shift, rotation vector)."""

    def __init__(
        self, *, frames: list[DepthFrame], X_world_bin_nominal: Pose, size_m: tuple[float, float, float]
    ) -> None:
        X_bin_world = inverse(X_world_bin_nominal)
        self.nominal = X_world_bin_nominal
        self.size_m = size_m
        self.frames = frames
        self.X_nominal = [X_bin_world @ frame.X_world_camera for frame in frames]
        self.clouds: list[CloudPoints] = [
            _near_points(f, X, size_m) for f, X in zip(frames, self.X_nominal, strict=True)
        ]
        self.edges: list[FloatArray] | None = None
        self.x = np.zeros(6 * (1 + len(frames)))
        self.square_sum = 0.0
        self.count: dict[str, int] = {}

    def X_bin_camera(self, k: int) -> Pose:
        """Return the camera's pose in the found bin frame."""
        shift, turn = self.x[6 * (k + 1) : 6 * (k + 1) + 3], self.x[6 * (k + 1) + 3 : 6 * (k + 2)]
        X = self.X_nominal[k]
        moved = pose(Rotation.from_rotvec(turn).as_matrix() @ X[:3, :3], X[:3, 3] + shift)
        return inverse(self.bin_change()) @ moved

    def bin_change(self) -> Pose:
        """Return the found bin in the nominal bin frame."""
        return pose(Rotation.from_rotvec(self.x[3:6]).as_matrix(), self.x[:3])

    def step(self, planes: tuple[_Plane, ...], gate_m: float, *, with_edges: bool) -> None:
        """Assign points to surfaces within ``gate_m`` and solve once."""
        sigma = np.concatenate([_BIN_SIGMA] + [_CAMERA_SIGMA] * len(self.frames))
        H = np.diag(1.0 / sigma**2)
        g = self.x / sigma**2
        self.square_sum, self.count = 0.0, {}
        if with_edges and self.edges is None:
            self.edges = [_edge_points(f, self.X_bin_camera(k), self.size_m) for k, f in enumerate(self.frames)]
        for k, cloud in enumerate(self.clouds):
            X = self.X_bin_camera(k)
            p = cloud.p_camera_m @ X[:3, :3].T + X[:3, 3]
            n = cloud.normal_camera @ X[:3, :3].T
            for plane, members in zip(planes, _assign(p, n, planes, gate_m), strict=True):
                if plane.facing or with_edges:
                    self._add(H, g, k, p[members], plane, gate_m, _POINT_SIGMA_M)
            if with_edges and self.edges is not None:
                self._add_edges(H, g, k, X, gate_m)
        self.x = self.x - np.linalg.solve(H, g)

    def _add_edges(self, H: FloatArray, g: FloatArray, k: int, X: Pose, gate_m: float) -> None:
        assert self.edges is not None
        q = self.edges[k] @ X[:3, :3].T + X[:3, 3]
        for name, side in (("left_border", 1.0), ("right_border", -1.0)):
            value = side * self.size_m[1] / 2
            members = np.abs(q[:, 1] - value) < gate_m
            plane = _Plane(name=name, axis=1, value_m=value, low_m=(0.0,) * 3, high_m=(0.0,) * 3)
            self._add(H, g, k, q[members], plane, gate_m, _EDGE_SIGMA_M)

    def _add(
        self, H: FloatArray, g: FloatArray, k: int, p: FloatArray, plane: _Plane, gate_m: float, sigma_m: float
    ) -> None:
        """Add the points of one surface and camera to the normal equations."""
        if len(p) < 5:
            return
        r = p[:, plane.axis] - plane.value_m
        weight = (1.0 - (r / (1.2 * gate_m)) ** 2) ** 2
        weight *= min(1.0, _CAP / float(weight.sum())) / sigma_m**2
        s = np.zeros(3)
        s[plane.axis] = 1.0
        eye = self.X_nominal[k][:3, 3]
        J = np.zeros((len(p), 12))
        J[:, plane.axis] = -1.0
        J[:, 3:6] = -np.cross(p, s)
        J[:, 6 + plane.axis] = 1.0
        J[:, 9:12] = np.cross(p - eye, s)
        index = np.concatenate([np.arange(6), 6 * (k + 1) + np.arange(6)])
        H[np.ix_(index, index)] += J.T @ (J * weight[:, None])
        g[index] += J.T @ (weight * r)
        self.square_sum += float(r @ r)
        self.count[plane.name] = self.count.get(plane.name, 0) + len(p)

    def outside_share(self) -> float:
        """Return the share of points seen through the opening that lie behind floor or back wall."""
        lx, ly, lz = self.size_m
        outside = total = 0
        for k, cloud in enumerate(self.clouds):
            X = self.X_bin_camera(k)
            p = cloud.p_camera_m @ X[:3, :3].T + X[:3, 3]
            core = (p[:, 0] > 0.05) & (np.abs(p[:, 1]) < ly / 2 - 0.02) & (p[:, 2] < lz - 0.02)
            total += int(np.count_nonzero(core))
            outside += int(np.count_nonzero(core & ((p[:, 2] < -0.012) | (p[:, 0] > lx + 0.012))))
        return outside / max(total, 1)

    def result(self) -> Registration:
        """Return the state in words of poses."""
        change = self.bin_change()
        return Registration(
            X_world_bin=self.nominal @ change,
            X_bin_cameras=tuple(self.X_bin_camera(k) for k in range(len(self.frames))),
            focal_px=tuple(float(frame.K[1, 1]) for frame in self.frames),
            shift_m=float(np.linalg.norm(change[:3, 3])),
            angle_rad=float(np.linalg.norm(self.x[3:6])),
            rms_m=float(np.sqrt(self.square_sum / max(sum(self.count.values()), 1))),
            points=dict(self.count),
        )


def _near_points(frame: DepthFrame, X_bin_camera: Pose, size_m: tuple[float, float, float]) -> CloudPoints:
    """Keep what may belong to this bin: the rest of the pod only costs time."""
    cloud = sample_points(frame)
    p = cloud.p_camera_m @ X_bin_camera[:3, :3].T + X_bin_camera[:3, 3]
    lx, ly, lz = size_m
    near = (p[:, 0] > -0.03) & (p[:, 0] < lx + 0.06) & (np.abs(p[:, 1]) < ly / 2 + 0.04)
    near &= (p[:, 2] > -0.04) & (p[:, 2] < lz + 0.02)
    return CloudPoints(p_camera_m=cloud.p_camera_m[near], normal_camera=cloud.normal_camera[near])


def _assign(p: FloatArray, n: FloatArray, planes: tuple[_Plane, ...], gate_m: float) -> list[BoolArray]:
    """Give each point to the closest surface within the gate whose normal fits; return one mask per surface."""
    distance = np.full((len(planes), len(p)), np.inf)
    for i, plane in enumerate(planes):
        d = np.abs(p[:, plane.axis] - plane.value_m)
        member = d < gate_m
        for axis in range(3):
            if axis != plane.axis:
                slack = gate_m / 2 if plane.facing else 0.0
                member &= (p[:, axis] > plane.low_m[axis] - slack) & (p[:, axis] < plane.high_m[axis] + slack)
        if plane.facing:
            member &= plane.facing * n[:, plane.axis] > 0.85
        distance[i, member] = d[member]
    closest = np.argmin(distance, axis=0)
    return [(closest == i) & np.isfinite(distance[i]) for i in range(len(planes))]


def _edge_points(frame: DepthFrame, X_bin_camera: Pose, size_m: tuple[float, float, float]) -> FloatArray:
    """Find where, along image rows, the front edge of a side wall ends and the view falls into the bin.

    Returns points (n, 3) in the camera frame, half a pixel beyond the last pixel of the edge.
    """
    depth = frame.depth_m[::2].astype(float)
    rays = pixel_rays(frame)[::2]
    p = (rays * depth[..., None]) @ X_bin_camera[:3, :3].T + X_bin_camera[:3, 3]
    on_edge = (depth > 0.0) & (np.abs(p[..., 0]) < 0.008) & (np.abs(np.abs(p[..., 1]) - size_m[1] / 2) < 0.014)
    on_edge &= (p[..., 2] > 0.01) & (p[..., 2] < size_m[2] - 0.01)
    deep = (depth > 0.0) & (p[..., 0] > 0.018) & (np.abs(p[..., 1]) < size_m[1] / 2 + 0.004)
    found = []
    for here, there, half_pixel in (
        (np.s_[:, :-1], np.s_[:, 1:], 0.5),
        (np.s_[:, 1:], np.s_[:, :-1], -0.5),
    ):
        # Inwards is towards y = 0: the wall on the left (+y) is left in the image too.
        inward = np.sign(p[..., 1][here]) * half_pixel > 0
        rows, columns = np.nonzero(on_edge[here] & deep[there] & inward)
        columns = columns + (1 if half_pixel < 0 else 0)
        ray = rays[rows, columns].copy()
        ray[:, 0] += half_pixel / frame.K[0, 0]
        found.append(ray * depth[rows, columns][:, None])
    return np.concatenate(found)


def _check(result: Registration, outside_share: float) -> None:
    """Refuse what cannot be this bin."""
    found = result.points
    axes = {
        "depth (x)": found.get("back", 0) + found.get("left_edge", 0) + found.get("right_edge", 0),
        "side (y)": sum(found.get(name, 0) for name in ("left", "right", "left_border", "right_border")),
        "height (z)": found.get("floor", 0),
    }
    if min(axes.values()) < _MIN_POINTS_PER_AXIS:
        raise PerceptionError(
            f"bin not recognised: too few points on its walls, edges and floor ({_words(axes)}; at least "
            f"{_MIN_POINTS_PER_AXIS} each are needed); check that the cameras see the bin, then look again"
        )
    if result.shift_m > MAX_SHIFT_M or result.angle_rad > MAX_ANGLE_RAD:
        raise PerceptionError(
            f"bin found {1e3 * result.shift_m:.1f} mm and {np.rad2deg(result.angle_rad):.2f} deg from its nominal pose "
            f"(allowed {1e3 * MAX_SHIFT_M:.0f} mm, {np.rad2deg(MAX_ANGLE_RAD):.0f} deg); check the pod's place and the "
            "camera calibration"
        )
    if outside_share > _MAX_OUTSIDE_SHARE:
        raise PerceptionError(
            f"bin not recognised: {100 * outside_share:.0f} % of the points seen through the opening lie behind its "
            f"floor or back wall (allowed {100 * _MAX_OUTSIDE_SHARE:.0f} %); check bin size, pod place and calibration"
        )


def _words(axes: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in axes.items())
