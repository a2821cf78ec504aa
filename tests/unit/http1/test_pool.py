"""Persistent connections to a real server: which one carries a request, and what ends one."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.support.pki import Authority
from tests.support.polling import until

from thing_operator.http1.connection import Connection
from thing_operator.http1.pool import Pool
from thing_operator.http1.routes import Server, ServerRoute

pytestmark = pytest.mark.real_time

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
LAST = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"
REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class Scripted:
    """A server that answers each request with the next of ``answers``, or as it always did; None ends a connection."""

    def __init__(self) -> None:
        self.answers: list[bytes | None] = []
        self.connections = 0
        self.requests: list[bytes] = []
        self.writers: list[asyncio.StreamWriter] = []
        self.silence = asyncio.Event()
        self.silence.set()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.writers.append(writer)
        try:
            while True:
                self.requests.append(await reader.readuntil(b"\r\n\r\n"))
                await self.silence.wait()
                answer = self.answers.pop(0) if self.answers else OK
                if answer is None:
                    return
                writer.write(answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            pass
        finally:
            writer.close()


Serve = Callable[[ssl.SSLContext | None], Awaitable[int]]


@pytest.fixture
def scripted() -> Scripted:
    return Scripted()


@pytest.fixture
async def serve(scripted: Scripted) -> AsyncIterator[Serve]:
    servers = []

    async def start(context: ssl.SSLContext | None) -> int:
        server = await asyncio.start_server(scripted.handle, "127.0.0.1", 0, ssl=context)
        servers.append(server)
        port: int = server.sockets[0].getsockname()[1]
        return port

    yield start
    scripted.silence.set()
    for server in servers:
        server.close()
    for writer in scripted.writers:
        writer.close()


@pytest.fixture
async def pool() -> AsyncIterator[Pool]:
    made = Pool()
    yield made
    await made.close()


@pytest.fixture
async def server(serve: Serve) -> Server:
    return Server("127.0.0.1", await serve(None), None, "127.0.0.1")


async def ask(pool: Pool, server: Server, *, may_repeat: bool = False) -> bytes:
    answer = await pool.request(server, REQUEST, may_repeat=may_repeat)
    return answer.content


async def test_one_connection_carries_one_request_after_another(
    pool: Pool, server: Server, scripted: Scripted
) -> None:
    for _ in range(3):
        assert await ask(pool, server) == b"ok"
    assert (scripted.connections, len(pool)) == (1, 1)


async def test_requests_at_a_time_have_a_connection_each(
    pool: Pool, server: Server, scripted: Scripted
) -> None:
    await asyncio.gather(*(ask(pool, server) for _ in range(3)))
    assert (scripted.connections, len(pool)) == (3, 3)
    await ask(pool, server)
    assert scripted.connections == 3


async def test_a_connection_that_the_server_ends_is_not_used_again(
    pool: Pool, server: Server, scripted: Scripted
) -> None:
    scripted.answers = [LAST, OK]
    await ask(pool, server)
    assert len(pool) == 0
    await ask(pool, server)
    assert scripted.connections == 2


async def test_what_is_idle_for_long_is_closed(server: Server, scripted: Scripted) -> None:
    pool = Pool(idle_seconds=0.05)
    await asyncio.gather(ask(pool, server), ask(pool, server))
    await until(lambda: len(pool) == 0, "closed")
    await ask(pool, server)
    assert scripted.connections == 3
    await pool.close()


async def test_an_idle_connection_that_has_ended_is_replaced(
    pool: Pool, server: Server, scripted: Scripted
) -> None:
    await ask(pool, server)
    scripted.writers[0].close()
    await scripted.writers[0].wait_closed()
    assert await ask(pool, server, may_repeat=True) == b"ok"
    assert scripted.connections == 2


async def test_a_request_that_meets_the_end_of_its_connection_is_repeated_where_it_may(
    pool: Pool, server: Server, scripted: Scripted
) -> None:
    await ask(pool, server)
    scripted.answers = [None, OK]
    assert await ask(pool, server, may_repeat=True) == b"ok"
    assert scripted.connections == 2
    scripted.answers = [None]
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await ask(pool, server)
    scripted.answers = [None, None]
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await ask(pool, server, may_repeat=True)
    assert len(scripted.requests) == 5, "a new connection that ends is not tried again"


@pytest.mark.parametrize("answer", [OK[:-1], b"no HTTP at all\r\n\r\n"])
async def test_an_answer_that_breaks_off_or_is_none_ends_the_connection(
    pool: Pool, server: Server, scripted: Scripted, answer: bytes
) -> None:
    scripted.answers = [answer]
    asking = asyncio.create_task(ask(pool, server, may_repeat=True))
    await until(lambda: not scripted.answers, "answered")
    scripted.writers[0].close()
    with pytest.raises(aiohttp.ClientPayloadError):
        await asking
    assert len(pool) == 0


async def test_who_gives_up_waiting_leaves_no_answer_to_the_next(
    pool: Pool, server: Server, scripted: Scripted
) -> None:
    await ask(pool, server)
    scripted.silence.clear()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await ask(pool, server)
    assert len(pool) == 0
    scripted.silence.set()
    assert await ask(pool, server) == b"ok"
    assert scripted.connections == 2


async def test_what_nobody_has_asked_for_ends_a_connection(
    pool: Pool, server: Server, scripted: Scripted
) -> None:
    await ask(pool, server)
    scripted.writers[0].write(LAST.replace(b"ok", b"no"))
    await until(scripted.writers[0].is_closing, "ended")
    assert await ask(pool, server) == b"ok"
    assert scripted.connections == 2


async def test_nobody_listens(pool: Pool, server: Server, serve: Serve) -> None:
    with pytest.raises(OSError):
        await ask(pool, Server("127.0.0.1", 1, None, "127.0.0.1"))


def server_side(folder: Path, authority: Authority) -> ssl.SSLContext:
    pair = folder / "pair.pem"
    pair.write_bytes(authority.server())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair)
    return context


def route_to(port: int, authority: Authority, *, name: str = "localhost") -> Server:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=authority.pem)
    return ServerRoute.to(f"https://127.0.0.1:{port}", context=context, tls_name=name, headers=()).server


async def test_the_server_has_to_show_its_certificate(
    pool: Pool, serve: Serve, scripted: Scripted, tmp_path: Path
) -> None:
    authority = Authority.new()
    port = await serve(server_side(tmp_path, authority))
    assert await ask(pool, route_to(port, authority)) == b"ok"
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        await ask(pool, route_to(port, authority, name="other.example"))
    with pytest.raises(ssl.SSLCertVerificationError, match=r"self-signed|unable to get local issuer"):
        await ask(pool, route_to(port, Authority.new("another")))
    assert len(scripted.requests) == 1


async def test_a_connection_made_with_another_context_is_not_used(
    pool: Pool, serve: Serve, scripted: Scripted, tmp_path: Path
) -> None:
    authority = Authority.new()
    port = await serve(server_side(tmp_path, authority))
    await ask(pool, route_to(port, authority))
    await ask(pool, route_to(port, authority))
    assert scripted.connections == 2
    assert len(pool) == 1


async def test_a_connection_to_a_server_of_before_is_closed_once_it_has_answered(
    pool: Pool, server: Server, serve: Serve, scripted: Scripted
) -> None:
    other = Server("127.0.0.1", await serve(None), None, "127.0.0.1")
    scripted.silence.clear()
    asking = asyncio.create_task(ask(pool, server))
    await until(lambda: scripted.requests, "asked")
    asking_other = asyncio.create_task(ask(pool, other))
    await until(lambda: len(scripted.requests) == 2, "asked the other, too")
    scripted.silence.set()
    assert [await asking, await asking_other] == [b"ok", b"ok"]
    await until(scripted.writers[0].is_closing, "closed")
    assert len(pool) == 1


async def test_nothing_is_kept_of_a_pool_that_is_closed(
    pool: Pool, server: Server, scripted: Scripted
) -> None:
    scripted.silence.clear()
    asking = asyncio.create_task(ask(pool, server))
    await until(lambda: scripted.requests, "asked")
    await pool.close()
    scripted.silence.set()
    assert await asking == b"ok"
    assert len(pool) == 0
    await until(scripted.writers[0].is_closing, "closed")


class Unwatched(asyncio.Transport):
    """A transport that sends nothing."""

    def write(self, data: Any) -> None:
        """It is lost."""

    def abort(self) -> None:
        """There is nothing to end."""


async def test_why_a_connection_was_lost_is_known() -> None:
    """A server that takes a client's certificate for wrong says so in the first record after the handshake."""
    connection, alert = Connection(), ssl.SSLError("certificate expired")
    connection.connection_made(Unwatched())
    asking = asyncio.create_task(connection.exchange(REQUEST))
    await asyncio.sleep(0)
    connection.connection_lost(alert)
    with pytest.raises(aiohttp.ServerDisconnectedError) as caught:
        await asking
    assert caught.value.__cause__ is alert
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await connection.exchange(REQUEST)
