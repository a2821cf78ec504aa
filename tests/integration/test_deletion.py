"""What reaches the device when its Thing is deleted while it is suspended, or is created again at once."""

import json
from collections.abc import Iterator

import pytest
from tests.support.cloud import Things
from tests.support.devices import Device, service_identity
from tests.support.operator import Json, Workspace, total
from tests.support.polling import eventually

from thing_operator_local.cloud.client import CloudThing
from thing_operator_local.cloud.control import CloudControl

DESIRED = {"a": 1, "b": 2}
PRESENCE = {"connectionStatus": True}
NOWHERE = {"host": "localhost", "port": 1}


def finalizers(workspace: Workspace, thing: CloudThing) -> list[str]:
    found: list[str] = workspace.get(thing.name)["metadata"].get("finalizers", [])
    return found


def warnings(workspace: Workspace, thing: CloudThing) -> dict[str, str]:
    """Messages of the Warning Events about a Thing, by reason."""
    return {
        event["reason"]: event["message"]
        for event in workspace.list("events")
        if event["type"] == "Warning" and event["involvedObject"]["name"] == thing.name
    }


def delete(workspace: Workspace, *things: CloudThing) -> None:
    """At once: nothing hangs until it times out, which would take minutes."""
    workspace.kubectl("delete", "things", *(thing.name for thing in things), "--timeout=30s")


# --- suspended


def test_a_suspended_thing_is_deleted_without_a_session(workspace: Workspace, things: Things) -> None:
    """The box that uses the certificate stays connected, and its shadow is as it was; an Event says so."""
    cleared, deleted = things(2)
    for thing, policy in ((cleared, "Clear"), (deleted, "Delete")):
        workspace.store_credentials(thing)
        workspace.apply_thing(thing, {"desired": DESIRED, "deletionPolicy": policy})
        workspace.wait_for(thing.name, "Ready")
        workspace.patch(thing.name, {"suspend": True})
        workspace.wait_for(thing.name, "Connected", "False", reason="Suspended")
    info = workspace.cloud.info
    with Device(info, cleared) as first, Device(info, deleted) as second:
        delete(workspace, cleared, deleted)
        for box in (first, second):
            box.publish_and_wait(box.topics.update, {"state": {"reported": {"alive": True}}})
            assert not box.closed
    for thing, policy in ((cleared, "Clear"), (deleted, "Delete")):
        assert workspace.desired(thing) == DESIRED
        found = eventually(lambda thing=thing: warnings(workspace, thing).get("ShadowRetained"), "the Event")  # type: ignore[misc]
        assert f"deletionPolicy is {policy}: the Thing is suspended" in found
        assert "has set /a, /b" in found
    # The next Thing of this thing has the shadow as it was left.
    workspace.apply_thing(cleared, {"desiredPolicy": "Observe"})
    workspace.wait_for(cleared.name, "Ready")


def test_the_finalizer_follows_the_policy_of_a_suspended_thing(workspace: Workspace, things: Things) -> None:
    """Whether the broker can be reached or not; and nothing waits for one that Retain does not ask."""
    thing = things(1)[0]
    workspace.store_credentials(thing)
    workspace.apply_thing(thing, {"desired": DESIRED, "endpoint": NOWHERE, "suspend": True})
    workspace.wait_for(thing.name, "Connected", "False", reason="Suspended")
    assert finalizers(workspace, thing) == []
    for policy, wanted in (("Clear", ["thing-operator.io/shadow"]), ("Retain", [])):
        workspace.patch(thing.name, {"deletionPolicy": policy})
        eventually(lambda wanted=wanted: finalizers(workspace, thing) == wanted, f"as {policy} needs it")  # type: ignore[misc]
    workspace.patch(thing.name, {"deletionPolicy": "Delete", "suspend": False})
    eventually(lambda: finalizers(workspace, thing), "as Delete needs it")
    # Switched to Retain while the operator is away, the finalizer is still on when it is deleted.
    workspace.operator.stop()
    workspace.patch(thing.name, {"deletionPolicy": "Retain"})
    workspace.kubectl("delete", "thing", thing.name, "--wait=false")
    workspace.operator.start()
    workspace.kubectl("wait", "thing", thing.name, "--for=delete", "--timeout=30s")
    assert warnings(workspace, thing).keys().isdisjoint({"DeletionTimedOut", "ShadowRetained"})


