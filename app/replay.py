"""``podhand replay``: is a run still what was recorded, and does the kernel do the same again?"""

from pathlib import Path

from podhand.app.run_folder import verify_run
from podhand.app.shell import check_json_target, console, write_json
from podhand.controllers.recorder import ReplayReport, replay
from podhand.core.errors import RecordingError, StateError


def replay_run(run: Path, *, json_target: str | None) -> list[ReplayReport]:
    """Verify a run folder and replay its recordings, or replay a single recording.

    Raises:
        RecordingError: the folder was changed or is none, or it holds no recording; nothing was replayed.
        StateError: the kernel gave other outputs than recorded.
    """
    check_json_target(json_target)
    alone = run.is_file()
    reports = []
    for recording in [run] if alone else _recordings(run):
        # A run folder vouches for its files; a single file may have been cut off by what ended the run.
        report = replay(recording, recover=alone)
        reports.append(report)
        mark = "[green]✓[/]" if report.identical else "[red]✗[/]"
        console.print(f"{mark} {recording.name if alone else recording.parent.name}: {report.in_words()}")
    write_json({"schema": "podhand-replay-1", "run": str(run), "recordings": [_entry(r) for r in reports]}, json_target)
    different = [report for report in reports if not report.identical]
    if different:
        raise StateError(
            f"{len(different)} of {len(reports)} recordings do not replay; first: {different[0].path}: "
            f"{different[0].in_words()}"
        )
    return reports


def _recordings(run: Path) -> list[Path]:
    """Verify a run folder and return its recordings."""
    manifest = verify_run(run)
    console.print(f"{run}: all {len(manifest.files)} files are as recorded.", markup=False)
    if not manifest.complete:
        console.print("The run was ended early; what was recorded until then is replayed.")
    recordings = manifest.recordings()
    if not recordings:
        raise RecordingError(f"{run} holds no recording to replay (evaluate keeps those of failures: --keep all)")
    return recordings


def _entry(report: ReplayReport) -> dict[str, object]:
    return {
        "recording": f"{report.path.parent.name}/{report.path.name}",
        "ticks": report.ticks,
        "commands": report.commands,
        "outcomes": report.outcomes,
        "same_build": report.same_build,
        "identical": report.identical,
        "largest_difference": report.largest_difference,
        "notes": list(report.notes),
    }
