"""Kinematics of an arm with its tool, and inverse kinematics with every posture.

Arms built like the UR series (three parallel axes, then two wrist axes crossing at right angles) are solved in closed
form, so that all eight postures are known and "unreachable" is a fact, not a failed search. Other arms are solved by
damped Gauss-Newton from several seeds. Either way each solution is polished on the exact model.
"""

from itertools import product
from math import atan2, hypot, pi, sqrt

import numpy as np
import pinocchio as pin
from scipy.optimize import least_squares

from podhand.core.arm_model import ArmModel
from podhand.core.errors import PlanningError
from podhand.core.poses import FloatArray, Pose, inverse, pose

POSITION_TOLERANCE_M = 1e-6
ROTATION_TOLERANCE_RAD = 1e-6
_NUMERIC_SEEDS = 24


class Kinematics:
    """Pinocchio model of an arm and its tool. Not thread-safe: the model's work space is shared between calls.

    Args:
        arm: joint frames, inertias and limits.
        X_flange_tool: pose of the tool frame in the flange frame.
    """

    def __init__(self, arm: ArmModel, X_flange_tool: Pose) -> None:
        self.arm = arm
        self.X_flange_tool = X_flange_tool
        self.model = pin.Model()
        self.model.name = arm.name
        joint = 0
        for link in arm.links:
            joint = self.model.addJoint(
                joint,
                pin.JointModelRZ(),
                pin.SE3(link.X_parent_joint),
                link.name,
                np.array([link.max_torque_n_m]),
                np.array([link.max_speed_rad_s]),
                np.array([link.min_position_rad]),
                np.array([link.max_position_rad]),
            )
            inertia = pin.Inertia(link.mass_kg, link.com_m, link.inertia_kg_m2)
            self.model.appendBodyToJoint(joint, inertia, pin.SE3.Identity())
        flange = pin.Frame("flange", joint, 0, pin.SE3.Identity(), pin.FrameType.OP_FRAME)
        self.model.addFrame(flange)
        tool = pin.Frame("tool", joint, 0, pin.SE3(X_flange_tool), pin.FrameType.OP_FRAME)
        self.tool_frame = self.model.addFrame(tool)
        self.data = self.model.createData()
        self.min_q_rad: FloatArray = np.array([link.min_position_rad for link in arm.links])
        self.max_q_rad: FloatArray = np.array([link.max_position_rad for link in arm.links])
        self.max_speed_rad_s: FloatArray = np.array([link.max_speed_rad_s for link in arm.links])
        lengths = [float(np.linalg.norm(link.X_parent_joint[:3, 3])) for link in arm.links[1:]]
        lengths.append(float(np.linalg.norm(X_flange_tool[:3, 3])))
        self._levers_m: FloatArray = np.cumsum(lengths[::-1])[::-1]
        self._closed_form = _ClosedForm.of(arm)

    @property
    def joints(self) -> int:
        """Number of joints."""
        return self.arm.joints

    def tool_pose(self, q_rad: FloatArray) -> Pose:
        """Return ``X_base_tool`` for joint positions (n,) [rad]."""
        pin.forwardKinematics(self.model, self.data, q_rad)
        X: Pose = pin.updateFramePlacement(self.model, self.data, self.tool_frame).homogeneous
        return X

    def jacobian(self, q_rad: FloatArray) -> FloatArray:
        """Return the tool origin's Jacobian (6, n) in base axes: ``(v, w)`` [m/s, rad/s] per joint speed [rad/s]."""
        return self._pose_and_jacobian(q_rad, pin.ReferenceFrame.LOCAL_WORLD_ALIGNED)[1]

    def _pose_and_jacobian(self, q_rad: FloatArray, axes: pin.ReferenceFrame) -> tuple[pin.SE3, FloatArray]:
        # The frame Jacobian of pinocchio leaves the placements as they were.
        pin.forwardKinematics(self.model, self.data, q_rad)
        X_base_tool = pin.updateFramePlacement(self.model, self.data, self.tool_frame)
        J: FloatArray = pin.computeFrameJacobian(self.model, self.data, q_rad, self.tool_frame, axes)
        return X_base_tool, J

    def dexterity(self, q_rad: FloatArray) -> float:
        """Return the smallest singular value of the tool's Jacobian in SI units; 0 at a singularity."""
        return float(np.linalg.svd(self.jacobian(q_rad), compute_uv=False)[-1])

    def refine(self, X_base_tool: Pose, q_rad: FloatArray, *, iterations: int = 10) -> FloatArray | None:
        """Polish joint positions until the tool is at a pose.

        Returns:
            Joint positions (n,) [rad], limits not considered, or None when it does not converge.
        """
        q = np.array(q_rad, dtype=np.float64)
        X_goal = pin.SE3(X_base_tool)
        for _ in range(iterations):
            X_now, J = self._pose_and_jacobian(q, pin.ReferenceFrame.LOCAL)
            twist = pin.log6(X_now.actInv(X_goal))  # keep it alive: .vector is a view into it
            error = np.array(twist.vector)
            if hypot(*error[:3]) < POSITION_TOLERANCE_M and hypot(*error[3:]) < ROTATION_TOLERANCE_RAD:
                return q
            # The damping fades with the error: safe steps far away, quadratic convergence near the goal.
            A = J @ J.T + (1e-3 * float(error @ error) + 1e-12) * np.eye(6)
            step = J.T @ np.linalg.solve(A, error)
            q += step * min(1.0, 0.5 / max(float(np.abs(step).max()), 1e-12))
        return None

    def solutions(self, X_base_tool: Pose, q_seed_rad: FloatArray) -> list[FloatArray]:
        """Return every posture that brings the tool to a pose, within the joint limits, nearest to a seed first.

        Each joint is taken at the turn nearest to the seed. Near means little motion of the whole arm: a turn of the
        shoulder counts more than one of the last wrist.

        Args:
            X_base_tool: wanted pose, (4, 4).
            q_seed_rad: joint positions (n,) [rad] that set the order.
        """
        found: list[FloatArray] = []
        for q in self._postures(X_base_tool, q_seed_rad):
            within = nearest_turn(q, q_seed_rad, self.min_q_rad, self.max_q_rad)
            if within is not None and not any(np.abs(within - other).max() < 1e-4 for other in found):
                found.append(within)
        return sorted(found, key=lambda q: float(np.abs(q - q_seed_rad) @ self._levers_m))

    def _postures(self, X_base_tool: Pose, q_seed_rad: FloatArray) -> list[FloatArray]:
        """Return polished solutions without regard to limits."""
        if self._closed_form is not None:
            seeds = self._closed_form.solve(X_base_tool @ inverse(self.X_flange_tool))
            iterations = 10
        else:
            rng = np.random.default_rng(7)
            low, high = np.maximum(self.min_q_rad, -pi), np.minimum(self.max_q_rad, pi)
            seeds = [q_seed_rad, *rng.uniform(low, high, size=(_NUMERIC_SEEDS, self.joints))]
            iterations = 80
        polished = [self.refine(X_base_tool, q, iterations=iterations) for q in seeds]
        found = [q for q in polished if q is not None]
        if not found and self._closed_form is not None:
            # At a wrist singularity the closed form has no answer, though the pose may be reachable.
            q_wrist = self.refine(X_base_tool, q_seed_rad, iterations=80)
            return [] if q_wrist is None else [q_wrist]
        return found

    def closest_miss(self, X_base_tool: Pose) -> tuple[float, FloatArray]:
        """Return how near the tool can come to an unreachable point: distance [m] and joint positions (n,) [rad]."""

        def error(q: FloatArray) -> FloatArray:
            X = self.tool_pose(q)
            # A radian counts as a metre: the answer is the distance with the tool turned as wanted.
            turn = X[:3, :3] @ pin.log3(X[:3, :3].T @ X_base_tool[:3, :3])
            return np.concatenate([X_base_tool[:3, 3] - X[:3, 3], turn])

        bounds = (self.min_q_rad, self.max_q_rad)
        seeds = [np.clip(q, self.min_q_rad + 1e-3, self.max_q_rad - 1e-3) for q in self._miss_seeds(X_base_tool)]
        best = min(
            (least_squares(error, q, bounds=bounds, max_nfev=60) for q in seeds), key=lambda fit: float(fit.cost)
        )
        q_best: FloatArray = best.x
        return float(np.linalg.norm(error(q_best)[:3])), q_best

    def _miss_seeds(self, X_base_tool: Pose) -> list[FloatArray]:
        """Return some fixed postures, turned towards a point."""
        bearing = atan2(X_base_tool[1, 3], X_base_tool[0, 3])
        rng = np.random.default_rng(7)
        seeds = [rng.uniform(-1.5, 1.5, self.joints) for _ in range(4)]
        for seed in seeds:
            seed[0] += bearing
        return seeds


