"""Who goes first in the work queue: groups in turn, what is urgent first, and what takes long holds up nobody."""

import asyncio
from datetime import timedelta

import pytest
from tests.support.clock import loop_time
from tests.support.polling import until
from tests.unit.core.work_queues import make


async def test_a_group_whose_keys_never_end_does_not_keep_others_from_running() -> None:
    seen: list[str] = []

    async def handler(key: str) -> None:
        seen.append(key)
        if key.startswith("hangs"):
            await asyncio.sleep(3600)

    queue = make(handler, concurrency=4)
    for number in range(100):
        queue.add(f"hangs/{number}")
    queue.add("good/1")
    await queue.start()
    await until(lambda: "good/1" in seen)
    assert len(seen) == 5, "four of the group that hangs, as many as one alone may have"
    queue.add("good/2")
    await until(lambda: "good/2" in seen)
    await queue.stop(timeout=timedelta(seconds=0))


async def test_who_waits_for_long_does_not_hold_up_the_others_of_its_group() -> None:
    """Places are for work: two of a group at a time, and each for a second."""
    running: set[str] = set()
    began: dict[str, float] = {}
    most = 0

    async def handler(key: str) -> None:
        nonlocal most
        began[key] = loop_time() - start
        running.add(key)
        most = max(most, len(running))
        await asyncio.sleep(0.01 if key.startswith("a/quick") else 15)
        running.discard(key)

    queue, start = make(handler, place_for=timedelta(seconds=1)), loop_time()
    await queue.start()
    for number in range(6):
        queue.add(f"a/slow{number}")
    queue.add("a/quick")
    await until(lambda: "a/quick" in began)
    assert began["a/quick"] == pytest.approx(3, abs=0.1)
    assert most == 7
    await until(lambda: not running, timeout=60)
    # All places are there again, and no more of them than there were.
    most = 0
    for number in range(6):
        queue.add(f"a/quick{number}")
    await until(lambda: not queue.depth and not running)
    assert most == 2
    await queue.stop(timeout=timedelta(seconds=1))


async def test_groups_are_served_in_turn() -> None:
    seen: list[str] = []

    async def handler(key: str) -> None:
        seen.append(key)

    queue = make(handler, concurrency=1)
    for number in range(50):
        queue.add(f"many/{number}")
    queue.add("few/1", delay=timedelta(seconds=1))
    await asyncio.sleep(2)
    await queue.start()
    await until(lambda: len(seen) == 51)
    assert seen.index("few/1") <= 2
    await queue.stop(timeout=timedelta(seconds=1))


@pytest.mark.parametrize("becomes_urgent", ["before it is added", "while it is due", "while it runs"])
async def test_what_is_urgent_goes_before_the_others_of_its_group(becomes_urgent: str) -> None:
    seen, urgent, gate = list[str](), set[str](), asyncio.Event()

    async def handler(key: str) -> None:
        seen.append(key)
        await gate.wait()

    queue = make(handler, concurrency=1, is_urgent=urgent.__contains__)
    await queue.start()
    queue.add("g/spec" if becomes_urgent == "while it runs" else "g/first")
    await until(lambda: len(seen) == 1)
    for number in range(20):
        queue.add(f"g/report {number}")
    if becomes_urgent == "while it is due":
        queue.add("g/spec")
    urgent.add("g/spec")
    queue.add("g/spec")
    queue.add("g/last report")
    gate.set()
    await until(lambda: len(set(seen)) == 22 + (becomes_urgent != "while it runs"))
    assert seen.index("g/spec", 1) == 1
    assert [key for key in seen[2:] if "report" in key] == [
        *(f"g/report {number}" for number in range(20)),
        "g/last report",
    ]
    await queue.stop(timeout=timedelta(seconds=1))


async def test_a_group_with_nothing_but_urgent_keys_leaves_others_their_turn() -> None:
    seen: list[str] = []

    async def handler(key: str) -> None:
        seen.append(key)

    queue = make(handler, concurrency=1, is_urgent=lambda key: key.startswith("loud"))
    for number in range(50):
        queue.add(f"loud/{number}")
    queue.add("quiet/1", delay=timedelta(seconds=1))
    await asyncio.sleep(2)
    await queue.start()
    await until(lambda: len(seen) == 51)
    assert seen.index("quiet/1") <= 2
    await queue.stop(timeout=timedelta(seconds=1))


async def test_whether_something_urgent_is_due_or_runs_is_known() -> None:
    gate, urgent = asyncio.Event(), {"a"}

    async def handler(_key: str) -> None:
        await gate.wait()

    queue = make(handler, is_urgent=urgent.__contains__)
    known = [queue.has_urgent]
    queue.add("a", delay=timedelta(seconds=5))
    queue.add("b")
    known.append(queue.has_urgent)
    await asyncio.sleep(5)
    await queue.start()
    await until(lambda: queue.depth == 0)
    known.append(queue.has_urgent)
    urgent.clear()
    gate.set()
    await until(lambda: not queue.has_urgent)
    queue.add("a")
    assert [*known, queue.has_urgent] == [False, False, True, False]
    await queue.stop(timeout=timedelta(seconds=1))
