"""What all generated messages can do: pack themselves, unpack payloads, know their ranges."""

from dataclasses import astuple, dataclass
from enum import Enum, IntEnum, IntFlag
from struct import Struct
from typing import Any, ClassVar, Self

from podhand.core.errors import LimitError


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """Range of one field; ``words`` is its enumeration or set of flags."""

    name: str
    least: int
    most: int
    words: type[IntEnum] | type[IntFlag] | None = None

    def allows(self, value: int) -> bool:
        """Return whether a number may stand in the field."""
        if self.words is None:
            return self.least <= value <= self.most
        if issubclass(self.words, IntFlag):
            return 0 <= value and value & ~sum(flag.value for flag in self.words) == 0
        return value in self.words.__members__.values()


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """Base of all messages. Fields are whole numbers in the units of their names."""

    ID: ClassVar[int]
    LAYOUT: ClassVar[Struct]
    RULES: ClassVar[tuple[Rule, ...]]

    def pack(self) -> bytes:
        """Return the payload. Raises LimitError when a field is outside its range; nothing was sent."""
        values: tuple[Any, ...] = astuple(self)
        for rule, value in zip(self.RULES, values, strict=True):
            if not isinstance(value, int) or not rule.allows(value):
                allowed = (
                    ", ".join(word.name or "" for word in rule.words) if rule.words else f"{rule.least} … {rule.most}"
                )
                got = value.value if isinstance(value, Enum) else value
                raise LimitError(
                    f"{type(self).__name__}.{rule.name} must be in {allowed} (got {got}); nothing was sent"
                )
        return self.LAYOUT.pack(*map(int, values))

    @classmethod
    def unpack(cls, payload: bytes) -> Self | None:
        """Return the message of a payload of ``LAYOUT.size`` bytes; ``None`` when a field is outside its range."""
        numbers = cls.LAYOUT.unpack(payload)
        if not all(rule.allows(number) for rule, number in zip(cls.RULES, numbers, strict=True)):
            return None
        fields = {
            rule.name: rule.words(number) if rule.words else number
            for rule, number in zip(cls.RULES, numbers, strict=True)
        }
        return cls(**fields)
