"""When a request to the shadow service may be repeated."""

import random
from datetime import timedelta

from thing_operator.core.backoff import RECHECK, Backoff, Jitter, rechecks
from thing_operator.core.clock import Clock
from thing_operator.core.retry_gate import RetryGate


class RetryGates:
    """Makes the gates of every Thing; what they have in common exists once."""

    def __init__(self, *, clock: Clock, rng: random.Random) -> None:
        second = timedelta(seconds=1)
        self._clock = clock
        self._failures = Backoff(second, timedelta(minutes=2), rng, Jitter.EQUAL)
        self._repeats = Backoff(second, timedelta(minutes=1), rng, Jitter.EQUAL)
        self._refusals = Backoff(RECHECK / 2, RECHECK / 2, rng, Jitter.EQUAL)
        self._rechecks = rechecks(rng)

    def for_failures(self) -> RetryGate:
        """After a request that failed: up to two minutes apart."""
        return RetryGate(clock=self._clock, backoff=self._failures, quiet=timedelta(minutes=10))

    def for_repeats(self) -> RetryGate:
        """After a request that succeeded and may have to be made again: up to a minute apart."""
        return RetryGate(clock=self._clock, backoff=self._repeats, quiet=timedelta(minutes=5))

    def for_refusals(self) -> RetryGate:
        """After a request that was refused for good: open again when what is amiss is checked again."""
        return RetryGate(clock=self._clock, backoff=self._refusals, quiet=RECHECK)

    def recheck_in(self) -> timedelta:
        """When to check again a Thing with which something is amiss: five to ten minutes from now."""
        return self._rechecks.delay(1)
