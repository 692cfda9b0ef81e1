"""Identification of bias, drift, mass and centre against pinocchio and against truths that are known."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pinocchio as pin
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from podhand.controllers.ft_identification import (
    Identified,
    Judgement,
    QualityBounds,
    Standstill,
    choose_poses,
    condition_number,
    identify,
    judge,
    weight_of,
)
from podhand.core.poses import FloatArray

NOISE = np.repeat([0.3, 0.015], 3)
BOUNDS = QualityBounds(range_force_n=330.0, range_torque_n_m=30.0)
SAMPLES = 400


@dataclass(frozen=True, kw_only=True)
class Truth:
    mass_kg: float = 3.2
    com_m: FloatArray = field(default_factory=lambda: np.array([0.002, -0.004, 0.16]))
    bias: FloatArray = field(default_factory=lambda: np.array([4.0, -7.0, 11.0, 0.3, -0.2, 0.1]))
    drift: FloatArray = field(default_factory=lambda: np.array([0.004, -0.003, 0.002, 1e-4, 2e-4, -1e-4]))

    def weight(self, R_base_sensor: FloatArray) -> FloatArray:
        """What gravity exerts, by pinocchio's inverse dynamics of a free body at rest."""
        model = pin.Model()
        joint = model.addJoint(0, pin.JointModelFreeFlyer(), pin.SE3.Identity(), "tool")
        model.appendBodyToJoint(joint, pin.Inertia(self.mass_kg, self.com_m, 0.01 * np.eye(3)), pin.SE3.Identity())
        q = pin.SE3ToXYZQUAT(pin.SE3(R_base_sensor, np.zeros(3)))
        carried: FloatArray = pin.rnea(model, model.createData(), q, np.zeros(6), np.zeros(6))
        return -carried

    def stand(self, k: int, R: FloatArray, rng: np.random.Generator | None = None) -> Standstill:
        time_s = 3.0 * k
        wrench = self.weight(R) + self.bias + time_s * self.drift
        noise = NOISE if rng is not None else 1e-9 * NOISE
        if rng is not None:
            wrench = wrench + rng.normal(0.0, NOISE / np.sqrt(SAMPLES))
        return Standstill(
            name=f"pose {k + 1}", time_s=time_s, q_rad=(0.0,) * 6, R_base_sensor=R, wrench=wrench, noise=noise,
            step=np.zeros(6), samples=SAMPLES,
        )  # fmt: skip

    def measured(self, count: int, seed: int, *, noisy: bool = True) -> list[Standstill]:
        rng = np.random.default_rng(seed)
        return [self.stand(k, rotation(rng), rng if noisy else None) for k in range(count)]


def rotation(rng: np.random.Generator) -> FloatArray:
    R: FloatArray = pin.Quaternion(rng.normal(size=4)).normalized().toRotationMatrix()
    return R


def verdict(fitted: Sequence[Standstill], others: Sequence[Standstill], truth: Truth) -> tuple[Identified, Judgement]:
    model = identify(fitted)
    return model, judge(model, fitted, others, BOUNDS, mass_kg=truth.mass_kg, com_sensor_m=truth.com_m)


def test_weight_is_that_of_pinocchio() -> None:
    rng = np.random.default_rng(1)
    for _ in range(50):
        truth = Truth(mass_kg=float(rng.uniform(0.1, 10.0)), com_m=rng.uniform(-0.3, 0.3, 3))
        R = rotation(rng)
        np.testing.assert_allclose(weight_of(truth.mass_kg, truth.com_m, R), truth.weight(R), atol=1e-9)


numbers = st.floats(-1.0, 1.0, allow_nan=False)


@given(
    mass=st.floats(0.5, 20.0),
    com=st.tuples(numbers, numbers, numbers),
    bias=st.lists(numbers, min_size=12, max_size=12),
    count=st.integers(6, 20),
    seed=st.integers(0, 10_000),
)
def test_without_noise_the_truth_is_found(
    mass: float, com: tuple[float, float, float], bias: list[float], count: int, seed: int
) -> None:
    truth = Truth(
        mass_kg=mass, com_m=0.3 * np.array(com), bias=30.0 * np.array(bias[:6]), drift=0.01 * np.array(bias[6:])
    )
    stands = truth.measured(count, seed, noisy=False)
    assume(condition_number([s.R_base_sensor for s in stands], [s.time_s for s in stands]) < 100.0)
    model = identify(stands)
    assert model.mass_kg == pytest.approx(mass, rel=1e-7)
    np.testing.assert_allclose(model.com_sensor_m, truth.com_m, atol=1e-7)
    np.testing.assert_allclose(model.drift_per_s, truth.drift, atol=1e-7)
    np.testing.assert_allclose(model.bias, truth.bias + stands[-1].time_s * truth.drift, atol=1e-5)
    assert all(np.abs(model.residual(stand)).max() < 1e-5 for stand in stands)


def test_errors_are_as_large_as_it_says() -> None:
    """Over many seeds the error in standard deviations has a spread of one."""
    truth = Truth()
    scores = []
    for seed in range(150):
        model = identify(truth.measured(12, seed))
        scores.append((model.mass_kg - truth.mass_kg) / model.mass_std_kg)
    # The spread of 150 normal numbers is within 0.8 ... 1.25 with a chance of 0.9995; it is never told too small.
    assert 0.7 < float(np.std(scores)) < 1.25
    assert abs(float(np.mean(scores))) < 0.35


