"""Things when the cloud misbehaves: refusals, lost and muddled answers, a broker that is away, others who write too."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from tests.support.cloud import Things
from tests.support.devices import Device, service_identity
from tests.support.operator import Workspace
from tests.support.polling import eventually

from thing_operator.shadow.topics import ShadowTopics
from thing_operator_local.cloud.client import CloudThing
from thing_operator_local.cloud.control import CloudControl
from thing_operator_local.cloud.faults import Action
from thing_operator_local.cloud.shadow_topics import ShadowMessage, ShadowOperation

DESIRED = {"mode": "auto", "limits": {"min": 4}}
IMPATIENT = {
    "THING_OPERATOR_SESSION__MIN_RECONNECT_INTERVAL": "1s",
    "THING_OPERATOR_SESSION__MAX_BACKOFF": "2s",
    "THING_OPERATOR_SHADOW__REQUEST_TIMEOUT": "2s",
    "THING_OPERATOR_RESYNC_INTERVAL": "2s",
}


@pytest.fixture
def impatient(workspace: Workspace) -> Workspace:
    """A workspace whose operator waits seconds where a real one waits tens of them."""
    workspace.operator.stop()
    workspace.operator.settings |= IMPATIENT
    workspace.operator.start()
    return workspace


@contextmanager
def away(control: CloudControl, *things: CloudThing) -> Iterator[None]:
    """The things' connections are cut and no new one is let in."""
    control.refuse_connections()
    for thing in things:
        control.kick(thing.name)
    try:
        yield
    finally:
        control.refuse_connections(refuse=False)


def version(workspace: Workspace, thing: CloudThing) -> int:
    document = workspace.cloud.get_shadow(thing) or {"version": 0}
    return int(document["version"])


def start(workspace: Workspace, *things: CloudThing, **spec: Any) -> None:
    for thing in things:
        workspace.store_credentials(thing)
        workspace.apply_thing(thing, {"desired": DESIRED} | spec)


def await_desired(workspace: Workspace, thing: CloudThing, wanted: Any) -> None:
    eventually(lambda: workspace.desired(thing) == wanted, f"{thing.name} has desired {wanted}")


def await_reading(workspace: Workspace, thing: CloudThing) -> None:
    """Wait until the status speaks of the shadow's present version."""

    def is_read() -> bool:
        shadow = workspace.get(thing.name)["status"].get("shadow", {})
        return bool(shadow.get("version") == version(workspace, thing))

    eventually(is_read, f"the status of {thing.name} has its shadow's version")


def edit_by_mqtt(editor: Device, thing: CloudThing, desired: dict[str, Any]) -> None:
    """Update desired as another MQTT client, and wait until that is accepted."""
    topics = ShadowTopics(thing.name)
    editor.subscribe(topics.update_accepted)
    editor.publish(topics.update, {"state": {"desired": desired}})
    eventually(lambda: editor.next()[1]["state"] == {"desired": desired}, "the edit is accepted")


def conditions(workspace: Workspace, thing: CloudThing) -> dict[str, tuple[str, str]]:
    """Every condition: type to status and reason."""
    status = workspace.get(thing.name)["status"]
    return {found["type"]: (found["status"], found["reason"]) for found in status["conditions"]}


def test_a_refusal_for_now_is_tried_again_and_one_for_good_is_reported(
    impatient: Workspace, things: Things, control: CloudControl
) -> None:
    passing = dict(zip((409, 429, 500), things(3), strict=True))
    lasting = dict(zip((400, 413), things(2), strict=True))
    for code, thing in (passing | lasting).items():
        control.fault(Action.REJECT, thing=thing.name, operation=ShadowOperation.UPDATE, count=1, code=code)
    start(impatient, *passing.values(), *lasting.values())
    for thing in passing.values():
        impatient.wait_for(thing.name, "Ready")
        assert impatient.desired(thing) == DESIRED
        assert version(impatient, thing) == 1
    for code, thing in lasting.items():
        assert str(code) in impatient.wait_for(thing.name, "Stalled", reason="Rejected")["message"]
        # A report brings the Thing's turn again; what was refused for good is not sent again.
        impatient.cloud.update_shadow(thing, {"reported": {"n": 1}})
        await_reading(impatient, thing)
        assert impatient.desired(thing) == {}
        assert conditions(impatient, thing) == {
            "Ready": ("False", "Rejected"),
            "CredentialsValid": ("True", "Valid"),
            "Connected": ("True", "Connected"),
            "InSync": ("Unknown", "Unknown"),
            "Stalled": ("True", "Rejected"),
        }
        impatient.patch(thing.name, {"desired": {"mode": "eco"}})
        impatient.wait_for(thing.name, "Ready")
        assert conditions(impatient, thing) == {
            "Ready": ("True", "Accepted"),
            "CredentialsValid": ("True", "Valid"),
            "Connected": ("True", "Connected"),
            "InSync": ("False", "DeltaPending"),
        }


