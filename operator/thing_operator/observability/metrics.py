"""What the operator counts and measures, for Prometheus. Nothing has a label per Thing that was not asked for.

Counters and histograms are moved as things happen; gauges are taken as one snapshot when somebody asks.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.metrics_core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from thing_operator.core.memory_budget import Held
from thing_operator.core.reasons import Reason
from thing_operator.observability import definitions
from thing_operator.observability.definitions import Gauge, Total
from thing_operator.observability.observers import (
    BridgeObserver,
    LogObserver,
    SessionObserver,
    ThingObserver,
    WatchObserver,
    WriteObserver,
)

_DAY: Final = 86400
_WITHIN_DAYS: Final = (7, 30, 90)
MOST_BROKERS: Final = 20
"""Brokers with series of their own: a Thing names any that the settings allow, and each would be a series for ever."""
OTHER_BROKERS: Final = "other"


@dataclass(frozen=True, slots=True)
class ShardFigures:
    """The shards of one replica at one moment."""

    states: Mapping[str, int]
    """How many are held, asked, giving."""
    total: int
    members: int
    lease_age: float | None
    """Seconds since its Lease was renewed; None when it never was."""
    fencings: Mapping[str, int]
    """By whom: us, them."""
    moves: Mapping[tuple[str, str], int]
    """By direction and why."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The operator at one moment."""

    sessions: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """By broker (host:port) and phase."""
    things: Mapping[tuple[str, str, str], int] = field(default_factory=dict)
    """By type, status and reason of a condition."""
    batches: Mapping[tuple[str, str, str], int] = field(default_factory=dict)
    """The same of ThingBatches."""
    each_thing: Sequence[tuple[str, str, str, str]] = ()
    """Namespace and name of each Thing, type and status of each of its conditions; empty when not asked for."""
    queues: Mapping[str, tuple[int, float]] = field(default_factory=dict)
    """Depth, and seconds that the oldest entry is overdue, by name."""
    tasks: int = 0
    """Of the event loop."""
    pending_writes: int = 0
    intents: int = 0
    uses_intent_log: bool = False
    leases: Mapping[str, int] = field(default_factory=dict)
    """By state."""
    shards: ShardFigures | None = None
    """None where no replicas share the Things."""
    api_silence: float = 0.0
    """Seconds since the API server last answered."""
    memory_budget: int = 0
    memory_held: Mapping[Held, int] = field(default_factory=dict)
    """Bytes by kind."""
    values: Sequence[tuple[str, str, str, str, float]] = ()
    """What Things want to have as gauges: name, help, namespace and name of the Thing, value."""
    values_in_all: int = 0
    """How many there are, those included that are over the bound."""
    duplicates: Mapping[str, int] = field(default_factory=dict)
    """Things that wait for another one, by where that one is."""
    certificate_ends: tuple[float, ...] = ()
    """End of validity of each certificate in use, epoch seconds."""
    bridge_streams: int | None = None
    """Streams that are open; None without a bridge."""
    now: float = 0.0
    """Epoch seconds."""


