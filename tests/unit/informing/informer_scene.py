"""An informer before an API server that a test lets answer step by step."""

import asyncio
import json
import random
from collections import defaultdict, deque
from collections.abc import AsyncGenerator, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.support.api_client import FakeClient
from tests.support.clock import FakeClock

from thing_operator.api.names import THINGS
from thing_operator.core.resource import ObjectKey, ObjectRef, Resource
from thing_operator.informing.cache import ObjectCache
from thing_operator.informing.history import StaleListError
from thing_operator.informing.informer import Informer
from thing_operator.informing.share import Share
from thing_operator.kube.ports import WatchEvent
from thing_operator.kube.snapshot import ObjectSnapshot
from thing_operator.kube.status_writer import StatusWriter

_PAGE = 2
NAMES = ("a", "b", "c")
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

    async def json_patch(self, *_: Any, **__: Any) -> str:
        """A status is taken, and the watch is left as it is."""
        return ""

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
        self.names = frozenset(NAMES)
        """Of the objects that are ours; what the server sends of others is to be dropped."""
        self.share = share_of(self.names)
        self.scope = namespaces[0] if namespaces else None
        self.position: int | None = self.server.version
        self.lists: list[asyncio.Task[None]] = []
        self.listed: dict[str, int] = dict.fromkeys(NAMES, 0)
        """By name, the version of the newest list that had to show an object of it."""
        self.shown: dict[str, int] = {}
        self.uids: dict[str, str] = {}
        self.dead: set[str] = set()

    # --- steps

    async def step(self, action: str, which: int) -> None:
        name = NAMES[which % len(NAMES)]
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
