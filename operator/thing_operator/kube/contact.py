"""When the API server last answered, and whether what is known from it can still be vouched for."""

from datetime import timedelta

from thing_operator.core.clock import Clock


class Contact:
    """Notes each answer. After a silence of ``patience`` what is known may be outdated, until it is listed again."""

    def __init__(self, *, patience: timedelta, clock: Clock) -> None:
        self.patience = patience
        self._patience_seconds = patience.total_seconds()
        self._clock = clock
        self._answered_at = clock.monotonic()
        self._is_outdated = False

    @property
    def silence(self) -> timedelta:
        """Since when it has not answered."""
        return timedelta(seconds=self._clock.monotonic() - self._answered_at)

    @property
    def is_lost(self) -> bool:
        """Whether it has not answered for longer than can be tolerated."""
        return self.silence > self.patience

    def answered(self) -> None:
        """It answers, whatever it says. Called for every event: so plain numbers."""
        now = self._clock.monotonic()
        self._is_outdated = self._is_outdated or now - self._answered_at > self._patience_seconds
        self._answered_at = now

    @property
    def is_outdated(self) -> bool:
        """Whether what is known may be outdated: after a silence, until :meth:`caught_up`."""
        return self._is_outdated or self.is_lost

    def caught_up(self) -> None:
        """All that is known was listed since it answered again."""
        self._is_outdated = False
