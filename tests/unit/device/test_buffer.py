"""The offline buffer: in order, bounded, honest about what it dropped."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from thing_operator.device import Sample, SampleBuffer


def buffer(*, limit: int = 3, seconds: int = 100) -> SampleBuffer:
    return SampleBuffer(limit=limit, max_age=timedelta(seconds=seconds))


def drained(kept: SampleBuffer) -> list[int]:
    found = []
    while (sample := kept.first) is not None:
        found.append(sample.timestamp_ms)
        kept.delivered(sample)
    return found


def test_too_many_drops_the_oldest() -> None:
    kept = buffer()
    for time in range(5):
        kept.add(Sample(time, {}))
    assert kept.take_dropped() == 2
    assert kept.take_dropped() == 0
    assert drained(kept) == [2, 3, 4]


def test_too_old_drops_the_oldest() -> None:
    kept = buffer(limit=10, seconds=1)
    for time in (0, 500, 1000, 1501):
        kept.add(Sample(time, {}))
    assert drained(kept) == [1000, 1501]
    assert kept.take_dropped() == 2


def test_what_is_dropped_while_it_is_being_delivered_is_not_lost() -> None:
    kept = buffer(limit=1)
    kept.add(Sample(1, {}))
    sending = kept.first
    assert sending is not None
    kept.add(Sample(2, {}))
    kept.delivered(sending)
    assert kept.take_dropped() == 0
    assert drained(kept) == [2]


def test_clearing_counts_as_dropped() -> None:
    kept = buffer()
    kept.add(Sample(1, {}))
    kept.clear()
    assert (len(kept), kept.take_dropped()) == (0, 1)


@given(st.lists(st.integers(0, 10_000)).map(sorted), st.integers(1, 5))
def test_nothing_is_unaccounted_for(times: list[int], limit: int) -> None:
    kept = buffer(limit=limit, seconds=3)
    for time in times:
        kept.add(Sample(time, {}))
    dropped = kept.take_dropped()
    rest = drained(kept)
    assert len(rest) <= limit
    assert rest == times[dropped:]
    assert all(time >= times[-1] - 3000 for time in rest)
