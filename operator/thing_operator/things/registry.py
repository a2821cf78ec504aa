"""The Things of this process: their runtimes, their claims, and how many have which condition."""

from collections.abc import Callable, Container, Iterator
from datetime import datetime
from typing import cast

from thing_operator.config import EndpointSettings
from thing_operator.connections.claims import ThingClaims
from thing_operator.core.clock import Clock
from thing_operator.core.resource import ObjectKey
from thing_operator.informing.cache import ObjectCache
from thing_operator.kube.ports import Enqueue
from thing_operator.kube.snapshot import ObjectSnapshot
from thing_operator.observability.observers import ThingObserver
from thing_operator.session import ChildSession, Session
from thing_operator.things.arrivals import Arrivals
from thing_operator.things.runtime import JobListeners, ThingRuntime
from thing_operator.twin.condition_counts import ConditionCounts, ConditionSet
from thing_operator.twin.resolved import Resolution, resolve
from thing_operator.twin.value_metrics import within


class ThingRegistry:
    """Answers who is there, and has whoever is concerned by a change enqueued.

    ``new_runtime`` makes the runtime of an object by its uid, ``shard`` says which shard it is in.
    """

    def __init__(
        self,
        *,
        cache: ObjectCache,
        settings: EndpointSettings,
        enqueue: Enqueue,
        new_runtime: Callable[[str], ThingRuntime],
        shard: Callable[[str], int],
        observer: ThingObserver,
        clock: Clock,
    ) -> None:
        self._cache = cache
        self._settings = settings
        self._enqueue = enqueue
        self._new_runtime = new_runtime
        self._shard = shard
        self._runtimes: dict[ObjectKey, ThingRuntime] = {}
        self.claims = ThingClaims(settings, enqueue=enqueue, clock=clock)
        self.counts = ConditionCounts()
        self.arrivals = Arrivals(observer=observer, clock=clock)
        self.job_listeners: JobListeners = []
        """Who is notified of jobs of Things with ``spec.device.jobs: Bridge``."""
        self.on_change: Callable[[ObjectKey], None] = lambda _key: None
        """Called when the session of a Thing sees something new, and when there is nothing of the Thing any more."""

    def uids(self, key: ObjectKey) -> tuple[str | None, str | None]:
        """Of the runtime under this key, and of the object that the watch shows; None where there is none."""
        snapshot, thing = self._cache.get(key), self._runtimes.get(key)
        return thing.uid if thing else None, snapshot.uid if snapshot else None

    def resolve(self, snapshot: ObjectSnapshot) -> Resolution:
        """What the spec of a Thing comes to, its parent known."""
        return resolve(snapshot, settings=self._settings, find=self._cache.get)

    def session_of(self, key: ObjectKey) -> Session | None:
        """The session of a Thing that has one of its own."""
        thing = self._runtimes.get(key)
        session = thing.connection.session if thing is not None else None
        return None if session is None or isinstance(session, ChildSession) else cast("Session", session)

    def keys_in(self, shards: Container[int]) -> list[ObjectKey]:
        """The Things of these shards of which there is anything in this process."""
        return [key for key, thing in self._runtimes.items() if self._shard(thing.uid) in shards]

    def sessions_in(self, shards: Container[int]) -> list[Session]:
        """Their sessions, as far as they have any."""
        sessions = (self.session_of(key) for key in self.keys_in(shards))
        return [session for session in sessions if session is not None]

    def expect(self, key: ObjectKey) -> None:
        """This Thing has come from another replica: its session is awaited, unless it is up by now."""
        thing = self._runtimes.get(key)
        session = thing.connection.session if thing else None
        if session is None or not session.view.connected:
            self.arrivals.expect(key)

    def runtime(self, key: ObjectKey) -> ThingRuntime | None:
        """The runtime under this key, of whichever object."""
        return self._runtimes.get(key)

    def find(self, key: ObjectKey) -> tuple[ObjectSnapshot, ThingRuntime] | None:
        """The Thing as the watch shows it and its runtime; None unless both are of the very same object."""
        snapshot, thing = self._cache.get(key), self._runtimes.get(key)
        if snapshot is None or thing is None or thing.uid != snapshot.uid:
            return None
        return snapshot, thing

    def is_on_its_way(self, key: ObjectKey) -> bool:
        """Whether a Thing has a generation that is still to be accepted, or is deleted and still to be ended."""
        snapshot, thing = self._cache.get(key), self._runtimes.get(key)
        if snapshot is None:
            return thing is not None
        return thing is None or not thing.requests.acceptance.has_arrived(snapshot.generation)

    def enter(self, key: ObjectKey) -> tuple[ObjectSnapshot, ThingRuntime] | None:
        """As :meth:`find`, with a new runtime for an object that has none.

        None when the object is deleted, or when the runtime under this key is of a deleted object of the same name:
        then :meth:`remove` comes first.
        """
        snapshot = self._cache.get(key)
        if snapshot is not None and key not in self._runtimes:
            self._runtimes[key] = self._new_runtime(snapshot.uid)
        return self.find(key)

    def remove(self, key: ObjectKey) -> ThingRuntime | None:
        """Forget the runtime of this key; returns it. Its claim stands until :meth:`release`."""
        thing = self._runtimes.pop(key, None)
        self.arrivals.forget(key)
        if thing is not None:
            self.counts.leave(thing.published)
            self.on_change(key)
        return thing

    def release(self, key: ObjectKey) -> None:
        """Give up the claim of this key, once its session has ended. Who waited for it is enqueued, and so is an
        object of the same name that was created since.
        """
        self._cache.index_secrets(key, ())
        self.claims.withdraw(key)
        if self._cache.get(key) is not None:
            self._enqueue(key)

    def secret_changed(self, secret: ObjectKey) -> None:
        """A Secret was created, changed or deleted: its users read it again."""
        for key in self._cache.referrers(secret):
            if key in self._runtimes:
                self._runtimes[key].connection.forget_credentials()
            self._enqueue(key)

    def secrets_resynced(self) -> None:
        """The Secret watch had a gap: every Thing reads its Secret again."""
        for key, thing in self._runtimes.items():
            thing.connection.forget_credentials()
            self._enqueue(key)

    def certificate_ends(self) -> Iterator[datetime]:
        """When each certificate in use ends."""
        slots = (thing.connection for thing in self._runtimes.values() if thing.published is not None)
        return (slot.credentials.not_after for slot in slots if slot.credentials is not None)

    def values(self, limit: int) -> tuple[list[tuple[str, str, str, str, float]], int]:
        """What Things want to have as metrics, at most ``limit`` of it: name, help, namespace, Thing and value; and how
        many there are in all.
        """
        found = {key: thing.mirror.values for key, thing in self._runtimes.items() if thing.mirror.values}
        shown = [
            (each.name, each.text, key.namespace, key.name, each.value) for key, each in within(found, limit)
        ]
        return shown, sum(map(len, found.values()))

    def condition_sets(self) -> Iterator[tuple[ObjectKey, ConditionSet]]:
        """The conditions of each Thing that was reconciled."""
        return (
            (key, thing.published) for key, thing in self._runtimes.items() if thing.published is not None
        )
