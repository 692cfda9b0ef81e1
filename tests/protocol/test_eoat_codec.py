"""Three codecs hold each other: golden bytes, Python, and C; CRC and COBS are held by independent libraries."""

import ast
import dataclasses
from pathlib import Path

import fastcrc
import pytest
from cobs import cobs
from hypothesis import example, given, settings
from hypothesis import strategies as st

from podhand.core.errors import LimitError
from podhand.firmware_iface import framing
from podhand.firmware_iface.eoat_board import EOAT_BOARD
from podhand.firmware_iface.eoat_board_messages import MESSAGES, Command, StatusLight, Valve
from podhand.firmware_iface.framing import Frame, FrameReader, Reject, SequenceWindow, decode, encode
from podhand.firmware_iface.generate import generated_files
from podhand.firmware_iface.schema import Field, Message
from tests.protocol.c_codec import CCodec, in_c_words
from tests.protocol.golden import ROOT, Golden, golden_frames

pytestmark = pytest.mark.eoat
CALM = settings(deadline=None, derandomize=True)
COMMAND = Command(deadline_us=1_250_000, valve=Valve.SUCTION, status_light=StatusLight.GREEN, work_light_percent=50)


@pytest.fixture(scope="module")
def c_codec(tmp_path_factory: pytest.TempPathFactory) -> CCodec:
    return CCodec(tmp_path_factory.mktemp("c_codec"))


def numbers(field: Field) -> st.SearchStrategy[int]:
    if field.words is None:
        return st.integers(field.minimum, field.maximum)
    if field.words.flags:
        mask = field.words.all_bits
        return st.integers(0, 0xFF).map(lambda bits: bits & mask)
    return st.sampled_from([word.value for word in field.words.words])


def valid(message: Message) -> st.SearchStrategy[dict[str, int]]:
    return st.fixed_dictionaries({field.name: numbers(field) for field in message.fields})


U16 = st.integers(0, 0xFFFF)
SAID = st.sampled_from(EOAT_BOARD.messages).flatmap(lambda m: st.tuples(st.just(m.name), U16, U16, valid(m)))


def python_frame(name: str, session: int, sequence: int, fields: dict[str, int]) -> Frame:
    kind = next(message for message in MESSAGES.values() if message.__name__ == name)
    words = {rule.name: rule.words for rule in kind.RULES}
    typed = {key: words[key](value) if words[key] else value for key, value in fields.items()}  # type: ignore[misc]
    return Frame(session=session, sequence=sequence, message=kind(**typed))


@pytest.mark.parametrize("path", generated_files(), ids=str)
def test_generated_file_is_up_to_date(path: Path) -> None:
    text = (ROOT / path).read_text(encoding="utf-8")
    assert text == generated_files()[path], "run python -m podhand.firmware_iface.generate"  # type: ignore[index]


@pytest.mark.parametrize("golden", golden_frames(), ids=str)
def test_golden_bytes(golden: Golden, c_codec: CCodec) -> None:
    said = (golden.name, golden.session, golden.sequence, golden.fields)
    assert encode(python_frame(*said)) == golden.wire
    assert c_codec.encode(*said) == golden.wire
    found = decode(golden.wire[:-1], MESSAGES)
    assert isinstance(found, Frame) and in_c_words(found) == said
    assert c_codec.decode(golden.wire[:-1]) == said


def test_every_message_has_golden_bytes() -> None:
    assert {golden.name for golden in golden_frames()} == {message.name for message in EOAT_BOARD.messages}


def test_command_byte_by_byte() -> None:
    wire = encode(Frame(session=0xBEEF, sequence=2, message=COMMAND))
    crc = fastcrc.crc16.ibm_3740(bytes.fromhex("02 efbe 0200 d0121300 01 01 32")).to_bytes(2, "little")
    assert wire == bytes.fromhex("05 02 ef be 02 04 d0 12 13 06 01 01 32") + crc + b"\0"


@CALM
@given(said=SAID)
def test_codecs_agree_on_what_is_valid(c_codec: CCodec, said: tuple[str, int, int, dict[str, int]]) -> None:
    wire = encode(python_frame(*said))
    assert c_codec.encode(*said) == wire
    assert c_codec.decode(wire[:-1]) == said
    found = decode(wire[:-1], MESSAGES)
    assert isinstance(found, Frame) and in_c_words(found) == said


@CALM
@given(raw=st.binary(min_size=5, max_size=69), kind=st.sampled_from([*MESSAGES, 0, 0x7F]), fit=st.booleans())
def test_codecs_agree_on_any_payload(c_codec: CCodec, raw: bytes, kind: int, fit: bool) -> None:
    """With a right CRC, so that lengths, ranges and unknown messages are judged."""
    body = bytes([kind]) + raw[1:]
    if fit and kind in MESSAGES:
        size = 5 + MESSAGES[kind].LAYOUT.size
        body = (body + b"\x01" * size)[:size]
    block = c_codec.seal(body)[:-1]
    said = decode(block, MESSAGES)
    assert c_codec.decode(block) == (in_c_words(said) if isinstance(said, Frame) else said)


@CALM
@given(block=st.binary(max_size=120).map(lambda data: data.replace(b"\0", b"\1")))
@example(block=b"")
@example(block=b"\1" * 72)
@example(block=b"\1" * 73)
def test_codecs_agree_on_any_bytes(c_codec: CCodec, block: bytes) -> None:
    said = decode(block, MESSAGES)
    assert c_codec.decode(block) == (in_c_words(said) if isinstance(said, Frame) else said)


