"""Items: what is stowed, and whether this tool may handle it."""

from dataclasses import dataclass
from enum import StrEnum


class Shape(StrEnum):
    """Shapes of the item catalogue."""

    BOX = "box"
    CYLINDER = "cylinder"
    SPHERE = "sphere"
    BAG = "bag"
    IRREGULAR = "irregular"
    BOOK = "book"


class Softness(StrEnum):
    """How an item takes a squeeze: what the paddles choose their force by."""

    FIRM = "firm"
    """Keeps its form: boxes, bottles, books."""
    UNEVEN = "uneven"
    """Keeps its form, but the belts touch it in a few places alone, and its mass may be off its middle."""
    SOFT = "soft"
    """Gives way and hangs: bags and soft goods."""


_GIVES_WAY = frozenset({Shape.BAG, Shape.IRREGULAR})
_SOFTNESS = {Shape.BAG: Softness.SOFT, Shape.IRREGULAR: Softness.UNEVEN}


@dataclass(frozen=True, kw_only=True)
class Item:
    """One product of the catalogue.

    The item frame has its origin at the middle of the item, x along the longest side (the direction of stowing), y
    along the shortest (the direction of the squeeze), z along the middle one. A cylinder's axis is x. A book stands
    on its spine, which runs along x.
    """

    sku: str
    length_m: float
    """Longest side, along x."""
    width_m: float
    """Shortest side, along y: the needed width of a gap."""
    height_m: float
    """Middle side, along z."""
    mass_kg: float
    shape: Shape
    friction: float
    max_squeeze_n: float

    @property
    def size_m(self) -> tuple[float, float, float]:
        """Sides along x, y, z of the item frame [m]."""
        return (self.length_m, self.width_m, self.height_m)

    @property
    def volume_m3(self) -> float:
        """Volume of the bounding box [m^3]."""
        return self.length_m * self.width_m * self.height_m

    @property
    def gives_way(self) -> bool:
        """Whether its ends are not where its size says: they hang, bend, or come between the paddles."""
        return self.shape in _GIVES_WAY

    @property
    def softness(self) -> Softness:
        """How it takes a squeeze, by its shape."""
        return _SOFTNESS.get(self.shape, Softness.FIRM)
