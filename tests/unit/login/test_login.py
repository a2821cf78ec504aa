"""Logins against a real HTTPS server: what a kubeconfig offers, and what is renewed while the client runs."""

import asyncio
import json
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from tests.support.clock import FakeClock
from tests.support.pki import Authority
from tests.support.proxy import ConnectProxy

from thing_operator.core.resource import ObjectKey
from thing_operator.kube.client import KubeClient
from thing_operator.kube.errors import ApiUnavailableError, UnauthorizedError
from thing_operator.kube.resources import SECRETS
from thing_operator.login import login
from thing_operator.login.errors import LoginError
from thing_operator.login.login import current_namespace, read_login

pytestmark = pytest.mark.real_time


BY_CERTIFICATE = {"client-certificate": "tls.crt", "client-key": "tls.key"}


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


@pytest.fixture(params=[True, False], ids=["list", "object"])
async def api(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[LoginApi]:
    running = LoginApi(tmp_path, lists=request.param)
    yield running
    await running.stop()


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


@pytest.fixture
async def clients(tmp_path: Path, api: LoginApi) -> AsyncIterator[Clients]:
    made = Clients(tmp_path, api)
    yield made
    await made.close()


@pytest.fixture
def authority() -> Authority:
    return Authority.new()


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


# --- options


async def test_the_certificate_is_checked_under_the_servers_name_or_another(
    api: LoginApi, clients: Clients, authority: Authority
) -> None:
    await api.serve(authority, host="kubernetes")
    client = await clients.connect(trusting(authority))
    with pytest.raises(ApiUnavailableError, match=r"for other names .*correct server or tls-server-name"):
        await api.ask(client)
    client = await clients.connect(trusting(authority) | {"tls-server-name": "kubernetes"})
    await api.ask(client)


async def test_a_certificate_is_not_checked_with_a_warning_alone(
    api: LoginApi, clients: Clients, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    await api.serve(authority, host="kubernetes")
    client = await clients.connect({"insecure-skip-tls-verify": True})
    assert "insecure-skip-tls-verify: the certificate of https://localhost" in caplog.text
    await api.ask(client)


async def test_a_server_that_only_the_proxy_knows(
    api: LoginApi, clients: Clients, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    await api.serve(authority, host="api.internal.example")
    server = f"https://api.internal.example:{api.port}"
    async with ConnectProxy(to_port=api.port) as proxy:
        client = await clients.connect(trusting(authority) | {"server": server, "proxy-url": proxy.url})
        await api.ask(client)
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        client = await clients.connect(trusting(authority) | {"server": server})
        await api.ask(client)
        assert proxy.asked == [f"api.internal.example:{api.port}"] * 2
        proxy.refuses = "403 Forbidden"
        client = await clients.connect(trusting(authority) | {"server": server})
        with pytest.raises(ApiUnavailableError, match=r"proxy answered 403 .*HTTPS_PROXY or NO_PROXY$"):
            await api.ask(client)


async def test_who_the_requests_come_from(
    tmp_path: Path, api: LoginApi, clients: Clients, authority: Authority
) -> None:
    await api.serve(authority)
    user = {
        "username": "u",
        "password": "p",
        "as": "a",
        "as-groups": ["g", "h"],
        "as-user-extra": {"e": ["1"]},
    }
    client = await clients.connect(trusting(authority), user)
    await api.ask(client)
    for headers in api.headers:
        assert headers["Authorization"] == "Basic dTpw"
        assert headers["Impersonate-User"] == "a"
        assert headers.getall("Impersonate-Group") == ["g", "h"]
        assert headers["Impersonate-Extra-e"] == "1"
    assert "dTpw" not in repr(await read_login(tmp_path / "kubeconfig"))


@pytest.mark.parametrize(
    ("cluster", "user", "says"),
    [
        (
            {"certificate-authority": "absent"},
            {},
            "certificate-authority of cluster 'c' .*absent, which cannot",
        ),
        ({"certificate-authority-data": "Zm9v"}, {}, "certificate-authority of the current context .*in PEM"),
        ({}, {"tokenFile": "absent"}, "tokenFile of user 'u' .*absent, which cannot be read"),
        ({}, {"client-certificate-data": "Zm9v", "client-key-data": "Zm9v"}, "are no pair in PEM"),
        (
            {},
            {"auth-provider": {"name": "oidc", "config": {"id-token": "hidden"}}},
            "auth-provider .*log in again",
        ),
    ],
)
async def test_what_is_of_no_use_is_said_at_the_start(
    clients: Clients, cluster: dict[str, Any], user: dict[str, Any], says: str
) -> None:
    with pytest.raises(LoginError, match=says) as caught:
        await clients.connect(cluster, user)
    assert "hidden" not in str(caught.value)


# --- plugins


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (["exit 3"], "exec of user 'u' of the kubeconfig: plugin.sh ended with 3"),
        (["echo hidden"], "plugin.sh gave no ExecCredential"),
        ([f"echo '{credential()}'"], "neither a token nor a client certificate"),
        ([f"echo '{credential(clientCertificateData='hidden')}'"], "one of clientCertificateData and"),
        ([f"echo '{credential(token='hidden')}' | sed s,/v1,/v1beta1,"], "another version than"),
    ],
)
async def test_a_plugin_that_gives_no_login(
    tmp_path: Path, clients: Clients, lines: list[str], says: str
) -> None:
    with pytest.raises(LoginError, match=says) as caught:
        await clients.connect({}, plugin(tmp_path, *lines))
    assert "hidden" not in str(caught.value)


async def test_a_plugin_that_is_not_there_names_the_hint(clients: Clients) -> None:
    user = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "/absent/plugin"}}
    with pytest.raises(LoginError, match=r"plugin cannot be started .*install it"):
        await clients.connect({}, user)
    user["exec"]["installHint"] = "Get it from the cloud."
    with pytest.raises(LoginError, match="Get it from the cloud"):
        await clients.connect({}, user)


