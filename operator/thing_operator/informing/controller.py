"""What keeps one kind of object reconciled: an informer in front, a work queue behind it."""

import random
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

from thing_operator.core.backoff import Backoff, Jitter
from thing_operator.core.clock import Clock
from thing_operator.core.memory_budget import MemoryBudget
from thing_operator.core.resource import ObjectKey, Resource, namespace_of
from thing_operator.core.work_queue import WorkQueue
from thing_operator.informing.cache import ObjectCache
from thing_operator.informing.informer import Informer
from thing_operator.kube.ports import ApiClient
from thing_operator.kube.status_writer import StatusWriter

_FIRST_RETRY = timedelta(seconds=1)
_LONGEST_RETRY = timedelta(minutes=2)

Reconcile = Callable[[ObjectKey], Awaitable[timedelta | None]]
"""Brings one object to its spec; returns when to do it again if nothing that is watched changes, None for never."""

Broken = Callable[[ObjectKey, Exception], None]
"""Called with an object whose reconciles go on failing unexpectedly, and with the last error."""

Reconciled = Callable[[str, bool, float], None]
"""Called after each reconcile with the queue's name, whether it went well, and how many seconds it took."""


class Controller:
    """Cache, informer and work queue of one kind."""

    def __init__(
        self,
        client: ApiClient,
        resource: Resource,
        *,
        name: str,
        reconcile: Reconcile,
        concurrency: int,
        place_for: timedelta | None = None,
        namespaces: Sequence[str],
        writer: StatusWriter,
        on_reconciled: Reconciled,
        on_broken: Broken,
        is_urgent: Callable[[ObjectKey], bool] = lambda _key: False,
        has_its_turn: Callable[[ObjectKey], bool] = lambda _key: False,
        budget: MemoryBudget,
        clock: Clock,
        rng: random.Random,
    ) -> None:
        """``name`` is the queue's in metrics; ``concurrency``: reconciles of one namespace under way at a time,
        ``place_for`` and ``is_urgent``: see WorkQueue; ``has_its_turn``: whether a key that is listed or changed is put
        on the queue by somebody else, in its turn; ``rng`` spaces the tries of those that failed.
        """
        self.name = name
        self._has_its_turn = has_its_turn
        self.cache = ObjectCache(budget)
        self.queue: WorkQueue[ObjectKey] = WorkQueue(
            reconcile,
            name=f"queue of {name}",
            concurrency=concurrency,
            place_for=place_for,
            clock=clock,
            group_of=namespace_of,
            is_urgent=is_urgent,
            backoff=Backoff(_FIRST_RETRY, _LONGEST_RETRY, rng, Jitter.FULL_ABOVE_BASE),
            on_reconciled=lambda good, seconds: on_reconciled(name, good, seconds),
            on_broken=on_broken,
        )
        self.informer = Informer(
            client,
            resource,
            namespaces=namespaces,
            cache=self.cache,
            writer=writer,
            enqueue=self._enqueue,
            clock=clock,
        )

    def enqueue_all(self) -> None:
        """Have every object reconciled."""
        self.enqueue_namespace(None)

    def enqueue_namespace(self, namespace: str | None) -> None:
        """Have every object of a namespace reconciled; None: of all."""
        for snapshot in self.cache:
            if namespace in {None, snapshot.key.namespace}:
                self._enqueue(snapshot.key)

    def enqueue_referrers(self, secret: ObjectKey) -> None:
        """Have every object reconciled that refers to this Secret."""
        for key in self.cache.referrers(secret):
            self.queue.add(key)

    def _enqueue(self, key: ObjectKey) -> None:
        if not self._has_its_turn(key):
            self.queue.add(key)
