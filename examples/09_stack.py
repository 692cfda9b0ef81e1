"""A bin full from wall to wall, with room on top: nothing can be swept aside, but an item can be put on the others.

Run it with ``python examples/09_stack.py [--seed N]``. What is learned: ``StowRules.moves`` says which space-makers the
planner may use, a plan says how sure it is, and a support that was only seen is felt before the item is let go.
"""

import argparse
import sys

from podhand.app.scene import stow_in_scene
from podhand.core.items import Item, Shape
from podhand.core.poses import pose
from podhand.core.station import load_station
from podhand.planning.affordances import SPACE_MAKERS, StowRules
from podhand.planning.thinking import make_planner
from podhand.sim.world import ContentItem, World

ITEM = Item(
    sku="board_game", length_m=0.15, width_m=0.04, height_m=0.10, mass_kg=0.25, shape=Shape.BOX, friction=0.5,
    max_squeeze_n=40.0,
)  # fmt: skip


def full_bin() -> list[ContentItem]:
    """Low boxes side by side; the tallest leaves no room over it."""
    contents, y = [], -0.148
    for name, width, depth, height in (("a", 0.10, 0.22, 0.08), ("b", 0.10, 0.24, 0.09), ("c", 0.09, 0.20, 0.20)):
        X = pose(None, (0.02 + depth / 2, y + width / 2, height / 2 + 0.0002))
        size = (depth, width, height)
        contents.append(ContentItem(name=name, shape=Shape.BOX, size_m=size, X_bin_item=X, mass_kg=0.5, friction=0.5))
        y += width + 0.002
    return contents


def main() -> int:
    parser = argparse.ArgumentParser(description="stow an item on top of others")
    parser.add_argument("--seed", type=int, default=0, help="errors of cameras, bin and sensor (0)")
    station = load_station("sim-stow")
    planner = make_planner(station)
    world = World.scene(ITEM, full_bin(), seed=parser.parse_args().seed)

    without = stow_in_scene(station, planner, world, rules=StowRules(moves=SPACE_MAKERS - {"stack"}))
    print(f"Without stack: refused: {without.thought.refusal}.")
    stow = stow_in_scene(station, planner, world, rules=StowRules(moves=SPACE_MAKERS))
    plan = stow.thought.plan
    if plan is None or stow.run is None or stow.score is None:
        print(f"With it: refused: {stow.thought.refusal}.")
        return 1
    print(f"With it: {plan.kind}, {100 * plan.predicted_success:.0f} % sure: {plan.reason}.")
    for step in stow.run.steps:
        print(f"  {step.begin_s:5.1f} to {step.end_s:5.1f} s  {step.name:13} {step.words}")
    print(f"{ITEM.sku}: {stow.score.outcome} {stow.score.cause}".rstrip())
    return 0


if __name__ == "__main__":
    sys.exit(main())
