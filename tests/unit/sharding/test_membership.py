"""Members of one group and their shards: who holds what, after whatever happens."""

import asyncio
from datetime import timedelta

from tests.support.clock import loop_time
from tests.support.leases import LeaseStore
from tests.support.members import GROUP, MAP, Replica, check_each_shard_is_served_once, sizes, started
from tests.support.polling import until

from thing_operator.sharding.hashing import ALL_SHARDS
from thing_operator.sharding.shard_map import MAP_ANNOTATION


async def test_one_replica_holds_everything_two_seconds_after_its_start() -> None:
    store, begun = LeaseStore(), loop_time()
    one = Replica(store, "one")
    async with started(one):
        assert loop_time() - begun < 2.6
        check_each_shard_is_served_once(one)
        assert one.log == [], "what is held at the start is listed at the start"
        assert one.membership.may_connect("any", dropped_at=None)
        writes = store.writes
        await asyncio.sleep(100)
        assert store.writes - writes <= 51, "at rest it renews its Lease"


async def test_replicas_that_start_together_share_evenly_and_nothing_moves() -> None:
    store, begun = LeaseStore(), loop_time()
    replicas = [Replica(store, name) for name in ("one", "two", "three")]
    async with started(*replicas):
        assert loop_time() - begun < 3
        check_each_shard_is_served_once(*replicas)
        assert sorted(sizes(*replicas)) == [85, 86, 86]
        await asyncio.sleep(60)
        assert [each.log for each in replicas] == [[], [], []]


async def test_a_newcomer_gets_its_share_after_the_calm_and_not_before() -> None:
    store = LeaseStore()
    one, two = Replica(store, "one"), Replica(store, "two")
    async with started(one), started(two):
        await asyncio.sleep(13)
        assert sizes(one, two) == [257, 0]
        await until(lambda: sizes(one, two) == [129, 128])
        check_each_shard_is_served_once(one, two)
        assert two.log.count("prepare") == 1, "all of it is listed at once"
        assert two.membership.members() == one.membership.members() == 2
        assert two.membership.moves["in", "asked"] == one.membership.moves["out", "given"] == 128
        assert one.membership.moves["in", "claimed"] == 257


async def test_while_the_batches_are_given_their_statuses_are_written_and_nothing_is_ordered() -> None:
    store = LeaseStore()
    one, two = Replica(store, "one"), Replica(store, "two")
    async with started(one), started(two):
        assert (one.membership.may_write_batches(), one.membership.may_order()) == (True, True)
        await one.stop()
        assert one.given_with == [(True, False)]
        assert not one.membership.may_write_batches()
        assert two.membership.may_order()


async def test_who_alone_gets_shards_has_the_budget_of_connects_for_itself() -> None:
    store = LeaseStore()
    one, two, three = (Replica(store, name) for name in ("one", "two", "three"))
    async with started(one, two):
        assert [each.membership.connecting() for each in (one, two)] == [2, 2], "both claim"
        async with started(three):
            await until(lambda: len(three.sessions) > 10)
            assert [each.membership.connecting() for each in (one, two, three)] == [3, 3, 1]
            await until(lambda: len(three.sessions) == 85)
            await asyncio.sleep(16)
            assert [each.membership.connecting() for each in (one, two, three)] == [3, 3, 3]
        await until(lambda: sum(sizes(one, two)) == 257)
        assert [each.membership.connecting() for each in (one, two)] == [2, 2]


async def test_an_upgrade_moves_each_shard_once() -> None:
    store = LeaseStore()
    old, new = Replica(store, "old"), Replica(store, "new")
    async with started(old), started(new):
        await asyncio.sleep(3)
        await old.stop()
        await until(lambda: len(new.sessions) == 257, timeout=1)
        check_each_shard_is_served_once(new)
        assert new.membership.moves["in", "claimed"] == 0
        assert old.membership.moves["out", "given"] == 257
        assert GROUP.key("old") not in store.objects


async def test_a_killed_one_is_fenced_after_its_lease_and_its_shards_are_claimed() -> None:
    store = LeaseStore()
    replicas = [Replica(store, name) for name in ("one", "two", "three")]
    one, two, three = replicas
    async with started(*replicas):
        await asyncio.sleep(5)
        await one.kill()
        killed = loop_time()
        await until(lambda: sum(sizes(two, three)) == 257)
        assert 7.5 <= loop_time() - killed <= 11.5
        check_each_shard_is_served_once(two, three)
        assert two.membership.fencings["us"] + three.membership.fencings["us"] == 1


