"""What the readings of a force/torque sensor at rest say: bias, drift, and mass and centre of the tool behind it.

A reading at rest is linear in what is sought. With the field g in the sensor's axes and t from the middle of the
measurement on,

    force  = m g      + force bias  + t force drift
    torque = h x g    + torque bias + t torque drift        h = m times the centre of mass

which is 16 unknowns: m, h, bias (6), drift (6). Poses tell them apart by how they turn g.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from podhand.controllers.parameters import GRAVITY_M_S2
from podhand.core.poses import FloatArray
from podhand.core.station_schema import MAX_TOOL_MASS_SHARE

__all__ = ["Identified", "Judgement", "QualityBounds", "Standstill", "choose_poses", "condition_number",
           "gravity_regressor", "identify", "judge", "unquiet", "weight_of"]  # fmt: skip

_UNKNOWNS = 16
_M, _H, _BIAS, _DRIFT = slice(0, 1), slice(1, 4), slice(4, 10), slice(10, 16)
_TYPICAL_NOISE = np.repeat([0.3, 0.015], 3)
"""[N, N m]: what poses are chosen for before any reading."""
_STARTING_INFORMATION = 1e-6


@dataclass(frozen=True, kw_only=True, eq=False)
class Standstill:
    """What the sensor said while the arm stood."""

    name: str
    time_s: float
    """Middle of the rest, plant time."""
    q_rad: tuple[float, ...]
    R_base_sensor: FloatArray
    wrench: FloatArray
    """(6,) mean of the raw reading, sensor axes [N, N m]."""
    noise: FloatArray
    """(6,) standard deviation of a sample."""
    step: FloatArray
    """(6,) mean of the second half less mean of the first."""
    samples: int

    @property
    def mean_noise(self) -> FloatArray:
        """(6,) standard deviation of the mean, if samples are independent."""
        return np.asarray(self.noise / np.sqrt(self.samples))


@dataclass(frozen=True, kw_only=True)
class QualityBounds:
    """What a calibration must keep, in parts of the sensor's range: 330 N and 30 N m make the figures in brackets."""

    range_force_n: float
    range_torque_n_m: float
    residual: float = 0.002
    """Between readings and model (0.66 N, 0.06 N m): a fifth of what a blade feels for its way with."""
    noise: float = 0.004
    """Of a sample (1.3 N): more is vibration, or a bad cable."""
    drift_per_s: float = 1e-4
    """(0.033 N/s): faster, and a tare is over the residual before a stow is."""
    bias: float = 0.15
    """(50 N): more of the range is gone, or the sensor was overloaded."""
    condition_number: float = 6.0
    """Of the regressor with columns of length one: errors grow at most by it."""
    mass_share: float = MAX_TOOL_MASS_SHARE
    """Difference to the mass that the station says."""
    com_m: float = 0.05
    """Difference to the centre that the station says."""

    def of(self, share: float) -> tuple[float, float]:
        """Return a bound on force [N] and torque [N m]."""
        return share * self.range_force_n, share * self.range_torque_n_m


def field_in_sensor(R_base_sensor: FloatArray) -> FloatArray:
    """Return the gravity field (3,) in the sensor's axes [m/s^2]."""
    return np.asarray(R_base_sensor.T @ np.array([0.0, 0.0, -GRAVITY_M_S2]))


def weight_of(mass_kg: float, com_sensor_m: FloatArray, R_base_sensor: FloatArray) -> FloatArray:
    """Return the wrench (6,) of a weight at rest, at the sensor in its axes."""
    force = mass_kg * field_in_sensor(R_base_sensor)
    return np.concatenate([force, np.cross(com_sensor_m, force)])


