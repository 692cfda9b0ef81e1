"""The simulated force/torque sensor: noise, bias, drift, delay and faults on top of the true wrench."""

import numpy as np

from podhand.core.exchange import FtStatus
from podhand.core.poses import FloatArray
from podhand.sim.faults import FaultKind, Faults
from podhand.sim.world import FtErrors

_BLOCK = 4096


class FtSensor:
    """Turns true wrenches into samples, one per tick.

    A sample is the wrench that the world exerts on the tool side, weight included, at the sensor in its own axes.
    """

    def __init__(
        self, errors: FtErrors, *, seed: int, tick_s: float, range_n: float, range_n_m: float, faults: Faults
    ) -> None:
        self._errors = errors
        self._rng = np.random.default_rng([seed, 0x4654])
        self._sigma = np.repeat([errors.noise_n, errors.noise_n_m], 3)
        self._noise = np.empty((0, 6))
        self._next = 0
        # MuJoCo's sensors are those of the state before the step: one tick of the delay is already there.
        ticks = max(0, round(errors.delay_s / tick_s) - 1)
        self._line = np.zeros((ticks + 1, 6))
        self._at = 0
        self._range = np.repeat([range_n, range_n_m], 3)
        self._faults = faults
        self.sequence = 0
        self.status = FtStatus.OK

    def fill(self, wrench: FloatArray) -> None:
        """Pretend that a wrench (6,) has been there for long, so that the first samples are not zero."""
        self._line[:] = wrench

    def sample(self, wrench: FloatArray, time_s: float, out: FloatArray) -> None:
        """Take the true wrench (6,) of now and write the sample that the bus shows now into ``out`` (6,)."""
        if self._next >= len(self._noise):
            self._noise = self._rng.standard_normal((_BLOCK, 6)) * self._sigma + self._errors.bias
            self._next = 0
        line = self._line
        line[self._at] = wrench
        self._at = (self._at + 1) % len(line)
        if self._faults.any() and self._faulty(time_s, out):
            return
        np.multiply(self._errors.drift_per_s, time_s, out=out)
        out += self._noise[self._next]
        out += line[self._at]
        self._next += 1
        self.sequence += 1
        self.status = FtStatus.OK

    def _faulty(self, time_s: float, out: FloatArray) -> bool:
        """Write what a failing sensor shows; False when it does not fail now. ``out`` holds the sample before."""
        faults = self._faults
        if faults.active(FaultKind.FT_STALE, time_s):
            return True
        if faults.active(FaultKind.FT_FROZEN, time_s):
            self.sequence += 1
            return True
        if faults.active(FaultKind.FT_NAN, time_s):
            out[:] = np.nan
            self.sequence += 1
            return True
        if faults.active(FaultKind.FT_SATURATED, time_s):
            out[:] = self._range
            self.sequence += 1
            self.status = FtStatus.SATURATED
            return True
        return False
