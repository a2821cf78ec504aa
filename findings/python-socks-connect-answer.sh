#!/bin/sh
# python-socks 3.2.1 takes what one read of the socket gives for a proxy's whole answer to CONNECT.
#
# HTTP says nothing about packets: an answer ends with its empty line (RFC 9112, section 2.2). Where a proxy sends the
# status line and the fields in two writes, the fields are left in the socket, and who goes on with TLS reads them as
# its beginning. `HttpAsyncConnector.connect` (and the one without asyncio) calls `stream.read()` once.
#
# Seen with Python 3.11.7:
#     an answer in one packet: the other side says b'hello'
#     an answer in two packets: the other side says b'Via: 1.1 proxy\r\n\r\n'
#
# Run it anywhere with Python: the library is fetched into a folder that is removed again. It fails when the library
# behaves otherwise.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "python-socks==3.2.1"
"$folder/venv/bin/python" - <<'PYTHON'
import asyncio

from python_socks.async_.asyncio import Proxy

STATUS, FIELD = b"HTTP/1.1 200 Connection established\r\n", b"Via: 1.1 proxy\r\n\r\n"


async def first_bytes(*pieces: bytes) -> bytes:
    """What is read after the tunnel is said to stand; the proxy plays the other side, too, once it was spoken to."""

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.2)  # each in a packet of its own
        await reader.readexactly(5)
        writer.write(b"hello")
        writer.close()

    server = await asyncio.start_server(proxy, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    sock = await Proxy.from_url(f"http://127.0.0.1:{port}").connect("broker.example", 8883)
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(sock, b"hello")
    found = await loop.sock_recv(sock, 100)
    await asyncio.sleep(0.5)  # the proxy comes to its end
    sock.close()
    server.close()
    return found


async def main() -> None:
    whole, split = await first_bytes(STATUS + FIELD), await first_bytes(STATUS, FIELD)
    print("an answer in one packet: the other side says", whole)
    print("an answer in two packets: the other side says", split)
    assert (whole, split) == (b"hello", FIELD), "python-socks behaves otherwise"


asyncio.run(main())
PYTHON
