"""The work queue: nothing is lost, nothing runs twice at once, failures back off."""

import asyncio
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.clock import loop_time
from tests.support.loop import run_virtual
from tests.support.polling import until
from tests.unit.core.work_queues import make

from thing_operator.core.backoff import RECHECK
from thing_operator.core.errors import TransientError, UserError


async def test_a_key_added_while_it_runs_runs_once_more() -> None:
    runs = 0
    release = asyncio.Event()

    async def handler(key: str) -> None:
        nonlocal runs
        runs += 1
        await release.wait()

    queue = make(handler)
    await queue.start()
    queue.add("a")
    await until(lambda: runs == 1)
    for _ in range(5):
        queue.add("a")
    release.set()
    await until(lambda: runs == 2 and queue.depth == 0)
    await queue.stop(timeout=timedelta(seconds=1))
    assert runs == 2


async def test_what_is_due_sooner_does_not_wait_for_what_is_added_later() -> None:
    ran_at: list[float] = []

    async def handler(key: str) -> None:
        ran_at.append(loop_time())

    queue = make(handler)
    began = loop_time()
    await queue.start()
    queue.add("a", delay=timedelta(seconds=5))
    queue.add("a", delay=timedelta(seconds=9))
    await until(lambda: bool(ran_at))
    await queue.stop(timeout=timedelta(seconds=1))
    assert ran_at[0] - began == pytest.approx(5, abs=0.1)


async def test_failures_back_off_and_success_resets() -> None:
    attempts: list[float] = []
    outcomes: list[bool] = []

    async def handler(key: str) -> None:
        attempts.append(loop_time())
        if len(attempts) not in {5, 7}:
            raise TransientError("not now")

    queue = make(handler, on_reconciled=lambda good, _seconds: outcomes.append(good))
    await queue.start()
    queue.add("a")
    await until(lambda: len(attempts) == 5)
    queue.add("a")
    await until(lambda: len(attempts) == 7)
    await queue.stop(timeout=timedelta(seconds=1))
    assert outcomes == [False, False, False, False, True, False, True]
    pauses = [late - early for early, late in pairwise(attempts)]
    for pause, ceiling in zip(pauses[:4], (1, 2, 4, 4), strict=True):
        assert 0.5 <= pause <= ceiling
    assert max(pauses[:4]) > 1
    assert 0.5 <= pauses[5] <= 1, "what came before the success does not count"


async def test_the_same_failure_is_logged_once_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    errors = ["no", "no", "no", "other", "other", ""]

    async def handler(key: str) -> None:
        if said := errors.pop(0):
            raise TransientError(said)

    queue = make(handler)
    caplog.set_level("INFO")
    await queue.start()
    queue.add("a")
    await until(lambda: not errors)
    await queue.stop(timeout=timedelta(seconds=1))
    assert [record.getMessage().partition(";")[0] for record in caplog.records] == [
        "a: no",
        "a: other",
        "a: done after 5 failed tries",
    ]


async def test_what_only_a_person_can_mend_is_checked_again_slowly() -> None:
    attempts: list[float] = []

    async def handler(key: str) -> None:
        attempts.append(loop_time())
        raise UserError("mend it")

    queue = make(handler)
    await queue.start()
    queue.add("a")
    await until(lambda: len(attempts) == 2, timeout=RECHECK.total_seconds() + 1)
    assert RECHECK.total_seconds() / 2 <= attempts[1] - attempts[0] <= RECHECK.total_seconds()
    assert queue.oldest_age == 0
    await queue.stop(timeout=timedelta(seconds=1))


