"""The host's end of the protocol, as a function of bytes and time: session, validity of readings, faults.

A fault latches: commands stop, the board is told to stand down, readings come back as soon as there is a session again,
commands only after ``acknowledge``.
"""

import math
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from podhand.core.errors import LimitError, StateError
from podhand.core.ports import Reading
from podhand.drivers.eoat_board.board_time import BoardTime
from podhand.firmware_iface.eoat_board_messages import (
    BOARD_SILENCE_MS,
    HEARTBEAT_PERIOD_MS,
    MAX_COMMAND_LIFE_MS,
    MESSAGES,
    PROTOCOL_VERSION,
    SCHEMA_HASH,
    STATE_PERIOD_MS,
    Acknowledge,
    BoardHeartbeat,
    BoardHello,
    Command,
    FaultReport,
    HostHeartbeat,
    HostHello,
    Mode,
    PressureStatus,
    ResetCause,
    SafeCause,
    StandDown,
    StandDownReason,
    State,
    StatusLight,
    Switches,
    Valve,
)
from podhand.firmware_iface.framing import Frame, FrameReader, Reject, SequenceWindow, encode
from podhand.firmware_iface.messages import Message

STALE_S = 3 * STATE_PERIOD_MS * 1e-3
"""A reading older than three of the board's own periods is not valid."""
MIN_COMMAND_LIFE_S = 0.04
MAX_COMMAND_LIFE_S = MAX_COMMAND_LIFE_MS * 1e-3
_HELLO_PERIOD_S = 0.1
"""An answer that takes longer belongs to a line too slow to use."""
_REPEAT_S = 0.02
_HEARTBEAT_S = HEARTBEAT_PERIOD_MS * 1e-3
_SILENCE_S = BOARD_SILENCE_MS * 1e-3
_ANSWER_S = 0.25
"""Commands and acknowledgements that the board has not taken by then have failed."""
_ROUND_TRIP_S = 0.05
"""States older than a request and this may not know of it yet."""
_STUCK_STATES = 50
"""Equal readings in a row that make a sensor stuck: noise of 1 Pa alone would do that once in 10^26 states."""
_KEPT_EVENTS = 100
_STUCK_WORDS = "pressure reading stands still"
_CAUSE_WORDS = {
    SafeCause.NONE: "no cause given",
    SafeCause.HOST_SILENT: "it heard nothing from this host",
    SafeCause.COMMAND_EXPIRED: "a command ran out and was not renewed",
    SafeCause.HOST_REQUEST: "this host asked for it",
    SafeCause.NEW_SESSION: "another session was opened while a command was in force",
    SafeCause.BOARD_FAULT: "a fault in the board's own hardware",
}
_RESET_WORDS = {
    ResetCause.POWER_ON: "power was off",
    ResetCause.BROWN_OUT: "the supply fell too low",
    ResetCause.WATCHDOG: "its firmware hung",
    ResetCause.SOFTWARE: "its firmware restarted",
}


class LinkState(StrEnum):
    """Where the conversation stands."""

    CONNECTING = "connecting"
    """No session; the host asks for one again and again."""
    READY = "ready"
    """Session open, no command in force."""
    ACTIVE = "active"
    """A command is in force and renewed on the line until its life ends."""
    FAULTED = "faulted"
    """A cause is latched: no commands until ``acknowledge``. Readings may be valid."""
    REFUSED = "refused"
    """The board speaks another version: no session, no readings."""


class FaultCause(StrEnum):
    """What ended the use of the board."""

    BOARD_SILENT = "board silent"
    BOARD_RESET = "board restarted"
    SESSION_LOST = "session lost"
    BOARD_SAFE = "board in its safe state"
    COMMAND_EXPIRED = "command not renewed"
    COMMAND_IGNORED = "command not taken"
    PRESSURE_STUCK = "pressure reading stuck"
    PORT_LOST = "serial port lost"
    OPERATOR = "stopped by operator"


@dataclass(frozen=True, kw_only=True)
class LinkFault:
    """A latched cause, in words for a person."""

    cause: FaultCause
    text: str
    at_s: float


@dataclass(frozen=True, kw_only=True)
class _InForce:
    """A command with its end by our clock."""

    message: Command
    issued_s: float
    until_s: float
    first_sequence: int


