"""Drives a simulated workcell by set-points alone, as a kernel would."""

import numpy as np

from podhand.core.arm_model import UR10E
from podhand.core.exchange import INPUTS_DTYPE, OUTPUTS_DTYPE, Axis
from podhand.core.poses import FloatArray, Pose, inverse, pose, rotation_rpy, rotation_vector
from podhand.sim.workcell import SimWorkcell
from podhand.sim.world import World


class Rig:
    def __init__(self, workcell: SimWorkcell) -> None:
        self.workcell = workcell
        self.inputs = np.zeros((), INPUTS_DTYPE)
        self.outputs = np.zeros((), OUTPUTS_DTYPE)
        workcell.plant.bind(self.inputs, self.outputs)
        self.command: FloatArray = self.outputs["command"]

    @classmethod
    def of(cls, seed: int) -> "Rig":
        return cls(SimWorkcell(World.standard(seed)))

    def wait(self, ticks: int) -> None:
        for _ in range(ticks):
            self.workcell.plant.step()

    def move(self, axes: list[int], goal: FloatArray, speed: float) -> None:
        """Move axes together along a smooth step."""
        start = self.command[axes].copy()
        ticks = int(np.abs(goal - start).max() / speed * 1000) + 1
        for k in range(ticks):
            u = (k + 1) / ticks
            self.command[axes] = start + u * u * (3 - 2 * u) * (goal - start)
            self.workcell.plant.step()

    def straight(self, p_base_m: FloatArray, speed_m_s: float = 0.2) -> None:
        """Move the tool's mouth along a line without turning."""
        start = self.tool_pose()
        ticks = int(np.linalg.norm(p_base_m - start[:3, 3]) / speed_m_s * 1000) + 1
        for k in range(ticks):
            u = (k + 1) / ticks
            p = start[:3, 3] + u * u * (3 - 2 * u) * (p_base_m - start[:3, 3])
            self.command[:6] = self.ik(pose(start[:3, :3], p), self.command[:6])
            self.workcell.plant.step()
        self.wait(60)

    def tool_pose(self) -> Pose:
        return UR10E.flange(self.command[:6]) @ self.workcell.tool.X_flange_tool

    def ik(self, X_base_tool: Pose, q0: FloatArray) -> FloatArray:
        q = np.array(q0)
        for _ in range(200):
            X, J = self._jacobian(q)
            error = np.concatenate([X_base_tool[:3, 3] - X[:3, 3], rotation_vector(X_base_tool[:3, :3] @ X[:3, :3].T)])
            if np.linalg.norm(error) < 1e-8:
                return q
            q += np.clip(J.T @ np.linalg.solve(J @ J.T + 1e-5 * np.eye(6), error), -0.15, 0.15)
        raise AssertionError(f"no inverse kinematics near the home pose, error {np.linalg.norm(error):.2e}")

    def _jacobian(self, q: FloatArray) -> tuple[Pose, FloatArray]:
        X, axes, points = np.eye(4), [], []
        for link, angle in zip(UR10E.links, q, strict=True):
            X = X @ link.X_parent_joint @ pose(rotation_rpy(0, 0, float(angle)))
            axes.append(X[:3, 2])
            points.append(X[:3, 3])
        X = X @ self.workcell.tool.X_flange_tool
        columns = [np.concatenate([np.cross(z, X[:3, 3] - p), z]) for z, p in zip(axes, points, strict=True)]
        return X, np.array(columns).T

    def hook(self, p_base_m: FloatArray, speed_m_s: float = 0.3) -> None:
        self.move([Axis.BAND_X, Axis.BAND_Y, Axis.BAND_Z], np.asarray(p_base_m), speed_m_s)

    def band_point(self) -> FloatArray:
        """The hook point over which the bands lie, at the height of the bin's floor, base frame."""
        X_base_bin = inverse(self.workcell.X_world_base) @ self.workcell.scene.X_world_bin
        p: FloatArray = (X_base_bin @ np.array([self.workcell.settings.bands.x_bin_m, 0, 0, 1.0]))[:3]
        return p

    def straddle(self) -> FloatArray:
        """Stand with open paddles on both sides of the presented item; return the mouth's place."""
        presented = self.workcell.infeed.present()
        item = presented.item
        p: FloatArray = presented.X_base_item[:3, 3] + np.array(
            [item.length_m / 2 + 0.005, 0, 0.05 - item.height_m / 2]
        )
        self.move([Axis.SQUEEZE], np.array([min(0.16, item.width_m + 0.03)]), 0.2)
        above = self.ik(pose(None, p + np.array([0, 0, 0.25])), self.command[:6])
        self.move(list(range(6)), above, 1.0)
        self.straight(p)
        return p

    def grip(self, lift_m: float = 0.12) -> None:
        """Take the presented item with about 20 N per face and lift it."""
        p = self.straddle()
        while self.inputs["tau"][Axis.SQUEEZE] > -20.0:
            self.command[Axis.SQUEEZE] -= 5e-5
            assert self.command[Axis.SQUEEZE] > -0.01, "the paddles closed on nothing"
            self.wait(1)
        self.wait(100)
        self.straight(p + np.array([0, 0, lift_m]))
