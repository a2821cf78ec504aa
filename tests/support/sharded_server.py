"""An API server that lists and shows Things whoever they belong to, and notes what it is asked for."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any

from tests.support.api_client import FakeClient

from thing_operator.core.json_bytes import encode
from thing_operator.core.resource import Resource
from thing_operator.kube.ports import WatchRequest

Body = dict[str, Any]


def thing(name: str, version: int) -> Body:
    metadata = {
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "generation": 1,
        "name": name,
        "namespace": "ns",
        "resourceVersion": str(version),
        "uid": f"uid-{name}",
    }
    return {"metadata": metadata, "spec": {"desired": {"n": version}}, "status": {}}


def added(name: str, version: int) -> bytes:
    return encode({"type": "ADDED", "object": thing(name, version)}) + b"\n"


def echoed(name: str, version: int, *, spec_of: int) -> bytes:
    """The event of a status write to a Thing that was made with version ``spec_of``."""
    body = thing(name, spec_of)
    body["metadata"]["resourceVersion"] = str(version)
    return encode({"type": "MODIFIED", "object": body | {"status": {"n": version}}}) + b"\n"


def bookmark(version: int) -> bytes:
    return encode({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": str(version)}}}) + b"\n"


class ShardedServer(FakeClient):
    """Lists its items and says in its watches what a test puts there, whoever they belong to."""

    def __init__(self) -> None:
        self.items: list[Body] = []
        self.version = 10
        self.listed: list[str] = []
        """The shardSelector of each list."""
        self.watched: list[tuple[str, str]] = []
        """Version and shardSelector of each watch."""
        self.say: asyncio.Queue[bytes] = asyncio.Queue()
        self.troubles: list[Exception] = []
        """What the next requests raise."""
        self.while_listing: Callable[[], None] = lambda: None
        self.gate = asyncio.Event()
        self.gate.set()

    async def pages(
        self, resource: Resource, *, namespace: str | None, query: Mapping[str, str], metadata_only: bool
    ) -> AsyncGenerator[dict[str, Any], None]:
        self.listed.append(query.get("shardSelector", ""))
        if self.troubles:
            raise self.troubles.pop()
        await self.gate.wait()
        self.while_listing()
        yield {"metadata": {"resourceVersion": str(self.version)}, "items": list(self.items)}

    async def json_patch(self, *_: object, **__: object) -> str:
        """A status is taken; what the watches say of it is the test's."""
        return ""

    async def watch_lines(
        self, request: WatchRequest, *, on_open: Callable[[], None] = lambda: None
    ) -> AsyncGenerator[bytes, None]:
        self.watched.append((request.resource_version, request.query.get("shardSelector", "")))
        if self.troubles:
            raise self.troubles.pop()
        on_open()
        while True:
            yield await self.say.get()
