"""Callers of the bridge: service accounts with tokens, their requests over HTTP, and the streams they read."""

import http.client
import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.support.controlplane import Kubectl
from tests.support.operator import Json

from thing_operator_local.ports import LOOPBACK

AUDIENCE = "thing-operator-bridge"
VERBS = ("get", "update", "watch")


@dataclass(frozen=True, slots=True)
class BridgeAnswer:
    """What came back: status, body as JSON, headers."""

    status: int
    body: Any
    headers: Mapping[str, str]


def make_caller(
    kubectl: Kubectl,
    namespace: str,
    name: str = "twin",
    *,
    verbs: tuple[str, ...] = VERBS,
    home: str | None = None,
    audience: str | None = AUDIENCE,
    things: tuple[str, ...] = (),
) -> str:
    """A service account of ``home`` with these verbs on the bridge of a namespace's Things; returns a token."""
    home = home or namespace
    metadata = {"name": name, "namespace": namespace}
    rule: Json = {"apiGroups": ["thing-operator.io"], "resources": ["things/bridge"], "verbs": list(verbs)}
    rbac = "rbac.authorization.k8s.io"
    objects: list[Json] = [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata | {"namespace": home}},
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "Role",
            "metadata": metadata,
            "rules": [rule | ({"resourceNames": list(things)} if things else {})] if verbs else [],
        },
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": rbac, "kind": "Role", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": home}],
        },
    ]
    body = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
    kubectl("apply", "--server-side", "--filename=-", input=body)
    asked = [f"--audience={audience}"] if audience else []
    return kubectl("create", "token", name, f"--namespace={home}", *asked).strip()


@dataclass(frozen=True)
class Caller:
    """One service account at one bridge; each request has a connection of its own."""

    port: int
    token: str | None = field(repr=False)
    namespace: str

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> BridgeAnswer:
        """One request; ``path`` is below the namespace's Things."""
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=60)
        try:
            connection.request(
                method, self.path(path), _encoded(body), self.headers(body) | dict(headers or {})
            )
            answer = connection.getresponse()
            content = answer.read()
            return BridgeAnswer(answer.status, json.loads(content) if content else None, dict(answer.headers))
        finally:
            connection.close()

    def shadow(self, name: str) -> BridgeAnswer:
        return self.ask("GET", f"{name}/shadow")

    def report(self, name: str, reported: Json, **more: Any) -> BridgeAnswer:
        return self.ask("POST", f"{name}/reported", {"reported": reported} | more)

    def flood(self, name: str, requests: int) -> list[int]:
        """Ask for a shadow so many times, as fast as one connection does; the statuses."""
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=60)
        found = []
        try:
            for _ in range(requests):
                connection.request("GET", self.path(f"{name}/shadow"), headers=self.headers(None))
                answer = connection.getresponse()
                answer.read()
                found.append(answer.status)
        finally:
            connection.close()
        return found

    @contextmanager
    def kept_open(self, name: str) -> Iterator[int]:
        """The status of one request for a shadow, on a connection that stays open for as long as the block."""
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=60)
        try:
            connection.request("GET", self.path(f"{name}/shadow"), headers=self.headers(None))
            answer = connection.getresponse()
            answer.read()
            yield answer.status
        finally:
            connection.close()

    @contextmanager
    def events(
        self, name: str, *, kinds: str = "", last_id: str | None = None
    ) -> Iterator[Iterator[tuple[str, Any, str | None]]]:
        """Kind, data and id of each event of a stream, until it ends."""
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=60)
        headers = self.headers(None) | ({"Last-Event-ID": last_id} if last_id is not None else {})
        try:
            connection.request("GET", self.path(f"{name}/events?events={kinds}"), headers=headers)
            answer = connection.getresponse()
            assert answer.status == 200, answer.read()
            assert answer.headers["Content-Type"] == "text/event-stream"
            yield _events(answer)
        finally:
            connection.close()

    def open_unread(self, name: str, *, buffer: int = 4096) -> socket.socket:
        """A stream of which nothing is read."""
        found = socket.socket()
        found.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        found.settimeout(60)
        found.connect((LOOPBACK, self.port))
        head = "".join(f"{key}: {value}\r\n" for key, value in self.headers(None).items())
        found.sendall(f"GET {self.path(f'{name}/events')} HTTP/1.1\r\nHost: x\r\n{head}\r\n".encode())
        return found

    def path(self, path: str) -> str:
        return f"/v1/namespaces/{self.namespace}/things/{path}"

    def headers(self, body: Any) -> dict[str, str]:
        found = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        return found | ({"Content-Type": "application/json"} if body is not None else {})


def _encoded(body: Any) -> bytes | None:
    return body if body is None or isinstance(body, bytes) else json.dumps(body).encode()


def _events(answer: http.client.HTTPResponse) -> Iterator[tuple[str, Any, str | None]]:
    event: dict[str, str] = {}
    while line := answer.readline():
        field, _, value = line.decode().rstrip("\n").partition(": ")
        if field:
            event[field] = value
            continue
        if "event" in event:
            yield event["event"], json.loads(event["data"]), event.get("id")
        event = {}
