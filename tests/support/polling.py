"""Waiting until something holds, with a deadline: the only way in which a test waits for what it does not control."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, Literal, TypeVar, overload

T = TypeVar("T")

_SHORTEST_PAUSE = 0.005
_POLITE_PAUSE = 0.1
"""Between two looks through an API that counts its requests, as the cloud's does."""
_LONGEST_PAUSE = 0.25


def eventually(
    condition: Callable[[], T | Literal[False] | None], what: str = "the condition", *, timeout: float = 120
) -> T:
    """Poll in real time until the condition gives something true, and return that.

    Fails the test, naming ``what``, when it is not so within ``timeout`` seconds.
    """
    began = time.monotonic()
    while not (found := condition()):
        waited = time.monotonic() - began
        assert waited < timeout, f"not the case within {timeout} s: {what}"
        time.sleep(max(_POLITE_PAUSE, _pause(waited)))
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
    time_now = asyncio.get_running_loop().time
    began = time_now()
    while not (found := await _value_of(condition)):
        waited = time_now() - began
        assert waited < timeout, f"not the case within {timeout} s: {what}"
        await asyncio.sleep(_pause(waited))
    return found


def _pause(waited: float) -> float:
    """Look often at first and then more rarely: what took a second is seen a tenth of a second late at most."""
    return min(_LONGEST_PAUSE, max(_SHORTEST_PAUSE, waited / 10))


async def _value_of(condition: Callable[[], Any]) -> Any:
    found = condition()
    return await found if inspect.isawaitable(found) else found
