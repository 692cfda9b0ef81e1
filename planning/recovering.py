"""Ways back from wherever the cell stands: to the infeed with a held item, to rest, and the hook to its own."""

import numpy as np

from podhand.core.exchange import Axis, SlowSignal
from podhand.core.poses import Pose
from podhand.core.station import Station
from podhand.planning.cell_model import CellState, HeldItem, WaitingItem, roll_pose
from podhand.planning.motion import JointPath, MotionPlanner
from podhand.planning.stow_motions import ITEM_OVER_EDGE_M, ITEM_SETBACK_M, item_setback_m
from podhand.planning.thinking import BANDS_OUT_M, hook_places
from podhand.primitives.cell import ItemPlace, Joints, Point, ReturnWay, StowCell
from podhand.primitives.recipes import Recipe, step
from podhand.primitives.recovering import Recover

__all__ = ["RecoveryWays", "recover_recipe"]

LIFT_M = 0.10
PARKED_M = 0.005
"""A hook this near to its place of rest is there."""
IN_FRONT_M = 0.02
"""A hook this much nearer to the pod than the place in front of the bands is among them."""


def recover_recipe() -> Recipe:
    """Return the recipe that brings the cell to rest from wherever it stands."""
    return Recipe(name="recover", root=step(Recover()))


class RecoveryWays:
    """Plans from measurements: the arm's joints, opening, blade, hook, and the light barriers.

    Args:
        planner: knows the cell.
        station: its station.
        base_height_m: base frame over the floor.
    """

    def __init__(self, planner: MotionPlanner, station: Station, *, base_height_m: float) -> None:
        self._planner, self._station, self._base_height_m = planner, station, base_height_m

    def to_park(self, cell: StowCell) -> Joints:
        """Return the joint path to rest, a held item included. Raises PlanningError."""
        park = np.array(self._station.arm.park_q_rad)
        return _joints(self._planner.joint_path(np.array(cell.arm_q()), park, self._state(cell)))

    def to_infeed(self, cell: StowCell) -> ReturnWay:
        """Return the way of the held item back to the infeed. Raises PlanningError."""
        assert cell.held is not None
        planner, item = self._planner, cell.held.item
        X_down = self._grasp(cell)
        X_above, X_back = X_down.copy(), X_down.copy()
        X_above[2, 3] += LIFT_M
        X_back[0, 3] -= item.length_m + ITEM_SETBACK_M + planner.cell.tool.blade_rest_m + cell.blade_m + 0.020
        held = self._state(cell)
        path = planner.joint_path(np.array(cell.arm_q()), X_above, held)
        # The item lies on the rails, and the paddles around a thin item nearly touch them.
        on_rails = (("held item", "infeed"), ("tool", "infeed rails"))
        lower = planner.straight_line(X_above, X_down, path.waypoints_rad[-1], held, allowed_contacts=on_rails)
        planner.straight_line(X_down, X_back, lower.waypoints_rad[-1], held, allowed_contacts=on_rails)
        return ReturnWay(
            to_infeed_rad=_joints(path), X_base_tool_above=X_above, X_base_tool_down=X_down, X_base_tool_back=X_back
        )

    def hook_to_park(self, cell: StowCell) -> tuple[Point, ...]:
        """Return the points through which the hook gives the bands back from where it is; empty when it is parked."""
        assert cell.X_base_bin is not None
        park, _, front, above, _ = hook_places(self._station, cell.X_base_bin)
        x, y, z = _hook(cell)
        if np.linalg.norm(np.subtract((x, y, z), park)) < PARKED_M:
            return ()
        low = ((min(x, front[0]), y, park[2]), park)
        if x < front[0] + IN_FRONT_M:
            return low
        # Among the bands: as it went in, over their height, away from the pod.
        out_m = max(x - BANDS_OUT_M, front[0])
        return ((out_m, y, z), (out_m, y, max(z, above[2])), (front[0], y, max(z, above[2])), *low)

    def _grasp(self, cell: StowCell) -> Pose:
        """Return where the tool was when the held item stood on the rails."""
        assert cell.held is not None
        item, tool, infeed = cell.held.item, self._planner.cell.tool, self._station.infeed
        if cell.presented and cell.presented.item == item:
            p = cell.presented.X_base_item[:3, 3]
        else:
            p = np.array([infeed.item_x_m, infeed.item_y_m, infeed.rail_top_m + item.height_m / 2])
        x = float(p[0]) + item.length_m / 2 + item_setback_m(item.length_m, tool.paddle_length_m)
        z = float(p[2]) - item.height_m / 2 - ITEM_OVER_EDGE_M + tool.paddle_half_height_m
        return roll_pose((x, float(p[1]), z), _roll_rad(cell))

    def _state(self, cell: StowCell) -> CellState:
        assert cell.X_base_bin is not None
        tool, held, waiting = self._planner.cell.tool, None, None
        if cell.held:
            item = cell.held.item
            out_m = item.length_m / 2 if cell.held.place is ItemPlace.MOUTH else 0.0
            held = HeldItem.received(
                item.size_m,
                _roll_rad(cell),
                bottom_m=tool.paddle_half_height_m - ITEM_OVER_EDGE_M,
                setback_m=item_setback_m(item.length_m, tool.paddle_length_m) - out_m,
            )
        if cell.presented and cell.session.state.signal(SlowSignal.ITEM_AT_INFEED) > 0.5:
            waiting = WaitingItem(size_m=cell.presented.item.size_m, X_base_item=cell.presented.X_base_item)
        return CellState(
            X_base_bin=cell.X_base_bin,
            base_height_m=self._base_height_m,
            opening_m=min(max(cell.opening_m, tool.min_opening_m), tool.max_opening_m),
            blade_extension_m=max(0.0, cell.blade_m),
            held=held,
            waiting=waiting,
            hook_way_m=(_hook(cell),),
        )


def _roll_rad(cell: StowCell) -> float:
    """Return the tool's roll, upright or upside down, whichever is nearer."""
    return 0.0 if float(cell.session.state.X_base_tool[2, 2]) > 0.0 else float(np.pi)


def _hook(cell: StowCell) -> Point:
    x, y, z = (cell.session.state.axis(a) for a in (Axis.BAND_X, Axis.BAND_Y, Axis.BAND_Z))
    return (x, y, z)


def _joints(path: JointPath) -> Joints:
    return tuple(tuple(float(q) for q in row) for row in path.waypoints_rad)
