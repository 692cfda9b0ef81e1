"""All primitives under their names."""

from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError

from podhand.core.errors import LimitError
from podhand.primitives.bands import CloseBands, OpenBands
from podhand.primitives.base import PRIMITIVES, Primitive
from podhand.primitives.dropping import DropPush
from podhand.primitives.ejecting import EjectItem
from podhand.primitives.placing import Slot, Stack
from podhand.primitives.pushing import ExtendBlade, Sweep
from podhand.primitives.reaching import Align, Approach, Park, Retract
from podhand.primitives.receiving import ReceiveItem, ReturnItem
from podhand.primitives.recovering import Recover
from podhand.primitives.turning import FlipUp
from podhand.primitives.verifying import ConfirmBin, Verify

__all__ = ["PRIMITIVES", "Align", "Approach", "CloseBands", "ConfirmBin", "DropPush", "EjectItem", "ExtendBlade",
           "FlipUp", "OpenBands", "Park", "ReceiveItem", "Recover", "Retract", "ReturnItem", "Slot", "Stack",
           "Sweep", "Verify", "load_all", "make_primitive"]  # fmt: skip


def load_all() -> dict[str, type[Primitive]]:
    """Return all primitives by name; importing this module has registered them."""
    return PRIMITIVES


def make_primitive(name: str, params: dict[str, Any]) -> Primitive:
    """Build a primitive from its name and parameters.

    Raises:
        LimitError: unknown name or parameter, or a value out of range; the message lists every finding.
    """
    if name not in PRIMITIVES:
        close = get_close_matches(name, PRIMITIVES, n=1)
        hint = f"did you mean '{close[0]}'?" if close else f"there are: {', '.join(PRIMITIVES)}"
        raise LimitError(f"no primitive '{name}': {hint}")
    try:
        return PRIMITIVES[name].model_validate(params)
    except ValidationError as error:
        findings = (
            f"{'.'.join(str(part) for part in e['loc']) or 'parameters'}: {e['msg']} (got {e['input']!r:.60})"
            for e in error.errors(include_url=False)
        )
        raise LimitError(f"{name}: {'; '.join(findings)}") from error
