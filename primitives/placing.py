"""Fine positioning of the loaded tool at the bin's mouth: put the item on top of something, or roll it into a slant."""

from typing import ClassVar

import numpy as np
from pydantic import Field

from podhand.controllers.conditions import Condition, Expr, ft, slow, time
from podhand.controllers.segments import Reflex, Segment
from podhand.core.exchange import SlowSignal
from podhand.core.poses import Pose, rotation_vector
from podhand.primitives import motions
from podhand.primitives.base import Matrix, Primitive, PrimitivePreview, Trace, to_pose
from podhand.primitives.cell import ItemPlace, StowCell

__all__ = ["Slot", "Stack"]

_FREE_M = 0.010
_SETTLE_S = 0.06
_SPEED_M_S = 0.10
_AT_PLACE_M = 0.05
_AT_PLACE_RAD = 0.6


class Stack(Primitive):
    """Let the item's end out over what shall carry it, lower it until it touches, lift it a hair.

    What the cameras took for a support is felt before the item is let go: where nothing carries it, it is not ejected.
    """

    name: ClassVar[str] = "stack"

    X_base_tool_low: Matrix = Field(description="Lowest place of the tool; straight below where it stands.")
    out_m: float = Field(default=0.05, ge=0.0, le=0.25, description="How far the belts let the item out beforehand.")
    feel: bool = Field(default=True, description="False: go down to the lowest place without asking for a touch.")
    touch_n: float = Field(default=3.0, gt=1.0, le=20.0, description="Upward force that means touched.")
    speed_m_s: float = Field(default=0.015, gt=0.0, le=0.05)
    belt_speed_m_s: float = Field(default=0.20, gt=0.0, le=0.6)
    lift_m: float = Field(default=0.002, ge=0.0, le=0.01, description="Up again after the touch.")

    def check(self, cell: StowCell) -> list[str]:
        """See the base class."""
        if cell.held is None or cell.held.place is not ItemPlace.PADDLES:
            return [f"the tool does not hold the item: {cell.where_is_the_item()}"]
        if self.out_m > 0.7 * cell.held.item.length_m:
            most = 0.7 * cell.held.item.length_m
            return [f"out_m must be at most {most:.3f} m for this item (got {self.out_m:.3f}): the belts would lose it"]
        return _near(cell, to_pose(self.X_base_tool_low))

    def preview(self, cell: StowCell) -> PrimitivePreview:
        """See the base class."""
        here, X_low = cell.session.state.X_base_tool_cmd, to_pose(self.X_base_tool_low)
        way = 1e3 * motions.distance_m(here, X_low)
        down = f"lowers it at most {way:.0f} mm until it touches" if self.feel else f"lowers it {way:.0f} mm"
        return PrimitivePreview(
            name=self.name,
            words=f"lets the item out by {1e3 * self.out_m:.0f} mm and {down}",
            path_base_m=(motions.as_point(here[:3, 3]), motions.as_point(X_low[:3, 3])),
            duration_s=self.out_m / self.belt_speed_m_s + motions.straight_duration_s(here, X_low, self.speed_m_s),
            force_limit_n=self.force_limit(cell),
        )

    def force_limit(self, cell: StowCell) -> float:
        """See the base class."""
        return cell.station.forces.approach_n

    async def _do(self, cell: StowCell, trace: Trace) -> str:
        if self.out_m > 0.0:
            await self._let_out(cell, trace)
        settle = motions.rest(cell, _SETTLE_S, name="settle", force_n=self.force_limit(cell))
        await trace.run([settle], accept=("time is up",))
        begin = cell.session.state.X_base_tool_cmd
        felt_n = float((cell.session.state.X_base_tool[:3, :3] @ cell.session.state.F_tool[:3])[2])
        touched: dict[str, Condition | Expr] = {"touched": (ft.force.z > felt_n + self.touch_n).for_(0.01)}
        contact = await motions.move_line(
            trace, to_pose(self.X_base_tool_low), name="lower", speed_m_s=self.speed_m_s,
            force_n=self.force_limit(cell), until=touched, accept=("touched",), X_base_frame=np.eye(4),
        )  # fmt: skip
        lowered_m = motions.distance_m(begin, cell.session.state.X_base_tool_cmd)
        trace.data["lowered_m"] = lowered_m
        if not contact:
            if self.feel:
                trace.fail(
                    f"nothing carries the item {1e3 * lowered_m:.0f} mm further down: it is not where it was seen"
                )
            return f"lowered {1e3 * lowered_m:.0f} mm"
        if self.lift_m > 0.0:
            await self._rise(cell, trace, self.lift_m)
        return f"the item touched after {1e3 * lowered_m:.0f} mm"

    async def _let_out(self, cell: StowCell, trace: Trace) -> None:
        cell.place_item(ItemPlace.MOUTH)
        blocked = (ft.force.norm > 0.5 * self.force_limit(cell)).for_(0.01)
        until: dict[str, Condition | Expr] = {"blocked": blocked, "out": time > self.out_m / self.belt_speed_m_s}
        outcome = await trace.run([self._belts(cell, "let out", self.belt_speed_m_s, until)], accept=("blocked", "out"))
        if outcome.name == "blocked":
            trace.fail(f"something is in the way of the item's end ({outcome.value:.1f} N)")

    def _belts(self, cell: StowCell, name: str, speed_m_s: float, until: dict[str, Condition | Expr]) -> Segment:
        return Segment(
            name=name,
            belts=motions.belts(cell, speed_m_s),
            squeeze=motions.grip(cell),
            limits=motions.limits(cell, self.force_limit(cell), speed_m_s=0.1, contact_stiffness_n_m=500.0),
            until=until,
            payload=cell.payload,
            timeout_s=3.0 * self.out_m / abs(speed_m_s) + 2.0,
        )

    async def _rise(self, cell: StowCell, trace: Trace, way_m: float) -> None:
        X_up = cell.session.state.X_base_tool_cmd
        X_up[2, 3] += way_m
        await motions.move_line(
            trace, X_up, name="rise", speed_m_s=2.0 * self.speed_m_s, force_n=self.force_limit(cell)
        )

    async def _undo(self, cell: StowCell, trace: Trace) -> str | None:
        """Off the support, and the item back between the paddles, while the belts still have it."""
        if cell.held is None or cell.held.place is not ItemPlace.MOUTH:
            return None
        await self._rise(cell, trace, _FREE_M)
        inside: dict[str, Condition | Expr] = {"inside": (slow(SlowSignal.MOUTH_BLOCKED) < 0.5).for_(0.03)}
        await trace.run([self._belts(cell, "item back", -self.belt_speed_m_s, inside)], accept=("inside",))
        cell.place_item(ItemPlace.PADDLES)
        return "the belts took the item back"


