"""State machine, mailbox, SDO, EEPROM, clock and watchdog of an emulated slave, as ETG.1000.4/.6 and ETG.1020 say."""

import itertools
import struct

import pytest

from tests.protocol.ethercat_rig import (
    ADDRESS,
    INPUTS,
    MAILBOX_BYTES,
    MAILBOX_IN,
    MAILBOX_OUT,
    OUTPUTS,
    Aborted,
    Cmd,
    MailboxRefused,
    Master,
    State,
    physical,
)

pytestmark = pytest.mark.ethercat
ERROR = 0x10
INVALID_REQUEST, UNKNOWN_STATE, NO_BOOTSTRAP, MAILBOX_CONFIG, NO_OUTPUTS = 0x0011, 0x0012, 0x0013, 0x0016, 0x0019
WATCHDOG, OUTPUT_CONFIG, INPUT_CONFIG, SYNC_CONFIG, CYCLE_TIME = 0x001B, 0x001D, 0x001E, 0x0030, 0x0035


# States ---------------------------------------------------------------------------------------------------------------

UP = {(State.INIT, State.PREOP), (State.PREOP, State.SAFEOP), (State.SAFEOP, State.OP)}
STATES = [State.INIT, State.PREOP, State.SAFEOP, State.OP]


@pytest.mark.parametrize(("start", "wanted"), list(itertools.product(STATES, STATES)))
def test_states_rise_by_single_steps_and_fall_by_any(start: State, wanted: State) -> None:
    master = Master(1).to(start)
    if start < State.SAFEOP:
        master.set_process_data(0)
    master.cycle()
    allowed = wanted <= start or (start, wanted) in UP
    expected = (wanted, 0) if allowed else (start | ERROR, INVALID_REQUEST)
    assert master.request(0, wanted) == expected


@pytest.mark.parametrize("start", STATES)
@pytest.mark.parametrize("wanted", [0, 5, 6, 7, 9, 15])
def test_unknown_state_is_refused(start: State, wanted: int) -> None:
    assert Master(1).to(start).request(0, wanted) == (start | ERROR, UNKNOWN_STATE)


def test_there_is_no_bootstrap() -> None:
    assert Master(1).to(State.INIT).request(0, State.BOOT) == (State.INIT | ERROR, NO_BOOTSTRAP)
    assert Master(1).to(State.PREOP).request(0, State.BOOT) == (State.PREOP | ERROR, INVALID_REQUEST)


def test_error_stands_until_acknowledged() -> None:
    master = Master(1).to(State.PREOP)
    assert master.request(0, State.OP) == (State.PREOP | ERROR, INVALID_REQUEST)
    master.set_process_data(0)
    assert master.request(0, State.SAFEOP) == (State.PREOP | ERROR, INVALID_REQUEST)
    assert master.request(0, State.PREOP, acknowledge=True) == (State.PREOP, 0)
    assert master.request(0, State.SAFEOP) == (State.SAFEOP, 0)


def test_acknowledgement_and_request_may_come_together() -> None:
    master = Master(1).to(State.PREOP)
    master.request(0, State.OP)
    master.set_process_data(0)
    assert master.request(0, State.SAFEOP, acknowledge=True) == (State.SAFEOP, 0)


def test_init_needs_no_acknowledgement() -> None:
    master = Master(1).to(State.PREOP)
    master.request(0, State.OP)
    assert master.request(0, State.INIT) == (State.INIT, 0)


@pytest.mark.parametrize(
    ("index", "start", "size", "control", "active"),
    [
        (0, MAILBOX_OUT, MAILBOX_BYTES, 0x26, 0),
        (1, MAILBOX_IN, MAILBOX_BYTES, 0x22, 0),
        (0, MAILBOX_OUT, MAILBOX_BYTES, 0x24, 1),  # three buffers
        (0, MAILBOX_OUT, MAILBOX_BYTES, 0x22, 1),  # wrong way
        (1, MAILBOX_IN, MAILBOX_BYTES, 0x26, 1),
        (0, MAILBOX_OUT, 33, 0x26, 1),  # too small
        (0, 0x0F00, MAILBOX_BYTES, 0x26, 1),  # in the registers
        (1, 0x2FF0, MAILBOX_BYTES, 0x22, 1),  # behind the memory
        (1, MAILBOX_OUT + 8, MAILBOX_BYTES, 0x22, 1),  # over the other one
    ],
)
def test_preop_needs_sound_mailboxes(index: int, start: int, size: int, control: int, active: int) -> None:
    master = Master(1).to(State.INIT)
    master.set_sync_manager(0, index, start, size, control, active)
    assert master.request(0, State.PREOP) == (State.INIT | ERROR, MAILBOX_CONFIG)


