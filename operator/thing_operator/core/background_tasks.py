"""Tasks that nobody waits for: a loop keeps no task alive by itself."""

import asyncio
from collections.abc import Coroutine, Iterator
from typing import Any


class BackgroundTasks:
    """Those that are under way, each kept until it has ended."""

    def __init__(self) -> None:
        self._tasks: dict[asyncio.Task[None], None] = {}
        """In the order in which they were started."""

    def __iter__(self) -> Iterator["asyncio.Task[None]"]:
        return iter(tuple(self._tasks))

    def start(self, work: Coroutine[Any, Any, None], *, name: str) -> None:
        """Begin it."""
        task = asyncio.create_task(work, name=name)
        self._tasks[task] = None
        task.add_done_callback(self._tasks.pop)
