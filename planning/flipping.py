"""Lying things that could stand up: what standing them up wins, and the motions that do it.

How the blade does it is told in ``podhand.primitives.turning``. Here a bin model is searched for low, level blocks
beside a gap in which the leaning blade can go in, turned against a wall or against what stands there closely packed.
Everything is in a cross-section along y; figures are our assumptions, checked in the simulation.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from math import acos, atan, cos, erf, hypot, pi, radians, sqrt, tan
from typing import Final

import numpy as np

from podhand.core.poses import FloatArray, Pose
from podhand.core.tooling import StowTool
from podhand.perception.bin_model import BinModel, Gap, Layout
from podhand.perception.occupancy import voxel_states
from podhand.planning.affordances import GRAVITY_M_S2, StowRules
from podhand.planning.cell_model import CellState
from podhand.planning.motion import LinePath, MotionPlanner
from podhand.primitives.catalogue import FlipUp
from podhand.primitives.turning import BladeSection, mouth_pose

__all__ = ["HOOK_BELOW_M", "Flip", "FlipMotions", "NoFlip", "after_flip", "entry_pose", "flips", "plan_flip_motions"]

HOOK_BELOW_M: Final = 0.005
"""The hook holds the bands this much lower: rolled paddles reach below the blade's edge, which goes to the floor."""
_LOW_M: Final = (0.018, 0.110)
"""Heights of what counts as lying."""
_LEVEL_M: Final = 0.005
_LEAST_WIDTH_M: Final = 0.08
_LEAST_GAIN_M: Final = 0.03
_BESIDE_M, _FAR_M = 0.005, 0.003
"""Room beside the entering blade: towards the item that it lifts, and on the other side."""
_OVER_FLOOR_M: Final = 0.006
_LEAN_RAD: Final = (radians(20.0), radians(50.0))
_LOOSE_M: Final = 0.015
"""What the item turns against may be this far behind it, all gaps on the way to the wall together."""
_OVER_TURN_M: Final = 0.010
_REACH_SHARE, _LEAST_SHARE = 0.9, 0.65
"""The blade should go in along this share of the item's length, and must along that."""
_EDGE_RAD: Final = radians(50.0)
"""Slope at which the blade's edge meets the item's rounded edge, however flat the blade lies."""
_BLADE_FRICTION_RAD: Final = atan(0.25)
_ROUND_SHARE: Final = 0.92
"""Chance that an item's edge lets the blade under; packed goods mostly do."""
_FORCE_SHARE: Final = 0.85
"""Of the force limit that the predicted force may reach."""
_FLAT_SHARE: Final = 0.8
_FACE_HITS: Final = 30


@dataclass(frozen=True, kw_only=True)
class Flip:
    """A lying item, and how the blade stands it up. Bin frame."""

    direction: int
    """+1: it turns towards +y."""
    gap: Gap
    """Where the blade goes in."""
    support_y_m: float
    """What it turns against."""
    width_m: float
    """Of the lying item along y: its height when it stands."""
    height_m: float
    front_x_m: float
    back_x_m: float
    lean_rad: float
    """Of the entering blade."""
    blade_reach_m: float
    """x of the blade's tip."""
    force_n: float
    """Largest force that is expected: at the edge, before it rises; masses are not known."""
    torque_n_m: float
    """About the tool's x axis, while the item hangs on the blade."""
    success: float
    """Predicted, 0 … 1."""

    @property
    def gain_m(self) -> float:
        """Width along y that it wins."""
        return self.width_m - self.height_m

    @property
    def entry(self) -> BladeSection:
        """The blade beside the item."""
        edge = self.direction * self.support_y_m - self.width_m
        return BladeSection(s_m=edge - _BESIDE_M, z_m=_OVER_FLOOR_M, lean_rad=self.lean_rad)

    @property
    def action(self) -> FlipUp:
        """The primitive that does it."""
        return FlipUp(
            direction=1 if self.direction > 0 else -1, support_y_m=self.support_y_m, width_m=self.width_m,
            height_m=self.height_m,
        )  # fmt: skip

    @property
    def roll_rad(self) -> float:
        """Roll of the tool when the item stands: 0 with the blade at -y of the tool, pi at +y."""
        return 0.0 if self.direction > 0 else pi

    @property
    def entry_roll_rad(self) -> float:
        """Roll of the tool when the blade enters."""
        return pi / 2 - self.direction * self.lean_rad

    def in_words(self) -> str:
        """Say what is done and what it wins."""
        towards = "left" if self.direction > 0 else "right"
        return (
            f"an item of {1e3 * self.width_m:.0f} x {1e3 * self.height_m:.0f} mm that lies at y = "
            f"{1e3 * (self.support_y_m - self.direction * self.width_m / 2):.0f} mm is stood up to the {towards} with "
            f"about {self.force_n:.0f} N, which wins {1e3 * self.gain_m:.0f} mm"
        )


