"""What has changed since a reader last looked."""

import asyncio

from thing_operator.console.feed import Feed, Topic


async def test_a_slow_reader_is_sent_the_newest_once() -> None:
    feed = Feed()
    with feed.reader(lambda _: True) as reader:
        for _ in range(1000):
            feed.changed(Topic.THINGS, "a")
        feed.changed(Topic.THINGS, "b")
        assert await reader.take(10) == [(Topic.THINGS, "a"), (Topic.THINGS, "b")]


async def test_many_come_in_parts_and_then_it_waits() -> None:
    feed = Feed()
    with feed.reader(lambda _: True) as reader:
        reader.note((Topic.THINGS, str(number)) for number in range(25))
        assert [len(await reader.take(10)) for _ in range(3)] == [10, 10, 5]
        waiting = asyncio.ensure_future(reader.take(10))
        await asyncio.sleep(0)
        assert not waiting.done()
        feed.changed(Topic.GROUPS)
        assert await waiting == [(Topic.GROUPS, "")]


async def test_a_reader_gets_what_it_wants_until_its_end() -> None:
    feed = Feed()
    with feed.reader(lambda change: change[0] is Topic.BATCHES) as reader:
        feed.changed(Topic.THINGS, "a")
        feed.changed(Topic.BATCHES, "b")
        assert await reader.take(10) == [(Topic.BATCHES, "b")]
    feed.changed(Topic.BATCHES, "c")
    with feed.reader(lambda _: True) as other:
        feed.changed(Topic.BATCHES, "d")
        assert await other.take(10) == [(Topic.BATCHES, "d")]
