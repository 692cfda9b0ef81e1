"""Collision model of a stow cell: arm, tool, held item, pod, infeed, band arm, lift and floor, in the base frame.

Shapes are simple and convex (boxes, capsules); what is not public is our assumption and marked so. A :class:`CellModel`
is the cell as built; a :class:`CellState` is what changes from motion to motion; a :class:`Scene` is both together,
ready to be asked for distances.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

import coal
import numpy as np
import pinocchio as pin
from numpy.typing import NDArray

from podhand.core.arm_model import ArmModel
from podhand.core.errors import PlanningError
from podhand.core.poses import FloatArray, Pose, pose, rotation_rpy
from podhand.core.station import Station
from podhand.core.tooling import Pod, StowTool
from podhand.planning.ik import Kinematics


class Group(StrEnum):
    """What a body belongs to; clearances and allowed contacts may name groups instead of bodies."""

    ARM = "arm"
    TOOL = "tool"
    ITEM = "held item"
    POD = "pod"
    INFEED = "infeed"
    BAND_ARM = "band arm"
    LIFT = "lift"
    FLOOR = "floor"
    CAMERA = "camera"
    EXTRA = "obstacle"


MOVING = frozenset({Group.ARM, Group.TOOL, Group.ITEM})


@dataclass(frozen=True, kw_only=True)
class Obstacle:
    """A fixed box in the base frame, beyond what the cell model knows."""

    name: str
    X_base_box: Pose
    size_m: tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class HeldItem:
    """Bounding box of the item between the paddles."""

    size_m: tuple[float, float, float]
    p_tool_item_m: tuple[float, float, float]
    """Middle of the item in the tool frame."""

    @classmethod
    def received(
        cls, size_m: tuple[float, float, float], roll_rad: float, *, bottom_m: float = 0.050, setback_m: float = 0.005
    ) -> "HeldItem":
        """Return the item as the infeed hands it over.

        Args:
            size_m: length, width, height of the item.
            roll_rad: roll of the tool at the infeed, 0 or pi.
            bottom_m: the item's bottom is this far below the tool's origin, in the world.
            setback_m: the item's front face is this far behind the mouth.
        """
        up = 1.0 if np.cos(roll_rad) > 0.0 else -1.0
        return cls(size_m=size_m, p_tool_item_m=(-setback_m - size_m[0] / 2, 0.0, up * (size_m[2] / 2 - bottom_m)))


@dataclass(frozen=True, kw_only=True)
class WaitingItem:
    """Item on the infeed's rails, in the base frame."""

    size_m: tuple[float, float, float]
    X_base_item: Pose


@dataclass(frozen=True, kw_only=True)
class CellState:
    """What changes from motion to motion."""

    X_base_bin: Pose
    """The active bin as estimated; the pod's face moves with it."""
    base_height_m: float
    """Base frame over the floor."""
    opening_m: float
    """Distance between the belt faces."""
    blade_extension_m: float = 0.0
    held: HeldItem | None = None
    waiting: WaitingItem | None = None
    hook_way_m: tuple[tuple[float, float, float], ...] = ()
    """Where the band arm's hook point may be during the motion, in the base frame: one place, or anywhere on a way.

    All of the way is kept free.
    """
    hook_corner_m: float = 0.0
    """The hook cuts the corners of its way by this: half of it is added on every side."""
    cameras_at_bin: bool = False
    """True while the cameras are in front of the bin; they slide aside before the arm enters."""


