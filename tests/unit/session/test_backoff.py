"""How long to wait before the next CONNECT."""

import random

from hypothesis import given
from hypothesis import strategies as st

from thing_operator.session.backoff import QUICK_BASE, SLOW_BASE, STABLE_SECONDS, Backoff


class Highest(random.Random):
    """Always the end of the range: shows the ceiling."""

    def uniform(self, a: float, b: float) -> float:
        """The upper end."""
        return b


class Lowest(random.Random):
    """Always the start of the range."""

    def uniform(self, a: float, b: float) -> float:
        """The lower end."""
        return a


def backoff(rng: random.Random, *, maximum: float = 120, min_interval: float = 10) -> Backoff:
    """With the defaults of the configuration."""
    return Backoff(maximum=maximum, min_interval=min_interval, rng=rng)


def test_ceiling_doubles_up_to_the_maximum() -> None:
    tried = backoff(Highest())
    assert [tried.next_delay(0) for _ in range(9)] == [1, 2, 4, 8, 16, 32, 64, 120, 120]


def test_what_time_hardly_heals_begins_higher() -> None:
    tried = backoff(Highest())
    assert [tried.next_delay(0, slow=True) for _ in range(4)] == [20, 40, 80, 120]


def test_jitter_is_full() -> None:
    assert backoff(Lowest()).next_delay(0) == 0
    rng = random.Random(7)
    delays = [backoff(rng).next_delay(0) for _ in range(1000)]
    assert min(delays) < 0.05 * QUICK_BASE
    assert max(delays) > 0.95 * QUICK_BASE


def test_two_connects_keep_their_distance_even_after_a_reset() -> None:
    tried = backoff(Lowest())
    tried.connecting(100)
    assert tried.next_delay(101) == 9
    tried.reset()
    assert tried.next_delay(103) == 7
    assert tried.until_allowed(109) == 1
    assert tried.until_allowed(110) == 0


def test_only_a_stable_connection_resets() -> None:
    tried = backoff(Highest())
    for _ in range(5):
        tried.next_delay(0)
    tried.ended(up_for=STABLE_SECONDS - 0.1)
    assert tried.next_delay(0) == 32
    tried.ended(up_for=STABLE_SECONDS)
    assert tried.next_delay(0) == QUICK_BASE


def test_hold_is_in_the_upper_half_of_the_maximum() -> None:
    assert backoff(Lowest()).hold_delay(0) == 60
    assert backoff(Highest()).hold_delay(0) == 120


@given(
    failures=st.lists(st.booleans(), max_size=200),
    maximum=st.floats(min_value=SLOW_BASE, max_value=3600),
    interval=st.floats(min_value=0.1, max_value=60),
    seed=st.integers(),
)
def test_never_above_the_maximum_never_below_the_interval(
    failures: list[bool], maximum: float, interval: float, seed: int
) -> None:
    rng = random.Random(seed)
    tried = backoff(rng, maximum=maximum, min_interval=interval)
    clock = 0.0
    last: float | None = None
    for slow in failures:
        if last is not None:
            assert clock - last >= interval - 1e-6
        tried.connecting(clock)
        last = clock
        delay = tried.next_delay(clock, slow=slow)
        assert 0 <= delay <= max(maximum, interval) + 1e-6
        clock += delay
