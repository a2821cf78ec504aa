"""What the operator counts and measures, for Prometheus. Nothing has a label per Thing that was not asked for.

Counters and histograms are moved as things happen; gauges are taken as one snapshot when somebody asks.
docs/reference/metrics.md is generated from here.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.metrics_core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from thing_operator.core.reasons import Reason
from thing_operator.observability.observers import SessionObserver, ThingObserver, WriteObserver

_PREFIX: Final = "thing_operator"
_SECONDS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_DAY: Final = 86400
_WITHIN_DAYS: Final = (7, 30, 90)

METRIC_LABELS: Final = {
    f"{_PREFIX}_{name}": labels
    for name, labels in {
        "build": ("version",),
        "sessions": ("phase",),
        "session_disconnects_total": ("reason",),
        "session_connect_failures_total": ("reason",),
        "shadow_requests_total": ("operation", "result"),
        "shadow_request_seconds": ("operation",),
        "status_writes_total": ("result",),
        "events_total": ("reason",),
        "things": ("condition", "status", "reason"),
        "thing_condition": ("namespace", "thing", "condition", "status"),
        "reconcile_seconds": ("queue", "result"),
        "queue_depth": ("queue",),
        "queue_oldest_seconds": ("queue",),
        "certificates_ending": ("days",),
    }.items()
}
"""The labels of each metric that has any."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The operator at one moment."""

    sessions: Mapping[str, int] = field(default_factory=dict)
    """By phase."""
    things: Mapping[tuple[str, str, str], int] = field(default_factory=dict)
    """By type, status and reason of a condition."""
    each_thing: Sequence[tuple[str, str, str, str]] = ()
    """Namespace and name of each Thing, type and status of each of its conditions; empty when not asked for."""
    queues: Mapping[str, tuple[int, float]] = field(default_factory=dict)
    """Depth, and seconds that the oldest entry is overdue, by name."""
    pending_writes: int = 0
    certificate_ends: tuple[float, ...] = ()
    """End of validity of each certificate in use, epoch seconds."""
    now: float = 0.0
    """Epoch seconds."""


