"""Taking an item from the infeed, weighing it in hand, and giving it back."""

from dataclasses import replace
from itertools import pairwise
from typing import ClassVar

import numpy as np
from pydantic import Field

from podhand.controllers.conditions import axis, ft, time
from podhand.controllers.outcomes import Outcome
from podhand.controllers.parameters import EMPTY_PAYLOAD, HELD_PAYLOAD, LEAVING_PAYLOAD, X_flange_sensor, empty_tool
from podhand.controllers.segments import AxisForce, Compliant, Rigid, Segment
from podhand.core.exchange import Axis, SlowSignal
from podhand.core.items import Item, Softness
from podhand.core.poses import FloatArray, Pose, inverse
from podhand.primitives import motions
from podhand.primitives.base import Joints, Matrix, Primitive, PrimitivePreview, Trace, to_pose
from podhand.primitives.cell import HeldItem, ItemPlace, StowCell

__all__ = ["ReceiveItem", "ReturnItem", "needed_grip_n"]

MAX_MASS_KG = 3.6
_MASS_MARGIN = 1.1
_GRAVITY_M_S2 = 9.81
_WEIGH_S = 0.15
_LEAST_MASS_KG = 0.01
_SQUEEZE_MARGIN = 0.9
"""Of what an item bears: closing paddles overshoot a little."""
_OPEN_MARGIN_M = 0.012
_AT_INFEED_M = 0.05
_LANDING_M = 0.008
_SLIPPED_LANDING_M = 0.04
"""What failed may have moved the item between the paddles."""
_LANDING_M_S = 0.012
"""Rails and a gripped item are hard: the last centimetre goes slowly."""


_LEAST_GRIP_N = {Softness.FIRM: 14.0, Softness.UNEVEN: 12.0, Softness.SOFT: 8.0}
"""Whatever an item weighs: firm sides are pressed flat against the belts, soft ones only held."""


def needed_grip_n(cell: StowCell, item: Item) -> float:
    """Return the squeeze [N] that holds an item by friction at both belts.

    At least what its softness asks for, within the station's range, and never more than the item bears.
    """
    forces = cell.station.forces
    weight = item.mass_kg * _GRAVITY_M_S2
    wanted = max(forces.grip_margin * weight / (2.0 * item.friction), _LEAST_GRIP_N[item.softness])
    return min(max(wanted, forces.grip_min_n), forces.grip_max_n, _SQUEEZE_MARGIN * item.max_squeeze_n)


