"""Two Things for one thing in two replicas: one of them runs it, and its session is hardly disturbed."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from typing import Any

import pytest
from tests.support.field_selectors import selected
from tests.support.polling import until
from tests.unit.app.replicas import CloudInMemory, ReplicaInMemory, ThingsApi, replica, shards_of

from thing_operator.core.resource import Resource
from thing_operator.sharding.hashing import ALL_SHARDS

MINUTE = 60.0
"""After which a session is no new one any more; time jumps here."""


class SelectingApi(ThingsApi):
    """Knows the field ``spec.thingName`` to select Things by."""

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__()
        self.looks = 0
        self.is_blind = False
        """Whether a look finds nobody, as of Things whose statuses are still to be written."""
        for name in names:
            self.submit(name, thingName="thing", desired={"of": name})

    async def pages(
        self, resource: Resource, *, namespace: str | None, query: Mapping[str, str], metadata_only: bool
    ) -> AsyncGenerator[dict[str, Any], None]:
        selector = query.get("fieldSelector")
        if selector is not None:
            self.looks += 1
        async for page in super().pages(
            resource, namespace=namespace, query=query, metadata_only=metadata_only
        ):
            if selector is not None:
                page["items"] = [] if self.is_blind else selected(page["items"], selector)
            yield page

    def reason(self, name: str) -> str | None:
        """Of the condition Ready."""
        conditions = self.things[name]["status"].get("conditions", ())
        return next((each["reason"] for each in conditions if each["type"] == "Ready"), None)


FIRST, SECOND = "first", "second"


@pytest.fixture
def api() -> SelectingApi:
    return SelectingApi((FIRST,))


@pytest.fixture
def cloud() -> CloudInMemory:
    return CloudInMemory()


def share(one: ReplicaInMemory, other: ReplicaInMemory) -> None:
    for each in (one, other):
        each.holdings.replicas = 2


async def test_a_thing_that_is_added_by_mistake_ends_nobodys_session(
    api: SelectingApi, cloud: CloudInMemory
) -> None:
    ours = shards_of(FIRST)
    async with replica(api, cloud, held=ours) as one, replica(api, cloud, held=ALL_SHARDS - ours) as other:
        share(one, other)
        await until(lambda: api.ready(FIRST))
        await asyncio.sleep(MINUTE)
        api.submit(SECOND, thingName="thing", desired={"of": SECOND})
        await other.list()
        await until(lambda: api.reason(SECOND) == "DuplicateThing")
        assert cloud.connects("thing") == 1
        assert api.ready(FIRST)


async def test_one_that_has_connected_all_the_same_gives_way_after_two_takeovers(
    api: SelectingApi, cloud: CloudInMemory
) -> None:
    ours = shards_of(FIRST)
    async with replica(api, cloud, held=ours) as one, replica(api, cloud, held=ALL_SHARDS - ours) as other:
        share(one, other)
        await until(lambda: api.ready(FIRST))
        await asyncio.sleep(MINUTE)
        api.is_blind = True
        api.submit(SECOND, thingName="thing", desired={"of": SECOND})
        await other.list()
        await until(lambda: cloud.connects("thing") == 2)
        api.is_blind = False
        await until(lambda: api.reason(SECOND) == "DuplicateThing")
        await until(lambda: "thing" in one.connected())
        assert cloud.connects("thing") == 3, "two takeovers"
        assert other.connected() == set()


HUB, CHILD, FULL = "hub", "hub-c1", "full"
SHARED = "hub__c1"


def submit_child(api: SelectingApi, **spec: Any) -> None:
    api.submit(CHILD, parentRef={"name": HUB}, thingName="c1", desired={"of": CHILD}, **spec)


@pytest.fixture
async def two(cloud: CloudInMemory) -> AsyncGenerator[tuple[SelectingApi, ReplicaInMemory, ReplicaInMemory]]:
    """The replica that has the parent and its child, and the one that has the Thing with their name."""
    api, ours = SelectingApi(()), shards_of(HUB)
    assert ours.isdisjoint(shards_of(FULL))
    async with replica(api, cloud, held=ours) as one, replica(api, cloud, held=ALL_SHARDS - ours) as other:
        share(one, other)
        for each in (one, other):
            each.controllers.things.informer.share = each.share
        yield api, one, other


Two = tuple[SelectingApi, ReplicaInMemory, ReplicaInMemory]


async def listed(*replicas: ReplicaInMemory) -> None:
    for each in replicas:
        await each.list()


async def test_a_thing_that_comes_after_the_child_of_its_name_waits_until_that_is_deleted(
    two: Two, cloud: CloudInMemory
) -> None:
    api, *replicas = two
    api.submit(HUB)
    submit_child(api)
    await listed(*replicas)
    await until(lambda: api.ready(CHILD))
    await asyncio.sleep(MINUTE)
    api.submit(FULL, thingName=SHARED, desired={"of": FULL})
    await listed(*replicas)
    await until(lambda: api.reason(FULL) == "DuplicateThing")
    assert cloud.connects(SHARED) == 0
    assert cloud.desired(SHARED) == {"of": CHILD}
    assert api.ready(CHILD)
    del api.things[CHILD]
    await listed(*replicas)
    await until(lambda: api.ready(FULL), timeout=3 * MINUTE)
    assert cloud.desired(SHARED) == {"of": FULL}


async def test_a_child_that_comes_after_the_thing_of_its_name_waits_until_that_is_suspended(
    two: Two, cloud: CloudInMemory
) -> None:
    api, *replicas = two
    api.submit(FULL, thingName=SHARED, desired={"of": FULL})
    api.submit(HUB)
    await listed(*replicas)
    await until(lambda: api.ready(FULL))
    await asyncio.sleep(MINUTE)
    submit_child(api)
    await listed(*replicas)
    await until(lambda: api.reason(CHILD) == "DuplicateThing")
    assert cloud.desired(SHARED) == {"of": FULL}
    api.submit(FULL, thingName=SHARED, desired={"of": FULL}, suspend=True)
    await listed(*replicas)
    await until(lambda: api.ready(CHILD), timeout=3 * MINUTE)
    assert cloud.desired(SHARED) == {"of": CHILD}
    await asyncio.sleep(MINUTE)
    api.submit(FULL, thingName=SHARED, desired={"of": FULL})
    await listed(*replicas)
    await until(lambda: api.reason(FULL) == "DuplicateThing")
    assert api.ready(CHILD)
    assert cloud.connects(SHARED) == 1


async def test_who_waits_goes_on_waiting_where_its_shard_moves(two: Two, cloud: CloudInMemory) -> None:
    api, one, other = two
    api.submit(HUB)
    submit_child(api)
    await listed(one, other)
    await until(lambda: api.ready(CHILD))
    await asyncio.sleep(MINUTE)
    api.submit(FULL, thingName=SHARED, desired={"of": FULL})
    await listed(one, other)
    await until(lambda: api.reason(FULL) == "DuplicateThing")
    writes, moved = api.status_writes, shards_of(HUB)
    await one.give(moved)
    other.gain(moved)
    await listed(one, other)
    await until(lambda: cloud.connects(HUB) == 2)
    await asyncio.sleep(3 * MINUTE)
    assert (api.reason(FULL), api.ready(CHILD)) == ("DuplicateThing", True)
    assert cloud.connects(SHARED) == 0
    assert api.status_writes == writes
