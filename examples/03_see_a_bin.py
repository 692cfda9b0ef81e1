"""See a bin: three depth cameras, a model of what is free and taken, and a decision with its reason.

Run it with ``python examples/03_see_a_bin.py [--out FOLDER]``; it writes ``bin.png`` there, or into a new temporary
folder. What is learned: perception works on frames alone, planning on the bin model alone, and nothing moves.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from podhand.app.wiring import build_workcell, read_catalogue, standard_world
from podhand.core.station import load_station
from podhand.perception.bin_model import estimate_bin
from podhand.perception.pictures import draw_bin_model
from podhand.planning.stow import plan_stow


def main() -> int:
    parser = argparse.ArgumentParser(description="look into a bin and decide how an item would go in")
    parser.add_argument("--out", type=Path, help="folder for the picture (made when missing)")
    parser.add_argument("--seed", type=int, default=4, help="which world (4)")
    args = parser.parse_args()
    folder = args.out or Path(tempfile.mkdtemp(prefix="podhand-"))
    folder.mkdir(parents=True, exist_ok=True)

    station = load_station("sim-stow")
    workcell = build_workcell(station, standard_world(station, read_catalogue(None), seed=args.seed, index=0))
    frames = [camera.capture() for camera in workcell.cameras]
    model = estimate_bin(frames, workcell.X_world_bin_nominal, station.pod.bin_size_m)
    presented = workcell.infeed.present()
    item = presented.item
    size = " × ".join(f"{1000 * side:.0f}" for side in item.size_m)
    print(f"{item.sku}, {size} mm, waits at the infeed.")

    for gap in model.gaps(depth_m=item.length_m, height_m=item.height_m):
        low, high = 1000 * gap.y_low_m, 1000 * gap.y_high_m
        print(f"A gap of {high - low:.0f} mm, from y = {low:+.0f} to {high:+.0f} mm.")
    decision = plan_stow(model, presented, tool=station.tool, force_limit_n=station.forces.sweep_n)
    print(f"Decision: {type(decision).__name__}. {decision.reason}")
    print(f"Picture: {draw_bin_model(model, decision, folder / 'bin.png')}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
