"""Which status is written first, and how often: by urgency, age, namespace and budget."""

import asyncio
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from tests.support.clock import loop_time
from tests.support.fakes import RecordingClient, object_ref
from tests.support.polling import until
from tests.unit.kube.writer_on_fake import HOUR, LATER, NOW, WriterOnFake, a_moment_later

from thing_operator.core.resource import ObjectKey, Resource
from thing_operator.kube.ports import Operations
from thing_operator.kube.status_entry import StatusEntry

if TYPE_CHECKING:
    from collections.abc import Callable


async def test_the_budget_is_spent_on_the_urgent_first_and_then_on_the_oldest() -> None:
    setup = WriterOnFake(rate=1)
    names = [f"t{number}" for number in range(6)]
    for name in names:
        setup.writer.enqueue(object_ref(name), {"n": 0}, urgent=name == "t5", min_interval=NOW)
        await asyncio.sleep(0.1)
    await setup.writer.start()
    await until(lambda: len(setup.client.written) == 6)
    await setup.writer.stop()
    assert 5 <= setup.client.written_at[-1] - setup.client.written_at[0] < 5.1
    assert [key.name for key, _ in setup.client.written] == ["t5", "t0", "t1", "t2", "t3", "t4"]


async def test_the_first_change_of_a_quiet_object_goes_before_the_repeats_of_others() -> None:
    setup = WriterOnFake(rate=10)
    await setup.writer.start()
    restless = [f"t{number}" for number in range(30)]
    for value in range(3):
        for name in restless:
            setup.writer.enqueue(object_ref(name), {"n": value}, urgent=False, min_interval=NOW)
        await until(lambda value=value: len(setup.values()) >= 30 * value + 10)  # type: ignore[misc]
    setup.writer.enqueue(object_ref("quiet"), {"n": 0}, urgent=False, min_interval=NOW)
    written = len(setup.values())
    await until(lambda: "quiet" in [key.name for key, _ in setup.client.written[written:]])
    await setup.writer.stop()
    assert [key.name for key, _ in setup.client.written].index("quiet") <= written + 1
    counts = Counter(key.name for key, _ in setup.client.written[:written])
    assert max(counts.values()) - min(counts.values()) <= 1, "each in turn"


class SlowClient(RecordingClient):
    """Each write takes a hundredth of a second."""

    async def json_patch(
        self, resource: Resource, key: ObjectKey, operations: Operations, *, subresource: str | None = None
    ) -> str:
        await asyncio.sleep(0.01)
        return await super().json_patch(resource, key, operations, subresource=subresource)


async def test_reports_as_often_as_they_are_written_do_not_fall_behind() -> None:
    """As by default: 200 objects, a report of each every two seconds, 100 writes a second."""
    setup = WriterOnFake(rate=100, client=SlowClient())
    await setup.writer.start()
    began = loop_time()
    for number in range(2000):
        await asyncio.sleep(began + number / 100 - loop_time())
        ref = object_ref(f"t{number % 200}")
        setup.writer.enqueue(ref, {"n": number}, urgent=False, min_interval=LATER)
    await until(lambda: len(setup.values()) == 2000)
    await setup.writer.stop()
    waits = [
        at - (began + value["n"] / 100)
        for (_, value), at in zip(setup.client.written, setup.client.written_at, strict=True)
    ]
    assert max(waits) < 0.02


async def test_what_can_wait_leaves_places_to_what_is_urgent(setup: WriterOnFake) -> None:
    setup.client.open.clear()
    for number in range(30):
        setup.writer.enqueue(object_ref(f"r{number}"), {"n": 0}, urgent=False, min_interval=NOW)
    await a_moment_later()
    assert setup.client.flying == 6
    for number in range(30):
        setup.writer.enqueue(object_ref(f"u{number}"), {"n": 0}, urgent=True, min_interval=NOW)
    await a_moment_later()
    assert setup.client.flying == 10
    setup.client.open.set()
    await until(lambda: len(setup.values()) == 60)
    names = [key.name for key, _ in setup.client.written]
    assert names.index("u29") < 45, "ahead of most that can wait"


