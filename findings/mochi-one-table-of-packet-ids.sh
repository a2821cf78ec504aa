#!/bin/sh
# mochi-mqtt 2.7.9 mixes a client's packet ids with those of its deliveries: it refuses SUBSCRIBE and loses deliveries.
#
# Client and server choose packet ids each for themselves, and both may use the same one at a time (MQTT 3.1.1, section
# 2.3.1). mochi keeps both in one table for each client (`State.Inflight`), and both sides begin with 1. While a
# delivery is not acknowledged, a SUBSCRIBE or UNSUBSCRIBE of its id is refused for all filters, with a code that MQTT
# 3.1.1 does not have; and a PUBLISH of its id with QoS 1 makes mochi forget the delivery: a client that is cut off
# before its PUBACK is not sent it again, although its session was kept. That happens to clients that subscribe to a
# second topic while messages of the first come in, and to those that answer a command before they acknowledge it.
#
# Seen with Go 1.26.8, Python 3.11.7 and paho-mqtt 2.2.0, each time with delivery 2 not acknowledged:
#     SUBSCRIBE with id 3: Granted QoS 1
#     SUBSCRIBE with id 2: Packet identifier in use
#     PUBLISH with id 3, connection lost: ['on', 'off'] come once more
#     PUBLISH with id 2, connection lost: ['on'] come once more
#
# Run it anywhere with Go and Python: everything is fetched into a folder that is removed again. It fails when mochi
# behaves otherwise.
set -eu
folder=$(mktemp -d)
broker=
trap 'kill "$broker" 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
cat >main.go <<'GO'
package main

import (
	"fmt"
	"net"
	"os"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/hooks/auth"
	"github.com/mochi-mqtt/server/v2/listeners"
)

func main() {
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	server := mqtt.New(nil)
	_ = server.AddHook(new(auth.AllowHook), nil)
	_ = server.AddListener(listeners.NewNet("t", plain))
	if err := server.Serve(); err != nil {
		panic(err)
	}
	_ = os.WriteFile("port.new", []byte(fmt.Sprint(plain.Addr().(*net.TCPAddr).Port)), 0o600)
	_ = os.Rename("port.new", "port")
	select {}
}
GO
go mod init finding >/dev/null 2>&1
go get github.com/mochi-mqtt/server/v2@v2.7.9 >/dev/null 2>&1
go mod tidy >/dev/null 2>&1
go build -o broker . >/dev/null
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check "paho-mqtt==2.2.0"
./broker >log 2>&1 &
broker=$!
until [ -s port ]; do sleep 0.1; done
venv/bin/python - "$(cat port)" <<'PYTHON' | tee seen
import sys

import paho.mqtt.client as mqtt

PORT = int(sys.argv[1])


class Device:
    """A client that keeps its session and acknowledges nothing."""

    def __init__(self, name):
        self.heard, self.answers, self.own_ids = [], [], 0
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, name, clean_session=False, manual_ack=True)
        self.client.on_connect = lambda *_: self.answers.append("connected")
        self.client.on_message = lambda _client, _data, message: self.heard.append(message.payload.decode())
        self.client.on_subscribe = lambda _client, _data, _mid, codes, _properties: self.answers.append(str(codes[0]))
        self.client.on_publish = lambda *_: self.answers.append("published")
        self.name = name
        self.connect()

    def connect(self):
        self.client.connect("127.0.0.1", PORT)
        self.wait(lambda: self.answers)
        self.answers.clear()

    def wait(self, condition):
        while not condition():
            assert self.client.loop(1) == mqtt.MQTT_ERR_SUCCESS

    def hear(self, *payloads):
        """Get messages of QoS 1: the broker's ids for them are 1, 2 and so on."""
        other = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, f"{self.name}-other")
        other.connect("127.0.0.1", PORT)
        other.loop_start()
        for payload in payloads:
            other.publish(f"{self.name}/do", payload, qos=1).wait_for_publish()
        other.disconnect()
        other.loop_stop()
        self.wait(lambda: len(self.heard) == len(payloads))

    def ask(self, function, *arguments):
        """Send a packet; its id is the next of the client's own."""
        function(*arguments)
        self.wait(lambda: self.answers)
        return self.answers.pop()


for own_id in 3, 2:
    device = Device(f"subscriber-{own_id}")
    device.ask(device.client.subscribe, f"{device.name}/do", 1)
    for _ in range(own_id - 2):
        device.ask(device.client.publish, "report", "", 1)
    device.hear("on", "off")
    print(f"SUBSCRIBE with id {own_id}: {device.ask(device.client.subscribe, 'other', 1)}")

for own_id in 3, 2:
    device = Device(f"publisher-{own_id}")
    device.ask(device.client.subscribe, f"{device.name}/do", 1)
    for _ in range(own_id - 2):
        device.ask(device.client.publish, "report", "", 1)
    device.hear("on", "off")
    device.ask(device.client.publish, "report", "", 1)
    device.client.socket().close()
    device.heard.clear()
    device.connect()
    device.ask(device.client.subscribe, "other", 1)  # what was to be sent once more has come before the answer
    print(f"PUBLISH with id {own_id}, connection lost: {sorted(device.heard, reverse=True)} come once more")
PYTHON
cat >expected <<'TEXT'
SUBSCRIBE with id 3: Granted QoS 1
SUBSCRIBE with id 2: Packet identifier in use
PUBLISH with id 3, connection lost: ['on', 'off'] come once more
PUBLISH with id 2, connection lost: ['on'] come once more
TEXT
cmp -s seen expected || { echo "mochi has changed" >&2; exit 1; }
