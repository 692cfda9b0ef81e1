"""Why bytes of a force/torque sensor were not taken, whichever sensor sent them."""

from enum import StrEnum


class FtReject(StrEnum):
    """Kinds by which refused datagrams, frames and records are counted."""

    LENGTH = "wrong length"
    GARBAGE = "bytes that belong to no frame"
    CRC = "wrong CRC"
    DUPLICATE = "seen before"
    LATE = "older than one already seen"
    JUMP = "numbered too far ahead"
    STANDING = "converter stands still"
