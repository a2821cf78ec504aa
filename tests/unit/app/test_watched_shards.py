"""Which Things are listed and watched as shards come and go."""

import asyncio
import random

import pytest
from tests.support.clock import FakeClock
from tests.support.polling import until
from tests.support.sharded_server import ShardedServer, thing

from thing_operator.api.names import THINGS
from thing_operator.app.watched_shards import WatchedShards, share_of
from thing_operator.informing.cache import ObjectCache
from thing_operator.informing.informer import Informer
from thing_operator.informing.share import EVERYTHING
from thing_operator.kube.status_writer import StatusWriter
from thing_operator.sharding.hashing import ALL_SHARDS, BATCH_SHARD, SHARDS, selector, shard_of
from thing_operator.sharding.ports import Alone
from thing_operator.watching.object_stream import ObjectStream
from thing_operator.watching.stream_health import StreamHealth

NAMES = ("apple", "birch", "cedar")
SHARD = {name: shard_of(f"uid-{name}") for name in NAMES}
"""Three different ones: see the first test."""


class SomeHoldings(Alone):
    """Says what is to be watched."""

    def __init__(self, *names: str) -> None:
        self.watched = of(*names)

    def share(self) -> frozenset[int]:
        return self.watched


class WatchedScene:
    """The one stream of Things of a replica that holds apple."""

    def __init__(self) -> None:
        self.server = ShardedServer()
        self.server.items = [thing(name, 5) for name in NAMES]
        self.holdings = SomeHoldings("apple")
        clock = FakeClock()
        self.cache = ObjectCache()
        writer = StatusWriter(
            self.server,
            writes_per_second=1,
            retry=StatusWriter.default_retry(random.Random(1)),
            clock=clock,
            on_deleted=lambda _ref: None,
        )
        informer = Informer(
            self.server,
            THINGS,
            namespaces=(),
            cache=self.cache,
            writer=writer,
            enqueue=lambda _key: None,
            clock=clock,
        )
        self.stream = ObjectStream(self.server, informer, StreamHealth(THINGS, None, clock=clock))
        self.shards = WatchedShards(self.holdings)
        self.shards.follow([self.stream])

    @property
    def kept(self) -> set[str]:
        return {each.key.name for each in self.cache}


def of(*names: str) -> frozenset[int]:
    return frozenset(SHARD[name] for name in names)


def test_a_share_is_that_of_the_hash_and_all_of_them_need_no_selector() -> None:
    assert len(set(SHARD.values())) == len(NAMES)
    share = share_of(of("apple", "birch"))
    assert [share.has(f"uid-{name}") for name in NAMES] == [True, True, False]
    assert share.selector == selector(of("apple", "birch"))
    assert share_of(ALL_SHARDS) is EVERYTHING
    assert share_of(frozenset(range(SHARDS))) is EVERYTHING
    assert not share_of(frozenset()).has("uid-apple")


def test_the_share_is_the_same_object_until_it_changes() -> None:
    """What is watched is asked of it with each event, and by a bookmark whether it is still that."""
    scene = WatchedScene()
    share = scene.shards.share()
    assert scene.shards.share() is share
    scene.holdings.watched = of("apple", "birch")
    assert scene.shards.share().has("uid-birch")


async def test_what_is_prepared_is_listed_once_and_what_is_dropped_is_forgotten() -> None:
    scene = WatchedScene()
    await scene.stream.begin()
    assert scene.kept == {"apple"}
    scene.holdings.watched = of("apple", "birch")
    await scene.shards.prepare(of("birch"))
    assert scene.kept == {"apple", "birch"}
    assert scene.shards.listed(of("birch")) == of("birch")
    await scene.shards.until_listed(of("birch"))
    assert scene.server.listed == [selector(of("apple")), selector(of("birch"))]
    scene.holdings.watched = of("birch")
    scene.shards.drop(of("apple"))
    assert scene.kept == {"birch"}


async def test_the_shard_of_batches_has_no_things() -> None:
    scene = WatchedScene()
    await scene.stream.begin()
    await scene.shards.until_listed(frozenset({BATCH_SHARD}))
    await scene.shards.prepare(frozenset({BATCH_SHARD}))
    assert scene.server.listed == [selector(of("apple"))]


@pytest.mark.parametrize("before", [(), ("cedar",)])
async def test_what_is_gained_without_a_word_before_is_listed_then(before: tuple[str, ...]) -> None:
    scene = WatchedScene()
    await scene.stream.begin()
    scene.holdings.watched = of("apple", "birch", *before)
    await scene.shards.prepare(of(*before))
    assert scene.shards.listed(of("birch", *before)) == of(*before)
    await scene.shards.until_listed(of("birch", *before))
    assert scene.kept == {"apple", "birch", *before}
    assert scene.server.listed[-1] == selector(of("birch"))


async def test_what_is_being_listed_is_waited_for_and_not_listed_twice() -> None:
    scene = WatchedScene()
    await scene.stream.begin()
    scene.holdings.watched = of("apple", "birch")
    scene.server.gate.clear()
    both = [asyncio.create_task(scene.shards.until_listed(of("birch"))) for _ in range(2)]
    await until(lambda: len(scene.server.listed) == 2)
    both.pop().cancel()
    assert (scene.shards.listed(of("birch")), both[0].done()) == (frozenset(), False)
    scene.server.gate.set()
    await both[0]
    assert scene.shards.listed(of("birch")) == of("birch")
    assert scene.server.listed == [selector(of("apple")), selector(of("birch"))]
    scene.shards.drop(of("birch"))
    assert scene.shards.listed(of("birch")) == frozenset()
