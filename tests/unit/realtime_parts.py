"""Processes for the tests of the real-time host: ``python -m tests.unit.realtime_parts plant|client|owner NAME``."""

import os
import sys
import time

from podhand.controllers.outcomes import Outcome
from podhand.controllers.realtime import Pace, RealtimeHost, serve_plant
from podhand.controllers.segments import Segment, SegmentLimits, Twist
from podhand.core.errors import PodhandError
from tests.unit.fake_plant import STATION, FakePlant

LIMITS = SegmentLimits.for_station(STATION, force_norm_n=20.0, speed_m_s=0.15)
FORWARD = Segment(name="forward", arm=Twist(v_m_s=(0.03, 0.0, 0.0)), limits=LIMITS, timeout_s=8.0)


def plant(name: str) -> None:
    """Serve an ideal plant, and say why it ended and that it stands."""
    own = FakePlant()
    say(serve_plant(own, name))
    before, tick = own.q.copy(), own.tick
    time.sleep(0.1)
    say(f"stands: {bool((own.q == before).all() and own.tick == tick)}")


def client(name: str) -> None:
    """Move forward for long; say how it ended."""
    try:
        with RealtimeHost(name, tick_s=STATION.control.tick_s) as host:
            outcome: Outcome = host.run(host.session.run([FORWARD]))
            say(outcome.in_words())
    except PodhandError as error:
        say(f"{type(error).__name__}: {error}")


def owner(_: str) -> None:
    """Start a podhand-rt for a plant of its own, and move; say where."""
    host = RealtimeHost.for_station(FakePlant(), STATION, pace=Pace.REAL, priority=0)
    assert host.process
    say(f"{host.process.pid} {host.process.name}")
    host.run(host.session.run([FORWARD]))


def say(text: str) -> None:
    """Print a line at once."""
    print(text, flush=True)


if __name__ == "__main__":
    {"plant": plant, "client": client, "owner": owner}[sys.argv[1]](sys.argv[2])
    os._exit(0)
