"""Drives the compiled limiter and judges it by the limits stated here once more, in SI, without its code."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from podhand._kernel import Limiter
from podhand.core.arm_model import UR10E
from podhand.core.poses import FloatArray, pack_pose, pose, rotation_rpy

AXES = 14
ARM = slice(0, 6)
SINGLE = (7, 10)
BELTS = (8, 9)
BAND = slice(11, 14)
POSITION_AXES = (0, 1, 2, 3, 4, 5, 7, 10, 11, 12, 13)
PRESENT = np.array([1, 1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1, 1])
IS_SPEED = np.array([0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0])

MIN_POSITION = np.array([-3.0, -2.5, -2.6, -3.1, -3.1, -6.2, 0, 0.0, 0, 0, 0.0, 0.3, -0.6, -0.2])
MAX_POSITION = np.array([3.0, 0.2, 2.6, 3.1, 3.1, 6.2, 0, 0.16, 0, 0, 0.35, 1.2, 0.6, 0.5])
MAX_SPEED = np.array([2.0, 2.0, 3.0, 3.0, 3.0, 3.0, 0, 0.2, 1.5, 1.5, 0.8, 0.5, 0.5, 0.4])
MAX_ACCELERATION = np.array([8.0, 8.0, 10.0, 15.0, 15.0, 20.0, 0, 4.0, 12.0, 12.0, 10.0, 3.0, 3.0, 2.0])
MAX_TOOL_SPEED = 0.6
X_FLANGE_TOOL = pose(rotation_rpy(0.0, -np.pi / 2, 0.3), (0.02, -0.01, 0.28))
HOME = np.array([0.4, -1.4, 1.8, -0.4, 1.2, 0.1, 0, 0.08, 0, 0, 0.1, 0.7, 0.0, 0.1])

SHARE = 1e-9
"""Rounding share of a limit that the limiter itself states."""


IntArray = NDArray[np.int32]


def tool_positions(q: FloatArray) -> FloatArray:
    """Return the tool origins (n, 3) for arm positions (n, 6), by matrices."""
    X = np.broadcast_to(np.eye(4), (len(q), 4, 4))
    for j, link in enumerate(UR10E.links):
        turn = np.zeros((len(q), 4, 4))
        turn[:, 0, 0] = turn[:, 1, 1] = np.cos(q[:, j])
        turn[:, 1, 0] = np.sin(q[:, j])
        turn[:, 0, 1] = -turn[:, 1, 0]
        turn[:, 2, 2] = turn[:, 3, 3] = 1.0
        X = X @ link.X_parent_joint @ turn
    found: FloatArray = (X @ X_FLANGE_TOOL)[:, :3, 3]
    return found


@dataclass
class Rig:
    """A configured limiter and the walk that it has made."""

    start: FloatArray = field(default_factory=HOME.copy)
    max_tool_speed: float = MAX_TOOL_SPEED
    acceleration_share: float = 1.0

    def __post_init__(self) -> None:
        self.max_acceleration = MAX_ACCELERATION * self.acceleration_share
        self.limiter = Limiter()
        self.limiter.configure(
            min_position=MIN_POSITION,
            max_position=MAX_POSITION,
            max_speed=MAX_SPEED,
            max_acceleration=self.max_acceleration,
            present=PRESENT,
            is_speed=IS_SPEED,
            max_tool_speed_m_s=self.max_tool_speed,
            X_parent_joint=np.array([pack_pose(link.X_parent_joint) for link in UR10E.links]),
            X_flange_tool=pack_pose(X_FLANGE_TOOL),
        )
        self.limiter.seed(self.start)
        self.walk = [self.start.copy()]
        self.times: list[float] = []

    @property
    def now(self) -> FloatArray:
        """The last set-points (14,)."""
        return self.walk[-1]

    def step(self, desired: FloatArray, dt_s: float = 1e-3) -> str:
        """Make one step and return the name of the result."""
        out, result = self.limiter.step(desired, dt_s)
        self.walk.append(np.array(out))
        self.times.append(dt_s)
        return str(result.name)

    def run(self, desired: FloatArray, dt_s: FloatArray) -> tuple[FloatArray, IntArray, FloatArray, IntArray]:
        """Make many steps; return outputs, results, scales and limiting axes."""
        out, result, scale, axis = self.limiter.run(desired, dt_s)
        self.walk.extend(np.array(out))
        self.times.extend(dt_s)
        return out, result, scale, axis

    def judge(self) -> None:
        """Assert every limit over the whole walk. A dt that is no time at all counts as 0.5 ms."""
        x = np.array(self.walk)
        dt = np.array(self.times)[:, None]
        dt = np.where(np.isfinite(dt) & (dt > 0.0), dt, 0.5e-3)
        assert np.isfinite(x).all()
        assert (x[:, 6] == 0.0).all()
        positions = list(POSITION_AXES)
        if ((self.start >= MIN_POSITION) & (self.start <= MAX_POSITION))[positions].all():
            assert (x[:, positions] >= MIN_POSITION[positions]).all()
            assert (x[:, positions] <= MAX_POSITION[positions]).all()
        rounding = 4 * np.spacing(np.abs(x).max(axis=0))
        v = np.diff(x, axis=0) / dt
        within(v[:, positions], MAX_SPEED[positions], rounding[positions] / dt)
        a = np.diff(v, axis=0, prepend=np.zeros((1, AXES))) / dt
        shortest = np.minimum(dt, np.vstack([dt[:1], dt[:-1]]))
        within(a[:, positions], self.max_acceleration[positions], (rounding[positions] + 2e-11) / (dt * shortest))
        for belt in BELTS:
            within(x[:, belt], max(MAX_SPEED[belt], abs(self.start[belt])), rounding[belt])
            within(v[:, belt], self.max_acceleration[belt], rounding[belt] / dt[:, 0])
        tool_speed = np.linalg.norm(np.diff(tool_positions(x[:, ARM]), axis=0), axis=1) / dt[:, 0]
        within(tool_speed, self.max_tool_speed, 1e-14 / dt[:, 0])


def within(values: FloatArray, limit: FloatArray | float, rounding: FloatArray | float) -> None:
    """Assert |values| <= limit but for the stated share and rounding."""
    excess = np.abs(values) - limit * (1 + 2 * SHARE) - rounding
    worst = np.unravel_index(np.argmax(excess), excess.shape)
    assert excess.max() <= 0.0, f"|{values[worst]}| exceeds {np.broadcast_to(limit, values.shape)[worst]} at {worst}"
