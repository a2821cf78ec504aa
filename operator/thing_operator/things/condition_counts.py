"""How many Things have which condition, kept up as they change: ten thousand statuses are not read for a scrape."""

from collections import Counter

from thing_operator.things.conditions import Verdict

Standing = frozenset[Verdict]
"""Type, status and reason of each condition of one Thing."""


class Census:
    """Nearly all Things stand alike, so each standing is kept once."""

    def __init__(self) -> None:
        self._things: Counter[Standing] = Counter()
        self._kept: dict[Standing, Standing] = {}

    def move(self, before: Standing | None, now: Standing) -> Standing:
        """A Thing stands so now; returns the one copy of it, to be kept and given back as ``before``."""
        after = self._kept.setdefault(now, now)
        if after is not before:
            self._things[after] += 1
            self.leave(before)
        return after

    def leave(self, before: Standing | None) -> None:
        """A Thing is gone."""
        if before is not None:
            self._things[before] -= 1
            if not self._things[before]:
                del self._things[before], self._kept[before]

    def verdicts(self) -> Counter[Verdict]:
        """Number of Things by type, status and reason of a condition."""
        found: Counter[Verdict] = Counter()
        for standing, count in self._things.items():
            for verdict in standing:
                found[verdict] += count
        return found
