"""How many Things have which condition, kept up as they change: ten thousand statuses are not read for a scrape."""

from collections import Counter
from typing import Final

from thing_operator.api.conditions import ConditionKey, ConditionType, condition_keys
from thing_operator.core.reasons import Reason

__all__ = ["ON_ITS_WAY", "ConditionCounts", "ConditionSet", "condition_keys"]

ON_ITS_WAY: Final[ConditionKey] = (ConditionType.READY, "False", Reason.PENDING)
"""Of a Thing that nothing is wrong with: what comes next is said soon."""

ConditionSet = frozenset[ConditionKey]
"""Type, status and reason of each condition of one Thing."""


class ConditionCounts:
    """Counts Things by their conditions. Nearly all have the same ones, so each set of conditions is kept once."""

    def __init__(self) -> None:
        self._things: Counter[ConditionSet] = Counter()
        self._kept: dict[ConditionSet, ConditionSet] = {}

    def move(self, before: ConditionSet | None, now: ConditionSet) -> ConditionSet:
        """A Thing has these conditions ``now``; returns the one copy of them, to be given back as ``before``."""
        after = self._kept.setdefault(now, now)
        if after is not before:
            self._things[after] += 1
            self.leave(before)
        return after

    def leave(self, before: ConditionSet | None) -> None:
        """A Thing with these conditions is no longer there."""
        if before is not None:
            self._things[before] -= 1
            if not self._things[before]:
                del self._things[before], self._kept[before]

    def of(self, key: ConditionKey) -> int:
        """Number of Things that have this condition."""
        return sum(count for conditions, count in self._things.items() if key in conditions)

    def condition_keys(self) -> Counter[ConditionKey]:
        """Number of Things by type, status and reason of a condition."""
        found: Counter[ConditionKey] = Counter()
        for conditions, count in self._things.items():
            for key in conditions:
                found[key] += count
        return found
