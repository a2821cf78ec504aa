"""Ways to the API server that take seconds, and lose a request: a replica keeps its Lease by them."""

import asyncio

from tests.support.clock import loop_time
from tests.support.leases import LeaseStore
from tests.support.members import TIMING, Replica, check_each_shard_is_served_once, sizes, started
from tests.support.polling import until

SLOW = 3.0
"""Seconds from a renewal to its answer."""
LOST = TIMING.duration
"""Longer than a renewal is waited for."""


async def one_more_update(replica: Replica) -> None:
    sent = replica.link.asked.count("update")
    await until(lambda: replica.link.asked.count("update") > sent)


async def test_a_renewal_is_due_an_interval_after_the_one_before_was_sent() -> None:
    """And not after its answer: by slow ways it would be renewed half as often."""
    store = LeaseStore()
    one = Replica(store, "one")
    async with started(one):
        one.link.delays["update"] = SLOW
        await asyncio.sleep(SLOW)
        writes, begun = store.writes, loop_time()
        await asyncio.sleep(10 * SLOW)
        assert store.writes - writes >= 9, f"in {loop_time() - begun:g} s"


async def test_a_renewal_that_is_lost_on_slow_ways_costs_no_shard() -> None:
    store = LeaseStore()
    one, two = Replica(store, "one"), Replica(store, "two")
    async with started(one, two):
        shared = sizes(one, two)
        one.link.delays |= {"update": SLOW, "event": SLOW}
        for _ in range(4):
            await asyncio.sleep(4 * SLOW)
            one.link.delays["update"] = LOST
            await one_more_update(one)
            one.link.delays["update"] = SLOW
        assert two.membership.fencings["us"] == 0
        assert sizes(one, two) == shared
        check_each_shard_is_served_once(one, two)
