"""The way from sensor to host with its speed and its faults, packet by packet, as a function of time."""

import heapq
import math
import random
from dataclasses import dataclass

_BITS_PER_BYTE = 10
_GARBAGE_BYTES = 100
_MOST_ADDED = 36
"""Less than a record of RDT: as many bytes would be one."""


@dataclass(kw_only=True)
class LineFaults:
    """What goes wrong: chances are per packet, in 0 … 1."""

    lost: float = 0.0
    """The packet vanishes."""
    twice: float = 0.0
    """It comes a second time."""
    late: float = 0.0
    """It is held back by ``late_s``, others overtake it."""
    late_s: float = 0.003
    shortened: float = 0.0
    """It ends too early."""
    lengthened: float = 0.0
    """Bytes follow that are not its own."""
    flipped_bit: float = 0.0
    """One of its bits turns round."""
    garbage: float = 0.0
    """Noise comes before it."""
    silent: bool = False
    """Nothing comes at all."""
    delay_s: float = 0.0
    """Everything comes this much later [s]."""


class Line:
    """Carries packets. The same seed gives the same faults. ``baud`` is infinite for a network."""

    def __init__(self, *, seed: int, baud: float = math.inf) -> None:
        self.faults = LineFaults()
        self._random = random.Random(seed)
        self._baud = baud
        self._under_way: list[tuple[float, int, bytes]] = []
        self._packets = 0
        self._free_s = 0.0

    def send(self, packet: bytes, now_s: float) -> None:
        """Take a packet to be carried."""
        faults = self.faults
        if faults.silent or self._happens(faults.lost):
            return
        if self._happens(faults.shortened):
            packet = packet[: self._random.randrange(1, len(packet))]
        if self._happens(faults.lengthened):
            packet += self._random.randbytes(self._random.randrange(1, _MOST_ADDED))
        if self._happens(faults.flipped_bit):
            packet = self._with_flipped_bit(packet)
        if self._happens(faults.garbage):
            self._push(self._noise(), now_s, 0.0)
        late_s = faults.late_s if self._happens(faults.late) else 0.0
        for _ in range(2 if self._happens(faults.twice) else 1):
            self._push(packet, now_s, late_s)

    def receive(self, now_s: float) -> list[bytes]:
        """Return the packets that have arrived."""
        arrived = []
        while self._under_way and self._under_way[0][0] <= now_s:
            arrived.append(heapq.heappop(self._under_way)[2])
        return [] if self.faults.silent else arrived

    def _push(self, packet: bytes, now_s: float, late_s: float) -> None:
        self._free_s = max(self._free_s, now_s) + len(packet) * _BITS_PER_BYTE / self._baud
        self._packets += 1
        heapq.heappush(self._under_way, (self._free_s + self.faults.delay_s + late_s, self._packets, packet))

    def _happens(self, chance: float) -> bool:
        return chance > 0.0 and self._random.random() < chance

    def _noise(self) -> bytes:
        return self._random.randbytes(self._random.randrange(1, _GARBAGE_BYTES))

    def _with_flipped_bit(self, packet: bytes) -> bytes:
        at, bit = self._random.randrange(len(packet)), self._random.randrange(8)
        return packet[:at] + bytes([packet[at] ^ 1 << bit]) + packet[at + 1 :]
