"""The Event recorder: counted instead of repeated, bounded, never in the way."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from tests.support.api_client import FakeClient
from tests.support.clock import FakeClock, loop_time
from tests.support.fakes import object_ref
from tests.support.polling import until

from thing_operator.core.reasons import Reason
from thing_operator.core.resource import ObjectKey, Resource
from thing_operator.kube.errors import ApiUnavailableError, ForbiddenError, NotFoundError
from thing_operator.kube.events import EventRecorder
from thing_operator.kube.ports import Operations


class EventClient(FakeClient):
    """Keeps Events; ``errors`` are raised first, one each."""

    def __init__(self) -> None:
        self.made: dict[str, dict[str, Any]] = {}
        self.errors: list[Exception] = []

    async def create(self, resource: Resource, namespace: str, body: Mapping[str, Any]) -> dict[str, Any]:
        if self.errors:
            raise self.errors.pop(0)
        self.made[body["metadata"]["name"]] = dict(body)
        return {}

    async def json_patch(
        self, resource: Resource, key: ObjectKey, operations: Operations, *, subresource: str | None = None
    ) -> str:
        if key.name not in self.made:
            raise NotFoundError("expired")
        for each in operations:
            self.made[key.name][each["path"].removeprefix("/")] = each["value"]
        return ""

    def counts(self) -> list[tuple[str, int]]:
        return [(event["message"], event["count"]) for event in self.made.values()]


class RecorderOnFake:
    def __init__(self) -> None:
        self.client = EventClient()
        self.clock = FakeClock(loop_time)
        self.recorder = EventRecorder(self.client, clock=self.clock)

    def record(self, name: str = "t", message: str = "m", *, namespace: str = "ns") -> None:
        ref = object_ref(name, uid=f"{namespace}/{name}", namespace=namespace)
        self.recorder.record(ref, reason=Reason.ACCEPTED, message=message)

    def recorded_of(self, namespace: str) -> int:
        return sum(event["metadata"]["namespace"] == namespace for event in self.client.made.values())


@pytest.fixture
async def setup() -> AsyncIterator[RecorderOnFake]:
    made = RecorderOnFake()
    await made.recorder.start()
    yield made
    await made.recorder.stop()


async def test_the_same_within_ten_minutes_is_counted(setup: RecorderOnFake) -> None:
    setup.record()
    await until(lambda: setup.client.counts() == [("m", 1)])
    setup.clock.advance(500)
    setup.record()
    await until(lambda: setup.client.counts() == [("m", 2)])
    setup.clock.advance(601)
    setup.record()
    setup.record(message="another")
    await until(lambda: setup.client.counts() == [("m", 2), ("m", 1), ("another", 1)])


async def test_one_that_flaps_does_not_silence_the_others(setup: RecorderOnFake) -> None:
    for number in range(2000):
        setup.record("flapping", message=str(number))
    setup.record("quiet")
    await until(lambda: ("m", 1) in setup.client.counts())
    assert len(setup.client.made) == 20 + 1
    setup.clock.advance(3600)
    setup.record("flapping", message="again")
    await until(lambda: ("again", 1) in setup.client.counts())


async def test_a_fleet_that_starts_is_recorded_slowly_and_not_beyond_the_first_thousand(
    setup: RecorderOnFake,
) -> None:
    began = loop_time()
    for number in range(5000):
        setup.record(f"t{number}")
    await until(lambda: len(setup.client.made) == 1000, timeout=200)
    assert 98 <= loop_time() - began <= 100, "ten a second, and what is saved up in one"
    setup.record("after them")
    await until(lambda: len(setup.client.made) > 1000)
    last = list(setup.client.made.values())[-1]
    assert last["involvedObject"]["name"] == "after them"


async def test_a_namespace_whose_fleet_fails_neither_delays_nor_crowds_out_the_events_of_another(
    setup: RecorderOnFake,
) -> None:
    for number in range(1500):
        setup.record(f"t{number}", namespace="loud")
    for number in range(5):
        setup.record(f"t{number}", namespace="quiet")
    await until(lambda: setup.recorded_of("quiet") == 5, timeout=2)
    await until(lambda: setup.recorded_of("loud") == 995, timeout=200)


@pytest.mark.parametrize("error", [ApiUnavailableError("down"), ZeroDivisionError()])
async def test_trouble_is_logged_and_the_next_is_recorded(
    setup: RecorderOnFake, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    setup.client.errors = [error]
    setup.record(message="lost")
    setup.record(message="kept")
    await until(lambda: setup.client.counts() == [("kept", 1)])
    assert "was not recorded" in caplog.text
    setup.record(message="lost")
    await until(lambda: ("lost", 1) in setup.client.counts())


async def test_an_outage_is_one_line_and_a_count(
    setup: RecorderOnFake, caplog: pytest.LogCaptureFixture
) -> None:
    setup.client.errors = [ForbiddenError("no right") for _ in range(3)]
    caplog.set_level("INFO")
    for number in range(4):
        setup.record(f"t{number}")
    await until(lambda: setup.client.counts() == [("m", 1)])
    said = [record.getMessage() for record in caplog.records if "recorded" in record.getMessage()]
    assert said == [
        "an Event about ns/t0 was not recorded: no right",
        "Events in ns are recorded again; 3 were not",
    ]


async def test_a_message_is_cut_at_a_kilobyte_of_utf8(setup: RecorderOnFake) -> None:
    setup.record("a", message="ø" * 512)
    setup.record("b", message="ø" * 513)
    await until(lambda: len(setup.client.made) == 2)
    whole, cut = (event["message"] for event in setup.client.made.values())
    assert whole == "ø" * 512
    assert cut == "ø" * 510 + "..."


async def test_the_reason_decides_whether_an_event_is_a_warning(
    setup: RecorderOnFake, caplog: pytest.LogCaptureFixture
) -> None:
    """And so is its line in the log."""
    caplog.set_level("INFO")
    reasons = (Reason.PARTLY_IMPORTED, Reason.API_SERVER_UNAVAILABLE, Reason.IMPORTED, Reason.CONNECTED)
    for reason in reasons:
        setup.recorder.record(object_ref("b", uid="b"), reason=reason, message=reason)
    await until(lambda: len(setup.client.made) == len(reasons))
    types = {event["reason"]: event["type"] for event in setup.client.made.values()}
    assert types == {
        "PartlyImported": "Warning",
        "ApiServerUnavailable": "Warning",
        "Imported": "Normal",
        "Connected": "Normal",
    }
    levels = {record.__dict__["reason"]: record.levelname for record in caplog.records}
    assert levels == {
        reason: {"Warning": "WARNING", "Normal": "INFO"}[kind] for reason, kind in types.items()
    }


async def test_stop_ends_while_events_wait(setup: RecorderOnFake) -> None:
    for number in range(100):
        setup.record(f"t{number}")
    async with asyncio.timeout(5):
        await setup.recorder.stop()
        await setup.recorder.stop()
