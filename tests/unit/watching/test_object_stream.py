"""What of a watch's lines is another replica's, and how the watch goes on when the share changes."""

import asyncio
import random
from collections.abc import AsyncIterator

import aiohttp
import pytest
from tests.support.clock import FakeClock
from tests.support.polling import until
from tests.support.sharded_server import ShardedServer, added, bookmark, echoed, thing
from tests.support.watching import CountedEvents

from thing_operator.api.names import THINGS
from thing_operator.core.json_bytes import decode, encode
from thing_operator.core.resource import ObjectKey, ObjectRef
from thing_operator.informing.cache import ObjectCache
from thing_operator.informing.informer import Informer
from thing_operator.informing.share import Share
from thing_operator.kube.errors import ApiUnavailableError, ForbiddenError, ShardSelectorError, ThrottledError
from thing_operator.kube.status_writer import StatusWriter
from thing_operator.watching.object_stream import BEGIN_WITH_A_LIST, ObjectStream
from thing_operator.watching.stream_health import StreamHealth


def share_of(names: str) -> Share:
    """Of the objects whose names are these letters; all of them have no selector."""
    return Share(lambda uid: uid.removeprefix("uid-") in names, selector=f"in {names}")


class ShardedScene:
    """A stream whose share is a and b of a, b, c and d, and what it gives to kopf."""

    def __init__(self) -> None:
        self.server = ShardedServer()
        self.share = share_of("ab")
        self.cache = ObjectCache()
        self.observer = CountedEvents()
        clock = FakeClock()
        self.writer = StatusWriter(
            self.server,
            writes_per_second=1,
            retry=StatusWriter.default_retry(random.Random(1)),
            clock=clock,
            on_deleted=lambda _ref: None,
        )
        self.informer = Informer(
            self.server,
            THINGS,
            namespaces=(),
            cache=self.cache,
            writer=self.writer,
            enqueue=lambda _key: None,
            clock=clock,
            share=lambda: self.share,
        )
        health = StreamHealth(THINGS, None, clock=clock)
        self.stream = ObjectStream(self.server, self.informer, health, observer=self.observer)
        self.given: list[bytes] = []

    async def begin(self) -> None:
        """As kopf: a list, then what the watch says, until it ends."""
        await self.stream.begin()
        async for line in self.stream.lines():
            self.given.append(line)
            if line != BEGIN_WITH_A_LIST:
                event = decode(line)
                if event["type"] != "BOOKMARK":
                    self.informer.on_event(event["type"], event["object"])

    async def grow(self, names: str, part: str) -> None:
        self.share = share_of(names)
        await self.stream.widen(share_of(part))

    @property
    def kept(self) -> dict[str, int | None]:
        return {each.key.name: each.version for each in self.cache}


@pytest.fixture
async def scene() -> AsyncIterator[ShardedScene]:
    made = ShardedScene()
    made.server.items = [thing(name, 5) for name in "abcd"]
    task = asyncio.create_task(made.begin())
    await until(lambda: made.server.watched)
    yield made
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_lists_and_watches_ask_for_the_share_and_keep_nothing_else(scene: ShardedScene) -> None:
    assert scene.server.listed == ["in ab"]
    assert scene.server.watched == [("10", "in ab")]
    assert scene.kept == {"a": 5, "b": 5}


async def test_foreign_events_are_dropped_undecoded_and_counted(scene: ShardedScene) -> None:
    foreign = added("c", 11).partition(b'"spec":')[0] + b'"spec":no JSON at all\n'
    reordered = encode({"type": "ADDED", "object": dict(reversed(thing("d", 12).items()))}) + b"\n"
    for line in (foreign, reordered, added("a", 13), bookmark(14)):
        scene.server.say.put_nowait(line)
    await until(lambda: len(scene.given) == 2)
    assert scene.given == [added("a", 13), bookmark(14)]
    assert scene.observer.events == {"foreign": 2, "own": 1}
    assert scene.kept == {"a": 13, "b": 5}


async def test_an_echo_is_kept_from_kopf_and_moves_the_watch_on(scene: ShardedScene) -> None:
    """Undecoded: what is no JSON in its status is not noticed."""
    scene.share = share_of("abe")
    broken = echoed("e", 32, spec_of=30).replace(b'"n":32}', b"no JSON at all}")
    scene.server.say.put_nowait(added("e", 30))
    await until(lambda: scene.kept.get("e") == 30)
    await scene.writer.write_through(ObjectRef(THINGS, ObjectKey("ns", "e"), "uid-e"), {"n": 1})
    for line in (echoed("e", 31, spec_of=30), broken):
        scene.server.say.put_nowait(line)
    await until(lambda: scene.kept.get("e") == 32)
    assert scene.given == [added("e", 30)]
    assert scene.observer.events == {"own": 3}
    scene.server.version = 40
    await scene.grow("abce", "c")
    await until(lambda: len(scene.server.watched) == 2)
    assert scene.server.watched[-1] == ("32", "in abce")


