"""Processes for the tests of the real-time host: ``python -m tests.unit.realtime_parts ROLE NAME``, see ``ROLES``."""

import ctypes
import os
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final

import numpy as np

from podhand import _kernel
from podhand.controllers.host import Host
from podhand.controllers.lockstep import LockstepHost
from podhand.controllers.outcomes import Outcome
from podhand.controllers.realtime import Pace, RealtimeHost, serve_plant
from podhand.controllers.recorder import replay
from podhand.controllers.segments import Segment, SegmentLimits, Twist, compile_chain
from podhand.core.errors import PodhandError
from tests.unit.fake_plant import STATION, FakePlant

LIMITS = SegmentLimits.for_station(STATION, force_norm_n=20.0, speed_m_s=0.15)
FORWARD = Segment(name="forward", arm=Twist(v_m_s=(0.03, 0.0, 0.0)), limits=LIMITS, timeout_s=8.0)
SHORT = Segment(name="forward", arm=Twist(v_m_s=(0.03, 0.0, 0.0)), limits=LIMITS, timeout_s=2.5)
IN_MOTION_S: Final = 0.3


def plant(name: str) -> None:
    """Serve an ideal plant, and say why it ended and that it stands."""
    own = FakePlant()
    say(serve_plant(own, name))
    before, tick = own.q.copy(), own.tick
    time.sleep(0.1)
    say(f"stands: {bool((own.q == before).all() and own.tick == tick)}")


def elsewhere(name: str) -> None:
    """Serve a plant whose arm stands a good way off its usual place."""
    own = FakePlant()
    own._home = own._home + 0.2
    say(serve_plant(own, name))


def client(name: str) -> None:
    """Move forward for long; say how it ended."""
    move(name, FORWARD)


def move(name: str, segment: Segment, deed: Callable[[RealtimeHost], Coroutine[Any, Any, None]] | None = None) -> None:
    """Run a segment, with a deed beside it; say how it ended."""

    async def course(host: RealtimeHost) -> Outcome:
        if deed is None:
            return await host.session.run([segment])
        outcome: Outcome = (await host.session.par(host.session.run([segment]), deed(host)))[0]
        return outcome

    try:
        with RealtimeHost(name, tick_s=STATION.control.tick_s) as host:
            say(host.run(course(host)).in_words())
    except PodhandError as error:
        say(f"{type(error).__name__}: {error}")


def gil(name: str) -> None:
    """Move, and hold the interpreter lock in a foreign function until a line comes on standard input."""

    async def hold(host: RealtimeHost) -> None:
        await host.session.wait(IN_MOTION_S)
        ctypes.PyDLL(None).read(0, ctypes.create_string_buffer(1), ctypes.c_size_t(1))

    move(name, FORWARD, hold)


def busy(name: str) -> None:
    """Move while other threads of this interpreter compute and never wait."""
    over = threading.Event()

    def spin() -> None:
        while not over.is_set():
            sum(range(1000))

    threads = [threading.Thread(target=spin, daemon=True) for _ in range(3)]
    for thread in threads:
        thread.start()
    move(name, SHORT)
    over.set()


def exits(name: str) -> None:
    """Leave the interpreter in mid-motion."""

    async def leave(host: RealtimeHost) -> None:
        await host.session.wait(IN_MOTION_S)
        sys.exit(7)

    move(name, FORWARD, leave)


def vanishes(name: str) -> None:
    """End the process in mid-motion, without a word to anybody."""

    async def vanish(host: RealtimeHost) -> None:
        await host.session.wait(IN_MOTION_S)
        os._exit(7)

    move(name, FORWARD, vanish)


def forgets(name: str) -> None:
    """Start a motion and come to the end of the script, with nothing closed."""
    own = _kernel.Client(name)
    assert own.take_lease()
    own.arm()
    own.submit(0, compile_chain([FORWARD]).records)
    while not own.cell["state"]["chain"][0]:
        own.refresh()
    globals()["kept until the interpreter is gone"] = own


def hoards(name: str) -> None:
    """Ask for more memory than there is, in mid-motion."""

    async def hoard(host: RealtimeHost) -> None:
        await host.session.wait(IN_MOTION_S)
        used = int(next(line for line in open("/proc/self/status") if line.startswith("VmSize")).split()[1]) << 10
        resource.setrlimit(resource.RLIMIT_AS, (used + (64 << 20), resource.RLIM_INFINITY))
        taken = []
        while True:
            taken.append(bytearray(1 << 20))

    move(name, FORWARD, hoard)


def records(kind: str) -> None:
    """Record a run on a disk that is full at once; say what comes of it."""
    plant, place = FakePlant(), Path(tempfile.mkdtemp())
    recording = place / "run.mcap"
    host: Host
    if kind == "lockstep":
        host = LockstepHost.for_station(plant, STATION, recording=recording)
    else:
        host = RealtimeHost.for_station(plant, STATION, recording=recording, pace=Pace.PLANT, priority=0)
    try:
        with host:
            resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, resource.RLIM_INFINITY))
            host.run(host.session.run([FORWARD]))
    except PodhandError as error:
        say(f"{type(error).__name__}: {error}")
    state = host.session.state
    say(f"at rest: {bool(not any(state.running) and np.abs(state.qd).max() < 1e-3)}")
    say(f"ticks: {plant.tick} {replay(recording, recover=True).ticks}")


def owner(_: str) -> None:
    """Start a podhand-rt for a plant of its own, and move; say where."""
    host = RealtimeHost.for_station(FakePlant(), STATION, pace=Pace.REAL, priority=0)
    assert host.process
    say(f"{host.process.pid} {host.process.name}")
    host.run(host.session.run([FORWARD]))


def say(text: str) -> None:
    """Print a line at once."""
    print(text, flush=True)


ROLES = {
    role.__name__: role
    for role in (plant, elsewhere, client, gil, busy, exits, vanishes, forgets, hoards, records, owner)
}

if __name__ == "__main__":
    ROLES[sys.argv[1]](sys.argv[2])
