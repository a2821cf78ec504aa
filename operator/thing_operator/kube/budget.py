"""A token bucket in which the urgent go ahead of the rest."""

import asyncio

from thing_operator.core.clock import Clock


class Budget:
    """``rate`` per second, saved up to ``burst``: by default for one second, and one at least."""

    __slots__ = (
        "_at",
        "_burst",
        "_clock",
        "_rate",
        "_tokens",
        "_urgent_waiting",
    )

    def __init__(self, rate: float, *, clock: Clock, burst: float | None = None) -> None:
        self._rate = rate
        self._burst = burst or max(1.0, rate)
        self._clock = clock
        self._tokens = self._burst
        self._at = clock.monotonic()
        self._urgent_waiting: list[
            object
        ] = []  # a deque takes ten times as much, and there is a Budget an object

    async def spend(self, *, urgent: bool) -> None:
        """Wait for one token and take it."""
        me = object()
        if urgent:
            self._urgent_waiting.append(me)
        try:
            while not self._take(me if urgent else None):  # noqa: ASYNC110 - see below
                # Time is what is waited for, and time tells nobody: an Event would not do.
                await asyncio.sleep(max(0.001, (1 - self._tokens) / self._rate))
        finally:
            if urgent:
                self._urgent_waiting.remove(me)

    def try_spend(self) -> bool:
        """Take one token if there is one; whether there was."""
        return self._take(None)

    def refund(self) -> None:
        """Give one back that was not needed."""
        self._tokens = min(self._burst, self._tokens + 1)

    def _take(self, urgent: object | None) -> bool:
        now = self._clock.monotonic()
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        first = self._urgent_waiting[0] if self._urgent_waiting else None
        if self._tokens < 1 or (first is not None and first is not urgent):
            return False
        self._tokens -= 1
        return True
