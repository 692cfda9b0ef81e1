"""Conditions: what ends, allows or aborts a segment, written as expressions and judged by the kernel in every tick.

::

    pressed = (abs(ft.force.y) > 12.0).hysteresis(1.0)
    stalled = ((tool.travel_speed < 0.003) & (ft.force.norm > 8.0)).for_(0.3)

An expression is a tree of comparisons joined by ``&``, ``|`` and ``~``. It is compiled to a postfix program of at most
``MAX_NODES`` nodes. Units are SI; forces are those the world exerts on the tool, filtered, in the segment's frame.
"""

from dataclasses import dataclass, replace
from enum import IntEnum
from math import isfinite
from typing import Final, NoReturn

from podhand.core.exchange import Axis, SlowSignal

__all__ = ["MAX_NODES", "Condition", "Expr", "Node", "Op", "Quantity", "Signal", "axis", "ft", "progress", "slow",
           "time", "tool"]  # fmt: skip

MAX_NODES: Final = 12


class Signal(IntEnum):
    """What a comparison looks at; the numbers are the kernel's (``segment.hpp``)."""

    FORCE = 0
    FORCE_NORM = 1
    TORQUE_NORM = 2
    FORCE_RATE = 3
    TOOL_POSITION = 4
    TOOL_SPEED = 5
    TRAVEL = 6
    PROGRESS = 7
    TIME = 8
    AXIS_POSITION = 9
    AXIS_SPEED = 10
    AXIS_FORCE = 11
    SLOW = 12
    DEVIATION = 13
    TRAVEL_SPEED = 14


class Op(IntEnum):
    """Operation of a node; the numbers are the kernel's (``segment.hpp``)."""

    GREATER = 0
    LESS = 1
    AND = 2
    OR = 3
    NOT = 4
    RISING = 5


_LOGIC_WORDS = {Op.AND: "and", Op.OR: "or"}


@dataclass(frozen=True, kw_only=True)
class Node:
    """One step of the postfix program: a comparison pushes a boolean, logic pops and pushes."""

    op: Op
    signal: Signal = Signal.FORCE
    index: int = 0
    absolute: bool = False
    value: float = 0.0
    hysteresis: float = 0.0


class Expr:
    """A boolean expression over signals. Build it with ``>``, ``<``, ``&``, ``|``, ``~``; never with ``and``/``or``."""

    def __and__(self, other: "Expr") -> "Expr":
        return _Binary(op=Op.AND, left=_operand(self, "&"), right=_operand(other, "&"))

    def __or__(self, other: "Expr") -> "Expr":
        return _Binary(op=Op.OR, left=_operand(self, "|"), right=_operand(other, "|"))

    def __invert__(self) -> "Expr":
        return _Unary(op=Op.NOT, body=_operand(self, "~"))

    def __bool__(self) -> NoReturn:
        raise TypeError(
            f"the condition '{self.in_words()}' has no value in Python, the kernel judges it: join conditions with "
            "& | ~ and brackets, not with 'and', 'or', 'not' or a chain like 1 < x < 2"
        )

    def rising(self) -> "Expr":
        """Return a condition that is true in the one tick in which this one becomes true."""
        return _Unary(op=Op.RISING, body=_operand(self, "rising()"))

    def hysteresis(self, band: float) -> "Expr":
        """Return this expression with each comparison, once true, staying true until the signal is back by ``band``.

        ``band`` has the unit of the compared signals. Raises ValueError unless it is finite and not negative.
        """
        if not (isfinite(band) and band >= 0.0):
            raise ValueError(f"hysteresis of '{self.in_words()}' must be finite and >= 0 (got {band})")
        return self._with_hysteresis(float(band))

    def for_(self, seconds: float) -> "Condition":
        """Return a condition that needs this expression to hold ``seconds`` without a break.

        Raises ValueError unless it is finite and not negative.
        """
        return Condition(expression=self, debounce_s=float(seconds))

    def in_words(self) -> str:
        """Return the expression as a person would write it."""
        raise NotImplementedError

    def nodes(self) -> tuple[Node, ...]:
        """Return the postfix program, however long."""
        raise NotImplementedError

    def _with_hysteresis(self, band: float) -> "Expr":
        raise NotImplementedError


