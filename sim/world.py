"""Worlds: everything that is true in one episode, as pure data drawn from one seed.

Version ``standard-2``: items of every shape stand, lie and lean. Volume fill and gap ratio are drawn together and
accepted only when both can be had at once (rejection): a wide gap and a full bin exclude each other, so the corner of
that square is missing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import pi, sqrt
from typing import Any

import numpy as np

from podhand.core.errors import ConfigError
from podhand.core.items import Item, Shape
from podhand.core.poses import FloatArray, Pose, pose, rotation_rpy
from podhand.core.tooling import Pod
from podhand.sim.catalogue import CatalogueEntry, load_catalogue
from podhand.sim.packing import (
    LYING_EDGE_M,
    MAX_GAP_RATIO,
    MIN_GAP_RATIO,
    SOLID_SHARE,
    Packing,
    Stand,
    draw_stands,
    pack,
)

VERSION, HARD_VERSION, SCENE_VERSION = "standard-2", "hard-1", "scene-1"
FILL_RANGE, HARD_FILL_RANGE = (0.15, 0.55), (0.40, 0.60)
GAP_RATIO_RANGE, HARD_GAP_RATIO_RANGE = (MIN_GAP_RATIO, MAX_GAP_RATIO), (MIN_GAP_RATIO, 1.0)
CLEARANCE_M = 0.012
"""Needed width of a gap: the item's width and this."""
MAX_DRAWS = 4000
TRIES_PER_DRAW = 40


@dataclass(frozen=True, kw_only=True)
class ContentItem:
    """One item in a bin, upright, lying or leaning; a cylinder's axis is z of its own frame."""

    name: str
    shape: Shape
    size_m: tuple[float, float, float]
    """Along x, y, z of its own frame; a cylinder has x = y = diameter."""
    X_bin_item: Pose
    """Any pose at rest."""
    mass_kg: float
    friction: float
    edge_radius_m: float = 0.0
    """Of the four edges of a box at -z of its own frame: cartons and blister packs are not sharp, so that a blade can
    wedge under one that lies."""
    form_seed: int = 0
    """Draws an irregular item's pieces and centre of mass."""

    @property
    def volume_m3(self) -> float:
        """Volume of the solid."""
        x, y, z = self.size_m
        return x * y * z * SOLID_SHARE[self.shape]

    @property
    def y_extent_m(self) -> tuple[float, float]:
        """Lowest and highest y of its bounding box in the bin frame [m]; a cylinder's own round is counted."""
        R, half = self.X_bin_item[:3, :3], np.array(self.size_m) / 2
        if self.shape is Shape.CYLINDER:
            reach = half[0] * sqrt(max(0.0, 1.0 - R[1, 2] ** 2)) + half[2] * abs(R[1, 2])
        elif self.shape is Shape.SPHERE:
            reach = half[0]
        else:
            reach = float(np.abs(R[1]) @ half)
        y = float(self.X_bin_item[1, 3])
        return y - reach, y + reach


@dataclass(frozen=True, kw_only=True)
class SceneryBox:
    """A still box in a neighbouring bin, in the active bin's frame."""

    X_bin_box: Pose
    size_m: tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class FtErrors:
    """Errors of the force/torque sensor."""

    noise_n: float
    """Standard deviation of each force component, per sample."""
    noise_n_m: float
    bias: FloatArray
    """(6,) [N, N m]."""
    drift_per_s: FloatArray
    """(6,) [N/s, N m/s]."""
    delay_s: float


