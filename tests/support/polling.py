"""Waiting until something holds, with a deadline: the only way in which a test waits for what it does not control."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, Literal, TypeVar, overload

T = TypeVar("T")

_PAUSE = 0.02


def eventually(
    condition: Callable[[], T | Literal[False] | None],
    what: str = "the condition",
    *,
    timeout: float = 120,
    pause: float = 0.1,
) -> T:
    """Poll in real time until the condition gives something true, and return that.

    Fails the test, naming ``what``, when it is not so within ``timeout`` seconds. ``pause``: seconds between two looks;
    the usual ones let a condition ask the cloud, which takes twenty requests a second for a thing.
    """
    deadline = time.monotonic() + timeout
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not the case within {timeout} s: {what}"
        time.sleep(pause)
    return found


@overload
async def until(
    condition: Callable[[], Awaitable[T | Literal[False] | None]], what: str = ..., *, timeout: float = ...
) -> T: ...


@overload
async def until(
    condition: Callable[[], T | Literal[False] | None], what: str = ..., *, timeout: float = ...
) -> T: ...


async def until(condition: Callable[[], Any], what: str = "the condition", *, timeout: float = 60) -> Any:
    """:func:`eventually` on the running loop and by its clock; the condition may be a coroutine function."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout
    while not (found := await _value_of(condition)):
        assert loop.time() < deadline, f"not the case within {timeout} s: {what}"
        await asyncio.sleep(_PAUSE)
    return found


async def _value_of(condition: Callable[[], Any]) -> Any:
    found = condition()
    return await found if inspect.isawaitable(found) else found
