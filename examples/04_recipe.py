"""A recipe: a stow as data that can be read, kept as JSON, and previewed before anything moves.

Run it with ``python examples/04_recipe.py``. What is learned: looking and planning give a thought, the thought gives a
recipe of primitives with parameters, and every primitive can say what it would do.
"""

import sys

from podhand.app.recovering import nominal_cell
from podhand.app.wiring import build_workcell, read_catalogue, standard_world
from podhand.controllers.lockstep import LockstepHost
from podhand.core.station import load_station
from podhand.planning.recipes import stow_recipe
from podhand.planning.thinking import make_planner, think
from podhand.primitives.recipes import load_recipe


def main() -> int:
    station = load_station("sim-stow")
    workcell = build_workcell(station, standard_world(station, read_catalogue(None), seed=4, index=0))
    thought = think(
        station,
        make_planner(station),
        [camera.capture() for camera in workcell.cameras],
        workcell.infeed.present(),
        X_world_bin_nominal=workcell.X_world_bin_nominal,
        X_world_base=workcell.X_world_base,
    )
    if thought.motions is None:
        print(f"Left at the infeed: {thought.refusal}")
        return 1
    recipe = stow_recipe(station, thought)
    print(recipe.describe())

    text = recipe.model_dump_json()
    print(f"\n{len(text)} characters of JSON give the same recipe again: {load_recipe(text) == recipe}\n")

    with LockstepHost.for_station(workcell.plant, station) as host:
        host.run(host.session.wait(0.2))  # drives and sensor come to rest; the arm stands
        cell = nominal_cell(host, station, workcell)
        for step, preview in zip(recipe.steps(), recipe.preview(cell), strict=True):
            print(f"{step.primitive:13} {preview.duration_s:5.1f} s  {preview.words}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