@dataclass(frozen=True, kw_only=True)
class World:
    """What is true in one episode."""

    version: str
    seed: int
    item: Item
    """As the catalogue has it: this is what the station believes."""
    item_mass_kg: float
    item_friction: float
    row: int
    column: int
    fill: float
    """Volume of the contents over the bin's volume."""
    gap_ratio: float
    """Widest gap between the contents over the item's needed width."""
    gaps_m: tuple[float, ...]
    """From the -y wall to the +y wall."""
    contents: tuple[ContentItem, ...]
    scenery: tuple[SceneryBox, ...]
    band_tension_scale: tuple[float, ...]
    X_nominal_bin: Pose
    """Where the bin truly is, in its nominal frame."""
    X_nominal_item: Pose
    """Where the presented item truly is, in the frame where it is believed to be."""
    X_mount_camera: tuple[Pose, ...]
    """True camera pose in its believed frame, one per camera (three are drawn)."""
    ft: FtErrors

    @cached_property
    def needed_width_m(self) -> float:
        """Width of a gap that takes the item without a sweep."""
        return needed_width_m(self.item)

    @classmethod
    def standard(cls, seed: int, catalogue: list[CatalogueEntry] | None = None, pod: Pod | None = None) -> "World":
        """Draw the standard world of a seed: the same seed and catalogue give the same world.

        Args:
            seed: any integer >= 0.
            catalogue: products to draw from; the bundled ones when None.
            pod: the pod; the default one when None.

        Raises:
            ConfigError: a negative seed, or no product is eligible.
        """
        entries = load_catalogue() if catalogue is None else catalogue
        return cls._draw(seed, entries, pod or Pod(), VERSION, 0x706F6468, FILL_RANGE, GAP_RATIO_RANGE)

    @classmethod
    def hard(cls, seed: int, pod: Pod | None = None) -> "World":
        """Draw the hard world of a seed: difficult products, and bins that are full and tight.

        Args:
            seed: any integer >= 0.
            pod: the pod; the default one when None.

        Raises:
            ConfigError: a negative seed.
        """
        entries = load_catalogue("hard")
        return cls._draw(seed, entries, pod or Pod(), HARD_VERSION, 0x68617264, HARD_FILL_RANGE, HARD_GAP_RATIO_RANGE)

    @classmethod
    def _draw(
        cls,
        seed: int,
        entries: list[CatalogueEntry],
        pod: Pod,
        version: str,
        stream: int,
        fill_range: tuple[float, float],
        ratio_range: tuple[float, float],
    ) -> "World":
        _check_seed(seed)
        eligible = [entry.item for entry in entries if entry.eligible]
        if not eligible:
            raise ConfigError(
                f"item catalogue: none of its {len(entries)} products is eligible; add one that this tool may handle"
            )
        rng = np.random.default_rng([seed, stream])
        item = eligible[int(rng.integers(len(eligible)))]
        row, column = int(rng.integers(pod.rows)), int(rng.integers(pod.columns))
        packing = _draw_packing(rng, item, pod, fill_range, ratio_range)
        contents = _contents(rng, packing)
        return cls(
            version=version,
            seed=seed,
            item=item,
            row=row,
            column=column,
            fill=sum(c.volume_m3 for c in contents) / float(np.prod(pod.bin_size_m)),
            gap_ratio=max(packing.gaps_m) / needed_width_m(item),
            gaps_m=packing.gaps_m,
            contents=contents,
            **_chances(rng, item, pod, row, column),
        )

    @classmethod
    def scene(cls, item: Item, contents: Sequence[ContentItem], *, seed: int = 0, pod: Pod | None = None) -> "World":
        """Return a world with a given item and given contents; everything else, all errors included, is the seed's.

        Args:
            item: what is presented.
            contents: what is in the bin, at rest.
            seed: any integer >= 0.
            pod: the pod; the default one when None.

        Raises:
            ConfigError: a negative seed, or two contents of one name.
        """
        _check_seed(seed)
        names = [content.name for content in contents]
        if len(set(names)) < len(names) or "item" in names:
            raise ConfigError(f"contents - names must differ, and 'item' is the presented one (got {', '.join(names)})")
        pod = pod or Pod()
        rng = np.random.default_rng([seed, 0x5363656E])
        row, column = int(rng.integers(pod.rows)), int(rng.integers(pod.columns))
        gaps = _free_gaps_m(contents, pod.bin_width_m)
        return cls(
            version=SCENE_VERSION,
            seed=seed,
            item=item,
            row=row,
            column=column,
            fill=sum(c.volume_m3 for c in contents) / float(np.prod(pod.bin_size_m)),
            gap_ratio=max(gaps) / needed_width_m(item),
            gaps_m=gaps,
            contents=tuple(contents),
            **_chances(rng, item, pod, row, column),
        )


def _check_seed(seed: int) -> None:
    if seed < 0:
        raise ConfigError(f"seed - must be 0 or more (got {seed})")


def _chances(rng: np.random.Generator, item: Item, pod: Pod, row: int, column: int) -> Any:
    """Draw what no world chooses: the item's true mass and friction, neighbours, bands and every error."""
    return {
        "item_mass_kg": item.mass_kg * float(rng.uniform(0.7, 1.3)),
        "item_friction": float(rng.uniform(0.25, 0.9)),
        "scenery": _scenery(rng, pod, row, column),
        "band_tension_scale": tuple(float(s) for s in rng.uniform(0.7, 1.3, 2)),
        "X_nominal_bin": _error(rng, 0.005, 1.0, tilt=False),
        "X_nominal_item": _item_error(rng),
        "X_mount_camera": tuple(_error(rng, 0.003, 0.3) for _ in range(3)),
        "ft": _ft_errors(rng),
    }


