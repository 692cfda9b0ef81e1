"""Two campaigns in the same worlds, compared world by world."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

from scipy.stats import binomtest

from podhand.app.results import EpisodeResult, wilson_ci95


@dataclass(frozen=True, kw_only=True)
class Paired:
    """In how many worlds something was so in both campaigns, in one of them, in none."""

    both: int
    only_first: int
    only_second: int
    neither: int

    @classmethod
    def of(
        cls,
        first: Sequence[EpisodeResult],
        second: Sequence[EpisodeResult],
        test: Callable[[EpisodeResult], bool],
    ) -> "Paired":
        """Compare what a test says of the episodes of two campaigns; worlds that only one has are left out."""
        others = {result.seed: result for result in second}
        answers = [(test(result), test(others[result.seed])) for result in first if result.seed in others]
        return cls(
            both=answers.count((True, True)),
            only_first=answers.count((True, False)),
            only_second=answers.count((False, True)),
            neither=answers.count((False, False)),
        )

    @property
    def worlds(self) -> int:
        """Number of pairs."""
        return self.both + self.only_first + self.only_second + self.neither

    @property
    def difference(self) -> float:
        """Rate in the second minus rate in the first."""
        return (self.only_second - self.only_first) / self.worlds if self.worlds else 0.0

    @property
    def mcnemar_p(self) -> float:
        """Exact two-sided McNemar test: how likely a split this uneven is when neither campaign is better."""
        changed = self.only_first + self.only_second
        return float(binomtest(self.only_first, changed, 0.5).pvalue) if changed else 1.0

    @property
    def difference_ci95(self) -> tuple[float, float]:
        """95 % interval of the difference of paired rates (Newcombe 1998, method 10: two Wilson intervals)."""
        n, a, b, c, d = self.worlds, self.both, self.only_second, self.only_first, self.neither
        if n == 0:
            return (-1.0, 1.0)
        p1, p2 = (a + b) / n, (a + c) / n
        (l1, u1), (l2, u2) = wilson_ci95(a + b, n), wilson_ci95(a + c, n)
        down, up = p1 - l1, u2 - p2
        below = sqrt(max(0.0, down**2 - 2 * _phi(a, b, c, d) * down * up + up**2))
        down, up = u1 - p1, p2 - l2
        above = sqrt(max(0.0, down**2 - 2 * _phi(a, b, c, d) * down * up + up**2))
        return (max(-1.0, p1 - p2 - below), min(1.0, p1 - p2 + above))


def _phi(a: int, b: int, c: int, d: int) -> float:
    """Return the correlation of the two answers, with Newcombe's continuity correction."""
    product = (a + b) * (c + d) * (a + c) * (b + d)
    if product == 0:
        return 0.0
    numerator = float(a * d - b * c)
    return (max(numerator - (a + b + c + d) / 2, 0.0) if numerator > 0 else numerator) / sqrt(product)


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Adjust p values for how many there are (Holm): the chance that any of them misleads stays what they say."""
    adjusted, largest = {}, 0.0
    for rank, (name, p) in enumerate(sorted(p_values.items(), key=lambda entry: entry[1])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p))
        adjusted[name] = largest
    return adjusted
