"""Every metric of ours: its name, what it says and its labels. docs/reference/metrics.md is generated from here."""

from dataclasses import dataclass
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily

PREFIX: Final = "thing_operator"
_SECONDS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


@dataclass(frozen=True, slots=True)
class Definition:
    """One metric: its name, its help text and the names of its labels."""

    name: str
    """Without the prefix, which all have."""
    text: str
    labels: tuple[str, ...] = ()

    @property
    def full_name(self) -> str:
        """The name in Prometheus."""
        return f"{PREFIX}_{self.name}"


class Count(Definition):
    """How often something has happened."""

    __slots__ = ()

    @property
    def full_name(self) -> str:
        """The name in Prometheus, where a counter's ends with ``_total``."""
        return f"{PREFIX}_{self.name}_total"

    def in_registry(self, registry: CollectorRegistry) -> Counter:
        """A counter at 0, in the registry."""
        return Counter(self.name, self.text, self.labels, namespace=PREFIX, registry=registry)


@dataclass(frozen=True, slots=True)
class Durations(Definition):
    """How long something took, in seconds."""

    buckets: tuple[float, ...] = _SECONDS

    def in_registry(self, registry: CollectorRegistry) -> Histogram:
        """An empty histogram, in the registry."""
        return Histogram(
            self.name, self.text, self.labels, namespace=PREFIX, buckets=self.buckets, registry=registry
        )


class Total(Definition):
    """A counter that somebody else keeps: its value when somebody asks."""

    __slots__ = ()

    def family(self) -> CounterMetricFamily:
        """A counter without values yet, for one scrape."""
        return CounterMetricFamily(self.full_name, self.text, labels=self.labels)


class Gauge(Definition):
    """What is the case at the moment somebody asks."""

    __slots__ = ()

    def family(self) -> GaugeMetricFamily:
        """A gauge without values yet, for one scrape."""
        return GaugeMetricFamily(self.full_name, self.text, labels=self.labels)


BUILD: Final = Definition("build", "Version of the operator.", ("version",))

# Not "endpoint": the Prometheus operator gives that label, with a port's name, to all that it has scraped.
SESSIONS: Final = Gauge("sessions", "Sessions by broker and phase.", ("broker", "phase"))
CONNECTS: Final = Durations(
    "session_connect_seconds", "From the begin of dialing until the shadow has been read.", ("broker",)
)
PACING_WAITS: Final = Durations(
    "session_pacing_wait_seconds", "What a session waited for its turn to connect."
)
DISCONNECTS: Final = Count("session_disconnects", "Sessions that were up and ended.", ("broker", "reason"))
CONNECT_FAILURES: Final = Count(
    "session_connect_failures", "Tries to connect that came to nothing.", ("broker", "reason")
)

CONNECTS_WITHHELD: Final = Count(
    "connects_withheld",
    "Connects that wait until it is certain that no other replica may have been given the Thing.",
)

REQUEST_RESULTS: Final = frozenset(
    {"accepted", "timeout", "lost", "400", "401", "403", "404", "409", "413", "415", "422", "429", "500"}
)
"""The codes are those of docs/background/aws-iot-shadow.md#error-codes."""
REQUESTS: Final = Count(
    "shadow_requests",
    "Requests to the shadow service by answer: accepted, the code of a refusal where AWS has it, timeout, lost, other.",
    ("operation", "result"),
)
LATENCIES: Final = Durations("shadow_request_seconds", "From a request to its acceptance.", ("operation",))

STATUS_WRITES: Final = Count(
    "status_writes", "Status writes: written, suppressed since nothing had changed, failed.", ("result",)
)
PENDING_WRITES: Final = Gauge("status_writes_pending", "Statuses that wait for their turn to be written.")
INTENT_LOG_WRITES: Final = Count(
    "intent_log_writes", "Writes of the log of intents: written, failed.", ("result",)
)
INTENTS: Final = Gauge(
    "intents", "Things that stand in the log of intents, since their status is on its way."
)
INTENT_LOG_USED: Final = Gauge(
    "intent_log_used", "1 while the log of intents is used, 0 while each Thing writes its status twice."
)
EVENTS: Final = Count("events", "Reasons of Events, those not recorded included.", ("reason",))

THINGS: Final = Gauge("things", "Things by condition.", ("condition", "status", "reason"))
BATCHES: Final = Gauge("thingbatches", "ThingBatches by condition.", ("condition", "status", "reason"))
DUPLICATES: Final = Gauge(
    "duplicate_things",
    "Things that wait since another one holds their thing, by where that is: same_namespace, other_namespace.",
    ("holder",),
)
THING_CONDITIONS: Final = Gauge(
    "thing_condition",
    "1 for the status of each condition of each Thing; only with metrics.perThing.",
    ("namespace", "thing", "condition", "status"),
)
SYNCS: Final = Durations(
    "thing_sync_seconds",
    "From a new generation of a Thing until the shadow service has accepted it.",
    buckets=(*_SECONDS, 60, 300),
)
MOVE_GAPS: Final = Durations(
    "move_gap_seconds",
    "From the moment when a Thing was seen to be this replica's, and no longer another's, until its session was ready.",
)
SAMPLES_DROPPED: Final = Count(
    "samples_dropped", "Simulated values of the time without a connection that will never be delivered."
)