class Metrics(
    SessionObserver, WriteObserver, LogObserver, ThingObserver, WatchObserver, BridgeObserver, Collector
):
    """Observes sessions, the status writer, Events and the event loop.

    ``broker``: host:port of the operator's own, which is named whatever brokers come before it.
    """

    def __init__(self, *, version: str, broker: str | None = None) -> None:
        # A series of creation times beside each counter: twice the series, and nobody asks for them.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # prometheus-client does not annotate it
        registry = self.registry = CollectorRegistry()
        self._version = version
        self._brokers = {broker.lower()} if broker else set[str]()
        self.snapshot = Snapshot()
        """What the gauges say."""
        self._connects = definitions.CONNECTS.in_registry(registry)
        self._pacing_waits = definitions.PACING_WAITS.in_registry(registry)
        self._withheld = definitions.CONNECTS_WITHHELD.in_registry(registry)
        self._disconnects = definitions.DISCONNECTS.in_registry(registry)
        self._connect_failures = definitions.CONNECT_FAILURES.in_registry(registry)
        self._requests = definitions.REQUESTS.in_registry(registry)
        self._latencies = definitions.LATENCIES.in_registry(registry)
        writes = definitions.STATUS_WRITES.in_registry(registry)
        self._written, self._suppressed, self._failed = map(
            writes.labels, ("written", "suppressed", "failed")
        )
        self._log_writes = definitions.INTENT_LOG_WRITES.in_registry(registry)
        self._events = definitions.EVENTS.in_registry(registry)
        watch_events = definitions.WATCH_EVENTS.in_registry(registry)
        self._own_events, self._foreign_events = map(watch_events.labels, ("own", "foreign"))
        self._reconciles = definitions.RECONCILES.in_registry(registry)
        self._syncs = definitions.SYNCS.in_registry(registry)
        self._move_gaps = definitions.MOVE_GAPS.in_registry(registry)
        self._samples_dropped = definitions.SAMPLES_DROPPED.in_registry(registry)
        self._bridge_requests = definitions.BRIDGE_REQUESTS.in_registry(registry)
        self._bridge_latencies = definitions.BRIDGE_LATENCIES.in_registry(registry)
        self._streams_dropped = definitions.BRIDGE_STREAMS_DROPPED.in_registry(registry)
        self._jobs = definitions.JOBS.in_registry(registry)
        self._lag = definitions.LOOP_LAG.in_registry(registry)
        registry.register(self)
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=registry)

    # A session's observer

    def connected(self, latency: float, *, broker: str) -> None:
        """A session became ready, ``latency`` seconds after it began to dial."""
        self._connects.labels(self._known(broker)).observe(latency)

    def disconnected(self, reason: Reason, *, broker: str) -> None:
        """A session that was up has ended."""
        self._disconnects.labels(self._known(broker), reason).inc()

    def connect_failed(self, reason: Reason, *, broker: str) -> None:
        """A try to connect has failed."""
        self._connect_failures.labels(self._known(broker), reason).inc()

    def request(self, *, kind: str, result: str, latency: float) -> None:
        """A get, update or delete has its result; ``latency`` (seconds) is counted when it was accepted."""
        # A code comes from outside: as it is, each would be a series for ever.
        known = result if result in definitions.REQUEST_RESULTS else "other"
        self._requests.labels(kind, known).inc()
        if result == "accepted":
            self._latencies.labels(kind).observe(latency)

    def pacing_wait(self, seconds: float) -> None:
        """A session has waited so many seconds for its turn to connect."""
        self._pacing_waits.observe(seconds)

    def connect_withheld(self) -> None:
        """A session that would connect waits until it is certain that it may."""
        self._withheld.inc()

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

    # The observer of the log of intents

    def log_written(self) -> None:
        """The API server took the log."""
        self._log_writes.labels("written").inc()

    def log_failed(self) -> None:
        """The API server did not take the log."""
        self._log_writes.labels("failed").inc()

    # The Things' observer

    def synced(self, seconds: float) -> None:
        """The shadow service has accepted a generation, so many seconds after it was first seen."""
        self._syncs.observe(seconds)

    def moved(self, seconds: float) -> None:
        """A Thing that has come from another replica is connected, after so many seconds."""
        self._move_gaps.observe(seconds)

    def samples_dropped(self, count: int) -> None:
        """Simulated values of a Thing were dropped for want of a connection."""
        self._samples_dropped.inc(count)

    def job(self, state: str) -> None:
        """A job was started, or has ended so."""
        self._jobs.labels(state).inc()

    # The watches' observer

    def watch_event(self, *, own: bool) -> None:
        """A watch has shown an event of an object that this replica keeps, or of another one's."""
        (self._own_events if own else self._foreign_events).inc()

    # The bridge's observer

    def bridge_request(self, *, operation: str, result: str, seconds: float) -> None:
        """A request was answered after so many seconds."""
        self._bridge_requests.labels(operation, result).inc()
        if result == "ok" and operation != "events":
            self._bridge_latencies.labels(operation).observe(seconds)

    def stream_dropped(self) -> None:
        """A stream was ended since its reader was too slow."""
        self._streams_dropped.inc()

    # Others

    def reconciled(self, *, queue: str, good: bool, seconds: float) -> None:
        """A reconcile of a queue's object has ended, after so many seconds."""
        self._reconciles.labels(queue, "ok" if good else "error").observe(seconds)

    def event(self, reason: Reason) -> None:
        """An Event was recorded, or would have been with room for it."""
        self._events.labels(reason).inc()

    def lag(self, seconds: float) -> None:
        """The event loop was so late."""
        self._lag.observe(seconds)

    def _known(self, broker: str) -> str:
        """The broker as a label: those that were seen first have a value of their own."""
        name = broker.lower()
        if name not in self._brokers:
            if len(self._brokers) >= MOST_BROKERS:
                return OTHER_BROKERS
            self._brokers.add(name)
        return name

    def _sessions(self, snapshot: Snapshot) -> Mapping[tuple[str, str], int]:
        found: Counter[tuple[str, str]] = Counter()
        for (broker, phase), count in snapshot.sessions.items():
            found[self._known(broker), phase] += count
        return found

    def collect(self) -> Iterator[Metric]:
        """The snapshot as the registry asks for it."""
        build = definitions.BUILD
        yield InfoMetricFamily(build.full_name, build.text, {"version": self._version})
        snapshot = self.snapshot
        yield _family(definitions.SESSIONS, self._sessions(snapshot).items())
        yield _family(definitions.THINGS, snapshot.things.items())
        yield _family(definitions.BATCHES, snapshot.batches.items())
        yield _family(
            definitions.DUPLICATES, (((where,), count) for where, count in snapshot.duplicates.items())
        )
        yield _family(definitions.THING_CONDITIONS, ((labels, 1) for labels in snapshot.each_thing))
        queues = snapshot.queues.items()
        yield _family(definitions.QUEUE_DEPTH, (((name,), depth) for name, (depth, _) in queues))
        yield _family(definitions.QUEUE_OLDEST, (((name,), age) for name, (_, age) in queues))
        yield _family(definitions.LOOP_TASKS, [((), snapshot.tasks)])
        yield _family(definitions.PENDING_WRITES, [((), snapshot.pending_writes)])
        yield _family(definitions.INTENTS, [((), snapshot.intents)])
        yield _family(definitions.INTENT_LOG_USED, [((), snapshot.uses_intent_log)])
        yield _family(definitions.LEASES, (((state,), count) for state, count in snapshot.leases.items()))
        if snapshot.shards is not None:
            yield from _shard_families(snapshot.shards)
        yield _family(definitions.API_SILENCE, [((), snapshot.api_silence)])
        yield _family(definitions.MEMORY_BUDGET, [((), snapshot.memory_budget)])
        yield _family(
            definitions.MEMORY_HELD, (((kind,), held) for kind, held in snapshot.memory_held.items())
        )
        streams = snapshot.bridge_streams
        yield _family(definitions.BRIDGE_STREAMS, [] if streams is None else [((), streams)])
        shown = len(snapshot.values)
        states = {"shown": shown, "left_out": snapshot.values_in_all - shown}
        yield _family(definitions.VALUES, (((state,), count) for state, count in states.items()))
        yield from _value_families(snapshot.values)
        ends = snapshot.certificate_ends
        yield _family(definitions.CERTIFICATE_FIRST_END, [((), min(ends))] if ends else [])
        left = [end - snapshot.now for end in ends]
        ending = (((str(days),), sum(each < days * _DAY for each in left)) for days in _WITHIN_DAYS)
        yield _family(definitions.CERTIFICATES_ENDING, ending)


def _shard_families(shards: ShardFigures) -> Iterator[Metric]:
    yield _family(definitions.SHARDS, (((state,), count) for state, count in shards.states.items()))
    yield _family(definitions.SHARDS_TOTAL, [((), shards.total)])
    yield _family(definitions.MEMBERS, [((), shards.members)])
    age = shards.lease_age
    yield _family(definitions.LEASE_RENEWED, [] if age is None else [((), age)])
    yield _family(definitions.FENCINGS, (((by,), count) for by, count in shards.fencings.items()))
    yield _family(definitions.MOVES, shards.moves.items())


def _value_families(values: Iterable[tuple[str, str, str, str, float]]) -> Iterator[Metric]:
    """A gauge for each name; its help is that of the first value."""
    families: dict[str, GaugeMetricFamily] = {}
    for name, text, namespace, thing, value in values:
        if name not in families:
            families[name] = GaugeMetricFamily(name, text, labels=("namespace", "thing"))
        families[name].add_metric((namespace, thing), value)
    yield from families.values()


def _family(definition: Gauge | Total, values: Iterable[tuple[Sequence[str], float]]) -> Metric:
    """A gauge or counter with its values by labels."""
    family = definition.family()
    for labels, value in values:
        family.add_metric(labels, value)
    return family