def solve_ik(kinematics: Kinematics, X_base_tool: Pose, q_seed_rad: FloatArray) -> FloatArray:
    """Return the joint positions nearest to a seed that bring the tool to a pose.

    Args:
        kinematics: arm and tool.
        X_base_tool: wanted pose of the tool in the base frame, (4, 4).
        q_seed_rad: joint positions (n,) [rad] whose posture (shoulder, elbow, wrist) is kept where possible.

    Returns:
        Joint positions (n,) [rad] within the limits; the tool is within 1 µm and 1 µrad of the pose.

    Raises:
        PlanningError: the pose is out of reach or only reachable outside a joint's range; says by how much.
    """
    found = kinematics.solutions(X_base_tool, q_seed_rad)
    if found:
        return found[0]
    raise PlanningError(_why_unreachable(kinematics, X_base_tool, q_seed_rad))


def _why_unreachable(kinematics: Kinematics, X_base_tool: Pose, q_seed_rad: FloatArray) -> str:
    place = "tool pose at ({:.3f}, {:.3f}, {:.3f}) m in the base frame".format(*X_base_tool[:3, 3])
    blocked = kinematics._postures(X_base_tool, q_seed_rad)
    if blocked:
        q = min(blocked, key=lambda one: float(np.maximum(np.abs(one) - kinematics.max_q_rad, 0.0).max()))
        beyond = [i for i in range(kinematics.joints) if not kinematics.min_q_rad[i] <= q[i] <= kinematics.max_q_rad[i]]
        i = beyond[0]
        return (
            f"{place} needs {_words(kinematics.arm.links[i].name)} at {q[i]:.3f} rad, allowed "
            f"{kinematics.min_q_rad[i]:.3f} … {kinematics.max_q_rad[i]:.3f} rad; "
            "choose another roll of the tool or another pose"
        )
    miss, q = kinematics.closest_miss(X_base_tool)
    if miss < 1e-3:
        return (
            f"{place} can be reached, but not with this orientation of the tool; turn the tool or move the pose away "
            "from the arm's base"
        )
    nearest = "({:.3f}, {:.3f}, {:.3f})".format(*kinematics.tool_pose(q)[:3, 3])
    return (
        f"{place} is out of reach of {kinematics.arm.name}: the nearest place it reaches is {nearest} m, {miss:.3f} m "
        "away; move the pose there, or move the base"
    )


