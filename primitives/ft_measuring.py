"""Guarded measurements with the force/torque sensor: rests, shakes, and a tare that is refused when it should be.

They use the kernel's own guards: force limits, timeouts, and a fault for every reading that is not plausible.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from podhand.controllers.conditions import time
from podhand.controllers.ft_identification import Standstill
from podhand.controllers.ft_watch import DriftWatch, TareBounds, refuse_tare
from podhand.controllers.loop_delay import Course, shake_stroke_m
from podhand.controllers.parameters import X_flange_sensor
from podhand.controllers.segments import Segment
from podhand.controllers.session import CellState
from podhand.controllers.trajectories import line
from podhand.core.exchange import SlowSignal
from podhand.core.poses import FloatArray, Pose, inverse
from podhand.core.station import Station
from podhand.primitives import motions
from podhand.primitives.base import Trace
from podhand.primitives.cell import Bands, StowCell

__all__ = [
    "Rest",
    "X_base_sensor",
    "rest_and_read",
    "shake",
    "shake_goals",
    "tare",
    "unmet",
    "watch_drift",
    "zero_guards",
]  # fmt: skip

SETTLE_S = 0.25
"""After a motion, until the tool hangs still."""
_LEAST_SAMPLES = 20
_STROKES = 12
_SHAKE_M_S, _SHAKE_M_S2, _SHAKE_M_S3 = 0.20, 1.8, 37.5
_BLADE_IN_M = 0.01


@dataclass(frozen=True, kw_only=True, eq=False)
class Rest:
    """One rest: the readings, and how still the arm stood."""

    stand: Standstill
    joint_speed_rad_s: float
    """Largest measured."""
    tool_travel_m: float
    """Largest measured way from where it was first."""


def unmet(cell: StowCell) -> list[str]:
    """Return what must be so before the empty tool is measured and is not, in words."""
    found = []
    seen = cell.session.state.signal(SlowSignal.ITEM_IN_PADDLES)
    if cell.held or seen > 0.5:
        found.append("the tool is not empty: something is between the paddles; give it back first")
    elif not seen <= 0.5:
        found.append("the light barrier between the paddles gives no valid signal: nobody knows whether they are empty")
    if cell.blade_m > _BLADE_IN_M:
        found.append(f"the blade is out by {cell.blade_m:.3f} m: retract it first")
    if cell.bands is not Bands.CLOSED:
        found.append("the hook holds the bands: close them first")
    return found


def X_base_sensor(cell: StowCell, X_base_tool: Pose) -> Pose:
    """Return where the sensor is, from the tool's pose."""
    return X_base_tool @ inverse(cell.station.tool.X_flange_tool) @ X_flange_sensor(cell.station)


async def rest_and_read(trace: Trace, name: str, *, seconds: float, force_n: float) -> Rest:
    """Let the tool swing out, then read the sensor while the kernel guards the standing arm.

    Raises Unsuccessful when a limit or fault ends the rest, or too few readings come.
    """
    cell = trace.cell
    chain = [
        motions.rest(cell, SETTLE_S, name=f"{name}: settle", force_n=force_n),
        motions.rest(cell, seconds, name=name, force_n=force_n),
    ]
    states = await _while_running(trace, chain, skip_s=SETTLE_S)
    if len(states) < _LEAST_SAMPLES:
        trace.fail(f"{name}: {len(states)} readings in {seconds:.2f} s (at least {_LEAST_SAMPLES}): look at the sensor")
    wrenches = np.array([state.wrench_sensor for state in states])
    half = len(wrenches) // 2
    joints = cell.station.arm.kinematics.joints
    places = np.array([state.X_base_tool[:3, 3] for state in states])
    stand = Standstill(
        name=name,
        time_s=0.5 * (states[0].time_s + states[-1].time_s),
        q_rad=tuple(float(q) for q in states[-1].q[:joints]),
        R_base_sensor=X_base_sensor(cell, states[-1].X_base_tool)[:3, :3],
        wrench=wrenches.mean(axis=0),
        noise=wrenches.std(axis=0, ddof=1),
        step=wrenches[half:].mean(axis=0) - wrenches[:half].mean(axis=0),
        samples=len(wrenches),
    )
    return Rest(
        stand=stand,
        joint_speed_rad_s=max(float(np.abs(state.qd[:joints]).max()) for state in states),
        tool_travel_m=float(np.linalg.norm(places - places[0], axis=1).max()),
    )


async def _while_running(trace: Trace, chain: list[Segment], *, skip_s: float = 0.0) -> list[CellState]:
    """Run a chain and return the state at every new reading meanwhile, from ``skip_s`` after its start on."""
    session = trace.cell.session
    states: list[CellState] = []
    running = True

    async def read() -> None:
        await session.wait(skip_s)
        while running:
            await session.wait(session.tick_s)
            state = session.state
            if not states or state.ft_sequence != states[-1].ft_sequence:
                states.append(state)

    async def run() -> None:
        nonlocal running
        try:
            await trace.run(chain, accept=("time is up",))
        finally:
            running = False

    await session.par(run(), read())
    return states


