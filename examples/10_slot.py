"""Leaning neighbours leave a slanted gap: no upright item fits, one that leans with them does.

Run it with ``python examples/10_slot.py [--seed N]``. What is learned: the gap is found by shearing what the cameras
see, and tool and item roll together at the mouth of the bin before the belts run.
"""

import argparse
import sys
from math import cos, radians, sin

from podhand.app.scene import stow_in_scene
from podhand.core.items import Item, Shape
from podhand.core.poses import pose, rotation_rpy
from podhand.core.station import load_station
from podhand.planning.affordances import SPACE_MAKERS, StowRules
from podhand.planning.thinking import make_planner
from podhand.sim.world import ContentItem, World

ITEM = Item(
    sku="puzzle", length_m=0.16, width_m=0.040, height_m=0.12, mass_kg=0.25, shape=Shape.BOX, friction=0.5,
    max_squeeze_n=40.0,
)  # fmt: skip
LEAN_RAD = radians(15.0)


def box(name: str, y_m: float, size_m: tuple[float, float, float], *, lean_rad: float = 0.0, front_m: float = 0.02,
        mass_kg: float = 0.8) -> ContentItem:  # fmt: skip
    """Return a box whose lowest edge is at ``y_m``, its upper end leaning to -y."""
    depth, width, height = size_m
    y = y_m + width / 2 * cos(lean_rad) - height / 2 * sin(lean_rad)
    z = width / 2 * sin(lean_rad) + height / 2 * cos(lean_rad) + 0.0005
    X = pose(rotation_rpy(lean_rad, 0.0, 0.0), (front_m + depth / 2, y, z))
    return ContentItem(name=name, shape=Shape.BOX, size_m=size_m, X_bin_item=X, mass_kg=mass_kg, friction=0.5)


def leaning_bin() -> list[ContentItem]:
    """Two books lean to the right; what stands between them at the back keeps the front of their gap open."""
    contents = [box("pillar", -0.148, (0.30, 0.047, 0.20), mass_kg=1.0)]
    y = -0.10 + 0.19 * sin(LEAN_RAD) + 0.001
    for name, depth, width, front in (
        ("book_1", 0.33, 0.03, 0.02),
        ("filler", 0.10, 0.054, 0.25),
        ("book_2", 0.33, 0.03, 0.02),
    ):
        size = (depth, width, 0.19)
        contents.append(box(name, y, size, lean_rad=LEAN_RAD, front_m=front, mass_kg=900.0 * depth * width * 0.05))
        y += width / cos(LEAN_RAD) + 0.0005
    contents.append(box("block", y + 0.004, (0.33, 0.143 - y, 0.20), mass_kg=1.5))
    return contents


def main() -> int:
    parser = argparse.ArgumentParser(description="stow an item into a slanted gap")
    parser.add_argument("--seed", type=int, default=0, help="errors of cameras, bin and sensor (0)")
    station = load_station("sim-stow")
    planner = make_planner(station)
    world = World.scene(ITEM, leaning_bin(), seed=parser.parse_args().seed)

    without = stow_in_scene(station, planner, world, rules=StowRules(moves=SPACE_MAKERS - {"slot"}))
    print(f"Without slot: refused: {without.thought.refusal}.")
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
