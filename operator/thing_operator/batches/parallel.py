"""Work on many objects, a few at a time."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

_PARALLEL = 8
"""Enough to keep the API server busy without crowding out the status of running Things."""

Item = TypeVar("Item")
Result = TypeVar("Result")


async def for_each(items: Sequence[Item], work: Callable[[Item], Awaitable[Result]]) -> list[Result]:
    """``work`` for all items, at most ``_PARALLEL`` at a time. The first error ends them all and is raised."""
    gate = asyncio.Semaphore(_PARALLEL)

    async def one(item: Item) -> Result:
        async with gate:
            return await work(item)

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(item)) for item in items]
    except ExceptionGroup as errors:
        # The reconciler tells errors apart by their class, and a group has none of these.
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]
