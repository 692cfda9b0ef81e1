"""The repository is what its tables say."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES: dict[str, str] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["scikit-build"]["wheel"][
    "packages"
]
CODE_ROOMS = sorted(folder for folder in PACKAGES.values() if folder not in ("stations", "python/podhand"))


def test_import_face_links_every_room() -> None:
    links = {path.name: path.resolve() for path in (ROOT / "python/podhand").iterdir() if path.is_symlink()}
    assert links == {room: ROOT / room for room in CODE_ROOMS}


def test_import_face_is_last_in_the_table() -> None:
    """Otherwise tracebacks show python/podhand/core/... instead of core/..."""
    assert list(PACKAGES)[-1] == "podhand"


@pytest.mark.parametrize("room", CODE_ROOMS)
def test_room_says_what_it_is_for(room: str) -> None:
    docstring = ast.get_docstring(ast.parse((ROOT / room / "__init__.py").read_text()))
    assert docstring, f"{room}/__init__.py has no docstring"


def test_arrows_point_one_way() -> None:
    pytest.importorskip("importlinter", reason="import-linter comes with the lint extra; `make lint` runs it")
    done = subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


def test_safety_links_nothing_of_the_controller() -> None:
    allowed = {"podhand/exchange.hpp", "podhand/realtime.hpp"}
    for path in (ROOT / "cpp/safety").iterdir():
        for line in path.read_text().splitlines():
            if line.startswith("#include") and "podhand/" in line:
                assert line.split("<")[1].rstrip(">") in allowed, f"{path.name}: {line}"
