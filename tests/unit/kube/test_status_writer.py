"""The status writer: little is written, the last value always."""

import asyncio
from datetime import timedelta

import pytest
from tests.support.clock import loop_time
from tests.support.fakes import object_ref
from tests.support.polling import until
from tests.unit.kube.writer_on_fake import HOUR, LATER, NOW, WriterOnFake, a_moment_later

from thing_operator.kube.errors import ApiUnavailableError


async def test_what_the_api_server_holds_is_not_written_again(setup: WriterOnFake) -> None:
    setup.writer.seed(object_ref(), {"a": 1})
    setup.writer.enqueue(object_ref(), {"a": 1}, urgent=True, min_interval=NOW)
    await setup.writer.flush(timeout=timedelta(seconds=1))
    assert setup.values() == []


async def test_the_first_change_goes_at_once_and_later_ones_together(setup: WriterOnFake) -> None:
    setup.writer.enqueue(object_ref(), {"n": 0}, urgent=False, min_interval=LATER)
    await until(lambda: setup.values() == [{"n": 0}])
    for number in range(1, 50):
        setup.writer.enqueue(object_ref(), {"n": number}, urgent=False, min_interval=LATER)
        await asyncio.sleep(0)
    await until(lambda: len(setup.values()) == 2)
    assert setup.values()[1] == {"n": 49}
    assert setup.client.written_at[1] - setup.client.written_at[0] == LATER.total_seconds()


async def test_an_urgent_change_does_not_wait_for_the_interval(setup: WriterOnFake) -> None:
    hour = timedelta(hours=1)
    setup.writer.enqueue(object_ref(), {"n": 0}, urgent=False, min_interval=hour)
    await until(lambda: len(setup.values()) == 1)
    setup.writer.enqueue(object_ref(), {"n": 1}, urgent=True, min_interval=hour)
    await until(lambda: setup.values()[-1] == {"n": 1})


async def test_what_somebody_else_wrote_is_seen_in_a_list_and_written_over_once(setup: WriterOnFake) -> None:
    await setup.writer.write_through(object_ref(), {"n": 0})
    asked_at = await a_moment_later()
    assert not setup.writer.detect_foreign_write(object_ref(), {"n": 0}, asked_at=asked_at)
    assert setup.writer.detect_foreign_write(object_ref(), {"n": 9}, asked_at=asked_at)
    assert setup.current() == {"n": 0}, "our memory does not become theirs"
    assert {"n": 9} in setup.candidates()
    for _ in range(2):
        setup.writer.enqueue(object_ref(), {"n": 0}, urgent=False, min_interval=NOW)
        await setup.writer.flush(timeout=timedelta(seconds=1))
    assert setup.values() == [{"n": 0}, {"n": 0}]


async def test_a_list_of_the_past_says_nothing_of_the_present(setup: WriterOnFake) -> None:
    asked_at = loop_time()
    await setup.writer.write_through(object_ref(), {"n": 1})
    assert not setup.writer.detect_foreign_write(object_ref(), {"n": 0}, asked_at=asked_at)
    setup.client.open.clear()
    setup.writer.enqueue(object_ref(), {"n": 2}, urgent=True, min_interval=NOW)
    assert not setup.writer.detect_foreign_write(object_ref(), {"n": 0}, asked_at=loop_time())
    await until(lambda: setup.client.flying == 1)
    assert not setup.writer.detect_foreign_write(object_ref(), {"n": 0}, asked_at=loop_time())
    setup.client.open.set()
    await setup.writer.flush(timeout=timedelta(seconds=1))
    assert setup.values() == [{"n": 1}, {"n": 2}]


async def test_a_change_taken_back_is_not_written(setup: WriterOnFake) -> None:
    hour = timedelta(hours=1)
    setup.writer.enqueue(object_ref(), {"n": 0}, urgent=False, min_interval=hour)
    await until(lambda: len(setup.values()) == 1)
    setup.writer.enqueue(object_ref(), {"n": 1}, urgent=False, min_interval=hour)
    setup.writer.enqueue(object_ref(), {"n": 0}, urgent=False, min_interval=hour)
    await setup.writer.flush(timeout=timedelta(seconds=1))
    assert setup.values() == [{"n": 0}]


async def test_a_part_is_changed_in_what_was_wanted_last_wherever_that_is(setup: WriterOnFake) -> None:
    setup.writer.seed(object_ref(), {"a": 0, "part": 0})
    setup.writer.patch(object_ref(), lambda: {"part": 0}, min_interval=NOW)
    assert setup.counts.seen["suppressed"] == 1
    setup.writer.enqueue(object_ref(), {"a": 1, "part": 0}, urgent=False, min_interval=NOW)
    # It waits.
    setup.writer.patch(object_ref(), lambda: {"part": 1}, min_interval=NOW)
    setup.client.open.clear()
    await until(lambda: setup.client.flying == 1)
    # It is on its way.
    setup.writer.patch(object_ref(), lambda: {"part": 2}, min_interval=NOW)
    setup.client.open.set()
    await setup.writer.flush(timeout=timedelta(seconds=1))
    # It is there.
    setup.writer.patch(object_ref(), lambda: {"part": 3}, min_interval=NOW)
    await setup.writer.flush(timeout=timedelta(seconds=1))
    assert setup.values() == [{"a": 1, "part": 1}, {"a": 1, "part": 2}, {"a": 1, "part": 3}]


