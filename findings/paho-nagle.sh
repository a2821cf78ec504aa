#!/bin/sh
# paho-mqtt 2.1.0 leaves Nagle's algorithm on, asyncio does not: publishes in a row wait for the peer's delayed ACK.
#
# An MQTT packet is mostly one small write. With the algorithm on, the second of two waits until TCP has confirmed the
# first, which Linux's receivers put off for up to 40 ms. A client that says little never meets it; a gateway that says
# something 60 times a second may: a service on such a connection answered 20 ms later at the median than without the
# algorithm, at 5 % of a core. `Client.connect` makes its socket by `socket.create_connection` and sets no option; who wants it off sets
# TCP_NODELAY on `Client.socket()` after it, or in `on_socket_open`.
#
# Seen with Python 3.11.7 on Linux:
#     paho-mqtt 2.1.0: TCP_NODELAY is off
#     asyncio: TCP_NODELAY is on
#
# Run it anywhere with Python: the library is fetched into a folder that is removed again. It fails when the library
# behaves otherwise.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "paho-mqtt==2.1.0"
"$folder/venv/bin/python" - <<'PYTHON'
import asyncio
import socket

import paho.mqtt.client as paho

CONNACK = b"\x20\x02\x00\x00"


def has_nodelay(sock) -> bool:
    return bool(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(100)
    writer.write(CONNACK)
    await reader.read()
    writer.close()


def by_paho(port: int) -> bool:
    up = []
    client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id="thing", protocol=paho.MQTTv311)
    client.on_connect = lambda *_: up.append(True)
    client.connect("127.0.0.1", port)
    while not up:
        client.loop(0.1)
    found = has_nodelay(client.socket())
    client.disconnect()
    return found


async def by_asyncio(port: int) -> bool:
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    found = has_nodelay(writer.get_extra_info("socket"))
    writer.close()
    return found


async def main() -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    paho_has, asyncio_has = await asyncio.to_thread(by_paho, port), await by_asyncio(port)
    await asyncio.sleep(0.5)  # both ends see that the connections are over
    server.close()
    for name, has in (("paho-mqtt 2.1.0", paho_has), ("asyncio", asyncio_has)):
        print(f"{name}: TCP_NODELAY is {'on' if has else 'off'}")
    assert (paho_has, asyncio_has) == (False, True), "one of them behaves otherwise"


asyncio.run(main())
PYTHON
