"""The ports of health and metrics, asked by whoever reaches them: by hundreds at once, slowly, all the time."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from socket import create_connection, socket

import pytest
from aiohttp import ClientSession, web
from tests.support.clock import FakeClock
from tests.support.polling import until
from tests.support.ports import reserved_ports

from thing_operator.config import Settings
from thing_operator.core.descriptors import PORT_BACKLOG, PORT_CONNECTIONS
from thing_operator.observability import server
from thing_operator.observability.metrics import Snapshot
from thing_operator.observability.telemetry import TelemetryServer

pytestmark = pytest.mark.real_time

FLOOD = 100 * PORT_CONNECTIONS // 8
HOST = "127.0.0.1"


@asynccontextmanager
async def serving() -> AsyncIterator[int]:
    """The port of a server that says hello."""

    async def hello(_: web.Request) -> web.Response:
        return web.Response(text="hello")

    async def broken(_: web.Request) -> web.Response:
        return web.Response(text=str(1 / 0))

    app, port = web.Application(), reserved_ports(1)[0]
    app.router.add_get("/", hello)
    app.router.add_get("/broken", broken)
    http = server.HttpThread()
    http.listen(app, setting="health", address=HOST, port=port)
    async with http:
        yield port


NO_HTTP = (
    b"NONSENSE\r\n\r\n",
    b"GET /?\xff HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer eyJ\x01\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\n" + b"a: b\r\n" * 100 + b"\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\na: " + b"b" * 9000 + b"\r\n\r\n",
)


@pytest.mark.parametrize("sent", NO_HTTP)
async def test_what_is_no_http_is_answered_and_not_logged(
    sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving() as port:
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(sent)
        assert b" 400 " in await reader.readline()
        writer.close()
    assert caplog.records == []


async def test_a_fault_of_ours_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async with (
        serving() as port,
        ClientSession() as client,
        client.get(f"http://{HOST}:{port}/broken") as answer,
    ):
        assert answer.status == 500
    assert "ZeroDivisionError" in caplog.text


def descriptors() -> int:
    """How many this process has, both ends of its connections to itself included."""
    return len(list(Path("/proc/self/fd").iterdir()))


async def is_ended(client: socket) -> None:
    """Wait for the other side's end of it."""
    client.setblocking(False)
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(10):
        while await loop.sock_recv(client, 1024):
            pass


async def test_a_flood_of_connections_takes_few_descriptors_and_no_probe_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server, "_IDLE_SECONDS", 3600)  # so that it is the new ones that end the old ones
    async with serving() as port, ClientSession() as probes:
        before = descriptors()
        with ExitStack() as flood:
            for number in range(FLOOD):
                flood.enter_context(create_connection((HOST, port), timeout=10))
                if number % 20 == 0:
                    async with probes.get(f"http://{HOST}:{port}/") as answer:
                        assert await answer.text() == "hello"
            await until(lambda: descriptors() - before - FLOOD <= PORT_CONNECTIONS + 1)
        assert FLOOD > 2 * (PORT_CONNECTIONS + PORT_BACKLOG)


@pytest.mark.parametrize(
    "sent", [b"", b"GET / HTTP/1.1\r\nHost: x\r\n", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"]
)
async def test_what_asks_nothing_more_is_ended(sent: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_IDLE_SECONDS", 0.2)
    async with serving() as port:
        with create_connection((HOST, port)) as client:
            client.sendall(sent)
            await is_ended(client)


async def test_what_is_accepted_at_the_end_is_ended_as_well(recwarn: pytest.WarningsRecorder) -> None:
    with ExitStack() as late:
        for _ in range(20):
            async with serving() as port:
                for _ in range(PORT_BACKLOG):
                    late.enter_context(create_connection((HOST, port)))
        gc.collect()
    assert [str(each.message) for each in recwarn] == []


@pytest.mark.parametrize(
    "headers", [b"A: " + b"x" * 400_000, b"".join(b"A%d: x\r\n" % number for number in range(3200))]
)
async def test_headers_have_an_end(headers: bytes) -> None:
    async with serving() as port:
        with create_connection((HOST, port)) as client:
            client.setblocking(False)
            loop = asyncio.get_running_loop()
            sending = asyncio.ensure_future(loop.sock_sendall(client, b"GET / HTTP/1.1\r\n" + headers))
            answer = await asyncio.wait_for(loop.sock_recv(client, 1024), 10)
            assert answer.startswith(b"HTTP/1.0 400")
            sending.cancel()
            await asyncio.wait([sending])


async def test_whoever_scrapes_all_the_time_gets_the_same_again() -> None:
    clock, port, taken = FakeClock(), reserved_ports(1)[0], list[int]()

    def take() -> Snapshot:
        taken.append(1)
        return Snapshot()

    settings = Settings.model_validate({"health": {"port": 0}, "metrics": {"port": port, "address": HOST}})
    async with TelemetryServer(settings=settings, clock=clock) as telemetry, ClientSession() as client:
        telemetry.take_gauges_from(take)

        async def scrape() -> bytes:
            async with client.get(f"http://{HOST}:{port}/metrics") as answer:
                assert answer.status == 200
                return await answer.read()

        bodies = await asyncio.gather(*(scrape() for _ in range(PORT_CONNECTIONS - 4)))
        assert len(taken) == 1
        assert set(bodies) == {bodies[0]}
        clock.advance(1)
        await scrape()
        assert len(taken) == 2
