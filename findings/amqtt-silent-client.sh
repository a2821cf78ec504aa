#!/bin/sh
# amqtt 0.12.1: a client that falls silent stays connected for ever, and its last will is not published.
#
# After one and a half keep-alives without a packet a broker has to close the connection as if the network had failed
# (MQTT 3.1.1, [MQTT-3.1.2-24]), and then publishes the last will. amqtt's broker does wait with a timeout, but what it calls
# then (`handle_read_timeout` of mqtt/protocol/broker_handler.py) is empty. A box that loses its power or its radio closes
# no connection: a status by last will says that it is there, and a test of the offline case against this broker
# passes with a closed socket and fails with a pulled plug. `timeout_disconnect_delay` in the configuration does not help.
#
# Seen with Python 3.11.7 and paho-mqtt 2.2.0, with a keep-alive of 1 s:
#     silent for 6 s: no last will
#     connection closed: last will
#
# Run it anywhere with Python: the libraries are fetched into a folder that is removed again. It fails when amqtt behaves
# otherwise.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "amqtt==0.12.1" "paho-mqtt==2.2.0"
cat >"$folder/ask.py" <<'PYTHON'
import asyncio
import logging
import socket
import sys
import threading
import time

import paho.mqtt.client as mqtt
from amqtt.broker import Broker

logging.disable()
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]


async def broker():
    anonymous = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}
    listener = {"type": "tcp", "bind": f"127.0.0.1:{port}"}
    await Broker({"listeners": {"default": listener}, "timeout_disconnect_delay": 1, "plugins": anonymous}).start()
    started.set()
    await asyncio.Event().wait()


started, subscribed, told = threading.Event(), threading.Event(), threading.Event()
threading.Thread(target=lambda: asyncio.run(broker()), daemon=True).start()
started.wait(30)

watcher = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
watcher.on_connect = lambda client, *_: client.subscribe("status", 1)
watcher.on_subscribe = lambda *_: subscribed.set()
watcher.on_message = lambda *_: told.set()
watcher.connect("127.0.0.1", port)
watcher.loop_start()
subscribed.wait(30)

box = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="box")
box.will_set("status", "offline", 1)
box.connect("127.0.0.1", port, keepalive=1)
deadline = time.monotonic() + 30
while not box.is_connected() and time.monotonic() < deadline:
    box.loop(0.1)
silent = told.wait(6)  # nobody calls its loop: nothing is sent, as by a box without power
print(f"silent for 6 s: {'last will' if silent else 'no last will'}")
box.socket().close()
closed = told.wait(10)
print(f"connection closed: {'last will' if closed else 'no last will'}")
sys.exit(0 if (silent, closed) == (False, True) else "amqtt behaves otherwise")
PYTHON
"$folder/venv/bin/python" "$folder/ask.py"
