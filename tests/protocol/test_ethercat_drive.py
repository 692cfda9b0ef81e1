"""The emulated drive: CiA 402 state machine, motion, faults, emergencies; and the emulator's typed commands."""

import io
import math
import struct
from typing import Unpack

import pytest

from podhand._ethercat_emulator import DriveConfig
from podhand.core.errors import LimitError
from podhand.drivers.ethercat.emulator import COMMANDS, main, obey
from tests.protocol.ethercat_rig import Master, Motion, State

pytestmark = pytest.mark.ethercat
SHUTDOWN, SWITCH_ON, ENABLE, DISABLE_VOLTAGE, QUICK_STOP, RESET = 0x06, 0x07, 0x0F, 0x00, 0x02, 0x80
DISABLED, READY, SWITCHED_ON, ENABLED, STOPPING, REACTING, FAULT = 0x40, 0x21, 0x23, 0x27, 0x07, 0x0F, 0x08
CSP = 8
FOLLOWING_ERROR, COMMUNICATION = 0x8611, 0x7500


def state_of(statusword: int) -> int:
    """Return the bits of CiA 402 that name the state, without the quick-stop bit where it does not count."""
    return statusword & (0x6F if statusword & 0x20 or not statusword & 0x48 else 0x4F)


class Axis:
    """One drive in OP under a master that sends every millisecond."""

    def __init__(self, **motion: Unpack[Motion]) -> None:
        self.master = Master(1, **motion).to(State.OP)
        self.controlword, self.target, self.mode = 0, 0, CSP

    @property
    def state(self) -> int:
        return state_of(self.master.inputs[0][0])

    @property
    def position(self) -> int:
        return self.master.inputs[0][1]

    @property
    def error_code(self) -> int:
        return self.master.inputs[0][4]

    def run(self, cycles: int, controlword: int | None = None) -> "Axis":
        if controlword is not None:
            self.controlword = controlword
        for _ in range(cycles):
            self.master.outputs = [(self.controlword, self.target, self.mode)]
            assert self.master.cycle() == 3
        return self

    def enabled(self) -> "Axis":
        for word in (SHUTDOWN, SWITCH_ON, ENABLE):
            self.run(2, word)
        assert self.state == ENABLED
        return self

    def brought_to(self, state: int) -> "Axis":
        words = {DISABLED: [], READY: [SHUTDOWN], SWITCHED_ON: [SHUTDOWN, SWITCH_ON]}
        for word in words.get(state, [SHUTDOWN, SWITCH_ON, ENABLE]):
            self.run(2, word)
        if state == FAULT:
            self.master.network.trip(0, 0x7305)
            self.run(3)
        assert self.state == state
        return self

    def option(self, index: int, value: int, layout: str) -> None:
        self.master.download(0, index, 0, struct.pack(layout, value))


TRANSITIONS = [
    (DISABLED, SHUTDOWN, READY),
    (DISABLED, SWITCH_ON, DISABLED),
    (DISABLED, ENABLE, DISABLED),
    (READY, SWITCH_ON, SWITCHED_ON),
    (READY, DISABLE_VOLTAGE, DISABLED),
    (READY, QUICK_STOP, DISABLED),
    (SWITCHED_ON, ENABLE, ENABLED),
    (SWITCHED_ON, SHUTDOWN, READY),
    (SWITCHED_ON, DISABLE_VOLTAGE, DISABLED),
    (SWITCHED_ON, QUICK_STOP, DISABLED),
    (ENABLED, SWITCH_ON, SWITCHED_ON),
    (ENABLED, SHUTDOWN, READY),
    (ENABLED, DISABLE_VOLTAGE, DISABLED),
    (FAULT, SHUTDOWN, FAULT),
    (FAULT, ENABLE, FAULT),
    (FAULT, RESET, DISABLED),
]


@pytest.mark.parametrize(("start", "controlword", "end"), TRANSITIONS)
def test_state_machine(start: int, controlword: int, end: int) -> None:
    assert Axis().brought_to(start).run(2, controlword).state == end


def test_fault_reset_is_an_edge() -> None:
    axis = Axis().brought_to(FAULT).run(2, RESET)
    axis.master.network.trip(0, 0x7305)
    assert axis.run(3).state == FAULT
    assert axis.run(1, 0).run(2, RESET).state == DISABLED


def test_quick_stop_brakes_then_disables() -> None:
    axis = Axis().enabled()
    axis.option(0x6085, 1_000_000, "<I")
    axis.target = 5000
    axis.run(2)
    speed = axis.master.inputs[0][2]
    assert speed > 100_000
    axis.run(2, QUICK_STOP)
    assert axis.state == STOPPING and 0 < axis.master.inputs[0][2] < speed
    assert axis.run(2000).state == DISABLED
    resting = axis.position
    assert axis.run(10).position == resting


def test_quick_stop_may_hold_and_go_on() -> None:
    axis = Axis().enabled()
    axis.option(0x605A, 6, "<h")
    assert axis.run(20, QUICK_STOP).state == STOPPING
    assert axis.run(2, ENABLE).state == ENABLED


