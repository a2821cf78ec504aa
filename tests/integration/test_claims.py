"""Several Things for one thing, in the namespaces of two teams: who runs it, and what the other gets to know."""

import json
import re
from collections.abc import Iterator

import pytest
from tests.support.cloud import Things
from tests.support.controlplane import Kubectl
from tests.support.operator import Workspace
from tests.support.pki import Authority
from tests.support.polling import eventually

from thing_operator_local.cloud.client import CloudThing

OTHER_NAME_OF_THE_BROKER = {"endpoint": {"host": "127.0.0.1"}}
UNSEEN = "another Thing that you cannot see"


@pytest.fixture
def team_a(kubectl: Kubectl, namespace: str) -> Iterator[str]:
    """The namespace of another team, which the same operator watches."""
    name = f"{namespace}-a"
    kubectl("create", "namespace", name)
    yield name
    kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
def ours(idle_workspace: Workspace, team_a: str) -> Workspace:
    idle_workspace.operator.namespaces.append(team_a)
    idle_workspace.operator.start()
    return idle_workspace


@pytest.fixture
def theirs(kubectl: Kubectl, ours: Workspace, team_a: str) -> Workspace:
    return Workspace(kubectl=kubectl, cloud=ours.cloud, operator=ours.operator, namespace=team_a)


def self_made(thing: CloudThing) -> CloudThing:
    """The thing with a pair that belongs together and is valid, and that no broker knows."""
    identity = Authority.new().identity(thing.name)
    return CloudThing(thing.name, identity.certificate_pem, identity.private_key_pem)


def run(workspace: Workspace, thing: CloudThing) -> None:
    workspace.store_credentials(thing)
    workspace.apply_thing(thing, {"desired": {"mode": "auto"}})
    workspace.wait_for(thing.name, "Ready")


def up_since(workspace: Workspace, thing: CloudThing) -> str:
    """How often its session was ended or begun shows in the operator's Events; its status has when it came up."""
    connected = workspace.condition(thing.name, "Connected")
    assert connected["status"] == "True"
    return str(connected["lastTransitionTime"])


def is_alive(workspace: Workspace, thing: CloudThing, number: int) -> None:
    workspace.cloud.update_shadow(thing, {"reported": {"n": number}})
    eventually(
        lambda: workspace.get(thing.name)["status"].get("shadow", {}).get("reported") == {"n": number},
        "the session lives",
    )


def nothing_of(other: Workspace, workspace: Workspace, name: str) -> None:
    """No word of a namespace's objects is in the status of an object elsewhere, or in its Events."""
    said = json.dumps(workspace.get(name)) + json.dumps(workspace.list("events"))
    assert not re.search(rf"{other.namespace}(?!-a)", said.replace(workspace.namespace, ""))


def test_who_has_no_secret_is_in_nobodys_way(ours: Workspace, theirs: Workspace, things: Things) -> None:
    (thing,) = things(1)
    theirs.apply_thing(thing, name="squat")
    theirs.wait_for("squat", "CredentialsValid", "False", reason="SecretNotFound")
    run(ours, thing)
    assert theirs.condition("squat", "CredentialsValid")["reason"] == "SecretNotFound"


def test_who_has_only_a_pair_of_its_own_making_is_in_nobodys_way(
    ours: Workspace, theirs: Workspace, things: Things
) -> None:
    (thing,) = things(1)
    theirs.store_credentials(self_made(thing))
    theirs.apply_thing(thing, name="squat")
    theirs.wait_for("squat", "Connected", "False")
    run(ours, thing)
    found = theirs.wait_for("squat", "Stalled", reason="DuplicateThing")
    assert UNSEEN in found["message"]
    nothing_of(ours, theirs, "squat")
    log = ours.operator.log.read_text()
    assert re.search(rf"{theirs.namespace}/squat waits: {ours.namespace}/{thing.name} holds", log)
    assert ours.operator.scrape()["duplicate_things", "other_namespace"] == 1
    # A restart changes nothing.
    since = up_since(ours, thing)
    ours.operator.stop()
    ours.operator.start()
    is_alive(ours, thing, 1)
    assert up_since(ours, thing) == since


