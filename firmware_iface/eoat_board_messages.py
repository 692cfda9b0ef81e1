"""End-of-arm board: its messages. Generated from eoat_board.py by generate.py; do not edit."""

# fmt: off
# ruff: noqa: E501
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from struct import Struct
from typing import ClassVar, Final

from podhand.firmware_iface.messages import Message, Rule

PROTOCOL_VERSION: Final = 1
SCHEMA_HASH: Final = 0xD9EF8109
BAUD: Final = 230400
"""[1/s] a quarter of the line used, a state frame in 1.7 ms."""
STATE_PERIOD_MS: Final = 8
"""[ms] 125 Hz: pressure at 100 Hz or more with a slow clock."""
HEARTBEAT_PERIOD_MS: Final = 50
"""[ms] five may be lost before the board lets go."""
HOST_SILENCE_MS: Final = 250
"""[ms] the lease of a client of the kernel: a busy interpreter survives, a dead one does not."""
BOARD_SILENCE_MS: Final = 100
"""[ms] 12 states in a row; a board has no reason to pause."""
MAX_COMMAND_LIFE_MS: Final = 500
"""[ms] a command may outlive a silent host by this much at most."""
ITEM_HELD_PA: Final = -20000
"""[Pa] an open cup draws about -6 kPa, a leaking bag more than 30 kPa below."""
ITEM_LOST_MS: Final = 100
"""[ms] longer than noise and the shake of a stop."""


class Valve(IntEnum):
    """Suction valve."""

    OFF = 0
    """vented"""
    SUCTION = 1
    """ejector on"""


class StatusLight(IntEnum):
    """Lamp at the tool that a person sees."""

    OFF = 0
    """dark"""
    GREEN = 1
    """ready, nothing moves"""
    YELLOW = 2
    """session open, no command in force; or the host's warning"""
    RED = 3
    """the host's fault"""
    YELLOW_BLINKING = 4
    """board waits for a host"""
    RED_BLINKING = 5
    """board is in its safe state"""


class Mode(IntEnum):
    """What the board does with commands."""

    WAITING = 0
    """no session; resting outputs"""
    READY = 1
    """session open, no command in force; resting outputs"""
    ACTIVE = 2
    """a command is in force until its deadline"""
    SAFE = 3
    """safe state, latched until acknowledged; resting outputs"""


class SafeCause(IntEnum):
    """Why the board is in its safe state."""

    NONE = 0
    """it is not"""
    HOST_SILENT = 1
    """no valid frame from the host for HOST_SILENCE_MS in ACTIVE"""
    COMMAND_EXPIRED = 2
    """the deadline passed and no newer command came"""
    HOST_REQUEST = 3
    """the host asked for it"""
    NEW_SESSION = 4
    """another session was opened while a command was in force"""
    BOARD_FAULT = 5
    """a fault of the board's own hardware, see faults"""


class PressureStatus(IntEnum):
    """Worth of the pressure reading."""

    OK = 0
    """measured"""
    SATURATED = 1
    """at the end of the sensor's range"""
    BROKEN = 2
    """sensor missing, short or open circuit"""


class Switches(IntFlag):
    """Limit switches; a set bit means tripped. Normally closed: a broken wire reads as tripped."""

    CUP_EXTENDED = 1
    """spring plunger of the cup at its outer end"""
    CUP_COMPRESSED = 2
    """spring plunger of the cup at its inner end"""
    TOOL_UNSEATED = 4
    """tool is not seated in its changer"""


class Faults(IntFlag):
    """Faults that the board finds in its own hardware."""

    VALVE_OPEN_CIRCUIT = 1
    """no current through the coil (value in mA)"""
    VALVE_OVERCURRENT = 2
    """too much current through the coil (value in mA)"""
    PRESSURE_SENSOR = 4
    """pressure sensor broken (value in raw counts)"""
    SUPPLY_LOW = 8
    """24 V supply below its limit (value in mV)"""
    OVER_TEMPERATURE = 16
    """board too hot (value in 0.1 °C)"""


class StandDownReason(IntEnum):
    """Why the host takes its command back."""

    FINISHED = 0
    """orderly end: READY, nothing is latched"""
    HOST_FAULT = 1
    """safe state"""
    OPERATOR = 2
    """a person asked for a stop: safe state"""


