"""Networked children among replicas: they are where their parents are, and nowhere else."""

from typing import Any

import pytest
from tests.support.polling import until
from tests.unit.app.replicas import (
    NOBODY,
    CloudInMemory,
    ReplicaInMemory,
    ThingsApi,
    all_ready,
    replica,
    shards_of,
)

from thing_operator.sharding.hashing import ALL_SHARDS

PARENT = shards_of("hub")
OTHERS = ALL_SHARDS - PARENT
CHILDREN = [f"hub-c{number}" for number in range(4)]


@pytest.fixture
def api() -> ThingsApi:
    made = ThingsApi()
    made.submit("hub", desired={"a": 1})
    for name in CHILDREN:
        made.submit(name, parentRef={"name": "hub"}, desired={"a": 1})
    return made


@pytest.fixture
def cloud() -> CloudInMemory:
    return CloudInMemory()


def speaking(one: ReplicaInMemory) -> set[str]:
    """The children whose shadows are spoken for here."""
    registry = one.controllers.registry
    slots = {key.name: registry.runtime(key) for key in registry.keys_in(ALL_SHARDS)}
    found: dict[str, Any] = {name: thing.connection.session for name, thing in slots.items() if thing}
    return {
        name for name, session in found.items() if name in CHILDREN and session and session.view.connected
    }


def condition(api: ThingsApi, name: str, kind: str) -> str:
    found = api.things[name]["status"].get("conditions", ())
    return next((f"{each['status']}/{each['reason']}" for each in found if each["type"] == kind), "")


async def test_children_are_ready_on_one_connection(api: ThingsApi, cloud: CloudInMemory) -> None:
    assert shards_of(*CHILDREN) - PARENT, "their own uids say otherwise"
    async with replica(api, cloud, held=ALL_SHARDS) as one:
        await all_ready(one, api=api)
        assert len(cloud.broker.transports) == 1
        assert [cloud.desired(f"hub__{name}") for name in CHILDREN] == [{"a": 1}] * len(CHILDREN)
        assert speaking(one) == set(CHILDREN)
        cloud.report("hub__hub-c1", {"a": 1})
        await until(lambda: condition(api, "hub-c1", "InSync") == "True/Converged")
        assert condition(api, "hub-c2", "InSync") == "False/DeltaPending"


async def test_children_move_with_their_parent_and_without_a_write(
    api: ThingsApi, cloud: CloudInMemory
) -> None:
    async with (
        replica(api, cloud, held=ALL_SHARDS) as giver,
        replica(api, cloud, held=NOBODY) as taker,
    ):
        await all_ready(giver, api=api)
        writes = api.status_writes
        await giver.give(OTHERS)
        taker.gain(OTHERS)
        await all_ready(giver, taker, api=api)
        assert (speaking(giver), speaking(taker)) == (set(CHILDREN), set()), "their own shards say nothing"
        await taker.list()
        await taker.moves.prepare(PARENT)
        await giver.give(PARENT)
        assert speaking(giver) == set()
        taker.gain(PARENT)
        await until(lambda: speaking(taker) == set(CHILDREN))
        await all_ready(giver, taker, api=api)
        assert api.status_writes == writes
        assert cloud.connects("hub") == 2
        api.submit("hub-c1", parentRef={"name": "hub"}, desired={"a": 2})
        await giver.list()
        await taker.list()
        await until(lambda: cloud.desired("hub__hub-c1") == {"a": 2})


async def test_children_are_lost_with_their_parent(api: ThingsApi, cloud: CloudInMemory) -> None:
    async with (
        replica(api, cloud, held=ALL_SHARDS) as fenced,
        replica(api, cloud, held=NOBODY) as other,
    ):
        await all_ready(fenced, api=api)
        fenced.lose(PARENT)
        await until(lambda: speaking(fenced) == set())
        other.gain(PARENT)
        await until(lambda: speaking(other) == set(CHILDREN))


