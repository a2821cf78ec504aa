"""Medians, ratios and how far they spread; pure."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spread:
    """Least, lower quartile, median, upper quartile and most of some values."""

    least: float
    lower: float
    median: float
    upper: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Of one value or more; quartiles lie between the values (the inclusive method).

        Raises ValueError when there is none.
        """
        if not values:
            raise ValueError("a spread needs at least one value")
        ranked = sorted(values)
        if len(ranked) == 1:
            return cls(*(5 * ranked))
        lower, median, upper = statistics.quantiles(ranked, n=4, method="inclusive")
        return cls(ranked[0], lower, median, upper, ranked[-1])


@dataclass(frozen=True, slots=True)
class Comparison:
    """One figure of two products, measured in pairs.

    ``ratio`` is the new median by the old one, ``pairwise`` the spread of the ratios of the pairs. None: the old
    value was 0, of which there is no multiple.
    """

    old: Spread
    new: Spread
    ratio: float | None
    pairwise: Spread | None


def compare(old: Sequence[float | None], new: Sequence[float | None]) -> Comparison | None:
    """Compare run by run; a pair with a value missing on either side counts for nothing.

    None when no pair is whole. Raises ValueError when there are not as many old as new runs.
    """
    pairs = [(a, b) for a, b in zip(old, new, strict=True) if a is not None and b is not None]
    if not pairs:
        return None
    before, after = Spread.of([a for a, _ in pairs]), Spread.of([b for _, b in pairs])
    ratios = [b / a for a, b in pairs if a]
    return Comparison(
        old=before,
        new=after,
        ratio=after.median / before.median if before.median else None,
        pairwise=Spread.of(ratios) if ratios else None,
    )
