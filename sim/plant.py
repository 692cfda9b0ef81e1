"""The cyclic side of the simulated workcell: one physics step per tick behind the plant port."""

from itertools import pairwise
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from podhand.core.errors import StateError
from podhand.core.exchange import INPUTS_DTYPE, OUTPUTS_DTYPE, Axis, Safety, SlowSignal
from podhand.core.poses import FloatArray
from podhand.core.tooling import StowTool
from podhand.sim.contact_groups import TOUCHES, Part
from podhand.sim.extents import item_geoms
from podhand.sim.faults import FaultKind, Faults
from podhand.sim.ft_sensor import FtSensor
from podhand.sim.scene import Scene
from podhand.sim.scene_bands import node_names
from podhand.sim.scene_tool import NOSE_RADIUS_M
from podhand.sim.settings import SimSettings
from podhand.sim.world import World

BARRIER_HALF_HEIGHT_M = 0.05
_SLIPPERY = 0.01
_JAMMED_N = 1000.0
"""Dry friction of a jammed blade: many times the force of its drive."""
_NOSE_TURN = np.array((1.0, -1.0)) / NOSE_RADIUS_M
"""Of the left and the right nose [rad/m]: the belts run outward over them."""
_DRY_FRICTION_HOLDS = 0.9999
"""Impedance of that friction: the softer default creeps."""
_BRAKE_S = 0.10
"""Time constant with which the drives brake at an emergency stop."""
_SAME_PLACE = 0.012
"""Set-points this near [rad or m] to where the drives stand are followed again after an emergency stop."""
_SPRING_OPEN_N = 5.0
"""Force with which the paddles open when their drive lets go."""
_POSITIONS, _SPEEDS = (7, 4, 1, 1), (6, 3, 1, 1)
"""Numbers of a joint's position and speed by its type: free, ball, slide, hinge."""
_HOLDS_ON_NOTHING = 1 << 12
"""A contact bit that no part of the cell has an affinity for."""