async def test_what_a_silent_one_has_is_known_before_it_is_claimed() -> None:
    store = LeaseStore()
    replicas = [Replica(store, name) for name in ("one", "two", "three")]
    one, two, three = replicas
    async with started(*replicas):
        await asyncio.sleep(5)
        lost, kept = one.held, two.held | three.held
        await one.kill()
        await until(lambda: two.prepared | three.prepared == lost, timeout=7.5)
        assert not two.prepared & three.prepared
        assert two.held | three.held == kept, "it may come back"
        await until(lambda: sum(sizes(two, three)) == 257)
        assert two.log == three.log == ["prepare", "gained"]


async def test_what_was_prepared_of_one_that_comes_back_is_forgotten() -> None:
    store = LeaseStore()
    one, two = Replica(store, "one"), Replica(store, "two")
    async with started(one, two):
        one.link.up = False
        await until(lambda: bool(two.prepared), timeout=8)
        one.link.up = True
        await until(lambda: not two.prepared, timeout=4)
        await asyncio.sleep(30)
        check_each_shard_is_served_once(one, two)
        assert two.log == ["prepare", "lost"]
        assert one.membership.moves["out", "lost"] == 0


async def test_a_container_restarted_in_place_has_its_shards_back_at_once() -> None:
    store = LeaseStore()
    one, two = Replica(store, "one"), Replica(store, "two")
    async with started(one, two):
        held = one.held
        await one.kill()
        again = Replica(store, "one", process="2")
        begun = loop_time()
        async with started(again):
            assert loop_time() - begun < 1
            assert again.sessions == held
            await asyncio.sleep(20)
            check_each_shard_is_served_once(again, two)
            assert two.log == []


async def test_a_restart_in_place_waits_for_nothing_but_what_the_watch_shows() -> None:
    store = LeaseStore()
    one = Replica(store, "one")
    async with started(one):
        await one.kill()
        again = Replica(store, "one", process="2")
        again.link.delays = {"update": 0.05, "event": 0.05}
        begun = loop_time()
        async with started(again):
            assert loop_time() - begun < 0.2
            check_each_shard_is_served_once(again)


async def test_a_zombie_connects_nobody_and_joins_again() -> None:
    store = LeaseStore()
    one, two = Replica(store, "one"), Replica(store, "two")
    async with started(one, two):
        one.link.up, share = False, len(one.held)
        await asyncio.sleep(9)
        assert not one.membership.may_connect("any", dropped_at=None)
        assert one.sessions, "sessions live on: nobody may have taken them"
        await until(lambda: len(two.sessions) == 257)
        one.link.up = True
        await until(lambda: not one.sessions, timeout=4)
        assert one.membership.fencings["them"] == 1
        assert one.membership.moves["out", "lost"] == share
        await until(lambda: sizes(one, two) == [128, 129])
        assert one.membership.moves["in", "asked"] == 128
        check_each_shard_is_served_once(one, two)


async def test_while_the_api_server_is_away_for_all_nothing_happens() -> None:
    store = LeaseStore()
    one, two = Replica(store, "one"), Replica(store, "two")
    async with started(one, two):
        one.link.up = two.link.up = False
        await asyncio.sleep(300)
        assert not one.membership.may_write("any")
        one.link.up = two.link.up = True
        await asyncio.sleep(30)
        check_each_shard_is_served_once(one, two)
        assert one.log == two.log == []
        assert one.membership.may_connect("any", dropped_at=None) or two.membership.may_connect(
            "any", dropped_at=None
        )


async def test_a_deleted_map_is_written_again_and_nothing_moves() -> None:
    store = LeaseStore()
    one, two = Replica(store, "one"), Replica(store, "two")
    async with started(one, two):
        store.delete(MAP)
        await asyncio.sleep(0.5)
        assert one.member.map is not None
        assert one.member.map.held_by(one.member.own.identity) == one.held
        await asyncio.sleep(60)
        check_each_shard_is_served_once(one, two)
        assert one.log == two.log == []


