"""Whatever the order in which lists and watch events arrive: nothing older than what is known is taken."""

import asyncio
import json
import random
from collections import defaultdict, deque
from collections.abc import AsyncGenerator, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.support.api_client import FakeClient
from tests.support.clock import FakeClock
from tests.support.loop import run_virtual

from thing_operator.api.names import THINGS
from thing_operator.core.resource import ObjectKey, ObjectRef, Resource
from thing_operator.informing.cache import ObjectCache
from thing_operator.informing.history import SET_BACK_AFTER, StaleListError
from thing_operator.informing.informer import Informer
from thing_operator.informing.share import Share
from thing_operator.kube.ports import WatchEvent
from thing_operator.kube.snapshot import ObjectSnapshot
from thing_operator.kube.status_writer import StatusWriter

_PAGE = 2
_NAMES = ("a", "b", "c")

Body = Mapping[str, Any]


def body(name: str, *, uid: str, version: int | str, spec: Mapping[str, Any] | None = None) -> Body:
    metadata = {
        "namespace": "ns",
        "name": name,
        "uid": uid,
        "generation": 1,
        "resourceVersion": str(version),
        "creationTimestamp": "2026-01-01T00:00:00Z",
    }
    return {"metadata": metadata, "spec": spec or {"wanted": version}, "status": {}}


def line_of(event: WatchEvent) -> bytes:
    """As an API server writes it: keys in order, no spaces."""
    text = {"object": event.body}
    return b'{"type":"%s",%s' % (
        event.kind.encode(),
        json.dumps(text, sort_keys=True, separators=(",", ":"))[1:].encode(),
    )


@dataclass
class VersionedServer(FakeClient):
    """An API server: one history of all objects, a watch that shows it, lists of a state of it.

    A list waits at each gate: when its state is made up, and before each of its pages arrives.
    """

    version: int = 100
    states: dict[int, dict[str, Body]] = field(default_factory=lambda: {100: {}})
    events: list[tuple[int, str, Body]] = field(default_factory=list)
    gates: list[asyncio.Event] = field(default_factory=list)
    age: int = 0
    """By how many changes the next list is older than it should be: something in between has kept it."""
    served: dict[str, int] = field(default_factory=dict)
    """By ``shardSelector``, the version of the newest list."""

    @property
    def now(self) -> dict[str, Body]:
        return self.states[self.version]

    def write(self, name: str) -> None:
        before = self.now.get(name)
        version = self.version + 1
        uid = before["metadata"]["uid"] if before else f"{name}-{version}"
        self._change("MODIFIED" if before else "ADDED", body(name, uid=uid, version=version), deleted=False)

    def write_status(self, name: str) -> None:
        if before := self.now.get(name):
            uid, version = before["metadata"]["uid"], self.version + 1
            changed = body(name, uid=uid, version=version, spec=before["spec"])
            self._change("MODIFIED", changed, deleted=False)

    def remove(self, name: str) -> None:
        if name in self.now:
            uid = self.now[name]["metadata"]["uid"]
            self._change("DELETED", body(name, uid=uid, version=self.version + 1), deleted=True)

    def _change(self, kind: str, changed: Body, *, deleted: bool) -> None:
        name, state = changed["metadata"]["name"], dict(self.now)
        state.pop(name, None)
        if not deleted:
            state[name] = changed
        self.version += 1
        self.states[self.version] = state
        self.events.append((self.version, kind, changed))

    async def pages(
        self, resource: Resource, *, namespace: str | None, query: Mapping[str, str], metadata_only: bool
    ) -> AsyncGenerator[dict[str, Any], None]:
        await self._pass_gate()
        version, self.age = max(100, self.version - self.age), 0
        self.served[query.get("shardSelector", "")] = version
        items = list(self.states[version].values())
        while True:
            await self._pass_gate()
            yield {"metadata": {"resourceVersion": str(version)}, "items": items[:_PAGE]}
            items = items[_PAGE:]
            if not items:
                return

    async def json_patch(self, *_: Any, **__: Any) -> None:
        """A status is taken, and the watch is left as it is."""

    async def _pass_gate(self) -> None:
        gate = asyncio.Event()
        self.gates.append(gate)
        await gate.wait()


