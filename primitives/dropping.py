"""Letting go without belts: the paddles open in the bin, and push the item in when they are out again and closed."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import ClassVar

from pydantic import Field

from podhand.controllers.conditions import Condition, Expr, axis, ft, time
from podhand.controllers.segments import Reflex, Segment
from podhand.core.exchange import Axis
from podhand.primitives import motions
from podhand.primitives.base import Primitive, PrimitivePreview, Trace
from podhand.primitives.cell import ItemPlace, StowCell
from podhand.primitives.receiving import open_paddles

__all__ = ["DropPush"]

_GRAVITY_M_S2 = 9.81
_NEAR_M = 0.004
"""Contact this close to where it goes is harmless."""
_BACK_IN_M = 0.015
_CLOSE_SPEED_M_S = 0.10


class DropPush(Primitive):
    """Carry the item into the bin between the paddles, open them so that it drops, and push it in with them closed.

    The way without belts: it needs a gap for the open paddles around the item. Once the item has been dropped it stays
    in the bin, whatever comes after.
    """

    name: ClassVar[str] = "drop_push"

    depth_m: float = Field(gt=0.0, le=0.35, description="x of the mouth in the bin frame where the item is dropped.")
    open_by_m: float = Field(default=0.010, gt=0.0, le=0.06, description="The paddles open by this to drop it.")
    push_to_x_m: float = Field(default=0.012, ge=-0.02, le=0.30, description="x of the mouth at the end of the push.")
    out_x_m: float = Field(default=-0.022, ge=-0.30, le=-0.01, description="x of the mouth outside, paddles closing.")
    enter_m_s: float = Field(default=0.06, gt=0.0, le=0.2, description="On the way in with the item, and pushing.")
    leave_m_s: float = Field(default=0.12, gt=0.0, le=0.3)
    contact_n: float = Field(default=6.0, gt=1.0, le=40.0, description="|F| on the way in that means something is hit.")
    drag_n: float = Field(default=6.0, gt=1.0, le=40.0, description="|F| along x that means the item comes along.")
    open_force_n: float = Field(default=10.0, gt=1.0, le=40.0, description="Force of the opening paddles, at most.")

    def check(self, cell: StowCell) -> list[str]:
        """See the base class."""
        unmet = []
        if cell.held is None or cell.held.place is not ItemPlace.PADDLES:
            unmet.append(f"the item is not between the paddles: {cell.where_is_the_item()}")
        if cell.X_base_bin is None:
            unmet.append("no bin is active: the cell does not know X_base_bin")
        if cell.blade_m > 0.01:
            unmet.append(f"the blade is out by {cell.blade_m:.3f} m: retract it first")
        return unmet

    def preview(self, cell: StowCell) -> PrimitivePreview:
        """See the base class."""
        here, ahead = cell.session.state.X_base_tool_cmd[:3, 3], cell.session.state.X_base_tool_cmd[:3, 0]
        x_m = float(cell.X_bin_tool[0, 3]) if cell.X_base_bin is not None else self.out_x_m
        stops = [motions.as_point(here + (to_m - x_m) * ahead) for to_m in self._stops]
        ways = [abs(b - a) for a, b in pairwise((x_m, *self._stops))]
        speeds = (self.enter_m_s, self.leave_m_s, self.enter_m_s, self.leave_m_s)
        return PrimitivePreview(
            name=self.name,
            words=f"drops the item with the mouth {1e3 * self.depth_m:.0f} mm inside, pushes it to "
            f"{1e3 * self.push_to_x_m:.0f} mm",
            path_base_m=(motions.as_point(here), *stops),
            duration_s=sum(motions.travel_duration_s(way, v) for way, v in zip(ways, speeds, strict=True)) + 1.5,
            force_limit_n=self.force_limit(cell),
        )

    @property
    def _stops(self) -> tuple[float, ...]:
        return (self.depth_m, self.out_x_m, self.push_to_x_m, self.out_x_m)

    def force_limit(self, cell: StowCell) -> float:
        """See the base class."""
        return cell.station.forces.eject_n

    async def _do(self, cell: StowCell, trace: Trace) -> str:
        assert cell.held is not None
        sku, weight_n = cell.held.item.sku, cell.held.mass_kg * _GRAVITY_M_S2
        await self._enter(cell, trace)
        await self._drop(cell, trace, weight_n)
        await self._leave(cell, trace)
        await self._close(cell, trace)
        pushed_m = await self._push(cell, trace)
        trace.data["pushed_to_x_m"] = pushed_m
        await self._to(cell, trace, self.out_x_m, "back out", self.leave_m_s)
        return f"dropped {sku}, pushed it to {1e3 * pushed_m:.0f} mm"

    async def _enter(self, cell: StowCell, trace: Trace) -> None:
        hard = Reflex(condition=ft.force.norm > 1.5 * self.contact_n, retreat_m=0.002)
        met = await self._to(
            cell, trace, self.depth_m, "into the bin", self.enter_m_s, accept=("contact", "hard contact"),
            until={"contact": (ft.force.norm > self.contact_n).for_(0.03)}, reflexes={"hard contact": hard},
        )  # fmt: skip
        left_m = self.depth_m - float(cell.X_bin_tool[0, 3])
        if met and left_m > _NEAR_M:
            trace.fail(
                f"something is in the way {1e3 * left_m:.0f} mm before the place ({trace.outcomes[-1].value:.1f} N)"
            )

    async def _drop(self, cell: StowCell, trace: Trace, weight_n: float) -> None:
        cell.place_item(ItemPlace.MOUTH)
        before_m = cell.opening_m
        await self._open(cell, trace, self.open_by_m, weight_n)
        if cell.opening_m - before_m < 0.3 * self.open_by_m:
            trace.fail(
                f"the paddles opened by {1e3 * (cell.opening_m - before_m):.0f} mm only: something is beside them"
            )
        cell.place_item(ItemPlace.BIN)

    async def _open(self, cell: StowCell, trace: Trace, by_m: float, weight_n: float) -> None:
        await open_paddles(
            cell, trace, cell.opening_m + by_m, force_n=self.force_limit(cell), weight_n=weight_n,
            axis_force_n=self.open_force_n,
        )  # fmt: skip

    async def _leave(self, cell: StowCell, trace: Trace) -> None:
        """Draw the open paddles off the item; what comes along is pushed back and left with more room, once."""
        for again in (False, True):
            drag = {"drag": (ft.force.x > self.drag_n).for_(0.03)}
            if not await self._to(cell, trace, self.out_x_m, "off the item", self.leave_m_s, until=drag,
                                  accept=("drag",)):  # fmt: skip
                return
            if again:
                break
            trace.data["dragged"] = 1.0
            back_m = min(self.depth_m, float(cell.X_bin_tool[0, 3]) + _BACK_IN_M)
            await self._to(cell, trace, back_m, "back in", self.enter_m_s, until=drag, accept=("drag",))
            await self._open(cell, trace, 0.5 * self.open_by_m, 0.0)
        trace.fail(f"the item comes along with the paddles ({trace.outcomes[-1].value:.1f} N): it is hooked")

    async def _close(self, cell: StowCell, trace: Trace) -> None:
        to_m = cell.station.axes.squeeze.min_position_m
        between = ((axis(Axis.SQUEEZE).force < -0.6 * self.open_force_n) & (time > 0.2)).for_(0.05)
        closing = Segment(
            name="close paddles",
            squeeze=motions.target(cell, Axis.SQUEEZE, to_m, _CLOSE_SPEED_M_S),
            limits=motions.limits(cell, self.force_limit(cell), axis_force={Axis.SQUEEZE: 2.0 * self.open_force_n}),
            until={"between": between},
            payload=cell.payload,
            timeout_s=motions.axis_timeout_s(cell.opening_m - to_m, _CLOSE_SPEED_M_S),
        )
        outcome = await trace.run([closing], accept=("between",))
        if outcome.name == "between":
            trace.fail("something is between the closing paddles: the item did not stay in the bin")

    async def _push(self, cell: StowCell, trace: Trace) -> float:
        """Push the item in; returns how far the mouth came. Resistance ends it: the item meets what is behind it."""
        limit_n = self.force_limit(cell)
        await self._to(
            cell, trace, self.push_to_x_m, "push in", self.enter_m_s, accept=("resisted",),
            until={"resisted": (abs(ft.force.x) > 0.6 * limit_n).for_(0.03)}, contact_stiffness_n_m=2000.0,
        )  # fmt: skip
        x_m = float(cell.X_bin_tool[0, 3])
        if x_m < min(self.push_to_x_m, 0.0) - _NEAR_M:
            trace.fail(
                f"the item stands {-1e3 * x_m:.0f} mm out of the bin and goes no farther with {0.6 * limit_n:.0f} N"
            )
        return x_m

    async def _to(
        self,
        cell: StowCell,
        trace: Trace,
        x_m: float,
        name: str,
        speed_m_s: float,
        *,
        until: Mapping[str, Condition | Expr] | None = None,
        reflexes: Mapping[str, Reflex] | None = None,
        accept: Sequence[str] = (),
        contact_stiffness_n_m: float = 1000.0,
    ) -> str:
        """Move the mouth straight along the bin's x."""
        X = cell.session.state.X_base_tool_cmd
        X[:3, 3] += (x_m - float(cell.X_bin_tool[0, 3])) * cell.bin_axis_in_base(0)
        return await motions.move_line(
            trace, X, name=name, speed_m_s=speed_m_s, force_n=self.force_limit(cell), until=until, reflexes=reflexes,
            accept=accept, contact_stiffness_n_m=contact_stiffness_n_m, X_base_frame=cell.X_base_bin,
        )  # fmt: skip

    async def _undo(self, cell: StowCell, trace: Trace) -> str | None:
        """Come straight out of the bin: with the item as long as it has not been dropped."""
        if float(cell.X_bin_tool[0, 3]) <= self.out_x_m + 0.001:
            return None
        await self._to(
            cell, trace, self.out_x_m, "out again", self.enter_m_s,
            until={"caught": (ft.force.norm > 0.6 * self.force_limit(cell)).for_(0.03)},
        )  # fmt: skip
        return f"out of the bin again; {cell.where_is_the_item()}"
