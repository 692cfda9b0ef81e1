"""Both ends of the end-of-arm board on a virtual clock: sessions, validity, safe state, every fault."""

import math
import os
import random
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from podhand.core.errors import LimitError, StateError
from podhand.drivers.eoat_board.link import STALE_S, FaultCause, HostLink, LinkState
from podhand.firmware_iface.eoat_board_messages import (
    BOARD_SILENCE_MS,
    HOST_SILENCE_MS,
    ITEM_LOST_MS,
    MESSAGES,
    PROTOCOL_VERSION,
    SCHEMA_HASH,
    Acknowledge,
    BoardHello,
    Command,
    Faults,
    HelloVerdict,
    HostHello,
    Mode,
    ResetCause,
    SafeCause,
    StandDownReason,
    StatusLight,
    Switches,
    Valve,
)
from podhand.firmware_iface.framing import Frame, FrameReader, Reject, encode
from tests.protocol.eoat_rig import Renewal, Rig

pytestmark = pytest.mark.eoat
SLACK_S = 0.012
"""One state period and the way of its frame."""


def states(rig: Rig) -> int:
    assert rig.link.board_state is not None
    return rig.link.board_state.pressure_samples


# When all is well -----------------------------------------------------------------------------------------------------


def test_pressure_comes_at_100_hz_or_more() -> None:
    rig = Rig().ready()
    before = states(rig)
    rig.run(1.0)
    assert states(rig) - before >= 100


def test_suction_holds_an_item_and_says_so() -> None:
    rig = Rig().holding()
    rig.run(0.5)
    assert rig.link.state is LinkState.ACTIVE
    reading = rig.pressure
    assert reading.valid and reading.age_s < STALE_S
    assert reading.value == pytest.approx(-rig.plant.vacuum_pa, abs=200.0)
    assert reading.value < -70e3
    rig.plant.part()
    rig.run(0.2)
    assert -10e3 < rig.pressure.value < -3e3, "an open cup draws a little"


def test_age_is_never_told_too_young() -> None:
    rig = Rig().ready()
    for delay_s in (0.0, 0.005, 0.01):
        rig.to_host.faults.delay_s = delay_s
        rig.run(1.0)
        for _ in range(50):
            rig.step()
            state = rig.link.board_state
            assert state is not None
            sampled_s = 1000.0 + state.board_time_us * 1e-6
            assert rig.pressure.age_s >= rig.now_s - sampled_s - 1e-6


def test_a_short_life_is_enough_when_it_is_renewed() -> None:
    """The clocks are known well enough that no deadline comes early by much."""
    rig = Rig().ready()
    rig.renewal = Renewal(suction=True, life_s=0.04, every_s=0.02, next_s=rig.now_s)
    rig.run(3.0)
    assert rig.link.state is LinkState.ACTIVE and rig.mode() is Mode.ACTIVE


def test_orderly_end_latches_nothing() -> None:
    rig = Rig().holding()
    rig.stand_down()
    rig.until(lambda: rig.mode() is Mode.READY, within_s=0.1)
    rig.run(1.0)
    assert rig.link.state is LinkState.READY and rig.link.fault is None
    assert rig.valve() == Valve.SUCTION, "an item is held: it is not dropped"
    rig.plant.part()
    rig.run(0.3)
    assert rig.valve() == Valve.OFF, "nothing is held any more"


def test_stand_down_survives_lost_frames_and_a_command_under_way() -> None:
    rig = Rig().ready()
    rig.to_board.faults.delay_s = 0.02
    rig.command(True)
    rig.step()
    rig.stand_down()
    rig.to_board.faults.lost = 1.0
    rig.run(0.03)
    assert rig.mode() is Mode.ACTIVE, "states from before it was so have arrived meanwhile"
    rig.to_board.faults = type(rig.to_board.faults)()
    rig.run(1.0)
    assert rig.mode() is Mode.READY and rig.link.fault is None


