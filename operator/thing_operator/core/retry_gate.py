"""When something that failed may be tried again, whatever asks for it meanwhile. Pure."""

from datetime import timedelta

from thing_operator.core.backoff import Backoff
from thing_operator.core.clock import Clock


class RetryGate:
    """Keeps a request from being repeated too soon, whatever makes the Thing's turn come again.

    The queue's own backoff is not enough: every report from the device brings the Thing back on the queue.
    Each failure makes the pause longer, as ``backoff`` says; ``quiet`` without one forgets them.
    """

    __slots__ = ("_backoff", "_clock", "_count", "_last", "_open_at", "_quiet")

    def __init__(self, *, clock: Clock, backoff: Backoff, quiet: timedelta) -> None:
        self._clock = clock
        self._backoff = backoff
        self._quiet = quiet.total_seconds()
        self._count = 0
        self._last = 0.0
        self._open_at = 0.0

    def wait(self) -> timedelta:
        """How long the gate stays shut; zero when it is open."""
        return timedelta(seconds=max(0.0, self._open_at - self._clock.monotonic()))

    def shut(self) -> None:
        """Count one more failure (or repair) and shut the gate for a while."""
        now = self._clock.monotonic()
        if now - self._last > self._quiet:
            self._count = 0
        self._last = now
        self._count += 1
        self._open_at = now + self._backoff.delay(self._count).total_seconds()

    def reset(self) -> None:
        """Forget all failures: the next try may be made at once."""
        self._count = 0
        self._open_at = 0.0
