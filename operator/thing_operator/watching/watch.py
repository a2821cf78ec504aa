"""Following what the operator knows by metadata only: a list, then a watch from where the list ends, until cancelled.

kopf would hold the whole of every object to watch it; this one keeps nothing but a resource version.
"""

import asyncio
import logging
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from thing_operator.core.errors import ThingOperatorError
from thing_operator.kube.errors import ExpiredError
from thing_operator.kube.ports import WatchRequest
from thing_operator.kube.watch_events import BOOKMARK
from thing_operator.watching.stream_health import LONGEST_PAUSE, StreamHealth

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from datetime import timedelta

    from thing_operator.core.clock import Clock
    from thing_operator.core.resource import Resource
    from thing_operator.kube.ports import ApiClient, WatchEvent

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Stream:
    """Where the watch of one namespace stands; ``version`` None: it starts from a list."""

    health: StreamHealth
    version: str | None = None
    has_begun: bool = False
    """Whether it has been watched from some version on: another list means a gap."""


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
        query: "Mapping[str, str] | None" = None,
        longest_pause: "timedelta" = LONGEST_PAUSE,
    ) -> None:
        """``begin`` gives the resource version to watch a namespace from (None: all of them).

        ``on_gap`` is called after ``begin`` where events may have been missed; ``query``: selectors;
        ``longest_pause``: between two tries.
        """
        self._client = client
        self._resource = resource
        self._streams = [
            _Stream(StreamHealth(resource, namespace, clock=clock, longest_pause=longest_pause))
            for namespace in namespaces or (None,)
        ]
        self._begin = begin
        self._on_gap = on_gap
        self._on_event = on_event
        self._metadata_only = metadata_only
        self._query = query or {}

    @property
    def healths(self) -> list[StreamHealth]:
        """How each of its streams is doing."""
        return [stream.health for stream in self._streams]

    def version_of(self, namespace: str) -> str | None:
        """The newest resource version that was shown of a namespace; None before its watch has begun."""
        for stream in self._streams:
            if stream.health.namespace in {None, namespace}:
                return stream.version
        return None

    async def run(self) -> None:
        """Watch until cancelled; trouble is waited out."""
        async with asyncio.TaskGroup() as group:
            for stream in self._streams:
                group.create_task(self._run(stream))

    async def _run(self, stream: _Stream) -> None:
        while True:
            try:
                await self._follow(stream)
                continue
            except ThingOperatorError as error:
                trouble: ThingOperatorError = error
            except Exception:
                log.exception("the watch of %s failed unexpectedly", stream.health.name)
                trouble = ExpiredError("it starts from a list")
            stream.health.failed(trouble)
            if isinstance(trouble, ExpiredError) or stream.health.needs_list:
                stream.version = None
            await stream.health.pause()

    async def _follow(self, stream: _Stream) -> None:
        """Hand on events until the API server ends the watch, which is every five minutes."""
        health = stream.health
        if stream.version is None:
            stream.version = await self._begin(health.namespace)
            health.listed()
            if self._on_gap is not None and (stream.has_begun or health.failures):
                self._on_gap()
            stream.has_begun = True
        is_silent = True
        request = WatchRequest(
            self._resource,
            health.namespace,
            stream.version,
            metadata_only=self._metadata_only,
            query=self._query,
        )
        async with aclosing(self._client.watch(request, on_open=health.opened)) as events:
            async for event in events:
                is_silent = False
                health.showed()
                stream.version = event.body["metadata"]["resourceVersion"]
                if event.kind != BOOKMARK:
                    self._on_event(event)
        if is_silent:
            # There is a bookmark before the end at least: something is in between, or the version is not of
            # this server's history (a restored backup), and then nothing would ever come.
            raise ExpiredError("it ended without a word")