def test_lights_are_commanded_in_active_only() -> None:
    rig = Rig()
    seen = []
    rig.ready()
    for _ in range(2):
        assert rig.link.board_state is not None
        seen.append((rig.link.board_state.status_light, rig.link.board_state.work_light_percent))
        rig.command(False, light=StatusLight.GREEN)
        rig.run(0.05)
    assert seen == [(StatusLight.YELLOW, 0), (StatusLight.GREEN, 50)]
    rig.run(0.5)
    resting = rig.link.board_state
    assert resting is not None and resting.mode is Mode.SAFE
    assert (resting.status_light, resting.work_light_percent) == (StatusLight.RED_BLINKING, 0)


def clean(rig: Rig, states_wanted: int) -> None:
    """Renew, switch, hold and let go in turns, over states_wanted states; nothing may trip."""
    rig.ready()
    turn = 0
    while rig.link.received < states_wanted:
        rig.renewal = Renewal(suction=turn % 2 == 0, next_s=rig.now_s)
        rig.plant.touch() if turn % 4 < 2 else rig.plant.part()
        rig.run(1.0)
        turn += 1
        assert rig.pressure.valid
    assert rig.link.fault is None and not rig.link.rejects and rig.link.lost == 0 and rig.link.sessions == 1
    state = rig.link.board_state
    assert state is not None
    assert (state.rejected_frames, state.rejected_order, state.rejected_commands, state.safe_count) == (0, 0, 0, 0)


@pytest.mark.parametrize("clock_ppm", [-200.0, 0.0, 200.0])
def test_no_false_trip(clock_ppm: float) -> None:
    rig = Rig(seed=7)
    rig.board.quirks.clock_ppm = clock_ppm
    clean(rig, 8_000)


@pytest.mark.soak
@pytest.mark.skipif("PODHAND_SOAK" not in os.environ, reason="minutes long; `make nightly` runs it")
def test_no_false_trip_in_a_million_states() -> None:
    """More than two wraps of the board's 32-bit clock."""
    clean(Rig(seed=8), 1_170_000)


def test_board_clock_may_wrap() -> None:
    rig = Rig()
    rig.board._boot_s -= 2**32 * 1e-6 - 3.0  # three seconds before the wrap
    rig.holding()
    rig.run(6.0)
    assert rig.link.state is LinkState.ACTIVE and rig.pressure.valid


# What is not sent -----------------------------------------------------------------------------------------------------


def test_nothing_is_commanded_before_a_session() -> None:
    rig = Rig()
    with pytest.raises(StateError, match="no answer from the board yet"):
        rig.command(True)
    assert math.isnan(rig.pressure.value) and not rig.pressure.valid and rig.pressure.age_s == math.inf


@pytest.mark.parametrize("life_s", [0.0, 0.039, 0.501, math.inf, math.nan])
def test_life_of_a_command_has_bounds(life_s: float) -> None:
    rig = Rig().ready()
    with pytest.raises(LimitError, match=r"must be in 0.04 … 0.5 s"):
        rig.command(True, life_s=life_s)
    assert rig.link.state is LinkState.READY


@pytest.mark.parametrize(
    ("version", "schema"), [(PROTOCOL_VERSION + 1, SCHEMA_HASH), (PROTOCOL_VERSION, SCHEMA_HASH ^ 1)]
)
def test_other_version_is_refused(version: int, schema: int) -> None:
    rig = Rig(protocol_version=version, schema_hash=schema)
    rig.run(1.0)
    assert rig.link.state is LinkState.REFUSED
    assert f"version {version} (schema {schema:08X})" in rig.link.why_not and "update" in rig.link.why_not
    assert rig.mode() is Mode.WAITING and not rig.pressure.valid
    with pytest.raises(StateError, match="speaks protocol version"):
        rig.command(True)


@pytest.mark.parametrize(("version", "verdict"), [(PROTOCOL_VERSION + 1, HelloVerdict.ACCEPTED),
                                                  (PROTOCOL_VERSION, HelloVerdict.OTHER_SCHEMA)])  # fmt: skip