class ReceiveItem(Primitive):
    """Straddle the item at the infeed, squeeze it to a force, lift it and weigh it in hand."""

    name: ClassVar[str] = "receive_item"

    waypoints_rad: tuple[Joints, ...] = Field(min_length=1, description="Joint path to behind the item.")
    X_base_tool_grasp: Matrix = Field(description="Tool where the paddles close; reached straight from the path's end.")
    opening_m: float = Field(gt=0.0, le=0.3, description="Between the belt faces while they straddle the item.")
    grip_force_n: float | None = Field(
        default=None, ge=1.0, le=200.0, description="Squeeze; None: what friction needs, within item and station."
    )
    lift_m: float = Field(default=0.10, ge=0.01, le=0.3, description="Straight up after the grip.")
    speed_m_s: float = Field(default=0.25, gt=0.0, le=0.5, description="Of the straight lines.")
    speed_scale: float = Field(default=1.0, gt=0.0, le=1.0, description="Of the joint path.")
    start_gap_rad: float = Field(default=0.1, ge=0.0, le=0.5, description="How far off the path may begin.")

    def check(self, cell: StowCell) -> list[str]:
        """See the base class."""
        unmet = []
        if cell.presented is None:
            unmet.append("no item is presented at the infeed")
        elif self.opening_m <= cell.presented.item.width_m:
            width = cell.presented.item.width_m
            unmet.append(f"opening_m must be more than the item's width {width:.3f} m (got {self.opening_m:.3f})")
        if cell.held:
            unmet.append(f"the tool is not empty: {cell.where_is_the_item()}")
        if cell.blade_m > 0.01:
            unmet.append(f"the blade is out by {cell.blade_m:.3f} m: retract it first")
        return unmet

    def preview(self, cell: StowCell) -> PrimitivePreview:
        """See the base class."""
        X_grasp = to_pose(self.X_base_tool_grasp)
        path = motions.tool_points(cell, self.waypoints_rad)
        lifted = X_grasp[:3, 3] + [0.0, 0.0, self.lift_m]
        ways = (float(np.linalg.norm(X_grasp[:3, 3] - path[-1])), self.lift_m)
        duration = motions.path_duration_s(cell, self.waypoints_rad, self.speed_scale)
        duration += sum(motions.travel_duration_s(way, self.speed_m_s) for way in ways) + 1.5
        sku = cell.presented.item.sku if cell.presented else "the item"
        return PrimitivePreview(
            name=self.name,
            words=f"takes {sku} from the infeed with {self._grip_n(cell):.0f} N, lifts it {1e3 * self.lift_m:.0f} mm",
            path_base_m=(*path, motions.as_point(X_grasp[:3, 3]), motions.as_point(lifted)),
            waypoints_rad=self.waypoints_rad,
            duration_s=duration,
            force_limit_n=self.force_limit(cell),
        )

    def force_limit(self, cell: StowCell) -> float:
        """See the base class."""
        return cell.station.forces.receive_n

    def _grip_n(self, cell: StowCell) -> float:
        if cell.presented is None:
            return self.grip_force_n or cell.station.forces.grip_min_n
        most = min(cell.station.forces.grip_max_n, _SQUEEZE_MARGIN * cell.presented.item.max_squeeze_n)
        return min(self.grip_force_n or needed_grip_n(cell, cell.presented.item), most)

    async def _do(self, cell: StowCell, trace: Trace) -> str:
        assert cell.presented is not None
        item, limit_n = cell.presented.item, self.force_limit(cell)
        transfer_n = cell.station.forces.transfer_n
        await motions.move_joints(
            trace, self.waypoints_rad, speed_scale=self.speed_scale, force_n=transfer_n,
            start_gap_rad=self.start_gap_rad, squeeze=motions.target(cell, Axis.SQUEEZE, self.opening_m),
        )  # fmt: skip
        await motions.tare(trace, limit_n)
        await motions.move_line(
            trace, to_pose(self.X_base_tool_grasp), name="straddle", speed_m_s=self.speed_m_s, force_n=limit_n,
            until={"touched": (ft.force.norm > 0.4 * limit_n).for_(0.02)}, contact_stiffness_n_m=1000.0,
        )  # fmt: skip
        await self._squeeze(cell, trace, item)
        await self._lift(cell, trace, item)
        mass_kg = await self._weigh(cell, trace, item)
        trace.data["mass_kg"] = mass_kg
        assert cell.held is not None
        trace.data["grip_force_n"] = cell.held.grip_force_n
        return f"took {item.sku}: {mass_kg:.2f} kg in hand with {cell.held.grip_force_n:.0f} N"

    async def _squeeze(self, cell: StowCell, trace: Trace, item: Item) -> None:
        grip_n = self._grip_n(cell)
        force, speed, opening = axis(Axis.SQUEEZE).force, axis(Axis.SQUEEZE).speed, axis(Axis.SQUEEZE).position
        gripped = ((abs(force) > 0.7 * grip_n) & (abs(speed) < 0.004)).for_(0.1)
        close = Segment(
            name="squeeze",
            squeeze=AxisForce(force_n=-grip_n, max_speed_m_s=motions.GRIP_SPEED_M_S),
            # The paddle that touches first must not push the item aside: the tool moves to the item's middle.
            law=(Rigid(), Compliant(mass=8.0, damping=800.0), Rigid(), Rigid(), Rigid(), Rigid()),
            limits=motions.limits(cell, self.force_limit(cell)),
            until={"gripped": gripped, "nothing there": opening < 0.5 * item.width_m},
            timeout_s=motions.axis_timeout_s(self.opening_m, motions.GRIP_SPEED_M_S),
        )
        outcome = await trace.run([close], accept=("gripped",))
        if outcome.name == "gripped":
            cell.held = HeldItem(item=item, place=ItemPlace.PADDLES, grip_force_n=grip_n)

    async def _lift(self, cell: StowCell, trace: Trace, item: Item) -> None:
        """Lift the item. Its weight comes onto the sensor at a moment nobody knows: half of it is taken as known."""
        X_lifted = cell.session.state.X_base_tool_cmd
        X_lifted[2, 3] += self.lift_m
        X_lift, weight_n = X_lifted, item.mass_kg * _GRAVITY_M_S2
        set_payloads(cell, item.mass_kg, np.array([-item.length_m / 2, 0.0, 0.0]))
        limit_n = self.force_limit(cell) + 2.0 * weight_n
        heavy = await motions.move_line(
            trace, X_lift, name="lift", speed_m_s=self.speed_m_s, force_n=limit_n,
            contact_stiffness_n_m=0.0, payload=LEAVING_PAYLOAD, accept=("too heavy",),
            until={"too heavy": (ft.force.norm > 0.7 * limit_n).for_(0.02)},
        )  # fmt: skip
        if heavy:
            felt_kg = trace.outcomes[-1].value / _GRAVITY_M_S2 + item.mass_kg / 2
            trace.fail(f"the item is caught or too heavy: about {felt_kg:.1f} kg instead of {item.mass_kg:.1f} kg")

    async def _weigh(self, cell: StowCell, trace: Trace, item: Item) -> float:
        """Weigh the item by the sensor and give the kernel the new payload; returns its mass [kg]."""
        limit_n = self.force_limit(cell) + 2.0 * item.mass_kg * _GRAVITY_M_S2
        chain = [
            motions.rest(cell, 0.08, name="settle", force_n=limit_n, payload=EMPTY_PAYLOAD),
            motions.rest(cell, _WEIGH_S, name="weigh", force_n=limit_n, payload=EMPTY_PAYLOAD),
        ]
        outcome = await trace.run(chain, accept=("time is up",))
        if cell.session.state.signal(SlowSignal.ITEM_IN_PADDLES) < 0.5:
            trace.fail("the item is not between the paddles after the lift: it stayed behind or slipped")
        mass_kg, com_tool_m = weigh(outcome, cell.session.state.X_base_tool, item, cell)
        if mass_kg > MAX_MASS_KG * _MASS_MARGIN:
            trace.fail(f"the item weighs {mass_kg:.2f} kg, at most {MAX_MASS_KG} kg may be stowed: give it back")
        mass_kg = max(mass_kg, _LEAST_MASS_KG)
        take_payload(cell, mass_kg, com_tool_m)
        return mass_kg

    async def _undo(self, cell: StowCell, trace: Trace) -> str | None:
        X_grasp = to_pose(self.X_base_tool_grasp)
        if cell.held and cell.session.state.signal(SlowSignal.ITEM_IN_PADDLES) < 0.5:
            cell.lose_item()
        if cell.held is None:
            return None if cell.stowed else await self._leave(cell, trace, X_grasp)
        X_lifted = X_grasp.copy()
        X_lifted[2, 3] += self.lift_m
        here = cell.session.state.X_base_tool_cmd
        if min(motions.distance_m(here, X_lifted), motions.distance_m(here, X_grasp)) > _AT_INFEED_M:
            trace.fail(f"the tool is not at the infeed: {cell.where_is_the_item()}; return it with a planned path")
        X_behind = X_grasp.copy()
        X_behind[:3, 3] -= (cell.held.item.length_m + 0.03) * X_grasp[:3, 0]
        sku = cell.held.item.sku
        await put_down(cell, trace, X_lifted, X_grasp, X_behind, speed_m_s=self.speed_m_s, landing_m=_SLIPPED_LANDING_M)
        return f"put {sku} back onto the infeed"

    async def _leave(self, cell: StowCell, trace: Trace, X_grasp: Pose) -> str | None:
        """Leave an item that was not gripped, or slipped out, when the tool straddles it or stands over it."""
        X_here = cell.session.state.X_base_tool_cmd
        x, y, z = (float(v) for v in (inverse(X_grasp) @ X_here)[:3, 3])
        up_m = z if X_grasp[2, 2] > 0.0 else -z
        way_m = (cell.presented.item.length_m if cell.presented else 0.3) + 0.03
        if abs(y) > 0.02 or not -0.02 < up_m < self.lift_m + 0.02 or not -way_m < x < 0.01:
            return None
        X_behind = X_here.copy()
        X_behind[:3, 3] -= (way_m + x) * X_grasp[:3, 0]
        limit_n = self.force_limit(cell)
        await open_paddles(cell, trace, self.opening_m, force_n=limit_n, weight_n=0.0)
        await motions.move_line(
            trace, X_behind, name="leave the item", speed_m_s=self.speed_m_s, force_n=limit_n,
            until={"caught": (ft.force.norm > 0.5 * limit_n).for_(0.02)},
        )  # fmt: skip
        if cell.session.state.signal(SlowSignal.ITEM_AT_INFEED) < 0.5:
            return "backed out of the infeed; the item is no longer on its rails: look for it on the floor"
        cell.lost = None
        return "left the item at the infeed"


