"""Emulated EtherCAT drives on a network interface: ``python -m podhand.drivers.ethercat.emulator --interface ecs0``.

A thread of compiled code answers frames; Python only starts it and injects faults, by lines on standard input.
"""

import argparse
import inspect
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from types import FrameType, TracebackType
from typing import Self

from podhand._ethercat_emulator import DriveConfig, Network
from podhand.core.errors import ConfigError, LimitError

STATES = {1: "INIT", 2: "PRE-OP", 4: "SAFE-OP", 8: "OP"}


class EtherCatEmulator:
    """A line of drives behind a network interface, from ``with`` to its end; ``network`` injects faults.

    The interface must be up; the process needs CAP_NET_RAW (root, or ``unshare -Urn``). A master on the other end of
    a veth pair cannot tell the line from hardware, but for its timing.
    """

    def __init__(self, interface: str, drives: Sequence[DriveConfig]) -> None:
        self.network = Network(drives)
        self._interface = interface
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._serve, name="ethercat-emulator", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.network.stop()
        self._thread.join()
        if error is None:
            self.check()

    @property
    def serving(self) -> bool:
        """False once the interface has failed; ``check`` says why."""
        return self._thread.is_alive()

    def check(self) -> None:
        """Raise ConfigError when the interface could not be used; nothing is served then."""
        if self._failure is not None:
            raise ConfigError(f"EtherCAT emulator on {self._interface}: {self._failure}") from self._failure

    def _serve(self) -> None:
        try:
            self.network.serve(self._interface)
        except Exception as failure:  # shown by check(): a thread has nobody to raise to
            self._failure = failure


def whole(text: str) -> int:
    """Return a whole number, written in decimal or as 0x…; raises ValueError."""
    return int(text, 0)


COMMANDS: dict[str, tuple[Callable[[str], float], ...]] = {
    "lose": (whole,),
    "duplicate": (whole,),
    "delay": (whole, float),
    "miscount": (whole, whole),
    "cut_before": (whole,),
    "mend": (),
    "power_cycle": (whole,),
    "fall": (whole, whole, whole),
    "trip": (whole, whole),
    "hold_statusword": (whole, whole),
    "jump_encoder": (whole, float),
    "drift": (whole, float),
}
"""What may be typed: the methods of ``Network`` that inject faults, with the kinds of their numbers."""


def status(network: Network) -> str:
    """Return states and counters in words."""
    states = []
    for slave in range(len(network)):
        al_status, code = network.al_status(slave)
        error = f" error 0x{code:04X}" if al_status & 0x10 else ""
        states.append(f"slave {slave}: {STATES[al_status & 0x0F]}{error}, {network.position_counts(slave):.0f} counts")
    counters = ", ".join(f"{count} {what}" for what, count in network.counters.items())
    return "\n".join([*states, f"frames: {counters}"])


def obey(network: Network, line: str) -> str:
    """Carry out one typed line and return what to show. Raises LimitError; nothing has changed then."""
    name, *words = line.split()
    if name == "status" and not words:
        return status(network)
    if name not in COMMANDS:
        raise LimitError(f"{name}: no such command; there are {', '.join(['status', *COMMANDS])}")
    kinds = COMMANDS[name]
    if len(words) != len(kinds):
        raise LimitError(f"{name}: wants {len(kinds)} numbers (got {len(words)})")
    try:
        numbers = [kind(word) for kind, word in zip(kinds, words, strict=True)]
    except ValueError as error:
        raise LimitError(f"{name}: {' '.join(words)} is not what it wants: {len(kinds)} numbers") from error
    try:
        getattr(network, name)(*numbers)
    except (ValueError, IndexError) as error:
        raise LimitError(f"{name}: {error}") from error
    except TypeError as error:  # how the compiled side says that a number is too big or negative for its field
        raise LimitError(f"{name}: {' '.join(words)}: a number is out of its range") from error
    return "ok"


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until Ctrl-C; 2 when the interface cannot be used."""
    parser = argparse.ArgumentParser(description=(inspect.getdoc(sys.modules[__name__]) or "").splitlines()[0])
    parser.add_argument("--interface", required=True, help="network interface that is up, for example ecs0")
    parser.add_argument("--drives", type=int, default=7, help="how many (default 7)")
    wanted = parser.parse_args(arguments)
    if not 1 <= wanted.drives <= 64:
        parser.error(f"--drives must be in 1 … 64 (got {wanted.drives})")
    drives = [DriveConfig(serial=1 + number) for number in range(wanted.drives)]
    try:
        with EtherCatEmulator(wanted.interface, drives) as emulator:
            threading.Thread(target=_listen, args=(emulator.network,), daemon=True).start()
            while emulator.serving:
                threading.Event().wait(0.1)
    except KeyboardInterrupt:
        return 0
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _listen(network: Network) -> None:
    for line in sys.stdin:
        if not line.strip():
            continue
        try:
            print(obey(network, line), flush=True)
        except LimitError as error:
            print(error, file=sys.stderr, flush=True)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _interrupt)
    sys.exit(main())