def nearest_turn(q: FloatArray, q_seed: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray | None:
    """Shift each joint by whole turns to be nearest to the seed inside the limits; None when one has no such turn."""
    turns = 2 * pi * np.arange(-3, 4)
    choices = q[:, None] + turns[None, :]
    distance = np.abs(choices - q_seed[:, None])
    distance[(choices < low[:, None] - 1e-9) | (choices > high[:, None] + 1e-9)] = np.inf
    best = np.argmin(distance, axis=1)
    rows = np.arange(len(q))
    if not np.isfinite(distance[rows, best]).all():
        return None
    return np.asarray(choices[rows, best])


def _words(name: str) -> str:
    return name.replace("_", " ")


class _ClosedForm:
    """Closed-form inverse kinematics of a UR-like arm: d1, a2, a3, d4, d5, d6 [m] of its joint frames."""

    def __init__(self, arm: ArmModel) -> None:
        offsets = [link.X_parent_joint[:3, 3] for link in arm.links]
        self.d1 = float(offsets[0][2])
        self.a2, self.a3 = float(offsets[2][0]), float(offsets[3][0])
        self.d4, self.d5, self.d6 = float(offsets[3][2]), -float(offsets[4][1]), float(offsets[5][1])

    @classmethod
    def of(cls, arm: ArmModel) -> "_ClosedForm | None":
        """Return the solver when it reproduces two postures of the arm exactly, else None."""
        if arm.joints != 6:
            return None
        solver = cls(arm)
        for q in (np.array([0.3, -1.2, 1.4, -0.6, 0.8, 0.5]), np.array([-1.1, -0.7, -0.9, 0.4, -1.3, -2.0])):
            X = arm.flange(q)
            if not any(np.abs(arm.flange(one) - X).max() < 1e-6 for one in solver.solve(X)):
                return None
        return solver

    def solve(self, X_base_flange: Pose) -> list[FloatArray]:
        """Return up to eight solutions (6,) [rad], each joint in ±pi; none at a wrist singularity or out of reach."""
        p_wrist = X_base_flange[:3, 3] - self.d6 * X_base_flange[:3, 2]
        radius = hypot(p_wrist[0], p_wrist[1])
        if radius < abs(self.d4):
            return []
        bearing, lean = atan2(p_wrist[1], p_wrist[0]), np.arcsin(self.d4 / radius)
        found: list[FloatArray] = []
        for q1, wrist in product((bearing + lean, bearing + pi - lean), (1.0, -1.0)):
            found += self._solve_plane(X_base_flange, p_wrist, float(q1), wrist)
        return found

    def _solve_plane(self, X: Pose, p_wrist: FloatArray, q1: float, wrist: float) -> list[FloatArray]:
        """Solve the three parallel joints for one shoulder and one wrist; two elbows, or none."""
        s1, c1 = np.sin(q1), np.cos(q1)
        n, u = np.array([s1, -c1, 0.0]), np.array([c1, s1, 0.0])  # normal of the arm's plane, its horizontal
        z6 = X[:3, 2]
        c5 = float(np.clip(z6 @ n, -1.0, 1.0))
        s5 = wrist * sqrt(1.0 - c5 * c5)
        if abs(s5) < 1e-6:
            return []
        q5 = atan2(s5, c5)
        q6 = atan2(-float(n @ X[:3, 1]) / s5, float(n @ X[:3, 0]) / s5)
        x4 = (c5 * n - z6) / s5
        p_plane = p_wrist + self.d5 * np.cross(n, x4) - self.d4 * n
        x, y = float(p_plane @ u), float(p_plane[2]) - self.d1
        c3 = (x * x + y * y - self.a2**2 - self.a3**2) / (2 * self.a2 * self.a3)
        if abs(c3) > 1.0:
            return []
        q234 = atan2(x4[2], float(x4 @ u))
        found = []
        for q3 in (np.arccos(c3), -np.arccos(c3)):
            q2 = atan2(y, x) - atan2(self.a3 * np.sin(q3), self.a2 + self.a3 * np.cos(q3))
            q = np.array([q1, q2, q3, q234 - q2 - q3, q5, q6])
            found.append((q + pi) % (2 * pi) - pi)
        return found


def line_pose(X_start: Pose, X_goal: Pose, share: float) -> Pose:
    """Return the pose at a share 0 … 1 of the straight line between two poses; rotation about a fixed axis."""
    R = X_start[:3, :3] @ pin.exp3(share * pin.log3(X_start[:3, :3].T @ X_goal[:3, :3]))
    return pose(R, (1.0 - share) * X_start[:3, 3] + share * X_goal[:3, 3])
