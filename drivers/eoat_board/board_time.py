"""How the board's clock and ours relate: bounds, not guesses, so that no reading looks younger than it is."""

from collections import deque
from dataclasses import dataclass

_WRAP = 1 << 32
_KEPT = 16
"""Exchanges remembered: 0.8 s of heartbeats, in which clocks 100 ppm apart drift by 0.1 ms."""


@dataclass(frozen=True, kw_only=True)
class _Exchange:
    """The board's clock read ``board_us`` at some moment between ``sent_s`` and ``received_s`` of ours."""

    sent_s: float
    received_s: float
    board_us: int

    @property
    def width_s(self) -> float:
        return self.received_s - self.sent_s


def elapsed_us(since_us: int, now_us: int) -> int:
    """Return the time between two readings of a 32-bit clock, negative when ``now_us`` lies before [µs]."""
    return (now_us - since_us + _WRAP // 2) % _WRAP - _WRAP // 2


class BoardTime:
    """Maps the board's 32-bit microseconds to our seconds by the exchange that took the least time."""

    def __init__(self, *, sent_s: float, received_s: float, board_us: int) -> None:
        self._exchanges: deque[_Exchange] = deque(maxlen=_KEPT)
        self.note(sent_s=sent_s, received_s=received_s, board_us=board_us)

    def note(self, *, sent_s: float, received_s: float, board_us: int) -> None:
        """Take an exchange: asked at ``sent_s``, answered with ``board_us``, answer here at ``received_s``."""
        exchange = _Exchange(sent_s=sent_s, received_s=max(received_s, sent_s), board_us=board_us)
        self._exchanges.append(exchange)
        self._best = min(self._exchanges, key=lambda each: each.width_s)

    @property
    def width_s(self) -> float:
        """What the best exchange leaves open [s]."""
        return self._best.width_s

    def earliest_s(self, board_us: int) -> float:
        """Return the earliest moment of ours at which the board's clock may have read this [s]."""
        return self._best.sent_s + elapsed_us(self._best.board_us, board_us) * 1e-6

    def earliest_board_us(self, now_s: float) -> int:
        """Return the least that the board's clock may read at a moment of ours: a deadline made so comes early [µs]."""
        return (self._best.board_us + round((now_s - self._best.received_s) * 1e6)) % _WRAP