def test_each_end_can_refuse_on_its_own(version: int, verdict: HelloVerdict) -> None:
    asked = FrameReader(MESSAGES)
    link = HostLink(now_s=0.0, new_session=lambda: 77)
    (hello,) = asked.feed(link.poll(0.0))
    assert isinstance(hello, Frame) and isinstance(hello.message, HostHello)
    answer = BoardHello(
        protocol_version=version, schema_hash=SCHEMA_HASH, session=77, verdict=verdict, board_time_us=0,
        serial_number=5, firmware_major=1, firmware_minor=0, boot_count=1, reset_cause=ResetCause.POWER_ON,
    )  # fmt: skip
    link.receive(encode(Frame(session=0, sequence=1, message=answer)), 0.01)
    assert link.state is LinkState.REFUSED and not link.connected
    assert link.poll(5.0) == b"", "a refused board is left alone until a person has acted"
    link.acknowledge(5.0)
    assert link.poll(5.0)


# Faults: each has one defined end -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    name: str
    break_it: Callable[[Rig], None]
    cause: FaultCause
    within_s: float
    board: tuple[Mode, SafeCause] | None
    mend: Callable[[Rig], None]
    invalid: bool = True
    valve: Valve = Valve.SUCTION


def silence(rig: Rig) -> None:
    rig.to_host.faults.silent = rig.to_board.faults.silent = True


def deaf_host(rig: Rig) -> None:
    rig.to_host.faults.silent = True


def deaf_board(rig: Rig) -> None:
    rig.to_board.faults.silent = True


def line_back(rig: Rig) -> None:
    rig.to_host.faults.silent = rig.to_board.faults.silent = False
    rig.to_host.faults.delay_s = rig.to_board.faults.delay_s = 0.0
    rig.to_host.faults.flipped_bit = rig.to_board.faults.flipped_bit = 0.0
    rig.to_host.faults.garbage = rig.to_host.faults.lost_byte = rig.to_host.faults.late = 0.0


def restart(rig: Rig) -> None:
    rig.board.reset(rig.now_s, ResetCause.WATCHDOG)


def hang(rig: Rig) -> None:
    rig.board_runs = False


def restart_after_hang(rig: Rig) -> None:
    rig.board_runs = True
    restart(rig)


def corrupt(rig: Rig) -> None:
    rig.to_host.faults.flipped_bit = 1.0


def shorten(rig: Rig) -> None:
    rig.to_host.faults.lost_byte = 1.0


def stick(rig: Rig) -> None:
    rig.board.quirks.pressure_stuck = True


def loosen(rig: Rig) -> None:
    rig.board.quirks.pressure_stuck = False


def break_sensor(rig: Rig) -> None:
    rig.board.inject(Faults.PRESSURE_SENSOR, value_raw=4095, now_s=rig.now_s)


def mend_sensor(rig: Rig) -> None:
    rig.board.mend(Faults.PRESSURE_SENSOR)


def starve(rig: Rig) -> None:
    rig.board.inject(Faults.SUPPLY_LOW, value_raw=19500, now_s=rig.now_s)


def feed(rig: Rig) -> None:
    rig.board.mend(Faults.SUPPLY_LOW)


def forget_to_renew(rig: Rig) -> None:
    rig.renewal = None


def nothing(rig: Rig) -> None:
    pass


def operator(rig: Rig) -> None:
    rig.stand_down(StandDownReason.OPERATOR)


def other_host(rig: Rig) -> None:
    """A second program on the same line opens its own session."""
    hello = HostHello(protocol_version=PROTOCOL_VERSION, schema_hash=SCHEMA_HASH, session=1)
    rig.to_board.send(encode(Frame(session=0, sequence=1, message=hello)), rig.now_s)


