"""Work on many objects, a few at a time of all batches together, by namespace in turn."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from thing_operator.core.errors import UserError
from thing_operator.core.turns import Turns

_PARALLEL = 8
"""Enough to keep the API server busy without crowding out the status of running Things."""

Item = TypeVar("Item")
Result = TypeVar("Result")


class Parallel:
    """What all imports and deletions share, so that many of them crowd the API server no more than one."""

    def __init__(self) -> None:
        self._turns = Turns(_PARALLEL)

    async def for_each(
        self, namespace: str, items: Sequence[Item], work: Callable[[Item], Awaitable[Result]]
    ) -> list[Result]:
        """``work`` for all items, in the turns of their namespace; an error is raised when all the others are done.

        After ``_PARALLEL`` errors nothing more is begun: it is not the items that are at fault. Of several errors one
        that a person must act on is raised; the others come up at the next reconcile.
        """
        errors: list[Exception] = []
        results: dict[int, Result] = {}

        async def one(number: int, item: Item) -> None:
            async with self._turns.turn(namespace):
                if len(errors) < _PARALLEL:
                    try:
                        results[number] = await work(item)
                    except Exception as error:  # noqa: BLE001 - raised below
                        errors.append(error)

        await asyncio.gather(*(one(number, item) for number, item in enumerate(items)))
        if errors:
            raise min(errors, key=lambda error: not isinstance(error, UserError))
        return [results[number] for number in range(len(items))]
