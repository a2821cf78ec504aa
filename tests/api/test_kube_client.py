"""The client of the API server against a real one: reads, writes, refusals, logins."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.clock import FakeClock
from tests.support.controlplane import Kubectl
from tests.support.refusals import policy_on_secrets, use_up

from thing_operator.api.names import THINGS
from thing_operator.core.errors import Retry, ThingOperatorError
from thing_operator.core.reasons import Reason
from thing_operator.core.resource import ObjectKey, Resource
from thing_operator.kube.client import KubeClient
from thing_operator.kube.errors import (
    AdmissionError,
    ApiUnavailableError,
    ConflictError,
    DeniedObjectError,
    ExpiredError,
    ForbiddenError,
    InvalidObjectError,
    NamespaceTerminatingError,
    NotFoundError,
)
from thing_operator.kube.ports import WatchRequest
from thing_operator.kube.resources import CONFIG_MAPS, SECRETS
from thing_operator.login import login
from thing_operator.login.errors import LoginError
from thing_operator.login.login import read_login
from thing_operator_local.controlplane import ControlPlane

SECRET_VALUE = "bm90IGEga2V5"


def config_map(name: str, **metadata: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name} | metadata}


def secret(data: Any, name: str = "s") -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": data}


async def test_an_object_is_made_read_changed_and_deleted(client: KubeClient, namespace: str) -> None:
    key = ObjectKey(namespace, "c")
    made = await client.create(CONFIG_MAPS, namespace, config_map("c"))
    assert (await client.get(CONFIG_MAPS, key))["metadata"]["uid"] == made["metadata"]["uid"]
    await client.json_patch(CONFIG_MAPS, key, [{"op": "add", "path": "/data", "value": {"a": "1"}}])
    assert (await client.get(CONFIG_MAPS, key))["data"] == {"a": "1"}
    applied = await client.apply(CONFIG_MAPS, key, config_map("c") | {"data": {"b": "2"}})
    assert applied["data"] == {"a": "1", "b": "2"}
    with pytest.raises(ConflictError, match="already exists"):
        await client.create(CONFIG_MAPS, namespace, config_map("c"))
    await client.delete(CONFIG_MAPS, key, uid="of another")
    await client.get(CONFIG_MAPS, key)
    await client.delete(CONFIG_MAPS, key, uid=made["metadata"]["uid"])
    with pytest.raises(NotFoundError):
        await client.get(CONFIG_MAPS, key)
    await client.delete(CONFIG_MAPS, key)


async def test_a_list_of_several_pages_with_and_without_contents(client: KubeClient, namespace: str) -> None:
    names = [f"c{number}" for number in range(7)]
    for number, name in enumerate(names):
        body = config_map(name, labels={"odd": str(number % 2)}) | {"data": {"a": "1"}}
        await client.create(CONFIG_MAPS, namespace, body)

    async def listed(**how: Any) -> list[dict[str, Any]]:
        found = await client.list(CONFIG_MAPS, namespace=namespace, page_size=3, **how)
        return [each for each in found if each["metadata"]["name"] != "kube-root-ca.crt"]

    assert [each["metadata"]["name"] for each in await listed()] == names
    assert all(each["data"] == {"a": "1"} for each in await listed())
    assert len(await listed(label_selector="odd=1")) == 3
    for metadata_only in (False, True):
        assert await listed(label_selector="odd=2", metadata_only=metadata_only) == []
    assert all("data" not in each for each in await listed(metadata_only=True))


@pytest.mark.parametrize(
    "data",
    [{"tls.key": [SECRET_VALUE]}, SECRET_VALUE, {"tls.key": {"x": SECRET_VALUE}}, {"k k": SECRET_VALUE}],
)
async def test_what_a_secret_holds_is_in_no_message(client: KubeClient, namespace: str, data: Any) -> None:
    """The API server's own message quotes values of a wrong type."""
    with pytest.raises(ThingOperatorError) as applied:
        await client.apply(SECRETS, ObjectKey(namespace, "s"), secret(data))
    with pytest.raises(ThingOperatorError) as made:
        await client.create(SECRETS, namespace, secret(data))
    assert SECRET_VALUE not in applied.value.message + made.value.message
    assert f"namespaces/{namespace}/secrets" in made.value.message


