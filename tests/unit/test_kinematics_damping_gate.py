"""The damping gate against the roots of the loop's polynomial and against the loop itself, run in time."""

from dataclasses import dataclass

import numpy as np
import pytest

from podhand._kernel import damping_ratio
from podhand.core.poses import FloatArray

MIN_DAMPING_RATIO = 0.3
RIGID = float("inf")


@dataclass(frozen=True, kw_only=True)
class Law:
    """One axis of the loop, with the numbers of a shipped station."""

    mass: float = 4.0
    damping: float = 200.0
    stiffness: float = 0.0
    contact_stiffness: float = 5e3
    tool_stiffness: float = RIGID
    loop_delay_s: float = 8e-3
    filter_time_constant_s: float = 4e-3
    tick_s: float = 1e-3

    @property
    def spring(self) -> float:
        """Contact and tool in series [N/m]."""
        return 0.0 if self.contact_stiffness == 0 else 1.0 / (1.0 / self.contact_stiffness + 1.0 / self.tool_stiffness)

    @property
    def delay_ticks(self) -> int:
        return max(1, int(np.ceil(round(self.loop_delay_s / self.tick_s, 6))))

    @property
    def gain(self) -> float:
        return self.tick_s / (self.tick_s + self.filter_time_constant_s)

    @property
    def inertia(self) -> float:
        return self.mass + self.tick_s * (self.damping + self.tick_s * self.stiffness)

    def ratio(self) -> float:
        return float(damping_ratio(**vars(self)))


def polynomial(law: Law) -> FloatArray:
    """The loop's characteristic polynomial in z, highest power first.

    From (M + hD + h^2 K) v = M v/z + h (y - K x/z), v = x (1 - 1/z) / h, y (1 - (1 - g)/z) = -g k x / z^N.
    """
    h, keep, n = law.tick_s, 1.0 - law.gain, law.delay_ticks
    out = np.zeros(max(3, n) + 1)
    inertia = np.polymul(np.polymul([law.inertia, -law.mass], [1, -1]), [1, -keep]) / h
    out[:4] += inertia
    out[1:3] += h * law.stiffness * np.array([1, -keep])
    out[n] += h * law.gain * law.spring
    return out


def ratio_of_roots(law: Law) -> float:
    roots = np.roots(polynomial(law))
    s = np.log(roots[np.abs(roots) > 1e-9].astype(complex))
    highest = np.pi * law.tick_s / (law.delay_ticks * law.tick_s + law.filter_time_constant_s)
    counts = (s.real > 1e-7) | ((np.abs(s.imag) > 1e-7) & (np.abs(s.imag) <= highest * (1 + 1e-9)))
    ratios = -s.real[counts] / np.abs(s[counts])
    return float(min(ratios, default=1.0))


def answer(law: Law, *, ticks: int) -> FloatArray:
    """Run the loop tick by tick from a push of 1 mm; return x, cut where it passes 1 m."""
    x = np.zeros(ticks + 1)
    x[0] = 1e-3
    v = y = 0.0
    for n in range(1, ticks + 1):
        seen = x[n - law.delay_ticks] if n >= law.delay_ticks else x[0]
        y += law.gain * (-law.spring * seen - y)
        v = (law.mass * v + law.tick_s * (y - law.stiffness * x[n - 1])) / law.inertia
        x[n] = x[n - 1] + law.tick_s * v
        if abs(x[n]) > 1.0:
            return x[: n + 1]
    return x


GRID = [
    Law(mass=mass, damping=damping, stiffness=stiffness, contact_stiffness=contact, loop_delay_s=delay)
    for mass in (0.0, 2.0, 8.0)
    for damping in (60.0, 250.0, 1000.0)
    for stiffness in (0.0, 500.0)
    for contact in (1e3, 1e4, 6e4)
    for delay in (0.0, 3e-3, 8.4e-3, 17e-3)
]


def test_agrees_with_the_roots() -> None:
    ratios = [(law.ratio(), ratio_of_roots(law)) for law in GRID]
    kernel, roots = np.array(ratios).T
    np.testing.assert_allclose(kernel, roots, atol=1e-6)
    assert (kernel < 0).sum() > 20
    assert (kernel > MIN_DAMPING_RATIO).sum() > 50


