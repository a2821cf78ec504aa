"""Operators and their Leases: who runs what, after whatever happens."""

import asyncio
import logging

import pytest
from tests.support.clock import loop_time
from tests.support.leases import LeaseStore
from tests.support.loop import run_virtual
from tests.support.polling import until
from tests.unit.leadership.contenders import HOME, Contender, started

from thing_operator.core.resource import ObjectKey
from thing_operator.kube.errors import ApiUnavailableError

LIST = ("a", "b")


async def test_many_leases_are_vouched_for_all_the_time_though_they_are_renewed_rarely() -> None:
    store = LeaseStore()
    many = tuple(f"team-{number}" for number in range(10))
    one = Contender(store, "one", many)
    async with started(one):
        for _ in range(100):
            await asyncio.sleep(1)
            assert all(one.leadership.may_write(each) for each in many)


async def test_the_second_waits_until_the_first_ends() -> None:
    store = LeaseStore()
    one, two = Contender(store, "one", LIST), Contender(store, "two", LIST)
    async with started(one, two):
        assert (one.runs("a"), two.runs("a")) == (True, False)
        assert two.waits_for() == {("a", "one"), ("b", "one")}
        assert two.changes == []
        await asyncio.sleep(600)
        assert (one.runs("a"), two.runs("a")) == (True, False)
        await one.stop()
        await asyncio.sleep(1)
        assert two.runs("a")
        assert two.runs("b")
        assert sorted(filter(None, two.changes)) == ["a", "b"]
        assert two.caught_up == 2, "what the first has written is listed before anything is run"
        assert two.waits_for() == set()


async def test_a_killed_one_is_followed_when_its_lease_has_not_been_renewed_for_its_duration() -> None:
    store = LeaseStore()
    one, two = Contender(store, "one", ("a",)), Contender(store, "two", ("a",))
    async with started(one, two):
        await one.kill()
        killed = loop_time()
        await until(lambda: two.runs("a"))
        assert 8 <= loop_time() - killed <= 13


async def test_what_is_known_to_have_ended_is_followed_at_once() -> None:
    store = LeaseStore()
    one = Contender(store, "one", ("a",))
    async with started(one):
        await one.kill()
    two = Contender(store, "two", ("a",), ended=lambda holder: holder == "one")
    async with started(two):
        assert two.runs("a")
        assert two.caught_up == 0, "all is listed at the start anyway"


async def test_take_over_ends_the_former_which_waits_and_does_not_take_it_back() -> None:
    store = LeaseStore()
    one, two = Contender(store, "one", ("a",)), Contender(store, "two", ("a",), take_over=True)
    async with started(one, two):
        assert not one.runs("a")
        assert one.waits_for() == {("a", "two")}
        assert not two.runs("a"), "the former ends its sessions first"
        await until(lambda: two.runs("a"), timeout=5)
        await asyncio.sleep(600)
        assert (one.runs("a"), two.runs("a")) == (False, True)
        assert one.changes == ["a", "a"]
        await two.stop()
        await until(lambda: one.runs("a"), timeout=2)


async def test_one_of_all_namespaces_answers_who_comes_later_for_some() -> None:
    store = LeaseStore()
    everything, some = Contender(store, "all"), Contender(store, "some", ("a",))
    async with started(everything, some):
        assert everything.changes == [None], "nothing has changed for it"
        assert some.changes == [], "it has not run for a moment"
        assert some.waits_for() == {("a", "all")}
        await asyncio.sleep(600)
        assert everything.runs("a")
        assert not some.runs("a")
        await everything.stop()
        await until(lambda: some.runs("a"), timeout=2)
        assert set(store.leases) == {"a"}


