"""What the page is sent while it is open: server-sent events, a batch of changes a frame."""

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from aiohttp import web

from thing_operator.console.feed import Change, Feed, Topic
from thing_operator.console.live_numbers import LiveNumbers
from thing_operator.console.store import Store
from thing_operator.console.watches import ObjectWatches, events_of
from thing_operator.core.clock import Clock
from thing_operator.core.json_bytes import encode, encoded
from thing_operator.core.resource import ObjectKey
from thing_operator.inspection.detail import detail_of
from thing_operator.inspection.groups import groups_of
from thing_operator.inspection.rows import seconds
from thing_operator.kube.client import KubeClient
from thing_operator.reporting.bridge_connection import BridgeAccess

_FRAME_SECONDS: Final = 0.03
_TICK_SECONDS: Final = 1.0
_MOST_LINES: Final = 1000
_MOST_EVENTS: Final = 100
_RETRY_MILLISECONDS: Final = 1000


@dataclass(frozen=True, slots=True)
class Backend:
    """Where the streams have from what they send.

    ``about``: what the page says of the cluster; ``bridge``: how to ask the operator's bridge, None where it is not to
    be asked.
    """

    client: KubeClient
    store: Store
    feed: Feed
    watches: ObjectWatches
    clock: Clock
    about: Mapping[str, Any]
    bridge: BridgeAccess | None


class _EventStream:
    """One response that does not end: events with a name and a value each."""

    def __init__(self, response: web.StreamResponse) -> None:
        self._response = response
        self._sent: dict[str, bytes] = {}

    @classmethod
    async def open(cls, request: web.Request) -> "_EventStream":
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b"retry: %d\n\n" % _RETRY_MILLISECONDS)
        return cls(response)

    async def send(self, name: str, value: Any) -> None:
        """Compact JSON has no line breaks, which would end the event."""
        await self._write(name, encode(value))

    async def send_changed(self, name: str, value: Any) -> None:
        """The same, unless it is what was sent last under this name."""
        content = encode(value)
        if self._sent.get(name) != content:
            self._sent[name] = content
            await self._write(name, content)

    async def _write(self, name: str, content: bytes) -> None:
        await self._response.write(b"event: %s\ndata: %s\n\n" % (name.encode(), content))


async def fleet(request: web.Request, backend: Backend) -> web.StreamResponse:
    """All lines as they are, and then as they change: ``hello``, ``sources``, ``groups``, ``things``, ``batches``."""
    stream = await _EventStream.open(request)
    await stream.send("hello", backend.about)
    with backend.feed.reader(lambda change: change[0] is not Topic.DETAILS) as reader:
        reader.note(backend.store.changes())
        while True:
            changes = await reader.take(_MOST_LINES)
            for topic in dict.fromkeys(topic for topic, _ in changes):
                await stream.send(topic, _content(topic, changes, backend))
            if len(changes) < _MOST_LINES:
                await asyncio.sleep(_FRAME_SECONDS)


def _content(topic: Topic, changes: Iterable[Change], backend: Backend) -> Any:
    if topic is Topic.SOURCES:
        return backend.watches.states
    if topic is Topic.GROUPS:
        groups = groups_of(backend.store.bodies(Topic.GROUPS), now=datetime.now(UTC))
        return [each.to_wire() for each in groups]
    lines = {key: backend.store.line(topic, key) for found, key in changes if found is topic}
    return {
        "lines": [encoded(line) for line in lines.values() if line is not None],
        "deleted": [key for key, line in lines.items() if line is None],
    }


@dataclass(slots=True)
class _ThingEvents:
    """The newest Events about one Thing, by their names."""

    feed: Feed
    key: str
    bodies: dict[str, Any] = field(default_factory=dict)

    def change(self, name: str, body: Any) -> None:
        """An Event was made, counted up, or deleted (None)."""
        if body is None:
            self.bodies.pop(name, None)
        else:
            self.bodies[name] = body
        self.feed.changed(Topic.DETAILS, self.key)

    def lines(self) -> list[dict[str, Any]]:
        """The newest first."""
        found = [_event_line(body) for body in self.bodies.values()]
        return sorted(found, key=lambda line: line["last"] or 0, reverse=True)[:_MOST_EVENTS]


async def thing(request: web.Request, backend: Backend, key: ObjectKey) -> web.StreamResponse:
    """One Thing as it is, and then as it changes: ``thing`` (null while there is none), ``events``, ``samples`` of its
    numbers by the bridge, and ``bridge`` with why there are none.
    """
    stream = await _EventStream.open(request)
    events = _ThingEvents(backend.feed, str(key))
    watch = events_of(
        backend.client,
        namespace=key.namespace,
        name=key.name,
        on_change=events.change,
        clock=backend.clock,
    )
    numbers = LiveNumbers(backend.feed, key, backend.clock)
    own = (Topic.DETAILS, str(key))
    following = [asyncio.create_task(watch.run(), name="Events of a Thing")]
    if backend.bridge is not None:
        run = numbers.run(backend.client, backend.bridge)
        following.append(asyncio.create_task(run, name="numbers of a Thing"))
    try:
        with backend.feed.reader(lambda change: change == own) as reader:
            reader.note([own])
            while True:
                # A watch that is refused changes nothing: it is asked how it is.
                with suppress(TimeoutError):
                    await asyncio.wait_for(reader.take(_MOST_LINES), _TICK_SECONDS)
                if samples := numbers.take():
                    await stream.send("samples", samples)
                await stream.send_changed("bridge", {"trouble": numbers.trouble})
                await stream.send_changed("thing", _detail(backend.store.body(Topic.THINGS, str(key))))
                trouble = watch.healths[0].trouble
                await stream.send_changed("events", {"lines": events.lines(), "trouble": trouble})
                await asyncio.sleep(_FRAME_SECONDS)
    finally:
        for each in following:
            each.cancel()
        await asyncio.gather(*following, return_exceptions=True)


def _detail(body: dict[str, Any] | None) -> Any:
    if body is None:
        return None
    try:
        return detail_of(body)
    except ValueError as error:
        return {"trouble": f"this console is of another version than the object: {error}"}


def _event_line(body: Mapping[str, Any]) -> dict[str, Any]:
    series = body.get("series") or {}
    last = series.get("lastObservedTime") or body.get("lastTimestamp") or body.get("eventTime")
    return {
        "name": body["metadata"]["name"],
        "type": body.get("type", ""),
        "reason": body.get("reason", ""),
        "message": body.get("message", ""),
        "count": series.get("count") or body.get("count") or 1,
        "last": seconds(last or body["metadata"].get("creationTimestamp")),
    }
