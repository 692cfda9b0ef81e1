"""The audit of a machine that is made up of files, and what podhand-rt makes of it."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from podhand import _kernel
from podhand.app.cli import app
from podhand.app.doctor import Finding, Verdict, examine, run_doctor
from podhand.app.shell import console
from podhand.controllers.parameters import kernel_config
from podhand.controllers.realtime import _executable
from podhand.core.errors import StateError
from tests.unit.fake_plant import STATION

GOOD = {
    "proc/version": "Linux version 6.12.0-rt (gcc) #1 SMP PREEMPT_RT Debian",
    "proc/sys/kernel/sched_rt_runtime_us": "-1",
    "proc/self/status": "Name:\tpodhand\nCapEff:\t0000000000000000",
    "proc/self/limits": (
        "Limit                     Soft Limit           Hard Limit           Units\n"
        "Max locked memory         unlimited            unlimited            bytes\n"
        "Max realtime priority     98                   98\n"
    ),
    "proc/self/timerslack_ns": "50000",
    "proc/cpuinfo": "flags\t\t: fpu vme tsc",
    "proc/1/cgroup": "0::/init.scope",
    "sys/kernel/realtime": "1",
    "sys/devices/system/cpu/isolated": "2-3,6",
    "sys/devices/system/cpu/smt/active": "0",
    "sys/devices/system/clocksource/clocksource0/current_clocksource": "tsc",
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "performance",
    "sys/devices/system/cpu/cpu0/cpuidle/state1/latency": "1",
    "sys/devices/system/cpu/cpu3/cpufreq/scaling_governor": "performance",
    "sys/devices/system/cpu/cpu3/topology/thread_siblings_list": "3",
    "dev/cpu_dma_latency": "",
    "dev/shm/.keep": "",
}


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    for name, text in GOOD.items():
        write(tmp_path, name, text)
    return tmp_path


def write(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n" if text else "")


def found(root: Path, what: str, **more: Any) -> Finding:
    return next(finding for finding in examine(root=str(root), **more) if finding.what == what)


def test_a_good_machine_is_fit(machine: Path) -> None:
    findings = run_doctor(cpu=3, nic=None, json_target=None, root=str(machine))
    assert [finding.what for finding in findings if finding.verdict is not Verdict.OK] == []
    assert len(findings) >= 12


CPU = "sys/devices/system/cpu"
NOT_FIT: list[tuple[str, str, str, Verdict, str]] = [
    ("proc/version", "Linux version 6.1.0 SMP PREEMPT_DYNAMIC", "operating system", Verdict.FAULT, "linux-image-rt"),
    ("proc/sys/kernel/sched_rt_runtime_us", "950000", "throttling of real-time threads", Verdict.FAULT, "sysctl -w"),
    ("proc/self/limits", "Max realtime priority     79   79", "real-time priority allowed", Verdict.FAULT, "rtprio"),
    (
        "proc/self/limits",
        "Max locked memory     8388608   8388608",
        "memory that may be locked",
        Verdict.FAULT,
        "memlock",
    ),
    (f"{CPU}/isolated", "1-2,4", "processor of its own", Verdict.FAULT, "isolcpus=3"),
    (f"{CPU}/isolated", "", "processor of its own", Verdict.FAULT, "isolcpus=3"),
    (f"{CPU}/cpu3/cpufreq/scaling_governor", "schedutil", "processor frequency", Verdict.FAULT, "cpupower"),
    (f"{CPU}/smt/active", "1", "hyper-threading", Verdict.OK, ""),
    ("sys/devices/system/clocksource/clocksource0/current_clocksource", "hpet", "clock", Verdict.FAULT, "tsc"),
    ("proc/self/timerslack_ns", "2000000", "timer slack", Verdict.WARNING, "timerslack_ns"),
    ("proc/cpuinfo", "flags\t\t: fpu tsc hypervisor", "machine", Verdict.WARNING, "on the machine itself"),
    ("proc/1/cgroup", "0::/docker/4711", "machine", Verdict.WARNING, "on the machine itself"),
]


@pytest.mark.parametrize(("name", "text", "what", "verdict", "remedy"), NOT_FIT)
def test_each_setting_is_judged_and_the_remedy_named(
    machine: Path, name: str, text: str, what: str, verdict: Verdict, remedy: str
) -> None:
    assert found(machine, what, cpu=3).verdict is Verdict.OK
    write(machine, name, text)
    if name == "proc/version":
        (machine / "sys/kernel/realtime").unlink()
    finding = found(machine, what, cpu=3)
    assert finding.verdict is verdict
    assert remedy in finding.remedy
    assert finding.why


def shared_core(root: Path) -> None:
    write(root, f"{CPU}/smt/active", "1")
    write(root, f"{CPU}/cpu3/topology/thread_siblings_list", "2-3")


def sleepy(root: Path) -> None:
    write(root, f"{CPU}/cpu3/cpuidle/state2/latency", "890")
    (root / "dev/cpu_dma_latency").unlink()


def full(root: Path) -> None:
    shutil.rmtree(root / "dev/shm")


@pytest.mark.parametrize(
    ("spoil", "what", "verdict", "got"),
    [
        (shared_core, "hyper-threading", Verdict.WARNING, "processors 2-3 share a core"),
        (sleepy, "waking from sleep states", Verdict.FAULT, "890 us, cannot be limited"),
        (full, "shared memory", Verdict.FAULT, "no /dev/shm"),
    ],
)
def test_settings_of_more_than_one_file(
    machine: Path, spoil: Callable[[Path], None], what: str, verdict: Verdict, got: str
) -> None:
    assert found(machine, what, cpu=3).verdict is Verdict.OK
    spoil(machine)
    finding = found(machine, what, cpu=3)
    assert (finding.verdict, finding.got) == (verdict, got)


def test_capabilities_stand_for_limits(machine: Path) -> None:
    write(machine, "proc/self/limits", "Max realtime priority     0   0\nMax locked memory     8388608   8388608")
    assert found(machine, "real-time priority allowed").verdict is Verdict.FAULT
    write(machine, "proc/self/status", "CapEff:\t0000000000804000")  # CAP_SYS_NICE, CAP_IPC_LOCK
    assert found(machine, "real-time priority allowed").verdict is Verdict.OK
    assert found(machine, "memory that may be locked").verdict is Verdict.OK


def test_a_sleep_state_that_is_off_does_not_count(machine: Path) -> None:
    sleepy(machine)
    write(machine, f"{CPU}/cpu3/cpuidle/state2/disable", "1")
    assert found(machine, "waking from sleep states", cpu=3).verdict is Verdict.OK


def test_without_a_processor_all_of_them_count(machine: Path) -> None:
    write(machine, f"{CPU}/cpu0/cpufreq/scaling_governor", "powersave")
    assert found(machine, "processor frequency", cpu=3).verdict is Verdict.OK
    assert found(machine, "processor frequency").got == "powersave"


def test_a_machine_that_tells_nothing_is_not_fit(tmp_path: Path) -> None:
    with pytest.raises(StateError, match=r"checks failed: the profile production refuses"):
        run_doctor(cpu=None, nic=None, json_target=str(tmp_path / "doctor.json"), root=str(tmp_path))
    document = json.loads((tmp_path / "doctor.json").read_text())
    assert document["schema"] == "podhand-doctor-1"
    assert document["fit"] is False
    assert document["faults"] == sum(finding["verdict"] == "fault" for finding in document["findings"]) > 5


def test_the_command_examines_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "width", 180)  # a table breaks its lines where the terminal ends
    shown = CliRunner().invoke(app, ["doctor", "--nic", "no-such-card", "--json", "-"])
    document = json.loads(shown.stdout)
    assert shown.exit_code == (0 if document["fit"] else 1) == 1  # there is no such card
    assert {finding["what"] for finding in document["findings"]} >= {"operating system", "network card no-such-card"}
    people = CliRunner().invoke(app, ["doctor"])
    assert "what changes it" in people.stderr


def test_production_refuses_a_machine_that_is_not_fit_and_commissioning_warns() -> None:
    block = bytes(_kernel.config_block(kernel_config(STATION)))
    command = [_executable(), "--name", "/podhand-doctor-test", "--profile"]
    unfit = [finding for finding in examine() if finding.verdict is Verdict.FAULT]
    if not unfit:
        pytest.skip("this machine is fit for production")
    done = subprocess.run([*command, "production"], input=block, capture_output=True, timeout=60)
    said = done.stderr.decode()
    assert done.returncode == 1
    assert f"podhand-rt: fault: {unfit[0].what}: wanted {unfit[0].wanted}" in said
    assert unfit[0].remedy in said
    assert "production refuses this machine" in said.splitlines()[-1]
    with subprocess.Popen([*command, "commissioning"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as running:  # fmt: skip
        assert running.stdin
        assert running.stdout
        running.stdin.write(block)
        running.stdin.close()
        assert running.stdout.readline() == b"ready\n"
        running.terminate()
        assert running.stderr
        assert unfit[0].remedy in running.stderr.read().decode()
