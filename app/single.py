"""One primitive alone in the simulated cell."""

from podhand.app.wiring import build_workcell, read_catalogue, standard_world
from podhand.controllers.lockstep import LockstepHost
from podhand.core.poses import inverse
from podhand.core.station import Station, load_station
from podhand.primitives.base import Primitive, PrimitiveReport
from podhand.primitives.cell import StowCell
from podhand.sim.workcell import SimWorkcell

SETTLE_S = 0.2


def run_single(primitive: Primitive, *, station_name: str, seed: int) -> PrimitiveReport:
    """Run one primitive from the parked station, in front of the nominal bin of a world.

    Raises:
        ConfigError: the station cannot be used; nothing was started.
        StoppedByOperator: Ctrl-C; the arm stands.
    """
    station = load_station(station_name)
    workcell = build_workcell(station, standard_world(station, read_catalogue(None), seed=seed, index=0))
    with LockstepHost.for_station(workcell.plant, station) as host:
        return host.run(_settle_and_run(primitive, nominal_cell(host, station, workcell)))


def nominal_cell(host: LockstepHost, station: Station, workcell: SimWorkcell) -> StowCell:
    """Return the cell as primitives see it, with the bin where the pod's plan says it is."""
    return StowCell(
        session=host.session,
        station=station,
        presented=workcell.infeed.present(),
        X_base_bin=inverse(workcell.X_world_base) @ workcell.X_world_bin_nominal,
        infeed=workcell.infeed,
        lift=workcell.lift,
        cameras=tuple(workcell.cameras),
    )


async def _settle_and_run(primitive: Primitive, cell: StowCell) -> PrimitiveReport:
    await cell.session.wait(SETTLE_S)
    return await primitive.run(cell)
