"""Shards that move between replicas: each thing has one session, and nobody notices but the broker."""

import asyncio
from datetime import timedelta
from functools import partial

import pytest
from tests.support.clock import loop_time
from tests.support.polling import until
from tests.unit.app.replicas import (
    NOBODY,
    CloudInMemory,
    ReplicaInMemory,
    ThingsApi,
    all_ready,
    replica,
    shards_of,
    uid_of,
)

from thing_operator.informing.share import Share
from thing_operator.sharding.hashing import ALL_SHARDS

NAMES = [f"t{number}" for number in range(20)]
ONE = shards_of("t1")


@pytest.fixture
def api() -> ThingsApi:
    made = ThingsApi()
    for name in NAMES:
        made.submit(name, desired={"a": 1}, device={"connectionStatus": True})
    return made


@pytest.fixture
def cloud() -> CloudInMemory:
    return CloudInMemory()


class SlowStream:
    """The watch of Things of one replica, whose lists take as long as the test says."""

    def __init__(self, one: ReplicaInMemory) -> None:
        self.informer = one.controllers.things.informer
        self.first, self.others = asyncio.Event(), asyncio.Event()
        self._lists = 0

    async def widen(self, _part: Share) -> None:
        self._lists += 1
        await (self.first if self._lists == 1 else self.others).wait()
        await self.informer.relist_namespace(None)


def is_connected(one: ReplicaInMemory) -> bool:
    return "t1" in one.connected()


def is_online(cloud: CloudInMemory, name: str) -> bool:
    return bool(cloud.reported(name)["tcxn"]["connection_status"])


async def test_a_planned_move_is_one_connection_more_and_no_write(
    api: ThingsApi, cloud: CloudInMemory
) -> None:
    async with (
        replica(api, cloud, held=ALL_SHARDS) as giver,
        replica(api, cloud, held=NOBODY) as taker,
    ):
        await all_ready(giver, api=api)
        before, events = api.status_writes, list(api.events)
        versions = {name: body["metadata"]["resourceVersion"] for name, body in api.things.items()}
        for name in NAMES[:10]:
            moved = shards_of(name)
            await taker.list()
            await taker.moves.prepare(moved)
            await giver.give(moved)
            assert name not in giver.connected()
            taker.gain(moved)
        await until(lambda: len(taker.connected()) == 10)
        await all_ready(giver, taker, api=api)
        assert giver.connected() | taker.connected() == set(NAMES)
        assert len(giver.hub) + len(taker.hub) == len(NAMES)
        assert [cloud.connects(name) for name in NAMES] == [2] * 10 + [1] * 10
        assert {each.ending for each in cloud.broker.transports} == {None, "close"}, "DISCONNECT: no will"
        assert all(is_online(cloud, name) for name in NAMES)
        assert (api.status_writes, api.events) == (before, events)
        assert versions == {name: body["metadata"]["resourceVersion"] for name, body in api.things.items()}
        assert taker.gaps() == 10
        conditions = [each.controllers.registry.counts.condition_keys() for each in (giver, taker)]
        assert [each["Ready", "True", "Accepted"] for each in conditions] == [10, 10]


async def test_what_was_prepared_is_not_read_when_it_is_to_connect(
    api: ThingsApi, cloud: CloudInMemory
) -> None:
    async with replica(api, cloud, held=NOBODY) as taker:
        await taker.moves.prepare(ALL_SHARDS)
        assert api.secret_reads == len(NAMES)
        assert (cloud.broker.dialled_at, api.status_writes) == ([], 0)
        taker.gain(ALL_SHARDS)
        await until(lambda: taker.connected() == set(NAMES))
        assert api.secret_reads == len(NAMES)


async def test_what_is_ours_does_not_wait_for_all_that_is_prepared(
    api: ThingsApi, cloud: CloudInMemory
) -> None:
    for number in range(200):
        api.submit(f"more-{number}", desired={"a": 1})
    async with replica(api, cloud, held=NOBODY) as taker:
        await taker.moves.prepare(ONE)
        api.secret_takes = 1.0
        others = asyncio.create_task(taker.moves.prepare(ALL_SHARDS - ONE))
        await until(lambda: api.secret_reads > 1)
        taker.gain(ONE)
        await until(partial(is_connected, taker))
        assert api.secret_reads < 100
        await others
        assert api.secret_reads == len(api.things)
        sizes = sum(taker.moves.size(shard) for shard in ALL_SHARDS)
        assert sizes == len(api.things)