async def test_a_refusal_names_the_field(client: KubeClient, namespace: str) -> None:
    body = secret({"tls.key": SECRET_VALUE}) | {"type": "kubernetes.io/tls"}
    with pytest.raises(InvalidObjectError, match=r"data\[tls\.crt\]"):
        await client.create(SECRETS, namespace, body)
    with pytest.raises(InvalidObjectError, match=r"labels.*a valid label"):
        await client.create(CONFIG_MAPS, namespace, config_map("c", labels={"a": "not legal"}))


async def test_an_immutable_secret_says_so(client: KubeClient, namespace: str) -> None:
    await client.create(SECRETS, namespace, secret({"a": SECRET_VALUE}) | {"immutable": True})
    other = [{"op": "add", "path": "/data", "value": {"a": f"{SECRET_VALUE}{SECRET_VALUE}"}}]
    with pytest.raises(InvalidObjectError, match=r"data: Forbidden: field is immutable"):
        await client.json_patch(SECRETS, ObjectKey(namespace, "s"), other)


async def test_a_quota_is_no_missing_right(client: KubeClient, kubectl: Kubectl, namespace: str) -> None:
    use_up(kubectl, namespace, resource="configmaps")
    with pytest.raises(AdmissionError, match=r"exceeded quota: full.*have the cluster's quota") as caught:
        await client.create(CONFIG_MAPS, namespace, config_map("c"))
    assert caught.value.reason is Reason.API_SERVER_REFUSED


async def test_a_policy_is_no_failed_test_of_a_patch(
    client: KubeClient, kubectl: Kubectl, namespace: str
) -> None:
    """Both are a 422 to the API server."""
    key, change = ObjectKey(namespace, "s"), {"op": "add", "path": "/metadata/labels", "value": {"a": "b"}}
    await client.create(SECRETS, namespace, secret({}))
    with policy_on_secrets(kubectl, namespace, expression="oldObject == null", says="leave it alone"):
        with pytest.raises(DeniedObjectError, match=r"leave it alone.*policy or webhook changed"):
            await client.json_patch(SECRETS, key, [change])
        with pytest.raises(InvalidObjectError):
            await client.json_patch(
                SECRETS, key, [{"op": "test", "path": "/metadata/uid", "value": "u"}, change]
            )


async def test_a_kind_that_is_not_there(client: KubeClient) -> None:
    with pytest.raises(NotFoundError):
        await client.list(Resource("absent.example", "v1", "nothings", "Nothing"))


async def test_a_watch_from_before_what_the_api_server_remembers_has_expired(client: KubeClient) -> None:
    with pytest.raises(ExpiredError, match="too old resource version"):
        await anext(client.watch(WatchRequest(THINGS, None, "1")))


async def test_a_namespace_that_is_being_deleted_is_no_missing_right(
    client: KubeClient, kubectl: Kubectl, namespace: str
) -> None:
    await client.create(CONFIG_MAPS, namespace, config_map("held", finalizers=["example.com/held"]))
    kubectl("delete", "namespace", namespace, "--wait=false")
    with pytest.raises(NamespaceTerminatingError, match="is being deleted"):
        await client.create(CONFIG_MAPS, namespace, config_map("late"))
    release = [{"op": "remove", "path": "/metadata/finalizers"}]
    await client.json_patch(CONFIG_MAPS, ObjectKey(namespace, "held"), release)


# --- logins


@pytest.fixture
def account(kubectl: Kubectl, namespace: str) -> str:
    """A service account that may read Secrets of its namespace, and nothing else."""
    kubectl("create", "serviceaccount", "reader", f"--namespace={namespace}")
    kubectl("create", "role", "reader", "--verb=get", "--resource=secrets", f"--namespace={namespace}")
    kubectl(
        "create",
        "rolebinding",
        "reader",
        "--role=reader",
        f"--serviceaccount={namespace}:reader",
        f"--namespace={namespace}",
    )
    return "reader"


@pytest.fixture
async def weak(
    control_plane: ControlPlane, account: str, namespace: str, tmp_path: Path
) -> AsyncIterator[KubeClient]:
    kubeconfig = tmp_path / "kubeconfig"
    control_plane.service_account_kubeconfig(kubeconfig, namespace=namespace, name=account)
    connected = await KubeClient.connect(kubeconfig=kubeconfig)
    yield connected
    await connected.close()