def gravity_regressor(R_base_sensor: FloatArray, time_s: float) -> FloatArray:
    """Return the rows (6, 16) of one pose: reading = rows @ (m, h, bias, drift)."""
    g = field_in_sensor(R_base_sensor)
    rows = np.zeros((6, _UNKNOWNS))
    rows[:3, 0] = g
    rows[3:, _H] = np.array([[0.0, g[2], -g[1]], [-g[2], 0.0, g[0]], [g[1], -g[0], 0.0]])
    rows[:, _BIAS] = np.eye(6)
    rows[:, _DRIFT] = time_s * np.eye(6)
    return rows


def condition_number(rotations: Sequence[FloatArray], times_s: Sequence[float]) -> float:
    """Return the condition number of the regressor of poses ``R_base_sensor``, rows in noise, columns of length one.

    Infinite when the poses cannot tell the unknowns apart.
    """
    return _condition(_whitened(rotations, times_s, _TYPICAL_NOISE))


def _condition(A: FloatArray) -> float:
    lengths = np.linalg.norm(A, axis=0)
    if not (lengths > 0.0).all() or A.shape[0] < A.shape[1]:
        return float("inf")
    values = np.linalg.svd(A / lengths, compute_uv=False)
    return float(values[0] / values[-1]) if values[-1] > 1e-12 * values[0] else float("inf")


def _whitened(rotations: Sequence[FloatArray], times_s: Sequence[float], noise: FloatArray) -> FloatArray:
    middle = float(np.mean(times_s))
    rows = [gravity_regressor(R, t - middle) / noise[:, None] for R, t in zip(rotations, times_s, strict=True)]
    return np.vstack(rows)


def choose_poses(rotations: Sequence[FloatArray], count: int) -> list[int]:
    """Return which of the candidates ``R_base_sensor`` to measure: each adds the most to det(A^T A) of those before.

    Drift is left out of it: the order of the poses in time is chosen later.
    """
    parts = []
    for R in rotations:
        A = gravity_regressor(R, 0.0)[:, : _DRIFT.start] / _TYPICAL_NOISE[:, None]
        A = A / np.concatenate([[GRAVITY_M_S2], np.full(3, GRAVITY_M_S2), np.ones(6)])
        parts.append(A.T @ A)
    information = _STARTING_INFORMATION * np.eye(_DRIFT.start)
    chosen: list[int] = []
    left = list(range(len(parts)))
    while left and len(chosen) < count:
        gains = [float(np.linalg.slogdet(information + parts[i])[1]) for i in left]
        best = left.pop(int(np.argmax(gains)))
        information = information + parts[best]
        chosen.append(best)
    return chosen


@dataclass(frozen=True, kw_only=True, eq=False)
class Identified:
    """The model that fits the readings best."""

    mass_kg: float
    com_sensor_m: FloatArray
    bias: FloatArray
    """(6,) at ``time_s``."""
    drift_per_s: FloatArray
    time_s: float
    """The end of the measurement."""
    noise: FloatArray
    """(6,) standard deviation of a sample."""
    condition_number: float
    mass_std_kg: float
    com_std_m: float

    def predict(self, R_base_sensor: FloatArray, time_s: float) -> FloatArray:
        """Return the reading (6,) that the model expects at rest."""
        return gravity_regressor(R_base_sensor, time_s - self.time_s) @ self._unknowns

    @cached_property
    def _unknowns(self) -> FloatArray:
        return np.concatenate([[self.mass_kg], self.mass_kg * self.com_sensor_m, self.bias, self.drift_per_s])

    def residual(self, stand: Standstill) -> FloatArray:
        """Return reading less prediction, (6,)."""
        return stand.wrench - self.predict(stand.R_base_sensor, stand.time_s)


