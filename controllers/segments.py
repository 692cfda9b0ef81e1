"""Segments and chains: what the kernel is asked to do, as frozen data.

A segment holds one reference per axis group, a law per Cartesian axis of a named frame, and the four things that are
never mixed: *limits* cap, an *until* ends the segment normally, a *reflex* aborts it, the *hard stop* is the drive's.
``compile_chain`` turns a chain into the kernel's records; the kernel judges the chain as a whole before it takes it.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from math import inf
from types import MappingProxyType
from typing import Any, Final, NamedTuple, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from podhand import _kernel
from podhand.controllers.conditions import MAX_NODES, Condition, Expr
from podhand.core.exchange import GROUP_AXES, Axis, Group
from podhand.core.poses import FloatArray, Pose, pack_pose
from podhand.core.station import Station

__all__ = ["ARM_CHANNEL", "BAND_CHANNEL", "AxisForce", "Chain", "CompiledChain", "Compliant", "DigitalAction",
           "ForceLaw", "Hold", "JointProfile", "Law", "Line", "OnEnd", "Phase", "Reflex", "Rigid", "Segment",
           "SegmentLimits", "Target", "Twist", "compile_chain"]  # fmt: skip

ARM_CHANNEL: Final = 0
"""Channel of arm, paddles, belts and blade."""
BAND_CHANNEL: Final = 1
"""Channel of the band arm."""
MAX_SEGMENTS: Final = 12
MAX_PHASES: Final = 16
_MAX_CONDITIONS: Final = 6
_MAX_REQUIRES: Final = 2
_MAX_DIGITAL: Final = 4
_MAX_JOINTS: Final = 7


class Phase(NamedTuple):
    """A piece of constant jerk: p + v t + a t^2/2 + j t^3/6 with t counted from ``t0_s``."""

    t0_s: float
    p: float
    v: float
    a: float
    j: float


Phases: TypeAlias = tuple[Phase, ...]


def sample_phases(phases: Phases, t_s: float) -> float:
    """Return the position of a profile at ``t_s`` (before its start: the start)."""
    current = phases[0]
    for phase in phases:
        if phase.t0_s <= t_s:
            current = phase
    t = max(0.0, t_s - current.t0_s)
    return current.p + t * (current.v + t * (current.a / 2 + t * current.j / 6))


# ---- references -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Hold:
    """Stay at the present set-point; belts keep standing."""


@dataclass(frozen=True, kw_only=True)
class JointProfile:
    """Arm or band arm: joint positions played from constant-jerk phases. Made by ``trajectories``."""

    phases: tuple[Phases, ...]
    """Per joint, at most ``MAX_PHASES`` each."""
    duration_s: float

    def sample(self, t_s: float) -> FloatArray:
        """Return the joint positions (n,) at a time [rad or m]; after the end: the last ones."""
        return np.array([sample_phases(phases, min(t_s, self.duration_s)) for phases in self.phases])


@dataclass(frozen=True, kw_only=True, eq=False)
class Line:
    """Arm: straight line and shortest rotation between two poses. Made by ``trajectories.line``.

    The kernel refuses to start it when the commanded pose is more than 2 mm or 1 deg from ``X_base_start``.
    """

    X_base_start: Pose
    X_base_goal: Pose
    progress: Phases
    """0 to 1."""
    duration_s: float


@dataclass(frozen=True, kw_only=True)
class Twist:
    """Arm: constant twist of the tool in the segment's frame, ramped within the segment's limits."""

    v_m_s: tuple[float, float, float] = (0.0, 0.0, 0.0)
    w_rad_s: tuple[float, float, float] = (0.0, 0.0, 0.0)


@dataclass(frozen=True, kw_only=True)
class Target:
    """Squeeze, blade, band arm: go to positions [m]. Belts: run at speeds [m/s]. One value per axis of the group."""

    values: tuple[float, ...]
    max_speed_m_s: float
    """Cap of the speed on the way; for belts the cap of the belt speed."""
    speed_up_m_s2: float = 0.0
    """Belts: acceleration while they get faster, so that what they hold does not slip; 0: that of the axis."""
    slow_down_m_s2: float = 0.0
    """Belts: the same while they get slower, stops included: what is heavy pushes on when it is stopped."""


@dataclass(frozen=True, kw_only=True)
class AxisForce:
    """Squeeze, blade: exert a force at the drive, moving at most at a speed.

    The sign is that of the axis: a positive squeeze force opens the paddles, a negative one closes them.
    """

    force_n: float
    max_speed_m_s: float


ArmReference: TypeAlias = Hold | JointProfile | Line | Twist
AxisReference: TypeAlias = Hold | Target | AxisForce

# ---- laws, limits, endings --------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Rigid:
    """Follow the reference."""


@dataclass(frozen=True, kw_only=True)
class Compliant:
    """Give way: M a + D v + K x = F about the reference. D is given, never derived from K."""

    mass: float
    """[kg or kg m^2]."""
    damping: float
    """[N s/m or N m s/rad]."""
    stiffness: float = 0.0
    """[N/m or N m/rad]."""


@dataclass(frozen=True, kw_only=True)
class ForceLaw:
    """Seek a component of the wrench on the tool at a limited speed."""

    force: float
    """[N or N m]."""
    damping: float
    """[N s/m or N m s/rad]."""
    max_speed: float
    """[m/s or rad/s]."""


Law: TypeAlias = Rigid | Compliant | ForceLaw


class OnEnd(IntEnum):
    """What follows the normal end of a segment."""

    HOLD = 0
    RAMP_STOP = 1
    NEXT = 2


@dataclass(frozen=True, kw_only=True)
class SegmentLimits:
    """Caps of one segment, on the filtered wrench and the commanded motion. They can only tighten the station's."""

    force_norm_n: float
    torque_norm_n_m: float
    speed_m_s: float
    acceleration_m_s2: float
    jerk_m_s3: float
    angular_speed_rad_s: float
    damping_n_s_m: float
    """D of the yield: above 80 % of a force limit the tool gives way at (F - 0.8 limit) / D."""
    contact_stiffness_n_m: float
    """Declared stiffness of what may be touched, for damping gate and approach speed; 0: free space, no cap."""
    force_n: tuple[float, float, float] = (inf, inf, inf)
    """Per axis of the segment's frame."""
    axis_force: Mapping[Axis, float] = field(default_factory=dict)
    """|tau| of single axes [N m or N]; others: the station's."""

    @classmethod
    def for_station(
        cls,
        station: Station,
        *,
        force_norm_n: float,
        speed_m_s: float | None = None,
        acceleration_m_s2: float = 2.0,
        jerk_m_s3: float = 40.0,
        angular_speed_rad_s: float = 1.5,
        damping_n_s_m: float = 500.0,
        contact_stiffness_n_m: float = 2000.0,
        force_n: tuple[float, float, float] = (inf, inf, inf),
        axis_force: Mapping[Axis, float] = MappingProxyType({}),
    ) -> Self:
        """Return limits with the station's torque and speed caps where nothing tighter is asked for."""
        return cls(
            force_norm_n=force_norm_n,
            torque_norm_n_m=station.safety.max_torque_norm_n_m,
            speed_m_s=station.safety.max_tool_speed_m_s if speed_m_s is None else speed_m_s,
            acceleration_m_s2=acceleration_m_s2,
            jerk_m_s3=jerk_m_s3,
            angular_speed_rad_s=angular_speed_rad_s,
            damping_n_s_m=damping_n_s_m,
            contact_stiffness_n_m=contact_stiffness_n_m,
            force_n=force_n,
            axis_force=dict(axis_force),
        )


