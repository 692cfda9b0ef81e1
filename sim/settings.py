"""Numbers of the simulated workcell that belong to no product, pod or tool: places, drives, sensors, cameras.

Every default is our own assumption unless a source is named. A station file may replace them; the simulation reads no
station itself.
"""

from dataclasses import dataclass
from math import pi


@dataclass(frozen=True, kw_only=True)
class CameraMount:
    """A depth camera and where it stands relative to the nominal active bin: it travels with lift and column."""

    name: str
    eye_bin_m: tuple[float, float, float]
    target_bin_m: tuple[float, float, float]
    width_px: int = 320
    height_px: int = 240
    fov_y_rad: float = 0.75
    min_range_m: float = 0.20
    max_range_m: float = 2.0


@dataclass(frozen=True, kw_only=True)
class BandSettings:
    """Elastic bands across a bin, and the passive hook that pulls them down."""

    heights_bin_m: tuple[float, ...] = (0.07, 0.16)
    x_bin_m: float = -0.012
    """Plane of the bands, in front of the opening."""
    radius_m: float = 0.003
    stiffness_n_m: float = 35.0
    """Of a whole band from wall to wall: force per stretch."""
    rest_share: float = 0.80
    """Unstretched length over the distance of its ends: the rest is pretension."""
    nodes: int = 11
    prong_y_m: float = 0.135
    """The hook's prongs stand at ± this."""
    park_base_m: tuple[float, float, float] = (1.05, 0.0, -0.30)
    """Hook point at rest in the base frame; y counts from the active column."""


@dataclass(frozen=True, kw_only=True)
class DriveSettings:
    """Set-point followers of all axes: stiffness, damping ratio and the force that the drive can give."""

    joint_stiffness_n_m_rad: tuple[float, ...] = (8.0e4, 8.0e4, 5.0e4, 1.5e4, 1.5e4, 1.0e4)
    joint_armature_kg_m2: tuple[float, ...] = (1.0, 1.0, 0.6, 0.15, 0.15, 0.15)
    """Rotor inertia seen at the joint."""
    damping_ratio: float = 0.8
    squeeze_stiffness_n_m: float = 6.0e3
    squeeze_max_force_n: float = 60.0
    """Per face."""
    blade_stiffness_n_m: float = 1.0e4
    blade_max_force_n: float = 40.0
    band_arm_stiffness_n_m: float = 4.0e4
    band_arm_max_force_n: float = 120.0
    belt_max_acceleration_m_s2: float = 30.0


@dataclass(frozen=True, kw_only=True)
class SimSettings:
    """The simulated workcell around arm, tool and pod."""

    tick_s: float = 0.001
    home_q_rad: tuple[float, ...] = (-0.5911, -1.4573, -2.0787, -2.7472, -2.1619, -1.5708)
    base_x_m: float = -1.30
    base_below_bin_floor_m: float = 0.10
    infeed_base_m: tuple[float, float] = (0.80, -0.95)
    """Middle of the presented item, x and y in the base frame."""
    rail_top_base_m: float = 0.15
    blade_bending_n_m_rad: float = 100.0
    """Stiffness of the hinge at the blade's root."""
    ft_range_n: float = 330.0
    ft_range_n_m: float = 30.0
    settle_s: float = 0.3
    """Simulated time before the first tick, in which everything comes to rest."""
    slow_period_ticks: int = 5
    """The switches and light barriers are read this often."""
    bands: BandSettings = BandSettings()
    drives: DriveSettings = DriveSettings()
    cameras: tuple[CameraMount, ...] = (
        CameraMount(name="centre", eye_bin_m=(-0.60, 0.0, 0.26), target_bin_m=(0.15, 0.0, 0.11)),
        CameraMount(name="left", eye_bin_m=(-0.50, 0.22, 0.24), target_bin_m=(0.15, -0.02, 0.10)),
        CameraMount(name="right", eye_bin_m=(-0.50, -0.22, 0.24), target_bin_m=(0.15, 0.02, 0.10)),
    )
    camera_noise_m: float = 0.0015
    """Standard deviation of the depth at 1 m; grows with the square of the depth."""
    camera_dropout: float = 0.015
    """Share of pixels with no depth."""

    def __post_init__(self) -> None:
        if not 0.0 < self.tick_s <= 0.002:
            raise ValueError(f"tick_s must be in (0, 0.002] s for a stable simulation (got {self.tick_s})")
        if any(abs(q) > 2 * pi for q in self.home_q_rad):
            raise ValueError(f"home_q_rad must be within ±2 pi rad (got {self.home_q_rad})")
