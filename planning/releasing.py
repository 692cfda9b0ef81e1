"""When a pod goes: the rule that ends filling it."""

from dataclasses import dataclass, replace

from podhand.core.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class PodRelease:
    """A pod goes when nothing that waits fits well enough any more. Pure: every answer is a new value.

    The best of many predictions is too good to be true more often than not, so lower bounds are compared; and one look
    may be poor, so it takes several in a row.

    Raises:
        ConfigError: a threshold outside 0 … 1, a negative margin, or a patience below 1.
    """

    threshold: float = 0.96
    """Least lower bound of the best stow for which a pod stays."""
    margin: float = 0.01
    """A pod that is about to go stays only for something so much better than the threshold."""
    patience: int = 2
    """So many times in a row it must be too little."""
    poor: int = 0
    """How often in a row it was too little by now."""

    def __post_init__(self) -> None:
        """Check the numbers."""
        if not 0.0 < self.threshold < 1.0:
            raise ConfigError(f"threshold must be within 0 … 1 (got {self.threshold})")
        if not (self.margin >= 0.0 and self.threshold + self.margin < 1.0):
            raise ConfigError(f"margin must be 0 or more, below {1.0 - self.threshold:.3g} (got {self.margin})")
        if self.patience < 1:
            raise ConfigError(f"patience must be 1 or more (got {self.patience})")

    def after(self, best_lower: float) -> "PodRelease":
        """Return the rule after a matching.

        Args:
            best_lower: best lower bound over all waiting items and bins, 0 when nothing fits (``Match.best_lower``).

        Raises:
            ConfigError: not within 0 … 1; NaN is not either.
        """
        if not 0.0 <= best_lower <= 1.0:
            raise ConfigError(f"best_lower must be within 0 … 1 (got {best_lower})")
        if self.leaves:
            return self
        least = self.threshold + (self.margin if self.poor else 0.0)
        return replace(self, poor=self.poor + 1 if best_lower < least else 0)

    @property
    def leaves(self) -> bool:
        """Whether the pod goes; it then stays decided."""
        return self.poor >= self.patience

    def reason(self, best_lower: float) -> str:
        """Say in words what holds after a matching with this bound."""
        bound = f"the best stow is at least {100 * best_lower:.1f} % sure, {100 * self.threshold:.1f} % are asked for"
        if self.leaves:
            return f"the pod goes: {bound}, {self.poor} times in a row"
        if self.poor:
            return f"the pod stays for now: {bound}; {self.patience - self.poor} more and it goes"
        return f"the pod stays: {bound}"
