"""The operator put together: watches in front, the controllers behind them, one hub of sessions.

What comes in is only translated: an event becomes a snapshot in a cache and a key on a queue.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Protocol, Self

from thing_operator.app.controllers import Controllers
from thing_operator.app.leases import callbacks_of, vouches
from thing_operator.app.moves import recover_intents
from thing_operator.app.replica import Replica
from thing_operator.app.supervisor import Supervisor
from thing_operator.app.watches import Watches
from thing_operator.config import Settings
from thing_operator.core.clock import Clock, SystemClock
from thing_operator.core.memory_budget import MemoryBudget
from thing_operator.kube.ports import ApiClient
from thing_operator.leadership.leadership import Leadership
from thing_operator.mqtt.ports import Connector
from thing_operator.observability.metrics import Metrics, Snapshot
from thing_operator.session import Hub

_STOP_TIMEOUT = timedelta(seconds=8)
"""SIGTERM ends the process in under 10 s with 1,000 sessions."""


class RunningBridge(Protocol):
    """The bridge, as far as the operator has to do with it."""

    @property
    def streams(self) -> int:
        """How many streams of events are open."""

    async def stop(self) -> None:
        """End it: once the other replicas have what was this one's, and before anything else ends."""


class Operator:
    """Owns every part of the running operator; an async context manager.

    ``replica``: which of several that share the objects this process is. ``connector`` is the network to the brokers;
    tests bring their own. ``on_kopf_start`` is called each time that kopf has begun, and has taken the process' signals
    over.
    """

    bridge: RunningBridge | None = None
    """Whoever has begun one beside the operator sets it; it ends with the operator."""

    def __init__(
        self,
        *,
        client: ApiClient,
        settings: Settings,
        metrics: Metrics,
        leadership: Leadership,
        replica: Replica | None = None,
        clock: Clock | None = None,
        connector: Connector | None = None,
        on_kopf_start: Callable[[], None] = lambda: None,
    ) -> None:
        self._settings = settings
        self._clock = clock or SystemClock()
        self.replica = replica or Replica()
        self.budget = MemoryBudget(settings.memory_budget)
        duties = self.replica.duties(leadership)
        self.hub = Hub(
            session=settings.session,
            pacing=settings.pacing,
            shadow=settings.shadow,
            budget=self.budget,
            sharers=duties.connecting,
            observer=metrics,
            now=self._clock.now,
            connector=connector,
        )
        self.controllers = Controllers(
            client=client,
            hub=self.hub,
            settings=settings,
            metrics=metrics,
            duties=duties,
            spec_is_current=self._spec_is_current,
            secrets_seen=self._secrets_seen,
            clock=self._clock,
        )
        self.leadership = leadership
        self.watches = Watches(
            client,
            self.controllers,
            settings=settings,
            observer=metrics,
            clock=self._clock,
            on_kopf_start=on_kopf_start,
        )
        self.replica.watched.follow(self.watches.of_things)
        self.supervisor = Supervisor()
        self._tasks: list[asyncio.Task[None]] = []

    # --- start and stop

    async def __aenter__(self) -> Self:
        """Begins when what is watched is listed, however long that takes; not at all when it is to end before."""
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def _start(self) -> None:
        controllers = self.controllers
        for start in (
            self.hub.start,
            controllers.writer.start,
            controllers.events.start,
            controllers.intents.start,
        ):
            self.supervisor.watch_task(await start())
        # Before the lists: what is ours by then nobody else writes after them, and its share alone is listed.
        for begin in (self._start_replica, self._start_leadership):
            if not await self.supervisor.unless_ended(begin()):
                return
        for task in self.watches.start():
            self._tasks.append(task)
            self.supervisor.watch_task(task)
        # The whole list before the first reconcile: which of two Things is the older must not depend on the order
        # in which the watch shows them.
        if not await self.supervisor.unless_ended(self.watches.wait_for_lists()):
            return
        # Else each object would be reconciled in vain, and again a moment later.
        if not await self.supervisor.unless_ended(self.leadership.wait_for_grace()):
            return
        if not await self.supervisor.unless_ended(self._recover_intents()):
            return
        for controller in controllers:
            self.supervisor.watch_task(await controller.queue.start())
        self.replica.begin()
        self.watches.progress.has_begun = True

    async def _recover_intents(self) -> None:
        """Know what an earlier process was about to send: everywhere, since a Lease that is ours by now may be run on
        later, and nothing is read again for that.
        """
        await recover_intents(self.controllers.intents)

    def _spec_is_current(self, namespace: str) -> bool:
        """Whether there may be no newer spec than is known: the API server answers, and shows the Things there."""
        unseen = self.watches.things_unseen_for(namespace)
        return vouches(self.leadership, namespace) and unseen <= self._settings.spec_max_age

    def _secrets_seen(self, namespace: str) -> str | None:
        return self.watches.secrets_seen(namespace)

    async def _start_replica(self) -> None:
        for task in await self.replica.start(self.controllers, pacing=self._settings.pacing):
            self.supervisor.watch_task(task)

    async def _start_leadership(self) -> None:
        for task in await self.leadership.start(callbacks_of(self.controllers, self.leadership)):
            self.supervisor.watch_task(task)

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Have the other replicas take what is ours, then end every part in the order in which they feed each other;
        pending status is flushed. Idempotent.
        """
        if self.supervisor.check().ok:
            await self.replica.drain(self._settings.sharding.drain_timeout)
        end = self._clock.monotonic() + _STOP_TIMEOUT.total_seconds()
        if self.bridge is not None:
            await self.bridge.stop()
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
        await controllers.intents.stop()
        await controllers.events.stop()
        # What the others have left of the time, and a second at least: brokers notice a closed socket anyway.
        left = timedelta(seconds=max(1.0, end - self._clock.monotonic()))
        await self.hub.close(timeout=left)
        # Last, so that who waits for our Leases meets none of our sessions.
        await self.leadership.stop(release=self.replica.is_last)
        await self.replica.stop()

    # --- what metrics ask

    def snapshot(self) -> Snapshot:
        """What the gauges of the metrics show."""
        registry, controllers = self.controllers.registry, self.controllers
        values, values_in_all = registry.values(self._settings.metrics.max_values)
        return Snapshot(
            sessions=Counter((each.spec.endpoint.address, each.view.phase.value) for each in self.hub),
            things=registry.counts.condition_keys(),
            batches=controllers.batch_conditions(),
            each_thing=self._each_thing() if self._settings.metrics.per_thing else (),
            values=values,
            values_in_all=values_in_all,
            queues={each.name: (each.queue.depth, each.queue.oldest_age) for each in controllers},
            tasks=len(asyncio.all_tasks()),
            pending_writes=controllers.writer.backlog,
            intents=len(controllers.intents),
            uses_intent_log=not controllers.intents.trouble,
            duplicates=registry.claims.duplicates(),
            certificate_ends=tuple(end.timestamp() for end in registry.certificate_ends()),
            leases=self.leadership.counts(),
            shards=self.replica.figures(),
            memory_budget=self.budget.total,
            memory_held=self.budget.used,
            bridge_streams=self.bridge.streams if self.bridge else None,
            api_silence=self.leadership.contact.silence.total_seconds(),
            now=self._clock.now().timestamp(),
        )

    def _each_thing(self) -> tuple[tuple[str, str, str, str], ...]:
        return tuple(
            (key.namespace, key.name, kind, status)
            for key, conditions in self.controllers.registry.condition_sets()
            for kind, status, _reason in conditions
        )