def identify(stands: Sequence[Standstill]) -> Identified:
    """Fit the model to readings at rest by least squares, each weighted by the noise of its axis.

    Raises:
        ValueError: fewer poses than the unknowns need (three), or poses that do not tell them apart.
    """
    if len(stands) < 3:
        raise ValueError(f"16 unknowns need at least 3 poses (got {len(stands)})")
    noise = np.median([stand.noise for stand in stands], axis=0)
    # An axis without noise would count without bound.
    noise = np.maximum(noise, 1e-3 * _TYPICAL_NOISE)
    times = [stand.time_s for stand in stands]
    samples = float(np.mean([stand.samples for stand in stands]))
    A = _whitened([stand.R_base_sensor for stand in stands], times, noise) * np.sqrt(samples)
    y = np.concatenate([stand.wrench / noise for stand in stands]) * np.sqrt(samples)
    condition = _condition(A)
    if not np.isfinite(condition):
        raise ValueError("these poses turn gravity too little to tell mass, centre, bias and drift apart")
    lengths = np.linalg.norm(A, axis=0)
    found = np.linalg.lstsq(A / lengths, y, rcond=None)[0] / lengths
    mass, h = float(found[0]), found[_H]
    left = y - A @ found
    # Noise of the readings, or what the model does not explain if that is more.
    spread = max(1.0, float(left @ left) / max(1, len(y) - _UNKNOWNS))
    covariance = spread * np.linalg.inv((A / lengths).T @ (A / lengths)) / np.outer(lengths, lengths)
    end_s = max(times)
    return Identified(
        mass_kg=mass,
        com_sensor_m=h / mass,
        bias=found[_BIAS] + (end_s - float(np.mean(times))) * found[_DRIFT],
        drift_per_s=found[_DRIFT],
        time_s=end_s,
        noise=noise,
        condition_number=condition,
        mass_std_kg=float(np.sqrt(covariance[0, 0])),
        com_std_m=float(np.sqrt(np.trace(covariance[_H, _H]))) / abs(mass),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Judgement:
    """Whether a calibration may be used."""

    findings: tuple[str, ...]
    """In words: what is wrong, value, bound, what to do. Empty: it may be used."""
    fit_residual: tuple[float, float]
    """Largest over the poses: |force| [N], |torque| [N m]."""
    verification_residual: tuple[float, float]

    @property
    def ok(self) -> bool:
        """Nothing was found."""
        return not self.findings


def judge(
    model: Identified,
    fitted: Sequence[Standstill],
    verification: Sequence[Standstill],
    bounds: QualityBounds,
    *,
    mass_kg: float,
    com_sensor_m: FloatArray,
) -> Judgement:
    """Judge a model by the poses it was fitted to, by others, and by what the station says about the tool.

    Args:
        model: what was identified.
        fitted: the poses of the fit.
        verification: poses that were not used in it; at least one.
        bounds: what must be kept.
        mass_kg: of the tool as the station has it.
        com_sensor_m: (3,) its centre as the station has it.
    """
    fit, check = _largest(model, fitted), _largest(model, verification)
    findings = [*_unquiet(fitted, verification, bounds)]
    if model.condition_number > bounds.condition_number:
        findings.append(
            f"the poses tell the unknowns apart too badly: condition number {model.condition_number:.1f} (at most "
            f"{bounds.condition_number:g}); give the arm more room to turn the tool, or measure more poses"
        )
    findings += _residuals(model, fitted, verification, bounds)
    findings += _implausible(model, bounds, mass_kg, com_sensor_m)
    return Judgement(findings=tuple(findings), fit_residual=fit, verification_residual=check)


def _largest(model: Identified, stands: Sequence[Standstill]) -> tuple[float, float]:
    residuals = np.array([model.residual(stand) for stand in stands])
    force, torque = (float(np.linalg.norm(part, axis=1).max()) for part in (residuals[:, :3], residuals[:, 3:]))
    return force, torque


def _over(wrench: FloatArray, bounds: QualityBounds, share: float) -> bool:
    force, torque = bounds.of(share)
    return bool(np.linalg.norm(wrench[:3]) > force or np.linalg.norm(wrench[3:]) > torque)


def _in_words(wrench: FloatArray) -> str:
    return f"{np.linalg.norm(wrench[:3]):.2f} N, {np.linalg.norm(wrench[3:]):.3f} N m"


def _bound_words(bounds: QualityBounds, share: float) -> str:
    force, torque = bounds.of(share)
    return f"at most {force:.2f} N, {torque:.3f} N m"


def unquiet(stand: Standstill, bounds: QualityBounds) -> str:
    """Return why the readings of one rest cannot be used, or nothing: too noisy, or not the same all the time."""
    if (stand.noise > np.repeat(bounds.of(bounds.noise), 3)).any():
        force, torque = bounds.of(bounds.noise)
        return (
            f"{stand.name}: the signal is not quiet: a sample scatters by {stand.noise[:3].max():.2f} N, "
            f"{stand.noise[3:].max():.3f} N m (at most {force:.2f} N, {torque:.3f} N m); look for vibration, a loose "
            "tool, a bad cable"
        )
    # Six deviations of the difference of two halves' means: chance alone passes that once in 10^8.
    jitter = 6.0 * 2.0 * stand.mean_noise
    if (np.abs(stand.step) > jitter + 0.25 * np.repeat(bounds.of(bounds.residual), 3)).any():
        return (
            f"{stand.name}: the reading changed by {_in_words(stand.step)} while the arm stood; something touched the "
            "tool, or the sensor drifts: keep away and calibrate again"
        )
    return ""


def _unquiet(fitted: Sequence[Standstill], verification: Sequence[Standstill], bounds: QualityBounds) -> list[str]:
    return [words for stand in (*fitted, *verification) if (words := unquiet(stand, bounds))]


def _residuals(
    model: Identified, fitted: Sequence[Standstill], verification: Sequence[Standstill], bounds: QualityBounds
) -> list[str]:
    """Name the poses that the model does not explain."""
    findings = []
    allowed = _bound_words(bounds, bounds.residual)
    for kind, stands in (("fit", fitted), ("verification", verification)):
        over = [stand for stand in stands if _over(model.residual(stand), bounds, bounds.residual)]
        if not over:
            continue
        worst = max(over, key=lambda stand: float(np.linalg.norm(model.residual(stand) / model.noise)))
        findings.append(
            f"{kind}: {len(over)} of {len(stands)} poses do not fit the model of a rigid tool; {worst.name} is off by "
            f"{_in_words(model.residual(worst))} ({allowed}); something touched or pulled at the tool (cables?), or "
            "the sensor is not linear: clear the tool and calibrate again"
        )
    return findings


def _implausible(model: Identified, bounds: QualityBounds, mass_kg: float, com_sensor_m: FloatArray) -> list[str]:
    findings = []
    if _over(model.drift_per_s, bounds, bounds.drift_per_s):
        force, torque = bounds.of(bounds.drift_per_s)
        findings.append(
            f"the bias drifts by {np.linalg.norm(model.drift_per_s[:3]):.3f} N/s, "
            f"{np.linalg.norm(model.drift_per_s[3:]):.4f} N m/s (at most {force:.3f} N/s, {torque:.4f} N m/s); let the "
            "sensor warm up for half an hour; if it goes on, have it checked"
        )
    if _over(model.bias, bounds, bounds.bias):
        findings.append(
            f"the bias is {_in_words(model.bias)} ({_bound_words(bounds, bounds.bias)}): the sensor was overloaded or "
            "is mounted under stress; zero it by its own means, or have it checked"
        )
    if abs(model.mass_kg - mass_kg) > bounds.mass_share * mass_kg:
        findings.append(
            f"the tool weighs {model.mass_kg:.2f} kg, the station says {mass_kg:.2f} kg (± "
            f"{100 * bounds.mass_share:.0f} %): something is in or on the tool, or tool.mass_kg of the station is wrong"
        )
    off_m = float(np.linalg.norm(model.com_sensor_m - com_sensor_m))
    if off_m > bounds.com_m:
        findings.append(
            f"the tool's centre of mass is {1e3 * off_m:.0f} mm from where the station says (at most "
            f"{1e3 * bounds.com_m:.0f} mm): something is in or on the tool, or the sensor is mounted turned"
        )
    return findings
