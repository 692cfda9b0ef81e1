"""A whole stow on both hosts."""

from dataclasses import asdict
from pathlib import Path

import pytest

from podhand.app.choices import HostKind
from podhand.app.episode import Episode, EpisodeJob, run_episode
from podhand.controllers.realtime import Pace
from podhand.controllers.recorder import read_recording, replay

WALL_TIMES = {"think_s", "wall_s", "tick_mean_us"}


@pytest.mark.slow
@pytest.mark.parametrize("index", [0, 3])
def test_a_stow_goes_the_same_on_both_hosts_tick_by_tick(tmp_path: Path, index: int) -> None:
    def stow(kind: HostKind) -> Episode:
        recording = tmp_path / f"{kind}.mcap"
        return run_episode(
            EpisodeJob(
                station="sim-stow", items=None, seed=4, index=index, recording=recording, host=kind, pace=Pace.PLANT
            )
        )

    lockstep, realtime = (asdict(stow(kind).result) for kind in (HostKind.LOCKSTEP, HostKind.REALTIME))
    for name in WALL_TIMES:
        assert lockstep.pop(name) > 0.0
        assert realtime.pop(name) > 0.0
    assert lockstep == realtime
    assert lockstep["accepted"]
    one, other = (read_recording(tmp_path / f"{kind}.mcap") for kind in HostKind)
    assert one.ticks.tobytes() == other.ticks.tobytes()
    assert one.commands == other.commands
    assert replay(tmp_path / "realtime.mcap").identical
