"""One plain admittance step, in numpy and in numba: what one would write without the kernel.

The step: kinematics and Jacobian, bias, payload gravity, low-pass, frame change, pose error, semi-implicit admittance
per axis with limits, inverse Jacobian, joint speed and acceleration limits, integration. No plausibility, no
segments, no last-stage limiter. ``podhand._kernel.PlainStep`` is the same step in C++; all three agree to 1e-9.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from podhand.core.arm_model import ArmModel
from podhand.core.poses import FloatArray, Pose, pack_pose

DT_S = 0.001
GRAVITY_M_S2 = np.array([0.0, 0.0, -9.81])
Step = Callable[[FloatArray, FloatArray, FloatArray], None]
"""``step(q_rad, wrench_sensor, q_out_rad)``, all (6,)."""


@dataclass(frozen=True, kw_only=True)
class PlainParameters:
    """Parameters of the plain step; all vectors (6,), linear part first, SI."""

    X_parent_joint: FloatArray
    """(joints, 4, 4)."""
    X_flange_tool: Pose
    mass: FloatArray
    damping: FloatArray
    stiffness: FloatArray
    bias: FloatArray
    payload_kg: float
    com_sensor_m: FloatArray
    gain: float
    """Of the low-pass: dt / (dt + time constant)."""
    max_speed: FloatArray
    max_acceleration: FloatArray
    max_joint_speed_rad_s: float
    max_joint_acceleration_rad_s2: float
    X_base_goal: Pose


def parameters(arm: ArmModel, X_flange_tool: Pose, q_rad: FloatArray) -> PlainParameters:
    """Return the parameters of the benchmark: hold the pose of ``q_rad`` compliantly."""
    return PlainParameters(
        X_parent_joint=np.stack([link.X_parent_joint for link in arm.links]),
        X_flange_tool=X_flange_tool,
        mass=np.array([8.0, 8.0, 8.0, 0.5, 0.5, 0.5]),
        damping=np.array([400.0, 400.0, 400.0, 20.0, 20.0, 20.0]),
        stiffness=np.array([300.0, 300.0, 0.0, 20.0, 20.0, 20.0]),
        bias=np.full(6, 0.1),
        payload_kg=3.2,
        com_sensor_m=np.array([0.0, 0.0, 0.16]),
        gain=DT_S / (DT_S + 0.004),
        max_speed=np.array([0.5, 0.5, 0.5, 1.0, 1.0, 1.0]),
        max_acceleration=np.array([5.0, 5.0, 5.0, 10.0, 10.0, 10.0]),
        max_joint_speed_rad_s=2.0,
        max_joint_acceleration_rad_s2=20.0,
        X_base_goal=arm.flange(q_rad) @ X_flange_tool,
    )


def numpy_step(p: PlainParameters) -> Step:
    """Return the step in plain numpy."""
    filtered, v, qd = np.zeros(6), np.zeros(6), np.zeros(6)
    R_goal, p_goal = p.X_base_goal[:3, :3], p.X_base_goal[:3, 3]
    R_flange_tool, p_flange_tool = p.X_flange_tool[:3, :3], p.X_flange_tool[:3, 3]

    def step(q_rad: FloatArray, wrench: FloatArray, q_out_rad: FloatArray) -> None:
        nonlocal filtered, v, qd
        X, axes, origins = np.eye(4), [], []
        for X_parent_joint, q in zip(p.X_parent_joint, q_rad, strict=True):
            X = X @ X_parent_joint
            c, s = np.cos(q), np.sin(q)
            X[:3, :2] = np.column_stack([c * X[:3, 0] + s * X[:3, 1], c * X[:3, 1] - s * X[:3, 0]])
            axes.append(X[:3, 2].copy())
            origins.append(X[:3, 3].copy())
        R_flange = X[:3, :3]
        tool = X[:3, 3] + R_flange @ p_flange_tool
        R = R_flange @ R_flange_tool
        J = np.array([np.concatenate([np.cross(z, tool - o), z]) for z, o in zip(axes, origins, strict=True)]).T
        weight = R_flange.T @ (p.payload_kg * GRAVITY_M_S2)
        F = wrench - p.bias
        F[:3] -= weight
        F[3:] -= np.cross(p.com_sensor_m, weight)
        filtered = filtered + p.gain * (F - filtered)
        force = R_flange @ filtered[:3]
        torque = R_flange @ filtered[3:] - np.cross(R_flange @ p_flange_tool, force)
        E = R_goal.T @ R
        error = np.concatenate(
            [tool - p_goal, R_goal @ (0.5 * np.array([E[2, 1] - E[1, 2], E[0, 2] - E[2, 0], E[1, 0] - E[0, 1]]))]
        )
        drive = np.concatenate([force, torque]) - p.damping * v - p.stiffness * (error + DT_S * v)
        a = drive / (p.mass + DT_S * p.damping + DT_S * DT_S * p.stiffness)
        v = np.clip(v + DT_S * np.clip(a, -p.max_acceleration, p.max_acceleration), -p.max_speed, p.max_speed)
        wanted = J.T @ np.linalg.solve(J @ J.T, v)
        wanted *= min(1.0, p.max_joint_speed_rad_s / max(float(np.abs(wanted).max()), 1e-12))
        change = p.max_joint_acceleration_rad_s2 * DT_S
        qd = np.clip(wanted, qd - change, qd + change)
        q_out_rad[:] = q_rad + DT_S * qd

    return step


def numba_step(p: PlainParameters) -> Step:
    """Return the step compiled by numba, written out in loops as numba likes it, the parameters as constants."""
    compiled, state = _compile(p), np.zeros((3, 6))

    def step(q_rad: FloatArray, wrench: FloatArray, q_out_rad: FloatArray) -> None:
        compiled(state, q_rad, wrench, q_out_rad)

    return step


def kernel_step(p: PlainParameters) -> Any:
    """Return the kernel's ``PlainStep``: set ``q`` and ``wrench``, call ``step()``, read ``q_out``; no conversions."""
    from podhand._kernel import PlainStep

    values = {
        "gravity_base_m_s2": GRAVITY_M_S2, "payload_kg": [p.payload_kg], "com_sensor_m": p.com_sensor_m,
        "X_base_goal": pack_pose(p.X_base_goal), "mass": p.mass, "damping": p.damping, "stiffness": p.stiffness,
        "bias": p.bias, "max_speed": p.max_speed, "max_acceleration": p.max_acceleration, "gain": [p.gain],
        "ik_damping": [1e-4], "max_joint_speed_rad_s": [p.max_joint_speed_rad_s],
        "max_joint_acceleration_rad_s2": [p.max_joint_acceleration_rad_s2], "dt_s": [DT_S],
    }  # fmt: skip
    return PlainStep(
        values,
        X_parent_joint=np.stack([pack_pose(X) for X in p.X_parent_joint]),
        X_flange_tool=pack_pose(p.X_flange_tool),
    )


