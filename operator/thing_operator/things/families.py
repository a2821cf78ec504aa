"""Parents and their networked children: who waits for whom, and who is enqueued when the other one changes."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from thing_operator.api.names import THINGS
from thing_operator.connections.succession import SUCCESSION_TIME
from thing_operator.core.clock import Clock
from thing_operator.core.rate_limit import TokenBucket
from thing_operator.core.resource import ObjectKey
from thing_operator.informing.cache import ObjectCache
from thing_operator.kube.errors import NotFoundError
from thing_operator.kube.ports import ApiClient, Enqueue
from thing_operator.kube.snapshot import ObjectSnapshot
from thing_operator.things.registry import ThingRegistry

_LOOKS: Final = (20.0, 50.0)
"""Parents that are asked for a second, and how many of them at once."""
_UNTIL_LOOKED: Final = timedelta(seconds=2)
_UNTIL_SEEN: Final = timedelta(seconds=1)
_UNTIL_RECONCILED: Final = timedelta(seconds=10)
_ELSEWHERE: Final = timedelta(minutes=10)
"""A parent may be deleted while the replica that had it is away."""


@dataclass(frozen=True, slots=True)
class ParentWait:
    """A child is not reconciled now, but after this time. ``is_elsewhere``: another replica has its parent, and it."""

    after: timedelta
    is_elsewhere: bool = False


class Families:
    """Asked before and after the reconcile of each Thing. ``has_fellows``: whether there are other replicas."""

    def __init__(
        self,
        registry: ThingRegistry,
        *,
        cache: ObjectCache,
        client: ApiClient,
        has_fellows: Callable[[], bool],
        enqueue: Enqueue,
        clock: Clock,
    ) -> None:
        self._registry = registry
        self._cache = cache
        self._client = client
        self._has_fellows = has_fellows
        self._enqueue = enqueue
        self._clock = clock
        self._looks = TokenBucket(*_LOOKS)
        self._deleted: dict[ObjectKey, float] = {}
        """When parents were deleted whose sessions may still be up."""

    async def wait(self, key: ObjectKey) -> ParentWait | None:
        """Why a child is not to be reconciled now; None for what has no parent, or has one that is known, or an orphan.

        A parent that is not in the cache is looked for: it may be on its way, or another replica's. Raises what the API
        server answers.
        """
        snapshot = self._cache.get(key)
        parent = snapshot.parent_key if snapshot is not None else None
        if parent is None:
            return None
        if self._cache.get(parent) is not None:
            runtime = self._registry.runtime(parent)
            is_reconciled = runtime is not None and runtime.published is not None
            return None if is_reconciled else ParentWait(_UNTIL_RECONCILED)
        kept_for = self._kept_for(parent)
        if kept_for > timedelta(0) and snapshot is not None and snapshot.deleting_since is None:
            return ParentWait(kept_for)
        if not self._looks.try_take(self._clock.monotonic()):
            return ParentWait(_UNTIL_LOOKED)
        try:
            await self._client.get(THINGS, parent)
        except NotFoundError:
            self._cache.missed(parent)
            return None
        if self._cache.get(parent) is not None:
            return ParentWait(_UNTIL_SEEN)
        self._cache.forget_owner(parent)
        is_elsewhere = self._has_fellows()
        return ParentWait(_ELSEWHERE if is_elsewhere else _UNTIL_SEEN, is_elsewhere=is_elsewhere)

    def is_shared(self, snapshot: ObjectSnapshot) -> bool:
        """Whether another replica may have the child as well: an orphan is run by its own uid, and besides, by that of
        its parent, where that was deleted before somebody's eyes. They say the same, but do not know what the other
        one has said before.
        """
        is_orphan = snapshot.parent_key is not None and self._cache.get(snapshot.parent_key) is None
        return is_orphan and self._has_fellows()

    def _kept_for(self, parent: ObjectKey) -> timedelta:
        """How long the session of a parent is kept yet that was deleted: for one of the same name, or to clean up by.

        Never so short that a wait of it would be none.
        """
        deleted_at = self._deleted.get(parent)
        if deleted_at is None:
            return timedelta(0)
        return SUCCESSION_TIME - timedelta(seconds=self._clock.monotonic() - deleted_at)

    def inform(self, key: ObjectKey) -> None:
        """A Thing was reconciled, or is deleted: its children are reconciled if that changes anything for them."""
        children = self._cache.children(key)
        if not children:
            return
        snapshot, runtime = self._cache.get(key), self._registry.runtime(key)
        now = self._clock.monotonic()
        self._deleted = {
            each: at for each, at in self._deleted.items() if now < at + SUCCESSION_TIME.total_seconds()
        }
        if snapshot is None:
            self._deleted[key] = now
        if snapshot is not None and runtime is not None:
            state = (snapshot.generation, self._registry.session_of(key))
            if state == runtime.shown_to_children:
                return
            runtime.shown_to_children = state
        for child in children:
            self._enqueue(child)
