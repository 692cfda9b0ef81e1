"""Wiring: a station file becomes a workcell. The one place where a back end is chosen."""

from dataclasses import replace
from pathlib import Path

from podhand.app.choices import WorldKind
from podhand.core.errors import ConfigError
from podhand.core.station import Station
from podhand.sim.catalogue import CatalogueEntry, load_catalogue
from podhand.sim.settings import BandSettings, CameraMount, DriveSettings, SimSettings
from podhand.sim.workcell import SimWorkcell
from podhand.sim.world import HARD_VERSION, VERSION, World

WORLDS_PER_SEED = 100_000


def world_seed(seed: int, index: int) -> int:
    """Return the seed of world ``index`` of a run with ``seed``: runs with different seeds share no world."""
    return seed * WORLDS_PER_SEED + index


def world_version(kind: WorldKind) -> str:
    """Return the version of a definition of worlds."""
    return HARD_VERSION if kind is WorldKind.HARD else VERSION


def catalogue_of(kind: WorldKind, items: Path | None) -> list[CatalogueEntry]:
    """Return the products that worlds are drawn from.

    Raises:
        ConfigError: as ``read_catalogue``, or products are given for hard worlds, which bring their own.
    """
    if kind is not WorldKind.HARD:
        return read_catalogue(items)
    if items is not None:
        raise ConfigError(f"--items {items} - hard worlds bring their own products: leave it out, or --world hard")
    return load_catalogue("hard")


def draw_world(kind: WorldKind, station: Station, catalogue: list[CatalogueEntry], *, seed: int, index: int) -> World:
    """Draw world ``index`` of a run; hard worlds have products of their own and do not use the catalogue.

    Raises:
        ConfigError: the catalogue has no eligible product.
    """
    if kind is WorldKind.HARD:
        return World.hard(world_seed(seed, index), station.pod)
    return standard_world(station, catalogue, seed=seed, index=index)


def standard_world(station: Station, catalogue: list[CatalogueEntry], *, seed: int, index: int) -> World:
    """Draw world ``index`` of a run. Raises ConfigError when the catalogue has no eligible product."""
    return World.standard(world_seed(seed, index), catalogue, station.pod)


def read_catalogue(path: Path | None) -> list[CatalogueEntry]:
    """Read a catalogue, the bundled one for None, and make sure that something in it can be stowed.

    Raises:
        ConfigError: the file is wrong, or none of its products is eligible.
    """
    entries = load_catalogue(path)
    if not any(entry.eligible for entry in entries):
        reasons = "; ".join(f"{entry.item.sku}: {entry.reason}" for entry in entries[:5])
        raise ConfigError(f"{path}: none of its {len(entries)} products is eligible for this tool ({reasons})")
    return entries


def build_workcell(station: Station, world: World) -> SimWorkcell:
    """Build the workcell of a station around a world; the arm stands parked, the lift at the bin's row."""
    return SimWorkcell(
        world, settings=sim_settings(station), tool=station.tool, pod=station.pod, arm=station.arm.kinematics
    )


def sim_settings(station: Station) -> SimSettings:
    """Return the simulation's settings with everything that the station says about the cell."""
    bands = replace(
        BandSettings(),
        heights_bin_m=station.bands.heights_bin_m,
        x_bin_m=station.bands.x_bin_m,
        prong_y_m=station.band_arm.prong_y_m,
        park_base_m=station.band_arm.park_base_m,
    )
    drives = replace(
        DriveSettings(),
        squeeze_max_force_n=station.axes.squeeze.max_force_n,
        band_arm_max_force_n=station.axes.band_z.max_force_n,
    )
    return SimSettings(
        tick_s=station.control.tick_s,
        home_q_rad=station.arm.park_q_rad,
        base_x_m=station.mounting.base_x_m,
        base_below_bin_floor_m=station.mounting.base_below_bin_floor_m,
        infeed_base_m=(station.infeed.item_x_m, station.infeed.item_y_m),
        rail_top_base_m=station.infeed.rail_top_m,
        ft_range_n=station.ft.range_force_n,
        ft_range_n_m=station.ft.range_torque_n_m,
        bands=bands,
        drives=drives,
        cameras=tuple(
            CameraMount(
                name=camera.name,
                eye_bin_m=camera.eye_bin_m,
                target_bin_m=camera.target_bin_m,
                width_px=camera.width_px,
                height_px=camera.height_px,
                fov_y_rad=camera.fov_y_rad,
                min_range_m=camera.min_range_m,
                max_range_m=camera.max_range_m,
            )
            for camera in station.cameras
        ),
    )
