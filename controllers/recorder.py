"""Recordings: everything that went into the kernel and came out of it, and their exact replay.

A recording is an MCAP file of fixed binary records; the schemas hold the record layouts as JSON. Commands carry the
number of ticks that had been made when the kernel accepted them, so that a replay can give each at its tick. The flight
recorder of podhand-rt writes the same format (``cpp/rt/flight_file.cpp``), with a state of the kernel to begin from.
"""

import io
import json
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import zstandard
from mcap.exceptions import McapError
from mcap.records import Channel, Footer, Header, McapRecord, Message, Metadata
from mcap.stream_reader import StreamReader
from mcap.writer import CompressionType, Writer
from numpy.typing import NDArray

from podhand import _kernel
from podhand.controllers.outcomes import Cause
from podhand.controllers.segments import CompiledChain
from podhand.core.errors import RecordingError
from podhand.core.exchange import INPUTS_DTYPE, OUTPUTS_DTYPE, Axis

__all__ = ["RECORDING_VERSION", "Difference", "Recorder", "Recording", "ReplayReport", "read_recording", "replay"]

RECORDING_VERSION: Final = 2
_READABLE = ("1", "2")
TICK_DTYPE: Final = np.dtype([("inputs", INPUTS_DTYPE), ("outputs", OUTPUTS_DTYPE)])
OTHER_BUILD_TOLERANCE: Final = 1e-9
_PROFILE = "podhand-recording"
_MAGIC = b"\x89MCAP0\r\n"
_MAGIC_SIZE = len(_MAGIC)
_COMMAND_HEAD = struct.Struct("<Qii")  # ticks before it, command, channel or index
_COMMANDS = ("submit", "cancel", "set_payload", "reset_fault", "lose_lease", "late_trip")
_STATE_HEAD = struct.Struct("<QII")  # ticks before it, segments of the running chain per channel
_TOPICS = ("configuration", "initial", "command", "ticks", "outcome", "names")
_READ_TOPICS = (*_TOPICS, "state")
_CHUNK, _DATA_END, _FOOTER = 0x06, 0x0F, 0x02


