"""Words in which a wire contract is written down, and the hash by which two ends recognise the same contract.

A contract is data: ``eoat_board.py`` is one. ``generate.py`` makes Python, C and documentation from it.
"""

import hashlib
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """How a field lies on the wire: little endian, no padding."""

    U8 = "u8"
    U16 = "u16"
    U32 = "u32"
    I32 = "i32"

    @property
    def bits(self) -> int:
        """Width on the wire."""
        return int(self.value[1:])

    @property
    def signed(self) -> bool:
        """True for two's complement."""
        return self.value.startswith("i")

    @property
    def least(self) -> int:
        """Smallest number that fits."""
        return -(1 << (self.bits - 1)) if self.signed else 0

    @property
    def most(self) -> int:
        """Largest number that fits."""
        return (1 << (self.bits - self.signed)) - 1


@dataclass(frozen=True, kw_only=True)
class Word:
    """One value of an enumeration, or one bit of a set of flags."""

    name: str
    value: int
    meaning: str


@dataclass(frozen=True, kw_only=True)
class Words:
    """An enumeration (``flags`` false) or a set of flags, of one byte."""

    name: str
    doc: str
    words: tuple[Word, ...]
    flags: bool = False

    def __post_init__(self) -> None:
        values = [word.value for word in self.words]
        if len(set(values)) != len(values) or not all(0 <= value <= 0xFF for value in values):
            raise ValueError(f"{self.name}: values must differ and fit in a byte (got {values})")
        if self.flags and any(value.bit_count() != 1 for value in values):
            raise ValueError(f"{self.name}: every flag must be one bit (got {values})")

    @property
    def all_bits(self) -> int:
        """All flags together."""
        return sum(word.value for word in self.words)


@dataclass(frozen=True, kw_only=True)
class Field:
    """One field of a message; its name ends in its unit. ``least`` and ``most`` default to what the kind holds."""

    name: str
    kind: Kind
    doc: str
    unit: str = ""
    least: int | None = None
    most: int | None = None
    reason: str = ""
    """Why the range is what it is."""
    words: Words | None = None

    def __post_init__(self) -> None:
        if self.words is not None and (self.kind is not Kind.U8 or self.least is not None or self.most is not None):
            raise ValueError(f"{self.name}: an enumeration or set of flags is one byte and brings its own range")
        if not self.kind.least <= self.minimum <= self.maximum <= self.kind.most:
            raise ValueError(f"{self.name}: range {self.minimum} … {self.maximum} does not fit {self.kind}")
        if (self.least is not None or self.most is not None) and not self.reason:
            raise ValueError(f"{self.name}: a range needs its reason")

    @property
    def minimum(self) -> int:
        """Smallest allowed number."""
        return self.kind.least if self.least is None else self.least

    @property
    def maximum(self) -> int:
        """Largest allowed number."""
        return self.kind.most if self.most is None else self.most


@dataclass(frozen=True, kw_only=True)
class Message:
    """One message: bit 7 of ``id`` says who sends it (set: the board)."""

    name: str
    id: int
    doc: str
    fields: tuple[Field, ...]
    period_ms: float | None = None
    """How often it travels when all is well; ``None`` for events."""

    @property
    def from_board(self) -> bool:
        """True when the board sends it."""
        return bool(self.id & 0x80)

    @property
    def size(self) -> int:
        """Bytes of the payload."""
        return sum(field.kind.bits for field in self.fields) // 8


@dataclass(frozen=True, kw_only=True)
class Constant:
    """A number that both ends must agree on."""

    name: str
    value: int
    unit: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Contract:
    """Everything that crosses one wire."""

    name: str
    title: str
    prefix: str
    """Prefix of the names in C."""
    version: int
    doc: str
    words: tuple[Words, ...]
    constants: tuple[Constant, ...]
    messages: tuple[Message, ...]

    def __post_init__(self) -> None:
        ids = [message.id for message in self.messages]
        if len(set(ids)) != len(ids) or not all(0 < number <= 0xFF for number in ids):
            raise ValueError(f"{self.name}: message ids must differ and fit in a byte, 0 is not used (got {ids})")
        used = {field.words for message in self.messages for field in message.fields if field.words is not None}
        if used != set(self.words):
            raise ValueError(f"{self.name}: list in words exactly what the fields use")

    def schema_hash(self) -> int:
        """Return 32 bits that change with anything that either end must know; explanations may change freely."""
        lines = [f"{self.name} {self.version}"]
        lines += [f"constant {constant.name} {constant.value} {constant.unit}" for constant in self.constants]
        for words in self.words:
            values = " ".join(f"{word.name}={word.value}" for word in words.words)
            lines.append(f"{'flags' if words.flags else 'enum'} {words.name} {values}")
        for message in self.messages:
            lines.append(f"message {message.name} {message.id} {message.period_ms}")
            for field in message.fields:
                kind = field.words.name if field.words else field.kind.value
                lines.append(f"  {field.name} {kind} {field.unit} {field.minimum} {field.maximum}")
        return int.from_bytes(hashlib.sha256("\n".join(lines).encode()).digest()[:4], "big")
