"""The meddling proxy itself: what tests of trouble build upon."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.support.controlplane import Kubectl
from tests.support.meddling_proxy import MeddlingProxy
from tests.support.meddling_rules import HTML, error_line
from tests.support.polling import until

from thing_operator.core.resource import ObjectKey, Resource
from thing_operator.kube.client import KubeClient
from thing_operator.kube.errors import (
    ApiUnavailableError,
    NotFoundError,
    ThrottledError,
)
from thing_operator.kube.ports import WatchEvent, WatchRequest

MAPS = Resource("", "v1", "configmaps", "ConfigMap")


@pytest.fixture
async def client(proxy: MeddlingProxy) -> AsyncIterator[KubeClient]:
    found = await KubeClient.connect(kubeconfig=proxy.kubeconfig)
    yield found
    await found.close()


async def make(client: KubeClient, namespace: str, name: str) -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}
    await client.create(MAPS, namespace, body)


async def test_without_rules_it_is_the_api_server_and_notes_what_is_asked(
    client: KubeClient, proxy: MeddlingProxy, namespace: str
) -> None:
    await make(client, namespace, "one")
    assert "one" in {found["metadata"]["name"] for found in await client.list(MAPS, namespace=namespace)}
    asked = [(each.method, each.path.rpartition("/")[2]) for each in proxy.asked]
    assert asked == [("POST", "configmaps"), ("GET", "configmaps")]
    assert proxy.count("/configmaps$", method="GET", query="limit=500") == 1


async def test_an_answer_instead_comes_as_often_as_it_is_asked_for(
    client: KubeClient, proxy: MeddlingProxy, namespace: str
) -> None:
    await make(client, namespace, "one")
    rule = proxy.answer("/configmaps/one$", 404, method="GET", times=1)
    proxy.answer("/configmaps/two$", 429, headers={"Retry-After": "7"})
    with pytest.raises(NotFoundError):
        await client.get(MAPS, ObjectKey(namespace, "one"))
    assert (await client.get(MAPS, ObjectKey(namespace, "one")))["metadata"]["name"] == "one"
    assert rule.applied == 1
    for _ in range(2):
        with pytest.raises(ThrottledError) as caught:
            await client.get(MAPS, ObjectKey(namespace, "two"))
        assert caught.value.retry_after.total_seconds() == 7
    proxy.clear()
    with pytest.raises(NotFoundError):
        await client.get(MAPS, ObjectKey(namespace, "two"))


async def test_html_and_a_reset_are_outages(client: KubeClient, proxy: MeddlingProxy, namespace: str) -> None:
    proxy.answer("/configmaps/html$", 200, HTML)
    proxy.reset("/configmaps/reset$")
    for name in ("html", "reset"):
        with pytest.raises(ApiUnavailableError):
            await client.get(MAPS, ObjectKey(namespace, name))


async def test_a_held_answer_is_as_old_as_it_is(
    client: KubeClient, proxy: MeddlingProxy, namespace: str
) -> None:
    rule = proxy.hold("/configmaps$", method="GET", times=1)
    old = asyncio.create_task(client.list(MAPS, namespace=namespace))
    await until(lambda: rule.applied == 1)
    await make(client, namespace, "later")
    rule.remove()
    assert "later" not in {found["metadata"]["name"] for found in await old}


async def watch(client: KubeClient, namespace: str, found: list[WatchEvent]) -> None:
    async for event in client.watch(WatchRequest(MAPS, namespace, "0")):
        found += [event]


async def test_a_watch_gets_a_line_stands_still_and_is_cut(
    client: KubeClient, proxy: MeddlingProxy, namespace: str
) -> None:
    events: list[WatchEvent] = []

    def seen(name: str) -> bool:
        return any(event.body["metadata"].get("name") == name for event in events)

    watching = asyncio.create_task(watch(client, namespace, events))
    await until(lambda: proxy.watches("/configmaps") == 1)
    line = {"type": "ADDED", "object": {"metadata": {"name": "put-in", "uid": "u", "resourceVersion": "1"}}}
    assert proxy.insert("/configmaps", json.dumps(line).encode()) == 1
    await until(lambda: seen("put-in"))

    stall = proxy.stall(f"/{namespace}/")
    making = asyncio.create_task(make(client, namespace, "meanwhile"))
    await until(lambda: proxy.count("/configmaps$", method="POST") == 1)
    assert not making.done()
    assert not seen("meanwhile")
    stall.remove()
    await making
    await until(lambda: seen("meanwhile"))

    assert proxy.cut("/configmaps", query="watch=true") == 1
    with pytest.raises(ApiUnavailableError):
        await watching
    await until(lambda: proxy.watches("/configmaps") == 0)


async def test_an_error_line_ends_a_watch(client: KubeClient, proxy: MeddlingProxy, namespace: str) -> None:
    watching = asyncio.create_task(watch(client, namespace, []))
    await until(lambda: proxy.watches("/configmaps") == 1)
    proxy.insert("/configmaps", error_line(500))
    with pytest.raises(ApiUnavailableError, match="as the test says"):
        await watching


async def test_closed_and_open_it_is_another_server_at_the_same_address(
    client: KubeClient, proxy: MeddlingProxy, namespace: str
) -> None:
    await make(client, namespace, "one")
    proxy.close()
    with pytest.raises(ApiUnavailableError, match="no connection"):
        await client.get(MAPS, ObjectKey(namespace, "one"))
    proxy.open()
    with pytest.raises(ApiUnavailableError, match="not trusted"):
        await client.get(MAPS, ObjectKey(namespace, "one"))


def test_others_have_their_own_rights(
    kubectl: Kubectl, proxy: MeddlingProxy, namespace: str, tmp_path: Path
) -> None:
    kubectl("create", "serviceaccount", "robot", f"--namespace={namespace}")
    token = kubectl("create", "token", "robot", f"--namespace={namespace}").strip()
    config = tmp_path / "config"
    proxy.write_kubeconfig(config, token=token)
    assert f"system:serviceaccount:{namespace}:robot" in kubectl(f"--kubeconfig={config}", "auth", "whoami")
    assert "system:masters" in kubectl(f"--kubeconfig={proxy.kubeconfig}", "auth", "whoami")
