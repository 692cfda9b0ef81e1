"""Every gain set that the kernel accepts is damped: by an eigenvalue oracle, and in the kernel's own loop in time."""

import re
from collections import deque
from itertools import pairwise, product
from math import exp, pi, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from podhand import _kernel
from podhand.controllers.lockstep import LockstepHost
from podhand.controllers.parameters import kernel_config
from podhand.controllers.segments import Compliant, ForceLaw, Law, Rigid, Segment, SegmentLimits, compile_chain
from podhand.core.poses import FloatArray
from tests.unit.fake_plant import STATION, FakePlant
from tests.unit.test_kinematics_damping_gate import Law as Loop
from tests.unit.test_kinematics_damping_gate import ratio_of_roots

LEAST = 0.3
SWING = exp(-pi * LEAST / sqrt(1.0 - LEAST**2))
"""What a swing may leave of the one before, half a period earlier: 0.37."""
WELL_DAMPED = 1e6
AXES = ("along x", "along y", "along z")


def config_for(loop_delay_s: float, *, payload_kg: float | None = None) -> NDArray[np.void]:
    config = kernel_config(STATION)
    config["ft"]["loop_delay_s"] = loop_delay_s
    if payload_kg is not None:
        config["payload"]["mass_kg"] = payload_kg
    return config


def segment(
    law: Law, axis: int, contact_n_m: float, *, yield_n_s_m: float = WELL_DAMPED, seconds: float = 1.0
) -> Segment:
    laws: list[Law] = [Rigid()] * 6
    laws[axis] = law
    return Segment(
        name="press",
        law=(laws[0], laws[1], laws[2], laws[3], laws[4], laws[5]),
        X_base_frame=np.eye(4),
        limits=SegmentLimits.for_station(
            STATION, force_norm_n=40.0, speed_m_s=0.008, damping_n_s_m=yield_n_s_m, contact_stiffness_n_m=contact_n_m
        ),
        timeout_s=seconds,
    )


def refusal(config: NDArray[np.void], asked: Segment) -> str:
    """Return why the kernel refuses a segment, or nothing."""
    try:
        _kernel.validate_chain(config, compile_chain([asked]).records, 0)
    except _kernel.KernelRefusal as refused:
        return str(refused)
    return ""


def loop_of(law: Compliant, contact_n_m: float, delay_s: float) -> Loop:
    return Loop(
        mass=law.mass,
        damping=law.damping,
        stiffness=law.stiffness,
        contact_stiffness=contact_n_m,
        tool_stiffness=STATION.control.tool_stiffness_n_m,
        loop_delay_s=delay_s,
        filter_time_constant_s=STATION.ft.filter_time_constant_s,
    )


def named(text: str, axis: str, ratio: float, remedy: str) -> None:
    """A refusal of gains names the axis, the ratio with its bound, and what to do."""
    found = re.search(r"got (\S+), allowed 0\.3 \.\. 1\)", text)
    assert found, text
    assert float(found[1]) == pytest.approx(ratio, abs=1e-4)
    assert axis in text
    assert remedy in text


masses = st.floats(0.0, 1.0).map(lambda u: 4.8 * 6.0**u)
dampings = st.floats(0.0, 1.0).map(lambda u: 3.0 * 1000.0**u)
stiffnesses = st.one_of(st.just(0.0), st.floats(10.0, 3000.0))
contacts = st.floats(0.0, 1.0).map(lambda u: 200.0 * 500.0**u)
delays = st.floats(0.0005, 0.04)


@settings(deadline=None, max_examples=300)
@given(mass=masses, damping=dampings, stiffness=stiffnesses, contact=contacts, delay=delays, axis=st.integers(0, 2))
def test_accepted_are_those_that_the_oracle_calls_damped(
    mass: float, damping: float, stiffness: float, contact: float, delay: float, axis: int
) -> None:
    law = Compliant(mass=mass, damping=damping, stiffness=stiffness)
    ratio = ratio_of_roots(loop_of(law, contact, delay))
    text = refusal(config_for(delay), segment(law, axis, contact))
    if abs(ratio - LEAST) < 1e-4:
        return
    assert (text == "") == (ratio > LEAST), (ratio, text)
    if text:
        named(text, AXES[axis], ratio, "raise D, or declare a softer contact")


