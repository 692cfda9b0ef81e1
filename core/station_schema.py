"""The station schema: what a station file may say, with units, ranges and the rules between values.

A safety limit has no default. Every other number has none either, apart from the geometry of tool and pod, so that a
station file is the complete description of a cell.
"""

import dataclasses
from enum import StrEnum
from math import hypot
from typing import TYPE_CHECKING, Annotated, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, Strict, model_validator, with_config
from pydantic_core import PydanticCustomError

from podhand.core.arm_model import UR10E, ArmModel
from podhand.core.ft_calibration import FtCalibration
from podhand.core.tooling import Pod, StowTool

SCHEMA_VERSION = 1
MAX_TOOL_MASS_SHARE = 0.15
"""By which a calibrated tool may differ from the station's figure, which compliant laws are laid out for."""
ARM_MODELS: dict[str, ArmModel] = {"ur10e": UR10E}

Number: TypeAlias = Annotated[float, Strict(), Field(allow_inf_nan=False)]
Positive: TypeAlias = Annotated[float, Strict(), Field(gt=0.0, allow_inf_nan=False)]
NotNegative: TypeAlias = Annotated[float, Strict(), Field(ge=0.0, allow_inf_nan=False)]
Length: TypeAlias = Annotated[float, Strict(), Field(ge=-5.0, le=5.0, allow_inf_nan=False)]
Point: TypeAlias = tuple[Length, Length, Length]
Switch: TypeAlias = Annotated[bool, Strict()]
JointAngles: TypeAlias = Annotated[tuple[Number, ...], Field(min_length=6, max_length=7)]
JointLimits: TypeAlias = Annotated[tuple[Positive, ...], Field(min_length=6, max_length=7)]


class Backend(StrEnum):
    """What stands behind the device ports."""

    SIM = "sim"


def _rule(text: str, key: str = "") -> PydanticCustomError:
    """Build the error of a rule between values; ``key`` is the dotted path, inside the block, of the value to blame."""
    # The text travels as a value of the template: braces in it must not be taken for fields.
    return PydanticCustomError("rule", "{rule}", {"rule": text, "key": key})


class Block(BaseModel):
    """Base of all station blocks: unknown keys are errors, values cannot change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ArmBlock(Block):
    """The arm: which model, where it rests, and how far its limits are tightened."""

    model: str = Field(description="Name of the arm model.")
    home_q_rad: JointAngles = Field(description="Ready pose between infeed and pod.")
    park_q_rad: JointAngles = Field(description="Pose for pod changes and for taking pictures.")
    max_speed_rad_s: JointLimits = Field(description="Per joint; may only tighten the model's.")
    max_acceleration_rad_s2: JointLimits = Field(description="Per joint.")
    max_jerk_rad_s3: JointLimits = Field(description="Per joint.")
    max_following_error_rad: Positive = Field(description="Between set-point and measurement, any joint.")

    @property
    def kinematics(self) -> ArmModel:
        """The arm model that ``model`` names."""
        return ARM_MODELS[self.model]

    @model_validator(mode="after")
    def _fits_model(self) -> Self:
        arm = ARM_MODELS.get(self.model)
        if arm is None:
            raise _rule(f"must be one of {', '.join(ARM_MODELS)} (got {self.model!r})", key="model")
        for name in ("home_q_rad", "park_q_rad", "max_speed_rad_s", "max_acceleration_rad_s2", "max_jerk_rad_s3"):
            if len(getattr(self, name)) != arm.joints:
                raise _rule(f"needs {arm.joints} values, one per joint of {arm.name}", key=name)
        for name in ("home_q_rad", "park_q_rad"):
            for link, q in zip(arm.links, getattr(self, name), strict=True):
                if not link.min_position_rad <= q <= link.max_position_rad:
                    raise _rule(
                        f"{link.name} must be within {link.min_position_rad:.3f} … "
                        f"{link.max_position_rad:.3f} rad (got {q})",
                        key=name,
                    )
        for link, speed in zip(arm.links, self.max_speed_rad_s, strict=True):
            if speed > link.max_speed_rad_s + 1e-6:
                raise _rule(
                    f"may only tighten the model's limit: {link.name} allows at most {link.max_speed_rad_s:.4f} rad/s "
                    f"(got {speed})",
                    key="max_speed_rad_s",
                )
        return self


class MountingBlock(Block):
    """Where the arm's base stands. The lift brings it to each bin row; it does not move sideways."""

    base_x_m: Annotated[float, Strict(), Field(ge=-2.0, le=-0.3)] = Field(description="Base in the world, x.")
    base_below_bin_floor_m: Annotated[float, Strict(), Field(ge=-1.0, le=1.0)] = Field(
        description="The lift holds the base this far below the active bin's floor."
    )
    min_base_height_m: NotNegative = Field(description="Lowest place of the lift, base over the floor.")
    max_base_height_m: Positive = Field(description="Highest place of the lift.")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min_base_height_m >= self.max_base_height_m:
            raise _rule("must be below max_base_height_m", key="min_base_height_m")
        return self


