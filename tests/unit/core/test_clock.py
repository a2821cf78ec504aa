"""The machine's own clocks."""

import time
from datetime import UTC, datetime

from thing_operator.core.clock import BootClock, SystemClock


def test_durations_come_from_the_clock_that_never_goes_back() -> None:
    before = time.monotonic()
    assert before <= SystemClock().monotonic() <= time.monotonic()


def test_the_clock_that_does_not_sleep_is_not_behind_the_one_that_does() -> None:
    before = time.clock_gettime(time.CLOCK_BOOTTIME)
    assert before <= BootClock().monotonic() <= time.clock_gettime(time.CLOCK_BOOTTIME)


def test_the_time_of_day_is_in_utc() -> None:
    before = datetime.now(UTC)
    now = SystemClock().now()
    assert now.tzinfo is UTC
    assert before <= now <= datetime.now(UTC)