def test_lost_doubled_late_and_turned_round_answers_cost_no_second_update(
    impatient: Workspace, things: Things, control: CloudControl
) -> None:
    lost, half_lost, unread, doubled, turned, late = made = things(6)
    control.fault(Action.DROP, thing=lost.name, operation=ShadowOperation.UPDATE, count=1)
    control.fault(
        Action.DROP,
        thing=half_lost.name,
        operation=ShadowOperation.UPDATE,
        kinds=frozenset({ShadowMessage.ACCEPTED}),
        count=1,
    )
    control.fault(Action.DROP, thing=unread.name, operation=ShadowOperation.GET, count=1)
    control.fault(Action.DUPLICATE, thing=doubled.name)
    control.fault(Action.REORDER, thing=turned.name)
    control.fault(Action.DELAY, thing=late.name, operation=ShadowOperation.UPDATE, count=1, seconds=4)
    start(impatient, *made)
    for thing in made:
        impatient.wait_for(thing.name, "Ready")
        assert version(impatient, thing) == 1, thing.name
    for thing in made:
        impatient.patch(thing.name, {"desired": {"limits": None, "mode": "eco"}})
    for thing in made:
        impatient.wait_for(thing.name, "Ready")
        assert impatient.desired(thing) == {"mode": "eco"}
        assert version(impatient, thing) == 2, thing.name
        shadow = impatient.get(thing.name)["status"]["shadow"]
        assert (shadow["version"], shadow["delta"]) == (2, {"mode": "eco"})


def test_what_changes_while_the_broker_is_away_or_shakes_hands_is_sent_once_and_the_last_one_wins(
    impatient: Workspace, things: Things, control: CloudControl
) -> None:
    thing = things(1)[0]
    start(impatient, thing)
    impatient.wait_for(thing.name, "Ready")
    with away(control, thing):
        for mode in ("eco", "off", "boost"):
            impatient.patch(thing.name, {"desired": {"mode": mode, "limits": None}})
    impatient.wait_for(thing.name, "Ready")
    assert impatient.desired(thing) == {"mode": "boost"}
    assert version(impatient, thing) == 2
    control.slow_tls(3)
    control.kick(thing.name)
    impatient.patch(thing.name, {"desired": {"mode": "during the handshake"}})
    impatient.wait_for(thing.name, "Ready")
    assert impatient.desired(thing) == {"mode": "during the handshake"}
    assert version(impatient, thing) == 3


def test_the_four_policies_against_foreign_edits_at_once_and_after_a_time_offline(
    impatient: Workspace, things: Things, control: CloudControl
) -> None:
    made = dict(zip(("Merge", "Exact", "Once", "Observe"), things(4), strict=True))
    for policy, thing in made.items():
        start(impatient, thing, desiredPolicy=policy)
    for thing in made.values():
        impatient.wait_for(thing.name, "Ready")
    kept = {"limits": {"min": 4}}
    for others in ({"mode": "at once", "z": 1}, {"mode": "offline", "z": {"deep": 2}}):
        expected = {
            "Merge": DESIRED | {"z": others["z"]},
            "Exact": DESIRED,
            "Once": kept | others,
            "Observe": others,
        }
        if others["mode"] == "at once":
            # Over MQTT, by a client of another name; the edits of the time offline come over REST.
            info = impatient.cloud.info
            with Device(info, service_identity(info), client_id="$editor") as editor:
                for thing in made.values():
                    edit_by_mqtt(editor, thing, others)
        else:
            with away(control, *made.values()):
                for thing in made.values():
                    impatient.cloud.update_shadow(thing, {"desired": {"z": None}})
                    impatient.cloud.update_shadow(thing, {"desired": others})
        for policy, thing in made.items():
            await_desired(impatient, thing, expected[policy])
            await_reading(impatient, thing)
    assert impatient.condition(made["Once"].name, "InSync")["reason"] == "DriftDetected"
    assert impatient.condition(made["Merge"].name, "InSync")["reason"] == "DeltaPending"
    assert impatient.condition(made["Observe"].name, "Ready")["reason"] == "Observed"
    assert "managedPaths" not in impatient.get(made["Observe"].name)["status"]


def test_a_status_that_somebody_else_overwrote_is_written_again(impatient: Workspace, things: Things) -> None:
    thing = things(1)[0]
    start(impatient, thing)
    impatient.wait_for(thing.name, "Ready")
    ours = impatient.get(thing.name)["status"]
    foreign = json.dumps({"status": {"conditions": [], "managedPaths": None, "thingName": "another"}})
    impatient.kubectl(
        "patch", "thing", thing.name, "--subresource=status", "--type=merge", f"--patch={foreign}"
    )
    eventually(lambda: impatient.get(thing.name)["status"] == ours, "our status is back")


def test_a_second_enforcer_is_answered_at_growing_distances_and_outlived(
    impatient: Workspace, things: Things
) -> None:
    thing = things(1)[0]
    start(impatient, thing)
    impatient.wait_for(thing.name, "Ready")
    edits = 40
    for number in range(edits):
        impatient.cloud.update_shadow(thing, {"desired": {"mode": number}})
        time.sleep(0.1)  # the shadow service takes 20 requests a second for a thing
    repairs = version(impatient, thing) - 1 - edits
    assert 1 <= repairs <= edits // 4
    await_desired(impatient, thing, DESIRED)
    await_reading(impatient, thing)
    assert conditions(impatient, thing)["Ready"] == ("True", "Accepted")
