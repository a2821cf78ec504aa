"""Exponential backoff: its ceiling, its jitter, and what holds whatever the numbers."""

import random
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.extremes import Highest, Lowest

from thing_operator.core.backoff import Backoff, Jitter

SECOND = timedelta(seconds=1)


def delays(rng: random.Random, jitter: Jitter = Jitter.FULL, *, failures: int = 6) -> list[float]:
    backoff = Backoff(4 * SECOND, 60 * SECOND, rng, jitter)
    return [backoff.delay(number).total_seconds() for number in range(1, failures + 1)]


@pytest.mark.parametrize("jitter", Jitter)
def test_the_ceiling_doubles_up_to_the_limit(jitter: Jitter) -> None:
    assert delays(Highest(), jitter) == [4, 8, 16, 32, 60, 60]


@pytest.mark.parametrize(
    ("jitter", "least"),
    [
        (Jitter.FULL, [0, 0, 0, 0, 0, 0]),
        (Jitter.FULL_ABOVE_BASE, [2, 2, 2, 2, 2, 2]),
        (Jitter.EQUAL, [2, 4, 8, 16, 30, 30]),
    ],
)
def test_where_delays_begin_is_a_matter_of_the_jitter(jitter: Jitter, least: list[float]) -> None:
    assert delays(Lowest(), jitter) == least


def test_delays_are_spread_over_the_whole_range() -> None:
    backoff = Backoff(SECOND, SECOND, random.Random(7))
    found = [backoff.delay(1).total_seconds() for _ in range(1000)]
    assert min(found) < 0.05
    assert max(found) > 0.95


@given(
    base=st.timedeltas(min_value=timedelta(milliseconds=1), max_value=timedelta(days=1)),
    limit=st.timedeltas(min_value=timedelta(milliseconds=1), max_value=timedelta(days=365)),
    jitter=st.sampled_from(Jitter),
    failures=st.integers(min_value=1, max_value=10**9),
    seed=st.integers(),
)
def test_never_above_the_limit_and_never_below_nothing(
    base: timedelta, limit: timedelta, jitter: Jitter, failures: int, seed: int
) -> None:
    delay = Backoff(base, limit, random.Random(seed), jitter).delay(failures)
    assert timedelta(0) <= delay <= limit
    if jitter is not Jitter.FULL:
        assert delay >= min(base, limit) / 2 - timedelta(microseconds=1)


@given(jitter=st.sampled_from(Jitter), seed=st.integers(), failures=st.integers(min_value=1, max_value=99))
def test_the_same_random_numbers_give_the_same_delay(jitter: Jitter, seed: int, failures: int) -> None:
    one, other = (Backoff(SECOND, 60 * SECOND, random.Random(seed), jitter) for _ in range(2))
    assert one.delay(failures) == other.delay(failures)
