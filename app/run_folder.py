"""The folder that a run leaves, and the manifest that makes every changed byte visible."""

import fcntl
import hashlib
import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Final, Self

import podhand
from podhand.app.host_facts import host_facts
from podhand.core.errors import ConfigError, RecordingError
from podhand.core.station import Station, dump_station

MANIFEST: Final = "manifest.json"
EVENTS: Final = "events.jsonl"
MANIFEST_SCHEMA: Final = "podhand-run-1"
_NO_DIGEST: Final = "0" * 64
_SELF_DIGEST: Final = re.compile(r'("manifest_sha256": ")([0-9a-f]{64})(")')


@dataclass(frozen=True, kw_only=True)
class RunManifest:
    """What a verified manifest says."""

    folder: Path
    build_id: str
    schemas: Mapping[str, str]
    files: tuple[str, ...]
    complete: bool
    """False when the run was interrupted."""

    def recordings(self) -> list[Path]:
        """Return the recordings of the run, in order."""
        return [self.folder / name for name in self.files if name.endswith("recording.mcap")]


class RunFolder:
    """A run folder while it is written; leaving the context writes the manifest, whatever happened inside."""

    def __init__(self, path: Path, *, build_id: str, schemas: Mapping[str, str], resume: bool = False) -> None:
        """Make the folder, or take up one that was left.

        Args:
            path: a folder that does not exist yet or is empty; with ``resume``, one that an earlier run left.
            build_id: of the kernel that runs.
            schemas: name and version of everything that the files inside follow.
            resume: keep what is there; its events are in ``past``, a last line that was torn by a crash is dropped.

        Raises:
            ConfigError: the folder is not empty, cannot be made, or another process writes into it. Nothing was
                written.
        """
        self.path = path
        self._build_id = build_id
        self._schemas = dict(schemas)
        try:
            path.mkdir(parents=True, exist_ok=True)
            occupied = any(path.iterdir())
        except OSError as error:
            raise ConfigError(f"{path} - the run folder cannot be made ({error.strerror}); choose another") from error
        if occupied and not resume:
            raise ConfigError(f"{path} - the run folder is not empty; choose a new one (--out) or remove it first")
        self._events = (path / EVENTS).open("a+b")
        try:
            fcntl.flock(self._events, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._events.close()
            raise ConfigError(f"{path} - another podhand writes into this run folder; wait for its end") from error
        self.past, end = _whole_lines(self._events)
        """Events of earlier runs into this folder."""
        self._events.truncate(end)
        (path / MANIFEST).unlink(missing_ok=True)  # it vouches for bytes that now change

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self.event("run_ended_early", reason=type(error).__name__, message=str(error))
        self._events.close()
        _write_manifest(self.path, build_id=self._build_id, schemas=self._schemas, complete=error is None)

    def event(self, name: str, /, **fields: Any) -> None:
        """Append one line to ``events.jsonl``; it survives the death of this process."""
        stamp = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = json.dumps({"time": stamp, "event": name, **fields}, default=str) + "\n"
        self._events.write(line.encode())
        self._events.flush()

    def write_json(self, name: str, document: Mapping[str, Any]) -> Path:
        """Write a JSON file into the folder."""
        return self.write_text(name, json.dumps(document, indent=1, allow_nan=False) + "\n")

    def write_text(self, name: str, text: str) -> Path:
        """Write a text file into the folder."""
        return self.write_bytes(name, text.encode())

    def write_bytes(self, name: str, content: bytes) -> Path:
        """Write a file into the folder; ``name`` may contain sub-folders."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def write_station(self, station: Station) -> Path:
        """Write the effective station."""
        return self.write_text("station.yaml", dump_station(station))


def new_run_path(root: Path, label: str) -> Path:
    """Return a path for a new run under ``root`` that does not exist yet, named by date and label."""
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    candidates = (root / f"{stamp}-{label}{suffix}" for suffix in ("", *(f"-{n}" for n in range(2, 1000))))
    return next(path for path in candidates if not path.exists())


def verify_run(path: Path) -> RunManifest:
    """Check every byte of a run folder against its manifest.

    Raises:
        RecordingError: no manifest, or files that were changed, are missing or extra: all of them are named.
    """
    manifest = path / MANIFEST
    document = _read_manifest(manifest)
    listed: dict[str, dict[str, Any]] = document["files"]
    present = dict(_files(path))
    findings = [f"{path / name}: missing, but named in {MANIFEST}" for name in sorted(listed.keys() - present.keys())]
    findings += [f"{path / name}: extra, not named in {MANIFEST}" for name in sorted(present.keys() - listed.keys())]
    for name in sorted(listed.keys() & present.keys()):
        digest, size = _digest(present[name]), present[name].stat().st_size
        if digest != listed[name]["sha256"]:
            findings.append(
                f"{present[name]}: changed after the run was written (sha256 {digest[:12]}…, {size} bytes; "
                f"the manifest says {str(listed[name]['sha256'])[:12]}…, {listed[name]['bytes']} bytes)"
            )
    if findings:
        findings.append("The run is not as it was recorded; take an untouched copy, or record it again.")
        raise RecordingError("\n".join(findings))
    return RunManifest(
        folder=path,
        build_id=str(document["build_id"]),
        schemas=document["schemas"],
        files=tuple(sorted(listed)),
        complete=bool(document["complete"]),
    )


def read_events(path: Path) -> list[dict[str, Any]]:
    """Return the events of a run folder, finished or not; a last line that was torn is left out.

    Raises:
        ConfigError: the folder has no events, or a line before the last is damaged.
    """
    try:
        with (path / EVENTS).open("rb") as stream:
            return _whole_lines(stream)[0]
    except OSError as error:
        raise ConfigError(f"{path} is no run folder: it has no {EVENTS}") from error


def _whole_lines(stream: BinaryIO) -> tuple[list[dict[str, Any]], int]:
    """Return all events and where the last one that is whole ends [bytes]."""
    stream.seek(0)
    whole, end, _ = stream.read().rpartition(b"\n")
    try:
        return [json.loads(line) for line in whole.splitlines()], len(whole) + len(end)
    except ValueError as error:
        raise ConfigError(f"{stream.name} - a line within is damaged ({error}); begin anew with --out") from error


def _write_manifest(path: Path, *, build_id: str, schemas: Mapping[str, str], complete: bool) -> None:
    files = {name: {"sha256": _digest(file), "bytes": file.stat().st_size} for name, file in sorted(_files(path))}
    document = {
        "schema": MANIFEST_SCHEMA,
        "manifest_sha256": _NO_DIGEST,
        "podhand": podhand.__version__,
        "build_id": build_id,
        "schemas": {"manifest": MANIFEST_SCHEMA, **schemas},
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "complete": complete,
        "command": sys.argv,
        "host": host_facts(),
        "files": files,
    }
    text = json.dumps(document, indent=1) + "\n"
    digest = hashlib.sha256(text.encode()).hexdigest()
    (path / MANIFEST).write_text(text.replace(_NO_DIGEST, digest, 1), encoding="utf-8")


def _read_manifest(manifest: Path) -> dict[str, Any]:
    """Read a manifest that vouches for itself: its digest is over its own text with that digest zeroed."""
    try:
        text = manifest.read_bytes().decode("utf-8")
    except FileNotFoundError as error:
        raise RecordingError(f"{manifest.parent} is no run folder: it has no {MANIFEST}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise RecordingError(f"{manifest}: changed or unreadable ({error})") from error
    found = _SELF_DIGEST.search(text)
    blank = _SELF_DIGEST.sub(rf"\g<1>{_NO_DIGEST}\g<3>", text, count=1)
    if found is None or hashlib.sha256(blank.encode()).hexdigest() != found[2]:
        raise RecordingError(f"{manifest}: changed after the run was written (its own sha256 does not match)")
    document: dict[str, Any] = json.loads(text)
    if document["schema"] != MANIFEST_SCHEMA:
        raise RecordingError(f"{manifest}: schema {document['schema']!r}, this podhand reads {MANIFEST_SCHEMA!r}")
    return document


def _files(path: Path) -> Iterator[tuple[str, Path]]:
    """List all files under a run folder but the manifest, by their relative names with forward slashes."""
    for folder, _, names in os.walk(path):
        for name in names:
            file = Path(folder) / name
            relative = file.relative_to(path).as_posix()
            if relative != MANIFEST:
                yield relative, file


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
