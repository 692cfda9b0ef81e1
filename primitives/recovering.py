"""The way back: from any state of the cell to rest, guarded like any motion, with the item never forgotten."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import ClassVar, NoReturn

import numpy as np
from pydantic import Field

from podhand.controllers.conditions import axis, ft, slow, time, tool
from podhand.controllers.outcomes import FtFault
from podhand.controllers.segments import Reflex, Segment, Twist
from podhand.core.errors import PlanningError, StateError
from podhand.core.exchange import Axis, SlowSignal
from podhand.core.items import Item, Shape
from podhand.core.poses import FloatArray, Pose
from podhand.primitives import motions
from podhand.primitives.bands import CloseBands
from podhand.primitives.base import Matrix, Primitive, PrimitivePreview, Trace, Unsuccessful
from podhand.primitives.cell import Bands, HeldItem, ItemPlace, StowCell
from podhand.primitives.reaching import blade_in
from podhand.primitives.receiving import ReturnItem, open_paddles, set_payloads

__all__ = ["Recover"]

_GRAVITY_M_S2 = 9.81
_POLL_S = 0.1
_FEEL_S = 0.1
_WEIGH_S = 0.15
_PARKED_RAD = 0.01
_BLADE_IN_M = 0.01
_CLEAR_X_BIN_M = -0.25
"""The mouth is clear of the pod here: hook and bands are before it."""
_RELEASED_N = 2.0
_PRESS_SPEED_M_S = 0.02
_PRESS_WAY_M = 0.010
_AXIS_ALONG_BIN = 0.7
_BEFORE_MOUTH_M = 0.02
_OPEN_MARGIN_M = 0.012
_INFEED_Y_M, _INFEED_BEHIND_M, _INFEED_AHEAD_M, _INFEED_HEIGHT_M = 0.10, 0.35, 0.45, 0.16
"""The tool is at the infeed within this of the hand-over place: to the sides, behind, ahead, over the rails."""
_LIFT_M = 0.10
_TAKE_IN_M_S = 0.10
_TAKE_IN_S = 4.0
_TRIES = 3
_LANDING_M = 0.04
"""An item may have slipped this far: set-points begin at the measured opening, so for 0.1 s too little squeezes it."""


class Recover(Primitive):
    """Bring the cell to rest from wherever it stands: out of the bin, bands back, item back to the infeed, arm parked.

    Begins with measurements alone. What cannot be done is said, and the arm stands there.
    """

    name: ClassVar[str] = "recover"

    wait_s: float = Field(default=3.0, ge=0.0, le=60.0, description="So long a fault may take to pass.")
    speed_m_s: float = Field(default=0.10, gt=0.0, le=0.25, description="Of straight lines.")
    speed_scale: float = Field(default=0.5, gt=0.0, le=1.0, description="Of joint paths.")
    press_n: float = Field(
        default=5.0, gt=1.0, le=40.0, description="Sideways force that is relieved before the blade moves."
    )
    snag_n: float = Field(default=12.0, gt=1.0, le=50.0, description="Rise of |F| on the way that counts as a snag.")
    blade_force_n: float = Field(default=30.0, gt=1.0, le=40.0, description="|force| of the blade's drive, at most.")

    def check(self, cell: StowCell) -> list[str]:
        """See the base class."""
        unmet = ["no bin is active: the cell does not know X_base_bin"] if cell.X_base_bin is None else []
        return unmet + (["no ways back can be planned: give the cell `ways`"] if cell.ways is None else [])

    def preview(self, cell: StowCell) -> PrimitivePreview:
        """See the base class."""
        park = tuple(cell.station.arm.park_q_rad)
        path = (tuple(cell.arm_q()), park)
        return PrimitivePreview(
            name=self.name,
            words="comes out of the bin, gives the bands back, returns a held item, and parks",
            path_base_m=motions.tool_points(cell, path),
            waypoints_rad=path,
            duration_s=motions.path_duration_s(cell, path, self.speed_scale) + 5.0,
            force_limit_n=self.force_limit(cell),
        )

    async def _do(self, cell: StowCell, trace: Trace) -> str:
        return await _Recovery(self, cell, trace).run()


class _Recovery:
    """One way back: what was done, and what could not be."""

    def __init__(self, rules: Recover, cell: StowCell, trace: Trace) -> None:
        self._rules, self._cell, self._trace = rules, cell, trace
        self._done: list[str] = []
        self._left: list[str] = []
        self._provisional = False
        """The item's weight is the catalogue's, not yet that of the hand."""

    async def run(self) -> str:
        cell = self._cell
        await self._clear_fault()
        self._take_stock()
        await self._keep_hold()
        if not self._sensor_works():
            await self._without_feeling()
        await self._out_of_the_bin()
        for step in (self._off_the_infeed, self._bands_back, self._item_back, self._to_rest, self._look_for_the_item):
            await self._try(step)
        if cell.lost:
            self._left.append("the item is lost")
        if self._left:
            self._fail("; ".join([*self._left, *self._done]))
        return ", ".join(self._done or ["nothing to do"]) + f"; {cell.where_is_the_item()}"

    async def _try(self, step: Callable[[], Awaitable[None]]) -> bool:
        """Do a step; when it fails, go on with what can still be done, unless nothing may move."""
        try:
            await step()
            return True
        except (Unsuccessful, PlanningError) as end:
            if self._cell.session.state.latched_fault:
                self._fail(str(end))
            self._left.append(str(end))
            return False

    def _fail(self, words: str) -> NoReturn:
        self._trace.fail(f"{words}; {self._cell.where_is_the_item()}{self._hook_words()}")

    def _hook_words(self) -> str:
        return "" if self._cell.bands is Bands.CLOSED else "; the hook is still out"

    # ---- measurements -------------------------------------------------------------------------------------------

    async def _clear_fault(self) -> None:
        """Wait until the cause of a latched fault is gone, and reset it; the set-points stand where the axes are."""
        session = self._cell.session
        waited_s = 0.0
        while session.state.latched_fault:
            try:
                session.reset_fault()
                self._done.append("reset the fault")
            except StateError as error:
                if waited_s >= self._rules.wait_s:
                    self._fail(f"the fault stays, nothing moves: {error}")
                await session.wait(_POLL_S)
                waited_s += _POLL_S

    def _take_stock(self) -> None:
        """Learn from the light barriers and the hook what tool and hook hold."""
        cell, state = self._cell, self._cell.session.state
        if np.isnan(state.slow[SlowSignal.ITEM_AT_INFEED : SlowSignal.MOUTH_BLOCKED + 1]).any():
            self._fail("the light barriers give no reading, so nothing moves: check their supply and cables")
        in_paddles, out, waits = (
            state.signal(s) > 0.5
            for s in (SlowSignal.ITEM_IN_PADDLES, SlowSignal.MOUTH_BLOCKED, SlowSignal.ITEM_AT_INFEED)
        )
        if in_paddles and cell.held is None and not (waits and self._at_infeed()):
            cell.held = self._found(cell)
        elif cell.held and not (in_paddles or out):
            cell.lose_item()
        elif cell.held is None and not in_paddles and not waits and cell.stowed is None and cell.lost is None:
            cell.presented = None
        if cell.held:
            whole = not out or cell.held.item.length_m > cell.station.tool.paddle_length_m - 0.01
            cell.held = replace(cell.held, place=ItemPlace.PADDLES if whole else ItemPlace.MOUTH)
        assert cell.ways is not None
        cell.bands = Bands.UNKNOWN if cell.ways.hook_to_park(cell) else Bands.CLOSED

    def _found(self, cell: StowCell) -> HeldItem:
        """Return what the tool holds at power-up: the item that the infeed last handed over, with the grip it has."""
        opening_m = max(cell.opening_m, cell.station.tool.min_opening_m)
        unknown = Item(
            sku="an unknown item", length_m=cell.station.tool.paddle_length_m, width_m=opening_m,
            height_m=2.0 * cell.station.tool.paddle_half_height_m, mass_kg=0.5, shape=Shape.IRREGULAR, friction=0.3,
            max_squeeze_n=cell.station.forces.grip_max_n,
        )  # fmt: skip
        item = cell.presented.item if cell.presented else unknown
        grip_n = abs(float(cell.session.state.tau[Axis.SQUEEZE]))
        least_n, most_n = cell.station.forces.grip_min_n, min(cell.station.forces.grip_max_n, item.max_squeeze_n)
        cell.lost = cell.stowed = None
        return HeldItem(item=item, place=ItemPlace.PADDLES, grip_force_n=min(max(grip_n, least_n), most_n))

    def _sensor_works(self) -> bool:
        return self._cell.session.state.ft_fault is FtFault.NONE

    async def _keep_hold(self) -> None:
        """Squeeze what is held again, at once: set-points begin at the measured opening, without force."""
        cell = self._cell
        if cell.held is None:
            await cell.session.wait(0.05)  # a dead sensor shows itself within this
            return
        if cell.held.mass_kg == 0.0:
            self._provisional = True
            mass_kg, com_m = cell.held.item.mass_kg, (-cell.held.item.length_m / 2, 0.0, 0.0)
            set_payloads(cell, mass_kg, np.array(com_m))
            cell.held = replace(cell.held, mass_kg=mass_kg, com_tool_m=com_m)
        await self._feel("keep hold")

    async def _feel(self, name: str) -> FloatArray:
        """Stand for a moment, the grip kept; returns the mean force on the tool (3,) in the bin frame [N]."""
        most_n = self._cell.station.safety.max_force_norm_n
        segment = motions.rest(self._cell, _FEEL_S, name=name, force_n=most_n)
        outcome = await self._trace.run([replace(segment, X_base_frame=self._cell.X_base_bin)], accept=("time is up",))
        return np.array(outcome.mean_force_n)

    async def _without_feeling(self) -> NoReturn:
        """The arm must not move; the hook has limits of its own and may, when the arm is not at the bands."""
        words = f"the force/torque signal is not plausible ({self._cell.session.state.ft_fault.name.lower()})"
        if self._mouth_x_m() < _CLEAR_X_BIN_M + _BEFORE_MOUTH_M:
            await self._try(self._bands_back)
        self._fail("; ".join([f"{words}, the arm stands", *self._left, *self._done]))

    # ---- out of the bin -----------------------------------------------------------------------------------------

    def _mouth_x_m(self) -> float:
        return float(self._cell.X_bin_tool[0, 3])

    async def _out_of_the_bin(self) -> None:
        """Take the pressure off, blade in, item into the paddles, then straight out along the tool's axis."""
        cell = self._cell
        blade_m = cell.blade_m
        near = self._mouth_x_m() + blade_m > _CLEAR_X_BIN_M + _BEFORE_MOUTH_M
        if near:
            await self._relieve()
        if cell.held and cell.held.place is ItemPlace.MOUTH:
            await self._try(self._take_item_in)
        drawn = blade_m <= _BLADE_IN_M or await self._try(self._draw_blade_in)
        if near:
            await self._straight_out()
        if near and not drawn:
            why = self._left.pop()  # what held the blade may have stayed in the bin
            if not await self._try(self._draw_blade_in):
                self._left[-1] = why

    async def _relieve(self) -> None:
        """Move the way that the measured force pushes, until it is gone: what presses sideways must not be dragged."""
        cell, rules = self._cell, self._rules
        force = await self._feel("feel")
        cell.swept = 0
        # A weight that is not yet known looks like a force along z.
        sideways = {1: float(force[1])} | ({} if self._provisional else {2: float(force[2])})
        which = max(sideways, key=lambda i: abs(sideways[i]))
        felt_n = sideways[which]
        if abs(felt_n) < rules.press_n:
            return
        component = (ft.force.x, ft.force.y, ft.force.z)[which]
        v = [0.0, 0.0, 0.0]
        v[which] = float(np.copysign(_PRESS_SPEED_M_S, felt_n))
        released = ((abs(component) < _RELEASED_N) & (time > 0.03)).for_(0.01)
        most_n = max(cell.station.forces.retract_n, 1.25 * float(np.linalg.norm(force)) + 2.0)
        await self._trace.run(
            [
                Segment(
                    name="relieve",
                    arm=Twist(v_m_s=(v[0], v[1], v[2])),
                    squeeze=motions.grip(cell),
                    X_base_frame=cell.X_base_bin,
                    limits=motions.limits(cell, most_n, speed_m_s=0.05, contact_stiffness_n_m=500.0),
                    until={"released": released, "far enough": tool.travel > _PRESS_WAY_M},
                    payload=cell.payload,
                    timeout_s=_PRESS_WAY_M / _PRESS_SPEED_M_S + 2.0,
                )
            ],
            accept=("released", "far enough"),
        )
        self._done.append(f"took {abs(felt_n):.0f} N off the tool")

    async def _draw_blade_in(self) -> None:
        cell, rules = self._cell, self._rules
        await blade_in(
            cell, self._trace, speed_m_s=0.15, drive_force_n=rules.blade_force_n, force_n=cell.station.forces.retract_n
        )
        self._done.append("blade in")

    async def _take_item_in(self) -> None:
        """Run the belts backwards until the item is between the paddles."""
        cell = self._cell
        assert cell.held is not None
        blocked = slow(SlowSignal.MOUTH_BLOCKED)
        stand = (abs(axis(Axis.BELT_LEFT).speed) < 0.02) & (time > 0.2)
        limit_n = cell.station.forces.eject_n + cell.held.mass_kg * _GRAVITY_M_S2
        meets = ft.force.norm > 0.6 * limit_n
        segment = Segment(
            name="item back",
            belts=motions.belts(cell, -_TAKE_IN_M_S),
            squeeze=motions.grip(cell),
            limits=motions.limits(cell, limit_n, contact_stiffness_n_m=500.0),
            until={"inside": (blocked < 0.5).for_(0.03), "it meets something": meets.for_(0.004)},
            reflexes={"belts stand": Reflex(condition=stand.for_(0.2))},
            payload=cell.payload,
            timeout_s=_TAKE_IN_S,
        )
        await self._trace.run([segment], accept=("inside",))
        if cell.session.state.signal(SlowSignal.ITEM_IN_PADDLES) < 0.5:
            cell.lose_item()
            return
        cell.place_item(ItemPlace.PADDLES)
        self._done.append("the belts took the item in")

    async def _straight_out(self) -> None:
        """Go back along the tool's own axis: the way it went in is free."""
        cell, rules = self._cell, self._rules
        X = cell.session.state.X_base_tool_cmd
        along = float(X[:3, 0] @ cell.bin_axis_in_base(0))
        if along < _AXIS_ALONG_BIN:
            self._fail("the tool stands askew at the pod: jog it out by hand")
        out_m = self._mouth_x_m() + (cell.blade_m if cell.blade_m > _BLADE_IN_M else 0.0) - _CLEAR_X_BIN_M
        if cell.held and cell.held.place is ItemPlace.MOUTH:
            out_m += cell.held.item.length_m  # it hangs out of the paddles, where the hook will pass
        X_out = X.copy()
        X_out[:3, 3] -= out_m / along * X[:3, 0]
        for _ in range(_TRIES):
            before_n = float(np.linalg.norm(cell.session.state.F_tool[:3]))
            try:
                if not await self._line(X_out, "straight out", rules.speed_m_s, before_n):
                    self._done.append("came out of the bin")
                    return
            except Unsuccessful as end:
                if cell.session.state.latched_fault or cell.lost is None:
                    self._fail(str(end))
                continue  # the item stayed behind: the empty tool still has to come out
            await self._relieve()
        left_m = motions.distance_m(cell.session.state.X_base_tool_cmd, X_out)
        self._fail(f"the tool is caught {1e3 * left_m:.0f} mm before it is out of the bin: free it by hand")

    async def _line(self, X_goal: Pose, name: str, speed_m_s: float, before_n: float) -> bool:
        """Go straight; returns whether it ended at a snag: more force than there was before."""
        snag_n = before_n + self._rules.snag_n
        name = await motions.move_line(
            self._trace, X_goal, name=name, speed_m_s=speed_m_s,
            force_n=max(self._cell.station.forces.retract_n, 1.4 * snag_n),
            until={"snag": (ft.force.norm > snag_n).for_(0.02)}, accept=("snag",), contact_stiffness_n_m=500.0,
        )  # fmt: skip
        return name == "snag"

    # ---- infeed, bands, item, rest ------------------------------------------------------------------------------

    async def _off_the_infeed(self) -> None:
        """Up with a held item; back off one that stands on the rails."""
        cell = self._cell
        if not self._at_infeed():
            return
        state, x = cell.session.state, float(cell.session.state.X_base_tool[0, 3]) - cell.station.infeed.item_x_m
        X, before_n = state.X_base_tool_cmd, float(np.linalg.norm(state.F_tool[:3]))
        waits = state.signal(SlowSignal.ITEM_AT_INFEED) > 0.5
        if cell.held and not waits:
            X[2, 3] += _LIFT_M
        else:
            length_m = await self._let_go()
            X[:3, 3] -= max(0.0, x + length_m / 2 + 0.03) * X[:3, 0]
        if await self._line(X, "off the infeed", self._rules.speed_m_s, before_n):
            self._trace.fail("the tool is caught at the infeed: free it by hand")
        self._done.append("off the infeed")

    def _at_infeed(self) -> bool:
        infeed = self._cell.station.infeed
        x, y, z = (float(v) for v in self._cell.session.state.X_base_tool[:3, 3])
        at_x = -_INFEED_BEHIND_M < x - infeed.item_x_m < _INFEED_AHEAD_M
        return at_x and abs(y - infeed.item_y_m) < _INFEED_Y_M and z < infeed.rail_top_m + _INFEED_HEIGHT_M

    async def _let_go(self) -> float:
        """Open the paddles around an item that stands on the rails; returns the item's length [m]."""
        cell = self._cell
        item = cell.held.item if cell.held else cell.presented.item if cell.presented else None
        width_m = (item.width_m if item else cell.opening_m) + _OPEN_MARGIN_M
        if cell.session.state.signal(SlowSignal.ITEM_AT_INFEED) > 0.5 and (cell.held or cell.opening_m < width_m):
            weight_n = cell.held.mass_kg * _GRAVITY_M_S2 if cell.held else 0.0
            cell.place_item(ItemPlace.INFEED)
            await open_paddles(cell, self._trace, width_m, force_n=cell.station.forces.receive_n, weight_n=weight_n)
            self._done.append("let go of the item on the infeed")
        return item.length_m if item else cell.station.tool.paddle_length_m

    async def _bands_back(self) -> None:
        """Give the bands back, with the hook's own force limits; a second try for a band that hangs on."""
        cell = self._cell
        assert cell.ways is not None
        for last in (False, True):
            points = cell.ways.hook_to_park(cell)
            if not points:
                cell.bands = Bands.CLOSED
                return
            report = await CloseBands(positions_base_m=points, speed_m_s=0.3).run(cell)
            self._trace.outcomes.extend(report.outcomes)
            if report.ok:
                self._done.append("bands back")
                return
            if last:
                self._trace.fail(f"the bands are not back: {report.words}")

    async def _item_back(self) -> None:
        """Bring a held item to the infeed, if there is room."""
        cell = self._cell
        if cell.held is None:
            return
        sku = cell.held.item.sku
        if cell.held.place is not ItemPlace.PADDLES:
            self._trace.fail(f"{sku} reaches out of the paddles and stays held: take it by hand")
        if cell.session.state.signal(SlowSignal.ITEM_AT_INFEED) > 0.5:
            self._trace.fail(f"no room at the infeed: {sku} stays held")
        await self._weigh()
        assert cell.ways is not None
        try:
            way = cell.ways.to_infeed(cell)
        except PlanningError as error:
            self._trace.fail(f"no way to the infeed, {sku} stays held: {error}")
        report = await ReturnItem(
            waypoints_rad=way.to_infeed_rad,
            X_base_tool_above=_matrix(way.X_base_tool_above),
            X_base_tool_down=_matrix(way.X_base_tool_down),
            X_base_tool_back=_matrix(way.X_base_tool_back),
            speed_scale=self._rules.speed_scale,
            landing_m=_LANDING_M,
        ).run(cell)
        self._trace.outcomes.extend(report.outcomes)
        if not report.ok:
            await self._try(self._off_the_infeed)
            self._trace.fail(report.words)
        self._done.append(report.words)

    async def _weigh(self) -> None:
        """In free space: what is felt along gravity is weight that the catalogue did not tell, the rest is bias."""
        cell = self._cell
        assert cell.held is not None
        if not self._provisional:
            return
        limit_n = cell.station.safety.max_force_norm_n
        segment = replace(motions.rest(cell, _WEIGH_S, name="weigh", force_n=limit_n), X_base_frame=np.eye(4))
        outcome = await self._trace.run([segment], accept=("time is up",))
        mass_kg = max(0.01, cell.held.mass_kg - outcome.mean_force_n[2] / _GRAVITY_M_S2)
        com_m = cell.held.com_tool_m
        set_payloads(cell, mass_kg, np.array(com_m))
        cell.held = replace(cell.held, mass_kg=mass_kg)
        self._provisional = False
        await motions.tare(self._trace, cell.station.forces.transfer_n)

    async def _to_rest(self) -> None:
        cell = self._cell
        assert cell.ways is not None
        away_rad = np.abs(np.array(cell.arm_q()) - np.array(cell.station.arm.park_q_rad)).max()
        if away_rad < _PARKED_RAD:
            return
        await motions.move_joints(
            self._trace, cell.ways.to_park(cell), speed_scale=self._rules.speed_scale,
            force_n=cell.station.forces.transfer_n, start_gap_rad=0.05,
        )  # fmt: skip
        self._done.append("at rest")

    async def _look_for_the_item(self) -> None:
        """Look for a lost item where sensors can see it: at the infeed, and in its place in the bin."""
        cell = self._cell
        if cell.lost is None:
            return
        if cell.session.state.signal(SlowSignal.ITEM_AT_INFEED) > 0.5:
            cell.lost = None
            self._done.append("the item is at the infeed")
        elif cell.lost.near_bin and cell.inspect:
            found = await asyncio.to_thread(cell.inspect)
            if found.ok:
                cell.stowed, cell.lost = cell.lost.item, None
            self._done.append(found.words)


def _matrix(X: Pose) -> Matrix:
    a, b, c, d = ((float(w), float(x), float(y), float(z)) for w, x, y, z in X)
    return (a, b, c, d)