@pytest.mark.parametrize(
    ("outputs", "inputs", "code"),
    [
        (OUTPUTS.size, INPUTS.size, 0),
        (OUTPUTS.size - 1, INPUTS.size, OUTPUT_CONFIG),
        (OUTPUTS.size + 1, INPUTS.size, OUTPUT_CONFIG),
        (0, INPUTS.size, OUTPUT_CONFIG),
        (OUTPUTS.size, INPUTS.size - 1, INPUT_CONFIG),
        (OUTPUTS.size, 0, INPUT_CONFIG),
    ],
)
def test_safeop_needs_sync_managers_as_long_as_the_mapping(outputs: int, inputs: int, code: int) -> None:
    master = Master(1).to(State.PREOP)
    master.set_process_data(0, outputs, inputs)
    state = State.PREOP | ERROR if code else State.SAFEOP
    assert master.request(0, State.SAFEOP) == (state, code)


def test_taking_process_data_away_in_op_falls_to_preop() -> None:
    master = Master(1).to(State.OP)
    master.set_sync_manager(0, 3, 0x1400, INPUTS.size, 0x20, active=0)
    assert master.al(0) == (State.PREOP | ERROR, INPUT_CONFIG)


def test_op_needs_outputs() -> None:
    master = Master(1).to(State.SAFEOP)
    assert master.request(0, State.OP) == (State.SAFEOP | ERROR, NO_OUTPUTS)
    master.cycle()
    assert master.request(0, State.OP, acknowledge=True) == (State.OP, 0)


def test_outputs_of_an_earlier_op_do_not_count() -> None:
    master = Master(1).to(State.OP)
    master.cycle()
    master.request(0, State.SAFEOP)
    assert master.request(0, State.OP) == (State.SAFEOP | ERROR, NO_OUTPUTS)


@pytest.mark.parametrize(
    ("activation", "cycle_ns", "code"),
    [
        (0x00, 0, 0),
        (0x03, 1_000_000, 0),
        (0x01, 1_000_000, SYNC_CONFIG),
        (0x03, 0, CYCLE_TIME),
        (0x03, 1000, CYCLE_TIME),
    ],
)
def test_safeop_judges_the_clock_setting(activation: int, cycle_ns: int, code: int) -> None:
    master = Master(1).to(State.PREOP)
    master.set_process_data(0)
    master.write(0, 0x09A0, struct.pack("<I", cycle_ns))
    master.write(0, 0x0981, bytes([activation]))
    assert master.request(0, State.SAFEOP)[1] == code


def test_fall_by_command_keeps_the_working_counter() -> None:
    """The trap for masters: a slave that has left OP still counts."""
    master = Master(1).to(State.OP)
    master.network.fall(0, State.SAFEOP, 0x8001)
    assert master.al(0) == (State.SAFEOP | ERROR, 0x8001)
    assert master.cycle() == 3
    master.network.fall(0, State.OP, 0x8002)  # never up
    assert master.al(0) == (State.SAFEOP | ERROR, 0x8002)


# Watchdog -------------------------------------------------------------------------------------------------------------


def test_watchdog_ends_op_after_its_time() -> None:
    master = Master(1).to(State.OP)
    master.wait(0.0999)
    assert master.al(0) == (State.OP, 0)
    master.wait(0.0002)
    assert master.al(0) == (State.SAFEOP | ERROR, WATCHDOG)
    assert master.number(0, 0x0440, 1) == 0 and master.number(0, 0x0442, 1) == 1
    assert master.cycle() == 3  # the working counter does not tell
    assert master.number(0, 0x0440, 1) == 1
    assert master.request(0, State.OP, acknowledge=True) == (State.OP, 0)