async def test_a_deleted_lease_of_a_living_member_is_made_again_and_nothing_moves() -> None:
    store = LeaseStore()
    one, two = Replica(store, "one"), Replica(store, "two")
    async with started(one, two):
        store.delete(GROUP.key("one"))
        await asyncio.sleep(60)
        check_each_shard_is_served_once(one, two)
        assert one.log == two.log == []


async def test_without_a_right_to_leases_it_is_alone() -> None:
    store = LeaseStore()
    one = Replica(store, "one")
    one.link.denied = {"get", "list", "watch", "update"}
    async with started(one):
        assert one.membership.holds("any")
        assert one.membership.holds_batches()
        assert one.membership.share() == ALL_SHARDS
        assert one.membership.may_connect("any", dropped_at=loop_time())


async def test_what_was_dropped_by_the_other_side_waits_for_the_next_renewal() -> None:
    store = LeaseStore()
    one = Replica(store, "one")
    async with started(one):
        dropped = loop_time()
        assert not one.membership.may_connect("any", dropped_at=dropped)
        await until(lambda: one.membership.may_connect("any", dropped_at=dropped), timeout=3)


async def test_shards_whose_asker_is_killed_meanwhile_stay_with_their_holder() -> None:
    store = LeaseStore()
    one, two = Replica(store, "one"), Replica(store, "two")
    async with started(one):
        async with started(two):
            await until(lambda: bool(one.member.giving), "one gives")
            shards = one.member.giving
            store.put(
                GROUP.key("two"),
                GROUP.ended_body("two", now=one.clock.now(), former=one.member.fellows.lease("two")),
            )
            await two.kill()
            await until(lambda: shards <= one.held, "it keeps them")
        await until(lambda: len(one.sessions) == len(ALL_SHARDS))
        check_each_shard_is_served_once(one)


async def test_a_process_of_the_same_name_waits_for_the_lease_of_a_living_one() -> None:
    store = LeaseStore()
    one, double = Replica(store, "one"), Replica(store, "one", process="2")
    double.member.own._has_ended = lambda _holder: False
    async with started(one), started(double):
        await asyncio.sleep(30)
        assert not double.member.own.is_joined
        assert double.held == frozenset()
        await one.kill()
        await until(lambda: double.member.own.is_joined, timeout=15)


async def test_a_right_to_leases_that_is_lost_on_the_way_makes_nobody_alone() -> None:
    store = LeaseStore()
    one, two = Replica(store, "one"), Replica(store, "two")
    async with started(one, two):
        one.link.denied = {"update"}
        await asyncio.sleep(20)
        assert not one.member.own.denied
        assert not one.membership.may_write("any")


async def test_to_a_map_of_a_later_version_it_leaves_everything() -> None:
    store = LeaseStore()
    one = Replica(store, "one")
    async with started(one):
        body = store.objects[MAP]
        later = body["metadata"] | {"annotations": {MAP_ANNOTATION: '{"v": 2}'}}
        store.put(MAP, body | {"metadata": later})
        await until(lambda: not one.sessions, timeout=3)
        await asyncio.sleep(30)
        assert (one.held, one.member.asked) == (frozenset(), frozenset())
        assert store.objects[MAP]["metadata"]["annotations"] == {MAP_ANNOTATION: '{"v": 2}'}


async def test_what_is_left_of_one_that_has_ended_is_removed_after_a_while() -> None:
    store = LeaseStore()
    one, two = Replica(store, "one"), Replica(store, "two")
    async with started(one, two):
        await one.kill()
        await until(lambda: len(two.sessions) == 257)
        await asyncio.sleep(90)
        assert GROUP.key("one") in store.objects, "somebody may look for it"
        await until(lambda: GROUP.key("one") not in store.objects, timeout=15)
        assert two.membership.fencings["us"] == 1


async def test_one_that_is_about_to_end_is_a_fellow_until_it_has_ended() -> None:
    """It takes no shard any more, and still has those that others are to take."""
    store = LeaseStore()
    one, two = Replica(store, "one"), Replica(store, "two")
    async with started(one, two):
        await one.membership.drain(timedelta(0))
        await asyncio.sleep(0.1)
        assert (two.membership.members(), two.membership.has_fellows()) == (1, True)
        await one.stop()
        await asyncio.sleep(0.1)
        assert not two.membership.has_fellows()
