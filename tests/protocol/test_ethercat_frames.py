"""Frames, working counters, addressing and line faults of the emulated EtherCAT line, as ETG.1000.4 states them."""

import random
import struct

import pytest

from podhand._ethercat_emulator import DriveConfig, Network
from tests.protocol.ethercat_rig import (
    ADDRESS,
    INPUTS,
    LOGICAL_INPUTS,
    LOGICAL_OUTPUTS,
    OUTPUTS,
    Cmd,
    Datagram,
    Master,
    State,
    logical,
    pack,
    physical,
    unpack,
)

pytestmark = pytest.mark.ethercat
SCRATCH = 0x2000
"""RAM that no sync manager guards."""


# Addressing and working counters --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "worth"), [(Cmd.APRD, 1), (Cmd.APWR, 1), (Cmd.APRW, 3), (Cmd.FPRD, 1), (Cmd.FPWR, 1), (Cmd.FPRW, 3)]
)
def test_one_slave_counts_once_for_reading_and_for_writing(command: Cmd, worth: int) -> None:
    master = Master(3)
    master.address_all()
    slave = -1 if command < Cmd.FPRD else ADDRESS + 1
    assert master.send(physical(command, slave, SCRATCH, b"\1\2")).count == worth


@pytest.mark.parametrize(("command", "worth"), [(Cmd.BRD, 1), (Cmd.BWR, 1), (Cmd.BRW, 3)])
def test_broadcast_counts_every_slave(command: Cmd, worth: int) -> None:
    assert Master(5).send(physical(command, 0, SCRATCH, b"\0")).count == 5 * worth


def test_position_grows_by_one_per_slave() -> None:
    """Also in broadcasts: a master counts its slaves by it."""
    for command in (Cmd.APRD, Cmd.APWR, Cmd.BRD, Cmd.BWR):
        assert Master(4).send(physical(command, -2, SCRATCH, b"\0")).address & 0xFFFF == 2
    answer = Master(4).send(physical(Cmd.FPRD, 7, SCRATCH, b"\0"))
    assert answer.address & 0xFFFF == 7 and answer.count == 0


def test_broadcast_read_is_the_or_of_all() -> None:
    master = Master(3)
    for position, byte in enumerate((0x01, 0x10, 0x80)):
        master.send(physical(Cmd.APWR, -position, SCRATCH, bytes([byte])))
    assert master.send(physical(Cmd.BRD, 0, SCRATCH, b"\x02")).data == b"\x93"


@pytest.mark.parametrize("command", [Cmd.ARMW, Cmd.FRMW])
def test_read_multiple_write_hands_one_slaves_value_to_those_behind(command: Cmd) -> None:
    master = Master(4)
    master.address_all()
    for position in range(4):
        master.send(physical(Cmd.APWR, -position, SCRATCH, bytes([0x10 + position])))
    slave = -1 if command is Cmd.ARMW else ADDRESS + 1
    assert master.send(physical(command, slave, SCRATCH, b"\x77")).count == 4
    # The slave in front of the addressed one takes what the master sent; those behind it what was read.
    assert [master.read(slave, SCRATCH, 1)[0] for slave in range(4)] == [0x77, 0x11, 0x11, 0x11]


@pytest.mark.parametrize(("command", "worth"), [(Cmd.LRD, 1), (Cmd.LWR, 1), (Cmd.LRW, 3)])
def test_logical_command_counts_every_slave_it_maps(command: Cmd, worth: int) -> None:
    master = Master(7).to(State.SAFEOP)
    size = LOGICAL_INPUTS - LOGICAL_OUTPUTS + 7 * INPUTS.size
    assert master.send(logical(command, LOGICAL_OUTPUTS, bytes(size))).count == 7 * worth
    assert master.send(logical(command, LOGICAL_OUTPUTS + 0x8000, bytes(size))).count == 0