@dataclass(frozen=True, kw_only=True)
class CellShape:
    """Sizes of the parts around the arm. Our assumptions: they stand for guards, brackets and carriages of a cell."""

    item_inflation_m: float = 0.010
    """Added to every face of a held item that the paddles do not touch."""
    infeed_item_m: tuple[float, float] = (0.80, -0.95)
    """Middle of the hand-over place in the base frame, x and y."""
    rail_top_m: float = 0.15
    rail_behind_m: float = 0.13
    """The rails begin this far behind the middle of the item: the palm stays behind a 0.30 m item."""
    rail_ahead_m: float = 0.30
    rail_half_width_m: float = 0.006
    bench_below_m: float = 0.09
    """The infeed's table lies this far under the rails' top; a web as thin as the rails carries them."""
    prong_y_m: float = 0.11
    cameras_bin_m: tuple[tuple[float, float, float], ...] = ()
    """Places of the cameras in the bin frame while they look into the bin."""


@dataclass(frozen=True, kw_only=True)
class Contact:
    """Two bodies that are too near."""

    first: str
    second: str
    distance_m: float
    """Negative inside each other."""
    needed_m: float

    def in_words(self) -> str:
        """Return e.g. "forearm would touch the pod left of the bin"."""
        if self.distance_m <= 0.0:
            return f"{self.first} would touch the {self.second}"
        return (
            f"{self.first} would come within {1e3 * self.distance_m:.0f} mm of the {self.second} "
            f"(keep {1e3 * self.needed_m:.0f} mm)"
        )


@dataclass(frozen=True, kw_only=True)
class _Body:
    """A convex shape on a joint (0: fixed in the base frame)."""

    name: str
    group: Group
    joint: int
    X_joint_shape: Pose
    shape: coal.CollisionGeometry
    radius_m: float
    """Of the sphere about the shape's origin that holds it."""


def _box(name: str, group: Group, joint: int, X: Pose, size_m: tuple[float, float, float]) -> _Body:
    return _Body(
        name=name, group=group, joint=joint, X_joint_shape=X, shape=coal.Box(*size_m),
        radius_m=0.5 * float(np.linalg.norm(size_m)),
    )  # fmt: skip


def _capsule(
    name: str, joint: int, start_m: tuple[float, float, float], end_m: tuple[float, float, float], radius_m: float
) -> _Body:
    """Return a capsule of an arm link between two points of a joint's frame."""
    a, b = np.array(start_m), np.array(end_m)
    length = float(np.linalg.norm(b - a))
    R = pin.Quaternion.FromTwoVectors(np.array([0.0, 0.0, 1.0]), (b - a) / length).matrix()
    return _Body(
        name=name, group=Group.ARM, joint=joint, X_joint_shape=pose(R, 0.5 * (a + b)),
        shape=coal.Capsule(radius_m, length), radius_m=0.5 * length + radius_m,
    )  # fmt: skip


UR10E_BODIES: tuple[tuple[str, int, tuple[float, float, float], tuple[float, float, float], float], ...] = (
    # name, joint, start and end in the joint's frame [m], radius [m]: around the maker's meshes
    ("base", 0, (0.0, 0.0, 0.03), (0.0, 0.0, 0.08), 0.095),
    ("shoulder", 1, (0.0, 0.02, 0.0), (0.0, -0.10, 0.0), 0.090),
    ("upper arm", 2, (0.0, 0.0, 0.176), (-0.6127, 0.0, 0.176), 0.075),
    ("upper arm", 2, (-0.6127, 0.0, 0.176), (-0.6127, 0.0, 0.05), 0.065),
    ("forearm", 3, (0.0, 0.0, 0.049), (-0.57155, 0.0, 0.049), 0.060),
    ("wrist 1", 4, (0.0, 0.0, -0.120), (0.0, 0.0, 0.0), 0.055),
    ("wrist 1", 4, (0.0, 0.0, 0.0), (0.0, -0.060, 0.0), 0.055),
    ("wrist 2", 5, (0.0, 0.0, -0.050), (0.0, 0.0, 0.0), 0.055),
    ("wrist 2", 5, (0.0, 0.0, 0.0), (0.0, 0.060, 0.0), 0.055),
    ("wrist 3", 6, (0.0, 0.0, -0.045), (0.0, 0.0, -0.015), 0.048),
)
_SELF_PAIRS = frozenset(
    {
        ("base", "forearm"), ("base", "wrist 1"), ("base", "wrist 2"), ("base", "wrist 3"),
        ("shoulder", "forearm"), ("shoulder", "wrist 1"), ("shoulder", "wrist 2"), ("shoulder", "wrist 3"),
        ("upper arm", "wrist 1"), ("upper arm", "wrist 2"), ("upper arm", "wrist 3"),
        ("forearm", "wrist 3"),
    }
)  # fmt: skip
"""Links of the arm that can meet; neighbours cannot."""
_MEETS_TOOL = frozenset({"base", "shoulder", "upper arm", "forearm"})
_NEVER_LEAVES = frozenset({"base", "shoulder"})
"""Turn about the base axis only: nothing around the cell can be met."""
_SELF_CLEARANCE_M = 0.005
"""Links of the arm may come this near to each other whatever the clearance around them is."""
_LIFT_CLEARANCE_M = 0.008
"""The lift carries the base: where it is does not depend on any estimate."""

