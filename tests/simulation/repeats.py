"""Whether the same happens too often within a moment."""

from collections import defaultdict, deque
from dataclasses import dataclass, field

_MOMENT = 3.0


@dataclass
class Repeats:
    """Counts what happens; the same by all that is said of it."""

    _times: defaultdict[tuple[object, ...], deque[float]] = field(default_factory=lambda: defaultdict(deque))

    def are_many(self, *what: object, often: int, now: float) -> bool:
        """Whether this, which happens at ``now`` seconds, is the so-many-th time within three."""
        times = self._times[often, *what]
        times.append(now)
        if len(times) > often:
            times.popleft()
        return len(times) == often and now - times[0] < _MOMENT