async def test_a_part_is_changed_in_ours_and_not_in_what_somebody_else_wrote(setup: WriterOnFake) -> None:
    await setup.writer.write_through(object_ref(), {"a": 1, "part": 0})
    asked_at = await a_moment_later()
    assert setup.writer.detect_foreign_write(object_ref(), {"a": 9}, asked_at=asked_at)
    setup.writer.patch(object_ref(), lambda: {"part": 1}, min_interval=NOW)
    await setup.writer.flush(timeout=timedelta(seconds=1))
    assert setup.current() == {"a": 1, "part": 1}


async def test_write_raises_and_returns_only_when_it_is_held(setup: WriterOnFake) -> None:
    setup.client.errors = [ApiUnavailableError("down")]
    with pytest.raises(ApiUnavailableError):
        await setup.writer.write_through(object_ref(), {"n": 0})
    await setup.writer.write_through(object_ref(), {"n": 1})
    assert setup.current() == {"n": 1}


async def test_what_the_api_server_may_hold_is_all_that_is_on_its_way(setup: WriterOnFake) -> None:
    hour = timedelta(hours=1)
    setup.writer.seed(object_ref(), {"n": 0})
    setup.writer.enqueue(object_ref(), {"n": 1}, urgent=True, min_interval=hour)
    assert setup.candidates() == ({"n": 0}, {"n": 1})
    await until(lambda: setup.values() == [{"n": 1}])
    await setup.writer.wait_in_flight([object_ref()])
    assert setup.candidates() == ({"n": 1},)
    setup.client.errors = [ApiUnavailableError("cut off: it may have been written")]
    setup.writer.enqueue(object_ref(), {"n": 2}, urgent=True, min_interval=hour)
    await until(lambda: not setup.client.errors)
    await setup.writer.wait_in_flight([object_ref()])
    assert {"n": 2} in setup.candidates()


async def test_the_same_again_while_it_is_on_its_way_is_not_written_twice(setup: WriterOnFake) -> None:
    setup.client.open.clear()
    setup.writer.enqueue(object_ref(), {"n": 1}, urgent=True, min_interval=NOW)
    await until(lambda: setup.client.flying == 1)
    setup.writer.enqueue(object_ref(), {"n": 2}, urgent=True, min_interval=NOW)
    setup.writer.enqueue(object_ref(), {"n": 1}, urgent=True, min_interval=NOW)
    setup.client.open.set()
    await setup.writer.flush(timeout=timedelta(seconds=1))
    assert setup.values() == [{"n": 1}]
    assert setup.counts.seen == {"written": 1, "suppressed": 1}


async def test_a_value_that_comes_back_while_another_is_on_its_way_lands(setup: WriterOnFake) -> None:
    setup.writer.seed(object_ref(), {"n": 0})
    setup.client.open.clear()
    setup.writer.enqueue(object_ref(), {"n": 1}, urgent=True, min_interval=NOW)
    await until(lambda: setup.client.flying == 1)
    setup.writer.enqueue(object_ref(), {"n": 0}, urgent=True, min_interval=NOW)
    setup.client.open.set()
    await setup.writer.flush(timeout=timedelta(seconds=1))
    assert setup.values() == [{"n": 1}, {"n": 0}]


async def test_equality_is_that_of_json(setup: WriterOnFake) -> None:
    setup.writer.seed(object_ref(), {"on": 1})
    setup.writer.enqueue(object_ref(), {"on": 1.0}, urgent=True, min_interval=NOW)
    setup.writer.enqueue(object_ref(), {"on": True}, urgent=True, min_interval=NOW)
    await setup.writer.flush(timeout=timedelta(seconds=1))
    assert [value["on"] is True for value in setup.values()] == [True]  # type: ignore[index]


async def test_flush_writes_what_only_waits_for_its_interval(setup: WriterOnFake) -> None:
    setup.writer.enqueue(object_ref(), {"n": 0}, urgent=False, min_interval=HOUR)
    await until(lambda: len(setup.values()) == 1)
    setup.client.open.clear()
    setup.writer.enqueue(object_ref(), {"n": 1}, urgent=True, min_interval=HOUR)
    await until(lambda: setup.client.flying == 1)
    setup.writer.enqueue(object_ref(), {"n": 2}, urgent=False, min_interval=HOUR)
    asyncio.get_running_loop().call_later(1, setup.client.open.set)
    await setup.writer.flush(timeout=timedelta(seconds=5))
    assert setup.values() == [{"n": 0}, {"n": 1}, {"n": 2}]


async def test_flush_gives_up_in_time(setup: WriterOnFake, caplog: pytest.LogCaptureFixture) -> None:
    setup.client.open.clear()
    setup.writer.enqueue(object_ref(), {"n": 0}, urgent=True, min_interval=NOW)
    began = loop_time()
    await setup.writer.flush(timeout=timedelta(seconds=5))
    assert loop_time() - began == 5
    await setup.writer.stop()
    assert "1 status writes were not made" in caplog.text


@pytest.mark.parametrize("steps", range(8))
async def test_stop_ends_at_whatever_moment_a_status_comes(setup: WriterOnFake, steps: int) -> None:
    setup.writer.enqueue(object_ref(), {"n": 0}, urgent=False, min_interval=HOUR)
    await until(lambda: len(setup.values()) == 1)
    setup.writer.enqueue(object_ref(), {"n": 1}, urgent=False, min_interval=HOUR)
    await asyncio.sleep(1)
    setup.writer.enqueue(object_ref("other"), {"n": 2}, urgent=True, min_interval=NOW)
    for _ in range(steps):
        await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await setup.writer.stop()