@dataclass(frozen=True, kw_only=True)
class NoFlip:
    """Why a lying item is not stood up."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class _Lying:
    """A low, level run of columns next to a gap, in coordinates s that grow in the direction of the flip."""

    edge_s_m: float
    support_s_m: float
    """Face of what is behind it."""
    loose_m: float
    """Free width between it and the wall."""
    top_z_m: float
    front_x_m: float
    back_x_m: float


def flips(
    model: BinModel, tool: StowTool, rules: StowRules, *, force_limit_n: float
) -> tuple[list[Flip], list[NoFlip]]:
    """Find what can be stood up, and say why the rest cannot.

    Args:
        model: the bin as seen.
        tool: its blade.
        rules: margins and beliefs.
        force_limit_n: of the flip on the filtered force [N].
    """
    found: list[Flip] = []
    failed: list[NoFlip] = []
    tops = _column_tops(model)
    layout = model.layout(depth_m=0.6 * model.size_m[0], height_m=_LOW_M[1])
    for gap in layout.gaps:
        for direction in (1, -1):
            for lying in _lying_beside(model, layout, tops, gap, direction):
                one = _flip(model, tool, rules, gap, direction, lying, force_limit_n)
                if isinstance(one, Flip):
                    found.append(one)
                else:
                    failed.append(one)
    return sorted(found, key=lambda f: -f.success), failed


def _column_tops(model: BinModel) -> FloatArray:
    """Return per coarse column along y the height of the level top that most of it has, NaN where it is not level."""
    tops = np.full(model.grid.top_m.shape[1], np.nan)
    for j, column in enumerate(np.asarray(model.grid.top_m, float).T):
        heights = column[column > _LOW_M[0]]
        if len(heights) < 8:
            continue
        middle = float(np.median(heights))
        if np.mean(np.abs(heights - middle) < _LEVEL_M) >= _FLAT_SHARE:
            tops[j] = middle
    return tops


def _lying_beside(model: BinModel, layout: Layout, tops: FloatArray, gap: Gap, direction: int) -> Iterator[_Lying]:
    """Yield the low block that begins at a gap's end, if there is one."""
    half, voxel = model.size_m[1] / 2, model.voxel_m
    edge = direction * (gap.y_high_m if direction > 0 else gap.y_low_m)
    block = next((b for b in layout.blocks if b.seen and b.y_low_m <= direction * (edge + 0.01) <= b.y_high_m), None)
    if block is None:
        return
    along = tops if direction > 0 else tops[::-1]  # by s, from -half on
    first = int((edge + half) / voxel) + 1
    end_s = direction * (block.y_high_m if direction > 0 else block.y_low_m)
    last = min(int(np.ceil((end_s + half) / voxel)), len(along))
    top = float(np.nanmedian(along[first : first + 4])) if np.isfinite(along[first : first + 4]).any() else np.nan
    if not _LOW_M[0] < top < _LOW_M[1]:
        return
    ends = next((k for k in range(first, last) if along[k] > top + 2 * _LEVEL_M), None)
    support = end_s if ends is None else ends * voxel - half
    loose = model.free_width_m(
        *sorted((direction * support, direction * half)), depth_m=layout.depth_m, height_m=top + 0.02
    )
    columns = slice(*sorted((int((direction * edge + half) / voxel), int((direction * support + half) / voxel))))
    rows = np.nonzero((np.abs(model.grid.top_m[:, columns] - top) < _LEVEL_M).any(axis=1))[0]
    if len(rows) == 0:
        return
    yield _Lying(
        edge_s_m=edge,
        support_s_m=min(support, half),
        loose_m=loose,
        top_z_m=top,
        front_x_m=block.front_x_m,
        back_x_m=float((rows[-1] + 1) * voxel),
    )