def test_one_patch_that_suspends_and_asks_for_clear_is_no_trap(workspace: Workspace, things: Things) -> None:
    thing = things(1)[0]
    workspace.store_credentials(thing)
    workspace.apply_thing(thing, {"desired": DESIRED})
    workspace.wait_for(thing.name, "Ready")
    workspace.patch(thing.name, {"suspend": True, "deletionPolicy": "Clear"})
    eventually(lambda: finalizers(workspace, thing), "the finalizer")
    # Resumed, it is cleared as it asks.
    workspace.patch(thing.name, {"suspend": False})
    workspace.wait_for(thing.name, "Connected")
    delete(workspace, thing)
    assert workspace.desired(thing) == {}


def test_the_younger_of_two_things_for_one_is_deleted_at_once(workspace: Workspace, things: Things) -> None:
    """As its message advises; it has nothing in the shadow, and the older one's session stays."""
    thing = things(1)[0]
    workspace.store_credentials(thing)
    workspace.apply_thing(thing, {"desired": DESIRED, "deletionPolicy": "Clear"})
    workspace.wait_for(thing.name, "Ready")
    workspace.apply_thing(thing, {"desired": {"a": 9}, "deletionPolicy": "Clear"}, name="younger")
    workspace.wait_for("younger", "Stalled", reason="DuplicateThing")
    workspace.kubectl("delete", "thing", "younger", "--timeout=30s")
    assert workspace.desired(thing) == DESIRED
    assert workspace.condition(thing.name, "Connected")["status"] == "True"


# --- created again at once


class WatchedThing:
    """A thing as everybody sees it who looks at its shadow."""

    def __init__(self, workspace: Workspace, thing: CloudThing, observer: Device) -> None:
        self._workspace = workspace
        self.thing = thing
        self._observer = observer
        for topic in ("update/documents", "delete/accepted"):
            observer.subscribe(f"$aws/things/{thing.name}/shadow/{topic}")

    def replace(self, spec: Json) -> None:
        """As Argo CD does it with Replace and Force; until the new Thing is Ready."""
        body = self._workspace.manifest("Thing", self.thing.name, {"thingName": self.thing.name} | spec)
        before = self._workspace.get(self.thing.name)["metadata"]["uid"]
        self._workspace.kubectl("replace", "--force", "--filename=-", stdin=json.dumps(body))
        assert self._workspace.get(self.thing.name)["metadata"]["uid"] != before
        self._workspace.wait_for(self.thing.name, "Ready")
        self._workspace.wait_for(self.thing.name, "Connected")

    def mirrored(self) -> Json:
        """What status has of reported."""
        found: Json = self._workspace.get(self.thing.name)["status"]["shadow"].get("reported", {})
        return found

    def seen(self, section: str) -> list[Json]:
        """What a section of the shadow has been since this was asked last; {} when it is deleted or empty."""
        documents = []
        while not self._observer.messages.empty():
            topic, body = self._observer.next()
            state = body["current"]["state"] if topic == "update/documents" else {}
            documents.append(state.get(section, {}))
        return documents


@pytest.fixture
def watched(workspace: Workspace, things: Things) -> Iterator[WatchedThing]:
    thing = things(1)[0]
    workspace.store_credentials(thing)
    identity = service_identity(workspace.cloud.info)
    with Device(workspace.cloud.info, identity, client_id="$onlooker") as observer:
        yield WatchedThing(workspace, thing, observer)


def apply_ready(workspace: Workspace, watched: WatchedThing, spec: Json) -> None:
    workspace.apply_thing(watched.thing, spec)
    workspace.wait_for(watched.thing.name, "Ready")
    workspace.wait_for(watched.thing.name, "Connected")
    watched.seen("desired")