@dataclass(frozen=True, kw_only=True)
class Reflex:
    """A condition that aborts: stop, or stop and retreat at most 5 mm against the contact force."""

    condition: Condition | Expr
    retreat_m: float = 0.0


@dataclass(frozen=True, kw_only=True)
class DigitalAction:
    """A digital output that changes at a time in the segment."""

    at_s: float
    bit: int
    value: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class Segment:
    """One guarded piece of motion. ``timeout_s`` and ``limits`` have no default.

    ``until`` and ``reflexes`` are named; the name comes back in the Outcome, first true wins in the order given.
    """

    name: str
    limits: SegmentLimits
    timeout_s: float
    arm: ArmReference = Hold()
    squeeze: AxisReference = Hold()
    belts: Hold | Target = Hold()
    blade: AxisReference = Hold()
    band_arm: Hold | JointProfile | Target = Hold()
    law: Law | tuple[Law, Law, Law, Law, Law, Law] = Rigid()
    """One for all, or one per axis of the frame: x, y, z, turns about x, y, z."""
    X_base_frame: Pose | None = None
    """Frame of laws, limits and conditions, fixed in base; None: the tool's own."""
    until: Mapping[str, Condition | Expr] = field(default_factory=dict)
    require: Mapping[str, Condition | Expr] = field(default_factory=dict)
    """At most two; judged in the first tick."""
    reflexes: Mapping[str, Reflex] = field(default_factory=dict)
    digital: tuple[DigitalAction, ...] = ()
    on_end: OnEnd = OnEnd.NEXT
    tare: bool = False
    """At the normal end the mean compensated wrench becomes the bias; the arm must hold."""
    continue_other: bool = False
    """Keep running when the other channel ends by reflex or fault."""
    payload: int = 0


