"""Networked children end to end: real API server, real broker over TLS, the operator as a process."""

from dataclasses import dataclass
from typing import Any

import pytest
from tests.support.cloud import Things
from tests.support.operator import Workspace
from tests.support.polling import eventually

from thing_operator_local.cloud.client import CloudThing, MicSession
from thing_operator_local.cloud.control import CloudControl

ROOM = 6
"""Children that fit a connection."""


@dataclass(frozen=True, slots=True)
class Family:
    """A parent that is Ready, and what is done with its children."""

    workspace: Workspace
    parent: CloudThing

    def apply(self, child: str, spec: dict[str, Any] | None = None) -> str:
        """A child; returns the name of its Thing."""
        name = f"{self.parent.name}-{child}"
        wanted = {"thingName": child, "parentRef": {"name": self.parent.name}} | (spec or {})
        self.workspace.apply("Thing", name, wanted)
        return name

    def thing(self, child: str) -> CloudThing:
        """The child in the cloud, once it is there."""
        return self.workspace.cloud.thing(f"{self.parent.name}__{child}")


@pytest.fixture
def family(workspace: Workspace, things: Things) -> Family:
    parent = things(1)[0]
    workspace.store_credentials(parent)
    workspace.apply_thing(parent)
    workspace.wait_for(parent.name, "Ready")
    return Family(workspace, parent)


def test_a_child_is_spoken_for_on_its_parents_connection(family: Family, control: CloudControl) -> None:
    workspace = family.workspace
    before = workspace.now()
    device = {"reported": {"tcxn": {"thingType": "door"}}, "acknowledge": "All"}
    name = family.apply("door", {"desired": {"open": True}, "device": device})
    workspace.wait_for(name, "Ready")
    workspace.wait_for(name, "InSync")
    status = workspace.get(name)["status"]
    assert status["thingName"] == f"{family.parent.name}__door"
    assert "certificate" not in status
    door = family.thing("door")
    assert workspace.desired(door) == {"open": True}
    assert workspace.reported(door) == {"open": True, "tcxn": {"thingType": "door"}}
    kinds = {each["thingName"]: each["thingType"] for each in MicSession(workspace.cloud.info).find_things()}
    assert kinds[door.name] == "door"
    clients = [each["clientId"] for each in control.sessions()]
    assert family.parent.name in clients
    assert door.name not in clients
    conditions = {each["type"]: each["reason"] for each in status["conditions"]}
    assert conditions["CredentialsValid"] == "Valid"
    until_ready = []
    for event in workspace.events_since(before):
        if event["type"] == "MODIFIED" and event["object"]["metadata"]["name"] == name:
            until_ready.append(event)
            if any(
                each["type"] == "Ready" and each["status"] == "True"
                for each in event["object"]["status"]["conditions"]
            ):
                break
    assert len(until_ready) <= 2
    workspace.cloud.update_shadow(door, {"desired": {"open": False}})
    eventually(lambda: workspace.desired(door) == {"open": True}, "repaired")
    workspace.kubectl("delete", "thing", name)
    assert workspace.desired(door) == {"open": True}


def test_a_child_waits_for_its_parent_and_is_nothing_without_it(workspace: Workspace, things: Things) -> None:
    parent = things(1)[0]
    workspace.store_credentials(parent)
    family = Family(workspace, parent)
    name = family.apply("door", {"desired": {"open": True}})
    found = workspace.wait_for(name, "Ready", "False", reason="ParentMissing")
    assert f"Thing {parent.name}" in found["message"]
    workspace.apply_thing(parent)
    workspace.wait_for(name, "Ready")
    workspace.patch(parent.name, {"suspend": True})
    found = workspace.wait_for(name, "Connected", "False", reason="Suspended")
    assert f"Thing {parent.name}" in found["message"]
    assert workspace.condition(name, "Ready")["status"] == "True"
    workspace.patch(parent.name, {"suspend": None})
    workspace.wait_for(name, "Connected")
    once = family.apply("window", {"desired": {"open": True}, "desiredPolicy": "Once"})
    workspace.wait_for(once, "Ready")
    workspace.kubectl("delete", "thing", parent.name)
    for each in (name, once):
        workspace.wait_for(each, "Ready", "False", reason="ParentMissing")
    workspace.operator.stop()
    workspace.cloud.update_shadow(family.thing("window"), {"desired": {"open": False}})
    workspace.operator.start()
    workspace.apply_thing(parent)
    for each in (name, once):
        workspace.wait_for(each, "Ready")
        workspace.wait_for(each, "Connected")
    workspace.wait_for(once, "InSync", "False", reason="DriftDetected")
    assert workspace.desired(family.thing("window")) == {"open": False}


