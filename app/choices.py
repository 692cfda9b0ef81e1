"""Choices of the command line. This module imports nothing heavy."""

from enum import StrEnum


class HostKind(StrEnum):
    """What runs the kernel."""

    LOCKSTEP = "lockstep"
    REALTIME = "realtime"


class WorldKind(StrEnum):
    """Which definition worlds are drawn from."""

    STANDARD = "standard"
    HARD = "hard"


class Eject(StrEnum):
    """How an item leaves the paddles."""

    BELTS = "belts"
    DROP_PUSH = "drop_push"


class Keep(StrEnum):
    """Which recordings a campaign keeps."""

    NONE = "none"
    FAILURES = "failures"
    ALL = "all"


class Use(StrEnum):
    """Which predictor a success model answers with."""

    AUTO = "auto"
    LEARNED = "learned"
    COUNTS = "counts"
