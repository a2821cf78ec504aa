"""Following the kinds that the console shows, each by a list and a watch with the rights of whoever has started it."""

import asyncio
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from typing import Any, Final

from thing_operator.api.names import BATCHES, THINGS
from thing_operator.console.feed import Feed, Topic
from thing_operator.console.store import Store
from thing_operator.core.clock import Clock
from thing_operator.core.resource import Resource
from thing_operator.inspection.rows import key_of
from thing_operator.kube.client import KubeClient
from thing_operator.kube.ports import WatchEvent
from thing_operator.kube.resources import EVENTS
from thing_operator.kube.watch_events import DELETED
from thing_operator.leadership.lease import LEASES
from thing_operator.sharding.member import GROUP_LABEL
from thing_operator.watching.stream_health import StreamHealth
from thing_operator.watching.watch import Watch

_LONGEST_PAUSE: Final = timedelta(seconds=5)
"""Between two tries: somebody is looking at it."""
_TICK_SECONDS: Final = 1.0
_SELECTORS: Final[Mapping[Topic, Mapping[str, str]]] = {
    Topic.THINGS: {},
    Topic.BATCHES: {},
    Topic.GROUPS: {"labelSelector": GROUP_LABEL},
}
_RESOURCES: Final = {Topic.THINGS: THINGS, Topic.BATCHES: BATCHES, Topic.GROUPS: LEASES}


async def _items(
    client: KubeClient,
    resource: Resource,
    *,
    namespace: str | None,
    query: Mapping[str, str],
    on_page: Callable[[list[dict[str, Any]]], None],
) -> str:
    """List objects page by page; the resource version to watch them from."""
    version = ""
    async for page in client.pages(resource, namespace=namespace, query=query, metadata_only=False):
        version = page["metadata"]["resourceVersion"]
        on_page(page["items"])
    return version


class ObjectWatches:
    """Keeps a store as the API server has it; trouble is waited out, and shown meanwhile."""

    def __init__(
        self, client: KubeClient, store: Store, feed: Feed, *, namespace: str | None, clock: Clock
    ) -> None:
        """``namespace`` None: all of them."""
        self._client = client
        self._store = store
        self._feed = feed
        self._watches = {
            topic: Watch(
                client,
                _RESOURCES[topic],
                namespaces=() if namespace is None else (namespace,),
                begin=partial(self._list, topic),
                on_event=partial(self._show, topic),
                query=query,
                longest_pause=_LONGEST_PAUSE,
                clock=clock,
            )
            for topic, query in _SELECTORS.items()
        }
        self._states: list[dict[str, Any]] = []

    @property
    def states(self) -> list[dict[str, Any]]:
        """How each watch is doing: ``topic``, ``state`` (Loading, Live or Broken), ``trouble``, ``since``."""
        return self._states

    async def run(self) -> None:
        """Follow all kinds until cancelled."""
        async with asyncio.TaskGroup() as group:
            for watch in self._watches.values():
                group.create_task(watch.run())
            group.create_task(self._look_after())

    async def _list(self, topic: Topic, namespace: str | None) -> str:
        keys: set[str] = set()

        def on_page(items: list[dict[str, Any]]) -> None:
            keys.update(self._store.put(topic, body) for body in items)

        version = await _items(
            self._client, _RESOURCES[topic], namespace=namespace, query=_SELECTORS[topic], on_page=on_page
        )
        self._store.keep_only(topic, keys, namespace=namespace)
        return version

    def _show(self, topic: Topic, event: WatchEvent) -> None:
        if event.kind == DELETED:
            self._store.remove(topic, key_of(event.body))
        else:
            self._store.put(topic, event.body)

    async def _look_after(self) -> None:
        """Say when a watch breaks or works again; and have replicas judged by time, since a silent one says nothing."""
        while True:
            states = [_state(topic, watch.healths[0]) for topic, watch in self._watches.items()]
            if [each | {"since": 0} for each in states] != [each | {"since": 0} for each in self._states]:
                self._states = states
                self._feed.changed(Topic.SOURCES)
            if self._store.count(Topic.GROUPS):
                self._feed.changed(Topic.GROUPS)
            await asyncio.sleep(_TICK_SECONDS)


def _state(topic: Topic, health: StreamHealth) -> dict[str, Any]:
    broken = health.broken_for.total_seconds()
    is_broken = broken > 0 and health.trouble is not None
    state = "Broken" if is_broken else "Live" if health.listed_at is not None else "Loading"
    return {
        "topic": topic.value,
        "state": state,
        "trouble": health.trouble if is_broken else None,
        "since": int(time.time() - broken),
    }


def events_of(
    client: KubeClient, *, namespace: str, name: str, on_change: Callable[[str, Any], None], clock: Clock
) -> Watch:
    """The watch of the Events about one Thing; ``on_change`` gets an Event's name, and None once it is deleted."""
    query = {"fieldSelector": f"involvedObject.kind={THINGS.kind},involvedObject.name={name}"}

    def show(event: WatchEvent) -> None:
        on_change(event.body["metadata"]["name"], None if event.kind == DELETED else event.body)

    def show_page(items: list[dict[str, Any]]) -> None:
        for body in items:
            on_change(body["metadata"]["name"], body)

    async def begin(within: str | None) -> str:
        return await _items(client, EVENTS, namespace=within, query=query, on_page=show_page)

    return Watch(
        client,
        EVENTS,
        namespaces=(namespace,),
        begin=begin,
        on_event=show,
        query=query,
        longest_pause=_LONGEST_PAUSE,
        clock=clock,
    )
