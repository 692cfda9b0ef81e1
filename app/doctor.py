"""``podhand doctor``: is this machine fit for a cycle of 1 kHz, and what changes what is not?"""

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from rich.table import Table

from podhand.app.host_facts import host_facts
from podhand.app.shell import check_json_target, console, write_json
from podhand.controllers.realtime import audit_machine
from podhand.core.errors import StateError


class Verdict(StrEnum):
    """Of one finding."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"
    """The profile ``production`` of podhand-rt refuses to run."""


_MARKS = {Verdict.OK: "[green]✓[/]", Verdict.WARNING: "[yellow]![/]", Verdict.FAULT: "[red]✗[/]"}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    what: str
    wanted: str
    got: str
    verdict: Verdict
    why: str
    """What goes wrong otherwise."""
    remedy: str
    """A command, or what to do."""


def examine(*, root: str = "", cpu: int | None = None, nic: str | None = None, priority: int = 80) -> list[Finding]:
    """Look at this machine as podhand-rt does before it starts; only reads.

    Args:
        root: before every path that is read, for machines made up of files.
        cpu: the processor that the cycle will run on; None: not said.
        nic: a network card with a cyclic bus, looked at too.
        priority: of the cycle.
    """
    rows = audit_machine(root=root, priority=priority, cpu=cpu, nic=nic)
    verdicts = list(Verdict)
    return [
        Finding(what=what, wanted=wanted, got=got, verdict=verdicts[verdict], why=why, remedy=remedy)
        for what, wanted, got, verdict, why, remedy in rows
    ]


def run_doctor(*, cpu: int | None, nic: str | None, json_target: str | None, root: str = "") -> list[Finding]:
    """Examine this machine, and say what is wrong, why it matters and what changes it.

    Raises StateError when production would refuse to run here; everything was shown and written before.
    """
    check_json_target(json_target)
    findings = examine(root=root, cpu=cpu, nic=nic)
    counts = Counter(finding.verdict for finding in findings)
    if json_target != "-":
        _print(findings)
    write_json(_document(findings, counts), json_target)
    if counts[Verdict.FAULT]:
        raise StateError(
            f"{counts[Verdict.FAULT]} of {len(findings)} checks failed: the profile production refuses this machine, "
            "commissioning runs with warnings"
        )
    return findings


def _document(findings: list[Finding], counts: Counter[Verdict]) -> dict[str, Any]:
    return {
        "schema": "podhand-doctor-1",
        "host": host_facts(),
        "fit": counts[Verdict.FAULT] == 0,
        "faults": counts[Verdict.FAULT],
        "warnings": counts[Verdict.WARNING],
        "findings": [
            {
                "what": f.what,
                "wanted": f.wanted,
                "got": f.got,
                "verdict": f.verdict.value,
                "why": f.why,
                "remedy": f.remedy,
            }
            for f in findings
        ],
    }


def _print(findings: list[Finding]) -> None:
    table = Table(title="this machine, for a cycle of 1 kHz", title_justify="left", show_lines=True)
    for column in ("", "what", "wanted", "got", "why it matters, and what changes it"):
        table.add_column(column)
    for finding in findings:
        advice = "" if finding.verdict is Verdict.OK else f"{finding.why}\n[bold]{finding.remedy}[/]"
        table.add_row(_MARKS[finding.verdict], finding.what, finding.wanted, finding.got, advice)
    console.print(table)
