"""The stow cell as primitives see it: the session, the ports, and what is known about item, bands and tool."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np

from podhand.controllers.parameters import EMPTY_PAYLOAD, HELD_PAYLOAD
from podhand.controllers.session import Session
from podhand.core.exchange import Axis
from podhand.core.items import Item
from podhand.core.ports import DepthCamera, Infeed, Lift, PresentedItem
from podhand.core.poses import Pose, inverse
from podhand.core.station import Station

__all__ = ["Bands", "HeldItem", "Inspection", "ItemPlace", "StowCell"]


class ItemPlace(StrEnum):
    """Where the item of the running stow is."""

    INFEED = "at the infeed"
    PADDLES = "between the paddles"
    MOUTH = "partly out of the paddles"
    BIN = "in the bin"
    UNKNOWN = "somewhere unknown: look before anything moves"


class Bands(StrEnum):
    """State of the elastic bands of the active bin."""

    CLOSED = "closed"
    OPEN = "held open"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class HeldItem:
    """The item that the tool is responsible for, and what was learned of it in hand."""

    item: Item
    place: ItemPlace
    grip_force_n: float
    mass_kg: float = 0.0
    """Weighed after the grip; 0 before."""
    com_tool_m: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Centre of mass in the tool frame when it was weighed."""


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """What a look into the bin found after a stow."""

    ok: bool
    words: str
    data: Mapping[str, float] = field(default_factory=dict)


@dataclass(eq=False, kw_only=True)
class StowCell:
    """Everything that stow primitives work on. One per stow; the host's session moves it."""

    session: Session
    station: Station
    presented: PresentedItem | None = None
    """The item that waits at the infeed."""
    X_base_bin: Pose | None = None
    """The active bin as registered by perception."""
    infeed: Infeed | None = None
    lift: Lift | None = None
    cameras: tuple[DepthCamera, ...] = ()
    inspect: Callable[[], Inspection] | None = None
    """Looks into the bin after the stow; given by the application."""
    held: HeldItem | None = None
    stowed: Item | None = None
    """The item after it went into the bin."""
    bands: Bands = Bands.CLOSED
    swept: int = 0
    """Direction (+1, -1 along bin y) of a sweep whose pressure is still on the blade, else 0."""

    @property
    def payload(self) -> int:
        """Index of the payload model that holds now."""
        return HELD_PAYLOAD if self.held and self.held.mass_kg > 0.0 else EMPTY_PAYLOAD

    @property
    def blade_m(self) -> float:
        """Measured extension of the blade [m]."""
        return self.session.state.axis(Axis.BLADE)

    @property
    def opening_m(self) -> float:
        """Measured opening of the paddles [m]."""
        return self.session.state.axis(Axis.SQUEEZE)

    @property
    def X_bin_tool(self) -> Pose:
        """Measured pose of the tool in the bin frame. Raises ValueError while no bin is active."""
        if self.X_base_bin is None:
            raise ValueError("no bin is active: give the cell X_base_bin first")
        X: Pose = inverse(self.X_base_bin) @ self.session.state.X_base_tool
        return X

    def place_item(self, place: ItemPlace) -> None:
        """Take note of where the item is now; an item in the bin or back at the infeed is held no more."""
        if self.held is None:
            return
        if place is ItemPlace.BIN:
            self.stowed = self.held.item
        self.held = None if place in (ItemPlace.BIN, ItemPlace.INFEED) else replace(self.held, place=place)

    def where_is_the_item(self) -> str:
        """Say where the item is: never forgotten, whatever failed."""
        if self.held:
            mass = f", {self.held.mass_kg:.2f} kg" if self.held.mass_kg else ""
            return f"{self.held.item.sku}{mass} is {self.held.place.value}"
        if self.stowed:
            return f"{self.stowed.sku} is {ItemPlace.BIN.value}"
        if self.presented:
            return f"{self.presented.item.sku} is {ItemPlace.INFEED.value}"
        return "no item is on its way"

    def arm_q(self) -> list[float]:
        """Return the commanded positions of the arm's joints [rad]."""
        joints = self.station.arm.kinematics.joints
        return [float(q) for q in self.session.state.command[:joints]]

    def bin_axis_in_base(self, axis: int) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
        """Return a unit vector (3,) of the bin frame in base."""
        if self.X_base_bin is None:
            raise ValueError("no bin is active: give the cell X_base_bin first")
        return np.array(self.X_base_bin[:3, axis])
