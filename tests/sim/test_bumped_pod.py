"""A pod that is bumped while the item is on its way: the tool stays out, the item goes back, the cause is recorded."""

from collections.abc import Callable

import numpy as np
import pytest

from podhand.app.episode import EpisodeJob, run_episode
from podhand.app.results import EpisodeResult, StowOutcome
from podhand.sim.workcell import SimWorkcell

pytestmark = pytest.mark.slow


def bumped(at_s: float, by_m: tuple[float, float, float]) -> Callable[[SimWorkcell], None]:
    """Move the pod at a time of the plant."""

    def arrange(workcell: SimWorkcell) -> None:
        plant, step = workcell.plant, workcell.plant.step
        model, data = plant.model, plant.data
        pod = model.body("pod").id
        geoms = np.flatnonzero(model.geom_bodyid == pod)
        ahead = [True]

        def step_and_bump() -> None:
            step()
            if ahead[0] and plant.time_s >= at_s:
                ahead[0] = False
                # The simulation does not compute still bodies again: where they are is written down directly.
                for places, rows in ((data.xpos, pod), (data.xipos, pod), (data.geom_xpos, geoms)):
                    places[rows] += by_m

        plant.step = step_and_bump  # type: ignore[method-assign]

    return arrange


def stow(index: int, at_s: float, by_m: tuple[float, float, float]) -> EpisodeResult:
    job = EpisodeJob(station="sim-stow", items=None, seed=5, index=index)
    return run_episode(job, arrange=bumped(at_s, by_m)).result


@pytest.mark.parametrize("index", [3, 6])
@pytest.mark.parametrize(("at_s", "looks", "approaches"), [(2.0, 1, 0), (5.5, 2, 1)])
def test_the_tool_stays_out_of_a_bin_that_has_moved(index: int, at_s: float, looks: int, approaches: int) -> None:
    result = stow(index, at_s, (0.0, 0.008, 0.004))
    assert result.accepted
    assert result.outcome is StowOutcome.UNPRODUCTIVE, result.cause
    assert "the bin is not where it was found" in result.cause
    assert (result.plan.count("confirm_bin"), result.plan.count("approach")) == (looks, approaches)
    assert not {"extend_blade", "sweep", "eject_item"} & set(result.plan)
    assert "is at the infeed" in result.cause
    assert result.max_force_ratio <= 1.0


def test_a_pod_that_stands_is_confirmed_twice() -> None:
    result = stow(3, 1.0, (0.0, 0.0, 0.0))
    assert result.outcome is StowOutcome.SUCCESS, result.cause
    assert result.plan.count("confirm_bin") == 2
