"""The first status of an object that another process may have had: written only as long as nothing is unknown of it."""

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from tests.support.api_client import FakeClient
from tests.support.clock import FakeClock, loop_time
from tests.support.fakes import RecordingClient, object_ref
from tests.support.polling import until
from tests.unit.kube.writer_on_fake import WriterOnFake, a_moment_later

from thing_operator.core.json_bytes import decode, encode
from thing_operator.core.resource import ObjectKey, ObjectRef, Resource
from thing_operator.kube.errors import ApiUnavailableError, ConflictError, NotFoundError
from thing_operator.kube.ports import Body, Operations
from thing_operator.kube.status_sender import OutdatedError
from thing_operator.kube.status_writer import StatusWriter

REF = object_ref()
NOW = timedelta(0)


class OneObject(FakeClient):
    """An API server with one object. ``lost`` answers do not arrive; ``conflicts`` come for no reason of ours."""

    def __init__(self) -> None:
        self.uid, self.version = REF.uid, 7
        self.status: Any = {"of": "another process"}
        self.lost = self.conflicts = 0
        self.guards: list[str | None] = []

    async def json_patch(
        self, resource: Resource, key: ObjectKey, operations: Operations, *, subresource: str | None = None
    ) -> str:
        added = {each["path"]: each["value"] for each in decode(encode(operations)) if each["op"] == "add"}
        guard = added.get("/metadata/resourceVersion")
        self.guards.append(guard)
        if self.conflicts:
            self.conflicts -= 1
            raise ConflictError("busy")
        if guard not in {None, str(self.version)}:
            raise ConflictError("the object has been modified")
        self.write(added["/status"])
        if self.lost:
            self.lost -= 1
            raise ApiUnavailableError("no answer")
        return str(self.version)

    def write(self, status: Any) -> None:
        self.status, self.version = status, self.version + 1

    async def get(
        self, resource: Resource, key: ObjectKey, *, not_before: str | None = None
    ) -> dict[str, Any]:
        if not self.uid:
            raise NotFoundError("404")
        return {
            "metadata": {"uid": self.uid, "resourceVersion": str(self.version)},
            "status": self.status,
        }


class Guarded:
    """A writer, and the object as it was listed."""

    def __init__(self) -> None:
        self.server = OneObject()
        self.outdated: list[tuple[ObjectRef, Body]] = []
        self.deleted: list[ObjectRef] = []
        self.writer = StatusWriter(
            self.server,
            writes_per_second=1000,
            retry=StatusWriter.default_retry(random.Random(1)),
            clock=FakeClock(loop_time),
            on_deleted=self.deleted.append,
            on_outdated=lambda ref, body: self.outdated.append((ref, body)),
        )

    def see(self, *, is_listed: bool = False) -> None:
        """The object as it is comes by a list, or by the watch."""
        self.writer.seed(REF, self.server.status, version=self.server.version, is_listed=is_listed)

    def enqueue(self, status: Any) -> None:
        self.writer.enqueue(REF, status, urgent=True, min_interval=NOW)

    async def flush(self) -> None:
        await self.writer.flush(timeout=timedelta(seconds=60))

    def held(self) -> Any:
        return decode(self.writer.current(REF))


@pytest.fixture
async def guarded() -> AsyncIterator[Guarded]:
    made = Guarded()
    made.see(is_listed=True)
    await made.writer.start()
    yield made
    await made.writer.stop()


async def test_the_first_write_is_of_the_version_that_was_listed_and_no_other_is(guarded: Guarded) -> None:
    for number in range(3):
        guarded.enqueue({"n": number})
        await guarded.flush()
    assert guarded.server.guards == ["7", None, None]
    assert guarded.server.status == {"n": 2}


async def test_what_was_created_a_moment_ago_needs_no_guard(guarded: Guarded) -> None:
    guarded.writer.drop(REF)
    guarded.see()
    guarded.enqueue({"n": 1})
    await guarded.flush()
    assert guarded.server.guards == [None]


async def test_what_another_process_had_is_in_doubt_for_a_minute_or_until_something_was_written(
    guarded: Guarded,
) -> None:
    guarded.writer.drop(REF)
    guarded.see()
    assert not guarded.writer.is_in_doubt(REF)
    guarded.writer.inherit(REF, version=guarded.server.version)
    assert guarded.writer.is_in_doubt(REF)
    await asyncio.sleep(61)
    assert not guarded.writer.is_in_doubt(REF)
    guarded.writer.inherit(REF, version=guarded.server.version)
    await guarded.writer.write_through(REF, {"n": 1})
    assert not guarded.writer.is_in_doubt(REF)
    assert guarded.server.guards == ["7"], "though it was no list that has shown it"


async def test_what_was_read_since_is_no_more_in_doubt_than_what_was_written(guarded: Guarded) -> None:
    guarded.writer.inherit(REF, version=guarded.server.version)
    guarded.server.write({"of": "another process"})
    with pytest.raises(OutdatedError):
        await guarded.writer.write_through(REF, {"n": 1})
    assert guarded.held() == {"of": "another process"}
    assert not guarded.writer.is_in_doubt(REF)


