"""The lock-step host: plant and kernel in turn on a virtual clock, in one process.

Time advances only while every client awaits the session, so a run is a function of its inputs: thinking takes no
simulated time, and branches that run side by side always interleave in the same way.
"""

from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from podhand import _kernel
from podhand.controllers.host import DRAIN_TICKS, Host, check_layout
from podhand.controllers.parameters import kernel_config
from podhand.controllers.recorder import Recorder
from podhand.core.clock import VirtualClock
from podhand.core.errors import ConfigError
from podhand.core.ports import Plant
from podhand.core.station import Station

__all__ = ["LockstepHost"]


class LockstepHost(Host):
    """Owns the loop of plant and kernel.

    Args:
        plant: bound to the kernel's records here.
        config: configuration record, see ``parameters.kernel_config``.
        clock: advanced with the ticks; one is made when None.
        recorder: gets every command, tick and outcome; the caller closes it.

    Raises:
        ConfigError: the kernel refuses the configuration; nothing was started.
    """

    def __init__(
        self,
        plant: Plant,
        *,
        config: NDArray[np.void],
        clock: VirtualClock | None = None,
        recorder: Recorder | None = None,
    ) -> None:
        check_layout()
        kernel = _kernel.Kernel()
        try:
            kernel.configure(config)
        except _kernel.KernelRefusal as refusal:
            raise ConfigError(f"the kernel refuses the station's parameters: {refusal}") from refusal
        self.plant = plant
        self._tick = kernel.tick
        plant.bind(kernel.inputs, kernel.outputs)
        if recorder:
            kernel.record_into(2 * DRAIN_TICKS)
            recorder.begin(kernel.inputs, kernel.outputs)
        super().__init__(kernel, tick_s=plant.tick_s, clock=clock, recorder=recorder)

    @classmethod
    def for_station(
        cls, plant: Plant, station: Station, *, recording: Path | None = None, note: dict[str, str] | None = None
    ) -> Self:
        """Make a host with the station's parameters, and a recording when a path is given (``close`` completes it)."""
        config = kernel_config(station)
        facts = {"station": station.name, **(note or {})}
        recorder = Recorder(recording, config=config, note=facts) if recording else None
        try:
            return cls(plant, config=config, recorder=recorder)
        except Exception:
            if recorder:
                recorder.close()
            raise

    def _ticks(self, count: int) -> int:
        """Make at most ``count`` ticks; fewer when a chain ended. The hot loop."""
        step, tick, running = self.plant.step, self._tick, self._running
        step()
        tick()  # the first tick starts what was submitted: look at the chains only from here on
        before = running[0]
        if self.session.ended():
            return 1
        for made in range(2, count + 1):
            step()
            tick()
            if running[0] != before:
                return made
        return count
