"""So many places at a time, for which groups wait in turn: a semaphore of which no group gets more than its share."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from thing_operator.core.fair_queue import FairQueue


@dataclass(frozen=True, slots=True, eq=False)
class _Request:
    group: str
    place: "asyncio.Future[None]"


class Turns:
    """``places`` that may be taken at a time. Belongs to one running loop."""

    def __init__(self, places: int) -> None:
        self._free = places
        self._waiting: FairQueue[_Request, float] = FairQueue(lambda waiter: waiter.group)

    @asynccontextmanager
    async def turn(self, group: str) -> AsyncIterator[None]:
        """Have a place while in here; who waits of one group comes in the order of asking."""
        waiter = _Request(group, asyncio.get_running_loop().create_future())
        self._waiting.put(waiter, 0.0)
        self._serve()
        try:
            await waiter.place
            yield
        finally:
            self._waiting.discard(waiter)
            if waiter.place.done() and not waiter.place.cancelled():
                self._free += 1
            self._serve()

    def _serve(self) -> None:
        while self._free and (waiter := self._waiting.pop()) is not None:
            if not waiter.place.done():  # whoever gives up is in the queue until it knows
                waiter.place.set_result(None)
                self._free -= 1