def test_moving_onto_anothers_thing_does_not_end_its_session(
    ours: Workspace, theirs: Workspace, things: Things
) -> None:
    (thing,) = things(1)
    theirs.store_credentials(self_made(thing))
    theirs.apply_thing(thing, {"endpoint": {"host": "elsewhere.invalid"}}, name="sleeper")
    theirs.wait_for("sleeper", "Connected", "False", reason="EndpointUnreachable")
    run(ours, thing)
    since = up_since(ours, thing)
    theirs.patch("sleeper", {"endpoint": None})
    assert UNSEEN in theirs.wait_for("sleeper", "Stalled", reason="DuplicateThing")["message"]
    is_alive(ours, thing, 1)
    assert up_since(ours, thing) == since


def test_one_thing_by_two_names_of_its_broker_is_one_thing(
    ours: Workspace, theirs: Workspace, things: Things
) -> None:
    (thing,) = things(1)
    theirs.store_credentials(thing)
    theirs.apply_thing(thing, OTHER_NAME_OF_THE_BROKER | {"suspend": True}, name="copy")
    theirs.wait_for("copy", "Connected", "False", reason="Suspended")
    run(ours, thing)
    since = up_since(ours, thing)
    theirs.patch("copy", {"suspend": False})
    assert UNSEEN in theirs.wait_for("copy", "Stalled", reason="DuplicateThing")["message"]
    is_alive(ours, thing, 1)
    assert up_since(ours, thing) == since
    ours.patch(thing.name, {"suspend": True})
    theirs.wait_for("copy", "Ready")


def test_a_thing_that_a_foreign_finalizer_holds_is_in_nobodys_way(
    ours: Workspace, theirs: Workspace, things: Things
) -> None:
    (thing,) = things(1)
    run(theirs, thing)
    held = {"metadata": {"finalizers": ["example.com/held"]}}
    theirs.kubectl("patch", "thing", thing.name, "--type=merge", f"--patch={json.dumps(held)}")
    theirs.kubectl("delete", "thing", thing.name, "--wait=false")
    run(ours, thing)
    assert theirs.get(thing.name)["metadata"]["deletionTimestamp"]
    theirs.kubectl("patch", "thing", thing.name, "--type=merge", '--patch={"metadata":{"finalizers":null}}')


def test_a_key_whose_secret_is_deleted_writes_nothing_and_its_session_ends(
    ours: Workspace, things: Things
) -> None:
    ours.operator.stop()
    ours.operator.settings["THING_OPERATOR_SESSION__WITHOUT_SECRET"] = "3s"
    ours.operator.start()
    (thing,) = things(1)
    run(ours, thing)
    ours.kubectl("delete", "secret", f"thing-{thing.name}")
    found = ours.wait_for(thing.name, "CredentialsValid", "False", reason="SecretNotFound")
    assert "nothing is written" in found["message"]
    ours.patch(thing.name, {"desired": {"mode": "eco"}})
    ours.wait_for(thing.name, "Connected", "False", reason="Pending")
    assert ours.desired(thing) == {"mode": "auto"}
    ours.store_credentials(thing)
    ours.wait_for(thing.name, "Ready")
    assert ours.desired(thing) == {"mode": "eco"}


def test_two_accounts_behind_the_addresses_of_one_host_may_be_had(ours: Workspace, things: Things) -> None:
    """Who says so has to bear what comes of it where they are one: here they are, and the broker lets one in."""
    ours.operator.stop()
    ours.operator.settings |= {
        "THING_OPERATOR_ENDPOINT__ACCOUNT_PER_ADDRESS": "true",
        "THING_OPERATOR_SESSION__MIN_RECONNECT_INTERVAL": "1s",
        "THING_OPERATOR_SESSION__MAX_BACKOFF": "2s",
        "THING_OPERATOR_SESSION__DISCONNECT_GRACE": "1s",
    }
    ours.operator.start()
    (thing,) = things(1)
    run(ours, thing)
    ours.apply_thing(thing, OTHER_NAME_OF_THE_BROKER, name="copy")

    def said() -> bool:
        found = {name: ours.condition(name, "Connected") for name in (thing.name, "copy")}
        messages = {name: each.get("message", "") for name, each in found.items()}
        return any(
            f"Thing {other} has the same certificate" in messages[name]
            for name, other in ((thing.name, "copy"), ("copy", thing.name))
        )

    eventually(said, "TakenOver names the other")
