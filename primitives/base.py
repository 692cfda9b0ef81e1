"""What every primitive is: parameters that check themselves, a preview, a guarded run, a report, an inverse."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from math import inf
from typing import Annotated, ClassVar, NoReturn

import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from podhand.controllers.outcomes import Cause, Outcome
from podhand.controllers.segments import ARM_CHANNEL, AxisForce, Chain, Reflex, Segment
from podhand.core.errors import DeviceError, LimitError, PerceptionError, PlanningError, StateError
from podhand.core.poses import Pose, pose
from podhand.primitives.cell import GRIP_LOST, StowCell

__all__ = ["PRIMITIVES", "Joints", "Matrix", "Point", "Primitive", "PrimitivePreview", "PrimitiveReport", "Result",
           "Trace", "Unsuccessful", "to_pose"]  # fmt: skip

Joints = Annotated[tuple[float, ...], Field(min_length=6, max_length=7)]
Point = tuple[float, float, float]
_Row = tuple[float, float, float, float]
_POSE_TOLERANCE = 1e-6


def _is_pose(rows: tuple[_Row, _Row, _Row, _Row]) -> tuple[_Row, _Row, _Row, _Row]:
    X = np.array(rows)
    R = X[:3, :3]
    turn = bool(np.abs(R @ R.T - np.eye(3)).max() < _POSE_TOLERANCE) and float(np.linalg.det(R)) > 0.0
    if not turn or rows[3] != (0.0, 0.0, 0.0, 1.0):
        raise ValueError("must be a pose: a right-handed rotation, a place in m, and 0 0 0 1 in the last row")
    return rows


Matrix = Annotated[tuple[_Row, _Row, _Row, _Row], AfterValidator(_is_pose)]
"""A 4x4 pose, row by row."""


class Result(StrEnum):
    """How a primitive ended."""

    DONE = "done"
    FAILED = "failed"
    REFUSED = "refused"
    """Not begun: a precondition or the kernel said no; nothing has moved."""


@dataclass(frozen=True, kw_only=True)
class PrimitivePreview:
    """What would move, computed without hardware."""

    name: str
    words: str
    path_base_m: tuple[Point, ...] = ()
    """Points of the mouth (band arm: of the hook) in the base frame."""
    waypoints_rad: tuple[tuple[float, ...], ...] = ()
    duration_s: float = 0.0
    """Estimate."""
    force_limit_n: float = inf


@dataclass(frozen=True, kw_only=True)
class PrimitiveReport:
    """How a primitive, or a combination of them, went."""

    name: str
    result: Result
    words: str
    channel: int = ARM_CHANNEL
    outcomes: tuple[Outcome, ...] = ()
    started_s: float = 0.0
    """Plant time."""
    ended_s: float = 0.0
    peak_force_n: float = 0.0
    """Raw |F|."""
    peak_filtered_force_n: float = 0.0
    max_force_ratio: float = 0.0
    force_limit_n: float = inf
    data: Mapping[str, float] = field(default_factory=dict)
    """Numbers found on the way, with units in their names."""

    @property
    def ok(self) -> bool:
        """The primitive did what it is for."""
        return self.result is Result.DONE

    @property
    def duration_s(self) -> float:
        """Plant time it took."""
        return self.ended_s - self.started_s

    @property
    def moved(self) -> bool:
        """Something has moved, or may have."""
        return bool(self.outcomes)


_LATCHED = {
    Cause.EMERGENCY_STOP: "the emergency stop was pressed",
    Cause.SENSOR_INVALID: "the force/torque signal was not plausible",
    Cause.AXIS_INVALID: "the reading of an axis was invalid or too old",
    Cause.FOLLOWING_ERROR: "an axis did not follow its set-point",
}


class Unsuccessful(Exception):
    """Raised inside a primitive that did not succeed; becomes a report. Not an error of the program."""


class Trace:
    """Collects what happens while a primitive runs."""

    def __init__(self, cell: StowCell, channel: int = ARM_CHANNEL) -> None:
        self.cell = cell
        self.channel = channel
        self.outcomes: list[Outcome] = []
        self.data: dict[str, float] = {}

    async def run(self, chain: Chain, *, accept: Sequence[str] = (), tag: int = 0) -> Outcome:
        """Run a chain and keep its outcomes.

        Raises Unsuccessful, with the outcome in words, unless it reached its goal or ended by an until or reflex
        named in ``accept``. While tool or hook hold something, losing it is a reflex of every segment.
        """
        if latched := self.cell.session.state.latched_fault:
            self.fail(f"nothing may move: {_LATCHED.get(latched, 'a fault is latched')}; reset it first")
        if self.channel == ARM_CHANNEL and self.cell.missing():
            self.fail("item lost: it left the paddles between two motions")
        watches = self.cell.watches() if self.channel == ARM_CHANNEL else {}
        if watches:
            chain = [replace(segment, reflexes={**segment.reflexes, **_watched(segment, watches)}) for segment in chain]
        outcome = await self.cell.session.run(chain, channel=self.channel, tag=tag, expects=accept)
        self.outcomes.extend(outcome.all)
        if outcome.cause is Cause.REFLEX and outcome.name in watches:
            self.cell.notice(outcome.name)
        named = outcome.cause in (Cause.UNTIL, Cause.REFLEX)
        if (outcome.name not in accept) if named else (outcome.cause is not Cause.REACHED):
            latched = self.cell.session.state.latched_fault
            why = f" ({_LATCHED[latched]})" if outcome.cause is Cause.OTHER_CHANNEL and latched in _LATCHED else ""
            self.fail(outcome.in_words() + why)
        return outcome

    def fail(self, words: str) -> NoReturn:
        """End the primitive without success."""
        raise Unsuccessful(words)


def _watched(segment: Segment, watches: dict[str, Reflex]) -> dict[str, Reflex]:
    """Return the watches that make sense in a segment: the grip may be lost only where it is to be kept."""
    grips = isinstance(segment.squeeze, AxisForce)
    return {name: reflex for name, reflex in watches.items() if grips or name != GRIP_LOST}


PRIMITIVES: dict[str, type["Primitive"]] = {}
"""All primitives by name; filled as their modules are imported (``podhand.primitives.catalogue`` imports them all)."""


class Primitive(BaseModel):
    """A guarded action with validated parameters. Frozen data: print it, log it, replay it.

    Subclasses define ``name``, the parameters, and ``_do``; where an inverse exists, ``_undo``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: ClassVar[str] = ""
    channel: ClassVar[int] = ARM_CHANNEL

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: object) -> None:
        """Register the primitive under its name."""
        if cls.name:
            PRIMITIVES[cls.name] = cls

    def check(self, cell: StowCell) -> list[str]:
        """Return the unmet preconditions in words; empty when it may run. Moves nothing."""
        del cell
        return []

    def preview(self, cell: StowCell) -> PrimitivePreview:
        """Say what would move. Moves nothing."""
        raise NotImplementedError

    async def run(self, cell: StowCell) -> PrimitiveReport:
        """Check, then act. Returns a report whatever happens to the motion; the arm then stands.

        Raises:
            StoppedByOperator: a person asked for a stop.
        """
        trace = Trace(cell, self.channel)
        started_s = cell.session.state.time_s
        unmet = self.check(cell)
        if unmet:
            return self._report(trace, started_s, Result.REFUSED, f"not begun: {'; '.join(unmet)}")
        try:
            words = await self._do(cell, trace)
            return self._report(trace, started_s, Result.DONE, words)
        except Unsuccessful as end:
            return self._report(trace, started_s, Result.FAILED, str(end))
        except (LimitError, StateError, PlanningError, PerceptionError, DeviceError) as error:
            result = Result.FAILED if trace.outcomes else Result.REFUSED
            return self._report(trace, started_s, result, str(error))

    async def undo(self, cell: StowCell) -> PrimitiveReport | None:
        """Take the action back, guarded; None when it has no inverse or there is nothing to take back."""
        trace = Trace(cell, self.channel)
        started_s = cell.session.state.time_s
        try:
            words = await self._undo(cell, trace)
            return None if words is None else self._report(trace, started_s, Result.DONE, words, "undo ")
        except Unsuccessful as end:
            return self._report(trace, started_s, Result.FAILED, str(end), "undo ")
        except (LimitError, StateError, PlanningError, DeviceError) as error:
            return self._report(trace, started_s, Result.FAILED, str(error), "undo ")

    async def _do(self, cell: StowCell, trace: Trace) -> str:
        """Act and return what was done in words; raise Unsuccessful otherwise."""
        raise NotImplementedError

    async def _undo(self, cell: StowCell, trace: Trace) -> str | None:
        """Act backwards; None when there is nothing to do. The default has no inverse."""
        del cell, trace
        return None

    def force_limit(self, cell: StowCell) -> float:
        """Return the limit on the filtered |F| while it acts [N]."""
        return cell.station.forces.transfer_n

    def _report(self, trace: Trace, started_s: float, result: Result, words: str, prefix: str = "") -> PrimitiveReport:
        outcomes = tuple(trace.outcomes)
        return PrimitiveReport(
            name=prefix + self.name,
            result=result,
            words=words,
            channel=self.channel,
            outcomes=outcomes,
            started_s=started_s,
            ended_s=trace.cell.session.state.time_s,
            peak_force_n=max((o.peak_raw_force_norm_n for o in outcomes), default=0.0),
            peak_filtered_force_n=max((o.peak_force_norm_n for o in outcomes), default=0.0),
            max_force_ratio=max((o.max_force_ratio for o in outcomes), default=0.0),
            force_limit_n=self.force_limit(trace.cell) if self.channel == ARM_CHANNEL else inf,
            data=dict(trace.data),
        )


def to_pose(rows: Matrix) -> Pose:
    """Return a (4, 4) pose from a parameter."""
    X = pose()
    X[:, :] = rows
    return X