def test_position_follows_as_first_order() -> None:
    """After one time constant 63 % of a step, after ten all of it."""
    axis = Axis(time_constant_s=0.01).enabled()
    axis.target = 1000
    axis.run(1)  # taken over with this frame, followed from now on
    assert axis.run(10).position == pytest.approx(1000 * (1 - math.exp(-1)), abs=1)
    assert axis.run(90).position == 1000


def test_speed_has_a_limit() -> None:
    axis = Axis(max_speed_counts_s=100_000).enabled()
    axis.target = 10_000
    axis.run(50)
    assert axis.master.inputs[0][2] == 100_000
    assert axis.position == pytest.approx(49 * 100, abs=101)


def test_drive_keeps_still_without_a_mode() -> None:
    axis = Axis()
    axis.mode = 0
    axis.enabled()
    axis.target = 1000
    assert axis.run(20).position == 0
    assert axis.master.inputs[0][3] == 0
    axis.mode = CSP
    assert axis.run(100).position == 1000
    assert axis.master.inputs[0][3] == CSP


def test_following_error_trips_after_its_time() -> None:
    axis = Axis(max_speed_counts_s=1000).enabled()
    axis.target = 30_000  # window 20 000, 10 ms
    assert axis.run(10).state == ENABLED
    axis.run(6)
    assert axis.state == FAULT and axis.error_code == FOLLOWING_ERROR
    assert axis.master.inputs[0][0] & 0x2000


def test_encoder_jump_is_a_following_error() -> None:
    axis = Axis(max_speed_counts_s=1000).enabled()
    axis.master.network.jump_encoder(0, 50_000)
    axis.run(20)
    assert (axis.state, axis.error_code) == (FAULT, FOLLOWING_ERROR)


def test_stuck_statusword_hides_the_state() -> None:
    axis = Axis().enabled()
    axis.master.network.hold_statusword(0, True)
    axis.master.network.trip(0, 0x7305)
    assert axis.run(5).state == ENABLED
    assert axis.error_code == 0x7305  # the rest tells
    axis.master.network.hold_statusword(0, False)
    assert axis.run(1).state == FAULT


@pytest.mark.parametrize(("option", "state", "code"), [(0, ENABLED, 0), (1, FAULT, COMMUNICATION), (2, DISABLED, 0)])
def test_lost_master_is_answered_by_option(option: int, state: int, code: int) -> None:
    axis = Axis().enabled()
    axis.option(0x6007, option, "<h")
    axis.master.wait(0.2)  # the watchdog ends OP
    axis.master.wait(0.01)
    axis.master.wait(0.01)
    axis.master.cycle()
    assert (axis.state, axis.error_code) == (state, code)


def test_emergency_comes_with_the_fault_and_with_its_end() -> None:
    axis = Axis().enabled()
    axis.master.network.trip(0, 0x7305)
    axis.run(3)
    kind, payload = axis.master.take_mail(0)
    assert (kind, payload[:5]) == (3, struct.pack("<HHB", 1 << 12, 0x7305, 0x21))
    assert axis.master.upload(0, 0x603F, 0) == b"\x05\x73"
    axis.run(2, RESET)
    _, payload = axis.master.take_mail(0)
    assert payload[2:5] == b"\0\0\0"


def test_power_cycle_forgets_parameters_but_not_where_it_is() -> None:
    axis = Axis(start_counts=123.0).enabled()
    axis.target = 4000
    axis.run(100)
    axis.option(0x605A, 6, "<h")
    axis.master.network.power_cycle(0)
    axis.master.to(State.PREOP)
    assert axis.master.upload(0, 0x605A, 0) == b"\2\0"
    assert axis.master.network.position_counts(0) == pytest.approx(4000, abs=1)


@pytest.mark.parametrize(
    "config",
    [{"time_constant_s": 0.0}, {"time_constant_s": math.nan}, {"max_speed_counts_s": -1.0}, {"start_counts": 1e12}],
)
def test_bad_configuration_is_refused(config: Motion) -> None:
    with pytest.raises(ValueError, match=next(iter(config))):
        DriveConfig(**config)


# Typed commands -------------------------------------------------------------------------------------------------------


def test_every_fault_can_be_typed() -> None:
    master = Master(2).to(State.SAFEOP)
    typed = {"fall": "fall 0 2 0x1b", "miscount": "miscount 1 -1", "mend": "mend", "delay": "delay 0 0.1"}
    for name, kinds in COMMANDS.items():
        assert obey(master.network, typed.get(name, " ".join([name, *["1"] * len(kinds)]))) == "ok"
    told = obey(master.network, "status")
    assert "slave 0: PRE-OP error 0x001B" in told and "slave 1: INIT" in told and "0 lost" in told


@pytest.mark.parametrize(
    "line",
    ["explode", "lose", "lose two", "lose 1 2", "trip 9 1", "lose -1", "drift 0 nan", "fall 0 3 1", "delay 1 -1"],
)
def test_bad_line_is_refused_in_words(line: str) -> None:
    master = Master(2)
    before = master.network.counters
    with pytest.raises(LimitError, match=line.split()[0]):
        obey(master.network, line)
    assert master.network.counters == before


def test_missing_interface_is_said_in_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert main(["--interface", "nowhere0"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "nowhere0" in said
