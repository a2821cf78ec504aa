"""Sharing a broker's quotas among the sessions of one endpoint: fair, first come first served."""

import asyncio
from typing import Final

from thing_operator.config import PacingSettings
from thing_operator.core.rate_limit import TokenBucket

_BURST_SECONDS: Final = 0.1
"""How much of a second's budget may go at once; a full second of it would double the rate in that second."""

_CONCURRENT_CONNECTS: Final = 128
"""Per endpoint: so that connect time-outs measure the broker and not our own queue."""


class EndpointGate:
    """What one endpoint allows: CONNECTs and topic filters per second, and connects under way at a time."""

    def __init__(self, settings: PacingSettings) -> None:
        self._connects = _bucket(settings.connects_per_second)
        self._filters = _bucket(settings.subscriptions_per_second)
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


def _bucket(rate: float) -> TokenBucket:
    return TokenBucket(rate, burst=1 + _BURST_SECONDS * rate)