SILENT_S = BOARD_SILENCE_MS * 1e-3 + SLACK_S
CASES = [
    Case("silence", silence, FaultCause.BOARD_SILENT, SILENT_S, (Mode.SAFE, SafeCause.COMMAND_EXPIRED), line_back),
    Case("host hears nothing", deaf_host, FaultCause.BOARD_SILENT, SILENT_S, (Mode.SAFE, SafeCause.NEW_SESSION),
         line_back),
    Case("board hears nothing", deaf_board, FaultCause.BOARD_SAFE, 0.3, (Mode.SAFE, SafeCause.COMMAND_EXPIRED),
         line_back, invalid=False),
    Case("every frame damaged", corrupt, FaultCause.BOARD_SILENT, SILENT_S, (Mode.SAFE, SafeCause.NEW_SESSION),
         line_back),
    Case("every frame short", shorten, FaultCause.BOARD_SILENT, SILENT_S, (Mode.SAFE, SafeCause.NEW_SESSION),
         line_back),
    Case("board hangs", hang, FaultCause.BOARD_SILENT, SILENT_S, None, restart_after_hang),
    Case("board restarts", restart, FaultCause.BOARD_RESET, 0.3, None, nothing, valve=Valve.OFF),
    Case("reading stuck", stick, FaultCause.PRESSURE_STUCK, 0.5, (Mode.SAFE, SafeCause.HOST_REQUEST), loosen),
    Case("sensor broken", break_sensor, FaultCause.BOARD_SAFE, 0.03, (Mode.SAFE, SafeCause.BOARD_FAULT), mend_sensor),
    Case("supply low", starve, FaultCause.BOARD_SAFE, 0.03, (Mode.SAFE, SafeCause.BOARD_FAULT), feed, invalid=False),
    Case("not renewed", forget_to_renew, FaultCause.COMMAND_EXPIRED, 0.3, (Mode.SAFE, SafeCause.COMMAND_EXPIRED),
         nothing, invalid=False),
    Case("operator", operator, FaultCause.OPERATOR, 0.002, (Mode.SAFE, SafeCause.HOST_REQUEST), nothing,
         invalid=False),
    Case("second host", other_host, FaultCause.BOARD_SILENT, 0.2, (Mode.SAFE, SafeCause.NEW_SESSION), nothing),
]  # fmt: skip


@pytest.mark.fault_matrix
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_fault_has_its_defined_end(case: Case) -> None:
    rig = Rig(seed=3).holding()
    last_good_pa = rig.pressure.value
    case.break_it(rig)
    broken_s = rig.now_s
    rig.until(lambda: rig.link.fault is not None and rig.link.fault.cause is case.cause, within_s=case.within_s)
    fault = rig.link.fault
    assert fault is not None and fault.text and broken_s <= fault.at_s <= rig.now_s
    if case.invalid and case.cause is not FaultCause.BOARD_RESET:
        assert not rig.pressure.valid and rig.pressure.why_not
        assert rig.pressure.value == pytest.approx(last_good_pa, rel=0.5) and rig.pressure.value < -30e3, "never zeroed"
    assert rig.link.state is LinkState.FAULTED
    with pytest.raises(StateError, match=r"acknowledge\(\) resumes"):
        rig.command(True)
    rig.run(1.0)
    if case.board is not None:
        rig.until(lambda: rig.mode() is case.board[0], within_s=0.1)  # type: ignore[index]
    assert rig.valve() is case.valve, "what is held is not dropped, except by a restart"
    rig.renewal = Renewal(suction=True, next_s=rig.now_s)
    case.mend(rig)
    rig.run(1.0)
    if case.board is not None:
        assert (rig.mode(), rig.board.safe_cause) == case.board
    assert rig.link.state is LinkState.FAULTED, "mended is not acknowledged"
    assert rig.mode() in (Mode.SAFE, Mode.READY), "and follows no command"
    rig.acknowledge()
    rig.until(lambda: rig.link.state is LinkState.ACTIVE, within_s=0.2)
    rig.run(0.2)
    assert rig.mode() is Mode.ACTIVE and rig.pressure.valid and rig.link.fault is None


@pytest.mark.fault_matrix
@pytest.mark.parametrize("name", ["silence", "host hears nothing", "every frame damaged", "board hangs",
                                  "board restarts", "reading stuck", "sensor broken", "supply low"])  # fmt: skip
def test_fault_latches_while_idle_too(name: str) -> None:
    case = next(each for each in CASES if each.name == name)
    rig = Rig(seed=4).ready()
    case.break_it(rig)
    rig.until(lambda: rig.link.fault is not None and rig.link.fault.cause is case.cause, within_s=case.within_s)
    rig.run(1.0)
    case.mend(rig)
    rig.run(1.0)
    assert rig.link.state is LinkState.FAULTED
    rig.acknowledge()
    rig.until(lambda: rig.link.state is LinkState.READY and rig.pressure.valid, within_s=0.2)
    assert rig.mode() is Mode.READY and rig.valve() is Valve.OFF