def test_logical_read_and_write_counts_what_it_did() -> None:
    """LRW over outputs alone counts 2 per slave, over inputs alone 1."""
    master = Master(3).to(State.SAFEOP)
    assert master.send(logical(Cmd.LRW, LOGICAL_OUTPUTS, bytes(3 * OUTPUTS.size))).count == 6
    assert master.send(logical(Cmd.LRW, LOGICAL_INPUTS, bytes(3 * INPUTS.size))).count == 3
    assert master.send(logical(Cmd.LRW, LOGICAL_OUTPUTS, bytes(OUTPUTS.size))).count == 2


def test_fmmu_maps_single_bits() -> None:
    master = Master(1)
    master.address_all()
    master.write(0, SCRATCH, b"\xa5\xff")
    # 6 bits of memory from bit 2 on come to logical bits 5 to 10.
    master.write(0, 0x0600, struct.pack("<IHBBHBBB3x", 0x500, 2, 5, 2, SCRATCH, 2, 1, 1))
    answer = master.send(logical(Cmd.LRD, 0x500, b"\0\0"))
    assert int.from_bytes(answer.data, "little") == (0xA5 >> 2 & 0x3F) << 5
    assert answer.count == 1


def test_access_behind_the_memory_is_not_counted() -> None:
    master = Master(1)
    assert master.send(physical(Cmd.APRD, 0, 0x2FFF, b"\0")).count == 1
    assert master.send(physical(Cmd.APRD, 0, 0x2FFF, b"\0\0")).count == 0
    assert master.send(physical(Cmd.APWR, 0, 0xFFFF, b"\0")).count == 0


@pytest.mark.parametrize("register", [0x0000, 0x0110, 0x0130, 0x0134, 0x0805, 0x0918])
def test_registers_of_the_slave_take_no_write(register: int) -> None:
    master = Master(1)
    master.address_all()
    before = master.read(0, register, 1)
    assert master.write(0, register, b"\xee") == 0
    assert master.read(0, register, 1) == before


def test_datagrams_of_a_frame_are_done_in_their_order() -> None:
    master = Master(1)
    wrote, read = physical(Cmd.APWR, 0, SCRATCH, b"\x42"), physical(Cmd.APRD, 0, SCRATCH, b"\0")
    ((first, second, third),) = master.frames(read, wrote, read)
    assert (first.data, second.count, third.data) == (b"\0", 1, b"\x42")


def test_counter_goes_on_from_what_the_frame_brings() -> None:
    datagram = Datagram(command=Cmd.BRD, address=SCRATCH << 16, data=b"\0", count=0xFFFF)
    assert Master(3).send(datagram).count == 2  # 16 bits, wrapping


def test_no_operation_and_unknown_commands_do_nothing() -> None:
    for command in (0, 15, 255):
        answer = Master(2).send(Datagram(command=command, address=SCRATCH << 16, data=b"\5"))
        assert (answer.count, answer.data, answer.address) == (0, b"\5", SCRATCH << 16)


def test_answer_is_marked_by_the_senders_address() -> None:
    frame = pack([physical(Cmd.BRD, 0, 0, b"\0")])
    (answer,) = Master(1).network.process(frame, 0)
    assert answer[6] == frame[6] | 0x02 and len(answer) == len(frame)


# What is no frame -----------------------------------------------------------------------------------------------------


def test_what_is_no_ethercat_frame_is_rejected_and_counted() -> None:
    network = Network([DriveConfig()])
    good = pack([physical(Cmd.BRD, 0, 0, b"\0\0")])
    longer_data = bytearray(good)
    longer_data[22:24] = struct.pack("<H", 0x7FF)
    more_but_nothing = bytearray(good)
    more_but_nothing[23] |= 0x80
    bad = [b"", good[:15], good[:20], good[:12] + b"\x08\x00" + good[14:], good[:15] + b"\x40" + good[16:]]
    bad += [bytes(longer_data), bytes(more_but_nothing)]
    for frame in bad:
        assert network.process(frame, 0) == []
    assert network.counters["rejected"] == len(bad)
    assert len(network.process(good, 0)) == 1