def test_a_parent_without_a_session_is_named(workspace: Workspace, things: Things) -> None:
    parent = things(1)[0]
    workspace.apply_thing(parent)
    workspace.wait_for(parent.name, "Ready", "False", reason="SecretNotFound")
    family = Family(workspace, parent)
    name = family.apply("door")
    found = workspace.wait_for(name, "Ready", "False", reason="ParentNotReady")
    assert f"Thing {parent.name}" in found["message"]
    workspace.store_credentials(parent)
    workspace.wait_for(name, "Ready")
    second = family.apply("lock", {"parentRef": {"name": name}})
    found = workspace.wait_for(second, "Stalled", reason="ParentIsChild")
    assert parent.name in found["message"]


@pytest.mark.parametrize("policy", ["Clear", "Delete"])
def test_what_a_child_has_set_is_taken_back_over_its_parents_session(family: Family, policy: str) -> None:
    workspace = family.workspace
    name = family.apply("door", {"desired": {"open": True}, "deletionPolicy": policy})
    workspace.wait_for(name, "Ready")
    door = family.thing("door")
    workspace.cloud.update_shadow(door, {"desired": {"foreign": 1}})
    workspace.kubectl("delete", "thing", name, "--timeout=30s")
    assert workspace.desired(door) == ({"foreign": 1} if policy == "Clear" else {})


def test_both_are_deleted_together(family: Family) -> None:
    workspace = family.workspace
    name = family.apply("door", {"desired": {"open": True}, "deletionPolicy": "Clear"})
    workspace.wait_for(name, "Ready")
    door = family.thing("door")
    workspace.kubectl("delete", "thing", family.parent.name, name, "--timeout=30s")
    assert workspace.desired(door) == {}


def test_a_connection_has_room_for_so_many(family: Family) -> None:
    workspace = family.workspace
    names = [family.apply(f"c{number}") for number in range(ROOM)]
    for name in names:
        workspace.wait_for(name, "Ready")
    over = family.apply("last")
    found = workspace.wait_for(over, "Stalled", reason="ParentFull")
    assert f"can carry {ROOM} networked children" in found["message"]
    workspace.kubectl("delete", "thing", names[0])
    workspace.wait_for(over, "Ready")


def test_children_come_back_with_their_parents_connection_and_a_restart_writes_nothing(
    family: Family, control: CloudControl
) -> None:
    workspace = family.workspace
    names = [family.apply(child, {"desired": {"a": 1}}) for child in ("door", "lock")]
    for name in names:
        workspace.wait_for(name, "Ready")
    control.kick(family.parent.name)
    workspace.patch(names[0], {"desired": {"a": 2}})
    workspace.wait_for(names[0], "Ready")
    assert workspace.desired(family.thing("door")) == {"a": 2}
    before = workspace.versions()
    workspace.operator.stop()
    workspace.operator.start()
    workspace.cloud.update_shadow(family.thing("lock"), {"desired": {"a": 3}})
    eventually(lambda: workspace.desired(family.thing("lock")) == {"a": 1}, "repaired after the restart")
    after = workspace.versions()
    assert {name: after[name] for name in (family.parent.name, names[0])} == {
        name: before[name] for name in (family.parent.name, names[0])
    }


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"credentials": {"secretName": "mine"}}, "leave credentials and endpoint out"),
        ({"endpoint": {"host": "broker.example.com"}}, "leave credentials and endpoint out"),
        ({"thingName": "a__b"}, "two underscores"),
        ({"device": {"connectionStatus": True}}, "device.connectionStatus of its parent"),
        ({"parentRef": {"name": "child"}}, "cannot be its own parent"),
    ],
)
def test_what_a_child_cannot_have_is_refused(workspace: Workspace, spec: dict[str, Any], words: str) -> None:
    with pytest.raises(Exception, match=words):
        workspace.apply("Thing", "child", {"parentRef": {"name": "hub"}} | spec)
