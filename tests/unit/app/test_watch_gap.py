"""A gap in what the API server tells of Things (410 Gone): the new list says what went meanwhile, and what changed."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from tests.support.api_server import EXPIRED, connect
from tests.support.polling import until

from thing_operator.app.operator import Operator
from thing_operator.config import Settings
from thing_operator.kube import watch
from thing_operator.observability.metrics import Metrics

pytestmark = pytest.mark.real_time


def thing(name: str, *, uid: str, generation: int = 1) -> dict[str, Any]:
    metadata = {
        "namespace": "ns",
        "name": name,
        "uid": uid,
        "generation": generation,
        "resourceVersion": "5",
        "creationTimestamp": "2026-01-01T00:00:00Z",
    }
    return {"metadata": metadata, "spec": {}, "status": {"observedGeneration": -1}}


class ForgetfulServer:
    """Lists Things, and once its watch has been asked for, they are others, and it knows nothing of how."""

    def __init__(self, before: list[dict[str, Any]], after: list[dict[str, Any]]) -> None:
        self.lists = [before, after]
        self.written: dict[tuple[str, str], int] = {}
        """observedGeneration of the last status by name and uid."""
        self.forget = asyncio.Event()

    async def things(self, request: web.Request) -> web.StreamResponse:
        if "watch" not in request.query:
            items = self.lists[0]
            return web.json_response({"metadata": {"resourceVersion": "10"}, "items": items})
        if len(self.lists) == 1:
            return await self.silence(request)
        await self.forget.wait()
        self.lists.pop(0)
        return web.json_response(EXPIRED)

    async def silence(self, request: web.Request) -> web.StreamResponse:
        """An empty list, and a watch that tells nothing."""
        if "watch" in request.query:
            await asyncio.sleep(3600)
        return web.json_response({"metadata": {"resourceVersion": "10"}, "items": []})

    async def write(self, request: web.Request) -> web.Response:
        uid, status = (operation["value"] for operation in json.loads(await request.read()))
        self.written[request.match_info["name"], uid] = status["observedGeneration"]
        return web.json_response({})

    async def event(self, _: web.Request) -> web.Response:
        return web.json_response({}, status=201)

    def application(self) -> web.Application:
        group = "/apis/thing-operator.io/v1alpha1"
        app = web.Application()
        app.router.add_get(f"{group}/things", self.things)
        app.router.add_get(f"{group}/thingbatches", self.silence)
        app.router.add_get("/api/v1/secrets", self.silence)
        app.router.add_patch(f"{group}/namespaces/ns/things/{{name}}/status", self.write)
        app.router.add_post("/api/v1/namespaces/ns/events", self.event)
        return app


async def test_a_thing_deleted_edited_or_made_during_a_410_gap_is_found_by_the_new_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "_FIRST_PAUSE", timedelta(seconds=0.01))
    before = [thing(name, uid=f"{name}-1") for name in ("deleted", "edited", "recreated", "same")]
    after = [
        thing("edited", uid="edited-1", generation=2),
        thing("recreated", uid="recreated-2"),
        thing("same", uid="same-1"),
        thing("late", uid="late-1"),
    ]
    scripted = ForgetfulServer(before, after)
    server = TestServer(scripted.application())
    await server.start_server(shutdown_timeout=0.1)
    client = await connect(server, tmp_path)
    try:
        async with Operator(client=client, settings=Settings(), metrics=Metrics(version="0")) as operator:

            def stalled() -> int:
                """Things without an endpoint, which is all that is wrong with these."""
                return operator.snapshot().things["Stalled", "True", "EndpointNotConfigured"]

            old = {
                ("deleted", "deleted-1"),
                ("edited", "edited-1"),
                ("recreated", "recreated-1"),
                ("same", "same-1"),
            }
            await until(lambda: set(scripted.written) == old and stalled() == 4)
            scripted.written.clear()
            scripted.forget.set()
            new = {("edited", "edited-1"): 2, ("recreated", "recreated-2"): 1, ("late", "late-1"): 1}
            # The deleted one is counted no longer, the late one is.
            await until(lambda: scripted.written == new and stalled() == 4)
    finally:
        await client.close()
        await server.close()
