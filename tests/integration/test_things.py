"""Things end to end: real API server, real broker over TLS, the operator as a process."""

import json
from typing import Any

from tests.support.cloud import Things
from tests.support.operator import Workspace
from tests.support.polling import eventually

from thing_operator_local.cloud.client import CloudThing

DESIRED = {"mode": "auto", "limits": {"min": 4}}


def ready_thing(workspace: Workspace, things: Things, desired: Any = None) -> CloudThing:
    thing = things(1)[0]
    workspace.store_credentials(thing)
    workspace.apply_thing(thing, {"desired": DESIRED if desired is None else desired})
    workspace.wait_for(thing.name, "Ready")
    return thing


def test_desired_goes_to_the_shadow_and_reported_comes_back(workspace: Workspace, things: Things) -> None:
    thing = ready_thing(workspace, things)
    assert workspace.desired(thing) == DESIRED
    assert workspace.condition(thing.name, "InSync")["reason"] == "DeltaPending"
    workspace.cloud.update_shadow(thing, {"reported": {"mode": "auto", "temperature": 4.5}})
    status = eventually(
        lambda: (found := workspace.get(thing.name)["status"])["shadow"].get("reported") and found, "reported"
    )
    assert status["shadow"]["reported"] == {"mode": "auto", "temperature": 4.5}
    assert status["shadow"]["delta"] == {"limits": {"min": 4}}
    assert status["shadow"]["pending"] == ["/limits/min"]
    workspace.cloud.update_shadow(thing, {"reported": {"limits": {"min": 4}}})
    workspace.wait_for(thing.name, "InSync")
    shadow = workspace.get(thing.name)["status"]["shadow"]
    assert shadow["pendingCount"] == 0
    assert "delta" not in shadow
    assert {found["type"] for found in workspace.get(thing.name)["status"]["conditions"]} == {
        "Ready",
        "CredentialsValid",
        "Connected",
        "InSync",
    }


def test_a_removed_key_leaves_the_shadow_and_foreign_keys_stay(workspace: Workspace, things: Things) -> None:
    thing = ready_thing(workspace, things)
    workspace.cloud.update_shadow(thing, {"desired": {"foreign": 1}})
    workspace.patch(thing.name, {"desired": {"limits": None}})
    eventually(lambda: workspace.desired(thing) == {"mode": "auto", "foreign": 1}, "limits are removed")
    workspace.wait_for(thing.name, "Ready")
    assert workspace.get(thing.name)["status"]["managedPaths"] == ["/mode"]


def test_a_foreign_edit_is_repaired(workspace: Workspace, things: Things) -> None:
    thing = ready_thing(workspace, things)
    workspace.cloud.update_shadow(thing, {"desired": {"mode": "off"}})
    eventually(lambda: workspace.desired(thing)["mode"] == "auto", "repaired")
    workspace.cloud.delete_shadow(thing)
    eventually(lambda: workspace.desired(thing) == DESIRED, "made again")
    expected = {
        ("Normal", "Accepted"),
        ("Normal", "Connected"),
        ("Normal", "Valid"),
        ("Warning", "DriftRepaired"),
    }
    eventually(
        lambda: expected <= {(event["type"], event["reason"]) for event in workspace.list("events")}, "Events"
    )


def test_the_secret_may_come_later_than_the_thing(workspace: Workspace, things: Things) -> None:
    late, other = things(2)
    workspace.apply_thing(late, {"desired": DESIRED})
    found = workspace.wait_for(late.name, "Ready", "False", reason="SecretNotFound")
    assert f"thing-{late.name}" in found["message"]
    workspace.store_credentials(other)
    workspace.apply_thing(other)
    workspace.wait_for(other.name, "Ready")
    workspace.store_credentials(late)
    workspace.wait_for(late.name, "Ready")


