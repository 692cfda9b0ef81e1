"""The documentation points at things that exist and shows commands that parse."""

import re
import shlex
import tomllib
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from podhand.app.cli import app

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
ROOMS = ["core", "cpp", "firmware_iface", "drivers", "sim", "controllers", "perception", "primitives", "planning",
         "app", "stations", "bench"]  # fmt: skip
LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
IN_CODE = re.compile(r"`([^`\n]*)`")


def links(page: Path) -> list[str]:
    found = LINK.findall(IN_CODE.sub("", FENCED.sub("", page.read_text())))
    return [link for link in found if not re.match(r"[a-z]+:", link)]


def anchor(heading: str) -> str:
    """Return the anchor that a heading gets on the repository's pages."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_relative_links_lead_somewhere(page: Path) -> None:
    dead = []
    for link in links(page):
        path, _, fragment = link.partition("#")
        target = (page.parent / path) if path else page
        if not target.exists():
            dead.append(link)
        elif fragment and target.suffix == ".md":
            headings = re.findall(r"^#+ (.+)$", target.read_text(), re.MULTILINE)
            if fragment not in map(anchor, headings):
                dead.append(link)
    assert not dead, f"{page.name}: {dead}"


def test_index_lists_every_page() -> None:
    index = ROOT / "docs/README.md"
    assert {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md"} <= set(links(index))


@pytest.mark.parametrize("room", ROOMS)
def test_room_is_written_about(room: str) -> None:
    said = re.compile(rf"`{room}/[^`]*`")
    assert any(said.search(page.read_text()) for page in PAGES), f"no page names `{room}/`"


def test_rooms_are_those_of_the_wheel() -> None:
    table = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["scikit-build"]["wheel"]["packages"]
    assert set(ROOMS) == (set(table.values()) - {"python/podhand"}) | {"cpp"}


def shown_commands() -> list[list[str]]:
    """Return the subcommands named in the page of the command line, words in capitals and options left out."""
    text = (ROOT / "docs/command-line.md").read_text()
    shown = [line.strip() for block in FENCED.findall(text) for line in block.splitlines()]
    for line in FENCED.sub("", text).splitlines():
        group = ""
        cell = line.split(" | ")[0]
        for piece in IN_CODE.findall(cell):
            if piece.startswith("podhand "):
                group = " ".join(piece.split()[:2])
                shown.append(piece)
            elif group and cell.startswith("| "):  # `podhand station show`, `check`
                shown.append(f"{group} {piece}")
    found = {tuple(subcommand(line)) for line in shown if line.startswith("podhand ")}
    return sorted(list(words) for words in found if words)


def subcommand(line: str) -> Iterator[str]:
    """Yield the words after ``podhand`` up to the first argument or option."""
    return takewhile(re.compile(r"[a-z][a-z-]*").fullmatch, shlex.split(line, comments=True)[1:])


def commands(group: typer.Typer, before: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the names of all commands that podhand has."""
    for command in group.registered_commands:
        yield (*before, command.name or str(getattr(command.callback, "__name__", "")))
    for inner in group.registered_groups:
        assert inner.typer_instance is not None
        yield from commands(inner.typer_instance, (*before, str(inner.name)))


def test_page_shows_every_command() -> None:
    assert set(commands(app)) <= {tuple(words) for words in shown_commands()}


@pytest.mark.parametrize("words", shown_commands(), ids=" ".join)
def test_shown_command_parses(words: list[str]) -> None:
    done = CliRunner().invoke(app, [*words, "--help"])
    assert done.exit_code == 0, done.output
