"""What follows from Leases for the objects of a process."""

import asyncio

from tests.support.leases import LeaseStore
from tests.support.polling import until
from tests.unit.leadership.contenders import Contender, started

from thing_operator.app.leases import vouches


async def test_who_was_cut_off_vouches_for_no_spec_until_it_runs_its_namespace_and_has_listed_it() -> None:
    store = LeaseStore()
    one, two = Contender(store, "one", ("a",)), Contender(store, "two", ("a",))
    async with started(one, two):
        assert (vouches(one.leadership, "a"), vouches(two.leadership, "a")) == (True, False)
        one.link.up = False
        await until(lambda: two.runs("a"), timeout=15)
        assert vouches(one.leadership, "a"), "a minute long"
        await asyncio.sleep(61)
        assert not vouches(one.leadership, "a")
        one.link.up = True
        one.contact.caught_up()
        await until(lambda: not one.runs("a"), timeout=5)
        assert not vouches(one.leadership, "a"), "a reconcile that is under way began before that"
        await two.stop()
        await two.kill()
        await until(lambda: vouches(one.leadership, "a"), timeout=30)
