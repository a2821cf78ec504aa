"""Status writes are the scarcest resource: counted by resource versions, over two hundred Things."""

import json
import time
from contextlib import suppress

from tests.support.cloud import Things
from tests.support.operator import Workspace
from tests.support.polling import eventually

from thing_operator_local.cloud.client import CloudRefusedError, CloudThing
from thing_operator_local.cloud.control import CloudControl

DESIRED = {"mode": "auto", "limits": {"min": 4}}
MIN_INTERVAL = 2.0


def all_are(workspace: Workspace, condition: str) -> bool:
    found = [
        [each["status"] for each in body.get("status", {}).get("conditions", []) if each["type"] == condition]
        for body in workspace.list("things")
    ]
    return all(status == ["True"] for status in found)


def connected(workspace: Workspace, fleet: list[CloudThing]) -> bool:
    found = CloudControl(workspace.cloud.folder).sessions()
    here = {session["clientId"] for session in found if session["connected"] and session["subscriptions"]}
    return here >= {thing.name for thing in fleet}


def test_nothing_is_written_for_a_restart_or_for_a_broker_that_bounces(
    workspace: Workspace, things: Things
) -> None:
    fleet = things(200)
    bodies = [workspace.secret(thing) for thing in fleet]
    bodies += [workspace.manifest("Thing", thing.name, {"desired": DESIRED}) for thing in fleet]
    workspace.kubectl("apply", "-f-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": bodies}))
    eventually(lambda: all_are(workspace, "Ready"), "all are Ready")
    eventually(lambda: all_are(workspace, "Connected"), "and connected")
    before = workspace.versions()
    workspace.operator.stop(grace=0)
    eventually(lambda: not connected(workspace, fleet[:1]), "the sessions have ended")
    workspace.operator.start()
    eventually(lambda: connected(workspace, fleet), "all are back")
    CloudControl(workspace.cloud.folder).restart_broker()
    eventually(lambda: connected(workspace, fleet), "and once more")
    # What one of them reports is written after everything that might have been.
    workspace.cloud.update_shadow(fleet[0], {"reported": {"n": 1}})
    eventually(lambda: workspace.get(fleet[0].name)["status"]["shadow"].get("reported"), "reported")
    after = workspace.versions()
    assert {name for name in before if before[name] != after[name]} == {fleet[0].name}
    assert workspace.operator.stop() == 0


def test_a_storm_of_reports_is_written_once_an_interval_and_the_last_value_lands(
    workspace: Workspace, things: Things
) -> None:
    thing = things(1)[0]
    workspace.store_credentials(thing)
    workspace.apply_thing(thing, {"desired": DESIRED})
    workspace.wait_for(thing.name, "Connected")
    start = workspace.now()
    began = time.monotonic()
    number = 0
    while time.monotonic() - began < 3 * MIN_INTERVAL:
        number += 1
        # The service takes twenty a second of one thing; what is more is refused, as AWS does.
        with suppress(CloudRefusedError):
            workspace.cloud.update_shadow(thing, {"reported": {"number": number}})
    eventually(lambda: _report(workspace, thing, number + 1), "the last one is accepted")
    eventually(
        lambda: workspace.get(thing.name)["status"]["shadow"].get("reported") == {"number": number + 1},
        "written",
    )
    lasted = time.monotonic() - began
    writes = len(workspace.events_since(start))
    assert number > 3 * writes
    assert writes <= lasted / MIN_INTERVAL + 2


def _report(workspace: Workspace, thing: CloudThing, number: int) -> bool:
    try:
        workspace.cloud.update_shadow(thing, {"reported": {"number": number}})
    except CloudRefusedError:
        return False
    return True
