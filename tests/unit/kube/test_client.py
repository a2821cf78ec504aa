"""How the client reads what an API server says over HTTP, trouble included."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from tests.support.api_server import EXPIRED, connect
from tests.support.polling import until
from tests.support.words import pythons_words_in

from thing_operator.core.page_size import PAGE_BYTES
from thing_operator.core.resource import ObjectKey
from thing_operator.kube.client import KubeClient
from thing_operator.kube.errors import (
    ApiUnavailableError,
    ExpiredError,
    InitializingError,
    SilentWatchError,
    ThrottledError,
)
from thing_operator.kube.ports import WatchRequest
from thing_operator.kube.resources import SECRETS

pytestmark = pytest.mark.real_time

ADDED = {
    "type": "ADDED",
    "object": {"metadata": {"resourceVersion": "12", "namespace": "ns", "name": "s", "uid": "u"}},
}

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Secrets:
    """Answers every request for Secrets as a test says."""

    def __init__(self) -> None:
        self.answer: Answer = self.nothing
        self.asked: list[web.Request] = []

    async def nothing(self, _request: web.Request) -> web.StreamResponse:
        return web.json_response({"metadata": {}, "items": []})

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        return await self.answer(request)

    def watch(self, *events: dict[str, Any], end: Callable[[], Awaitable[None]]) -> None:
        """Answer with these events and the end of the connection that ``end`` makes."""

        async def answer(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse(headers={"Content-Type": "application/json"})
            await response.prepare(request)
            for each in events:
                await response.write(json.dumps(each).encode() + b"\n")
            await end()
            return response

        self.answer = answer


@pytest.fixture
def secrets() -> Secrets:
    return Secrets()


@pytest.fixture
async def client(secrets: Secrets, tmp_path: Path) -> AsyncIterator[KubeClient]:
    app = web.Application()
    app.router.add_get("/api/v1/secrets", secrets.handle)
    app.router.add_route("*", "/api/v1/namespaces/ns/secrets/s", secrets.handle)
    server = TestServer(app)
    await server.start_server(shutdown_timeout=0.1)
    connected = await connect(server, tmp_path)
    yield connected
    await connected.close()
    await server.close()


async def read(client: KubeClient, **options: Any) -> list[str]:
    """The versions that a watch tells of until it ends."""
    request = WatchRequest(SECRETS, None, "10", metadata_only=True)
    async with aclosing(client.watch(request, **options)) as events:
        return [event.body["metadata"]["resourceVersion"] async for event in events]


async def regular() -> None:
    """The end of an answer."""


async def breaking_off() -> None:
    raise ConnectionResetError


async def silence() -> None:
    await asyncio.sleep(3600)


async def test_a_watch_is_read_until_the_server_ends_it(client: KubeClient, secrets: Secrets) -> None:
    secrets.watch(ADDED, end=regular)
    assert await read(client) == ["12"]
    (request,) = secrets.asked
    assert request.query["resourceVersion"] == "10"
    assert "PartialObjectMetadata" in request.headers["Accept"], "names, and no content of a Secret"


async def test_who_owns_which_field_is_not_asked_for(client: KubeClient, secrets: Secrets) -> None:
    await client.list(SECRETS)
    await client.list(SECRETS, metadata_only=True)
    await client.get(SECRETS, ObjectKey("ns", "s"))
    await client.json_patch(SECRETS, ObjectKey("ns", "s"), [])
    secrets.watch(ADDED, end=regular)
    await read(client)
    assert len(secrets.asked) == 5
    assert all("drop=metadata.managedFields" in request.headers["Accept"] for request in secrets.asked)


@pytest.mark.parametrize(
    ("end", "error", "words"),
    [
        (breaking_off, ApiUnavailableError, "broke"),
        (silence, SilentWatchError, r"the watch of \S+ has shown nothing for 0\.2 s"),
    ],
)
async def test_a_watch_that_breaks_off_or_falls_silent_has_broken(
    client: KubeClient,
    secrets: Secrets,
    end: Callable[[], Awaitable[None]],
    error: type[ApiUnavailableError],
    words: str,
) -> None:
    secrets.watch(ADDED, end=end)
    with pytest.raises(error, match=words) as caught:
        await read(client, silence=timedelta(seconds=0.2))
    assert pythons_words_in(caught.value.message) == []


async def no_json(_: web.Request) -> web.StreamResponse:
    return web.Response(body=b'{"items": [', content_type="application/json")


async def html(_: web.Request) -> web.StreamResponse:
    return web.Response(text="<html>", content_type="text/html")


async def cut_short(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": "100"})
    await response.prepare(request)
    await response.write(b"{")
    raise ConnectionResetError


async def closed(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


@pytest.mark.parametrize("answer", [no_json, html, cut_short, closed])
async def test_what_is_no_answer_is_reported_in_words(
    client: KubeClient, secrets: Secrets, answer: Answer
) -> None:
    secrets.answer = answer
    for asking, path in (
        (client.list(SECRETS), "/api/v1/secrets"),
        (client.get(SECRETS, ObjectKey("ns", "s")), "/api/v1/namespaces/ns/secrets/s"),
    ):
        with pytest.raises(ApiUnavailableError) as caught:
            await asking
        assert caught.value.message.startswith(f"GET {path}: ")
        assert pythons_words_in(caught.value.message) == []


async def test_an_answer_that_breaks_off_is_said_to(client: KubeClient, secrets: Secrets) -> None:
    secrets.answer = cut_short
    with pytest.raises(ApiUnavailableError, match="the answer broke off"):
        await client.get(SECRETS, ObjectKey("ns", "s"))


async def test_a_write_whose_answer_is_lost_is_not_sent_twice(client: KubeClient, secrets: Secrets) -> None:
    """Nobody knows what became of it: the status writer looks, and a second one would meet its own traces."""
    await client.json_patch(SECRETS, ObjectKey("ns", "s"), [])
    secrets.asked.clear()
    secrets.answer = closed
    with pytest.raises(ApiUnavailableError):
        await client.json_patch(SECRETS, ObjectKey("ns", "s"), [])
    assert len(secrets.asked) == 1


async def test_who_cannot_be_reached_is_named_with_the_kubeconfig(tmp_path: Path) -> None:
    server = TestServer(web.Application())
    await server.start_server()
    client = await connect(server, tmp_path)
    where = f"{server.host}:{server.port}"
    await server.close()
    reason = (
        f"the API server cannot be reached (context a of {tmp_path / 'kubeconfig'}): "
        f"no connection to {where} (Connection refused)"
    )
    with pytest.raises(ApiUnavailableError) as caught:
        await client.list(SECRETS)
    assert caught.value.message == f"GET /api/v1/secrets: {reason}"
    with pytest.raises(ApiUnavailableError) as caught:
        await client.get(SECRETS, ObjectKey("ns", "s"))
    assert caught.value.message == f"GET /api/v1/namespaces/ns/secrets/s: {reason}"
    await client.close()


async def test_a_version_that_is_too_old_asks_for_a_new_list(client: KubeClient, secrets: Secrets) -> None:
    secrets.watch(ADDED, EXPIRED, end=regular)
    with pytest.raises(ExpiredError, match="too old"):
        await read(client)


async def test_the_api_servers_retry_after_is_heeded(client: KubeClient, secrets: Secrets) -> None:
    async def busy(_: web.Request) -> web.Response:
        return web.json_response({"message": "too many requests"}, status=429, headers={"Retry-After": "7"})

    secrets.answer = busy
    with pytest.raises(ThrottledError) as caught:
        await client.list(SECRETS)
    assert caught.value.retry_after == timedelta(seconds=7)


async def test_an_api_server_that_begins_to_serve_a_kind_is_asked_again_at_once(
    client: KubeClient, secrets: Secrets
) -> None:
    refusals = 2
    status = {"kind": "Status", "message": "storage is (re)initializing", "code": 429}

    async def begin(_: web.Request) -> web.Response:
        nonlocal refusals
        if refusals == 0:
            return web.json_response({"metadata": {"resourceVersion": "7"}, "items": []})
        refusals -= 1
        return web.json_response(status, status=429, headers={"Retry-After": "30"})

    secrets.answer = begin
    assert await client.list(SECRETS) == []
    refusals = 100
    with pytest.raises(InitializingError, match="initializing"):
        await client.list(SECRETS)


async def test_a_watch_asks_for_shards_where_it_is_to(client: KubeClient, secrets: Secrets) -> None:
    secrets.watch(ADDED, end=regular)
    for selector in ("", "shardRange(object.metadata.uid, '0x0', '0x1')"):
        query = {"shardSelector": selector} if selector else {}
        lines = client.watch_lines(WatchRequest(SECRETS, None, "1", query=query))
        assert len([line async for line in lines]) == 1
    asked = [request.query.get("shardSelector") for request in secrets.asked]
    assert asked == [None, "shardRange(object.metadata.uid, '0x0', '0x1')"]


async def test_pages_have_so_many_bytes_and_not_so_many_objects(client: KubeClient, secrets: Secrets) -> None:
    """Two hundred small Secrets, then sixty of a megabyte, then small ones again: none is left out or comes twice."""
    sizes = [10] * 200 + [1_000_000] * 60 + [10] * 200
    sent: list[int] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        begin, limit = int(request.query.get("continue", 0)), int(request.query["limit"])
        numbers = range(begin, min(begin + limit, len(sizes)))
        items = [
            {"metadata": {"name": str(number)}, "data": {"x": "x" * sizes[number]}} for number in numbers
        ]
        end = begin + len(items)
        metadata = {"resourceVersion": "7"} | ({"continue": str(end)} if end < len(sizes) else {})
        body = json.dumps({"metadata": metadata, "items": items}).encode()
        sent.append(len(body))
        return web.Response(body=body, content_type="application/json")

    secrets.answer = answer
    names: list[str] = []
    largest = 0
    pages = client.pages(SECRETS, namespace=None, query={"limit": "500"}, metadata_only=False)
    async for page in pages:
        names += [each["metadata"]["name"] for each in page["items"]]
        largest = max(largest, len(json.dumps(page)))
    assert names == [str(number) for number in range(len(sizes))]
    assert max(sent) > 10 * PAGE_BYTES
    assert largest <= PAGE_BYTES
    assert len(sent) < 60


async def test_an_object_beyond_the_size_of_a_page_is_read_all_the_same(
    client: KubeClient, secrets: Secrets
) -> None:
    async def answer(_request: web.Request) -> web.StreamResponse:
        return web.json_response({"metadata": {}, "items": [{"x": "x" * 2 * PAGE_BYTES}]})

    secrets.answer = answer
    (found,) = await client.list(SECRETS)
    assert len(found["x"]) == 2 * PAGE_BYTES
    assert [request.query["limit"] for request in secrets.asked] == ["500", "62", "7", "1"]


async def test_the_requests_of_a_lane_have_a_connection_of_their_own(
    client: KubeClient, secrets: Secrets
) -> None:
    """However many others are under way: to make one may take longer than a renewal may wait."""
    ports: dict[str, list[int]] = {"PUT": [], "GET": []}
    answered = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        ports[request.method].append(request.transport.get_extra_info("peername")[1])
        if request.method == "GET" and len(ports["GET"]) > 1:
            await answered.wait()
        return web.json_response({"metadata": {}})

    secrets.answer = answer
    key = ObjectKey("ns", "s")

    async def renew() -> None:
        await client.replace(SECRETS, key, {"metadata": {}}, lane="renewals")

    await client.get(SECRETS, key)
    await renew()
    others = [asyncio.create_task(client.get(SECRETS, key)) for _ in range(3)]
    await until(lambda: len(ports["GET"]) == 4, "the others are under way")
    await renew()
    answered.set()
    await asyncio.gather(*others)
    assert len(set(ports["PUT"])) == 1
    assert not set(ports["PUT"]) & set(ports["GET"])
