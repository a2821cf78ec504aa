"""A Thing that was released is over, even while the informer still shows it."""

import asyncio
from datetime import timedelta

import pytest
from tests.support.polling import until
from tests.unit.app.replicas import CloudInMemory, ThingsApi, all_ready, replica, shards_of

from thing_operator.api.names import FINALIZER
from thing_operator.config import Settings
from thing_operator.core.resource import ObjectKey, Resource
from thing_operator.kube.errors import NotFoundError
from thing_operator.kube.ports import Operations
from thing_operator.sharding.hashing import ALL_SHARDS

KEY = ObjectKey("ns", "t1")


class ReleasingApi(ThingsApi):
    """Takes finalizers, and has an object that is being deleted no longer when its last one is taken off."""

    async def json_patch(
        self, resource: Resource, key: ObjectKey, operations: Operations, *, subresource: str | None = None
    ) -> str:
        if subresource is not None:
            return await super().json_patch(resource, key, operations, subresource=subresource)
        if key.name not in self.things:
            raise NotFoundError(f"{key} is not there")
        (finalizers,) = [each["value"] for each in operations if each["op"] == "add"]
        body = self.change(key.name, finalizers=finalizers)
        if not finalizers and "deletionTimestamp" in body["metadata"]:
            del self.things[key.name]
        return ""

    def change(self, name: str, **metadata: object) -> dict[str, dict[str, object]]:
        """Another version of an object, with these in its metadata."""
        self._version += 1
        body = self.things[name]
        self.things[name] = body | {
            "metadata": body["metadata"] | {"resourceVersion": str(self._version), **metadata}
        }
        return self.things[name]


@pytest.mark.parametrize("policy", ["Clear", "Delete"])
async def test_one_that_is_reconciled_once_more_gets_no_session_again(policy: str) -> None:
    """The event of its end comes later than what its session has seen last."""
    api, cloud = ReleasingApi(), CloudInMemory()
    api.submit("t1", desired={"a": 1}, deletionPolicy=policy)
    async with replica(api, cloud, held=ALL_SHARDS) as one:
        await all_ready(one, api=api)
        assert api.things["t1"]["metadata"]["finalizers"] == [FINALIZER]
        await asyncio.sleep(60)  # it may be connected again at once
        api.change("t1", deletionTimestamp="2026-01-01T00:00:01Z", generation=2)
        await one.list()
        await until(lambda: not api.things, "it is released", timeout=60)
        for _ in range(2):
            one.controllers.things.queue.add(KEY)
            await until(lambda: not one.controllers.things.queue.depth, "it was reconciled", timeout=60)
        await asyncio.sleep(1)
        assert not one.connected()
        assert cloud.connects("t1") == 1
        await one.list()
        await until(lambda: not one.controllers.things.queue.depth, "its end was seen", timeout=60)
        assert cloud.connects("t1") == 1


@pytest.mark.parametrize("ahead", [timedelta(hours=hours) for hours in (-1, 0, 1)])
async def test_a_cloud_that_is_silent_holds_it_for_the_configured_time(ahead: timedelta) -> None:
    """However far the API server's clock is ahead of ours."""
    api, cloud = ReleasingApi(), CloudInMemory()
    api.submit("t1", desired={"a": 1}, deletionPolicy="Clear")
    async with replica(api, cloud, held=ALL_SHARDS) as one:
        await all_ready(one, api=api)
        cloud.broker.on_publish = lambda *_: None
        loop = asyncio.get_running_loop()
        api.change("t1", deletionTimestamp=(one.clock.now() + ahead).isoformat(), generation=2)
        await one.list()
        began = loop.time()
        await until(lambda: not api.things, "it is released", timeout=7200)
        configured = Settings().deletion_timeout.total_seconds()
        assert configured <= loop.time() - began < configured + 10
        assert api.events[-1:] == ["DeletionTimedOut"]


async def test_the_session_that_one_leaves_ends_when_its_shard_is_given() -> None:
    """Whoever gets the shard may not have been shown yet that the Thing is deleted, and would connect it."""
    api, cloud = ReleasingApi(), CloudInMemory()
    api.submit("t1", desired={"a": 1})
    async with replica(api, cloud, held=ALL_SHARDS) as one:
        await all_ready(one, api=api)
        one.controllers.things.informer.on_event("DELETED", api.things.pop("t1"))
        await until(lambda: not one.controllers.things.queue.depth, "its end was seen")
        assert len(one.hub) == 1, "it is kept for one of the same name"
        await one.give(shards_of("t1"))
        assert len(one.hub) == 0