_FACE_HALF_M = 1.6
"""The pod's face is drawn this far around the bin: a pod is 1.54 m wide and 2.3 m high."""


class CellModel:
    """Arm, tool, pod and surroundings as built.

    Args:
        arm: the arm; link shapes exist for the UR10e (``UR10E_BODIES``).
        tool: the stow tool.
        pod: gives the bin's size.
        shape: sizes of infeed, band arm and cameras.
        obstacles: further boxes in the base frame.

    Raises:
        PlanningError: no link shapes are known for the arm.
    """

    def __init__(
        self,
        arm: ArmModel,
        tool: StowTool,
        pod: Pod,
        *,
        shape: CellShape | None = None,
        obstacles: tuple[Obstacle, ...] = (),
    ) -> None:
        if arm.name != "ur10e":
            raise PlanningError(
                f"no link shapes are known for the arm {arm.name!r}; known: ur10e; add them to planning/cell_model.py"
            )
        self.arm, self.tool, self.pod = arm, tool, pod
        self.shape = CellShape() if shape is None else shape
        self.obstacles = obstacles
        self.kinematics = Kinematics(arm, tool.X_flange_tool)
        self._arm_bodies = tuple(_capsule(*row) for row in UR10E_BODIES)

    @classmethod
    def of_station(cls, station: Station, *, obstacles: tuple[Obstacle, ...] = ()) -> "CellModel":
        """Build the model of a station file."""
        shape = CellShape(
            infeed_item_m=(station.infeed.item_x_m, station.infeed.item_y_m),
            rail_top_m=station.infeed.rail_top_m,
            prong_y_m=station.band_arm.prong_y_m,
            cameras_bin_m=tuple(camera.eye_bin_m for camera in station.cameras),
        )
        return cls(station.arm.kinematics, station.tool, station.pod, shape=shape, obstacles=obstacles)

    def scene(self, state: CellState, *, allowed_contacts: Collection[tuple[str, str]] = ()) -> "Scene":
        """Return the cell in a state.

        Args:
            state: openings, item, bin, band arm.
            allowed_contacts: pairs of body or group names whose distance does not matter, in either order.
        """
        return Scene(self.kinematics, tuple(self._bodies(state)), frozenset(allowed_contacts))

    def _bodies(self, state: CellState) -> Iterator[_Body]:
        yield from self._arm_bodies
        yield from self._tool_bodies(state)
        yield from self._pod_bodies(state.X_base_bin)
        yield from self._infeed_bodies(state)
        yield from self._lift_bodies(state.base_height_m)
        way_m = [np.array(place_m) for place_m in state.hook_way_m]
        for begin_m, end_m in pairwise(way_m) if len(way_m) > 1 else zip(way_m, way_m, strict=True):
            yield from self._band_arm_bodies(begin_m, end_m, state.hook_corner_m if len(way_m) > 1 else 0.0)
        if state.cameras_at_bin:
            for place in self.shape.cameras_bin_m:
                X = state.X_base_bin @ pose(None, place)
                yield _box("camera", Group.CAMERA, 0, X, (0.06, 0.12, 0.06))
        for obstacle in self.obstacles:
            yield _box(obstacle.name, Group.EXTRA, 0, obstacle.X_base_box, obstacle.size_m)

    def _tool_bodies(self, state: CellState) -> Iterator[_Body]:
        tool, joint = self.tool, self.arm.joints
        back = tool.flange_offset_m - tool.paddle_length_m - tool.palm_length_m

        def part(
            name: str, group: Group, x: tuple[float, float], middle: tuple[float, float], side: tuple[float, float]
        ) -> _Body:
            X_tool_part = pose(None, ((x[0] + x[1]) / 2, *middle))
            return _box(name, group, joint, tool.X_flange_tool @ X_tool_part, (x[1] - x[0], *side))

        if back > 0.0:
            x = (-tool.flange_offset_m, -tool.flange_offset_m + back)
            yield part("force sensor", Group.TOOL, x, (0.0, 0.0), (0.09, 0.09))
        x = (-tool.paddle_length_m - tool.palm_length_m, -tool.paddle_length_m)
        yield part("palm", Group.TOOL, x, (0.0, 0.0), (2 * tool.palm_half_width_m, 2 * tool.palm_half_height_m))
        y_paddle = (state.opening_m + tool.paddle_thickness_m) / 2
        side = (tool.paddle_thickness_m, 2 * tool.paddle_half_height_m)
        yield part("left paddle", Group.TOOL, (-tool.paddle_length_m, 0.0), (y_paddle, 0.0), side)
        yield part("right paddle", Group.TOOL, (-tool.paddle_length_m, 0.0), (-y_paddle, 0.0), side)
        x = (-tool.paddle_length_m, tool.blade_rest_m + state.blade_extension_m)
        side = (tool.blade_thickness_m, 2 * tool.blade_half_height_m)
        yield part("blade", Group.TOOL, x, (tool.blade_offset_m(state.opening_m), 0.0), side)
        if state.held is not None:
            size, p, grow = state.held.size_m, state.held.p_tool_item_m, self.shape.item_inflation_m
            X = tool.X_flange_tool @ pose(None, p)
            yield _box("held item", Group.ITEM, joint, X, (size[0] + 2 * grow, size[1], size[2] + 2 * grow))

    def _pod_bodies(self, X_base_bin: Pose) -> Iterator[_Body]:
        depth, width, height = self.pod.bin_size_m
        thick, half, side = depth + 0.05, _FACE_HALF_M, width / 2
        walls = (
            ("pod left of the bin", (0.0, side, -half), (thick, half, half)),
            ("pod right of the bin", (0.0, -half, -half), (thick, -side, half)),
            ("pod above the bin", (0.0, -side, height), (thick, side, half)),
            ("pod below the bin", (0.0, -side, -half), (thick, side, 0.0)),
            ("back of the bin", (depth, -side, 0.0), (thick, side, height)),
        )
        for name, low, high in walls:
            middle, size = (np.array(low) + high) / 2, np.array(high) - low
            yield _box(name, Group.POD, 0, X_base_bin @ pose(None, middle), (size[0], size[1], size[2]))

    def _infeed_bodies(self, state: CellState) -> Iterator[_Body]:
        shape = self.shape
        x, y = shape.infeed_item_m
        length = shape.rail_behind_m + shape.rail_ahead_m
        middle = x + (shape.rail_ahead_m - shape.rail_behind_m) / 2
        z = shape.rail_top_m - shape.bench_below_m
        size = (length, 2 * shape.rail_half_width_m, shape.bench_below_m)
        yield _box("infeed rails", Group.INFEED, 0, pose(None, (middle, y, z + shape.bench_below_m / 2)), size)
        yield _box("infeed table", Group.INFEED, 0, pose(None, (middle, y, z - 0.02)), (length, 0.20, 0.04))
        if state.waiting is not None:
            yield _box("waiting item", Group.INFEED, 0, state.waiting.X_base_item, state.waiting.size_m)

    def _lift_bodies(self, base_height_m: float) -> Iterator[_Body]:
        yield _box("lift plate", Group.LIFT, 0, pose(None, (-0.06, 0.0, -0.01)), (0.36, 0.5, 0.02))
        column_m = 2.6
        X_column = pose(None, (-0.40, 0.0, column_m / 2 - base_height_m))
        yield _box("lift column", Group.LIFT, 0, X_column, (0.14, 0.22, column_m))
        yield _box("floor", Group.FLOOR, 0, pose(None, (0.0, 0.0, -base_height_m - 0.05)), (6.0, 6.0, 0.1))

    def _band_arm_bodies(self, begin_m: FloatArray, end_m: FloatArray, more_m: float) -> Iterator[_Body]:
        """Yield what the band arm takes up between two places of its hook point, wider by ``more_m``."""
        y = self.shape.prong_y_m
        middle_m, way_m = (begin_m + end_m) / 2, np.abs(end_m - begin_m) + more_m
        parts = (
            ("left prong of the band arm", (-0.030, y - 0.004, -0.018), (0.015, y + 0.004, 0.004)),
            ("right prong of the band arm", (-0.030, -y - 0.004, -0.018), (0.015, -y + 0.004, 0.004)),
            ("bar of the band arm", (-0.030, -y, -0.004), (-0.022, y, 0.004)),
            ("stem of the band arm", (-0.056, -0.010, -0.35), (-0.018, 0.010, 0.0)),
            ("slide of the band arm", (-0.085, -0.045, -0.44), (-0.030, 0.045, -0.33)),
        )
        for name, low, high in parts:
            middle, size = (np.array(low) + high) / 2, np.subtract(high, low) + way_m
            yield _box(name, Group.BAND_ARM, 0, pose(None, middle_m + middle), (size[0], size[1], size[2]))