class ReturnItem(Primitive):
    """Bring a held item back to the infeed: joint path, straight down, open, straight back."""

    name: ClassVar[str] = "return_item"

    waypoints_rad: tuple[Joints, ...] = Field(min_length=1, description="Joint path to above the hand-over place.")
    X_base_tool_above: Matrix = Field(description="Tool above the hand-over place; near the path's end.")
    X_base_tool_down: Matrix = Field(description="Tool where the item stands on the rails.")
    X_base_tool_back: Matrix = Field(description="Tool behind the item, paddles open.")
    speed_m_s: float = Field(default=0.25, gt=0.0, le=0.5)
    speed_scale: float = Field(default=0.7, gt=0.0, le=1.0)
    start_gap_rad: float = Field(default=0.1, ge=0.0, le=0.5)
    landing_m: float = Field(
        default=_LANDING_M, gt=0.0, le=0.08, description="Last piece of the way down, slow; more where an item slipped."
    )

    def check(self, cell: StowCell) -> list[str]:
        """See the base class."""
        if cell.held is None:
            return [f"the tool holds nothing: {cell.where_is_the_item()}"]
        if cell.held.place is not ItemPlace.PADDLES:
            return [f"the item is not in a safe grip: {cell.where_is_the_item()}"]
        return []

    def preview(self, cell: StowCell) -> PrimitivePreview:
        """See the base class."""
        poses = [to_pose(X) for X in (self.X_base_tool_above, self.X_base_tool_down, self.X_base_tool_back)]
        path = motions.tool_points(cell, self.waypoints_rad)
        duration = motions.path_duration_s(cell, self.waypoints_rad, self.speed_scale) + 1.0
        duration += sum(motions.straight_duration_s(a, b, self.speed_m_s) for a, b in pairwise(poses))
        return PrimitivePreview(
            name=self.name,
            words="brings the item back to the infeed",
            path_base_m=(*path, *(motions.as_point(X[:3, 3]) for X in poses)),
            waypoints_rad=self.waypoints_rad,
            duration_s=duration,
            force_limit_n=self.force_limit(cell),
        )

    async def _do(self, cell: StowCell, trace: Trace) -> str:
        assert cell.held is not None
        sku = cell.held.item.sku
        await motions.move_joints(
            trace, self.waypoints_rad, speed_scale=self.speed_scale, force_n=self.force_limit(cell),
            start_gap_rad=self.start_gap_rad,
        )  # fmt: skip
        X_above, X_down, X_back = map(to_pose, (self.X_base_tool_above, self.X_base_tool_down, self.X_base_tool_back))
        await put_down(cell, trace, X_above, X_down, X_back, speed_m_s=self.speed_m_s, landing_m=self.landing_m)
        return f"returned {sku} to the infeed"


