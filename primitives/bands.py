"""Opening and closing the elastic bands with the second arm's hook."""

from functools import reduce
from itertools import pairwise
from math import inf
from operator import and_
from typing import ClassVar

import numpy as np
from pydantic import Field

from podhand.controllers.conditions import Expr, axis
from podhand.controllers.segments import BAND_CHANNEL, Reflex, Segment, Target
from podhand.core.exchange import Axis
from podhand.primitives import motions
from podhand.primitives.base import Point, Primitive, PrimitivePreview, Trace
from podhand.primitives.cell import Bands, StowCell

__all__ = ["HOOK_CORNER_M", "HOOK_FIRST_CORNER_M", "CloseBands", "OpenBands"]

HOOK_CORNER_M, HOOK_FIRST_CORNER_M = 0.025, 0.006
"""The free hook cuts its corners by this."""
_ARM_PATIENCE_S, _LOOK_AGAIN_S = 3.0, 0.01
_BAND_AXES = (Axis.BAND_X, Axis.BAND_Y, Axis.BAND_Z)


class _BandMotion(Primitive):
    channel: ClassVar[int] = BAND_CHANNEL

    positions_base_m: tuple[Point, ...] = Field(
        min_length=1, max_length=12, description="Hook points in the base frame, one after the other."
    )
    speed_m_s: float = Field(default=0.57, gt=0.0, le=1.0, description="Of each axis.")
    max_force_n: float = Field(default=100.0, gt=0.0, le=120.0, description="|force| of each axis that aborts.")

    def preview(self, cell: StowCell) -> PrimitivePreview:
        """See the base class."""
        points = (_hook(cell), *self.positions_base_m)
        duration = sum(
            motions.travel_duration_s(max(abs(x - y) for x, y in zip(a, b, strict=True)), self.speed_m_s)
            for a, b in pairwise(points)
        )
        return PrimitivePreview(
            name=self.name,
            words=f"moves the hook through {len(self.positions_base_m)} points",
            path_base_m=points,
            duration_s=duration,
            force_limit_n=inf,
        )

    async def _through(
        self,
        cell: StowCell,
        trace: Trace,
        points: tuple[Point, ...],
        *,
        corner_m: float = 0.0,
        speed_m_s: float | None = None,
    ) -> None:
        """Move the hook through points, one axis target after the other; with a corner, past them without a rest."""
        chain, here = [], np.array(_hook(cell))
        speed_m_s = min(speed_m_s or self.speed_m_s, cell.station.axes.band_x.max_speed_m_s)
        for number, point in enumerate(points):
            travel_m = float(np.abs(np.array(point) - here).max())
            last = number + 1 == len(points)
            chain.append(self._segment(cell, number, point, travel_m, 0.0 if last else corner_m, speed_m_s))
            here = np.array(point)
        cell.bands = Bands.UNKNOWN
        outcome = await trace.run(chain)
        trace.data["peak_axis_force_n"] = max(max(o.max_axis_force[a] for a in _BAND_AXES) for o in outcome.all)

    def _segment(
        self, cell: StowCell, number: int, point: Point, travel_m: float, corner_m: float, speed_m_s: float
    ) -> Segment:
        near: list[Expr] = []
        for which, goal_m in zip(_BAND_AXES, point, strict=True):
            near += [axis(which).position > goal_m - corner_m, axis(which).position < goal_m + corner_m]
        reflexes = {
            f"{which.name.lower()} force": Reflex(condition=(abs(axis(which).force) > self.max_force_n).for_(0.01))
            for which in _BAND_AXES
        }
        return Segment(
            name=f"hook to point {number + 1}",
            band_arm=Target(values=point, max_speed_m_s=speed_m_s),
            limits=motions.limits(cell, cell.station.forces.transfer_n),
            reflexes=reflexes,
            until={"near": reduce(and_, near)} if corner_m > 0.0 else {},
            timeout_s=motions.axis_timeout_s(travel_m, speed_m_s),
        )


