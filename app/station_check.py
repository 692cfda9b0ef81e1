"""``podhand station check``: the file in Python, its numbers in the kernel."""

from podhand.controllers.parameters import check_config, kernel_config
from podhand.core.station import load_station


def check_station(name_or_path: str) -> str:
    """Validate a station and return one line about it.

    Raises:
        ConfigError: all findings of the file, or the rule by which the kernel refuses its numbers.
    """
    station = load_station(name_or_path)
    check_config(kernel_config(station))
    warning = " Its limits are switched off: simulation only." if station.simulated_unlimited else ""
    return f"{station.name}: accepted by the schema and by the kernel.{warning}"
