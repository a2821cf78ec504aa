"""Who follows which Thing: each is woken when there is something new of its session."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from thing_operator.core.resource import ObjectKey
from thing_operator.jobs.messages import JobExecution


class Followers:
    """Those who follow Things of this process. Belongs to the event loop."""

    def __init__(self) -> None:
        self._of: dict[ObjectKey, set[asyncio.Event]] = {}
        self.is_ending = False
        """Nobody is to follow any more: the process ends."""

    @contextmanager
    def follow(self, key: ObjectKey) -> Iterator[asyncio.Event]:
        """Set, for as long as the block, whenever there is something new; to be cleared by who follows."""
        changed = asyncio.Event()
        self._of.setdefault(key, set()).add(changed)
        try:
            yield changed
        finally:
            followers = self._of[key]
            followers.discard(changed)
            if not followers:
                del self._of[key]

    def notice(self, key: ObjectKey) -> None:
        """There is something new of this Thing's session, or nothing of the Thing any more."""
        for changed in self._of.get(key, ()):
            changed.set()

    def job_changed(self, thing: ObjectKey, _execution: JobExecution | None) -> None:
        """As a :class:`~thing_operator.jobs.ports.JobListener`: whoever follows looks at the job that there is now."""
        self.notice(thing)

    def end(self) -> None:
        """Wake all: they are to end."""
        self.is_ending = True
        for key in self._of:
            self.notice(key)
