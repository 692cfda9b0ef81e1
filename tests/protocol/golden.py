"""Golden frames: bytes that were made without the codecs, and what they say."""

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FILE = Path(__file__).with_name("eoat_board.golden")


@dataclass(frozen=True)
class Golden:
    name: str
    session: int
    sequence: int
    fields: dict[str, int]
    wire: bytes

    def __str__(self) -> str:
        return f"{self.name}-{self.sequence}"


def golden_frames() -> list[Golden]:
    found = []
    for line in FILE.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            continue
        said, wire = line.split("|")
        name, session, sequence, *pairs = said.split()
        fields = {key: int(value) for key, value in (pair.split("=") for pair in pairs)}
        found.append(Golden(name, int(session), int(sequence), fields, bytes.fromhex(wire)))
    return found
