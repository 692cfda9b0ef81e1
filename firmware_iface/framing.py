"""Frames on a serial line: COBS between zero bytes, a header, a CRC-16. No I/O.

Before COBS a frame is ``message u8, session u16, sequence u16, payload, crc u16``, little endian. The CRC is
CRC-16/IBM-3740 (polynomial 0x1021, start 0xFFFF) over all before it. ``c/podhand_frame.c`` is the twin for firmware.
"""

from binascii import crc_hqx
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from struct import Struct

from cobs import cobs

from podhand.core.errors import LimitError
from podhand.firmware_iface.messages import Message

HEADER = Struct("<BHH")
CRC = Struct("<H")
DELIMITER = b"\0"
OVERHEAD = HEADER.size + CRC.size + 2
"""Bytes on the wire besides the payload: header, CRC, one COBS byte and the delimiter."""
MAX_PAYLOAD = 64
"""Larger frames are refused unread; well below the 254 bytes that one COBS byte can cover."""
MAX_ENCODED = MAX_PAYLOAD + OVERHEAD - 1


class Reject(StrEnum):
    """Why a frame was not taken."""

    TOO_LONG = "longer than any frame"
    COBS = "not COBS"
    TOO_SHORT = "shorter than any frame"
    CRC = "wrong CRC"
    UNKNOWN = "unknown message"
    LENGTH = "wrong length for its message"
    RANGE = "a field outside its range"
    DIRECTION = "a message of this end"
    SESSION = "another session"
    DUPLICATE = "seen before"
    LATE = "older than one already seen"


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    """One message with its place in the conversation."""

    session: int
    """0 outside a session."""
    sequence: int
    message: Message


def crc16(data: bytes) -> int:
    """Return CRC-16/IBM-3740, also known as CCITT-FALSE."""
    return crc_hqx(data, 0xFFFF)


def encode(frame: Frame) -> bytes:
    """Return the bytes for the wire, with the closing delimiter. Raises LimitError when a field is out of range."""
    if not (0 <= frame.session <= 0xFFFF and 0 <= frame.sequence <= 0xFFFF):
        raise LimitError(f"session and sequence must be in 0 … 65535 (got {frame.session}, {frame.sequence})")
    body = HEADER.pack(frame.message.ID, frame.session, frame.sequence) + frame.message.pack()
    return bytes(cobs.encode(body + CRC.pack(crc16(body)))) + DELIMITER


def decode(block: bytes, messages: Mapping[int, type[Message]]) -> Frame | Reject:
    """Return the frame in what stood between two delimiters, or why there is none."""
    if len(block) > MAX_ENCODED:
        return Reject.TOO_LONG
    try:
        raw = bytes(cobs.decode(block))
    except cobs.DecodeError:
        return Reject.COBS
    if len(raw) < HEADER.size + CRC.size:
        return Reject.TOO_SHORT
    body = raw[: -CRC.size]
    if CRC.unpack(raw[-CRC.size :])[0] != crc16(body):
        return Reject.CRC
    number, session, sequence = HEADER.unpack_from(body)
    kind = messages.get(number)
    if kind is None:
        return Reject.UNKNOWN
    payload = body[HEADER.size :]
    if len(payload) != kind.LAYOUT.size:
        return Reject.LENGTH
    message = kind.unpack(payload)
    return Reject.RANGE if message is None else Frame(session=session, sequence=sequence, message=message)


class FrameReader:
    """Cuts a stream of bytes into frames, however it arrives. Holds at most one frame's bytes."""

    def __init__(self, messages: Mapping[int, type[Message]]) -> None:
        self._messages = messages
        self._block = bytearray()
        self._overlong = False

    def feed(self, data: bytes) -> list[Frame | Reject]:
        """Return every frame that ends in ``data``, and the reason for each that is refused.

        The first delimiter after an overlong run gives one ``TOO_LONG``. Empty blocks are idle line, not frames.
        """
        *closed, rest = data.split(DELIMITER)
        found: list[Frame | Reject] = []
        for piece in closed:
            self._keep(piece)
            if self._overlong:
                found.append(Reject.TOO_LONG)
            elif self._block:
                found.append(decode(bytes(self._block), self._messages))
            self.forget()
        self._keep(rest)
        return found

    def forget(self) -> None:
        """Drop what has come of an unfinished frame."""
        self._block.clear()
        self._overlong = False

    def _keep(self, piece: bytes) -> None:
        room = MAX_ENCODED - len(self._block)
        self._overlong |= len(piece) > room
        self._block += piece[:room]


class SequenceWindow:
    """Judges the sequence numbers of one direction: counts what was lost, refuses what was seen or comes late."""

    def __init__(self, newest: int) -> None:
        self._newest = newest
        self.lost = 0
        """Frames that never came, by the gaps in their numbers."""

    def judge(self, sequence: int) -> Reject | None:
        """Take the next number, or say why not."""
        ahead = (sequence - self._newest) & 0xFFFF
        if ahead == 0:
            return Reject.DUPLICATE
        if ahead >= 0x8000:
            return Reject.LATE
        self.lost += ahead - 1
        self._newest = sequence
        return None
