"""A keyed work queue: level-triggered, coalescing, delayed, fair, with backoff per key.

A key runs once at a time; whatever is added while it runs makes it run once more. What waits costs an entry
in a heap, not a task: ten thousand idle keys cost nothing. Keys that are due are served by group in turn, and no group
takes all places: keys that take long, or are added without end, hold up their own group only. In a group the urgent go
first.
"""

import asyncio
import logging
import traceback
from collections.abc import Awaitable, Callable, Hashable, Iterable, Iterator
from contextlib import suppress
from datetime import timedelta
from itertools import chain
from typing import Generic, TypeVar

from thing_operator.core.backoff import Backoff, rechecks
from thing_operator.core.clock import Clock
from thing_operator.core.errors import Retry, ThingOperatorError
from thing_operator.core.fair_queue import FairQueue, Shares
from thing_operator.core.keyed_heap import KeyedHeap

log = logging.getLogger(__name__)

K = TypeVar("K", bound=Hashable)

Handler = Callable[[K], Awaitable[timedelta | None]]
"""One reconcile of a key; returns after how long it is to be requeued, None for not by itself."""

_SHOWN_AFTER = 3
"""So many reconciles of a key must fail unexpectedly in a row before its object says so."""


class WorkQueue(Generic[K]):
    """Runs a handler for each key that is due. The loop's clock drives the waiting; ``clock`` says what is due.

    ``concurrency``: reconciles under way at a time of one group alone; of all together twice as many. ``group_of``
    says whose a key is, ``is_urgent`` whether it goes before the others of its group: it is asked each time that the
    key is added or becomes due. After ``place_for`` a reconcile goes on and counts no more (None: it counts to its
    end): it waits for somebody who does not answer, and others are not to wait for that. ``on_reconciled`` is called
    after each reconcile: whether it ended without an error, and its seconds. ``on_broken`` is called with a key whose
    reconciles go on failing unexpectedly, and the last error.
    """

    def __init__(
        self,
        handler: Handler[K],
        *,
        name: str = "queue",
        concurrency: int,
        clock: Clock,
        backoff: Backoff,
        group_of: Callable[[K], str],
        is_urgent: Callable[[K], bool] = lambda _key: False,
        place_for: timedelta | None = None,
        on_reconciled: Callable[[bool, float], None] = lambda _good, _seconds: None,
        on_broken: Callable[[K, Exception], None] = lambda _key, _error: None,
    ) -> None:
        self._handler = handler
        self._name = name
        self._group_of = group_of
        self._is_urgent = is_urgent
        self._shares = Shares(2 * concurrency)
        self._place_for = place_for
        self._clock = clock
        self._backoff = backoff
        self._recheck = rechecks(backoff.rng)
        self._on_reconciled = on_reconciled
        self._on_broken = on_broken
        self._waiting: KeyedHeap[K, float] = KeyedHeap()
        """Keys that are not due yet."""
        self._due: FairQueue[K, tuple[bool, float]] = FairQueue(group_of)
        """By whether they can wait, and since when they are due."""
        self._urgent: set[K] = set()
        """Of the keys that are due, or run."""
        self._once_more: dict[K, float] = {}
        """When to run keys again that run now."""
        self._running: dict[K, asyncio.Task[None]] = {}
        self._places: dict[K, asyncio.TimerHandle | None] = {}
        """Of the keys that run, those that count; and what will end that."""
        self._awaited: dict[K, asyncio.Future[None]] = {}
        self._failures: dict[K, int] = {}
        self._reported: dict[K, str] = {}
        """What was logged last of a key that fails: the same again is counted."""
        self._changed = asyncio.Event()
        self._dispatcher: asyncio.Task[None] | None = None

    @property
    def depth(self) -> int:
        """Keys that are due, those included that run and have to run once more."""
        now = self._clock.monotonic()
        return sum(due <= now for due in self._all_due())

    @property
    def oldest_age(self) -> float:
        """Seconds that the key waiting longest is overdue; 0 when none is."""
        return max(0.0, self._clock.monotonic() - min(self._all_due(), default=float("inf")))

    def _all_due(self) -> Iterator[float]:
        return chain(self._waiting.ranks(), (due for _, due in self._due.ranks()), self._once_more.values())

    @property
    def has_urgent(self) -> bool:
        """Whether an urgent key is due, or runs."""
        return bool(self._urgent)

    def add(self, key: K, *, delay: timedelta = timedelta(0)) -> None:
        """Have the key run once more, ``delay`` from now or when it is due already, whichever is earlier."""
        self._add(key, self._clock.monotonic() + delay.total_seconds())

    async def run(self, keys: Iterable[K]) -> None:
        """Have each of these keys run once more, and wait until they have, whatever comes of it."""
        loop, ends = asyncio.get_running_loop(), set[asyncio.Future[None]]()
        for key in keys:
            ends.add(self._awaited.setdefault(key, loop.create_future()))
            self.add(key)
        if ends:
            await asyncio.wait(ends)

    def _add(self, key: K, due: float) -> None:
        if key in self._running:
            self._once_more[key] = min(due, self._once_more.get(key, due))
            return
        if key in self._due:
            if key not in self._urgent and self._is_urgent(key):
                self._line_up(key, due)
            return
        before = self._waiting.rank(key)
        if before is None or due < before:
            self._wait_until(due, key)
            self._changed.set()

    def _wait_until(self, due: float, key: K) -> None:
        if due > self._clock.monotonic():
            self._waiting.put(key, due)
        else:
            self._waiting.discard(key)
            self._line_up(key, due)

    def _line_up(self, key: K, due: float) -> None:
        if is_urgent := self._is_urgent(key):
            self._urgent.add(key)
        self._due.put(key, (not is_urgent, due))

    async def start(self) -> asyncio.Task[None]:
        """Begin to run what is due; the task lives until :meth:`stop`."""
        self._dispatcher = asyncio.create_task(self._dispatch(), name=self._name)
        return self._dispatcher

    async def stop(self, *, timeout: timedelta) -> None:
        """Begin nothing more, wait for what runs, cancel what takes too long. Idempotent."""
        if self._dispatcher is not None:
            self._dispatcher.cancel()
            await asyncio.gather(self._dispatcher, return_exceptions=True)
            self._dispatcher = None
        running = list(self._running.values())
        if running:
            _, late = await asyncio.wait(running, timeout=timeout.total_seconds())
            for task in late:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _dispatch(self) -> None:
        while True:
            self._changed.clear()
            pause = self._run_what_is_due()
            # Not asyncio.wait_for: before Python 3.12 it swallows a cancellation that meets the news, and
            # stop() would wait for ever.
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._changed.wait()

    def _run_what_is_due(self) -> float | None:
        """Start what may start; returns the seconds until the next key is due, None when only news can help."""
        pause = self._collect_due()
        while self._shares.free and (key := self._due.pop(self._shares.admits)) is not None:
            self._take_place(key)
            self._running[key] = asyncio.create_task(self._run(key), name=f"reconcile {key}")
        return pause

    def _take_place(self, key: K) -> None:
        self._shares.take(self._group_of(key))
        self._places[key] = None
        if self._place_for is not None:
            loop = asyncio.get_running_loop()
            self._places[key] = loop.call_later(self._place_for.total_seconds(), self._leave_place, key)

    def _leave_place(self, key: K) -> None:
        if key not in self._places:
            return
        timer = self._places.pop(key)
        if timer is not None:
            timer.cancel()
        self._shares.give_back(self._group_of(key))
        self._changed.set()

    def _collect_due(self) -> float | None:
        while first := self._waiting.first():
            key, due = first
            wait = due - self._clock.monotonic()
            if wait > 0:
                return wait
            self._wait_until(due, key)
        return None

    async def _run(self, key: K) -> None:
        began, good = self._clock.monotonic(), False
        try:
            again = await self._handler(key)
        except ThingOperatorError as error:
            again = self._after_error(key, error)
        except Exception as error:  # noqa: BLE001 - whatever it is, the other keys are not at fault
            again = self._after_surprise(key, error)
        else:
            self._report_success(key)
            good = True
        finally:
            self._on_reconciled(good, self._clock.monotonic() - began)
            del self._running[key]
            self._urgent.discard(key)
            self._leave_place(key)
            due = self._once_more.pop(key, None)
            if due is not None:
                self._add(key, due)
            elif (end := self._awaited.pop(key, None)) is not None:
                end.set_result(None)
            self._changed.set()
        if again is not None:
            self.add(key, delay=again)

    def _after_error(self, key: K, error: ThingOperatorError) -> timedelta:
        if error.retry is Retry.NEVER:
            log.error("%s: %s", key, error.message)
            self._failures.pop(key, None)
            return self._recheck.delay(1)
        again = self._delay(key)
        level = logging.DEBUG if self._reported.get(key) == error.message else logging.WARNING
        self._reported[key] = error.message
        log.log(level, "%s: %s; trying again in %.1f s", key, error.message, again.total_seconds())
        return again

    def _after_surprise(self, key: K, error: Exception) -> timedelta:
        """A fault of ours: its traceback is logged once as long as it goes on, and it is tried again."""
        again, place = self._delay(key), traceback.extract_tb(error.__traceback__)[-1]
        what = f"{type(error).__name__} at {place.filename}:{place.lineno}"
        if self._reported.get(key) != what:
            log.error("reconciling %s failed unexpectedly; trying again", key, exc_info=error)
        self._reported[key] = what
        if self._failures[key] >= _SHOWN_AFTER:
            try:
                self._on_broken(key, error)
            except Exception:
                if self._failures[key] == _SHOWN_AFTER:
                    log.exception("that %s fails cannot be said in its status", key)
        return again

    def _report_success(self, key: K) -> None:
        failures = self._failures.pop(key, 0)
        if self._reported.pop(key, None) is not None:
            log.info("%s: done after %d failed tries", key, failures)

    def _delay(self, key: K) -> timedelta:
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        return self._backoff.delay(failures)
