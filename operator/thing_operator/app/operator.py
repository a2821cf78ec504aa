"""The operator put together: watches in front, the queues behind them, one hub, one status writer.

What comes in is only translated: an event becomes a record in the cache and a key on a queue. Things, which come
by the thousand, have a watch of our own (``watching.py``); ThingBatches come from kopf (``running.py``).
"""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

from thing_operator.api.names import BATCHES, THINGS
from thing_operator.app.probes import Progress, ready_checks, startup_checks
from thing_operator.app.supervisor import Supervisor
from thing_operator.app.watch_monitor import WatchMonitor
from thing_operator.batches.reconciler import BatchReconciler
from thing_operator.config import Settings
from thing_operator.core.backoff import Backoff, Jitter
from thing_operator.core.clock import Clock, SystemClock
from thing_operator.core.errors import ThingOperatorError, ToolError
from thing_operator.core.reasons import Reason, ToolReason
from thing_operator.core.resource import ObjectKey, ObjectRef, Resource
from thing_operator.core.work_queue import WorkQueue
from thing_operator.kube.cache import ObjectCache
from thing_operator.kube.client import KubeClient
from thing_operator.kube.errors import NotFoundError
from thing_operator.kube.events import EventRecorder
from thing_operator.kube.records import ObjectRecord
from thing_operator.kube.secret_watch import SecretWatch
from thing_operator.kube.status_writer import StatusWriter
from thing_operator.kube.watch import Watch
from thing_operator.observability.checks import Checks
from thing_operator.observability.metrics import Metrics, Snapshot
from thing_operator.session import Hub
from thing_operator.things.deletion import ThingDeletion
from thing_operator.things.reconciler import ThingReconciler
from thing_operator.things.sessions import SessionManager

log = logging.getLogger(__name__)

_STOP_TIMEOUT = timedelta(seconds=8)
"""SIGTERM ends the process in under 10 s with 1,000 sessions."""

_FIRST_RETRY = timedelta(seconds=1)
_LONGEST_PASS_RETRY = timedelta(minutes=2)
_LONGEST_STATUS_RETRY = timedelta(minutes=1)

_PAGE = "500"
"""Objects of a page of a list."""


@dataclass
class _Kind:
    """What the two kinds have alike: where they are listed, kept and queued."""

    resource: Resource
    cache: ObjectCache
    queue: WorkQueue[ObjectKey]