async def test_what_is_ours_meanwhile_is_read_when_it_connects(api: ThingsApi, cloud: CloudInMemory) -> None:
    for number in range(200):
        api.submit(f"more-{number}", desired={"a": 1})
    api.secret_takes = 1.0
    async with replica(api, cloud, held=NOBODY) as taker:
        preparing = asyncio.create_task(taker.moves.prepare(ALL_SHARDS))
        await until(lambda: api.secret_reads > 1)
        taker.holdings.held = ALL_SHARDS
        claimed = loop_time()
        await preparing
        assert loop_time() - claimed < 0.2
        assert api.secret_reads < 100
        taker.gain(ALL_SHARDS)
        await until(lambda: taker.connected() == set(api.things))
        assert api.secret_reads == len(api.things)


async def test_who_has_not_listed_everything_yet_is_not_prepared(
    api: ThingsApi, cloud: CloudInMemory
) -> None:
    async with replica(api, cloud, held=NOBODY, has_begun=False) as taker:
        preparing = asyncio.create_task(taker.moves.prepare(ALL_SHARDS))
        await asyncio.sleep(1)
        assert not preparing.done()
        await taker.list()
        taker.moves.begin()
        await preparing
        assert sum(map(taker.moves.size, ALL_SHARDS)) == len(NAMES)
        assert (api.secret_reads, taker.connected()) == (len(NAMES), set())


async def test_a_list_does_not_have_all_read_at_once_that_is_prepared(
    api: ThingsApi, cloud: CloudInMemory
) -> None:
    for number in range(200):
        api.submit(f"more-{number}", desired={"a": 1})
    api.secret_takes = 0.1
    async with replica(api, cloud, held=NOBODY, has_begun=False) as taker:
        preparing = asyncio.create_task(taker.moves.prepare(ALL_SHARDS))
        await until(lambda: taker.controllers.duties.preparing == ALL_SHARDS)
        await taker.list()
        taker.controllers.on_leadership_change(None)
        taker.moves.begin()
        await preparing
        assert api.most_reading == 20
        taker.gain(ALL_SHARDS)
        await until(lambda: taker.connected() == set(api.things))
        assert api.secret_reads == len(api.things)


async def test_what_is_prepared_is_read_again_when_its_secret_changes(
    api: ThingsApi, cloud: CloudInMemory
) -> None:
    async with replica(api, cloud, held=NOBODY) as taker:
        await taker.moves.prepare(ONE)
        taker.controllers.on_secrets_resync()
        await until(lambda: api.secret_reads == 2)
        taker.gain(ONE)
        await until(lambda: taker.connected() == {"t1"})
        assert api.secret_reads == 2


async def test_what_is_not_to_be_ours_after_all_is_forgotten(api: ThingsApi, cloud: CloudInMemory) -> None:
    async with replica(api, cloud, held=NOBODY) as taker:
        await taker.moves.prepare(ONE)
        taker.lose(ONE)
        registry = taker.controllers.registry
        await until(lambda: registry.keys_in(ALL_SHARDS) == [])
        taker.controllers.on_secrets_resync()
        await asyncio.sleep(1)
        assert (api.secret_reads, cloud.broker.dialled_at) == (1, [])


async def test_the_status_that_waits_is_written_before_the_shard_is_given(
    api: ThingsApi, cloud: CloudInMemory
) -> None:
    async with (
        replica(api, cloud, held=ALL_SHARDS) as giver,
        replica(api, cloud, held=NOBODY) as taker,
    ):
        await all_ready(giver, api=api)
        cloud.report("t1", {"value": 7})
        await until(lambda: giver.controllers.writer.backlog == 1)
        before = api.status_writes
        await taker.list()
        await giver.give(ONE)
        assert api.status_writes == before + 1
        assert api.things["t1"]["status"]["shadow"]["reported"]["value"] == 7
        taker.gain(ONE)
        await until(lambda: taker.connected() == {"t1"})
        await all_ready(giver, taker, api=api)
        assert api.status_writes == before + 1, (
            "what the taker would say is there, though it had listed before"
        )


async def test_a_shard_is_given_when_no_status_of_it_is_on_its_way_any_more(
    api: ThingsApi, cloud: CloudInMemory
) -> None:
    """One that reaches a slow API server later would stand over what the taker has written."""
    async with replica(api, cloud, held=ALL_SHARDS) as giver:
        await all_ready(giver, api=api)
        api.status_may_be_written.clear()
        cloud.report("t1", {"value": 7})
        await until(lambda: api.writing == 1)
        gives = asyncio.create_task(giver.give(ONE))
        await until(lambda: not is_connected(giver))
        await asyncio.sleep(10)
        assert not gives.done()
        api.status_may_be_written.set()
        await gives
        assert api.things["t1"]["status"]["shadow"]["reported"]["value"] == 7


