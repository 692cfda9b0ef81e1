"""The stow cell as primitives see it: the session, the ports, and what is known about item, bands and tool."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Protocol

import numpy as np

from podhand.controllers.conditions import axis, slow
from podhand.controllers.parameters import EMPTY_PAYLOAD, HELD_PAYLOAD
from podhand.controllers.segments import Reflex
from podhand.controllers.session import Session
from podhand.core.exchange import Axis, SlowSignal
from podhand.core.items import Item
from podhand.core.ports import DepthCamera, Infeed, Lift, PresentedItem
from podhand.core.poses import Pose, inverse
from podhand.core.station import Station

__all__ = ["Bands", "HeldItem", "Inspection", "ItemPlace", "LostItem", "ReturnWay", "StowCell", "Ways"]

ITEM_LOST, GRIP_LOST, BANDS_LOST = "item lost", "grip lost", "bands lost"
"""Names of the reflexes that every motion of the arm has while there is something to lose."""
_LOST_S = 0.02
_GRIP_LOST_S = 0.03
"""Longer than the light barrier needs: an item that is gone is lost, not badly held."""
_GRIPS_SHARE, _LEAST_GRIP_SHARE = 0.6, 0.2
"""Of the grip force: from the first on the item is gripped; with less than the second it is not any more."""
_LEAST_PULL_SHARE = 0.5
_NEAR_BIN_M = 0.23
"""The mouth is at the bin from this far in front of it: what the hook does concerns the arm only there."""
_NEAR_INFEED_M = 0.30

Joints = tuple[tuple[float, ...], ...]
Point = tuple[float, float, float]


class ItemPlace(StrEnum):
    """Where the item of the running stow is."""

    INFEED = "at the infeed"
    PADDLES = "between the paddles"
    MOUTH = "partly out of the paddles"
    BIN = "in the bin"
    DROPPED = "not in the tool any more"
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
class LostItem:
    """An item that left the tool where it should not have."""

    item: Item
    where: str
    """Where it is believed to be, in words."""
    near_bin: bool
    """It was lost at the bin: a look into it may find it."""


@dataclass(frozen=True, kw_only=True)
class ReturnWay:
    """A checked way of a held item to the infeed."""

    to_infeed_rad: Joints
    X_base_tool_above: Pose
    X_base_tool_down: Pose
    X_base_tool_back: Pose


class Ways(Protocol):
    """Checked ways from where the cell stands now; planning gives them."""

    def to_park(self, cell: "StowCell") -> Joints:
        """Return the joint path to rest, a held item included. Raises PlanningError."""

    def to_infeed(self, cell: "StowCell") -> ReturnWay:
        """Return the way of the held item back to the infeed. Raises PlanningError."""

    def hook_to_park(self, cell: "StowCell") -> tuple[Point, ...]:
        """Return the points through which the hook gives the bands back from where it is; empty when it is parked."""


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """What a look at the bin found."""

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
    confirm: Callable[[], Inspection] | None = None
    """Looks whether the bin is still where it was found; given by the application."""
    ways: Ways | None = None
    """Plans ways back; given by the application."""
    held: HeldItem | None = None
    lost: LostItem | None = None
    stowed: Item | None = None
    """The item after it went into the bin."""
    bands: Bands = Bands.CLOSED
    _seen: bool = False
    """The light barrier has seen the held item between the paddles."""
    bands_pull_n: float = 0.0
    """Force of the bands on the hook when they had been opened; 0: not known."""
    swept: int = 0
    """Direction (+1, -1 along bin y) of a sweep whose pressure is still on the blade, else 0."""
    aside_m: float = 0.0
    """How far along bin y a blade that felt for its way in has moved the tool from its planned place."""

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
        self._seen = self._seen and place is ItemPlace.PADDLES
        if place is ItemPlace.BIN:
            self.stowed = self.held.item
        self.held = None if place in (ItemPlace.BIN, ItemPlace.INFEED) else replace(self.held, place=place)

    def where_is_the_item(self) -> str:
        """Say where the item is: never forgotten, whatever failed."""
        if self.held:
            mass = f", {self.held.mass_kg:.2f} kg" if self.held.mass_kg else ""
            return f"{self.held.item.sku}{mass} is {self.held.place.value}"
        if self.lost:
            return f"{self.lost.item.sku} is {ItemPlace.DROPPED.value}: believed to be {self.lost.where}"
        if self.stowed:
            return f"{self.stowed.sku} is {ItemPlace.BIN.value}"
        if self.presented:
            return f"{self.presented.item.sku} is {ItemPlace.INFEED.value}"
        return "no item is on its way"

    @property
    def item_place(self) -> ItemPlace:
        """Where the item of the running stow is believed to be."""
        if self.held:
            return self.held.place
        if self.lost:
            return ItemPlace.DROPPED
        return ItemPlace.BIN if self.stowed else ItemPlace.INFEED

    def note_bands_open(self) -> None:
        """Take note that the bands are held open now, and how hard they pull."""
        self.bands = Bands.OPEN
        self.bands_pull_n = abs(float(self.session.state.tau[Axis.BAND_Z]))

    def watches(self) -> dict[str, Reflex]:
        """Return the reflexes of every motion of the arm: what tool and hook hold now must not be lost on the way."""
        found = {}
        if self.held and self.held.place is ItemPlace.PADDLES and self._in_paddles():
            self._seen = True
            found[ITEM_LOST] = Reflex(condition=(slow(SlowSignal.ITEM_IN_PADDLES) < 0.5).for_(_LOST_S))
            grip_n, now_n = self.held.grip_force_n, -float(self.session.state.tau[Axis.SQUEEZE])
            if now_n > _GRIPS_SHARE * grip_n:
                weak = axis(Axis.SQUEEZE).force > -_LEAST_GRIP_SHARE * grip_n  # closing is negative
                found[GRIP_LOST] = Reflex(condition=weak.for_(_GRIP_LOST_S))
        at_bin = self.X_base_bin is not None and float(self.X_bin_tool[0, 3]) > -_NEAR_BIN_M
        if self.bands is Bands.OPEN and self.bands_pull_n > 0.0 and at_bin:
            least_n = _LEAST_PULL_SHARE * self.bands_pull_n
            found[BANDS_LOST] = Reflex(condition=(abs(axis(Axis.BAND_Z).force) < least_n).for_(_LOST_S))
        return found

    def missing(self) -> bool:
        """Whether the item has left the paddles since the last motion; takes note of it."""
        gone = bool(self.held) and self.item_place is ItemPlace.PADDLES and self._seen and not self._in_paddles()
        if gone:
            self.lose_item()
        return gone

    def _in_paddles(self) -> bool:
        return self.session.state.signal(SlowSignal.ITEM_IN_PADDLES) > 0.5

    def notice(self, watch: str) -> None:
        """Take note that a watch has ended a motion."""
        if watch == ITEM_LOST:
            self.lose_item()
        elif watch == BANDS_LOST:
            self.bands = Bands.UNKNOWN

    def lose_item(self) -> None:
        """Take note that the held item left the tool here, and of where it may lie."""
        if self.held is None:
            return
        where, near_bin = self._below()
        self._seen = False
        self.lost, self.held = LostItem(item=self.held.item, where=where, near_bin=near_bin), None

    def _below(self) -> tuple[str, bool]:
        """Say where something lies that has just left the paddles, and whether that is at the bin."""
        x, y, _ = (float(v) for v in self.session.state.X_base_tool[:3, 3])
        infeed = self.station.infeed
        if self.X_base_bin is not None and float(self.X_bin_tool[0, 3]) > -_NEAR_BIN_M:
            return "in the bin, at its mouth, or on the floor below", True
        if abs(y - infeed.item_y_m) < _NEAR_INFEED_M:
            return "at the infeed beside its rails, or on the floor below", False
        return f"on the floor or table below ({x:.1f}, {y:.1f}) m of the base frame", False

    def arm_q(self) -> list[float]:
        """Return the commanded positions of the arm's joints [rad]."""
        joints = self.station.arm.kinematics.joints
        return [float(q) for q in self.session.state.command[:joints]]

    def bin_axis_in_base(self, axis: int) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
        """Return a unit vector (3,) of the bin frame in base."""
        if self.X_base_bin is None:
            raise ValueError("no bin is active: give the cell X_base_bin first")
        return np.array(self.X_base_bin[:3, axis])
