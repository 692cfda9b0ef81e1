"""Conditions and laws: press on the pod with a wanted force, lean on it like a spring, tell how each piece ended.

Run it with ``python examples/02_conditions_and_laws.py``. What is learned: a condition is an expression that the kernel
judges every millisecond; a law says how one Cartesian axis answers to force; a law too lively for what may be touched
is refused before anything moves.
"""

import sys
from dataclasses import replace

from podhand.app.wiring import build_workcell, read_catalogue, standard_world
from podhand.controllers.conditions import ft, time, tool
from podhand.controllers.lockstep import LockstepHost
from podhand.controllers.segments import Compliant, ForceLaw, Law, Rigid, Segment, SegmentLimits, Twist
from podhand.controllers.session import Session
from podhand.core.errors import LimitError
from podhand.core.station import Station, load_station

PRESS_N = 8.0
STIFFNESS_N_M = 800.0
DAMPING_N_S_M = 900.0
LEAN_M_S = 0.01


def along_x(law: Law) -> tuple[Law, Law, Law, Law, Law, Law]:
    """Give the tool's x axis a law; the other five stay rigid."""
    return (law, Rigid(), Rigid(), Rigid(), Rigid(), Rigid())


def chain_to_the_pod(station: Station) -> list[Segment]:
    """Go ahead until the tool touches, then press, then lean."""
    fast = SegmentLimits.for_station(station, force_norm_n=20.0, speed_m_s=0.15, jerk_m_s3=200.0)
    slow = replace(fast, force_norm_n=40.0, speed_m_s=0.02)
    spring = Compliant(mass=8.0, damping=DAMPING_N_S_M, stiffness=STIFFNESS_N_M)
    return [
        Segment(name="tare", limits=fast, until={"tared": time > 0.15}, tare=True, timeout_s=1.0),
        Segment(
            name="ahead",
            arm=Twist(v_m_s=(0.12, 0.0, 0.0)),
            limits=fast,
            until={"near": tool.travel > 0.40},
            timeout_s=6.0,
        ),
        Segment(
            name="touch",
            arm=Twist(v_m_s=(0.02, 0.0, 0.0)),
            limits=slow,
            until={"contact": (ft.force.norm > 4.0).for_(0.003)},
            timeout_s=6.0,
        ),
        Segment(
            name="press",  # a negative force presses forward: it is the force that the world exerts on the tool
            law=along_x(ForceLaw(force=-PRESS_N, damping=DAMPING_N_S_M, max_speed=0.01)),
            limits=slow,
            until={"steady": ((ft.force.x < -PRESS_N + 1.0) & (ft.force.x > -PRESS_N - 1.0)).for_(0.3)},
            timeout_s=3.0,
        ),
        Segment(
            name="lean",  # the reference goes into the wall, the tool lags behind it like a spring
            arm=Twist(v_m_s=(LEAN_M_S, 0.0, 0.0)),
            law=along_x(spring),
            limits=slow,
            until={"bent": tool.deviation > 0.012, "hard": ft.force.norm > 25.0},
            timeout_s=4.0,
        ),
    ]


async def press_and_lean(session: Session, station: Station) -> str:
    """Run the chain; returns its outcomes, one sentence each."""
    await session.wait(0.2)
    chain = chain_to_the_pod(station)
    outcome = await session.run(chain)
    spring_n, damper_n = STIFFNESS_N_M * outcome.value, DAMPING_N_S_M * LEAN_M_S
    lean = f"The law asks for {spring_n:.1f} N of the spring and {damper_n:.1f} N of the damper at that end."
    lively = replace(chain[-1], law=along_x(Compliant(mass=8.0, damping=10.0, stiffness=STIFFNESS_N_M)))
    try:
        await session.run([lively])
    except LimitError as refusal:
        return "\n".join([*(each.in_words() for each in outcome.all), lean, f"Refused, nothing moved: {refusal}"])
    raise AssertionError("a spring almost without damping was accepted")


def main() -> int:
    station = load_station("sim-stow")
    workcell = build_workcell(station, standard_world(station, read_catalogue(None), seed=1, index=0))
    with LockstepHost.for_station(workcell.plant, station) as host:
        print(host.run(press_and_lean(host.session, station)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
