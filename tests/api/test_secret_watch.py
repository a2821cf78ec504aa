"""The Secret watch against a real API server."""

import asyncio
import base64
import json
import tracemalloc
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

import pytest
from tests.support.api_client import ForwardingClient
from tests.support.controlplane import Kubectl
from tests.support.polling import until

from thing_operator.core.clock import SystemClock
from thing_operator.core.resource import ObjectKey
from thing_operator.kube.client import KubeClient
from thing_operator.kube.confirm import get_confirmed
from thing_operator.kube.ports import ApiClient, WatchEvent, WatchRequest
from thing_operator.kube.resources import SECRETS
from thing_operator.watching.secret_watch import SecretWatch
from thing_operator.watching.stream_health import wait_for_answers


class WatchAtServer:
    def __init__(self, client: ApiClient, namespaces: tuple[str, ...]) -> None:
        self.seen: list[ObjectKey] = []
        self.resyncs = 0
        self.watch = SecretWatch(
            client,
            namespaces=namespaces,
            on_secret=self.seen.append,
            on_resync=self.resynced,
            clock=SystemClock(),
        )

    def resynced(self) -> None:
        self.resyncs += 1


@pytest.fixture
async def setup(client: KubeClient, namespace: str) -> AsyncIterator[WatchAtServer]:
    made = WatchAtServer(client, (namespace,))
    task = asyncio.create_task(made.watch.run())
    await wait_for_answers(made.watch.healths)
    yield made
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def secret(name: str, size: int = 1) -> dict[str, Any]:
    data = {"a": base64.b64encode(b"x" * size).decode()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": data}


async def test_what_is_made_changed_and_deleted_is_reported(
    client: KubeClient, setup: WatchAtServer, namespace: str
) -> None:
    key = ObjectKey(namespace, "s")
    await client.create(SECRETS, namespace, secret("s"))
    await until(lambda: setup.seen == [key])
    await client.json_patch(SECRETS, key, [{"op": "add", "path": "/data/b", "value": "MQ=="}])
    await until(lambda: setup.seen == [key] * 2)
    await client.delete(SECRETS, key)
    await until(lambda: setup.seen == [key] * 3)
    assert setup.resyncs == 0


class CountingClient(ForwardingClient):
    """Passes a watch on, and counts the bytes that come through it."""

    passed = 0

    async def watch(
        self, request: WatchRequest, *, on_open: Callable[[], None] = lambda: None
    ) -> AsyncGenerator[WatchEvent, None]:
        async with aclosing(super().watch(request, on_open=on_open)) as events:
            async for event in events:
                self.passed += len(json.dumps(event.body))
                yield event


async def test_secrets_of_others_cost_no_memory(client: KubeClient, kubectl: Kubectl, namespace: str) -> None:
    """100 Secrets of 100 KB: 10 MB of content, of which nothing comes here and of whose names nothing is kept."""
    counting = CountingClient(client)
    setup = WatchAtServer(counting, (namespace,))
    items = [secret(f"s{number}", 100_000) for number in range(100)]
    manifest = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
    tracemalloc.start()
    task = asyncio.create_task(setup.watch.run())
    try:
        await wait_for_answers(setup.watch.healths)
        await asyncio.to_thread(kubectl, "create", "--filename=-", f"--namespace={namespace}", input=manifest)
        await until(lambda: len(setup.seen) == 100)
        setup.seen.clear()
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert counting.passed < 200_000
    assert held < 1_000_000


async def test_a_secret_is_read_as_of_what_the_watch_has_shown_or_later(
    client: KubeClient, setup: WatchAtServer, namespace: str
) -> None:
    """From the API server's watch cache: what was rotated before is never read again."""
    key = ObjectKey(namespace, "rotated")
    before = len(setup.seen)
    await client.create(SECRETS, namespace, secret("rotated", size=1))
    await until(lambda: len(setup.seen) > before)
    for size in range(2, 12):
        shown = len(setup.seen)
        await client.json_patch(
            SECRETS, key, [{"op": "replace", "path": "/data", "value": secret("rotated", size)["data"]}]
        )
        await until(lambda shown=shown: len(setup.seen) > shown)  # type: ignore[misc]
        read = await client.get(SECRETS, key, not_before=setup.watch.version_of(namespace))
        assert read["data"] == secret("rotated", size)["data"]
    assert setup.watch.version_of("another") is None


async def test_a_secret_that_is_newer_than_the_watch_is_found(
    client: KubeClient, setup: WatchAtServer, namespace: str
) -> None:
    """A version from after the API server's own, as after a restored backup, is no obstacle either."""
    before = setup.watch.version_of(namespace)
    assert before is not None
    key = ObjectKey(namespace, "new")
    await client.create(SECRETS, namespace, secret("new"))
    for version in (before, str(int(before) + 1_000_000)):
        assert (await get_confirmed(client, SECRETS, key, not_before=version))["metadata"]["name"] == "new"
