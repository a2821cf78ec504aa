"""What becomes of one object's status, step by step."""

from datetime import timedelta
from functools import partial

import pytest

from thing_operator.kube.status_entry import NOTHING, StatusEntry

A, B, C = b'{"n":1}', b'{"n":2}', b'{"n":3}'
MINUTE = timedelta(minutes=1)


def entry(held: bytes | None = A) -> StatusEntry:
    made = StatusEntry()
    if held is not None:
        made.seed(held)
    return made


def enqueue(made: StatusEntry, status: bytes, *, urgent: bool = False, now: float = 0.0) -> bool:
    return made.enqueue(status, urgent=urgent, min_interval=MINUTE, now=now)


def test_what_is_shown_counts_until_something_was_sent() -> None:
    made = entry()
    made.seed(B)
    assert made.held == B
    made.begin(C)
    made.seed(A)
    assert made.held == B
    made.accept(C, now=1.0)
    made.seed(A)
    assert made.held == C


@pytest.mark.parametrize(
    ("status", "is_queued"), [(B, True), (A, False), (b'{ "n": 1.0 }', False), (b'{"n":true}', True)]
)
def test_only_another_status_is_queued(status: bytes, *, is_queued: bool) -> None:
    made = entry()
    assert enqueue(made, status) is is_queued
    assert made.desired == (status if is_queued else None)


@pytest.mark.parametrize(
    ("wanted", "stored", "is_same"),
    [
        (b'{"n":18446744073709551615}', b'{"n":18446744073709552000}', True),
        (b'{"n":[{"m":9223372036854775808}]}', b'{"n":[{"m":9223372036854775807}]}', False),
        (b'{"n":9223372036854775807}', b'{"n":9223372036854775806}', False),
        (b'{"n":9223372036854775808}', b'{"n":9223372036854776000}', True),
        (b'{"n":-0.0}', b'{"n":0}', True),
    ],
)
def test_a_number_that_the_api_server_rounds_is_not_written_again(
    wanted: bytes, stored: bytes, *, is_same: bool
) -> None:
    assert entry(wanted).detect_foreign_write(stored, asked_at=0.0) is not is_same


def test_one_with_patience_waits_for_the_next_and_an_urgent_one_does_not() -> None:
    made = entry(None)
    soon = timedelta(seconds=30)

    def put(status: bytes, *, urgent: bool, now: float, patience: timedelta | None = None) -> float:
        made.enqueue(status, urgent=urgent, min_interval=timedelta(0), now=now, patience=patience)
        return made.due_at

    assert put(A, urgent=False, now=100, patience=soon) == 130
    assert put(B, urgent=False, now=110, patience=soon) == 130  # what comes time and again is written, too
    assert put(B, urgent=False, now=120) == 130
    assert put(C, urgent=True, now=121, patience=timedelta(0)) == 0
    made.withdraw()
    assert put(B, urgent=False, now=200) < 200


@pytest.mark.parametrize(
    ("held", "begun", "in_doubt"), [(None, False, True), (A, False, False), (A, True, True)]
)
def test_what_is_under_way_or_not_known_is_in_doubt(
    held: bytes | None, *, begun: bool, in_doubt: bool
) -> None:
    made = entry(held)
    if begun:
        made.begin(B)
    assert made.is_in_doubt is in_doubt


def test_the_same_again_withdraws_what_is_queued() -> None:
    made = entry()
    enqueue(made, B, urgent=True)
    assert not enqueue(made, A)
    assert (made.desired, made.urgent, made.candidates) == (None, False, (A,))


def test_the_last_value_wins_and_urgency_stays_until_it_is_taken() -> None:
    made = entry()
    enqueue(made, B, urgent=True, now=5)
    enqueue(made, C, now=7)
    assert made.changed_at == 5, "since when there has been something to write"
    assert made.withdraw() == (C, True)
    assert made.withdraw() == (None, False)


async def test_while_one_is_in_flight_even_the_same_is_queued() -> None:
    made = entry()
    async with made.lock:
        made.begin(B)
        assert enqueue(made, A)
        assert made.candidates == (A, B, A)
        assert made.latest == A
        made.withdraw()
        assert made.latest == B


async def test_before_a_write_that_has_its_turn_even_the_same_is_queued() -> None:
    made = entry()
    async with made.lock:
        assert enqueue(made, A), "whoever has the lock is about to send another one"


def test_accepted_is_current_and_spaces_the_next() -> None:
    made = entry()
    made.begin(B)
    made.accept(B, now=100)
    assert (made.held, made.candidates) == (B, (B,))
    enqueue(made, C, now=101)
    assert made.due_at == 160
    made.hurry()
    assert made.due_at == 0


@pytest.mark.parametrize(
    ("queued_at", "made_at", "next_due"),
    [
        pytest.param(100, 100, 160, id="at once"),
        pytest.param(100, 102, 160, id="waited for others, or took its time"),
        pytest.param(100, 106, 160, id="as late as is made up for"),
        pytest.param(100, 130, 184, id="so late that the next one would come soon after it"),
    ],
)
def test_the_interval_counts_from_when_a_write_was_due(
    queued_at: float, made_at: float, next_due: float
) -> None:
    made = entry()
    enqueue(made, B, now=queued_at)
    made.begin(made.withdraw()[0] or NOTHING)
    made.accept(B, now=made_at)
    enqueue(made, C, now=made_at)
    assert made.due_at == next_due