class InformerScene:
    """An informer before a server, and what it has shown so far.

    ``queued``: events go to kopf, which hands them over later, and in order for each object alone.
    """

    def __init__(self, *, namespaces: tuple[str, ...] = (), queued: bool = False) -> None:
        self.queued = queued
        self.queues: defaultdict[str, deque[WatchEvent]] = defaultdict(deque)
        self.clock = FakeClock()
        self.server = VersionedServer()
        self.cache = ObjectCache()
        self.writer = StatusWriter(
            self.server,
            writes_per_second=1,
            retry=StatusWriter.default_retry(random.Random(1)),
            clock=self.clock,
            on_deleted=lambda _ref: None,
        )
        self.enqueued: list[ObjectKey] = []
        self.informer = Informer(
            self.server,
            THINGS,
            namespaces=namespaces,
            cache=self.cache,
            writer=self.writer,
            enqueue=self.enqueued.append,
            clock=self.clock,
            share=lambda: self.share,
        )
        self.names = frozenset(_NAMES)
        """Of the objects that are ours; what the server sends of others is to be dropped."""
        self.share = share_of(self.names)
        self.scope = namespaces[0] if namespaces else None
        self.position: int | None = self.server.version
        self.lists: list[asyncio.Task[None]] = []
        self.listed: dict[str, int] = dict.fromkeys(_NAMES, 0)
        """By name, the version of the newest list that had to show an object of it."""
        self.shown: dict[str, int] = {}
        self.uids: dict[str, str] = {}
        self.dead: set[str] = set()

    # --- steps

    async def step(self, action: str, which: int) -> None:
        name = _NAMES[which % len(_NAMES)]
        match action:
            case "write" | "status" | "delete":
                self.change(action, name)
            case "handle" if self.queues:
                self.handle(list(self.queues)[which % len(self.queues)])
            case "watch":
                self.deliver()
            case "list":
                self.lists.append(asyncio.create_task(self.relist()))
            case "gap":
                await self.break_watch()
            case "arrive" if self.server.gates:
                self.server.gates.pop(which % len(self.server.gates)).set()
            case "kept":
                self.server.age = which
            case "404":
                self.find_deleted(name)
            case "grow" | "shrink":
                self.change_share(action, name)
        await self.run_ready()

    def change(self, action: str, name: str) -> None:
        """Somebody changes the object."""
        server = self.server
        {"write": server.write, "status": server.write_status, "delete": server.remove}[action](name)

    def deliver(self) -> None:
        """The watch shows its next event, unless it is broken."""
        after = self.position
        coming = [event for event in self.server.events if after is not None and event[0] > after]
        if coming:
            self.position, kind, changed = coming[0]
            event, uid = WatchEvent(kind, changed), changed["metadata"]["uid"]
            if not self.share.has(uid) or self.informer.absorbs_line(line_of(event)) is not None:
                return
            if not self.informer.absorbs(event):
                self.queues[uid].append(event)
                if not self.queued:
                    self.handle(uid)

    def handle(self, uid: str) -> None:
        """kopf hands over the next event of an object."""
        event = self.queues[uid].popleft()
        if not self.queues[uid]:
            del self.queues[uid]
        self.informer.on_event(event.kind, event.body)

    async def relist(self, *, then_watch: bool = False) -> None:
        names = self.names
        try:
            version = await self.informer.relist_namespace(self.scope)
        except StaleListError:
            return
        for name in names:
            self.listed[name] = max(self.listed[name], int(version))
        if then_watch:
            # A watch and what it begins with are one after the other: see ObjectStream.
            self.position = int(version) if self.names <= names else None

    def change_share(self, action: str, name: str) -> None:
        if action == "shrink":
            self.shrink(name)
        elif name not in self.names:
            self.lists.append(asyncio.create_task(self.grow(name)))

    async def grow(self, name: str) -> None:
        """Objects of this name are ours from now on; the watch goes on from where it was before they are listed."""
        self.names |= {name}
        self.share, position = share_of(self.names), self.position
        try:
            await self.informer.list_part(self.scope, share_of({name}))
        except StaleListError:
            self.position = None
        else:
            self.position = position
            if name in self.names:
                self.listed[name] = max(self.listed[name], self.server.served[name])

    def shrink(self, name: str) -> None:
        """Objects of this name are not ours any more."""
        self.names -= {name}
        self.share = share_of(self.names)
        self.informer.drop(share_of({name}))
        for each in (self.shown, self.uids):
            each.pop(name, None)
        self.listed[name] = 0

    async def break_watch(self) -> None:
        """The watch ends: a list comes before the next one."""
        self.position = None
        self.lists.append(asyncio.create_task(self.relist(then_watch=True)))

    def find_deleted(self, name: str) -> None:
        """A status write finds the object deleted."""
        kept = self.cache.get(ObjectKey("ns", name))
        there = self.server.now.get(name)
        if kept is not None and (there is None or there["metadata"]["uid"] != kept.uid):
            self.informer.on_deleted(ObjectRef(THINGS, kept.key, kept.uid))

    async def run_ready(self) -> None:
        for _ in range(4):
            await asyncio.sleep(0)
        self.clock.advance(0.01)
        self.check()

    # --- what must hold

    def check(self) -> None:
        """No object is older than before or than the last list, none that was deleted is back, none that is there
        was dropped.
        """
        kept = {each.key.name: each for each in self.cache}
        assert kept.keys() <= self.names
        for name, snapshot in kept.items():
            version = snapshot.version or 0
            assert version >= self.shown.get(name, 0)
            assert snapshot.uid not in self.dead
            if version <= (listed := self.listed[name]):
                assert self.server.states[listed][name]["metadata"]["uid"] == snapshot.uid
            self.shown[name] = version
        for name, uid in self.uids.items():
            if name not in kept or kept[name].uid != uid:
                self.dead.add(uid)
                assert self.server.now.get(name, {}).get("metadata", {}).get("uid") != uid
        self.uids = {name: snapshot.uid for name, snapshot in kept.items()}

    async def finish(self) -> None:
        """All that is under way arrives; the watch is mended."""
        self.server.age = 0
        while self.server.gates or self.position is None:
            if not self.server.gates and all(task.done() for task in self.lists):
                await self.break_watch()
                await self.run_ready()
            for gate in self.server.gates:
                gate.set()
            self.server.gates.clear()
            await self.run_ready()
        for _ in self.server.events:
            self.deliver()
            await self.run_ready()
        while self.queues:
            self.handle(next(iter(self.queues)))
            await self.run_ready()
        await asyncio.gather(*self.lists)

    def kept(self) -> dict[str, tuple[str, bytes]]:
        return {each.key.name: (each.uid, each.spec) for each in self.cache}

    def there(self) -> dict[str, tuple[str, bytes]]:
        snapshots = map(ObjectSnapshot.from_body, self.server.now.values())
        return {each.key.name: (each.uid, each.spec) for each in snapshots if each.key.name in self.names}


