"""The relay itself: what runs on real parts, and the tests of partitions, build upon."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests.support.polling import until
from tests.support.relay import Relay

from thing_operator_local.ports import LOOPBACK

pytestmark = pytest.mark.real_time

WORDS = b"there and back"


class EchoServer:
    """Sends back what it gets; ``ended`` says how its connections have ended."""

    def __init__(self) -> None:
        self.ended: list[str] = []
        self.got = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(100):
                self.got += len(data)
                writer.write(data)
        except ConnectionResetError:
            self.ended.append("reset")
        else:
            self.ended.append("end")
        writer.close()


@pytest.fixture
def echo() -> EchoServer:
    return EchoServer()


@pytest.fixture
async def relay(echo: EchoServer) -> AsyncIterator[Relay]:
    server = await asyncio.start_server(echo.serve, LOOPBACK, 0)
    made = Relay(server.sockets[0].getsockname()[:2])
    yield made
    await made.stop()
    server.close()
    await server.wait_closed()


@pytest.fixture
async def client(relay: Relay) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection(LOOPBACK, await relay.start())
    yield reader, writer
    writer.transport.abort()


Client = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.mark.parametrize(("delay", "piece"), [(0.0, 0), (0.05, 0), (0.0, 1)])
async def test_whatever_it_does_to_data_all_of_it_comes_in_its_order(
    relay: Relay, client: Client, delay: float, piece: int
) -> None:
    reader, writer = client
    relay.delay, relay.piece = delay, piece
    assert relay.is_good is (not delay and not piece)
    writer.write(WORDS)
    assert await reader.readexactly(len(WORDS)) == WORDS


async def test_what_is_stalled_comes_when_it_is_healed(
    relay: Relay, client: Client, echo: EchoServer
) -> None:
    reader, writer = client
    writer.write(WORDS)
    await reader.readexactly(len(WORDS))
    relay.stall()
    writer.write(WORDS)
    await writer.drain()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.read(1), 0.1)
    assert echo.got == len(WORDS)
    relay.heal()
    assert await reader.readexactly(len(WORDS)) == WORDS


async def test_a_reset_is_seen_on_both_sides(relay: Relay, client: Client, echo: EchoServer) -> None:
    reader, writer = client
    writer.write(WORDS)
    await reader.readexactly(len(WORDS))
    assert relay.reset() == 1
    with pytest.raises(ConnectionResetError):
        await reader.readexactly(1)
    await until(lambda: echo.ended == ["reset"], "the server sees it")


async def test_an_end_is_passed_on(relay: Relay, client: Client, echo: EchoServer) -> None:
    reader, writer = client
    writer.write(WORDS)
    await reader.readexactly(len(WORDS))
    writer.close()
    await until(lambda: echo.ended == ["end"], "the server sees it")


async def test_new_connections_are_reset_while_it_refuses(relay: Relay, client: Client) -> None:
    relay.refuses = True
    port = client[1].get_extra_info("peername")[1]
    with pytest.raises(ConnectionResetError):
        await read_one(port)


async def read_one(port: int) -> bytes:
    reader, _ = await asyncio.open_connection(LOOPBACK, port)
    return await reader.readexactly(1)


async def test_the_target_knows_connections_by_ports_of_ours(relay: Relay, client: Client) -> None:
    reader, writer = client
    writer.write(WORDS)
    await reader.readexactly(len(WORDS))
    assert len(relay.ports) == 1