async def test_an_orphan_is_one_replicas_until_its_parent_is_there(cloud: CloudInMemory) -> None:
    api = ThingsApi()
    api.submit("hub-c1", parentRef={"name": "hub"}, desired={"a": 1})
    own = shards_of("hub-c1")
    assert own.isdisjoint(PARENT)
    async with (
        replica(api, cloud, held=own) as orphanage,
        replica(api, cloud, held=PARENT) as home,
    ):
        for each in (orphanage, home):
            each.controllers.things.informer.share = each.share
            each.holdings.replicas = 2
        await until(lambda: condition(api, "hub-c1", "Ready") == "False/ParentMissing")
        assert home.controllers.registry.keys_in(ALL_SHARDS) == []
        api.submit("hub", desired={"a": 1})
        await home.list()
        await all_ready(orphanage, home, api=api)
        assert speaking(home) == {"hub-c1"}
        await orphanage.list()
        await until(lambda: orphanage.controllers.registry.keys_in(ALL_SHARDS) == [])
        assert condition(api, "hub-c1", "Ready") == "True/Accepted"


async def test_who_had_an_orphan_before_its_parent_came_and_went_does_not_write_over_what_was_said_since(
    cloud: CloudInMemory,
) -> None:
    api = ThingsApi()
    api.submit("hub-c1", parentRef={"name": "hub"}, desired={"a": 1})
    async with (
        replica(api, cloud, held=shards_of("hub-c1")) as orphanage,
        replica(api, cloud, held=PARENT) as home,
    ):
        for each in (orphanage, home):
            each.controllers.things.informer.share = each.share
            each.holdings.replicas = 2
        await until(lambda: condition(api, "hub-c1", "Ready") == "False/ParentMissing")
        api.submit("hub", desired={"a": 1})
        await home.list()
        await until(lambda: condition(api, "hub-c1", "Ready") == "True/Accepted")
        home.controllers.things.informer.on_event("DELETED", api.things.pop("hub"))
        await until(lambda: condition(api, "hub-c1", "Ready") == "False/ParentMissing", timeout=60)
        api.submit("hub-c1", parentRef={"name": "hub"}, desired={"a": 2})
        await orphanage.list()
        await until(lambda: api.things["hub-c1"]["status"]["observedGeneration"] == 2)
        await until(lambda: not orphanage.controllers.writer.backlog)
        status = api.things["hub-c1"]["status"]
        assert (status["managedPaths"], status["acceptedGeneration"]) == (["/a"], 1)


async def test_children_that_were_created_before_the_eyes_of_all_move_without_a_word(
    cloud: CloudInMemory,
) -> None:
    """Every replica sees them and their statuses, by the watch alone."""
    api = ThingsApi()
    api.submit("hub", desired={"a": 1})
    async with (
        replica(api, cloud, held=ALL_SHARDS) as giver,
        replica(api, cloud, held=NOBODY) as taker,
    ):
        await all_ready(giver, api=api)
        api.submit("hub-c1", parentRef={"name": "hub"}, desired={"a": 1})
        for change in ("ADDED", "MODIFIED"):
            for each in (giver, taker):
                each.controllers.things.informer.on_event(change, api.things["hub-c1"])
            await all_ready(giver, api=api)
        writes, events = api.status_writes, len(api.events)
        await taker.moves.prepare(PARENT)
        taker.controllers.things.informer.on_event("ADDED", api.things["hub"])
        await giver.give(PARENT)
        taker.gain(PARENT)
        await until(lambda: speaking(taker) == {"hub-c1"})
        await all_ready(giver, taker, api=api)
        assert (api.status_writes, len(api.events)) == (writes, events)


async def test_what_another_replica_has_written_of_a_child_unseen_is_not_written_over(
    api: ThingsApi, cloud: CloudInMemory
) -> None:
    """As when its parent was deleted and made again there, and the watch is seconds behind."""
    async with replica(api, cloud, held=ALL_SHARDS) as one:
        await all_ready(one, api=api)
        cloud.report("hub__hub-c1", {"a": 0})
        await until(lambda: condition(api, "hub-c1", "InSync") == "False/DeltaPending")
        theirs = {"acceptedTime": "2026-01-02T03:04:05Z"}
        api.wrote_status("hub-c1", api.things["hub-c1"]["status"] | theirs)
        cloud.report("hub__hub-c1", {"a": 1})
        await until(lambda: condition(api, "hub-c1", "InSync") == "True/Converged")
        assert api.things["hub-c1"]["status"].items() >= theirs.items()