def share_of(names: Collection[str]) -> Share:
    """The objects of these names, by their uids."""
    return Share(lambda uid: uid.partition("-")[0] in names, selector="|".join(sorted(names)))


def steps(*actions: str) -> st.SearchStrategy[list[tuple[str, int]]]:
    often = ("write", "status", "delete", "watch", "handle", "list", "arrive", "arrive", "arrive", "gap")
    return st.lists(st.tuples(st.sampled_from((*often, *actions)), st.integers(0, 5)), max_size=60)


async def play(scene: InformerScene, script: list[tuple[str, int]]) -> None:
    for action, which in script:
        await scene.step(action, which)
    await scene.finish()
    assert scene.kept() == scene.there()


def moves(text: str) -> list[tuple[str, int]]:
    """Steps as words: ``write`` or, with a number, ``arrive1``."""
    return [(word.rstrip("0123456789"), int(word[-1]) if word[-1].isdigit() else 0) for word in text.split()]


_LIST_BEHIND_A_DELETION = "write watch list arrive delete watch arrive"
_TWO_LISTS_BEHIND_A_DELETION = "write watch list arrive list arrive1 delete watch arrive arrive"
_OLDER_LIST_LAST = "write list arrive delete gap arrive1 arrive1 arrive0"
_OLDER_LIST_WITHIN_A_NEWER_ONE = "write list arrive delete gap arrive1 arrive arrive"
_WATCH_BEHIND_A_LIST = "write delete list arrive arrive watch"
_KEPT_FROM_BEFORE_A_DELETION = "write watch delete watch kept1 list arrive arrive"