def test_sign_is_what_time_shows() -> None:
    """Negative: the motion grows. Positive: it dies away."""
    for law in GRID[::5]:
        ratio = law.ratio()
        if abs(ratio) < 0.01:
            continue
        x = answer(law, ticks=8000)
        grows = abs(x[-1]) > 1.0 or np.abs(x[-2000:]).max() > np.abs(x[:2000]).max()
        assert grows == (ratio < 0.0), law


@pytest.mark.parametrize("damping", [90.0, 120.0, 160.0, 220.0])
def test_ratio_is_the_decay_per_swing(damping: float) -> None:
    """Successive extremes of the motion shrink by exp(-pi ratio / sqrt(1 - ratio^2))."""
    law = Law(damping=damping)
    ratio = law.ratio()
    assert 0.05 < ratio < 0.7
    x = answer(law, ticks=4000)
    turns = np.flatnonzero(np.diff(np.sign(np.diff(x)))) + 1
    turns = turns[np.abs(x[turns]) > 1e-12]
    shrink = np.abs(x[turns[2:6]] / x[turns[1:5]])
    np.testing.assert_allclose(shrink, np.exp(-np.pi * ratio / np.sqrt(1 - ratio**2)), rtol=0.08)


def test_more_damping_less_delay_softer_contact_help() -> None:
    base = Law(damping=150.0)
    assert Law(damping=300.0).ratio() > base.ratio()
    assert Law(damping=150.0, loop_delay_s=3e-3).ratio() > base.ratio()
    assert Law(damping=150.0, contact_stiffness=1e3).ratio() > base.ratio()
    assert Law(damping=150.0, filter_time_constant_s=20e-3).ratio() < base.ratio()


def test_tool_stiffness_is_in_series() -> None:
    halved = Law(contact_stiffness=5e3, tool_stiffness=5e3)
    assert halved.ratio() == pytest.approx(Law(contact_stiffness=2.5e3).ratio(), abs=1e-9)


def test_fractions_of_a_tick_are_rounded_up() -> None:
    assert Law(loop_delay_s=7.01e-3).ratio() == Law(loop_delay_s=8e-3).ratio()
    assert Law(loop_delay_s=0.0).ratio() == Law(loop_delay_s=1e-3).ratio()
    assert Law(loop_delay_s=7e-3).ratio() > Law(loop_delay_s=8e-3).ratio()


def test_nothing_oscillates() -> None:
    assert Law(contact_stiffness=0.0).ratio() == 1.0
    assert Law(mass=0.0, damping=1e5).ratio() == 1.0
    assert Law(mass=1.0, damping=1e3, stiffness=10.0, contact_stiffness=0.0).ratio() == 1.0


def test_an_admittance_in_free_space_has_its_textbook_ratio() -> None:
    law = Law(mass=4.0, damping=40.0, stiffness=400.0, contact_stiffness=0.0, tick_s=1e-4, loop_delay_s=0.0)
    assert law.ratio() == pytest.approx(40.0 / (2 * np.sqrt(4.0 * 400.0)), abs=0.01)


def test_pure_damper_has_its_textbook_bound() -> None:
    """v = -F/D through a dead time T without filter turns unstable at k T / D = pi / 2."""
    delay, spring = 40e-3, 1e4
    bound = spring * delay / (np.pi / 2)
    law = {"mass": 0.0, "contact_stiffness": spring, "loop_delay_s": delay, "filter_time_constant_s": 0.0}
    assert Law(damping=1.03 * bound, tick_s=2e-4, **law).ratio() > 0.0
    assert Law(damping=0.97 * bound, tick_s=2e-4, **law).ratio() < 0.0


BAD = [
    {"mass": -1.0},
    {"damping": float("nan")},
    {"stiffness": -1.0},
    {"contact_stiffness": float("inf")},
    {"tool_stiffness": 0.0},
    {"tool_stiffness": float("nan")},
    {"loop_delay_s": -1e-3},
    {"loop_delay_s": 1.0},
    {"filter_time_constant_s": float("inf")},
    {"tick_s": 0.0},
    {"mass": 0.0, "damping": 0.0},
]


@pytest.mark.parametrize("change", BAD, ids=str)
def test_unusable_arguments_never_pass_the_gate(change: dict[str, float]) -> None:
    assert Law(**change).ratio() == -1.0
