"""When a thing's simulated values are due. Pure; times are epoch seconds.

Every period of one thing is shifted by the same amount, made of its name: the values of one thing that are due
together stay together in one report, and the things of a fleet do not all report at once.
"""

import hashlib
import math
from collections.abc import Sequence
from typing import Final

from thing_operator.device.signals import Signal

_SPREAD: Final = 3600
_TOGETHER: Final = 0.25


def align_tick(due_at: float) -> float:
    """When what is due is done: at the end of a quarter of a second that all things share.

    A thousand timers for a thousand things wake the process a thousand times, and each time with cold caches: done
    together, a report costs a quarter less. The report's timestamp stays that of its tick.
    """
    return math.ceil(due_at / _TOGETHER) * _TOGETHER


class TickSchedule:
    """The ticks of one thing's signals, counted from ``created``."""

    def __init__(self, signals: Sequence[Signal], *, thing_name: str, created: float) -> None:
        digest = hashlib.blake2b(thing_name.encode(), digest_size=8).digest()
        self._shift = int.from_bytes(digest) / 2**64 * _SPREAD
        self._created = created
        self._signals = tuple(signals)

    def number(self, signal: Signal, at: float) -> int:
        """How many ticks of this signal there were since the Thing's creation."""
        return self._count(signal, at) - self._count(signal, self._created)

    def last(self, signal: Signal, at: float) -> float:
        """When its last tick at or before ``at`` was; both in epoch seconds."""
        return self._count(signal, at) * signal.every.total_seconds() + self._shift

    def next(self, after: float) -> float | None:
        """When the next tick of any signal after ``after`` is, in epoch seconds; None without signals."""
        ahead = [self.last(signal, after) + signal.every.total_seconds() for signal in self._signals]
        return min(ahead, default=None)

    def due(self, *, after: float, until: float) -> list[Signal]:
        """The signals with a tick in ``(after, until]``."""
        return [signal for signal in self._signals if self._count(signal, until) > self._count(signal, after)]

    def _count(self, signal: Signal, at: float) -> int:
        return math.floor((at - self._shift) / signal.every.total_seconds())