async def put_down(
    cell: StowCell,
    trace: Trace,
    X_above: Pose,
    X_down: Pose,
    X_back: Pose,
    *,
    speed_m_s: float,
    landing_m: float = _LANDING_M,
) -> None:
    """Set a held item down, open the paddles and leave it. Lands softly where the ground is higher than believed."""
    assert cell.held is not None
    receive_n, state = cell.station.forces.receive_n, cell.session.state
    # What is felt before the landing is weight that the payload model does not know: an item too heavy, say.
    felt_base_n = state.X_base_tool[:3, :3] @ state.F_tool[:3]
    limit_n = receive_n + 2.0 * float(np.linalg.norm(felt_base_n))
    from_down = inverse(X_down) @ state.X_base_tool_cmd
    above_m = motions.distance_m(X_above, X_down)
    # Over the place already, or not yet off it: straight down.
    if float(np.linalg.norm(from_down[:2, 3])) > 0.005 or abs(float(from_down[2, 3])) > above_m:
        await motions.move_line(trace, X_above, name="over the place", speed_m_s=speed_m_s, force_n=limit_n)
    X_near = X_down.copy()
    X_near[2, 3] += landing_m
    await motions.move_line(trace, X_near, name="down", speed_m_s=min(speed_m_s, 0.15), force_n=limit_n)
    await motions.move_line(
        trace, X_down, name="set down", speed_m_s=min(speed_m_s, _LANDING_M_S), force_n=limit_n,
        until={"landed": (ft.force.z > float(felt_base_n[2]) + 0.3 * receive_n).for_(0.02)}, accept=("landed",),
        X_base_frame=np.eye(4),
    )  # fmt: skip
    opening_m, weight_n = cell.held.item.width_m + _OPEN_MARGIN_M, cell.held.mass_kg * _GRAVITY_M_S2
    cell.place_item(ItemPlace.INFEED)
    await open_paddles(cell, trace, opening_m, force_n=limit_n, weight_n=weight_n)
    await motions.move_line(
        trace, X_back, name="leave the item", speed_m_s=speed_m_s, force_n=receive_n,
        until={"caught": (ft.force.norm > 0.5 * receive_n).for_(0.02)},
    )  # fmt: skip