async def test_one_of_all_namespaces_leaves_out_what_is_run_already() -> None:
    store = LeaseStore()
    some, everything = Contender(store, "some", ("a",)), Contender(store, "all")
    async with started(some, everything):
        assert some.runs("a")
        assert not everything.runs("a")
        assert everything.runs("b")
        assert everything.waits_for() == {("a", "some")}
        await some.stop()
        await until(lambda: everything.runs("a"), timeout=2)
        assert everything.caught_up == 1
        assert [claim.key.namespace for claim in everything.leadership.claims()] == [HOME]


async def test_one_of_all_namespaces_takes_what_a_killed_one_has_left() -> None:
    store = LeaseStore()
    some, everything = Contender(store, "some", ("a",)), Contender(store, "all")
    async with started(some, everything):
        await some.kill()
        await until(lambda: everything.runs("a"), timeout=15)
        assert store.holder("a") == "all", "the killed one may only have been asleep"


async def test_one_of_some_takes_over_its_own_part_from_one_of_all() -> None:
    store = LeaseStore()
    everything, some = Contender(store, "all"), Contender(store, "some", ("a",), take_over=True)
    async with started(everything, some):
        assert some.runs("a")
        assert not everything.runs("a")
        assert everything.runs("b")
        await asyncio.sleep(600)
        assert some.runs("a")
        assert not everything.runs("a")


async def test_one_of_all_takes_over_from_both() -> None:
    store = LeaseStore()
    some, first = Contender(store, "some", ("a",)), Contender(store, "first")
    second = Contender(store, "second", take_over=True)
    async with started(some, first, second):
        await until(lambda: second.runs("a") and second.runs("b"), timeout=15)
        await asyncio.sleep(600)
        assert not any(each.runs(place) for each in (some, first) for place in "ab")


async def test_of_two_for_all_namespaces_one_waits_and_leaves_single_leases_alone() -> None:
    store = LeaseStore()
    first, second, some = Contender(store, "1"), Contender(store, "2"), Contender(store, "some", ("a",))
    async with started(first, second, some):
        await asyncio.sleep(60)
        assert [each.runs("a") for each in (first, second, some)] == [True, False, False]
        assert [each.runs("b") for each in (first, second, some)] == [True, False, False]


async def test_while_the_api_server_is_away_nothing_ends() -> None:
    store = LeaseStore()
    one, two = Contender(store, "one", ("a",)), Contender(store, "two", ("a",))
    async with started(one, two):
        one.link.up = two.link.up = False
        await asyncio.sleep(300)
        assert one.runs("a")
        assert not one.leadership.may_write("a"), "but who knows: nothing is written before it is certain"
        assert one.contact.is_outdated
        one.link.up = two.link.up = True
        await asyncio.sleep(30)
        assert (one.runs("a"), two.runs("a")) == (True, False)
        assert one.leadership.may_write("a")
        assert one.changes == ["a"]
        assert one.caught_up == 1, "it is listed again what is desired"
        assert not one.contact.is_outdated


async def test_one_that_was_cut_off_stands_down_when_it_sees_who_followed() -> None:
    store = LeaseStore()
    one, two = Contender(store, "one", ("a",)), Contender(store, "two", ("a",))
    async with started(one, two):
        one.link.up = False
        await until(lambda: two.runs("a"), timeout=15)
        assert one.runs("a"), "its sessions stay until it knows better"
        one.link.up = True
        await until(lambda: not one.runs("a"), timeout=5)
        assert one.caught_up == 0


async def test_what_one_knows_that_was_cut_off_and_stands_down_stays_outdated() -> None:
    """A reconcile that is under way when it is to end sends no spec of before."""
    store = LeaseStore()
    one, two = Contender(store, "one", ("a",)), Contender(store, "two", ("a",))
    async with started(one, two):
        one.link.up = False
        await until(lambda: two.runs("a"), timeout=15)
        await asyncio.sleep(90)
        one.link.up = True
        await until(lambda: not one.runs("a"), timeout=5)
        await asyncio.sleep(5)
        assert one.contact.is_outdated
        await two.stop()
        await two.kill()
        await until(lambda: one.runs("a"), timeout=30)
        assert (one.contact.is_outdated, one.caught_up) == (False, 1)