class Scene:
    """A cell in one state: distances of all pairs of bodies that can meet. Not thread-safe."""

    def __init__(
        self, kinematics: Kinematics, bodies: tuple[_Body, ...], allowed_contacts: frozenset[tuple[str, str]]
    ) -> None:
        self._kinematics = kinematics
        self._bodies = bodies
        self._geometry = pin.GeometryModel()
        for i, body in enumerate(bodies):
            X = pin.SE3(body.X_joint_shape)
            self._geometry.addGeometryObject(pin.GeometryObject(f"{i} {body.name}", body.joint, X, body.shape))
        self._pairs = [
            (i, j)
            for i, first in enumerate(bodies)
            for j, second in enumerate(bodies[:i])
            if _can_meet(second, first) and not _allowed(second, first, allowed_contacts)
        ]
        for i, j in self._pairs:
            self._geometry.addCollisionPair(pin.CollisionPair(j, i))
        self._distances = pin.GeometryData(self._geometry)
        self._reach_m = _pair_reach(kinematics, bodies, self._pairs)

    @property
    def pairs(self) -> int:
        """Number of pairs of bodies that are watched."""
        return len(self._pairs)

    @property
    def reach_m(self) -> FloatArray:
        """(pairs, joints): a bound on how far a pair moves relative to each other per radian of each joint [m/rad]."""
        return self._reach_m

    def clearances(self, q_rad: FloatArray, pairs: NDArray[np.intp] | None = None) -> FloatArray:
        """Return signed distances [m] of all pairs, or of those with the given indices, at joint positions (n,)."""
        model, data = self._kinematics.model, self._kinematics.data
        if pairs is None:
            pin.computeDistances(model, data, self._geometry, self._distances, q_rad)
            return np.array([result.min_distance for result in self._distances.distanceResults])
        pin.updateGeometryPlacements(model, data, self._geometry, self._distances, q_rad)
        compute = pin.computeDistance
        return np.array([compute(self._geometry, self._distances, int(k)).min_distance for k in pairs])

    def margins(self, free_m: float, near_m: float | None = None) -> FloatArray:
        """Return the clearance to keep per pair, (pairs,) [m].

        Args:
            free_m: for every pair.
            near_m: when given, for tool and held item against pod, infeed and band arm.
        """
        near = free_m if near_m is None else near_m
        return np.array([self._margin(i, j, free_m, near) for i, j in self._pairs])

    def _margin(self, i: int, j: int, free_m: float, near_m: float) -> float:
        groups = {self._bodies[i].group, self._bodies[j].group}
        if groups <= MOVING:
            return min(_SELF_CLEARANCE_M, free_m)
        if Group.LIFT in groups:
            return min(_LIFT_CLEARANCE_M, free_m)
        works_here = groups & {Group.POD, Group.INFEED, Group.BAND_ARM}
        return near_m if works_here and groups & {Group.TOOL, Group.ITEM} else free_m

    def contact(self, pair: int, distance_m: float, needed_m: float) -> Contact:
        """Put names to a pair; the moving body first."""
        i, j = self._pairs[pair]
        first, second = self._bodies[i], self._bodies[j]
        if first.joint < second.joint:
            first, second = second, first
        return Contact(first=first.name, second=second.name, distance_m=distance_m, needed_m=needed_m)

    def nearest(self, q_rad: FloatArray) -> Contact:
        """Return the pair of bodies that is nearest to touching at joint positions (n,) [rad]."""
        distances = self.clearances(q_rad)
        k = int(np.argmin(distances))
        return self.contact(k, float(distances[k]), 0.0)