class HelloVerdict(IntEnum):
    """The board's answer to a handshake."""

    ACCEPTED = 0
    """session is open"""
    OTHER_VERSION = 1
    """protocol versions differ; no session"""
    OTHER_SCHEMA = 2
    """schema hashes differ; no session"""


class ResetCause(IntEnum):
    """Why the board started last."""

    POWER_ON = 0
    """supply switched on"""
    BROWN_OUT = 1
    """supply fell too low"""
    WATCHDOG = 2
    """the firmware hung"""
    SOFTWARE = 3
    """the firmware restarted itself"""


@dataclass(frozen=True, kw_only=True, slots=True)
class HostHello(Message):
    """Opens a session. Header session 0. Its layout never changes: any two versions can refuse each other."""

    ID: ClassVar[int] = 0x01
    LAYOUT: ClassVar[Struct] = Struct("<BIH")
    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(name="protocol_version", least=0, most=255),
        Rule(name="schema_hash", least=0, most=4294967295),
        Rule(name="session", least=1, most=65535),
    )

    protocol_version: int
    """Must be equal on both ends."""
    schema_hash: int
    """Must be equal on both ends."""
    session: int
    """The host's choice. 1 … 65535: 0 means no session."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Command(Message):
    """Outputs, with the moment until which they hold. Repeated every 20 ms while it is in force."""

    ID: ClassVar[int] = 0x02
    LAYOUT: ClassVar[Struct] = Struct("<IBBB")
    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(name="deadline_us", least=0, most=4294967295),
        Rule(name="valve", least=0, most=255, words=Valve),
        Rule(name="status_light", least=0, most=255, words=StatusLight),
        Rule(name="work_light_percent", least=0, most=100),
    )

    deadline_us: int
    """[µs] Board time after which the safe state follows. Refused when it has passed or lies more than MAX_COMMAND_LIFE_MS ahead."""
    valve: Valve
    """Suction valve."""
    status_light: StatusLight
    """Status light."""
    work_light_percent: int
    """[%] Light for the camera. 0 … 100: duty cycle."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HostHeartbeat(Message):
    """Shows that the host lives; with the board's answer it bounds the difference of both clocks."""

    ID: ClassVar[int] = 0x03
    LAYOUT: ClassVar[Struct] = Struct("<I")
    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(name="host_time_us", least=0, most=4294967295),
    )

    host_time_us: int
    """[µs] Host clock at sending; comes back."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StandDown(Message):
    """Takes the command back: READY, or the safe state."""

    ID: ClassVar[int] = 0x04
    LAYOUT: ClassVar[Struct] = Struct("<B")
    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(name="reason", least=0, most=255, words=StandDownReason),
    )

    reason: StandDownReason
    """Why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Acknowledge(Message):
    """A person has seen the cause. Leaves the safe state for READY unless a fault still stands."""

    ID: ClassVar[int] = 0x05
    LAYOUT: ClassVar[Struct] = Struct("<H")
    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(name="safe_count", least=0, most=65535),
    )

    safe_count: int
    """Which safe state is meant: the state's safe_count."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BoardHello(Message):
    """Answers HostHello. Its first three fields never move."""

    ID: ClassVar[int] = 0x81
    LAYOUT: ClassVar[Struct] = Struct("<BIHBIIBBHB")
    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(name="protocol_version", least=0, most=255),
        Rule(name="schema_hash", least=0, most=4294967295),
        Rule(name="session", least=0, most=65535),
        Rule(name="verdict", least=0, most=255, words=HelloVerdict),
        Rule(name="board_time_us", least=0, most=4294967295),
        Rule(name="serial_number", least=0, most=4294967295),
        Rule(name="firmware_major", least=0, most=255),
        Rule(name="firmware_minor", least=0, most=255),
        Rule(name="boot_count", least=0, most=65535),
        Rule(name="reset_cause", least=0, most=255, words=ResetCause),
    )

    protocol_version: int
    """Must be equal on both ends."""
    schema_hash: int
    """Must be equal on both ends."""
    session: int
    """From the question, whatever the verdict."""
    verdict: HelloVerdict
    """Accepted or not."""
    board_time_us: int
    """[µs] Board clock now."""
    serial_number: int
    """Of the board."""
    firmware_major: int
    """Firmware version."""
    firmware_minor: int
    """Firmware version."""
    boot_count: int
    """Starts of the board; wraps."""
    reset_cause: ResetCause
    """Of the last start."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BoardHeartbeat(Message):
    """Shows that the board lives. With header session 0 it says that the board has no session."""

    ID: ClassVar[int] = 0x82
    LAYOUT: ClassVar[Struct] = Struct("<III")
    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(name="board_time_us", least=0, most=4294967295),
        Rule(name="host_time_us", least=0, most=4294967295),
        Rule(name="host_received_us", least=0, most=4294967295),
    )

    board_time_us: int
    """[µs] Board clock at sending."""
    host_time_us: int
    """[µs] From the newest HostHeartbeat; 0 before one came."""
    host_received_us: int
    """[µs] Board clock when that one arrived."""