async def test_a_plugin_is_given_its_environment_and_the_cluster(
    tmp_path: Path, api: LoginApi, clients: Clients, authority: Authority
) -> None:
    await api.serve(authority)
    user = plugin(
        tmp_path, f'echo "$KUBERNETES_EXEC_INFO" > {tmp_path}/info', f"echo '{credential(token='t')}'"
    )
    user["exec"] |= {"provideClusterInfo": True, "env": [{"name": "A", "value": "b"}], "args": ["c"]}
    file = tmp_path / "ca.crt"
    file.write_text(authority.pem, encoding="utf-8")
    extension = {"name": "client.authentication.k8s.io/exec", "extension": {"audience": "a"}}
    client = await clients.connect({"certificate-authority": "ca.crt", "extensions": [extension]}, user)
    await api.ask(client)
    assert api.headers[0]["Authorization"] == "Bearer t"
    info = json.loads((tmp_path / "info").read_text())
    assert info["spec"] == {
        "interactive": False,
        "cluster": {"server": f"https://localhost:{api.port}", "config": {"audience": "a"}}
        | trusting(authority),
    }


# --- renewed


async def test_a_plugin_is_asked_again_when_its_token_has_ended(
    tmp_path: Path, api: LoginApi, clients: Clients, authority: Authority
) -> None:
    await api.serve(authority)
    (tmp_path / "now").write_text(credential(token="first"), encoding="utf-8")
    user = plugin(tmp_path, f"echo call >> {tmp_path}/calls", f"cat {tmp_path}/now")
    client = await clients.connect(trusting(authority), user)
    api.lets_in = "second"
    with pytest.raises(UnauthorizedError):
        await api.ask(client)
    (tmp_path / "now").write_text(credential(token="second"), encoding="utf-8")
    clients.clock.advance(11)
    await asyncio.gather(*(api.ask(client) for _ in range(5)))
    assert (tmp_path / "calls").read_text().split() == ["call", "call"], "once at the start, once for all"
    (tmp_path / "now").write_text("hidden", encoding="utf-8")
    api.lets_in = "third"
    clients.clock.advance(11)
    with pytest.raises(
        ApiUnavailableError, match=r"refused and cannot be read again: exec of .*run it by hand"
    ):
        await api.ask(client)


async def test_a_token_file_is_read_again_before_it_is_refused(
    tmp_path: Path, api: LoginApi, clients: Clients, authority: Authority
) -> None:
    await api.serve(authority)
    file = tmp_path / "token"
    file.write_text("first\n", encoding="utf-8")
    client = await clients.connect(trusting(authority), {"tokenFile": "token", "token": "older"})
    await api.ask(client)
    file.write_text("second\n", encoding="utf-8")
    clients.clock.advance(60)
    await api.ask(client)
    file.unlink()
    clients.clock.advance(60)
    await api.ask(client)
    assert [each["Authorization"] for each in api.headers] == [
        "Bearer first",
        "Bearer second",
        "Bearer second",
    ]


