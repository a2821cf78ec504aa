"""The one writer of every status: last value wins, little is written, and what matters goes first.

Status writes are the scarcest resource of the whole system. The writer keeps what the API
server holds, drops what would change nothing, spaces the writes of one object, spends a global budget
fairly, and never loses the last value.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any

from thing_operator.core.backoff import Backoff
from thing_operator.core.clock import Clock
from thing_operator.core.errors import ThingOperatorError
from thing_operator.core.json_bytes import decode, encode, encoded
from thing_operator.core.keyed_heap import KeyedHeap
from thing_operator.core.rate_limit import RateLimiter
from thing_operator.core.resource import ObjectRef
from thing_operator.kube.client import KubeClient, Operations
from thing_operator.kube.errors import (
    ApiUnavailableError,
    InvalidObjectError,
    NotFoundError,
    ThrottledError,
)
from thing_operator.kube.status_entry import NOTHING, Encoded, StatusEntry, same
from thing_operator.observability.observers import WriteObserver

log = logging.getLogger(__name__)

Status = Mapping[str, Any]

_PARALLEL = 10


class StatusWriter:
    """Writes the statuses of all objects, each as the last one submitted, within ``writes_per_second``.

    ``on_deleted`` is called when an object turns out to be deleted or recreated; ``retry`` spaces what failed.
    """

    def __init__(
        self,
        client: KubeClient,
        *,
        writes_per_second: float,
        retry: Backoff,
        clock: Clock,
        on_deleted: Callable[[ObjectRef], None],
        observer: WriteObserver | None = None,
    ) -> None:
        self._client = client
        self._clock = clock
        self._on_deleted = on_deleted
        self._observer = observer or WriteObserver()
        self._limiter = RateLimiter(writes_per_second, clock=clock)
        self._retry = retry
        self._entries: dict[ObjectRef, StatusEntry] = {}
        self._waiting: KeyedHeap[ObjectRef, float] = KeyedHeap()
        self._due: KeyedHeap[ObjectRef, tuple[bool, float]] = KeyedHeap()
        self._writing: dict[ObjectRef, asyncio.Task[None]] = {}
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._failing = False

    # --- what is known

    def observe(self, target: ObjectRef, status: Status) -> None:
        """What the API server is seen to hold. Counts only when nothing is known yet: the one who writes knows."""
        entry = self._entry(target)
        if entry.held is None:
            entry.held = encode(status)

    def compare(self, target: ObjectRef, status: Status, *, asked_at: float) -> bool:
        """Hold what a list shows that was asked for at ``asked_at`` (monotonic) against what is known.

        True when somebody else has written: then the next :meth:`submit` writes, even what was written before.
        A list and not the watch, which may tell of the past: so two writers meet once a resync, and not for ever.
        """
        entry = self._entry(target)
        quiet = not (entry.lock.locked() or entry.maybe or entry.wanted is not None)
        held = entry.held if quiet and entry.last_write < asked_at else None
        if held is None or same(held, found := encode(status)):
            return False
        entry.maybe = (found,)
        return True

    def held(self, target: ObjectRef) -> bytes:
        """What the API server holds, as far as we know, as JSON; the same object until it changes."""
        entry = self._entries.get(target)
        return (entry.held if entry else None) or NOTHING

    @property
    def pending(self) -> int:
        """Statuses that wait to be written."""
        return sum(entry.wanted is not None for entry in self._entries.values())

    def possible(self, target: ObjectRef) -> tuple[bytes, ...]:
        """All that the API server may hold until the next :meth:`write`: what it holds, and what is on its way."""
        entry = self._entries.get(target)
        if entry is None:
            return ()
        return tuple(each for each in (entry.held, *entry.maybe, entry.wanted) if each is not None)

    def forget(self, target: ObjectRef) -> None:
        """Drop what is kept of a deleted object."""
        entry = self._entries.pop(target, None)
        if entry is not None:
            self._withdraw(target, entry)

    # --- writing

    def submit(self, target: ObjectRef, status: Status, *, urgent: bool, min_interval: timedelta) -> None:
        """Have the object's status become this: soon if ``urgent``, else when its interval and the budget allow."""
        self._submit(target, self._entry(target), encode(status), urgent=urgent, min_interval=min_interval)

    def amend(self, target: ObjectRef, part: Status, *, min_interval: timedelta) -> None:
        """Have these fields of the status become so, and the others as they were wanted last; not urgent."""
        entry = self._entry(target)
        status = decode(entry.latest) | part
        self._submit(target, entry, encode(status), urgent=False, min_interval=min_interval)

    def _submit(
        self, target: ObjectRef, entry: StatusEntry, wanted: Encoded, *, urgent: bool, min_interval: timedelta
    ) -> None:
        if not entry.lock.locked() and entry.is_held(wanted):
            self._withdraw(target, entry)
            self._observer.suppressed()
            return
        if entry.wanted is None:
            entry.changed_at = self._clock.monotonic()
        entry.urgent = urgent or (entry.urgent and entry.wanted is not None)
        entry.wanted = wanted
        entry.min_interval = min_interval.total_seconds()
        self._schedule(target, entry)

    async def write(self, target: ObjectRef, status: Status, *, if_version: str | None = None) -> None:
        """Have the API server hold this status before returning; raises what it answers otherwise.

        ``if_version``: only as long as the object has this resourceVersion, else InvalidObjectError.
        """
        entry = self._entry(target)
        async with entry.lock:
            self._withdraw(target, entry)
            await self._limiter.acquire(urgent=True)
            await self._patch(target, entry, encode(status), if_version=if_version)

    async def landed(self, target: ObjectRef) -> None:
        """Wait for the write of this object that is under way, if one is."""
        task = self._writing.get(target)
        if task is not None:
            await asyncio.wait((task,))

    async def start(self) -> asyncio.Task[None]:
        """Begin to write what is submitted; the task lives until :meth:`stop`."""
        self._task = asyncio.create_task(self._run(), name="status writer")
        return self._task

    async def flush(self, *, timeout: timedelta) -> None:
        """Write what is pending, intervals or not, as far as it can be done in time."""
        for target, entry in self._entries.items():
            if entry.wanted is not None:
                entry.urgent, entry.not_before = True, 0.0
                self._schedule(target, entry)
        try:
            async with asyncio.timeout(timeout.total_seconds()):
                while self._waiting or self._due or self._writing:
                    if self._task is None or self._task.done():
                        return
                    if self._writing:
                        await asyncio.wait(self._writing.values(), return_when=asyncio.FIRST_COMPLETED)
                    else:
                        await asyncio.sleep(0.01)
        except TimeoutError:
            left = len(self._waiting) + len(self._due) + len(self._writing)
            log.warning("%d status writes were not made before the end", left)

    async def stop(self) -> None:
        """End; what is pending is lost (see :meth:`flush`). Idempotent."""
        tasks = [*self._writing.values(), *([self._task] if self._task else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._task = None

    # --- inside

    def _entry(self, target: ObjectRef) -> StatusEntry:
        entry = self._entries.get(target)
        if entry is None:
            entry = self._entries[target] = StatusEntry()
        return entry

    def _withdraw(self, target: ObjectRef, entry: StatusEntry) -> None:
        """Nothing of this object is left to be written."""
        self._waiting.discard(target)
        self._due.discard(target)
        entry.wanted = None
        entry.urgent = False

    def _schedule(self, target: ObjectRef, entry: StatusEntry) -> None:
        """Line the object up for what it wants; one that is being written lines up again when that is done."""
        if target not in self._writing:
            self._due.discard(target)
            self._waiting.put(target, entry.due_at)
            self._news.set()

    async def _run(self) -> None:
        while True:
            self._news.clear()
            pause = self._collect_due()
            if not self._due or len(self._writing) >= _PARALLEL:
                # Not asyncio.wait_for: before Python 3.12 it swallows a cancellation that meets the news.
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._news.wait()
                continue
            await self._limiter.acquire()
            # The budget may have taken its time: the choice is made afresh, and the token is not lost.
            self._collect_due()
            first = self._due.first()
            if first is None:
                self._limiter.refund()
                continue
            target, _ = first
            self._due.discard(target)
            self._writing[target] = asyncio.create_task(self._write(target, self._entries[target]))

    def _collect_due(self) -> float | None:
        """Line up what has become due: urgent first, then the oldest change. Seconds until more will, if any."""
        now = self._clock.monotonic()
        while first := self._waiting.first():
            target, due_at = first
            if due_at > now:
                return due_at - now
            entry = self._entries[target]
            self._waiting.discard(target)
            self._due.put(target, (not entry.urgent, entry.changed_at))
        return None

    async def _write(self, target: ObjectRef, entry: StatusEntry) -> None:
        try:
            async with entry.lock:
                await self._write_wanted(target, entry)
        except Exception:
            log.exception("the status of %s cannot be written", target.key)
        finally:
            del self._writing[target]
            if entry.wanted is not None and self._entries.get(target) is entry:
                self._schedule(target, entry)
            self._news.set()

    async def _write_wanted(self, target: ObjectRef, entry: StatusEntry) -> None:
        status, urgent = entry.wanted, entry.urgent
        entry.wanted, entry.urgent = None, False
        if status is None or entry.is_held(status):
            self._limiter.refund()
            if status is not None:
                self._observer.suppressed()
            return
        try:
            await self._patch(target, entry, status)
        except NotFoundError:
            return
        except InvalidObjectError as error:
            log.error("the status of %s cannot be written: %s", target.key, error.message)
        except ThingOperatorError as error:
            self._keep(target, entry, status=status, urgent=urgent, error=error)

    def _keep(
        self,
        target: ObjectRef,
        entry: StatusEntry,
        *,
        status: Encoded,
        urgent: bool,
        error: ThingOperatorError,
    ) -> None:
        """Have a status that was not taken written later, unless there is a newer one by now."""
        entry.failures += 1
        pause = self._retry.delay(entry.failures).total_seconds()
        if isinstance(error, ThrottledError):
            # On top, not at least: all that got the same time must not come back together.
            pause += error.retry_after
        entry.not_before = self._clock.monotonic() + pause
        # One line for an outage, not one for each object.
        level = logging.DEBUG if self._failing else logging.WARNING
        self._failing = True
        log.log(level, "the status of %s was not written (%s); again in %.0f s", target.key, error, pause)
        if entry.wanted is None:
            entry.wanted = status
        entry.urgent = entry.urgent or urgent

    async def _patch(
        self, target: ObjectRef, entry: StatusEntry, status: Encoded, *, if_version: str | None = None
    ) -> None:
        unchanged = {"op": "test", "path": "/metadata/resourceVersion", "value": if_version}
        operations: Operations = [
            {"op": "test", "path": "/metadata/uid", "value": target.uid},
            *([unchanged] if if_version else []),
            {"op": "add", "path": "/status", "value": encoded(status)},
        ]
        before = entry.maybe
        entry.sent(status)
        try:
            await self._client.json_patch(target.resource, target.key, operations, subresource="status")
        except NotFoundError:
            self._deleted(target)
            raise
        except InvalidObjectError as error:
            entry.maybe = before
            self._observer.failed()
            if await self._is_replaced(target):
                self._deleted(target)
                raise NotFoundError(f"{target.key} was recreated") from None
            raise error from None
        except ApiUnavailableError:
            # The answer may have been lost on its way, and not the request: `maybe` keeps it.
            self._observer.failed()
            raise
        except ThingOperatorError:
            entry.maybe = before
            self._observer.failed()
            raise
        entry.held, entry.maybe = status, ()
        entry.last_write = self._clock.monotonic()
        entry.failures = 0
        self._failing = False
        self._observer.written()

    async def _is_replaced(self, target: ObjectRef) -> bool:
        """Whether it was the uid that did not fit, and not the status that the schema refuses."""
        try:
            body = await self._client.get(target.resource, target.key)
        except NotFoundError:
            return True
        return bool(body["metadata"]["uid"] != target.uid)

    def _deleted(self, target: ObjectRef) -> None:
        self.forget(target)
        self._on_deleted(target)
