"""A guarded move: go forward until the tool feels the pod, tell how it went.

Run it with ``python examples/01_guarded_move.py``. One chain of three segments: take the bias of the force sensor, go
ahead through free space, feel the way over the last centimetres. The kernel changes over within one tick.
"""

import sys

from podhand.app.wiring import build_workcell, read_catalogue, standard_world
from podhand.controllers.conditions import ft, time, tool
from podhand.controllers.lockstep import LockstepHost
from podhand.controllers.segments import Segment, SegmentLimits, Twist
from podhand.controllers.session import Session
from podhand.core.station import Station, load_station


async def guarded_move(session: Session, station: Station) -> str:
    """Move forward until contact; returns what happened in words."""
    limits = SegmentLimits.for_station(station, force_norm_n=20.0, speed_m_s=0.15, jerk_m_s3=200.0)
    chain = [
        Segment(name="tare", limits=limits, until={"tared": time > 0.15}, tare=True, timeout_s=1.0),
        Segment(
            name="ahead",
            arm=Twist(v_m_s=(0.12, 0.0, 0.0)),
            limits=limits,
            until={"near": tool.travel > 0.40, "contact": ft.force.norm > 8.0},
            timeout_s=6.0,
        ),
        Segment(
            name="feel",
            arm=Twist(v_m_s=(0.02, 0.0, 0.0)),
            limits=limits,
            until={"contact": (ft.force.norm > 6.0).for_(0.003)},
            timeout_s=6.0,
        ),
    ]
    await session.wait(0.2)  # drives and sensor come to rest
    outcome = await session.run(chain)
    return "\n".join(each.in_words() for each in outcome.all)


def main() -> int:
    station = load_station("sim-stow")
    workcell = build_workcell(station, standard_world(station, read_catalogue(None), seed=1, index=0))
    with LockstepHost.for_station(workcell.plant, station) as host:
        print(host.run(guarded_move(host.session, station)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
