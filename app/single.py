"""One primitive alone in the simulated cell."""

from contextlib import suppress

import numpy as np

from podhand.app.episode import EpisodeJob, run_episode
from podhand.app.recovering import nominal_cell
from podhand.app.wiring import build_workcell, read_catalogue, standard_world
from podhand.controllers.host import Host
from podhand.controllers.lockstep import LockstepHost
from podhand.core.errors import PlanningError, StoppedByOperator
from podhand.core.station import Station, load_station
from podhand.planning.ik import Kinematics, solve_ik
from podhand.planning.thinking import make_planner
from podhand.primitives.base import Primitive, PrimitiveReport, to_pose
from podhand.primitives.cell import StowCell
from podhand.sim.workcell import SimWorkcell

SETTLE_S = 0.2
_TOOL_POSE = "X_base_tool_"
"""Parameters with this prefix are poses that the tool shall take."""


def run_single(
    primitive: Primitive, *, station_name: str, seed: int, stopped_at_s: float | None = None
) -> PrimitiveReport:
    """Run one primitive from the parked station, in front of the nominal bin of a world.

    Args:
        primitive: what to run.
        station_name: the station.
        seed: of the world.
        stopped_at_s: begin where a stow of this world stands when it is stopped at this time, with a new controller.

    Raises:
        ConfigError: the station cannot be used; nothing was started.
        PlanningError: the arm cannot reach a pose among the parameters; nothing was started.
        StoppedByOperator: Ctrl-C; the arm stands.
    """
    station = load_station(station_name)
    check_reachable(primitive, station)
    workcell = build_workcell(station, standard_world(station, read_catalogue(None), seed=seed, index=0))
    if stopped_at_s is not None:
        stop_a_stow(workcell, station_name, seed=seed, at_s=stopped_at_s)
    with LockstepHost.for_station(workcell.plant, station) as host:
        cell = nominal_cell(host, station, workcell, make_planner(station))
        # What is held must be gripped again at once.
        return host.run(_settle_and_run(primitive, cell, SETTLE_S if stopped_at_s is None else 0.0))


def stop_a_stow(workcell: SimWorkcell, station_name: str, *, seed: int, at_s: float) -> None:
    """Stow in a new workcell until a time, as Ctrl-C would end it; nothing happens when the item is refused."""
    job = EpisodeJob(station=station_name, items=None, seed=seed, index=0)

    def attach(host: Host) -> None:
        host.observe(host.request_stop, every_ticks=max(1, round(at_s / host.session.tick_s)))

    with suppress(StoppedByOperator):
        run_episode(job, attach=attach, workcell=workcell)


def check_reachable(primitive: Primitive, station: Station) -> None:
    """Make sure that the arm can bring the tool to every pose that a primitive names.

    Raises:
        PlanningError: which parameter, and how far the arm is from it.
    """
    kinematics = Kinematics(station.arm.kinematics, station.tool.X_flange_tool)
    for name in type(primitive).model_fields:
        if not name.startswith(_TOOL_POSE):
            continue
        try:
            solve_ik(kinematics, to_pose(getattr(primitive, name)), np.array(station.arm.home_q_rad))
        except PlanningError as error:
            raise PlanningError(f"{primitive.name}: {name} - {error}") from error


async def _settle_and_run(primitive: Primitive, cell: StowCell, settle_s: float) -> PrimitiveReport:
    await cell.session.wait(settle_s)
    return await primitive.run(cell)
