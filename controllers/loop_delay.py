"""How long the loop takes from a set-point to the reading that shows its force: measured, for the damping gate.

The tool's own inertia is the force: the arm shakes the tool a little, and the reading follows the commanded
acceleration, reading(t) = offset - M a(t - delay). No contact is needed. Drives are no pure dead time: what they add
depends on the frequency, so both signals are compared at the one frequency of the shaking, which should be that at
which the tool would swing against a hard contact.
"""

from dataclasses import dataclass

import numpy as np

from podhand.core.poses import FloatArray

__all__ = ["Course", "LoopDelay", "measure_loop_delay", "phase_delay", "shake_stroke_m"]

MAX_DELAY_S = 0.05
"""What a station may declare."""
MAX_FREQUENCY_HZ = 12.0
MASS_SHARE = 0.5
"""The mass felt may differ by this from the tool's: half, and it is not the tool's inertia that was felt."""
MOST_SPREAD_S = 0.002
"""Between directions."""
LEAST_SAMPLES = 100


@dataclass(frozen=True, kw_only=True, eq=False)
class Course:
    """What was commanded and what was read, one row per sample, while the tool was shaken along a line."""

    name: str
    time_s: FloatArray
    """(n,)."""
    p_base_cmd_m: FloatArray
    """(n, 3) commanded place of the tool."""
    p_base_m: FloatArray
    """(n, 3) measured place of the tool."""
    force_base_n: FloatArray
    """(n, 3) raw reading in base axes."""


@dataclass(frozen=True, kw_only=True)
class LoopDelay:
    """A measured delay."""

    loop_s: float
    """Set-point to force reading; the longest of the directions."""
    position_s: float
    """Set-point to reported place; the longest of the directions."""
    by_direction_s: dict[str, float]
    """Set-point to force reading."""
    felt_mass_kg: float
    """Mean of the directions."""
    frequency_hz: float
    """Of the shaking."""


def shake_stroke_m(stiffness_n_m: float, mass_kg: float, *, jerk_m_s3: float) -> float:
    """Return the way [m] that a jerk-limited tool goes to and fro at the frequency of a mass on a spring (2 … 8 Hz)."""
    frequency_hz = float(np.clip(np.sqrt(stiffness_n_m / mass_kg) / (2.0 * np.pi), 2.0, 8.0))
    quarter_s = 0.125 / frequency_hz
    return float(2.0 * jerk_m_s3 * quarter_s**3)


def phase_delay(time_s: FloatArray, cause: FloatArray, effect: FloatArray, frequency_hz: float) -> tuple[float, float]:
    """Compare two signals at one frequency.

    Args:
        time_s: (n,) rising, several periods long.
        cause: (n,).
        effect: (n,): gain times the cause, later, and anything at other frequencies.
        frequency_hz: where both are looked at.

    Returns:
        Delay within ± half a period [s], and gain >= 0.
    """
    window = np.hanning(len(time_s))

    def part(signal: FloatArray) -> complex:
        turns = np.exp(-2j * np.pi * frequency_hz * time_s)
        mean = np.average(signal, weights=window)
        return complex(np.sum(window * (signal - mean) * turns))

    ratio = part(effect) / part(cause)
    return float(-np.angle(ratio) / (2.0 * np.pi * frequency_hz)), abs(ratio)


def _frequency_hz(time_s: FloatArray, signal: FloatArray) -> float:
    """Return the strongest frequency of a signal, finer than its length alone would tell."""
    span = float(time_s[-1] - time_s[0])
    window = np.hanning(len(time_s)) * (signal - signal.mean())
    step = 0.05 / span

    def strength(f: float) -> float:
        return abs(complex(np.sum(window * np.exp(-2j * np.pi * f * time_s))))

    candidates = np.arange(1.0 / span, MAX_FREQUENCY_HZ, 10.0 * step)
    coarse = float(candidates[int(np.argmax([strength(float(f)) for f in candidates]))])
    fine = coarse + step * np.arange(-10, 11)
    return float(fine[int(np.argmax([strength(float(f)) for f in fine]))])


def measure_loop_delay(courses: list[Course], *, mass_kg: float) -> LoopDelay:
    """Find the delay in each course, and judge whether it can be believed.

    Args:
        courses: one per direction.
        mass_kg: of the tool.

    Raises:
        ValueError: the readings do not follow the motion, the mass felt is not the tool's, or directions disagree;
            with values, bounds and what to do.
    """
    answers = {course.name: _one(course, mass_kg) for course in courses}
    delays = {name: answer.loop_s for name, answer in answers.items()}
    spread_s = max(delays.values()) - min(delays.values())
    if spread_s > MOST_SPREAD_S:
        words = ", ".join(f"{name} {1e3 * delay:.1f} ms" for name, delay in delays.items())
        raise ValueError(
            f"the loop delay differs by {1e3 * spread_s:.1f} ms between directions ({words}; at most "
            f"{1e3 * MOST_SPREAD_S:g} ms): the tool is loose, or something touched it; measure again"
        )
    return LoopDelay(
        loop_s=max(delays.values()),
        position_s=max(answer.position_s for answer in answers.values()),
        by_direction_s=delays,
        felt_mass_kg=float(np.mean([answer.felt_kg for answer in answers.values()])),
        frequency_hz=float(np.mean([answer.frequency_hz for answer in answers.values()])),
    )


def _one(course: Course, mass_kg: float) -> "_Answer":
    if len(course.time_s) < LEAST_SAMPLES:
        raise ValueError(
            f"{course.name}: {len(course.time_s)} samples are too few for a delay (at least {LEAST_SAMPLES}): the "
            "readings come too slowly, or the motion was ended"
        )
    way = course.p_base_cmd_m - course.p_base_cmd_m[0]
    along = way[int(np.argmax(np.linalg.norm(way, axis=1)))]
    along = along / np.linalg.norm(along)
    commanded = way @ along
    acceleration = _second_derivative(course.time_s, commanded)
    frequency_hz = _frequency_hz(course.time_s, acceleration)
    loop_s, felt_kg = phase_delay(course.time_s, acceleration, -course.force_base_n @ along, frequency_hz)
    if abs(felt_kg - mass_kg) > MASS_SHARE * mass_kg:
        raise ValueError(
            f"{course.name}: shaken, the tool feels like {felt_kg:.2f} kg, it weighs {mass_kg:.2f} kg (± "
            f"{100 * MASS_SHARE:.0f} %): something holds it, the sensor stands still, or its axes are turned"
        )
    if not 0.0 <= loop_s <= MAX_DELAY_S:
        raise ValueError(
            f"{course.name}: the force reading comes {1e3 * loop_s:.1f} ms after the set-points (0 … "
            f"{1e3 * MAX_DELAY_S:.0f} ms): the sensor's samples come too late, or its axes are turned"
        )
    position_s, _ = phase_delay(course.time_s, commanded, (course.p_base_m - course.p_base_m[0]) @ along, frequency_hz)
    return _Answer(loop_s=loop_s, position_s=max(0.0, position_s), felt_kg=felt_kg, frequency_hz=frequency_hz)


@dataclass(frozen=True, kw_only=True)
class _Answer:
    loop_s: float
    position_s: float
    felt_kg: float
    frequency_hz: float


def _second_derivative(time_s: FloatArray, x: FloatArray) -> FloatArray:
    """Return the second derivative on any grid of times; zero at both ends."""
    h = np.diff(time_s)
    speed = np.diff(x) / h
    out = np.zeros_like(x)
    out[1:-1] = np.diff(speed) / (0.5 * (h[1:] + h[:-1]))
    return out
