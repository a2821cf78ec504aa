"""What the console keeps of the objects that it is shown."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from thing_operator.console.feed import Change, Feed, Reader, Topic
from thing_operator.console.store import Store

Json = dict[str, Any]


def thing(name: str = "a", *, namespace: str = "plant", **status: Any) -> Json:
    return {"metadata": {"namespace": namespace, "name": name}, "spec": {}, "status": status}


class WatchedStore:
    """A store, and what it has said to the feed since it was asked last."""

    def __init__(self, reader: Reader, store: Store) -> None:
        self._reader = reader
        self.store = store

    async def changes(self) -> list[Change]:
        self._reader.note([(Topic.SOURCES, "")])
        return [each for each in await self._reader.take(100) if each[0] is not Topic.SOURCES]


@pytest.fixture
def watched() -> Iterator[WatchedStore]:
    feed = Feed()
    with feed.reader(lambda _: True) as reader:
        yield WatchedStore(reader, Store(feed))


async def test_a_line_that_stays_the_same_is_not_sent_again(watched: WatchedStore) -> None:
    watched.store.put(Topic.THINGS, thing(shadow={"reported": {"t": 1}}))
    assert await watched.changes() == [(Topic.THINGS, "plant/a"), (Topic.DETAILS, "plant/a")]
    watched.store.put(Topic.THINGS, thing(shadow={"reported": {"t": 2}}))
    assert await watched.changes() == [(Topic.DETAILS, "plant/a")]
    watched.store.put(Topic.THINGS, thing(shadow={"pendingCount": 1}))
    assert (Topic.THINGS, "plant/a") in await watched.changes()


async def test_what_is_deleted_is_said_once_more(watched: WatchedStore) -> None:
    key = watched.store.put(Topic.THINGS, thing())
    watched.store.put(Topic.BATCHES, thing("b"))
    await watched.changes()
    watched.store.remove(Topic.THINGS, key)
    watched.store.remove(Topic.BATCHES, "plant/b")
    assert await watched.changes() == [
        (Topic.THINGS, "plant/a"),
        (Topic.DETAILS, "plant/a"),
        (Topic.BATCHES, "plant/b"),
    ]
    assert watched.store.line(Topic.THINGS, key) is None
    assert watched.store.body(Topic.THINGS, key) is None


async def test_a_list_says_what_is_no_longer_there_in_its_namespace(watched: WatchedStore) -> None:
    for name, namespace in (("a", "plant"), ("b", "plant"), ("c", "plant-2")):
        watched.store.put(Topic.THINGS, thing(name, namespace=namespace))
    watched.store.keep_only(Topic.THINGS, {"plant/a"}, namespace="plant")
    assert {key for topic, key in watched.store.changes() if topic is Topic.THINGS} == {
        "plant/a",
        "plant-2/c",
    }
    watched.store.keep_only(Topic.THINGS, {"plant/a"}, namespace=None)
    assert watched.store.count(Topic.THINGS) == 1


async def test_leases_are_one_change_and_whole(watched: WatchedStore) -> None:
    lease = thing("l", namespace="ops")
    watched.store.put(Topic.GROUPS, lease)
    watched.store.put(Topic.GROUPS, thing("m", namespace="ops"))
    assert await watched.changes() == [(Topic.GROUPS, "")]
    assert lease in watched.store.bodies(Topic.GROUPS)


def test_a_new_reader_is_sent_everything(watched: WatchedStore) -> None:
    watched.store.put(Topic.THINGS, thing())
    watched.store.put(Topic.BATCHES, thing("b"))
    assert list(watched.store.changes()) == [
        (Topic.SOURCES, ""),
        (Topic.GROUPS, ""),
        (Topic.BATCHES, "plant/b"),
        (Topic.THINGS, "plant/a"),
    ]
    line = watched.store.line(Topic.THINGS, "plant/a")
    assert line is not None
    assert json.loads(line)["name"] == "a"
    assert watched.store.body(Topic.THINGS, "plant/a") == thing()
