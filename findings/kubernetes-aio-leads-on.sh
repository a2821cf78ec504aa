#!/bin/sh
# kubernetes 37.0.2 (kubernetes.aio): where no API server is reached, the leader election ends and the leader leads on.
#
# The module says that the task of `onstarted_leading` is cancelled when the lock is lost. It is, where an API server
# answers with errors until the deadline. But `LeaseLock` and `ConfigMapLock` catch answers only (`ApiException`): on
# the first connection that is refused or breaks off, `run` raises at once, long before the deadline, and neither
# cancels the task nor calls `onstopped_leading`. Another replica leads when the lease is over, and this one still does;
# whoever calls `run` again in a loop has two of the task in one process. Have `onstarted_leading` remember its
# `asyncio.current_task()`, and cancel that one whenever `run` is left.
# What is not there is not made either, Lease or ConfigMap: `create` passes `pretty=True`, which version 37 takes as a
# text only. Apply an empty one beforehand.
#
# Seen with Python 3.11.7, a lease of 5 s and a deadline of 4 s:
#     no Lease: run raises ValidationError
#     the API server answers 500: run returns, the leader is stopped
#     no API server: run raises ClientConnectorError, the leader leads on
#
# Run it anywhere with Python: the library is fetched into a folder that is removed again. It fails when the library
# behaves otherwise.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "kubernetes==37.0.2"
"$folder/venv/bin/python" - <<'PYTHON' | tee "$folder/seen"
import asyncio
import json
import logging
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from kubernetes.aio import client
from kubernetes.aio.leaderelection.electionconfig import Config
from kubernetes.aio.leaderelection.leaderelection import LeaderElection
from kubernetes.aio.leaderelection.resourcelock.leaselock import LeaseLock

EMPTY = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "one"}, "spec": {}}


class ApiServer(ThreadingHTTPServer):
    """An API server that has one Lease, or answers with an error."""

    def __init__(self, code: int) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.code, self.lease, self.renewals = code, EMPTY, 0
        Thread(target=self.serve_forever, daemon=True).start()

    def fail(self) -> None:
        self.code = 500

    def end(self) -> None:
        self.shutdown()
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        api = self.server
        body = json.dumps(api.lease if api.code == 200 else {"kind": "Status", "code": api.code}).encode()
        self.send_response(api.code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_PUT(self) -> None:
        api, lease = self.server, json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if api.code == 200:
            api.lease, api.renewals = lease, api.renewals + 1
        self.do_GET()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


async def how_it_ends(api: ApiServer, trouble: Callable[[], None]) -> str:
    """What becomes of the election, and of who leads, when trouble comes after the second renewal."""
    leaders: list[asyncio.Task[None]] = []

    async def lead() -> None:
        leaders.append(asyncio.current_task())
        await asyncio.Event().wait()

    async with client.ApiClient(client.Configuration(host=f"http://127.0.0.1:{api.server_port}")) as connection:
        lock = LeaseLock("one", "default", "me", connection)
        config = Config(lock, 5, 4, 1, onstarted_leading=lead, onstopped_leading=None)
        run = asyncio.create_task(LeaderElection(config).run())
        while not run.done() and api.renewals < 2:
            await asyncio.sleep(0.01)
        trouble()
        await asyncio.wait([run])
        ended = f"run raises {type(run.exception()).__name__}" if run.exception() else "run returns"
        if not leaders:
            return ended
        await asyncio.wait(leaders, timeout=1)
        return f"{ended}, the leader {'is stopped' if leaders[0].done() else 'leads on'}"


logging.disable()
absent, failing, away = ApiServer(404), ApiServer(200), ApiServer(200)
print("no Lease:", asyncio.run(how_it_ends(absent, lambda: None)))
print("the API server answers 500:", asyncio.run(how_it_ends(failing, failing.fail)))
print("no API server:", asyncio.run(how_it_ends(away, away.end)))
PYTHON
cat >"$folder/expected" <<'TEXT'
no Lease: run raises ValidationError
the API server answers 500: run returns, the leader is stopped
no API server: run raises ClientConnectorError, the leader leads on
TEXT
cmp -s "$folder/seen" "$folder/expected" || { echo "kubernetes has changed" >&2; exit 1; }
