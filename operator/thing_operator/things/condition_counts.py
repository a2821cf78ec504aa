"""How many Things have which condition, kept up as they change: ten thousand statuses are not read for a scrape."""

from collections import Counter

from thing_operator.things.conditions import ConditionKey

ConditionSet = frozenset[ConditionKey]
"""Type, status and reason of each condition of one Thing."""


class ConditionCounts:
    """Nearly all Things stand alike, so each standing is kept once."""

    def __init__(self) -> None:
        self._things: Counter[ConditionSet] = Counter()
        self._kept: dict[ConditionSet, ConditionSet] = {}

    def move(self, before: ConditionSet | None, now: ConditionSet) -> ConditionSet:
        """A Thing stands so now; returns the one copy of it, to be kept and given back as ``before``."""
        after = self._kept.setdefault(now, now)
        if after is not before:
            self._things[after] += 1
            self.leave(before)
        return after

    def leave(self, before: ConditionSet | None) -> None:
        """A Thing is gone."""
        if before is not None:
            self._things[before] -= 1
            if not self._things[before]:
                del self._things[before], self._kept[before]

    def condition_keys(self) -> Counter[ConditionKey]:
        """Number of Things by type, status and reason of a condition."""
        found: Counter[ConditionKey] = Counter()
        for standing, count in self._things.items():
            for verdict in standing:
                found[verdict] += count
        return found
