"""Gains that the damping gate refuses: an error that helps, and nothing moves."""

import re

import numpy as np
import pytest

from podhand.controllers.lockstep import LockstepHost
from podhand.controllers.segments import Compliant, Rigid, Segment, SegmentLimits, Twist
from podhand.core.errors import LimitError
from tests.unit.fake_plant import STATION, FakePlant

HARD_N_M = 20e3
SOFT_LAW = Compliant(mass=5.0, damping=20.0, stiffness=100.0)


def press(*, damping_n_s_m: float, law_y: Rigid | Compliant) -> Segment:
    """Return a creep along y against something hard."""
    law = (Rigid(), law_y, Rigid(), Rigid(), Rigid(), Rigid())
    limits = SegmentLimits.for_station(
        STATION,
        force_norm_n=20.0,
        speed_m_s=0.01,
        acceleration_m_s2=2.0,
        jerk_m_s3=40.0,
        angular_speed_rad_s=0.5,
        damping_n_s_m=damping_n_s_m,
        contact_stiffness_n_m=HARD_N_M,
    )
    return Segment(name="press", arm=Twist(v_m_s=(0.0, 0.01, 0.0)), law=law, limits=limits, timeout_s=1.0)


@pytest.mark.parametrize(
    ("segment", "words"),
    [
        (
            press(damping_n_s_m=5000.0, law_y=SOFT_LAW),
            r"segment 0: along y: law: damping ratio .*raise D, or declare a softer contact "
            r"\(got (\S+), allowed 0\.3 \.\. 1\) \(segments 0 'press'\)",
        ),
        (
            press(damping_n_s_m=10.0, law_y=Rigid()),
            r"segment 0: limits: damping ratio of the yield .*raise damping_n_s_m \(got (\S+), allowed 0\.3 \.\. 1\)",
        ),
    ],
    ids=["law", "yield"],
)
def test_refused_gains_name_axis_ratio_and_remedy_and_move_nothing(segment: Segment, words: str) -> None:
    plant = FakePlant()
    host = LockstepHost.for_station(plant, STATION)
    before = plant.q.copy()

    async def client() -> str:
        with pytest.raises(LimitError) as refused:
            await host.session.run([segment])
        await host.session.wait(0.05)
        return str(refused.value)

    text = host.run(client())
    found = re.search(words, text)
    assert found, text
    assert float(found[1]) < 0.3
    np.testing.assert_array_equal(plant.q, before)


def test_the_remedy_works() -> None:
    stiff = Compliant(mass=5.0, damping=3000.0)
    host = LockstepHost.for_station(FakePlant(), STATION)

    async def client() -> float:
        outcome = await host.session.run([press(damping_n_s_m=5000.0, law_y=stiff)])
        return outcome.duration_s

    assert host.run(client()) > 0.9