async def test_a_taker_that_has_not_seen_the_last_status_does_not_write_over_it(
    api: ThingsApi, cloud: CloudInMemory
) -> None:
    """Managed paths are in it: forgotten ones would stay in the shadow for ever."""
    async with replica(api, cloud, held=ALL_SHARDS) as giver:
        await all_ready(giver, api=api)
        async with replica(api, cloud, held=NOBODY) as taker:
            giver.controllers.things.informer.on_event(
                "MODIFIED", api.submit("t1", desired={"a": 1, "b": 2}, device={"connectionStatus": True})
            )
            await all_ready(giver, api=api)
            assert api.things["t1"]["status"]["managedPaths"] == ["/a", "/b"]
            await giver.give(ONE)
            taker.controllers.things.informer.on_event(
                "MODIFIED", api.submit("t1", desired={"a": 1}, device={"connectionStatus": True})
            )
            taker.gain(ONE)
            await until(lambda: api.ready("t1") and taker.connected() == {"t1"})
            await all_ready(taker, api=api)
            assert cloud.desired("t1") == {"a": 1}, "b is removed, since it is known to be managed"


async def test_a_taker_that_has_not_seen_the_last_spec_sends_nothing_of_the_one_before(
    api: ThingsApi, cloud: CloudInMemory
) -> None:
    """Its watch is behind: a key that was taken away meanwhile would come back, and nobody know of it."""
    async with replica(api, cloud, held=ALL_SHARDS) as giver:
        await all_ready(giver, api=api)
        async with replica(api, cloud, held=NOBODY) as taker:
            await taker.list()
            await taker.moves.prepare(ONE)
            newer = api.submit("t1", desired={"b": 2}, device={"connectionStatus": True})
            giver.controllers.things.informer.on_event("MODIFIED", newer)
            await all_ready(giver, api=api)
            assert cloud.desired("t1") == {"b": 2}
            await giver.give(ONE)
            taker.gain(ONE)
            await until(lambda: taker.connected() == {"t1"})
            await all_ready(taker, api=api)
            asked = [each.body.get("state", {}).get("desired") for each in cloud.broker.transports[-1].sent]
            assert asked == [None] * len(asked)
            assert cloud.desired("t1") == {"b": 2}


async def test_a_reconcile_that_takes_long_does_not_hold_up_the_others_of_its_shard(
    api: ThingsApi, cloud: CloudInMemory
) -> None:
    async with replica(api, cloud, held=ALL_SHARDS) as giver:
        await all_ready(giver, api=api)
        api.secret_takes = 60.0
        giver.controllers.on_secrets_resync()
        await asyncio.sleep(0.5)
        began = loop_time()
        await giver.give(ALL_SHARDS)
        assert loop_time() - began < 3
        assert giver.connected() == set()
        await until(lambda: giver.controllers.registry.keys_in(ALL_SHARDS) == [], timeout=120)
        assert len(giver.hub) == 0
        assert [cloud.connects(name) for name in NAMES] == [1] * len(NAMES)
        assert {each.ending for each in cloud.broker.transports} == {"close"}


async def test_a_fenced_replica_closes_all_and_writes_nothing(api: ThingsApi, cloud: CloudInMemory) -> None:
    async with (
        replica(api, cloud, held=ALL_SHARDS) as fenced,
        replica(api, cloud, held=NOBODY) as survivor,
    ):
        await all_ready(fenced, api=api)
        for name in NAMES:
            cloud.report(name, {"value": 7})
        await until(lambda: fenced.controllers.writer.backlog == len(NAMES))
        before = api.status_writes
        fenced.lose(ALL_SHARDS)
        await until(lambda: len(fenced.hub) == 0)
        assert (fenced.controllers.writer.backlog, api.status_writes) == (0, before)
        assert all(is_online(cloud, name) for name in NAMES)
        survivor.gain(ALL_SHARDS)
        await until(lambda: survivor.connected() == set(NAMES))


async def test_a_zombie_neither_connects_nor_writes_while_its_lease_is_in_doubt(
    api: ThingsApi, cloud: CloudInMemory
) -> None:
    """Its sessions stay: nobody knows yet whether another replica will have them."""
    async with (
        replica(api, cloud, held=ALL_SHARDS) as zombie,
        replica(api, cloud, held=NOBODY) as survivor,
    ):
        await all_ready(zombie, api=api)
        zombie.holdings.is_certain = False
        cloud.report("t1", {"value": 7})
        await asyncio.sleep(60)
        assert zombie.connected() == set(NAMES)
        before = api.status_writes
        survivor.gain(ALL_SHARDS)
        await until(lambda: survivor.connected() == set(NAMES))
        await asyncio.sleep(600)
        assert [cloud.connects(name) for name in NAMES] == [2] * len(NAMES)
        assert zombie.connected() == set()
        assert api.status_writes <= before + 1, "t1's value, which the survivor has read"
        zombie.lose(ALL_SHARDS)
        await until(lambda: len(zombie.hub) == 0)
        assert survivor.connected() == set(NAMES)


