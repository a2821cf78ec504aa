"""When a request to the shadow service may be repeated."""

import random
from datetime import timedelta

from thing_operator.core.backoff import Backoff, Jitter
from thing_operator.core.clock import Clock
from thing_operator.core.json_values import JsonObject


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


class RetryGates:
    """Makes the gates of every Thing; what they have in common exists once."""

    def __init__(self, *, clock: Clock, rng: random.Random) -> None:
        second = timedelta(seconds=1)
        self._clock = clock
        self._failures = Backoff(second, timedelta(minutes=2), rng, Jitter.EQUAL)
        self._repeats = Backoff(second, timedelta(minutes=1), rng, Jitter.EQUAL)

    def for_failures(self) -> RetryGate:
        """After a request that failed: up to two minutes apart."""
        return RetryGate(clock=self._clock, backoff=self._failures, quiet=timedelta(minutes=10))

    def for_repeats(self) -> RetryGate:
        """After a request that succeeded and may have to be made again: up to a minute apart."""
        return RetryGate(clock=self._clock, backoff=self._repeats, quiet=timedelta(minutes=5))


class Acknowledgements:
    """When a delta is answered: after the delay, and the same answer again only after a growing pause.

    The same answer is due again when somebody else reports otherwise: two reporters must not
    drive each other in circles.
    """

    __slots__ = (
        "_asked_at",
        "_clock",
        "_gate",
        "_last",
    )

    def __init__(self, *, clock: Clock, gate: RetryGate) -> None:
        self._clock = clock
        self._gate = gate
        self._asked_at: float | None = None
        self._last: JsonObject | None = None

    def wait(self, answer: JsonObject, delay: timedelta) -> timedelta | None:
        """How long until ``answer`` may be sent, zero for now; None when there is nothing to answer."""
        if not answer:
            self._asked_at = None
            return None
        now = self._clock.monotonic()
        if self._asked_at is None:
            self._asked_at = now
        left = max(timedelta(0), timedelta(seconds=self._asked_at - now) + delay)
        return max(left, self._gate.wait()) if answer == self._last else left

    def sent(self, answer: JsonObject) -> None:
        """The answer was accepted."""
        if answer != self._last:
            self._gate.reset()
        self._gate.shut()
        self._last = answer
        self._asked_at = None
