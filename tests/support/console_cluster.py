"""An API server that a test plays, which lists and watches what it is given: for many objects at once."""

import asyncio
import itertools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aiohttp import web
from tests.support.background import Wait, background_loop

from thing_operator.api.names import BATCHES, THINGS
from thing_operator.core.resource import Resource
from thing_operator.kube.resources import EVENTS
from thing_operator.leadership.lease import LEASES

Json = dict[str, Any]

_KINDS = (THINGS, BATCHES, LEASES, EVENTS)


class Collection:
    """The objects of one kind, and who watches them."""

    def __init__(self, kind: Resource, versions: Iterator[int]) -> None:
        self._kind = kind
        self._versions = versions
        self._objects: dict[str, Json] = {}
        self._watches: set[asyncio.Queue[Json]] = set()

    def put(self, body: Json) -> None:
        """Make or change an object, and have it watched."""
        meta = body["metadata"]
        key = f"{meta['namespace']}/{meta['name']}"
        meta.setdefault("uid", f"uid-{key}")
        meta.setdefault("creationTimestamp", "2026-11-01T00:00:00Z")
        meta["resourceVersion"] = str(next(self._versions))
        kind = "MODIFIED" if key in self._objects else "ADDED"
        self._objects[key] = body
        for each in self._watches:
            each.put_nowait({"type": kind, "object": body})

    async def answer(self, request: web.Request) -> web.StreamResponse:
        return await self._watch(request) if "watch" in request.query else self._list(request)

    def _list(self, request: web.Request) -> web.Response:
        begin, limit = int(request.query.get("continue", "0")), int(request.query.get("limit", "500"))
        items = list(self._objects.values())
        proceed = str(begin + limit) if begin + limit < len(items) else ""
        meta = {"resourceVersion": str(next(self._versions)), "continue": proceed}
        return web.json_response({"metadata": meta, "items": items[begin : begin + limit]})

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        queue: asyncio.Queue[Json] = asyncio.Queue()
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        self._watches.add(queue)
        try:
            while True:
                await response.write(json.dumps(await queue.get()).encode() + b"\n")
        finally:
            self._watches.discard(queue)


class ScriptedCluster:
    """Its kubeconfig is for a console; ``put`` makes and changes objects."""

    def __init__(self, wait: Wait, folder: Path) -> None:
        self._wait = wait
        versions = itertools.count(1)
        self._collections = {kind.kind: Collection(kind, versions) for kind in _KINDS}
        self.kubeconfig = folder / "scripted.kubeconfig"

    def put(self, *bodies: Json) -> None:
        """Make or change objects, each by its ``kind``."""
        self._wait(self._put(bodies))

    async def _put(self, bodies: tuple[Json, ...]) -> None:
        for body in bodies:
            self._collections[body["kind"]].put(body)

    async def serve(self) -> web.AppRunner:
        app = web.Application()
        for kind in _KINDS:
            answer = self._collections[kind.kind].answer
            app.router.add_get(kind.path(None), answer)
            app.router.add_get(kind.path("{namespace}"), answer)
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        config = {
            "clusters": [{"name": "scripted", "cluster": {"server": f"http://{host}:{port}"}}],
            "users": [{"name": "scripted", "user": {"token": "t"}}],
            "contexts": [
                {
                    "name": "factory",
                    "context": {"cluster": "scripted", "user": "scripted", "namespace": "plant"},
                }
            ],
            "current-context": "factory",
        }
        self.kubeconfig.write_text(json.dumps(config), encoding="utf-8")
        return runner


@contextmanager
def scripted_cluster(folder: Path) -> Iterator[ScriptedCluster]:
    """One until the end of the block."""
    with background_loop() as wait:
        cluster = ScriptedCluster(wait, folder)
        runner = wait(cluster.serve())
        try:
            yield cluster
        finally:
            wait(runner.cleanup())
