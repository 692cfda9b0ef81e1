"""Emulated EtherCAT slaves, compiled. Only drivers/ethercat/ imports it.

Slaves are counted from 0 in the order of the line; an index beyond it raises IndexError. All calls may come while
``serve`` runs in another thread.
"""

from collections.abc import Sequence

class DriveConfig:
    """Identity and motion of one emulated CiA 402 drive. Raises ValueError for what is not finite or not positive."""

    def __init__(
        self,
        *,
        vendor_id: int = ...,
        product_code: int = ...,
        revision: int = ...,
        serial: int = ...,
        name: str = ...,
        start_counts: float = ...,
        time_constant_s: float = ...,
        max_speed_counts_s: float = ...,
    ) -> None: ...

class Network:
    """A line of drives. Its time is what the calls say; the first call is the power-up."""

    def __init__(self, drives: Sequence[DriveConfig]) -> None: ...
    def __len__(self) -> int: ...
    def process(self, frame: bytes, now_ns: int) -> list[bytes]:
        """Take an Ethernet frame without its checksum; return all frames that are due, in their order."""

    def poll(self, now_ns: int) -> list[bytes]:
        """Let time pass; return the late frames that are due."""

    def serve(self, interface: str) -> None:
        """Answer what comes to a network interface until ``stop``. Raises OSError; needs CAP_NET_RAW."""

    def stop(self) -> None: ...
    @property
    def counters(self) -> dict[str, int]:
        """Frames: processed, rejected, lost, delayed, duplicated; datagrams: miscounted."""

    def lose(self, frames: int) -> None:
        """Lose the next frames before any slave has seen them."""

    def duplicate(self, frames: int) -> None:
        """Give the next frames back twice."""

    def delay(self, frames: int, delay_s: float) -> None:
        """Give the next frames back late."""

    def miscount(self, datagrams: int, by: int) -> None:
        """Add ``by`` to the working counters of the next logical datagrams."""

    def cut_before(self, slave: int) -> None:
        """Pull the cable in front of a slave: it and those behind it live on unheard."""

    def mend(self) -> None:
        """Put the cable back."""

    def power_cycle(self, slave: int) -> None:
        """Switch a slave off and on: INIT, no station address, objects at their defaults."""

    def fall(self, slave: int, state: int, code: int) -> None:
        """Let a slave fall to a state (1, 2, 4, 8; never up) with the error flag and an AL status code."""

    def trip(self, slave: int, error_code: int) -> None:
        """Let a drive find a fault of its own."""

    def hold_statusword(self, slave: int, held: bool) -> None:
        """Let the statusword shown stand still."""

    def jump_encoder(self, slave: int, counts: float) -> None:
        """Let the encoder be wrong by so much more."""

    def drift(self, slave: int, ppm: float) -> None:
        """Set how fast a slave's oscillator runs away [1e-6]."""

    def al_status(self, slave: int) -> tuple[int, int]:
        """Return AL status and AL status code."""

    def position_counts(self, slave: int) -> float:
        """Return where the motor truly is."""

    def system_time_ns(self, slave: int) -> int:
        """Return the distributed clock's time at the last call."""
