"""One reconcile of one Thing, as a straight line: resolve, connect, sync, observe, publish, requeue.

Each stage takes what the stages before it have found, as frozen values, and adds one; the decisions are in the pure
modules ``resolved``, ``plan``, ``conditions``, ``status`` and ``requeue``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from thing_operator.core.clock import Clock
from thing_operator.core.resource import ObjectKey
from thing_operator.kube.ports import EnqueueAfter
from thing_operator.sharding.duties import Duties, Duty
from thing_operator.things.connect import Connect
from thing_operator.things.deletion import ThingDeletion
from thing_operator.things.families import Families
from thing_operator.things.mirror import mirror_only, mirror_report
from thing_operator.things.observe import Observe
from thing_operator.things.publisher import StatusPublisher
from thing_operator.things.registry import ThingRegistry
from thing_operator.things.sync import Sync
from thing_operator.twin.requeue import requeue_after


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
        families: Families,
        duties: Duties,
        enqueue_after: EnqueueAfter,
        recheck_in: Callable[[], timedelta],
        clock: Clock,
    ) -> None:
        """``recheck_in`` says when to check again a Thing with which something is amiss."""
        self._stages = stages
        self._registry = registry
        self._duties = duties
        self._families = families
        self._enqueue_after = enqueue_after
        self._recheck_in = recheck_in
        self._clock = clock

    async def reconcile(self, key: ObjectKey) -> timedelta | None:
        """One reconcile; returns when the next one is due if nothing that is watched changes, None for never.

        What there is of a Thing that is another process's is ended without a word to the thing or to status. Raises
        what is worth another try with backoff: trouble with the API server.
        """
        running, seen = self._registry.uids(key)
        if running is not None and self._duties.of_thing(key, running) is Duty.NONE:
            await self._stages.deletion.stand_down(key)
            running = None
        duty = self._duties.of_thing(key, seen) if seen is not None and running in {None, seen} else Duty.RUN
        if duty is Duty.RUN:
            return await self._run(key)
        if duty is Duty.PREPARE:
            await self._prepare(key)
        return None

    async def _prepare(self, key: ObjectKey) -> None:
        found = self._registry.enter(key)
        if found is not None and found[0].deleting_since is None:
            snapshot, thing = found
            await self._stages.connect.prepare(snapshot, thing, self._registry.resolve(snapshot))

    async def _run(self, key: ObjectKey) -> timedelta | None:
        stages, wait = self._stages, await self._families.wait(key)
        if wait is not None:
            if wait.is_elsewhere:
                await stages.deletion.stand_down(key)
            return wait.after
        found = self._registry.enter(key)
        if found is None:
            await stages.deletion.forget(key)
            self._families.inform(key)
            return None
        snapshot, thing = found
        steady, is_shared = None, self._families.is_shared(snapshot)
        if is_shared or thing.was_shared:
            stages.publisher.doubt(snapshot)
        thing.was_shared = is_shared
        if snapshot.parent_key is not None:
            # Whose it is changes with its parent, which may be deleted and made again elsewhere unseen by us.
            stages.publisher.base_on(snapshot)
        thing.mirror.begin()
        thing.pace.reserve(self._clock.monotonic())
        try:
            if snapshot.deleting_since is not None:
                return await stages.deletion.reconcile(snapshot, thing)
            resolution = self._registry.resolve(snapshot)
            resolution = await stages.connect.run(snapshot, thing, resolution)
            if thing.connection.session is None:
                self._registry.arrivals.forget(key)
            outcome = await stages.sync.run(snapshot, thing, resolution)
            observation = stages.observe.run(snapshot, thing, resolution, outcome)
            thing.published = stages.publisher.publish(snapshot, observation, published=thing.published)
            thing.mirror.observe(observation)
            steady = mirror_only(observation, outcome, program=thing.device.program)
            return requeue_after(
                observation,
                conditions=thing.published,
                due=outcome.requeue_after,
                retry_after=thing.requests.retry_after(),
                recheck_in=self._recheck_in(),
            )
        finally:
            self._families.inform(key)
            if thing.mirror.finish(steady):
                self._enqueue_after(key, thing.pause(self._clock.monotonic()))

    def report_broken(self, key: ObjectKey, error: Exception) -> None:
        """The reconciles of this Thing go on failing unexpectedly: its status says so."""
        found = self._registry.find(key)
        if found is not None:
            snapshot, thing = found
            thing.published = self._stages.publisher.publish_broken(
                snapshot,
                error,
                published=thing.published,
                accepted_newest=thing.requests.acceptance.newest,
                now=self._clock.now(),
            )

    def on_session_change(self, key: ObjectKey) -> None:
        """The session of this Thing sees something new: a reconcile, unless there is only a report to mirror."""
        found = self._registry.find(key)
        if found is None:
            self._enqueue_after(key, timedelta(0))
            return
        snapshot, thing = found
        self._registry.on_change(key)
        session = thing.connection.session
        if session is not None and session.view.connected:
            self._registry.arrivals.connected(key)
        if not mirror_report(snapshot, thing.mirror, session, self._stages.publisher):
            self._enqueue_after(key, thing.pause(self._clock.monotonic()))
