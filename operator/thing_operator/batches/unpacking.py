"""Zips unpacked beside the loop: one at a time, by namespace in turn."""

import asyncio
from collections.abc import Callable, Iterable
from datetime import datetime

from thing_operator.batches.zips import ZipReader
from thing_operator.core.turns import Turns
from thing_operator.credentials import BatchEntry


class Unpacker:
    """Reads the zips of all batches; there is one of it.

    Two threads that compute are no quicker than one, since the interpreter has one lock, and the loop, which needs it
    whenever it has sent or read something, waits for each of them.
    """

    def __init__(self) -> None:
        self._turns = Turns(1)

    async def read(
        self,
        zips: Iterable[tuple[str, bytes]],
        *,
        namespace: str,
        hold: Callable[[int], object],
        now: datetime,
    ) -> list[BatchEntry]:
        """What is in ``zips``, each with its name in messages; ``hold`` counts the bytes of each before it is unpacked.

        Raises ArchiveRefusedError, and what ``hold`` raises.
        """
        reader = ZipReader(now=now)
        for where, data in zips:
            # Parsing a thousand keys takes seconds of CPU: not on the loop that the sessions live on.
            async with self._turns.turn(namespace):
                opened = await asyncio.to_thread(reader.open, where, data)
                if opened is not None:
                    hold(opened.size)
                    await asyncio.to_thread(reader.read, opened)
        return reader.entries()
