"""Collision-checked motions of the arm: joint paths through free space, and straight lines of the tool.

Checks are continuous, not sampled: an interval of a path is cleared for a pair of bodies when their distance at its
middle exceeds the clearance by more than the pair can move until the interval's ends; otherwise it is halved. So thin
obstacles cannot slip between two samples, and far pairs cost one distance per path.
"""

from collections.abc import Collection
from dataclasses import dataclass
from itertools import product

import numpy as np

from podhand.core.errors import PlanningError
from podhand.core.poses import FloatArray, Pose
from podhand.planning.cell_model import CellModel, CellState, Contact, Scene
from podhand.planning.ik import line_pose, nearest_turn, solve_ik

HOME_Q_RAD: FloatArray = np.array([-0.5911, -1.4573, -2.0787, -2.7472, -2.1619, -1.5708])
"""Home of the UR10e: elbow up, tool along x at (0.80, -0.40, 0.45) m of the base frame, between infeed and pod."""
PARK_Q_RAD: FloatArray = np.array([-0.5349, -1.4400, -1.6461, -3.1971, -2.1057, -1.5708])
"""Park of the UR10e: tool along x at (0.85, -0.40, 0.70) m of the base frame, over the cameras' view of every bin."""


@dataclass(frozen=True, kw_only=True)
class Clearance:
    """Distances to keep, and what else makes a motion acceptable."""

    free_m: float = 0.015
    """Between any two bodies on joint paths, and between the arm and anything on lines."""
    near_m: float = 0.003
    """On lines, between tool or held item and pod, infeed or band arm."""
    min_dexterity: float = 0.08
    """Smallest singular value of the tool's Jacobian on lines; below, joints run away from small tool motions."""
    line_step_m: float = 0.010
    """Lines are followed by inverse kinematics in steps of at most this."""
    joint_margin_rad: float = 0.01
    """Distance to keep from the ends of the joints' ranges."""


@dataclass(frozen=True, kw_only=True)
class JointPath:
    """Straight pieces in joint space; the arm stops at each waypoint."""

    waypoints_rad: FloatArray
    """(n, dof), n >= 2, start and goal included."""
    found_by: str
    """"direct", "detour" or "search"."""

    @property
    def length_rad(self) -> float:
        """Sum over the pieces of the largest joint travel [rad]."""
        return float(np.abs(np.diff(self.waypoints_rad, axis=0)).max(axis=1).sum())


@dataclass(frozen=True, kw_only=True)
class LinePath:
    """A straight line of the tool that the arm can follow."""

    X_base_start: Pose
    X_base_goal: Pose
    waypoints_rad: FloatArray
    """(n, dof): joint positions along the line at equal distances."""
    max_tool_speed_m_s: float
    """The fastest the tool can go without any joint exceeding its speed."""
    dexterity: float
    """Smallest singular value of the Jacobian on the way."""

    @property
    def length_m(self) -> float:
        """Length of the line."""
        return float(np.linalg.norm(self.X_base_goal[:3, 3] - self.X_base_start[:3, 3]))


@dataclass(frozen=True, kw_only=True)
class Hit:
    """The first contact found on a polyline of joint positions."""

    contact: Contact
    waypoint: int
    """The piece that leads to this waypoint."""
    share: float
    """How far along the polyline, 0 … 1, by waypoints."""

    def in_words(self) -> str:
        """Return e.g. "forearm would touch the pod left of the bin at waypoint 3, 62 % of the path"."""
        return f"{self.contact.in_words()} at waypoint {self.waypoint}, {100 * self.share:.0f} % of the path"


