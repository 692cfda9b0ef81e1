"""The board's end of the protocol, as a function of bytes and time: the emulator's heart, and the model for firmware.

Outputs are commanded in ACTIVE only. In every other mode they rest: work light off, status light by mode, and suction
stays on only where it was on and the pressure says that an item is held. A dropped item is the greater harm, so a
broken pressure sensor counts as holding.
"""

import random
from dataclasses import dataclass

from podhand.drivers.eoat_board.board_time import elapsed_us
from podhand.drivers.eoat_board.plant import SuctionPlant
from podhand.firmware_iface.eoat_board_messages import (
    HEARTBEAT_PERIOD_MS,
    HOST_SILENCE_MS,
    ITEM_HELD_PA,
    ITEM_LOST_MS,
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
    Faults,
    HelloVerdict,
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

_U16 = 0xFFFF
_PRESSURE_RANGE_PA = (-105000, 20000)
_RESTING_LIGHT = {
    Mode.WAITING: StatusLight.YELLOW_BLINKING,
    Mode.READY: StatusLight.YELLOW,
    Mode.SAFE: StatusLight.RED_BLINKING,
}


@dataclass(kw_only=True)
class BoardQuirks:
    """What an emulated board may be made to do wrong."""

    pressure_stuck: bool = False
    """The reading stands still, conversions go on."""
    converter_stopped: bool = False
    """No new conversions; states go on with the old one."""
    sensor_noise_pa: float = 20.0
    clock_ppm: float = 0.0
    """How much the board's clock is fast."""


class Board:
    """One board from power-up on; ``receive`` and ``poll`` must be called with times that never go back."""

    def __init__(
        self,
        plant: SuctionPlant,
        *,
        now_s: float,
        seed: int = 0,
        serial_number: int = 1,
        protocol_version: int = PROTOCOL_VERSION,
        schema_hash: int = SCHEMA_HASH,
    ) -> None:
        self.plant = plant
        self.quirks = BoardQuirks()
        self._random = random.Random(seed)
        self._serial_number, self._protocol_version, self._schema_hash = serial_number, protocol_version, schema_hash
        self._stepped_s = now_s
        self._boot_count = 0
        self.reset(now_s, ResetCause.POWER_ON)

    def reset(self, now_s: float, cause: ResetCause) -> None:
        """Start again: valve off, no session, all counters zero."""
        self._boot_s, self._reset_cause = now_s, cause
        self._boot_count = (self._boot_count + 1) & _U16
        self.mode, self.safe_cause, self._safe_count = Mode.WAITING, SafeCause.NONE, 0
        self.faults: Faults = Faults(0)
        self._fault_reports: dict[Faults, FaultReport] = {}
        self._session = 0
        self._window = SequenceWindow(0)
        self._reader = FrameReader(MESSAGES)
        self._sequence = 0
        self._outbox: list[Message] = []
        self._heard_s = now_s
        self._command: Command | None = None
        self._command_sequence = 0
        self._token: tuple[int, int] = (0, 0)
        self._received = self._rejected_frames = self._rejected_order = self._rejected_commands = 0
        self.valve = Valve.OFF
        self._held_s = now_s
        self._next_state_s = self._next_heartbeat_s = now_s
        self._pressure_pa, self._samples = 0, 0
        self._pressure_status = PressureStatus.OK

    def inject(self, fault: Faults, *, value_raw: int, now_s: float) -> None:
        """Find a fault in the board's hardware."""
        self.faults |= fault
        report = FaultReport(board_time_us=self._board_us(now_s), fault=fault, value_raw=value_raw)
        self._fault_reports[fault] = report
        if self._session:
            self._outbox.append(report)
        self._enter_safe(SafeCause.BOARD_FAULT)

    def mend(self, fault: Faults) -> None:
        """Let a fault be gone; the safe state stays until it is acknowledged."""
        self.faults &= ~fault
        self._fault_reports.pop(fault, None)

    def receive(self, data: bytes, now_s: float) -> None:
        """Take bytes from the line."""
        for found in self._reader.feed(data):
            reject = found if isinstance(found, Reject) else self._take(found, now_s)
            if reject is None:
                self._received = (self._received + 1) & _U16
            elif reject in (Reject.SESSION, Reject.DUPLICATE, Reject.LATE, Reject.DIRECTION):
                self._rejected_order = (self._rejected_order + 1) & _U16
            else:
                self._rejected_frames = (self._rejected_frames + 1) & _U16

    def poll(self, now_s: float) -> list[bytes]:
        """Let time pass; return the frames to send now."""
        self._step_plant(now_s)
        self._judge_host(now_s)
        self._set_valve(now_s)
        if now_s >= self._next_heartbeat_s:
            self._next_heartbeat_s = _next(self._next_heartbeat_s, now_s, HEARTBEAT_PERIOD_MS)
            token, received_us = self._token
            beat = BoardHeartbeat(board_time_us=self._board_us(now_s), host_time_us=token, host_received_us=received_us)
            self._outbox += [beat, *(self._fault_reports.values() if self._session else ())]
        if now_s >= self._next_state_s:
            self._next_state_s = _next(self._next_state_s, now_s, STATE_PERIOD_MS)
            self._sample()
            if self._session:
                self._outbox.append(self._state(now_s))
        frames = [self._frame(message) for message in self._outbox]
        self._outbox.clear()
        return frames

    def _board_us(self, now_s: float) -> int:
        return round((now_s - self._boot_s) * (1.0 + self.quirks.clock_ppm * 1e-6) * 1e6) & 0xFFFFFFFF

    def _frame(self, message: Message) -> bytes:
        self._sequence = (self._sequence + 1) & _U16
        return encode(Frame(session=self._session, sequence=self._sequence, message=message))

    def _take(self, frame: Frame, now_s: float) -> Reject | None:
        message = frame.message
        if message.ID & 0x80:
            return Reject.DIRECTION
        if isinstance(message, HostHello):
            self._answer_hello(message, frame.sequence, now_s)
            return None
        if not self._session or frame.session != self._session:
            return Reject.SESSION
        reject = self._window.judge(frame.sequence)
        if reject is not None:
            return reject
        self._heard_s = now_s
        match message:
            case Command():
                self._take_command(message, frame.sequence, now_s)
            case HostHeartbeat():
                self._token = (message.host_time_us, self._board_us(now_s))
            case StandDown():
                self._stand_down(message)
            case Acknowledge():
                self._acknowledge(message)
        return None

    def _answer_hello(self, hello: HostHello, sequence: int, now_s: float) -> None:
        verdict = HelloVerdict.ACCEPTED
        if hello.protocol_version != self._protocol_version:
            verdict = HelloVerdict.OTHER_VERSION
        elif hello.schema_hash != self._schema_hash:
            verdict = HelloVerdict.OTHER_SCHEMA
        elif hello.session != self._session:
            self._open(hello.session, sequence, now_s)
        self._outbox.append(
            BoardHello(
                protocol_version=self._protocol_version,
                schema_hash=self._schema_hash,
                session=hello.session,
                verdict=verdict,
                board_time_us=self._board_us(now_s),
                serial_number=self._serial_number,
                firmware_major=1,
                firmware_minor=0,
                boot_count=self._boot_count,
                reset_cause=self._reset_cause,
            )
        )

    def _open(self, session: int, sequence: int, now_s: float) -> None:
        if self.mode is Mode.ACTIVE:
            self._enter_safe(SafeCause.NEW_SESSION)
        self._session, self._window, self._heard_s, self._token = session, SequenceWindow(sequence), now_s, (0, 0)
        if self.mode is Mode.WAITING:
            self.mode = Mode.READY

    def _take_command(self, command: Command, sequence: int, now_s: float) -> None:
        ahead_us = elapsed_us(self._board_us(now_s), command.deadline_us)
        if self.mode not in (Mode.READY, Mode.ACTIVE) or not 0 < ahead_us <= MAX_COMMAND_LIFE_MS * 1000:
            self._rejected_commands = (self._rejected_commands + 1) & _U16
            return
        self._command, self._command_sequence, self.mode = command, sequence, Mode.ACTIVE

    def _stand_down(self, message: StandDown) -> None:
        if message.reason is not StandDownReason.FINISHED:
            self._enter_safe(SafeCause.HOST_REQUEST)
        elif self.mode is Mode.ACTIVE:
            self.mode = Mode.READY

    def _acknowledge(self, message: Acknowledge) -> None:
        if self.mode is not Mode.SAFE:  # said again because our answer was lost
            return
        if message.safe_count != self._safe_count or self.faults:
            self._rejected_commands = (self._rejected_commands + 1) & _U16
            return
        self.mode, self.safe_cause = Mode.READY, SafeCause.NONE

    def _enter_safe(self, cause: SafeCause) -> None:
        if self.mode is Mode.SAFE:
            return
        self.mode, self.safe_cause = Mode.SAFE, cause
        self._safe_count = (self._safe_count + 1) & _U16

    def _judge_host(self, now_s: float) -> None:
        if self._session and now_s - self._heard_s > HOST_SILENCE_MS * 1e-3:
            if self.mode is Mode.ACTIVE:
                self._enter_safe(SafeCause.HOST_SILENT)
            elif self.mode is Mode.READY:
                self.mode = Mode.WAITING
            self._session = 0
        if self.mode is Mode.ACTIVE and self._command is not None:
            if elapsed_us(self._board_us(now_s), self._command.deadline_us) <= 0:
                self._enter_safe(SafeCause.COMMAND_EXPIRED)

    def _set_valve(self, now_s: float) -> None:
        if self.mode is Mode.ACTIVE and self._command is not None:
            self.valve = Valve(self._command.valve)
            self._held_s = now_s
            return
        if self._pressure_status is PressureStatus.BROKEN or self._pressure_pa < ITEM_HELD_PA:
            self._held_s = now_s
        if now_s - self._held_s > ITEM_LOST_MS * 1e-3:
            self.valve = Valve.OFF

    def _step_plant(self, now_s: float) -> None:
        self.plant.step(now_s - self._stepped_s, suction=self.valve is Valve.SUCTION)
        self._stepped_s = now_s

    def _sample(self) -> None:
        if self.quirks.converter_stopped:
            return
        self._samples = (self._samples + 1) & _U16
        if Faults.PRESSURE_SENSOR in self.faults:
            self._pressure_status = PressureStatus.BROKEN
            return
        if self.quirks.pressure_stuck:
            return
        least, most = _PRESSURE_RANGE_PA
        raw = round(-self.plant.vacuum_pa + self._random.gauss(0.0, self.quirks.sensor_noise_pa))
        self._pressure_pa = min(max(raw, least), most)
        self._pressure_status = PressureStatus.OK if least < raw < most else PressureStatus.SATURATED

    def _state(self, now_s: float) -> State:
        command = self._command if self.mode is Mode.ACTIVE else None
        return State(
            board_time_us=self._board_us(now_s),
            vacuum_pressure_pa=self._pressure_pa,
            pressure_samples=self._samples,
            pressure_status=self._pressure_status,
            switches=Switches(self.plant.switches),
            valve=self.valve,
            status_light=command.status_light if command else _RESTING_LIGHT[self.mode],
            work_light_percent=command.work_light_percent if command else 0,
            mode=self.mode,
            safe_cause=self.safe_cause,
            safe_count=self._safe_count,
            faults=self.faults,
            command_sequence=self._command_sequence,
            received=self._received,
            rejected_frames=self._rejected_frames,
            rejected_order=self._rejected_order,
            rejected_commands=self._rejected_commands,
        )


def _next(due_s: float, now_s: float, period_ms: int) -> float:
    """Return when something periodic is due again: on its grid, or from now when more than a period was missed."""
    period_s = period_ms * 1e-3
    return due_s + period_s if now_s - due_s < period_s else now_s + period_s
