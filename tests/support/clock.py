"""The clock of the tests: it stands still until it is moved, or follows an event loop."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

START = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
"""The time of day when a clock's :meth:`FakeClock.monotonic` is :data:`ORIGIN`."""
ORIGIN = 1000.0


def loop_time() -> float:
    """Seconds by the running event loop, virtual or real."""
    return asyncio.get_running_loop().time()


class FakeClock:
    """Both clocks of ``thing_operator.core.clock.Clock``, always ``seconds`` apart from the same origin.

    ``base``: where time comes from, in monotonic seconds. By default it stands still; with :func:`loop_time` it
    passes as it does on the loop. :meth:`advance` moves it on in either case.
    """

    def __init__(self, base: Callable[[], float] = lambda: ORIGIN, *, start: datetime = START) -> None:
        self._base = base
        self._start = start
        self._advanced = 0.0

    def monotonic(self) -> float:
        """Seconds; never goes back."""
        return self._base() + self._advanced

    def now(self) -> datetime:
        """The time of day in UTC, as far from ``start`` as :meth:`monotonic` is from :data:`ORIGIN`."""
        return self._start + timedelta(seconds=self.monotonic() - ORIGIN)

    def epoch(self) -> float:
        """:meth:`now` as seconds since 1970."""
        return self.now().timestamp()

    def epoch_ms(self) -> int:
        """:meth:`now` as milliseconds since 1970, as MIC and the shadow service count."""
        return round(self.epoch() * 1000)

    def advance(self, seconds: float) -> None:
        """Let so many seconds pass at once."""
        self._advanced += seconds
