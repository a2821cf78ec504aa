"""The operator's process is killed between two steps of a reconcile, and the spec is edited while it is away."""

import json
from typing import Any

import pytest
from tests.support.cloud import Things
from tests.support.operator import Workspace
from tests.support.polling import eventually

from thing_operator_local.cloud.client import CloudThing
from thing_operator_local.cloud.control import CloudControl
from thing_operator_local.cloud.faults import Action
from thing_operator_local.cloud.shadow_topics import ShadowOperation

BEFORE = {"kept": 1, "changed": {"deep": 1}, "short": {"lived": True}}
AFTER = {"kept": 1, "changed": {"deep": 2}, "new": [1]}


def version(workspace: Workspace, thing: CloudThing) -> int:
    document = workspace.cloud.get_shadow(thing)
    return int(document["version"]) if document else 0


def managed(workspace: Workspace, thing: CloudThing) -> list[str]:
    found: list[str] = workspace.get(thing.name).get("status", {}).get("managedPaths", [])
    return found


def is_recorded(workspace: Workspace, thing: CloudThing) -> bool:
    return "/short/lived" in managed(workspace, thing)


class KilledOperator:
    """Holds the world still at a moment."""

    def __init__(self, workspace: Workspace, thing: CloudThing) -> None:
        self.workspace = workspace
        self.thing = thing
        self.control = CloudControl(workspace.cloud.folder)

    def recorded_but_not_sent(self) -> None:
        self.control.refuse_connections()
        self.apply()
        eventually(lambda: is_recorded(self.workspace, self.thing), "recorded")
        assert version(self.workspace, self.thing) == 0

    def sent_but_not_processed(self) -> None:
        self.workspace.apply_thing(self.thing, {"desired": {}})
        self.workspace.wait_for(self.thing.name, "Ready")
        self.control.pause()
        self.apply()
        eventually(lambda: is_recorded(self.workspace, self.thing), "recorded, and sent right after")

    def accepted_but_nobody_knows(self) -> None:
        self.control.fault(Action.DROP, thing=self.thing.name, operation=ShadowOperation.UPDATE)
        self.apply()
        eventually(lambda: self.workspace.desired(self.thing) == BEFORE, "accepted")

    def done(self) -> None:
        self.apply()
        self.workspace.wait_for(self.thing.name, "Ready")

    def apply(self) -> None:
        self.workspace.apply_thing(self.thing, {"desired": BEFORE})

    def release(self) -> None:
        self.control.clear_faults()
        self.control.resume()
        self.control.refuse_connections(refuse=False)


MOMENTS = {
    "recorded, not sent": KilledOperator.recorded_but_not_sent,
    "sent, not processed": KilledOperator.sent_but_not_processed,
    "accepted, nobody knows": KilledOperator.accepted_but_nobody_knows,
    "done": KilledOperator.done,
}


def kill_at(moment: str, workspace: Workspace, things: Things) -> KilledOperator:
    thing = things(1)[0]
    workspace.store_credentials(thing)
    scene = KilledOperator(workspace, thing)
    try:
        MOMENTS[moment](scene)
        workspace.operator.stop(grace=0)
    finally:
        scene.release()
    return scene


@pytest.mark.parametrize("moment", MOMENTS)
def test_the_spec_changes_while_the_operator_is_away(
    workspace: Workspace, things: Things, moment: str
) -> None:
    scene = kill_at(moment, workspace, things)
    thing = scene.thing
    workspace.cloud.update_shadow(thing, {"desired": {"foreign": 1}})
    workspace.apply_thing(thing, {"desired": AFTER})
    workspace.operator.start()
    workspace.wait_for(thing.name, "Ready")
    assert workspace.desired(thing) == AFTER | {"foreign": 1}
    assert managed(workspace, thing) == ["/changed/deep", "/kept", "/new"]


@pytest.mark.parametrize("moment", ["accepted, nobody knows", "done"])
def test_what_was_accepted_is_not_sent_again(workspace: Workspace, things: Things, moment: str) -> None:
    scene = kill_at(moment, workspace, things)
    before = version(workspace, scene.thing)
    workspace.operator.start()
    workspace.wait_for(scene.thing.name, "Ready")
    workspace.cloud.update_shadow(scene.thing, {"reported": {"seen": 1}})
    eventually(lambda: reported(workspace, scene.thing) == {"seen": 1}, "the new session is up")
    assert version(workspace, scene.thing) == before + 1


def reported(workspace: Workspace, thing: CloudThing) -> Any:
    return workspace.get(thing.name)["status"].get("shadow", {}).get("reported")


def test_a_thing_deleted_while_the_operator_is_away_loses_its_session(
    workspace: Workspace, things: Things
) -> None:
    retained, cleared = things(2)
    for thing, policy in ((retained, "Retain"), (cleared, "Clear")):
        workspace.store_credentials(thing)
        workspace.apply_thing(thing, {"desired": BEFORE, "deletionPolicy": policy})
        workspace.wait_for(thing.name, "Ready")
    workspace.operator.stop(grace=0)
    workspace.kubectl("delete", "things", "--all", "--wait=false")
    workspace.operator.start()
    eventually(lambda: not json.loads(workspace.kubectl("get", "things", "-ojson"))["items"], "released")
    assert workspace.desired(cleared) == {}
    control = CloudControl(workspace.cloud.folder)
    ours = {retained.name, cleared.name}
    eventually(
        lambda: not [s for s in control.sessions() if s["connected"] and s["clientId"] in ours], "no session"
    )
    assert workspace.desired(retained) == BEFORE


def test_a_namespace_goes_in_bounded_time_whatever_the_cloud_does(
    workspace: Workspace, things: Things
) -> None:
    workspace.operator.stop()
    workspace.operator.settings = {"THING_OPERATOR_DELETION_TIMEOUT": "3s"}
    workspace.operator.start()
    denied, silent = things(2)
    control = CloudControl(workspace.cloud.folder)
    for thing in (denied, silent):
        workspace.store_credentials(thing)
        workspace.apply_thing(thing, {"desired": BEFORE, "deletionPolicy": "Delete"})
    for thing in (denied, silent):
        workspace.wait_for(thing.name, "Ready")
    try:
        control.fault(Action.REJECT, thing=denied.name, operation=ShadowOperation.DELETE, code=403)
        control.fault(Action.DROP, thing=silent.name, operation=ShadowOperation.DELETE)
        workspace.kubectl("delete", "namespace", workspace.namespace, "--timeout=60s")
    finally:
        control.clear_faults()
