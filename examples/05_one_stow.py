"""One whole stow: look, decide, take, open the bands, make room if needed, eject, come back; then its story.

Run it with ``python examples/05_one_stow.py [--seed N]``. What is learned: ``run_episode`` is one stow from first look
to verdict, its result is plain data, and ``podhand stow`` is this with a run folder around it.
"""

import argparse
import sys

from podhand.app.episode import EpisodeJob, run_episode
from podhand.app.words import headline, story


def main() -> int:
    parser = argparse.ArgumentParser(description="stow one item in the simulated cell")
    parser.add_argument("--seed", type=int, default=2, help="which world (2)")
    result = run_episode(EpisodeJob(station="sim-stow", items=None, seed=parser.parse_args().seed, index=0)).result
    print(headline(result))
    for step in result.steps:
        print(f"  {step.begin_s:5.1f} to {step.end_s:5.1f} s  {step.name:13} {step.words}")
    print(story(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