@given(steps("404"))
@example(moves(_LIST_BEHIND_A_DELETION))
@example(moves(_TWO_LISTS_BEHIND_A_DELETION))
@example(moves(_OLDER_LIST_LAST))
@example(moves(_OLDER_LIST_WITHIN_A_NEWER_ONE))
@example(moves(_WATCH_BEHIND_A_LIST))
@settings(max_examples=300)
def test_any_order_of_lists_and_events_ends_in_the_newest_state_and_never_goes_back(
    script: list[tuple[str, int]],
) -> None:
    run_virtual(play(InformerScene(), script))
    run_virtual(play(InformerScene(namespaces=("ns",)), script))
    run_virtual(play(InformerScene(queued=True), script))


@given(steps("kept", "kept"))
@example(moves(_KEPT_FROM_BEFORE_A_DELETION))
@settings(max_examples=300)
def test_a_kept_answer_to_a_list_takes_nothing_back(script: list[tuple[str, int]]) -> None:
    run_virtual(play(InformerScene(), script))


_WATCH_BEHIND_THE_LIST_OF_A_PART = "shrink write delete grow arrive arrive watch watch"
_LIST_NEWER_THAN_THAT_OF_A_PART = "shrink list grow arrive1 write arrive arrive arrive watch"
_BACK_DURING_A_LIST = "write watch list arrive shrink grow arrive1 arrive1 arrive"
_HANDLED_WHEN_IT_IS_ANOTHERS = "write watch shrink handle"
_DELETED_WHILE_IT_WAS_ANOTHERS = "write2 list arrive shrink2 delete2 grow2"
_DELETED_AND_AN_OLDER_LIST_LAST = "write2 list arrive shrink2 delete2 grow2 arrive1 arrive1 arrive"


@given(steps("grow", "shrink", "grow", "shrink", "404"))
@example(moves(_WATCH_BEHIND_THE_LIST_OF_A_PART))
@example(moves(_LIST_NEWER_THAN_THAT_OF_A_PART))
@example(moves(_BACK_DURING_A_LIST))
@example(moves(_HANDLED_WHEN_IT_IS_ANOTHERS))
@example(moves(_DELETED_WHILE_IT_WAS_ANOTHERS))
@example(moves(_DELETED_AND_AN_OLDER_LIST_LAST))
@settings(max_examples=300)
def test_a_share_that_grows_and_shrinks_has_its_own_objects_in_their_newest_state(
    script: list[tuple[str, int]],
) -> None:
    run_virtual(play(InformerScene(), script))
    run_virtual(play(InformerScene(queued=True), script))