def test_watchdog_time_is_set_by_registers() -> None:
    master = Master(1).to(State.OP)
    master.write(0, 0x0420, struct.pack("<H", 20))  # 20 × 100 µs
    master.wait(0.0019)
    assert master.al(0)[1] == 0
    master.wait(0.0002)
    assert master.al(0)[1] == WATCHDOG


def test_watchdog_may_be_switched_off() -> None:
    master = Master(1).to(State.OP)
    master.write(0, 0x0420, b"\0\0")
    master.wait(10.0)
    assert master.al(0) == (State.OP, 0)


# Mailbox --------------------------------------------------------------------------------------------------------------


def test_mailbox_is_taken_in_turn_and_from_its_first_byte() -> None:
    master = Master(1).to(State.PREOP)
    read = physical(Cmd.FPRD, ADDRESS, MAILBOX_IN, bytes(MAILBOX_BYTES))
    assert master.send(read).count == 0  # nothing waits
    assert master.write(0, MAILBOX_OUT + 4, b"\0") == 0
    assert master.send(physical(Cmd.FPRD, ADDRESS, MAILBOX_OUT, b"\0")).count == 0  # wrong way
    assert not master.mail_waits(0)
    master.mail(0, 3, struct.pack("<HBHB4x", 2 << 12, 0x40, 0x1000, 0))
    assert master.mail_waits(0)
    assert master.send(physical(Cmd.FPRD, ADDRESS, MAILBOX_IN + 6, b"\0")).count == 0
    assert master.send(read).count == 1
    assert master.send(read).count == 0


def test_mailbox_may_be_read_in_two_halves() -> None:
    master = Master(1).to(State.PREOP)
    master.mail(0, 3, struct.pack("<HBHB4x", 2 << 12, 0x40, 0x1000, 0))
    half = MAILBOX_BYTES // 2
    first = master.read(0, MAILBOX_IN, half)
    assert master.mail_waits(0)
    assert first[8] & 0xE0 == 0x40
    assert len(master.read(0, MAILBOX_IN + half, half)) == half
    assert not master.mail_waits(0)


@pytest.mark.parametrize(
    ("kind", "payload", "length", "detail"),
    [
        (2, bytes(10), None, 2),  # EoE
        (3, struct.pack("<H8x", 8 << 12), None, 4),  # SDO information
        (3, struct.pack("<H4x", 2 << 12), None, 6),
        (3, bytes(10), 500, 8),
    ],
)
def test_mailbox_refuses_in_its_own_words(kind: int, payload: bytes, length: int | None, detail: int) -> None:
    master = Master(1).to(State.PREOP)
    master.mail(0, kind, payload, length=length)
    with pytest.raises(MailboxRefused) as refused:
        master.take_mail(0)
    assert refused.value.detail == detail


def test_same_counter_is_the_same_request() -> None:
    master = Master(1).to(State.PREOP)
    ask = struct.pack("<HBHB4x", 2 << 12, 0x40, 0x1000, 0)
    master.mail(0, 3, ask)
    master.take_mail(0)
    master._counter[0] -= 1  # the master believes that it got lost
    master.mail(0, 3, ask)
    assert not master.mail_waits(0)


def test_lost_answer_is_shown_again() -> None:
    master = Master(1).to(State.PREOP)
    master.mail(0, 3, struct.pack("<HBHB4x", 2 << 12, 0x40, 0x1018, 1))
    lost = master.read(0, MAILBOX_IN, MAILBOX_BYTES)
    master.write(0, 0x080E, b"\x03")  # repeat
    assert master.number(0, 0x080F, 1) == 0x02  # agreed
    assert master.read(0, MAILBOX_IN, MAILBOX_BYTES) == lost


def test_init_has_no_mailbox() -> None:
    master = Master(1).to(State.INIT)
    master.mail(0, 3, struct.pack("<HBHB4x", 2 << 12, 0x40, 0x1000, 0))
    assert not master.mail_waits(0)


# SDO ------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def preop() -> Master:
    return Master(1).to(State.PREOP)


def abort_of(master: Master, request: bytes) -> int:
    with pytest.raises(Aborted) as aborted:
        master.sdo(0, request.ljust(8, b"\0"))
    return aborted.value.code


