"""Every numbered example runs from the repository root and tells what it promises."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("[0-9][0-9]_*.py"))
SLOW = {"05_one_stow", "06_replay", "07_what_the_limits_are_for", "08_flip_up", "09_stack", "10_slot"}
TELLING = {
    "01_guarded_move": ["feel: ended by 'contact'"],
    "02_conditions_and_laws": ["press: ended by 'steady'", "lean: ended by 'bent'", "Refused, nothing moved"],
    "03_see_a_bin": ["waits at the infeed", "Decision: StowPlan", "bin.png"],
    "04_recipe": ["receive_item", "the same recipe again: True", "takes "],
    "05_one_stow": ["→ bin", ": stowed", "eject_item"],
    "07_what_the_limits_are_for": ["| world |", "| 0 |"],
    "08_flip_up": ["Without flip_up: refused", "With it: flip_up", "stood up, ", "flip.png", "blender: success"],
    "09_stack": ["Without stack: refused", "With it: stack", "the item touched after", "board_game: success"],
    "10_slot": ["Without slot: refused", "With it: slot", "rolled by", "puzzle: success"],
    "11_suction_board": ["an item at the cup", "NOT VALID", "fault: board silent", "refused: ", "acknowledged"],
    "06_replay": ["agree bit for bit", "RecordingError:", "damaged"],
}


def case(path: Path) -> object:
    return pytest.param(path, id=path.stem, marks=[pytest.mark.slow] if path.stem in SLOW else [])


def test_examples_are_numbered_without_a_gap() -> None:
    assert [int(path.name[:2]) for path in EXAMPLES] == list(range(1, len(EXAMPLES) + 1))
    assert {path.stem for path in EXAMPLES} == set(TELLING), "say in TELLING what each example must print"


@pytest.mark.parametrize("path", [case(path) for path in EXAMPLES])
def test_example_runs(path: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, str(path.relative_to(ROOT))],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for words in TELLING[path.stem]:
        assert words in done.stdout, done.stdout


def test_picture_goes_where_it_is_wanted(tmp_path: Path) -> None:
    out = tmp_path / "new" / "folder"
    command = [sys.executable, "examples/03_see_a_bin.py", "--out", str(out)]
    subprocess.run(command, cwd=ROOT, capture_output=True, timeout=120, check=True)
    assert (out / "bin.png").read_bytes().startswith(b"\x89PNG")
