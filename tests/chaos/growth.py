"""Whether a process grows while nothing asks it to: memory, descriptors, tasks, logs, by a line through samples."""

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import linear_regression

import psutil
from tests.support.replicas import ReplicaProcess

_WARM_UP = 0.3
"""The part of the samples at the beginning that is left out."""
_FEWEST = 10

MOST_PER_HOUR = {
    "memory, MiB": 12.0,
    "descriptors": 10.0,
    "threads": 6.0,
    "tasks": 10.0,
    "intents": 10.0,
    "log, KiB": 1024.0,
}
"""What a line may rise in an hour. In a quarter of an hour that is three MiB of memory: less is noise."""
_SCRAPED = {"tasks": ("event_loop_tasks",), "intents": ("intents",)}
"""What a replica's own metrics say, and under which name."""


@dataclass(frozen=True, slots=True)
class Growth:
    """One figure of one process: how it was in the beginning and at the end, and how much its line rises in an hour."""

    process: str
    what: str
    first: float
    last: float
    per_hour: float
    minutes: float

    @property
    def is_flat(self) -> bool:
        """Whether it rises no more than it may."""
        return self.per_hour <= MOST_PER_HOUR[self.what]

    def __str__(self) -> str:
        return (
            f"{self.process:12} {self.what:12} {self.first:9.1f} {self.last:9.1f} {self.per_hour:+9.2f} an hour, "
            f"{self.minutes:.0f} min{'' if self.is_flat else '  GROWS'}"
        )


class Samples:
    """What processes used, over time."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)

    def take(self, replica: ReplicaProcess) -> None:
        """Look at a replica, unless it has just ended."""
        at = time.monotonic()
        for what, value in (*_usage(replica), *_metrics(replica)):
            self._found[replica.name, what].append((at, value))

    def growth(self) -> Iterator[Growth]:
        """Of every process that was there for long enough."""
        for (process, what), samples in sorted(self._found.items()):
            if (found := growth_of(process, what, samples)) is not None:
                yield found


def growth_of(process: str, what: str, samples: Sequence[tuple[float, float]]) -> Growth | None:
    """Of samples, each with its time in seconds; None of few. The beginning is left out: there caches fill."""
    samples = samples[int(len(samples) * _WARM_UP) :]
    if len(samples) < _FEWEST:
        return None
    times, values = zip(*samples, strict=True)
    slope, _ = linear_regression(times, values)
    return Growth(process, what, values[0], values[-1], slope * 3600, (times[-1] - times[0]) / 60)


def _usage(replica: ReplicaProcess) -> list[tuple[str, float]]:
    try:
        found = [
            each
            for each in psutil.Process(replica.pid).children(recursive=True)
            if each.name().startswith("python")
        ]
        return [
            ("memory, MiB", sum(each.memory_info().rss for each in found) / (1 << 20)),
            ("descriptors", float(sum(each.num_fds() for each in found))),
            ("threads", float(sum(each.num_threads() for each in found))),
            ("log, KiB", replica.log.stat().st_size / 1024),
        ]
    except (psutil.Error, OSError, AssertionError):
        return []


def _metrics(replica: ReplicaProcess) -> list[tuple[str, float]]:
    try:
        found = replica.scrape()
    except OSError:
        return []
    return [(what, found[name]) for what, name in _SCRAPED.items()]
