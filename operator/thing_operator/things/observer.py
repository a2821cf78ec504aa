"""What Things go through, for whoever counts it."""

from typing import Protocol


class ThingObserver(Protocol):
    """Is called at what Things go through, for metrics."""

    def synced(self, seconds: float) -> None:
        """The shadow service has accepted a generation, so long after it was first seen."""

    def samples_dropped(self, count: int) -> None:
        """So many simulated values of the time without a connection will never be delivered."""
