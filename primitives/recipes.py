"""Recipes: primitives combined into a tree that is plain data, so it can be printed, logged, checked and replayed.

Nodes: ``Step`` (one primitive), ``Seq`` (one after the other), ``Par`` (side by side, on different channels),
``Retry``, ``Fallback`` (the second when the first fails), ``Guarded`` (on failure do something else, and fail).

When a node fails, what it had done is taken back in reverse order as far as primitives declare an inverse, the failed
step first; each inverse is guarded itself, and the first one that fails ends the taking back. Where the item is then
is part of the report.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from podhand.core.errors import LimitError
from podhand.primitives.base import Primitive, PrimitivePreview, PrimitiveReport
from podhand.primitives.catalogue import PRIMITIVES, make_primitive
from podhand.primitives.cell import StowCell

__all__ = ["Fallback", "Guarded", "Node", "Par", "Recipe", "RecipeReport", "Retry", "Seq", "Step", "fallback",
           "guarded", "load_recipe", "par", "retry", "run_recipe", "seq", "step", "steps_of"]  # fmt: skip


class _Node(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Step(_Node):
    """One primitive with its parameters, checked when the step is made."""

    do: Literal["step"] = "step"
    primitive: str
    params: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _valid(self) -> "Step":
        self.make()
        return self

    def make(self) -> Primitive:
        """Build the primitive. Raises LimitError, with every finding, when it cannot be."""
        return make_primitive(self.primitive, self.params)


class Seq(_Node):
    """One after the other."""

    do: Literal["seq"] = "seq"
    body: tuple["Node", ...] = Field(min_length=1)


class Par(_Node):
    """Side by side; every branch stays on a channel of its own."""

    do: Literal["par"] = "par"
    body: tuple["Node", ...] = Field(min_length=2)

    @model_validator(mode="after")
    def _channels_differ(self) -> "Par":
        channels = [{PRIMITIVES[s.primitive].channel for s in steps_of(node)} for node in self.body]
        for i, first in enumerate(channels):
            for second in channels[i + 1 :]:
                if first & second:
                    raise ValueError("branches of par must move different channels: arm in one, band arm in the other")
        return self


class Retry(_Node):
    """Try at most ``times`` times; in between, what was done is taken back."""

    do: Literal["retry"] = "retry"
    times: int = Field(ge=1, le=10)
    body: "Node"


class Fallback(_Node):
    """Do the first; when it fails, take it back and do the second."""

    do: Literal["fallback"] = "fallback"
    first: "Node"
    second: "Node"


class Guarded(_Node):
    """Do the body; when it fails, do ``on_fail`` (taking back is over by then), and fail all the same."""

    do: Literal["guarded"] = "guarded"
    body: "Node"
    on_fail: "Node"


Node: TypeAlias = Annotated[Step | Seq | Par | Retry | Fallback | Guarded, Field(discriminator="do")]
for _model in (Seq, Par, Retry, Fallback, Guarded):
    _model.model_rebuild()


class Recipe(_Node):
    """A named tree."""

    name: str
    root: Node

    def describe(self) -> str:
        """Return the recipe as a person would read it, one line per step."""
        return "\n".join([f"{self.name}:", *_lines(self.root, 1)])

    def steps(self) -> list[Step]:
        """Return all steps in the order in which they would run, alternatives included."""
        return list(steps_of(self.root))

    def check(self) -> None:
        """Build every primitive again. Raises LimitError when one cannot be."""
        for each in self.steps():
            each.make()

    def preview(self, cell: StowCell) -> list[PrimitivePreview]:
        """Return what every step would do, as far as that can be told from the present state."""
        return [each.make().preview(cell) for each in self.steps()]


# ---- building ---------------------------------------------------------------------------------------------------


def step(primitive: Primitive) -> Step:
    """Return a step of a primitive; parameters that have their default are left out."""
    return Step(primitive=primitive.name, params=primitive.model_dump(mode="json", exclude_defaults=True))


def _node(item: "Primitive | Node") -> "Node":
    return step(item) if isinstance(item, Primitive) else item


def seq(*body: "Primitive | Node") -> Seq:
    """Return nodes that run one after the other."""
    return Seq(body=tuple(_node(item) for item in body))


def par(*body: "Primitive | Node") -> Par:
    """Return nodes that run side by side. Raises ValueError when two move the same channel."""
    return Par(body=tuple(_node(item) for item in body))


def retry(times: int, body: "Primitive | Node") -> Retry:
    """Return a node that is tried at most ``times`` times."""
    return Retry(times=times, body=_node(body))


def fallback(first: "Primitive | Node", second: "Primitive | Node") -> Fallback:
    """Return a node that does the second when the first fails."""
    return Fallback(first=_node(first), second=_node(second))


def guarded(body: "Primitive | Node", on_fail: "Primitive | Node") -> Guarded:
    """Return a node that does ``on_fail`` when the body fails, and fails."""
    return Guarded(body=_node(body), on_fail=_node(on_fail))


def steps_of(node: "Node") -> Iterator[Step]:
    """Yield the steps of a tree in order."""
    match node:
        case Step():
            yield node
        case Seq() | Par():
            for child in node.body:
                yield from steps_of(child)
        case Retry():
            yield from steps_of(node.body)
        case Fallback():
            yield from steps_of(node.first)
            yield from steps_of(node.second)
        case Guarded():
            yield from steps_of(node.body)
            yield from steps_of(node.on_fail)


def _lines(node: "Node", depth: int) -> Iterator[str]:
    pad = "  " * depth
    match node:
        case Step():
            yield f"{pad}{node.primitive}{_short(node.params)}"
        case Seq():
            for child in node.body:
                yield from _lines(child, depth)
        case Par():
            yield f"{pad}side by side:"
            for child in node.body:
                yield from _lines(child, depth + 1)
        case Retry():
            yield f"{pad}at most {node.times} times:"
            yield from _lines(node.body, depth + 1)
        case Fallback():
            yield f"{pad}try:"
            yield from _lines(node.first, depth + 1)
            yield f"{pad}if that fails:"
            yield from _lines(node.second, depth + 1)
        case Guarded():
            yield from _lines(node.body, depth)
            yield f"{pad}if that fails:"
            yield from _lines(node.on_fail, depth + 1)


def _short(params: dict[str, Any]) -> str:
    """Return parameters in brackets, long ones (paths, poses) by their size."""
    parts = []
    for key, value in params.items():
        if isinstance(value, list | tuple):
            parts.append(f"{len(value)} {key.removesuffix('_rad').removesuffix('_m')}" if "X_" not in key else key)
        else:
            parts.append(f"{key}={value:g}" if isinstance(value, float) else f"{key}={value}")
    return f" ({', '.join(parts)})" if parts else ""


# ---- running ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class RecipeReport:
    """How a recipe went."""

    name: str
    ok: bool
    words: str
    """What failed; where the item is, when it failed."""
    steps: tuple[PrimitiveReport, ...]
    """All primitives in the order in which they ended, inverses included."""
    item: str
    """Where the item is."""

    @property
    def plan(self) -> tuple[str, ...]:
        """Names of the primitives as run."""
        return tuple(report.name for report in self.steps)

    @property
    def failed(self) -> PrimitiveReport | None:
        """The last primitive that failed, inverses aside; None when there was none."""
        failed = [r for r in self.steps if not r.ok and not r.name.startswith("undo ")]
        return failed[-1] if failed else None


@dataclass(eq=False)
class _Done:
    """What a node did, to be taken back in reverse."""

    ok: bool
    words: str = ""
    undo: list[Primitive] = field(default_factory=list)


async def run_recipe(recipe: Recipe, cell: StowCell) -> RecipeReport:
    """Run a recipe on a cell.

    Raises:
        StoppedByOperator: a person asked for a stop; nothing is taken back then, the arm stands.
    """
    runner = _Runner(cell)
    done = await runner.run(recipe.root)
    item = cell.where_is_the_item()
    words = "done" if done.ok else f"{done.words}; {item}"
    return RecipeReport(name=recipe.name, ok=done.ok, words=words, steps=tuple(runner.reports), item=item)


class _Runner:
    def __init__(self, cell: StowCell) -> None:
        self.cell = cell
        self.reports: list[PrimitiveReport] = []

    async def run(self, node: "Node") -> _Done:
        """Run a node; when it fails, everything it did has been taken back as far as possible."""
        match node:
            case Step():
                return await self._step(node)
            case Seq():
                return await self._seq(node.body)
            case Par():
                return await self._par(node.body)
            case Retry():
                return await self._retry(node)
            case Fallback():
                first = await self.run(node.first)
                return first if first.ok or self._stuck() else await self.run(node.second)
            case Guarded():
                body = await self.run(node.body)
                if not body.ok and not self._stuck():
                    await self.run(node.on_fail)
                return body

    async def _step(self, node: Step) -> _Done:
        primitive = node.make()
        report = await primitive.run(self.cell)
        self.reports.append(report)
        if report.ok:
            return _Done(ok=True, undo=[primitive])
        if report.moved:
            await self._take_back([primitive])
        return _Done(ok=False, words=f"{report.name}: {report.words}")

    async def _seq(self, body: Sequence["Node"]) -> _Done:
        undo: list[Primitive] = []
        for child in body:
            done = await self.run(child)
            if not done.ok:
                await self._take_back(undo)
                return done
            undo += done.undo
        return _Done(ok=True, undo=undo)

    async def _par(self, body: Sequence["Node"]) -> _Done:
        branches: list[_Done] = await self.cell.session.par(*(self.run(child) for child in body))
        undo = [primitive for branch in branches for primitive in branch.undo]
        failed = [branch for branch in branches if not branch.ok]
        if failed:
            await self._take_back(undo)
            return _Done(ok=False, words="; ".join(branch.words for branch in failed))
        return _Done(ok=True, undo=undo)

    async def _retry(self, node: Retry) -> _Done:
        done = _Done(ok=False)
        for _ in range(node.times):
            done = await self.run(node.body)
            if done.ok or self._stuck():
                return done
        return done

    async def _take_back(self, done: list[Primitive]) -> None:
        """Take primitives back in reverse; stops at the first that does not succeed."""
        for primitive in reversed(done):
            if self._stuck():
                return
            report = await primitive.undo(self.cell)
            if report is not None:
                self.reports.append(report)

    def _stuck(self) -> bool:
        """Return whether nothing may move any more: a fault is latched, or an inverse failed."""
        if self.cell.session.state.latched_fault:
            return True
        return any(not report.ok and report.name.startswith("undo ") for report in self.reports)


def load_recipe(text: str) -> Recipe:
    """Read a recipe from JSON. Raises LimitError with every finding."""
    try:
        return Recipe.model_validate_json(text)
    except ValidationError as error:
        findings = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_url=False))
        raise LimitError(f"not a recipe: {findings}") from error
