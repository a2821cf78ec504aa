"""Logins against a real HTTPS server: what a kubeconfig offers, by itself or by a plugin."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.support.pki import Authority
from tests.support.proxy import ConnectProxy
from tests.unit.login.login_api import Clients, LoginApi, credential, plugin, trusting

from thing_operator.kube.errors import ApiUnavailableError
from thing_operator.login import login
from thing_operator.login.errors import LoginError
from thing_operator.login.login import current_namespace, read_login

pytestmark = pytest.mark.real_time


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
