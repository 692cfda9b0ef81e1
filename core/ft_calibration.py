"""The calibration of a force/torque sensor with the tool behind it: the file that a station uses.

Wrenches are raw readings at the sensor in its own axes: what the world exerts on the tool side, weight included.
"""

import os
from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, Strict, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedSeq
from ruamel.yaml.error import YAMLError

from podhand.core.errors import ConfigError

__all__ = ["FORMAT", "CalibratedTool", "CalibrationQuality", "FtCalibration", "Provenance", "Tare", "Wrench",
           "load_ft_calibration", "save_ft_calibration"]  # fmt: skip

FORMAT = "podhand-ft-calibration-1"
MAX_TARES = 1000
"""The oldest go when there are more: a year of three a day."""

_Number: TypeAlias = Annotated[float, Field(allow_inf_nan=False)]
_NotNegative: TypeAlias = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
_Triple: TypeAlias = tuple[_Number, _Number, _Number]


class _Block(BaseModel):
    """Unknown keys are errors, values cannot change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Wrench(_Block):
    """A force and a torque at the sensor, sensor axes."""

    force_n: _Triple
    torque_n_m: _Triple

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """Make one of six numbers [N, N m], kept to a millionth."""
        fx, fy, fz, tx, ty, tz = (round(float(v), 6) for v in values)
        return cls(force_n=(fx, fy, fz), torque_n_m=(tx, ty, tz))

    @property
    def values(self) -> tuple[float, ...]:
        """The six numbers [N, N m]."""
        return (*self.force_n, *self.torque_n_m)


class CalibratedTool(_Block):
    """What hangs on the sensor, with paddles and blade as they stood."""

    mass_kg: Annotated[float, Field(gt=0.0, le=100.0)]
    com_sensor_m: _Triple
    mass_std_kg: _NotNegative
    """Standard deviation by the noise of the readings and the residual of the fit."""
    com_std_m: _NotNegative


class CalibrationQuality(_Block):
    """How well the model explains what was measured. Residuals are the largest norms over the poses."""

    condition_number: _NotNegative
    fit_poses: Annotated[int, Strict(), Field(ge=1)]
    verification_poses: Annotated[int, Strict(), Field(ge=1)]
    fit_residual_force_n: _NotNegative
    fit_residual_torque_n_m: _NotNegative
    verification_residual_force_n: _NotNegative
    verification_residual_torque_n_m: _NotNegative
    residual_bound_force_n: _NotNegative
    residual_bound_torque_n_m: _NotNegative


class Tare(_Block):
    """A bias that was taken later, the tool standing free."""

    made_at: str
    """ISO 8601, UTC."""
    bias: Wrench


class Provenance(_Block):
    """Where the numbers come from."""

    made_at: str
    """ISO 8601, UTC."""
    podhand: str
    """Version."""
    kernel_build: str
    world: str = ""
    """For simulated stations: which world."""
    gravity_m_s2: _Number
    opening_m: _Number
    """Of the paddles while it was measured."""
    blade_m: _Number
    poses_q_rad: tuple[tuple[_Number, ...], ...]
    """As measured, in order."""
    verification: tuple[int, ...]
    """Which of them were not used in the fit, from 0."""


class FtCalibration(_Block):
    """Everything that one run of ``podhand ft calibrate`` found."""

    format: Literal["podhand-ft-calibration-1"] = "podhand-ft-calibration-1"
    station: str
    tool: CalibratedTool
    first_bias: Wrench
    """Raw reading without load at the end of the calibration."""
    drift_per_s: Wrench
    """Change of the bias while it was measured [N/s, N m/s]."""
    noise: Wrench
    """Standard deviation of a sample."""
    loop_delay_s: Annotated[float, Field(ge=0.0, le=0.05)]
    """Set-point to motion to reading, measured: a station counts with no less."""
    position_delay_s: Annotated[float, Field(ge=0.0, le=0.05)]
    """Set-point to reported joint positions: the part of it that is not the sensor's."""
    quality: CalibrationQuality
    provenance: Provenance
    tares: Annotated[tuple[Tare, ...], Field(max_length=MAX_TARES)] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        quality = self.quality
        for kind in ("force_n", "torque_n_m"):
            residual = getattr(quality, f"verification_residual_{kind}")
            bound = getattr(quality, f"residual_bound_{kind}")
            if residual > bound:
                raise ValueError(f"verification_residual_{kind} {residual} is over its bound {bound}: calibrate again")
        return self

    @property
    def bias(self) -> Wrench:
        """The newest bias: of the last tare, or of the calibration itself."""
        return self.tares[-1].bias if self.tares else self.first_bias

    def with_tare(self, tare: Tare) -> "FtCalibration":
        """Return this calibration with one more tare."""
        return self.model_copy(update={"tares": (*self.tares, tare)[-MAX_TARES:]})


def load_ft_calibration(path: Path) -> FtCalibration:
    """Read a calibration file.

    Raises:
        ConfigError: not there, not YAML, another format, or values out of range: all findings, one per line.
    """
    try:
        document = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} - must be UTF-8 text (got {error.reason} at byte {error.start})") from error
    except OSError as error:
        raise ConfigError(f"{path} - cannot be read ({error.strerror}); make it with: podhand ft calibrate") from error
    except YAMLError as error:
        raise ConfigError(f"{path} - not valid YAML: {str(error).splitlines()[0]}") from error
    if not isinstance(document, Mapping) or document.get("format") != FORMAT:
        got = document.get("format") if isinstance(document, Mapping) else type(document).__name__
        raise ConfigError(f"{path} - format must be {FORMAT!r} (got {got!r}): calibrate again: podhand ft calibrate")
    try:
        return FtCalibration.model_validate(document)
    except ValidationError as error:
        lines = [
            f"{path} - {'.'.join(map(str, e['loc'])) or 'calibration'}: {e['msg'][:1].lower()}{e['msg'][1:]}"
            for e in error.errors(include_url=False)
        ]
        raise ConfigError("\n".join(lines)) from error


def save_ft_calibration(calibration: FtCalibration, path: Path) -> None:
    """Write a calibration file; a file that is there is replaced at once or not at all.

    Raises:
        ConfigError: it cannot be written.
    """
    yaml = YAML()
    yaml.width = 120
    stream = StringIO()
    yaml.dump(_flow_lists(calibration.model_dump(mode="json")), stream)
    beside = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(stream.getvalue(), encoding="utf-8")
        os.replace(beside, path)
    except OSError as error:
        raise ConfigError(f"{path} - cannot be written ({error.strerror}); give another file") from error


def _flow_lists(node: object) -> object:
    """Mark lists of numbers to be written as ``[1, 2]``."""
    if isinstance(node, dict):
        return {key: _flow_lists(value) for key, value in node.items()}
    if isinstance(node, list):
        sequence = CommentedSeq([_flow_lists(value) for value in node])
        if not any(isinstance(value, dict | list) for value in node):
            sequence.fa.set_flow_style()
        return sequence
    return node
