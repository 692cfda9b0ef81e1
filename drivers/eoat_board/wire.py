"""One direction of a serial line with its speed and its faults, as a function of time."""

import heapq
import random
from dataclasses import dataclass

from podhand.firmware_iface.eoat_board_messages import BAUD
from podhand.firmware_iface.framing import MAX_ENCODED

_BITS_PER_BYTE = 10
_LATE_S = 0.030
"""Longer than three states: others overtake a frame held back so long."""


@dataclass(kw_only=True)
class WireFaults:
    """What goes wrong: chances are per frame, in 0 … 1."""

    lost: float = 0.0
    """The frame vanishes."""
    lost_byte: float = 0.0
    """One of its bytes vanishes."""
    flipped_bit: float = 0.0
    """One of its bits turns round."""
    twice: float = 0.0
    """It comes a second time."""
    late: float = 0.0
    """It is held back, others overtake it."""
    garbage: float = 0.0
    """Noise comes before it."""
    silent: bool = False
    """Nothing comes at all."""
    delay_s: float = 0.0
    """Everything comes this much later [s]."""


class Wire:
    """Carries frames at the line's speed. The same seed gives the same faults."""

    def __init__(self, *, seed: int) -> None:
        self.faults = WireFaults()
        self._random = random.Random(seed)
        self._under_way: list[tuple[float, int, bytes]] = []
        self._frames = 0
        self._free_s = 0.0

    def send(self, data: bytes, now_s: float) -> None:
        """Take one frame, or any bytes, to be carried."""
        faults = self.faults
        if not data or faults.silent or self._happens(faults.lost):
            return
        if self._happens(faults.lost_byte):
            data = self._without_a_byte(data)
        if self._happens(faults.flipped_bit):
            data = self._with_flipped_bit(data)
        if self._happens(faults.garbage):
            data = self._random.randbytes(self._random.randrange(1, 2 * MAX_ENCODED)) + data
        late_s = _LATE_S if self._happens(faults.late) else 0.0
        for _ in range(2 if self._happens(faults.twice) else 1):
            self._free_s = max(self._free_s, now_s) + len(data) * _BITS_PER_BYTE / BAUD
            self._frames += 1
            heapq.heappush(self._under_way, (self._free_s + faults.delay_s + late_s, self._frames, data))

    def receive(self, now_s: float) -> bytes:
        """Return what has arrived."""
        arrived = b""
        while self._under_way and self._under_way[0][0] <= now_s:
            arrived += heapq.heappop(self._under_way)[2]
        return b"" if self.faults.silent else arrived

    def _happens(self, chance: float) -> bool:
        return chance > 0.0 and self._random.random() < chance

    def _without_a_byte(self, data: bytes) -> bytes:
        at = self._random.randrange(len(data))
        return data[:at] + data[at + 1 :]

    def _with_flipped_bit(self, data: bytes) -> bytes:
        at, bit = self._random.randrange(len(data)), self._random.randrange(8)
        return data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]