def _compile(p: PlainParameters) -> Callable[..., None]:
    import numba

    X_parent, X_tool, X_goal = p.X_parent_joint, p.X_flange_tool, p.X_base_goal
    mass, damping, stiffness, bias = p.mass, p.damping, p.stiffness, p.bias
    payload, com, gain, max_v, max_a = p.payload_kg, p.com_sensor_m, p.gain, p.max_speed, p.max_acceleration
    max_qd, max_qdd = p.max_joint_speed_rad_s, p.max_joint_acceleration_rad_s2

    @numba.njit(fastmath=False)  # type: ignore[untyped-decorator]
    def plain(state: Any, q: Any, wrench: Any, q_out: Any) -> None:
        R, o, N = np.eye(3), np.zeros(3), np.empty((3, 3))
        Z, P = np.empty((6, 3)), np.empty((6, 3))
        for j in range(6):
            for r in range(3):
                o[r] += R[r, 0] * X_parent[j, 0, 3] + R[r, 1] * X_parent[j, 1, 3] + R[r, 2] * X_parent[j, 2, 3]
                for c in range(3):
                    N[r, c] = (
                        R[r, 0] * X_parent[j, 0, c] + R[r, 1] * X_parent[j, 1, c] + R[r, 2] * X_parent[j, 2, c]
                    )  # fmt: skip
            co, si = np.cos(q[j]), np.sin(q[j])
            for r in range(3):
                R[r, 0] = co * N[r, 0] + si * N[r, 1]
                R[r, 1] = co * N[r, 1] - si * N[r, 0]
                R[r, 2] = N[r, 2]
                Z[j, r] = R[r, 2]
                P[j, r] = o[r]
        lever, tool, T = np.empty(3), np.empty(3), np.empty((3, 3))
        for r in range(3):
            lever[r] = R[r, 0] * X_tool[0, 3] + R[r, 1] * X_tool[1, 3] + R[r, 2] * X_tool[2, 3]
            tool[r] = o[r] + lever[r]
            for c in range(3):
                T[r, c] = R[r, 0] * X_tool[0, c] + R[r, 1] * X_tool[1, c] + R[r, 2] * X_tool[2, c]
        J = np.empty((6, 6))
        for j in range(6):
            x, y, z = tool[0] - P[j, 0], tool[1] - P[j, 1], tool[2] - P[j, 2]
            J[0, j] = Z[j, 1] * z - Z[j, 2] * y
            J[1, j] = Z[j, 2] * x - Z[j, 0] * z
            J[2, j] = Z[j, 0] * y - Z[j, 1] * x
            J[3, j], J[4, j], J[5, j] = Z[j, 0], Z[j, 1], Z[j, 2]
        weight, F = np.empty(3), np.empty(6)
        for r in range(3):
            weight[r] = R[2, r] * payload * -9.81
            F[r] = wrench[r] - bias[r] - weight[r]
        F[3] = wrench[3] - bias[3] - (com[1] * weight[2] - com[2] * weight[1])
        F[4] = wrench[4] - bias[4] - (com[2] * weight[0] - com[0] * weight[2])
        F[5] = wrench[5] - bias[5] - (com[0] * weight[1] - com[1] * weight[0])
        for i in range(6):
            state[0, i] += gain * (F[i] - state[0, i])
        f = state[0]
        for r in range(3):
            F[r] = R[r, 0] * f[0] + R[r, 1] * f[1] + R[r, 2] * f[2]
        for r in range(3):
            F[3 + r] = R[r, 0] * f[3] + R[r, 1] * f[4] + R[r, 2] * f[5]
        F[3] -= lever[1] * F[2] - lever[2] * F[1]
        F[4] -= lever[2] * F[0] - lever[0] * F[2]
        F[5] -= lever[0] * F[1] - lever[1] * F[0]
        E = np.empty((3, 3))
        for r in range(3):
            for c in range(3):
                E[r, c] = X_goal[0, r] * T[0, c] + X_goal[1, r] * T[1, c] + X_goal[2, r] * T[2, c]
        w0, w1, w2 = 0.5 * (E[2, 1] - E[1, 2]), 0.5 * (E[0, 2] - E[2, 0]), 0.5 * (E[1, 0] - E[0, 1])
        error, v = np.empty(6), state[1]
        for r in range(3):
            error[r] = tool[r] - X_goal[r, 3]
            error[3 + r] = X_goal[r, 0] * w0 + X_goal[r, 1] * w1 + X_goal[r, 2] * w2
        for i in range(6):
            a = (F[i] - damping[i] * v[i] - stiffness[i] * (error[i] + DT_S * v[i])) / (
                mass[i] + DT_S * damping[i] + DT_S * DT_S * stiffness[i]
            )
            v[i] = min(max(v[i] + DT_S * min(max(a, -max_a[i]), max_a[i]), -max_v[i]), max_v[i])
        A, u = np.empty((6, 6)), v.copy()
        for i in range(6):
            for j in range(i + 1):
                t = 0.0
                for k in range(6):
                    t += J[i, k] * J[j, k]
                A[i, j] = t
        for j in range(6):  # Cholesky, then both substitutions
            for k in range(j):
                A[j, j] -= A[j, k] * A[j, k]
            A[j, j] = np.sqrt(A[j, j])
            for i in range(j + 1, 6):
                for k in range(j):
                    A[i, j] -= A[i, k] * A[j, k]
                A[i, j] /= A[j, j]
        for i in range(6):
            for k in range(i):
                u[i] -= A[i, k] * u[k]
            u[i] /= A[i, i]
        for i in range(5, -1, -1):
            for k in range(i + 1, 6):
                u[i] -= A[k, i] * u[k]
            u[i] /= A[i, i]
        largest, wanted = 1e-12, np.empty(6)
        for j in range(6):
            t = 0.0
            for i in range(6):
                t += J[i, j] * u[i]
            wanted[j] = t
            largest = max(largest, abs(t))
        scale, change = min(1.0, max_qd / largest), max_qdd * DT_S
        for j in range(6):
            state[2, j] = min(max(scale * wanted[j], state[2, j] - change), state[2, j] + change)
            q_out[j] = q[j] + DT_S * state[2, j]

    return plain  # type: ignore[no-any-return]
