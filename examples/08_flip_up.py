"""A lying carton takes the width that an item needs: nothing can be swept aside, but the carton can stand up.

Run it with ``python examples/08_flip_up.py [--seed N] [--out FOLDER]``; it writes ``flip.png`` there, or into a new
temporary folder. What is learned: a plan may first change the bin and then stow as if it had always been so, and a
primitive that turns something feels the floor, the edge, the load, and at last whether it stands.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
from matplotlib.image import imsave
from numpy.typing import NDArray

from podhand.app.scene import stow_in_scene
from podhand.core.items import Item, Shape
from podhand.core.poses import pose
from podhand.core.station import load_station
from podhand.planning.affordances import SPACE_MAKERS, StowRules
from podhand.planning.thinking import make_planner
from podhand.sim.workcell import SimWorkcell
from podhand.sim.world import ContentItem, World

ITEM = Item(
    sku="blender", length_m=0.20, width_m=0.10, height_m=0.215, mass_kg=0.5, shape=Shape.BOX, friction=0.5,
    max_squeeze_n=60.0,
)  # fmt: skip


def bin_with_a_lying_carton() -> list[ContentItem]:
    """A carton lies at the left wall, a tall box stands at the right one; 80 mm are free between them."""
    carton = ContentItem(
        name="carton", shape=Shape.BOX, size_m=(0.24, 0.14, 0.045), mass_kg=0.42, friction=0.5, edge_radius_m=0.005,
        X_bin_item=pose(None, (0.135, 0.08, 0.0227)),
    )  # fmt: skip
    tall = ContentItem(
        name="tall", shape=Shape.BOX, size_m=(0.30, 0.08, 0.22), mass_kg=1.3, friction=0.5,
        X_bin_item=pose(None, (0.17, -0.11, 0.1103)),
    )  # fmt: skip
    return [carton, tall]


class Pictures:
    """Keeps views into the bin: before, with the carton on the blade, and after."""

    def __init__(self) -> None:
        self.taken: list[NDArray[np.uint8]] = []

    def __call__(self, segment: str, workcell: SimWorkcell) -> None:
        if not self.taken:
            self.taken.append(workcell.render("front"))
        elif segment == "lift to 43 deg":
            self.taken.append(workcell.render("above"))

    def save(self, path: Path, end: SimWorkcell) -> None:
        """Write them side by side."""
        imsave(path, np.hstack([*self.taken, end.render("front")]))


def main() -> int:
    parser = argparse.ArgumentParser(description="stand a lying carton up to stow an item beside it")
    parser.add_argument("--seed", type=int, default=1, help="errors of cameras, bin and sensor (1)")
    parser.add_argument("--out", type=Path, help="folder for the picture")
    args = parser.parse_args()
    folder = args.out or Path(tempfile.mkdtemp(prefix="podhand-"))
    folder.mkdir(parents=True, exist_ok=True)
    station = load_station("sim-stow")
    planner = make_planner(station)
    world = World.scene(ITEM, bin_with_a_lying_carton(), seed=args.seed)

    without = stow_in_scene(station, planner, world, rules=StowRules(moves=SPACE_MAKERS - {"flip_up"}))
    print(f"Without flip_up: refused: {without.thought.refusal}.")
    pictures = Pictures()
    stow = stow_in_scene(station, planner, world, rules=StowRules(moves=SPACE_MAKERS), watch=pictures)
    plan = stow.thought.plan
    if plan is None or stow.run is None or stow.score is None:
        print(f"With it: refused: {stow.thought.refusal}.")
        return 1
    print(f"With it: {plan.kind}, {100 * plan.predicted_success:.0f} % sure: {plan.reason}.")
    for step in stow.run.steps:
        print(f"  {step.begin_s:5.1f} to {step.end_s:5.1f} s  {step.name:13} {step.words}")
    pictures.save(folder / "flip.png", stow.workcell)
    print(f"Picture: {folder / 'flip.png'}")
    print(f"{ITEM.sku}: {stow.score.outcome} {stow.score.cause}".rstrip())
    return 0


if __name__ == "__main__":
    sys.exit(main())
