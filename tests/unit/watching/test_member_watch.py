"""Networked children come by a watch of their own where the API server sends a share by uids."""

import asyncio
import random
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any

from tests.support.api_client import FakeClient
from tests.support.clock import FakeClock, loop_time
from tests.support.polling import until

from thing_operator.api.names import THINGS
from thing_operator.core.resource import ObjectKey, Resource
from thing_operator.informing.cache import ObjectCache
from thing_operator.informing.informer import Informer
from thing_operator.informing.share import EVERYTHING, Share
from thing_operator.kube.ports import WatchEvent, WatchRequest
from thing_operator.kube.status_writer import StatusWriter
from thing_operator.watching.member_watch import MEMBERS, MemberWatch


def child(name: str, version: int, *, generation: int = 1) -> dict[str, Any]:
    metadata = {
        "namespace": "ns",
        "name": name,
        "uid": f"{name}-uid",
        "generation": generation,
        "resourceVersion": str(version),
        "creationTimestamp": "2026-01-01T00:00:00Z",
    }
    return {"metadata": metadata, "spec": {"parentRef": {"name": "hub"}}, "status": {}}


class SharingApi(FakeClient):
    """Lists children and shows what a test says of them; notes the selectors that it is asked with."""

    def __init__(self) -> None:
        self.items: list[dict[str, Any]] = []
        self.version = 10
        self.queries: list[str] = []
        self.say: asyncio.Queue[WatchEvent | None] = asyncio.Queue()

    async def pages(
        self, resource: Resource, *, namespace: str | None, query: Mapping[str, str], metadata_only: bool
    ) -> AsyncGenerator[dict[str, Any], None]:
        self.queries.append(query["fieldSelector"])
        yield {"metadata": {"resourceVersion": str(self.version)}, "items": list(self.items)}

    async def watch(
        self, request: WatchRequest, *, on_open: Callable[[], None] = lambda: None
    ) -> AsyncGenerator[WatchEvent, None]:
        self.queries.append(request.query["fieldSelector"])
        on_open()
        while (event := await self.say.get()) is not None:
            yield event


async def test_a_replica_receives_the_children_of_all() -> None:
    api, cache, clock = SharingApi(), ObjectCache(), FakeClock(loop_time)
    enqueued: list[ObjectKey] = []
    share = EVERYTHING
    writer = StatusWriter(
        api,
        writes_per_second=1,
        retry=StatusWriter.default_retry(random.Random(1)),
        clock=clock,
        on_deleted=lambda _ref: None,
    )
    informer = Informer(
        api,
        THINGS,
        namespaces=(),
        cache=cache,
        writer=writer,
        enqueue=enqueued.append,
        clock=clock,
        share=lambda: share,
    )
    task = asyncio.create_task(MemberWatch(api, informer, namespaces=(), clock=clock).run())
    await asyncio.sleep(60)
    assert api.queries == [], "who has everything asks for nothing more"
    api.items = [child("a", 1), child("b", 2)]
    share = Share(lambda _uid: False, "shardRange(nothing)")
    await until(lambda: len(cache) == 2)
    api.say.put_nowait(WatchEvent("MODIFIED", child("a", 11)))
    api.say.put_nowait(WatchEvent("MODIFIED", child("b", 12, generation=2)))
    api.say.put_nowait(WatchEvent("ADDED", child("c", 13)))
    await until(lambda: len(cache) == 3)
    assert [key.name for key in enqueued] == ["a", "b", "b", "c"], "the echo of a status says nothing"
    api.say.put_nowait(WatchEvent("DELETED", child("c", 14)))
    await until(lambda: len(cache) == 2)
    # A gap, in which one was deleted.
    api.items, api.version = [child("a", 11)], 20
    api.say.put_nowait(None)
    api.say.put_nowait(None)
    await until(lambda: [each.key.name for each in cache] == ["a"], timeout=600)
    assert set(api.queries) == {MEMBERS}
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