class Recorder:
    """Writes one recording. Give it to the host; close it (or use ``with``) to make the file complete.

    Args:
        path: the file to write; its folder exists.
        config: the kernel's configuration record.
        note: facts to keep with the recording, e.g. station and seed.

    What the disk does not take raises RecordingError, once: what is written up to then stays, and the run can be
    brought to rest with a recorder that keeps nothing more.
    """

    def __init__(self, path: Path, *, config: NDArray[np.void], note: dict[str, str] | None = None) -> None:
        self.path = path
        self.ticks = 0
        """Ticks made so far; the host counts."""
        self.place: int | None = None
        """Ticks made before the next command took effect, when the host knows better than ``ticks``."""
        self._file = path.open("wb")
        self._writer = Writer(self._file, compression=CompressionType.ZSTD, enable_crcs=True, enable_data_crcs=True)
        self._writer.start(profile=_PROFILE, library=f"podhand {_kernel.build_id()}")
        self._tick_s = float(config["tick_s"])
        self._sequence = 0
        self._closed = self._full = False
        self._channels = {topic: self._register(topic) for topic in _TOPICS}
        self._writer.add_metadata("podhand", {**(note or {}), **_identity()})
        self._write("configuration", config.tobytes())

    def begin(self, inputs: NDArray[np.void], outputs: NDArray[np.void]) -> None:
        """Keep what the plant wrote when it was bound."""
        self._write("initial", inputs.tobytes() + outputs.tobytes())

    def command(self, name: str, *, channel: int = 0, payload: bytes = b"", names: CompiledChain | None = None) -> None:
        """Keep a command that the kernel accepted, with its place in time."""
        if names is not None:
            text = json.dumps({"segments": names.segments, "conditions": dict(names.words), "channel": channel})
            self._write("names", text.encode())
        place = self.ticks if self.place is None else self.place
        self._write("command", _COMMAND_HEAD.pack(place, _COMMANDS.index(name), channel) + payload)

    def outcome(self, record: NDArray[np.void]) -> None:
        """Keep an outcome."""
        self._write("outcome", record.tobytes())

    def block(self, records: bytes) -> None:
        """Keep a block of ticks: inputs and outputs of each, in order."""
        if records:
            self._write("ticks", records)

    def close(self) -> None:
        """Complete the file. A recording that was not closed is not complete and cannot be replayed."""
        if self._closed:
            return
        self._closed = True
        with self._on_disk():
            if not self._full:
                self._writer.finish()  # type: ignore[no-untyped-call]
            self._file.close()

    def __enter__(self) -> "Recorder":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _register(self, topic: str) -> int:
        schema = self._writer.register_schema(f"podhand.{topic}", "numpy-dtype-json", _schema(topic).encode())
        return self._writer.register_channel(f"/{topic}", "json" if topic == "names" else "record", schema)

    def _write(self, topic: str, data: bytes) -> None:
        if self._full:
            return
        time_ns = round(self.ticks * self._tick_s * 1e9)
        with self._on_disk():
            self._writer.add_message(self._channels[topic], time_ns, data, time_ns, self._sequence)
        self._sequence += 1

    @contextmanager
    def _on_disk(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            told, self._full = self._full, True
            if not told:
                raise RecordingError(
                    f"{self.path} cannot be written any more: {error.strerror}; make room, or record elsewhere. "
                    "What it holds up to then can be replayed"
                ) from error


def _identity() -> dict[str, str]:
    return {
        "version": str(RECORDING_VERSION),
        "build_id": str(_kernel.build_id()),
        "layout_hash": str(_kernel.layout_hash()),
    }


def _schema(topic: str) -> str:
    layouts: dict[str, Any] = {
        "configuration": _kernel.KERNEL_CONFIG_DTYPE,
        "initial": TICK_DTYPE,
        "ticks": TICK_DTYPE,
        "outcome": _kernel.OUTCOME_DTYPE,
        "command": _kernel.SEGMENT_DTYPE,
    }
    if topic not in layouts:
        return json.dumps({"text": "json"})
    head = {"head": "ticks u64, command i32, channel or index i32", "commands": _COMMANDS} if topic == "command" else {}
    return json.dumps({**head, "record": _describe(np.dtype(layouts[topic]))})


def _describe(dtype: np.dtype[Any]) -> Any:
    """Return a record layout as JSON: fields with offset, type and shape."""
    base, shape = dtype.subdtype if dtype.subdtype else (dtype, ())
    if base.fields is None:
        return {"type": base.str, "shape": list(shape)}
    fields = [
        {"name": name, "offset": base.fields[name][1], **_describe(base.fields[name][0])} for name in base.names or ()
    ]
    return {"size": base.itemsize, "shape": list(shape), "fields": fields}


# ---- reading ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Command:
    """A recorded command."""

    ticks_before: int
    name: str
    channel: int
    payload: bytes


@dataclass(frozen=True, kw_only=True, eq=False)
class Start:
    """A saved state of the kernel, for a recording that begins in the midst of a run."""

    ticks_before: int
    state: bytes
    chains: tuple[NDArray[np.void], NDArray[np.void]]
    """Segments of the chain that ran, per channel."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Recording:
    """A recording in memory."""

    path: Path
    build_id: str
    layout_hash: str
    note: dict[str, str]
    config: NDArray[np.void]
    """0-d configuration record."""
    commands: tuple[Command, ...]
    ticks: NDArray[np.void]
    """(n,) of ``TICK_DTYPE``."""
    outcomes: NDArray[np.void]
    """(m,) of the kernel's outcome layout."""
    names: tuple[dict[str, Any], ...]
    """Names of segments and conditions of every chain, in order."""
    start: Start | None = None
    """None: it begins with the first tick of a configured kernel."""
    recovered: str = ""
    """What is missing at its end, in words; empty when it is whole."""

    @property
    def from_ticks(self) -> int:
        """Ticks made before its first."""
        return self.start.ticks_before if self.start else 0


def read_recording(path: Path, *, recover: bool = False) -> Recording:
    """Read a recording, every checksum verified.

    Args:
        path: the file.
        recover: take what is whole of a file that was cut off or is damaged further on; ``recovered`` says so.

    Raises:
        RecordingError: missing, not complete, damaged (says where) or of a layout that this build cannot read.
    """
    data, recovered = _bytes(path), ""
    if recover and not _is_whole(path, data):
        data, recovered = _whole_part(path, data)
    _check_ends(path, data)
    parts: dict[str, list[bytes]] = {topic: [] for topic in _READ_TOPICS}
    metadata: dict[str, str] = {}
    try:
        for topic, record in _records(data):
            if isinstance(record, Message):
                parts[topic].append(record.data)
            elif isinstance(record, Metadata) and record.name == "podhand":
                metadata = dict(record.metadata)
        if not metadata:
            raise ValueError("it does not say by which build it was written")
    except (McapError, struct.error, ValueError, KeyError, OSError, EOFError, zlib.error, AssertionError) as error:
        raise RecordingError(f"{path} is damaged: {error or type(error).__name__}; restore it from a copy") from error
    except Exception as error:  # decompressors raise types of their own
        raise RecordingError(f"{path} is damaged: {type(error).__name__}: {error}; restore it from a copy") from error
    recording = _assemble(path, parts, metadata)
    return _within_ticks(recording, recovered) if recovered else recording


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise RecordingError(f"{path} cannot be read: {error.strerror}; is this a run folder?") from error


def _check_ends(path: Path, data: bytes) -> None:
    """Check what the stream reader does not: completeness, summary checksum, and the fixed bytes at both ends."""
    if not data.startswith(_MAGIC):
        raise RecordingError(f"{path} is not an MCAP file (it starts with {data[:8]!r})")
    footer_size = 1 + 8 + 8 + 8 + 4
    if len(data) < 2 * _MAGIC_SIZE + footer_size or not data.endswith(_MAGIC):
        raise RecordingError(f"{path} is not complete: the writer was stopped before it closed the file")
    footer_at = len(data) - _MAGIC_SIZE - footer_size
    opcode, length, summary, offsets, crc = struct.unpack_from("<BQQQI", data, footer_at)
    if opcode != _FOOTER or length != 20 or not _MAGIC_SIZE <= summary <= (offsets or footer_at) <= footer_at:
        raise RecordingError(f"{path} is damaged: its footer is not one (byte {footer_at})")
    if zlib.crc32(data[summary : footer_at + footer_size - 4]) != crc:
        raise RecordingError(f"{path} is damaged: checksum of the summary differs (bytes {summary} to {footer_at})")


def _is_whole(path: Path, data: bytes) -> bool:
    try:
        _check_ends(path, data)
    except RecordingError:
        return False
    return _whole_until(data)[1]


def _whole_until(data: bytes) -> tuple[int, bool]:
    """Return where the last record ends that is there with a right checksum, and whether the data's end was reached."""
    at = _MAGIC_SIZE
    while at + 9 <= len(data):
        opcode, length = struct.unpack_from("<BQ", data, at)
        if opcode == _DATA_END:
            return at, True
        end = at + 9 + length
        if end > len(data) or (opcode == _CHUNK and not _right_chunk(data[at + 9 : end])):
            return at, False
        at = end
    return at, False


def _right_chunk(chunk: bytes) -> bool:
    try:
        size, crc, name = struct.unpack_from("<QII", chunk, 16)
        how = chunk[32 : 32 + name].decode()
        records = chunk[32 + name + 8 :]
        whole = zstandard.ZstdDecompressor().decompress(records, max_output_size=size) if how == "zstd" else records
    except (struct.error, UnicodeDecodeError, zstandard.ZstdError):
        return False
    return bool(len(whole) == size and zlib.crc32(whole) == crc)


def _whole_part(path: Path, data: bytes) -> tuple[bytes, str]:
    """Return the file up to its last whole chunk, closed again, and what was left out."""
    if not data.startswith(_MAGIC):
        raise RecordingError(f"{path} is not an MCAP file (it starts with {data[:8]!r})")
    at, _ = _whole_until(data)
    words = f"{path.name} breaks off at byte {at} of {len(data)}: what is whole before is used"
    end = struct.pack("<BQI", _DATA_END, 4, 0)
    tail = struct.pack("<BQQQ", _FOOTER, 20, at + len(end), at + len(end))
    return data[:at] + end + tail + struct.pack("<I", zlib.crc32(tail)) + _MAGIC, words


def _within_ticks(recording: Recording, words: str) -> Recording:
    """Leave out what belongs to ticks that are lost."""
    end = recording.from_ticks + len(recording.ticks)
    last = int(recording.ticks["inputs"]["tick"][-1]) if len(recording.ticks) else -1
    return replace(
        recording,
        commands=tuple(command for command in recording.commands if command.ticks_before < end),
        outcomes=recording.outcomes[recording.outcomes["end_tick"].astype(np.int64) <= last],
        recovered=words,
    )


def _records(data: bytes) -> Iterator[tuple[str, McapRecord]]:
    topics: dict[int, str] = {}
    for record in StreamReader(io.BytesIO(data), validate_crcs=True).records:
        if isinstance(record, Header) and record.profile != _PROFILE:
            raise ValueError(f"profile is {record.profile!r}, not {_PROFILE!r}")
        if isinstance(record, Channel):
            topics[record.id] = record.topic.removeprefix("/")
        elif isinstance(record, Footer):
            return
        else:
            yield topics[record.channel_id] if isinstance(record, Message) else "", record


def _assemble(path: Path, parts: dict[str, list[bytes]], metadata: dict[str, str]) -> Recording:
    if metadata.get("version") not in _READABLE:
        raise RecordingError(
            f"{path} has recording version {metadata.get('version')}, this build reads {' and '.join(_READABLE)}"
        )
    if metadata["layout_hash"] != str(_kernel.layout_hash()):
        raise RecordingError(
            f"{path} was written by build {metadata['build_id']} with other record layouts: replay it with that build "
            f"(this is {_kernel.build_id()})"
        )
    if len(parts["configuration"]) != 1:
        raise RecordingError(f"{path} holds {len(parts['configuration'])} configurations instead of one")
    try:
        return Recording(
            path=path,
            build_id=metadata.pop("build_id"),
            layout_hash=metadata.pop("layout_hash"),
            note=metadata,
            config=np.frombuffer(parts["configuration"][0], _kernel.KERNEL_CONFIG_DTYPE)[0:1].reshape(()),
            commands=tuple(_command(data) for data in parts["command"]),
            ticks=np.frombuffer(b"".join(parts["ticks"]), TICK_DTYPE),
            outcomes=np.frombuffer(b"".join(parts["outcome"]), _kernel.OUTCOME_DTYPE),
            names=tuple(json.loads(text) for text in parts["names"]),
            start=_start(parts["state"][0]) if parts["state"] else None,
        )
    except (ValueError, IndexError, struct.error) as error:
        raise RecordingError(f"{path} is damaged: a record has the wrong size ({error})") from error


def _start(data: bytes) -> Start:
    ticks, *counts = _STATE_HEAD.unpack_from(data)
    begin = _STATE_HEAD.size + _kernel.STATE_BYTES
    segments = np.frombuffer(data[begin:], _kernel.SEGMENT_DTYPE)
    if len(segments) != sum(counts):
        raise ValueError(f"a state with {sum(counts)} segments holds {len(segments)}")
    chains = segments[: counts[0]], segments[counts[0] :]
    return Start(ticks_before=ticks, state=data[_STATE_HEAD.size : begin], chains=chains)


def _command(data: bytes) -> Command:
    ticks, command, channel = _COMMAND_HEAD.unpack_from(data)
    return Command(ticks_before=ticks, name=_COMMANDS[command], channel=channel, payload=data[_COMMAND_HEAD.size :])


# ---- replay -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Difference:
    """The first place where a replay differs from its recording."""

    tick: int
    field: str
    """Field of the outputs, with the axis for set-points."""
    recorded: float
    replayed: float

    def in_words(self) -> str:
        """Return one sentence."""
        return f"tick {self.tick}, {self.field}: recorded {self.recorded!r}, replayed {self.replayed!r}"


@dataclass(frozen=True, kw_only=True)
class ReplayReport:
    """What a replay found."""

    path: Path
    ticks: int
    commands: int
    outcomes: int
    same_build: bool
    tolerance: float
    """0 for the same build: outputs must agree bit for bit."""
    first_difference: Difference | None
    largest_difference: float
    notes: tuple[str, ...] = field(default=())

    @property
    def identical(self) -> bool:
        """The kernel gave the recorded outputs, within the tolerance."""
        return self.first_difference is None

    def in_words(self) -> str:
        """Return what was compared and what came of it."""
        how = "bit for bit" if self.same_build else f"within {self.tolerance:g}, as another build recorded them"
        if self.first_difference is None:
            words = f"{self.ticks} ticks, {self.commands} commands and {self.outcomes} outcomes agree {how}"
        else:
            words = f"differs at {self.first_difference.in_words()} ({self.ticks} ticks compared {how})"
        return "; ".join((words, *self.notes))


def replay(path: Path, *, recover: bool = False) -> ReplayReport:
    """Run a fresh kernel on the recorded configuration, inputs and commands; compare its outputs with the recorded.

    A recording of the flight recorder begins with a saved state of the kernel instead of the first tick.

    Args:
        path: the recording.
        recover: as in ``read_recording``.

    Raises:
        RecordingError: the recording cannot be read, its commands are refused by this build, or its saved state was
            written by another one.
    """
    recording = read_recording(path, recover=recover)
    kernel = _kernel.Kernel()
    try:
        kernel.configure(recording.config)
    except _kernel.KernelRefusal as refusal:
        raise RecordingError(f"{path}: this build refuses the recorded parameters: {refusal}") from refusal
    _begin(kernel, recording)
    run = _run(kernel, recording)
    same_build = recording.build_id == str(_kernel.build_id())
    tolerance = 0.0 if same_build else OTHER_BUILD_TOLERANCE
    first, largest = _compare(recording.ticks[: len(run.outputs)], run.outputs, tolerance)
    if first is None and run.refusal:
        raise RecordingError(f"{path}: this build refuses a command that was accepted then: {run.refusal}")
    if first is None:
        first = _compare_outcomes(recording.outcomes, run.outcomes, tolerance)
    return ReplayReport(
        path=path,
        ticks=len(run.outputs),
        commands=len(recording.commands),
        outcomes=len(recording.outcomes),
        same_build=same_build,
        tolerance=tolerance,
        first_difference=first,
        largest_difference=largest,
        notes=(recording.recovered,) if recording.recovered else (),
    )


def _begin(kernel: Any, recording: Recording) -> None:
    """Put the kernel where the recording begins."""
    if recording.start is None:
        return
    if recording.build_id != str(_kernel.build_id()):
        raise RecordingError(
            f"{recording.path} begins in the midst of a run, with a state that only build {recording.build_id} can "
            f"take up: replay it with that build (this is {_kernel.build_id()})"
        )
    kernel.restore(recording.start.state, *recording.start.chains)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Run:
    outputs: NDArray[np.void]
    outcomes: NDArray[np.void]
    refusal: str
    """Why a recorded command was refused, which ends the run; empty otherwise."""


def _run(kernel: Any, recording: Recording) -> _Run:
    inputs = np.ascontiguousarray(recording.ticks["inputs"])
    places = [command.ticks_before - recording.from_ticks for command in recording.commands]
    if any(not 0 <= place <= len(inputs) for place in places) or places != sorted(places):
        raise RecordingError(f"{recording.path}: commands lie outside the recorded ticks; the recording has a gap")
    pieces: list[Any] = [np.empty(0, OUTPUTS_DTYPE)]
    outcomes: list[Any] = []
    done, refusal = 0, ""
    for command, place in zip(recording.commands, places, strict=True):
        _tick_to(kernel, inputs, done, place, pieces, outcomes)
        done = place
        try:
            _give(kernel, command)
        except _kernel.KernelRefusal as error:  # a run that has gone another way may not fit the commands any more
            refusal = f"{command.name} after {command.ticks_before} ticks: {error}"
            break
    if not refusal:
        _tick_to(kernel, inputs, done, len(inputs), pieces, outcomes)
    return _Run(
        outputs=np.concatenate(pieces),
        outcomes=np.array(outcomes, _kernel.OUTCOME_DTYPE).reshape(-1),
        refusal=refusal,
    )


def _tick_to(
    kernel: Any, inputs: NDArray[np.void], start: int, end: int, pieces: list[Any], outcomes: list[Any]
) -> None:
    # Short pieces, so that no outcome falls out of the kernel's queue.
    for at in range(start, end, 500):
        pieces.append(kernel.tick_many(inputs[at : min(at + 500, end)]).view(OUTPUTS_DTYPE))
        while (record := kernel.take_outcome()) is not None:
            outcomes.append(record)


def _give(kernel: Any, command: Command) -> None:
    match command.name:
        case "submit":
            kernel.submit(command.channel, np.frombuffer(command.payload, _kernel.SEGMENT_DTYPE))
        case "cancel":
            kernel.cancel(command.channel)
        case "set_payload":
            kernel.set_payload(command.channel, np.frombuffer(command.payload, _kernel.PAYLOAD_DTYPE)[0:1].reshape(()))
        case "reset_fault":
            kernel.reset_fault()
        case "lose_lease":
            kernel.cancel(-1, int(Cause.LEASE_LOST))
        case "late_trip":
            kernel.cancel(-1, int(Cause.HOST_LATE))


def _compare(ticks: NDArray[np.void], outputs: NDArray[np.void], tolerance: float) -> tuple[Difference | None, float]:
    recorded = ticks["outputs"]
    first: Difference | None = None
    commands, again = recorded["command"], outputs["command"]
    apart = np.abs(commands - again)
    # NaN is a difference unless both are NaN; the bit patterns decide for the same build.
    differs = (commands.view(np.uint64) != again.view(np.uint64)) if tolerance == 0.0 else ~(apart <= tolerance)
    largest = float(np.nanmax(apart)) if apart.size else 0.0
    if differs.any():
        row = int(np.argmax(differs.any(axis=1)))
        which = int(np.argmax(differs[row]))
        first = Difference(
            tick=int(ticks["inputs"]["tick"][row]),
            field=f"set-point of {Axis(which).name.lower()}",
            recorded=float(commands[row, which]),
            replayed=float(again[row, which]),
        )
    for name in ("digital", "stop_request", "tick"):
        other = recorded[name] != outputs[name]
        row = int(np.argmax(other)) if other.any() else -1
        tick = int(ticks["inputs"]["tick"][row])
        if other.any() and (first is None or tick < first.tick):
            first = Difference(
                tick=tick, field=name, recorded=float(recorded[name][row]), replayed=float(outputs[name][row])
            )
    return first, largest


def _compare_outcomes(recorded: NDArray[np.void], again: NDArray[np.void], tolerance: float) -> Difference | None:
    if len(again) < len(recorded):
        tick = int(recorded[len(again)]["end_tick"])
        return Difference(tick=tick, field="number of outcomes", recorded=len(recorded), replayed=len(again))
    for row, (a, b) in enumerate(zip(recorded, again, strict=False)):
        same = a.tobytes() == b.tobytes() if tolerance == 0.0 else a["cause"] == b["cause"] and a["code"] == b["code"]
        if not same:
            tick = int(a["end_tick"])
            return Difference(tick=tick, field=f"outcome {row}", recorded=float(a["cause"]), replayed=float(b["cause"]))
    return None
