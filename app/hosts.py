"""Which host runs the kernel: one choice, one place."""

from pathlib import Path

from podhand.app.choices import HostKind
from podhand.controllers.host import Host
from podhand.controllers.lockstep import LockstepHost
from podhand.controllers.realtime import Pace, RealtimeHost
from podhand.core.ports import Plant
from podhand.core.station import Station


def open_host(
    kind: HostKind,
    plant: Plant,
    station: Station,
    *,
    recording: Path | None = None,
    note: dict[str, str] | None = None,
    pace: Pace = Pace.REAL,
    flight_dir: Path | None = None,
) -> Host:
    """Make a host with the station's parameters for a plant in this process; close it, or use ``with``.

    Args:
        kind: which.
        plant: stepped in turn with the kernel.
        station: where the parameters come from.
        recording: the file to record into; its folder exists.
        note: facts to keep with the recording.
        pace: of the real-time host.
        flight_dir: existing folder where the real-time host keeps 20 s before and 5 s after each fault.

    Raises:
        ConfigError: the kernel refuses the station's parameters; nothing was started.
        DeviceError: podhand-rt did not start.
    """
    if kind is HostKind.REALTIME:
        return RealtimeHost.for_station(
            plant, station, recording=recording, note=note, pace=pace, flight_dir=flight_dir
        )
    return LockstepHost.for_station(plant, station, recording=recording, note=note)
