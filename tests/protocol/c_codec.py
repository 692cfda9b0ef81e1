"""The C codec as a shared library, its structs laid out from the contract and not from generated code."""

import ctypes
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from podhand.firmware_iface.eoat_board import EOAT_BOARD
from podhand.firmware_iface.eoat_board_messages import MESSAGES
from podhand.firmware_iface.framing import Frame, Reject
from podhand.firmware_iface.schema import Kind, Message
from tests.protocol.golden import ROOT

_TYPES = {Kind.U8: ctypes.c_uint8, Kind.U16: ctypes.c_uint16, Kind.U32: ctypes.c_uint32, Kind.I32: ctypes.c_int32}
MAX_WIRE = 73
VERDICTS: list[Reject | None] = [
    None, Reject.TOO_LONG, Reject.COBS, Reject.TOO_SHORT, Reject.CRC, Reject.UNKNOWN, Reject.LENGTH, Reject.RANGE,
    Reject.DUPLICATE, Reject.LATE,
]  # fmt: skip


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def _struct(message: Message) -> type[ctypes.Structure]:
    return type(message.name, (ctypes.Structure,), {"_fields_": [(f.name, _TYPES[f.kind]) for f in message.fields]})


class _Body(ctypes.Union):
    _fields_ = [(_snake(message.name), _struct(message)) for message in EOAT_BOARD.messages]


class _Frame(ctypes.Structure):
    _fields_ = [
        ("id", ctypes.c_uint8), ("session", ctypes.c_uint16), ("sequence", ctypes.c_uint16), ("body", _Body),
    ]  # fmt: skip


class CCodec:
    def __init__(self, folder: Path) -> None:
        compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang-22")
        if compiler is None:
            pytest.skip("no C compiler: the C codec cannot be built here")
        library = folder / "eoat_codec.so"
        sources = sorted(str(path) for path in (ROOT / "firmware_iface/c").glob("*.c"))
        flags = ["-std=c99", "-O1", "-shared", "-fPIC", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
        subprocess.run([compiler, *flags, *sources, "-o", str(library)], check=True)
        self._library: Any = ctypes.CDLL(str(library))
        self._library.eoat_encode.restype = ctypes.c_size_t
        self._library.podhand_crc16.restype = ctypes.c_uint16
        self._library.podhand_crc16.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
        self._library.podhand_seal.restype = ctypes.c_size_t

    def encode(self, name: str, session: int, sequence: int, fields: dict[str, int]) -> bytes:
        """Return the bytes for the wire; empty when the codec refuses."""
        kind = next(number for number, message in MESSAGES.items() if message.__name__ == name)
        frame = _Frame(id=kind, session=session, sequence=sequence)
        for key, value in fields.items():
            setattr(getattr(frame.body, _snake(name)), key, value)
        wire = (ctypes.c_uint8 * MAX_WIRE)()
        size = self._library.eoat_encode(ctypes.byref(frame), wire, ctypes.c_size_t(MAX_WIRE))
        return bytes(wire[:size])

    def decode(self, block: bytes) -> tuple[str, int, int, dict[str, int]] | Reject:
        frame = _Frame()
        data = (ctypes.c_uint8 * max(len(block), 1)).from_buffer_copy(block or b"\0")
        verdict = self._library.eoat_decode(data, ctypes.c_size_t(len(block)), ctypes.byref(frame))
        reject: Reject | None = VERDICTS[verdict]
        if reject is not None:
            return reject
        name: str = MESSAGES[frame.id].__name__
        body = getattr(frame.body, _snake(name))
        fields = {key: int(getattr(body, key)) for key, *_ in body._fields_}
        return name, int(frame.session), int(frame.sequence), fields

    def crc16(self, data: bytes) -> int:
        return int(self._library.podhand_crc16(data, len(data)))

    def seal(self, raw: bytes) -> bytes:
        """Return CRC, COBS and delimiter around header and payload."""
        buffer = (ctypes.c_uint8 * (len(raw) + 2)).from_buffer_copy(raw + b"\0\0")
        wire = (ctypes.c_uint8 * MAX_WIRE)()
        size = self._library.podhand_seal(buffer, ctypes.c_size_t(len(raw)), wire, ctypes.c_size_t(MAX_WIRE))
        return bytes(wire[:size])

    def judge(self, sequence: int, newest: int) -> tuple[Reject | None, int, int]:
        """Return verdict, newest and lost."""
        now, lost = ctypes.c_uint16(newest), ctypes.c_uint16(0)
        verdict = self._library.podhand_judge(ctypes.c_uint16(sequence), ctypes.byref(now), ctypes.byref(lost))
        return VERDICTS[verdict], now.value, lost.value


def in_c_words(frame: Frame) -> tuple[str, int, int, dict[str, int]]:
    """Return a frame of the Python codec as the C codec tells it."""
    message = frame.message
    fields = {rule.name: int(getattr(message, rule.name)) for rule in message.RULES}
    return type(message).__name__, frame.session, frame.sequence, fields
