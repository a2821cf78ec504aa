"""Metrics: what happens is counted, and every series has the labels that the reference names."""

from collections.abc import Set as AbstractSet

from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from thing_operator.core.memory_budget import Held
from thing_operator.core.reasons import Reason
from thing_operator.observability.definitions import METRIC_LABELS, REQUEST_RESULTS
from thing_operator.observability.metrics import MOST_BROKERS, Metrics, Snapshot

DAY = 86400.0
BROKER = "a.iot.test:8883"


def busy() -> Metrics:
    """Metrics to which everything has happened once."""
    metrics = Metrics(version="1.2.3")
    metrics.connected(0.2, broker=BROKER)
    metrics.pacing_wait(0.0)
    metrics.disconnected(Reason.CONNECTION_LOST, broker=BROKER)
    metrics.connect_failed(Reason.TLS_FAILED, broker=BROKER)
    metrics.request(kind="update", result="accepted", latency=0.02)
    metrics.request(kind="update", result="409", latency=9.0)
    metrics.written()
    metrics.suppressed()
    metrics.suppressed()
    metrics.failed()
    metrics.watch_event(own=True)
    metrics.watch_event(own=False)
    metrics.watch_event(own=False)
    metrics.reconciled(queue="things", good=True, seconds=0.01)
    metrics.reconciled(queue="things", good=False, seconds=0.02)
    metrics.synced(0.4)
    metrics.samples_dropped(3)
    metrics.event(Reason.DRIFT_REPAIRED)
    metrics.lag(0.0)
    metrics.snapshot = Snapshot(
        sessions={(BROKER, "Ready"): 2, (BROKER.upper(), "Ready"): 1},
        things={("Ready", "True", "Accepted"): 3},
        batches={("Stalled", "True", "UrlExpired"): 1},
        each_thing=[("ns", "t1", "Ready", "True")],
        queues={"things": (1, 0.5)},
        tasks=9,
        pending_writes=2,
        values=[
            ("thing_value_temperature_celsius", "First.", "a", "t1", 4.5),
            ("thing_value_temperature_celsius", "Second.", "b", "t1", -1.0),
        ],
        values_in_all=5,
        memory_budget=1000,
        memory_held={Held.CA: 7},
        certificate_ends=(DAY, 20 * DAY, 400 * DAY),
        now=0.0,
    )
    return metrics


def samples(metrics: Metrics) -> dict[tuple[str, ...], float]:
    """Values by name and label values, in the order of the labels' names."""
    text = generate_latest(metrics.registry).decode()
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_what_happens_is_counted() -> None:
    found = samples(busy())
    expected = {
        ("session_connect_seconds_count", BROKER): 1,
        ("session_disconnects_total", BROKER, "ConnectionLost"): 1,
        ("session_connect_failures_total", BROKER, "TlsFailed"): 1,
        ("shadow_requests_total", "update", "accepted"): 1,
        ("shadow_requests_total", "update", "409"): 1,
        ("shadow_request_seconds_count", "update"): 1,
        ("status_writes_total", "written"): 1,
        ("status_writes_total", "suppressed"): 2,
        ("status_writes_total", "failed"): 1,
        ("watch_events_total", "own"): 1,
        ("watch_events_total", "foreign"): 2,
        ("reconcile_seconds_count", "things", "ok"): 1,
        ("reconcile_seconds_count", "things", "error"): 1,
        ("thing_sync_seconds_count",): 1,
        ("samples_dropped_total",): 3,
        ("thing_condition", "Ready", "ns", "True", "t1"): 1,
        ("events_total", "DriftRepaired"): 1,
        ("event_loop_lag_seconds_count",): 1,
        ("build_info", "1.2.3"): 1,
        ("sessions", BROKER, "Ready"): 3,
        ("things", "Ready", "Accepted", "True"): 3,
        ("thingbatches", "Stalled", "UrlExpired", "True"): 1,
        ("queue_depth", "things"): 1,
        ("queue_oldest_seconds", "things"): 0.5,
        ("event_loop_tasks",): 9,
        ("status_writes_pending",): 2,
        ("values", "shown"): 2,
        ("values", "left_out"): 3,
        ("memory_budget_bytes",): 1000,
        ("memory_held_bytes", "ca"): 7,
        ("certificate_first_end_timestamp_seconds",): DAY,
        ("certificates_ending", "7"): 1,
        ("certificates_ending", "30"): 2,
        ("certificates_ending", "90"): 2,
    }
    assert {key: found.get((f"thing_operator_{key[0]}", *key[1:])) for key in expected} == expected
    assert any(name.startswith("process_") for name, *_ in found)


