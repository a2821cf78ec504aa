"""The operator put together: watches in front, the controllers behind them, one hub of sessions.

What comes in is only translated: an event becomes a snapshot in a cache and a key on a queue. Things, which come
by the thousand, have a watch of our own (``kube.watch``); ThingBatches come from kopf (``app.run``).
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Self

from thing_operator.app.controllers import Controllers
from thing_operator.app.probes import Progress
from thing_operator.app.supervisor import Supervisor
from thing_operator.config import Settings
from thing_operator.core.clock import Clock, SystemClock
from thing_operator.core.errors import ThingOperatorError, ToolError
from thing_operator.core.reasons import ToolReason
from thing_operator.kube.errors import NotFoundError
from thing_operator.kube.ports import ApiClient, WatchEvent
from thing_operator.kube.secret_watch import SecretWatch
from thing_operator.kube.watch import Watch
from thing_operator.observability.metrics import Metrics, Snapshot
from thing_operator.session import Hub

log = logging.getLogger(__name__)

_STOP_TIMEOUT = timedelta(seconds=8)
"""SIGTERM ends the process in under 10 s with 1,000 sessions."""


class Operator:
    """Owns every part of the running operator; an async context manager."""

    def __init__(
        self, *, client: ApiClient, settings: Settings, metrics: Metrics, clock: Clock | None = None
    ) -> None:
        self._settings = settings
        self._clock = clock or SystemClock()
        self.hub = Hub(
            session=settings.session, pacing=settings.pacing, shadow=settings.shadow, observer=metrics
        )
        self.controllers = Controllers(
            client=client, hub=self.hub, settings=settings, metrics=metrics, clock=self._clock
        )
        self.secret_watch = SecretWatch(
            client,
            namespaces=settings.namespaces,
            on_secret=self.controllers.on_secret_change,
            on_resync=self.controllers.on_secrets_resync,
            clock=self._clock,
        )
        self.thing_watch = Watch(
            client,
            self.controllers.things.informer.resource,
            namespaces=settings.namespaces,
            begin=self.controllers.things.informer.relist_namespace,
            on_event=self._thing_event,
            clock=self._clock,
        )
        self.supervisor = Supervisor()
        self.progress = Progress(clock=self._clock, resync_interval=settings.resync_interval)
        self._tasks: list[asyncio.Task[None]] = []

    # --- start and stop

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def _start(self) -> None:
        controllers = self.controllers
        for start in (self.hub.start, controllers.writer.start, controllers.events.start):
            self.supervisor.watch_task(await start())
        await self.secret_watch.prepare()
        # The whole list before the first reconcile: which of two Things is the older must not depend on the order
        # in which the watch shows them.
        try:
            await self.thing_watch.prepare()
            await controllers.batches.informer.relist()
            self.progress.listed()
        except NotFoundError:
            raise ToolError(
                "the cluster does not know Things: install the CRDs (thing-operator crds | kubectl apply -f -)",
                reason=ToolReason.CRDS_MISSING,
            ) from None
        for controller in controllers:
            self.supervisor.watch_task(await controller.queue.start())
        self._tasks = [
            asyncio.create_task(self.secret_watch.run(), name="secret watch"),
            asyncio.create_task(self.thing_watch.run(), name="thing watch"),
            asyncio.create_task(self._relist_forever(), name="resync"),
        ]
        for task in self._tasks:
            self.supervisor.watch_task(task)

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        """End every part in the order in which they feed each other; pending status is flushed. Idempotent."""
        end = self._clock.monotonic() + _STOP_TIMEOUT.total_seconds()
        self.supervisor.stop_watching()
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        controllers = self.controllers
        for controller in controllers:
            await controller.queue.stop(timeout=_STOP_TIMEOUT / 8)
        await controllers.writer.flush(timeout=_STOP_TIMEOUT / 2)
        await controllers.writer.stop()
        await controllers.events.stop()
        # What the others have left of the time, and a second at least: brokers notice a closed socket anyway.
        left = timedelta(seconds=max(1.0, end - self._clock.monotonic()))
        await self.hub.close(timeout=left)

    # --- what metrics ask

    def snapshot(self) -> Snapshot:
        """What the gauges of the metrics show."""
        registry, controllers = self.controllers.registry, self.controllers
        return Snapshot(
            sessions=Counter(session.view.phase.value for session in self.hub),
            things=registry.counts.condition_keys(),
            each_thing=self._each_thing() if self._settings.metrics.per_thing else (),
            queues={each.name: (each.queue.depth, each.queue.oldest_age) for each in controllers},
            pending_writes=controllers.writer.backlog,
            certificate_ends=tuple(end.timestamp() for end in registry.certificate_ends()),
            now=self._clock.now().timestamp(),
        )

    def _each_thing(self) -> tuple[tuple[str, str, str, str], ...]:
        return tuple(
            (key.namespace, key.name, kind, status)
            for key, conditions in self.controllers.registry.condition_sets()
            for kind, status, _reason in conditions
        )

    # --- what comes in

    def batch_event(self, event: Mapping[str, Any]) -> None:
        """A watch event of a ThingBatch, as kopf hands it over."""
        self.controllers.batches.informer.on_event(event["type"], event["object"])

    def _thing_event(self, event: WatchEvent) -> None:
        self.controllers.things.informer.on_event(event.kind, event.body)

    # --- what vanished while a watch was broken

    async def _relist_forever(self) -> None:
        while True:
            await asyncio.sleep(self._settings.resync_interval.total_seconds())
            try:
                for controller in self.controllers:
                    await controller.informer.relist()
                self.progress.listed()
            except ThingOperatorError as error:
                self.progress.crds_missing = isinstance(error, NotFoundError)
                log.warning("the comparison with the API server's list failed: %s", error.message)
            except Exception:
                # An object that cannot be understood must not end ten thousand sessions; readiness reports it.
                log.exception("the comparison with the API server's list failed unexpectedly")