def _flip(
    model: BinModel, tool: StowTool, rules: StowRules, gap: Gap, direction: int, lying: _Lying, force_limit_n: float
) -> Flip | NoFlip:
    """Judge one lying item: does it win room, can it turn, can the blade get in, is it light enough."""
    width, height = lying.support_s_m - lying.edge_s_m, lying.top_z_m
    here = f"what lies at y = {1e3 * direction * (lying.edge_s_m + width / 2):.0f} mm ({1e3 * width:.0f} mm wide, " \
           f"{1e3 * height:.0f} mm high)"  # fmt: skip
    if width < _LEAST_WIDTH_M or width - height < _LEAST_GAIN_M:
        return NoFlip(reason=f"{here} would win less than {1e3 * _LEAST_GAIN_M:.0f} mm, or is two things")
    if hypot(width, height) > model.size_m[2] - _OVER_TURN_M or width > FlipUp.model_fields["width_m"].metadata[1].le:
        return NoFlip(reason=f"{here} does not turn under the ceiling of {1e3 * model.size_m[2]:.0f} mm")
    if lying.loose_m > _LOOSE_M:
        return NoFlip(reason=f"{here} has nothing to turn against: {1e3 * lying.loose_m:.0f} mm behind it are free")
    lean = _entry_lean_rad(gap, tool)
    if lean is None:
        return NoFlip(reason=f"the gap of {1e3 * gap.width_m:.0f} mm beside {here} is too narrow for the leaning blade")
    length = lying.back_x_m - lying.front_x_m
    longest = min(gap.depth_m - rules.blade_tip_m, tool.blade_rest_m + tool.blade_stroke_m + rules.mouth_x_m)
    if longest < lying.front_x_m + _LEAST_SHARE * length:
        return NoFlip(reason=f"the gap beside {here} is not deep enough for the blade")
    force, torque = _load(width, height, length, lean, tool, rules)
    if not 0.0 < force <= _FORCE_SHARE * force_limit_n:
        need = f"about {force:.0f} N" if force > 0.0 else "more than any force"
        return NoFlip(
            reason=f"{here} is too heavy, or too thick for its width, to be lifted by its edge: {need} would be needed"
        )
    return Flip(
        direction=direction,
        gap=gap,
        # What is loose behind it closes up first.
        support_y_m=direction * (lying.support_s_m + lying.loose_m),
        width_m=width,
        height_m=height,
        front_x_m=lying.front_x_m,
        back_x_m=lying.back_x_m,
        lean_rad=lean,
        blade_reach_m=min(lying.front_x_m + _REACH_SHARE * length, longest),
        force_n=force,
        torque_n_m=torque,
        success=_success(force / force_limit_n, lying.loose_m),
    )


def _entry_lean_rad(gap: Gap, tool: StowTool) -> float | None:
    """Return the flattest lean with which the blade goes into a gap; None when it is too narrow for the steepest."""
    room = gap.width_m - _BESIDE_M - _FAR_M - tool.blade_thickness_m
    share = room / (2 * tool.blade_half_height_m)
    if share < cos(_LEAN_RAD[1]):
        return None
    return max(acos(min(share, 1.0)), _LEAN_RAD[0])


def _load(
    width_m: float, height_m: float, length_m: float, lean_rad: float, tool: StowTool, rules: StowRules
) -> tuple[float, float]:
    """Return the largest force on the blade [N] and the torque about the tool's axis [N m]; negative: it jams.

    The edge is lifted by a slope b against friction f: for a lift F_z the push along the floor is F_z tan(b + f), and
    it presses the item down again with its height as lever: F_z (width - height tan(b + f)) = weight width / 2.
    """
    weight = width_m * height_m * length_m * rules.block_density_kg_m3 * GRAVITY_M_S2
    push = tan(max(lean_rad, _EDGE_RAD) + _BLADE_FRICTION_RAD)
    lever = width_m - height_m * push
    if lever <= 0.0:
        return -1.0, 0.0
    lift = weight * width_m / 2 / lever
    return lift * hypot(1.0, push), weight / 2 * (tool.blade_half_height_m - tool.blade_offset_m(tool.max_opening_m))


