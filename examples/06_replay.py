"""Record a stow, run the kernel again on the recording, then damage one byte and see it found.

Run it with ``python examples/06_replay.py``. What is learned: a recording holds all that went into the kernel, so the
same build gives every output again bit for bit; a recording that was changed is refused by name.
"""

import sys
import tempfile
from pathlib import Path

from podhand.app.episode import EpisodeJob, run_episode
from podhand.app.words import headline
from podhand.controllers.recorder import replay
from podhand.core.errors import RecordingError


def flip_a_byte(source: Path, target: Path) -> int:
    """Copy a file with one byte in its middle inverted; returns where."""
    data = bytearray(source.read_bytes())
    where = len(data) // 2
    data[where] ^= 0xFF
    target.write_bytes(data)
    return where


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="podhand-") as folder:
        recording = Path(folder) / "recording.mcap"
        job = EpisodeJob(station="sim-stow", items=None, seed=2, index=0, recording=recording)
        print(headline(run_episode(job).result))
        print(f"{recording.name}: {recording.stat().st_size / 1e6:.1f} MB")

        report = replay(recording)
        print(f"Replayed: {report.in_words()}")

        damaged = Path(folder) / "damaged.mcap"
        print(f"Byte {flip_a_byte(recording, damaged)} inverted.")
        try:
            replay(damaged)
        except RecordingError as error:
            print(f"{type(error).__name__}: {error}")
            return 0 if report.identical else 1
    return 1


if __name__ == "__main__":
    sys.exit(main())