def test_bad_input_is_said_and_the_others_go_on(workspace: Workspace, things: Things) -> None:
    good, keyless, unreachable, swapped = things(4)
    workspace.kubectl("create", "secret", "generic", f"thing-{keyless.name}", "--from-literal=tls.crt=x")
    workspace.apply_thing(keyless)
    workspace.store_credentials(unreachable)
    workspace.apply_thing(unreachable, {"endpoint": {"host": "localhost", "port": 1}})
    mixed = CloudThing(swapped.name, swapped.certificate_pem, good.private_key_pem)
    workspace.store_credentials(mixed)
    workspace.apply_thing(swapped)
    workspace.store_credentials(good)
    workspace.apply_thing(good, {"desired": {"a": 1}})
    workspace.wait_for(good.name, "Ready")
    message = workspace.wait_for(keyless.name, "Stalled", reason="KeyMissing")["message"]
    assert "tls.key" in message
    assert (
        "localhost:1"
        in workspace.wait_for(unreachable.name, "Connected", "False", reason="EndpointUnreachable")["message"]
    )
    workspace.wait_for(swapped.name, "CredentialsValid", "False", reason="KeyMismatch")
    workspace.apply_thing(good, {"desired": {"a": [None]}})
    assert "spec.desired/a/0" in workspace.wait_for(good.name, "Stalled", reason="InvalidDesired")["message"]
    workspace.apply_thing(good, {"desired": {"a": 2}})
    workspace.wait_for(good.name, "Ready")
    assert workspace.condition(good.name, "Stalled") == {}
    workspace.operator.check_running()


def test_a_new_secret_rotates_the_session_and_a_bad_one_leaves_it(
    workspace: Workspace, things: Things
) -> None:
    thing = ready_thing(workspace, things)
    other = things(1)[0]
    before = workspace.get(thing.name)["status"]["certificate"]["fingerprint"]
    workspace.store_credentials(
        CloudThing("x", other.certificate_pem, thing.private_key_pem), name=f"thing-{thing.name}"
    )
    workspace.wait_for(thing.name, "CredentialsValid", "False", reason="KeyMismatch")
    assert workspace.get(thing.name)["status"]["certificate"]["fingerprint"] == before
    workspace.cloud.update_shadow(thing, {"reported": {"alive": 1}})
    eventually(lambda: workspace.get(thing.name)["status"]["shadow"].get("reported"), "the session runs on")
    workspace.store_credentials(thing)
    workspace.wait_for(thing.name, "Ready")


def test_suspend_and_resume(workspace: Workspace, things: Things) -> None:
    thing = ready_thing(workspace, things)
    workspace.patch(thing.name, {"suspend": True})
    workspace.wait_for(thing.name, "Connected", "False", reason="Suspended")
    assert workspace.condition(thing.name, "Ready")["status"] == "True"
    workspace.patch(thing.name, {"desired": {"mode": "eco"}})
    workspace.patch(thing.name, {"suspend": False})
    eventually(lambda: workspace.desired(thing).get("mode") == "eco", "sent after the pause")


def test_two_things_for_one_thing(workspace: Workspace, things: Things) -> None:
    thing = ready_thing(workspace, things)
    workspace.apply_thing(thing, name="another")
    found = workspace.wait_for("another", "Stalled", reason="DuplicateThing")
    assert f"Thing {thing.name} holds" in found["message"]
    workspace.kubectl("delete", "thing", thing.name)
    workspace.wait_for("another", "Ready")


def test_deletion_policies(workspace: Workspace, things: Things) -> None:
    retained, cleared, deleted = things(3)
    for thing, policy in ((retained, "Retain"), (cleared, "Clear"), (deleted, "Delete")):
        workspace.store_credentials(thing)
        workspace.apply_thing(thing, {"desired": DESIRED, "deletionPolicy": policy})
    for thing in (retained, cleared, deleted):
        workspace.wait_for(thing.name, "Ready")
    assert "finalizers" not in workspace.get(retained.name)["metadata"]
    workspace.cloud.update_shadow(cleared, {"desired": {"foreign": 1}})
    workspace.kubectl("delete", "things", "--all", "--timeout=30s")
    assert workspace.desired(retained) == DESIRED
    assert workspace.desired(cleared) == {"foreign": 1}
    assert workspace.cloud.get_shadow(deleted) is None


