#!/bin/sh
# awsiotclient 0.2.2: all shadow clients of a process share what was last reported, so a second thing's report is not sent.
#
# A client sends what differs from the last report. That is kept in `locked_data`, which `ShadowClientCommon` makes once
# for the class, not for each object. In a gateway with two things, or with two shadows of one, what the second reports
# is compared with what the first has reported: an equal state is not sent at all, although its future is done without an
# error, and of another one only the difference, with null for what only the first has. `publish_full_doc` sends
# the whole of it, but an equal state still not; a process for each shadow has none of it.
#
# Seen with Python 3.11.7 and awsiotsdk 1.31.0; freezer-1 has reported {"door": "shut", "temperature": -18}:
#     freezer-2 reports {"door": "shut", "temperature": -18}: nothing is published
#     freezer-3 reports {"temperature": -17}: published {"door": null, "temperature": -17}
#
# Run it anywhere with Python: the libraries are fetched into a folder that is removed again. It fails when awsiotclient
# behaves otherwise.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "awsiotclient==0.2.2" "awsiotsdk==1.31.0"
"$folder/venv/bin/python" - <<'PYTHON'
import json
import sys
from concurrent.futures import Future

from awscrt import mqtt
from awsiotclient import classic_shadow


class Connection(mqtt.Connection):
    """In the place of the MQTT connection: all is granted, and updates are noted by thing."""

    def __init__(self):  # connects to nothing
        self.reported = {}

    def _done(self):
        future = Future()
        future.set_result({"qos": 1})
        return future, 1

    def subscribe(self, *_, **__):
        return self._done()

    def publish(self, topic, payload, *_, **__):
        if topic.endswith("/update"):
            self.reported[topic.split("/")[2]] = json.loads(payload)["state"]["reported"]["state"]
        return self._done()


connection = Connection()


def report(thing, state):
    """What is published when a new client of this thing, which has no shadow yet, reports this state."""
    client = classic_shadow.client(connection, thing, "state")
    client.change_reported_value(state).result()
    return connection.reported.get(thing)


def say(found):
    return "nothing is published" if found is None else f"published {json.dumps(found, sort_keys=True)}"


same, other = {"door": "shut", "temperature": -18}, {"temperature": -17}
assert report("freezer-1", same) == same
second = report("freezer-2", same)
print(f"freezer-2 reports {json.dumps(same)}: {say(second)}")
third = report("freezer-3", other)
print(f"freezer-3 reports {json.dumps(other)}: {say(third)}")
shared = second is None and third == {"door": None, "temperature": -17}
sys.exit(0 if shared else "awsiotclient has changed")
PYTHON
