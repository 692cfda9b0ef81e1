"""Looking at the bin before the tool enters, and into it after a stow."""

import asyncio
from typing import ClassVar

from pydantic import Field

from podhand.primitives.base import Primitive, PrimitivePreview, Trace
from podhand.primitives.cell import StowCell

__all__ = ["ConfirmBin", "Verify"]


class ConfirmBin(Primitive):
    """Look again before the tool goes on: is the bin still where it was found? Nothing moves."""

    name: ClassVar[str] = "confirm_bin"

    def check(self, cell: StowCell) -> list[str]:
        """See the base class."""
        return ["the cell has no eyes: give it `confirm`"] if cell.confirm is None else []

    def preview(self, cell: StowCell) -> PrimitivePreview:
        """See the base class."""
        del cell
        return PrimitivePreview(name=self.name, words="looks at the edges of the bin; nothing moves")

    async def _do(self, cell: StowCell, trace: Trace) -> str:
        assert cell.confirm is not None
        # Looking takes wall time but no plant time.
        found = await asyncio.to_thread(cell.confirm)
        trace.data.update(found.data)
        if not found.ok:
            trace.fail(found.words)
        return found.words


class Verify(Primitive):
    """Let everything come to rest and look: is the item in, is nothing in front?"""

    name: ClassVar[str] = "verify"

    settle_s: float = Field(default=0.5, ge=0.0, le=10.0, description="Time before the look.")

    def check(self, cell: StowCell) -> list[str]:
        """See the base class."""
        unmet = ["the cell has no eyes: give it `inspect`"] if cell.inspect is None else []
        if cell.held:
            unmet.append(f"the item is not in the bin: {cell.where_is_the_item()}")
        return unmet

    def preview(self, cell: StowCell) -> PrimitivePreview:
        """See the base class."""
        del cell
        return PrimitivePreview(name=self.name, words="looks into the bin; nothing moves", duration_s=self.settle_s)

    async def _do(self, cell: StowCell, trace: Trace) -> str:
        assert cell.inspect is not None
        await cell.session.wait(self.settle_s)
        # Looking takes wall time but no plant time.
        found = await asyncio.to_thread(cell.inspect)
        trace.data.update(found.data)
        if not found.ok:
            trace.fail(found.words)
        return found.words
