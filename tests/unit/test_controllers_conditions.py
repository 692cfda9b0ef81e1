"""Conditions: postfix programs mean what the expressions say, and mistakes get a message that teaches."""

import math
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podhand.controllers.conditions import (
    MAX_NODES,
    Condition,
    Expr,
    Node,
    Op,
    Quantity,
    Signal,
    axis,
    ft,
    progress,
    slow,
    time,
    tool,
)
from podhand.core.exchange import Axis, SlowSignal

QUANTITIES: list[Quantity] = [ft.force.x, ft.force.norm, ft.torque.z, tool.travel, tool.position.y, time, progress,
                              axis(Axis.BLADE).force, slow(SlowSignal.MOUTH_BLOCKED)]  # fmt: skip
Readings = dict[tuple[Signal, int], float]
Judge = Callable[[Readings], bool]


def expressions() -> st.SearchStrategy[tuple[Expr, Judge]]:
    """Expressions beside a judgement written in plain Python."""

    def comparison(which: int, absolute: bool, greater: bool, value: float) -> tuple[Expr, Judge]:
        q = abs(QUANTITIES[which]) if absolute else QUANTITIES[which]
        key = (q.signal, q.index)

        def judge(readings: Readings) -> bool:
            reading = abs(readings[key]) if absolute else readings[key]
            return reading > value if greater else reading < value

        return (q > value if greater else q < value), judge

    leaf = st.builds(comparison, st.integers(0, len(QUANTITIES) - 1), st.booleans(), st.booleans(), st.floats(-3, 3))

    def grow(inner: st.SearchStrategy[tuple[Expr, Judge]]) -> st.SearchStrategy[tuple[Expr, Judge]]:
        both = st.tuples(inner, inner)
        return st.one_of(
            both.map(lambda p: (p[0][0] & p[1][0], lambda r: p[0][1](r) and p[1][1](r))),
            both.map(lambda p: (p[0][0] | p[1][0], lambda r: p[0][1](r) or p[1][1](r))),
            inner.map(lambda e: (~e[0], lambda r: not e[1](r))),
        )

    return st.recursive(leaf, grow, max_leaves=6)


def evaluate(nodes: Sequence[Node], readings: Readings) -> bool:
    """Judge a postfix program as the kernel's documentation says."""
    stack: list[bool] = []
    for node in nodes:
        if node.op in (Op.GREATER, Op.LESS):
            value = readings[(node.signal, node.index)]
            value = abs(value) if node.absolute else value
            stack.append(value > node.value if node.op is Op.GREATER else value < node.value)
        elif node.op is Op.NOT:
            stack.append(not stack.pop())
        else:
            right, left = stack.pop(), stack.pop()
            stack.append((left and right) if node.op is Op.AND else (left or right))
    (result,) = stack
    return result


@given(expressions(), st.lists(st.floats(-4, 4), min_size=len(QUANTITIES), max_size=len(QUANTITIES)))
def test_programs_mean_what_expressions_say(made: tuple[Expr, Judge], values: list[float]) -> None:
    expression, judge = made
    readings = {(q.signal, q.index): v for q, v in zip(QUANTITIES, values, strict=True)}
    nodes = expression.nodes()
    assert evaluate(nodes, readings) == judge(readings)
    if len(nodes) <= MAX_NODES:
        assert Condition.of(expression).nodes() == nodes
    else:
        with pytest.raises(ValueError, match=f"has {len(nodes)} nodes, at most 12 fit"):
            Condition.of(expression)


def test_words_read_like_a_sentence() -> None:
    stalled = ((tool.travel_speed < 0.003) & (ft.force.norm > 8.0)).for_(0.3)
    assert stalled.in_words() == "travel speed < 0.003 m/s and |force| > 8 N for 300 ms"
    assert (~(abs(ft.force.y) > 12)).in_words() == "not |force.y| > 12 N"
    assert (axis(Axis.ARM_2).force > 3).in_words() == "arm_2 force > 3 N m"


def test_hysteresis_reaches_every_comparison() -> None:
    nodes = ((ft.force.x > 1) & ~(ft.force.y < 2)).hysteresis(0.5).nodes()
    assert [n.hysteresis for n in nodes if n.op in (Op.GREATER, Op.LESS)] == [0.5, 0.5]
    assert [n.op for n in (ft.force.x > 1).rising().nodes()] == [Op.GREATER, Op.RISING]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: bool(ft.force.x > 1), "& | ~"),
        (lambda: 0 < ft.force.x < 1, "no value in Python"),
        (lambda: (ft.force.x > 1) and (ft.force.y > 1), "no value in Python"),
        (lambda: ft.force.x >= 1, "use > or <"),
        (lambda: (ft.force.x > 1) & ft.force.y, "operand of &"),  # type: ignore[operator]
        (lambda: (ft.force.x > 1) & (ft.force.y > 1).for_(0.1), "use it last"),  # type: ignore[operator]
        (lambda: ft.force.x > ft.force.y, "with a number only"),  # type: ignore[operator]
        (lambda: Condition.of(3.0, "until 'hit'"), "until 'hit' must be a condition"),  # type: ignore[arg-type]
    ],
)
def test_mistakes_are_type_errors_that_teach(make: Callable[[], object], message: str) -> None:
    with pytest.raises(TypeError, match=message.replace("|", r"\|")):
        make()


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_thresholds_must_be_finite(value: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        _ = ft.force.x > value
    with pytest.raises(ValueError, match="finite"):
        (ft.force.x > 1).for_(value)
    with pytest.raises(ValueError, match="finite"):
        (ft.force.x > 1).hysteresis(value)
