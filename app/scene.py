"""One stow in a given scene: for examples, tests and demonstrations."""

from collections.abc import Callable
from dataclasses import dataclass

from podhand.app.looking import confirms
from podhand.app.stow_run import StowRun, StowRunner
from podhand.app.watching import OutcomeWatch
from podhand.app.wiring import build_workcell
from podhand.controllers.lockstep import LockstepHost
from podhand.core.station import Station
from podhand.perception.bin_model import BinModel, estimate_bin
from podhand.planning.affordances import StowRules
from podhand.planning.motion import MotionPlanner
from podhand.planning.thinking import Thought, think
from podhand.sim.scoring import SETTLE_S, StowScore, score
from podhand.sim.workcell import SimWorkcell
from podhand.sim.world import World


@dataclass(frozen=True, kw_only=True, eq=False)
class SceneStow:
    """What was thought, done and reached in a scene."""

    thought: Thought
    workcell: SimWorkcell
    """As it stands at the end."""
    run: StowRun | None
    """None when the item was refused."""
    score: StowScore | None


def stow_in_scene(
    station: Station,
    planner: MotionPlanner,
    world: World,
    *,
    rules: StowRules | None = None,
    watch: Callable[[str, SimWorkcell], None] | None = None,
) -> SceneStow:
    """Look, think and, unless the item is refused, stow it.

    Args:
        station: the station.
        planner: of the same station (``make_planner``).
        world: usually a ``World.scene``.
        rules: of the decision; the defaults when None.
        watch: called at the end of every segment with its name.

    Raises:
        PerceptionError: the bin cannot be seen.
        StoppedByOperator: Ctrl-C; the arm stands.
    """
    workcell = build_workcell(station, world)
    presented = workcell.infeed.present()
    thought = think(
        station, planner, [camera.capture() for camera in workcell.cameras], presented,
        X_world_bin_nominal=workcell.X_world_bin_nominal, X_world_base=workcell.X_world_base, rules=rules,
    )  # fmt: skip
    if thought.motions is None:
        return SceneStow(thought=thought, workcell=workcell, run=None, score=None)

    def look() -> BinModel:
        frames = [camera.capture() for camera in workcell.cameras]
        return estimate_bin(frames, workcell.X_world_bin_nominal, station.pod.bin_size_m)

    with LockstepHost.for_station(workcell.plant, station) as host:
        outcomes = OutcomeWatch(host)
        if watch is not None:
            tell = watch
            host.session.listen(lambda outcome: tell(outcome.segment, workcell))
        run = StowRunner(
            host, station, thought, presented, planner=planner, look=look, settle_s=SETTLE_S,
            confirm=confirms(workcell.cameras, thought.model), note=lambda event, fields: None,
            base_height_m=float(workcell.X_world_base[2, 3]),
        ).run()  # fmt: skip
    return SceneStow(thought=thought, workcell=workcell, run=run, score=score(workcell, over_force=outcomes.over_force))
