"""Kubernetes Events: one per transition, the same again counted instead of repeated, never in the way."""

import asyncio
import logging
import uuid
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count

from thing_operator.api import names
from thing_operator.core.clock import Clock
from thing_operator.core.errors import ThingOperatorError
from thing_operator.core.fair_queue import FairQueue
from thing_operator.core.log_limit import LogLimit
from thing_operator.core.printable import printable
from thing_operator.core.rate_limit import RateLimiter, TokenBucket
from thing_operator.core.reasons import EventType, Reason
from thing_operator.core.resource import ObjectKey, ObjectRef
from thing_operator.kube.errors import NamespaceTerminatingError, NotFoundError
from thing_operator.kube.ports import ApiClient, Operations
from thing_operator.kube.resources import EVENTS

log = logging.getLogger(__name__)

_QUEUE_LIMIT = 1000
_REMEMBERED = 4096
_COUNTED_FOR = timedelta(minutes=10)
"""For so long the same Event is counted up; after that it is a new one."""
_PER_SECOND = 10.0
_OBJECT_BURST = 20
_OBJECT_PER_SECOND = 1 / 15
_MESSAGE_LIMIT = 1024
_LEVELS = {EventType.NORMAL: logging.INFO, EventType.WARNING: logging.WARNING}


@dataclass(frozen=True, slots=True, eq=False)
class _Pending:
    """An Event that is still to be written."""

    ref: ObjectRef
    reason: Reason
    message: str


@dataclass(slots=True)
class _Recorded:
    """An Event that the API server has: its name, how often it was counted, and when last."""

    name: str
    count: int
    last: datetime