class SpeedAxisBlock(Block):
    """Limits of an axis that runs at a speed (the belts)."""

    max_speed_m_s: Annotated[float, Strict(), Field(gt=0.0, le=2.0)]
    max_acceleration_m_s2: Annotated[float, Strict(), Field(gt=0.0, le=50.0)]
    max_jerk_m_s3: Annotated[float, Strict(), Field(gt=0.0, le=5000.0)]
    max_force_n: Annotated[float, Strict(), Field(gt=0.0, le=500.0)]


class AxisBlock(SpeedAxisBlock):
    """Limits of a positioned axis."""

    min_position_m: Length
    max_position_m: Length
    max_following_error_m: Annotated[float, Strict(), Field(gt=0.0, le=0.5)]

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min_position_m >= self.max_position_m:
            raise _rule(
                f"must be below max_position_m = {self.max_position_m} m (got {self.min_position_m})",
                key="min_position_m",
            )
        return self


class AxesBlock(Block):
    """Limits of all axes beside the arm. Band axes: position of the hook point in the arm's base frame."""

    squeeze: AxisBlock
    belts: SpeedAxisBlock
    blade: AxisBlock
    band_x: AxisBlock
    band_y: AxisBlock
    band_z: AxisBlock


class FtBlock(Block):
    """The six-axis force/torque sensor at the wrist and the loop it closes."""

    range_force_n: Annotated[float, Strict(), Field(gt=0.0, le=5000.0)]
    range_torque_n_m: Annotated[float, Strict(), Field(gt=0.0, le=500.0)]
    period_s: Annotated[float, Strict(), Field(ge=1e-4, le=0.02)] = Field(description="The sensor's own period.")
    filter_time_constant_s: Annotated[float, Strict(), Field(gt=0.0, le=0.05)]
    loop_delay_s: Annotated[float, Strict(), Field(gt=0.0, le=0.05)] = Field(
        description="Measured: sensor to set-point to motion. Feeds the damping gate."
    )
    max_age_periods: Annotated[float, Strict(), Field(ge=1.0, le=100.0)]
    frozen_periods: Annotated[float, Strict(), Field(ge=2.0, le=1000.0)]
    calibration: FtCalibration | None = Field(
        default=None, description="What `podhand ft calibrate` found; a station file names it by calibration_file."
    )

    @model_validator(mode="after")
    def _calibration_fits(self) -> Self:
        if self.calibration is None:
            return self
        for unit, most in (("force_n", self.range_force_n), ("torque_n_m", self.range_torque_n_m)):
            if max(abs(v) for v in getattr(self.calibration.bias, unit)) >= most:
                raise _rule(f"its bias is outside the sensor's range of {most:g}: another sensor?", key="calibration")
        if self.loop_delay_s < self.calibration.loop_delay_s:
            raise _rule(
                f"must not be less than the measured {self.calibration.loop_delay_s} s (got {self.loop_delay_s})",
                key="loop_delay_s",
            )
        return self


class SafetyBlock(Block):
    """What no segment may exceed. No defaults, and nothing in Python can raise them."""

    max_force_norm_n: Annotated[float, Strict(), Field(gt=0.0, le=150.0)]
    max_torque_norm_n_m: Annotated[float, Strict(), Field(gt=0.0, le=60.0)]
    max_tool_speed_m_s: Annotated[float, Strict(), Field(gt=0.0, le=2.0)]
    axis_max_age_s: Annotated[float, Strict(), Field(ge=0.001, le=0.1)]
    limiter_enabled: Switch = Field(description="Last-stage limiter. false only with the sim back end.")
    force_limits_enabled: Switch = Field(description="false: limits are reported, not acted upon; sim only.")


