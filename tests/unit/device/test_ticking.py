"""When simulated values are due."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from thing_operator.api.simulation import Simulation
from thing_operator.device import TickSchedule, align_tick
from thing_operator.device.signals import Signal, make_signal

CREATED = 1_790_000_000.0


def signal(path: str, every: str) -> Signal:
    what: dict[str, Any] = {"path": path, "every": every, "constant": 1}
    return make_signal(Simulation.model_validate(what), thing_name="t")


FAST, SLOW = signal("/fast", "5s"), signal("/slow", "10s")


@given(st.text(min_size=1, max_size=10), st.floats(0, 10_000))
def test_the_next_tick_is_ahead_and_then_due(name: str, after: float) -> None:
    ticking = TickSchedule([FAST, SLOW], thing_name=name, created=CREATED)
    now = CREATED + after
    due_at = ticking.next(now)
    assert due_at is not None
    assert now < due_at <= now + 5.001
    assert FAST in ticking.due(after=now, until=due_at + 0.001)
    assert ticking.due(after=now, until=now) == []


def test_signals_of_one_thing_tick_together() -> None:
    ticking = TickSchedule([FAST, SLOW], thing_name="t", created=CREATED)
    at = CREATED
    together = 0
    for _ in range(20):
        upcoming = ticking.next(at)
        assert upcoming is not None
        due = ticking.due(after=at, until=upcoming + 0.001)
        together += len(due) == 2
        at = upcoming + 0.001
    assert together == 10


def test_ticks_are_counted_from_the_creation_whoever_counts() -> None:
    first = TickSchedule([FAST], thing_name="t", created=CREATED)
    assert first.number(FAST, CREATED) == 0
    assert first.number(FAST, CREATED + 50) == 10
    assert first.last(FAST, CREATED + 50) <= CREATED + 50


def test_the_things_of_a_fleet_do_not_tick_together() -> None:
    shifts = {
        round(TickSchedule([SLOW], thing_name=f"t{n}", created=0).last(SLOW, 100) % 10, 1) for n in range(200)
    }
    assert len(shifts) > 60


def test_without_signals_nothing_is_ever_due() -> None:
    assert TickSchedule([], thing_name="t", created=0).next(5) is None


@given(st.floats(0, 1e6), st.floats(0, 1))
def test_what_is_due_within_the_same_quarter_of_a_second_is_done_together(
    due_at: float, later: float
) -> None:
    done_at = align_tick(due_at)
    assert due_at <= done_at < due_at + 0.251
    if due_at + later <= done_at:
        assert align_tick(due_at + later) == done_at
