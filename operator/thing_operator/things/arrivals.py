"""Things that were another replica's a moment ago, until they are connected here."""

from collections.abc import Callable
from itertools import takewhile

from thing_operator.core.clock import Clock
from thing_operator.core.resource import ObjectKey
from thing_operator.observability.observers import ThingObserver


class Arrivals:
    """How many there are, and how long each took."""

    def __init__(
        self, *, observer: ThingObserver, clock: Clock, on_fewer: Callable[[], None] = lambda: None
    ) -> None:
        """``on_fewer`` is called when one is awaited no more; it may be exchanged."""
        self._observer = observer
        self._clock = clock
        self._since: dict[ObjectKey, float] = {}
        """In order."""
        self.on_fewer = on_fewer

    def expect(self, key: ObjectKey) -> None:
        """This Thing is ours from now on."""
        self._since.pop(key, None)  # it comes last again
        self._since[key] = self._clock.monotonic()

    def connected(self, key: ObjectKey) -> None:
        """The session of this Thing is up."""
        since = self._since.pop(key, None)
        if since is not None:
            self._observer.moved(self._clock.monotonic() - since)
            self.on_fewer()

    def forget(self, key: ObjectKey) -> None:
        """The Thing is deleted, another replica's, or not to connect."""
        if self._since.pop(key, None) is not None:
            self.on_fewer()

    def count(self, *, within: float) -> int:
        """How many have come in so many seconds and are not connected. Those of before are forgotten: not every Thing
        is to connect, and not every one can.
        """
        begin = self._clock.monotonic() - within
        # It is asked for with each that connects: nobody looks at all of them each time.
        for key, _ in tuple(takewhile(lambda item: item[1] < begin, self._since.items())):
            del self._since[key]
        return len(self._since)
