"""Replicas of one operator in memory: real controllers and sessions, one broker, one API server with their Things."""

import asyncio
import base64
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from tests.support.api_client import FakeClient
from tests.support.clock import FakeClock, loop_time
from tests.support.duties import AllNamespaces, SomeShards
from tests.support.pki import ec_pair
from tests.support.polling import until
from tests.unit.session import fakes

from thing_operator.api.names import THINGS
from thing_operator.app.controllers import Controllers
from thing_operator.app.moves import Moves
from thing_operator.app.watched_shards import WatchedShards
from thing_operator.config import Settings
from thing_operator.core.json_bytes import decode, encode
from thing_operator.core.resource import ObjectKey, Resource
from thing_operator.kube.errors import ConflictError, NotFoundError
from thing_operator.kube.ports import Body, Operations
from thing_operator.kube.resources import EVENTS, SECRETS
from thing_operator.observability.metrics import Metrics
from thing_operator.session import Phase
from thing_operator.sharding.duties import Duties
from thing_operator.sharding.hashing import shard_of
from thing_operator_local.cloud.shadow_service import (
    ShadowAnswer,
    ShadowOptions,
    ShadowRequest,
    ShadowService,
)
from thing_operator_local.cloud.shadow_topics import ShadowOperation

SETTINGS = Settings.model_validate({"endpoint": {"host": "broker.test"}})
NOBODY: frozenset[int] = frozenset()


def uid_of(name: str) -> str:
    """As random as those of an API server: names that differ in the last letter would be in one shard."""
    return str(uuid5(NAMESPACE_OID, name))


class CloudInMemory:
    """The broker and the shadow service behind it."""

    def __init__(self) -> None:
        self.shadows = ShadowService(loop_time, ShadowOptions(requests_per_second=None))
        self.broker = fakes.FakeBroker(on_publish=self._answer)

    def _answer(self, transport: fakes.FakeTransport, sent: fakes.Sent) -> None:
        operation = ShadowOperation(sent.topic.rpartition("/")[2])
        request = ShadowRequest(sent.thing, None, operation, json.dumps(sent.body).encode())
        self._publish(transport, self.shadows.handle(request))

    def report(self, thing: str, reported: Any) -> None:
        """A device reports, and the thing's session gets to see it."""
        payload = json.dumps({"state": {"reported": reported}}).encode()
        answer = self.shadows.handle(ShadowRequest(thing, None, ShadowOperation.UPDATE, payload))
        for transport in self.broker.transports:
            if transport.spec.thing_name == thing.partition("__")[0]:
                self._publish(transport, answer)

    def reported(self, thing: str) -> Any:
        """What the shadow service holds."""
        return self._state(thing).get("reported")

    def desired(self, thing: str) -> Any:
        """What the shadow service holds."""
        return self._state(thing).get("desired")

    def _state(self, thing: str) -> Any:
        answer = self.shadows.handle(ShadowRequest(thing, None, ShadowOperation.GET))
        return decode(answer.payload)["state"]

    def _publish(self, transport: fakes.FakeTransport, answer: ShadowAnswer) -> None:
        for each in answer.publications:
            thing, _, name = each.topic.removeprefix("$aws/things/").partition("/shadow/")
            transport.deliver(name, each.payload, thing=thing)

    def connects(self, thing: str) -> int:
        """How often a thing was connected."""
        return sum(each.spec.thing_name == thing for each in self.broker.transports)


class ThingsApi(FakeClient):
    """Things with one Secret for all, and who wrote which status; ``secret_reads`` counts."""

    def __init__(self) -> None:
        pair = ec_pair()
        data = {"tls.crt": pair.certificate, "tls.key": pair.private_key}
        self._secret = {"data": {name: base64.b64encode(value).decode() for name, value in data.items()}}
        self._version = 1
        self.things: dict[str, dict[str, Any]] = {}
        self.status_writes = 0
        self.writing = 0
        """Status writes under way."""
        self.events: list[str] = []
        self.secret_reads = 0
        self.secret_takes = 0.0
        """Seconds that a read of a Secret takes."""
        self.reading = self.most_reading = 0
        """Reads of Secrets under way, and the most of them at a time."""
        self.status_may_be_written = asyncio.Event()
        self.status_may_be_written.set()

    def submit(self, name: str, **spec: Any) -> dict[str, Any]:
        """Create a Thing, or change its spec."""
        self._version += 1
        body = self.things.get(name)
        metadata = {
            "namespace": "ns",
            "name": name,
            "uid": uid_of(name),
            "generation": body["metadata"]["generation"] + 1 if body else 1,
            "resourceVersion": str(self._version),
            "creationTimestamp": "2026-01-01T00:00:00Z",
        }
        status = body["status"] if body else {"observedGeneration": -1}
        self.things[name] = {"metadata": metadata, "spec": spec, "status": status}
        return self.things[name]

    def ready(self, name: str) -> bool:
        """What its status says of this generation."""
        found = self.things[name]["status"].get("conditions", ())
        return any(each["type"] == "Ready" and each["status"] == "True" for each in found)

    async def pages(
        self, resource: Resource, *, namespace: str | None, query: Mapping[str, str], metadata_only: bool
    ) -> AsyncGenerator[dict[str, Any], None]:
        items = list(self.things.values()) if resource == THINGS else []
        yield {"metadata": {"resourceVersion": str(self._version)}, "items": items}

    async def get(
        self, resource: Resource, key: ObjectKey, *, not_before: str | None = None
    ) -> dict[str, Any]:
        if resource == SECRETS:
            self.secret_reads += 1
            self.reading += 1
            self.most_reading = max(self.most_reading, self.reading)
            await asyncio.sleep(self.secret_takes)
            self.reading -= 1
            return self._secret
        assert resource == THINGS
        if key.name not in self.things:
            raise NotFoundError(f"{key} is not there")
        return self.things[key.name]

    async def json_patch(
        self, resource: Resource, key: ObjectKey, operations: Operations, *, subresource: str | None = None
    ) -> str:
        assert (resource, subresource) == (THINGS, "status")
        self.writing += 1
        try:
            await self.status_may_be_written.wait()
        finally:
            self.writing -= 1
        values = {each["path"]: each["value"] for each in decode(encode(operations))}
        body = self.things[key.name]
        if values.get("/metadata/resourceVersion") not in {None, body["metadata"]["resourceVersion"]}:
            raise ConflictError("the object has been modified")
        self.status_writes += 1
        self.wrote_status(key.name, values["/status"])
        return str(self._version)

    def wrote_status(self, name: str, status: Any) -> None:
        """Whoever did; nobody is shown it."""
        self._version += 1
        body = self.things[name]
        metadata = body["metadata"] | {"resourceVersion": str(self._version)}
        self.things[name] = body | {"metadata": metadata, "status": status}

    async def create(self, resource: Resource, namespace: str, body: Body) -> dict[str, Any]:
        assert resource == EVENTS
        self.events.append(body["reason"])
        return {}


