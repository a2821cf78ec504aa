#!/bin/sh
# AWSIoTPythonSDK 1.5.5 keeps a shadow's delta from its callback where the answer to an update of the same version came first.
#
# A device that reports something else than is desired is sent two messages of one version: update/accepted, and
# update/delta with what it still has to do. AWS promises no order between topics. The SDK remembers the version of the
# answer and then takes the delta for one that it has had (`generalCallback` of deviceShadow.py asks for a greater one),
# so the device hears of what is desired only with somebody's next change. With the delta first, all is well.
#
# Seen with Python 3.11.7:
#     update/delta 5, update/accepted 5: the device is told of [5]
#     update/accepted 5, update/delta 5: the device is told of []
#
# Run it anywhere with Python: the library is fetched into a folder that is removed again. It fails when the library
# behaves otherwise.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "AWSIoTPythonSDK==1.5.5"
"$folder/venv/bin/python" - <<'PYTHON'
import json
import sys
import threading
from types import SimpleNamespace

from AWSIoTPythonSDK.core.shadow.deviceShadow import deviceShadow

TOPIC = "$aws/things/freezer/shadow/update/"


class Connection:
    """In the place of the MQTT connection: what is published and subscribed to is taken."""

    def basicShadowPublish(self, *_):
        pass

    def basicShadowSubscribe(self, *_):
        pass

    def basicShadowUnsubscribe(self, *_):
        pass


def told(*kinds):
    """The versions of the deltas that the device is told of, when these messages of version 5 come in this order."""
    versions, answered = [], threading.Event()
    shadow = deviceShadow("freezer", True, Connection())
    shadow.shadowRegisterDeltaCallback(lambda text, *_: versions.append(json.loads(text)["version"]))
    token = shadow.shadowUpdate('{"state": {"reported": {"setpoint": 4}}}', lambda *_: answered.set(), 30)
    bodies = {
        "accepted": {"state": {"reported": {"setpoint": 4}}, "version": 5, "clientToken": token},
        "delta": {"state": {"setpoint": -18}, "version": 5},
    }
    for kind in kinds:
        message = SimpleNamespace(topic=TOPIC + kind, payload=json.dumps(bodies[kind]).encode())
        shadow.generalCallback(None, None, message)
    answered.wait(10)
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join(10)  # callbacks have threads of their own
    print(f"{', '.join(f'update/{kind} 5' for kind in kinds)}: the device is told of {versions}")
    return versions


good, lost = told("delta", "accepted"), told("accepted", "delta")
sys.exit(0 if (good, lost) == ([5], []) else "the library has changed")
PYTHON
