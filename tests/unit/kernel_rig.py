"""A kernel with a plant that follows its set-points at once: enough to see what the kernel does with its inputs."""

from math import inf

import numpy as np
from numpy.typing import NDArray

from podhand import _kernel
from podhand.core.arm_model import UR10E
from podhand.core.exchange import AXES, Axis
from podhand.core.poses import pack_pose
from podhand.core.tooling import StowTool

HOME_Q_RAD = (1.594, -1.832, 2.013, -0.181, 0.023, -1.571)
BELTS = (Axis.BELT_LEFT, Axis.BELT_RIGHT)


def station_config() -> NDArray[np.void]:
    """Return a complete configuration of a simulated station."""
    config = np.zeros((), _kernel.KERNEL_CONFIG_DTYPE)
    chain = config["chain"]
    chain["joints"] = UR10E.joints
    for j, link in enumerate(UR10E.links):
        chain["X_parent_joint"][j] = pack_pose(link.X_parent_joint)
    chain["X_flange_tool"] = pack_pose(StowTool().X_flange_tool)
    chain["X_flange_sensor"] = pack_pose(np.eye(4))
    chain["gravity_base_m_s2"] = (0.0, 0.0, -9.81)
    for i in range(AXES):
        arm = i < Axis.ARM_6
        axis = config["axis"][i]
        axis["present"] = i != Axis.ARM_6
        axis["min_position"], axis["max_position"] = (-6.2, 6.2) if arm else (-1.0, 1.0)
        axis["max_speed"], axis["max_acceleration"], axis["max_jerk"] = (2.0, 12.0, 300.0) if arm else (0.5, 4.0, 120.0)
        axis["max_force"], axis["max_following_error"] = (330.0, 0.2) if arm else (60.0, 0.05)
    ft, safety = config["ft"], config["safety"]
    ft["range_force_n"], ft["range_torque_n_m"] = 330.0, 50.0
    ft["filter_time_constant_s"], ft["loop_delay_s"] = 0.004, 0.004
    ft["max_age_periods"], ft["frozen_periods"] = 8.0, 20.0
    safety["max_force_norm_n"], safety["max_torque_norm_n_m"], safety["max_tool_speed_m_s"] = 100.0, 40.0, 1.0
    safety["axis_max_age_s"] = 0.01
    safety["limiter_enabled"] = safety["force_limits_enabled"] = safety["simulated"] = 1
    config["tool_stiffness_n_m"], config["ik_damping"], config["tick_s"] = inf, 0.02, 1e-3
    return config


def segments(count: int = 1) -> NDArray[np.void]:
    """Return segments that hold everything, with limits that allow motion."""
    chain = np.zeros(count, _kernel.SEGMENT_DTYPE)
    chain["timeout_s"] = 5.0
    limits = chain["limits"]
    limits["force_n"], limits["axis_force"] = inf, inf
    limits["force_norm_n"], limits["torque_norm_n_m"] = 60.0, 40.0
    limits["speed_m_s"], limits["acceleration_m_s2"], limits["jerk_m_s3"] = 0.25, 2.0, 40.0
    limits["angular_speed_rad_s"], limits["damping_n_s_m"] = 1.0, 500.0
    return chain


class Rig:
    """A configured kernel and its plant, one tick in."""

    def __init__(self, config: NDArray[np.void] | None = None) -> None:
        self.config = station_config() if config is None else config
        self.kernel = _kernel.Kernel()
        self.kernel.configure(self.config)
        self.inputs, self.outputs, self.state = self.kernel.inputs, self.kernel.outputs, self.kernel.state
        self.inputs["dt_s"], self.inputs["ft_period_s"] = 1e-3, 1e-3
        self.inputs["axis_valid"], self.inputs["slow_valid"] = 0x3FFF, 0xFF
        self.inputs["q"][:6] = HOME_Q_RAD
        self.step()

    def step(self) -> None:
        """Let one tick pass."""
        self.inputs["ft_sequence"] += 1
        self.inputs["wrench"][0] += 1e-9
        self.kernel.tick()
        self.follow()

    def follow(self) -> None:
        """Let the axes take their set-points."""
        command, q = self.outputs["command"], self.inputs["q"]
        for axis in range(AXES):
            if axis not in BELTS:
                q[axis] = command[axis]
        self.inputs["tick"] += 1
        self.inputs["time_s"] += 1e-3

    def finish(self, limit: int = 10_000) -> NDArray[np.void]:
        """Run to the next outcome."""
        for _ in range(limit):
            self.step()
            outcome = self.kernel.take_outcome()
            if outcome is not None:
                return outcome
        raise AssertionError("no outcome in time")