JOBS: Final = Count(
    "jobs",
    "Jobs of Things by what has become of them: InProgress when they were started, and how they ended.",
    ("state",),
)

WATCH_EVENTS: Final = Count(
    "watch_events",
    "Events of the watches of Things and ThingBatches: own, or foreign, which are of other replicas' Things and are"
    " dropped unread; an API server with the feature ShardedListAndWatch does not send those.",
    ("share",),
)
RECONCILES: Final = Durations(
    "reconcile_seconds",
    "Reconciles of Things and ThingBatches, by result: ok, or error, after which there is another try.",
    ("queue", "result"),
)
QUEUE_DEPTH: Final = Gauge("queue_depth", "Objects that are due for a reconcile.", ("queue",))
QUEUE_OLDEST: Final = Gauge(
    "queue_oldest_seconds", "How long the object that waits longest is overdue.", ("queue",)
)
LOOP_LAG: Final = Durations(
    "event_loop_lag_seconds", "How late the event loop was for its beat, twice a second."
)
LOOP_TASKS: Final = Gauge("event_loop_tasks", "Tasks of the event loop; a number that only rises is a leak.")

LEASES: Final = Gauge(
    "leases",
    "Leases by state: held; waiting, since another operator has it; denied, so that it runs without.",
    ("state",),
)
SHARDS: Final = Gauge(
    "shards",
    "Shards of this replica: held; asked, of others that have them; giving, to others that ask for them.",
    ("state",),
)
SHARDS_TOTAL: Final = Gauge("shards_total", "Shards there are: what all replicas hold together.")
MEMBERS: Final = Gauge("members", "Replicas that take shards, as this one sees it.")
LEASE_RENEWED: Final = Gauge(
    "lease_renewed_seconds",
    "Since this replica's Lease was renewed; over sharding.leaseDuration, others take over.",
)
FENCINGS: Final = Total(
    "fencings", "Replicas fenced by this one (us); how often others fenced it (them).", ("by",)
)
MOVES: Final = Total(
    "moves",
    "Shards that came (in: asked for, or claimed after another one's end) and went (out: given, or lost).",
    ("direction", "why"),
)
API_SILENCE: Final = Gauge(
    "api_server_silent_seconds",
    "Since the API server last answered; longer than specMaxAge, nothing is sent from specs and no drift is repaired.",
)

VALUES: Final = Gauge(
    "values",
    "Values of Things that spec.mirror.metrics asks for: shown as thing_value_<name>_<unit>; left_out, over"
    " metrics.maxValues.",
    ("state",),
)

MEMORY_BUDGET: Final = Gauge(
    "memory_budget_bytes", "memoryBudget, for all of thing_operator_memory_held_bytes."
)
MEMORY_HELD: Final = Gauge(
    "memory_held_bytes", "What objects and brokers have made the operator hold, by kind.", ("kind",)
)

CERTIFICATE_FIRST_END: Final = Gauge(
    "certificate_first_end_timestamp_seconds", "When the first certificate in use ends."
)
CERTIFICATES_ENDING: Final = Gauge(
    "certificates_ending", "Certificates in use that end within so many days.", ("days",)
)

BRIDGE_REQUESTS: Final = Count(
    "bridge_requests",
    "Requests to the bridge: ok, refused by another replica, slow, left before its end, or why it was refused.",
    ("operation", "result"),
)
BRIDGE_LATENCIES: Final = Durations(
    "bridge_request_seconds",
    "From the head of a request to the bridge until its answer, where that was ok; streams of events are left out.",
    ("operation",),
)
BRIDGE_STREAMS: Final = Gauge("bridge_streams", "Streams of events that are open; absent without a bridge.")
BRIDGE_STREAMS_DROPPED: Final = Count(
    "bridge_streams_dropped", "Streams of events that were ended since their readers were too slow."
)

METRIC_LABELS: Final = {
    definition.full_name: definition.labels
    for definition in (
        BUILD,
        SESSIONS,
        CONNECTS,
        PACING_WAITS,
        DISCONNECTS,
        CONNECT_FAILURES,
        CONNECTS_WITHHELD,
        REQUESTS,
        LATENCIES,
        STATUS_WRITES,
        PENDING_WRITES,
        INTENT_LOG_WRITES,
        INTENTS,
        INTENT_LOG_USED,
        EVENTS,
        THINGS,
        BATCHES,
        DUPLICATES,
        THING_CONDITIONS,
        SYNCS,
        MOVE_GAPS,
        SAMPLES_DROPPED,
        JOBS,
        WATCH_EVENTS,
        RECONCILES,
        QUEUE_DEPTH,
        QUEUE_OLDEST,
        LOOP_LAG,
        LOOP_TASKS,
        LEASES,
        SHARDS,
        SHARDS_TOTAL,
        MEMBERS,
        LEASE_RENEWED,
        FENCINGS,
        MOVES,
        API_SILENCE,
        VALUES,
        MEMORY_BUDGET,
        MEMORY_HELD,
        CERTIFICATE_FIRST_END,
        CERTIFICATES_ENDING,
        BRIDGE_REQUESTS,
        BRIDGE_LATENCIES,
        BRIDGE_STREAMS,
        BRIDGE_STREAMS_DROPPED,
    )
}
"""The labels of each metric, by its name in Prometheus."""
