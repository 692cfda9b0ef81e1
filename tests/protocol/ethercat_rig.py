"""A master written from the specifications alone, on a virtual clock: datagrams, registers, mailbox, states."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import TypedDict, Unpack

from podhand._ethercat_emulator import DriveConfig, Network

ADDRESS = 0x1001
"""Station address of the first slave."""
OUTPUTS = struct.Struct("<HiB")
INPUTS = struct.Struct("<HiibH")
LOGICAL_OUTPUTS, LOGICAL_INPUTS = 0x10000, 0x10100
MAILBOX_BYTES = 128
MAILBOX_OUT, MAILBOX_IN, OUTPUT_START, INPUT_START = 0x1000, 0x1080, 0x1100, 0x1400


class Motion(TypedDict, total=False):
    start_counts: float
    time_constant_s: float
    max_speed_counts_s: float


class Cmd(IntEnum):
    NOP, APRD, APWR, APRW, FPRD, FPWR, FPRW, BRD, BWR, BRW, LRD, LWR, LRW, ARMW, FRMW = range(15)


class State(IntEnum):
    INIT, PREOP, BOOT, SAFEOP, OP = 1, 2, 3, 4, 8


@dataclass(frozen=True, kw_only=True)
class Datagram:
    command: int
    address: int
    """Slave address and offset, or the logical address, as one number."""
    data: bytes
    count: int = 0


def physical(command: Cmd, slave: int, offset: int, data: bytes) -> Datagram:
    return Datagram(command=command, address=(slave & 0xFFFF) | offset << 16, data=data)


def logical(command: Cmd, address: int, data: bytes) -> Datagram:
    return Datagram(command=command, address=address, data=data)


def pack(datagrams: Sequence[Datagram]) -> bytes:
    body = b""
    for number, each in enumerate(datagrams):
        more = 0x8000 if number + 1 < len(datagrams) else 0
        body += struct.pack("<BBIHH", each.command, number, each.address, len(each.data) | more, 0)
        body += each.data + struct.pack("<H", each.count)
    frame = b"\xff" * 6 + b"\x10\x22\x33\x44\x55\x66" + b"\x88\xa4" + struct.pack("<H", len(body) | 0x1000) + body
    return frame.ljust(60, b"\0")


def unpack(frame: bytes) -> list[Datagram]:
    out = []
    at = 16
    while True:
        command, _, address, field, _ = struct.unpack_from("<BBIHH", frame, at)
        end = at + 10 + (field & 0x7FF)
        (count,) = struct.unpack_from("<H", frame, end)
        out.append(Datagram(command=command, address=address, data=frame[at + 10 : end], count=count))
        if not field & 0x8000:
            return out
        at = end + 2


class Aborted(Exception):
    """The slave aborted an SDO transfer; ``code`` says why."""

    def __init__(self, code: int) -> None:
        super().__init__(f"0x{code:08X}")
        self.code = code


class MailboxRefused(Exception):
    """The slave refused a mailbox message; ``detail`` says why."""

    def __init__(self, detail: int) -> None:
        super().__init__(str(detail))
        self.detail = detail


class Master:
    """Steps of a bring-up, each on its own, so that a test can leave one out or do it wrongly."""

    def __init__(self, drives: int = 1, **motion: Unpack[Motion]) -> None:
        self.network = Network([DriveConfig(serial=number, **motion) for number in range(drives)])
        self.drives = drives
        self.now_s = 1.0
        self._counter = [0] * drives
        self.outputs = [(0, 0, 0)] * drives
        self.inputs: list[tuple[int, ...]] = []

    # The line

    def frames(self, *datagrams: Datagram) -> list[list[Datagram]]:
        """Send one frame; return the frames that come back."""
        return [unpack(frame) for frame in self.network.process(pack(datagrams), round(1e9 * self.now_s))]

    def send(self, datagram: Datagram) -> Datagram:
        ((answer,),) = self.frames(datagram)
        return answer

    def wait(self, seconds: float) -> None:
        self.now_s += seconds
        self.network.poll(round(1e9 * self.now_s))

    def read(self, slave: int, offset: int, size: int) -> bytes:
        """Read registers of a slave by its station address."""
        answer = self.send(physical(Cmd.FPRD, ADDRESS + slave, offset, bytes(size)))
        assert answer.count == 1, f"slave {slave}, 0x{offset:04X}: working counter {answer.count}"
        return answer.data

    def number(self, slave: int, offset: int, size: int) -> int:
        return int.from_bytes(self.read(slave, offset, size), "little")

    def write(self, slave: int, offset: int, data: bytes) -> int:
        """Write registers of a slave; return the working counter."""
        return self.send(physical(Cmd.FPWR, ADDRESS + slave, offset, data)).count

    # States

    def address_all(self) -> None:
        for position in range(self.drives):
            address = struct.pack("<H", ADDRESS + position)
            assert self.send(physical(Cmd.APWR, -position, 0x0010, address)).count == 1

    def set_sync_manager(self, slave: int, index: int, start: int, size: int, control: int, active: int = 1) -> None:
        self.write(slave, 0x0800 + 8 * index, struct.pack("<HHBBBB", start, size, control, 0, active, 0))

    def set_mailbox(self, slave: int) -> None:
        self.set_sync_manager(slave, 0, MAILBOX_OUT, MAILBOX_BYTES, 0x26)
        self.set_sync_manager(slave, 1, MAILBOX_IN, MAILBOX_BYTES, 0x22)

    def set_process_data(self, slave: int, outputs: int = OUTPUTS.size, inputs: int = INPUTS.size) -> None:
        self.set_sync_manager(slave, 2, OUTPUT_START, outputs, 0x64)
        self.set_sync_manager(slave, 3, INPUT_START, inputs, 0x20)
        self.set_fmmu(slave, 0, LOGICAL_OUTPUTS + slave * OUTPUTS.size, outputs, OUTPUT_START, writes=True)
        self.set_fmmu(slave, 1, LOGICAL_INPUTS + slave * INPUTS.size, inputs, INPUT_START, writes=False)

    def set_fmmu(self, slave: int, index: int, logical_start: int, size: int, start: int, *, writes: bool) -> None:
        kind = 2 if writes else 1
        entry = struct.pack("<IHBBHBBB3x", logical_start, size, 0, 7, start, 0, kind, 1)
        self.write(slave, 0x0600 + 16 * index, entry)

    def request(self, slave: int, state: int, *, acknowledge: bool = False) -> tuple[int, int]:
        """Ask for a state; return AL status and AL status code."""
        self.write(slave, 0x0120, struct.pack("<H", state | (0x10 if acknowledge else 0)))
        return self.al(slave)

    def al(self, slave: int) -> tuple[int, int]:
        return self.number(slave, 0x0130, 2), self.number(slave, 0x0134, 2)

    def to(self, state: State, *, slaves: Sequence[int] | None = None) -> "Master":
        """Bring slaves (all) to a state the right way."""
        if slaves is None:
            slaves = range(self.drives)
        self.address_all()
        for slave in slaves:
            self.set_mailbox(slave)
            if state >= State.PREOP:
                assert self.request(slave, State.PREOP) == (State.PREOP, 0)
            if state >= State.SAFEOP:
                self.set_process_data(slave)
                assert self.request(slave, State.SAFEOP) == (State.SAFEOP, 0)
        if state >= State.OP:
            self.cycle()
            for slave in slaves:
                assert self.request(slave, State.OP) == (State.OP, 0)
        return self

    # Mailbox

    def mail(self, slave: int, kind: int, payload: bytes, *, length: int | None = None) -> int:
        """Put a message into the mailbox; return the working counter."""
        self._counter[slave] = self._counter[slave] % 7 + 1
        header = struct.pack(
            "<HHBB", len(payload) if length is None else length, 0, 0, kind | self._counter[slave] << 4
        )
        return self.write(slave, MAILBOX_OUT, (header + payload).ljust(MAILBOX_BYTES, b"\0"))

    def mail_waits(self, slave: int) -> bool:
        return bool(self.number(slave, 0x080D, 1) & 0x08)

    def take_mail(self, slave: int) -> tuple[int, bytes]:
        """Return kind and payload of the message that waits."""
        message = self.read(slave, MAILBOX_IN, MAILBOX_BYTES)
        length, _, _, kind = struct.unpack_from("<HHBB", message)
        payload = message[6 : 6 + length]
        if kind & 0x0F == 0:
            raise MailboxRefused(int.from_bytes(payload[2:4], "little"))
        return kind & 0x0F, payload

    def sdo(self, slave: int, request: bytes) -> bytes:
        """Send an SDO request of at least 8 bytes; return the answer. Raises Aborted."""
        assert self.mail(slave, 3, struct.pack("<H", 2 << 12) + request) == 1
        kind, payload = self.take_mail(slave)
        service, answer = int.from_bytes(payload[:2], "little") >> 12, payload[2:]
        assert kind == 3
        if answer[0] == 0x80:
            assert service == 2
            assert answer[1:4] == request[1:4] or request[0] >> 5 in (0, 3)
            raise Aborted(int.from_bytes(answer[4:8], "little"))
        assert service == 3
        return answer

    def upload(self, slave: int, index: int, subindex: int, *, complete: bool = False) -> bytes:
        ask = struct.pack("<BHB4x", 0x50 if complete else 0x40, index, subindex)
        answer = self.sdo(slave, ask)
        if answer[0] & 0x02:
            return answer[4 : 8 - (answer[0] >> 2 & 3)]
        (size,) = struct.unpack_from("<I", answer, 4)
        data, toggle = answer[8 : 8 + size], 0
        while len(data) < size:
            segment = self.sdo(slave, bytes([0x60 | toggle]).ljust(8, b"\0"))
            assert segment[0] & 0xF0 == toggle
            unused = segment[0] >> 1 & 7 if len(segment) == 8 else 0
            data += segment[1 : len(segment) - unused]
            assert bool(segment[0] & 1) == (len(data) == size)
            toggle ^= 0x10
        return data

    def download(self, slave: int, index: int, subindex: int, data: bytes, *, complete: bool = False) -> None:
        flag = 0x10 if complete else 0
        if len(data) <= 4:
            command = 0x23 | flag | (4 - len(data)) << 2
            self.sdo(slave, struct.pack("<BHB", command, index, subindex) + data.ljust(4, b"\0"))
            return
        room = MAILBOX_BYTES - 8 - 8
        self.sdo(slave, struct.pack("<BHBI", 0x21 | flag, index, subindex, len(data)) + data[:room])
        rest, toggle = data[room:], 0
        while rest:
            part, rest = rest[: room + 7], rest[room + 7 :]
            unused = max(0, 7 - len(part))
            self.sdo(slave, bytes([toggle | unused << 1 | (0 if rest else 1)]) + part.ljust(7, b"\0"))
            toggle ^= 0x10

    # Process data

    def cycle(self, seconds: float = 0.001) -> int:
        """One LRW of everything after some time; return the working counter, keep the inputs."""
        self.now_s += seconds
        outputs = b"".join(OUTPUTS.pack(*each) for each in self.outputs)
        size = LOGICAL_INPUTS - LOGICAL_OUTPUTS + self.drives * INPUTS.size
        answer = self.send(logical(Cmd.LRW, LOGICAL_OUTPUTS, outputs.ljust(size, b"\0")))
        self.inputs = list(INPUTS.iter_unpack(answer.data[LOGICAL_INPUTS - LOGICAL_OUTPUTS :]))
        return answer.count
