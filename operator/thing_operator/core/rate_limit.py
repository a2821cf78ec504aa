"""So much per second and no more: a token bucket, a share of one, and a limiter that lets the urgent go first."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from thing_operator.core.clock import Clock

_SHORTEST_SLEEP: Final = 0.001

Sharers = Callable[[], int]
"""How many processes keep to a rate together by now, this one included."""


def alone() -> int:
    """Of a process that shares with no other."""
    return 1


@dataclass(slots=True)
class TokenBucket:
    """``rate`` tokens per second, of which ``burst`` may be saved up; full at first. Pure: the clock is an argument.

    Kept as the time at which it is full again (the generic cell rate algorithm), so reservations queue in the order
    in which they are made. Times are seconds of one monotonic clock.
    """

    rate: float
    burst: float
    _full_at: float = 0.0

    def reserve(self, now: float, tokens: int = 1) -> float:
        """Take tokens, even ones that are still to come; returns the seconds to wait until the first is there.

        More than ``burst`` at once are taken all the same: those after them wait the longer.
        """
        wait = self.wait(now)
        self._take(now, tokens)
        return wait

    def try_take(self, now: float) -> bool:
        """Take one token if it is there; whether it was."""
        if self.wait(now) > 0:
            return False
        self._take(now, 1)
        return True

    def wait(self, now: float) -> float:
        """Seconds until the next token is there; 0 when it is."""
        return max(0.0, self._full_at - now - (self.burst - 1) / self.rate)

    def left(self, now: float) -> float:
        """How many tokens are there; below zero when more are taken than there were."""
        return self.burst - max(0.0, self._full_at - now) * self.rate

    def refund(self, tokens: int = 1) -> None:
        """Give back tokens that were not used."""
        self._full_at -= tokens / self.rate

    def change(self, rate: float, *, burst: float, now: float) -> None:
        """Another rate and burst from now on; what was taken stays taken."""
        taken = max(0.0, self._full_at - now) * self.rate
        self.rate, self.burst, self._full_at = rate, burst, now + taken / rate

    def _take(self, now: float, tokens: int) -> None:
        self._full_at = max(self._full_at, now) + tokens / self.rate


class SharedBucket:
    """This process's share of a rate that several keep to together. Pure but for ``sharers``, which is asked each time.

    ``burst`` gives what may be saved up at a rate.
    """

    def __init__(self, rate: float, *, burst: Callable[[float], float], sharers: Sharers) -> None:
        self._total = rate
        self._burst = burst
        self._sharers = sharers
        self._shared_by = max(1, sharers())
        share = rate / self._shared_by
        self._bucket = TokenBucket(share, burst(share))

    def at(self, now: float) -> TokenBucket:
        """The bucket as it is by the number of those who share at ``now``."""
        sharers = max(1, self._sharers())
        if sharers != self._shared_by:
            self._shared_by, share = sharers, self._total / sharers
            self._bucket.change(share, burst=self._burst(share), now=now)
        return self._bucket

    def refund(self, tokens: int = 1) -> None:
        """Give back tokens that were not used."""
        self._bucket.refund(tokens)


class RateLimiter:
    """Lets so many per second pass, the urgent ahead of the rest. Belongs to one event loop.

    ``burst`` is by default what comes in one second, and 1 at least; ``sharers`` keep to the rate together.
    """

    def __init__(
        self, rate: float, *, clock: Clock, burst: float | None = None, sharers: Sharers = alone
    ) -> None:
        self._bucket = SharedBucket(rate, burst=lambda share: burst or max(1.0, share), sharers=sharers)
        self._clock = clock
        self._urgent: deque[object] = deque()

    async def acquire(self, *, urgent: bool = False) -> None:
        """Wait for one token and take it."""
        me = object()
        if urgent:
            self._urgent.append(me)
        try:
            while not self._try_acquire(me if urgent else None):
                # Time is what is waited for, and time sets no Event.
                now = self._clock.monotonic()
                await asyncio.sleep(max(_SHORTEST_SLEEP, self._bucket.at(now).wait(now)))
        finally:
            if urgent:
                self._urgent.remove(me)

    def try_acquire(self) -> bool:
        """Take one token if it is there and nothing urgent waits for it; whether it was."""
        return self._try_acquire(None)

    def refund(self) -> None:
        """Give a token back that was not needed."""
        self._bucket.refund()

    def _try_acquire(self, urgent: object | None) -> bool:
        goes_first = not self._urgent or self._urgent[0] is urgent
        now = self._clock.monotonic()
        return goes_first and self._bucket.at(now).try_take(now)