async def test_an_unexpected_error_does_not_end_the_queue(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[str] = []

    async def handler(key: str) -> None:
        seen.append(key)
        if seen.count("bad") == 1 and key == "bad":
            raise ZeroDivisionError

    queue = make(handler)
    await queue.start()
    queue.add("bad")
    queue.add("good")
    await until(lambda: seen.count("bad") == 2 and "good" in seen)
    await queue.stop(timeout=timedelta(seconds=1))
    assert "failed unexpectedly" in caplog.text


async def test_what_goes_on_failing_unexpectedly_is_said_and_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """So is it that it cannot be said."""
    logged: list[str] = []
    runs = 0

    async def handler(key: str) -> None:
        nonlocal runs
        runs += 1
        raise ZeroDivisionError

    def tell(key: str, error: Exception) -> None:
        logged.append(f"{key} {type(error).__name__}")
        raise KeyError(key)

    queue = make(handler, on_broken=tell)
    await queue.start()
    queue.add("a")
    await until(lambda: runs == 6)
    await queue.stop(timeout=timedelta(seconds=1))
    assert logged == ["a ZeroDivisionError"] * 4, "from the third time on"
    assert caplog.text.count("reconciling a failed unexpectedly") == 1
    assert caplog.text.count("cannot be said in its status") == 1


async def test_the_handler_says_when_it_wants_to_run_again_and_a_change_comes_first() -> None:
    runs = 0

    async def handler(key: str) -> timedelta:
        nonlocal runs
        runs += 1
        return timedelta(hours=1)

    queue = make(handler)
    await queue.start()
    queue.add("a")
    await until(lambda: runs == 1)
    queue.add("a")
    await until(lambda: runs == 2)
    await queue.stop(timeout=timedelta(seconds=1))


@pytest.mark.parametrize("steps", range(6))
async def test_stop_ends_at_whatever_moment_a_key_comes(steps: int) -> None:
    async def handler(key: str) -> None:
        return None

    queue = make(handler)
    await queue.start()
    queue.add("later", delay=timedelta(hours=1))
    await asyncio.sleep(1)
    queue.add("now")
    for _ in range(steps):
        await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await queue.stop(timeout=timedelta(seconds=1))


async def test_stop_waits_for_a_pass_and_cancels_one_that_takes_too_long() -> None:
    ended: list[str] = []

    async def handler(key: str) -> None:
        try:
            await asyncio.sleep(3 if key == "short" else 3600)
            ended.append(key)
        except asyncio.CancelledError:
            ended.append(f"{key} cancelled")
            raise

    queue = make(handler)
    await queue.start()
    for key in ("short", "long", "not begun"):
        queue.add(key)
    await asyncio.sleep(1)
    stopping = loop_time()
    await queue.stop(timeout=timedelta(seconds=10))
    assert loop_time() - stopping == 10
    assert ended == ["short", "long cancelled"]
    await queue.stop(timeout=timedelta(0))


async def test_depth_and_age_count_what_is_due() -> None:
    release = asyncio.Event()

    async def handler(key: str) -> None:
        await release.wait()

    queue = make(handler, concurrency=1)
    queue.add("first")
    queue.add("second")
    queue.add("later", delay=timedelta(hours=1))
    assert queue.depth == 2
    await queue.start()
    await until(lambda: queue.depth == 1)
    queue.add("first")
    assert queue.depth == 2
    await asyncio.sleep(7)
    assert queue.oldest_age >= 7
    release.set()
    await until(lambda: queue.depth == 0)
    assert queue.oldest_age == 0
    await queue.stop(timeout=timedelta(seconds=1))


async def test_keys_that_wait_cost_no_task() -> None:
    async def handler(key: str) -> None:
        return None

    queue = make(handler)
    await queue.start()
    tasks = len(asyncio.all_tasks())
    for number in range(10_000):
        queue.add(f"idle {number}", delay=timedelta(hours=1))
    await asyncio.sleep(60)
    assert len(asyncio.all_tasks()) == tasks
    await queue.stop(timeout=timedelta(seconds=1))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from("abcd"), min_size=1, max_size=40), st.integers(min_value=1, max_value=4))
def test_no_addition_is_lost_and_no_key_runs_beside_itself(keys: list[str], concurrency: int) -> None:
    async def scenario() -> None:
        wanted: dict[str, int] = {}
        seen: dict[str, int] = {}
        running: set[str] = set()
        overlaps: list[str] = []

        async def handler(key: str) -> None:
            if key in running:
                overlaps.append(key)
            running.add(key)
            level = wanted[key]
            for _ in range(5):
                await asyncio.sleep(0)
            seen[key] = level
            running.discard(key)

        queue = make(handler, concurrency=concurrency)
        await queue.start()
        for number, key in enumerate(keys):
            wanted[key] = number
            queue.add(key)
            if number % 3 == 0:
                await asyncio.sleep(0)
        await until(lambda: seen == wanted)
        await queue.stop(timeout=timedelta(seconds=1))
        assert overlaps == []

    run_virtual(scenario())


async def test_who_runs_keys_waits_until_each_has_run_once_more() -> None:
    ends, gate = list[str](), asyncio.Event()

    async def handler(key: str) -> None:
        await gate.wait()
        ends.append(key)
        if key == "bad":
            raise TransientError("once")

    queue = make(handler, concurrency=8)
    await queue.start()
    queue.add("busy")
    await until(lambda: queue.depth == 0)
    queue.add("later", delay=timedelta(hours=1))
    runs = [asyncio.create_task(queue.run(["busy", "later", "bad", "new"])) for _ in range(2)]
    await asyncio.sleep(1)
    assert not any(run.done() for run in runs)
    gate.set()
    await asyncio.gather(*runs)
    assert sorted(ends) == ["bad", "busy", "busy", "later", "new"]
    await queue.run([])
    await queue.stop(timeout=timedelta(seconds=1))


async def test_who_gives_up_waiting_leaves_the_others_waiting() -> None:
    gate = asyncio.Event()

    async def handler(_key: str) -> None:
        await gate.wait()

    queue = make(handler)
    await queue.start()
    stays = asyncio.create_task(queue.run(["a"]))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await queue.run(["a"])
    gate.set()
    await stays
    await queue.stop(timeout=timedelta(seconds=1))
