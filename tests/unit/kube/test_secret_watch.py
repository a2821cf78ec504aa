"""What the Secret watch does about trouble, over a scripted API server on HTTP."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from tests.support.api_server import EXPIRED, connect
from tests.support.polling import until

from thing_operator.core.clock import SystemClock
from thing_operator.core.resource import ObjectKey
from thing_operator.kube import client, watch
from thing_operator.kube.errors import ThrottledError
from thing_operator.kube.resources import SECRETS
from thing_operator.kube.secret_watch import SecretWatch

pytestmark = pytest.mark.real_time

Stream = Callable[[web.StreamResponse], Awaitable[None]]


def event(kind: str, version: str, name: str = "s") -> dict[str, Any]:
    meta = {"resourceVersion": version} | ({} if kind == "BOOKMARK" else {"namespace": "ns", "name": name})
    return {"type": kind, "object": {"metadata": meta}}


def tells(*events: dict[str, Any]) -> Stream:
    async def stream(response: web.StreamResponse) -> None:
        for each in events:
            await response.write(json.dumps(each).encode() + b"\n")

    return stream


async def breaks_off(response: web.StreamResponse) -> None:
    await tells(event("ADDED", "12"))(response)
    raise ConnectionResetError


async def falls_silent(response: web.StreamResponse) -> None:
    await tells(event("ADDED", "12"))(response)
    await asyncio.sleep(3600)


class ScriptedServer:
    """Acknowledgements each list with the next version, each watch with the next script; the last one stays open."""

    def __init__(self, scripts: list[Stream]) -> None:
        self.scripts = scripts
        self.lists = 0
        self.accepted: list[str] = []
        self.watched_from: list[str] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.accepted.append(request.headers["Accept"])
        if "watch" not in request.query:
            self.lists += 1
            assert request.query["limit"] == "1"
            return web.json_response({"metadata": {"resourceVersion": str(10 * self.lists)}, "items": []})
        self.watched_from.append(request.query["resourceVersion"])
        response = web.StreamResponse()
        await response.prepare(request)
        if not self.scripts:
            await asyncio.sleep(3600)
        await self.scripts.pop(0)(response)
        return response


class Running:
    def __init__(self, server: ScriptedServer) -> None:
        self.server = server
        self.seen: list[str] = []
        self.resyncs = 0
        self.fail = False
        self.watch: SecretWatch | None = None

    def on_secret(self, key: ObjectKey) -> None:
        self.seen.append(str(key))
        if self.fail:
            self.fail = False
            raise ZeroDivisionError

    def on_resync(self) -> None:
        self.resyncs += 1


@pytest.fixture
async def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callable[..., Any]]:
    monkeypatch.setattr(watch, "_FIRST_PAUSE", timedelta(seconds=0.01))
    monkeypatch.setattr(client, "_WATCH_SILENCE", 0.2)
    closing: list[Callable[[], Awaitable[Any]]] = []

    async def begin(*scripts: Stream, fail: bool = False) -> Running:
        scripted = ScriptedServer(list(scripts))
        app = web.Application()
        app.router.add_get("/api/v1/secrets", scripted.handle)
        server = TestServer(app)
        await server.start_server(shutdown_timeout=0.1)
        client = await connect(server, tmp_path)
        running = Running(scripted)
        running.fail = fail
        watch = SecretWatch(
            client,
            namespaces=(),
            on_secret=running.on_secret,
            on_resync=running.on_resync,
            clock=SystemClock(),
        )
        running.watch = watch
        await watch.prepare()
        task = asyncio.create_task(watch.run())

        async def end() -> None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await client.close()
            await server.close()

        closing.append(end)
        return running

    yield begin
    for each in closing:
        await each()


Start = Callable[..., Awaitable[Running]]


async def test_a_watch_that_ends_goes_on_where_it_was(start: Start) -> None:
    running = await start(tells(event("ADDED", "11"), event("BOOKMARK", "15")))
    await until(lambda: len(running.server.watched_from) == 2)
    assert running.server.watched_from == ["10", "15"]
    assert running.seen == ["ns/s"]
    assert running.resyncs == 0
    assert all("PartialObjectMetadata" in accept for accept in running.server.accepted)


@pytest.mark.parametrize("trouble", [breaks_off, falls_silent])
async def test_a_watch_that_breaks_off_or_falls_silent_goes_on_where_it_was(
    start: Start, trouble: Stream
) -> None:
    running = await start(trouble)
    await until(lambda: len(running.server.watched_from) >= 2)
    assert running.server.watched_from[:2] == ["10", "12"]
    assert running.resyncs == 0


async def test_a_broken_watch_counts_from_its_first_failure_until_it_hears_again(start: Start) -> None:
    running = await start(tells(), tells(), tells(event("ADDED", "31")))
    watch = running.watch
    assert watch is not None
    await until(lambda: watch.broken_for > timedelta(0))
    await until(lambda: running.seen == ["ns/s"])
    assert watch.broken_for == timedelta(0)


async def test_an_expired_version_means_a_new_list_and_a_look_at_everything(start: Start) -> None:
    running = await start(tells(event("ADDED", "11"), EXPIRED))
    await until(lambda: len(running.server.watched_from) == 2)
    assert running.server.watched_from == ["10", "20"]
    assert running.resyncs == 1


async def test_a_watch_that_ends_without_a_word_begins_anew_and_backs_off(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    running = await start(*[tells() for _ in range(4)])
    await until(lambda: len(running.server.watched_from) == 5)
    assert running.server.watched_from == ["10", "20", "30", "40", "50"]
    assert running.resyncs == 4
    assert caplog.text.count("without a word") == 4


async def test_an_error_of_ours_does_not_end_the_watch(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    running = await start(tells(event("ADDED", "11", "one")), tells(event("ADDED", "21", "two")), fail=True)
    await until(lambda: running.seen == ["ns/one", "ns/two"])
    assert running.resyncs == 1
    assert "failed unexpectedly" in caplog.text


async def test_the_api_servers_retry_after_is_heard(tmp_path: Path) -> None:
    async def busy(_: web.Request) -> web.Response:
        return web.json_response({"message": "too many requests"}, status=429, headers={"Retry-After": "7"})

    app = web.Application()
    app.router.add_get("/api/v1/secrets", busy)
    server = TestServer(app)
    await server.start_server()
    client = await connect(server, tmp_path)
    with pytest.raises(ThrottledError) as caught:
        await client.list(SECRETS)
    assert caught.value.retry_after == timedelta(seconds=7)
    await client.close()
    await server.close()