class EventRecorder:
    """Writes Events in a task of its own, by namespace in turn.

    When there are too many of one object, the newest are dropped; when there are too many of all, the newest of the
    namespace with the most.
    """

    def __init__(
        self, client: ApiClient, *, clock: Clock, on_event: Callable[[Reason], None] = lambda _reason: None
    ) -> None:
        """``on_event`` is called with the reason of each Event, whether it reaches the API server or not."""
        self._client = client
        self._on_event = on_event
        self._clock = clock
        self._queue: FairQueue[_Pending, float] = FairQueue(lambda pending: pending.ref.key.namespace)
        self._order = count()
        self._wake_up = asyncio.Event()
        self._recorded: OrderedDict[tuple[str, str, str], _Recorded] = OrderedDict()
        self._limiter = RateLimiter(_PER_SECOND, clock=clock)
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()
        self._log_limit = LogLimit(clock=clock)
        self._lost: Counter[str] = Counter()
        """By namespace: Events that were not recorded since one was."""
        self._task: asyncio.Task[None] | None = None

    def record(self, ref: ObjectRef, *, reason: Reason, message: str) -> None:
        """Record an Event about an object; its type follows from the reason. Never blocks, and logs each."""
        identity = {
            "kind": ref.resource.kind,
            "namespace": ref.key.namespace,
            "object": ref.key.name,
            "uid": ref.uid,
            "reason": reason,
        }
        log.log(_LEVELS[reason.event_type], "%s: %s: %s", ref.key, reason, message, extra=identity)
        self._on_event(reason)
        # The log has it: an object that flaps, or a fleet that starts, must not flood the API server.
        if not self._bucket(ref.uid).try_take(self._clock.monotonic()) or not self._has_room(
            ref.key.namespace
        ):
            log.debug("too many Events: %s about %s is not recorded", reason, ref.key)
            return
        self._queue.put(_Pending(ref, reason, _bounded(printable(message))), next(self._order))
        self._wake_up.set()

    def _has_room(self, namespace: str) -> bool:
        return len(self._queue) < _QUEUE_LIMIT or self._queue.crowd_out(namespace)

    async def start(self) -> asyncio.Task[None]:
        """Begin to write; the task lives until :meth:`stop`."""
        self._task = asyncio.create_task(self._run(), name="events")
        return self._task

    async def stop(self) -> None:
        """End; Events not yet written are lost. Idempotent."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _run(self) -> None:
        while True:
            self._wake_up.clear()
            if not self._queue:
                await self._wake_up.wait()
            await self._limiter.acquire()
            pending = self._queue.pop()
            if pending is not None:
                await self._record(pending)

    async def _record(self, pending: _Pending) -> None:
        key = pending.ref.key
        try:
            await self._write(pending.ref, pending.reason, pending.message)
            self._report_success(key.namespace)
        except NamespaceTerminatingError:
            log.debug("%s goes with its namespace: no Event is recorded", key)
        except ThingOperatorError as error:
            self._report_failure(key, error)
        except Exception:
            log.exception("an Event about %s was not recorded", key)

    def _report_failure(self, key: ObjectKey, error: ThingOperatorError) -> None:
        self._lost[key.namespace] += 1
        level = self._log_limit.level((key.namespace, type(error)))
        log.log(level, "an Event about %s was not recorded: %s", key, error.message)

    def _report_success(self, namespace: str) -> None:
        if lost := self._lost.pop(namespace, 0):
            log.info("Events in %s are recorded again; %d were not", namespace, lost)

    def _bucket(self, uid: str) -> TokenBucket:
        """How much is left for this object."""
        found = self._buckets.get(uid) or TokenBucket(_OBJECT_PER_SECOND, _OBJECT_BURST)
        self._buckets[uid] = found
        self._buckets.move_to_end(uid)
        if len(self._buckets) > _REMEMBERED:
            self._buckets.popitem(last=False)
        return found

    async def _write(self, ref: ObjectRef, reason: Reason, message: str) -> None:
        identity = (ref.uid, reason, message)
        recorded = self._recorded.get(identity)
        is_recent = recorded is not None and self._clock.now() - recorded.last < _COUNTED_FOR
        if recorded is not None and is_recent and await self._count_again(ref, recorded):
            return
        await self._create(ref, reason, message)

    async def _count_again(self, ref: ObjectRef, recorded: _Recorded) -> bool:
        """Count an Event up; False when the API server has let it expire."""
        recorded.count, recorded.last = recorded.count + 1, self._clock.now()
        operations: Operations = [
            {"op": "add", "path": "/count", "value": recorded.count},
            {"op": "add", "path": "/lastTimestamp", "value": _time(recorded.last)},
        ]
        try:
            await self._client.json_patch(EVENTS, ObjectKey(ref.key.namespace, recorded.name), operations)
        except NotFoundError:
            log.debug("the Event %s has expired; a new one is made", recorded.name)
            return False
        return True

    async def _create(self, ref: ObjectRef, reason: Reason, message: str) -> None:
        now, identity = self._clock.now(), (ref.uid, reason, message)
        name = f"{ref.key.name[:200]}.{uuid.uuid4().hex[:16]}"
        self._recorded[identity] = _Recorded(name, 1, now)
        self._recorded.move_to_end(identity)
        while len(self._recorded) > _REMEMBERED:
            self._recorded.popitem(last=False)
        body = _body(ref, name=name, reason=reason, message=message, now=now)
        await self._client.create(EVENTS, ref.key.namespace, body)


def _body(ref: ObjectRef, *, name: str, reason: Reason, message: str, now: datetime) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": ref.key.namespace},
        "involvedObject": {
            "apiVersion": ref.resource.api_version,
            "kind": ref.resource.kind,
            "namespace": ref.key.namespace,
            "name": ref.key.name,
            "uid": ref.uid,
        },
        "type": reason.event_type.value,
        "reason": reason,
        "message": message,
        "source": {"component": names.FIELD_MANAGER},
        "firstTimestamp": _time(now),
        "lastTimestamp": _time(now),
        "count": 1,
    }


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _bounded(message: str) -> str:
    """At most 1 KiB of UTF-8, the cut shown."""
    data = message.encode()
    if len(data) <= _MESSAGE_LIMIT:
        return message
    return data[: _MESSAGE_LIMIT - 3].decode(errors="ignore") + "..."