async def test_what_says_nothing_new_is_absorbed_and_its_version_counts() -> None:
    scene = InformerScene(queued=True)
    for move in moves("write watch handle status watch"):
        await scene.step(*move)
    assert not scene.queues
    assert [each.version for each in scene.cache] == [102]
    assert len(scene.enqueued) == 1
    await scene.writer.write_through(ObjectRef(THINGS, ObjectKey("ns", "a"), "a-101"), {})
    first = body("a", uid="a-101", version=103, spec={"wanted": 101})
    for changed in ({"generation": 2}, {"finalizers": ["x"]}, {"uid": "another"}, {"name": "other"}):
        event = WatchEvent("MODIFIED", {**first, "metadata": first["metadata"] | changed})
        assert not scene.informer.absorbs(event), changed
        assert scene.informer.absorbs_line(line_of(event)) is None, changed
    assert not scene.informer.absorbs(WatchEvent("MODIFIED", {**first, "spec": {}}))
    assert not scene.informer.absorbs(WatchEvent("DELETED", first))
    assert scene.informer.absorbs(WatchEvent("MODIFIED", first))
    late = body("a", uid="a-101", version=101, spec={"wanted": 101})
    assert scene.informer.absorbs(WatchEvent("MODIFIED", late))
    assert scene.informer.absorbs_line(line_of(WatchEvent("MODIFIED", late))) == "101"
    assert [each.version for each in scene.cache] == [103]
    newest = body("a", uid="a-101", version=104, spec={"wanted": 101})
    assert scene.informer.absorbs_line(line_of(WatchEvent("MODIFIED", newest))) == "104"
    assert [each.version for each in scene.cache] == [104]


async def test_an_echo_is_looked_at_closely_until_a_status_was_written() -> None:
    """What was listed may be another replica's to write: its newest status counts."""
    scene = InformerScene()
    scene.server.write("a")
    listing = asyncio.create_task(scene.relist())
    await answer(scene)
    await listing
    (kept,) = scene.cache
    shown = body("a", uid=kept.uid, version=200, spec={"wanted": 101})
    assert scene.informer.absorbs_line(line_of(WatchEvent("MODIFIED", shown))) is None
    assert scene.informer.absorbs(WatchEvent("MODIFIED", shown))


async def test_an_object_deleted_during_a_list_stays_so_and_one_made_during_it_stays() -> None:
    scene = InformerScene()
    for move in moves("write watch list arrive delete watch write1 watch arrive"):
        await scene.step(*move)
    assert scene.kept() == scene.there()
    assert set(scene.kept()) == {"b"}


async def test_a_list_asked_for_after_a_wrong_404_brings_the_object_back() -> None:
    scene = InformerScene()
    for move in moves("write watch"):
        await scene.step(*move)
    kept = next(iter(scene.cache))
    scene.informer.on_deleted(ObjectRef(THINGS, kept.key, kept.uid))
    scene.clock.advance(1)
    scene.server.write("a")
    scene.deliver()
    assert scene.kept() == {}, "an event may be from before"
    listing = asyncio.create_task(scene.relist())
    await answer(scene)
    await listing
    assert scene.kept() == scene.there()


async def answer(scene: InformerScene) -> None:
    """Have all that is asked for arrive."""
    await asyncio.sleep(0)
    while scene.server.gates:
        scene.server.gates.pop().set()
        await asyncio.sleep(0)


async def test_a_server_that_stays_older_was_set_back_and_is_believed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    scene = InformerScene()
    for name in _NAMES:
        scene.server.write(name)
        scene.deliver()
    backup, was = scene.server.states[101], scene.kept()
    scene.server.version, scene.server.states = 101, {101: backup}
    for _ in range(2):
        listing = asyncio.create_task(scene.informer.relist_namespace(None))
        await answer(scene)
        with pytest.raises(StaleListError, match="101, and 103"):
            await listing
        assert scene.kept() == was
        scene.clock.advance(SET_BACK_AFTER.total_seconds() / 2)
    listing = asyncio.create_task(scene.informer.relist_namespace(None))
    await answer(scene)
    await listing
    assert scene.kept() == scene.there() != was
    assert "restored from a backup" in caplog.text


async def test_versions_that_are_no_numbers_leave_the_order_of_arrival() -> None:
    scene = InformerScene()
    for version in ("x9", "x1"):
        scene.informer.on_event("MODIFIED", body("a", uid="a-1", version=version))
        assert scene.kept() == {"a": ("a-1", b'{"wanted":"%s"}' % version.encode())}
