"""One line a minute about one trouble, however often it is met: an outage must not flood the log."""

import logging
from collections.abc import Hashable

from thing_operator.core.clock import Clock

_SECONDS = 60.0


class LogLimit:
    """Remembers when each trouble was logged last."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._logged_at: dict[Hashable, float] = {}

    def level(self, trouble: Hashable) -> int:
        """The level of a line about this trouble now: WARNING when there was none for a minute, else DEBUG."""
        now = self._clock.monotonic()
        recent = {each: at for each, at in self._logged_at.items() if now - at < _SECONDS}
        if trouble in recent:
            return logging.DEBUG
        self._logged_at = recent | {trouble: now}
        return logging.WARNING
