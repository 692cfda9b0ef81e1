"""Geometry of the stow tool and of the pod: the numbers that simulation, planning and primitives must share.

Tool frame: origin in the middle of the paddle mouth, x out of the mouth, y along the squeeze, z up at roll 0.
All figures are our design assumptions; Amazon has published none.
"""

from dataclasses import dataclass

import numpy as np

from podhand.core.poses import Pose, pose


@dataclass(frozen=True, kw_only=True)
class StowTool:
    """Two belt paddles, a squeeze axis and a blade along the outer face of the paddle on the -y side."""

    paddle_length_m: float = 0.30
    """Paddles reach from x = -paddle_length_m to the mouth at x = 0."""
    paddle_half_height_m: float = 0.055
    paddle_thickness_m: float = 0.012
    """From belt face to the outer face."""
    min_opening_m: float = 0.012
    max_opening_m: float = 0.16
    blade_gap_m: float = 0.003
    """Between the paddle's outer face and the blade."""
    blade_thickness_m: float = 0.002
    blade_half_height_m: float = 0.045
    blade_rest_m: float = 0.004
    """The retracted blade's tip is this far out of the mouth."""
    blade_stroke_m: float = 0.34
    palm_length_m: float = 0.06
    """Palm: a box behind the paddles, from x = -paddle_length_m - palm_length_m to x = -paddle_length_m."""
    palm_half_width_m: float = 0.11
    palm_half_height_m: float = 0.05
    flange_offset_m: float = 0.40
    """Distance from the arm's flange to the mouth along tool x."""
    mass_kg: float = 3.2
    com_tool_x_m: float = -0.24

    def blade_offset_m(self, opening_m: float) -> float:
        """Return y of the blade's mid plane in the tool frame [m] (negative) at an opening [m]."""
        return -(opening_m / 2 + self.paddle_thickness_m + self.blade_gap_m + self.blade_thickness_m / 2)

    def half_width_m(self, opening_m: float) -> float:
        """Return the largest |y| of paddles and blade at an opening [m]."""
        return -self.blade_offset_m(opening_m) + self.blade_thickness_m / 2

    @property
    def X_flange_tool(self) -> Pose:
        """Tool x is the flange's z, tool y the flange's y, tool z the flange's -x."""
        R = np.array([[0.0, 0.0, -1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
        return pose(R, (0.0, 0.0, self.flange_offset_m))


@dataclass(frozen=True, kw_only=True)
class Pod:
    """A fabric pod: bins in rows and columns behind one face.

    World frame: x into the bins, y left, z up, x = 0 at the opening plane, y = 0 at the pod's middle, z = 0 the floor.
    Bin frame: origin at the middle of the opening's lower edge, axes as the world's.
    """

    rows: int = 8
    columns: int = 5
    bin_depth_m: float = 0.40
    bin_width_m: float = 0.30
    bin_height_m: float = 0.28
    wall_m: float = 0.004
    lowest_floor_m: float = 0.25

    @property
    def bin_size_m(self) -> tuple[float, float, float]:
        """Inner size along x, y, z of the bin frame [m]."""
        return (self.bin_depth_m, self.bin_width_m, self.bin_height_m)

    def bin_name(self, row: int, column: int) -> str:
        """Return the name of a bin: rows A (lowest) upward, columns 1 (left, +y) to the right."""
        return f"{chr(ord('A') + row)}{column + 1}"

    def X_world_bin(self, row: int, column: int) -> Pose:
        """Return the nominal pose of a bin."""
        pitch_y = self.bin_width_m + 2 * self.wall_m
        pitch_z = self.bin_height_m + 2 * self.wall_m
        y = ((self.columns - 1) / 2 - column) * pitch_y
        return pose(None, (0.0, y, self.lowest_floor_m + row * pitch_z))