def ask(command: int, index: int, subindex: int, data: bytes = b"") -> bytes:
    return struct.pack("<BHB", command, index, subindex) + data


def test_upload_short_and_long(preop: Master) -> None:
    assert preop.upload(0, 0x1000, 0) == struct.pack("<I", 0x00020192)
    assert preop.upload(0, 0x1018, 0) == b"\4"
    assert preop.upload(0, 0x1008, 0) == b"emulated drive"


@pytest.mark.parametrize("size", [0, 1, 4, 5, 111, 112, 113, 114, 118, 119, 120, 126, 127, 238, 239, 240, 1024])
def test_text_of_any_length_comes_back(preop: Master, size: int) -> None:
    """Around every border between expedited, normal and segmented transfers."""
    if size == 0:
        preop.sdo(0, ask(0x21, 0x2000, 0, struct.pack("<I", 0)))
    note = bytes(33 + number % 90 for number in range(size))
    if size:
        preop.download(0, 0x2000, 0, note)
    assert preop.upload(0, 0x2000, 0) == note


@pytest.mark.parametrize(
    ("request_bytes", "code"),
    [
        (ask(0x40, 0x5FFF, 0), 0x06020000),
        (ask(0x40, 0x1018, 9), 0x06090011),
        (ask(0x2F, 0x1018, 9, b"\0"), 0x06090011),
        (ask(0x23, 0x1018, 1, b"\1\0\0\0"), 0x06010002),
        (ask(0x2F, 0x6040, 0, b"\1"), 0x06070013),
        (ask(0x23, 0x6040, 0, b"\1\0\0\0"), 0x06070012),
        (ask(0x2B, 0x605A, 0, b"\x07\0"), 0x06090031),
        (ask(0x2B, 0x605A, 0, b"\xff\xff"), 0x06090032),
        (ask(0x21, 0x2000, 0, struct.pack("<I", 1025)), 0x06070012),
        (ask(0x50, 0x1000, 0), 0x06010004),
        (ask(0x50, 0x1018, 2), 0x06010000),
        (ask(0xA0, 0x1018, 1), 0x05040001),
        (ask(0xE0, 0x1018, 1), 0x05040001),
        (ask(0x60, 0, 0), 0x05040001),  # segments of nothing
        (ask(0x00, 0, 0), 0x05040001),
    ],
    ids=lambda value: f"0x{value:08X}" if isinstance(value, int) else value.hex(),
)
def test_abort_codes(preop: Master, request_bytes: bytes, code: int) -> None:
    if code == 0x06070012 and request_bytes[0] == 0x21:
        with pytest.raises(Aborted) as aborted:
            preop.download(0, 0x2000, 0, bytes(1025))
        assert aborted.value.code == code
    else:
        assert abort_of(preop, request_bytes) == code
    assert preop.upload(0, 0x1018, 0) == b"\4"  # and goes on


def test_toggle_must_alternate(preop: Master) -> None:
    preop.download(0, 0x2000, 0, bytes(600))
    preop.sdo(0, ask(0x40, 0x2000, 0, bytes(4)))
    preop.sdo(0, bytes([0x60]).ljust(8, b"\0"))
    assert abort_of(preop, bytes([0x60])) == 0x05030000
    assert abort_of(preop, bytes([0x70])) == 0x05040001  # the transfer is over
    preop.sdo(0, ask(0x21, 0x2000, 0, struct.pack("<I", 600)) + bytes(100))
    assert abort_of(preop, bytes([0x10]).ljust(100, b"\0")) == 0x05030000


def test_segments_must_add_up(preop: Master) -> None:
    before = preop.upload(0, 0x2000, 0)
    for sent, code in ((100, 0x06070013), (118, 0x06070012)):
        preop.sdo(0, ask(0x21, 0x2000, 0, struct.pack("<I", 217)) + bytes(100))
        assert abort_of(preop, b"\x01" + bytes(sent)) == code
        assert preop.upload(0, 0x2000, 0) == before


