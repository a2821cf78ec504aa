"""The Things of this process: their runtimes, their claims, and how many have which condition."""

from collections.abc import Callable, Iterator
from datetime import datetime

from thing_operator.config import EndpointSettings
from thing_operator.core.clock import Clock
from thing_operator.core.resource import ObjectKey
from thing_operator.informing.cache import ObjectCache
from thing_operator.kube.ports import Enqueue
from thing_operator.kube.snapshot import ObjectSnapshot
from thing_operator.things.claims import ThingClaims
from thing_operator.things.runtime import ThingRuntime
from thing_operator.twin.condition_counts import ConditionCounts, ConditionSet


class ThingRegistry:
    """Answers who is there, and has whoever is concerned by a change enqueued.

    ``new_runtime`` makes the runtime of an object by its uid.
    """

    def __init__(
        self,
        *,
        cache: ObjectCache,
        settings: EndpointSettings,
        enqueue: Enqueue,
        new_runtime: Callable[[str], ThingRuntime],
        clock: Clock,
    ) -> None:
        self._cache = cache
        self._enqueue = enqueue
        self._new_runtime = new_runtime
        self._runtimes: dict[ObjectKey, ThingRuntime] = {}
        self.claims = ThingClaims(settings, enqueue=enqueue, clock=clock)
        self.counts = ConditionCounts()

    def find(self, key: ObjectKey) -> tuple[ObjectSnapshot, ThingRuntime] | None:
        """The Thing as the watch shows it and its runtime; None unless both are of the very same object."""
        snapshot, thing = self._cache.get(key), self._runtimes.get(key)
        if snapshot is None or thing is None or thing.uid != snapshot.uid:
            return None
        return snapshot, thing

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
        if thing is not None:
            self.counts.leave(thing.published)
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
        slots = (thing.connection for thing in self._runtimes.values())
        return (slot.credentials.not_after for slot in slots if slot.credentials is not None)

    def condition_sets(self) -> Iterator[tuple[ObjectKey, ConditionSet]]:
        """The conditions of each Thing that was reconciled."""
        return (
            (key, thing.published) for key, thing in self._runtimes.items() if thing.published is not None
        )