async def test_a_cut_off_one_of_all_does_not_take_back_what_was_begun_without_it() -> None:
    store = LeaseStore()
    everything, some = Contender(store, "all"), Contender(store, "some", ("a",))
    async with started(everything):
        everything.link.up = False
        await asyncio.sleep(30)
        async with started(some):
            assert some.runs("a")
            everything.link.up = True
            await asyncio.sleep(60)
            assert some.runs("a")
            assert not everything.runs("a")
            assert everything.runs("b")


async def test_a_deleted_lease_is_made_again() -> None:
    store = LeaseStore()
    one = Contender(store, "one", ("a",))
    async with started(one):
        store.delete(ObjectKey("a", "thing-operator.io"))
        await until(lambda: store.holder("a") == "one", timeout=5)
        assert one.changes == ["a"]


@pytest.mark.parametrize("namespaces", [("a",), ()])
def test_without_the_right_it_runs_and_says_so_once(
    namespaces: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    async def check() -> None:
        store = LeaseStore()
        one = Contender(store, "one", namespaces)
        one.link.denied = {"get", "update", "list", "watch"}
        async with started(one):
            await until(lambda: one.runs("a"), timeout=5)
            await asyncio.sleep(600)
            assert one.leadership.may_write("a")
            assert one.leadership.counts() == {"held": 0, "waiting": 0, "denied": 1}
            said = [record.message for record in caplog.records if "runs without a Lease" in record.message]
            assert len(said) == 1
            one.link.denied = set()
            await asyncio.sleep(30)
            assert one.leadership.counts()["held"] == 1

    caplog.set_level(logging.INFO)
    run_virtual(check())


async def test_who_gets_the_right_later_finds_who_had_it_before() -> None:
    store = LeaseStore()
    one, two = Contender(store, "one", ("a",)), Contender(store, "two", ("a",))
    two.link.denied = {"get", "update", "list", "watch"}
    async with started(one, two):
        assert two.runs("a")
        two.link.denied = set()
        await until(lambda: not two.runs("a"), timeout=30)
        assert one.runs("a")


async def test_a_list_that_fails_is_tried_again_before_anything_is_run() -> None:
    store = LeaseStore()
    one, two = Contender(store, "one", ("a",)), Contender(store, "two", ("a",))
    two.list_errors = [ApiUnavailableError("503")] * 3
    async with started(one, two):
        await one.stop()
        await until(lambda: two.runs("a"), timeout=15)
        assert two.list_errors == []


async def test_many_leases_cost_no_more_writes_than_one() -> None:
    store = LeaseStore()
    many = Contender(store, "one", tuple(f"n{number}" for number in range(10)))
    async with started(many):
        await asyncio.sleep(20)  # the first that was taken has lasted as long as one alone
        begin = store.writes
        await asyncio.sleep(600)
        assert store.writes - begin <= 0.55 * 600


async def test_a_start_without_the_api_server_begins_when_it_is_there() -> None:
    store = LeaseStore()
    one, everything = Contender(store, "one", ("a",)), Contender(store, "all")
    one.link.up = everything.link.up = False
    async with started(one, everything):
        assert not one.runs("a")
        assert not everything.runs("b")
        one.link.up = everything.link.up = True
        await until(lambda: one.runs("a") != everything.runs("a") and everything.runs("b"), timeout=10)


async def test_a_renewal_is_due_a_tick_after_the_one_before_was_sent() -> None:
    """And not after its answer: by slow ways one that is lost would cost the Lease."""
    store = LeaseStore()
    one = Contender(store, "one", ("a",))
    async with started(one):
        one.link.delays["update"] = 3
        await asyncio.sleep(3)
        writes = store.writes
        await asyncio.sleep(30)
        assert store.writes - writes >= 9
