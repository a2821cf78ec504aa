"""The metrics of a running operator move with what it does."""

from tests.support.cloud import Things
from tests.support.operator import Workspace, total
from tests.support.polling import eventually


def test_metrics_move_with_what_happens(workspace: Workspace, things: Things) -> None:
    good, bad = things(2)
    workspace.store_credentials(good)
    workspace.apply_thing(good, {"desired": {"a": 1}})
    workspace.apply_thing(bad)
    workspace.wait_for(good.name, "Connected")
    workspace.wait_for(bad.name, "Ready", "False", reason="SecretNotFound")
    eventually(
        lambda: workspace.operator.scrape().get(("things", "Ready", "Accepted", "True")) == 1,
        "one Thing is Ready",
    )
    found = workspace.operator.scrape()
    broker = f"{workspace.cloud.info.mqtt_host}:{workspace.cloud.info.mqtt_port}"
    assert found["sessions", broker, "Ready"] == 1
    assert found["things", "Ready", "SecretNotFound", "False"] == 1
    assert found["shadow_requests_total", "update", "accepted"] == 1
    assert found["events_total", "Accepted"] == 1
    assert found["session_connect_seconds_count", broker] == 1
    assert found["thing_sync_seconds_count",] == 1
    assert found["reconcile_seconds_count", "things", "ok"] > 1
    assert not [key for key in found if key[0] == "thing_condition"]
    assert found["certificates_ending", "7"] == 0
    written = found["status_writes_total", "written"]
    assert 2 <= written <= 5
    workspace.cloud.update_shadow(good, {"desired": {"a": 2}})
    eventually(
        lambda: workspace.operator.scrape().get(("events_total", "DriftRepaired")) == 1, "drift is counted"
    )
    workspace.kubectl("delete", "things", "--all")
    eventually(lambda: not total(workspace.operator.scrape(), "sessions"), "no session is left")
    assert not [key for key in workspace.operator.scrape() if key[0] == "things"]


def test_batches_are_counted_by_condition_as_long_as_they_are_there(workspace: Workspace) -> None:
    workspace.apply(
        "ThingBatch", "late", {"source": {"secrets": [{"name": "not-there", "key": "batch.zip"}]}}
    )
    workspace.wait_for("late", "Ready", "False", reason="SourceNotFound", kind="thingbatch")
    late = ("thingbatches", "Ready", "SourceNotFound", "False")
    eventually(lambda: workspace.operator.scrape().get(late) == 1, "it waits for its source")
    workspace.kubectl("delete", "thingbatch", "late")
    eventually(lambda: late not in workspace.operator.scrape(), "and is counted no longer")


def test_a_report_comes_into_status_without_a_reconcile(workspace: Workspace, things: Things) -> None:
    (thing,) = things(1)
    workspace.store_credentials(thing)
    workspace.apply_thing(thing, {"desired": {"a": 1}})
    workspace.wait_for(thing.name, "Connected")
    workspace.cloud.update_shadow(thing, {"reported": {"a": 1}})
    workspace.wait_for(thing.name, "InSync")
    reconciles = workspace.operator.scrape()["reconcile_seconds_count", "things", "ok"]

    def reported() -> object:
        return workspace.get(thing.name)["status"]["shadow"]["reported"]

    for number in range(5):
        workspace.cloud.update_shadow(thing, {"reported": {"n": number}})
        eventually(lambda number=number: reported() == {"a": 1, "n": number}, f"report {number}")  # type: ignore[misc]
    assert workspace.operator.scrape()["reconcile_seconds_count", "things", "ok"] == reconciles
    # What has to be judged has one.
    workspace.cloud.update_shadow(thing, {"reported": {"a": 2}})
    workspace.wait_for(thing.name, "InSync", "False")


def test_numbers_of_reported_are_gauges_on_request(workspace: Workspace, things: Things) -> None:
    (thing,) = things(1)
    workspace.store_credentials(thing)
    metrics = [
        {"pointer": "/temperature", "name": "temperature", "unit": "celsius"},
        {"pointer": "/door", "name": "door", "unit": "ratio"},
    ]
    workspace.apply_thing(thing, {"mirror": {"reported": "None", "metrics": metrics}})
    workspace.wait_for(thing.name, "Connected")
    workspace.cloud.update_shadow(thing, {"reported": {"temperature": 4.5, "door": "open"}})
    series = ("thing_value_temperature_celsius", workspace.namespace, thing.name)
    eventually(lambda: workspace.operator.scrape().get(series) == 4.5, "the number is a gauge")
    workspace.wait_for(thing.name, "MetricsIncomplete", reason="NoNumber")
    assert not [key for key in workspace.operator.scrape() if key[0] == "thing_value_door_ratio"]
    workspace.cloud.update_shadow(thing, {"reported": {"temperature": -3, "door": 1}})
    eventually(lambda: workspace.operator.scrape().get(series) == -3, "it follows what is reported")
    eventually(
        lambda: "MetricsIncomplete" not in str(workspace.get(thing.name)["status"]["conditions"]),
        "nothing is left out any more",
    )
    workspace.kubectl("delete", "things", "--all")
    eventually(lambda: series not in workspace.operator.scrape(), "it goes with its Thing")


def test_each_thing_has_series_of_its_own_when_asked_for(workspace: Workspace, things: Things) -> None:
    workspace.operator.stop()
    workspace.operator.settings["THING_OPERATOR_METRICS__PER_THING"] = "true"
    workspace.operator.start()
    (thing,) = things(1)
    workspace.store_credentials(thing)
    workspace.apply_thing(thing, {"desired": {"a": 1}})
    workspace.wait_for(thing.name, "Connected")
    ready = ("thing_condition", "Ready", workspace.namespace, "True", thing.name)
    eventually(lambda: workspace.operator.scrape().get(ready) == 1, "it has its own series")
    workspace.kubectl("delete", "things", "--all")
    eventually(lambda: ready not in workspace.operator.scrape(), "and they go with it")
