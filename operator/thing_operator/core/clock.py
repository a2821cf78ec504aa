"""Time as an argument: what decides by the clock is given one."""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Two clocks: one for durations, one for what people see."""

    def monotonic(self) -> float:
        """Seconds since some moment; never goes back."""

    def now(self) -> datetime:
        """The time of day, in UTC."""


class SystemClock:
    """The machine's two clocks: the monotonic one and the time of day."""

    def monotonic(self) -> float:
        """Seconds since some moment; never goes back."""
        return time.monotonic()

    def now(self) -> datetime:
        """The time of day, in UTC."""
        return datetime.now(UTC)


class BootClock(SystemClock):
    """The machine's clocks, of which the monotonic one goes on while the machine sleeps."""

    def monotonic(self) -> float:
        """Seconds since the machine was started; never goes back."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)
