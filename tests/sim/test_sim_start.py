"""The first ticks of a stow: taking over an arm that stands must not be felt."""

import numpy as np
import pytest

from podhand.controllers.lockstep import LockstepHost
from podhand.core.poses import FloatArray
from podhand.core.station import load_station
from podhand.sim.workcell import SimWorkcell
from podhand.sim.world import World

FIRST_TICKS = 50
MOST_JOLT_N = 10.0


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_kernel_takes_over_without_a_jolt(seed: int) -> None:
    workcell = SimWorkcell(World.standard(seed))
    forces: list[FloatArray] = []
    gaps: list[float] = []
    with LockstepHost.for_station(workcell.plant, load_station("sim-stow")) as host:

        def look() -> None:
            inputs, outputs = host.kernel.inputs, host.kernel.outputs
            forces.append(inputs["wrench"][:3].copy())
            gaps.append(float(np.abs(inputs["q"][:6] - outputs["command"][:6]).max()))

        host.observe(look, every_ticks=1)

        async def stand() -> None:
            await host.session.wait(0.3)

        host.run(stand())
    felt = np.array(forces)
    weight = felt[-200:].mean(axis=0)
    assert np.linalg.norm(weight) == pytest.approx(workcell.tool.mass_kg * 9.81, abs=4.0)  # bias up to 2 N per axis
    assert np.linalg.norm(felt[:FIRST_TICKS] - weight, axis=1).max() < MOST_JOLT_N
    # The drives carry the tool's weight: measured positions are the set-points that the kernel seeds from.
    assert max(gaps) < 1e-6