def _free_gaps_m(contents: Sequence[ContentItem], width_m: float) -> tuple[float, ...]:
    """Return the widths along y that no content stands in at any height, from the -y wall to the +y wall."""
    y, gaps = -width_m / 2, []
    for low, high in sorted(content.y_extent_m for content in contents):
        gaps.append(max(low - y, 0.0))
        y = max(y, high)
    return (*gaps, max(width_m / 2 - y, 0.0))


def needed_width_m(item: Item) -> float:
    """Return the width of a gap that takes an item without a sweep [m]."""
    return item.width_m + CLEARANCE_M


def _draw_packing(
    rng: np.random.Generator,
    item: Item,
    pod: Pod,
    fill_range: tuple[float, float],
    ratio_range: tuple[float, float],
) -> Packing:
    for _ in range(MAX_DRAWS):
        fill, ratio = float(rng.uniform(*fill_range)), float(rng.uniform(*ratio_range))
        stands = draw_stands(rng, fill)
        for _ in range(TRIES_PER_DRAW):
            packing = pack(rng, pod.bin_size_m, fill, ratio, needed_width_m(item), stands)
            if packing is not None:
                return packing
    raise ConfigError(
        f"item {item.sku}: found no packing of the bin for it in {MAX_DRAWS} draws; its needed width is "
        f"{needed_width_m(item):.3f} m in a bin of {pod.bin_width_m:.3f} m: leave it out of the catalogue"
    )


def _contents(rng: np.random.Generator, packing: Packing) -> tuple[ContentItem, ...]:
    items = []
    for k, block in enumerate(packing.blocks):
        density = float(rng.uniform(150.0, 400.0) * rng.uniform(0.7, 1.3))
        flat_box = block.stand is Stand.LYING and block.shape is Shape.BOX
        items.append(
            ContentItem(
                name=f"content_{k}",
                shape=block.shape,
                size_m=block.size_m,
                X_bin_item=block.X_bin_item,
                mass_kg=float(np.clip(density * block.volume_m3, 0.05, 2.0)),
                friction=float(rng.uniform(0.25, 0.9)),
                edge_radius_m=LYING_EDGE_M if flat_box else 0.0,
                form_seed=int(rng.integers(2**31)),
            )
        )
    return tuple(items)


def _scenery(rng: np.random.Generator, pod: Pod, row: int, column: int) -> tuple[SceneryBox, ...]:
    boxes = []
    nominal = pod.X_world_bin(row, column)[:3, 3]
    for r in range(max(row - 1, 0), min(row + 2, pod.rows)):
        for c in range(max(column - 1, 0), min(column + 2, pod.columns)):
            offset = pod.X_world_bin(r, c)[:3, 3] - nominal
            count = int(rng.integers(2, 4))
            sides = rng.uniform((0.10, 0.04, 0.10), (0.34, 0.08, 0.24), (count, 3))
            edges = np.linspace(-pod.bin_width_m / 2, pod.bin_width_m / 2, count + 1)
            if (r, c) == (row, column):
                continue
            for k in range(count):
                x, y, z = (float(s) for s in sides[k])
                middle = (0.02 + x / 2, float(edges[k] + edges[k + 1]) / 2, z / 2)
                boxes.append(SceneryBox(X_bin_box=pose(None, offset + np.array(middle)), size_m=(x, y, z)))
    return tuple(boxes)


def _error(rng: np.random.Generator, distance_m: float, angle_deg: float, *, tilt: bool = True) -> Pose:
    """Draw a small pose: uniform per axis within ± distance and ± angle; without tilt the turn is about z alone."""
    angles = rng.uniform(-1, 1, 3) * angle_deg * pi / 180
    if not tilt:
        angles[:2] = 0.0
    return pose(rotation_rpy(*(float(a) for a in angles)), rng.uniform(-distance_m, distance_m, 3))


def _item_error(rng: np.random.Generator) -> Pose:
    yaw = float(rng.uniform(-0.5, 0.5)) * pi / 180
    x, y = rng.uniform(-0.0015, 0.0015, 2)
    return pose(rotation_rpy(0, 0, yaw), (float(x), float(y), 0.0))


def _ft_errors(rng: np.random.Generator) -> FtErrors:
    scale = np.array([1, 1, 1, 0.05, 0.05, 0.05])
    direction = rng.normal(size=3)
    force = direction / np.linalg.norm(direction) * rng.uniform(0, 2.0)
    bias = np.concatenate([force, rng.uniform(-0.1, 0.1, 3)])
    return FtErrors(
        noise_n=0.3,
        noise_n_m=0.015,
        bias=bias,
        drift_per_s=rng.uniform(-0.005, 0.005, 6) * scale,
        delay_s=0.002,
    )
