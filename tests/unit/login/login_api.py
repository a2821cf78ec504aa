"""An HTTPS server as a login has to do with it, and clients that log in by a kubeconfig."""

import json
import ssl
from base64 import b64encode
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer
from tests.support.clock import FakeClock
from tests.support.pki import Authority

from thing_operator.core.resource import ObjectKey
from thing_operator.kube.client import KubeClient
from thing_operator.kube.resources import SECRETS


def server_context(
    folder: Path, authority: Authority, *, host: str = "localhost", clients: Authority | None = None
) -> ssl.SSLContext:
    """Of a server that shows a certificate of this authority, and asks clients for one."""
    pair = folder / "server.pem"
    pair.write_bytes(authority.server(host))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair)
    if clients is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=clients.pem)
    return context


class LoginApi:
    """Knows no Secrets; ``headers`` are those of the requests that it let in."""

    def __init__(self, folder: Path, *, lists: bool) -> None:
        self.folder = folder
        self.lists = lists
        """Whether it is asked for a list, which aiohttp sends, or for one object, by a connection of our own."""
        self.headers: list[Any] = []
        self.lets_in = ""
        self.port = 0
        self._server: TestServer | None = None

    async def serve(
        self, authority: Authority, *, host: str = "localhost", clients: Authority | None = None
    ) -> None:
        """Serve (again) at the same port, with a certificate of this authority."""
        await self.stop()
        context = server_context(self.folder, authority, host=host, clients=clients)
        app = web.Application()
        for path in ("secrets", "namespaces/ns/secrets/s"):
            app.router.add_get(f"/api/v1/{path}", self._answer)
        self._server = TestServer(app, host="localhost", port=self.port or None)
        await self._server.start_server(ssl=context, access_log=None, shutdown_timeout=0)
        self.port = self._server.port or 0

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.close()

    async def ask(self, client: KubeClient) -> None:
        """Have a client ask it; raises what the client does."""
        if self.lists:
            assert await client.list(SECRETS) == []
        else:
            assert await client.get(SECRETS, ObjectKey("ns", "s"))

    async def _answer(self, request: web.Request) -> web.Response:
        if self.lets_in not in request.headers.get("Authorization", ""):
            return web.json_response({"message": "Unauthorized"}, status=401)
        self.headers.append(request.headers)
        return web.json_response({"metadata": {}, "items": []})


class Clients:
    """Clients by a kubeconfig of one context, closed at the end of the test."""

    def __init__(self, folder: Path, api: LoginApi) -> None:
        self.clock = FakeClock()
        self._folder, self._api = folder, api
        self._made: list[KubeClient] = []

    async def connect(self, cluster: dict[str, Any], user: dict[str, Any] | None = None) -> KubeClient:
        body = {
            "clusters": [
                {"name": "c", "cluster": {"server": f"https://localhost:{self._api.port}"} | cluster}
            ],
            "users": [{"name": "u", "user": user or {}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
        file = self._folder / "kubeconfig"
        file.write_text(json.dumps(body), encoding="utf-8")
        client = await KubeClient.connect(kubeconfig=file, clock=self.clock)
        self._made.append(client)
        return client

    async def close(self) -> None:
        for each in self._made:
            await each.close()


def trusting(authority: Authority) -> dict[str, Any]:
    return {"certificate-authority-data": b64encode(authority.pem.encode()).decode()}


def plugin(folder: Path, *lines: str) -> dict[str, Any]:
    """The user of an exec plugin, a script of these lines beside the kubeconfig."""
    script = folder / "plugin.sh"
    script.write_text("\n".join(("#!/bin/sh", *lines)), encoding="utf-8")
    script.chmod(0o700)
    return {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "./plugin.sh"}}


def credential(**status: str) -> str:
    return json.dumps(
        {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}
    )
