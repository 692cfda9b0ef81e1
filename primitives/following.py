"""Pushing after an item that the belts have let go of: the paddles close behind its end and push it in."""

from dataclasses import dataclass

from podhand.controllers.conditions import axis, ft, time
from podhand.controllers.segments import Hold, Reflex, Segment
from podhand.core.exchange import Axis
from podhand.core.items import Item, Softness
from podhand.core.poses import Pose
from podhand.primitives import motions
from podhand.primitives.base import Trace
from podhand.primitives.reaching import BLADE_IN_M
from podhand.primitives.receiving import open_paddles

__all__ = ["FOLLOW_M_S", "Follow", "FollowRules"]

_CLOSE_SPEED_M_S = 0.10
_NARROW_BY_M = 0.008
"""The paddles close by this much more than the item is wide."""
_RESISTS_SHARE = 0.35
"""Of the force limit: what a push may feel; hard things behind a soft one add as much again before the tool stands."""
FOLLOW_M_S = 0.02
"""Of the first push after an item."""
_PUSHES = ((FOLLOW_M_S, _RESISTS_SHARE), (0.008, 0.5), (0.004, 0.75))
_LIMP_PUSHES = ((0.04, _RESISTS_SHARE), (0.012, 0.5), (0.006, 0.75))
_HEAVY_PUSHES = ((0.005, 0.45), (0.003, 0.65), (0.002, 0.8))
_JAM_PUSHES = ((0.012, 0.15), (0.008, _RESISTS_SHARE), (0.004, 0.5), (0.003, 0.7))
_HEAD_PUSHES = ((0.02, 0.15), (0.008, 0.25), (0.004, _RESISTS_SHARE))
_NARROW_HEAD_PUSHES = ((0.008, 0.15), (0.004, 0.2), (0.002, 0.25))
"""Speed and share of the limit of the first push and of the next, slower and harder ones; a hard end at the mouth may
be wedged between paddles and floor, and force then jumps."""
_SLIDES_FRICTION, _GRAVITY_M_S2 = 0.5, 9.81
"""What lies on a floor resists with this share of its weight."""
_HARDER_M = (0.030, 0.020, 0.020)
"""The next ones are no longer than this."""
_LEAVE_END_M, _LEAVE_END_M_S = 0.030, 0.10
"""Way off an item's end that the belts have lost."""
_RETURN_M, _RETURN_M_S, _RETURN_SHARE = 0.022, 0.03, 0.15
"""So much of the way back to it is gone faster than a push."""
_STRETCH_M = 0.060
_LEAVE_M, _LEAVE_M_S, _STAY_FACTOR = 0.035, 0.15, 1.3
"""Way and speed off a limp item, and how much faster the belts run against it."""
_PRESSED_SHARE, _RELEASE_M = 0.15, 0.003
"""Of the force limit: what the mouth still presses with; and the way back that takes it off."""
_PINCHED_N = 1.5
"""Squeeze of closed paddles that hold something."""
_OFF_BANDS_M = 0.003
_BESIDE_M = 0.005
"""Room on both sides of an item that the plan leaves at least."""


@dataclass(frozen=True, kw_only=True)
class FollowRules:
    """How far and how hard."""

    way_m: float
    """The mouth pushes after the item by this."""
    in_m: float
    """Further, after a limp item that is wide enough for closed paddles to go where it went."""
    open_by_m: float
    """The paddles open by this to let go of an end."""
    open_force_n: float
    """Of the opening and closing paddles, at most."""
    force_limit_n: float