@pytest.mark.fault_matrix
@pytest.mark.parametrize("break_it", [silence, deaf_host, corrupt, shorten, hang], ids=lambda f: f.__name__)
def test_reading_is_invalid_within_three_periods(break_it: Callable[[Rig], None]) -> None:
    rig = Rig(seed=5).holding()
    break_it(rig)
    took_s = rig.until(lambda: not rig.pressure.valid, within_s=STALE_S + SLACK_S)
    assert "ms old, allowed 24" in rig.pressure.why_not
    assert rig.link.fault is None, f"a gap of {took_s} s alone latches nothing"
    age_s = rig.pressure.age_s
    rig.run(0.02)
    assert rig.pressure.age_s == pytest.approx(age_s + 0.02)


def test_stopped_converter_makes_the_reading_old_though_states_come() -> None:
    rig = Rig().holding()
    rig.board.quirks.converter_stopped = True
    rig.until(lambda: not rig.pressure.valid, within_s=STALE_S + SLACK_S)
    assert rig.link.switch(Switches.CUP_EXTENDED, rig.now_s).valid, "the switches are still read"


def test_saturated_sensor_is_not_a_reading() -> None:
    rig = Rig().holding()
    rig.plant.ultimate_vacuum_pa = 200e3
    rig.until(lambda: rig.plant.vacuum_pa > 106e3, within_s=1.0)
    rig.run(0.05)
    assert not rig.pressure.valid and "saturated" in rig.pressure.why_not


def test_switches() -> None:
    rig = Rig().ready()

    def tripped() -> list[bool]:
        rig.run(0.02)
        return [rig.link.switch(which, rig.now_s).value == 1.0 for which in Switches]

    assert tripped() == [True, False, False]
    rig.plant.touch(press_m=0.007)
    assert tripped() == [False, False, False]
    rig.plant.touch(press_m=1.0)
    rig.plant.seated = False
    assert tripped() == [False, True, True]
    rig.plant.plunger_stroke_m = 0.0  # as if both wires were broken
    rig.plant.touch()
    assert tripped() == [True, True, True]
    ends = [rig.link.switch(which, rig.now_s) for which in Switches]
    assert [each.valid for each in ends] == [False, False, True]
    assert "both ends" in ends[0].why_not


# Single bad frames are counted, and nothing else ----------------------------------------------------------------------

LINE_FAULTS = {
    "lost": set(),
    "lost_byte": {Reject.COBS, Reject.CRC, Reject.TOO_SHORT, Reject.TOO_LONG},
    "flipped_bit": {Reject.COBS, Reject.CRC, Reject.TOO_SHORT, Reject.TOO_LONG},
    "twice": {Reject.DUPLICATE, Reject.SESSION},
    "late": {Reject.LATE},
    "garbage": {Reject.COBS, Reject.CRC, Reject.TOO_SHORT, Reject.TOO_LONG},
}


@pytest.mark.fault_matrix
@pytest.mark.parametrize("kind", LINE_FAULTS)
def test_a_bad_frame_now_and_then_is_counted_and_survived(kind: str) -> None:
    rig = Rig(seed=11).holding()
    setattr(rig.to_host.faults, kind, 0.02)
    setattr(rig.to_board.faults, kind, 0.02)
    rig.run(20.0)
    setattr(rig.to_host.faults, kind, 0.0)
    setattr(rig.to_board.faults, kind, 0.0)
    rig.run(0.1)
    assert rig.link.state is LinkState.ACTIVE and rig.link.fault is None and rig.pressure.valid
    state = rig.link.board_state
    assert state is not None and state.rejected_commands == 0
    rejected_by_board = state.rejected_frames + state.rejected_order
    if kind == "lost":
        assert rig.link.lost > 20 and not rig.link.rejects
    else:
        assert set(rig.link.rejects) <= LINE_FAULTS[kind] and rig.link.rejects.total() > 20
        assert rejected_by_board > 5


