"""Answers of an API server that are left unread."""

import asyncio
import ssl
from pathlib import Path

import aiohttp
import pytest
from tests.support.pki import Authority
from tests.support.polling import until

from thing_operator.kube.answers import cut

pytestmark = pytest.mark.real_time

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


async def test_a_connection_that_is_cut_ends_also_when_the_server_says_no_farewell(tmp_path: Path) -> None:
    authority, pem = Authority.new(), tmp_path / "server.pem"
    pem.write_bytes(authority.server())
    served = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    served.load_cert_chain(pem)
    there = list[asyncio.Transport]()

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(HEAD + b"1\r\nx\r\n")
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        there.append(writer.transport)  # type: ignore[arg-type]

    trusted = ssl.create_default_context(cadata=authority.pem)
    async with (
        await asyncio.start_server(hang, "127.0.0.1", ssl=served) as server,
        aiohttp.ClientSession() as http,
    ):
        port = server.sockets[0].getsockname()[1]
        response = await http.get(f"https://127.0.0.1:{port}", ssl=trusted)
        assert await response.content.readany() == b"x"
        assert response.connection is not None
        assert response.connection.transport is not None
        used = response.connection.transport.get_extra_info("socket")
        cut(response)
        await until(lambda: used.fileno() == -1, timeout=5)
        held = there[0].get_extra_info("socket")
        there[0].abort()
        await until(lambda: held.fileno() == -1)