class HostLink:
    """The host's end. Times must never go back; not thread-safe.

    Args:
        now_s: start.
        new_session: gives session numbers in 1 … 65535, not the same twice in a row.
    """

    def __init__(self, *, now_s: float, new_session: Callable[[], int]) -> None:
        self._new_session = new_session
        self._reader = FrameReader(MESSAGES)
        self._sequence = 0
        self._session = 0
        self._asked: tuple[int, float] | None = None
        self._next_hello_s = now_s
        self._refusal = ""
        self.fault: LinkFault | None = None
        self.events: deque[tuple[float, str]] = deque(maxlen=_KEPT_EVENTS)
        """The last causes and changes of session with their times, oldest first."""
        self.rejects: Counter[Reject] = Counter()
        """Frames not taken, by reason."""
        self.received = 0
        """Frames taken."""
        self.sessions = 0
        """Sessions opened so far."""
        self._lost_before = 0
        self._window = SequenceWindow(0)
        self.identity: BoardHello | None = None
        """Who answered last."""
        self.board_state: State | None = None
        """The newest state; old when there is no session."""
        self._time: BoardTime | None = None
        self._tokens: dict[int, float] = {}
        self._heard_s = now_s
        self._next_heartbeat_s = now_s
        self._beacons = 0
        """Sessionless heartbeats since the last frame of the session."""
        self._command: _InForce | None = None
        self._next_command_s = now_s
        self._standing_down: tuple[StandDownReason, float] | None = None
        self._acknowledging: tuple[int, float] | None = None
        self._next_request_s = now_s
        self._pressure_pa, self._pressure_at_s, self._pressure_why = math.nan, -math.inf, "never measured"
        self._equal_states = 0
        self._state_at_s = -math.inf
        self._reports: set[int] = set()

    @property
    def state(self) -> LinkState:
        """Where the conversation stands."""
        if self._refusal:
            return LinkState.REFUSED
        if self.fault is not None:
            return LinkState.FAULTED
        if not self._session:
            return LinkState.CONNECTING
        return LinkState.ACTIVE if self._command else LinkState.READY

    @property
    def connected(self) -> bool:
        """True while a session is open, faulted or not."""
        return self._session != 0

    @property
    def standing_down(self) -> bool:
        """True until the board has confirmed that it no longer follows a command."""
        return self._session != 0 and self._standing_down is not None

    @property
    def why_not(self) -> str:
        """Why no command is taken now, with the next action; empty when one is."""
        if self._refusal:
            return self._refusal
        if self.fault is not None:
            return f"{self.fault.cause}: {self.fault.text}; acknowledge() resumes"
        return "" if self._session else "no answer from the board yet: look at its power and cable"

    @property
    def lost(self) -> int:
        """Frames of the board that never came."""
        return self._lost_before + self._window.lost

    def vacuum_pressure(self, now_s: float) -> Reading:
        """Return the gauge pressure [Pa]; invalid without session, when stale, stuck, saturated or broken."""
        age_s = max(now_s - self._pressure_at_s, 0.0)
        why = self._why_no_session() or self._pressure_why or _why_old(age_s)
        return Reading(value=self._pressure_pa, age_s=age_s, valid=not why, why_not=why)

    def switch(self, which: Switches, now_s: float) -> Reading:
        """Return one limit switch, 1 when tripped; both ends of the plunger at once are not possible, so not valid."""
        age_s = max(now_s - self._state_at_s, 0.0)
        tripped = self.board_state.switches if self.board_state else None
        why = self._why_no_session() or _why_old(age_s)
        ends = Switches.CUP_EXTENDED | Switches.CUP_COMPRESSED
        if not why and tripped is not None and tripped & ends == ends and which in ends:
            why = "both ends of the plunger at once: look at the wires of its switches"
        value = math.nan if tripped is None else float(which in tripped)
        return Reading(value=value, age_s=age_s, valid=not why, why_not=why)

    def command(
        self, *, suction: bool, life_s: float, status_light: StatusLight, work_light_percent: int, now_s: float
    ) -> None:
        """Put a command in force until ``life_s`` from now; it is repeated on the line, and replaces the one before.

        Raises:
            StateError: no session, or a fault waits for ``acknowledge``; nothing was sent.
            LimitError: ``life_s`` or ``work_light_percent`` is outside its range; nothing was sent.
        """
        if self.why_not or self._time is None:
            raise StateError(f"end-of-arm board takes no command: {self.why_not}")
        if not MIN_COMMAND_LIFE_S <= life_s <= MAX_COMMAND_LIFE_S:
            raise LimitError(
                f"life_s of a command must be in {MIN_COMMAND_LIFE_S} … {MAX_COMMAND_LIFE_S} s (got {life_s}); "
                "renew it more often than that"
            )
        message = Command(
            deadline_us=self._time.earliest_board_us(now_s + life_s),
            valve=Valve.SUCTION if suction else Valve.OFF,
            status_light=status_light,
            work_light_percent=work_light_percent,
        )
        message.pack()  # refuse here what cannot be sent
        before = self._command
        taken = before is not None and self._is_taken(before)
        first = self._next_sequence() if before is None or taken else before.first_sequence
        issued_s = now_s if before is None or taken else before.issued_s
        self._command = _InForce(message=message, issued_s=issued_s, until_s=now_s + life_s, first_sequence=first)
        self._standing_down = None
        self._next_command_s = now_s

    def stand_down(self, now_s: float, reason: StandDownReason = StandDownReason.FINISHED) -> None:
        """Take the command back. FINISHED leaves nothing latched; other reasons ask for the board's safe state."""
        if reason is not StandDownReason.FINISHED:
            self._fail(FaultCause.OPERATOR, "the safe state was asked for", now_s)
        self._command = None
        self._standing_down = (reason, now_s)
        self._next_request_s = now_s

    def acknowledge(self, now_s: float) -> None:
        """A person has seen the cause: resume. Ends when ``state`` is READY; the board may take a moment to agree.

        Raises StateError when there is no session to resume, or a fault of the board still stands; nothing has changed.
        """
        if self._refusal:
            self._refusal = ""
            self._next_hello_s = now_s
            return
        if self.fault is None:
            return
        if not self._session or self.board_state is None:
            raise StateError(f"{self.fault.text}: nothing to resume yet, the board does not answer")
        if self.board_state.faults:
            raise StateError(f"the board still reports {self.board_state.faults.name}: mend that first")
        if self.vacuum_pressure(now_s).why_not == _STUCK_WORDS:
            raise StateError(f"{_STUCK_WORDS}: mend that first")
        if self.board_state.mode is Mode.ACTIVE:
            raise StateError("the board has not stood down yet: try again in a moment")
        self._standing_down = None
        self._acknowledging = (self.board_state.safe_count, now_s + _ANSWER_S)
        self._next_request_s = now_s

    def port_lost(self, text: str, now_s: float) -> None:
        """Say that the serial port is gone."""
        self._close()
        self._fail(FaultCause.PORT_LOST, text, now_s)

    def receive(self, data: bytes, now_s: float) -> None:
        """Take bytes that have arrived by now."""
        for found in self._reader.feed(data):
            reject = found if isinstance(found, Reject) else self._take(found, now_s)
            if reject is None:
                self.received += 1
            else:
                self.rejects[reject] += 1

    def poll(self, now_s: float) -> bytes:
        """Let time pass; return what to send. Give ``receive`` all that has arrived first."""
        self._judge(now_s)
        due: list[Message] = []
        if not self._session:
            if not self._refusal and now_s >= self._next_hello_s:
                self._next_hello_s = now_s + _HELLO_PERIOD_S
                due.append(self._hello(now_s))
        else:
            if now_s >= self._next_heartbeat_s:
                self._next_heartbeat_s = now_s + _HEARTBEAT_S
                due.append(self._heartbeat(now_s))
            due += self._requests(now_s)
            if self._command is not None and now_s >= self._next_command_s:
                self._next_command_s = now_s + _REPEAT_S
                due.append(self._command.message)
        return b"".join(self._frame(message) for message in due)

    def _next_sequence(self) -> int:
        return (self._sequence + 1) & 0xFFFF

    def _frame(self, message: Message) -> bytes:
        self._sequence = self._next_sequence()
        session = 0 if isinstance(message, HostHello) else self._session
        return encode(Frame(session=session, sequence=self._sequence, message=message))

    def _hello(self, now_s: float) -> HostHello:
        session = self._new_session()
        self._asked = (session, now_s)
        return HostHello(protocol_version=PROTOCOL_VERSION, schema_hash=SCHEMA_HASH, session=session)

    def _heartbeat(self, now_s: float) -> HostHeartbeat:
        token = round(now_s * 1e6) & 0xFFFFFFFF
        self._tokens[token] = now_s
        while len(self._tokens) > 16:
            self._tokens.pop(next(iter(self._tokens)))
        return HostHeartbeat(host_time_us=token)

    def _requests(self, now_s: float) -> list[Message]:
        """Repeat what the board must have taken, until its state shows that it has."""
        if now_s < self._next_request_s:
            return []
        self._next_request_s = now_s + _REPEAT_S
        if self._acknowledging is not None:
            return [Acknowledge(safe_count=self._acknowledging[0])]
        return [] if self._standing_down is None else [StandDown(reason=self._standing_down[0])]

    def _judge(self, now_s: float) -> None:
        if self._session and now_s - self._heard_s > _SILENCE_S:
            self._close()
            if self._beacons:
                text = "the board has no session any more: it restarted, or the host's sending wire is cut"
                self._fail(FaultCause.SESSION_LOST, text, now_s)
            else:
                text = f"nothing heard for {_SILENCE_S} s: look at its power and cable"
                self._fail(FaultCause.BOARD_SILENT, text, now_s)
        if self._command is not None:
            if now_s >= self._command.until_s:
                self._fail(FaultCause.COMMAND_EXPIRED, "the program that commands the valve did not renew it", now_s)
            elif not self._is_taken(self._command) and now_s - self._command.issued_s > _ANSWER_S:
                text = f"the board answers but took no command for {_ANSWER_S} s: look at the host's sending wire"
                self._fail(FaultCause.COMMAND_IGNORED, text, now_s)
        if self._acknowledging is not None and now_s >= self._acknowledging[1]:
            self._acknowledging = None
            self._note("the board did not take the acknowledgement", now_s)

    def _is_taken(self, command: _InForce) -> bool:
        state = self.board_state
        if state is None or state.mode is not Mode.ACTIVE:
            return False
        return (state.command_sequence - command.first_sequence) & 0xFFFF < 0x8000

    def _take(self, frame: Frame, now_s: float) -> Reject | None:
        message = frame.message
        if not message.ID & 0x80:
            return Reject.DIRECTION
        if isinstance(message, BoardHello):
            return self._take_hello(message, frame, now_s)
        if frame.session == 0 and isinstance(message, BoardHeartbeat):
            self._beacons += 1
            return None
        if not self._session or frame.session != self._session:
            return Reject.SESSION
        reject = self._window.judge(frame.sequence)
        if reject is not None:
            return reject
        self._heard_s, self._beacons = now_s, 0
        match message:
            case State():
                self._take_state(message, now_s)
            case BoardHeartbeat():
                self._take_heartbeat(message, now_s)
            case FaultReport():
                self._take_report(message, now_s)
        return None

    def _take_hello(self, hello: BoardHello, frame: Frame, now_s: float) -> Reject | None:
        if self._asked is None or hello.session != self._asked[0]:
            return Reject.SESSION
        sent_s, self._asked = self._asked[1], None
        if (hello.protocol_version, hello.schema_hash) != (PROTOCOL_VERSION, SCHEMA_HASH) or hello.verdict != 0:
            self._refusal = (
                f"board {hello.serial_number} speaks protocol version {hello.protocol_version} "
                f"(schema {hello.schema_hash:08X}), this host {PROTOCOL_VERSION} (schema {SCHEMA_HASH:08X}): "
                "update the one that is older, then acknowledge()"
            )
            self._note(self._refusal, now_s)
            return None
        before, self.identity = self.identity, hello
        self._session = hello.session
        self.sessions += 1
        self._lost_before += self._window.lost
        self._window = SequenceWindow(frame.sequence)
        self._time = BoardTime(sent_s=sent_s, received_s=now_s, board_us=hello.board_time_us)
        self._tokens.clear()
        self._heard_s = self._next_heartbeat_s = now_s
        self._beacons = self._equal_states = 0
        self._reports.clear()
        self.board_state = None
        self._note(f"session opened with board {hello.serial_number}", now_s)
        if before is not None and (before.serial_number, before.boot_count) != (hello.serial_number, hello.boot_count):
            other = f"board {before.serial_number} was changed for {hello.serial_number}"
            same = before.serial_number == hello.serial_number
            text = f"{_RESET_WORDS[hello.reset_cause]} (start {hello.boot_count}); the valve is off" if same else other
            self.fault = None  # the restart explains the silence before it
            self._fail(FaultCause.BOARD_RESET, text, now_s)
        return None

    def _take_heartbeat(self, beat: BoardHeartbeat, now_s: float) -> None:
        sent_s = self._tokens.pop(beat.host_time_us, None)
        if sent_s is None or self._time is None:
            return
        held_us = (beat.board_time_us - beat.host_received_us) & 0xFFFFFFFF
        self._time.note(sent_s=sent_s, received_s=now_s - held_us * 1e-6, board_us=beat.host_received_us)

    def _take_state(self, state: State, now_s: float) -> None:
        assert self._time is not None  # opened with the session
        before, self.board_state = self.board_state, state
        self._state_at_s = min(self._time.earliest_s(state.board_time_us), now_s)
        self._take_pressure(before, state, now_s)
        if state.mode is Mode.SAFE and self.fault is None:
            cause = _CAUSE_WORDS[state.safe_cause]
            named = f" ({state.faults.name})" if state.faults else ""
            self._fail(FaultCause.BOARD_SAFE, f"{cause}{named}", now_s)
        if self._standing_down is not None and state.mode is not Mode.ACTIVE:
            if self._state_at_s > self._standing_down[1] + _ROUND_TRIP_S:
                self._standing_down = None
        if self._acknowledging is not None and state.mode is Mode.READY:
            self._acknowledging = None
            self.fault = None
            self._note("acknowledged", now_s)

    def _take_pressure(self, before: State | None, state: State, now_s: float) -> None:
        if state.pressure_status is not PressureStatus.OK:
            self._pressure_why = f"pressure sensor {state.pressure_status.name.lower()}"
            return
        if before is not None and state.pressure_samples == before.pressure_samples:
            return  # nothing new was measured: the old value grows old
        equal = before is not None and state.vacuum_pressure_pa == before.vacuum_pressure_pa
        self._equal_states = self._equal_states + 1 if equal else 0
        if self._equal_states >= _STUCK_STATES:
            self._pressure_why = _STUCK_WORDS
            self._fail(FaultCause.PRESSURE_STUCK, f"at {state.vacuum_pressure_pa} Pa: look at the sensor", now_s)
            return
        self._pressure_pa, self._pressure_at_s = float(state.vacuum_pressure_pa), self._state_at_s
        self._pressure_why = ""

    def _take_report(self, report: FaultReport, now_s: float) -> None:
        if report.fault in self._reports:
            return
        self._reports.add(report.fault)
        self._note(f"the board reports {report.fault.name} (raw value {report.value_raw})", now_s)

    def _why_no_session(self) -> str:
        return self._refusal or ("" if self._session else "no session with the board")

    def _fail(self, cause: FaultCause, text: str, now_s: float) -> None:
        """Latch the first cause; whatever is in force ends."""
        if self.fault is not None:
            return
        self.fault = LinkFault(cause=cause, text=text, at_s=now_s)
        self._note(f"{cause}: {text}", now_s)
        self._command = None
        self._standing_down = (StandDownReason.HOST_FAULT, now_s)
        self._next_request_s = now_s

    def _close(self) -> None:
        self._session, self._asked, self._command = 0, None, None
        self._acknowledging, self._standing_down = None, None
        self._reader.forget()

    def _note(self, text: str, now_s: float) -> None:
        self.events.append((now_s, text))


def _why_old(age_s: float) -> str:
    return f"{age_s * 1e3:.0f} ms old, allowed {STALE_S * 1e3:.0f}" if age_s > STALE_S else ""
