"""The control loop's cost: the kernel's full tick, and the plain step beside numba and numpy."""

from collections.abc import Callable
from typing import Any

import numpy as np

from podhand import _kernel
from podhand.bench.plain_step import PlainParameters, Step, kernel_step, numba_step, numpy_step, parameters
from podhand.bench.timing import Measurement, measure
from podhand.controllers.conditions import ft
from podhand.controllers.parameters import kernel_config
from podhand.controllers.segments import Compliant, Segment, SegmentLimits, Twist, compile_chain
from podhand.core.arm_model import UR10E
from podhand.core.exchange import Axis
from podhand.core.poses import FloatArray
from podhand.core.station import Station, load_station

Q_RAD = np.array([2.802, -1.275, 2.262, -0.987, 1.232, -1.571])
"""In front of a bin."""
ROUNDS = 5
AGREEMENT_RAD = 1e-9


def bench_loop(ticks: int) -> list[Measurement]:
    """Measure ``plain_step`` and ``tick``; ``ticks`` calls of ours in each of five interleaved rounds.

    Raises:
        RuntimeError: the three plain steps do not agree, so that a comparison means nothing.
    """
    station = load_station("sim-stow")
    plain = parameters(UR10E, station.tool.X_flange_tool, Q_RAD)
    _check_agreement(plain)
    ours = kernel_step(plain)
    ours.q[:] = Q_RAD
    peers = {"numba": _call(numba_step(plain)), "numpy": _call(numpy_step(plain))}
    holding = HoldingKernel(station)
    results = [
        measure("plain_step", ours.step, peers, n=ticks, rounds=ROUNDS),
        measure("tick", holding.tick, peers, n=ticks, rounds=ROUNDS, prepare=holding.prepare),
    ]
    holding.require_running()
    return results


class HoldingKernel:
    """A kernel that holds a pose compliantly, before a plant that follows at once and feels little noise."""

    def __init__(self, station: Station) -> None:
        self._kernel = _kernel.Kernel()
        self._kernel.configure(kernel_config(station))
        self.tick = self._kernel.tick
        inputs, outputs = self._kernel.inputs, self._kernel.outputs
        self._scalars, self._q, self._command = inputs, inputs["q"], outputs["command"]
        self._wrench, self._count = inputs["wrench"], 0
        self._noise = _weight(station) + np.random.default_rng(0).normal(0.0, 0.1, (4096, 6))
        inputs["dt_s"] = inputs["ft_period_s"] = station.control.tick_s
        inputs["axis_valid"] = sum(1 << axis for axis in Axis if axis != Axis.ARM_6)
        self._q[:6] = Q_RAD
        self._q[Axis.SQUEEZE] = 0.05
        self._q[Axis.BAND_X :] = station.band_arm.park_base_m
        self._command[:] = self._q
        self._command[[Axis.BELT_LEFT, Axis.BELT_RIGHT]] = 0.0
        self.prepare()
        self.tick()
        self._kernel.submit(0, compile_chain([_compliant_hold(station)]).records)
        for _ in range(100):
            self.prepare()
            self.tick()
        self.require_running()

    def prepare(self) -> None:
        """Write the next inputs: the axes stand where they were sent, the sensor has a new sample."""
        self._count += 1
        self._scalars["tick"] = self._scalars["ft_sequence"] = self._count
        self._scalars["time_s"] = 0.001 * self._count
        self._q[:7] = self._command[:7]
        self._wrench[:] = self._noise[self._count & 4095]

    def require_running(self) -> None:
        """Raise RuntimeError when the segment has ended: then the tick would be an idle one."""
        if not self._kernel.state["chain"][0]:
            raise RuntimeError(f"the timed segment ended: {self._kernel.take_outcome()}")


def _weight(station: Station) -> FloatArray:
    tool = station.tool
    com = tool.X_flange_tool @ np.array([tool.com_tool_x_m, 0.0, 0.0, 1.0])
    R_base_flange = UR10E.flange(Q_RAD)[:3, :3]
    return np.asarray(_kernel.gravity_wrench(R_base_flange, tool.mass_kg, com[:3], np.array([0.0, 0.0, -9.81])))


def _compliant_hold(station: Station) -> Segment:
    straight = Compliant(mass=8.0, damping=900.0, stiffness=300.0)
    turn = Compliant(mass=0.5, damping=60.0, stiffness=20.0)
    return Segment(
        name="hold",
        limits=SegmentLimits.for_station(station, force_norm_n=station.forces.sweep_n, speed_m_s=0.1),
        timeout_s=600.0,
        arm=Twist(),
        law=(straight, straight, straight, turn, turn, turn),
        until={"never": abs(ft.force.x) > 1000.0},
    )


def _check_agreement(plain: PlainParameters) -> None:
    """Drive all three steps through the same forces; they must end in the same place."""
    forces = np.random.default_rng(0).uniform(-5.0, 5.0, (500, 6))
    expected, compiled = _drive(numpy_step(plain), forces), _drive(numba_step(plain), forces)
    ours = kernel_step(plain)
    q, wrench, q_out = ours.q, ours.wrench, ours.q_out
    q[:] = Q_RAD
    for force in forces:
        wrench[:] = force
        ours.step()
        q[:] = q_out
    worst = max(float(np.abs(expected - q).max()), float(np.abs(expected - compiled).max()))
    if worst > AGREEMENT_RAD:
        raise RuntimeError(f"the plain steps differ by {worst:.1e} rad after 500 steps (allowed {AGREEMENT_RAD:.0e})")


def _drive(step: Step, forces: np.ndarray[Any, np.dtype[np.float64]]) -> np.ndarray[Any, np.dtype[np.float64]]:
    q, q_out = Q_RAD.copy(), np.zeros(6)
    for force in forces:
        step(q, force, q_out)
        q[:] = q_out
    return q


def _call(step: Step) -> Callable[[], None]:
    """Return a call without arguments on standing buffers, as the kernel's is."""
    q, wrench, q_out = Q_RAD.copy(), np.full(6, 0.5), np.zeros(6)
    return lambda: step(q, wrench, q_out)
