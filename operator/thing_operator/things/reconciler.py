"""One reconcile of one Thing, as a straight line: resolve, connect, sync, observe, publish, requeue.

Each stage takes what the stages before it have found, as frozen values, and adds one; the decisions are in the pure
modules ``resolved``, ``plan``, ``conditions``, ``status`` and ``requeue``.
"""

from dataclasses import dataclass
from datetime import timedelta

from thing_operator.config import EndpointSettings
from thing_operator.core.clock import Clock
from thing_operator.core.resource import ObjectKey
from thing_operator.kube.ports import EnqueueAfter
from thing_operator.things.connect import Connect
from thing_operator.things.deletion import ThingDeletion
from thing_operator.things.gates import RetryGates
from thing_operator.things.mirror import mirror_only, mirror_report
from thing_operator.things.observe import Observe
from thing_operator.things.publisher import StatusPublisher
from thing_operator.things.registry import ThingRegistry
from thing_operator.things.sync import Sync
from thing_operator.twin.requeue import requeue_after
from thing_operator.twin.resolved import resolve


@dataclass(frozen=True, slots=True)
class Stages:
    """What a reconcile goes through, in this order; ``deletion`` instead of it for a Thing being deleted."""

    connect: Connect
    sync: Sync
    observe: Observe
    publisher: StatusPublisher
    deletion: ThingDeletion


class ThingReconciler:
    """Brings each Thing, its session and its shadow together. One instance a process; called by the queue."""

    def __init__(
        self,
        stages: Stages,
        *,
        registry: ThingRegistry,
        settings: EndpointSettings,
        enqueue_after: EnqueueAfter,
        gates: RetryGates,
        clock: Clock,
    ) -> None:
        self._stages = stages
        self._registry = registry
        self._settings = settings
        self._enqueue_after = enqueue_after
        self._gates = gates
        self._clock = clock

    async def reconcile(self, key: ObjectKey) -> timedelta | None:
        """One reconcile; returns when the next one is due if nothing that is watched changes, None for never.

        Raises what is worth another try with backoff: trouble with the API server.
        """
        stages, found = self._stages, self._registry.enter(key)
        if found is None:
            await stages.deletion.forget(key)
            return None
        snapshot, thing = found
        steady = None
        thing.mirror.begin()
        thing.pace.reserve(self._clock.monotonic())
        try:
            if snapshot.deleting_since is not None:
                return await stages.deletion.reconcile(snapshot, thing)
            resolution = resolve(snapshot, settings=self._settings)
            resolution = await stages.connect.run(snapshot, thing, resolution)
            outcome = await stages.sync.run(snapshot, thing, resolution)
            observation = stages.observe.run(snapshot, thing, resolution, outcome)
            thing.published = stages.publisher.publish(snapshot, observation, published=thing.published)
            steady = mirror_only(observation, outcome, program=thing.device.program)
            return requeue_after(
                observation,
                conditions=thing.published,
                due=outcome.requeue_after,
                retry_after=thing.requests.retry_after(),
                recheck_in=self._gates.recheck_in(),
            )
        finally:
            if thing.mirror.finish(steady):
                self._enqueue_after(key, thing.pause(self._clock.monotonic()))

    def report_broken(self, key: ObjectKey, error: Exception) -> None:
        """The reconciles of this Thing go on failing unexpectedly: its status says so."""
        found = self._registry.find(key)
        if found is not None:
            snapshot, thing = found
            thing.published = self._stages.publisher.publish_broken(
                snapshot, error, published=thing.published, now=self._clock.now()
            )

    async def stand_down(self, key: ObjectKey) -> None:
        """Another operator runs this Thing: end what we have of it without a word to the thing or to status."""
        await self._stages.deletion.stand_down(key)

    def on_session_change(self, key: ObjectKey) -> None:
        """The session of this Thing sees something new: a reconcile, unless there is only a report to mirror."""
        found = self._registry.find(key)
        if found is None:
            self._enqueue_after(key, timedelta(0))
            return
        snapshot, thing = found
        if not mirror_report(snapshot, thing.mirror, thing.connection.session, self._stages.publisher):
            self._enqueue_after(key, thing.pause(self._clock.monotonic()))