def test_complete_access_pads_the_count(preop: Master) -> None:
    identity = preop.upload(0, 0x1018, 0, complete=True)
    assert struct.unpack("<HIIII", identity) == (4, 0xAFFE, 0x402, 1, 0)
    assert preop.upload(0, 0x1018, 1, complete=True) == identity[2:]
    assert preop.upload(0, 0x1C12, 0, complete=True) == struct.pack("<HH", 1, 0x1600)


# PDO mapping ----------------------------------------------------------------------------------------------------------


def test_mapping_is_changed_entry_by_entry_or_at_once(preop: Master) -> None:
    mapping = struct.pack("<HII", 2, 0x60410010, 0x60640020)
    preop.download(0, 0x1A00, 0, mapping, complete=True)
    assert preop.upload(0, 0x1A00, 0, complete=True) == mapping
    preop.download(0, 0x1A00, 0, b"\0")
    preop.download(0, 0x1A00, 1, struct.pack("<I", 0x60410010))
    preop.download(0, 0x1A00, 2, struct.pack("<I", 0x00000010))  # padding
    preop.download(0, 0x1A00, 0, b"\2")
    preop.set_process_data(0, inputs=4)
    assert preop.request(0, State.SAFEOP) == (State.SAFEOP, 0)


@pytest.mark.parametrize(
    ("entry", "code"),
    [
        (0x607A0020, 0x06040041),  # an output
        (0x60410008, 0x06040041),  # wrong length
        (0x5FFF0010, 0x06040041),  # no object
        (0x10180120, 0x06040041),  # not mappable
        (0x00000003, 0x06040041),  # padding of no whole byte
    ],
)
def test_what_may_not_be_mapped(preop: Master, entry: int, code: int) -> None:
    preop.download(0, 0x1A00, 0, b"\0")
    preop.download(0, 0x1A00, 1, struct.pack("<I", entry))
    assert abort_of(preop, ask(0x2F, 0x1A00, 0, b"\1")) == code


def test_mapping_has_an_end(preop: Master) -> None:
    preop.download(0, 0x1A00, 0, b"\0")
    for subindex in range(1, 9):
        preop.download(0, 0x1A00, subindex, struct.pack("<I", 0x000000F8))
    assert abort_of(preop, ask(0x2F, 0x1A00, 0, b"\x08")) == 0x06040042
    assert abort_of(preop, ask(0x2F, 0x1A00, 0, b"\x09")) == 0x06090031


def test_mapping_is_emptied_first_and_in_preop_alone(preop: Master) -> None:
    assert abort_of(preop, ask(0x23, 0x1A00, 1, struct.pack("<I", 0x60410010))) == 0x06010003
    assert abort_of(preop, ask(0x2B, 0x1C12, 1, b"\x00\x16")) == 0x06010003
    safeop = Master(1).to(State.SAFEOP)
    assert abort_of(safeop, ask(0x2F, 0x1A00, 0, b"\0")) == 0x08000022
    assert abort_of(safeop, ask(0x2F, 0x1C12, 0, b"\0")) == 0x08000022


def test_assignment_takes_mappings_of_its_way_alone(preop: Master) -> None:
    preop.download(0, 0x1C12, 0, b"\0")
    preop.download(0, 0x1C12, 1, b"\x00\x1a")
    assert abort_of(preop, ask(0x2F, 0x1C12, 0, b"\1")) == 0x06040041


def test_without_assigned_outputs_none_are_expected(preop: Master) -> None:
    preop.download(0, 0x1C12, 0, b"\0")
    preop.set_process_data(0, outputs=0)
    assert preop.request(0, State.SAFEOP) == (State.SAFEOP, 0)
    assert preop.request(0, State.OP) == (State.OP, 0)


# EEPROM ---------------------------------------------------------------------------------------------------------------


def sii(master: Master, word: int, command: int = 0x0100) -> int:
    master.write(0, 0x0502, struct.pack("<HI", command, word))
    return master.number(0, 0x0508, 8)


def test_eeprom_names_the_device() -> None:
    master = Master(1).to(State.INIT)
    assert sii(master, 0x08) == 0xAFFE | 0x402 << 32
    assert sii(master, 0x18) == MAILBOX_OUT | MAILBOX_BYTES << 16 | MAILBOX_IN << 32 | MAILBOX_BYTES << 48
    assert sii(master, 0x1C) & 0xFFFF == 0x0004  # CoE
    assert master.number(0, 0x0502, 2) == 0x0040  # 8 bytes at once, no error
    assert sii(master, 0x4000) == 2**64 - 1