class ReplicaInMemory:
    """One of them: what it holds is what the test says."""

    def __init__(self, api: ThingsApi, cloud: CloudInMemory, held: frozenset[int]) -> None:
        self.holdings = SomeShards(held)
        self.clock = FakeClock(loop_time)
        self.metrics = Metrics(version="0")
        self.hub = fakes.hub(cloud.broker, observer=self.metrics)
        self.controllers = Controllers(
            client=api,
            hub=self.hub,
            settings=SETTINGS,
            metrics=self.metrics,
            duties=Duties(AllNamespaces(), self.holdings),
            spec_is_current=lambda _namespace: True,
            secrets_seen=lambda _namespace: None,
            clock=self.clock,
        )
        self.watched = WatchedShards(self.holdings)
        self.room_at: list[int] = []
        """How many were connected whenever there was room for more."""
        self.moves = Moves(
            self.controllers,
            self.watched,
            pacing=SETTINGS.pacing,
            on_room=lambda: self.room_at.append(len(self.connected())),
        )
        self.share = self.watched.share

    async def list(self) -> None:
        """Take the Things as the API server has them."""
        await self.controllers.things.informer.relist_namespace(None)

    def connected(self) -> set[str]:
        """The things whose sessions are up here."""
        return {session.spec.thing_name for session in self.hub if session.view.phase is Phase.READY}

    def gaps(self) -> float:
        """How many Things were counted that came from another replica."""
        count = self.metrics.registry.get_sample_value("thing_operator_move_gap_seconds_count")
        return count or 0.0

    async def give(self, shards: frozenset[int]) -> None:
        """As the membership does: what is given is not held any more."""
        self.holdings.held, self.holdings.giving = self.holdings.held - shards, shards
        await self.moves.give(shards)
        self.holdings.giving = NOBODY

    def gain(self, shards: frozenset[int]) -> None:
        """As the membership does: what is seen to be ours is held."""
        self.holdings.held |= shards
        self.moves.gained(shards)

    def lose(self, shards: frozenset[int]) -> None:
        """As the membership does: it was fenced."""
        self.holdings.held -= shards
        self.moves.lost(shards)


@asynccontextmanager
async def replica(
    api: ThingsApi, cloud: CloudInMemory, *, held: frozenset[int], has_begun: bool = True
) -> AsyncIterator[ReplicaInMemory]:
    """A replica that runs, and has listed the Things; ``has_begun`` False: those are still to come."""
    made = ReplicaInMemory(api, cloud, held)
    controllers = made.controllers
    async with made.hub:
        await controllers.writer.start()
        await controllers.events.start()
        for each in controllers:
            await each.queue.start()
        if has_begun:
            await made.list()
            made.moves.begin()
        try:
            yield made
        finally:
            for each in controllers:
                await each.queue.stop(timeout=timedelta(seconds=1))
            await controllers.writer.stop()
            await controllers.events.stop()


async def all_ready(*replicas: ReplicaInMemory, api: ThingsApi) -> None:
    """Wait until every Thing is Ready and nothing is under way."""
    await until(
        lambda: (
            all(map(api.ready, api.things))
            and not any(each.controllers.writer.backlog for each in replicas)
            and not any(each.controllers.things.queue.depth for each in replicas)
        ),
        timeout=60,
    )


def shards_of(*names: str) -> frozenset[int]:
    """Of the Things of these names."""
    return frozenset(shard_of(uid_of(name)) for name in names)
