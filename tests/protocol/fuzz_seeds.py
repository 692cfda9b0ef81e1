"""Write golden frames as seeds for libFuzzer: ``python tests/protocol/fuzz_seeds.py FOLDER``."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.protocol.golden import golden_frames

if __name__ == "__main__":
    for number, golden in enumerate(golden_frames()):
        (Path(sys.argv[1]) / f"golden-{number:02}").write_bytes(golden.wire)
