"""Publishing what became of a ThingBatch: status, and an Event for each transition of Ready."""

from collections import Counter
from collections.abc import Mapping
from datetime import timedelta

from thing_operator.api.conditions import ConditionKey, ConditionType, condition_keys, find_condition
from thing_operator.api.names import BATCHES
from thing_operator.api.thingbatch import OrderStatus, ThingBatchStatus
from thing_operator.batches.status import BatchReport, build_status
from thing_operator.core.clock import Clock
from thing_operator.core.json_bytes import decode
from thing_operator.core.reasons import Reason
from thing_operator.core.resource import ObjectKey, ObjectRef
from thing_operator.kube.errors import ConflictError, InvalidObjectError
from thing_operator.kube.parsed import ParsedStatuses
from thing_operator.kube.ports import RecordEvent
from thing_operator.kube.snapshot import ObjectSnapshot
from thing_operator.kube.status_writer import StatusWriter

_PARSED_LIMIT = 8
"""Statuses kept parsed: few, since each may have a thousand things."""


class BatchPublisher:
    """Writes the status of ThingBatches through the status writer."""

    def __init__(self, *, writer: StatusWriter, record_event: RecordEvent, clock: Clock) -> None:
        self._writer = writer
        self._statuses = ParsedStatuses(writer, ThingBatchStatus, limit=_PARSED_LIMIT)
        self._record_event = record_event
        self._clock = clock
        self._published: dict[ObjectKey, frozenset[ConditionKey]] = {}

    def condition_keys(self) -> Counter[ConditionKey]:
        """Number of ThingBatches by type, status and reason of a condition, as they were last published."""
        return Counter(key for conditions in self._published.values() for key in conditions)

    def forget(self, key: ObjectKey) -> None:
        """The ThingBatch of this key is no longer there, or no longer this operator's."""
        self._published.pop(key, None)

    def held(self, snapshot: ObjectSnapshot) -> ThingBatchStatus:
        """The status that the API server holds, as far as is known."""
        return self._statuses.current(_object_ref(snapshot))

    def order_of(self, snapshot: ObjectSnapshot) -> OrderStatus | None:
        """The order in that status, without parsing a thousand things for it."""
        order = decode(self._writer.current(_object_ref(snapshot))).get("order")
        return OrderStatus.model_validate(order) if isinstance(order, Mapping) else None

    async def persist_order(
        self,
        snapshot: ObjectSnapshot,
        live: ThingBatchStatus,
        order: OrderStatus | None,
        *,
        version: str | None,
    ) -> None:
        """Have the API server hold ``live`` with this order before returning.

        ``version``: only as long as the object has this resourceVersion. Raises ConflictError when it has another.
        """
        status = live.model_copy(update={"order": order})
        try:
            await self._writer.write_through(_object_ref(snapshot), status.to_wire(), if_version=version)
        except InvalidObjectError:
            raise ConflictError("the ThingBatch was changed while its order was prepared") from None

    def publish(self, snapshot: ObjectSnapshot, report: BatchReport) -> ThingBatchStatus:
        """Write what has changed and record its Event; returns the status."""
        held = self.held(snapshot)
        status = build_status(
            report,
            previous=held.or_decided_since(self._statuses.unwritten(_object_ref(snapshot))),
            held=held,
            generation=snapshot.generation,
            now=self._clock.now(),
        )
        self._writer.enqueue(_object_ref(snapshot), status.to_wire(), urgent=True, min_interval=timedelta(0))
        self._published[snapshot.key] = condition_keys(status.conditions)
        before = find_condition(held.conditions, ConditionType.READY)
        after = find_condition(status.conditions, ConditionType.READY)
        if after and (before is None or before.reason != after.reason) and after.reason != Reason.PROGRESSING:
            self._record_event(snapshot, Reason(after.reason), after.message)
        return status

    async def publish_now(self, snapshot: ObjectSnapshot, report: BatchReport) -> None:
        """As :meth:`publish`, and the API server holds the status before this returns."""
        status = self.publish(snapshot, report)
        await self._writer.write_through(_object_ref(snapshot), status.to_wire())


def _object_ref(snapshot: ObjectSnapshot) -> ObjectRef:
    return ObjectRef(BATCHES, snapshot.key, snapshot.uid)