def first_hit(scene: Scene, waypoints_rad: FloatArray, margins_m: FloatArray) -> Hit | None:
    """Check a polyline of joint positions against clearances, continuously.

    Args:
        scene: the cell in its state.
        waypoints_rad: (n, dof) joint positions, joined by straight pieces; n >= 2.
        margins_m: (pairs,) clearance to keep.

    Returns:
        A contact, or None. Every pair then keeps at least half its clearance, and its clearance less 2.5 mm,
        everywhere; where it was looked at, all of it.
    """
    slack_m = np.clip(0.5 * margins_m, 5e-4, 2.5e-3)
    travel = np.abs(np.diff(waypoints_rad, axis=0))
    everything = np.arange(scene.pairs)
    last = len(travel)
    stack = [(0.0, float(last), everything)]
    while stack:
        low, high, pairs = stack.pop()
        middle = 0.5 * (low + high)
        distances = scene.clearances(_along(waypoints_rad, middle), None if pairs is everything else pairs)
        excess = distances - margins_m[pairs]
        if (excess < 0.0).any():
            k = int(np.argmin(excess))
            contact = scene.contact(int(pairs[k]), float(distances[k]), float(margins_m[pairs[k]]))
            return Hit(contact=contact, waypoint=min(int(middle) + 1, last), share=middle / last)
        # Per joint the most it moves from the middle to either end.
        first, past = int(low), int(np.ceil(high))
        half_travel = 0.5 * (high - low) * travel[first:past].max(axis=0)
        motion = scene.reach_m[pairs] @ half_travel
        open_pairs = pairs[motion > np.maximum(excess, slack_m[pairs])]
        if len(open_pairs):
            # The earlier half is looked at first.
            stack.append((middle, high, open_pairs))
            stack.append((low, middle, open_pairs))
    return None


def _along(waypoints_rad: FloatArray, place: float) -> FloatArray:
    """Return joint positions at a place counted in waypoints."""
    i = min(int(place), len(waypoints_rad) - 2)
    share = place - i
    return np.asarray((1.0 - share) * waypoints_rad[i] + share * waypoints_rad[i + 1])


