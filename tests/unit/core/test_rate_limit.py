"""The token bucket and the limiter on it: the rate, the burst, and who goes first."""

import asyncio
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.clock import ORIGIN, FakeClock, loop_time
from tests.support.polling import until

from thing_operator.core.rate_limit import RateLimiter, SharedBucket, TokenBucket


def test_what_is_saved_up_is_bounded() -> None:
    bucket = TokenBucket(rate=2, burst=5)
    assert [bucket.try_take(1000) for _ in range(6)] == [True] * 5 + [False]
    assert [bucket.try_take(1001) for _ in range(3)] == [True, True, False]
    assert sum(bucket.try_take(4601) for _ in range(100)) == 5


def test_less_than_one_a_second_still_gives_one() -> None:
    bucket = TokenBucket(rate=0.5, burst=1)
    assert bucket.try_take(1000)
    assert not bucket.try_take(1001.9)
    assert bucket.try_take(1002.1)


def test_a_refund_can_be_spent_and_does_not_go_beyond_the_burst() -> None:
    bucket = TokenBucket(rate=2, burst=2)
    bucket.refund()
    assert [bucket.try_take(1000) for _ in range(3)] == [True, True, False]
    bucket.refund()
    assert bucket.try_take(1000)
    assert not bucket.try_take(1000)


def test_the_wait_is_as_long_as_the_next_token_takes() -> None:
    bucket = TokenBucket(rate=4, burst=1)
    assert bucket.wait(1000) == 0
    bucket.try_take(1000)
    assert bucket.wait(1000) == 0.25
    assert bucket.wait(1000.25) == 0


def test_the_first_reservation_does_not_wait_however_large() -> None:
    bucket = TokenBucket(rate=0.001, burst=1)
    assert bucket.reserve(5000, 7) == 0
    assert bucket.reserve(5000) == 7000


def test_what_is_left_comes_back_at_the_rate() -> None:
    bucket = TokenBucket(2, 10)
    bucket.reserve(0, tokens=12)
    assert [bucket.left(now) for now in (0, 1, 100)] == [-2, 0, 10]


def test_a_reservation_that_is_given_back_makes_room() -> None:
    bucket = TokenBucket(rate=10, burst=2)
    bucket.reserve(0, 100)
    bucket.refund(100)
    assert bucket.reserve(0) == 0


@given(
    rate=st.floats(min_value=1, max_value=1000),
    burst=st.floats(min_value=1, max_value=1000),
    asks=st.lists(
        st.tuples(st.floats(min_value=0, max_value=2), st.integers(1, 8)), min_size=1, max_size=100
    ),
)
def test_never_more_than_rate_and_burst_and_in_order(
    rate: float, burst: float, asks: list[tuple[float, int]]
) -> None:
    bucket = TokenBucket(rate, burst)
    clock, grants = 0.0, list[tuple[float, int]]()
    for pause, tokens in asks:
        clock += pause
        grants.append((clock + bucket.reserve(clock, tokens), tokens))
    assert all(one <= two + 1e-6 for (one, _), (two, _) in pairwise(grants))
    for at, _ in grants:
        window = [(when, tokens) for when, tokens in grants if at <= when < at + 1]
        taken_before_the_last = sum(tokens for _, tokens in window[:-1])
        assert taken_before_the_last <= rate + burst - 1 + 1e-6


@given(
    rate=st.floats(min_value=0.1, max_value=1000),
    burst=st.integers(min_value=1, max_value=50),
    pauses=st.lists(st.floats(min_value=0, max_value=20), max_size=100),
)
def test_taking_is_allowed_exactly_when_a_bucket_with_a_counter_would_allow_it(
    rate: float, burst: int, pauses: list[float]
) -> None:
    bucket, tokens, clock = TokenBucket(rate, burst), float(burst), 0.0
    for pause in pauses:
        clock += pause
        tokens = min(float(burst), tokens + pause * rate)
        if abs(tokens - 1) < 1e-6:
            return  # either is right within what floats can tell apart
        allowed = bucket.try_take(clock)
        assert allowed == (tokens >= 1)
        tokens -= allowed