@dataclass(frozen=True, kw_only=True, slots=True)
class State(Message):
    """What the board measures and does."""

    ID: ClassVar[int] = 0x83
    LAYOUT: ClassVar[Struct] = Struct("<IiHBBBBBBBHBHHHHH")
    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(name="board_time_us", least=0, most=4294967295),
        Rule(name="vacuum_pressure_pa", least=-105000, most=20000),
        Rule(name="pressure_samples", least=0, most=65535),
        Rule(name="pressure_status", least=0, most=255, words=PressureStatus),
        Rule(name="switches", least=0, most=255, words=Switches),
        Rule(name="valve", least=0, most=255, words=Valve),
        Rule(name="status_light", least=0, most=255, words=StatusLight),
        Rule(name="work_light_percent", least=0, most=100),
        Rule(name="mode", least=0, most=255, words=Mode),
        Rule(name="safe_cause", least=0, most=255, words=SafeCause),
        Rule(name="safe_count", least=0, most=65535),
        Rule(name="faults", least=0, most=255, words=Faults),
        Rule(name="command_sequence", least=0, most=65535),
        Rule(name="received", least=0, most=65535),
        Rule(name="rejected_frames", least=0, most=65535),
        Rule(name="rejected_order", least=0, most=65535),
        Rule(name="rejected_commands", least=0, most=65535),
    )

    board_time_us: int
    """[µs] Board clock at sampling."""
    vacuum_pressure_pa: int
    """[Pa] Gauge pressure in the cup, negative is suction. Unfiltered: a live sensor shows noise. -105000 … 20000: full vacuum and 3 % of offset … a venting cup; the board clips and says SATURATED."""
    pressure_samples: int
    """Conversions of the pressure sensor; wraps."""
    pressure_status: PressureStatus
    """Worth of the pressure."""
    switches: Switches
    """Limit switches."""
    valve: Valve
    """Read back at the driver."""
    status_light: StatusLight
    """As shown."""
    work_light_percent: int
    """[%] As shown. 0 … 100: duty cycle."""
    mode: Mode
    """What the board does with commands."""
    safe_cause: SafeCause
    """Cause of the present safe state."""
    safe_count: int
    """Safe states entered since the start; wraps."""
    faults: Faults
    """Faults that stand now."""
    command_sequence: int
    """Header sequence of the newest command taken; 0 before one."""
    received: int
    """Frames taken; wraps."""
    rejected_frames: int
    """Frames refused for framing, CRC, length or range; wraps."""
    rejected_order: int
    """Frames refused for session, sequence or direction; wraps."""
    rejected_commands: int
    """Commands and acknowledgements refused for deadline, mode or standing fault; wraps."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FaultReport(Message):
    """One fault with its value, when it is found and with every heartbeat while it stands."""

    ID: ClassVar[int] = 0x84
    LAYOUT: ClassVar[Struct] = Struct("<IBi")
    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(name="board_time_us", least=0, most=4294967295),
        Rule(name="fault", least=0, most=255, words=Faults),
        Rule(name="value_raw", least=-2147483648, most=2147483647),
    )

    board_time_us: int
    """[µs] Board clock when found."""
    fault: Faults
    """The one that this report is about."""
    value_raw: int
    """What was measured, in the unit that the flag names."""


MESSAGES: Final[dict[int, type[Message]]] = {
    HostHello.ID: HostHello,
    Command.ID: Command,
    HostHeartbeat.ID: HostHeartbeat,
    StandDown.ID: StandDown,
    Acknowledge.ID: Acknowledge,
    BoardHello.ID: BoardHello,
    BoardHeartbeat.ID: BoardHeartbeat,
    State.ID: State,
    FaultReport.ID: FaultReport,
}
