"""Two Things for one thing in two replicas: one of them runs it, and its session is hardly disturbed."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from typing import Any

import pytest
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
            if selector is not None and (self.is_blind or selector != "spec.thingName=thing"):
                page["items"] = []
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