async def test_a_share_that_grows_is_listed_and_watched_from_before_that_list(scene: ShardedScene) -> None:
    """Of what happens meanwhile the watch with the old selector shows nothing: the new one shows it."""
    scene.server.gate.clear()
    growing = asyncio.create_task(scene.grow("abc", "c"))
    await until(lambda: len(scene.server.listed) == 2)
    scene.server.say.put_nowait(added("a", 30))
    await until(lambda: scene.given)
    scene.server.version = 25
    scene.server.gate.set()
    await growing
    await until(lambda: len(scene.server.watched) == 2)
    assert scene.server.listed == ["in ab", "in c"]
    assert scene.server.watched[-1] == ("10", "in abc")
    assert scene.kept == {"a": 30, "b": 5, "c": 5}
    scene.server.say.put_nowait(added("c", 28))
    await until(lambda: scene.kept["c"] == 28)


async def test_a_line_that_comes_as_the_watch_is_reopened_does_not_move_it_on(scene: ShardedScene) -> None:
    scene.server.while_listing = lambda: scene.server.say.put_nowait(added("a", 30))
    await scene.grow("abc", "c")
    await until(lambda: len(scene.server.watched) == 2)
    assert scene.server.watched[-1] == ("10", "in abc")


async def test_a_share_that_shrinks_is_forgotten_at_once_and_not_asked_for_after_a_bookmark(
    scene: ShardedScene,
) -> None:
    scene.share = share_of("a")
    scene.informer.drop(share_of("b"))
    assert scene.kept == {"a": 5}
    scene.server.say.put_nowait(added("b", 11))
    scene.server.say.put_nowait(bookmark(20))
    await until(lambda: len(scene.server.watched) == 2)
    assert scene.server.watched[-1] == ("20", "in a")
    assert scene.kept == {"a": 5}
    assert scene.cache.get(ObjectKey("ns", "b")) is None


async def test_before_the_first_list_there_is_nothing_to_list_besides() -> None:
    scene = ShardedScene()
    scene.server.items = [thing(name, 5) for name in "abcd"]
    growing = asyncio.create_task(scene.grow("abc", "c"))
    await asyncio.sleep(0)
    assert (scene.server.listed, growing.done()) == ([], False)
    await scene.stream.begin()
    await growing
    assert scene.server.listed == ["in abc"]


async def test_when_the_list_of_a_part_fails_all_is_listed(scene: ShardedScene) -> None:
    """It counts as listed from then on, and no sooner."""
    scene.server.troubles = [ApiUnavailableError("away")]
    growing = asyncio.create_task(scene.grow("abc", "c"))
    await until(lambda: scene.given)
    assert scene.given == [BEGIN_WITH_A_LIST]
    scene.server.troubles = [ApiUnavailableError("away still")]
    with pytest.raises(aiohttp.ClientConnectionError):
        await scene.stream.begin()
    assert not growing.done()
    await scene.stream.begin()
    await growing
    assert scene.server.listed == ["in ab", "in c", "in abc", "in abc"]
    assert scene.kept == {"a": 5, "b": 5, "c": 5}


async def test_nobody_waits_for_a_list_that_may_not_be_read(scene: ShardedScene) -> None:
    scene.server.troubles = [ForbiddenError("list things is forbidden")]
    growing = asyncio.create_task(scene.grow("abc", "c"))
    await until(lambda: scene.given)
    scene.server.troubles = [ForbiddenError("list things is forbidden")]
    with pytest.raises(aiohttp.ClientConnectionError):
        await scene.stream.begin()
    await growing


async def test_a_selector_that_is_refused_is_left_out_from_then_on(caplog: pytest.LogCaptureFixture) -> None:
    scene = ShardedScene()
    scene.server.items = [thing(name, 5) for name in "abcd"]
    scene.server.troubles = [ShardSelectorError("500 invalid shard selector")]
    await scene.stream.begin()
    assert scene.server.listed == ["in ab", ""]
    assert scene.kept == {"a": 5, "b": 5}
    assert "invalid shard selector" in caplog.text
    lines = scene.stream.lines()
    scene.server.say.put_nowait(added("a", 13))
    assert await anext(lines) == added("a", 13)
    assert scene.server.watched == [("10", "")]
    await lines.aclose()


async def test_one_that_a_watch_is_refused_for_is_left_out_of_the_next(
    caplog: pytest.LogCaptureFixture,
) -> None:
    scene = ShardedScene()
    await scene.stream.begin()
    scene.server.troubles = [ShardSelectorError("500 invalid shard selector")]
    with pytest.raises(aiohttp.ClientConnectionError):
        await anext(scene.stream.lines())
    scene.server.say.put_nowait(bookmark(11))
    lines = scene.stream.lines()
    assert await anext(lines) == bookmark(11)
    assert scene.server.watched == [("10", "in ab"), ("10", "")]
    assert caplog.text.count("invalid shard selector") == 1
    await lines.aclose()


async def test_a_list_without_a_selector_that_is_refused_for_one_fails(scene: ShardedScene) -> None:
    scene.share = Share(lambda _uid: True)
    scene.server.troubles = [ShardSelectorError("500 invalid shard selector")]
    with pytest.raises(ShardSelectorError):
        await scene.stream.relist()


async def test_other_troubles_of_a_list_are_raised_as_they_are(scene: ShardedScene) -> None:
    scene.server.troubles = [ThrottledError("429")]
    with pytest.raises(ThrottledError):
        await scene.stream.relist()
