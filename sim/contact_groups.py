"""Which parts of the cell can touch which: contact bits, and the attributes of geoms made from them."""

from enum import IntFlag


class Part(IntFlag):
    """One bit per family of geoms."""

    ARM = 1
    TOOL = 2
    ITEM = 4
    POD = 8
    BAND = 16
    HOOK = 32
    RAIL = 64
    GROUND = 128
    SCENERY = 256


TOUCHES: dict[Part, Part] = {
    Part.ARM: Part.POD | Part.HOOK | Part.RAIL,
    Part.TOOL: Part.ITEM | Part.POD | Part.BAND | Part.HOOK | Part.RAIL,
    Part.ITEM: Part.TOOL | Part.ITEM | Part.POD | Part.BAND | Part.HOOK | Part.RAIL | Part.GROUND,
    Part.POD: Part.ARM | Part.TOOL | Part.ITEM,
    # The hook does not touch the pod: its lip is thinner than the give of a fabric edge.
    Part.HOOK: Part.ARM | Part.TOOL | Part.ITEM | Part.BAND,
    Part.BAND: Part.TOOL | Part.ITEM | Part.HOOK,
    Part.RAIL: Part.ARM | Part.TOOL | Part.ITEM,
    Part.GROUND: Part.ITEM,
}
"""Symmetric; the arm's own links and its tool are left to the planner."""

SCENERY = {"contype": str(int(Part.SCENERY)), "conaffinity": "0", "mass": "0"}
"""Attributes of geoms that are seen but never touched. Nothing has an affinity for their bit; with no bit at all they
would be left out of their body's bounding volume, and rays pruned by it would miss them."""

ABOVE_GROUP = "1"
"""Geom group of what hangs over the active bin: the view from above looks through it."""


def contact(part: Part, condim: int = 3) -> dict[str, str]:
    """Return the contact attributes of a geom of this part."""
    return {"contype": str(int(part)), "conaffinity": str(int(TOUCHES[part])), "condim": str(condim)}
