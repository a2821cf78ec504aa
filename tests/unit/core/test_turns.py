"""Places that groups wait for: how many there are at a time, and whose turn it is."""

import asyncio
from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st
from tests.support.loop import run_virtual

from thing_operator.core.turns import Turns

COMERS = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 5), st.integers(1, 9)), max_size=30)
"""Whose they are, how long they stay, and when they give up."""


@given(st.integers(1, 3), COMERS)
def test_no_more_than_the_places_and_none_is_lost(places: int, comers: list[tuple[str, int, int]]) -> None:
    turns, inside = Turns(places), 0

    async def come(group: str, stay: int, patience: int) -> None:
        nonlocal inside
        async with asyncio.timeout(patience), turns.turn(group):
            inside += 1
            assert inside <= places
            try:
                await asyncio.sleep(stay)
            finally:
                inside -= 1

    async def scenario() -> None:
        results = await asyncio.gather(*(come(*comer) for comer in comers), return_exceptions=True)
        assert all(result is None or isinstance(result, TimeoutError) for result in results)
        # Whatever happened, all places can be had again, and at once.
        async with asyncio.timeout(0.1):
            await asyncio.gather(*(come("a", 0, 1) for _ in range(places)))

    run_virtual(scenario())


def test_who_asks_first_of_a_group_is_first_and_the_groups_come_in_turn() -> None:
    turns, served = Turns(1), []

    async def come(name: str) -> None:
        async with turns.turn(name[0]):
            served.append(name)
            await asyncio.sleep(1)

    async def scenario() -> None:
        async with asyncio.TaskGroup() as tasks:
            for name in ("a1", "a2", "a3", "b1", "c1", "b2"):
                tasks.create_task(come(name))

    run_virtual(scenario())
    assert served == ["a1", "a2", "b1", "c1", "a3", "b2"]


def test_who_gives_up_at_the_moment_of_his_turn_hands_it_on() -> None:
    turns = Turns(1)

    async def come(_name: str) -> None:
        async with turns.turn("a"):
            pass

    async def scenario() -> None:
        async with turns.turn("a"):
            second, third = (asyncio.create_task(come(name)) for name in ("second", "third"))
            await asyncio.sleep(0)
        # The second has the place and does not know it yet.
        second.cancel()
        with suppress(asyncio.CancelledError):
            await second
        async with asyncio.timeout(1):
            await third

    run_virtual(scenario())
