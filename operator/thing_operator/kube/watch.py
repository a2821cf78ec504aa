"""Following the objects of one kind: a list, then a watch from where the list ends, until cancelled.

kopf's own watch hands each event to a task with loggers, patches and memories of its own: 0.4 ms and 8 KiB an
object, several times what is done with it here. So what comes by the thousand (Things, Secrets) is followed by
this one, which keeps nothing but a resource version.
"""

import asyncio
import logging
import random
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from thing_operator.core.backoff import Backoff, Jitter
from thing_operator.core.errors import ThingOperatorError
from thing_operator.kube.errors import ApiUnavailableError, ExpiredError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from thing_operator.core.clock import Clock
    from thing_operator.core.resource import Resource
    from thing_operator.kube.ports import ApiClient, WatchEvent

log = logging.getLogger(__name__)

_FIRST_PAUSE = timedelta(seconds=1)
_MAX_PAUSE = timedelta(minutes=1)


@dataclass(slots=True)
class _Stream:
    """Where the watch of one namespace stands; ``version`` None: it starts from a list."""

    namespace: str | None
    version: str | None = None
    failures: int = 0
    broken_at: float | None = None
    """Since when it has not worked, by the monotonic clock."""

    def opened(self) -> None:
        """The API server answers: the stream is not broken."""
        self.broken_at = None


class Watch:
    """One watch, or one per namespace where the operator may see some only."""

    def __init__(
        self,
        client: "ApiClient",
        resource: "Resource",
        *,
        namespaces: tuple[str, ...],
        begin: "Callable[[str | None], Awaitable[str]]",
        on_event: "Callable[[WatchEvent], None]",
        clock: "Clock",
        on_gap: "Callable[[], None] | None" = None,
        metadata_only: bool = False,
    ) -> None:
        """``begin`` gives the resource version to watch a namespace from (None: all of them).

        ``on_gap`` is called after ``begin`` where events may have been missed.
        """
        self._clock = clock
        self._client = client
        self._resource = resource
        self._streams = [_Stream(namespace) for namespace in namespaces or (None,)]
        self._begin = begin
        self._on_gap = on_gap
        self._on_event = on_event
        self._metadata_only = metadata_only
        self._backoff = Backoff(
            _FIRST_PAUSE,
            _MAX_PAUSE,
            random.Random(),  # noqa: S311 - jitter
            Jitter.FULL_ABOVE_BASE,
        )

    async def prepare(self) -> None:
        """Note from where on to watch. Raises what the API server answers, such as a missing right."""
        for stream in self._streams:
            stream.version = await self._begin(stream.namespace)

    async def run(self) -> None:
        """Watch until cancelled; trouble is waited out."""
        async with asyncio.TaskGroup() as group:
            for stream in self._streams:
                group.create_task(self._run(stream))

    @property
    def broken_for(self) -> timedelta:
        """For how long the one that has been broken longest has not worked; 0 when all work."""
        broken = [stream.broken_at for stream in self._streams if stream.broken_at is not None]
        now = self._clock.monotonic()
        return timedelta(seconds=now - min(broken, default=now))

    async def _run(self, stream: _Stream) -> None:
        while True:
            try:
                await self._follow(stream)
                continue
            except ExpiredError as error:
                stream.version, trouble = None, error.message
            except ThingOperatorError as error:
                trouble = error.message
            except Exception:
                log.exception("the watch of %s failed unexpectedly", self._resource.plural)
                stream.version, trouble = None, "it starts from a list"
            if stream.broken_at is None:
                stream.broken_at = self._clock.monotonic()
            stream.failures += 1
            pause = self._backoff.delay(stream.failures).total_seconds()
            log.warning("the watch of %s: %s; again in %.1f s", self._resource.plural, trouble, pause)
            await asyncio.sleep(pause)

    async def _follow(self, stream: _Stream) -> None:
        """Hand on events until the API server ends the watch, which is every five minutes."""
        if stream.version is None:
            stream.version = await self._begin(stream.namespace)
            if self._on_gap is not None:
                self._on_gap()
        is_silent = True
        events = self._client.watch(
            self._resource,
            namespace=stream.namespace,
            resource_version=stream.version,
            metadata_only=self._metadata_only,
            on_open=stream.opened,
        )
        async with aclosing(events):
            async for event in events:
                is_silent = False
                stream.failures = 0
                stream.version = event.body["metadata"]["resourceVersion"]
                if event.kind != "BOOKMARK":
                    self._on_event(event)
        if is_silent:
            # There is a bookmark before the end at least: something is in between, or the version is not of
            # this server's history (a restored backup), and then nothing would ever come.
            stream.version = None
            raise ApiUnavailableError("it ended without a word")
