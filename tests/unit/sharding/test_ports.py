"""A process that shares with nobody."""

import asyncio

from thing_operator.sharding.hashing import ALL_SHARDS
from thing_operator.sharding.ports import Alone, Handlers, Holdings


def test_who_is_alone_holds_everything() -> None:
    alone: Holdings = Alone()
    assert alone.holds("uid")
    assert alone.holds_batches()
    assert alone.may_connect("uid", dropped_at=1.0)
    assert alone.may_write("uid")
    assert alone.may_write_batches()
    assert alone.may_order()
    assert alone.share() == ALL_SHARDS
    assert alone.members() == alone.connecting() == 1


def test_by_default_nothing_is_done_when_shards_move() -> None:
    handlers, shards = Handlers(), frozenset({1})

    async def move() -> None:
        await handlers.prepare(shards)
        await handlers.give(shards)

    asyncio.run(move())
    handlers.gained(shards)
    handlers.lost(shards)
    assert handlers.room() > 0
    assert handlers.size(1) == 0
