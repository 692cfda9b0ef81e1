"""Ten depth frames of a real warehouse shelf bin, in the folder that ``PODHAND_TEST_DATA`` names."""

import os
from pathlib import Path

VARIABLE = "PODHAND_TEST_DATA"
NEEDS = f"needs the real shelf frames: set {VARIABLE} to the folder that holds shelf_bin/"


def folder() -> Path | None:
    """The frames' folder, None where the data is not installed."""
    root = os.environ.get(VARIABLE)
    path = Path(root) / "shelf_bin" if root else None
    return path if path is not None and path.is_dir() else None
