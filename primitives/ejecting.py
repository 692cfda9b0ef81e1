"""Letting go into the bin: the belts run until the mouth is clear, then the paddles push after the item."""

from dataclasses import replace
from typing import ClassVar

from pydantic import Field

from podhand.controllers.conditions import Condition, Expr, axis, ft, slow, time
from podhand.controllers.outcomes import Outcome
from podhand.controllers.parameters import LEAVING_PAYLOAD
from podhand.controllers.segments import AxisForce, Reflex, Segment
from podhand.core.exchange import Axis, SlowSignal
from podhand.core.items import Item, Softness
from podhand.primitives import motions
from podhand.primitives.base import Primitive, PrimitivePreview, Trace
from podhand.primitives.cell import ItemPlace, StowCell
from podhand.primitives.following import FOLLOW_M_S, Follow, FollowRules
from podhand.primitives.reaching import BLADE_IN_M
from podhand.primitives.receiving import needed_grip_n, open_paddles

__all__ = ["EjectItem"]

_GRAVITY_M_S2 = 9.81
_BACK_SPEED_M_S, _END_BACK_M_S = 0.15, 0.04
_CLEAR, _STALLED, _HARD, _SLIPPED, _LOST = "clear", "stalled", "met hard", "slipped", "lost"
_ATTEMPTS = ((1.0, 0.55), (0.35, 0.55), (0.25, 0.7))
_STIFF_ATTEMPTS = ((1.0, 0.5), (0.2, 0.45), (0.16, 0.6))
"""Share of the belts' speed, and of the force limit at which the item meets something: slower belts stand sooner."""
_MEETS_LESS, _MEETS_S = 0.1, 0.05
"""By this share less, for so long: it does not move on."""
_HARD_S = 0.002
_FENCE_SHARE = 0.9
"""Of the force limit that |F| may reach while the blade stands in the bin as a fence."""
_BELT_HARD_SHARE = 0.5
"""Of the force limit: a belt that pushes with this meets something, too."""
_MOMENTUM_N_S = 0.4
"""Heavier items go more slowly: what stops them is felt by the tool as well."""
_STIFF_M_S = 0.25
"""At most, for items that do not give way: what they meet stops them within the reaction time."""
_FAST_SHARE = 1.6
"""Of the force limit that belts could push with, before they go more slowly."""
_BACK_OFF_S = 0.25
_SQUEEZE_MORE = 1.4
_PUSH_SHARE, _MOST_SHARE, _HOLD_MARGIN = 0.22, 0.4, 1.3
"""Two belts of friction 1 then push with 0.44 of the force limit; heavy items need more to stay up, but margin for that
ends where the belts could push with 0.8 of it."""
_END_SHARE, _SOFT_END_SHARE = 0.8, 0.65
"""Of the item's width: paddles that are closer together than this have an end of it only."""
_PATIENCE = 2.0
"""Times what the item's length takes, before it counts as slipped."""
_LOST_SHARE, _LOST_S = 0.4, 0.1
"""Belts that are so close together for so long have let an item through; one that gives way may have thin ends."""
_CLOSING_M_S = 0.025
"""Of the paddles behind an end that is narrower than what came before."""
_STAND_M_S, _STAND_S = 0.02, 0.2
"""Belts that run slower than this for so long do not follow their drive."""