async def test_the_urgent_go_first_in_their_order_and_one_that_gives_up_holds_up_nobody() -> None:
    clock = FakeClock()
    limiter = RateLimiter(1, clock=clock, burst=3)
    for _ in range(3):
        await limiter.acquire()
    order: list[str] = []

    async def acquire(name: str, *, urgent: bool) -> None:
        await limiter.acquire(urgent=urgent)
        order.append(name)

    tasks = [asyncio.create_task(acquire("rest", urgent=False))]
    tasks += [asyncio.create_task(acquire(name, urgent=True)) for name in ("gives up", "one", "two")]
    await asyncio.sleep(0)
    tasks[1].cancel()
    clock.advance(3600)  # tokens for all of them: the one that has waited longest looks first
    await until(lambda: len(order) == 3)
    await asyncio.gather(*tasks, return_exceptions=True)
    assert order == ["one", "two", "rest"]


@pytest.mark.parametrize(
    ("burst", "kept", "taken"),
    [
        pytest.param(8, 0.25, 6, id="a quarter is left to the urgent"),
        pytest.param(8, 0, 8, id="nothing is"),
        pytest.param(1, 0.25, 1, id="of one nothing can be left"),
        pytest.param(2, 0.9, 1, id="one is always there for all"),
    ],
)
def test_of_what_is_saved_up_a_part_is_kept_for_the_urgent(burst: float, kept: float, taken: int) -> None:
    clock = FakeClock()
    limiter = RateLimiter(4, clock=clock, burst=burst, kept=kept)
    assert [limiter.try_acquire() for _ in range(10)].count(True) == taken
    assert [limiter.try_acquire(urgent=True) for _ in range(10)].count(True) == burst - taken
    for urgent, left in ((True, 1), (False, 1 + min(kept * burst, burst - 1))):
        assert limiter.next_try(urgent=urgent) == ORIGIN + left / 4
    clock.advance(left / 4)
    assert limiter.try_acquire()
    assert not limiter.try_acquire()


def test_who_was_in_vain_does_not_ask_all_the_time() -> None:
    limiter = RateLimiter(1e6, clock=FakeClock(), burst=1)
    limiter.try_acquire()
    assert limiter.next_try() == ORIGIN + 0.001


async def test_so_many_per_second_pass() -> None:
    limiter = RateLimiter(4, clock=FakeClock(loop_time), burst=1)
    began = loop_time()
    for _ in range(9):
        await limiter.acquire()
    assert 2 <= loop_time() - began < 2.1


async def test_a_token_that_was_not_needed_is_there_for_the_next() -> None:
    limiter = RateLimiter(0.001, clock=FakeClock(loop_time))
    began = loop_time()
    await limiter.acquire()
    limiter.refund()
    await limiter.acquire()
    assert loop_time() - began < 1


def test_a_change_of_the_rate_leaves_what_was_taken_taken() -> None:
    bucket = TokenBucket(rate=10, burst=10)
    bucket.reserve(0, 30)
    assert bucket.wait(0) == 2.1
    bucket.change(5, burst=5, now=1)
    assert bucket.wait(1) == (20 - 5 + 1) / 5, "ten have come by then"
    bucket.change(10, burst=10, now=1)
    assert bucket.wait(1) == 1.1


@given(
    rate=st.floats(min_value=1, max_value=1000),
    members=st.lists(st.integers(min_value=1, max_value=5), min_size=1, max_size=20),
)
def test_those_who_share_take_no_more_than_the_rate_together(rate: float, members: list[int]) -> None:
    """Each second another number of them; all of them take what they get."""
    now = 0
    buckets = [SharedBucket(rate, burst=lambda _: 1.0, sharers=lambda: members[now]) for _ in range(5)]
    taken = 0
    for now, count in enumerate(members):
        for bucket in buckets[:count]:
            while bucket.at(now).try_take(now):
                taken += 1
    assert taken <= rate * len(members) + 5 * len(members)


async def test_a_limiter_keeps_to_its_share_as_others_come_and_go() -> None:
    sharers = 1
    limiter = RateLimiter(10, clock=FakeClock(loop_time), burst=1, sharers=lambda: sharers)
    began = loop_time()
    for _ in range(11):
        await limiter.acquire()
    assert 0.9 < loop_time() - began < 1.2
    sharers, began = 5, loop_time()
    for _ in range(10):
        await limiter.acquire()
    assert 4.5 < loop_time() - began < 5.5
    sharers, began = 0, loop_time()
    for _ in range(10):
        await limiter.acquire()
    assert loop_time() - began < 1.5, "who is not a member yet shares with no one"