async def zero_guards(trace: Trace, *, force_n: float) -> None:
    """Take what is felt now as the kernel's zero, so that its force limits count from there; the arm stands."""
    await trace.run(
        [
            Segment(
                name="zero the guards",
                limits=motions.limits(trace.cell, force_n),
                until={"time is up": time > 0.15},
                tare=True,
                payload=trace.cell.payload,
                timeout_s=1.15,
            )
        ],
        accept=("time is up",),
    )


async def tare(
    trace: Trace,
    *,
    seconds: float,
    bounds: TareBounds,
    felt: Callable[[Standstill], FloatArray],
    since_calibration: Callable[[Standstill], FloatArray] | None = None,
) -> Rest:
    """Take the bias anew: standing still, quiet, without contact, within bounds of the last one; else nothing is taken.

    Args:
        trace: of the cell; the arm stands.
        seconds: how long the sensor is read.
        bounds: what must be kept.
        felt: (6,) of a rest: how far the bias would change.
        since_calibration: the same since the calibration.

    Raises Unsuccessful, with value, bound and what to do; the kernel's bias is then as it was.
    """
    limit_n = trace.cell.station.safety.max_force_norm_n
    rest = await rest_and_read(trace, "tare", seconds=seconds, force_n=limit_n)
    refusal = refuse_tare(
        rest.stand,
        felt(rest.stand),
        bounds,
        joint_speed_rad_s=rest.joint_speed_rad_s,
        tool_travel_m=rest.tool_travel_m,
        since_calibration=since_calibration(rest.stand) if since_calibration else None,
    )
    if refusal:
        trace.fail(f"not tared: {refusal}")
    await zero_guards(trace, force_n=limit_n)
    return rest


async def watch_drift(
    trace: Trace,
    watch: DriftWatch,
    *,
    seconds: float,
    felt: Callable[[CellState], FloatArray],
) -> None:
    """Feed a drift watch while the arm stands, guarded, in pieces of ten seconds.

    Raises Unsuccessful when a limit or fault ends the standing.
    """
    limit_n, joints = trace.cell.station.safety.max_force_norm_n, trace.cell.station.arm.kinematics.joints
    left_s = seconds
    while left_s > 1e-9:
        piece_s = min(10.0, left_s)
        left_s -= piece_s
        rest = motions.rest(trace.cell, piece_s, name="watch", force_n=limit_n)
        for state in await _while_running(trace, [rest]):
            standing = float(np.abs(state.qd[:joints]).max()) < 0.02
            watch.feed(state.time_s, felt(state), standing=standing)


def shake_goals(station: Station, X_base_tool: Pose) -> dict[str, Pose]:
    """Return where ``shake`` goes from a pose, by direction; the way there and back must be free."""
    stroke_m = shake_stroke_m(station.control.tool_stiffness_n_m, station.tool.mass_kg, jerk_m_s3=_SHAKE_M_S3)
    goals = {}
    for k, name in enumerate(("along x", "along y", "along z")):
        X = X_base_tool.copy()
        X[k, 3] += stroke_m
        goals[name] = X
    return goals


async def shake(trace: Trace, *, force_n: float) -> list[Course]:
    """Move the tool to and fro by some millimetres along x, y, z of the base; returns what was commanded and read.

    Raises Unsuccessful when a limit or fault ends it.
    """
    cell = trace.cell
    X_start = cell.session.state.X_base_tool_cmd
    limits = motions.limits(cell, force_n, speed_m_s=1.2 * _SHAKE_M_S, contact_stiffness_n_m=0.0)
    courses = []
    for name, X_goal in shake_goals(cell.station, X_start).items():
        chain = []
        for stroke in range(_STROKES):
            here, there = (X_start, X_goal) if stroke % 2 == 0 else (X_goal, X_start)
            path = line(here, there, speed_m_s=_SHAKE_M_S, acceleration_m_s2=_SHAKE_M_S2, jerk_m_s3=_SHAKE_M_S3)
            chain.append(
                Segment(
                    name=f"shake {name}",
                    arm=path,
                    squeeze=motions.grip(cell),
                    limits=limits,
                    payload=cell.payload,
                    timeout_s=3.0 * path.duration_s + 2.0,
                )
            )
        courses.append(_course(cell, name, await _while_running(trace, chain)))
        await trace.run([motions.rest(cell, SETTLE_S, name="settle", force_n=force_n)], accept=("time is up",))
    return courses


def _course(cell: StowCell, name: str, states: list[CellState]) -> Course:
    forces = [X_base_sensor(cell, state.X_base_tool)[:3, :3] @ state.wrench_sensor[:3] for state in states]
    return Course(
        name=name,
        time_s=np.array([state.time_s for state in states]),
        p_base_cmd_m=np.array([state.X_base_tool_cmd[:3, 3] for state in states]),
        p_base_m=np.array([state.X_base_tool[:3, 3] for state in states]),
        force_base_n=np.array(forces).reshape(-1, 3),
    )
