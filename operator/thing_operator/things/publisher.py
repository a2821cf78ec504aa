"""Publishing what a reconcile has found: status, Events, and the paths to be managed before they are sent."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from thing_operator.api.names import THINGS
from thing_operator.api.thing import MirrorSpec, ShadowStatus, ThingStatus
from thing_operator.core.durations import parse_duration
from thing_operator.core.reasons import Reason
from thing_operator.core.resource import ObjectRef
from thing_operator.kube.ports import RecordEvent
from thing_operator.kube.snapshot import ObjectSnapshot
from thing_operator.kube.status_writer import StatusWriter
from thing_operator.things.memory import PATIENCE, ThingMemory
from thing_operator.twin.condition_counts import ON_ITS_WAY, ConditionCounts, ConditionSet, condition_keys
from thing_operator.twin.conditions import event_worthy
from thing_operator.twin.managed_paths import ManagedPaths
from thing_operator.twin.observation import Observation
from thing_operator.twin.status import broken_status, build_status, is_urgent


class StatusPublisher:
    """Writes the status of Things through the status writer, and records an Event for each transition."""

    def __init__(
        self,
        *,
        writer: StatusWriter,
        memory: ThingMemory,
        counts: ConditionCounts,
        record_event: RecordEvent,
        min_interval: timedelta,
    ) -> None:
        """``min_interval``: the least time between two writes that only mirror; a Thing may name a longer one."""
        self._writer = writer
        self._memory = memory
        self._counts = counts
        self._record_event = record_event
        self._shortest_interval = min_interval

    def stand_back(self, ref: ObjectRef) -> None:
        """Write nothing more of a Thing: another process may, and what it writes counts."""
        self._writer.stand_back(ref)

    def doubt(self, snapshot: ObjectSnapshot) -> None:
        """Another process may have written its status: what we know of it is certain once a write of ours is taken."""
        ref = _object_ref(snapshot)
        self._writer.stand_back(ref)
        self._writer.inherit(ref, version=snapshot.version)

    def base_on(self, snapshot: ObjectSnapshot) -> None:
        """Its status is written over nothing that we do not know: another process may have it by now."""
        self._writer.base_on(_object_ref(snapshot), version=snapshot.version)

    def held(self, snapshot: ObjectSnapshot) -> ThingStatus:
        """The status that the API server holds, as far as is known."""
        return self._memory.status(_object_ref(snapshot))

    def previous(self, snapshot: ObjectSnapshot) -> ThingStatus:
        """The status that was decided last, whether or not the API server has it by now."""
        return self.held(snapshot).or_decided_since(self._memory.unwritten(_object_ref(snapshot)))

    def managed(self, snapshot: ObjectSnapshot) -> ManagedPaths:
        """What a Thing may have set in its shadow by now, as the API server holds it."""
        return self._memory.managed(_object_ref(snapshot))

    async def persist(
        self,
        snapshot: ObjectSnapshot,
        managed: ManagedPaths,
        *,
        published: ConditionSet | None,
        observe: Callable[[], Observation],
    ) -> None:
        """Have the API server hold ``managed`` before anything that it stands for is sent: see ThingMemory."""
        await self._memory.persist(
            _object_ref(snapshot),
            managed,
            generation=snapshot.generation,
            has_company=self._has_company(published),
            observe=observe,
        )

    def publish(
        self, snapshot: ObjectSnapshot, observation: Observation, *, published: ConditionSet | None
    ) -> ConditionSet:
        """Write what has changed and record its Events; returns the conditions, to be given back as ``published``."""
        status = build_status(observation)
        return self._publish(
            snapshot, status, held=observation.held, mirror=observation.mirror, published=published
        )

    def publish_broken(
        self,
        snapshot: ObjectSnapshot,
        error: Exception,
        *,
        published: ConditionSet | None,
        accepted_newest: int | None,
        now: datetime,
    ) -> ConditionSet:
        """Say that the reconciles of a Thing fail by a fault of the operator's; all else stands as it was."""
        held = self.held(snapshot)
        status = broken_status(
            self.previous(snapshot),
            error,
            generation=snapshot.generation,
            now=now,
            held=held,
            accepted_newest=accepted_newest,
        )
        return self._publish(snapshot, status, held=held, mirror=None, published=published)

    def _publish(
        self,
        snapshot: ObjectSnapshot,
        status: ThingStatus,
        *,
        held: ThingStatus,
        mirror: MirrorSpec | None,
        published: ConditionSet | None,
    ) -> ConditionSet:
        before = published or condition_keys(held.conditions)
        for condition in event_worthy(before, status.conditions):
            self._record_event(snapshot, Reason.of(condition.reason), condition.message)
        conditions = condition_keys(status.conditions)
        can_wait = ON_ITS_WAY in conditions and self._has_company(published)
        self._writer.enqueue(
            _object_ref(snapshot),
            status.to_wire(),
            urgent=not can_wait and is_urgent(held, status),
            min_interval=self._min_interval(mirror),
            patience=PATIENCE if can_wait else timedelta(0),
        )
        return self._counts.move(published, conditions)

    def _has_company(self, published: ConditionSet | None) -> bool:
        """Whether other Things than the one of these conditions are on their way, too."""
        itself = int(published is not None and ON_ITS_WAY in published)
        return self._memory.is_busy or self._counts.of(ON_ITS_WAY) > itself

    def mirror(
        self, snapshot: ObjectSnapshot, shadow: Callable[[], ShadowStatus], spec: MirrorSpec | None
    ) -> None:
        """Bring what was reported into status and leave the rest of it as it is; ``shadow`` makes it when it is due."""

        def part() -> dict[str, Any]:
            return {"shadow": shadow().to_wire()}

        self._writer.patch(_object_ref(snapshot), part, min_interval=self._min_interval(spec))

    def _min_interval(self, mirror: MirrorSpec | None) -> timedelta:
        own = mirror.min_interval if mirror else None
        return max(parse_duration(own), self._shortest_interval) if own else self._shortest_interval


def _object_ref(snapshot: ObjectSnapshot) -> ObjectRef:
    return ObjectRef(THINGS, snapshot.key, snapshot.uid)
