"""Outcomes: why a segment ended, with the numbers that matter, as the kernel latched them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import numpy as np

from podhand.controllers.segments import CompiledChain
from podhand.core.errors import MotionFault
from podhand.core.exchange import AXES, Axis
from podhand.core.poses import FloatArray, Pose, unpack_pose

__all__ = ["Cause", "FtFault", "Outcome", "decode_outcome"]


class Cause(IntEnum):
    """Why a segment ended; the numbers are the kernel's (``segment.hpp``)."""

    NONE = 0
    REACHED = 1
    UNTIL = 2
    REFLEX = 3
    TIMEOUT = 4
    FORCE_LIMIT = 5
    SENSOR_INVALID = 6
    AXIS_INVALID = 7
    JOINT_LIMIT = 8
    SINGULAR = 9
    PRECONDITION = 10
    CANCELLED = 11
    EMERGENCY_STOP = 12
    OTHER_CHANNEL = 13
    FOLLOWING_ERROR = 14
    LEASE_LOST = 15
    HOST_LATE = 16


class FtFault(IntEnum):
    """Why the force/torque signal is not plausible."""

    NONE = 0
    NOT_FINITE = 1
    STALE = 2
    FROZEN = 3
    SATURATED = 4
    STATUS = 5


NORMAL = frozenset({Cause.REACHED, Cause.UNTIL})
_NO_CONDITION = 0xFFFFFFFF
_LIMIT_NAMES = {0: "|Fx|", 1: "|Fy|", 2: "|Fz|", 3: "|F|", 4: "|T|"}
_FIRST_AXIS_LIMIT = 8


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How one segment ended. Forces are those on the tool in the segment's frame."""

    cause: Cause
    name: str
    """Name of the until, reflex or precondition that ended it; empty for other causes."""
    segment: str
    segment_index: int
    condition: str
    """The condition in words; empty for other causes."""
    condition_index: int
    value: float
    """Value of the deciding signal."""
    channel: int
    start_tick: int
    end_tick: int
    duration_s: float
    stop_time_s: float
    peak_force_n: tuple[float, float, float]
    """Filtered |component|."""
    mean_force_n: tuple[float, float, float]
    mean_torque_n_m: tuple[float, float, float]
    peak_force_norm_n: float
    """Filtered |F|."""
    peak_raw_force_norm_n: float
    max_force_ratio: float
    """Largest filtered force over its limit."""
    max_axis_force: tuple[float, ...]
    X_base_tool: Pose = field(compare=False)
    """Commanded tool pose at the end."""
    q_end: tuple[float, ...]
    """Set-points of all axes at the end."""
    late_ticks: int
    tag: int = 0
    earlier: tuple["Outcome", ...] = ()
    """Outcomes of the segments before this one in the same chain."""

    @property
    def ok(self) -> bool:
        """The segment ended as planned: reached, or one of its untils."""
        return self.cause in NORMAL

    @property
    def all(self) -> tuple["Outcome", ...]:
        """Outcomes of the whole chain in order, this one last."""
        return (*self.earlier, self)

    def of_segment(self, name: str) -> "Outcome":
        """Return the outcome of a segment of the same chain by its name. Raises KeyError when it did not run."""
        for outcome in self.all:
            if outcome.segment == name:
                return outcome
        raise KeyError(f"no segment '{name}' ran in this chain: {', '.join(o.segment for o in self.all)}")

    def in_words(self) -> str:
        """Return one sentence: what ended the segment, with values."""
        peak = f"peak {self.peak_force_norm_n:.1f} N"
        return f"{self.segment}: {self._cause_words()} after {self.duration_s:.2f} s, {peak}"

    def _cause_words(self) -> str:
        match self.cause:
            case Cause.REACHED:
                return "reached its goal"
            case Cause.UNTIL:
                return f"ended by '{self.name}' ({self.condition}; value {self.value:.4g})"
            case Cause.REFLEX:
                return f"aborted by reflex '{self.name}' ({self.condition}; value {self.value:.4g})"
            case Cause.TIMEOUT:
                return "timed out"
            case Cause.FORCE_LIMIT:
                return f"stopped at the force limit of {_limit_name(self.condition_index)} (value {self.value:.1f})"
            case Cause.SENSOR_INVALID:
                fault = FtFault(int(self.value)).name.lower().replace("_", " ")
                return f"stopped because the force/torque signal is not plausible ({fault})"
            case Cause.AXIS_INVALID | Cause.JOINT_LIMIT | Cause.FOLLOWING_ERROR:
                what = {
                    Cause.AXIS_INVALID: "the reading of {} is invalid or too old",
                    Cause.JOINT_LIMIT: "the last-stage limiter had to stop {}",
                    Cause.FOLLOWING_ERROR: "{} does not follow its set-point",
                }[self.cause]
                return f"stopped because {what.format(_axis_name(self.value))}"
            case Cause.SINGULAR:
                return "stopped because inverse kinematics lost the path"
            case Cause.PRECONDITION if self.condition_index == _NO_CONDITION:
                return f"not begun: path or profile does not start where the arm is ({self.value:.4f} m or rad apart)"
            case Cause.PRECONDITION:
                return f"not begun: '{self.name}' ({self.condition}) is false (value {self.value:.4g})"
            case Cause.CANCELLED:
                return "cancelled"
            case Cause.LEASE_LOST:
                return "stopped because its client lost the lease (silent, or taken over)"
            case Cause.HOST_LATE:
                return "stopped because podhand-rt could not keep its time"
            case Cause.EMERGENCY_STOP:
                return "stopped by the emergency stop"
            case Cause.OTHER_CHANNEL:
                return "stopped because the other channel had a reflex or fault"
            case _:
                return self.cause.name.lower()

    def require_normal(self) -> "Outcome":
        """Return this outcome when it is a normal end. Raises MotionFault, with the words, otherwise."""
        if self.ok:
            return self
        raise MotionFault(f"{self.in_words()}; the arm stands still", self)


