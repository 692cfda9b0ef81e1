"""pysoem, an independent master, brings seven emulated drives to OP over a veth pair in a namespace of its own."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.ethercat
SCRIPT = Path(__file__).with_name("ethercat_pysoem.py")
NAMESPACE = ["unshare", "--user", "--map-root-user", "--net"]
DRIVES, CYCLES = 7, 20_000


def why_not() -> str:
    """Return what stands in the way of a veth pair and pysoem; empty when nothing does."""
    if importlib.util.find_spec("pysoem") is None:
        return "pysoem is not installed (extra `ethercat`)"
    probe = "ip link add a0 type veth peer name b0"
    try:
        done = subprocess.run([*NAMESPACE, "sh", "-c", probe], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"no network namespace: {error}"
    return "" if done.returncode == 0 else f"no veth pair in a network namespace: {done.stderr.strip()}"


@pytest.fixture(scope="module")
def seen() -> dict[str, Any]:
    reason = why_not()
    if reason:
        pytest.skip(reason)
    done = subprocess.run(
        [*NAMESPACE, sys.executable, str(SCRIPT), str(DRIVES), str(CYCLES)], capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_slaves_are_found_by_their_eeproms(seen: dict[str, Any]) -> None:
    assert seen["slaves"] == DRIVES
    assert seen["names"] == ["emulated drive"] * DRIVES
    assert seen["identity"] == [0xAFFE, 0x402, 1, DRIVES]


def test_sdos_go_both_ways_also_in_segments(seen: dict[str, Any]) -> None:
    assert seen["note_kept"]
    assert seen["abort_code"] == 0x06090011


def test_process_image_is_made_from_the_mapping(seen: dict[str, Any]) -> None:
    """Read with complete access: 7 bytes out and 13 in per drive, one after the other."""
    assert seen["image_bytes"] == DRIVES * (7 + 13)
    assert seen["expected_wkc"] == 3 * DRIVES


def test_clocks_are_configured(seen: dict[str, Any]) -> None:
    assert seen["dc"]
    assert seen["delays_ns"] == [500 * slave for slave in range(DRIVES)]


def test_all_reach_op_and_exchange_without_a_wrong_working_counter(seen: dict[str, Any]) -> None:
    assert (seen["safeop"], seen["op"]) == (4, 8)
    assert seen["cycles"] == CYCLES and seen["wrong_wkc"] == 0
    assert seen["errors"] == [0] * DRIVES


def test_drives_are_enabled_and_follow(seen: dict[str, Any]) -> None:
    assert seen["statuswords"] == [0x1237] * DRIVES
    assert seen["positions"] == [500 * (axis + 1) for axis in range(DRIVES)]


def test_faults_show_as_a_master_would_see_them(seen: dict[str, Any]) -> None:
    assert seen["wkc_when_cut"] == 9
    assert seen["wkc_when_mended"] == 21
    assert seen["wkc_miscounted"] == 20
    assert seen["wkc_when_lost"] == -1
    assert seen["fault_statusword"] & 0x4F == 0x08 and seen["fault_code"] == 0x7305


def test_silent_master_ends_op_by_the_watchdog(seen: dict[str, Any]) -> None:
    assert seen["silent"] == [[0x14, 0x1B]] * DRIVES


def test_emulator_ends_when_asked(seen: dict[str, Any]) -> None:
    assert seen["emulator_exit"] == 0
