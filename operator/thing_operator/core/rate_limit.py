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

    def try_take(self, now: float, *, leave: float = 0.0) -> bool:
        """Take one token if it is there, and ``leave`` more; whether it was."""
        if self.wait(now, leave=leave) > 0:
            return False
        self._take(now, 1)
        return True

    def wait(self, now: float, *, leave: float = 0.0) -> float:
        """Seconds until the next token is there, and ``leave`` more; 0 when it is."""
        return max(0.0, self.ready_at(leave=leave) - now)

    def ready_at(self, *, leave: float = 0.0) -> float:
        """When the next token is there, and ``leave`` more; the past when it is."""
        return self._full_at - (self.burst - 1 - leave) / self.rate

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

    ``burst`` is by default what comes in one second, and 1 at least; ``sharers`` keep to the rate together. ``kept``:
    the part of what is saved up that only the urgent take.
    """

    def __init__(
        self,
        rate: float,
        *,
        clock: Clock,
        burst: float | None = None,
        kept: float = 0.0,
        sharers: Sharers = alone,
    ) -> None:
        self._bucket = SharedBucket(rate, burst=lambda share: burst or max(1.0, share), sharers=sharers)
        self._kept = kept
        self._clock = clock
        self._urgent: deque[object] = deque()

    async def acquire(self, *, urgent: bool = False) -> None:
        """Wait for one token and take it."""
        me = object()
        if urgent:
            self._urgent.append(me)
        try:
            while not self._try_acquire(me if urgent else None, urgent=urgent):
                # Time is what is waited for, and time sets no Event.
                pause = self.next_try(urgent=urgent) - self._clock.monotonic()
                await asyncio.sleep(pause)
        finally:
            if urgent:
                self._urgent.remove(me)

    def try_acquire(self, *, urgent: bool = False) -> bool:
        """Take one token if it is there and nobody waits for it in :meth:`acquire` as urgent; whether it was."""
        return self._try_acquire(None, urgent=urgent)

    def next_try(self, *, urgent: bool = False) -> float:
        """When :meth:`try_acquire` may be tried again after it was in vain (monotonic)."""
        now = self._clock.monotonic()
        bucket = self._bucket.at(now)
        return max(now + _SHORTEST_SLEEP, bucket.ready_at(leave=self._leave(bucket, urgent=urgent)))

    def refund(self) -> None:
        """Give a token back that was not needed."""
        self._bucket.refund()

    def _try_acquire(self, me: object | None, *, urgent: bool) -> bool:
        goes_first = not self._urgent or self._urgent[0] is me
        now = self._clock.monotonic()
        bucket = self._bucket.at(now)
        return goes_first and bucket.try_take(now, leave=self._leave(bucket, urgent=urgent))

    def _leave(self, bucket: TokenBucket, *, urgent: bool) -> float:
        """The tokens that have to be there beyond the one that is taken."""
        return 0.0 if urgent else min(self._kept * bucket.burst, bucket.burst - 1)
