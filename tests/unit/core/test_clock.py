"""The machine's own clocks."""

import time
from datetime import UTC, datetime

from thing_operator.core.clock import SystemClock


def test_durations_come_from_the_clock_that_never_goes_back() -> None:
    before = time.monotonic()
    assert before <= SystemClock().monotonic() <= time.monotonic()


def test_the_time_of_day_is_in_utc() -> None:
    before = datetime.now(UTC)
    now = SystemClock().now()
    assert now.tzinfo is UTC
    assert before <= now <= datetime.now(UTC)
