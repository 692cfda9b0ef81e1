"""The contract with the end-of-arm board: suction valve, vacuum pressure, limit switches, lights.

This file is the source. After a change: raise ``version``, run ``python -m podhand.firmware_iface.generate``, and add
golden bytes for what is new. All numbers are this project's own design; no product is copied.
"""

from typing import Final

from podhand.firmware_iface.schema import Constant, Contract, Field, Kind, Message, Word, Words

_VALVE = Words(
    name="Valve",
    doc="Suction valve.",
    words=(Word(name="OFF", value=0, meaning="vented"), Word(name="SUCTION", value=1, meaning="ejector on")),
)
_LIGHT = Words(
    name="StatusLight",
    doc="Lamp at the tool that a person sees.",
    words=(
        Word(name="OFF", value=0, meaning="dark"),
        Word(name="GREEN", value=1, meaning="ready, nothing moves"),
        Word(name="YELLOW", value=2, meaning="session open, no command in force; or the host's warning"),
        Word(name="RED", value=3, meaning="the host's fault"),
        Word(name="YELLOW_BLINKING", value=4, meaning="board waits for a host"),
        Word(name="RED_BLINKING", value=5, meaning="board is in its safe state"),
    ),
)
_MODE = Words(
    name="Mode",
    doc="What the board does with commands.",
    words=(
        Word(name="WAITING", value=0, meaning="no session; resting outputs"),
        Word(name="READY", value=1, meaning="session open, no command in force; resting outputs"),
        Word(name="ACTIVE", value=2, meaning="a command is in force until its deadline"),
        Word(name="SAFE", value=3, meaning="safe state, latched until acknowledged; resting outputs"),
    ),
)
_CAUSE = Words(
    name="SafeCause",
    doc="Why the board is in its safe state.",
    words=(
        Word(name="NONE", value=0, meaning="it is not"),
        Word(name="HOST_SILENT", value=1, meaning="no valid frame from the host for HOST_SILENCE_MS in ACTIVE"),
        Word(name="COMMAND_EXPIRED", value=2, meaning="the deadline passed and no newer command came"),
        Word(name="HOST_REQUEST", value=3, meaning="the host asked for it"),
        Word(name="NEW_SESSION", value=4, meaning="another session was opened while a command was in force"),
        Word(name="BOARD_FAULT", value=5, meaning="a fault of the board's own hardware, see faults"),
    ),
)
_PRESSURE_STATUS = Words(
    name="PressureStatus",
    doc="Worth of the pressure reading.",
    words=(
        Word(name="OK", value=0, meaning="measured"),
        Word(name="SATURATED", value=1, meaning="at the end of the sensor's range"),
        Word(name="BROKEN", value=2, meaning="sensor missing, short or open circuit"),
    ),
)
_SWITCHES = Words(
    name="Switches",
    doc="Limit switches; a set bit means tripped. Normally closed: a broken wire reads as tripped.",
    flags=True,
    words=(
        Word(name="CUP_EXTENDED", value=1, meaning="spring plunger of the cup at its outer end"),
        Word(name="CUP_COMPRESSED", value=2, meaning="spring plunger of the cup at its inner end"),
        Word(name="TOOL_UNSEATED", value=4, meaning="tool is not seated in its changer"),
    ),
)
_FAULTS = Words(
    name="Faults",
    doc="Faults that the board finds in its own hardware.",
    flags=True,
    words=(
        Word(name="VALVE_OPEN_CIRCUIT", value=1, meaning="no current through the coil (value in mA)"),
        Word(name="VALVE_OVERCURRENT", value=2, meaning="too much current through the coil (value in mA)"),
        Word(name="PRESSURE_SENSOR", value=4, meaning="pressure sensor broken (value in raw counts)"),
        Word(name="SUPPLY_LOW", value=8, meaning="24 V supply below its limit (value in mV)"),
        Word(name="OVER_TEMPERATURE", value=16, meaning="board too hot (value in 0.1 °C)"),
    ),
)
_REASON = Words(
    name="StandDownReason",
    doc="Why the host takes its command back.",
    words=(
        Word(name="FINISHED", value=0, meaning="orderly end: READY, nothing is latched"),
        Word(name="HOST_FAULT", value=1, meaning="safe state"),
        Word(name="OPERATOR", value=2, meaning="a person asked for a stop: safe state"),
    ),
)
_VERDICT = Words(
    name="HelloVerdict",
    doc="The board's answer to a handshake.",
    words=(
        Word(name="ACCEPTED", value=0, meaning="session is open"),
        Word(name="OTHER_VERSION", value=1, meaning="protocol versions differ; no session"),
        Word(name="OTHER_SCHEMA", value=2, meaning="schema hashes differ; no session"),
    ),
)
_RESET = Words(
    name="ResetCause",
    doc="Why the board started last.",
    words=(
        Word(name="POWER_ON", value=0, meaning="supply switched on"),
        Word(name="BROWN_OUT", value=1, meaning="supply fell too low"),
        Word(name="WATCHDOG", value=2, meaning="the firmware hung"),
        Word(name="SOFTWARE", value=3, meaning="the firmware restarted itself"),
    ),
)