class Metrics(SessionObserver, WriteObserver, ThingObserver, Collector):
    """Observes sessions, the status writer, Events and the event loop."""

    def __init__(self, *, version: str) -> None:
        # A series of creation times beside each counter: twice the series, and nobody asks for them.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # prometheus-client does not annotate it
        registry = self.registry = CollectorRegistry()
        self._version = version
        self.snapshot = Snapshot()
        """What the gauges say."""
        self._connects = Histogram(
            "session_connect_seconds",
            "From the begin of dialing until the shadow has been read.",
            namespace=_PREFIX,
            buckets=_SECONDS,
            registry=registry,
        )
        self._pacing = Histogram(
            "session_pacing_wait_seconds",
            "What a session waited for its turn to connect.",
            namespace=_PREFIX,
            buckets=_SECONDS,
            registry=registry,
        )
        self._disconnects = _counter(
            registry, "session_disconnects", "Sessions that were up and ended.", "reason"
        )
        self._refused = _counter(
            registry, "session_connect_failures", "Tries to connect that came to nothing.", "reason"
        )
        self._requests = _counter(
            registry,
            "shadow_requests",
            "Requests to the shadow service by answer: accepted, the code of a refusal, timeout, lost.",
            "operation",
            "result",
        )
        self._latencies = Histogram(
            "shadow_request_seconds",
            "From a request to its acceptance.",
            ["operation"],
            namespace=_PREFIX,
            buckets=_SECONDS,
            registry=registry,
        )
        writes = _counter(
            registry,
            "status_writes",
            "Status writes: written, suppressed since nothing had changed, failed.",
            "result",
        )
        self._written, self._suppressed, self._failed = map(
            writes.labels, ("written", "suppressed", "failed")
        )
        self._events = _counter(
            registry, "events", "Reasons of Events, those not recorded included.", "reason"
        )
        self._passes = Histogram(
            "reconcile_seconds",
            "Passes over Things and ThingBatches, by result: ok, or error, after which there is another try.",
            ["queue", "result"],
            namespace=_PREFIX,
            buckets=_SECONDS,
            registry=registry,
        )
        self._syncs = Histogram(
            "thing_sync_seconds",
            "From a new generation of a Thing until the shadow service has accepted it.",
            namespace=_PREFIX,
            buckets=(*_SECONDS, 60, 300),
            registry=registry,
        )
        self._dropped = _counter(
            registry,
            "samples_dropped",
            "Simulated values of the time without a connection that will never be delivered.",
        )
        self._lag = Histogram(
            "event_loop_lag_seconds",
            "How late the event loop was for its beat, twice a second.",
            namespace=_PREFIX,
            buckets=_SECONDS,
            registry=registry,
        )
        registry.register(self)
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=registry)

    # A session's observer

    def connected(self, latency: float) -> None:
        """A session became ready, ``latency`` seconds after it began to dial."""
        self._connects.observe(latency)

    def disconnected(self, reason: Reason) -> None:
        """A session that was up has ended."""
        self._disconnects.labels(reason).inc()

    def connect_failed(self, reason: Reason) -> None:
        """A try to connect has failed."""
        self._refused.labels(reason).inc()

    def request(self, *, kind: str, result: str, latency: float) -> None:
        """A get, update or delete has its result; ``latency`` (seconds) is counted when it was accepted."""
        self._requests.labels(kind, result).inc()
        if result == "accepted":
            self._latencies.labels(kind).observe(latency)

    def pacing_wait(self, seconds: float) -> None:
        """A session has waited so many seconds for its turn to connect."""
        self._pacing.observe(seconds)

    # The status writer's observer

    def written(self) -> None:
        """The API server took a status."""
        self._written.inc()

    def suppressed(self) -> None:
        """A status was not written since it says nothing new."""
        self._suppressed.inc()

    def failed(self) -> None:
        """The API server did not take a status."""
        self._failed.inc()

    # The Things' observer

    def synced(self, seconds: float) -> None:
        """The shadow service has accepted a generation, so many seconds after it was first seen."""
        self._syncs.observe(seconds)

    def samples_dropped(self, count: int) -> None:
        """Simulated values of a Thing were dropped for want of a connection."""
        self._dropped.inc(count)

    # Others

    def reconciled(self, *, queue: str, good: bool, seconds: float) -> None:
        """A pass of a queue has ended."""
        self._passes.labels(queue, "ok" if good else "error").observe(seconds)

    def event(self, reason: Reason) -> None:
        """An Event was recorded, or would have been with room for it."""
        self._events.labels(reason).inc()

    def lag(self, seconds: float) -> None:
        """The event loop was so late."""
        self._lag.observe(seconds)

    def collect(self) -> Iterator[Metric]:
        """The snapshot as the registry asks for it."""
        yield InfoMetricFamily(f"{_PREFIX}_build", "Version of the operator.", {"version": self._version})
        snapshot = self.snapshot
        sessions = _gauge("sessions", "Sessions by phase.", "phase")
        for phase, count in snapshot.sessions.items():
            sessions.add_metric([phase], count)
        yield sessions
        things = _gauge("things", "Things by condition.", "condition", "status", "reason")
        for labels, count in snapshot.things.items():
            things.add_metric(labels, count)
        yield things
        each = _gauge(
            "thing_condition",
            "1 for the status of each condition of each Thing; only with metrics.perThing.",
            *METRIC_LABELS[f"{_PREFIX}_thing_condition"],
        )
        for one in snapshot.each_thing:
            each.add_metric(one, 1)
        yield each
        depths = _gauge("queue_depth", "Objects that are due for a pass.", "queue")
        ages = _gauge("queue_oldest_seconds", "How long the object that waits longest is overdue.", "queue")
        for name, (depth, age) in snapshot.queues.items():
            depths.add_metric([name], depth)
            ages.add_metric([name], age)
        yield depths
        yield ages
        pending = _gauge("status_writes_pending", "Statuses that wait for their turn to be written.")
        pending.add_metric([], snapshot.pending_writes)
        yield pending
        yield from self._certificates(snapshot)

    def _certificates(self, snapshot: Snapshot) -> Iterator[Metric]:
        ends = snapshot.certificate_ends
        first = _gauge("certificate_first_end_timestamp_seconds", "When the first certificate in use ends.")
        if ends:
            first.add_metric([], min(ends))
        yield first
        counts = _gauge("certificates_ending", "Certificates in use that end within so many days.", "days")
        for days in _WITHIN_DAYS:
            counts.add_metric([str(days)], sum(end - snapshot.now < days * _DAY for end in ends))
        yield counts


def _counter(registry: CollectorRegistry, name: str, text: str, *labels: str) -> Counter:
    return Counter(name, text, labels, namespace=_PREFIX, registry=registry)


def _gauge(name: str, text: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{_PREFIX}_{name}", text, labels=labels)
