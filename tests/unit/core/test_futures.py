"""What waits for a future is answered once."""

import asyncio

import pytest

from thing_operator.core.futures import resolve_future


async def test_a_result_or_an_error_is_given_once() -> None:
    loop = asyncio.get_running_loop()
    good: asyncio.Future[int] = loop.create_future()
    bad: asyncio.Future[int] = loop.create_future()
    resolve_future(good, 7)
    resolve_future(bad, ValueError("why"))
    resolve_future(good, 8)
    resolve_future(bad, 8)
    assert await good == 7
    with pytest.raises(ValueError, match="why"):
        await bad


async def test_who_gave_up_is_not_answered() -> None:
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    future.cancel()
    resolve_future(future)
    assert future.cancelled()