async def test_what_was_written_before_another_process_had_it_says_nothing(guarded: Guarded) -> None:
    """An orphan that got a parent there, and comes back with it."""
    await guarded.writer.write_through(REF, {"n": 1})
    guarded.server.write({"of": "another process"})
    guarded.writer.inherit(REF, version=guarded.server.version)
    assert guarded.writer.is_in_doubt(REF)
    guarded.enqueue({"n": 2})
    await guarded.flush()
    assert guarded.server.status == {"of": "another process"} == guarded.held()
    assert len(guarded.outdated) == 1


async def test_what_the_watch_shows_before_the_first_write_is_known(guarded: Guarded) -> None:
    guarded.server.write({"of": "its last moment"})
    guarded.see()
    assert guarded.held() == {"of": "its last moment"}
    guarded.enqueue({"n": 1})
    await guarded.flush()
    assert guarded.server.guards == ["8"]
    guarded.server.write({"of": "nobody"})
    guarded.see()
    assert guarded.held() == {"n": 1}, "who has written knows best"


async def test_what_the_watch_has_shown_first_may_be_another_process_s(guarded: Guarded) -> None:
    """Of a shard that comes to this replica, its watch is there before the list, whose answer was lost."""
    guarded.writer.drop(REF)
    guarded.see()
    guarded.server.write({"of": "another process", "managed": ["/a"]})
    guarded.see()
    assert guarded.held() == guarded.server.status
    guarded.server.write({"of": "another process", "managed": ["/b"]})
    guarded.enqueue({"n": 1})
    await until(lambda: bool(guarded.outdated))
    assert guarded.server.guards == ["8"]
    assert guarded.held() == {"of": "another process", "managed": ["/b"]}


async def test_an_object_that_another_process_has_had_meanwhile_is_known_as_that_has_left_it(
    guarded: Guarded,
) -> None:
    guarded.enqueue({"order": None})
    await guarded.flush()
    guarded.enqueue({"never": "written"})
    guarded.writer.stand_back(REF)
    await guarded.flush()
    assert guarded.held() == guarded.server.status == {"order": None}
    guarded.server.write({"order": "of the other process"})
    guarded.enqueue({"order": None, "of": "what was known before"})
    await guarded.flush()
    assert guarded.server.status == guarded.held() == {"order": "of the other process"}
    guarded.server.write({"order": "placed"})
    guarded.see()
    assert guarded.held() == {"order": "placed"}


async def test_to_stand_back_from_what_is_not_known_is_nothing(guarded: Guarded) -> None:
    guarded.writer.drop(REF)
    guarded.writer.stand_back(REF)
    assert guarded.writer.is_in_doubt(REF)
    assert guarded.held() == {}


async def test_a_status_made_of_what_is_outdated_is_not_written_and_the_object_is_read(
    guarded: Guarded,
) -> None:
    guarded.server.write({"of": "its last moment"})
    guarded.enqueue({"made": "of what was listed"})
    await guarded.flush()
    assert guarded.server.status == guarded.held() == {"of": "its last moment"}
    ((ref, body),) = guarded.outdated
    assert (ref, body["status"]) == (REF, {"of": "its last moment"})
    guarded.enqueue({"made": "of what was read"})
    await guarded.flush()
    assert guarded.server.status == {"made": "of what was read"}
    assert guarded.server.guards == ["7", "8"]


async def test_who_waits_for_the_write_gets_the_error(guarded: Guarded) -> None:
    guarded.server.write({"of": "its last moment"})
    with pytest.raises(OutdatedError, match="is no longer as it was known"):
        await guarded.writer.write_through(REF, {"n": 1})
    assert len(guarded.outdated) == 1
    await guarded.writer.write_through(REF, {"n": 2})
    assert guarded.server.status == guarded.held() == {"n": 2}


async def test_a_lost_answer_to_the_first_write_leaves_no_doubt_once_it_is_read(guarded: Guarded) -> None:
    guarded.server.lost = 1
    guarded.enqueue({"n": 1})
    await until(lambda: bool(guarded.outdated))
    assert guarded.held() == {"n": 1}
    guarded.enqueue({"n": 1})
    await guarded.flush()
    assert guarded.server.guards == ["7", "7"], "it is there: nothing more is written"


async def test_a_conflict_that_is_not_of_the_guard_is_tried_again(guarded: Guarded) -> None:
    guarded.enqueue({"n": 0})
    await guarded.flush()
    guarded.server.conflicts = 1
    guarded.enqueue({"n": 1})
    await until(lambda: guarded.server.status == {"n": 1})
    assert guarded.outdated == []


@pytest.mark.parametrize("uid", ["", "another"])
async def test_an_outdated_object_may_be_deleted_by_now(guarded: Guarded, uid: str) -> None:
    guarded.server.uid, guarded.server.version = uid, 9
    guarded.enqueue({"n": 1})
    await until(lambda: guarded.deleted == [REF])
    assert guarded.outdated == []


