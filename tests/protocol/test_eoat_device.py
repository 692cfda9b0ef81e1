"""The device on a real serial port of the system, a pseudo-terminal, with the emulated board behind it."""

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from podhand.core.errors import ConfigError, DeviceError, StateError
from podhand.core.exchange import INPUTS_DTYPE, SlowSignal
from podhand.core.ports import SuctionTool
from podhand.drivers.eoat_board.device import EoatBoard, EoatBoardConfig
from podhand.drivers.eoat_board.emulator import BoardEmulator
from podhand.drivers.eoat_board.link import FaultCause, LinkState
from podhand.firmware_iface.eoat_board_messages import Faults, Mode, ResetCause, Switches, Valve

pytestmark = pytest.mark.eoat
PATIENCE_S = 10.0
"""How long a busy machine may take; nothing waits longer than it must."""


class TurnClock:
    """Goes on by a millisecond when the emulator has had its turn and the device its own: a busy machine is slow, not
    silent.
    """

    def __init__(self) -> None:
        self._now_s = 50.0
        self._device_had_its_turn = False

    def now_s(self) -> float:
        match threading.current_thread().name:
            case "eoat-board":
                self._device_had_its_turn = True
            case "eoat-board-emulator" if self._device_had_its_turn or not self._device_runs():
                self._now_s += 0.001
                self._device_had_its_turn = False
        return self._now_s

    @staticmethod
    def _device_runs() -> bool:
        return any(thread.name == "eoat-board" for thread in threading.enumerate())


@pytest.fixture
def clock() -> TurnClock:
    return TurnClock()


@pytest.fixture
def emulator(clock: TurnClock) -> Iterator[BoardEmulator]:
    with BoardEmulator(seed=1, clock=clock) as emulator:
        yield emulator


@pytest.fixture
def board(emulator: BoardEmulator, clock: TurnClock) -> Iterator[EoatBoard]:
    with opened(emulator, clock) as board:
        board.wait_ready(PATIENCE_S)
        yield board


def opened(emulator: BoardEmulator, clock: TurnClock) -> EoatBoard:
    return EoatBoard(EoatBoardConfig(port=emulator.port), clock=clock)


def resumes(board: EoatBoard) -> bool:
    """Acknowledge once; False when the board's safe state had begun anew meanwhile, so that another look is due."""
    try:
        board.acknowledge(0.5)
    except DeviceError:
        return False
    return True


def until(condition: Callable[[], bool], what: str) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end_s, what
        time.sleep(0.005)


def hold(board: EoatBoard, emulator: BoardEmulator) -> None:
    """Renew a command until an item is held."""
    with emulator.pause() as emulated:
        emulated.plant.touch()

    def held() -> bool:
        board.command(suction=True, life_s=0.5)
        return board.vacuum_pressure().value < -60e3

    until(held, "no vacuum")


def test_holds_an_item(board: EoatBoard, emulator: BoardEmulator) -> None:
    hold(board, emulator)
    assert board.state is LinkState.ACTIVE
    assert board.board_state is not None and board.board_state.valve is Valve.SUCTION
    assert board.identity is not None and board.identity.serial_number == 1
    assert board.switch(Switches.CUP_EXTENDED).value == 0.0
    assert not board.statistics.rejected and board.statistics.lost == 0


def test_is_a_suction_tool(board: EoatBoard) -> None:
    tool: SuctionTool = board
    assert tool.vacuum_pressure().value == pytest.approx(0.0, abs=200.0)


def test_reading_goes_into_the_record_of_the_tick(board: EoatBoard, emulator: BoardEmulator) -> None:
    hold(board, emulator)
    inputs = np.zeros((), dtype=INPUTS_DTYPE)
    inputs["slow_valid"] = 0b1010
    index = int(SlowSignal.VACUUM_PRESSURE)

    def written_valid() -> bool:
        board.write_inputs(inputs)
        return bool(inputs["slow_valid"] & (1 << index))

    until(written_valid, "never valid")
    assert inputs["slow"][index] < -50e3 and 0.0 <= inputs["slow_age_s"][index] < 0.024
    assert inputs["slow_valid"] == 0b1010 | 1 << index
    emulator.to_host.faults.silent = True
    until(lambda: not written_valid(), "never invalid")
    assert inputs["slow"][index] < -50e3 and inputs["slow_valid"] == 0b1010


def test_silence_latches_and_acknowledgement_resumes(board: EoatBoard, emulator: BoardEmulator) -> None:
    hold(board, emulator)
    emulator.to_host.faults.silent = emulator.to_board.faults.silent = True
    until(lambda: board.fault is not None, "silence was not noticed")
    with pytest.raises(StateError, match="takes no command"):
        board.command(suction=False, life_s=0.2)
    with pytest.raises(StateError, match="nothing to resume yet"):
        board.acknowledge()
    emulator.to_host.faults.silent = emulator.to_board.faults.silent = False
    until(lambda: board.vacuum_pressure().valid, "readings did not come back")
    assert board.state is LinkState.FAULTED
    with emulator.pause() as emulated:
        assert emulated.mode is Mode.SAFE and emulated.valve is Valve.SUCTION
    board.acknowledge(PATIENCE_S)
    hold(board, emulator)


