"""Requests that a server takes and does not answer are said to wait, once, and that it answers again."""

import asyncio
from contextlib import suppress

import pytest
from tests.support.clock import loop_time
from tests.support.polling import until

from thing_operator.core.unanswered import UnansweredRequests


@pytest.fixture
def requests(caplog: pytest.LogCaptureFixture) -> UnansweredRequests:
    caplog.set_level("INFO")
    return UnansweredRequests(lambda: "the server")


async def ask(
    requests: UnansweredRequests, *, seconds: float, patience: float = 30, error: Exception | None = None
) -> None:
    """An answer after so many seconds, or an error; ``patience`` is the asker's."""

    async def answer() -> None:
        async with asyncio.timeout(patience):
            await asyncio.sleep(seconds)
        if error is not None:
            raise error

    with suppress(TimeoutError, ConnectionError):
        await requests.wait_for(answer(), request="GET /things")


async def test_one_line_says_that_nothing_is_answered_and_one_that_it_is_again(
    requests: UnansweredRequests, caplog: pytest.LogCaptureFixture
) -> None:
    began = loop_time()
    hanging = [asyncio.create_task(ask(requests, seconds=1000)) for _ in range(5)]
    await until(lambda: bool(caplog.messages))
    assert loop_time() - began < 11
    for _ in range(4):
        await ask(requests, seconds=1000)
    assert caplog.messages == ["the server has answered nothing for 10 s: GET /things waits"]
    await ask(requests, seconds=1)
    assert caplog.messages[1:] == ["the server answers again"]
    await asyncio.gather(*hanging)


async def test_a_request_that_is_given_up_and_made_again_is_noticed_as_well(
    requests: UnansweredRequests, caplog: pytest.LogCaptureFixture
) -> None:
    """The asker's patience is longer than what is silence here."""
    await ask(requests, seconds=1000, patience=8)
    await ask(requests, seconds=1000, patience=12)
    assert [record.levelname for record in caplog.records] == ["WARNING"]


async def test_one_slow_request_among_others_that_are_answered_is_none(
    requests: UnansweredRequests, caplog: pytest.LogCaptureFixture
) -> None:
    slow = asyncio.create_task(ask(requests, seconds=25))
    for _ in range(4):
        await ask(requests, seconds=6)
    await slow
    await asyncio.sleep(60)
    await ask(requests, seconds=9)
    assert caplog.messages == []


async def test_who_cannot_be_reached_is_not_silent(
    requests: UnansweredRequests, caplog: pytest.LogCaptureFixture
) -> None:
    slow = asyncio.create_task(ask(requests, seconds=25))
    for _ in range(5):
        await ask(requests, seconds=6, error=ConnectionRefusedError())
    await slow
    assert caplog.messages == []


async def test_a_server_that_answers_now_and_then_is_said_to_be_silent_once_a_minute(
    requests: UnansweredRequests, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(10):
        await ask(requests, seconds=15)
    silences = [record for record in caplog.records if record.levelname == "WARNING"]
    assert len(silences) == 3
