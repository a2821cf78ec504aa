"""Watching over the tasks that must live as long as the operator.

One that dies takes something with it that nobody would miss for a while: status is no longer written, Secrets
no longer watched. So the whole operator ends, loudly, and is started again: a start over unchanged Things
writes nothing and costs a reconnect.
"""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from thing_operator.core.errors import ToolError
from thing_operator.core.reasons import ToolReason
from thing_operator.observability.checks import CheckResult

log = logging.getLogger(__name__)


class TaskDiedError(ToolError):
    """A part of the operator ended that must not end."""

    reason = ToolReason.INTERNAL_ERROR


class Supervisor:
    """Notices the end of any task it was given, until :meth:`stop_watching`."""

    def __init__(self) -> None:
        self.ended = asyncio.Event()
        """Set when the first of them has ended, and when the process is to end (SIGTERM)."""
        self._watched: list[str] = []
        self._dead: list[str] = []
        self._stopping = False

    def watch_task(self, task: "asyncio.Task[None]") -> None:
        """Watch over a task from now on: its end, but by :meth:`stop_watching`, ends the operator."""
        self._watched.append(task.get_name())
        task.add_done_callback(self._done)

    def stop_watching(self) -> None:
        """From now on tasks may end: the operator stops."""
        self._stopping = True

    def check(self) -> CheckResult:
        """Whether all tasks live; the detail names those that do not."""
        if self._dead:
            return CheckResult(ok=False, detail=f"ended: {', '.join(self._dead)}; the operator stops")
        return CheckResult(ok=True, detail=f"{len(self._watched)} run")

    async def unless_ended(self, work: Coroutine[Any, Any, None]) -> bool:
        """Do this, unless the operator is to end before it is done; returns whether it was done. Raises its errors."""
        doing, ending = asyncio.create_task(work), asyncio.create_task(self.ended.wait())
        try:
            await asyncio.wait((doing, ending), return_when=asyncio.FIRST_COMPLETED)
            if doing.done():
                doing.result()
            return doing.done()
        finally:
            doing.cancel()
            ending.cancel()
            await asyncio.gather(doing, ending, return_exceptions=True)

    def raise_for_dead(self) -> None:
        """Raises TaskDiedError when a task has ended that should not have."""
        if self._dead:
            raise TaskDiedError(
                f"these parts of the operator ended and must not: {', '.join(self._dead)}; the log says why"
            )

    def _done(self, task: "asyncio.Task[None]") -> None:
        if self._stopping:
            return
        error = None if task.cancelled() else task.exception()
        log.critical("%s has ended: the operator stops, to be started again", task.get_name(), exc_info=error)
        self._dead.append(task.get_name())
        self.ended.set()
