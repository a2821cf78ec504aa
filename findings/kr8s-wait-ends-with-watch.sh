#!/bin/sh
# kr8s 0.20.15: `wait` returns as if all were well when the API server ends the watch, whatever the condition is.
#
# An API server ends a watch when it likes to, kube-apiserver after half an hour to an hour, a proxy before it or a restart
# much sooner, and a client watches again. kr8s looks at the condition with each event, and when there are no more it leaves
# `wait`, without an error and without a word: a script that waits for Ready before it goes on goes on. `timeout=` raises,
# but only if it is over before the watch. Look at the object once more after `wait`, or wait in a loop. And while an
# older generation's condition is True it is taken as well: `kubectl wait` compares its `observedGeneration`.
#
# Seen with Python 3.11.7:
#     Ready False, the watch ends: wait returned, Ready is False
#     Ready True of generation 1, the object is of 2: wait returned, Ready is True
#
# Run it anywhere with Python: the library is fetched into a folder that is removed again. It fails when kr8s behaves
# otherwise.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "kr8s==0.20.15"
"$folder/venv/bin/python" - <<'PYTHON'
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import kr8s
from kr8s.objects import new_class

VERSION = {"groupVersion": "example.org/v1", "version": "v1"}
RESOURCE = {"name": "freezers", "singularName": "freezer", "kind": "Freezer", "namespaced": True, "verbs": ["watch"]}
DISCOVERY = {
    "major": "1",
    "minor": "35",
    "gitVersion": "v1.35.0",
    "versions": [],
    "groups": [{"name": "example.org", "versions": [VERSION], "preferredVersion": VERSION}],
    "resources": [RESOURCE],
}
"""What all of the questions about the API have in their answers."""
ready = {"type": "Ready", "status": "False", "reason": "Pending", "observedGeneration": 1}


def freezer():
    metadata = {"name": "one", "namespace": "default", "uid": "u", "resourceVersion": "7", "generation": 2}
    return {"apiVersion": "example.org/v1", "kind": "Freezer", "metadata": metadata, "status": {"conditions": [ready]}}


class Server(BaseHTTPRequestHandler):
    """In the place of the API server: it has one freezer, and a watch that ends after one event."""

    def do_GET(self):
        answer = DISCOVERY
        if "watch=" in self.path:
            answer = {"type": "ADDED", "object": freezer()}
        elif "/freezers/one" in self.path:
            answer = freezer()
        elif "/freezers" in self.path:
            answer = {"kind": "FreezerList", "metadata": {"resourceVersion": "7"}, "items": [freezer()]}
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode() + b"\n")

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
Thread(target=server.serve_forever, daemon=True).start()
api = kr8s.api(url=f"http://127.0.0.1:{server.server_port}")
kind = new_class(kind="Freezer", version="example.org/v1", namespaced=True, plural="freezers", asyncio=False)


def wait():
    """What there is after a wait for Ready."""
    found = kind.get("one", namespace="default", api=api)
    try:
        found.wait("condition=Ready", timeout=20)
    except TimeoutError:
        return "wait goes on"
    return f"wait returned, Ready is {found.status.conditions[0].status}"


ended = wait()
print(f"Ready False, the watch ends: {ended}")
ready["status"] = "True"
outdated = wait()
print(f"Ready True of generation 1, the object is of 2: {outdated}")
same = (ended, outdated) == ("wait returned, Ready is False", "wait returned, Ready is True")
sys.exit(0 if same else "kr8s has changed")
PYTHON
