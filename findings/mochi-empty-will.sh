#!/bin/sh
# mochi-mqtt 2.7.9 refuses a CONNECT whose last will has a payload of no bytes.
#
# MQTT 3.1.1 allows one: the will's message is a length of two bytes and "zero or more bytes" (section 3.1.3.3), and
# an empty retained will is how a device takes back what it retained. mosquitto 2.0.11 takes it. mochi takes it for
# a missing payload (packets.ErrProtocolViolationWillFlagNoPayload in ConnectValidate) and refuses the connection
# with a CONNACK code that MQTT 3.1.1 does not have.
#
# Seen with Go 1.26.8 and paho-mqtt 2.1.0:
#     a will of 1 bytes: Success
#     a will of 0 bytes: Unspecified error
#
# Run it anywhere with Go and Python: everything is fetched into a folder that is removed again. It fails when mochi
# behaves otherwise.
set -eu
folder=$(mktemp -d)
trap 'kill "$broker" 2>/dev/null || true; rm -rf "$folder"' EXIT
broker=
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
	_ = os.WriteFile("port", []byte(fmt.Sprint(plain.Addr().(*net.TCPAddr).Port)), 0o600)
	select {}
}
GO
go mod init finding >/dev/null 2>&1
go get github.com/mochi-mqtt/server/v2@v2.7.9 >/dev/null 2>&1
go mod tidy >/dev/null 2>&1
go build -o broker . >/dev/null
python3 -m pip install --quiet --disable-pip-version-check --root-user-action ignore --target packages paho-mqtt==2.1.0
./broker >log 2>&1 &
broker=$!
until [ -s port ]; do sleep 0.1; done
PYTHONPATH=packages python3 - "$(cat port)" <<'PYTHON'
import sys

import paho.mqtt.client as mqtt

port = int(sys.argv[1])


def connect(payload):
    seen = []
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="c", reconnect_on_failure=False)
    client.on_connect = lambda _client, _data, _flags, code, _properties: seen.append(str(code))
    client.on_disconnect = lambda _client, _data, _flags, code, _properties: seen.append(str(code))
    client.will_set("last/will", payload)
    client.connect("127.0.0.1", port)
    while not seen:
        client.loop(1)
    client.disconnect()
    print(f"a will of {len(payload)} bytes: {seen[0]}")
    return seen[0]


one, none = connect(b"x"), connect(b"")
sys.exit(0 if one == "Success" and none != "Success" else "mochi has changed")
PYTHON