def _success(strain: float, loose_m: float) -> float:
    """Return a prediction from force against its limit and from how loosely the item lies; ranks, not fitted."""
    strain = max(strain, 0.05)
    force = 0.5 * (1.0 + erf((1.0 - strain) / (0.35 * strain * sqrt(2.0))))
    return _ROUND_SHARE * force * (1.0 - 4.0 * loose_m)


# ---- what it leads to -------------------------------------------------------------------------------------------


def after_flip(model: BinModel, flip: Flip) -> BinModel:
    """Return the bin as it should look when the item stands: a prediction, for planning what comes next."""
    grid, half = model.grid, model.size_m[1] / 2
    edge_y = flip.support_y_m - flip.direction * flip.width_m
    stand_y = flip.support_y_m - flip.direction * flip.height_m
    hits, seen, tops = grid.hits.copy(), grid.seen_free.copy(), grid.top_m.copy()
    dx, dy, dz = (float(s) for s in grid.step_m)

    def columns(a: float, b: float, step: float) -> slice:
        low, high = sorted((a, b))
        return slice(max(0, round((low + half) / step)), max(0, round((high + half) / step)))

    # The rim of the item was seen a little outside of it.
    outer = edge_y - flip.direction * 0.005
    hits[:, columns(outer, flip.support_y_m, dy)] = 0
    coarse = columns(outer, flip.support_y_m, model.voxel_m)
    seen[:, coarse], tops[:, coarse] = 1, 0.0
    front, back = round(flip.front_x_m / dx), round(flip.back_x_m / dx)
    stands = columns(stand_y, flip.support_y_m, dy)
    hits[front, stands, : round(flip.width_m / dz)] = _FACE_HITS
    side = stands.start if flip.direction > 0 else stands.stop - 1
    hits[front:back, side, : round(flip.width_m / dz)] = 2
    coarse = columns(stand_y, flip.support_y_m, model.voxel_m)
    tops[round(flip.front_x_m / model.voxel_m) : round(flip.back_x_m / model.voxel_m), coarse] = flip.width_m
    seen[round(flip.front_x_m / model.voxel_m) :, coarse] = 0
    changed = replace(grid, hits=hits, seen_free=seen, top_m=tops)
    return replace(model, grid=changed, occupancy=voxel_states(changed))


# ---- motions ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class FlipMotions:
    """The checked lines of a flip at the bin's mouth."""

    path: tuple[LinePath, ...]
    """From the entry through all places of the blade, the last is backed off from the standing item."""
    blade_extension_m: float
    """Of the blade's axis."""

    @property
    def X_base_end(self) -> Pose:
        """The tool at the end."""
        return self.path[-1].X_base_goal


def entry_pose(flip: Flip, *, x_m: float, opening_m: float, tool: StowTool) -> Pose:
    """Return ``X_bin_tool`` where the blade goes in."""
    return mouth_pose(flip.entry, flip.direction, x_m=x_m, opening_m=opening_m, tool=tool)


def plan_flip_motions(
    planner: MotionPlanner, flip: Flip, X_base_bin: Pose, q_entry_rad: FloatArray, state: CellState, *, x_m: float
) -> FlipMotions:
    """Check every line of a flip.

    Args:
        planner: knows the cell.
        flip: what is done.
        X_base_bin: the bin as found.
        q_entry_rad: (dof,) at the entry.
        state: the cell with held item, opening, blade out, and the hook where it holds the bands.
        x_m: of the mouth, bin frame.

    Raises:
        PlanningError: the arm cannot follow, or something is in the way; says what and where.
    """
    tool = planner.cell.tool
    action = flip.action
    sections = [flip.entry, *action.sections(flip.lean_rad)]
    last = sections[-1]
    sections.append(replace(last, s_m=last.s_m - action.release_m))
    poses = [
        X_base_bin @ mouth_pose(one, flip.direction, x_m=x_m, opening_m=state.opening_m, tool=tool) for one in sections
    ]
    path: list[LinePath] = []
    q = q_entry_rad
    for X_start, X_goal in pairwise(poses):
        # The blade works on the floor and close to walls: there its force limit rules.
        one = planner.straight_line(X_start, X_goal, q, state, near_m=0.001, allowed_contacts=(("blade", "pod"),))
        path.append(one)
        q = one.waypoints_rad[-1]
    return FlipMotions(path=tuple(path), blade_extension_m=state.blade_extension_m)