def _operand(value: object, operator: str) -> Expr:
    if isinstance(value, Expr):
        return value
    hint = ": for_() belongs to the whole condition, use it last" if isinstance(value, Condition) else ""
    raise TypeError(f"operand of {operator} must be a condition such as ft.force.x > 12.0 (got {value!r}){hint}")


@dataclass(frozen=True, kw_only=True)
class _Comparison(Expr):
    quantity: "Quantity"
    op: Op
    value: float
    band: float = 0.0

    def in_words(self) -> str:
        sign = ">" if self.op is Op.GREATER else "<"
        return f"{self.quantity.name} {sign} {self.value:g}{self.quantity.unit and ' ' + self.quantity.unit}"

    def nodes(self) -> tuple[Node, ...]:
        q = self.quantity
        return (
            Node(op=self.op, signal=q.signal, index=q.index, absolute=q.absolute, value=self.value,
                 hysteresis=self.band),
        )  # fmt: skip

    def _with_hysteresis(self, band: float) -> Expr:
        return replace(self, band=band)


@dataclass(frozen=True, kw_only=True)
class _Binary(Expr):
    op: Op
    left: Expr
    right: Expr

    def in_words(self) -> str:
        return f"({self.left.in_words()} {_LOGIC_WORDS[self.op]} {self.right.in_words()})"

    def nodes(self) -> tuple[Node, ...]:
        return (*self.left.nodes(), *self.right.nodes(), Node(op=self.op))

    def _with_hysteresis(self, band: float) -> Expr:
        return replace(self, left=self.left.hysteresis(band), right=self.right.hysteresis(band))


@dataclass(frozen=True, kw_only=True)
class _Unary(Expr):
    op: Op
    body: Expr

    def in_words(self) -> str:
        return f"{'not' if self.op is Op.NOT else 'newly'} {self.body.in_words()}"

    def nodes(self) -> tuple[Node, ...]:
        return (*self.body.nodes(), Node(op=self.op))

    def _with_hysteresis(self, band: float) -> Expr:
        return replace(self, body=self.body.hysteresis(band))


@dataclass(frozen=True, kw_only=True)
class Condition:
    """An expression with its debounce time, as the kernel takes it."""

    expression: Expr
    debounce_s: float = 0.0

    def __post_init__(self) -> None:
        if not (isfinite(self.debounce_s) and self.debounce_s >= 0.0):
            raise ValueError(
                f"debounce of '{self.expression.in_words()}' must be finite and >= 0 s (got {self.debounce_s})"
            )

    @classmethod
    def of(cls, value: "Condition | Expr", where: str = "condition") -> "Condition":
        """Return a condition from an expression or a condition; ``where`` names it in messages.

        Raises TypeError for anything else and ValueError when it is longer than the kernel takes.
        """
        if not isinstance(value, Expr | Condition):
            raise TypeError(f"{where} must be a condition such as ft.force.x > 12.0 (got {value!r})")
        condition = value if isinstance(value, Condition) else cls(expression=value)
        count = len(condition.expression.nodes())
        if count > MAX_NODES:
            raise ValueError(
                f"{where} has {count} nodes, at most {MAX_NODES} fit: every comparison, &, | and ~ counts one; split "
                f"it into several conditions ({condition.in_words()})"
            )
        return condition

    def nodes(self) -> tuple[Node, ...]:
        """Return the postfix program."""
        return self.expression.nodes()

    def in_words(self) -> str:
        """Return the condition as a person would say it."""
        text = self.expression.in_words()
        if text.startswith("(") and isinstance(self.expression, _Binary):
            text = text[1:-1]
        return f"{text} for {self.debounce_s * 1000:g} ms" if self.debounce_s else text

    def __bool__(self) -> NoReturn:
        raise TypeError(f"the condition '{self.in_words()}' has no value in Python, the kernel judges it")