class Operator:
    """Owns every part of the running operator; an async context manager."""

    def __init__(
        self, *, client: KubeClient, settings: Settings, metrics: Metrics, clock: Clock | None = None
    ) -> None:
        self._client = client
        self._metrics = metrics
        self._settings = settings
        self._clock = clock or SystemClock()
        rng = random.Random()  # noqa: S311 - jitter, not secrets
        self.events = EventRecorder(client, clock=self._clock, on_event=metrics.event)
        self.writer = StatusWriter(
            client,
            writes_per_second=settings.status.writes_per_second,
            retry=Backoff(_FIRST_RETRY, _LONGEST_STATUS_RETRY, rng, Jitter.EQUAL),
            clock=self._clock,
            on_gone=self._status_target_gone,
            observer=metrics,
        )
        self.hub = Hub(
            session=settings.session, pacing=settings.pacing, shadow=settings.shadow, observer=metrics
        )
        things, batches = ObjectCache(), ObjectCache()
        self._thing_reconciler = self._make_thing_reconciler(things, rng)
        self._batch_reconciler = BatchReconciler(
            cache=batches,
            client=client,
            writer=self.writer,
            settings=settings.batch,
            tell=self._tell_batch,
            clock=self._clock,
        )
        self._things = _Kind(THINGS, things, self._queue("things", self._thing_reconciler.reconcile, 64, rng))
        self._batches = _Kind(
            BATCHES, batches, self._queue("batches", self._batch_reconciler.reconcile, 4, rng)
        )
        self._secret_watch = SecretWatch(
            client,
            namespaces=settings.namespaces,
            on_secret=self._secret_changed,
            on_resync=self._secrets_resynced,
            clock=self._clock,
        )
        self._thing_watch = Watch(
            client,
            THINGS,
            namespaces=settings.namespaces,
            begin=self._list_things,
            on_event=lambda event: self._take(self._things, event.kind, event.body),
            clock=self._clock,
        )
        self.watches = WatchMonitor(clock=self._clock)
        self.supervisor = Supervisor()
        self._progress = Progress(clock=self._clock, resync_interval=settings.resync_interval)
        self._tasks: list[asyncio.Task[None]] = []

    def _make_thing_reconciler(self, cache: ObjectCache, rng: random.Random) -> ThingReconciler:
        settings, clock, client = self._settings, self._clock, self._client
        ca_file = settings.endpoint.ca_file
        return ThingReconciler(
            cache=cache,
            connector=SessionManager(
                client=client,
                hub=self.hub,
                cache=cache,
                default_ca=_read_ca(ca_file) if ca_file else None,
                on_news=self._thing_has_news,
                clock=clock,
            ),
            ending=ThingDeletion(
                client=client, timeout=settings.deletion_timeout, clock=clock, tell=self._tell_thing
            ),
            writer=self.writer,
            settings=settings,
            enqueue=self._enqueue_thing,
            tell=self._tell_thing,
            observer=self._metrics,
            clock=clock,
            rng=rng,
        )

    def _queue(
        self, name: str, handler: Callable[[ObjectKey], Any], concurrency: int, rng: random.Random
    ) -> WorkQueue[ObjectKey]:
        return WorkQueue(
            handler,
            name=f"queue of {name}",
            concurrency=concurrency,
            clock=self._clock,
            backoff=Backoff(_FIRST_RETRY, _LONGEST_PASS_RETRY, rng, Jitter.FULL_ABOVE_BASE),
            on_pass=lambda good, seconds: self._metrics.reconciled(queue=name, good=good, seconds=seconds),
        )

    # --- start and stop

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def _start(self) -> None:
        for start in (self.hub.start, self.writer.start, self.events.start):
            self.supervisor.keep(await start())
        await self._secret_watch.prepare()
        # The whole list before the first pass: which of two Things is the older must not depend on the order
        # in which the watch tells of them.
        try:
            await self._thing_watch.prepare()
            await self._compare_all(self._batches)
            self._progress.listed()
        except NotFoundError:
            raise ToolError(
                "the cluster does not know Things: install the CRDs (thing-operator crds | kubectl apply -f -)",
                reason=ToolReason.CRDS_MISSING,
            ) from None
        for kind in (self._things, self._batches):
            self.supervisor.keep(await kind.queue.start())
        self._tasks = [
            asyncio.create_task(self._secret_watch.run(), name="secret watch"),
            asyncio.create_task(self._thing_watch.run(), name="thing watch"),
            asyncio.create_task(self._resync_forever(), name="resync"),
        ]
        for task in self._tasks:
            self.supervisor.keep(task)

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        """End every part in the order in which they feed each other; pending status is flushed. Idempotent."""
        end = self._clock.monotonic() + _STOP_TIMEOUT.total_seconds()
        self.supervisor.relax()
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for kind in (self._things, self._batches):
            await kind.queue.stop(timeout=_STOP_TIMEOUT / 8)
        await self.writer.flush(timeout=_STOP_TIMEOUT / 2)
        await self.writer.stop()
        await self.events.stop()
        # What the others have left of the time, and a second at least: brokers notice a closed socket anyway.
        await self.hub.close(timeout=max(1.0, end - self._clock.monotonic()))

    # --- what the probes ask

    def startup_checks(self) -> Checks:
        """Whether the operator has begun to work."""
        return startup_checks(self._progress)

    def ready_checks(self) -> Checks:
        """Whether every part of it goes on."""
        return ready_checks(
            progress=self._progress,
            supervisor=self.supervisor,
            own_watches={"secretWatch": self._secret_watch, "thingWatch": self._thing_watch},
            kopf_watches=self.watches,
            watched={
                f"thingBatchWatch{f' in {namespace}' if namespace else ''}": BATCHES.path(namespace)
                for namespace in self._settings.namespaces or (None,)
            },
        )

    def snapshot(self) -> Snapshot:
        """What the gauges of the metrics say."""
        queues = {"things": self._things.queue, "batches": self._batches.queue}
        return Snapshot(
            sessions=Counter(session.view.phase.value for session in self.hub),
            things=self._thing_reconciler.census.condition_keys(),
            each_thing=self._each_thing() if self._settings.metrics.per_thing else (),
            queues={name: (queue.depth, queue.oldest_age) for name, queue in queues.items()},
            pending_writes=self.writer.pending,
            certificate_ends=tuple(end.timestamp() for end in self._thing_reconciler.certificate_ends()),
            now=self._clock.now().timestamp(),
        )

    def _each_thing(self) -> tuple[tuple[str, str, str, str], ...]:
        return tuple(
            (key.namespace, key.name, kind, status)
            for key, standing in self._thing_reconciler.standings()
            for kind, status, _reason in standing
        )

    # --- what comes in

    def batch_event(self, event: Mapping[str, Any]) -> None:
        """A watch event of a ThingBatch."""
        self._take(self._batches, event["type"], event["object"])

    def _take(self, kind: _Kind, change: str | None, body: Mapping[str, Any]) -> None:
        if change == "DELETED":
            self._remove(kind, ObjectRecord.from_body(body))
        else:
            self._put(kind, body)

    def _put(self, kind: _Kind, body: Mapping[str, Any], *, asked_at: float | None = None) -> None:
        """Take an object as it is told of; ``asked_at``: in a list that was asked for then (monotonic)."""
        record = ObjectRecord.from_body(body)
        target, status = ObjectRef(kind.resource, record.key, record.uid), body.get("status") or {}
        self.writer.observe(target, status)
        foreign = asked_at is not None and self.writer.compare(target, status, asked_at=asked_at)
        if kind.cache.put(record) or foreign:
            kind.queue.add(record.key)

    def _remove(self, kind: _Kind, record: ObjectRecord) -> None:
        kept = kind.cache.get(record.key)
        if kept is not None and kept.uid == record.uid:
            kind.cache.remove(record.key)
        self.writer.forget(ObjectRef(kind.resource, record.key, record.uid))
        kind.queue.add(record.key)

    def _enqueue_thing(self, key: ObjectKey) -> None:
        self._things.queue.add(key)

    def _thing_has_news(self, key: ObjectKey) -> None:
        self._thing_reconciler.heard(key)

    def _secret_changed(self, secret: ObjectKey) -> None:
        self._thing_reconciler.secret_changed(secret)
        for key in self._batches.cache.users_of(secret):
            self._batches.queue.add(key)

    def _secrets_resynced(self) -> None:
        self._thing_reconciler.secrets_resynced()
        for record in self._batches.cache:
            self._batches.queue.add(record.key)

    def _status_target_gone(self, target: ObjectRef) -> None:
        for kind in (self._things, self._batches):
            record = kind.cache.get(target.key)
            if kind.resource == target.resource and record is not None and record.uid == target.uid:
                self._remove(kind, record)

    def _tell_thing(self, record: ObjectRecord, reason: Reason, message: str) -> None:
        target = ObjectRef(THINGS, record.key, record.uid)
        self.events.tell(target, reason=reason, message=message)

    def _tell_batch(self, record: ObjectRecord, reason: Reason, message: str) -> None:
        target = ObjectRef(BATCHES, record.key, record.uid)
        self.events.tell(target, reason=reason, message=message)

    # --- the API server's list: where watches begin, and what vanished while one was broken

    async def _resync_forever(self) -> None:
        while True:
            await asyncio.sleep(self._settings.resync_interval.total_seconds())
            try:
                for kind in (self._things, self._batches):
                    await self._compare_all(kind)
                self._progress.listed()
            except ThingOperatorError as error:
                self._progress.crds_missing = isinstance(error, NotFoundError)
                log.warning("the comparison with the API server's list failed: %s", error.message)
            except Exception:
                # An object that cannot be understood must not end ten thousand sessions; readiness tells.
                log.exception("the comparison with the API server's list failed unexpectedly")

    async def _compare_all(self, kind: _Kind) -> None:
        for namespace in self._settings.namespaces or (None,):
            await self._compare(kind, namespace)

    async def _list_things(self, namespace: str | None, *, after_gap: bool) -> str:  # noqa: ARG002 - always alike
        return await self._compare(self._things, namespace)

    async def _compare(self, kind: _Kind, namespace: str | None) -> str:
        """Take what is listed, drop what is not; the list's resource version. Page by page: bodies are heavy."""
        known = {record.key: record for record in kind.cache if namespace in {None, record.key.namespace}}
        version = ""
        asked_at = self._clock.monotonic()
        pages = self._client.pages(
            kind.resource, namespace=namespace, query={"limit": _PAGE}, metadata_only=False
        )
        async for page in pages:
            version = page["metadata"]["resourceVersion"]
            for body in page["items"]:
                self._put(kind, body, asked_at=asked_at)
                known.pop(ObjectKey(body["metadata"]["namespace"], body["metadata"]["name"]), None)
        for key, record in known.items():
            if kind.cache.get(key) is record:
                self._remove(kind, record)
        return version


def _read_ca(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ToolError(
            f"endpoint.caFile {file} cannot be read: {error}", reason=ToolReason.INVALID_SETTINGS
        ) from None
