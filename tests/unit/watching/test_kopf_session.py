"""kopf's watches through our session, against a small API server that says all that one can: kopf's run lives on."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from tests.support.api_server import connect
from tests.support.polling import until

from thing_operator.api.names import BATCHES, THINGS
from thing_operator.core.clock import SystemClock
from thing_operator.core.errors import INSTALL_CRDS
from thing_operator.core.resource import Resource
from thing_operator.informing.cache import ObjectCache
from thing_operator.informing.informer import Informer
from thing_operator.kube.client import KubeClient
from thing_operator.kube.status_writer import StatusWriter
from thing_operator.watching import stream_health
from thing_operator.watching.kopf_handlers import kopf_registry
from thing_operator.watching.kopf_run import KopfRun
from thing_operator.watching.kopf_session import KopfSession
from thing_operator.watching.object_stream import ObjectStream
from thing_operator.watching.stream_health import StreamHealth

pytestmark = pytest.mark.real_time

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]

SHORT = timedelta(milliseconds=5)
HTML = "<html><body>Bad gateway</body></html>"


def thing(name: str, version: int, *, spec: dict[str, Any] | None = None) -> dict[str, Any]:
    metadata = {
        "namespace": "ns",
        "name": name,
        "uid": f"uid-{name}",
        "generation": 1,
        "resourceVersion": str(version),
        "creationTimestamp": "2026-01-01T00:00:00Z",
    }
    return {"metadata": metadata, "spec": spec or {}, "status": {"conditions": []}}


def refused(status: int, text: str | None = None) -> Answer:
    """An answer of this status: the API server's own, or ``text`` of something in between."""

    async def answer(_: web.Request) -> web.Response:
        if text is not None:
            return web.Response(status=status, text=text, content_type="text/html")
        return web.json_response({"kind": "Status", "message": "no", "code": status}, status=status)

    return answer


