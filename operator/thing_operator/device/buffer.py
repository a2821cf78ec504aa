"""What should have been reported while there was no connection. Pure."""

from dataclasses import dataclass
from datetime import timedelta

from thing_operator.core.json_values import JsonObject


@dataclass(frozen=True, slots=True)
class Sample:
    """What a thing had to report at one moment, in epoch milliseconds."""

    timestamp_ms: int
    reported: JsonObject


class SampleBuffer:
    """Keeps the newest samples, bounded by count and age; counts what it had to drop."""

    __slots__ = (
        "_dropped",
        "_limit",
        "_max_age_ms",
        "_samples",
    )

    def __init__(self, *, limit: int, max_age: timedelta) -> None:
        self._limit = limit
        self._max_age_ms = max_age.total_seconds() * 1000
        self._samples: list[Sample] = []  # an empty deque takes 0.6 KiB, and most Things simulate nothing
        self._dropped = 0

    def add(self, sample: Sample) -> None:
        """Keep a sample; the oldest goes when there are too many, and whatever is too old beside this one."""
        self._samples.append(sample)
        oldest = sample.timestamp_ms - self._max_age_ms
        while self._samples and (len(self._samples) > self._limit or self._samples[0].timestamp_ms < oldest):
            self._samples.pop(0)
            self._dropped += 1

    @property
    def first(self) -> Sample | None:
        """The oldest sample, the next one to deliver."""
        return self._samples[0] if self._samples else None

    def delivered(self, sample: Sample) -> None:
        """Let go of a sample; one that has been dropped meanwhile counts as delivered."""
        if self._samples and self._samples[0] is sample:
            self._samples.pop(0)
        else:
            self._dropped -= 1

    def take_dropped(self) -> int:
        """How many samples were dropped since this was last asked."""
        dropped, self._dropped = self._dropped, 0
        return dropped

    def clear(self) -> None:
        """Drop all samples that are left, and count them as dropped."""
        self._dropped += len(self._samples)
        self._samples.clear()

    def __len__(self) -> int:
        return len(self._samples)