async def test_what_is_urgent_finds_the_budget_that_reports_have_left() -> None:
    setup = WriterOnFake(rate=20)
    await setup.writer.start()
    for number in range(200):
        setup.writer.enqueue(object_ref(f"r{number}"), {"n": 0}, urgent=False, min_interval=NOW)
    await asyncio.sleep(2)
    began = loop_time()
    for number in range(5):
        setup.writer.enqueue(object_ref(f"u{number}"), {"n": 0}, urgent=True, min_interval=NOW)
    await until(lambda: sum(key.name.startswith("u") for key, _ in setup.client.written) == 5)
    assert loop_time() - began < 1 / 20, "none had to come"
    await until(lambda: len(setup.values()) == 205)
    assert setup.client.written_at[-1] - setup.client.written_at[0] > (205 - 20 - 1) / 20
    await setup.writer.stop()


@pytest.mark.parametrize("urgent", [False, True])
async def test_a_namespace_that_takes_the_whole_budget_shares_it_with_another(*, urgent: bool) -> None:
    made = WriterOnFake(rate=100)
    await made.writer.start()
    for number in range(3000):
        loud = object_ref(f"t{number}", uid=f"loud {number}", namespace="loud")
        made.writer.enqueue(loud, {"n": number}, urgent=urgent, min_interval=NOW)
    await until(lambda: len(made.values()) > 200)
    began = loop_time()
    for number in range(10):
        quiet = object_ref(f"t{number}", uid=f"quiet {number}", namespace="quiet")
        made.writer.enqueue(quiet, {"n": number}, urgent=False, min_interval=NOW)
    await until(lambda: sum(key.namespace == "quiet" for key, _ in made.client.written) == 10)
    assert loop_time() - began < 1, "of a hundred a second half are theirs"
    await made.writer.stop()


async def test_the_same_value_may_become_urgent(setup: WriterOnFake) -> None:
    setup.writer.enqueue(object_ref(), {"n": 0}, urgent=False, min_interval=HOUR)
    await until(lambda: len(setup.values()) == 1)
    setup.writer.enqueue(object_ref(), {"n": 1}, urgent=False, min_interval=HOUR)
    setup.writer.enqueue(object_ref(), {"n": 1}, urgent=True, min_interval=HOUR)
    await until(lambda: len(setup.values()) == 2)


async def test_what_is_urgent_stays_so_when_a_mere_report_follows(setup: WriterOnFake) -> None:
    setup.writer.enqueue(object_ref(), {"n": 0}, urgent=False, min_interval=HOUR)
    await until(lambda: len(setup.values()) == 1)
    setup.writer.enqueue(object_ref(), {"n": 1}, urgent=True, min_interval=HOUR)
    setup.writer.enqueue(object_ref(), {"n": 2}, urgent=False, min_interval=HOUR)
    await until(lambda: setup.values()[-1] == {"n": 2})


async def test_ten_at_once_and_one_of_an_object(setup: WriterOnFake) -> None:
    setup.client.open.clear()
    for number in range(3):
        for name in range(30):
            setup.writer.enqueue(object_ref(f"t{name}"), {"n": number}, urgent=True, min_interval=NOW)
        await until(lambda: setup.client.flying == 10)
    setup.client.open.set()
    await setup.writer.flush(timeout=timedelta(seconds=5))
    assert setup.client.most_flying == 10
    last = {key.name: value for key, value in setup.client.written}
    assert last == {f"t{name}": {"n": 2} for name in range(30)}


async def test_a_write_does_not_look_at_all_that_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """10,000 pending statuses cost 45 ms of CPU a write when each choice looked at all of them."""
    looks = 0
    due_at: Callable[[object], float] = vars(StatusEntry)["due_at"].fget

    def counted(entry: object) -> float:
        nonlocal looks
        looks += 1
        return due_at(entry)

    monkeypatch.setattr(StatusEntry, "due_at", property(counted))
    setup = WriterOnFake(rate=1e6)
    for number in range(2000):
        setup.writer.enqueue(object_ref(uid=str(number)), {"n": number}, urgent=False, min_interval=NOW)
    await setup.writer.start()
    await until(lambda: len(setup.client.written) == 2000)
    await setup.writer.stop()
    assert looks <= 2 * 2000
