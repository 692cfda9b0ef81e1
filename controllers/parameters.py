"""A station's parameters as the kernel takes them: one complete record, validated again in C++."""

from math import inf

import numpy as np
from numpy.typing import NDArray

from podhand import _kernel
from podhand.core.errors import ConfigError
from podhand.core.exchange import Axis
from podhand.core.poses import FloatArray, Pose, inverse, pack_pose, pose
from podhand.core.station import Station
from podhand.core.station_schema import AxisBlock, SpeedAxisBlock

__all__ = [
    "EMPTY_PAYLOAD",
    "GRAVITY_M_S2",
    "HELD_PAYLOAD",
    "LEAVING_PAYLOAD",
    "X_flange_sensor",
    "build_id",
    "check_config",
    "kernel_config",
    "payload_record",
]

EMPTY_PAYLOAD = 0
"""Index of the tool without an item."""
HELD_PAYLOAD = 1
"""Index of the tool with the item in hand, set when an item has been weighed."""
LEAVING_PAYLOAD = 2
"""Index of the tool while an item leaves it: half of the item's weight."""

GRAVITY_M_S2 = 9.81
"""Along -z of the base."""


def X_flange_sensor(station: Station) -> Pose:
    """Return the pose of the force/torque sensor; it sits on the flange, with the flange's axes."""
    del station
    return np.eye(4)


def payload_record(mass_kg: float, com_sensor_m: FloatArray | tuple[float, float, float]) -> NDArray[np.void]:
    """Return a payload, the mass behind the sensor with its centre in the sensor's frame, as a 0-d record."""
    record = np.zeros((), dtype=_kernel.PAYLOAD_DTYPE)
    record["mass_kg"] = mass_kg
    record["com_sensor_m"] = com_sensor_m
    return record


def empty_tool(station: Station) -> NDArray[np.void]:
    """Return the payload of the tool alone: as calibrated, or else as the station says."""
    if station.ft.calibration:
        return payload_record(station.ft.calibration.tool.mass_kg, station.ft.calibration.tool.com_sensor_m)
    X_sensor_tool = inverse(X_flange_sensor(station)) @ station.tool.X_flange_tool
    com = X_sensor_tool @ np.array([station.tool.com_tool_x_m, 0.0, 0.0, 1.0])
    return payload_record(station.tool.mass_kg, com[:3])


def kernel_config(station: Station, *, generation: int = 1) -> NDArray[np.void]:
    """Return the station's parameters as a 0-d record of the kernel's configuration layout.

    Gravity points along -z of the base; all payload models start as the empty tool.
    """
    config = np.zeros((), dtype=_kernel.KERNEL_CONFIG_DTYPE)
    _fill_chain(config["chain"], station)
    _fill_axes(config["axis"], station)
    config["payload"] = empty_tool(station)
    _fill_ft(config["ft"], station)
    _fill_safety(config["safety"], station)
    config["tool_stiffness_n_m"] = station.control.tool_stiffness_n_m
    config["ik_damping"] = station.control.ik_damping
    config["tick_s"] = station.control.tick_s
    config["generation"] = generation
    return config


def _fill_chain(chain: NDArray[np.void], station: Station) -> None:
    arm = station.arm.kinematics
    chain["joints"] = arm.joints
    chain["X_parent_joint"][:] = pack_pose(pose())
    for row, link in zip(chain["X_parent_joint"], arm.links, strict=False):
        row[:] = pack_pose(link.X_parent_joint)
    chain["X_flange_tool"] = pack_pose(station.tool.X_flange_tool)
    chain["X_flange_sensor"] = pack_pose(X_flange_sensor(station))
    chain["gravity_base_m_s2"] = (0.0, 0.0, -GRAVITY_M_S2)


def _fill_axes(axes: NDArray[np.void], station: Station) -> None:
    block = station.arm
    for i, link in enumerate(block.kinematics.links):
        axes[i]["min_position"], axes[i]["max_position"] = link.min_position_rad, link.max_position_rad
        axes[i]["max_speed"] = block.max_speed_rad_s[i]
        axes[i]["max_acceleration"] = block.max_acceleration_rad_s2[i]
        axes[i]["max_jerk"] = block.max_jerk_rad_s3[i]
        axes[i]["max_force"] = link.max_torque_n_m
        axes[i]["max_following_error"] = block.max_following_error_rad
        axes[i]["present"] = 1
    others: dict[Axis, SpeedAxisBlock] = {
        Axis.SQUEEZE: station.axes.squeeze,
        Axis.BELT_LEFT: station.axes.belts,
        Axis.BELT_RIGHT: station.axes.belts,
        Axis.BLADE: station.axes.blade,
        Axis.BAND_X: station.axes.band_x,
        Axis.BAND_Y: station.axes.band_y,
        Axis.BAND_Z: station.axes.band_z,
    }
    for which, limits in others.items():
        _fill_axis(axes[which], limits)


def _fill_axis(axis: NDArray[np.void], block: SpeedAxisBlock) -> None:
    axis["max_speed"], axis["max_acceleration"] = block.max_speed_m_s, block.max_acceleration_m_s2
    axis["max_jerk"], axis["max_force"] = block.max_jerk_m_s3, block.max_force_n
    axis["present"] = 1
    if isinstance(block, AxisBlock):
        axis["min_position"], axis["max_position"] = block.min_position_m, block.max_position_m
        axis["max_following_error"] = block.max_following_error_m
    else:
        axis["min_position"], axis["max_position"], axis["max_following_error"] = -inf, inf, inf


def _fill_ft(ft: NDArray[np.void], station: Station) -> None:
    for name in ("range_force_n", "range_torque_n_m", "filter_time_constant_s", "max_age_periods", "frozen_periods",
                 "loop_delay_s"):  # fmt: skip
        ft[name] = getattr(station.ft, name)
    if station.ft.calibration:
        ft["bias"] = station.ft.calibration.bias.values


def _fill_safety(safety: NDArray[np.void], station: Station) -> None:
    for name in ("max_force_norm_n", "max_torque_norm_n_m", "max_tool_speed_m_s", "axis_max_age_s", "limiter_enabled",
                 "force_limits_enabled"):  # fmt: skip
        safety[name] = getattr(station.safety, name)
    safety["simulated"] = station.backend.value == "sim"


def check_config(config: NDArray[np.void]) -> None:
    """Let the kernel validate a configuration record; nothing is started.

    Raises:
        ConfigError: the rule that refuses it, with value and range.
    """
    try:
        _kernel.validate_config(config)
    except _kernel.KernelRefusal as refusal:
        raise ConfigError(f"the kernel refuses the station's parameters: {refusal}") from refusal


def build_id() -> str:
    """Return which build of the kernel runs; recordings replay bit for bit on the same one."""
    return str(_kernel.build_id())
