#!/bin/sh
# paho-mqtt 2.2.0 and aiomqtt 2.5.1: what the broker refuses with its PUBACK counts as published.
#
# In MQTT 5 a PUBACK has a reason code, and from 0x80 on it says that the message was not taken (not authorized, quota
# exceeded, payload format invalid). In paho `wait_for_publish` returns all the same and `is_published` is true; only who
# sets `on_publish` with the second version of callbacks hears of the code. aiomqtt sets it and drops the code, so that
# `await client.publish(..., qos=1)` says nothing and there is no other place to look. MQTT.js gives an error for the same
# answer. With MQTT 3.1.1 a broker has no such answer.
#
# Seen with Python 3.11.7, paho-mqtt 2.2.0, aiomqtt 2.5.1 and a broker that answers 0x87:
#     paho: is_published is True, on_publish is told 'Not authorized'
#     aiomqtt: publish returned
#
# Run it anywhere with Python: the libraries are fetched into a folder that is removed again. It fails when one of them
# behaves otherwise.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "paho-mqtt==2.2.0" "aiomqtt==2.5.1"
"$folder/venv/bin/python" - <<'PYTHON'
import asyncio

import aiomqtt
import paho.mqtt.client as paho

CONNECT, PUBLISH = 1, 3
NOT_AUTHORIZED = 0x87


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A broker for packets of up to 127 bytes that lets everybody in and takes no message."""
    while head := await reader.read(1):
        body = await reader.readexactly((await reader.readexactly(1))[0])
        if head[0] >> 4 == CONNECT:
            writer.write(bytes([0x20, 3, 0, 0, 0]))
        elif head[0] >> 4 == PUBLISH:
            after_topic = 2 + int.from_bytes(body[:2], "big")
            writer.write(bytes([0x40, 3, *body[after_topic : after_topic + 2], NOT_AUTHORIZED]))
    writer.close()


def by_paho(port: int) -> tuple[bool, str]:
    told = []
    client = paho.Client(paho.CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
    client.on_publish = lambda _client, _data, _mid, code, _properties: told.append(str(code))
    client.connect("127.0.0.1", port)
    client.loop_start()
    sent = client.publish("secret/topic", b"1", qos=1)
    sent.wait_for_publish(timeout=10)
    found = sent.is_published()
    client.disconnect()
    client.loop_stop()
    return found, told[0]


async def by_aiomqtt(port: int) -> str:
    async with aiomqtt.Client("127.0.0.1", port, protocol=aiomqtt.ProtocolVersion.V5) as client:
        try:
            await client.publish("secret/topic", b"1", qos=1, timeout=10)
        except aiomqtt.MqttError as error:
            return f"raised {error}"
    return "returned"


async def main() -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    published, code = await asyncio.to_thread(by_paho, port)
    print(f"paho: is_published is {published}, on_publish is told {code!r}")
    outcome = await by_aiomqtt(port)
    print(f"aiomqtt: publish {outcome}")
    server.close()
    assert (published, code) == (True, "Not authorized"), "paho behaves otherwise"
    assert outcome == "returned", "aiomqtt behaves otherwise"


asyncio.run(main())
PYTHON