def test_deletion_does_not_wait_for_ever_for_a_cloud_that_is_down(
    workspace: Workspace, things: Things
) -> None:
    workspace.operator.stop()
    workspace.operator.settings["THING_OPERATOR_DELETION_TIMEOUT"] = "2s"
    workspace.operator.start()
    thing = things(1)[0]
    workspace.store_credentials(thing)
    nowhere = {"host": "localhost", "port": 1}
    workspace.apply_thing(thing, {"deletionPolicy": "Delete", "endpoint": nowhere})
    eventually(lambda: workspace.get(thing.name)["metadata"].get("finalizers"), "finalizer")
    workspace.kubectl("delete", "thing", thing.name, "--timeout=20s")
    expected = {("Warning", "DeletionTimedOut")}
    eventually(
        lambda: expected <= {(event["type"], event["reason"]) for event in workspace.list("events")}, "Event"
    )


def test_a_restart_over_unchanged_things_writes_nothing(workspace: Workspace, things: Things) -> None:
    *quiet, spoken = things(20)
    for thing in (*quiet, spoken):
        workspace.store_credentials(thing)
        workspace.apply_thing(thing, {"desired": DESIRED})
    for thing in (*quiet, spoken):
        workspace.wait_for(thing.name, "Ready")
    before = workspace.versions()
    workspace.operator.stop(grace=0)
    workspace.patch(spoken.name, {"desired": {"limits": None, "mode": "eco"}})
    workspace.operator.start()
    eventually(lambda: workspace.desired(spoken) == {"mode": "eco"}, "the edit made meanwhile")
    workspace.wait_for(spoken.name, "Ready")
    first, *rest = quiet
    workspace.cloud.update_shadow(first, {"reported": {"n": 1}})
    eventually(lambda: workspace.get(first.name)["status"]["shadow"].get("reported"), "its session is up")
    after = workspace.versions()
    assert {thing.name: after[thing.name] for thing in rest} == {
        thing.name: before[thing.name] for thing in rest
    }
    assert workspace.operator.stop() == 0


def test_apply_to_ready_takes_two_writes_and_a_new_value_one(workspace: Workspace, things: Things) -> None:
    thing = things(1)[0]
    workspace.store_credentials(thing)
    start = workspace.now()
    workspace.apply_thing(thing, {"desired": DESIRED})
    workspace.wait_for(thing.name, "Ready")
    workspace.patch(thing.name, {"desired": {"mode": "eco"}})
    workspace.wait_for(thing.name, "Ready")
    events = workspace.events_since(start)
    seen = [(event["type"], event["object"]["metadata"]["generation"]) for event in events]
    first = [found for found in seen if found[1] == 1]
    assert first[0] == ("ADDED", 1)
    assert len(first) - 1 <= 2
    # The patch itself and one status write.
    assert len([found for found in seen if found[1] == 2]) == 2
    managers = json.loads(
        workspace.kubectl("get", "thing", thing.name, "--show-managed-fields", "--output=json")
    )["metadata"]["managedFields"]
    ours = [entry for entry in managers if entry["manager"] == "thing-operator"]
    assert [entry["subresource"] for entry in ours] == ["status"]
    assert set(ours[0]["fieldsV1"]) == {"f:status"}


def test_kubectl_wait_works(workspace: Workspace, things: Things) -> None:
    thing = ready_thing(workspace, things)
    workspace.kubectl("wait", "--for=condition=Ready", f"thing/{thing.name}", "--timeout=10s")
    table = workspace.kubectl("get", "thg,thgb")
    header, row = (line.split() for line in table.splitlines()[:2])
    assert header == ["NAME", "READY", "IN-SYNC", "CONNECTED", "REASON", "PENDING", "REPORTED", "AGE"]
    shown = dict(zip(header, row, strict=False))
    assert (shown["READY"], shown["CONNECTED"], shown["REASON"]) == ("True", "True", "Accepted")
