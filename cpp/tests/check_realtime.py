"""Prove the tick's promises with tools: what it may call, and how many instructions it takes.

1. clang compiles the kernel with -Wfunction-effects as errors and runs all C++ tests under RealtimeSanitizer: an
   allocation, lock, exception or system call reachable from ``Kernel::tick`` is an error, at the latest when it
   happens.
2. ThreadSanitizer watches the exchange and the whole of podhand-rt with its plant and clients.
3. callgrind counts the instructions of one tick of ``tick_course``; more than 3 % over the budget fails.

Run by ``make realtime``; needs clang-22, its runtime and valgrind (Debian: clang-22 libclang-rt-22-dev valgrind).
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
BUDGET = Path(__file__).with_name("instruction_budget.json")
ALLOWED = 0.03
TICKS = (1, 10001)
THREADED = ("test_rt_lock_free", "test_rt_statistics", "test_rt_flight", "test_rt_cycle", "test_rt_host")
TICK = "podhand::Kernel::tick(podhand::Inputs const&, podhand::Outputs&)"


def main() -> int:
    """Run all proofs; 0 when they hold."""
    missing = [tool for tool in ("clang++-22", "valgrind") if shutil.which(tool) is None]
    if missing:
        print(f"make realtime needs {', '.join(missing)}: apt-get install clang-22 libclang-rt-22-dev valgrind")
        return 2
    nonblocking()
    free_of_races()
    return 0 if within_budget() else 1


def nonblocking() -> None:
    """Build and run the C++ tests with clang's effect analysis and RealtimeSanitizer."""
    build = ROOT / "build" / "realtime"
    flags = "-fsanitize=realtime -Wfunction-effects -Werror=function-effects -g"
    configure(build, "-DCMAKE_CXX_COMPILER=clang++-22", f"-DCMAKE_CXX_FLAGS={flags}")
    # A million ticks under the sanitizer add nothing to ten thousand.
    run("ctest", "--test-dir", str(build), "--output-on-failure", "-E", "million")
    run(str(build / "tick_course"), "10000")
    print("realtime: nothing that blocks is reachable from the tick, and nothing blocked")


def free_of_races() -> None:
    """Build and run the tests of podhand-rt with ThreadSanitizer."""
    build = ROOT / "build" / "threads"
    configure(build, "-DCMAKE_CXX_COMPILER=clang++-22", "-DCMAKE_CXX_FLAGS=-fsanitize=thread -g", targets=THREADED)
    for test in THREADED:
        run(str(build / test))
    print("realtime: no data race between podhand-rt, its plant and its clients")


def within_budget() -> bool:
    """Count the instructions of a tick and compare with the budget of this compiler."""
    build = ROOT / "build" / "budget"
    configure(build, "-DCMAKE_CXX_COMPILER=g++")
    few, many = (instructions(build, ticks) for ticks in TICKS)
    per_tick = round((many - few) / (TICKS[1] - TICKS[0]))
    compiler = f"g++ {run('g++', '-dumpfullversion').strip()} {os.uname().machine}"
    budgets: dict[str, int] = json.loads(BUDGET.read_text())
    if compiler not in budgets:
        print(f"realtime: {per_tick} instructions a tick with {compiler}; no budget for this compiler in {BUDGET.name}")
        return True
    budget = budgets[compiler]
    holds = per_tick <= budget * (1.0 + ALLOWED)
    print(f"realtime: {per_tick} instructions a tick, budget {budget} + {100 * ALLOWED:.0f} %")
    if not holds:
        print(f"over the budget: make the tick cheaper, or raise it in {BUDGET.name} and say why")
    return holds


def instructions(build: Path, ticks: int) -> int:
    """Return the instructions that callgrind counts inside the tick."""
    # Page faults under valgrind are valgrind's own: the course may end with 1.
    said = run("valgrind", "--tool=callgrind", f"--toggle-collect={TICK}", "--callgrind-out-file=/dev/null",
               str(build / "tick_course"), str(ticks), accept=(0, 1))  # fmt: skip
    collected = re.search(r"Collected : (\d+)", said)
    if collected is None:
        raise SystemExit(f"callgrind counted nothing:\n{said}")
    return int(collected[1])


def configure(build: Path, *options: str, targets: tuple[str, ...] = ("all",)) -> None:
    """Configure and build the C++ tests, or some of them, in a folder."""
    eigen = f"-DCMAKE_PREFIX_PATH={Path(sys.prefix) / 'lib'}/python{sys.version_info.major}.{sys.version_info.minor}"
    run("cmake", "-S", str(ROOT), "-B", str(build), f"{eigen}/site-packages/cmeel.prefix", *options)
    run("cmake", "--build", str(build), "-j2", "--target", *targets)


def run(*command: str, accept: tuple[int, ...] = (0,)) -> str:
    """Run a command and return what it says; end with all of that when its exit status is another."""
    path = f"{Path(sys.prefix) / 'bin'}:{os.environ['PATH']}"
    done = subprocess.run(
        command, env=os.environ | {"PATH": path}, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    if done.returncode not in accept:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout[-8000:]}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
