"""What has changed since a reader last looked: the newest of each key, never a backlog, however slow the reader is."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from enum import StrEnum


class Topic(StrEnum):
    """What it is that has changed."""

    SOURCES = "sources"
    """How the watches are doing; it has one key."""
    GROUPS = "groups"
    """The replicas of releases; it has one key."""
    THINGS = "things"
    """The line of a Thing."""
    BATCHES = "batches"
    """The line of a ThingBatch."""
    DETAILS = "details"
    """Anything of a Thing."""


Change = tuple[Topic, str]
"""A topic, and the key of what has changed in it."""


class Reader:
    """The changes that one stream has still to send, in their order."""

    def __init__(self, wants: Callable[[Change], bool]) -> None:
        self._wants = wants
        self._changes: dict[Change, None] = {}
        self._there_are = asyncio.Event()

    def note(self, changes: Iterable[Change]) -> None:
        """Have these changes sent."""
        self._changes.update((each, None) for each in changes if self._wants(each))
        if self._changes:
            self._there_are.set()

    async def take(self, most: int) -> list[Change]:
        """The first of them, which are then no longer waiting; waits for one."""
        await self._there_are.wait()
        taken = list(self._changes)[:most] if len(self._changes) > most else list(self._changes)
        for each in taken:
            del self._changes[each]
        if not self._changes:
            self._there_are.clear()
        return taken


class Feed:
    """Hands changes to all readers."""

    def __init__(self) -> None:
        self._readers: set[Reader] = set()

    def changed(self, topic: Topic, key: str = "") -> None:
        """Something has changed."""
        for reader in self._readers:
            reader.note([(topic, key)])

    @contextmanager
    def reader(self, wants: Callable[[Change], bool]) -> Iterator[Reader]:
        """A reader of the changes that it wants, until the end of the block."""
        reader = Reader(wants)
        self._readers.add(reader)
        try:
            yield reader
        finally:
            self._readers.discard(reader)
