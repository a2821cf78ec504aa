"""Exponential backoff: how long to wait before trying again what has failed, and how far apart many wait. Pure."""

import random
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

_MAX_DOUBLINGS: Final = 60
"""From a millisecond to longer than anything lasts; more would only overflow."""

RECHECK: Final = timedelta(minutes=10)
"""What is amiss is reconciled again after so long at the latest: what ends it may be seen by no watch."""


class Jitter(StrEnum):
    """From which part of the time up to the ceiling a delay is drawn, all of it alike."""

    FULL = "full"
    """From 0: spreads a crowd best, and may try again at once."""
    FULL_ABOVE_BASE = "full above base"
    """From half of ``base``: as FULL, but never at once."""
    EQUAL = "equal"
    """From half of the ceiling: each failure is followed by a longer pause than the one before it, mostly."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """A ceiling that doubles with each failure in a row from ``base`` up to ``limit``, and a delay drawn below it.

    It remembers nothing: who uses it counts the failures, so one serves any number of keys. ``rng`` is the only
    source of chance.
    """

    base: timedelta
    limit: timedelta
    rng: random.Random
    jitter: Jitter = Jitter.FULL

    def delay(self, failures: int) -> timedelta:
        """How long to wait after so many failures in a row; 1 is the first."""
        base, limit = self.base.total_seconds(), self.limit.total_seconds()
        ceiling = min(limit, base * 2.0 ** min(failures - 1, _MAX_DOUBLINGS))
        least = {
            Jitter.FULL: 0.0,
            Jitter.FULL_ABOVE_BASE: min(base, limit) / 2,
            Jitter.EQUAL: ceiling / 2,
        }[self.jitter]
        return timedelta(seconds=self.rng.uniform(least, ceiling))


def rechecks(rng: random.Random) -> Backoff:
    """When to check again what is amiss, whatever was found before: five to ten minutes from now."""
    return Backoff(RECHECK, RECHECK, rng, Jitter.EQUAL)


def write_retries(rng: random.Random) -> Backoff:
    """How long a write that failed waits: from a second up to a minute, objects that failed together apart."""
    return Backoff(timedelta(seconds=1), timedelta(minutes=1), rng, Jitter.EQUAL)