@settings(deadline=None, max_examples=150)
@given(damping=dampings, contact=contacts, delay=delays)
def test_the_yield_at_a_force_limit_passes_the_same_gate(damping: float, contact: float, delay: float) -> None:
    apparent = Compliant(mass=1.5 * STATION.tool.mass_kg, damping=damping)
    ratio = ratio_of_roots(loop_of(apparent, contact, delay))
    text = refusal(config_for(delay), segment(Rigid(), 0, contact, yield_n_s_m=damping))
    if abs(ratio - LEAST) < 1e-4:
        return
    assert (text == "") == (ratio > LEAST), (ratio, text)
    if text:
        named(text, "of the yield", ratio, "raise damping_n_s_m")


@pytest.mark.parametrize("axis", range(3))
def test_a_force_law_is_refused_like_the_others(axis: int) -> None:
    law = ForceLaw(force=2.0, damping=5.0, max_speed=0.005)
    ratio = ratio_of_roots(loop_of(Compliant(mass=1.5 * STATION.tool.mass_kg, damping=5.0), 5e3, 0.004))
    named(
        refusal(config_for(0.004), segment(law, axis, 5e3)), AXES[axis], ratio, "raise D, or declare a softer contact"
    )


@pytest.mark.parametrize(
    ("law", "words"),
    [
        (Compliant(mass=0.1, damping=500.0), "mass M below 0.5 kg (got 0.1, allowed 0.5 .. 10000)"),
        (Compliant(mass=2.0, damping=500.0), "mass M below that of the payload"),
        (Compliant(mass=5.0, damping=0.0), "damping D must be given, > 0 (got 0, allowed above 0"),
        (Compliant(mass=5.0, damping=500.0, stiffness=-1.0), "stiffness K (got -1, allowed 0 .. 1e+09)"),
        (
            ForceLaw(force=33.0, damping=900.0, max_speed=0.005),
            "below 80 % of the segment's limit (got 33, allowed 0 .. 32",
        ),
        (
            ForceLaw(force=2.0, damping=900.0, max_speed=0.05),
            "max_speed of a force axis must be > 0 (got 0.05, allowed",
        ),
    ],
    ids=["no mass", "light", "undamped", "negative", "over the limit", "fast"],
)
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_other_gains_are_refused_with_axis_and_range(law: Law, words: str, axis: int) -> None:
    text = refusal(config_for(0.004), segment(law, axis, 500.0))
    assert AXES[axis] in text
    assert words in text


def test_turning_laws_are_named_by_their_axis() -> None:
    asked = segment(Compliant(mass=1e-4, damping=1.0), 5, 500.0)
    assert "about z: law: inertia M below 0.001 kg m^2 (got 0.0001" in refusal(config_for(0.004), asked)


def test_a_longer_measured_delay_takes_gains_away() -> None:
    law = Compliant(mass=5.0, damping=100.0)
    accepted = [refusal(config_for(1e-3 * ms), segment(law, 0, 2e4)) == "" for ms in range(1, 45)]
    assert accepted[0]
    assert not accepted[-1]
    assert accepted == sorted(accepted, reverse=True)


# ---- in time ----------------------------------------------------------------------------------------------------


class SpringPlant(FakePlant):
    """A massless tool on a spring along one axis of the base, felt after the whole loop's dead time; it is plucked."""

    def __init__(self, axis: int, spring_n_m: float, delay_ticks: int, pluck_m: float) -> None:
        super().__init__(noise_n=1e-7, contact=self._pull)
        self._payload = self._payload.copy()
        self._payload["mass_kg"] = 0.0
        self._axis, self._spring_n_m, self._pluck_m = axis, spring_n_m, pluck_m
        # The plant itself is one tick late.
        self._seen: deque[float] = deque(maxlen=delay_ticks)
        self.rest_m = np.nan
        self.place_m: list[float] = []

    def _pull(self, p_base_tool_m: FloatArray, q: FloatArray) -> FloatArray:
        place = float(p_base_tool_m[self._axis])
        self.rest_m = place if np.isnan(self.rest_m) else self.rest_m
        if self.tick == 50:
            self.rest_m += self._pluck_m
        self.place_m.append(place)
        while len(self._seen) < (self._seen.maxlen or 1):
            self._seen.append(place)
        self._seen.append(place)
        force = np.zeros(3)
        force[self._axis] = -self._spring_n_m * (self._seen[0] - self.rest_m)
        return force


