"""How often a status is written that says nothing but what a device reports."""

from datetime import timedelta
from typing import Any

import pytest
from tests.support.clock import FakeClock
from tests.support.intents import no_intent_log

from thing_operator.api.thing import MirrorSpec, ShadowStatus
from thing_operator.core.resource import ObjectKey
from thing_operator.kube.snapshot import ObjectSnapshot
from thing_operator.things.memory import ThingMemory
from thing_operator.things.publisher import StatusPublisher
from thing_operator.twin.condition_counts import ConditionCounts

SHORTEST = timedelta(seconds=2)


class Intervals:
    """In place of the status writer: notes how long each part may wait."""

    def __init__(self) -> None:
        self.seen: list[timedelta] = []

    def patch(self, _ref: object, _part: object, *, min_interval: timedelta) -> None:
        self.seen.append(min_interval)


@pytest.mark.parametrize(
    ("own", "counts"),
    [(None, SHORTEST), ("1ms", SHORTEST), ("0s", SHORTEST), ("2s", SHORTEST), ("1m", timedelta(minutes=1))],
)
def test_a_thing_may_have_fewer_writes_than_the_operator_allows_and_not_more(
    own: str | None, counts: timedelta
) -> None:
    writer: Any = Intervals()
    publisher = StatusPublisher(
        writer=writer,
        memory=ThingMemory(writer=writer, intents=no_intent_log(FakeClock()), clock=FakeClock()),
        counts=ConditionCounts(),
        record_event=lambda _snapshot, _reason, _message: None,
        min_interval=SHORTEST,
    )
    snapshot = ObjectSnapshot(
        ObjectKey("ns", "t"), "u", 1, "2026-01-01T00:00:00Z", deleting_since=None, finalizers=(), spec=b"{}"
    )
    publisher.mirror(snapshot, lambda: ShadowStatus(version=1, bytes=2), MirrorSpec(min_interval=own))
    assert writer.seen == [counts]
