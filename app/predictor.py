"""The success model that a stow may ask."""

from pathlib import Path

from podhand.app.shell import console
from podhand.planning.success import read_model


def tell_predictor(path: Path | None) -> None:
    """Make sure that a success model can be used, and say when its counted rates answer in place of its trees.

    Raises:
        ConfigError: it cannot be read, or is none.
    """
    if path is None:
        return
    fallback = read_model(path).fallback
    if fallback:
        console.print(f"{path}: counted rates answer, since {fallback}", markup=False, soft_wrap=True)