def test_restart_of_the_board_is_told(board: EoatBoard, emulator: BoardEmulator) -> None:
    hold(board, emulator)
    with emulator.pause() as emulated:
        emulated.reset(emulator.now_s(), ResetCause.BROWN_OUT)
    until(lambda: board.fault is not None and board.fault.cause is FaultCause.BOARD_RESET, "restart was not noticed")
    assert board.fault is not None and "supply fell too low (start 2)" in board.fault.text


def test_fault_of_the_board_is_told(board: EoatBoard, emulator: BoardEmulator) -> None:
    hold(board, emulator)
    with emulator.pause() as emulated:
        emulated.inject(Faults.VALVE_OPEN_CIRCUIT, value_raw=3, now_s=emulator.now_s())
    until(lambda: board.fault is not None, "fault was not noticed")
    assert board.fault is not None and board.fault.cause is FaultCause.BOARD_SAFE
    until(lambda: any("VALVE_OPEN_CIRCUIT (raw value 3)" in text for _, text in board.events()), "no report")


def test_pulled_plug_is_a_fault_and_not_a_crash(board: EoatBoard, emulator: BoardEmulator) -> None:
    hold(board, emulator)
    emulator.unplug()
    until(lambda: board.fault is not None and board.fault.cause is FaultCause.PORT_LOST, "unplugging was not noticed")
    reading = board.vacuum_pressure()
    assert not reading.valid and reading.value < -50e3
    with pytest.raises(DeviceError, match=r"is not ready after 0\.1 s: serial port lost"):
        board.wait_ready(0.1)


def test_plugged_in_again(clock: TurnClock, tmp_path: Path) -> None:
    """The name of an adapter leads to another device file each time."""
    by_id = tmp_path / "usb-adapter"
    with contextlib.ExitStack() as plugged:
        first = plugged.enter_context(BoardEmulator(seed=1, clock=clock))
        by_id.symlink_to(first.port)
        with EoatBoard(EoatBoardConfig(port=str(by_id)), clock=clock) as board:
            board.wait_ready(PATIENCE_S)
            first.unplug()
            until(lambda: board.fault is not None, "unplugging was not noticed")
            plugged.close()  # two emulators would both drive the clock
            by_id.unlink()
            second = plugged.enter_context(BoardEmulator(seed=2, clock=clock))
            by_id.symlink_to(second.port)
            until(lambda: board.vacuum_pressure().valid, "the port was not opened again")
            assert board.fault is not None and board.fault.cause is FaultCause.PORT_LOST
            until(lambda: resumes(board), "the board did not agree to resume")
            hold(board, second)


def test_error_in_the_program_leaves_the_safe_state(emulator: BoardEmulator, clock: TurnClock) -> None:
    with pytest.raises(ZeroDivisionError), opened(emulator, clock) as board:
        board.wait_ready(PATIENCE_S)
        hold(board, emulator)
        raise ZeroDivisionError
    with emulator.pause() as emulated:
        assert emulated.mode is Mode.SAFE and emulated.valve is Valve.SUCTION


def test_other_version_is_refused_in_words() -> None:
    with BoardEmulator(protocol_version=9) as emulator, EoatBoard(EoatBoardConfig(port=emulator.port)) as board:
        until(lambda: board.state is LinkState.REFUSED, "not refused")
        with pytest.raises(DeviceError, match=r"speaks protocol version 9 .* update the one that is older"):
            board.wait_ready(0.01)


def test_end_of_the_program_is_orderly(emulator: BoardEmulator, clock: TurnClock) -> None:
    with opened(emulator, clock) as board:
        board.wait_ready(PATIENCE_S)
        hold(board, emulator)

    def resting() -> bool:
        with emulator.pause() as emulated:
            return emulated.mode in (Mode.READY, Mode.WAITING)

    until(resting, "the board still follows a command")
    with opened(emulator, clock) as board:
        board.wait_ready(PATIENCE_S)


def test_two_programs_cannot_share_a_board(board: EoatBoard, emulator: BoardEmulator) -> None:
    with pytest.raises(DeviceError, match="cannot be opened"), EoatBoard(EoatBoardConfig(port=emulator.port)):
        pass
    assert board.state is LinkState.READY


def test_missing_port_is_told() -> None:
    with pytest.raises(DeviceError, match="/dev/no-such-port cannot be opened"):
        EoatBoard(EoatBoardConfig(port="/dev/no-such-port")).__enter__()
    with pytest.raises(ConfigError, match="must not be empty"):
        EoatBoardConfig(port="")


def test_port_that_answers_nothing_is_told() -> None:
    master, slave = os.openpty()
    try:
        with (
            EoatBoard(EoatBoardConfig(port=os.ttyname(slave))) as board,
            pytest.raises(DeviceError, match="no answer from the board yet: look at its power and cable"),
        ):
            board.wait_ready(0.3)
    finally:
        os.close(slave)
        os.close(master)