@pytest.mark.parametrize("golden", golden_frames(), ids=str)
def test_no_damage_within_one_byte_passes(golden: Golden, c_codec: CCodec) -> None:
    for at in range(len(golden.wire) - 1):
        for mask in range(1, 256):
            block = bytearray(golden.wire[:-1])
            block[at] ^= mask
            said = decode(bytes(block), MESSAGES)
            assert isinstance(said, Reject)
            assert c_codec.decode(bytes(block)) is said


@CALM
@given(data=st.binary(max_size=200))
@example(data=b"123456789")
def test_crc_is_that_of_the_library(c_codec: CCodec, data: bytes) -> None:
    assert framing.crc16(data) == c_codec.crc16(data) == fastcrc.crc16.ibm_3740(data)


def test_crc_check_value() -> None:
    assert framing.crc16(b"123456789") == 0x29B1


@CALM
@given(raw=st.binary(min_size=5, max_size=69))
def test_c_cobs_is_that_of_the_library(c_codec: CCodec, raw: bytes) -> None:
    sealed = raw + fastcrc.crc16.ibm_3740(raw).to_bytes(2, "little")
    assert c_codec.seal(raw) == cobs.encode(sealed) + b"\0"


@CALM
@given(sequence=U16, newest=U16)
@example(sequence=0, newest=0xFFFF)
@example(sequence=0x8000, newest=0)
def test_sequence_is_judged_alike(c_codec: CCodec, sequence: int, newest: int) -> None:
    window = SequenceWindow(newest)
    verdict = window.judge(sequence)
    c_verdict, c_newest, c_lost = c_codec.judge(sequence, newest)
    assert (c_verdict, c_lost) == (verdict, window.lost)
    assert c_newest == (newest if verdict else sequence)


@pytest.mark.parametrize(("name", "bad"), [("work_light_percent", 101), ("valve", 2), ("deadline_us", 1 << 32),
                                           ("deadline_us", -1), ("status_light", 6)])  # fmt: skip
def test_value_out_of_range_is_not_sent(name: str, bad: int) -> None:
    with pytest.raises(LimitError, match=rf"Command\.{name} must be in .*\(got {bad}\); nothing was sent"):
        dataclasses.replace(COMMAND, **{name: bad}).pack()  # type: ignore[arg-type]


@CALM
@given(
    frames=st.lists(st.sampled_from(golden_frames()), min_size=1, max_size=6),
    cuts=st.lists(st.integers(1, 40), min_size=1, max_size=30),
)
def test_stream_may_be_cut_anywhere(frames: list[Golden], cuts: list[int]) -> None:
    stream, reader, found = b"".join(frame.wire for frame in frames), FrameReader(MESSAGES), []
    for cut in [*cuts, len(stream)]:
        found += reader.feed(stream[:cut])
        stream = stream[cut:]
    assert [in_c_words(frame) for frame in found if isinstance(frame, Frame)] == [
        (frame.name, frame.session, frame.sequence, frame.fields) for frame in frames
    ]


@CALM
@given(noise=st.binary(max_size=300), golden=st.sampled_from(golden_frames()))
def test_reader_is_back_after_one_delimiter(noise: bytes, golden: Golden) -> None:
    reader = FrameReader(MESSAGES)
    assert all(isinstance(each, Reject) for each in reader.feed(noise + b"\0"))
    (found,) = reader.feed(golden.wire)
    assert isinstance(found, Frame) and found.sequence == golden.sequence


def test_endless_noise_takes_no_memory() -> None:
    reader = FrameReader(MESSAGES)
    assert reader.feed(b"\x55" * 100_000) == []
    assert len(reader._block) <= framing.MAX_ENCODED
    assert reader.feed(b"\0") == [Reject.TOO_LONG]


def test_hash_follows_meaning_and_not_explanation() -> None:
    message = EOAT_BOARD.messages[1]
    field = message.fields[0]

    def with_field(other: Field) -> int:
        messages = tuple(
            dataclasses.replace(each, fields=(other, *each.fields[1:])) if each is message else each
            for each in EOAT_BOARD.messages
        )
        return dataclasses.replace(EOAT_BOARD, messages=messages).schema_hash()

    assert with_field(dataclasses.replace(field, doc="said otherwise")) == EOAT_BOARD.schema_hash()
    assert with_field(dataclasses.replace(field, name="deadline_ms")) != EOAT_BOARD.schema_hash()
    assert with_field(dataclasses.replace(field, most=1000, reason="test")) != EOAT_BOARD.schema_hash()


def test_contract_does_no_io() -> None:
    """Codecs are functions; only the generator, run by hand, touches the disk."""
    allowed = {
        "binascii",
        "types",
        "cobs",
        "collections",
        "dataclasses",
        "enum",
        "hashlib",
        "podhand",
        "struct",
        "typing",
    }
    for path in (ROOT / "firmware_iface").glob("*.py"):
        if path.name == "generate.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert {name.split(".")[0] for name in names} <= allowed, path.name


def test_line_has_room() -> None:
    """Everything periodic together leaves half of the line free, in either direction."""
    constants = {constant.name: constant.value for constant in EOAT_BOARD.constants}
    for from_board in (True, False):
        bits_per_s = sum(
            10 * (message.size + framing.OVERHEAD) / (message.period_ms * 1e-3)
            for message in EOAT_BOARD.messages
            if message.period_ms and message.from_board is from_board
        )
        assert bits_per_s < 0.5 * constants["BAUD"]
    assert constants["STATE_PERIOD_MS"] <= 10, "pressure at 100 Hz or more"
    assert max(message.size for message in EOAT_BOARD.messages) <= framing.MAX_PAYLOAD