class MotionPlanner:
    """Finds and checks motions. Deterministic: the same question has the same answer. Not thread-safe.

    Args:
        cell: the cell as built.
        clearance: distances to keep.
        home_q_rad: (dof,) a posture in free space; detours go through it, and its branch (shoulder, elbow, wrist) is
            the one that poses are solved on.
        seed: of the random search, the last resort.
    """

    RETREATS_M = ((-0.15, 0.0, 0.0), (-0.10, 0.0, 0.12), (0.0, 0.0, 0.15), (-0.30, 0.0, 0.05), (-0.20, 0.0, 0.30))
    """Detours move the tool by these in the base frame: back, back and up, up."""

    def __init__(
        self,
        cell: CellModel,
        *,
        clearance: Clearance | None = None,
        home_q_rad: FloatArray = HOME_Q_RAD,
        seed: int = 1,
    ) -> None:
        self.cell = cell
        self.clearance = Clearance() if clearance is None else clearance
        self.home_q_rad = np.array(home_q_rad, dtype=np.float64)
        self._seed = seed
        kinematics = cell.kinematics
        self._low = kinematics.min_q_rad + self.clearance.joint_margin_rad
        self._high = kinematics.max_q_rad - self.clearance.joint_margin_rad

    def joint_path(
        self,
        q_start_rad: FloatArray,
        goal: FloatArray,
        state: CellState,
        *,
        q_seed_rad: FloatArray | None = None,
        allowed_contacts: Collection[tuple[str, str]] = (),
    ) -> JointPath:
        """Return a path of few straight pieces in joint space.

        Tries the straight piece, then detours (tool pulled back or up at either end, home), then a random search whose
        result is shortened.

        Args:
            q_start_rad: (dof,) where the arm is.
            goal: joint positions (dof,) [rad], or a pose ``X_base_tool`` (4, 4) of the tool.
            state: openings, item, bin and band arm during the motion.
            q_seed_rad: (dof,) posture whose branch a goal pose is solved on; home when None.
            allowed_contacts: pairs of body or group names that may touch.

        Raises:
            PlanningError: start or goal is out of reach, out of limits or too near to something, or no way was found.
        """
        scene = self.cell.scene(state, allowed_contacts=allowed_contacts)
        q_start = np.asarray(q_start_rad, dtype=np.float64)
        q_goal = self._goal(q_start, goal, q_seed_rad)
        margins = scene.margins(self.clearance.free_m)
        margins = self._relaxed(scene, q_start, margins, "start")
        margins = self._relaxed(scene, q_goal, margins, "goal")
        direct = np.array([q_start, q_goal])
        hit = first_hit(scene, direct, margins)
        if hit is None:
            return JointPath(waypoints_rad=direct, found_by="direct")
        for waypoints in self._detours(q_start, q_goal):
            if first_hit(scene, waypoints, margins) is None:
                return JointPath(waypoints_rad=waypoints, found_by="detour")
        found = _Search(scene, margins, self._low, self._high, self._seed).connect(q_start, q_goal)
        if found is not None:
            return JointPath(waypoints_rad=found, found_by="search")
        raise PlanningError(
            f"no way for the arm: on the direct path the {hit.in_words()}, and no detour was found; move the tool "
            "back or up first, or clear the obstacle"
        )

    def straight_line(
        self,
        X_base_start: Pose,
        X_base_goal: Pose,
        q_start_rad: FloatArray,
        state: CellState,
        *,
        tool_speed_m_s: float | None = None,
        near_m: float | None = None,
        allowed_contacts: Collection[tuple[str, str]] = (),
    ) -> LinePath:
        """Check a straight line of the tool, without changing branch.

        Args:
            X_base_start: (4, 4) pose of the tool where the line begins.
            X_base_goal: (4, 4) pose where it ends.
            q_start_rad: (dof,) joint positions at, or near, the start; they set the branch.
            state: openings, item, bin and band arm during the motion.
            tool_speed_m_s: when given, the line is refused if a joint cannot keep up.
            near_m: replaces ``Clearance.near_m``.
            allowed_contacts: pairs of body or group names that may touch.

        Raises:
            PlanningError: a point of the line is out of reach or limits, near a singularity, too fast for a joint, or
                something is in the way; says what and where.
        """
        waypoints = self._follow(X_base_start, X_base_goal, np.asarray(q_start_rad, dtype=np.float64))
        dexterity = self._dexterity_along(waypoints)
        length = float(np.linalg.norm(X_base_goal[:3, 3] - X_base_start[:3, 3]))
        speed = self._check_speed(waypoints, length, tool_speed_m_s)
        scene = self.cell.scene(state, allowed_contacts=allowed_contacts)
        near_m = self.clearance.near_m if near_m is None else near_m
        hit = first_hit(scene, waypoints, scene.margins(self.clearance.free_m, near_m))
        if hit is not None:
            raise PlanningError(
                f"straight line to {_place(X_base_goal)}: {hit.contact.in_words()} at {100 * hit.share:.0f} % of the "
                "line; shift the line, or clear what is in the way"
            )
        return LinePath(
            X_base_start=X_base_start,
            X_base_goal=X_base_goal,
            waypoints_rad=waypoints,
            max_tool_speed_m_s=speed,
            dexterity=dexterity,
        )

    def _goal(self, q_start: FloatArray, goal: FloatArray, q_seed: FloatArray | None) -> FloatArray:
        if goal.shape != (4, 4):
            q_goal = np.asarray(goal, dtype=np.float64)
        else:
            kinematics = self.cell.kinematics
            q_goal = solve_ik(kinematics, goal, self.home_q_rad if q_seed is None else q_seed)
            # The seed chose the branch; the turn of each joint is the one nearest to where the arm is.
            turned = nearest_turn(q_goal, q_start, kinematics.min_q_rad, kinematics.max_q_rad)
            q_goal = q_goal if turned is None else turned
        for i, link in enumerate(self.cell.arm.links):
            if not self._low[i] <= q_goal[i] <= self._high[i]:
                raise PlanningError(
                    f"goal of the joint path: {link.name.replace('_', ' ')} at {q_goal[i]:.3f} rad, allowed "
                    f"{self._low[i]:.3f} … {self._high[i]:.3f} rad; choose another goal"
                )
        return q_goal

    def _relaxed(self, scene: Scene, q: FloatArray, margins: FloatArray, where: str) -> FloatArray:
        """Let pairs that are near at an end of the path stay as near, but refuse touching ends."""
        distances = scene.clearances(q)
        floor = min(self.clearance.near_m, self.clearance.free_m)
        short = distances < np.minimum(margins, floor)
        if short.any():
            k = int(np.argmin(np.where(short, distances, np.inf)))
            contact = scene.contact(k, float(distances[k]), float(margins[k]))
            raise PlanningError(
                f"{where} of the joint path: {contact.in_words()}; move the tool away with a straight line first"
                if where == "start"
                else f"{where} of the joint path: {contact.in_words()}; choose a goal further away"
            )
        return np.asarray(np.minimum(margins, np.maximum(0.8 * distances, 0.5 * floor)))

    def _detours(self, q_start: FloatArray, q_goal: FloatArray) -> list[FloatArray]:
        """Return polylines through retreats at both ends and a place between, the quick ones first."""
        starts = [[q] for q in self._offsets(q_start, self.RETREATS_M)]
        goals = [[q] for q in self._offsets(q_goal, self.RETREATS_M)]
        between = [[q] for q in self._between(q_start, q_goal)]
        found = [
            np.array([q_start, *a, *m, *b, q_goal])
            for a, m, b in product([[], *starts], [[], *between], [[], *goals])
            if a or m or b
        ]
        return sorted((path for path in found if self._within(path)), key=_cost_rad)

    def _between(self, q_start: FloatArray, q_goal: FloatArray) -> list[FloatArray]:
        """Return places on the way: over the middle of the tool's way, and home with the rolls of both ends."""
        homes = []
        for q_end in (q_start, q_goal):
            home = self.home_q_rad.copy()
            home[-1] = q_end[-1]
            homes.append(home)
        kinematics = self.cell.kinematics
        X_middle = line_pose(kinematics.tool_pose(q_start), kinematics.tool_pose(q_goal), 0.5)
        q_middle = kinematics.refine(X_middle, 0.5 * (q_start + q_goal), iterations=20)
        middles = [] if q_middle is None else [q_middle, *self._offsets(q_middle, self.RETREATS_M)]
        return homes + middles

    def _offsets(self, q: FloatArray, offsets_m: tuple[tuple[float, float, float], ...]) -> list[FloatArray]:
        """Return joint positions with the tool moved in the base frame from where it is, on the same branch."""
        X = self.cell.kinematics.tool_pose(q)
        found = []
        for offset in offsets_m:
            X_moved = X.copy()
            X_moved[:3, 3] += offset
            q_moved = self.cell.kinematics.refine(X_moved, q, iterations=20)
            if q_moved is not None and np.abs(q_moved - q).max() < 1.5:
                found.append(q_moved)
        return found

    def _within(self, waypoints: FloatArray) -> bool:
        return bool(((waypoints >= self._low) & (waypoints <= self._high)).all())

    def _follow(self, X_start: Pose, X_goal: Pose, q_near: FloatArray) -> FloatArray:
        """Follow a line by inverse kinematics; (n, dof)."""
        kinematics = self.cell.kinematics
        length = float(np.linalg.norm(X_goal[:3, 3] - X_start[:3, 3]))
        turn = np.arccos(np.clip(0.5 * (np.trace(X_start[:3, :3].T @ X_goal[:3, :3]) - 1.0), -1.0, 1.0))
        pieces = max(1, int(np.ceil(length / self.clearance.line_step_m)), int(np.ceil(turn / 0.02)))
        q = kinematics.refine(X_start, q_near, iterations=30)
        if q is None or np.abs(q - q_near).max() > 0.5:
            q = solve_ik(kinematics, X_start, q_near)
        waypoints = [q]
        for k in range(1, pieces + 1):
            share = k / pieces
            q_next = kinematics.refine(line_pose(X_start, X_goal, share), q, iterations=15)
            if q_next is None or np.abs(q_next - q).max() > 0.4:
                raise PlanningError(
                    f"straight line to {_place(X_goal)} cannot be followed beyond {100 * (k - 1) / pieces:.0f} %: the "
                    "arm reaches its end or a singular posture; begin with another posture, or shorten the line"
                )
            q = q_next
            self._check_limits(q, X_goal, share)
            waypoints.append(q)
        return np.array(waypoints)

    def _check_limits(self, q: FloatArray, X_goal: Pose, share: float) -> None:
        for i, link in enumerate(self.cell.arm.links):
            if not self._low[i] <= q[i] <= self._high[i]:
                raise PlanningError(
                    f"straight line to {_place(X_goal)}: {link.name.replace('_', ' ')} would be at {q[i]:.3f} rad at "
                    f"{100 * share:.0f} % of the line, allowed {self._low[i]:.3f} … {self._high[i]:.3f} rad; begin "
                    "with another turn of this joint"
                )

    def _dexterity_along(self, waypoints: FloatArray) -> float:
        values = [self.cell.kinematics.dexterity(q) for q in waypoints[:: max(1, len(waypoints) // 8)]]
        values.append(self.cell.kinematics.dexterity(waypoints[-1]))
        if min(values) < self.clearance.min_dexterity:
            raise PlanningError(
                f"straight line comes too near to a singular posture: dexterity {min(values):.3f}, at least "
                f"{self.clearance.min_dexterity:.3f} wanted; shift the line or choose another posture"
            )
        return min(values)

    def _check_speed(self, waypoints: FloatArray, length_m: float, tool_speed_m_s: float | None) -> float:
        """Return the fastest tool speed [m/s] that all joints can follow; refuse a faster wish."""
        if length_m < 1e-6:
            return 0.0
        per_m = np.abs(np.diff(waypoints, axis=0)).max(axis=0) * (len(waypoints) - 1) / length_m
        allowed = self.cell.kinematics.max_speed_rad_s / np.maximum(per_m, 1e-9)
        joint = int(np.argmin(allowed))
        if tool_speed_m_s is not None and tool_speed_m_s > allowed[joint]:
            raise PlanningError(
                f"straight line at {tool_speed_m_s:.2f} m/s is too fast for "
                f"{self.cell.arm.links[joint].name.replace('_', ' ')}; at most {allowed[joint]:.2f} m/s"
            )
        return float(allowed[joint])


def _cost_rad(waypoints: FloatArray) -> float:
    """Return a measure of a path's duration: its length, and for each stop as much as 0.5 rad."""
    return float(np.abs(np.diff(waypoints, axis=0)).max(axis=1).sum()) + 0.5 * (len(waypoints) - 2)


def _place(X: Pose) -> str:
    return "({:.3f}, {:.3f}, {:.3f}) m of the base frame".format(*X[:3, 3])


class _Search:
    """RRT-Connect in a box around start and goal, then random shortcuts. Fixed seed, so repeatable."""

    STEP_RAD = 0.6
    SAMPLES = 500
    ROOM_RAD = 1.2
    """The box reaches this far beyond start and goal."""

    def __init__(self, scene: Scene, margins: FloatArray, low: FloatArray, high: FloatArray, seed: int) -> None:
        self._scene, self._margins = scene, margins
        self._low, self._high = low, high
        self._rng = np.random.default_rng(seed)

    def connect(self, q_start: FloatArray, q_goal: FloatArray) -> FloatArray | None:
        """Return a shortened free polyline (n, dof), or None."""
        low = np.maximum(np.minimum(q_start, q_goal) - self.ROOM_RAD, self._low)
        high = np.minimum(np.maximum(q_start, q_goal) + self.ROOM_RAD, self._high)
        trees: list[list[tuple[FloatArray, int]]] = [[(q_start, -1)], [(q_goal, -1)]]
        for k in range(self.SAMPLES):
            mine, other = trees[k % 2], trees[1 - k % 2]
            added = self._extend(mine, self._rng.uniform(low, high))
            if added is None:
                continue
            while (met := self._extend(other, mine[added][0])) is not None:
                if np.abs(other[met][0] - mine[added][0]).max() < 1e-9:
                    a, b = _branch(mine, added), _branch(other, met)
                    path = a[::-1] + b[1:] if k % 2 == 0 else b[::-1] + a[1:]
                    return self._shorten(np.array(path))
        return None

    def _extend(self, tree: list[tuple[FloatArray, int]], target: FloatArray) -> int | None:
        """Grow a tree one step towards a target; return the new node's index, or None when blocked."""
        nodes = np.array([q for q, _ in tree])
        near = int(np.argmin(np.linalg.norm(nodes - target, axis=1)))
        step = target - nodes[near]
        size = float(np.linalg.norm(step))
        q_new = target if size <= self.STEP_RAD else nodes[near] + step * (self.STEP_RAD / size)
        if size < 1e-9 or not self._free(nodes[near], q_new):
            return None
        tree.append((q_new, near))
        return len(tree) - 1

    def _free(self, q_a: FloatArray, q_b: FloatArray) -> bool:
        return first_hit(self._scene, np.array([q_a, q_b]), self._margins) is None

    def _shorten(self, path: FloatArray) -> FloatArray:
        path = self._skip(path)
        for _ in range(40):
            # Points between waypoints: cutting corners removes more than skipping waypoints does.
            a, b = np.sort(self._rng.uniform(0.0, len(path) - 1, size=2))
            if int(a) == int(b):
                continue
            q_a, q_b = _along(path, a), _along(path, b)
            if self._free(q_a, q_b):
                path = np.concatenate([path[: int(a) + 1], [q_a, q_b], path[int(b) + 1 :]])
                path = self._skip(path)
        return path

    def _skip(self, path: FloatArray) -> FloatArray:
        """Leave out every waypoint whose neighbours can be joined, the farthest jump first."""
        kept, i = [path[0]], 0
        while i < len(path) - 1:
            j = len(path) - 1
            while j > i + 1 and not self._free(path[i], path[j]):
                j -= 1
            kept.append(path[j])
            i = j
        return np.array(kept)


def _branch(tree: list[tuple[FloatArray, int]], node: int) -> list[FloatArray]:
    """Return the nodes from one node to the root."""
    found = []
    while node >= 0:
        q, node = tree[node]
        found.append(q)
    return found
