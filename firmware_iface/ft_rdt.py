"""ATI RDT: what Net F/T and Ethernet Axia sensors speak over UDP, big endian. No I/O.

A request is ``header u16 = 0x1234, command u16, sample_count u32``; the sensor answers with datagrams of one or more
records ``rdt_sequence u32, ft_sequence u32, status u32, Fx Fy Fz Tx Ty Tz i32`` in counts.

Sources: ATI, *F/T Sensor, Ethernet Axia*, 9620-05-C-Ethernet Axia-02, sections 5.5 (status) and 12 (RDT),
https://www.manualslib.com/manual/2798496/Novanta-Ati-Axia80.html?page=66 and page=117; bit 16 from the older
9610-05-Ethernet Axia-09, table 4.9, https://www.easymanua.ls/ati-technologies/axia80-m20/manual?p=37; commands as in
Schunk's *FTN-AXIA*, https://manualshive.com/ru/manual/schunk/ftn-axia/1215693?page=65. Status of the Net F/T: ATI,
*Net F/T*, 9620-05-NET FT, table of the system status code, as public drivers decode it (the manual was not at hand).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from struct import Struct
from types import MappingProxyType

from podhand.core.errors import LimitError
from podhand.core.exchange import FtStatus
from podhand.firmware_iface.ft_reject import FtReject

PORT = 49152
REQUEST = Struct(">HHI")
RECORD = Struct(">III6i")
HEADER = 0x1234
MAX_RECORDS = 40
"""Records in one datagram, buffered mode: more would not fit an Ethernet frame."""
SEQUENCE_MODULUS = 1 << 32
COUNTS_LIMIT = 2**31 - 1
"""A count at either end of its 32 bits is clipped, not measured."""

Counts = tuple[int, int, int, int, int, int]


class RdtCommand(IntEnum):
    """What a request asks for; a newer request replaces the one before."""

    STOP = 0x0000
    START = 0x0002
    """One record per datagram at the sensor's RDT rate; both families know it."""
    START_BUFFERED = 0x0003
    """Several records per datagram: late by design, so podhand does not ask for it, but can read it."""
    BIAS = 0x0042
    """Make the present load the zero; not kept over a power cycle, not answered."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RdtRequest:
    """A request; ``sample_count`` 0 asks for an endless stream."""

    command: RdtCommand
    sample_count: int = 0

    def pack(self) -> bytes:
        """Return its 8 bytes. Raises LimitError when ``sample_count`` does not fit."""
        if not 0 <= self.sample_count < SEQUENCE_MODULUS:
            raise LimitError(f"sample_count must be in 0 … {SEQUENCE_MODULUS - 1} (got {self.sample_count})")
        return REQUEST.pack(HEADER, self.command, self.sample_count)

    @classmethod
    def unpack(cls, datagram: bytes) -> "RdtRequest | None":
        """Return the request in a datagram; ``None`` when there is none."""
        if len(datagram) != REQUEST.size:
            return None
        header, command, sample_count = REQUEST.unpack(datagram)
        if header != HEADER or command not in RdtCommand.__members__.values():
            return None
        return cls(command=RdtCommand(command), sample_count=sample_count)


@dataclass(frozen=True, kw_only=True, slots=True)
class RdtRecord:
    """One record. Counts become newtons and newton metres by the sensor's counts per force and per torque."""

    rdt_sequence: int
    """Place in the stream, from 1 at every request."""
    ft_sequence: int
    """Number of the sample at the sensor's own rate, from power-up."""
    status: int
    counts: Counts

    def pack(self) -> bytes:
        """Return its 36 bytes."""
        return RECORD.pack(self.rdt_sequence, self.ft_sequence, self.status, *self.counts)


def decode_datagram(datagram: bytes) -> list[RdtRecord] | FtReject:
    """Return the records of a datagram, or why there are none. Any 36 bytes are a record: judge its numbers."""
    if not datagram or len(datagram) % RECORD.size or len(datagram) > MAX_RECORDS * RECORD.size:
        return FtReject.LENGTH
    return [
        RdtRecord(rdt_sequence=rdt, ft_sequence=ft, status=status, counts=(fx, fy, fz, tx, ty, tz))
        for rdt, ft, status, fx, fy, fz, tx, ty, tz in RECORD.iter_unpack(datagram)
    ]


class NetFtModel(StrEnum):
    """Families that speak RDT; they differ in what the status bits mean."""

    NET_FT = "net_ft"
    ETHERNET_AXIA = "ethernet_axia"


_SUMMARY = 1 << 31
_MONITOR_LATCHED = 1 << 16


@dataclass(frozen=True, kw_only=True)
class StatusTable:
    """Meaning of the status bits of one family. A bit that nobody has explained counts as an error."""

    words: Mapping[int, str]
    """Bit number to meaning."""
    saturated: int
    """Mask of the bits that say that the load is beyond what can be measured."""

    def judge(self, status: int) -> tuple[FtStatus, str]:
        """Return what a status makes of its sample, and why in words.

        A latched monitor condition belongs to the sensor's own switching output: the sample is good. It raises the
        summary bit; that bit without any other stands for an error without a name.
        """
        causes = status & ~_SUMMARY & ~_MONITOR_LATCHED
        if not causes:
            unnamed = status & _SUMMARY and not status & _MONITOR_LATCHED
            return (FtStatus.INVALID, "sensor reports an error without a name") if unnamed else (FtStatus.OK, "")
        verdict = FtStatus.SATURATED if causes & self.saturated else FtStatus.OK
        if causes & ~self.saturated:
            verdict |= FtStatus.INVALID
        bits = [bit for bit in range(31) if causes >> bit & 1]
        return verdict, "sensor reports " + ", ".join(self.words.get(bit, f"bit {bit}") for bit in bits)


STATUS_TABLES: Mapping[NetFtModel, StatusTable] = MappingProxyType(
    {
        NetFtModel.NET_FT: StatusTable(
            words=MappingProxyType(
                {
                    30: "CPU or RAM error",
                    29: "digital board error",
                    28: "analog board error",
                    27: "serial link between its boards",
                    26: "program memory error",
                    25: "halted by its configuration",
                    24: "settings not valid",
                    23: "configuration and calibration do not fit",
                    22: "network failure",
                    21: "CAN error",
                    20: "RDT error",
                    19: "EtherNet/IP failure",
                    18: "DeviceNet failure",
                    17: "transducer saturated or converter error",
                    14: "watchdog timeout",
                    13: "stack error",
                    12: "serial EEPROM failure",
                    11: "serial flash failure",
                    10: "analog board watchdog timeout",
                    9: "gauge excitation current too high",
                    8: "gauge excitation current too low",
                    7: "analog ground out of range",
                    6: "analog board supply too high",
                    5: "analog board supply too low",
                    4: "no data from its analog board",
                    3: "reference voltage or power error",
                    2: "temperature",
                    1: "HTTP failure",
                }
            ),
            saturated=1 << 17,
        ),
        NetFtModel.ETHERNET_AXIA: StatusTable(
            words=MappingProxyType(
                {
                    30: "force or torque out of range",
                    29: "calibration checksum error",
                    28: "simulated error",
                    27: "gauge out of range",
                    7: "calibration not accessible",
                    5: "other error",
                    3: "busy: settings are being changed",
                    2: "broken gauge",
                    1: "supply voltage out of 12 … 32 V",
                    0: "temperature out of -5 … 70 °C",
                }
            ),
            saturated=1 << 30 | 1 << 27,
        ),
    }
)
