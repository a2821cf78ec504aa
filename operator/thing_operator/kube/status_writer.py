"""The one writer of every status: last value wins, little is written, and what matters goes first.

Status writes are the scarcest resource. The writer keeps what the API server holds, drops what would change nothing,
spaces the writes of one object, spends a global budget by namespace in turn, and never loses the last value.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final

from thing_operator.core.backoff import Backoff, rechecks, write_retries
from thing_operator.core.clock import Clock
from thing_operator.core.errors import ThingOperatorError
from thing_operator.core.json_bytes import decode, encode
from thing_operator.core.log_limit import LogLimit
from thing_operator.core.rate_limit import RateLimiter, Sharers, alone
from thing_operator.core.resource import ObjectRef
from thing_operator.kube.errors import (
    NotFoundError,
    RefusedObjectError,
    ThrottledError,
)
from thing_operator.kube.ports import ApiClient, Body
from thing_operator.kube.status_entry import NOT_SHOWN, NOTHING, Encoded, StatusEntry
from thing_operator.kube.status_queue import NEVER, StatusQueue
from thing_operator.kube.status_sender import OutdatedError, StatusSender
from thing_operator.observability.observers import WriteObserver

log = logging.getLogger(__name__)

_KEPT: Final = 0.25
"""The part of the saved up budget that is there for the urgent, however much is reported."""
_UNKNOWN: Final = StatusEntry()  # of an object that nothing is known of

Status = Mapping[str, Any]
Reduce = Callable[[Status, Status, str], Status]
"""The status to be written instead, of the one held, of one that was refused for its content, and of why it was."""


class StatusWriter:
    """Writes the statuses of any number of objects; for one event loop. Status entries say what becomes of each.

    ``writes_per_second`` bounds all writes together, ``retry`` says how long one that failed waits; one that is
    refused waits for minutes, unless another status is desired. ``on_deleted`` is called with an object that a
    write finds deleted, or recreated under the same name, ``on_refused`` gives what to write in place of a refused one.
    """

    def __init__(
        self,
        client: ApiClient,
        *,
        writes_per_second: float,
        retry: Backoff,
        clock: Clock,
        on_deleted: Callable[[ObjectRef], None],
        on_outdated: Callable[[ObjectRef, Body], None] = lambda _ref, _body: None,
        on_refused: Reduce | None = None,
        may_write: Callable[[ObjectRef], bool] = lambda _ref: True,
        is_urgent_coming: Callable[[], bool] = lambda: False,
        sharers: Sharers = alone,
        observer: WriteObserver | None = None,
    ) -> None:
        """``may_write``: whether a status is ours to write at the moment; else it waits as after a failure.
        ``sharers``: how many processes keep to ``writes_per_second`` together. ``on_outdated`` is called with an object
        changed since it was listed, as it is now: its status has to be remade. ``is_urgent_coming``: see StatusQueue.
        """
        self._clock = clock
        self._on_deleted = on_deleted
        self._on_outdated = on_outdated
        self._on_refused = on_refused
        self._observer = observer or WriteObserver()
        self._sender = StatusSender(client, may_write=may_write, clock=clock, observer=self._observer)
        self._limiter = RateLimiter(writes_per_second, clock=clock, kept=_KEPT, sharers=sharers)
        self._retry = retry
        self._recheck = rechecks(retry.rng)
        self._entries: dict[ObjectRef, StatusEntry] = {}
        self._queue = StatusQueue(is_urgent_coming)
        self._writing: dict[ObjectRef, asyncio.Task[None]] = {}
        self._wake_up = asyncio.Event()
        self._wakes_at = NEVER  # when the task checks again for what is due, unless it is woken up
        self._task: asyncio.Task[None] | None = None
        self._log_limit = LogLimit(clock=clock)

    default_retry = staticmethod(write_retries)

    # --- what is known

    def seed(
        self, ref: ObjectRef, status: Status, *, version: int | None = None, is_listed: bool = False
    ) -> None:
        """Take what the API server shows for what it holds, as long as nothing was sent of the object.

        ``is_listed``: it is there already, so that another process may have had it. Then, and after another status was
        shown, the first one is written only if the object has still the resource version that was shown last.
        """
        entry = self._entry(ref)
        if entry.takes_seed:
            entry.seed(encode(status), version=str(version) if version else None, is_listed=is_listed)

    def takes_seed(self, ref: ObjectRef) -> bool:
        """Whether :meth:`seed` would take what is shown of an object."""
        return self._entries.get(ref, _UNKNOWN).takes_seed

    def detect_foreign_write(self, ref: ObjectRef, status: Status, *, asked_at: float) -> bool:
        """Hold what a list shows that was asked for at ``asked_at`` (monotonic) against what is known.

        True when somebody else has written: then the next :meth:`enqueue` writes, even what was written before.
        A list and not the watch, which may show the past: so two writers meet once a resync, and not for ever.
        """
        return self._entry(ref).detect_foreign_write(encode(status), asked_at=asked_at)

    def current(self, ref: ObjectRef) -> Encoded:
        """What the API server holds, as far as we know; ``{}`` of an object that is not known."""
        return self._entries.get(ref, _UNKNOWN).held or NOTHING

    def unwritten(self, ref: ObjectRef) -> Encoded:
        """What was desired last and is not written yet, but for what a :meth:`patch` makes; ``{}`` for nothing."""
        return self._entries.get(ref, _UNKNOWN).unwritten or NOTHING

    def candidates(self, ref: ObjectRef) -> tuple[Encoded, ...]:
        """All that the API server may hold until the next :meth:`write_through`: current, in flight and queued."""
        return self._entries.get(ref, _UNKNOWN).candidates

    def inherit(self, ref: ObjectRef, *, version: int | None) -> None:
        """Another process had this object until now, of which this version was shown last: see :meth:`is_unsure`."""
        if not self._entry(ref).takes_seed:
            self.stand_back(ref)  # what we wrote before it had the object says nothing any more
        self._entry(ref).inherit(str(version or NOT_SHOWN), now=self._clock.monotonic())

    def base_on(self, ref: ObjectRef, *, version: int | None) -> None:
        """What is written from now on is made of this version, and is written over no later one of others: this object
        may be another process's before we are shown so. It is :meth:`seed`'s guard, and goes on after each write.
        """
        self._entry(ref).base_on(version)

    def is_unsure(self, ref: ObjectRef) -> bool:
        """Whether the object may have changed without our having been shown it: for a minute, or until we write."""
        return self._clock.monotonic() < self._entries.get(ref, _UNKNOWN).unsure_until

    def is_in_doubt(self, ref: ObjectRef) -> bool:
        """Whether the API server may hold one of several statuses, or of an object that is not known."""
        return self.is_unsure(ref) or self._entries.get(ref, _UNKNOWN).is_in_doubt

    @property
    def backlog(self) -> int:
        """How many statuses wait."""
        return sum(entry.desired is not None for entry in self._entries.values())

    def drop(self, ref: ObjectRef) -> None:
        """Forget an object that is deleted; nothing more is written of it."""
        self.withdraw(ref)
        del self._entries[ref]

    def stand_back(self, ref: ObjectRef) -> None:
        """Leave an object to another process: write nothing of what is queued, and take what is shown from now on."""
        if ref in self._entries:
            self.withdraw(ref)
            self._entries[ref] = self._entries[ref].stood_back()

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

        The last value wins: what is not urgent waits for it with ``patience``. What is held already is not written.
        """
        entry, now = self._entry(ref), self._clock.monotonic()
        is_new = entry.enqueue(
            encode(status), urgent=urgent, min_interval=min_interval, patience=patience, now=now
        )
        self._line_up(ref, entry, is_new=is_new)

    def patch(self, ref: ObjectRef, part: Callable[[], Status], *, min_interval: timedelta) -> None:
        """Have the fields that ``part`` makes be so, and the others as they were desired last; not urgent.

        It is called at once or when the status is written, and not at all if another one comes before that.
        """
        entry = self._entry(ref)
        is_new = entry.enqueue_part(part, min_interval=min_interval, now=self._clock.monotonic())
        self._line_up(ref, entry, is_new=is_new)

    def withdraw(self, ref: ObjectRef) -> None:
        """Write nothing of what is queued of this object."""
        self._queue.discard(ref)
        self._entry(ref).withdraw()

    async def write_through(self, ref: ObjectRef, status: Status, *, if_version: str | None = None) -> None:
        """Have the API server hold this status before returning, in place of what is queued.

        ``if_version``: only as long as the object has this resourceVersion, else InvalidObjectError. Raises what the
        API server answers otherwise; nothing is tried again.
        """
        entry = self._entry(ref)
        async with entry.lock:
            self.withdraw(ref)
            await self._limiter.acquire(urgent=True)
            try:
                await self._send(ref, entry, encode(status), if_version=if_version)
            except RefusedObjectError as error:
                if if_version is None:
                    await self._write_reduced(ref, entry, encode(status), error)
                raise

    async def wait_in_flight(self, refs: Collection[ObjectRef]) -> None:
        """Wait until no write of these objects is under way."""
        while (ref := next(filter(self._is_under_way, refs), None)) is not None:
            if ref in self._writing:
                await asyncio.wait((self._writing[ref],))
            else:
                async with self._entry(ref).lock:
                    pass

    def _is_under_way(self, ref: ObjectRef) -> bool:
        return ref in self._writing or self._entries.get(ref, _UNKNOWN).lock.locked()

    async def start(self) -> asyncio.Task[None]:
        """Begin to write what is queued; the task lives until :meth:`stop`."""
        self._task = asyncio.create_task(self._run(), name="status writer")
        return self._task

    async def flush(self, refs: Iterable[ObjectRef] | None = None, *, timeout: timedelta) -> None:
        """Write what is queued of these objects (None: of all), intervals or not, as far as it can be done in time;
        logs how much could not.
        """
        asked = self._entries.keys() if refs is None else self._entries.keys() & set(refs)
        for ref in asked:
            entry = self._entries[ref]
            if entry.refused is not None:
                self.withdraw(ref)
            elif entry.desired is not None:
                entry.hurry()
                self._schedule(ref, entry)
        try:
            async with asyncio.timeout(timeout.total_seconds()):
                while self._task is not None and not self._task.done() and self._unwritten(asked):
                    if self._writing:
                        await asyncio.wait(self._writing.values(), return_when=asyncio.FIRST_COMPLETED)
                    else:
                        await asyncio.sleep(0.01)
        except TimeoutError:
            log.warning("%d status writes were not made in time", len(self._unwritten(asked)))

    def _unwritten(self, refs: Collection[ObjectRef]) -> set[ObjectRef]:
        queued = {ref for ref in refs if (entry := self._entries.get(ref)) and entry.desired is not None}
        return queued | (self._writing.keys() & refs)

    async def stop(self) -> None:
        """End; what is queued is lost (see :meth:`flush`). Idempotent."""
        task, self._task = self._task, None
        tasks = [*self._writing.values(), *([task] if task else [])]
        for each in tasks:
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # --- the queue

    def _entry(self, ref: ObjectRef) -> StatusEntry:
        return self._entries.get(ref) or self._entries.setdefault(ref, StatusEntry())

    def _line_up(self, ref: ObjectRef, entry: StatusEntry, *, is_new: bool) -> None:
        if is_new:
            self._schedule(ref, entry)
        else:
            self._queue.discard(ref)
            self._observer.suppressed()

    def _schedule(self, ref: ObjectRef, entry: StatusEntry) -> None:
        """Line the object up for its turn; one that is being written lines up again when that is done."""
        if ref not in self._writing:
            self._queue.put(ref, due_at=entry.due_at)
            self._go_on()

    def _go_on(self) -> None:
        """Begin what may begin now, here: most of the time that is all, and the task need not wake up for it."""
        if self._task is not None and self._begin_due() < self._wakes_at:
            self._wake_up.set()

    async def _run(self) -> None:
        while True:
            self._wake_up.clear()
            self._wakes_at = wakes_at = self._begin_due()
            # Not asyncio.wait_for: before Python 3.12 it swallows a cancellation that meets the event.
            with suppress(TimeoutError):
                async with asyncio.timeout(wakes_at - self._clock.monotonic() if wakes_at < NEVER else None):
                    await self._wake_up.wait()

    def _begin_due(self) -> float:
        """Begin what is due, as far as there are places and tokens for it; returns when more may begin."""
        due_at = self._queue.collect(self._entries, now=self._clock.monotonic())
        while self._queue.has_turn:
            urgent = self._queue.urgent_waits
            if not self._limiter.try_acquire(urgent=urgent):
                return min(due_at, self._limiter.next_try(urgent=urgent))
            ref = self._queue.pop()
            self._writing[ref] = asyncio.create_task(self._write(ref, self._entries[ref]))
        return due_at

    async def _write(self, ref: ObjectRef, entry: StatusEntry) -> None:
        try:
            async with entry.lock:
                await self._write_queued(ref, entry)
        except Exception:
            log.exception("the status of %s cannot be written", ref.key)
        finally:
            del self._writing[ref]
            self._queue.done(ref)
            # Not ``entry``: the object may have been another process' meanwhile.
            if (latest := self._entries.get(ref)) is not None and latest.desired is not None:
                self._queue.put(ref, due_at=latest.due_at)
            self._go_on()

    async def _write_queued(self, ref: ObjectRef, entry: StatusEntry) -> None:
        differs = entry.differs
        status, urgent = entry.withdraw()
        if status is None or not (differs or not entry.holds(status)):
            self._limiter.refund()
            if status is not None:
                self._observer.suppressed()
            return
        try:
            await self._send(ref, entry, status)
        except (NotFoundError, OutdatedError):
            return
        except RefusedObjectError as error:
            if entry.is_new_refusal(status):
                level = self._log_limit.level((ref.key.namespace, type(error)))
                log.log(level, "the status of %s cannot be written: %s", ref.key, error.message)
                await self._write_reduced(ref, entry, status, error)
            # A policy may forbid it, and nobody tells when that is lifted.
            until = self._clock.monotonic() + self._recheck.delay(1).total_seconds()
            entry.put_aside(status, urgent=urgent, until=until)
        except ThingOperatorError as error:
            entry.postpone(status, urgent=urgent, until=self._retry_at(ref, entry, error))

    async def _write_reduced(
        self, ref: ObjectRef, entry: StatusEntry, refused: Encoded, error: RefusedObjectError
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
        level, seconds = self._log_limit.level((ref.key.namespace, type(error))), pause.total_seconds()
        log.log(level, "the status of %s was not written (%s); again in %.0f s", ref.key, error, seconds)
        return self._clock.monotonic() + pause.total_seconds()

    async def _send(
        self, ref: ObjectRef, entry: StatusEntry, status: Encoded, *, if_version: str | None = None
    ) -> None:
        try:
            await self._sender.send(ref, entry, status, if_version=if_version)
        except NotFoundError:
            self.drop(ref)
            self._on_deleted(ref)
            raise
        except OutdatedError as error:
            self.withdraw(ref)
            self._on_outdated(ref, error.body)
            raise