def test_late_command_is_refused_by_the_board() -> None:
    """Its deadline is a moment of the board's clock, not a time from arrival."""
    rig = Rig().ready()
    rig.to_board.faults.delay_s = 0.2
    rig.command(True, life_s=0.1)
    rig.step()
    rig.stand_down()
    rig.until(lambda: bool(rig.link.board_state and rig.link.board_state.rejected_commands), within_s=0.5)
    assert rig.valve() is Valve.OFF


def test_command_from_an_earlier_session_is_refused() -> None:
    rig = Rig().holding()
    rig.stand_down()
    rig.run(0.2)
    stale = Command(deadline_us=rig.board._board_us(rig.now_s) + 100_000, valve=Valve.OFF,
                    status_light=StatusLight.OFF, work_light_percent=0)  # fmt: skip
    before = rig.link.board_state
    rig.to_board.send(encode(Frame(session=(rig.link._session + 1) & 0xFFFF, sequence=1, message=stale)), rig.now_s)
    rig.run(0.05)
    after = rig.link.board_state
    assert before is not None and after is not None
    assert after.rejected_order == before.rejected_order + 1 and rig.valve() is Valve.SUCTION


def test_command_that_no_board_takes_is_found() -> None:
    rig = Rig().ready()
    rig.renewal = Renewal(suction=True)
    rig.to_board.faults.silent = True
    rig.until(lambda: rig.link.fault is not None, within_s=0.3)
    assert rig.link.fault is not None and rig.link.fault.cause is FaultCause.COMMAND_IGNORED
    assert "sending wire" in rig.link.fault.text
    assert rig.mode() is not Mode.ACTIVE


def test_board_that_hears_nothing_is_told_from_a_silent_one() -> None:
    rig = Rig().ready()
    rig.to_board.faults.silent = True
    rig.until(lambda: rig.link.fault is not None, within_s=0.4)
    assert rig.link.fault is not None and rig.link.fault.cause is FaultCause.SESSION_LOST


# Safe state -----------------------------------------------------------------------------------------------------------


def test_silent_host_lets_go_of_nothing_that_is_held() -> None:
    rig = Rig().holding()
    rig.host_runs = False
    rig.until(lambda: rig.mode() is Mode.SAFE, within_s=HOST_SILENCE_MS * 1e-3 + SLACK_S)
    rig.run(60.0)
    assert rig.valve() is Valve.SUCTION and rig.plant.vacuum_pa > 60e3
    rig.plant.part()
    rig.until(lambda: rig.valve() is Valve.OFF, within_s=ITEM_LOST_MS * 1e-3 + 0.05)


def test_silent_host_with_nothing_held_switches_the_valve_off() -> None:
    rig = Rig().ready()
    rig.renewal = Renewal(suction=True)
    rig.run(0.5)
    assert rig.valve() is Valve.SUCTION
    rig.host_runs = False
    rig.until(lambda: rig.valve() is Valve.OFF, within_s=(HOST_SILENCE_MS + ITEM_LOST_MS) * 1e-3 + SLACK_S)


def test_safe_state_outlives_the_host_and_waits_for_acknowledgement() -> None:
    rig = Rig().holding()
    rig.host_runs = False
    rig.run(1.0)
    later = Rig(seed=9)
    later.clock, later.board, later.plant = rig.clock, rig.board, rig.plant
    later.link._next_hello_s = later.now_s
    later.until(lambda: later.link.state is LinkState.FAULTED, within_s=0.5)
    assert later.link.fault is not None and later.link.fault.cause is FaultCause.BOARD_SAFE
    later.acknowledge()
    later.until(lambda: later.link.state is LinkState.READY, within_s=0.2)
    assert rig.valve() is Valve.SUCTION, "acknowledging drops nothing"


def test_acknowledgement_is_for_the_safe_state_that_was_seen() -> None:
    rig = Rig().holding()
    rig.renewal = None
    rig.until(lambda: rig.link.fault is not None and rig.mode() is Mode.SAFE, within_s=0.5)
    rig.run(0.1)
    rig.link.acknowledge(rig.now_s)
    rig.board.mode = Mode.READY
    rig.board._enter_safe(SafeCause.HOST_REQUEST)  # another one, before the acknowledgement arrives
    rig.run(0.4)
    assert rig.mode() is Mode.SAFE and rig.link.state is LinkState.FAULTED
    rig.acknowledge()
    rig.until(lambda: rig.link.state is LinkState.READY, within_s=0.2)


