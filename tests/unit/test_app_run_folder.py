"""Run folders: complete whatever happened, and every changed byte is found and named."""

import json
import random
from pathlib import Path

import pytest

from podhand.app.run_folder import MANIFEST, RunFolder, new_run_path, verify_run
from podhand.core.errors import ConfigError, RecordingError
from podhand.core.station import load_station


@pytest.fixture
def run(tmp_path: Path) -> Path:
    path = tmp_path / "run"
    with RunFolder(path, build_id="test-build", schemas={"result": "x-1"}) as folder:
        folder.event("started", count=1)
        folder.write_json("summary.json", {"attempts": 1})
        folder.write_bytes("stow-01/recording.mcap", bytes(range(256)))
        folder.write_station(load_station("sim-stow"))
    return path


def test_an_untouched_run_verifies(run: Path) -> None:
    manifest = verify_run(run)
    assert manifest.complete
    assert manifest.build_id == "test-build"
    assert manifest.recordings() == [run / "stow-01" / "recording.mcap"]
    assert set(manifest.files) == {"events.jsonl", "summary.json", "station.yaml", "stow-01/recording.mcap"}
    assert load_station(run / "station.yaml") == load_station("sim-stow")


def test_any_changed_byte_in_any_file_is_named(run: Path) -> None:
    rng = random.Random(7)
    for file in [path for path in run.rglob("*") if path.is_file()]:
        original = file.read_bytes()
        for position in {0, len(original) - 1, *(rng.randrange(len(original)) for _ in range(25))}:
            changed = bytearray(original)
            changed[position] ^= 1 << rng.randrange(8)
            file.write_bytes(bytes(changed))
            with pytest.raises(RecordingError, match=file.name):
                verify_run(run)
        file.write_bytes(original)
    verify_run(run)


def test_missing_and_extra_files_are_named_together(run: Path) -> None:
    (run / "summary.json").unlink()
    (run / "notes.txt").write_text("x")
    with pytest.raises(RecordingError) as caught:
        verify_run(run)
    assert "summary.json: missing" in str(caught.value)
    assert "notes.txt: extra" in str(caught.value)


def test_a_folder_without_a_manifest_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="no run folder"):
        verify_run(tmp_path)


def test_an_interrupted_run_leaves_a_readable_folder(tmp_path: Path) -> None:
    path = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt), RunFolder(path, build_id="b", schemas={}):
        raise KeyboardInterrupt
    assert not verify_run(path).complete
    last = json.loads((path / "events.jsonl").read_text().splitlines()[-1])
    assert (last["event"], last["reason"]) == ("run_ended_early", "KeyboardInterrupt")


def test_a_folder_in_use_is_refused_and_left_alone(run: Path) -> None:
    before = (run / MANIFEST).read_bytes()
    with pytest.raises(ConfigError, match="not empty"):
        RunFolder(run, build_id="b", schemas={})
    assert (run / MANIFEST).read_bytes() == before
    verify_run(run)


def test_new_run_paths_never_collide(tmp_path: Path) -> None:
    first = new_run_path(tmp_path, "stow")
    first.mkdir()
    assert new_run_path(tmp_path, "stow") != first
