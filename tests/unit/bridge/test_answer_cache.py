"""Answers of the API server: fresh for seconds, kept while it is away, asked for once however many wait."""

import asyncio

import pytest
from tests.support.clock import FakeClock

from thing_operator.bridge.answer_cache import AnswerCache
from thing_operator.kube.errors import ApiUnavailableError


class CountingServer:
    """Counts what it is asked; away while ``trouble`` is set."""

    def __init__(self) -> None:
        self.asked = 0
        self.trouble = False
        self.answering = asyncio.Event()
        self.answering.set()

    async def ask(self) -> int:
        self.asked += 1
        await self.answering.wait()
        if self.trouble:
            raise ApiUnavailableError("away")
        return self.asked


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def cache(clock: FakeClock) -> AnswerCache[str, int]:
    return AnswerCache(fresh=10, stale=20, kept=60, size=2, clock=clock)


async def test_an_answer_stands_for_a_while(cache: AnswerCache[str, int], clock: FakeClock) -> None:
    server = CountingServer()
    assert not cache.has("a")
    assert await cache.get("a", server.ask) == 1
    clock.advance(10)
    assert await cache.get("a", server.ask) == 1
    await asyncio.sleep(1)
    assert server.asked == 1
    clock.advance(10.1)
    assert not cache.has("a")
    assert await cache.get("a", server.ask) == 2


async def test_a_new_answer_is_asked_for_before_anybody_has_to_wait(
    cache: AnswerCache[str, int], clock: FakeClock
) -> None:
    server = CountingServer()
    await cache.get("a", server.ask)
    clock.advance(11)
    assert cache.has("a")
    assert [await cache.get("a", server.ask) for _ in range(3)] == [1, 1, 1]
    await asyncio.sleep(1)
    assert server.asked == 2
    assert await cache.get("a", server.ask) == 2
    clock.advance(11)
    server.trouble = True
    assert await cache.get("a", server.ask) == 2


async def test_while_there_is_no_new_answer_the_old_one_is_kept_for_its_time(
    cache: AnswerCache[str, int], clock: FakeClock
) -> None:
    server = CountingServer()
    await cache.get("a", server.ask)
    server.trouble = True
    clock.advance(60)
    assert await cache.get("a", server.ask) == 1
    clock.advance(0.1)
    with pytest.raises(ApiUnavailableError):
        await cache.get("a", server.ask)
    with pytest.raises(ApiUnavailableError):
        await cache.get("b", server.ask)


async def test_who_asks_meanwhile_waits_for_the_same_answer(cache: AnswerCache[str, int]) -> None:
    server = CountingServer()
    server.answering.clear()
    first, *others = [asyncio.create_task(cache.get("a", server.ask)) for _ in range(5)]
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    server.answering.set()
    assert await asyncio.gather(*others) == [1] * 4


async def test_trouble_that_nobody_waits_for_any_more_is_no_error(cache: AnswerCache[str, int]) -> None:
    server = CountingServer()
    server.answering.clear()
    server.trouble = True
    asking = asyncio.create_task(cache.get("a", server.ask))
    await asyncio.sleep(0)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    server.answering.set()
    await asyncio.sleep(1)
    server.trouble = False
    assert await cache.get("a", server.ask) == 2


async def test_the_oldest_answer_makes_room(cache: AnswerCache[str, int]) -> None:
    server = CountingServer()
    for key in "abc":
        await cache.get(key, server.ask)
    assert len(cache) == 2
    assert [cache.has(key) for key in "abc"] == [False, True, True]
