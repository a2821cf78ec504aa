"""A simulated device in virtual time: what it reports when, keeps while it is away, and gives up."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
from tests.support.clock import ORIGIN, START, FakeClock, loop_time

from thing_operator.api.thing import ThingSpec
from thing_operator.config import DeviceSettings
from thing_operator.core.errors import ThingOperatorError
from thing_operator.device import NO_DEVICE, DeviceProgram, compile_device
from thing_operator.session import RequestTimeoutError, SessionLostError
from thing_operator.session.errors import rejection
from thing_operator.shadow.documents import EMPTY_DOCUMENT, ShadowDocument
from thing_operator.things.virtual_device import VirtualDevice

CREATED = START - timedelta(seconds=ORIGIN)


class Wire:
    """A session that takes down what is sent over it; ``errors`` are raised first, one each."""

    def __init__(self) -> None:
        self.connected = True
        self.document = EMPTY_DOCUMENT
        self.reports: list[tuple[int, Any]] = []
        self.past: list[tuple[int, Any]] = []
        self.errors: list[ThingOperatorError] = []
        self.answers = asyncio.Event()
        self.answers.set()

    @property
    def view(self) -> Any:
        return SimpleNamespace(connected=self.connected, document=self.document)

    async def update(self, *, reported: Any, timestamp_ms: int) -> None:
        await self.answers.wait()
        if self.errors:
            raise self.errors.pop(0)
        self.reports.append((timestamp_ms, reported))

    async def backdate(self, *, reported: Any, timestamp_ms: int) -> None:
        if self.errors:
            raise self.errors.pop(0)
        self.past.append((timestamp_ms, reported))


class DeviceOnWire:
    """One device on one wire."""

    def __init__(self, **settings: Any) -> None:
        self.wire = Wire()
        self.problems: list[Any] = []
        self.dropped: list[int] = []
        self.device = VirtualDevice(
            session=lambda: self.wire,  # type: ignore[arg-type,return-value]
            settings=DeviceSettings(**settings),
            clock=FakeClock(loop_time),
            on_problem=lambda: self.problems.append(self.device.problem),
            on_dropped=self.dropped.append,
        )

    def run(self, program: DeviceProgram) -> None:
        """As each reconcile does; :meth:`again` is the next one, with the same program."""
        self.program = program
        self.again()

    def again(self) -> None:
        self.device.run(self.program, thing_name="t", created=CREATED)


@pytest.fixture
async def scene() -> AsyncIterator[DeviceOnWire]:
    made = DeviceOnWire()
    yield made
    made.device.stop()


def program(*simulate: Any) -> DeviceProgram:
    spec = ThingSpec.model_validate({"device": {"simulate": list(simulate)}})
    return compile_device(spec, thing_name="t", document_limit=8192)


def counting(path: str = "/n", every: str = "10s", *, buffer: bool = False) -> Any:
    return {"path": path, "every": every, "counter": {}, "buffer": buffer}


async def test_what_is_due_together_is_one_report(scene: DeviceOnWire) -> None:
    scene.run(program(counting("/n/fast", "5s"), counting("/n/slow", "10s")))
    await asyncio.sleep(41)
    first, *later = [reported["n"] for _, reported in scene.wire.reports]
    assert first.keys() == {"fast", "slow"}
    assert [set(each) for each in later].count({"fast", "slow"}) == 4
    assert len(later) == 8


async def test_an_operator_that_restarts_goes_on_where_it_was(scene: DeviceOnWire) -> None:
    scene.wire.document = ShadowDocument(desired={}, reported={"n": 7}, version=1)
    scene.run(program(counting()))
    await asyncio.sleep(0)
    assert scene.wire.reports == []
    await asyncio.sleep(10)
    number = round(asyncio.get_running_loop().time() / 10)
    assert scene.wire.reports[0][1]["n"] in {number - 1, number}


async def test_only_what_is_buffered_is_kept_and_comes_in_order_with_its_time(scene: DeviceOnWire) -> None:
    scene.run(program(counting(buffer=True), counting("/live")))
    await asyncio.sleep(25)
    scene.wire.connected = False
    before = len(scene.wire.reports)
    await asyncio.sleep(50)
    assert len(scene.wire.reports) == before
    scene.wire.connected = True
    scene.again()
    await asyncio.sleep(1)
    times = [time for time, _ in scene.wire.past]
    assert len(times) == 5
    assert [after - before for before, after in pairwise(times)] == [10_000] * 4
    assert all(reported.keys() == {"n"} for _, reported in scene.wire.past)
    assert scene.dropped == []


async def test_too_long_an_absence_is_said_once() -> None:
    scene = DeviceOnWire(buffer_limit=3)
    scene.run(program(counting(buffer=True)))
    scene.wire.connected = False
    await asyncio.sleep(101)
    scene.wire.connected = True
    scene.again()
    await asyncio.sleep(1)
    assert len(scene.wire.past) == 3
    assert len(scene.dropped) == 1
    assert scene.dropped[0] >= 7
    scene.device.stop()


@pytest.mark.parametrize(
    "error",
    [
        SessionLostError("x"),
        RequestTimeoutError("x"),
        rejection(code=429, message=""),
        rejection(code=500, message=""),
    ],
)
async def test_a_report_that_may_be_lost_is_delivered_as_the_past(
    scene: DeviceOnWire, error: ThingOperatorError
) -> None:
    scene.wire.errors = [error]
    scene.run(program(counting(buffer=True)))
    await asyncio.sleep(1)
    assert len(scene.wire.past) == 1
    assert scene.device.problem is None


async def test_a_refusal_for_good_is_a_problem_until_a_report_is_accepted(scene: DeviceOnWire) -> None:
    scene.wire.errors = [rejection(code=413, message="too big")]
    scene.run(program(counting(buffer=True)))
    await asyncio.sleep(1)
    (problem,) = scene.problems
    assert (problem.reason, problem.stalled) == ("Rejected", True)
    assert scene.wire.past == []
    await asyncio.sleep(10)
    assert scene.problems == [problem, None]


async def test_a_broker_that_takes_no_past_is_not_asked_for_ever(scene: DeviceOnWire) -> None:
    scene.wire.errors = [SessionLostError("x") for _ in range(4)]
    scene.run(program(counting(every="1h", buffer=True)))
    for _ in range(6):
        await asyncio.sleep(1)
        scene.again()
    assert scene.wire.past == []
    assert scene.wire.errors == []
    assert scene.dropped == [1]


async def test_reports_do_not_pile_up_behind_a_slow_answer(scene: DeviceOnWire) -> None:
    scene.wire.answers.clear()
    scene.run(program(counting()))
    await asyncio.sleep(100)
    scene.wire.answers.set()
    await asyncio.sleep(1)
    assert len(scene.wire.reports) == 1


async def test_a_new_program_replaces_the_old_one_and_none_ends_it(scene: DeviceOnWire) -> None:
    scene.run(program(counting("/a", "1s")))
    await asyncio.sleep(3.5)
    scene.run(program(counting("/b", "1s")))
    # Not at the end of a quarter of a second, when a report may just be on its way.
    await asyncio.sleep(3.6)
    names = ["".join(reported) for _, reported in scene.wire.reports]
    assert names == sorted(names)
    assert set(names) == {"a", "b"}
    scene.run(NO_DEVICE)
    count = len(scene.wire.reports)
    await asyncio.sleep(10)
    assert len(scene.wire.reports) == count


async def test_stopping_ends_everything(scene: DeviceOnWire) -> None:
    scene.run(program(counting(every="1s", buffer=True)))
    scene.wire.connected = False
    await asyncio.sleep(5)
    scene.device.stop()
    scene.wire.connected = True
    scene.run(NO_DEVICE)
    await asyncio.sleep(10)
    assert scene.wire.past == []
    assert len(scene.wire.reports) == 1
