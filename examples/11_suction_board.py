"""An end-of-arm board that holds an item, falls silent, and waits for a person.

Run it with ``python examples/11_suction_board.py``. The board is emulated behind a real serial port of the system; give
``--port /dev/serial/by-id/…`` to look at a true one instead: then nothing is commanded. Needs the extra ``serial``.
"""

import argparse
import sys
import time

from podhand.core.errors import PodhandError
from podhand.drivers.eoat_board.device import EoatBoard, EoatBoardConfig
from podhand.drivers.eoat_board.emulator import BoardEmulator


def show(board: EoatBoard, what: str) -> None:
    pressure = board.vacuum_pressure()
    valve = board.board_state.valve.name if board.board_state else "?"
    worth = "valid" if pressure.valid else f"NOT VALID, {pressure.why_not}"
    print(f"{what:<32} {board.state:<10} valve {valve:<8} {pressure.value / 1e3:6.1f} kPa  ({worth})")


def suck(board: EoatBoard, for_s: float) -> None:
    """Keep suction on: a command lives for a while only and must be renewed."""
    end_s = time.monotonic() + for_s
    while time.monotonic() < end_s:
        board.command(suction=True, life_s=0.3)
        time.sleep(0.05)


def hold_and_lose(board: EoatBoard, emulator: BoardEmulator) -> None:
    suck(board, 0.3)
    show(board, "suction on, nothing at the cup")
    with emulator.pause() as emulated:
        emulated.plant.touch()
    suck(board, 0.5)
    show(board, "an item at the cup")

    emulator.to_host.faults.silent = emulator.to_board.faults.silent = True
    while board.fault is None:
        time.sleep(0.01)
    show(board, "cable pulled")
    print(f"  fault: {board.fault.cause}: {board.fault.text}")
    try:
        board.command(suction=True, life_s=0.3)
    except PodhandError as error:
        print(f"  refused: {error}")

    emulator.to_host.faults.silent = emulator.to_board.faults.silent = False
    while not board.vacuum_pressure().valid:
        time.sleep(0.01)
    show(board, "cable back, item still held")
    board.acknowledge()
    suck(board, 0.2)
    show(board, "acknowledged")
    board.stand_down()
    for at_s, text in board.events():
        print(f"  {at_s - board.events()[0][0]:6.2f} s  {text}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", help="serial port of a true board; left out: an emulated one")
    port = parser.parse_args().port
    try:
        if port:
            with EoatBoard(EoatBoardConfig(port=port)) as board:
                board.wait_ready()
                show(board, port)
            return 0
        with BoardEmulator() as emulator, EoatBoard(EoatBoardConfig(port=emulator.port)) as board:
            board.wait_ready()
            hold_and_lose(board, emulator)
    except PodhandError as error:
        print(error, file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
