"""Wire formats of the force/torque sensors, held by bytes made without the codecs and by an independent CRC."""

import re
import struct

import fastcrc
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from podhand.core.errors import LimitError
from podhand.core.exchange import FtStatus
from podhand.firmware_iface.ft_bota import (
    FRAME_BYTES,
    BotaFrame,
    BotaReader,
    crc16_x25,
    decode_frame,
    judge_status,
)
from podhand.firmware_iface.ft_rdt import (
    STATUS_TABLES,
    NetFtModel,
    RdtCommand,
    RdtRecord,
    RdtRequest,
    decode_datagram,
)
from podhand.firmware_iface.ft_reject import FtReject

pytestmark = pytest.mark.ft_sensor
CALM = settings(deadline=None, derandomize=True)
U32 = st.integers(0, 2**32 - 1)
I32 = st.integers(-(2**31), 2**31 - 1)
F32 = st.floats(width=32, allow_nan=False)


def record(rdt: int = 1, ft: int = 7, status: int = 0, counts: tuple[int, ...] = (1, 2, 3, 4, 5, 6)) -> RdtRecord:
    fx, fy, fz, tx, ty, tz = counts
    return RdtRecord(rdt_sequence=rdt, ft_sequence=ft, status=status, counts=(fx, fy, fz, tx, ty, tz))


def frame(status: int = 0, wrench: tuple[float, ...] = (0.5, -1.0, 2.0, -0.25, 8.0, 0.0)) -> BotaFrame:
    fx, fy, fz, tx, ty, tz = wrench
    return BotaFrame(status=status, wrench=(fx, fy, fz, tx, ty, tz), timestamp_us=1_250_000, temperature_deg_c=31.5)


def sealed(data: bytes) -> bytes:
    """Return a frame around 34 bytes of data, by the independent CRC."""
    return b"\xaa" + data + struct.pack("<H", fastcrc.crc16.ibm_sdlc(data))


RECORDS = st.builds(record, rdt=U32, ft=U32, status=U32, counts=st.tuples(*[I32] * 6))
FRAMES = st.builds(frame, status=st.integers(0, 0xFFFF), wrench=st.tuples(*[F32] * 6))


# RDT ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "count", "golden"),
    [
        (RdtCommand.STOP, 0, "1234 0000 00000000"),
        (RdtCommand.START, 0, "1234 0002 00000000"),
        (RdtCommand.START_BUFFERED, 1000, "1234 0003 000003e8"),
        (RdtCommand.BIAS, 0, "1234 0042 00000000"),
    ],
)
def test_golden_request(command: RdtCommand, count: int, golden: str) -> None:
    request = RdtRequest(command=command, sample_count=count)
    assert request.pack() == bytes.fromhex(golden)
    assert RdtRequest.unpack(bytes.fromhex(golden)) == request


@pytest.mark.parametrize(
    "wrong", ["", "1234 0002 000000", "1234 0002 00000000 00", "4321 0002 00000000", "1234 0007 00000000"]
)
def test_wrong_request_is_none(wrong: str) -> None:
    assert RdtRequest.unpack(bytes.fromhex(wrong)) is None


@pytest.mark.parametrize("count", [-1, 2**32])
def test_sample_count_has_bounds(count: int) -> None:
    with pytest.raises(LimitError, match="sample_count must be in 0 … 4294967295"):
        RdtRequest(command=RdtCommand.START, sample_count=count).pack()


def test_golden_record() -> None:
    golden = bytes.fromhex("00000001 00001b58 80020000 000f4240 fff0bdc0 7fffffff 80000000 00000000 ffffffff")
    said = record(1, 7000, 0x80020000, (1_000_000, -1_000_000, 2**31 - 1, -(2**31), 0, -1))
    assert said.pack() == golden
    assert decode_datagram(golden) == [said]


@CALM
@given(records=st.lists(RECORDS, min_size=1, max_size=40))
def test_records_round_trip(records: list[RdtRecord]) -> None:
    datagram = b"".join(
        struct.pack("!3I6i", each.rdt_sequence, each.ft_sequence, each.status, *each.counts) for each in records
    )
    assert b"".join(each.pack() for each in records) == datagram
    assert decode_datagram(datagram) == records


@CALM
@given(datagram=st.binary(max_size=1600))
@example(datagram=b"")
@example(datagram=bytes(35))
@example(datagram=bytes(37))
@example(datagram=bytes(41 * 36))
def test_any_datagram_is_records_or_refused(datagram: bytes) -> None:
    found = decode_datagram(datagram)
    fits = len(datagram) % 36 == 0 and 36 <= len(datagram) <= 1440
    assert len(found) == len(datagram) // 36 if fits and isinstance(found, list) else found is FtReject.LENGTH


@pytest.mark.parametrize(
    ("model", "status", "verdict", "words"),
    [
        (NetFtModel.NET_FT, 0x00000000, FtStatus.OK, ""),
        (NetFtModel.NET_FT, 0x80010000, FtStatus.OK, ""),
        (NetFtModel.NET_FT, 0x80020000, FtStatus.SATURATED, "transducer saturated"),
        (NetFtModel.NET_FT, 0x80000004, FtStatus.INVALID, "temperature"),
        (NetFtModel.NET_FT, 0x80020020, FtStatus.SATURATED | FtStatus.INVALID, "supply too low, transducer saturated"),
        (NetFtModel.NET_FT, 0x80000000, FtStatus.INVALID, "without a name"),
        (NetFtModel.NET_FT, 0x00008000, FtStatus.INVALID, "bit 15"),
        (NetFtModel.ETHERNET_AXIA, 0x00010000, FtStatus.OK, ""),
        (NetFtModel.ETHERNET_AXIA, 0xC0000000, FtStatus.SATURATED, "force or torque out of range"),
        (NetFtModel.ETHERNET_AXIA, 0x88000000, FtStatus.SATURATED, "gauge out of range"),
        (NetFtModel.ETHERNET_AXIA, 0x80000004, FtStatus.INVALID, "broken gauge"),
        (NetFtModel.ETHERNET_AXIA, 0x00000008, FtStatus.INVALID, "busy"),
        (NetFtModel.ETHERNET_AXIA, 0x10000000, FtStatus.INVALID, "simulated error"),
        (NetFtModel.ETHERNET_AXIA, 0x80020000, FtStatus.INVALID, "bit 17"),
    ],
)  # fmt: skip
def test_status_of_ati(model: NetFtModel, status: int, verdict: FtStatus, words: str) -> None:
    said, why = STATUS_TABLES[model].judge(status)
    assert said is verdict
    assert bool(why) == (verdict is not FtStatus.OK)
    assert re.search(words, why)


