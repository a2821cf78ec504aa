"""Sharing a broker's quotas among the sessions of one endpoint: by tenant in turn."""

import asyncio
from dataclasses import dataclass
from itertools import count
from typing import Final

from thing_operator.config import PacingSettings
from thing_operator.core.fair_queue import FairQueue
from thing_operator.core.futures import resolve_future
from thing_operator.core.rate_limit import SharedBucket, Sharers, alone

_BURST_SECONDS: Final = 0.1
"""How much of a second's budget may go at once; a full second of it would double the rate in that second."""

_CONCURRENT_CONNECTS: Final = 128
"""Per endpoint: so that connect time-outs measure the broker and not our own queue."""

_SHORTEST_SLEEP: Final = 0.001


@dataclass(frozen=True, slots=True, eq=False)
class _Waiter:
    """One session that is to connect, or to subscribe to more."""

    tenant: str
    connects: bool
    filters: int
    turn: "asyncio.Future[None]"


class EndpointGate:
    """What one endpoint allows: CONNECTs and topic filters per second, and connects under way at a time.

    The sessions of a tenant come in the order in which they ask; a thousand of one that all reconnect delay the few
    of another by one turn each.
    """

    def __init__(self, settings: PacingSettings, sharers: Sharers = alone) -> None:
        """``sharers``: how many processes connect to the endpoint within these quotas."""
        self._connects = _bucket(settings.connects_per_second, sharers)
        self._filters = _bucket(settings.subscriptions_per_second, sharers)
        self._waiting: FairQueue[_Waiter, float] = FairQueue(lambda waiter: waiter.tenant)
        self._order = count()
        self._timer: asyncio.TimerHandle | None = None
        self.slots = asyncio.Semaphore(_CONCURRENT_CONNECTS)

    async def admit(self, *, filters: int, tenant: str = "") -> float:
        """Wait for one CONNECT and the SUBSCRIBE after it; returns the seconds waited.

        Both are reserved before connecting, so that no session sits connected and unsubscribed.
        """
        return await self._admit(tenant, connects=True, filters=filters)

    async def admit_filters(self, *, filters: int, tenant: str = "") -> None:
        """Wait for one SUBSCRIBE on a connection that is up."""
        await self._admit(tenant, connects=False, filters=filters)

    async def _admit(self, tenant: str, *, connects: bool, filters: int) -> float:
        loop = asyncio.get_running_loop()
        began = loop.time()
        waiter = _Waiter(tenant, connects, filters, loop.create_future())
        self._waiting.put(waiter, next(self._order))
        if self._timer is None:
            self._serve()
        try:
            await waiter.turn
        except asyncio.CancelledError:
            self._waiting.discard(waiter)
            raise
        return loop.time() - began

    def refund(self, *, filters: int, connect: bool) -> None:
        """The connection did not get as far as SUBSCRIBE; ``connect``: nor was a CONNECT sent."""
        self._filters.refund(filters)
        if connect:
            self._connects.refund()

    def _serve(self) -> None:
        """Let in whom there are tokens for, and come back when there are more."""
        loop = asyncio.get_running_loop()
        self._timer = None
        while self._waiting:
            now = loop.time()
            connects, filters = self._connects.at(now), self._filters.at(now)
            delay = max(connects.wait(now), filters.wait(now))
            if delay > 0:
                self._timer = loop.call_later(max(delay, _SHORTEST_SLEEP), self._serve)
                return
            waiter = self._waiting.pop()
            if waiter is not None:
                if waiter.connects:
                    connects.reserve(now)
                filters.reserve(now, waiter.filters)
                resolve_future(waiter.turn)


def _bucket(rate: float, sharers: Sharers) -> SharedBucket:
    return SharedBucket(rate, burst=lambda share: 1 + _BURST_SECONDS * share, sharers=sharers)
