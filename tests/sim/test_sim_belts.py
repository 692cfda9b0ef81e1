"""The simulated belts where they touch an item."""

import numpy as np
import pytest

from podhand.core.exchange import Axis
from podhand.sim.plant import true_wrench
from tests.sim.sim_rig import Rig


@pytest.mark.parametrize("seed", [1, 5])
def test_a_running_belt_that_touches_an_item_does_not_strike(seed: int) -> None:
    rig = Rig.of(seed)
    rig.straddle()
    rig.command[[Axis.BELT_LEFT, Axis.BELT_RIGHT]] = 0.4
    opening_m = rig.workcell.world.item.width_m + 0.004
    rig.move([Axis.SQUEEZE], np.array([opening_m]), 0.1)
    rig.wait(200)
    felt_n: list[float] = []
    before = true_wrench(rig.workcell.plant)[:3].copy()
    while len(felt_n) < 30:
        opening_m -= 2e-5
        assert opening_m > 0.0, "the paddles closed on nothing"
        rig.command[Axis.SQUEEZE] = opening_m
        rig.wait(1)
        force_n = float(np.linalg.norm(true_wrench(rig.workcell.plant)[:3] - before))
        if force_n > 1.0 or felt_n:
            felt_n.append(force_n)
    assert max(felt_n) < 8.0, "in the 30 ms after the first touch"
