"""Faults on order: what a real cell does to its controller, at a given time."""

from dataclasses import dataclass
from enum import StrEnum
from math import inf

from podhand.core.errors import ConfigError


class FaultKind(StrEnum):
    """What can be made to fail."""

    FT_NAN = "ft_nan"
    """The force/torque samples are not numbers."""
    FT_FROZEN = "ft_frozen"
    """New sequence numbers, bit-identical samples."""
    FT_STALE = "ft_stale"
    """No new samples: the sequence number stands."""
    FT_SATURATED = "ft_saturated"
    """The samples stand at the end of the range."""
    CAMERA_ZEROS = "camera_zeros"
    """Cameras give frames without any depth."""
    EMERGENCY_STOP = "emergency_stop"
    """The button is pressed: drives brake, and hold until the controller has reset the fault."""
    ITEM_SLIPS = "item_slips"
    """The belts lose their grip: a held item falls."""
    ITEM_DROPPED = "item_dropped"
    """The squeeze drive gives no force and the paddles spring open: a held item falls out."""
    BLADE_JAM = "blade_jam"
    """The blade stands where it is, whatever force its drive gives."""
    BELT_STALL = "belt_stall"
    """The belts stand, whatever speed is asked for; their encoders show it."""
    BAND_LOST = "band_lost"
    """The uppermost band finds no hold at the hook: it slips off, or is never caught."""
    AXIS_INVALID = "axis_invalid"
    """The arm's joint readings are marked invalid."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One fault and when it is there, in plant time."""

    kind: FaultKind
    from_s: float
    until_s: float = inf


class Faults:
    """The faults ordered for one workcell."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def inject(self, kind: FaultKind | str, *, from_s: float = 0.0, until_s: float = inf) -> Fault:
        """Order a fault for plant times ``from_s`` <= t < ``until_s``.

        Raises:
            ConfigError: unknown kind, or an empty time span.
        """
        try:
            kind = FaultKind(kind)
        except ValueError as error:
            known = ", ".join(k.value for k in FaultKind)
            raise ConfigError(f"fault kind - must be one of {known} (got {kind!r})") from error
        if not until_s > from_s:
            raise ConfigError(f"fault {kind}: until_s must be after from_s = {from_s} s (got {until_s})")
        fault = Fault(kind=kind, from_s=from_s, until_s=until_s)
        self._faults.append(fault)
        return fault

    def clear(self) -> None:
        """Take all faults back."""
        self._faults.clear()

    def any(self) -> bool:
        """Whether any fault is ordered: the plant skips everything else when not."""
        return bool(self._faults)

    def active(self, kind: FaultKind, time_s: float) -> bool:
        """Whether a fault of this kind is there at this time."""
        return any(f.kind is kind and f.from_s <= time_s < f.until_s for f in self._faults)