def _counter(name: str, doc: str) -> Field:
    return Field(name=name, kind=Kind.U16, doc=f"{doc}; wraps.")


_VERSION = Field(name="protocol_version", kind=Kind.U8, doc="Must be equal on both ends.")
_HASH = Field(name="schema_hash", kind=Kind.U32, doc="Must be equal on both ends.")
_BOARD_TIME_REASON = "wraps after 71.6 min; compared modulo 2^32"

EOAT_BOARD: Final = Contract(
    name="eoat_board",
    title="End-of-arm board",
    prefix="eoat",
    version=1,
    doc="Suction valve, vacuum pressure, limit switches and lights at the end of the arm.",
    words=(_VALVE, _LIGHT, _MODE, _CAUSE, _PRESSURE_STATUS, _SWITCHES, _FAULTS, _REASON, _VERDICT, _RESET),
    constants=(
        Constant(name="BAUD", value=230400, unit="1/s", reason="a quarter of the line used, a state frame in 1.7 ms"),
        Constant(
            name="STATE_PERIOD_MS", value=8, unit="ms", reason="125 Hz: pressure at 100 Hz or more with a slow clock"
        ),
        Constant(name="HEARTBEAT_PERIOD_MS", value=50, unit="ms", reason="five may be lost before the board lets go"),
        Constant(
            name="HOST_SILENCE_MS",
            value=250,
            unit="ms",
            reason="the lease of a client of the kernel: a busy interpreter survives, a dead one does not",
        ),
        Constant(
            name="BOARD_SILENCE_MS", value=100, unit="ms", reason="12 states in a row; a board has no reason to pause"
        ),
        Constant(
            name="MAX_COMMAND_LIFE_MS",
            value=500,
            unit="ms",
            reason="a command may outlive a silent host by this much at most",
        ),
        Constant(
            name="ITEM_HELD_PA",
            value=-20000,
            unit="Pa",
            reason="an open cup draws about -6 kPa, a leaking bag more than 30 kPa below",
        ),
        Constant(name="ITEM_LOST_MS", value=100, unit="ms", reason="longer than noise and the shake of a stop"),
    ),
    messages=(
        Message(
            name="HostHello",
            id=0x01,
            doc="Opens a session. Header session 0. Its layout never changes: any two versions can refuse each other.",
            fields=(
                _VERSION,
                _HASH,
                Field(
                    name="session",
                    kind=Kind.U16,
                    doc="The host's choice.",
                    least=1,
                    most=0xFFFF,
                    reason="0 means no session",
                ),
            ),
        ),
        Message(
            name="Command",
            id=0x02,
            doc="Outputs, with the moment until which they hold. Repeated every 20 ms while it is in force.",
            period_ms=20,
            fields=(
                Field(
                    name="deadline_us",
                    kind=Kind.U32,
                    unit="µs",
                    doc="Board time after which the safe state follows. Refused when it has passed or lies more than "
                    "MAX_COMMAND_LIFE_MS ahead.",
                ),
                Field(name="valve", kind=Kind.U8, doc="Suction valve.", words=_VALVE),
                Field(name="status_light", kind=Kind.U8, doc="Status light.", words=_LIGHT),
                Field(
                    name="work_light_percent",
                    kind=Kind.U8,
                    unit="%",
                    doc="Light for the camera.",
                    least=0,
                    most=100,
                    reason="duty cycle",
                ),
            ),
        ),
        Message(
            name="HostHeartbeat",
            id=0x03,
            doc="Shows that the host lives; with the board's answer it bounds the difference of both clocks.",
            period_ms=50,
            fields=(Field(name="host_time_us", kind=Kind.U32, unit="µs", doc="Host clock at sending; comes back."),),
        ),
        Message(
            name="StandDown",
            id=0x04,
            doc="Takes the command back: READY, or the safe state.",
            fields=(Field(name="reason", kind=Kind.U8, doc="Why.", words=_REASON),),
        ),
        Message(
            name="Acknowledge",
            id=0x05,
            doc="A person has seen the cause. Leaves the safe state for READY unless a fault still stands.",
            fields=(Field(name="safe_count", kind=Kind.U16, doc="Which safe state is meant: the state's safe_count."),),
        ),
        Message(
            name="BoardHello",
            id=0x81,
            doc="Answers HostHello. Its first three fields never move.",
            fields=(
                _VERSION,
                _HASH,
                Field(name="session", kind=Kind.U16, doc="From the question, whatever the verdict."),
                Field(name="verdict", kind=Kind.U8, doc="Accepted or not.", words=_VERDICT),
                Field(
                    name="board_time_us", kind=Kind.U32, unit="µs", doc="Board clock now.", reason=_BOARD_TIME_REASON
                ),
                Field(name="serial_number", kind=Kind.U32, doc="Of the board."),
                Field(name="firmware_major", kind=Kind.U8, doc="Firmware version."),
                Field(name="firmware_minor", kind=Kind.U8, doc="Firmware version."),
                _counter("boot_count", "Starts of the board"),
                Field(name="reset_cause", kind=Kind.U8, doc="Of the last start.", words=_RESET),
            ),
        ),
        Message(
            name="BoardHeartbeat",
            id=0x82,
            doc="Shows that the board lives. With header session 0 it says that the board has no session.",
            period_ms=50,
            fields=(
                Field(
                    name="board_time_us",
                    kind=Kind.U32,
                    unit="µs",
                    doc="Board clock at sending.",
                    reason=_BOARD_TIME_REASON,
                ),
                Field(
                    name="host_time_us",
                    kind=Kind.U32,
                    unit="µs",
                    doc="From the newest HostHeartbeat; 0 before one came.",
                ),
                Field(name="host_received_us", kind=Kind.U32, unit="µs", doc="Board clock when that one arrived."),
            ),
        ),
        Message(
            name="State",
            id=0x83,
            doc="What the board measures and does.",
            period_ms=8,
            fields=(
                Field(
                    name="board_time_us",
                    kind=Kind.U32,
                    unit="µs",
                    doc="Board clock at sampling.",
                    reason=_BOARD_TIME_REASON,
                ),
                Field(
                    name="vacuum_pressure_pa",
                    kind=Kind.I32,
                    unit="Pa",
                    doc="Gauge pressure in the cup, negative is suction. Unfiltered: a live sensor shows noise.",
                    least=-105000,
                    most=20000,
                    reason="full vacuum and 3 % of offset … a venting cup; the board clips and says SATURATED",
                ),
                _counter("pressure_samples", "Conversions of the pressure sensor"),
                Field(name="pressure_status", kind=Kind.U8, doc="Worth of the pressure.", words=_PRESSURE_STATUS),
                Field(name="switches", kind=Kind.U8, doc="Limit switches.", words=_SWITCHES),
                Field(name="valve", kind=Kind.U8, doc="Read back at the driver.", words=_VALVE),
                Field(name="status_light", kind=Kind.U8, doc="As shown.", words=_LIGHT),
                Field(
                    name="work_light_percent",
                    kind=Kind.U8,
                    unit="%",
                    doc="As shown.",
                    least=0,
                    most=100,
                    reason="duty cycle",
                ),
                Field(name="mode", kind=Kind.U8, doc="What the board does with commands.", words=_MODE),
                Field(name="safe_cause", kind=Kind.U8, doc="Cause of the present safe state.", words=_CAUSE),
                _counter("safe_count", "Safe states entered since the start"),
                Field(name="faults", kind=Kind.U8, doc="Faults that stand now.", words=_FAULTS),
                Field(
                    name="command_sequence",
                    kind=Kind.U16,
                    doc="Header sequence of the newest command taken; 0 before one.",
                ),
                _counter("received", "Frames taken"),
                _counter("rejected_frames", "Frames refused for framing, CRC, length or range"),
                _counter("rejected_order", "Frames refused for session, sequence or direction"),
                _counter(
                    "rejected_commands", "Commands and acknowledgements refused for deadline, mode or standing fault"
                ),
            ),
        ),
        Message(
            name="FaultReport",
            id=0x84,
            doc="One fault with its value, when it is found and with every heartbeat while it stands.",
            fields=(
                Field(
                    name="board_time_us",
                    kind=Kind.U32,
                    unit="µs",
                    doc="Board clock when found.",
                    reason=_BOARD_TIME_REASON,
                ),
                Field(name="fault", kind=Kind.U8, doc="The one that this report is about.", words=_FAULTS),
                Field(name="value_raw", kind=Kind.I32, doc="What was measured, in the unit that the flag names."),
            ),
        ),
    ),
)