async def open_paddles(
    cell: StowCell, trace: Trace, opening_m: float, *, force_n: float, weight_n: float, axis_force_n: float = 20.0
) -> None:
    """Open the paddles to a width, or until something at their outside resists."""
    opening = motions.target(cell, Axis.SQUEEZE, opening_m, 0.08)
    travel_m = abs(opening.values[0] - cell.opening_m)
    resisted = ((axis(Axis.SQUEEZE).force > 0.6 * axis_force_n) & (time > 0.15)).for_(0.05)
    # The grip that still holds counts as well: it may be harder than what the outside may feel.
    most_n = max(axis_force_n, 1.6 * abs(float(cell.session.state.tau[Axis.SQUEEZE])))
    most_n = min(most_n, cell.station.axes.squeeze.max_force_n)
    await trace.run(
        [
            Segment(
                name="open paddles",
                squeeze=opening,
                limits=motions.limits(cell, force_n + weight_n, axis_force={Axis.SQUEEZE: most_n}),
                until={"resisted": resisted},
                timeout_s=motions.axis_timeout_s(travel_m, 0.08),
                payload=cell.payload,
            )
        ],
        accept=("resisted",),
    )


def weigh(outcome: Outcome, X_base_tool: Pose, item: Item, cell: StowCell) -> tuple[float, FloatArray]:
    """Return mass [kg] and centre of mass (3,) in the tool frame [m] from mean force and torque at rest.

    What gravity cannot tell, the height of the centre, is taken from the item's size.
    """
    down_tool = X_base_tool[:3, :3].T @ np.array([0.0, 0.0, -1.0])
    force, torque = np.array(outcome.mean_force_n), np.array(outcome.mean_torque_n_m)
    mass_kg = float(force @ down_tool) / _GRAVITY_M_S2
    if mass_kg < _LEAST_MASS_KG:
        return mass_kg, np.zeros(3)
    lever = np.cross(force, torque) / float(force @ force)
    lever -= (lever @ down_tool) * down_tool
    # The centre lies inside the item, whatever noise on a light one says.
    half = np.array(item.size_m) / 2
    middle = np.array([-half[0] - 0.005, 0.0, 0.0])
    lever = np.clip(lever, middle - half, middle + half)
    height_over_mouth = item.height_m / 2 + 0.005 - cell.station.tool.paddle_half_height_m
    return mass_kg, lever - height_over_mouth * down_tool


def take_payload(cell: StowCell, mass_kg: float, com_tool_m: FloatArray) -> None:
    """Take note of a weighed item, and give the kernel the payloads of tool and item together."""
    assert cell.held is not None
    set_payloads(cell, mass_kg, com_tool_m)
    x, y, z = (float(v) for v in com_tool_m)
    cell.held = replace(cell.held, mass_kg=mass_kg, com_tool_m=(x, y, z))


def set_payloads(cell: StowCell, mass_kg: float, com_tool_m: FloatArray) -> None:
    """Give the kernel the payload of tool and item, and of tool and half the item for while it comes or goes."""
    empty = empty_tool(cell.station)
    X_sensor_tool = inverse(X_flange_sensor(cell.station)) @ cell.station.tool.X_flange_tool
    com_sensor_m = (X_sensor_tool @ np.append(com_tool_m, 1.0))[:3]
    tool_kg, tool_com = float(empty["mass_kg"]), np.array(empty["com_sensor_m"])
    for index, share in ((HELD_PAYLOAD, 1.0), (LEAVING_PAYLOAD, 0.5)):
        total = tool_kg + share * mass_kg
        com = (tool_kg * tool_com + share * mass_kg * com_sensor_m) / total
        cell.session.set_payload(index, mass_kg=total, com_sensor_m=com)
