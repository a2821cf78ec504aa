"""What readiness and the log say of a watch, over an outage and its end. In virtual time."""

import asyncio
from datetime import timedelta

import pytest
from tests.support.clock import FakeClock, loop_time
from tests.support.loop import run_virtual

from thing_operator.api.names import BATCHES, THINGS
from thing_operator.core.errors import ThingOperatorError
from thing_operator.kube.errors import (
    ApiUnavailableError,
    ExpiredError,
    ForbiddenError,
    NotFoundError,
    SilentWatchError,
    ThrottledError,
)
from thing_operator.watching.stream_health import LONGEST_PAUSE, StreamHealth, wait_for_answers

NOTHING = timedelta(0)


@pytest.fixture
def health() -> StreamHealth:
    return StreamHealth(THINGS, "ns", clock=FakeClock(loop_time))


def test_names() -> None:
    clock = FakeClock()
    found = [StreamHealth(BATCHES, where, clock=clock) for where in (None, "ns")]
    assert [each.name for each in found] == ["thingbatches", "thingbatches in ns"]
    assert [each.check_name for each in found] == ["thingBatchWatch", "thingBatchWatch in ns"]


async def test_it_is_broken_from_the_first_failure_until_something_is_shown(health: StreamHealth) -> None:
    assert health.broken_for == NOTHING
    for _ in range(3):
        health.failed(ApiUnavailableError("away"))
        await asyncio.sleep(10)
    assert health.broken_for == timedelta(seconds=30)
    assert health.trouble == "away"
    health.showed()
    assert health.broken_for == NOTHING
    assert (health.failures, bool(health.trouble)) == (0, False)


async def test_what_opens_and_fails_at_once_is_broken_and_what_stays_open_works(health: StreamHealth) -> None:
    for _ in range(5):
        health.failed(ApiUnavailableError("away"))
        health.opened()
        await asyncio.sleep(1)
    assert health.broken_for == timedelta(seconds=5), "opening alone says nothing"
    await asyncio.sleep(4)
    assert health.broken_for == NOTHING
    health.failed(ApiUnavailableError("again"))
    await asyncio.sleep(1)
    assert health.broken_for == timedelta(seconds=1), "another outage"


async def test_the_log_has_one_line_a_minute_and_one_when_it_is_over(
    health: StreamHealth, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    for _ in range(150):
        health.failed(ApiUnavailableError("away"))
        await asyncio.sleep(1)
    health.showed()
    health.failed(ApiUnavailableError("a moment"))
    health.showed()
    assert [record.message for record in caplog.records] == [
        "things in ns cannot be watched, and are tried again and again: away"
    ] * 3 + ["things in ns are watched again"]


async def test_that_a_kind_is_not_there_is_said_at_once_with_what_to_do(
    health: StreamHealth, caplog: pytest.LogCaptureFixture
) -> None:
    health.failed(ExpiredError("GET things: 404"))
    for _ in range(2):
        health.failed(NotFoundError("GET things: 404"))
    warnings = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert ["install the CRDs" in message for message in warnings] == [False, True]


async def test_of_an_idle_watch_that_ended_there_is_no_warning_unless_the_next_one_fails(
    health: StreamHealth, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    for _ in range(3):
        health.failed(SilentWatchError("nothing for 90 s"))
        await asyncio.sleep(1)
        assert health.broken_for == timedelta(seconds=1), "readiness counts it"
        health.showed()
    assert caplog.messages == []
    health.failed(SilentWatchError("nothing for 90 s"))
    health.failed(SilentWatchError("nothing for 90 s"))
    assert [record.levelname for record in caplog.records] == ["WARNING"]


async def test_of_a_kind_that_is_there_again_it_is_not_said_to_be_missing(health: StreamHealth) -> None:
    for _ in range(12):
        health.failed(NotFoundError("404"))
        assert await pause(health) <= 10
    assert "install the CRDs" in (health.trouble or "")
    health.failed(NotFoundError("404"))
    health.listed()
    assert health.trouble == "listed by now, and about to be watched"
    assert await pause(health) == 0, "the watch begins at once"
    health.failed(ApiUnavailableError("away"))
    health.listed()
    assert health.trouble == "away", "a list says nothing of the watch"
    assert await pause(health) > 0


async def pause(health: StreamHealth) -> float:
    before = loop_time()
    await health.pause()
    return loop_time() - before


async def test_pauses_grow_up_to_half_a_minute_and_heed_the_api_server(health: StreamHealth) -> None:
    assert await pause(health) == 0
    pauses = []
    for _ in range(12):
        health.failed(ApiUnavailableError("away"))
        pauses.append(await pause(health))
    assert pauses[0] <= 1
    assert 5 < max(pauses) <= LONGEST_PAUSE.total_seconds()
    assert health.needs_list
    busy = ThrottledError("busy")
    busy.retry_after = timedelta(hours=1)
    health.failed(busy)
    assert 60 <= await pause(health) <= 60 + LONGEST_PAUSE.total_seconds()
    health.showed()
    assert await pause(health) == 0
    assert not health.needs_list


@pytest.mark.parametrize(
    ("error", "answered", "unknown"),
    [
        (ForbiddenError("403"), True, False),
        (NotFoundError("404"), True, True),
        (ApiUnavailableError("away"), False, False),
        (ThrottledError("429"), False, False),
    ],
)
def test_a_refusal_is_an_answer_and_an_outage_is_none(
    error: ThingOperatorError, answered: bool, unknown: bool
) -> None:
    health = StreamHealth(THINGS, None, clock=FakeClock())
    health.failed(error)
    assert (health.answered.is_set(), health.is_unknown) == (answered, unknown)
    health.listed()
    assert (health.answered.is_set(), health.is_unknown) == (True, False)


def test_a_start_waits_for_the_first_answer_for_ever_and_for_the_others_for_a_minute() -> None:
    async def waits(*after: float | None) -> float:
        streams = [StreamHealth(THINGS, str(number), clock=FakeClock()) for number in range(len(after))]
        loop, before = asyncio.get_running_loop(), loop_time()
        for stream, seconds in zip(streams, after, strict=True):
            if seconds is not None:
                loop.call_later(seconds, stream.listed)
        await wait_for_answers(streams)
        return loop_time() - before

    assert run_virtual(waits(2, 3, 1)) == 3
    assert run_virtual(waits(3600, 3601)) == 3601
    assert run_virtual(waits(10, None)) == 70
