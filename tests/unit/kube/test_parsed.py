"""Statuses as models: parsed once as long as they stay the same."""

import random
from datetime import timedelta

from pydantic import BaseModel, ConfigDict, model_validator
from tests.support.clock import FakeClock
from tests.support.fakes import RecordingClient, object_ref

from thing_operator.core.backoff import Backoff
from thing_operator.kube.parsed import ParsedStatuses
from thing_operator.kube.status_writer import StatusWriter

parsed: list[object] = []


class Model(BaseModel):
    """Notes each time that one is made."""

    model_config = ConfigDict(frozen=True)
    n: int = 0

    @model_validator(mode="before")
    @classmethod
    def note(cls, value: object) -> object:
        parsed.append(value)
        return value


def test_a_status_is_parsed_once_until_it_changes_and_the_oldest_is_dropped() -> None:
    parsed.clear()
    writer = StatusWriter(
        RecordingClient(),
        writes_per_second=1,
        retry=Backoff(timedelta(seconds=1), timedelta(seconds=1), random.Random(1)),
        clock=FakeClock(),
        on_deleted=lambda _ref: None,
    )
    statuses = ParsedStatuses(writer, Model, limit=2)
    assert statuses.current(object_ref("unknown", "unknown")) == Model()
    one, other = object_ref("one", "1"), object_ref("other", "2")
    writer.seed(one, {"n": 1})
    writer.seed(other, {"n": 2})
    parsed.clear()
    for _ in range(3):
        assert (statuses.current(one).n, statuses.current(other).n) == (1, 2)
    assert parsed == [{"n": 1}, {"n": 2}]
    writer.enqueue(one, {"n": 3}, urgent=False, min_interval=timedelta(0))
    assert statuses.current(one).n == 1, "what is queued is not held yet"
    assert len(parsed) == 2
    third = object_ref("third", "3")
    writer.seed(third, {"n": 3})
    assert (statuses.current(third).n, statuses.current(one).n, statuses.current(other).n) == (3, 1, 2)
    assert len(parsed) == 4, "of three, two are kept"
    unwritten = [statuses.unwritten(ref).n for ref in (one, other, object_ref("unknown", "unknown"))]
    assert unwritten == [3, 0, 0]
