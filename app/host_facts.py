"""Facts about the machine that numbers were measured on."""

import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

import podhand

_PACKAGES = ("numpy", "numba", "scipy", "mujoco-core", "pin", "ruckig", "opencv-python-headless")


def host_facts() -> dict[str, Any]:
    """Return processor, kernel, load and versions as plain data."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count() or 0,
        "kernel": platform.release(),
        "preempt_rt": "PREEMPT_RT" in platform.version(),
        "machine": platform.machine(),
        "load": [round(value, 2) for value in os.getloadavg()],
        "versions": {"podhand": podhand.__version__, "python": platform.python_version(), **_versions()},
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _versions() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
