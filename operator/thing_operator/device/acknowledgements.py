"""When a thing answers a delta."""

from datetime import timedelta

from thing_operator.core.clock import Clock
from thing_operator.core.json_values import JsonObject
from thing_operator.core.retry_gate import RetryGate


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