async def test_a_missing_right_names_verb_resource_namespace_and_remedy(
    client: KubeClient, weak: KubeClient, namespace: str
) -> None:
    await client.create(SECRETS, namespace, secret({"a": SECRET_VALUE}))
    assert (await weak.get(SECRETS, ObjectKey(namespace, "s")))["data"] == {"a": SECRET_VALUE}
    with pytest.raises(ForbiddenError) as caught:
        await weak.json_patch(THINGS, ObjectKey(namespace, "t"), [], subresource="status")
    for part in ("cannot patch", "things/status", f'namespace "{namespace}"', "have its Role or ClusterRole"):
        assert part in caught.value.message
    # Nobody tells of a Role that was extended.
    assert caught.value.retry is Retry.BACKOFF
    with pytest.raises(ForbiddenError, match="cannot list"):
        await weak.list(SECRETS)
    with pytest.raises(ForbiddenError, match="cannot watch"):
        await anext(weak.watch(WatchRequest(SECRETS, namespace, "0", metadata_only=True)))


async def test_a_renewed_service_account_token_is_read_again(
    *,
    control_plane: ControlPlane,
    kubectl: Kubectl,
    account: str,
    namespace: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = FakeClock()
    token_file = tmp_path / "token"
    token = kubectl("create", "token", account, f"--namespace={namespace}").strip()
    token_file.write_text(token, encoding="utf-8")
    (tmp_path / "ca.crt").write_bytes(control_plane.ca_file.read_bytes())
    monkeypatch.setattr(login, "SERVICE_ACCOUNT", tmp_path)
    host, port = control_plane.server.removeprefix("https://").split(":")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", port)
    monkeypatch.delenv("KUBECONFIG", raising=False)
    client = await KubeClient.connect(clock=clock)
    try:
        with pytest.raises(NotFoundError):
            await client.get(SECRETS, ObjectKey(namespace, "absent"))
        token_file.write_text("renewed", encoding="utf-8")
        clock.advance(120)
        with pytest.raises(ApiUnavailableError, match="not, or no longer, valid") as caught:
            await client.get(SECRETS, ObjectKey(namespace, "absent"))
        assert "renewed" not in caught.value.message
        assert "renewed" not in repr(await read_login(None))
        token_file.unlink()
        clock.advance(120)
        with pytest.raises(ApiUnavailableError, match=r"cannot be read again|no longer, valid"):
            await client.get(SECRETS, ObjectKey(namespace, "absent"))
        token_file.write_text(token, encoding="utf-8")
        clock.advance(120)
        with pytest.raises(NotFoundError):
            await client.get(SECRETS, ObjectKey(namespace, "absent"))
    finally:
        await client.close()


CONFIG = """
apiVersion: v1
kind: Config
clusters: [{{name: a, cluster: {{server: "https://127.0.0.1:1", {cluster}}}}}]
users: [{{name: a, user: {{{user}}}}}]
contexts: [{{name: a, context: {{cluster: a, user: a}}}}]
current-context: {current}
"""


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"{{{ token: hidden-token", id="no YAML"),
        pytest.param(b"hidden-token", id="a word"),
        pytest.param(b"[1, 2]", id="a list"),
        pytest.param(b"\xff\xfe\x00\x80", id="binary"),
        pytest.param(
            CONFIG.format(cluster="", user="token: hidden-token", current="x").encode(), id="context"
        ),
        pytest.param(
            CONFIG.format(
                cluster='certificate-authority-data: "Zm9v"', user="token: hidden-token", current="a"
            ).encode(),
            id="CA",
        ),
        pytest.param(
            CONFIG.format(
                cluster="",
                user='client-certificate-data: "Zm9v", client-key-data: "aGlkZGVuLXRva2Vu"',
                current="a",
            ).encode(),
            id="certificate",
        ),
    ],
)
async def test_a_kubeconfig_of_no_use_is_said_in_one_message(tmp_path: Path, text: bytes) -> None:
    file = tmp_path / "kubeconfig"
    file.write_bytes(text)
    with pytest.raises(LoginError) as caught:
        await KubeClient.connect(kubeconfig=file)
    assert "hidden-token" not in caught.value.message


async def test_no_login_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LoginError, match=r"no kubeconfig .*absent: set KUBECONFIG, or run in a pod"):
        await KubeClient.connect(kubeconfig=tmp_path / "absent")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.delenv("KUBECONFIG", raising=False)
    with pytest.raises(LoginError, match="or run in a pod with a service account"):
        await KubeClient.connect()


async def test_what_is_named_goes_before_the_pods_account(
    control_plane: ControlPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A CI's pod has a service account, too: of a cluster that is not meant."""
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "1")
    monkeypatch.setenv("KUBECONFIG", str(control_plane.kubeconfig))
    assert (await read_login(None)).server == control_plane.server