def swings(law: Compliant, axis: int, contact_n_m: float, delay_ticks: int) -> list[float]:
    """Pluck the spring under a law that runs in the kernel, accepted or not; return the size of its swings, in m."""
    spring = 1.0 / (1.0 / contact_n_m + 1.0 / STATION.control.tool_stiffness_n_m)
    plant = SpringPlant(axis, spring, delay_ticks, pluck_m=2.0 / spring)
    config = config_for(1e-3 * delay_ticks, payload_kg=0.0)
    seconds = max(1.0, 8.0 * pi * sqrt(law.mass / (spring + law.stiffness)))
    # Declared as free space, so that gains which the gate would refuse can be looked at too.
    host = LockstepHost(plant, config=config)
    host.run(host.session.run([segment(law, axis, 0.0, seconds=seconds)]))
    x = np.array(plant.place_m[51:])
    # Where spring and law are at rest together.
    away = x - (spring * plant.rest_m + law.stiffness * plant.place_m[0]) / (spring + law.stiffness)
    halves = np.split(np.abs(away), np.flatnonzero(np.diff(np.sign(away))) + 1)
    return [float(half.max()) for half in halves]


def kept(sizes: list[float]) -> list[float]:
    """What each swing leaves of the one before, down to a fiftieth of the pluck; the first half is the pluck itself."""
    return [b / a for a, b in pairwise(sizes[1:]) if b > 0.02 * sizes[0]]


def least_damping(mass: float, stiffness: float, contact_n_m: float, delay_s: float) -> float:
    """Return the smallest D that the kernel accepts [N s/m]."""
    low, high = 0.1, 1e5
    config = config_for(delay_s, payload_kg=0.0)
    for _ in range(60):
        middle = sqrt(low * high)
        law = Compliant(mass=mass, damping=middle, stiffness=stiffness)
        low, high = (low, middle) if refusal(config, segment(law, 0, contact_n_m)) == "" else (middle, high)
    return high


GRID = list(product((1.0, 4.0, 15.0), (0.0, 400.0), (800.0, 6e3, 6e4), (2, 6, 17)))


@pytest.mark.parametrize("margin", [1.001, 1.6])
def test_accepted_gains_swing_out_in_the_kernels_own_loop(margin: float) -> None:
    """Over M, K, contact and delay, with the least D accepted and more: swings fade as with 0.3, or faster."""
    looked_at = 0
    grid = GRID if margin < 1.1 else GRID[::4]
    for k, (mass, stiffness, contact, ticks) in enumerate(grid):
        damping = margin * least_damping(mass, stiffness, contact, 1e-3 * ticks)
        law = Compliant(mass=mass, damping=damping, stiffness=stiffness)
        seen = swings(law, k % 3, contact, ticks)
        shares = kept(seen)
        looked_at += len(shares)
        assert all(share < SWING + 0.03 for share in shares), (law, contact, ticks, shares)
    assert looked_at > (len(grid) if margin < 1.1 else 2), "more damping leaves few swings"


def test_a_third_of_that_damping_does_not() -> None:
    for k, (mass, stiffness, contact, ticks) in enumerate(GRID):
        if stiffness:  # the kernel would refuse it in free space as well
            continue
        damping = least_damping(mass, stiffness, contact, 1e-3 * ticks) / 3.0
        shares = kept(swings(Compliant(mass=mass, damping=damping), k % 3, contact, ticks))
        assert max(shares) > SWING + 0.15, (mass, contact, ticks, shares)
