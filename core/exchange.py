"""What crosses the border of the kernel in every tick, as numpy record layouts.

The twin of ``cpp/include/podhand/exchange.hpp``; the controllers compare both layouts when they attach. The plant port
works on these records only, so a plant needs no kernel.
"""

from enum import IntEnum, IntFlag
from typing import Final

import numpy as np

AXES: Final = 14
SLOW_SIGNALS: Final = 8
MAX_ARM_JOINTS: Final = 7


class Axis(IntEnum):
    """Index of an axis in every per-axis array. Arms with six joints leave ARM_6 unused."""

    ARM_0 = 0
    ARM_1 = 1
    ARM_2 = 2
    ARM_3 = 3
    ARM_4 = 4
    ARM_5 = 5
    ARM_6 = 6
    SQUEEZE = 7
    """Opening between the belt faces [m]."""
    BELT_LEFT = 8
    """Surface speed, positive moves the item out of the mouth [m/s]."""
    BELT_RIGHT = 9
    BLADE = 10
    """Extension [m], 0 is retracted."""
    BAND_X = 11
    """Band arm, world-parallel axes [m]; positions are those of the hook point in the base frame."""
    BAND_Y = 12
    BAND_Z = 13


class Group(IntEnum):
    """Axis groups: a segment holds one reference per group of its channel."""

    ARM = 0
    SQUEEZE = 1
    BELTS = 2
    BLADE = 3
    BAND_ARM = 4


GROUP_AXES: Final[dict[Group, tuple[Axis, ...]]] = {
    Group.ARM: tuple(Axis(i) for i in range(7)),
    Group.SQUEEZE: (Axis.SQUEEZE,),
    Group.BELTS: (Axis.BELT_LEFT, Axis.BELT_RIGHT),
    Group.BLADE: (Axis.BLADE,),
    Group.BAND_ARM: (Axis.BAND_X, Axis.BAND_Y, Axis.BAND_Z),
}


class SlowSignal(IntEnum):
    """Signals that change slowly; each carries its own age."""

    VACUUM_PRESSURE = 0
    ITEM_AT_INFEED = 1
    ITEM_IN_PADDLES = 2
    MOUTH_BLOCKED = 3


class FtStatus(IntFlag):
    """Bits of ``ft_status``."""

    OK = 0
    INVALID = 1
    SATURATED = 2


class Safety(IntFlag):
    """Bits of ``safety``."""

    OK = 0
    EMERGENCY_STOP = 1
    ENABLE_RELEASED = 2


INPUTS_DTYPE: Final = np.dtype(
    [
        ("tick", "<u8"),
        ("time_s", "<f8"),
        ("dt_s", "<f8"),
        ("q", "<f8", (AXES,)),
        ("qd", "<f8", (AXES,)),
        ("tau", "<f8", (AXES,)),
        ("axis_age_s", "<f8", (AXES,)),
        ("wrench", "<f8", (6,)),
        ("ft_period_s", "<f8"),
        ("slow", "<f8", (SLOW_SIGNALS,)),
        ("slow_age_s", "<f8", (SLOW_SIGNALS,)),
        ("axis_valid", "<u4"),
        ("ft_status", "<u4"),
        ("ft_sequence", "<u4"),
        ("slow_valid", "<u4"),
        ("safety", "<u4"),
        ("reserved", "<u4"),
    ]
)
"""Written by the plant before each tick. Units, frames and meanings: ``exchange.hpp``."""

OUTPUTS_DTYPE: Final = np.dtype(
    [("tick", "<u8"), ("command", "<f8", (AXES,)), ("digital", "<u4"), ("stop_request", "<u4")]
)
"""Written by the kernel in each tick: set-points [rad or m], belts surface speed [m/s]."""