class SimPlant:
    """MuJoCo behind ``podhand.core.ports.Plant``.

    Set-points reach the drives one tick after they were given. Axis forces are those of the drives: the squeeze axis
    is its opening, so a squeezing drive shows a negative force.
    """

    def __init__(self, scene: Scene, world: World, settings: SimSettings, tool: StowTool, faults: Faults) -> None:
        self.tick_s = settings.tick_s
        self._model: Any = scene.model
        self._data: Any = mujoco.MjData(scene.model)
        self._world, self._settings, self._tool, self._faults = world, settings, tool, faults
        self._arm = len(settings.home_q_rad)
        self._ft = FtSensor(
            world.ft,
            seed=world.seed,
            tick_s=settings.tick_s,
            range_n=settings.ft_range_n,
            range_n_m=settings.ft_range_n_m,
            faults=faults,
        )
        self._take_views()
        self._start(scene)
        self._inputs: NDArray[np.void] | None = None
        self._tick = 0
        self._time_s = 0.0

    @property
    def model(self) -> Any:
        """The ``mujoco.MjModel``: for cameras, pictures and scoring, never for the controller."""
        return self._model

    @property
    def data(self) -> Any:
        """The ``mujoco.MjData``."""
        return self._data

    @property
    def time_s(self) -> float:
        """Plant time [s], 0 at the first tick."""
        return self._time_s

    def _take_views(self) -> None:
        m, d, n = self._model, self._data, self._arm
        self._qpos, self._qvel, self._ctrl, self._force = d.qpos, d.qvel, d.ctrl, d.actuator_force
        self._sensors = d.sensordata
        self._wrench = np.zeros(6)
        self._lead = -m.actuator_biasprm[:, 2] / m.actuator_gainprm[:, 0] / self.tick_s
        self._given = np.zeros(n + 5)
        self._before = np.zeros(n + 5)
        self._belt_speed = np.zeros(2)
        self._belt_command = np.zeros(2)
        self._belt_travel = np.zeros(2)
        self._belts = [m.geom("belt_left").id, m.geom("belt_right").id]
        self._noses = [m.geom("nose_left").id, m.geom("nose_right").id]
        self._belt_friction = m.geom_friction[self._belts[0]].copy()
        self._surface = m.geom_surfacevel
        self._tool_R = d.xmat[m.body("tool").id].reshape(3, 3)
        self._tool_p = d.xpos[m.body("tool").id]
        self._tool_x = self._tool_R[:, 0]
        self._belt_touch = self._sensors[9:15].reshape(2, 3)
        item = m.body("item").id
        self._item_p = d.xpos[item]
        self._item_geoms = item_geoms(m, "item")
        self._item_middles, self._item_halves = np.split(m.geom_aabb[self._item_geoms], 2, axis=1)
        self.peak_squeeze_n = 0.0
        """Largest force of the squeeze drive on a held item so far."""
        self.peak_touch_n = np.zeros(4)
        """Largest true contact force on blade, left belt, right belt and whole tool so far."""
        self._braked = False
        self._spoilt = False
        """Faults were applied, so their physics must be taken back."""
        self._blade_dof = m.joint("blade").dofadr[0]
        m.dof_solimp[self._blade_dof, :2] = _DRY_FRICTION_HOLDS
        self._squeeze_force_n = m.actuator_forcerange[n].copy()
        bands = self._settings.bands
        self._upper_band = int(np.argmax(bands.heights_bin_m))
        self._band_rows = [[m.body(name).id for name in node_names(k, bands)] for k in range(len(bands.heights_bin_m))]
        self._slow = (0.0, 0.0, 0.0)
        self._slow_ticks = 0

    def _start(self, scene: Scene) -> None:
        """Stand at home, hook parked, everything at rest."""
        n, settings = self._arm, self._settings
        opening = self._tool.max_opening_m * 0.75
        column_y = float(scene.X_world_bin_nominal[1, 3])
        park = np.array(settings.bands.park_base_m) + np.array([0.0, column_y, 0.0])
        self._qpos[:n] = settings.home_q_rad
        self._qpos[n : n + 2] = opening / 2
        self._qpos[n + 4 : n + 7] = park
        self._given[:n] = settings.home_q_rad
        self._given[n], self._given[n + 1] = opening, 0.0
        self._given[n + 2 :] = park
        self._before[:] = self._ctrl[:] = self._given
        for _ in range(round(settings.settle_s / self.tick_s)):
            mujoco.mj_step(self._model, self._data)
        if np.isnan(self._qpos).any() or any(w.number for w in self._data.warning):
            raise StateError(f"world {self._world.seed}: the simulation is not stable at its start; report this seed")
        self._rest_z_m = float(self._item_p[2])
        item = self._model.body_rootid[self._model.body("item").id]
        joints = [j for j in range(self._model.njnt) if self._model.body_rootid[self._model.jnt_bodyid[j]] == item]
        first, last = self._model.joint(joints[0]), self._model.joint(joints[-1])
        self._item_qpos = slice(int(first.qposadr[0]), int(last.qposadr[0]) + _POSITIONS[int(last.type[0])])
        self._item_qvel = slice(int(first.dofadr[0]), int(last.dofadr[0]) + _SPEEDS[int(last.type[0])])
        self._item_start = self._qpos[self._item_qpos].copy()
        self._read_wrench()
        self._ft.fill(self._wrench)

    def holds_item(self) -> bool:
        """Whether both belts press on the presented item now."""
        return bool(self._slow[1]) and float(np.abs(self._sensors[9:15]).max()) > 0.5

    def signal(self, which: SlowSignal) -> float:
        """Return a light barrier as it was last read, 0 or 1."""
        return self._slow[which - SlowSignal.ITEM_AT_INFEED]

    def present_item(self) -> None:
        """Put the item where it was presented at the start, at rest: the infeed's next one, a copy of the first."""
        self._qpos[self._item_qpos] = self._item_start
        self._qvel[self._item_qvel] = 0.0
        self.peak_squeeze_n = 0.0
        self.peak_touch_n[:] = 0.0
        mujoco.mj_forward(self._model, self._data)

    def band_nodes_m(self) -> list[FloatArray]:
        """Return the nodes (n, 3) of each band in the world, from +y to -y [m]."""
        return [self._data.xpos[rows].copy() for rows in self._band_rows]

    def band_segments(self) -> list[tuple[FloatArray, FloatArray, float]]:
        """Return start, end and radius of every piece of the bands in the world [m]."""
        radius = self._settings.bands.radius_m
        return [(a, b, radius) for nodes in self.band_nodes_m() for a, b in pairwise(nodes)]

    def bind(self, inputs: NDArray[np.void], outputs: NDArray[np.void]) -> None:
        """Take the records to work on and write the first inputs; see the port."""
        if inputs.dtype != INPUTS_DTYPE or outputs.dtype != OUTPUTS_DTYPE:
            raise StateError("bind needs 0-d arrays of INPUTS_DTYPE and OUTPUTS_DTYPE (got other record layouts)")
        self._inputs = inputs
        self._command = outputs["command"]
        self._q, self._qd, self._tau = inputs["q"], inputs["qd"], inputs["tau"]
        self._wrench_out, self._slow_out, self._slow_age = inputs["wrench"], inputs["slow"], inputs["slow_age_s"]
        inputs["dt_s"] = inputs["ft_period_s"] = self.tick_s
        present = [*range(self._arm), *(int(a) for a in Axis if a >= Axis.SQUEEZE)]
        self._axes_valid = sum(1 << a for a in present)
        self._arm_bits = (1 << self._arm) - 1
        slow = (SlowSignal.ITEM_AT_INFEED, SlowSignal.ITEM_IN_PADDLES, SlowSignal.MOUTH_BLOCKED)
        inputs["slow_valid"] = sum(1 << int(s) for s in slow)
        self._slow_ticks = 0  # a new controller reads the barriers at once
        self._write_inputs()
        n = self._arm
        self._command[:] = 0.0
        self._command[:n] = self._given[:n]
        self._command[Axis.SQUEEZE], self._command[Axis.BLADE] = self._given[n], self._given[n + 1]
        self._command[Axis.BAND_X :] = self._given[n + 2 :]

    def step(self) -> None:
        """Apply the bound outputs, let one period pass, write the bound inputs."""
        if self._inputs is None:
            raise StateError("step needs bound records; call bind first")
        if self._faults.any() or self._spoilt:
            self._apply_faults()
        # A drive follows position and speed of its set-point: speed enters as a lead of the position.
        np.subtract(self._given, self._before, out=self._ctrl)
        self._ctrl *= self._lead
        self._ctrl += self._given
        self._run_belts()
        mujoco.mj_step(self._model, self._data)
        self._before, self._given = self._given, self._before
        if self._drives_hold():
            self._brake()
        else:
            self._take_command()
            if self._faults.active(FaultKind.BELT_STALL, self._time_s):
                self._belt_command[:] = 0.0
        self._tick += 1
        self._time_s = self._tick * self.tick_s
        self._write_inputs()

    def _take_command(self) -> None:
        n, given, command = self._arm, self._given, self._command
        given[:n] = command[:n]
        given[n], given[n + 1] = command[7], command[10]
        given[n + 2 :] = command[11:]
        self._belt_command[:] = command[8:10]

    def _drives_hold(self) -> bool:
        """Return whether the drives brake and hold: at an emergency stop, and until they are asked for their place."""
        if self._faults.any() and self._faults.active(FaultKind.EMERGENCY_STOP, self._time_s):
            self._braked = True
        elif self._braked:
            n = self._arm
            asked = np.concatenate([self._command[:n], self._command[[Axis.SQUEEZE, Axis.BLADE]], self._command[11:]])
            self._braked = bool(np.abs(asked - self._before).max() > _SAME_PLACE)
        return self._braked

    def _brake(self) -> None:
        """Let every set-point run out; ``_given`` still holds the one before ``_before``."""
        rate = self._before - self._given
        np.add(self._before, rate * (1.0 - self.tick_s / _BRAKE_S), out=self._given)
        self._belt_command[:] = 0.0

    def _run_belts(self) -> None:
        speed = self._belt_speed
        if speed[0] == self._belt_command[0] == 0.0 and speed[1] == self._belt_command[1] == 0.0:
            return
        most = self._settings.drives.belt_max_acceleration_m_s2 * self.tick_s
        change = self._belt_command - speed
        np.clip(change, -most, most, out=change)
        speed += change
        self._belt_travel += speed * self.tick_s
        self._surface[self._belts, 0] = speed
        self._surface[self._noses, 5] = speed * _NOSE_TURN

    def _apply_faults(self) -> None:
        """Make the faults of now, and none else, part of the physics."""
        m, time_s = self._model, self._time_s
        self._spoilt = self._faults.any()
        slips, jammed, lets_go, lost = (
            self._faults.active(kind, time_s)
            for kind in (FaultKind.ITEM_SLIPS, FaultKind.BLADE_JAM, FaultKind.ITEM_DROPPED, FaultKind.BAND_LOST)
        )
        m.geom_friction[self._belts + self._noses] = self._belt_friction
        if slips:
            m.geom_friction[self._belts + self._noses, 0] = _SLIPPERY
        m.dof_frictionloss[self._blade_dof] = _JAMMED_N if jammed else 0.0
        m.actuator_forcerange[self._arm] = (_SPRING_OPEN_N,) * 2 if lets_go else self._squeeze_force_n
        # A band without the hook still touches tool and items.
        m.flex_contype[self._upper_band] = _HOLDS_ON_NOTHING if lost else Part.BAND
        m.flex_conaffinity[self._upper_band] = TOUCHES[Part.BAND] & ~Part.HOOK if lost else TOUCHES[Part.BAND]

    def _read_wrench(self) -> None:
        # The sensor gives what the tool exerts on the arm.
        np.negative(self._sensors[:6], out=self._wrench)

    def _write_inputs(self) -> None:
        n, inputs = self._arm, self._inputs
        assert inputs is not None
        q, qd, tau, force = self._q, self._qd, self._tau, self._force
        qpos, qvel = self._qpos, self._qvel
        q[:n], qd[:n], tau[:n] = qpos[:n], qvel[:n], force[:n]
        q[7], qd[7], tau[7] = qpos[n] + qpos[n + 1], qvel[n] + qvel[n + 1], force[n]
        q[8:10], qd[8:10] = self._belt_travel, self._belt_speed
        # What the belts give to the item along their run.
        np.dot(self._belt_touch, self._tool_x, out=tau[8:10])
        q[10], qd[10], tau[10] = qpos[n + 2], qvel[n + 2], force[n + 1]
        q[11:], qd[11:], tau[11:] = qpos[n + 4 : n + 7], qvel[n + 4 : n + 7], force[n + 2 :]
        self._read_wrench()
        self._ft.sample(self._wrench, self._time_s, self._wrench_out)
        self._write_slow()
        self._watch()
        inputs["tick"] = self._tick
        inputs["time_s"] = self._time_s
        inputs["ft_sequence"] = self._ft.sequence
        inputs["ft_status"] = int(self._ft.status)
        inputs["axis_valid"] = self._axes_valid
        inputs["safety"] = int(Safety.OK)
        if self._faults.any():
            self._mark_faults(inputs)

    def _mark_faults(self, inputs: NDArray[np.void]) -> None:
        if self._faults.active(FaultKind.EMERGENCY_STOP, self._time_s):
            inputs["safety"] = int(Safety.EMERGENCY_STOP)
        if self._faults.active(FaultKind.AXIS_INVALID, self._time_s):
            inputs["axis_valid"] = self._axes_valid & ~self._arm_bits

    def _write_slow(self) -> None:
        if self._slow_ticks == 0:
            self._slow_ticks = self._settings.slow_period_ticks
            self._slow = self._barriers()
            self._slow_out[1], self._slow_out[2], self._slow_out[3] = self._slow
            self._slow_age[:] = 0.0
        else:
            self._slow_age += self.tick_s
        self._slow_ticks -= 1

    def _barriers(self) -> tuple[float, float, float]:
        """Return (item at infeed, item between the paddles, mouth blocked), each 0 or 1."""
        R = self._tool_R.T @ self._data.geom_xmat[self._item_geoms].reshape(-1, 3, 3)
        p = (self._data.geom_xpos[self._item_geoms] - self._tool_p) @ self._tool_R
        p += np.einsum("kij,kj->ki", R, self._item_middles)
        reach = np.einsum("kij,kj->ki", np.abs(R), self._item_halves)
        opening = float(self._qpos[self._arm] + self._qpos[self._arm + 1])
        between = (np.abs(p[:, 1]) < opening / 2) & (np.abs(p[:, 2]) - reach[:, 2] < BARRIER_HALF_HEIGHT_M)
        rear, front = p[:, 0] - reach[:, 0], p[:, 0] + reach[:, 0]
        inside = bool((between & (rear < -0.002) & (front > -self._tool.paddle_length_m)).any())
        blocked = bool((between & (rear < 0.0) & (front > 0.0)).any())
        x, y = self._settings.infeed_base_m
        at_infeed = (
            abs(self._item_p[1] - y) < 0.05
            and abs(self._item_p[0] - self._settings.base_x_m - x) < 0.1
            and abs(self._item_p[2] - self._rest_z_m) < 0.01
        )
        return float(at_infeed), float(inside), float(blocked)

    def _watch(self) -> None:
        """Keep true peaks for scoring."""
        sensors, peak = self._sensors, self.peak_touch_n
        touch = sensors[6:18].reshape(4, 3)
        norm = np.sqrt(np.einsum("ij,ij->i", touch, touch))
        np.maximum(peak, norm, out=peak)
        if self._slow[1]:
            squeeze = -float(self._force[self._arm])
            self.peak_squeeze_n = max(self.peak_squeeze_n, squeeze)


def true_wrench(plant: SimPlant) -> FloatArray:
    """Return the wrench (6,) on the tool side without errors, sensor axes [N, N m]: for tests."""
    return -np.array(plant.data.sensordata[:6])