class EjectItem(Primitive):
    """Run the belts until the item has left the mouth, then push after it with the paddles' ends.

    Belts let go of an item when its rear is at the mouth, which stands before the bands: only its own speed would carry
    it further, and not always far enough. Paddles that cannot close behind it open a little instead. An item that meets
    something is taken back a little, one past which the belts slip is squeezed more; then the belts try again, up to
    twice, and slower against what stopped them.
    """

    name: ClassVar[str] = "eject_item"

    belt_speed_m_s: float = Field(
        default=0.4, gt=0.0, le=1.0, description="At most; heavy and stiff items go more slowly."
    )
    clear_s: float = Field(default=0.05, ge=0.0, le=1.0, description="The mouth must be clear this long.")
    max_time_s: float = Field(default=10.0, gt=0.1, le=20.0, description="After this the item is jammed.")
    follow_m: float = Field(default=0.020, ge=0.0, le=0.05, description="The mouth pushes after the item by this.")
    follow_in_m: float = Field(default=0.040, ge=0.0, le=0.10, description="Further, after an item that gives way.")
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
        length_m, speed_m_s = cell.held.item.length_m if cell.held else 0.2, self._speed_m_s(cell)
        return PrimitivePreview(
            name=self.name,
            words=f"runs the belts at {speed_m_s:.2g} m/s until the item has left the mouth",
            path_base_m=(motions.as_point(X[:3, 3]), motions.as_point(X[:3, 3] + length_m * X[:3, 0])),
            duration_s=length_m / speed_m_s + self.follow_m / FOLLOW_M_S + 0.8,
            force_limit_n=self.force_limit(cell),
        )

    def force_limit(self, cell: StowCell) -> float:
        """See the base class."""
        return cell.station.forces.eject_n

    async def _do(self, cell: StowCell, trace: Trace) -> str:
        assert cell.held is not None
        item = cell.held.item
        cell.place_item(ItemPlace.MOUTH)
        self._squeeze_lightly(cell)
        first, *others = _ATTEMPTS if item.gives_way else _STIFF_ATTEMPTS
        outcome, slipped = await self._run_out(cell, trace, *first), False
        for slower in others:
            if not self._may_go_again(cell, outcome) or (slipped and outcome.name == _SLIPPED):
                break
            slipped = outcome.name == _SLIPPED
            # What slips is squeezed more, and needs no slower belts.
            outcome = await self._once_more(cell, trace, outcome, *(first if slipped else slower))
        # An end may hang at the mouth when the belts have lost it: then it is pushed in as well.
        end_hangs = outcome.name not in (_CLEAR, _LOST) and self._has_lost(cell)
        if outcome.name in (_HARD, _STALLED) and not end_hangs:
            trace.fail(f"stalled: the belts push with {abs(outcome.value):.0f} N, but the item meets something")
        if outcome.name == _SLIPPED and not end_hangs:
            trace.fail(f"slipped: the belts run, but the item does not leave with {cell.held.grip_force_n:.0f} N on it")
        trace.data["belt_time_s"] = sum(o.duration_s for o in trace.outcomes)
        await self._push_in(cell, trace, item, end_hangs=end_hangs, lost=outcome.name == _LOST)
        return f"{item.sku} left the belts after {trace.data['belt_time_s']:.1f} s"

    def _may_go_again(self, cell: StowCell, outcome: Outcome) -> bool:
        """Whether the belts should try once more; a hard end that they have lost would only be wedged."""
        assert cell.held is not None
        soft = cell.held.item.softness is Softness.SOFT
        if outcome.name in (_CLEAR, _LOST):
            return False
        return soft or outcome.name != _SLIPPED or not self._has_lost(cell)

    async def _once_more(
        self, cell: StowCell, trace: Trace, outcome: Outcome, speed_share: float, hard_share: float
    ) -> Outcome:
        trace.data["again"] = trace.data.get("again", 0.0) + 1.0
        if outcome.name in (_HARD, _STALLED):
            await self._back_off(cell, trace)
        else:
            self._squeeze_more(cell)
        return await self._run_out(cell, trace, speed_share, hard_share)

    async def _push_in(self, cell: StowCell, trace: Trace, item: Item, *, end_hangs: bool, lost: bool) -> None:
        """Push after the item, and let go of it."""
        wide_m, weight_n, limit_n = cell.opening_m + self.open_by_m, self._half_weight_n(cell), self.force_limit(cell)
        rules = FollowRules(
            way_m=self.follow_m, in_m=self.follow_in_m, open_by_m=self.open_by_m, open_force_n=self.open_force_n,
            force_limit_n=limit_n,
        )  # fmt: skip
        follow = Follow(trace, item, rules)
        if not (end_hangs or lost):
            cell.place_item(ItemPlace.BIN)
        followed = self.follow_m > 0.0 and await follow.run(end_hangs=end_hangs, wedged=lost)
        if (end_hangs or lost) and not followed:
            trace.fail("the belts have lost the item, and its end hangs at the mouth")
        cell.place_item(ItemPlace.BIN)
        if self.open_by_m > 0.0 and not followed:
            await open_paddles(
                cell, trace, wide_m, force_n=limit_n, weight_n=weight_n, axis_force_n=self.open_force_n
            )  # fmt: skip
        await follow.leave()

    async def _run_out(self, cell: StowCell, trace: Trace, speed_share: float, hard_share: float) -> Outcome:
        """Run the belts until the mouth is clear, the item meets something, or it does not come."""
        assert cell.held is not None
        speed_m_s = speed_share * self._speed_m_s(cell)
        blocked = slow(SlowSignal.MOUTH_BLOCKED)
        patience_s = min(_PATIENCE * cell.held.item.length_m / speed_m_s + 0.5, 0.95 * self.max_time_s)
        limit_n = self.force_limit(cell)
        against = abs(ft.force.x) > hard_share * limit_n
        for belt in (Axis.BELT_LEFT, Axis.BELT_RIGHT):
            against = against | (abs(axis(belt).force) > _BELT_HARD_SHARE * limit_n + self._half_weight_n(cell))
        # A blade that stands as a fence is pressed sideways all the time.
        share = _FENCE_SHARE if cell.blade_m > BLADE_IN_M else hard_share
        hard = (against | (ft.force.norm > share * limit_n + self._half_weight_n(cell))).for_(_HARD_S)
        meets = (ft.force.x < -(hard_share - _MEETS_LESS) * limit_n).for_(_MEETS_S)
        ends: dict[str, Condition | Expr] = {_HARD: hard, _STALLED: meets, _SLIPPED: time > patience_s}
        item = cell.held.item
        gone_m = _LOST_SHARE * item.width_m if item.gives_way else self._end_width_m(cell)
        lost = (axis(Axis.SQUEEZE).position < gone_m).for_(_LOST_S)
        chain = [
            self._belts(cell, "item comes", speed_m_s, until={"at the mouth": blocked > 0.5, **ends}),
            self._belts(cell, "item goes", speed_m_s,
                        until={_CLEAR: (blocked < 0.5).for_(self.clear_s), _LOST: lost, **ends}),
        ]  # fmt: skip
        return await trace.run(chain, accept=(_CLEAR, _HARD, _STALLED, _SLIPPED, _LOST))

    async def _back_off(self, cell: StowCell, trace: Trace) -> None:
        """Take the item back a little, so that it may find another way."""
        until: dict[str, Condition | Expr] = {"back": time > _BACK_OFF_S}
        back = self._belts(cell, "item back a little", -_BACK_SPEED_M_S, until=until, timeout_s=_BACK_OFF_S + 1.0)
        await trace.run([back], accept=("back",))

    def _squeeze_lightly(self, cell: StowCell) -> None:
        """Squeeze no more than the item's weight and the way out need: what belts can push is what they squeeze."""
        assert cell.held is not None
        limit_n, holds_n = self.force_limit(cell), cell.held.mass_kg * _GRAVITY_M_S2 / (2.0 * cell.held.item.friction)
        least_n = max(_PUSH_SHARE * limit_n, min(_HOLD_MARGIN * holds_n, max(_MOST_SHARE * limit_n, holds_n)))
        cell.held = replace(cell.held, grip_force_n=min(cell.held.grip_force_n, least_n))

    def _squeeze_more(self, cell: StowCell) -> None:
        """Squeeze more from now on, within what item and station allow."""
        assert cell.held is not None
        most_n = min(cell.station.forces.grip_max_n, cell.held.item.max_squeeze_n)
        grip_n = min(_SQUEEZE_MORE * cell.held.grip_force_n, max(most_n, cell.held.grip_force_n))
        cell.held = replace(cell.held, grip_force_n=grip_n)

    def _has_lost(self, cell: StowCell) -> bool:
        """Whether the belts have an end of the item only: deeper in there is nothing, or less than its width."""
        narrow = cell.opening_m < self._end_width_m(cell)
        return narrow or cell.session.state.signal(SlowSignal.ITEM_IN_PADDLES) < 0.5

    @staticmethod
    def _end_width_m(cell: StowCell) -> float:
        assert cell.held is not None
        item = cell.held.item
        return (_SOFT_END_SHARE if item.softness is Softness.SOFT else _END_SHARE) * item.width_m

    def _speed_m_s(self, cell: StowCell) -> float:
        if cell.held is None:
            return self.belt_speed_m_s
        top_m_s = self.belt_speed_m_s if cell.held.item.gives_way else min(self.belt_speed_m_s, _STIFF_M_S)
        # As squeezed, two belts of friction 1 can push with twice the grip: far over the limit, they must be slow.
        over = 2.0 * cell.held.grip_force_n / (_FAST_SHARE * self.force_limit(cell))
        slow_m_s = _STIFF_M_S / over if over > 1.0 else top_m_s
        return min(top_m_s, slow_m_s, _MOMENTUM_N_S / max(cell.held.mass_kg, 0.001))

    def _half_weight_n(self, cell: StowCell) -> float:
        return 0.5 * cell.held.mass_kg * _GRAVITY_M_S2 if cell.held else 0.0

    def _belts(
        self, cell: StowCell, name: str, speed_m_s: float, *, until: dict[str, Condition | Expr], timeout_s: float = 0.0
    ) -> Segment:
        assert cell.held is not None
        # While the item leaves, its weight goes from the tool to the floor at a moment nobody knows: the payload
        # model takes half of it, and the vertical limit is wider by the other half. Sideways nothing changes.
        limit_n, half_n = self.force_limit(cell), self._half_weight_n(cell)
        weighed = cell.held.mass_kg > 0.0
        stand = (abs(axis(Axis.BELT_LEFT).speed) < min(_STAND_M_S, 0.4 * abs(speed_m_s))) & (time > _STAND_S)
        return Segment(
            name=name,
            belts=motions.belts(cell, speed_m_s),
            squeeze=AxisForce(force_n=-cell.held.grip_force_n, max_speed_m_s=_CLOSING_M_S),
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
            timeout_s=timeout_s or self.max_time_s,
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
        # Behind a thin end comes what is thicker: faster, the paddles would not open in time and crush it.
        speed_m_s = _END_BACK_M_S if self._has_lost(cell) else _BACK_SPEED_M_S
        patience_s = 3.0 * cell.held.item.length_m / speed_m_s + 0.5
        until: dict[str, Condition | Expr] = {"inside": (blocked < 0.5).for_(0.03), _SLIPPED: time > patience_s}
        back = self._belts(cell, "item back", -speed_m_s, until=until, timeout_s=patience_s + 1.0)
        await trace.run([back], accept=("inside",))
        cell.place_item(ItemPlace.PADDLES)
        return "the belts took the item back"
