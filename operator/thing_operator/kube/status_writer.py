"""The one writer of every status: last value wins, little is written, and what matters goes first.

Status writes are the scarcest resource of the whole system. The writer keeps what the API
server holds, drops what would change nothing, spaces the writes of one object, spends a global budget
by namespace in turn, and never loses the last value.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any

from thing_operator.core.backoff import Backoff, Jitter, rechecks
from thing_operator.core.clock import Clock
from thing_operator.core.errors import ThingOperatorError
from thing_operator.core.fair_queue import FairQueue
from thing_operator.core.json_bytes import decode, encode
from thing_operator.core.keyed_heap import KeyedHeap
from thing_operator.core.log_limit import LogLimit
from thing_operator.core.rate_limit import RateLimiter
from thing_operator.core.resource import ObjectRef
from thing_operator.kube.errors import (
    ApiUnavailableError,
    InvalidObjectError,
    NotFoundError,
    ThrottledError,
)
from thing_operator.kube.ports import ApiClient
from thing_operator.kube.status_entry import NOTHING, Encoded, StatusEntry
from thing_operator.kube.status_patch import status_patch
from thing_operator.observability.observers import WriteObserver

log = logging.getLogger(__name__)

Status = Mapping[str, Any]

Reduce = Callable[[Status, Status, str], Status]
"""The status to be written instead, of the one held, of one that was refused for its content, and of why it was."""

_PARALLEL = 10
_URGENT_TURNS = 8.0
"""An urgent status goes ahead of so many turns of its namespace: at once, and no namespace before others for ever."""


class StatusWriter:
    """Writes the statuses of any number of objects; for one event loop. Status entries say what becomes of each.

    ``writes_per_second`` bounds all writes together, ``retry`` says how long one that failed waits; one that is
    refused waits for minutes, unless another status is desired. ``on_deleted`` is called with an object that a
    write finds deleted, or recreated under the same name.
    ``on_refused`` gives what is to be written in place of a status that is refused; None: nothing.
    """

    def __init__(
        self,
        client: ApiClient,
        *,
        writes_per_second: float,
        retry: Backoff,
        clock: Clock,
        on_deleted: Callable[[ObjectRef], None],
        on_refused: Reduce | None = None,
        may_write: Callable[[ObjectRef], bool] = lambda _ref: True,
        observer: WriteObserver | None = None,
    ) -> None:
        """``may_write``: whether a status is ours to write at the moment; else it waits as after a failure."""
        self._client = client
        self._clock = clock
        self._on_deleted = on_deleted
        self._on_refused = on_refused
        self._may_write = may_write
        self._observer = observer or WriteObserver()
        self._limiter = RateLimiter(writes_per_second, clock=clock)
        self._retry = retry
        self._recheck = rechecks(retry.rng)
        self._entries: dict[ObjectRef, StatusEntry] = {}
        self._waiting: KeyedHeap[ObjectRef, float] = KeyedHeap()
        """Queued, by the time at which they are due."""
        self._due: FairQueue[ObjectRef, tuple[bool, float]] = FairQueue(_namespace_of, head_start=_head_start)
        """Queued and due, by namespace in turn; in each the urgent first, then by the time of the change."""
        self._writing: dict[ObjectRef, asyncio.Task[None]] = {}
        self._wake_up = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._log_limit = LogLimit(clock=clock)

    @staticmethod
    def default_retry(rng: random.Random) -> Backoff:
        """How long a write that failed waits: from a second up to a minute, objects that failed together apart."""
        return Backoff(timedelta(seconds=1), timedelta(minutes=1), rng, Jitter.EQUAL)

    # --- what is known

    def seed(self, ref: ObjectRef, status: Status) -> None:
        """Take what the API server shows for what it holds, as long as nothing else is known of the object."""
        entry = self._entry(ref)
        if entry.held is None:
            entry.seed(encode(status))

    def detect_foreign_write(self, ref: ObjectRef, status: Status, *, asked_at: float) -> bool:
        """Hold what a list shows that was asked for at ``asked_at`` (monotonic) against what is known.

        True when somebody else has written: then the next :meth:`enqueue` writes, even what was written before.
        A list and not the watch, which may show the past: so two writers meet once a resync, and not for ever.
        """
        return self._entry(ref).detect_foreign_write(encode(status), asked_at=asked_at)

    def current(self, ref: ObjectRef) -> Encoded:
        """What the API server holds, as far as we know; ``{}`` of an object that is not known."""
        entry = self._entries.get(ref)
        return (entry.held if entry else None) or NOTHING

    def candidates(self, ref: ObjectRef) -> tuple[Encoded, ...]:
        """All that the API server may hold until the next :meth:`write_through`: current, in flight and queued."""
        entry = self._entries.get(ref)
        return entry.candidates if entry else ()

    def is_in_doubt(self, ref: ObjectRef) -> bool:
        """Whether the API server may hold one of several statuses, or of an object that is not known."""
        return ref not in self._entries or self._entries[ref].is_in_doubt

    @property
    def backlog(self) -> int:
        """How many statuses wait."""
        return sum(entry.desired is not None for entry in self._entries.values())

    def drop(self, ref: ObjectRef) -> None:
        """Forget an object that is deleted; nothing more is written of it."""
        entry = self._entries.pop(ref, None)
        if entry is not None:
            self._withdraw(ref, entry)

    # --- writing

    def enqueue(
        self,
        ref: ObjectRef,
        status: Status,
        *,
        urgent: bool,
        min_interval: timedelta,
        patience: timedelta = timedelta(0),
    ) -> None:
        """Have the object's status become this: soon if ``urgent``, else when its interval and the budget allow.

        The last value wins: one that is not urgent waits for it with ``patience``. Nothing is written when the API
        server holds it already.
        """
        self._enqueue(ref, encode(status), urgent=urgent, min_interval=min_interval, patience=patience)

    def patch(self, ref: ObjectRef, part: Status, *, min_interval: timedelta) -> None:
        """Have these fields of the status become so, and the others as they were desired last; not urgent."""
        status = encode(decode(self._entry(ref).latest) | part)
        self._enqueue(ref, status, urgent=False, min_interval=min_interval, patience=None)

    async def write_through(self, ref: ObjectRef, status: Status, *, if_version: str | None = None) -> None:
        """Have the API server hold this status before returning, in place of what is queued.

        ``if_version``: only as long as the object has this resourceVersion, else InvalidObjectError. Raises what the
        API server answers otherwise; nothing is tried again.
        """
        entry = self._entry(ref)
        async with entry.lock:
            self._withdraw(ref, entry)
            await self._limiter.acquire(urgent=True)
            try:
                await self._send(ref, entry, encode(status), if_version=if_version)
            except InvalidObjectError as error:
                if if_version is None:
                    await self._write_reduced(ref, entry, encode(status), error)
                raise

    async def wait_in_flight(self, ref: ObjectRef) -> None:
        """Wait for the queued write of this object that is under way, if one is."""
        task = self._writing.get(ref)
        if task is not None:
            await asyncio.wait((task,))

    async def start(self) -> asyncio.Task[None]:
        """Begin to write what is queued; the task lives until :meth:`stop`."""
        self._task = asyncio.create_task(self._run(), name="status writer")
        return self._task

    async def flush(self, *, timeout: timedelta) -> None:
        """Write what is queued, intervals or not, as far as it can be done in time; logs how much could not."""
        for ref, entry in self._entries.items():
            if entry.refused is not None:
                self._withdraw(ref, entry)
            elif entry.desired is not None:
                entry.hurry()
                self._schedule(ref, entry)
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
        """End; what is queued is lost (see :meth:`flush`). Idempotent."""
        tasks = [*self._writing.values(), *([self._task] if self._task else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._task = None

    # --- the queue

    def _entry(self, ref: ObjectRef) -> StatusEntry:
        entry = self._entries.get(ref)
        if entry is None:
            entry = self._entries[ref] = StatusEntry()
        return entry

    def _enqueue(
        self,
        ref: ObjectRef,
        status: Encoded,
        *,
        urgent: bool,
        min_interval: timedelta,
        patience: timedelta | None,
    ) -> None:
        entry, now = self._entry(ref), self._clock.monotonic()
        if entry.enqueue(status, urgent=urgent, min_interval=min_interval, patience=patience, now=now):
            self._schedule(ref, entry)
        else:
            self._unschedule(ref)
            self._observer.suppressed()

    def _withdraw(self, ref: ObjectRef, entry: StatusEntry) -> None:
        self._unschedule(ref)
        entry.withdraw()

    def _schedule(self, ref: ObjectRef, entry: StatusEntry) -> None:
        """Line the object up for its turn; one that is being written lines up again when that is done."""
        if ref not in self._writing:
            self._due.discard(ref)
            self._waiting.put(ref, entry.due_at)
            self._wake_up.set()

    def _unschedule(self, ref: ObjectRef) -> None:
        self._waiting.discard(ref)
        self._due.discard(ref)

    async def _run(self) -> None:
        while True:
            self._wake_up.clear()
            pause = self._collect_due()
            if not self._due or len(self._writing) >= _PARALLEL:
                # Not asyncio.wait_for: before Python 3.12 it swallows a cancellation that meets the event.
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._wake_up.wait()
                continue
            await self._limiter.acquire()
            # The limiter may have taken its time: the choice is made afresh, and the token is not lost.
            self._collect_due()
            ref = self._due.pop()
            if ref is None:
                self._limiter.refund()
                continue
            self._writing[ref] = asyncio.create_task(self._write(ref, self._entries[ref]))

    def _collect_due(self) -> float | None:
        """Line up what has become due. Seconds until more will, if any."""
        now = self._clock.monotonic()
        while first := self._waiting.first():
            ref, due_at = first
            if due_at > now:
                return due_at - now
            entry = self._entries[ref]
            self._waiting.discard(ref)
            self._due.put(ref, (not entry.urgent, entry.changed_at))
        return None

    # --- one write

    async def _write(self, ref: ObjectRef, entry: StatusEntry) -> None:
        try:
            async with entry.lock:
                await self._write_queued(ref, entry)
        except Exception:
            log.exception("the status of %s cannot be written", ref.key)
        finally:
            del self._writing[ref]
            if entry.desired is not None and self._entries.get(ref) is entry:
                self._schedule(ref, entry)
            self._wake_up.set()

    async def _write_queued(self, ref: ObjectRef, entry: StatusEntry) -> None:
        status, urgent = entry.withdraw()
        if status is None or entry.holds(status):
            self._limiter.refund()
            if status is not None:
                self._observer.suppressed()
            return
        try:
            await self._send(ref, entry, status)
        except NotFoundError:
            return
        except InvalidObjectError as error:
            is_new = entry.is_new_refusal(status)
            if is_new:
                level = self._log_limit.level((ref.key.namespace, type(error)))
                log.log(level, "the status of %s cannot be written: %s", ref.key, error.message)
                await self._write_reduced(ref, entry, status, error)
            # A policy may forbid it, and nobody tells when that is lifted.
            until = self._clock.monotonic() + self._recheck.delay(1).total_seconds()
            entry.put_aside(status, urgent=urgent, until=until)
        except ThingOperatorError as error:
            entry.postpone(status, urgent=urgent, until=self._retry_at(ref, entry, error))

    async def _write_reduced(
        self, ref: ObjectRef, entry: StatusEntry, refused: Encoded, error: InvalidObjectError
    ) -> None:
        """Have the object say that its status is refused, rather than go on saying what was true before."""
        if self._on_refused is None:
            return
        reduced = self._on_refused(decode(entry.held or NOTHING), decode(refused), error.message)
        await self._limiter.acquire(urgent=True)
        try:
            await self._send(ref, entry, encode(reduced))
        except ThingOperatorError as again:
            log.debug("nor is a smaller status of %s: %s", ref.key, again)

    def _retry_at(self, ref: ObjectRef, entry: StatusEntry, error: ThingOperatorError) -> float:
        """When a write that has just failed is worth another try (monotonic); logs one of a namespace a minute."""
        pause = self._retry.delay(entry.failures + 1)
        if isinstance(error, ThrottledError):
            # On top, not at least: all that were given the same time must not come back together.
            pause += error.retry_after
        log.log(
            self._log_limit.level((ref.key.namespace, type(error))),
            "the status of %s was not written (%s); again in %.0f s",
            ref.key,
            error,
            pause.total_seconds(),
        )
        return self._clock.monotonic() + pause.total_seconds()

    async def _send(
        self, ref: ObjectRef, entry: StatusEntry, status: Encoded, *, if_version: str | None = None
    ) -> None:
        if not self._may_write(ref):
            raise ApiUnavailableError(f"the Lease that covers {ref.key} is not certain to be ours")
        before = entry.begin(status)
        try:
            operations = status_patch(ref, status, if_version)
            await self._client.json_patch(ref.resource, ref.key, operations, subresource="status")
        except (NotFoundError, InvalidObjectError) as error:
            entry.refuse(before)
            self._observer.failed()
            if await self._is_deleted(ref):
                self._deleted(ref)
                raise NotFoundError(f"{ref.key} is deleted, or was recreated") from None
            if isinstance(error, NotFoundError):
                raise ApiUnavailableError(f"{error.message}, and the object is there") from None
            raise error from None
        except ApiUnavailableError:
            # The answer may have been lost on its way, and not the request: the entry is in doubt.
            self._observer.failed()
            raise
        except ThingOperatorError:
            entry.refuse(before)
            self._observer.failed()
            raise
        entry.accept(status, now=self._clock.monotonic())
        self._observer.written()

    async def _is_deleted(self, ref: ObjectRef) -> bool:
        """Whether there is no object of this uid, as a second request says: a single 404 may be a mistake, and
        what is refused may be the status and not the uid.
        """
        try:
            body = await self._client.get(ref.resource, ref.key)
        except NotFoundError:
            return True
        return bool(body["metadata"]["uid"] != ref.uid)

    def _deleted(self, ref: ObjectRef) -> None:
        self.drop(ref)
        self._on_deleted(ref)


def _namespace_of(ref: ObjectRef) -> str:
    return ref.key.namespace


def _head_start(rank: tuple[bool, float]) -> float:
    can_wait, _ = rank
    return 0.0 if can_wait else _URGENT_TURNS
