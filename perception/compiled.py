"""Typed door to numba: hot loops of this room are compiled at first use and cached on disk."""

from collections.abc import Callable
from typing import TypeVar, cast

from numba import njit

F = TypeVar("F", bound=Callable[..., object])


def compiled(function: F) -> F:
    """Compile a function of numpy arrays and numbers to machine code; its signature stays the same."""
    return cast(F, njit(cache=True, fastmath=False)(function))
