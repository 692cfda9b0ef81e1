"""Letting go into the bin: the belts run until the mouth is clear."""

from dataclasses import replace
from typing import ClassVar

from pydantic import Field

from podhand.controllers.conditions import Condition, Expr, axis, slow, time
from podhand.controllers.parameters import LEAVING_PAYLOAD
from podhand.controllers.segments import AxisForce, Reflex, Segment, Target
from podhand.core.exchange import Axis, SlowSignal
from podhand.primitives import motions
from podhand.primitives.base import Primitive, PrimitivePreview, Trace
from podhand.primitives.cell import ItemPlace, StowCell
from podhand.primitives.receiving import open_paddles

__all__ = ["EjectItem"]

_GRAVITY_M_S2 = 9.81
_BACK_SPEED_M_S = 0.15
_STAND_M_S, _STAND_S = 0.02, 0.2
"""Belts that run slower than this for so long do not follow their drive."""


class EjectItem(Primitive):
    """Run the belts until the item has left the mouth, then stop them and open the paddles a little."""

    name: ClassVar[str] = "eject_item"

    belt_speed_m_s: float = Field(default=0.6, gt=0.0, le=1.0)
    clear_s: float = Field(default=0.05, ge=0.0, le=1.0, description="The mouth must be clear this long.")
    max_time_s: float = Field(default=4.0, gt=0.1, le=20.0, description="After this the item is jammed.")
    open_by_m: float = Field(default=0.006, ge=0.0, le=0.05, description="The paddles open by this afterwards.")
    open_force_n: float = Field(default=10.0, gt=1.0, le=40.0, description="Force of the opening paddles, at most.")

    def check(self, cell: StowCell) -> list[str]:
        """See the base class."""
        if cell.held is None:
            return [f"the tool holds nothing: {cell.where_is_the_item()}"]
        top = cell.station.axes.belts.max_speed_m_s
        if self.belt_speed_m_s > top:
            return [f"belt_speed_m_s must be at most {top} m/s here (got {self.belt_speed_m_s})"]
        return []

    def preview(self, cell: StowCell) -> PrimitivePreview:
        """See the base class."""
        X = cell.session.state.X_base_tool_cmd
        length_m = cell.held.item.length_m if cell.held else 0.2
        return PrimitivePreview(
            name=self.name,
            words=f"runs the belts at {self.belt_speed_m_s} m/s until the item has left the mouth",
            path_base_m=(motions.as_point(X[:3, 3]), motions.as_point(X[:3, 3] + length_m * X[:3, 0])),
            duration_s=length_m / self.belt_speed_m_s + 0.4,
            force_limit_n=self.force_limit(cell),
        )

    def force_limit(self, cell: StowCell) -> float:
        """See the base class."""
        return cell.station.forces.eject_n

    async def _do(self, cell: StowCell, trace: Trace) -> str:
        assert cell.held is not None
        sku = cell.held.item.sku
        blocked = slow(SlowSignal.MOUTH_BLOCKED)
        chain = [
            self._belts(cell, "item comes", self.belt_speed_m_s, until={"at the mouth": blocked > 0.5}),
            self._belts(cell, "item goes", self.belt_speed_m_s, until={"clear": (blocked < 0.5).for_(self.clear_s)}),
        ]
        cell.place_item(ItemPlace.MOUTH)
        outcome = await trace.run(chain, accept=("clear",))
        trace.data["belt_time_s"] = sum(o.duration_s for o in outcome.all)
        weight_n = self._half_weight_n(cell)
        cell.place_item(ItemPlace.BIN)
        opening_m = cell.opening_m + self.open_by_m
        if self.open_by_m > 0.0:
            await open_paddles(
                cell, trace, opening_m, force_n=self.force_limit(cell), weight_n=weight_n,
                axis_force_n=self.open_force_n,
            )  # fmt: skip
        return f"{sku} left the belts after {trace.data['belt_time_s']:.1f} s"

    def _half_weight_n(self, cell: StowCell) -> float:
        return 0.5 * cell.held.mass_kg * _GRAVITY_M_S2 if cell.held else 0.0

    def _belts(self, cell: StowCell, name: str, speed_m_s: float, *, until: dict[str, Condition | Expr]) -> Segment:
        assert cell.held is not None
        # While the item leaves, its weight goes from the tool to the floor at a moment nobody knows: the payload
        # model takes half of it, and the vertical limit is wider by the other half. Sideways nothing changes.
        limit_n, half_n = self.force_limit(cell), self._half_weight_n(cell)
        weighed = cell.held.mass_kg > 0.0
        stand = (abs(axis(Axis.BELT_LEFT).speed) < _STAND_M_S) & (time > _STAND_S)
        return Segment(
            name=name,
            belts=Target(values=(speed_m_s, speed_m_s), max_speed_m_s=cell.station.axes.belts.max_speed_m_s),
            squeeze=AxisForce(force_n=-cell.held.grip_force_n, max_speed_m_s=0.01),
            X_base_frame=cell.X_base_bin,
            limits=motions.limits(
                cell,
                limit_n + half_n,
                component_n=(limit_n, limit_n, limit_n + half_n),
                contact_stiffness_n_m=500.0,
                speed_m_s=0.1,
            ),
            until=until,
            reflexes={"belts stand": Reflex(condition=stand.for_(_STAND_S))},
            payload=LEAVING_PAYLOAD if weighed else cell.payload,
            # Back goes slower, and the way may be that of two segments.
            timeout_s=self.max_time_s * (1.0 if speed_m_s > 0.0 else 2.5 * self.belt_speed_m_s / _BACK_SPEED_M_S),
        )

    async def _undo(self, cell: StowCell, trace: Trace) -> str | None:
        """Take a half-ejected item back in, when the belts still have it."""
        if cell.held is None or cell.held.place is not ItemPlace.MOUTH:
            return None
        signal = cell.session.state.signal(SlowSignal.ITEM_IN_PADDLES)
        if not signal > 0.5:
            cell.held = replace(cell.held, place=ItemPlace.UNKNOWN)
            trace.fail(f"the belts do not have the item any more: {cell.where_is_the_item()}")
        blocked = slow(SlowSignal.MOUTH_BLOCKED)
        back = self._belts(cell, "item back", -_BACK_SPEED_M_S, until={"inside": (blocked < 0.5).for_(0.03)})
        await trace.run([back], accept=("inside",))
        cell.place_item(ItemPlace.PADDLES)
        return "the belts took the item back"