@dataclass(frozen=True, kw_only=True)
class Quantity:
    """One signal of the cell; compare it with ``>`` or ``<`` and a number."""

    signal: Signal
    index: int = 0
    absolute: bool = False
    name: str
    unit: str

    def __gt__(self, value: float) -> Expr:
        return self._compare(Op.GREATER, value)

    def __lt__(self, value: float) -> Expr:
        return self._compare(Op.LESS, value)

    def __ge__(self, value: float) -> NoReturn:
        raise TypeError(f"{self.name}: use > or <, real signals are never compared for equality")

    def __le__(self, value: float) -> NoReturn:
        self.__ge__(value)

    def __abs__(self) -> "Quantity":
        return replace(self, absolute=True, name=f"|{self.name}|")

    def _compare(self, op: Op, value: float) -> Expr:
        if isinstance(value, Quantity | Expr | Condition):
            raise TypeError(f"{self.name} can be compared with a number only (got {value!r})")
        if not isfinite(value):
            raise ValueError(f"{self.name} must be compared with a finite number (got {value})")
        return _Comparison(quantity=self, op=op, value=float(value))


def _vector(signal: Signal, name: str, unit: str, first: int) -> tuple[Quantity, Quantity, Quantity]:
    x, y, z = (Quantity(signal=signal, index=first + i, name=f"{name}.{c}", unit=unit) for i, c in enumerate("xyz"))
    return x, y, z


class _Force:
    """Force on the tool, filtered and compensated, in the segment's frame [N]."""

    x, y, z = _vector(Signal.FORCE, "force", "N", 0)
    norm = Quantity(signal=Signal.FORCE_NORM, name="|force|", unit="N")
    rate = Quantity(signal=Signal.FORCE_RATE, name="d|force|/dt", unit="N/s")


class _Torque:
    """Torque on the tool at its origin, in the segment's frame [N m]."""

    x, y, z = _vector(Signal.FORCE, "torque", "N m", 3)
    norm = Quantity(signal=Signal.TORQUE_NORM, name="|torque|", unit="N m")


class _Ft:
    """The force/torque signal."""

    force = _Force()
    torque = _Torque()


class _ToolPosition:
    """Measured tool origin in the segment's frame [m]."""

    x, y, z = _vector(Signal.TOOL_POSITION, "tool.position", "m", 0)


class _Tool:
    """The tool as measured."""

    position = _ToolPosition()
    speed = Quantity(signal=Signal.TOOL_SPEED, name="tool speed", unit="m/s")
    travel = Quantity(signal=Signal.TRAVEL, name="travel", unit="m")
    """Distance from the tool's place at the segment's start."""
    travel_speed = Quantity(signal=Signal.TRAVEL_SPEED, name="travel speed", unit="m/s")
    """Measured speed along the commanded direction."""
    deviation = Quantity(signal=Signal.DEVIATION, name="deviation", unit="m")
    """Distance between the commanded tool origin and its reference."""


class _AxisQuantities:
    """Measured position, speed and drive force of one axis."""

    def __init__(self, which: Axis) -> None:
        name = which.name.lower()
        rotary = which <= Axis.ARM_6
        length, force = ("rad", "N m") if rotary else ("m", "N")
        self.position = Quantity(signal=Signal.AXIS_POSITION, index=which, name=f"{name} position", unit=length)
        self.speed = Quantity(signal=Signal.AXIS_SPEED, index=which, name=f"{name} speed", unit=f"{length}/s")
        self.force = Quantity(signal=Signal.AXIS_FORCE, index=which, name=f"{name} force", unit=force)


ft = _Ft()
tool = _Tool()
time = Quantity(signal=Signal.TIME, name="time", unit="s")
"""Time in the segment."""
progress = Quantity(signal=Signal.PROGRESS, name="progress", unit="")
"""Path progress of the channel, 0 to 1."""


def axis(which: Axis) -> _AxisQuantities:
    """Return the measured quantities of an axis; belts: distance travelled [m] and surface speed [m/s]."""
    return _AxisQuantities(Axis(which))


def slow(which: SlowSignal) -> Quantity:
    """Return a slow signal: pressure [Pa], or 0 and 1 for switches (compare with 0.5)."""
    which = SlowSignal(which)
    unit = "Pa" if which is SlowSignal.VACUUM_PRESSURE else ""
    return Quantity(signal=Signal.SLOW, index=which, name=which.name.lower().replace("_", " "), unit=unit)
