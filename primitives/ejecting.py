"""Letting go into the bin: the belts run until the mouth is clear, or the item is dropped inside and pushed in."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import ClassVar

import numpy as np
from pydantic import Field

from podhand.controllers.conditions import Condition, Expr, axis, ft, slow, time
from podhand.controllers.outcomes import Outcome
from podhand.controllers.parameters import LEAVING_PAYLOAD
from podhand.controllers.segments import AxisForce, Hold, Reflex, Segment, Target
from podhand.core.exchange import Axis, SlowSignal
from podhand.core.items import Softness
from podhand.primitives import motions
from podhand.primitives.base import Primitive, PrimitivePreview, Trace
from podhand.primitives.cell import ItemPlace, StowCell
from podhand.primitives.reaching import BLADE_IN_M
from podhand.primitives.receiving import needed_grip_n, open_paddles

__all__ = ["DropPush", "EjectItem"]

_GRAVITY_M_S2 = 9.81
_BACK_SPEED_M_S = 0.15
_CLEAR, _STALLED, _HARD, _SLIPPED = "clear", "stalled", "met hard", "slipped"
_MEETS_SHARE, _MEETS_S, _HARD_SHARE = 0.5, 0.05, 0.6
"""Of the force limit, against the belts' run and in all: the item meets something."""
_BACK_OFF_S = 0.25
_AGAIN_SHARE = 0.5
"""Of the belts' speed: slower when the item goes once more."""
_SQUEEZE_MORE = 1.4
_NEAR_M = 0.004
"""Contact this close to where it goes is harmless."""
_BACK_IN_M = 0.015
_CLOSE_SPEED_M_S = 0.10
_PUSH_SHARE, _HOLD_MARGIN = 0.22, 1.3
"""Two belts of friction 1 then push with 0.64 of the force limit at most; heavy items need more to stay up."""
_RESISTS_SHARE = 0.35
"""Of the force limit: what a push may feel; hard things behind a soft one add as much again before the tool stands."""
_PUSHES = ((0.02, _RESISTS_SHARE), (0.008, 0.6))
_PUSHES_SOFT = ((0.06, _RESISTS_SHARE), (0.012, 0.55))
_HARDER_M = 0.020
"""Speed and share of the limit of the first push and of a second, slower and harder one."""
_LEAVE_M = 0.030
"""Way off an item's end that the belts have lost."""
_END_SHARE = 0.65
_PAT_M = 0.060
_OFF_BANDS_M = 0.003
_BESIDE_M = 0.005
"""Room on both sides of an item that the plan leaves at least."""
_LEAVE_M_S, _STAY_FACTOR = 0.15, 1.3
_STAND_M_S, _STAND_S = 0.02, 0.2
"""Belts that run slower than this for so long do not follow their drive."""