def test_eeprom_categories_end() -> None:
    master = Master(1).to(State.INIT)
    word, kinds = 0x40, []
    while (kind := sii(master, word) & 0xFFFF) != 0xFFFF:
        kinds.append(kind)
        word += 2 + (sii(master, word) >> 16 & 0xFFFF)
    assert kinds == [10, 30, 40, 41]


def test_eeprom_checksum() -> None:
    """CRC-8 with x^8 + x^2 + x + 1, start 0xFF, over the first 14 bytes."""
    master = Master(1).to(State.INIT)
    head = b"".join(sii(master, word).to_bytes(8, "little") for word in (0, 4))
    crc = 0xFF
    for bit in (byte >> shift & 1 for byte in head[:14] for shift in range(7, -1, -1)):
        crc = (crc << 1 & 0xFF) ^ (0x07 if (crc >> 7) ^ bit else 0)
    assert head[14] == crc


def test_eeprom_write_needs_its_enable_bit() -> None:
    master = Master(1).to(State.INIT)
    master.write(0, 0x0508, b"\x34\x12")
    master.write(0, 0x0502, struct.pack("<HI", 0x0200, 0x04))
    assert master.number(0, 0x0502, 2) & 0x2000
    assert sii(master, 0x04) & 0xFFFF == 0
    master.write(0, 0x0508, b"\x34\x12")
    master.write(0, 0x0502, struct.pack("<HI", 0x0201, 0x04))
    assert sii(master, 0x04) & 0xFFFF == 0x1234
    sii(master, 0, command=0x0400)
    assert master.number(0, 0x0012, 2) == 0x1234  # the alias, loaded anew


def test_eeprom_of_the_devices_own_processor_is_closed() -> None:
    master = Master(1).to(State.INIT)
    master.write(0, 0x0500, b"\1")
    sii(master, 0x08)
    assert master.number(0, 0x0502, 2) & 0x2000
    master.write(0, 0x0500, b"\0")
    assert sii(master, 0x08) & 0xFFFF == 0xAFFE


# Distributed clock ----------------------------------------------------------------------------------------------------


def test_receive_times_tell_the_delay() -> None:
    master = Master(3)
    master.address_all()
    master.send(physical(Cmd.BWR, 0, 0x0900, bytes(4)))
    spans = []
    for slave in range(3):
        here, back = struct.unpack("<II", master.read(slave, 0x0900, 8))
        spans.append(back - here)
    assert spans == [2000, 1000, 0]  # 500 ns a hop, there and back


def test_clocks_follow_the_reference() -> None:
    """Three clocks that run apart by 100 ppm and were switched on at different times stay within 1 µs."""
    master = Master(3)
    master.wait(0.0)
    for slave, ppm in enumerate((20.0, -80.0, 100.0)):
        master.network.drift(slave, ppm)
        master.wait(0.3)
        master.network.power_cycle(slave)
    master.address_all()
    reference = master.network.system_time_ns(0)
    for slave in (1, 2):
        offset = reference - master.network.system_time_ns(slave)
        master.write(slave, 0x0920, struct.pack("<q", offset))
        master.write(slave, 0x0928, struct.pack("<I", 500 * slave))
    for _ in range(2000):
        master.now_s += 0.001
        master.send(physical(Cmd.FRMW, ADDRESS, 0x0910, bytes(8)))
    for slave in (1, 2):
        assert abs(master.network.system_time_ns(slave) - master.network.system_time_ns(0)) < 1000
        assert master.number(slave, 0x092C, 4) & 0x7FFFFFFF < 1000


def test_clocks_run_apart_when_left_alone() -> None:
    master = Master(2)
    master.wait(0.0)
    master.network.drift(1, 100.0)
    before = master.network.system_time_ns(1) - master.network.system_time_ns(0)
    master.wait(1.0)
    apart_ns = master.network.system_time_ns(1) - master.network.system_time_ns(0) - before
    assert apart_ns == pytest.approx(100_000, abs=10)
