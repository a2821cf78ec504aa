"""What a login consists of is read again where it is renewed: tokens, client certificates and CAs."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.clock import FakeClock
from tests.support.pki import Authority
from tests.unit.login.login_api import Clients, LoginApi, credential, plugin, trusting

from thing_operator.kube.client import KubeClient
from thing_operator.kube.errors import ApiUnavailableError, UnauthorizedError
from thing_operator.login import login
from thing_operator.login.errors import LoginError

pytestmark = pytest.mark.real_time

BY_CERTIFICATE = {"client-certificate": "tls.crt", "client-key": "tls.key"}


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
