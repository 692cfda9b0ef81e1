"""pysoem, an independent master, against the emulator over a veth pair; prints what it saw as JSON.

Run in a network namespace of its own, where it may make interfaces: ``unshare -Urn python ethercat_pysoem.py``.
"""

import contextlib
import json
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pysoem

OUTPUTS = struct.Struct("<HiB")
INPUTS = struct.Struct("<HiibH")
CYCLE_S = 0.001
WATCHDOG_S = 1.0  # longer than a busy machine makes this program wait
ANSWER_US = 500_000


def make_veth() -> None:
    for command in (
        "ip link add ecm0 type veth peer name ecs0",
        "ip link set ecm0 up",
        "ip link set ecs0 up",
    ):
        subprocess.run(command.split(), check=True)


@contextlib.contextmanager
def emulator(drives: int) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "podhand.drivers.ethercat.emulator", "--interface", "ecs0"]
    process = subprocess.Popen(
        [*command, "--drives", str(drives)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield process
        process.terminate()
        process.wait(5.0)
    finally:
        process.kill()


class Rig:
    def __init__(self, emulator: subprocess.Popen[str], drives: int) -> None:
        self.emulator = emulator
        self.tell("status")  # it serves
        self.master = pysoem.Master()
        self.master.open("ecm0")
        self.seen: dict[str, Any] = {}
        self.controlword, self.targets = 0x06, [0] * drives

    def tell(self, line: str) -> None:
        assert self.emulator.stdin is not None and self.emulator.stdout is not None
        self.emulator.stdin.write(f"{line}\n")
        self.emulator.stdin.flush()
        while not (got := self.emulator.stdout.readline()).startswith(("ok", "frames")):
            assert got, "the emulator has ended"

    def to_safeop(self) -> None:
        master = self.master
        self.seen["slaves"] = master.config_init()
        self.seen["names"] = [slave.name for slave in master.slaves]
        for slave in master.slaves:
            slave.config_func = self.configure
        self.seen["image_bytes"] = master.config_map()
        self.seen["dc"] = master.config_dc()
        self.seen["delays_ns"] = [slave_delay(slave) for slave in master.slaves]
        for slave in master.slaves:
            slave.dc_sync(True, 1_000_000)
        self.seen["safeop"] = master.state_check(pysoem.SAFEOP_STATE, 500_000)

    def configure(self, position: int) -> None:
        slave = self.master.slaves[position]
        slave.set_watchdog("processdata", 1000 * WATCHDOG_S)
        slave.sdo_write(0x6065, 0, struct.pack("<I", 1_000_000))
        note = bytes(range(32, 127)) * 5
        slave.sdo_write(0x2000, 0, note)
        self.seen["note_kept"] = slave.sdo_read(0x2000, 0, 1024) == note
        self.seen["identity"] = [struct.unpack("<I", slave.sdo_read(0x1018, sub))[0] for sub in (1, 2, 3, 4)]
        try:
            slave.sdo_read(0x1018, 9)
        except pysoem.SdoError as error:
            self.seen["abort_code"] = error.abort_code

    def cycle(self, answer_us: int = ANSWER_US) -> tuple[int, list[tuple[int, ...]]]:
        for slave, target in zip(self.master.slaves, self.targets, strict=True):
            slave.output = OUTPUTS.pack(self.controlword, target, 8)
        self.master.send_processdata()
        count = self.master.receive_processdata(answer_us)
        return count, [INPUTS.unpack(slave.input) for slave in self.master.slaves]

    def to_op(self) -> None:
        self.cycle()
        self.master.state = pysoem.OP_STATE
        self.master.write_state()
        end_s = time.monotonic() + 5.0
        while self.master.state_check(pysoem.OP_STATE, 2_000) != pysoem.OP_STATE and time.monotonic() < end_s:
            self.cycle()
        self.seen["op"] = self.master.state_check(pysoem.OP_STATE, 2_000)
        self.seen["expected_wkc"] = self.master.expected_wkc

    def enable(self) -> None:
        for self.controlword in (0x06, 0x07, 0x0F):
            for _ in range(20):
                _, inputs = self.cycle()
                time.sleep(CYCLE_S)
        self.seen["statuswords"] = [slave[0] for slave in inputs]

    def run(self, cycles: int) -> None:
        wrong = 0
        trips_us = []
        for number in range(cycles):
            self.targets = [(number * (axis + 1)) % 1000 for axis in range(len(self.targets))]
            begin_s = time.perf_counter()
            count, inputs = self.cycle()
            trips_us.append(1e6 * (time.perf_counter() - begin_s))
            wrong += count != self.master.expected_wkc
        trips_us.sort()
        self.seen |= {"cycles": cycles, "wrong_wkc": wrong, "errors": [slave[4] for slave in inputs]}
        self.seen["trip_us"] = {f"p{share}": trips_us[int(cycles * share / 100)] for share in (50, 99)}
        self.targets = [500 * (axis + 1) for axis in range(len(self.targets))]
        for _ in range(300):
            _, inputs = self.cycle()
            time.sleep(CYCLE_S / 4)
        self.seen["positions"] = [slave[1] for slave in inputs]

    def go_wrong(self) -> None:
        self.tell("cut_before 3")
        self.seen["wkc_when_cut"] = self.cycle()[0]
        self.tell("mend")
        self.seen["wkc_when_mended"] = self.cycle()[0]
        self.tell("miscount 1 -1")
        self.seen["wkc_miscounted"] = self.cycle()[0]
        self.tell("lose 100")
        self.seen["wkc_when_lost"] = self.cycle(answer_us=20_000)[0]
        self.tell("lose 0")
        self.tell("trip 2 0x7305")
        for _ in range(20):
            _, inputs = self.cycle()
            time.sleep(CYCLE_S)
        self.seen["fault_statusword"], self.seen["fault_code"] = inputs[2][0], inputs[2][4]
        time.sleep(1.3 * WATCHDOG_S)
        self.master.read_state()
        self.seen["silent"] = [[slave.state, slave.al_status] for slave in self.master.slaves]

    def close(self) -> None:
        self.master.state = pysoem.INIT_STATE
        self.master.write_state()
        self.master.close()


def slave_delay(slave: Any) -> int:
    return int.from_bytes(slave._fprd(0x0928, 4), "little") if hasattr(slave, "_fprd") else -1


def main() -> None:
    drives, cycles = map(int, sys.argv[1:])
    make_veth()
    with emulator(drives) as process:
        rig = Rig(process, drives)
        rig.to_safeop()
        rig.to_op()
        rig.enable()
        rig.run(cycles)
        rig.go_wrong()
        rig.close()
    rig.seen["emulator_exit"] = process.returncode
    print(json.dumps(rig.seen))


if __name__ == "__main__":
    main()
