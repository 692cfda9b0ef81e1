"""What can be left out of a stow, to measure what it is worth."""

from dataclasses import dataclass
from typing import Final

from podhand.app.choices import Eject
from podhand.core.errors import ConfigError
from podhand.planning.affordances import SPACE_MAKERS, StowRules

PARTS: Final = ("sweep", "flip_up", "stack", "slot", "registration", "feeling")
"""Everything that ``--without`` takes."""


@dataclass(frozen=True, kw_only=True)
class Ablation:
    """A stow without some of its parts, or with another way to eject. Plain data: it travels to worker processes.

    Raises:
        ConfigError: a part that does not exist.
    """

    without: tuple[str, ...] = ()
    eject: Eject = Eject.BELTS

    def __post_init__(self) -> None:
        """Check and sort the names."""
        for name in self.without:
            if name not in PARTS:
                raise ConfigError(f"--without must be one of {', '.join(PARTS)} (got {name!r})")
        object.__setattr__(self, "without", tuple(sorted(set(self.without))))

    def rules(self) -> StowRules:
        """Return the planner's rules."""
        return StowRules(
            moves=SPACE_MAKERS - set(self.without),
            eject=self.eject.value,
            feeling="feeling" not in self.without,
        )

    @property
    def register(self) -> bool:
        """Whether the bin's true pose is looked for."""
        return "registration" not in self.without

    @property
    def label(self) -> str:
        """Say what differs from a whole stow, e.g. "without sweep"; empty when nothing does."""
        parts = [f"without {name}" for name in self.without]
        return ", ".join(parts + ([] if self.eject is Eject.BELTS else [f"ejects by {self.eject.value}"]))


WHOLE_STOW: Final = Ablation()
"""Nothing is left out."""