def test_random_frames_do_no_harm() -> None:
    """Whatever comes, sound in form or not: what comes back is sound, and the line still answers."""
    generator = random.Random(6)
    master = Master(3).to(State.SAFEOP)
    for _ in range(5000):
        master.now_s += generator.choice([0.0, 1e-4, 0.2])
        if generator.random() < 0.5:
            datagrams = [
                Datagram(
                    command=generator.randrange(17),
                    address=generator.choice([0x1001, 0x1002, 0, 0xFFFF]) | generator.randrange(0x3100) << 16,
                    data=generator.randbytes(generator.randrange(1, 140)),
                    count=generator.randrange(3),
                )
                for _ in range(generator.randrange(1, 4))
            ]
            frame = pack(datagrams)
        else:
            damaged = bytearray(pack([physical(Cmd.BRD, 0, 0, bytes(generator.randrange(1, 60)))]))
            damaged[generator.randrange(14, len(damaged))] = generator.randrange(256)
            frame = bytes(damaged)
        for answer in master.network.process(frame, round(1e9 * master.now_s)):
            assert unpack(answer)
    assert master.send(physical(Cmd.BRD, 0, 0, b"\0")).count == 3


# Line faults ----------------------------------------------------------------------------------------------------------


def test_lost_frames_reach_no_slave() -> None:
    master = Master(2)
    master.network.lose(2)
    assert master.frames(physical(Cmd.BWR, 0, SCRATCH, b"\1")) == []
    assert master.frames(physical(Cmd.BWR, 0, SCRATCH, b"\1")) == []
    assert master.send(physical(Cmd.BRD, 0, SCRATCH, b"\0")).data == b"\0"
    assert master.network.counters["lost"] == 2


def test_late_frames_come_when_they_are_due() -> None:
    master = Master(1)
    master.network.delay(1, 0.003)
    assert master.frames(physical(Cmd.APWR, 0, SCRATCH, b"\7")) == []
    master.now_s += 0.0029
    assert len(master.frames(physical(Cmd.APRD, 0, SCRATCH, b"\0"))) == 1
    master.now_s += 0.0002
    late, prompt = master.frames(physical(Cmd.APRD, 0, SCRATCH, b"\0"))
    assert late[0].command == Cmd.APWR and prompt[0].data == b"\7"


def test_duplicate_frames_come_twice() -> None:
    master = Master(1)
    master.network.duplicate(1)
    first, second = master.frames(physical(Cmd.APRD, 0, 0, b"\0"))
    assert first == second
    assert len(master.frames(physical(Cmd.APRD, 0, 0, b"\0"))) == 1


def test_wrong_working_counter_touches_logical_datagrams_alone() -> None:
    master = Master(3).to(State.SAFEOP)
    master.network.miscount(2, -1)
    assert master.send(physical(Cmd.BRD, 0, 0, b"\0")).count == 3
    assert [master.cycle() for _ in range(3)] == [8, 8, 9]


def test_cut_cable_silences_the_slaves_behind_it() -> None:
    master = Master(4).to(State.SAFEOP)
    assert master.read(1, 0x0110, 2)[1] & 0x0C == 0x08  # port 1 communicates
    master.network.cut_before(2)
    assert master.cycle() == 6
    assert master.send(physical(Cmd.BRD, 0, 0, b"\0")).count == 2
    assert master.read(1, 0x0110, 2)[1] & 0x0C == 0x04  # port 1 is closed
    master.network.mend()
    assert master.cycle() == 12


def test_power_cycle_forgets_address_and_state() -> None:
    master = Master(2).to(State.SAFEOP)
    master.network.power_cycle(1)
    assert master.send(physical(Cmd.FPRD, ADDRESS + 1, 0x0130, b"\0\0")).count == 0
    assert master.send(physical(Cmd.APRD, -1, 0x0130, b"\0\0")).data == b"\x01\0"
    assert master.cycle() == 3


def test_slave_that_does_not_exist_is_an_error() -> None:
    master = Master(2)
    with pytest.raises(IndexError):
        master.network.trip(2, 0x1000)
    with pytest.raises(IndexError):
        master.network.cut_before(3)
    with pytest.raises(ValueError, match="at least one drive"):
        Network([])