class EjectItem(Primitive):
    """Run the belts until the item has left the mouth, then push after it with the paddles' ends.

    Belts let go of an item when its rear is at the mouth, which stands before the bands: only its own speed would carry
    it further, and not always far enough. Paddles that cannot close behind it open a little instead. An item that meets
    something is taken back a little, one past which the belts slip is squeezed more; then once more.
    """

    name: ClassVar[str] = "eject_item"

    belt_speed_m_s: float = Field(default=0.4, gt=0.0, le=1.0)
    soft_belt_speed_m_s: float = Field(
        default=0.4, gt=0.0, le=1.0, description="For a soft item: a slow one curls up on its front end."
    )
    clear_s: float = Field(default=0.05, ge=0.0, le=1.0, description="The mouth must be clear this long.")
    max_time_s: float = Field(default=4.0, gt=0.1, le=20.0, description="After this the item is jammed.")
    follow_m: float = Field(default=0.016, ge=0.0, le=0.05, description="The mouth pushes after the item by this.")
    follow_in_m: float = Field(default=0.040, ge=0.0, le=0.10, description="Further, after an item that gives way.")
    narrow_by_m: float = Field(default=0.008, gt=0.0, le=0.05, description="The paddles close by this to push.")
    leave_m: float = Field(default=0.035, ge=0.0, le=0.1, description="Way back with the belts running out.")
    open_by_m: float = Field(default=0.006, ge=0.0, le=0.05, description="The paddles open by this to let go.")
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
            duration_s=length_m / self.belt_speed_m_s + self.follow_m / _PUSHES[0][0] + 0.8,
            force_limit_n=self.force_limit(cell),
        )

    def force_limit(self, cell: StowCell) -> float:
        """See the base class."""
        return cell.station.forces.eject_n

    async def _do(self, cell: StowCell, trace: Trace) -> str:
        assert cell.held is not None
        sku = cell.held.item.sku
        cell.place_item(ItemPlace.MOUTH)
        self._squeeze_lightly(cell)
        speed_m_s = self._speed_m_s(cell)
        outcome = await self._run_out(cell, trace, speed_m_s)
        if outcome.name != _CLEAR:
            trace.data["again"] = 1.0
            if outcome.name in (_HARD, _STALLED):
                await self._back_off(cell, trace)
            else:
                self._squeeze_more(cell)
            outcome = await self._run_out(cell, trace, _AGAIN_SHARE * speed_m_s)
        # An end may hang at the mouth when the belts have lost it: then it is pushed in as well.
        tail = outcome.name != _CLEAR and self._has_lost(cell)
        if outcome.name in (_HARD, _STALLED) and not tail:
            trace.fail(f"stalled: the belts push with {abs(outcome.value):.0f} N, but the item meets something")
        if outcome.name == _SLIPPED and not tail:
            trace.fail(f"slipped: the belts run, but the item does not leave with {cell.held.grip_force_n:.0f} N on it")
        trace.data["belt_time_s"] = sum(o.duration_s for o in trace.outcomes)
        wide_m, weight_n = cell.opening_m + self.open_by_m, self._half_weight_n(cell)
        if not tail:
            cell.place_item(ItemPlace.BIN)
        closed_m = self._closed_m(cell, wide_m)
        followed = self.follow_m > 0.0 and await self._follow(cell, trace, wide_m, closed_m, tail=tail)
        if tail and not followed:
            trace.fail(f"{outcome.name}: the belts have lost the item, and its end hangs at the mouth")
        cell.place_item(ItemPlace.BIN)
        if self.open_by_m > 0.0 and not followed:
            await self._open(cell, trace, wide_m, weight_n)
        if self.leave_m > 0.0 and self._limp(cell):
            await self._along(cell, trace, -self.leave_m, "leave the item", _LEAVE_M_S, share=1.0, let_go=True)
        return f"{sku} left the belts after {trace.data['belt_time_s']:.1f} s"

    async def _open(self, cell: StowCell, trace: Trace, opening_m: float, weight_n: float) -> None:
        await open_paddles(
            cell, trace, opening_m, force_n=self.force_limit(cell), weight_n=weight_n, axis_force_n=self.open_force_n
        )

    async def _run_out(self, cell: StowCell, trace: Trace, speed_m_s: float) -> Outcome:
        """Run the belts until the mouth is clear, the item meets something, or it does not come."""
        assert cell.held is not None
        blocked = slow(SlowSignal.MOUTH_BLOCKED)
        patience_s = min(3.0 * cell.held.item.length_m / speed_m_s + 0.5, 0.95 * self.max_time_s)
        limit_n = self.force_limit(cell)
        hard = (ft.force.norm > _HARD_SHARE * limit_n + self._half_weight_n(cell)).for_(0.004)
        meets = (ft.force.x < -_MEETS_SHARE * limit_n).for_(_MEETS_S)
        ends: dict[str, Condition | Expr] = {_HARD: hard, _STALLED: meets, _SLIPPED: time > patience_s}
        chain = [
            self._belts(cell, "item comes", speed_m_s, until={"at the mouth": blocked > 0.5, **ends}),
            self._belts(cell, "item goes", speed_m_s,
                        until={_CLEAR: (blocked < 0.5).for_(self.clear_s), **ends}),
        ]  # fmt: skip
        return await trace.run(chain, accept=(_CLEAR, _HARD, _STALLED, _SLIPPED))

    async def _back_off(self, cell: StowCell, trace: Trace) -> None:
        """Take the item back a little, so that it may find another way."""
        back = self._belts(cell, "item back a little", -_BACK_SPEED_M_S, until={"back": time > _BACK_OFF_S})
        await trace.run([back], accept=("back",))

    def _squeeze_lightly(self, cell: StowCell) -> None:
        """Squeeze no more than the item's weight and the way out need: what belts can push is what they squeeze."""
        assert cell.held is not None
        weight_n = cell.held.mass_kg * _GRAVITY_M_S2
        least_n = max(_PUSH_SHARE * self.force_limit(cell), _HOLD_MARGIN * weight_n / (2.0 * cell.held.item.friction))
        cell.held = replace(cell.held, grip_force_n=min(cell.held.grip_force_n, least_n))

    def _squeeze_more(self, cell: StowCell) -> None:
        """Squeeze more from now on, within what item and station allow."""
        assert cell.held is not None
        most_n = min(cell.station.forces.grip_max_n, cell.held.item.max_squeeze_n)
        grip_n = min(_SQUEEZE_MORE * cell.held.grip_force_n, max(most_n, cell.held.grip_force_n))
        cell.held = replace(cell.held, grip_force_n=grip_n)

    def _speed_m_s(self, cell: StowCell) -> float:
        soft = cell.held is not None and cell.held.item.softness is Softness.SOFT
        return self.soft_belt_speed_m_s if soft else self.belt_speed_m_s

    def _has_lost(self, cell: StowCell) -> bool:
        """Whether the belts have an end of the item only: deeper in there is nothing, or less than its width."""
        assert cell.held is not None
        narrow = cell.opening_m < _END_SHARE * cell.held.item.width_m
        return narrow or cell.session.state.signal(SlowSignal.ITEM_IN_PADDLES) < 0.5

    def _closed_m(self, cell: StowCell, wide_m: float) -> float:
        """Return the opening for the push: a little narrower than the item, or no gap at all for one that gives way."""
        if self._limp(cell):
            return cell.station.axes.squeeze.min_position_m
        return max(wide_m - self.open_by_m - self.narrow_by_m, cell.station.axes.squeeze.min_position_m)

    def _limp(self, cell: StowCell) -> bool:
        """Whether the item's end may come between the paddles; with the blade beside it they cannot close anyway."""
        item = cell.held.item if cell.held else cell.stowed
        return item is not None and item.gives_way and cell.blade_m <= BLADE_IN_M

    def _in_m(self, cell: StowCell) -> float:
        """Return how far the closed paddles may go into the bin: only where the item itself needed as much width."""
        item, tool = cell.held.item if cell.held else cell.stowed, cell.station.tool
        closed_m = 2.0 * tool.half_width_m(cell.station.axes.squeeze.min_position_m)
        return self.follow_in_m if self._limp(cell) and item and item.width_m + 2 * _BESIDE_M >= closed_m else 0.0

    async def _follow(self, cell: StowCell, trace: Trace, wide_m: float, closed_m: float, *, tail: bool) -> bool:
        """Close behind the item and push it. An end that is still between the paddles is left first: open, back, close.

        Returns False when the item's end is still there.
        """
        enough_m = 0.5 * self.follow_m
        way_m = self.follow_m + self._in_m(cell)
        if tail or not await self._close(cell, trace, closed_m):
            await self._open(cell, trace, wide_m, 0.0)
            if await self._along(cell, trace, -_LEAVE_M, "leave the item's end", 2.0 * _PUSHES[0][0]):
                return False
            way_m, enough_m = way_m + _LEAVE_M, enough_m + _LEAVE_M
            if not await self._close(cell, trace, closed_m):
                return False
        begin = cell.session.state.X_base_tool_cmd
        await self._push(cell, trace, way_m)
        item = cell.held.item if cell.held else cell.stowed
        if item and item.softness is Softness.SOFT and self._in_m(cell) > 0.0:
            # Its front end may have curled up under it: it stretches when the paddles go, and its rear comes along.
            reached = cell.session.state.X_base_tool_cmd
            await self._along(cell, trace, -_PAT_M, "let it stretch", _LEAVE_M_S, share=1.0, let_go=True)
            await self._push(cell, trace, motions.distance_m(reached, cell.session.state.X_base_tool_cmd))
        trace.data["followed_m"] = motions.distance_m(begin, cell.session.state.X_base_tool_cmd)
        return trace.data["followed_m"] > enough_m

    async def _push(self, cell: StowCell, trace: Trace, way_m: float) -> None:
        """Push on until something resists, then slower and harder."""
        begin, most_m = cell.session.state.X_base_tool_cmd, way_m
        aside_m = 0.0 if self._in_m(cell) else self._aside_m(cell)
        for speed_m_s, share in _PUSHES_SOFT if self._limp(cell) else _PUSHES:
            left_m = min(way_m - motions.distance_m(begin, cell.session.state.X_base_tool_cmd), most_m)
            most_m = _HARDER_M
            if left_m < 0.001 or not await self._along(
                cell, trace, left_m, "push after the item", speed_m_s, share, aside_m=aside_m
            ):
                break
            aside_m = 0.0

    def _aside_m(self, cell: StowCell) -> float:
        """Return the way along the tool's y that keeps the paddles off the bands' ends beside a wall.

        None with the blade in the bin: it stands between item and neighbours.
        """
        if cell.blade_m > BLADE_IN_M or cell.X_base_bin is None:
            return 0.0
        X, tool = cell.X_bin_tool, cell.station.tool
        up, y_m = float(np.sign(X[1, 1])), float(X[1, 3])
        blade_m, bare_m = tool.half_width_m(cell.opening_m), cell.opening_m / 2 + tool.paddle_thickness_m
        left_m, right_m = (bare_m, blade_m) if up > 0.0 else (blade_m, bare_m)
        room_m = cell.station.band_arm.prong_y_m - _OFF_BANDS_M
        over_m = max(0.0, y_m + left_m - room_m) - max(0.0, -y_m + right_m - room_m)
        return -up * over_m

    async def _close(self, cell: StowCell, trace: Trace, closed_m: float) -> bool:
        """Close the paddles behind the item; False when something is between them."""
        between = ((axis(Axis.SQUEEZE).force < -0.6 * self.open_force_n) & (time > 0.15)).for_(0.03)
        closing = Segment(
            name="close behind the item",
            squeeze=motions.target(cell, Axis.SQUEEZE, closed_m, _CLOSE_SPEED_M_S),
            limits=motions.limits(cell, self.force_limit(cell), axis_force={Axis.SQUEEZE: 2.0 * self.open_force_n}),
            until={"between": between},
            payload=cell.payload,
            timeout_s=motions.axis_timeout_s(abs(cell.opening_m - closed_m), _CLOSE_SPEED_M_S),
        )
        return (await trace.run([closing], accept=("between",))).name != "between"

    async def _along(
        self, cell: StowCell, trace: Trace, way_m: float, name: str, speed_m_s: float, share: float = _RESISTS_SHARE,
        *, aside_m: float = 0.0, let_go: bool = False,
    ) -> str:  # fmt: skip
        """Move the mouth along its x until something resists; a blade that stands in the bin stays where it is.

        ``aside_m`` goes along the tool's y as well. ``let_go`` runs the belts against it: soft ends do not come along.
        """
        limit_n, top_m_s = self.force_limit(cell), cell.station.axes.belts.max_speed_m_s
        X = cell.session.state.X_base_tool_cmd
        X[:3, 3] += way_m * X[:3, 0] + aside_m * X[:3, 1]
        out_m_s = min(_STAY_FACTOR * speed_m_s, top_m_s)
        return await motions.move_line(
            trace, X, name=name, speed_m_s=speed_m_s, force_n=limit_n, accept=("resisted",),
            until={"resisted": (abs(ft.force.x) > share * limit_n).for_(0.003)}, contact_stiffness_n_m=2000.0,
            blade=motions.target(cell, Axis.BLADE, cell.blade_m - way_m, speed_m_s) if cell.blade_m > 0.01 else None,
            squeeze=Hold(), belts=Target(values=(out_m_s, out_m_s), max_speed_m_s=top_m_s) if let_go else Hold(),
        )  # fmt: skip

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
        # From here on it is carried again, and not only led out.
        grip_n = max(cell.held.grip_force_n, needed_grip_n(cell, cell.held.item))
        cell.held = replace(cell.held, grip_force_n=grip_n)
        patience_s = 1.5 * cell.held.item.length_m / _BACK_SPEED_M_S + 0.5
        until: dict[str, Condition | Expr] = {"inside": (blocked < 0.5).for_(0.03), _SLIPPED: time > patience_s}
        back = self._belts(cell, "item back", -_BACK_SPEED_M_S, until=until)
        await trace.run([back], accept=("inside",))
        cell.place_item(ItemPlace.PADDLES)
        return "the belts took the item back"


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
