"""The kernel's kinematics against pinocchio, an independent implementation."""

from dataclasses import dataclass

import numpy as np
import pinocchio
import pytest

from podhand._kernel import Chain, gravity_wrench
from podhand.core.arm_model import UR10E
from podhand.core.poses import FloatArray, Pose, inverse, pack_pose, pose, rotation_rpy

STATES = 1000
TOLERANCE = 1e-9


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One chain twice: the kernel's and pinocchio's."""

    chain: Chain
    model: pinocchio.Model
    data: pinocchio.Data
    tool: int


def random_pose(random: np.random.Generator) -> Pose:
    return pose(rotation_rpy(*random.uniform(-np.pi, np.pi, 3)), random.uniform(-0.5, 0.5, 3))


def build(X_parent_joint: list[Pose], X_flange_tool: Pose) -> Arm:
    model = pinocchio.Model()
    parent = 0
    for i, X in enumerate(X_parent_joint):
        parent = model.addJoint(parent, pinocchio.JointModelRZ(), pinocchio.SE3(X), f"joint_{i}")
    frame = pinocchio.Frame("tool", parent, 0, pinocchio.SE3(X_flange_tool), pinocchio.FrameType.OP_FRAME)
    tool = model.addFrame(frame)
    chain = Chain(
        X_parent_joint=np.array([pack_pose(X) for X in X_parent_joint]), X_flange_tool=pack_pose(X_flange_tool)
    )
    return Arm(chain=chain, model=model, data=model.createData(), tool=tool)


def ur10e() -> Arm:
    return build([link.X_parent_joint for link in UR10E.links], pose(rotation_rpy(0.3, -1.2, 0.5), (0.02, -0.03, 0.31)))


def random_seven() -> Arm:
    random = np.random.default_rng(7)
    return build([random_pose(random) for _ in range(7)], random_pose(random))


ARMS = {"ur10e": ur10e, "random seven-joint chain": random_seven}


@pytest.fixture(params=ARMS)
def arm(request: pytest.FixtureRequest) -> Arm:
    return ARMS[request.param]()


def random_states(arm: Arm) -> FloatArray:
    states: FloatArray = np.random.default_rng(1).uniform(-2 * np.pi, 2 * np.pi, (STATES, arm.chain.joints))
    return states


def test_forward_kinematics(arm: Arm) -> None:
    for q in random_states(arm):
        pinocchio.framesForwardKinematics(arm.model, arm.data, q)
        np.testing.assert_allclose(
            arm.chain.fk(q), arm.data.oMf[arm.tool].homogeneous, atol=TOLERANCE, rtol=0, err_msg=f"at q = {q}"
        )


def test_jacobian(arm: Arm) -> None:
    for q in random_states(arm):
        J = pinocchio.computeFrameJacobian(arm.model, arm.data, q, arm.tool, pinocchio.LOCAL_WORLD_ALIGNED)
        np.testing.assert_allclose(arm.chain.jacobian(q), J, atol=TOLERANCE, rtol=0, err_msg=f"at q = {q}")


def test_core_arm_model() -> None:
    """The planner's flange, the kernel's and pinocchio's are one."""
    arm = build([link.X_parent_joint for link in UR10E.links], pose())
    for q in random_states(arm)[:200]:
        np.testing.assert_allclose(UR10E.flange(q), arm.chain.fk(q), atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("q", [0.0, np.pi / 4, np.pi / 2, np.pi, -np.pi / 2, 2 * np.pi, 1e-300, 3 * np.pi / 4, 9e3])
def test_quadrants(q: float) -> None:
    """The kernel has its own trigonometry; its seams lie at odd multiples of pi / 4."""
    arm = ur10e()
    for side in (np.nextafter(q, -np.inf), q, np.nextafter(q, np.inf)):
        values = np.full(6, side)
        pinocchio.framesForwardKinematics(arm.model, arm.data, values)
        np.testing.assert_allclose(arm.chain.fk(values), arm.data.oMf[arm.tool].homogeneous, atol=1e-12, rtol=0)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_no_plausible_pose_from_a_broken_position(value: float) -> None:
    q = np.zeros(6)
    q[2] = value
    assert not np.isfinite(ur10e().chain.fk(q)[:3, 3]).all()


def test_gravity_wrench() -> None:
    """What pinocchio needs at the sensor to hold a body still, with the opposite sign."""
    random = np.random.default_rng(2)
    for _ in range(STATES):
        X_base_sensor = random_pose(random)
        mass, com, gravity = random.uniform(0, 6), random.uniform(-0.3, 0.3, 3), random.uniform(-10, 10, 3)
        inertia = pinocchio.Inertia(mass, com, np.zeros((3, 3)))
        upwards = pinocchio.Motion(X_base_sensor[:3, :3].T @ -gravity, np.zeros(3))
        held = inertia * upwards
        wrench = gravity_wrench(X_base_sensor[:3, :3], mass, com, gravity)
        np.testing.assert_allclose(wrench, -held.vector, atol=TOLERANCE, rtol=0)


def test_gravity_pulls_down() -> None:
    wrench = gravity_wrench(np.eye(3), 2.0, [0.1, 0.0, 0.0], [0.0, 0.0, -9.81])
    np.testing.assert_allclose(wrench, [0.0, 0.0, -19.62, 0.0, 1.962, 0.0], atol=1e-12)


def smallest_singular_value(J: FloatArray) -> float:
    return float(np.linalg.svd(J, compute_uv=False)[-1])


def test_damped_inverse_away_from_singularities(arm: Arm) -> None:
    """Exact, and of least norm."""
    random = np.random.default_rng(3)
    checked = 0
    for q in random_states(arm):
        J = arm.chain.jacobian(q)
        if smallest_singular_value(J) < 0.03 * np.sqrt(6):
            continue
        checked += 1
        twist = random.uniform(-0.5, 0.5, 6)
        qd, manipulability = arm.chain.ik(q, twist, 0.03 / 4)
        np.testing.assert_allclose(J @ qd, twist, atol=1e-9)
        np.testing.assert_allclose(qd, np.linalg.pinv(J) @ twist, atol=1e-7)
        assert manipulability == pytest.approx(np.sqrt(np.linalg.det(J @ J.T)), rel=1e-6)
    assert checked > 200


def test_damped_inverse_in_and_near_singularities() -> None:
    """Bounded speeds, and never further from the twist than full damping would be."""
    chain, damping = ur10e().chain, 0.02
    random = np.random.default_rng(4)
    for _ in range(500):
        q = random.uniform(-2, 2, 6)
        q[4] = random.choice([0.0, 1e-9, 1e-4, 1e-2]) * random.choice([-1, 1])  # wrist axes in line
        if random.random() < 0.5:
            q[2] = random.choice([0.0, 1e-6, 1e-3])  # elbow stretched
        J = chain.jacobian(q)
        twist = random.uniform(-0.5, 0.5, 6)
        qd, manipulability = chain.ik(q, twist, damping)
        assert np.isfinite(qd).all()
        assert manipulability >= 0.0
        assert np.linalg.norm(qd) <= np.linalg.norm(twist) / (2 * damping)
        full = J.T @ np.linalg.solve(J @ J.T + damping**2 * np.eye(6), twist)
        assert np.linalg.norm(J @ qd - twist) <= np.linalg.norm(J @ full - twist) + 1e-9


def test_damping_sets_in_without_a_step() -> None:
    chain = ur10e().chain
    q = np.array([0.3, -1.2, 1.4, 0.2, 0.0, 0.1])
    twist = np.array([0.1, 0.05, -0.1, 0.2, 0.3, -0.1])
    bends = np.linspace(0.3, -0.3, 6001)
    speeds = np.array([chain.ik(np.concatenate([q[:4], [bend], q[5:]]), twist, 0.02)[0] for bend in bends])
    assert np.abs(np.diff(speeds, axis=0)).max() < 0.05


def test_singular_without_damping_is_refused() -> None:
    with pytest.raises(ValueError, match="no finite joint speeds"):
        ur10e().chain.ik(np.zeros(6), np.ones(6), 0.0)


@pytest.mark.parametrize("broken", ["q", "twist"])
def test_broken_arguments_are_refused(broken: str) -> None:
    q, twist = np.full(6, 0.5), np.full(6, 0.1)
    (q if broken == "q" else twist)[3] = np.nan
    with pytest.raises(ValueError, match="no finite joint speeds"):
        ur10e().chain.ik(q, twist, 0.02)


def test_tool_point_is_where_the_jacobian_looks() -> None:
    """Differences of poses, without any other library."""
    arm, step = random_seven(), 1e-6
    q = np.random.default_rng(5).uniform(-2, 2, 7)
    J = arm.chain.jacobian(q)
    for j in range(7):
        later, before = arm.chain.fk(q + step * np.eye(7)[j]), arm.chain.fk(q - step * np.eye(7)[j])
        turn = (later @ inverse(before))[:3, :3]
        turn = (turn - turn.T) / (4 * step)
        np.testing.assert_allclose((later - before)[:3, 3] / (2 * step), J[:3, j], atol=1e-8)
        np.testing.assert_allclose([turn[2, 1], turn[0, 2], turn[1, 0]], J[3:, j], atol=1e-8)
