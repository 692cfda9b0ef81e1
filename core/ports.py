"""Ports: what a station's parts look like from above, whoever implements them."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from podhand.core.items import Item
from podhand.core.poses import FloatArray, Pose


class Plant(Protocol):
    """The cyclic side of a station: axes, force/torque sensor, slow and safety signals."""

    tick_s: float
    """Nominal period [s]."""

    def bind(self, inputs: NDArray[np.void], outputs: NDArray[np.void]) -> None:
        """Take the records to work on: 0-d arrays of ``INPUTS_DTYPE`` and ``OUTPUTS_DTYPE``.

        Writes the first inputs, and into ``outputs`` the present positions as set-points, so that binding moves
        nothing.
        """
        ...

    def step(self) -> None:
        """Apply the bound outputs, let one period pass, write the bound inputs."""
        ...


@dataclass(frozen=True, kw_only=True)
class DepthFrame:
    """One depth image and where its camera is believed to be.

    ``depth_m`` is (h, w) along the camera's z axis [m], 0 where nothing is known; camera axes as in OpenCV (x right,
    y down, z forward); ``K`` is (3, 3) [px].
    """

    depth_m: NDArray[np.float32]
    K: FloatArray
    X_world_camera: Pose
    name: str = "camera"


class DepthCamera(Protocol):
    """A depth camera with a known, not perfectly known, place."""

    name: str

    def capture(self) -> DepthFrame:
        """Take one frame now. Raises DeviceError when the camera gives none."""
        ...


class Lift(Protocol):
    """Brings the arm's base to a bin row. Moves only between stows."""

    height_m: float
    """Height of the arm's base frame over the floor [m]."""


@dataclass(frozen=True, kw_only=True)
class PresentedItem:
    """An item that waits at the infeed, as its scanner knows it."""

    item: Item
    X_base_item: Pose
    """Believed pose of the item frame in the arm's base frame."""


class Infeed(Protocol):
    """Conveyor that hands items over and takes rejected ones back."""

    def present(self) -> PresentedItem:
        """Bring the next item to the hand-over place. Raises DeviceError when none comes."""
        ...


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A slow signal as it was last measured well. A bad reading never becomes zero: the value stays, its age grows."""

    value: float
    """SI; NaN before the first measurement."""
    age_s: float
    """Time since it was measured, never less than the truth [s]."""
    valid: bool
    why_not: str = ""
    """In words, empty while valid."""


class SuctionTool(Protocol):
    """A suction cup: valve, vacuum pressure, lights. What is commanded holds for a while only and must be renewed."""

    def vacuum_pressure(self) -> Reading:
        """Return the gauge pressure in the cup [Pa], negative is suction."""
        ...

    def command(self, *, suction: bool, life_s: float) -> None:
        """Switch the valve; without a newer command within ``life_s`` the tool takes its safe state.

        Raises:
            StateError: not connected, or a fault waits for ``acknowledge``; nothing was sent.
            LimitError: ``life_s`` is outside its range; nothing was sent.
        """
        ...