class OpenBands(_BandMotion):
    """Hook the bands, pull them out of the way and hold them. Runs beside the arm."""

    name: ClassVar[str] = "open_bands"

    least_pull_n: float = Field(default=20.0, ge=0.0, le=100.0, description="Pull of all bands at the end, at least.")

    def check(self, cell: StowCell) -> list[str]:
        """See the base class."""
        return ["the bands are open already"] if cell.bands is Bands.OPEN else []

    async def _do(self, cell: StowCell, trace: Trace) -> str:
        await self._through(cell, trace, self.positions_base_m)
        cell.note_bands_open()
        trace.data["pull_n"] = cell.bands_pull_n
        if cell.bands_pull_n < self.least_pull_n:
            trace.fail(
                f"the bands pull the hook with {cell.bands_pull_n:.0f} N only (at least {self.least_pull_n:.0f} N): "
                "a band is not on it"
            )
        return f"the bands are held open; the hook felt at most {trace.data['peak_axis_force_n']:.0f} N"

    async def _undo(self, cell: StowCell, trace: Trace) -> str | None:
        if cell.bands is Bands.CLOSED:
            return None
        # Back through the points that lie behind, from where the hook is.
        here = np.array(_hook(cell))
        distances = [float(np.linalg.norm(here - p)) for p in self.positions_base_m]
        nearest = int(np.argmin(distances))
        await self._through(cell, trace, tuple(reversed(self.positions_base_m[:nearest])) or self.positions_base_m[:1])
        cell.bands = Bands.CLOSED
        return "the hook gave the bands back"


class CloseBands(_BandMotion):
    """Give the bands back to their place and draw the hook off; a band that still pulls is given back once more."""

    name: ClassVar[str] = "close_bands"

    clear_x_bin_m: float | None = Field(
        default=None, ge=-0.6, le=0.0, description="After the second point, wait until the mouth is this far out."
    )
    free_speed_m_s: float = Field(default=0.85, gt=0.0, le=1.0, description="Of each axis, once off the bands.")
    most_pull_n: float = Field(default=10.0, gt=0.0, le=100.0, description="Pull that a free hook feels, at most.")

    def check(self, cell: StowCell) -> list[str]:
        """See the base class."""
        return ["the bands are closed already"] if cell.bands is Bands.CLOSED else []

    async def _do(self, cell: StowCell, trace: Trace) -> str:
        points = self.positions_base_m
        if self.clear_x_bin_m is not None and not self._arm_is_clear(cell):
            await self._through(cell, trace, points[:2], corner_m=HOOK_FIRST_CORNER_M)
            await self._wait_for_the_arm(cell, trace)
            points = points[2:] or points
            await self._through(cell, trace, points, corner_m=HOOK_CORNER_M, speed_m_s=self.free_speed_m_s)
        else:
            await self._through(cell, trace, points, corner_m=HOOK_CORNER_M)
        if self._pull_n(cell) > self.most_pull_n:
            trace.data["hooked_n"] = self._pull_n(cell)
            await self._through(cell, trace, tuple(reversed(self.positions_base_m[:-1])) or self.positions_base_m)
            await self._through(cell, trace, self.positions_base_m)
        if self._pull_n(cell) > self.most_pull_n:
            trace.fail(f"hooked: a band still pulls the hook with {self._pull_n(cell):.0f} N, also after a second try")
        cell.bands = Bands.CLOSED
        return "the bands are back in place"

    def _arm_is_clear(self, cell: StowCell) -> bool:
        return self.clear_x_bin_m is None or float(cell.X_bin_tool[0, 3]) < self.clear_x_bin_m

    async def _wait_for_the_arm(self, cell: StowCell, trace: Trace) -> None:
        end_s = cell.session.state.time_s + _ARM_PATIENCE_S
        while not self._arm_is_clear(cell):
            if cell.session.state.time_s > end_s:
                trace.fail(f"the arm has not left the bin after {_ARM_PATIENCE_S:.0f} s: the hook waits over the bands")
            await cell.session.wait(_LOOK_AGAIN_S)

    def _pull_n(self, cell: StowCell) -> float:
        return max(abs(float(cell.session.state.tau[which])) for which in _BAND_AXES)


def _hook(cell: StowCell) -> Point:
    command = cell.session.state.command
    x, y, z = (float(command[a]) for a in _BAND_AXES)
    return (x, y, z)
