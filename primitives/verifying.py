"""Looking into the bin after a stow."""

import asyncio
from typing import ClassVar

from pydantic import Field

from podhand.primitives.base import Primitive, PrimitivePreview, Trace
from podhand.primitives.cell import StowCell

__all__ = ["Verify"]


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