def _limit_name(index: int) -> str:
    if index >= _FIRST_AXIS_LIMIT:
        return _axis_name(index - _FIRST_AXIS_LIMIT)
    return _LIMIT_NAMES.get(index, f"limit {index}")


def _axis_name(value: float) -> str:
    index = int(value)
    return f"axis {Axis(index).name.lower()}" if 0 <= index < AXES else f"axis {index}"


def decode_outcome(record: Any, chain: CompiledChain | None, earlier: tuple[Outcome, ...] = ()) -> Outcome:
    """Turn a kernel record into an Outcome; names come from the chain that was submitted."""
    code, index = int(record["code"]), int(record["segment"])
    conditions: Mapping[int, str] = chain.conditions if chain else {}
    words: Mapping[int, str] = chain.words if chain else {}
    name = chain.segments[index] if chain and index < len(chain.segments) else f"segment {index}"
    x, y, z = _floats(record["peak_force_n"])
    mean_x, mean_y, mean_z = _floats(record["mean_force_n"])
    torque_x, torque_y, torque_z = _floats(record["mean_torque_n_m"])
    return Outcome(
        cause=Cause(int(record["cause"])),
        name=conditions.get(code, ""),
        segment=name,
        segment_index=index,
        condition=words.get(code, ""),
        condition_index=int(record["condition"]),
        value=float(record["value"]),
        channel=int(record["channel"]),
        start_tick=int(record["start_tick"]),
        end_tick=int(record["end_tick"]),
        duration_s=float(record["duration_s"]),
        stop_time_s=float(record["stop_time_s"]),
        peak_force_n=(x, y, z),
        mean_force_n=(mean_x, mean_y, mean_z),
        mean_torque_n_m=(torque_x, torque_y, torque_z),
        peak_force_norm_n=float(record["peak_force_norm_n"]),
        peak_raw_force_norm_n=float(record["peak_raw_force_norm_n"]),
        max_force_ratio=float(record["max_force_ratio"]),
        max_axis_force=_floats(record["max_axis_force"]),
        X_base_tool=unpack_pose(np.array(record["X_base_tool"], float)),
        q_end=_floats(record["q_end"]),
        late_ticks=int(record["late_ticks"]),
        tag=int(record["tag"]),
        earlier=earlier,
    )


def _floats(values: FloatArray) -> tuple[float, ...]:
    return tuple(float(v) for v in values)