class Follow:
    """One push after an item that lies in the bin, or hangs at the mouth with its end.

    Beside a wall the paddles move towards the middle of the bin as they push: the held-down bands end there.
    """

    def __init__(self, trace: Trace, item: Item, rules: FollowRules) -> None:
        self._trace, self._cell, self._item, self._rules = trace, trace.cell, item, rules
        cell, least_m = trace.cell, trace.cell.station.axes.squeeze.min_position_m
        self._wide_m = cell.opening_m + rules.open_by_m
        # A limp end may come between the paddles; with the blade beside it they cannot close anyway.
        self._limp = item.gives_way and cell.blade_m <= BLADE_IN_M
        self._closed_m = least_m if self._limp else max(cell.opening_m - _NARROW_BY_M, least_m)
        fits = item.width_m + 2 * _BESIDE_M >= 2.0 * cell.station.tool.half_width_m(least_m)
        self._goes_in = self._limp and fits
        self._in_m = rules.in_m if self._goes_in else 0.0
        mass_kg = max(item.mass_kg, cell.held.mass_kg if cell.held else 0.0)
        self._heavy = _SLIDES_FRICTION * mass_kg * _GRAVITY_M_S2 > _RESISTS_SHARE * rules.force_limit_n
        self._jams = False

    async def run(self, *, end_hangs: bool, wedged: bool = False) -> bool:
        """Close behind the item and push it; returns False when its end is still there.

        An end that is between the paddles is left first: open, back, close. One that may be ``wedged`` at their ends is
        pushed with care.
        """
        way_m, enough_m = self._rules.way_m + self._in_m, 0.5 * self._rules.way_m
        begin = self._cell.session.state.X_base_tool_cmd
        self._jams = wedged
        if end_hangs or not await self._close():
            await self._open()
            if await self._along(-_LEAVE_END_M, "leave the item's end", _LEAVE_END_M_S):
                return False
            way_m, enough_m = way_m + _LEAVE_END_M, enough_m + _LEAVE_END_M
            if not await self._close():
                return False
            self._jams = True
            begin = self._cell.session.state.X_base_tool_cmd
            await self._along(_RETURN_M, "return to the item's end", _RETURN_M_S, _RETURN_SHARE)
        await self._push(way_m - self._from(begin))
        if self._item.softness is Softness.SOFT and self._goes_in:
            # Its front end may have curled up under it: it stretches when the paddles go, and its rear comes along.
            reached = self._cell.session.state.X_base_tool_cmd
            await self._along(-_STRETCH_M, "let it stretch", _LEAVE_M_S, share=1.0, let_go=True)
            await self._push(self._from(reached))
        self._trace.data["followed_m"] = self._from(begin)
        return self._from(begin) > enough_m

    async def leave(self) -> None:
        """Press no more, let go of what is between the paddles, and leave a limp item with the belts running out."""
        state = self._cell.session.state
        if abs(float(state.F_tool[0])) > _PRESSED_SHARE * self._rules.force_limit_n:
            # Pressed together, it would look like caught when the tool is to leave.
            await self._along(-_RELEASE_M, "release", FOLLOW_M_S, share=1.0)
        if abs(float(state.tau[Axis.SQUEEZE])) > _PINCHED_N and self._cell.blade_m <= BLADE_IN_M:
            await self._open()
        if self._limp:
            await self._along(-_LEAVE_M, "leave the item", _LEAVE_M_S, share=1.0, let_go=True)

    def _from(self, begin: Pose) -> float:
        return motions.distance_m(begin, self._cell.session.state.X_base_tool_cmd)

    async def _push(self, way_m: float) -> None:
        """Push on until something resists, then slower and harder."""
        begin, aside_m = self._cell.session.state.X_base_tool_cmd, self._aside_m()
        for (speed_m_s, share), most_m in zip(self._pushes(), (way_m, *_HARDER_M), strict=False):
            left_m = min(way_m - self._from(begin), most_m)
            if left_m < 0.001 or not await self._along(
                left_m, "push after the item", speed_m_s, share, aside_m=aside_m
            ):
                return
            aside_m = 0.0

    def _pushes(self) -> tuple[tuple[float, float], ...]:
        if self._jams and self._item.softness is not Softness.SOFT:
            return _JAM_PUSHES if not self._item.gives_way else _HEAD_PUSHES if self._goes_in else _NARROW_HEAD_PUSHES
        if self._limp:
            return _LIMP_PUSHES
        return _HEAVY_PUSHES if self._heavy else _PUSHES

    def _aside_m(self) -> float:
        """Return the way along the bin's y that keeps the tool off the bands' ends beside a wall.

        None with the blade in the bin: it stands between item and neighbours.
        """
        cell = self._cell
        if cell.blade_m > BLADE_IN_M or cell.X_base_bin is None:
            return 0.0
        X, tool = cell.X_bin_tool, cell.station.tool
        bare_m = cell.opening_m / 2 + tool.paddle_thickness_m
        sides = [y * X[1, 1] for y in (bare_m, -tool.half_width_m(cell.opening_m))]
        height_m = tool.paddle_half_height_m * abs(float(X[1, 2]))
        high_m, low_m = (float(X[1, 3]) + f(sides) + s * height_m for f, s in ((max, 1.0), (min, -1.0)))
        room_m = cell.station.band_arm.prong_y_m - _OFF_BANDS_M
        over_m = max(0.0, high_m - room_m) - max(0.0, -low_m - room_m)
        most_m = _BESIDE_M if self._goes_in else abs(over_m)
        return float(-min(max(over_m, -most_m), most_m))

    async def _open(self) -> None:
        wide_m = max(self._wide_m, self._cell.opening_m + self._rules.open_by_m)
        await open_paddles(
            self._cell, self._trace, wide_m, force_n=self._rules.force_limit_n, weight_n=0.0,
            axis_force_n=self._rules.open_force_n,
        )  # fmt: skip

    async def _close(self) -> bool:
        """Close the paddles behind the item; False when something is between them."""
        cell, rules = self._cell, self._rules
        between = ((axis(Axis.SQUEEZE).force < -0.6 * rules.open_force_n) & (time > 0.03)).for_(0.008)
        closing = Segment(
            name="close behind the item",
            squeeze=motions.target(cell, Axis.SQUEEZE, self._closed_m, _CLOSE_SPEED_M_S),
            limits=motions.limits(cell, rules.force_limit_n, axis_force={Axis.SQUEEZE: 2.0 * rules.open_force_n}),
            reflexes={"between": Reflex(condition=between)},
            payload=cell.payload,
            timeout_s=motions.axis_timeout_s(abs(cell.opening_m - self._closed_m), _CLOSE_SPEED_M_S),
        )
        return (await self._trace.run([closing], accept=("between",))).name != "between"

    async def _along(
        self,
        way_m: float,
        name: str,
        speed_m_s: float,
        share: float = _RESISTS_SHARE,
        *,
        aside_m: float = 0.0,
        let_go: bool = False,
    ) -> str:
        """Move the mouth along its x until something resists; a blade that stands in the bin stays where it is.

        ``aside_m`` goes along the bin's y as well. ``let_go`` runs the belts against it: soft ends do not come along.
        """
        cell, limit_n = self._cell, self._rules.force_limit_n
        X = cell.session.state.X_base_tool_cmd
        X[:3, 3] += way_m * X[:3, 0]
        if aside_m != 0.0:
            X[:3, 3] += aside_m * cell.bin_axis_in_base(1)
        out_m_s = min(_STAY_FACTOR * speed_m_s, cell.station.axes.belts.max_speed_m_s)
        blade_out = cell.blade_m > BLADE_IN_M
        return await motions.move_line(
            self._trace, X, name=name, speed_m_s=speed_m_s, force_n=limit_n, accept=("resisted", "held up"),
            until={"held up": time > 2.0 * abs(way_m) / speed_m_s + 1.0},  # the kernel slows what presses sideways
            # A reflex stops at once: what is wedged lets the force rise within a tenth of a millimetre.
            reflexes={"resisted": Reflex(condition=(abs(ft.force.x) > share * limit_n).for_(0.003))},
            contact_stiffness_n_m=2000.0,
            blade=motions.target(cell, Axis.BLADE, cell.blade_m - way_m, speed_m_s) if blade_out else None,
            squeeze=Hold(), belts=motions.belts(cell, out_m_s) if let_go else None,
        )  # fmt: skip