async def test_a_shard_that_comes_back_finds_nothing_of_before(api: ThingsApi, cloud: CloudInMemory) -> None:
    async with (
        replica(api, cloud, held=ALL_SHARDS) as one,
        replica(api, cloud, held=NOBODY) as other,
    ):
        await all_ready(one, api=api)
        for giver, taker in ((one, other), (other, one), (one, other)):
            await taker.list()
            await taker.moves.prepare(ONE)
            await giver.give(ONE)
            taker.gain(ONE)
            await until(partial(is_connected, taker))
            await all_ready(one, other, api=api)
        assert cloud.connects("t1") == 4
        assert len(one.hub) + len(other.hub) == len(NAMES)


async def test_what_nobody_has_prepared_begins_when_it_is_listed(
    api: ThingsApi, cloud: CloudInMemory
) -> None:
    """Before, what another process was about to send looked as if it were of a deleted Thing."""
    async with replica(api, cloud, held=NOBODY) as taker:
        stream = SlowStream(taker)
        taker.watched.follow([stream])  # type: ignore[list-item]
        taker.gain(ONE)
        for _ in range(2):
            await asyncio.sleep(1)
            assert not is_connected(taker)
            assert not taker.controllers.duties.knows_thing("ns", uid_of("t1"))
            # It goes and comes back: what began before begins nothing any more.
            await taker.give(ONE)
            taker.gain(ONE)
        stream.first.set()
        await asyncio.sleep(1)
        assert not is_connected(taker), "its last list is under way"
        stream.others.set()
        await until(partial(is_connected, taker))
        assert taker.controllers.duties.knows_thing("ns", uid_of("t1"))


async def test_there_is_room_for_more_until_too_many_wait_for_their_connection(
    api: ThingsApi, cloud: CloudInMemory
) -> None:
    cloud.broker.dial_seconds = 2.0
    async with replica(api, cloud, held=NOBODY) as taker:
        before = taker.moves.room()
        taker.gain(ALL_SHARDS)
        assert taker.moves.room() == before - len(NAMES) <= 0
        await until(lambda: taker.connected() == set(NAMES))
        assert taker.moves.room() == before
        assert taker.room_at == [len(NAMES) - before + 1], "once, as soon as there is room"


async def test_things_that_cannot_connect_do_not_keep_others_away(
    api: ThingsApi, cloud: CloudInMemory
) -> None:
    for name in NAMES:
        api.submit(name, desired={"a": 1}, suspend=True)
    async with replica(api, cloud, held=NOBODY) as taker:
        before = taker.moves.room()
        taker.gain(ALL_SHARDS)
        assert taker.moves.room() < before
        await until(lambda: taker.moves.room() == before, timeout=1)


async def test_one_deleted_while_it_moves_is_deleted_at_both(api: ThingsApi, cloud: CloudInMemory) -> None:
    async with (
        replica(api, cloud, held=ALL_SHARDS) as giver,
        replica(api, cloud, held=NOBODY) as taker,
    ):
        await all_ready(giver, api=api)
        await taker.moves.prepare(ONE)
        await giver.give(ONE)
        taker.gain(ONE)
        body = api.things.pop("t1")
        for each in (giver, taker):
            each.controllers.things.informer.on_event("DELETED", body)
        await until(lambda: len(giver.hub) + len(taker.hub) == len(NAMES) - 1, timeout=60)
        assert "t1" not in giver.connected() | taker.connected()


async def test_a_given_session_and_one_that_is_recreated_do_not_meet(
    api: ThingsApi, cloud: CloudInMemory
) -> None:
    """A Thing is recreated under its name, and the new one is another replica's."""
    async with replica(api, cloud, held=ALL_SHARDS) as one:
        await all_ready(one, api=api)
        one.holdings.held -= shards_of("other")
        body = api.submit("t1", desired={"a": 1})
        body["metadata"]["uid"] = uid_of("other")
        one.controllers.things.informer.on_event("MODIFIED", body)
        await until(lambda: len(one.hub) == len(NAMES) - 1, timeout=60)
        await asyncio.sleep(timedelta(minutes=1).total_seconds())
        assert cloud.connects("t1") == 1
