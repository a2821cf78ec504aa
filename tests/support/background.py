"""An event loop beside a test, for servers that the test itself plays."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class Wait(Protocol):
    """Has a coroutine run in the loop, and gives its result."""

    def __call__(self, step: Coroutine[Any, Any, T], /) -> T: ...


@contextmanager
def background_loop() -> Iterator[Wait]:
    """An event loop in a thread of its own; what still runs in it is cancelled at the end."""

    def wait(step: Coroutine[Any, Any, T], /) -> T:
        return asyncio.run_coroutine_threadsafe(step, loop).result(60)

    async def end() -> None:
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield wait
    finally:
        wait(end())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