def _can_meet(first: _Body, second: _Body) -> bool:
    moving = [body for body in (first, second) if body.group in MOVING]
    if len(moving) == 2:
        names = (first.name, second.name)
        if all(body.group is Group.ARM for body in moving):
            return names in _SELF_PAIRS or names[::-1] in _SELF_PAIRS
        return any(name in _MEETS_TOOL for name in names)
    return len(moving) == 1 and moving[0].name not in _NEVER_LEAVES


def _allowed(first: _Body, second: _Body, allowed_contacts: frozenset[tuple[str, str]]) -> bool:
    return any(
        (one in allowed_contacts) or (one[::-1] in allowed_contacts)
        for one in ((a, b) for a in (first.name, str(first.group)) for b in (second.name, str(second.group)))
    )


def _pair_reach(kinematics: Kinematics, bodies: tuple[_Body, ...], pairs: list[tuple[int, int]]) -> FloatArray:
    """Bound the relative motion of each pair per radian of each joint, whatever the posture.

    A point moves about a joint's axis no faster than its distance from the joint's origin, and that is at most the sum
    of the link lengths between. Only joints between the two bodies count.
    """
    n = kinematics.joints
    lengths = [float(np.linalg.norm(link.X_parent_joint[:3, 3])) for link in kinematics.arm.links]
    reach = np.zeros((len(bodies), n))
    for b, body in enumerate(bodies):
        own = float(np.linalg.norm(body.X_joint_shape[:3, 3])) + body.radius_m
        for k in range(body.joint):
            reach[b, k] = sum(lengths[k + 1 : body.joint]) + own
    relative = np.zeros((len(pairs), n))
    for row, (i, j) in enumerate(pairs):
        near, far = sorted((i, j), key=lambda one: bodies[one].joint)
        relative[row] = reach[far]
        relative[row, : bodies[near].joint] = 0.0
    return relative


def roll_pose(p_m: tuple[float, float, float] | FloatArray, roll_rad: float) -> Pose:
    """Return a tool pose that looks along x with a roll about it: the pose family of all stow motions."""
    return pose(rotation_rpy(roll_rad, 0.0, 0.0), p_m)