def test_who_reports_just_as_often_as_is_written_does_not_fall_behind() -> None:
    made, late = entry(), list[float]()
    for number in range(50):
        reported_at = 60.0 * number
        enqueue(made, b'{"n":%d}' % (10 + number), now=reported_at)
        late.append(max(made.due_at, reported_at) - reported_at)
        made.begin(made.withdraw()[0] or NOTHING)
        made.accept(b'{"n":%d}' % (10 + number), now=reported_at + late[-1] + 1)
    assert max(late) == 0


def test_a_write_that_failed_is_tried_again_after_its_pause_and_not_after_the_interval() -> None:
    made = entry()
    enqueue(made, B, now=100)
    status, urgent = made.withdraw()
    made.refuse(made.begin(status or NOTHING))
    made.postpone(status or NOTHING, urgent=urgent, until=102)
    assert made.due_at == 102


def test_refused_is_as_if_it_had_never_been_sent() -> None:
    made = entry()
    made.refuse(made.begin(B))
    assert made.candidates == (A,)
    assert made.holds(A)


def test_without_an_answer_either_may_be_held_and_both_are_written_again() -> None:
    made = entry()
    made.begin(B)
    assert made.candidates == (A, B)
    assert not made.holds(A)
    assert not made.holds(B)
    assert enqueue(made, A)


def test_an_outage_does_not_pile_up_statuses() -> None:
    made = entry()
    for number in range(20):
        made.begin(b'{"n":%d}' % number)
    assert made.in_flight[0] == NOTHING, "nothing can be relied on"
    assert made.in_flight[-1] == b'{"n":19}'
    assert len(made.in_flight) <= 4


def test_what_was_not_taken_waits_unless_something_newer_does() -> None:
    made = entry()
    made.postpone(B, urgent=True, until=30)
    assert (made.desired, made.urgent, made.due_at, made.failures) == (B, True, 30, 1)
    enqueue(made, C)
    made.postpone(B, urgent=False, until=60)
    assert (made.desired, made.due_at, made.failures) == (C, 60, 2)


def test_a_list_shows_what_somebody_else_wrote_and_only_to_who_is_at_rest() -> None:
    made = entry()
    made.begin(A)
    made.accept(A, now=10)
    assert not made.detect_foreign_write(B, asked_at=9), "asked for before our write"
    assert not made.detect_foreign_write(A, asked_at=11), "it is ours"
    assert made.detect_foreign_write(B, asked_at=11)
    assert made.candidates == (A, B)
    assert not made.detect_foreign_write(C, asked_at=12), "in doubt already"
    assert enqueue(made, A)


def test_of_an_object_that_is_not_known_nobody_else_has_written() -> None:
    assert not entry(None).detect_foreign_write(B, asked_at=1)


def test_what_differs_from_what_is_held_is_not_compared_again_as_long_as_that_is_held() -> None:
    made = StatusEntry()
    made.seed(b'{"kept":1,"part":1}')
    assert made.enqueue_part(lambda: {"part": 2}, min_interval=timedelta(0), now=1)
    differed = made.differs
    made.read_again(b'{"kept":1,"part":2}', guard="1")
    assert (differed, made.differs) == (True, False)
    assert made.holds(made.desired or NOTHING)


def test_a_part_that_is_taken_back_while_it_waits_is_not_written() -> None:
    made = StatusEntry()
    made.seed(b'{"kept":1,"part":1}')
    assert made.enqueue_part(lambda: {"part": 2}, min_interval=timedelta(0), now=1)
    assert made.enqueue_part(lambda: {"part": 1}, min_interval=timedelta(0), now=2)
    assert not made.differs
    assert made.holds(made.withdraw()[0] or NOTHING)
    assert not made.enqueue_part(lambda: {"part": 1.0}, min_interval=timedelta(0), now=3), "equal as JSON"


def test_of_many_parts_that_wait_the_last_one_is_made_and_once() -> None:
    made, calls = StatusEntry(), list[int]()

    def part(number: int) -> dict[str, int]:
        calls.append(number)
        return {"part": number}

    made.seed(b'{"kept":1,"part":0}')
    for number in range(1, 6):
        assert made.enqueue_part(partial(part, number), min_interval=timedelta(0), now=number)
    assert calls == [1]
    assert made.latest == b'{"kept":1,"part":5}'
    assert made.candidates == (b'{"kept":1,"part":0}', b'{"kept":1,"part":5}')
    assert calls == [1, 5]
    made.enqueue_part(partial(part, 6), min_interval=timedelta(0), now=6)
    # A whole status has its own.
    made.enqueue(A, urgent=False, min_interval=timedelta(0), now=7)
    assert made.withdraw() == (A, False)
    assert calls == [1, 5]


def test_what_was_not_taken_is_compared_when_it_is_tried_again() -> None:
    made = StatusEntry()
    made.seed(A)
    made.enqueue(B, urgent=False, min_interval=timedelta(0), now=1)
    status, _ = made.withdraw()
    assert status is not None
    made.postpone(status, urgent=False, until=2)
    assert not made.differs
