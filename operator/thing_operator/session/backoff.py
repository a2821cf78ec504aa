"""How long to wait before the next CONNECT: a pure decision, the clock is an argument."""

import random
from dataclasses import dataclass, field
from typing import Final

STABLE_SECONDS: Final = 20.0
"""A connection that was up for so long makes the next backoff begin at its base again."""

QUICK_BASE: Final = 1.0
"""First ceiling after a drop or an unreachable endpoint."""

SLOW_BASE: Final = 20.0
"""First ceiling when time alone will hardly heal it: TLS or authorisation failed."""

_MAX_DOUBLINGS: Final = 30


@dataclass(slots=True)
class Backoff:
    """Exponential backoff with full jitter, and a floor between two CONNECTs of one client id.

    Times are seconds of one monotonic clock; ``rng`` gives the jitter.
    """

    maximum: float
    min_interval: float
    rng: random.Random
    _failures: int = 0
    _last_connect: float | None = field(default=None)

    def connecting(self, now: float) -> None:
        """A CONNECT is about to be sent."""
        self._last_connect = now

    def ended(self, *, up_for: float) -> None:
        """A connection that had become ready is gone."""
        if up_for >= STABLE_SECONDS:
            self.reset()

    def reset(self) -> None:
        """Begin at the base again: it was stable, or the credentials or the endpoint are other ones."""
        self._failures = 0

    def next_delay(self, now: float, *, slow: bool = False) -> float:
        """Seconds from now to the next try; each call counts as one more failure in a row."""
        base = SLOW_BASE if slow else QUICK_BASE
        ceiling = min(self.maximum, base * 2.0 ** min(self._failures, _MAX_DOUBLINGS))
        self._failures += 1
        return max(self.rng.uniform(0, ceiling), self.until_allowed(now))

    def hold_delay(self, now: float) -> float:
        """Seconds from now to the next try while held down: the upper half of the maximum."""
        self._failures += 1
        return max(self.rng.uniform(self.maximum / 2, self.maximum), self.until_allowed(now))

    def until_allowed(self, now: float) -> float:
        """Seconds until the next CONNECT keeps its distance from the last one; 0 when it does already."""
        if self._last_connect is None:
            return 0.0
        return max(0.0, self._last_connect + self.min_interval - now)