def test_every_series_has_the_labels_of_the_reference() -> None:
    text = generate_latest(busy().registry).decode()
    for family in text_string_to_metric_families(text):
        if not family.name.startswith("thing_operator_"):
            continue
        name = f"{family.name}_total" if family.type == "counter" else family.name.removesuffix("_info")
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == set(METRIC_LABELS.get(name, ())), name


def test_values_of_things_are_gauges_of_their_own() -> None:
    text = generate_latest(busy().registry).decode()
    assert text.count("# HELP thing_value_temperature_celsius First.\n") == 1
    assert text.count("# TYPE thing_value_temperature_celsius gauge\n") == 1
    found = samples(busy())
    assert found["thing_value_temperature_celsius", "a", "t1"] == 4.5
    assert found["thing_value_temperature_celsius", "b", "t1"] == -1.0


CLOSED_LABELS: dict[str, AbstractSet[str]] = {
    "reason": set(Reason),
    "broker": {BROKER},
    "operation": {"get", "update", "delete"},
    "queue": {"things", "batches"},
    "kind": set(Held),
    "phase": {"Connecting", "Subscribing", "Reading", "Ready", "Waiting", "Closed"},
    "condition": {"Ready", "CredentialsValid", "Connected", "InSync", "Reconciling", "Stalled"},
    "status": {"True", "False", "Unknown"},
    "state": {"held", "waiting", "denied", "asked", "giving", "shown", "left_out"},
    "by": {"us", "them"},
    "direction": {"in", "out"},
    "why": {"asked", "claimed", "given", "lost"},
    "holder": {"same_namespace", "other_namespace"},
    "share": {"own", "foreign"},
    "days": {"7", "30", "90"},
    "version": {"1.2.3"},
}
"""The words that a label may have, by its name; ``result`` has others in each metric."""
RESULTS: dict[str, AbstractSet[str]] = {
    "thing_operator_shadow_requests_total": {*REQUEST_RESULTS, "other"},
    "thing_operator_status_writes_total": {"written", "suppressed", "failed"},
    "thing_operator_reconcile_seconds": {"ok", "error"},
}
ON_REQUEST = "thing_operator_thing_condition"
"""Only with metrics.perThing: has a series for each object."""


def test_no_label_takes_its_value_from_outside() -> None:
    metrics = busy()
    for code in range(2000):
        metrics.request(kind="get", result=str(code), latency=0.1)
    series = 0
    for family in text_string_to_metric_families(generate_latest(metrics.registry).decode()):
        name = f"{family.name}_total" if family.type == "counter" else family.name.removesuffix("_info")
        if name not in METRIC_LABELS or name == ON_REQUEST:
            continue
        for sample in family.samples:
            series += 1
            for label, value in sample.labels.items():
                if label != "le":
                    assert value in (RESULTS[name] if label == "result" else CLOSED_LABELS[label]), name
    assert series < 250


def test_of_many_brokers_the_first_and_the_operators_own_have_series_of_their_own() -> None:
    """A Thing may name its broker, so the label takes its value from outside."""
    metrics = Metrics(version="1.2.3", broker=BROKER)
    for number in range(1000):
        metrics.connect_failed(Reason.ENDPOINT_UNREACHABLE, broker=f"{number}.iot.test:8883")
    metrics.connect_failed(Reason.ENDPOINT_UNREACHABLE, broker=BROKER)
    metrics.snapshot = Snapshot(sessions={(f"{number}.iot.test:443", "Ready"): 2 for number in range(9)})
    found = samples(metrics)
    failures = {key[1]: value for key, value in found.items() if key[0].endswith("connect_failures_total")}
    assert len(failures) == MOST_BROKERS + 1
    assert (failures[BROKER], failures["other"]) == (1, 1000 - MOST_BROKERS + 1)
    assert found["thing_operator_sessions", "other", "Ready"] == 18


def test_every_label_has_a_closed_list() -> None:
    labels = {label for name, labels in METRIC_LABELS.items() if name != ON_REQUEST for label in labels}
    assert labels - {"result"} == CLOSED_LABELS.keys()