Chain: TypeAlias = Sequence[Segment]


@dataclass(frozen=True, kw_only=True, eq=False)
class CompiledChain:
    """A chain as the kernel takes it, with the names that its outcomes are told in."""

    records: NDArray[np.void]
    """(n,) of the kernel's segment layout."""
    segments: tuple[str, ...]
    conditions: Mapping[int, str]
    """Name of an until, reflex or precondition by its code."""
    words: Mapping[int, str]
    """The condition itself by its code."""


# ---- compilation ------------------------------------------------------------------------------------------------


def compile_chain(chain: Chain, *, tag: int = 0, expects: Collection[str] = ()) -> CompiledChain:
    """Turn a chain into the kernel's records.

    Args:
        chain: the segments.
        tag: recorded with every segment.
        expects: names of reflexes that are part of the plan: they stop as any other, but are no faults.

    Raises:
        ValueError: something does not fit the fixed sizes of a record; names the segment. Physical rules (limits,
            gains, frames) are the kernel's to judge.
    """
    if not 1 <= len(chain) <= MAX_SEGMENTS:
        raise ValueError(f"a chain takes 1 to {MAX_SEGMENTS} segments (got {len(chain)}): run it in two parts")
    records = np.zeros(len(chain), dtype=_kernel.SEGMENT_DTYPE)
    book = _Codes()
    for index, segment in enumerate(chain):
        try:
            _fill_segment(records[index], segment, book, tag, expects)
        except (ValueError, TypeError) as error:
            raise type(error)(f"segment {index} ('{segment.name}'): {error}") from error
    return CompiledChain(
        records=records,
        segments=tuple(segment.name for segment in chain),
        conditions=MappingProxyType(book.names),
        words=MappingProxyType(book.words),
    )


class _Codes:
    """Numbers the named conditions of a chain from 1 on; 0 means no name."""

    def __init__(self) -> None:
        self.names: dict[int, str] = {}
        self.words: dict[int, str] = {}

    def add(self, name: str, condition: Condition) -> int:
        code = len(self.names) + 1
        self.names[code] = name
        self.words[code] = condition.in_words()
        return code


def _fill_segment(record: Any, segment: Segment, book: _Codes, tag: int, expects: Collection[str]) -> None:
    references = (segment.arm, segment.squeeze, segment.belts, segment.blade, segment.band_arm)
    for group, reference in zip(Group, references, strict=True):
        _fill_reference(record["reference"][group], reference, group)
    laws = segment.law if isinstance(segment.law, tuple) else (segment.law,) * 6
    if len(laws) != 6:
        raise ValueError(f"law takes one law, or six: x, y, z and the turns about them (got {len(laws)})")
    for row, law in zip(record["law"], laws, strict=True):
        _fill_law(row, law)
    _fill_limits(record["limits"], segment.limits)
    _fill_conditions(record["until"], segment.until, "until", book, _MAX_CONDITIONS)
    _fill_conditions(record["require"], segment.require, "require", book, _MAX_REQUIRES)
    reflexes = {name: reflex.condition for name, reflex in segment.reflexes.items()}
    _fill_conditions(record["reflex"]["condition"], reflexes, "reflex", book, _MAX_CONDITIONS)
    for row, (name, reflex) in zip(record["reflex"], segment.reflexes.items(), strict=False):
        row["reaction"] = 1 if reflex.retreat_m > 0.0 else 0
        row["expected"] = name in expects
        row["retreat_m"] = reflex.retreat_m
    _fill_digital(record["digital"], segment.digital)
    record["X_base_frame"] = pack_pose(np.eye(4) if segment.X_base_frame is None else segment.X_base_frame)
    record["frame"] = 0 if segment.X_base_frame is None else 1
    record["timeout_s"] = segment.timeout_s
    record["on_end"] = segment.on_end
    record["tare"] = segment.tare
    record["continue_other"] = segment.continue_other
    record["payload"] = segment.payload
    record["tag"] = tag


