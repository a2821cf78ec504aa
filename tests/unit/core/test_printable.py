"""What brokers, MIC, zips and other people write is shown, and does nothing where it is shown."""

import asyncio
import io
import logging
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from tests.support.api_client import FakeClient
from tests.support.clock import FakeClock
from tests.unit.twin.observations import SYNCED, seen, session

from thing_operator.api.conditions import ConditionType, Finding, update_conditions
from thing_operator.api.names import THINGS
from thing_operator.api.thingbatch import BatchThing, ThingBatchStatus, ThingResult
from thing_operator.batches.status import BatchReport, build_status
from thing_operator.cli.tables import in_cell
from thing_operator.core.printable import printable
from thing_operator.core.reasons import Reason
from thing_operator.core.resource import ObjectKey, ObjectRef, Resource
from thing_operator.credentials.archive import shown
from thing_operator.kube.events import EventRecorder
from thing_operator.kube.ports import Body
from thing_operator.mic.messages import complaint_in
from thing_operator.observability.logs import configure_logs
from thing_operator.session.errors import rejection
from thing_operator.twin.conditions import thing_conditions

BELL, ESCAPE, TURNED = "\x07", "\x1b[31m", "\u202e"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain, Grüße, 温度 [red]", "plain, Grüße, 温度 [red]"),
        (f"a{BELL}b{ESCAPE}", r"a\x07b\x1b[31m"),
        (f"{TURNED}gnp.exe\n", r"\u202egnp.exe\n"),
        ("\ud800", r"\ud800"),
    ],
)
def test_what_is_not_seen_is_made_visible(text: str, expected: str) -> None:
    assert printable(text) == expected


def in_condition(text: str) -> str:
    findings = [Finding(type=ConditionType.READY, status="False", reason=Reason.REJECTED, message=text)]
    return update_conditions((), findings, generation=1, now=seen().now)[0].message


def in_drift(text: str) -> str:
    drifted = seen(session=session(document=SYNCED), drift=(f"/{text}",))
    return "".join(each.message for each in thing_conditions(drifted))


def in_batch(text: str) -> str:
    thing = BatchThing(name="t", result=ThingResult.INVALID, message=text)
    status = build_status(
        BatchReport(things=(thing,)),
        previous=ThingBatchStatus(),
        held=ThingBatchStatus(),
        generation=1,
        now=seen().now,
    )
    return "".join(each.message for each in status.conditions) + str((status.things or ())[0].message)


class Recorded(FakeClient):
    def __init__(self) -> None:
        self.messages: asyncio.Queue[str] = asyncio.Queue()

    async def create(self, resource: Resource, namespace: str, body: Body) -> dict[str, Any]:
        self.messages.put_nowait(body["message"])
        return dict(body)


def in_event(text: str) -> str:
    async def record() -> str:
        client = Recorded()
        recorder = EventRecorder(client, clock=FakeClock())
        await recorder.start()
        recorder.record(ObjectRef(THINGS, ObjectKey("ns", "t"), "u"), reason=Reason.REJECTED, message=text)
        try:
            return await client.messages.get()
        finally:
            await recorder.stop()

    return asyncio.run(record())


def in_log(text: str) -> str:
    before = logging.getLogger().handlers[:]
    try:
        configure_logs(level="info", form="console")
        formatter = logging.getLogger().handlers[0].formatter
    finally:
        logging.getLogger().handlers[:] = before
    assert formatter is not None
    error = ValueError(text)
    record = logging.LogRecord("n", logging.INFO, __file__, 1, "%s", (text,), (ValueError, error, None))
    return formatter.format(record).replace("\n", "")


def in_table(text: str) -> str:
    out = io.StringIO()
    Console(file=out, width=100, force_terminal=True, color_system="truecolor").print(in_cell(text))
    return out.getvalue().replace("\n", "")


def of_mic(text: str) -> str:
    found = complaint_in({"errorMessage": text})
    return found.message if found is not None else ""


WHERE: dict[str, Callable[[str], str]] = {
    "condition": in_condition,
    "drift": in_drift,
    "batch": in_batch,
    "event": in_event,
    "console log": in_log,
    "table": in_table,
    "name in a zip": shown,
    "MIC's complaint": of_mic,
    "broker's refusal": lambda text: in_condition(rejection(code=400, message=text).message),
}


@pytest.mark.parametrize("where", WHERE)
@given(text=st.text(st.sampled_from(f"ab[/]\\ \n\r\t{BELL}{ESCAPE}{TURNED}\x9b\u2028"), max_size=40))
def test_wherever_words_of_others_are_shown_they_do_nothing(where: str, text: str) -> None:
    assert WHERE[where](text).isprintable()


@pytest.mark.parametrize("text", ["404 '[/nothing]'", "[red]x", "[link=https://example.com]y[/link]"])
def test_markup_in_a_table_is_text(text: str) -> None:
    assert in_table(text) == text
