"""What can be left out of a stow, or added to it, to measure what it is worth."""

from dataclasses import dataclass
from typing import Final

from podhand.app.choices import Eject
from podhand.core.errors import ConfigError
from podhand.planning.affordances import SPACE_MAKERS, USUAL_MOVES, StowRules

PARTS: Final = ("sweep", "stack", "registration", "feeling")
"""Everything that ``--without`` takes."""
EXTRAS: Final = tuple(sorted(SPACE_MAKERS - USUAL_MOVES))
"""Everything that ``--with`` takes: moves that a stow does not try by itself."""


@dataclass(frozen=True, kw_only=True)
class Ablation:
    """A stow without some parts, with more moves, or with another way to eject. Plain data: workers get it.

    Raises:
        ConfigError: a part that does not exist.
    """

    without: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    eject: Eject = Eject.BELTS

    def __post_init__(self) -> None:
        """Check and sort the names."""
        for flag, option, given, known in (
            ("--without", "without", self.without, PARTS),
            ("--with", "extra", self.extra, EXTRAS),
        ):
            for name in given:
                if name not in known:
                    raise ConfigError(f"{flag} must be one of {', '.join(known)} (got {name!r})")
            object.__setattr__(self, option, tuple(sorted(set(given))))

    def rules(self) -> StowRules:
        """Return the planner's rules."""
        return StowRules(
            moves=(USUAL_MOVES | set(self.extra)) - set(self.without),
            eject=self.eject.value,
            feeling="feeling" not in self.without,
        )

    @property
    def register(self) -> bool:
        """Whether the bin's true pose is looked for."""
        return "registration" not in self.without

    @property
    def label(self) -> str:
        """Say what differs from a usual stow, e.g. "without sweep"; empty when nothing does."""
        parts = [f"without {name}" for name in self.without] + [f"with {name}" for name in self.extra]
        return ", ".join(parts + ([] if self.eject is Eject.BELTS else [f"ejects by {self.eject.value}"]))


WHOLE_STOW: Final = Ablation()
"""Nothing is left out."""
