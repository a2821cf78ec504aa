"""Keep-alive of all connections: how long each one's is, and one timer that looks after them."""

import asyncio
import random
from collections import deque
from datetime import timedelta
from typing import Final, Protocol

_TICK_SECONDS: Final = 1.0
_CHECKS_PER_KEEP_ALIVE: Final = 10
_JITTER: Final = 0.2
_MAX_SECONDS: Final = 1200
"""AWS takes no longer one.

Source: docs/background/aws-iot-shadow.md#mqtt-dialect.
"""


def choose_keep_alive(longest: timedelta, *, rng: random.Random) -> int:
    """The keep-alive of one connection in whole seconds, 1 at least: ``longest``, shortened by up to 20 %.

    The sessions of a fleet that started together must not ping together.
    """
    seconds = min(longest.total_seconds(), _MAX_SECONDS)
    return max(1, round(rng.uniform(1 - _JITTER, 1) * seconds))


class KeepAliveMember(Protocol):
    """A connection that is looked after by a :class:`KeepAliveTicker`."""

    def check_keep_alive(self) -> None:
        """Send a PING when one is due, and end the connection when the last one was not answered in time."""


class KeepAliveTicker:
    """Checks each member about ten times per keep-alive, a few of them each second.

    A PING is due after one keep-alive of silence and the broker waits one and a half, so a tenth is soon
    enough; checking ten thousand clients each second would cost several percent of a core.
    """

    def __init__(self, keep_alive: timedelta) -> None:
        """``keep_alive``: the longest that a member has."""
        ticks = max(1, int(keep_alive.total_seconds() / _CHECKS_PER_KEEP_ALIVE / _TICK_SECONDS))
        self._buckets: deque[set[KeepAliveMember]] = deque(set() for _ in range(ticks))
        self._home: dict[KeepAliveMember, set[KeepAliveMember]] = {}

    def add(self, member: KeepAliveMember) -> None:
        """Begin to check a member: it joins the smallest bucket."""
        bucket = min(self._buckets, key=len)
        bucket.add(member)
        self._home[member] = bucket

    def remove(self, member: KeepAliveMember) -> None:
        """Stop checking; not being a member is fine."""
        bucket = self._home.pop(member, None)
        if bucket is not None:
            bucket.discard(member)

    def tick(self) -> None:
        """Check the members whose turn it is."""
        bucket = self._buckets[0]
        self._buckets.rotate(-1)
        for member in tuple(bucket):
            member.check_keep_alive()

    async def run(self) -> None:
        """Tick each second until cancelled."""
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            self.tick()