def test_the_namespace_is_the_contexts_or_the_pods_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setattr(login, "SERVICE_ACCOUNT", tmp_path)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "localhost")
    (tmp_path / "namespace").write_text("its-own\n", encoding="utf-8")
    assert current_namespace(None) == "its-own"
    contexts = [
        {"name": "a", "context": {"cluster": "c", "namespace": "plant"}},
        {"name": "b", "context": {"cluster": "c"}},
    ]
    body = {"clusters": [{"name": "c", "cluster": {"server": "https://c"}}], "contexts": contexts}
    file = tmp_path / "config"
    file.write_text(json.dumps(body | {"current-context": "a"}), encoding="utf-8")
    assert current_namespace(file) == "plant"
    assert current_namespace(file, kube_context="b") == "default"
    monkeypatch.setenv("KUBECONFIG", str(file))
    assert current_namespace(None) == "plant"
    with pytest.raises(LoginError, match="has no context 'z', but a, b: name one of those"):
        current_namespace(None, kube_context="z")


async def test_a_pods_token_and_ca_are_read_again(
    *, tmp_path: Path, api: LoginApi, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    await api.serve(authority)
    token, ca = tmp_path / "token", tmp_path / "ca.crt"
    monkeypatch.setattr(login, "SERVICE_ACCOUNT", tmp_path)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "localhost")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(api.port))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    token.write_text("first", encoding="utf-8")
    with pytest.raises(
        LoginError,
        match=r"ca\.crt cannot be read .*: set KUBECONFIG, or run in a pod",
    ):
        await KubeClient.connect()
    ca.write_text(authority.pem, encoding="utf-8")
    clock = FakeClock()
    client = await KubeClient.connect(clock=clock)
    await api.ask(client)
    following = Authority.new("next CA")
    token.write_text("second", encoding="utf-8")
    ca.write_text(following.pem, encoding="utf-8")
    await api.serve(following)
    clock.advance(60)
    await api.ask(client)
    assert [each["Authorization"] for each in api.headers] == ["Bearer first", "Bearer second"]
    await client.close()


async def test_a_new_ca_is_trusted_once_it_is_there(
    tmp_path: Path, api: LoginApi, clients: Clients, authority: Authority
) -> None:
    await api.serve(authority)
    file = tmp_path / "ca.crt"
    file.write_text(authority.pem, encoding="utf-8")
    client = await clients.connect({"certificate-authority": "ca.crt"})
    await api.ask(client)
    following = Authority.new("next CA")
    await api.serve(following)
    clients.clock.advance(11)
    with pytest.raises(ApiUnavailableError, match=r"not trusted .*correct certificate-authority"):
        await api.ask(client)
    file.write_text(authority.pem + "# für später\n" + following.pem, encoding="utf-8")
    clients.clock.advance(11)
    await api.ask(client)


@pytest.fixture
def put(tmp_path: Path) -> Callable[[Authority], None]:
    """Write a client certificate of an authority, for the user of :data:`BY_CERTIFICATE`."""

    def write(signer: Authority) -> None:
        identity = signer.identity("operator")
        (tmp_path / "tls.crt").write_bytes(identity.certificate_pem)
        (tmp_path / "tls.key").write_bytes(identity.private_key_pem)

    return write


async def test_a_new_client_certificate_is_shown_once_it_is_there(
    *, api: LoginApi, clients: Clients, authority: Authority, put: Callable[[Authority], None]
) -> None:
    await api.serve(authority, clients=authority)
    put(authority)
    client = await clients.connect(trusting(authority), BY_CERTIFICATE)
    await api.ask(client)
    following = Authority.new("next CA of clients")
    await api.serve(authority, clients=following)
    put(following)
    clients.clock.advance(60)
    await api.ask(client)


async def test_another_current_context_moves_nobody_to_another_cluster(
    *, tmp_path: Path, api: LoginApi, clients: Clients, authority: Authority
) -> None:
    await api.serve(authority)
    (tmp_path / "token").write_text("first", encoding="utf-8")
    client = await clients.connect(trusting(authority), {"tokenFile": "token"})
    kubeconfig = json.loads((tmp_path / "kubeconfig").read_text())
    kubeconfig["contexts"] += [{"name": "y", "context": {"cluster": "d", "user": "u"}}]
    kubeconfig["clusters"] += [{"name": "d", "cluster": {"server": "https://other.example"}}]
    (tmp_path / "kubeconfig").write_text(json.dumps(kubeconfig | {"current-context": "y"}), encoding="utf-8")
    clients.clock.advance(60)
    (tmp_path / "token").write_text("second", encoding="utf-8")
    await api.ask(client)
    assert api.headers[0]["Authorization"] == "Bearer second"
    kubeconfig["clusters"][0]["cluster"]["server"] = "https://other.example"
    (tmp_path / "kubeconfig").write_text(json.dumps(kubeconfig), encoding="utf-8")
    clients.clock.advance(60)
    await api.ask(client)
    api.lets_in = "third"
    clients.clock.advance(11)
    with pytest.raises(
        ApiUnavailableError, match=r"another server than https://localhost:.*restart the operator"
    ):
        await api.ask(client)