def _fill_reference(row: Any, reference: object, group: Group) -> None:
    match reference:
        case Hold():
            row["kind"] = 0
        case JointProfile():
            _fill_profile(row, reference, group)
        case Line():
            row["kind"] = 2
            row["X_base_start"] = pack_pose(reference.X_base_start)
            row["X_base_goal"] = pack_pose(reference.X_base_goal)
            row["duration_s"] = reference.duration_s
            _fill_phases(row, 0, reference.progress)
        case Twist():
            row["kind"] = 3
            row["twist"] = (*reference.v_m_s, *reference.w_rad_s)
        case Target():
            wanted = len(GROUP_AXES[group])
            if len(reference.values) != wanted:
                raise ValueError(f"target of {group.name.lower()} takes {wanted} values (got {len(reference.values)})")
            row["kind"] = 4
            row["target"][:wanted] = reference.values
            row["target_speed"] = reference.max_speed_m_s
            row["speed_up"] = reference.speed_up_m_s2
            row["slow_down"] = reference.slow_down_m_s2
        case AxisForce():
            row["kind"] = 5
            row["force_n"] = reference.force_n
            row["target_speed"] = reference.max_speed_m_s
        case _:
            raise TypeError(f"reference of {group.name.lower()} is none of the reference types (got {reference!r})")


def _fill_profile(row: Any, profile: JointProfile, group: Group) -> None:
    most = len(GROUP_AXES[group])
    if not 1 <= len(profile.phases) <= most:
        raise ValueError(f"profile of {group.name.lower()} takes 1 to {most} joints (got {len(profile.phases)})")
    row["kind"] = 1
    row["dof"] = len(profile.phases)
    row["duration_s"] = profile.duration_s
    for joint, phases in enumerate(profile.phases):
        _fill_phases(row, joint, phases)


def _fill_phases(row: Any, index: int, phases: Phases) -> None:
    if not 1 <= len(phases) <= MAX_PHASES:
        raise ValueError(f"a profile takes 1 to {MAX_PHASES} phases (got {len(phases)}): split the path")
    row["phase_count"][index] = len(phases)
    table = row["phases"][index]
    for name, column in zip(Phase._fields, zip(*phases, strict=True), strict=True):
        table[name][: len(phases)] = column


def _fill_law(row: Any, law: Law) -> None:
    match law:
        case Rigid():
            row["law"] = 0
        case Compliant():
            row["law"] = 1
            row["mass"], row["damping"], row["stiffness"] = law.mass, law.damping, law.stiffness
        case ForceLaw():
            row["law"] = 2
            row["force"], row["damping"], row["max_speed"] = law.force, law.damping, law.max_speed
        case _:
            raise TypeError(f"law is none of Rigid, Compliant, ForceLaw (got {law!r})")


def _fill_limits(row: Any, limits: SegmentLimits) -> None:
    for name in ("force_n", "force_norm_n", "torque_norm_n_m", "speed_m_s", "acceleration_m_s2", "jerk_m_s3",
                 "angular_speed_rad_s", "contact_stiffness_n_m", "damping_n_s_m"):  # fmt: skip
        row[name] = getattr(limits, name)
    row["axis_force"] = inf
    for which, force in limits.axis_force.items():
        row["axis_force"][which] = force


def _fill_conditions(rows: Any, conditions: Mapping[str, Condition | Expr], kind: str, book: _Codes, most: int) -> None:
    if len(conditions) > most:
        raise ValueError(f"at most {most} {kind} conditions fit (got {len(conditions)})")
    for row, (name, value) in zip(rows, conditions.items(), strict=False):
        condition = Condition.of(value, f"{kind} '{name}'")
        nodes = condition.nodes()
        row["node_count"] = len(nodes)
        row["debounce_s"] = condition.debounce_s
        row["code"] = book.add(name, condition)
        for target, node in zip(row["nodes"][:MAX_NODES], nodes, strict=False):
            target["op"], target["signal"], target["index"] = node.op, node.signal, node.index
            target["absolute"], target["value"], target["hysteresis"] = node.absolute, node.value, node.hysteresis


def _fill_digital(rows: Any, actions: tuple[DigitalAction, ...]) -> None:
    if len(actions) > _MAX_DIGITAL:
        raise ValueError(f"at most {_MAX_DIGITAL} digital actions fit (got {len(actions)})")
    for row, action in zip(rows, actions, strict=False):
        row["at_s"], row["bit"], row["value"], row["used"] = action.at_s, action.bit, action.value, 1