def test_replaced_under_retain_nothing_reaches_the_device(
    workspace: Workspace, watched: WatchedThing
) -> None:
    """Not a message, not a CONNECT, and nobody sees it offline."""
    spec = {"desired": DESIRED, "device": PRESENCE}
    apply_ready(workspace, watched, spec)
    before = workspace.operator.connects()
    for _ in range(3):
        watched.replace(spec)
    assert workspace.operator.connects() == before
    assert watched.seen("reported") == []
    # The new Thing runs the session: it sends what changes, and hears reports.
    watched.replace(spec | {"desired": {"a": 1, "b": 3}})
    assert watched.seen("desired") == [{"a": 1, "b": 3}]
    workspace.cloud.update_shadow(watched.thing, {"reported": {"t": 1}})
    eventually(lambda: watched.mirrored().get("t") == 1, "the report")
    # A key left out is not known to the new Thing: it stays.
    watched.replace(spec | {"desired": {"a": 1}})
    assert workspace.desired(watched.thing) == {"a": 1, "b": 3}
    assert workspace.operator.connects() == before
    # Without a successor it ends as it always did.
    watched.seen("reported")
    delete(workspace, watched.thing)
    eventually(lambda: workspace.reported(watched.thing)["tcxn"] == {"connection_status": 0}, "offline")
    control = CloudControl(workspace.cloud.folder)
    name = watched.thing.name
    eventually(
        lambda: not [s for s in control.sessions() if s["connected"] and s["clientId"] == name], "no session"
    )


def test_a_renamed_thing_and_a_box_get_the_thing_at_once(workspace: Workspace, watched: WatchedThing) -> None:
    """A session that is kept for a successor is in nobody's way."""
    thing, spec = watched.thing, {"desired": DESIRED, "device": PRESENCE}
    apply_ready(workspace, watched, spec)
    delete(workspace, thing)
    workspace.apply_thing(thing, spec, name="renamed")
    workspace.wait_for("renamed", "Ready")
    workspace.wait_for("renamed", "Connected")
    assert {"tcxn": {"connection_status": 0}} not in watched.seen("reported")
    workspace.kubectl("delete", "thing", "renamed")
    with Device(workspace.cloud.info, thing) as box:
        # Nobody comes back for it: a session that had been dropped would do so after a second or ten.
        eventually(lambda: not total(workspace.operator.scrape(), "sessions", "Ready"), "the operator's end")
        box.publish_and_wait(box.topics.update, {"state": {"reported": {"alive": True}}})
        assert not box.closed


@pytest.mark.parametrize(
    ("policy", "desired", "reported"),
    [
        # The operator's keys are removed and set again each time; the device's own stay.
        ("Clear", [{}, DESIRED], {"temp": -17}),
        # The shadow is deleted each time, and with it what the device has reported.
        ("Delete", [{}, DESIRED], {}),
    ],
)
def test_replaced_under_clear_and_delete(
    workspace: Workspace, watched: WatchedThing, policy: str, desired: list[Json], reported: Json
) -> None:
    spec = {"desired": DESIRED, "deletionPolicy": policy}
    apply_ready(workspace, watched, spec)
    workspace.cloud.update_shadow(watched.thing, {"reported": {"temp": -17}})
    eventually(lambda: watched.seen("reported"), "the report")
    watched.replace(spec)
    assert watched.seen("desired") == desired
    assert workspace.reported(watched.thing) == reported
    watched.replace(spec | {"desired": {"a": 1}})
    assert workspace.desired(watched.thing) == {"a": 1}, "a key left out is cleared by the old Thing"


def test_replaced_under_once_the_values_are_sent_again(workspace: Workspace, watched: WatchedThing) -> None:
    spec = {"desired": DESIRED, "desiredPolicy": "Once"}
    apply_ready(workspace, watched, spec)
    workspace.cloud.update_shadow(watched.thing, {"desired": {"a": 77}})
    eventually(lambda: watched.seen("desired"), "the other's value")
    watched.replace(spec)
    assert watched.seen("desired") == [DESIRED]