class Slot(Primitive):
    """Roll tool and item at the mouth, into line with a slanted gap; contact on the way ends it."""

    name: ClassVar[str] = "slot"

    X_base_tool_slant: Matrix = Field(description="Tool in line with the slanted gap.")
    X_base_tool_upright: Matrix = Field(description="Tool where it came from; the way back.")
    angular_speed_rad_s: float = Field(default=0.3, gt=0.0, le=1.0)
    contact_n: float = Field(default=5.0, gt=1.0, le=50.0, description="|F| that counts as contact, if it stays.")

    def check(self, cell: StowCell) -> list[str]:
        """See the base class."""
        unmet = [f"the blade is out by {cell.blade_m:.3f} m: retract it first"] if cell.blade_m > 0.01 else []
        return unmet + _near(cell, to_pose(self.X_base_tool_slant))

    def preview(self, cell: StowCell) -> PrimitivePreview:
        """See the base class."""
        here, X = cell.session.state.X_base_tool_cmd, to_pose(self.X_base_tool_slant)
        angle = _angle_rad(here, X)
        return PrimitivePreview(
            name=self.name,
            words=f"rolls the item by {np.degrees(angle):.0f}° into line with a slanted gap",
            path_base_m=(motions.as_point(here[:3, 3]), motions.as_point(X[:3, 3])),
            duration_s=angle / self.angular_speed_rad_s + 0.3,
            force_limit_n=self.force_limit(cell),
        )

    def force_limit(self, cell: StowCell) -> float:
        """See the base class."""
        return cell.station.forces.approach_n

    async def _do(self, cell: StowCell, trace: Trace) -> str:
        X = to_pose(self.X_base_tool_slant)
        angle = _angle_rad(cell.session.state.X_base_tool_cmd, X)
        await self._roll(cell, trace, X, "roll")
        return f"rolled by {np.degrees(angle):.0f}°, in line with the slanted gap"

    async def _roll(self, cell: StowCell, trace: Trace, X: Pose, name: str) -> None:
        hard = Reflex(condition=ft.force.norm > 1.2 * self.contact_n, retreat_m=0.002)
        contact = await motions.move_line(
            trace, X, name=name, speed_m_s=_SPEED_M_S, angular_speed_rad_s=self.angular_speed_rad_s,
            force_n=self.force_limit(cell), until={"contact": (ft.force.norm > self.contact_n).for_(0.03)},
            reflexes={"hard contact": hard}, accept=("contact", "hard contact"),
        )  # fmt: skip
        if contact:
            left = np.degrees(_angle_rad(cell.session.state.X_base_tool_cmd, X))
            trace.fail(
                f"something is in the way {left:.0f}° before the end of the roll ({trace.outcomes[-1].value:.1f} N)"
            )

    async def _undo(self, cell: StowCell, trace: Trace) -> str | None:
        X_upright = to_pose(self.X_base_tool_upright)
        here = cell.session.state.X_base_tool_cmd
        if _angle_rad(here, X_upright) < 0.01 or _near(cell, X_upright):
            return None
        await self._roll(cell, trace, X_upright, "roll back")
        return "rolled back upright"


def _angle_rad(a: Pose, b: Pose) -> float:
    return float(np.linalg.norm(rotation_vector(a[:3, :3].T @ b[:3, :3])))


def _near(cell: StowCell, X: Pose) -> list[str]:
    """Return why the tool is not near enough to a pose for a short straight line."""
    here = cell.session.state.X_base_tool_cmd
    way, angle = motions.distance_m(here, X), _angle_rad(here, X)
    if way <= _AT_PLACE_M and angle <= _AT_PLACE_RAD:
        return []
    return [f"the tool is {way:.3f} m and {angle:.2f} rad away from its place: go to the mouth first"]
