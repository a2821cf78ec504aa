"""The one writer of every status: last value wins, little is written, and what matters goes first.

Status writes are the scarcest resource of the whole system (design section 6). The writer keeps what the API
server holds, drops what would change nothing, spaces the writes of one object, spends a global budget
fairly, and never loses the last value.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol

from thing_operator.clock import Clock
from thing_operator.controller.budget import Budget
from thing_operator.controller.kube import KubeClient, ObjectKey, Operations, Resource
from thing_operator.controller.kube_errors import ForbiddenError, InvalidObjectError, NotFoundError
from thing_operator.errors import ThingOperatorError

log = logging.getLogger(__name__)

Status = Mapping[str, Any]

_PARALLEL = 10
_RETRY_SECONDS = 1.0
_RETRY_LIMIT = 60.0


@dataclass(frozen=True, slots=True)
class Target:
    """One object, not merely one name: made anew under the same name it is another one."""

    resource: Resource
    key: ObjectKey
    uid: str


class WriteObserver(Protocol):
    """Told of every write made or spared, for metrics."""

    def written(self) -> None:
        """The API server took a status."""

    def suppressed(self) -> None:
        """A status was not written since it says nothing new."""

    def failed(self) -> None:
        """The API server did not take a status."""


class SilentWriteObserver:
    """Tells nobody."""

    def written(self) -> None:
        """Nothing."""

    def suppressed(self) -> None:
        """Nothing."""

    def failed(self) -> None:
        """Nothing."""


@dataclass(slots=True)
class _Entry:
    known: Status | None = None
    sending: Status | None = None
    wanted: Status | None = None
    urgent: bool = False
    changed_at: float = 0.0
    not_before: float = 0.0
    min_interval: float = 0.0
    last_write: float = float("-inf")
    failures: int = 0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def due_at(self) -> float:
        """Urgent changes wait for nothing but a retry's pause; others for the object's interval."""
        spaced = 0.0 if self.urgent else self.last_write + self.min_interval
        return max(self.not_before, spaced)


class StatusWriter:
    """See the module."""

    def __init__(
        self,
        client: KubeClient,
        *,
        writes_per_second: float,
        clock: Clock,
        on_gone: Callable[[Target], None],
        observer: WriteObserver | None = None,
    ) -> None:
        self._client = client
        self._clock = clock
        self._on_gone = on_gone
        self._observer = observer or SilentWriteObserver()
        self._budget = Budget(writes_per_second, clock=clock)
        self._entries: dict[Target, _Entry] = {}
        self._pending: set[Target] = set()
        self._writing: dict[Target, asyncio.Task[None]] = {}
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    # --- what is known

    def observe(self, target: Target, status: Status) -> None:
        """What the API server is seen to hold. Counts only when nothing is known yet: the one who writes knows."""
        entry = self._entry(target)
        if entry.known is None:
            entry.known = status

    def known(self, target: Target) -> Status:
        """What the API server holds, as far as we know."""
        entry = self._entries.get(target)
        return (entry.known if entry else None) or {}

    def possible(self, target: Target) -> tuple[Status, ...]:
        """All that the API server may hold until the next :meth:`write`: what it holds, and what is on its way."""
        entry = self._entries.get(target)
        if entry is None:
            return ()
        return tuple(each for each in (entry.known, entry.sending, entry.wanted) if each is not None)

    def forget(self, target: Target) -> None:
        """The object is gone."""
        self._entries.pop(target, None)
        self._pending.discard(target)

    # --- writing

    def submit(self, target: Target, status: Status, *, urgent: bool, min_interval: timedelta) -> None:
        """Have the object's status become this: soon if ``urgent``, else when its interval and the budget allow."""
        entry = self._entry(target)
        if status == entry.known and target not in self._writing:
            self._drop(target, entry)
            self._observer.suppressed()
            return
        if status == entry.wanted:
            return
        if entry.wanted is None:
            entry.changed_at = self._clock.monotonic()
        entry.wanted = status
        entry.urgent = urgent or (entry.urgent and target in self._pending)
        entry.min_interval = min_interval.total_seconds()
        self._pending.add(target)
        self._news.set()

    async def write(self, target: Target, status: Status) -> None:
        """Have the API server hold this status before returning; raises what it answers otherwise."""
        entry = self._entry(target)
        async with entry.lock:
            self._drop(target, entry)
            await self._budget.spend(urgent=True)
            await self._patch(target, entry, status)

    async def landed(self, target: Target) -> None:
        """Wait for the write of this object that is under way, if one is."""
        async with self._entry(target).lock:
            return

    async def start(self) -> None:
        """Begin to write what is submitted."""
        self._task = asyncio.create_task(self._run(), name="status writer")

    async def flush(self, *, timeout: timedelta) -> None:
        """Write what is pending, intervals or not, as far as it can be done in time."""
        for target in self._pending:
            self._entries[target].urgent = True
            self._entries[target].not_before = 0.0
        self._news.set()
        try:
            async with asyncio.timeout(timeout.total_seconds()):
                while self._pending or self._writing:
                    if self._task is None or self._task.done():
                        return
                    if self._writing:
                        await asyncio.wait(self._writing.values(), return_when=asyncio.FIRST_COMPLETED)
                    else:
                        await asyncio.sleep(0.01)
        except TimeoutError:
            log.warning("%d status writes were not made before the end", len(self._pending))

    async def stop(self) -> None:
        """End; what is pending is lost (see :meth:`flush`). Idempotent."""
        tasks = [*self._writing.values(), *([self._task] if self._task else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._task = None

    # --- inside

    def _entry(self, target: Target) -> _Entry:
        return self._entries.setdefault(target, _Entry())

    def _drop(self, target: Target, entry: _Entry) -> None:
        self._pending.discard(target)
        entry.wanted = None
        entry.urgent = False

    async def _run(self) -> None:
        while True:
            self._news.clear()
            target, pause = self._next()
            if target is None:
                try:
                    await asyncio.wait_for(self._news.wait(), pause)
                except TimeoutError:
                    continue
                continue
            await self._budget.spend(urgent=False)
            # The budget may have taken its time: the choice is made afresh, and the token is not lost.
            target, _ = self._next()
            if target is None:
                self._budget.refund()
                continue
            self._pending.discard(target)
            self._writing[target] = asyncio.create_task(self._write(target))

    def _next(self) -> tuple[Target | None, float | None]:
        """What to write now, or how long to wait. Urgent first, then the oldest change first."""
        if len(self._writing) >= _PARALLEL:
            return None, None
        now = self._clock.monotonic()
        best: tuple[bool, float] | None = None
        chosen: Target | None = None
        nearest: float | None = None
        for target in self._pending:
            if target in self._writing:
                continue
            entry = self._entries[target]
            if entry.due_at > now:
                nearest = entry.due_at if nearest is None else min(nearest, entry.due_at)
                continue
            rank = (not entry.urgent, entry.changed_at)
            if best is None or rank < best:
                best, chosen = rank, target
        return chosen, None if nearest is None else nearest - now

    async def _write(self, target: Target) -> None:
        entry = self._entries[target]
        try:
            async with entry.lock:
                status, urgent = entry.wanted, entry.urgent
                if status is None:
                    self._budget.refund()
                    return
                entry.wanted, entry.urgent = None, False
                try:
                    await self._patch(target, entry, status)
                except NotFoundError:
                    return
                except (InvalidObjectError, ForbiddenError) as error:
                    log.error("the status of %s cannot be written: %s", target.key, error.message)
                except ThingOperatorError as error:
                    self._retry_later(target, entry, status=status, urgent=urgent, error=error)
        finally:
            self._writing.pop(target, None)
            self._news.set()

    def _retry_later(
        self, target: Target, entry: _Entry, *, status: Status, urgent: bool, error: ThingOperatorError
    ) -> None:
        pause = min(_RETRY_LIMIT, _RETRY_SECONDS * 2.0 ** min(entry.failures, 16))
        entry.failures += 1
        entry.not_before = self._clock.monotonic() + pause
        log.warning(
            "the status of %s was not written (%s); again in %.0f s", target.key, error.message, pause
        )
        if entry.wanted is None:
            entry.wanted = status
        entry.urgent = entry.urgent or urgent
        self._pending.add(target)

    async def _patch(self, target: Target, entry: _Entry, status: Status) -> None:
        operations: Operations = [
            {"op": "test", "path": "/metadata/uid", "value": target.uid},
            {"op": "add", "path": "/status", "value": status},
        ]
        entry.sending = status
        try:
            await self._client.json_patch(target.resource, target.key, operations, subresource="status")
        except NotFoundError:
            self._gone(target)
            raise
        except InvalidObjectError as error:
            self._observer.failed()
            if await self._is_replaced(target):
                self._gone(target)
                raise NotFoundError(f"{target.key} was made anew") from None
            raise error from None
        except ThingOperatorError:
            self._observer.failed()
            raise
        entry.known, entry.sending = status, None
        entry.last_write = self._clock.monotonic()
        entry.failures = 0
        self._observer.written()

    async def _is_replaced(self, target: Target) -> bool:
        """Whether it was the uid that did not fit, and not the status that the schema refuses."""
        try:
            body = await self._client.get(target.resource, target.key)
        except NotFoundError:
            return True
        return bool(body["metadata"]["uid"] != target.uid)

    def _gone(self, target: Target) -> None:
        self.forget(target)
        self._on_gone(target)
