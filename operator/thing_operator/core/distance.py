"""A least time between two events of one kind, whoever causes them."""

from collections.abc import Hashable


class Distance:
    """Says how long an event has to wait for its distance from the last one of the same key, ``seconds`` before it.

    Of each key the last event is remembered, and forgotten when it counts no more. Times are seconds of one monotonic
    clock.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._last: dict[Hashable, float] = {}
        """In the order of time."""

    def note(self, key: Hashable, now: float) -> None:
        """An event happens now."""
        self._last.pop(key, None)
        self._last[key] = now
        while now - self._last[first := next(iter(self._last))] > self._seconds:
            del self._last[first]

    def until_allowed(self, key: Hashable, now: float) -> float:
        """Seconds until the next event keeps its distance; 0 when it does already."""
        last = self._last.get(key)
        return 0.0 if last is None else max(0.0, last + self._seconds - now)

    def __len__(self) -> int:
        return len(self._last)
