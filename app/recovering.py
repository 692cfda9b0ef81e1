"""Power-up in whatever pose the cell stands: a new controller attaches and brings it to rest."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from podhand.app.choices import HostKind
from podhand.app.hosts import open_host
from podhand.controllers.host import Host
from podhand.controllers.realtime import Pace
from podhand.core.poses import inverse
from podhand.core.station import Station
from podhand.planning.motion import MotionPlanner
from podhand.planning.recovering import RecoveryWays, recover_recipe
from podhand.primitives.cell import StowCell
from podhand.primitives.recipes import RecipeReport, run_recipe
from podhand.sim.workcell import SimWorkcell

Note = Callable[[str, Mapping[str, Any]], None]


def nominal_cell(host: Host, station: Station, workcell: SimWorkcell, planner: MotionPlanner | None = None) -> StowCell:
    """Return the cell as primitives see it at power-up, with the bin where the pod's plan says it is.

    Without a planner it knows no ways back.
    """
    height_m = float(workcell.X_world_base[2, 3])
    return StowCell(
        session=host.session,
        station=station,
        presented=workcell.infeed.present(),
        X_base_bin=inverse(workcell.X_world_base) @ workcell.X_world_bin_nominal,
        infeed=workcell.infeed,
        lift=workcell.lift,
        cameras=tuple(workcell.cameras),
        ways=RecoveryWays(planner, station, base_height_m=height_m) if planner else None,
    )


def recover(
    workcell: SimWorkcell,
    station: Station,
    planner: MotionPlanner,
    *,
    note: Note | None = None,
    kind: HostKind = HostKind.LOCKSTEP,
    pace: Pace = Pace.REAL,
    flight_dir: Path | None = None,
) -> RecipeReport:
    """Attach a new controller to a workcell as it stands, and bring it to rest.

    Nothing is known but the measurements, the station, and which item the infeed last handed over.

    Raises:
        StoppedByOperator: Ctrl-C; the arm stands.
    """
    with open_host(kind, workcell.plant, station, pace=pace, flight_dir=flight_dir) as host:
        cell = nominal_cell(host, station, workcell, planner)
        report = host.run(run_recipe(recover_recipe(), cell))
    if note:
        for primitive in report.steps:
            note("primitive", {"name": primitive.name, "ok": primitive.ok, "words": primitive.words})
    return report
