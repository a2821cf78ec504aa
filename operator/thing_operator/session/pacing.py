"""Sharing a broker's quotas among the sessions of one endpoint: fair, first come first served."""

import asyncio
from dataclasses import dataclass
from typing import Final

from thing_operator.config import PacingSettings

_BURST_SECONDS: Final = 0.1
"""How much of a second's budget may go at once; a full second of it would double the rate in that second."""

_CONCURRENT_CONNECTS: Final = 128
"""Per endpoint: so that connect time-outs measure the broker and not our own queue."""


@dataclass(slots=True)
class TokenBucket:
    """A token bucket as its theoretical arrival time (GCRA): reservations queue in the order they are made.

    ``rate`` is tokens per second. Pure: the clock is an argument.
    """

    rate: float
    _full_at: float = 0.0

    def reserve(self, now: float, tokens: int = 1) -> float:
        """Take tokens; returns the seconds to wait until they are there."""
        start = max(self._full_at, now)
        self._full_at = start + tokens / self.rate
        return max(0.0, start - now - _BURST_SECONDS)

    def refund(self, tokens: int) -> None:
        """Give back tokens that were not used."""
        self._full_at -= tokens / self.rate


class EndpointGate:
    """What one endpoint allows: CONNECTs and topic filters per second, and connects under way at a time."""

    def __init__(self, settings: PacingSettings) -> None:
        self._connects = TokenBucket(settings.connects_per_second)
        self._filters = TokenBucket(settings.subscriptions_per_second)
        self.slots = asyncio.Semaphore(_CONCURRENT_CONNECTS)

    async def admit(self, *, filters: int) -> float:
        """Wait for one CONNECT and the SUBSCRIBE after it; returns the seconds waited.

        Both are reserved before connecting, so that no session sits connected and unsubscribed.
        """
        now = asyncio.get_running_loop().time()
        delay = max(self._connects.reserve(now), self._filters.reserve(now, filters))
        if delay > 0:
            await asyncio.sleep(delay)
        return delay

    def refund_filters(self, filters: int) -> None:
        """The connection did not get as far as SUBSCRIBE."""
        self._filters.refund(filters)
