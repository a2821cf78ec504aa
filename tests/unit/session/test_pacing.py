"""Sharing an endpoint's quotas."""

import asyncio
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thing_operator.config import PacingSettings
from thing_operator.session.pacing import EndpointGate, TokenBucket


@given(
    rate=st.floats(min_value=1, max_value=1000),
    asks=st.lists(
        st.tuples(st.floats(min_value=0, max_value=2), st.integers(1, 8)), min_size=1, max_size=100
    ),
)
def test_never_more_than_the_rate_and_in_order(rate: float, asks: list[tuple[float, int]]) -> None:
    bucket = TokenBucket(rate)
    clock, grants = 0.0, list[tuple[float, int]]()
    for pause, tokens in asks:
        clock += pause
        grants.append((clock + bucket.reserve(clock, tokens), tokens))
    assert all(one <= two + 1e-6 for (one, _), (two, _) in pairwise(grants))
    for at, _ in grants:
        window = [(when, tokens) for when, tokens in grants if at <= when < at + 1]
        taken_before_the_last = sum(tokens for _, tokens in window[:-1])
        assert taken_before_the_last <= rate * 1.1 + 1e-6


def test_the_first_does_not_wait() -> None:
    assert TokenBucket(0.001).reserve(5000.0, 7) == 0


def test_refund_makes_room() -> None:
    bucket = TokenBucket(10)
    bucket.reserve(0, 100)
    bucket.refund(100)
    assert bucket.reserve(0, 1) == 0


async def test_a_fleet_is_paced_by_filters_first_come_first_served() -> None:
    loop = asyncio.get_running_loop()
    gate = EndpointGate(PacingSettings(connects_per_second=400, subscriptions_per_second=70))
    began, order = loop.time(), list[int]()

    async def enter(number: int) -> None:
        await gate.admit(filters=7)
        order.append(number)

    await asyncio.gather(*(enter(number) for number in range(100)))
    assert order == list(range(100))
    assert loop.time() - began == pytest.approx(100 * 7 / 70, abs=0.3)


async def test_a_fleet_is_paced_by_connects_where_they_are_scarcer() -> None:
    loop = asyncio.get_running_loop()
    gate = EndpointGate(PacingSettings(connects_per_second=10, subscriptions_per_second=400))
    began = loop.time()
    waits = await asyncio.gather(*(gate.admit(filters=7) for _ in range(50)))
    assert loop.time() - began == pytest.approx(5, abs=0.3)
    assert waits[0] == 0
    assert waits[-1] == pytest.approx(5, abs=0.3)
