"""One timer for the keep-alive clocks of all connections."""

import asyncio
from collections import deque
from typing import Final, Protocol

_TICK_SECONDS: Final = 1.0
_CHECKS_PER_KEEP_ALIVE: Final = 10


class Swept(Protocol):
    """Something with a clock of its own to look at now and then."""

    def misc(self) -> None:
        """Look at it."""


class Sweep:
    """Looks at each member about ten times per keep-alive, a few of them each second.

    A PING is due after one keep-alive of silence and the broker waits one and a half, so a tenth is soon
    enough; looking at ten thousand clients each second would cost several percent of a core.
    """

    def __init__(self, keep_alive: float) -> None:
        ticks = max(1, int(keep_alive / _CHECKS_PER_KEEP_ALIVE / _TICK_SECONDS))
        self._buckets: deque[set[Swept]] = deque(set() for _ in range(ticks))
        self._home: dict[Swept, set[Swept]] = {}

    def add(self, member: Swept) -> None:
        """Begin to look at a member: it joins the smallest bucket."""
        bucket = min(self._buckets, key=len)
        bucket.add(member)
        self._home[member] = bucket

    def remove(self, member: Swept) -> None:
        """Stop; not being a member is fine."""
        bucket = self._home.pop(member, None)
        if bucket is not None:
            bucket.discard(member)

    def tick(self) -> None:
        """Look at the members whose turn it is."""
        bucket = self._buckets[0]
        self._buckets.rotate(-1)
        for member in tuple(bucket):
            member.misc()

    async def run(self) -> None:
        """Tick each second until cancelled."""
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            self.tick()