@CALM
@given(model=st.sampled_from(NetFtModel), status=U32)
def test_no_unknown_status_passes(model: NetFtModel, status: int) -> None:
    verdict, why = STATUS_TABLES[model].judge(status)
    assert (verdict is FtStatus.OK) == (status in (0, 0x10000, 0x80010000)) == (why == "")


# Bota -----------------------------------------------------------------------------------------------------------------


def test_golden_frame() -> None:
    data = bytes.fromhex("0200 0000003f 000080bf 00000040 000080be 00000041 00000000 d0121300 0000fc41")
    golden = sealed(data)
    assert len(golden) == FRAME_BYTES == 37
    said = frame(status=2)
    assert said.pack() == golden
    assert decode_frame(golden) == said


def test_crc_check_value() -> None:
    assert crc16_x25(b"123456789") == 0x906E


@CALM
@given(data=st.binary(max_size=100))
def test_crc_is_that_of_the_library(data: bytes) -> None:
    assert crc16_x25(data) == fastcrc.crc16.ibm_sdlc(data)


@CALM
@given(said=FRAMES)
def test_frame_round_trips(said: BotaFrame) -> None:
    data = struct.pack("<H6fIf", said.status, *said.wrench, said.timestamp_us, said.temperature_deg_c)
    assert said.pack() == sealed(data)
    assert decode_frame(said.pack()) == said


@CALM
@given(sent=st.lists(FRAMES, max_size=5), cuts=st.lists(st.integers(1, 60), min_size=1, max_size=40))
def test_frames_are_found_however_they_arrive(sent: list[BotaFrame], cuts: list[int]) -> None:
    stream = b"".join(each.pack() for each in sent)
    reader, found, at = BotaReader(), [], 0
    for index in range(len(stream) + 1):
        length = cuts[index % len(cuts)]
        found += reader.feed(stream[at : at + length])
        at += length
    assert found == sent


@CALM
@given(sent=st.lists(FRAMES, min_size=1, max_size=4), noise=st.binary(min_size=1, max_size=80))
@example(sent=[frame()], noise=b"\xaa" * 40)
def test_frames_are_found_behind_noise(sent: list[BotaFrame], noise: bytes) -> None:
    """One count per frame's length of noise; nothing good is lost."""
    reader = BotaReader()
    found = reader.feed(noise + b"".join(each.pack() for each in [*sent, frame(), frame()]))
    good = [each for each in found if isinstance(each, BotaFrame)]
    assert good[: len(sent)] == sent
    refused = [each for each in found if isinstance(each, FtReject)]
    assert set(refused) == {FtReject.GARBAGE} and len(refused) <= 1 + (len(noise) + FRAME_BYTES) // FRAME_BYTES


def test_no_damage_within_one_byte_passes() -> None:
    wire = frame().pack()
    for at in range(FRAME_BYTES):
        for mask in range(1, 256):
            damaged = bytearray(wire)
            damaged[at] ^= mask
            assert isinstance(decode_frame(bytes(damaged)), FtReject)


def test_damaged_frame_costs_itself_only() -> None:
    reader = BotaReader()
    damaged = bytearray(frame().pack())
    damaged[9] ^= 0x10
    assert reader.feed(frame().pack() + bytes(damaged) + frame().pack()) == [frame(), FtReject.CRC, frame()]


def test_reader_keeps_little() -> None:
    reader = BotaReader()
    for _ in range(1000):
        reader.feed(b"\xaa" * 97)
    assert len(reader._buffer) < FRAME_BYTES
    reader.forget()
    assert reader.feed(frame().pack()) == [frame()]


@pytest.mark.parametrize("wrong", [b"", bytes(36), bytes(38)])
def test_wrong_length_is_refused(wrong: bytes) -> None:
    assert decode_frame(wrong) is FtReject.LENGTH


@pytest.mark.parametrize(
    ("status", "verdict", "words"),
    [
        (0, FtStatus.OK, ""),
        (1, FtStatus.OK, ""),
        (2, FtStatus.SATURATED, "sensor reports load beyond its range"),
        (4, FtStatus.INVALID, "sensor reports measurement not valid, it may be damaged"),
        (8, FtStatus.INVALID, "sensor reports gauge values instead of forces: configure it for calibrated output"),
        (0x10, FtStatus.INVALID, "sensor reports status bit 4"),
        (0x8002, FtStatus.SATURATED | FtStatus.INVALID, "sensor reports load beyond its range, status bit 15"),
    ],
)
def test_status_of_bota(status: int, verdict: FtStatus, words: str) -> None:
    assert judge_status(status) == (verdict, words)


@CALM
@given(status=st.integers(0, 0xFFFF))
def test_no_unknown_status_of_bota_passes(status: int) -> None:
    assert (judge_status(status)[0] is FtStatus.OK) == (status in (0, 1))