class ForcesBlock(Block):
    """Force limits that the primitives work with; none may exceed ``safety.max_force_norm_n``."""

    transfer_n: Positive = Field(description="Free motion between infeed, pod and park.")
    receive_n: Positive = Field(description="While the paddles close around an item at the infeed.")
    approach_n: Positive = Field(description="Last centimetres to the bin mouth.")
    blade_n: Positive = Field(description="While the blade extends or retracts.")
    sweep_n: Positive = Field(description="While the blade pushes items aside.")
    eject_n: Positive = Field(description="While the belts push the item into the bin.")
    retract_n: Positive = Field(description="While the tool leaves the bin.")
    grip_min_n: Positive = Field(description="Least squeeze.")
    grip_max_n: Positive = Field(description="Most squeeze, whatever the item would bear.")
    grip_margin: Annotated[float, Strict(), Field(ge=1.0, le=5.0)] = Field(
        description="Squeeze over the least one that holds the item's weight by friction."
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.grip_min_n > self.grip_max_n:
            raise _rule(f"must not exceed grip_max_n = {self.grip_max_n} N (got {self.grip_min_n})", key="grip_min_n")
        return self


class BandsBlock(Block):
    """Elastic bands across each bin opening, in the bin frame."""

    heights_bin_m: Annotated[tuple[Positive, ...], Field(min_length=1, max_length=4)]
    x_bin_m: Length = Field(description="Plane of the bands; in front of the opening is negative.")


class BandArmBlock(Block):
    """The band arm's hook and its places."""

    park_base_m: Point = Field(description="Hook point at rest, in the base frame; y is that of the active column.")
    prong_y_m: Annotated[float, Strict(), Field(gt=0.0, le=0.15)] = Field(description="Prongs at ± this.")
    in_front_m: Positive = Field(description="The hook goes up and down this far in front of the bands.")
    above_bands_m: Positive = Field(description="The hook goes in this far above the upper band.")
    hold_z_bin_m: Length = Field(description="The hook holds the bands at this height of the bin frame.")


class InfeedBlock(Block):
    """Hand-over place of the infeed conveyor, in the arm's base frame; travels with the lift."""

    item_x_m: Length = Field(description="Middle of the item.")
    item_y_m: Length = Field(description="Middle of the item.")
    rail_top_m: Length = Field(description="The item's lower side, z.")


class CameraBlock(Block):
    """A depth camera. Placed relative to the nominal active bin: the cameras travel with lift and column."""

    name: Annotated[str, Field(min_length=1)]
    eye_bin_m: Point = Field(description="The camera's place in the bin frame.")
    target_bin_m: Point = Field(description="Where it looks at.")
    width_px: Annotated[int, Strict(), Field(ge=32, le=4096)]
    height_px: Annotated[int, Strict(), Field(ge=32, le=4096)]
    fov_y_rad: Annotated[float, Strict(), Field(gt=0.1, lt=2.5)] = Field(description="Vertical field of view.")
    min_range_m: Positive
    max_range_m: Positive

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min_range_m >= self.max_range_m:
            raise _rule("must be below max_range_m", key="min_range_m")
        if hypot(*(a - b for a, b in zip(self.eye_bin_m, self.target_bin_m, strict=True))) < 0.05:
            raise _rule("must be at least 0.05 m from target_bin_m", key="eye_bin_m")
        return self


class ControlBlock(Block):
    """Numbers of the control loop that are neither limits nor device data."""

    tick_s: Annotated[float, Strict(), Field(ge=0.0005, le=0.004)]
    ik_damping: Annotated[float, Strict(), Field(gt=0.0, le=0.5)] = Field(description="Damped least squares.")
    tool_stiffness_n_m: Annotated[float, Strict(), Field(ge=50.0, le=1e6)] = Field(
        description="Of the tool itself, mostly the blade's bending; in series with the contact in the damping gate."
    )


def _bounded(base: type, name: str) -> type:
    """Derive a validated twin of a geometry dataclass: same fields and defaults, every number with a range."""

    def bounds(field: dataclasses.Field[object]) -> object:
        if field.type is int:
            return Field(ge=1, le=50)
        coordinate = isinstance(field.default, float) and field.default < 0.0
        return Field(ge=-5.0 if coordinate else 0.0005, le=5.0, allow_inf_nan=False)

    specs = [
        (f.name, Annotated[f.type, Strict(), bounds(f)], dataclasses.field(default=f.default))
        for f in dataclasses.fields(base)
    ]
    twin = dataclasses.make_dataclass(
        name, specs, bases=(base,), namespace={"__module__": __name__, "__doc__": base.__doc__}, frozen=True,
        kw_only=True,
    )  # fmt: skip
    return with_config(ConfigDict(extra="forbid"))(twin)


if TYPE_CHECKING:
    ToolBlock: TypeAlias = StowTool
    PodBlock: TypeAlias = Pod
else:
    ToolBlock = _bounded(StowTool, "ToolBlock")
    PodBlock = _bounded(Pod, "PodBlock")


class Station(Block):
    """One workcell, complete and validated. Immutable; safe to send to worker processes."""

    schema_version: Annotated[int, Strict(), Field(ge=SCHEMA_VERSION, le=SCHEMA_VERSION)]
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    description: str = ""
    backend: Backend
    arm: ArmBlock
    mounting: MountingBlock
    axes: AxesBlock
    ft: FtBlock
    safety: SafetyBlock
    forces: ForcesBlock
    tool: ToolBlock = Field(default_factory=ToolBlock)
    pod: PodBlock = Field(default_factory=PodBlock)
    bands: BandsBlock
    band_arm: BandArmBlock
    infeed: InfeedBlock
    cameras: Annotated[tuple[CameraBlock, ...], Field(min_length=1)]
    control: ControlBlock

    @property
    def simulated_unlimited(self) -> bool:
        """True for the test station that shows what the limits are for."""
        return not (self.safety.limiter_enabled and self.safety.force_limits_enabled)

    def base_height_m(self, row: int) -> float:
        """Height of the arm's base over the floor [m] when the lift serves a bin row."""
        return self.pod.lowest_floor_m + row * (self.pod.bin_height_m + 2 * self.pod.wall_m) - (
            self.mounting.base_below_bin_floor_m
        )  # fmt: skip

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for name in ("transfer_n", "receive_n", "approach_n", "blade_n", "sweep_n", "eject_n", "retract_n"):
            force = getattr(self.forces, name)
            if force > self.safety.max_force_norm_n:
                raise _rule(
                    f"must not exceed safety.max_force_norm_n = {self.safety.max_force_norm_n} N (got {force})",
                    key=f"forces.{name}",
                )
        squeeze, blade = self.axes.squeeze, self.axes.blade
        if squeeze.min_position_m > self.tool.min_opening_m or squeeze.max_position_m < self.tool.max_opening_m:
            raise _rule(
                f"must cover the tool's opening {self.tool.min_opening_m} … {self.tool.max_opening_m} m",
                key="axes.squeeze",
            )
        if blade.max_position_m > self.tool.blade_stroke_m + 1e-9:
            raise _rule(
                f"must not exceed the blade's stroke {self.tool.blade_stroke_m} m (got {blade.max_position_m})",
                key="axes.blade.max_position_m",
            )
        if self.forces.grip_max_n > squeeze.max_force_n:
            raise _rule(
                f"must not exceed axes.squeeze.max_force_n = {squeeze.max_force_n} N (got {self.forces.grip_max_n})",
                key="forces.grip_max_n",
            )
        lowest, highest = self.base_height_m(0), self.base_height_m(self.pod.rows - 1)
        if lowest < self.mounting.min_base_height_m or highest > self.mounting.max_base_height_m:
            raise _rule(
                f"the lift must reach {lowest:.3f} … {highest:.3f} m for all rows of the pod (it reaches "
                f"{self.mounting.min_base_height_m} … {self.mounting.max_base_height_m} m)",
                key="mounting",
            )
        self._check_calibration()
        if len({camera.name for camera in self.cameras}) != len(self.cameras):
            raise _rule("names must differ", key="cameras")
        return self

    def _check_calibration(self) -> None:
        calibration = self.ft.calibration
        if calibration is None:
            return
        if calibration.station != self.name:
            raise _rule(
                f"was made for station {calibration.station!r}, this is {self.name!r}: calibrate this one "
                "(podhand ft calibrate)",
                key="ft.calibration",
            )
        mass, said = calibration.tool.mass_kg, self.tool.mass_kg
        if abs(mass - said) > MAX_TOOL_MASS_SHARE * said:
            raise _rule(
                f"its tool weighs {mass:.2f} kg, tool.mass_kg is {said:.2f} kg (± {100 * MAX_TOOL_MASS_SHARE:.0f} %): "
                "another tool? calibrate again",
                key="ft.calibration",
            )