def test_a_clean_calibration_is_accepted() -> None:
    for seed in range(20):
        stands = Truth().measured(16, seed)
        model, judgement = verdict(stands[:12], stands[12:], Truth())
        assert judgement.ok, judgement.findings
        assert max(judgement.fit_residual[0], judgement.verification_residual[0]) < 0.1
        assert model.condition_number < BOUNDS.condition_number


def poor(kind: str) -> list[FloatArray]:
    rng = np.random.default_rng(3)
    if kind == "all the same":
        return [rotation(rng)] * 12
    if kind == "about gravity alone":
        return [pin.exp3(np.array([0.0, 0.0, a])) for a in np.linspace(0.0, 6.0, 12)]
    return [pin.exp3(np.array([a, 0.0, 0.0])) for a in np.linspace(0.0, 6.0, 12)]


@pytest.mark.parametrize("kind", ["all the same", "about gravity alone"])
def test_poses_that_do_not_turn_gravity_are_refused(kind: str) -> None:
    stands = [Truth().stand(k, R, np.random.default_rng(k)) for k, R in enumerate(poor(kind))]
    assert condition_number([s.R_base_sensor for s in stands], [s.time_s for s in stands]) == float("inf")
    with pytest.raises(ValueError, match="turn gravity too little"):
        identify(stands)


def test_turns_about_one_axis_do_for_a_rigid_tool() -> None:
    """A full turn about a level axis shows all three levers; the regressor says so, and the fit agrees."""
    stands = [Truth().stand(k, R, np.random.default_rng(k)) for k, R in enumerate(poor("about a level axis"))]
    model = identify(stands)
    assert model.condition_number < 20.0
    assert model.mass_kg == pytest.approx(3.2, abs=0.02)


def test_too_few_poses_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 3 poses"):
        identify(Truth().measured(2, 1))


def test_small_turns_are_too_uncertain() -> None:
    rng = np.random.default_rng(5)
    turns = [pin.exp3(rng.uniform(-0.1, 0.1, 3)) for _ in range(16)]
    stands = [Truth().stand(k, R, rng) for k, R in enumerate(turns)]
    _, judgement = verdict(stands[:12], stands[12:], Truth())
    assert any("condition number" in finding and "at most 6" in finding for finding in judgement.findings)


def test_chosen_poses_are_better_than_chance() -> None:
    rng = np.random.default_rng(7)
    candidates = [rotation(rng) for _ in range(300)]
    times = [3.0 * k for k in range(8)]
    chosen = choose_poses(candidates, 8)
    assert len(set(chosen)) == 8
    best = condition_number([candidates[i] for i in chosen], times)
    drawn = [condition_number([candidates[i] for i in rng.choice(300, 8, replace=False)], times) for _ in range(200)]
    assert best < float(np.percentile(drawn, 10))


def test_fewer_candidates_than_wanted_are_all_taken() -> None:
    rng = np.random.default_rng(8)
    assert sorted(choose_poses([rotation(rng) for _ in range(3)], 8)) == [0, 1, 2]


PUSH = np.array([3.0, 0.0, 0.0, 0.0, 0.3, 0.0])


def pushed(stands: list[Standstill], which: int) -> list[Standstill]:
    return [replace(s, wrench=s.wrench + PUSH) if k == which else s for k, s in enumerate(stands)]


@pytest.mark.parametrize(
    ("change", "truth", "words"),
    [
        (lambda s: pushed(s, 4), Truth(), r"fit: .* poses do not fit .*; pose 5 is off by .* \(at most 0.66 N, 0.060 "),
        (lambda s: pushed(s, 13), Truth(), r"verification: 1 of 4 poses .* pose 14 is off by 3\.\d+ N"),
        (
            lambda s: [replace(r, noise=8.0 * r.noise) if k == 2 else r for k, r in enumerate(s)],
            Truth(), r"pose 3: the signal is not quiet: a sample scatters by 2\.40 N.*\(at most 1\.32 N",
        ),
        (
            lambda s: [replace(r, step=np.array([0, 0.9, 0, 0, 0, 0])) if k == 6 else r for k, r in enumerate(s)],
            Truth(), r"pose 7: the reading changed by 0\.90 N.*something touched the tool",
        ),
        (lambda s: s, Truth(drift=np.array([0.05, 0, 0, 0, 0, 0])), r"the bias drifts by 0\.05\d N/s.*at most 0\.033"),
        (lambda s: s, Truth(bias=np.array([70.0, 0, 0, 0, 0, 0])), r"the bias is 70\.\d+ N.*at most 49\.50 N"),
        (lambda s: s, Truth(bias=np.array([0, 0, 0, 5.0, 0, 0])), r"the bias is .*5\.0\d+ N m.*4\.500 N m"),
    ],
    ids=["touched in the fit", "touched when verified", "noisy", "touched while reading", "drifting", "force bias",
         "torque bias"],
)  # fmt: skip
def test_what_is_wrong_is_refused_in_words(
    change: Callable[[list[Standstill]], list[Standstill]], truth: Truth, words: str
) -> None:
    stands = change(truth.measured(16, 2))
    _, judgement = verdict(stands[:12], stands[12:], truth)
    assert not judgement.ok
    assert any(re.search(words, finding) for finding in judgement.findings), judgement.findings


def test_a_tool_that_is_not_the_stations_is_refused() -> None:
    stands = Truth().measured(16, 2)
    model = identify(stands[:12])
    far = judge(model, stands[:12], stands[12:], BOUNDS, mass_kg=4.4, com_sensor_m=np.array([0.002, 0.07, 0.16]))
    heavy, centre = far.findings
    assert "weighs 3.20 kg, the station says 4.40 kg (± 15 %)" in heavy
    assert "74 mm from where the station says (at most 50 mm)" in centre
