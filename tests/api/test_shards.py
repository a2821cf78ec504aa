"""Lists and watches of a share of the Things, at an API server that sends just those and at one that sends all."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from tests.support.api_server import close
from tests.support.bare_api import for_each
from tests.support.controlplane import CRDS
from tests.support.polling import until
from tests.support.watching import CountedEvents

from thing_operator.api.names import API_VERSION, THING_KIND, THINGS
from thing_operator.app.watched_shards import WatchedShards, share_of
from thing_operator.core.clock import SystemClock
from thing_operator.core.json_bytes import decode
from thing_operator.core.resource import ObjectKey
from thing_operator.informing.cache import ObjectCache
from thing_operator.informing.informer import Informer
from thing_operator.kube.client import KubeClient
from thing_operator.kube.errors import ShardSelectorError
from thing_operator.kube.status_writer import StatusWriter
from thing_operator.kube.watch_events import BOOKMARK
from thing_operator.sharding.hashing import SHARDS, shard_of
from thing_operator.sharding.ports import Alone
from thing_operator.watching.object_stream import BEGIN_WITH_A_LIST, ObjectStream
from thing_operator.watching.stream_health import StreamHealth
from thing_operator_local.controlplane import ControlPlane
from thing_operator_local.toolchain import Reporter

NAMES = frozenset(f"thing-{number:03}" for number in range(120))
LOW = frozenset(range(SHARDS // 4)) | {SHARDS - 1}
EVEN = frozenset(range(SHARDS // 4, SHARDS // 2, 2))
"""Many ranges, of which none touches another."""


class OneShare(Alone):
    """Says which shards are to be watched."""

    def __init__(self, shards: frozenset[int]) -> None:
        self.watched = shards

    def share(self) -> frozenset[int]:
        return self.watched


class WatchingReplica:
    """The stream of Things of one replica, without anything behind it."""

    def __init__(self, client: KubeClient, shards: frozenset[int]) -> None:
        self.holdings, self.observer = OneShare(shards), CountedEvents()
        self.cache, clock = ObjectCache(), SystemClock()
        writer = StatusWriter(
            client,
            writes_per_second=1,
            retry=StatusWriter.default_retry(random.Random(1)),
            clock=clock,
            on_deleted=lambda _ref: None,
        )
        self.informer = Informer(
            client,
            THINGS,
            namespaces=(),
            cache=self.cache,
            writer=writer,
            enqueue=lambda _key: None,
            clock=clock,
        )
        health = StreamHealth(THINGS, None, clock=clock)
        self.stream = ObjectStream(client, self.informer, health, observer=self.observer)
        self.shards = WatchedShards(self.holdings)
        self.shards.follow([self.stream])

    async def run(self) -> None:
        """As kopf does."""
        await self.stream.begin()
        while True:
            async for line in self.stream.lines():
                assert line != BEGIN_WITH_A_LIST, "nothing goes wrong here"
                event = decode(line)
                if event["type"] != BOOKMARK:
                    self.informer.on_event(event["type"], event["object"])

    @property
    def kept(self) -> dict[str, int]:
        """Name and shard of each Thing."""
        return {each.key.name: shard_of(each.uid) for each in self.cache}

    @property
    def newest(self) -> dict[str, int | None]:
        return {each.key.name: each.version for each in self.cache}


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory, reporter: Reporter) -> Iterator[ControlPlane]:
    """A control plane whose API server knows of shards."""
    folder = tmp_path_factory.mktemp("sharded-control-plane")
    gates = {"ShardedListAndWatch": True}
    with ControlPlane(folder, reporter=reporter, manifests=[CRDS], feature_gates=gates) as running:
        yield running


@pytest.fixture(scope="module")
def without_gate(plane: ControlPlane) -> Path:
    """The kubeconfig of another API server of the same cluster, which does not."""
    return plane.add_apiserver()


@pytest.fixture(params=["with the gate", "without it"])
async def client(
    request: pytest.FixtureRequest, plane: ControlPlane, without_gate: Path
) -> AsyncIterator[KubeClient]:
    """An administrator with NAMES in the namespace default."""
    file = plane.kubeconfig if request.param == "with the gate" else without_gate
    connected = await KubeClient.connect(kubeconfig=file)
    await for_each(
        NAMES - {each["metadata"]["name"] for each in await connected.list(THINGS)}, make(connected)
    )
    yield connected
    await close(connected, file)


def make(client: KubeClient) -> Callable[[str], Awaitable[None]]:
    async def one(name: str) -> None:
        body = {"apiVersion": API_VERSION, "kind": THING_KIND, "metadata": {"name": name}, "spec": {}}
        await client.create(THINGS, "default", body)

    return one


async def touch_all(client: KubeClient) -> None:
    """Have each Thing's spec changed once."""

    async def touch(name: str) -> None:
        desired = {"uid": "another", "n": random.random()}
        operations = [{"op": "add", "path": "/spec/desired", "value": desired}]
        await client.json_patch(THINGS, ObjectKey("default", name), operations)

    await for_each(NAMES, touch)


async def test_a_replica_sees_its_share_and_nothing_else_also_as_that_changes(
    client: KubeClient, request: pytest.FixtureRequest
) -> None:
    shards = {
        each["metadata"]["name"]: shard_of(each["metadata"]["uid"]) for each in await client.list(THINGS)
    }
    assert shards.keys() == NAMES
    replica = WatchingReplica(client, LOW)
    task = asyncio.create_task(replica.run())

    def own() -> dict[str, int]:
        return {name: shard for name, shard in shards.items() if shard in replica.holdings.watched}

    try:
        await until(lambda: replica.kept == own() and replica.stream.health.listed_at is not None)
        await changes_arrive(client, replica, own())
        sends_all = request.node.callspec.params["client"] == "without it"
        assert (replica.observer.events["foreign"] > 0) == sends_all

        replica.holdings.watched = LOW | EVEN
        changing = asyncio.create_task(touch_all(client))
        await replica.shards.prepare(EVEN)
        await changing
        assert replica.kept == own()
        await changes_arrive(client, replica, own())

        replica.holdings.watched = EVEN
        replica.shards.drop(LOW)
        assert replica.kept == own()
        await changes_arrive(client, replica, own())
        await replica.stream.relist()
        assert replica.kept == own()
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def changes_arrive(client: KubeClient, replica: WatchingReplica, own: dict[str, int]) -> None:
    """Change all Things: the replica learns of its own ones, and keeps the newest state of each."""
    await touch_all(client)
    found = {
        each["metadata"]["name"]: int(each["metadata"]["resourceVersion"])
        for each in await client.list(THINGS)
    }
    await until(lambda: replica.newest == {name: found[name] for name in own})


async def test_nothing_is_listed_for_a_replica_that_holds_nothing(client: KubeClient) -> None:
    replica = WatchingReplica(client, frozenset())
    await replica.stream.begin()
    assert replica.kept == {}


async def test_a_mistake_in_a_selector_is_no_outage(plane: ControlPlane) -> None:
    client = await KubeClient.connect(kubeconfig=plane.kubeconfig)
    bad = share_of(LOW).selector.replace("0x", "0X", 1)
    with pytest.raises(ShardSelectorError, match="invalid shard selector"):
        async for _ in client.pages(
            THINGS, namespace=None, query={"shardSelector": bad}, metadata_only=False
        ):
            pass
    await client.close()
