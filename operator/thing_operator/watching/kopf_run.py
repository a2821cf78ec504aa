"""kopf's run: one part of the process, which may end and begins again.

``kopf.operator()`` is not used: five seconds after its run has ended it cancels every task of the loop that was born
since it began, our sessions included.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Collection, Iterable
from datetime import timedelta
from pathlib import Path

from thing_operator.core.backoff import Backoff, Jitter
from thing_operator.core.clock import Clock
from thing_operator.core.error_words import in_words
from thing_operator.observability.checks import CheckResult
from thing_operator.watching.kopf_parts import NoMemories, kopf_settings
from thing_operator.watching.lean_kopf import kopf

log = logging.getLogger(__name__)

_LONGEST_PAUSE = timedelta(minutes=1)
_END_SECONDS = 5.0
"""For so long the tasks of a run may take to end: they wait for nothing."""
_KOPF = str(Path(kopf.__file__).parent)

RootTasks = Collection["asyncio.Task[object]"]


class KopfRun:
    """Runs kopf over and over. ``namespaces`` empty: all."""

    def __init__(
        self,
        registry: kopf.OperatorRegistry,
        *,
        namespaces: Collection[str],
        on_start: Callable[[], None],
        clock: Clock,
    ) -> None:
        """``on_start`` is called after each start, which takes the process' signals over."""
        self._registry = registry
        self._namespaces = namespaces
        self._on_start = on_start
        self._clock = clock
        self._trouble: str | None = None
        self._backoff = Backoff(
            timedelta(seconds=1),
            _LONGEST_PAUSE,
            random.Random(),  # noqa: S311 - jitter
            Jitter.FULL_ABOVE_BASE,
        )

    def check(self) -> CheckResult:
        """Whether it runs, for the readiness probe."""
        trouble = self._trouble
        return CheckResult(ok=trouble is None, detail=trouble or "runs")

    async def run(self) -> None:
        """Run kopf until cancelled: whatever ends its run, another begins after a pause."""
        failures = 0
        while True:
            began_at = self._clock.monotonic()
            self._trouble = None
            trouble = await self._run_once()
            lasted = timedelta(seconds=self._clock.monotonic() - began_at)
            failures = 1 if lasted > 2 * _LONGEST_PAUSE else failures + 1
            pause = self._backoff.delay(failures).total_seconds()
            self._trouble = f"its run has ended ({trouble}) and begins again"
            log.warning("kopf: %s in %.1f s; sessions go on", self._trouble, pause)
            await asyncio.sleep(pause)

    async def _run_once(self) -> str:
        """One run of kopf, until the first of its tasks has ended: why."""
        tasks = await kopf.spawn_tasks(
            registry=self._registry,
            settings=kopf_settings(),
            memories=NoMemories(),
            standalone=True,
            clusterwide=not self._namespaces,
            namespaces=self._namespaces,
        )
        self._on_start()
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            return _words(tasks)
        finally:
            await _end(tasks)
            # One watch that fails leaves the others behind: nobody waits for them any more.
            await _end(_left_over())


def _words(tasks: RootTasks) -> str:
    ended = next(task for task in tasks if task.done())
    error = None if ended.cancelled() else ended.exception()
    return f"{ended.get_name()}: {in_words(error)}" if error else ended.get_name()


async def _end(tasks: Iterable["asyncio.Task[object]"]) -> None:
    running = [task for task in tasks if not task.done()]
    for task in running:
        task.cancel()
    if running:
        await asyncio.wait(running, timeout=_END_SECONDS)


def _left_over() -> list["asyncio.Task[object]"]:
    """The tasks of this loop that are made of kopf's own code: there is one run at a time, and this one has ended."""
    return [
        task
        for task in asyncio.all_tasks()
        if getattr(getattr(task.get_coro(), "cr_code", None), "co_filename", "").startswith(_KOPF)
    ]
