"""The controllers of both kinds, put together."""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta

from thing_operator.api.names import BATCHES, THINGS
from thing_operator.app.status_writes import StatusWriter, make_intent_log, make_status_writer
from thing_operator.batches.wiring import wire_batches
from thing_operator.config import Settings, read_ca_file
from thing_operator.core.clock import Clock
from thing_operator.core.resource import ObjectKey, ObjectRef, Resource
from thing_operator.informing.controller import Broken, Controller, Reconcile
from thing_operator.kube.events import EventRecorder
from thing_operator.kube.ports import ApiClient, Body, RecordEvent
from thing_operator.observability.metrics import Metrics
from thing_operator.session import Hub
from thing_operator.sharding.duties import Duties, Duty
from thing_operator.things.services import ThingServices
from thing_operator.things.wiring import Things, wire_things

_THINGS_AT_A_TIME = 64
_PLACE_FOR = timedelta(seconds=1)
"""A shadow service answers in milliseconds, or not for fifteen seconds: who is edited, suspended or deleted is not to
wait for those that wait for it.
"""
_BATCHES_AT_A_TIME = 4


class Controllers:
    """Things and ThingBatches, with what they share: one status writer, one event recorder, one hub of sessions."""

    def __init__(
        self,
        *,
        client: ApiClient,
        hub: Hub,
        settings: Settings,
        metrics: Metrics,
        duties: Duties,
        spec_is_current: Callable[[str], bool],
        secrets_seen: Callable[[str], str | None],
        clock: Clock,
    ) -> None:
        """``duties``: what is this process's to run. ``spec_is_current``: whether what is known of the specs in a
        namespace can be vouched for; ``secrets_seen``: the newest resource version that is known of its Secrets.
        """
        self._client = client
        self.duties = duties
        self._spec_is_current, self._secrets_seen = spec_is_current, secrets_seen
        self._settings, self._metrics = settings, metrics
        self._clock, self._budget = clock, hub.budget
        self._rng = random.Random()  # noqa: S311 - jitter, not secrets
        self.events = EventRecorder(client, clock=clock, on_event=metrics.event)
        self.writer = self._status_writer()
        self.things = self._things_controller()
        self.batches = self._controller(
            BATCHES, "batches", self._reconcile_batch, self._batch_broken, concurrency=_BATCHES_AT_A_TIME
        )
        self.intents = make_intent_log(
            client,
            settings,
            self.things.cache,
            self.writer,
            duties=duties,
            observer=metrics,
            clock=clock,
        )
        self._things = self._wire_things(hub)
        self.registry = self._things.registry
        self._batches = wire_batches(
            cache=self.batches.cache,
            client=client,
            writer=self.writer,
            settings=settings.batch,
            may_order=duties.may_order,
            record_event=self._recorder(BATCHES),
            clock=clock,
            rng=self._rng,
        )

    def __iter__(self) -> Iterator[Controller]:
        return iter((self.things, self.batches))

    def batch_conditions(self) -> Counter[tuple[str, str, str]]:
        """Number of ThingBatches by type, status and reason of a condition."""
        return self._batches.condition_keys()

    def on_secret_change(self, secret: ObjectKey) -> None:
        """A Secret was created, changed or deleted: who uses it reads it again."""
        self.registry.secret_changed(secret)
        self.batches.enqueue_referrers(secret)

    def on_secrets_resync(self) -> None:
        """The Secret watch had a gap: everybody reads Secrets again."""
        self.registry.secrets_resynced()
        self.batches.enqueue_all()

    async def end_left_sessions(self, shards: frozenset[int]) -> None:
        """End the sessions that deleted Things of these shards have left."""
        await self._things.sessions.end_left(lambda uid: self.duties.shard(uid) in shards)

    def on_leadership_change(self, namespace: str | None) -> None:
        """This operator begins or ceases to run a namespace, or all."""
        for controller in self:
            controller.enqueue_namespace(namespace)

    # The controllers come first: the reconcilers read their caches.

    async def _reconcile_thing(self, key: ObjectKey) -> timedelta | None:
        return await self._things.reconciler.reconcile(key)

    def _is_on_its_way(self, key: ObjectKey) -> bool:
        return self.registry.is_on_its_way(key)

    def _is_to_be_prepared(self, key: ObjectKey) -> bool:
        """Whether a Thing is to be this process's and nothing was read for it yet: that is done for a few at a time, or
        when the Thing is ours, and not for all that are listed.
        """
        snapshot = self.things.cache.get(key)
        if snapshot is None or self.registry.runtime(key) is not None:
            return False
        return self.duties.of_thing(key, snapshot.uid) is Duty.PREPARE

    async def _reconcile_batch(self, key: ObjectKey) -> timedelta | None:
        if self.duties.runs_batch(key):
            return await self._batches.reconcile(key)
        snapshot = self.batches.cache.get(key)
        if snapshot is not None:
            self.writer.stand_back(ObjectRef(BATCHES, key, snapshot.uid))
        self._batches.forget(key)
        return None

    def _thing_broken(self, key: ObjectKey, error: Exception) -> None:
        self._things.reconciler.report_broken(key, error)

    def _batch_broken(self, key: ObjectKey, error: Exception) -> None:
        self._batches.report_broken(key, error)

    def _on_outdated(self, ref: ObjectRef, body: Body) -> None:
        for controller in self:
            if controller.informer.resource == ref.resource:
                controller.informer.on_event(None, body)
                controller.queue.add(ref.key)

    def _on_deleted(self, ref: ObjectRef) -> None:
        for controller in self:
            controller.informer.on_deleted(ref)

    def _status_writer(self) -> StatusWriter:
        return make_status_writer(
            self._client,
            writes_per_second=self._settings.status.writes_per_second,
            duties=self.duties,
            on_deleted=self._on_deleted,
            on_outdated=self._on_outdated,
            is_spec_coming=lambda: self.things.queue.has_urgent,
            observer=self._metrics,
            clock=self._clock,
            rng=self._rng,
        )

    def _things_controller(self) -> Controller:
        return self._controller(
            THINGS,
            "things",
            self._reconcile_thing,
            self._thing_broken,
            is_urgent=self._is_on_its_way,
            has_its_turn=self._is_to_be_prepared,
            concurrency=_THINGS_AT_A_TIME,
            place_for=_PLACE_FOR,
        )

    def _controller(
        self,
        resource: Resource,
        name: str,
        reconcile: Reconcile,
        on_broken: Broken,
        *,
        is_urgent: Callable[[ObjectKey], bool] = lambda _key: False,
        has_its_turn: Callable[[ObjectKey], bool] = lambda _key: False,
        concurrency: int,
        place_for: timedelta | None = None,
    ) -> Controller:
        return Controller(
            self._client,
            resource,
            name=name,
            reconcile=reconcile,
            concurrency=concurrency,
            place_for=place_for,
            namespaces=self._settings.namespaces,
            writer=self.writer,
            on_reconciled=self._on_reconciled,
            on_broken=on_broken,
            is_urgent=is_urgent,
            has_its_turn=has_its_turn,
            budget=self._budget,
            clock=self._clock,
            rng=self._rng,
        )

    def _wire_things(self, hub: Hub) -> Things:
        # A networked child is divided among replicas by the uid of its parent.
        self.duties.owner_uid = self.things.cache.owner_uid
        self.duties.knows_owner = self.things.cache.knows_owner
        ca_file = self._settings.endpoint.ca_file
        services = ThingServices(
            client=self._client,
            hub=hub,
            cache=self.things.cache,
            writer=self.writer,
            intents=self.intents,
            settings=self._settings,
            default_ca=read_ca_file(ca_file) if ca_file else None,
            enqueue=self.things.queue.add,
            enqueue_after=lambda key, delay: self.things.queue.add(key, delay=delay),
            record_event=self._recorder(THINGS),
            observer=self._metrics,
            spec_is_current=self._spec_is_current,
            duties=self.duties,
            secrets_seen=self._secrets_seen,
            clock=self._clock,
            rng=self._rng,
        )
        return wire_things(services)

    def _recorder(self, resource: Resource) -> RecordEvent:
        return lambda snapshot, reason, message: self.events.record(
            ObjectRef(resource, snapshot.key, snapshot.uid), reason=reason, message=message
        )

    def _on_reconciled(self, name: str, good: bool, seconds: float) -> None:  # noqa: FBT001 - a callback's order
        self._metrics.reconciled(queue=name, good=good, seconds=seconds)