async def test_flush_of_some_objects_leaves_the_others_to_their_intervals(guarded: Guarded) -> None:
    other = object_ref("other")
    guarded.writer.enqueue(other, {"n": 0}, urgent=True, min_interval=NOW)
    guarded.enqueue({"n": 0})
    await guarded.flush()
    for ref in (REF, other):
        guarded.writer.enqueue(ref, {"n": 1}, urgent=False, min_interval=timedelta(hours=1))
    await guarded.writer.flush([REF, object_ref("unknown")], timeout=timedelta(seconds=5))
    assert (guarded.held(), decode(guarded.writer.current(other))) == ({"n": 1}, {"n": 0})
    assert guarded.writer.backlog == 1


async def test_what_is_under_way_when_we_stand_back_is_waited_for_and_comes_before_what_follows() -> None:
    """Of a status that is answered late, whoever has the object by then must not be written over."""
    client = RecordingClient()
    made = WriterOnFake(client=client)
    await made.writer.start()
    client.open.clear()
    made.writer.enqueue(REF, {"n": 1}, urgent=True, min_interval=NOW)
    waits = asyncio.create_task(made.writer.wait_in_flight([object_ref("unknown"), REF]))
    await until(lambda: client.flying == 1)
    made.writer.stand_back(REF)
    made.writer.seed(REF, {"n": 1}, version=8)
    made.writer.enqueue(REF, {"n": 2}, urgent=True, min_interval=NOW)
    await a_moment_later()
    assert (waits.done(), client.flying) == (False, 1)
    client.open.set()
    await until(lambda: made.values() == [{"n": 1}, {"n": 2}])
    await waits
    await made.writer.stop()


async def test_a_write_that_somebody_waits_for_is_under_way_too() -> None:
    client = RecordingClient()
    made = WriterOnFake(client=client)
    client.open.clear()
    writes = asyncio.create_task(made.writer.write_through(REF, {"n": 1}))
    await until(lambda: client.flying == 1)
    made.writer.stand_back(REF)
    waits = asyncio.create_task(made.writer.wait_in_flight([REF]))
    await a_moment_later()
    assert not waits.done()
    client.open.set()
    await asyncio.gather(writes, waits)


async def test_what_is_based_on_a_version_is_written_over_no_other_at_any_time(guarded: Guarded) -> None:
    """The object of a parent that may be another process's before we are shown so."""
    guarded.writer.base_on(REF, version=7)
    for number in range(3):
        guarded.enqueue({"n": number})
        await guarded.flush()
    assert guarded.server.guards == ["7", "8", "9"], "each is of the version that the one before made"
    guarded.server.write({"of": "another process"})
    guarded.writer.base_on(REF, version=9)
    guarded.enqueue({"n": 3})
    await guarded.flush()
    assert guarded.server.status == {"of": "another process"} == guarded.held()
    assert [body["metadata"]["resourceVersion"] for _ref, body in guarded.outdated] == ["11"]
    guarded.enqueue({"n": 4})
    await guarded.flush()
    assert guarded.server.status == {"n": 4}, "made of what was read"


async def test_what_is_based_on_a_version_is_written_over_what_the_watch_has_shown_since(
    guarded: Guarded,
) -> None:
    guarded.writer.base_on(REF, version=7)
    guarded.enqueue({"n": 1})
    await guarded.flush()
    guarded.server.write(guarded.server.status)  # an edit of the spec
    guarded.writer.base_on(REF, version=guarded.server.version)
    guarded.enqueue({"n": 2})
    await guarded.flush()
    assert guarded.server.status == {"n": 2}
    assert guarded.outdated == []


async def test_a_lost_answer_of_what_is_based_on_a_version_is_read(guarded: Guarded) -> None:
    guarded.writer.base_on(REF, version=7)
    guarded.server.lost = 1
    guarded.enqueue({"n": 1})
    await guarded.flush()
    assert len(guarded.outdated) == 1, "nobody knows whose the later version is"
    guarded.enqueue({"n": 2})
    await guarded.flush()
    assert guarded.server.status == {"n": 2} == guarded.held()


async def test_what_was_queued_before_another_process_wrote_is_not_written(guarded: Guarded) -> None:
    """It was made of what was shown before, however new the version is that is known by now."""
    guarded.writer.enqueue(REF, {"n": 1}, urgent=False, min_interval=NOW, patience=timedelta(seconds=5))
    for _twice in range(2):
        guarded.server.write({"of": "its last moment"})
        guarded.see()
    guarded.writer.base_on(REF, version=guarded.server.version)
    await guarded.flush()
    assert guarded.server.status == {"of": "its last moment"} == guarded.held()
    assert len(guarded.outdated) == 1
    guarded.enqueue({"n": 2})
    await guarded.flush()
    assert guarded.server.status == {"n": 2}


async def test_what_was_queued_of_a_new_object_before_another_process_wrote_is_not_written(
    guarded: Guarded,
) -> None:
    guarded.writer.drop(REF)
    guarded.see()
    guarded.writer.enqueue(REF, {"n": 1}, urgent=False, min_interval=NOW, patience=timedelta(seconds=5))
    guarded.server.write({"of": "a third one"})
    guarded.see()
    await guarded.flush()
    assert guarded.server.status == {"of": "a third one"} == guarded.held()
    assert len(guarded.outdated) == 1
