"""When a thing answers a delta."""

from datetime import timedelta
from typing import Final

from thing_operator.core.clock import Clock
from thing_operator.core.json_values import JsonObject, json_equal
from thing_operator.core.rate_limit import TokenBucket
from thing_operator.core.retry_gate import RetryGate

_PER_SECOND: Final = 1.0
_AT_ONCE: Final = 10.0


class Acknowledgements:
    """When a delta is answered: after the delay, and the same answer again only after a growing pause.

    The same answer is due again when somebody else reports otherwise: two reporters must not
    drive each other in circles. Nor must somebody who desires one thing and another in turn: no more than one answer
    a second, of which ten may be saved up.
    """

    __slots__ = (
        "_asked_at",
        "_clock",
        "_gate",
        "_last",
        "_rate",
    )

    def __init__(self, *, clock: Clock, gate: RetryGate) -> None:
        self._clock = clock
        self._gate = gate
        self._asked_at: float | None = None
        self._last: JsonObject | None = None
        self._rate = TokenBucket(_PER_SECOND, _AT_ONCE)

    def wait(self, answer: JsonObject, delay: timedelta) -> timedelta | None:
        """How long until ``answer`` may be sent, zero for now; None when there is nothing to answer."""
        if not answer:
            self._asked_at = None
            return None
        now = self._clock.monotonic()
        if self._asked_at is None:
            self._asked_at = now
        left = max(timedelta(0), timedelta(seconds=self._asked_at - now) + delay)
        left = max(left, timedelta(seconds=self._rate.wait(now)))
        return max(left, self._gate.wait()) if json_equal(answer, self._last) else left

    def sent(self, answer: JsonObject) -> None:
        """The answer was accepted."""
        if not json_equal(answer, self._last):
            self._gate.reset()
        self._gate.shut()
        self._rate.reserve(self._clock.monotonic())
        self._last = answer
        self._asked_at = None
