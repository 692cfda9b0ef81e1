"""A plant for unit tests: ideal axes, gravity of the empty tool, and a springy wall or item where a test wants one."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from podhand.controllers.parameters import EMPTY_PAYLOAD, kernel_config
from podhand.core.arm_model import UR10E
from podhand.core.exchange import Axis, SlowSignal
from podhand.core.poses import FloatArray, adjoint_wrench
from podhand.core.station import Station, load_station

STATION: Station = load_station("sim-stow")
HELD_COM_TOOL_M = (-0.08, 0.0, 0.0)
Contact = Callable[[FloatArray, FloatArray], FloatArray]
"""Force on the tool in base (3,), at the tool origin, from tool position (3,) and all axis positions (14,)."""


class FakePlant:
    """Every axis is where it was commanded one tick ago. Its sensor has a little noise, so that it is not frozen."""

    def __init__(self, *, contact: Contact | None = None, noise_n: float = 0.02, station: Station = STATION) -> None:
        self.tick_s = station.control.tick_s
        self.contact = contact
        self.held_mass_kg = 0.0
        self.squeeze_stiffness_n_m = 0.0
        self.item_width_m = 0.0
        self.slow = np.zeros(8)
        self.on_step: Callable[[FakePlant], None] | None = None
        self.safety = 0
        self.noise_n = noise_n
        self._tool = station.tool
        self._payload = kernel_config(station)["payload"][EMPTY_PAYLOAD]
        self._home = np.array(station.arm.home_q_rad)
        self._park = np.array(station.band_arm.park_base_m)
        self._random = np.random.default_rng(1)
        self._places: list[FloatArray] = []
        self.tick = 0
        self.q = np.zeros(14)
        self.tau = np.zeros(14)

    def bind(self, inputs: NDArray[np.void], outputs: NDArray[np.void]) -> None:
        self._inputs, self._command = inputs, outputs["command"]
        self.q[:6] = self._home
        self.q[Axis.SQUEEZE], self.q[Axis.BLADE] = 0.10, 0.0
        self.q[Axis.BAND_X :] = self._park
        self._command[:] = self.q
        self._command[8:10] = 0.0
        inputs["dt_s"] = inputs["ft_period_s"] = self.tick_s
        inputs["axis_valid"] = sum(1 << a for a in Axis if a is not Axis.ARM_6)
        inputs["slow_valid"] = sum(1 << s for s in SlowSignal)
        self._qd = np.zeros(14)
        self._measure()

    def step(self) -> None:
        before = self.q.copy()
        belts = slice(Axis.BELT_LEFT, Axis.BELT_RIGHT + 1)
        travel = self.q[belts] + self._command[belts] * self.tick_s
        self.q[:] = self._command
        self.q[belts] = travel
        self._qd = (self.q - before) / self.tick_s
        self.tick += 1
        if self.on_step:
            self.on_step(self)
        self._measure()

    def _measure(self) -> None:
        inputs = self._inputs
        pressed = max(0.0, self.item_width_m - self.q[Axis.SQUEEZE]) * self.squeeze_stiffness_n_m
        self.tau[Axis.SQUEEZE] = -pressed
        inputs["tick"] = self.tick
        inputs["time_s"] = self.tick * self.tick_s
        inputs["q"], inputs["qd"], inputs["tau"] = self.q, self._qd, self.tau
        inputs["wrench"] = self._wrench()
        inputs["ft_sequence"] = self.tick
        inputs["slow"] = self.slow
        inputs["safety"] = self.safety

    def _acceleration(self, X_base_flange: FloatArray) -> FloatArray:
        """Return the acceleration of the payload's centre, from its last three places, with the delay of a sensor."""
        place = (X_base_flange @ np.append(self._payload["com_sensor_m"], 1.0))[:3]
        self._places = [*self._places[-5:], place] if self._places else [place] * 6
        now, before, first = self._places[3], self._places[2], self._places[1]
        acceleration: FloatArray = (now - 2.0 * before + first) / self.tick_s**2
        return acceleration

    def _wrench(self) -> FloatArray:
        X_base_flange = UR10E.flange(self.q[:6])
        X_flange_tool = self._tool.X_flange_tool
        field = np.array([0.0, 0.0, -9.81]) - self._acceleration(X_base_flange)
        weight = self._payload["mass_kg"] * (X_base_flange[:3, :3].T @ field)
        wrench = np.concatenate([weight, np.cross(self._payload["com_sensor_m"], weight)])
        X_base_tool = X_base_flange @ X_flange_tool
        load = X_base_tool[:3, :3].T @ (field * self.held_mass_kg)
        force = np.zeros(3) if self.contact is None else self.contact(X_base_tool[:3, 3], self.q)
        F_tool = np.concatenate([load + X_base_tool[:3, :3].T @ force, np.cross(HELD_COM_TOOL_M, load)])
        wrench += adjoint_wrench(X_flange_tool, F_tool)
        noise: FloatArray = self._random.normal(0.0, self.noise_n, 6)
        return wrench + noise


def wall(at_x_m: float, stiffness_n_m: float) -> Contact:
    """Return a springy wall across x of the base frame."""

    def push(p_base_tool_m: FloatArray, q: FloatArray) -> FloatArray:
        return np.array([-stiffness_n_m * max(0.0, p_base_tool_m[0] - at_x_m), 0.0, 0.0])

    return push
