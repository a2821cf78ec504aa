"""Small types that the reconcilers share."""

from collections.abc import Callable
from typing import Protocol

from thing_operator.controller.kube import ObjectKey
from thing_operator.controller.records import ObjectRecord

Enqueue = Callable[[ObjectKey], None]
"""Put an object's key on the queue: look at it again soon."""

Tell = Callable[[ObjectRecord, str, str], None]
"""Record an Event about an object, with reason and message; the reason decides whether it is a Warning."""


class ThingObserver(Protocol):
    """Told of what Things go through, for metrics."""

    def synced(self, seconds: float) -> None:
        """The shadow service has accepted a generation, so long after it was first seen."""

    def samples_dropped(self, count: int) -> None:
        """So many simulated values of the time without a connection will never be delivered."""