def lines(*said: bytes | dict[str, Any], cut: bool = False) -> Answer:
    """A watch that says these lines and ends; ``cut``: as a connection that is lost."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        for each in said:
            await response.write(each if isinstance(each, bytes) else json.dumps(each).encode() + b"\n")
        if cut and request.transport is not None:
            request.transport.abort()
        return response

    return answer


def error(code: Any) -> Answer:
    status = {"kind": "Status", "message": "trouble", "code": code}
    return lines({"type": "ERROR", "object": status})


TROUBLES = {
    "401": refused(401),
    "403": refused(403),
    "403 of a proxy": refused(403, HTML),
    "404": refused(404),
    "429": refused(429),
    "500": refused(500),
    "503 of a balancer": refused(503, HTML),
    "HTML": refused(200, HTML),
    "HTML that says it is JSON": lines(HTML.encode() + b"\n"),
    "a JSON that is no event": lines(b"[1]\n"),
    "half a line": lines(b'{"type": "ADDED", "obj'),
    "a cut connection": lines(cut=True),
    "an end without a word": lines(),
    "ERROR 410": error(410),
    "ERROR 500": error(500),
    "ERROR 403": error(403),
    "ERROR without a code": error(None),
    "ERROR of words": lines({"type": "ERROR", "object": "trouble"}),
}
"""What a watch may meet that ends it."""


class TroubledApi:
    """Lists and watches of both kinds; troubles first, then a watch that says what a test wants."""

    def __init__(self) -> None:
        self.items: list[dict[str, Any]] = []
        self.list_troubles: list[Answer] = []
        self.watch_troubles: list[Answer] = []
        self.watched_from: list[str] = []
        self.lists = 0
        self.say: asyncio.Queue[bytes] = asyncio.Queue()

    async def things(self, request: web.Request) -> web.StreamResponse:
        if request.query.get("watch") != "true":
            self.lists += 1
            if self.list_troubles:
                return await self.list_troubles.pop(0)(request)
            return web.json_response({"metadata": {"resourceVersion": "5"}, "items": self.items})
        self.watched_from.append(request.query["resourceVersion"])
        if self.watch_troubles:
            return await self.watch_troubles.pop(0)(request)
        return await self.watch(request)

    async def watch(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        while True:
            await response.write(await self.say.get())

    async def batches(self, request: web.Request) -> web.StreamResponse:
        return await refused(404)(request)

    def event(self, kind: str, body: dict[str, Any]) -> None:
        self.say.put_nowait(json.dumps({"type": kind, "object": body}).encode() + b"\n")


class Followed:
    """Both kinds, followed by kopf through a session of ours."""

    def __init__(self, client: KubeClient) -> None:
        self.enqueued: list[str] = []
        self.starts = 0
        self.handled: list[str] = []
        writer = StatusWriter(
            client,
            writes_per_second=1,
            retry=StatusWriter.default_retry(random.Random(1)),
            clock=SystemClock(),
            on_deleted=lambda _ref: None,
        )
        self.streams = {
            resource.path(None): ObjectStream(
                client,
                self.informer(client, resource, writer),
                StreamHealth(resource, None, clock=SystemClock(), longest_pause=SHORT),
            )
            for resource in (THINGS, BATCHES)
        }
        self.things = self.streams[THINGS.path(None)]
        self.run = KopfRun(
            kopf_registry(self.streams),
            namespaces=(),
            on_start=self.started,
            clock=SystemClock(),
        )

    def informer(self, client: KubeClient, resource: Resource, writer: StatusWriter) -> Informer:
        made = Informer(
            client,
            resource,
            namespaces=(),
            cache=ObjectCache(),
            writer=writer,
            enqueue=lambda key: self.enqueued.append(key.name),
            clock=SystemClock(),
        )
        take = made.on_event

        def on_event(change: str | None, body: Any) -> None:
            self.handled.append(body["metadata"]["name"])
            take(change, body)

        made.on_event = on_event  # type: ignore[method-assign]
        return made

    def started(self) -> None:
        self.starts += 1


_TURNS = 20
"""Of the loop, in which the server takes the connections that the client has just opened: one that it takes after its
end nobody closes.
"""


@pytest.fixture
def api() -> TroubledApi:
    return TroubledApi()


@pytest.fixture
async def followed(
    api: TroubledApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Followed]:
    monkeypatch.setattr(stream_health, "FIRST_PAUSE", SHORT)
    app = web.Application()
    app.router.add_get(THINGS.path(None), api.things)
    app.router.add_get(BATCHES.path(None), api.batches)
    server = TestServer(app)
    await server.start_server(shutdown_timeout=0.1)
    client = await connect(server, tmp_path)
    made = Followed(client)
    task = asyncio.create_task(made.run.run())
    yield made
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await client.close()
    for _ in range(_TURNS):
        await asyncio.sleep(0)
    await server.close()


@pytest.mark.parametrize("trouble", TROUBLES)
async def test_after_any_trouble_of_a_watch_the_next_event_comes_and_kopf_has_noticed_nothing(
    api: TroubledApi, followed: Followed, trouble: str, caplog: pytest.LogCaptureFixture
) -> None:
    api.watch_troubles = [TROUBLES[trouble]] * 12
    await until(lambda: len(api.watched_from) > 12)
    assert followed.things.health.failures >= 10
    assert followed.things.health.trouble
    api.event("ADDED", thing("late", 20))
    await until(lambda: followed.enqueued == ["late"])
    assert followed.handled == ["late"], "by kopf's handler"
    assert followed.starts == 1
    assert followed.things.health.broken_for == timedelta(0)
    about_things = [record for record in caplog.records if "things cannot be watched" in record.message]
    assert len(about_things) == 1, "a line a minute, not one a try"
    assert not [record for record in caplog.records if record.name.startswith("kopf")]


@pytest.mark.parametrize(
    "trouble", ["401", "403", "404", "503 of a balancer", "HTML", "a JSON that is no event"]
)
async def test_after_any_trouble_of_a_list_the_list_comes_and_kopf_has_noticed_nothing(
    api: TroubledApi, followed: Followed, trouble: str
) -> None:
    api.list_troubles = [TROUBLES[trouble]] * 12
    api.items = [thing("a", 3)]
    await until(lambda: followed.enqueued == ["a"])
    assert not api.list_troubles
    assert followed.handled == [], "a list goes to the informer whole"
    assert followed.starts == 1


async def test_a_kind_that_the_cluster_does_not_know_is_said_and_concerns_no_other(
    api: TroubledApi, followed: Followed, caplog: pytest.LogCaptureFixture
) -> None:
    api.event("ADDED", thing("a", 20))
    await until(lambda: followed.enqueued == ["a"])
    batches = followed.streams[BATCHES.path(None)].health
    await until(lambda: batches.is_unknown)
    assert batches.trouble
    assert batches.trouble.endswith(INSTALL_CRDS)
    assert "thingbatches cannot be watched" in caplog.text


async def test_a_single_404_of_a_list_is_not_believed(api: TroubledApi, followed: Followed) -> None:
    api.list_troubles = [refused(404)]
    api.items = [thing("a", 3)]
    await until(lambda: followed.enqueued == ["a"])
    assert followed.things.health.failures == 0


async def test_kopf_hears_what_changes_something_and_a_watch_goes_on_where_it_stood(
    api: TroubledApi, followed: Followed
) -> None:
    api.items = [thing("a", 3)]
    api.watch_troubles = [
        lines(
            {"type": "MODIFIED", "object": thing("a", 7)},
            {"type": "MODIFIED", "object": thing("a", 8, spec={"suspend": True})},
            {"type": "MODIFIED", "object": thing("a", 9, spec={"suspend": True})},
            cut=True,
        )
    ]
    await until(lambda: len(api.watched_from) == 2)
    assert api.watched_from == ["5", "9"]
    assert api.lists == 1
    await until(lambda: "a" in followed.handled)
    assert 1 <= len(followed.handled) <= 2, "the echo of a status write is absorbed, once its change is known"
    assert followed.enqueued == ["a", "a"]
    api.event("DELETED", thing("a", 10))
    await until(lambda: len(followed.enqueued) == 3)


async def test_kopf_finds_our_kinds_and_what_else_it_asks_fails_loudly() -> None:
    session = KopfSession({}, [THINGS])
    groups = await (await session.request(method="get", url="https://kubernetes/apis")).json()
    assert [each["name"] for each in groups["groups"]] == ["apiextensions.k8s.io", "thing-operator.io"]
    with pytest.raises(LookupError, match="kopf asks get /apis/apps/v1/deployments"):
        await session.request(method="get", url="https://kubernetes/apis/apps/v1/deployments")
