"""Bota Systems' serial stream (Rokubi, SensONE, MiniONE, MegaONE), little endian. No I/O.

A frame is ``0xAA, status u16, Fx Fy Fz Tx Ty Tz f32 [N, N m], timestamp u32 [µs], temperature f32 [°C], crc u16``; the
CRC is CRC-16/X-25 over all between header and CRC. The sensor sends without being asked.

Source: the frame structures in the driver that Bota Systems publishes (``rokubimini_serial``, BSD-3-Clause), which
independent drivers repeat; a vendor's document with the byte layout was not found.
"""

from binascii import crc_hqx
from dataclasses import dataclass
from enum import IntFlag
from struct import Struct

from podhand.core.exchange import FtStatus
from podhand.firmware_iface.ft_reject import FtReject

BAUD = 460_800
HEADER = 0xAA
DATA = Struct("<H6fIf")
CRC = Struct("<H")
FRAME_BYTES = 1 + DATA.size + CRC.size
TIMESTAMP_MODULUS = 1 << 32
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))

Wrench = tuple[float, float, float, float, float, float]


class BotaStatus(IntFlag):
    """Bits of the status word; the others are reserved."""

    SLOW = 1
    """Its program takes too long: samples are skipped. Those that come are good."""
    OVERRANGE = 2
    INVALID = 4
    RAW = 8
    """Gauge values instead of forces."""


_WORDS: dict[int, str] = {
    BotaStatus.OVERRANGE: "load beyond its range",
    BotaStatus.INVALID: "measurement not valid, it may be damaged",
    BotaStatus.RAW: "gauge values instead of forces: configure it for calibrated output",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class BotaFrame:
    """One sample."""

    status: int
    wrench: Wrench
    timestamp_us: int
    temperature_deg_c: float

    def pack(self) -> bytes:
        """Return its 37 bytes."""
        data = DATA.pack(self.status, *self.wrench, self.timestamp_us, self.temperature_deg_c)
        return bytes([HEADER]) + data + CRC.pack(crc16_x25(data))


def crc16_x25(data: bytes) -> int:
    """Return CRC-16/X-25: the bit-reversed twin of the CRC that the standard library has."""
    crc = crc_hqx(data.translate(_REVERSED), 0xFFFF)
    return 0xFFFF ^ (_REVERSED[crc & 0xFF] << 8 | _REVERSED[crc >> 8])


def judge_status(status: int) -> tuple[FtStatus, str]:
    """Return what a status makes of its sample, and why in words. Reserved bits count as errors."""
    overrange = int(BotaStatus.OVERRANGE)
    causes = status & ~int(BotaStatus.SLOW)  # of an IntFlag, ~ would drop the reserved bits
    if not causes:
        return FtStatus.OK, ""
    verdict = FtStatus.SATURATED if causes & overrange else FtStatus.OK
    if causes & ~overrange:
        verdict |= FtStatus.INVALID
    bits = [bit for bit in range(16) if causes >> bit & 1]
    names = [_WORDS.get(1 << bit, f"status bit {bit}") for bit in bits]
    return verdict, "sensor reports " + ", ".join(names)


def decode_frame(frame: bytes) -> BotaFrame | FtReject:
    """Return the sample in ``FRAME_BYTES`` bytes, or why there is none."""
    if len(frame) != FRAME_BYTES:
        return FtReject.LENGTH
    if frame[0] != HEADER:
        return FtReject.GARBAGE
    data = frame[1 : 1 + DATA.size]
    if CRC.unpack_from(frame, 1 + DATA.size)[0] != crc16_x25(data):
        return FtReject.CRC
    status, fx, fy, fz, tx, ty, tz, timestamp_us, temperature_deg_c = DATA.unpack(data)
    return BotaFrame(
        status=status,
        wrench=(fx, fy, fz, tx, ty, tz),
        timestamp_us=timestamp_us,
        temperature_deg_c=temperature_deg_c,
    )


class BotaReader:
    """Finds frames in a stream of bytes, however it arrives. Keeps less than two frames' bytes.

    The header may stand inside a frame too, so a frame ends the search only with a right CRC; after a wrong one the
    search goes on at the next byte, and nothing good is lost.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._skipped: int | None = None
        self._in_step = False

    def feed(self, data: bytes) -> list[BotaFrame | FtReject]:
        """Return every frame that ends in ``data``, and one reason per frame's length of what is refused."""
        self._buffer += data
        found: list[BotaFrame | FtReject] = []
        at = 0
        while len(self._buffer) - at >= FRAME_BYTES:
            result = decode_frame(bytes(self._buffer[at : at + FRAME_BYTES]))
            if isinstance(result, BotaFrame):
                found.append(result)
                at += FRAME_BYTES
                self._skipped, self._in_step = None, True
                continue
            # A wrong CRC where a frame was due is a damaged frame; elsewhere the header was a chance byte.
            if self._skipped is None or self._skipped >= FRAME_BYTES:
                found.append(result if self._in_step else FtReject.GARBAGE)
                self._skipped = 0
            self._in_step = False
            ahead = self._buffer.find(HEADER, at + 1)
            ahead = ahead if ahead >= 0 else len(self._buffer)
            self._skipped += ahead - at
            at = ahead
        del self._buffer[:at]
        return found

    def forget(self) -> None:
        """Drop what has come of an unfinished frame."""
        self._buffer.clear()
        self._skipped, self._in_step = None, False