def test_standing_fault_cannot_be_acknowledged() -> None:
    rig = Rig().holding()
    starve(rig)
    rig.run(0.1)
    with pytest.raises(StateError, match="SUPPLY_LOW: mend that first"):
        rig.acknowledge()
    assert any("SUPPLY_LOW (raw value 19500)" in text for _, text in rig.link.events)


def test_board_too_refuses_to_acknowledge_a_standing_fault() -> None:
    rig = Rig().holding()
    starve(rig)
    rig.run(0.1)
    state = rig.link.board_state
    assert state is not None
    asked = Frame(session=rig.link._session, sequence=rig.link._sequence + 1, message=Acknowledge(safe_count=1))
    assert state.safe_count == 1
    rig.to_board.send(encode(asked), rig.now_s)
    rig.link._sequence += 1
    rig.run(0.05)
    assert rig.link.board_state is not None
    assert (rig.mode(), rig.link.board_state.rejected_commands) == (Mode.SAFE, state.rejected_commands + 1)


def test_board_takes_no_command_in_its_safe_state() -> None:
    rig = Rig().holding()
    rig.stand_down(StandDownReason.OPERATOR)
    rig.until(lambda: rig.mode() is Mode.SAFE, within_s=0.1)
    off = Command(deadline_us=rig.board._board_us(rig.now_s) + 200_000, valve=Valve.OFF, status_light=StatusLight.OFF,
                  work_light_percent=0)  # fmt: skip
    rig.link._sequence += 1
    rig.to_board.send(encode(Frame(session=rig.link._session, sequence=rig.link._sequence, message=off)), rig.now_s)
    rig.run(0.05)
    assert rig.mode() is Mode.SAFE and rig.valve() is Valve.SUCTION
    assert rig.link.board_state is not None and rig.link.board_state.rejected_commands == 1


def test_broken_sensor_counts_as_holding() -> None:
    rig = Rig().ready()
    rig.renewal = Renewal(suction=True)
    rig.run(0.3)
    break_sensor(rig)
    rig.run(1.0)
    assert rig.mode() is Mode.SAFE and rig.valve() is Valve.SUCTION


def test_second_cause_does_not_hide_the_first() -> None:
    rig = Rig().holding()
    starve(rig)
    rig.run(0.1)
    silence(rig)
    rig.run(1.0)
    assert rig.link.fault is not None and rig.link.fault.cause is FaultCause.BOARD_SAFE


# Anything at all ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(8))
def test_a_terrible_line_ends_in_a_defined_state(seed: int) -> None:
    """Everything at once; afterwards an acknowledgement brings all back."""
    rig = Rig(seed=seed).holding()
    for wire in (rig.to_board, rig.to_host):
        faults = wire.faults
        faults.lost = faults.lost_byte = faults.flipped_bit = faults.twice = faults.late = faults.garbage = 0.15
    for _ in range(10_000):
        rig.step()
        assert rig.link.state is not LinkState.ACTIVE or rig.link.fault is None
        assert not (rig.pressure.valid and rig.pressure.age_s > STALE_S)
    for wire in (rig.to_board, rig.to_host):
        wire.faults = type(wire.faults)()
    rig.run(1.5)
    if rig.link.state is LinkState.FAULTED:
        rig.acknowledge()
    rig.until(lambda: rig.link.state is LinkState.ACTIVE and rig.pressure.valid, within_s=0.3)


@pytest.mark.parametrize("seed", range(4))
def test_noise_alone_moves_nothing(seed: int) -> None:
    rig = Rig(seed=seed)
    noise = random.Random(seed)
    for _ in range(5_000):
        rig.clock.advance(0.001)
        rig.board.receive(noise.randbytes(23), rig.now_s)
        rig.board.poll(rig.now_s)
        rig.link.receive(noise.randbytes(23), rig.now_s)
        rig.link.poll(rig.now_s)
        assert rig.valve() is Valve.OFF and rig.mode() is Mode.WAITING
        assert rig.link.state is LinkState.CONNECTING and not rig.pressure.valid
    assert rig.link.rejects.total() > 100
