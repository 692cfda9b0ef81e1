"""The same wrong sweep with and without force limits: 60 mm too far, at 0.05 m/s, into what cannot give way.

Run it with ``python examples/07_what_the_limits_are_for.py [--worlds N]``. What is learned: a recipe is data that can
be changed before it runs, perception and planning may be wrong, and what keeps the peak force down then is the kernel:
the station ``sim-unlimited`` has everything but the limits.
"""

import argparse
import json
import sys
from dataclasses import dataclass
from typing import Any

from podhand.app.looking import confirms
from podhand.app.wiring import build_workcell, read_catalogue, standard_world
from podhand.controllers.lockstep import LockstepHost
from podhand.core.station import Station, load_station
from podhand.planning.motion import MotionPlanner
from podhand.planning.recipes import stow_recipe
from podhand.planning.thinking import make_planner, think
from podhand.primitives.cell import StowCell
from podhand.primitives.recipes import load_recipe, run_recipe
from podhand.sim.scoring import SETTLE_S, score
from podhand.sim.world import World

SEED = 11
TOO_FAR_M = 0.06
SPEED_M_S = 0.05


@dataclass(frozen=True, kw_only=True)
class Press:
    """What a wrong sweep did."""

    peak_filtered_n: float
    peak_raw_n: float
    neighbours_out: int


def spoil(step: Any) -> Any:
    """Return the recipe's plain data with every sweep too long, too fast and deaf to stalls."""
    if isinstance(step, list):
        return [spoil(part) for part in step]
    if not isinstance(step, dict):
        return step
    if step.get("primitive") == "sweep":
        further_m = step["params"]["distance_m"] + TOO_FAR_M
        wrong = {"distance_m": further_m, "speed_m_s": SPEED_M_S, "stall_s": 3.0, "feel": False}
        return {**step, "params": {**step["params"], **wrong}}
    return {key: spoil(part) for key, part in step.items()}


def press(station: Station, world: World, planner: MotionPlanner) -> Press | None:
    """Run the spoilt stow of a world; None when its plan has no sweep."""
    workcell = build_workcell(station, world)
    presented = workcell.infeed.present()
    thought = think(
        station, planner, [camera.capture() for camera in workcell.cameras], presented,
        X_world_bin_nominal=workcell.X_world_bin_nominal, X_world_base=workcell.X_world_base,
    )  # fmt: skip
    if thought.motions is None or thought.plan is None or not thought.plan.sweep_needed:
        return None
    recipe = load_recipe(json.dumps(spoil(stow_recipe(station, thought).model_dump(mode="json"))))
    with LockstepHost.for_station(workcell.plant, station) as host:
        cell = StowCell(
            session=host.session, station=station, presented=presented, X_base_bin=thought.X_base_bin,
            confirm=confirms(workcell.cameras, thought.model),
        )  # fmt: skip

        async def stow() -> list[Any]:
            await host.session.wait(0.2)
            report = await run_recipe(recipe, cell)
            await host.session.wait(SETTLE_S)
            return [step for step in report.steps if step.name == "sweep"]

        sweeps = host.run(stow())
    return Press(
        peak_filtered_n=max((s.peak_filtered_force_n for s in sweeps), default=0.0),
        peak_raw_n=max((s.peak_force_n for s in sweeps), default=0.0),
        neighbours_out=len(score(workcell).neighbours_out),
    )


def main() -> int:
    parser = argparse.ArgumentParser(description="the same wrong sweep with and without force limits")
    parser.add_argument("--worlds", type=int, default=2, help="how many worlds with a sweep (2)")
    wanted = parser.parse_args().worlds
    stations = [load_station(name) for name in ("sim-stow", "sim-unlimited")]
    planner, catalogue = make_planner(stations[0]), read_catalogue(None)
    print("| world | peak with limits, filtered (raw) [N] | without [N] | neighbours out with | without |")
    print("| --- | --- | --- | --- | --- |")
    found, index = 0, 0
    while found < wanted:
        world = standard_world(stations[0], catalogue, seed=SEED, index=index)
        done = [press(station, world, planner) for station in stations]
        if (limited := done[0]) and (free := done[1]):
            found += 1
            print(
                f"| {index} | {limited.peak_filtered_n:.1f} ({limited.peak_raw_n:.1f}) | {free.peak_filtered_n:.1f} "
                f"({free.peak_raw_n:.1f}) | {limited.neighbours_out} | {free.neighbours_out} |"
            )
        index += 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
