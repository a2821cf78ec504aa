"""Sessions as a user of Things sees them: what keeps one from coming up, what ends one, and what does not."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

from tests.support.cloud import Things
from tests.support.devices import Device
from tests.support.operator import Workspace
from tests.support.pki import Authority
from tests.support.polling import eventually

from thing_operator_local.cloud.client import CloudThing

QUICK = {
    "THING_OPERATOR_SESSION__MIN_RECONNECT_INTERVAL": "1s",
    "THING_OPERATOR_SESSION__MAX_BACKOFF": "2s",
    "THING_OPERATOR_SESSION__DISCONNECT_GRACE": "1s",
}

FLEET = 40


def restart(workspace: Workspace, settings: dict[str, str]) -> None:
    workspace.operator.stop()
    workspace.operator.settings |= settings
    workspace.operator.start()


def store(workspace: Workspace, kind: str, name: str, data: dict[str, str]) -> None:
    body: dict[str, Any] = {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}}
    body["stringData" if kind == "Secret" else "data"] = data
    workspace.kubectl("apply", "--filename=-", stdin=json.dumps(body))


def nobodys(thing: CloudThing) -> CloudThing:
    """The thing with a certificate that no cloud has made."""
    identity = Authority.new().identity(thing.name)
    return CloudThing(thing.name, identity.certificate_pem, identity.private_key_pem)


def fingerprint(workspace: Workspace, thing: CloudThing) -> str:
    found: str = workspace.get(thing.name)["status"]["certificate"]["fingerprint"]
    return found


def is_alive(workspace: Workspace, thing: CloudThing, number: int) -> None:
    """Wait until a report reaches the status: the session is up."""
    workspace.cloud.update_shadow(thing, {"reported": {"n": number}})
    eventually(
        lambda: workspace.get(thing.name)["status"].get("shadow", {}).get("reported") == {"n": number},
        "the session lives",
    )


@contextmanager
def rival(workspace: Workspace, thing: CloudThing) -> Iterator[None]:
    """Another client of the same name that comes back whenever it is taken over."""
    over = Event()

    def insist() -> None:
        while not over.is_set():
            with Device(workspace.cloud.info, thing) as device:
                while not over.wait(0.05) and not device.closed:
                    pass

    thread = Thread(target=insist)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_what_keeps_a_session_from_coming_up_is_reported_and_can_be_mended(
    workspace: Workspace, things: Things, tmp_path: Path
) -> None:
    # The operator trusts somebody else: whoever names no CA cannot trust the cloud.
    wrong_ca = tmp_path / "wrong.pem"
    wrong_ca.write_text(Authority.new().pem, encoding="ascii")
    restart(workspace, QUICK | {"THING_OPERATOR_ENDPOINT__CA_FILE": str(wrong_ca)})
    by_secret, by_config_map, untrusting, late_ca, lost, foreign, unknown = made = things(7)
    right_ca = {"ca.crt": workspace.cloud.info.ca.read_text(encoding="ascii")}
    store(workspace, "Secret", "broker-ca", right_ca)
    store(workspace, "ConfigMap", "broker-ca", right_ca)
    for thing in made:
        workspace.store_credentials(thing)
    trusting = {"endpoint": {"caSecretName": "broker-ca"}}
    workspace.store_credentials(by_secret, name=f"thing-{foreign.name}")
    workspace.store_credentials(nobodys(unknown), name=f"thing-{unknown.name}")
    workspace.apply_thing(by_secret, trusting)
    workspace.apply_thing(by_config_map, {"endpoint": {"caConfigMapName": "broker-ca"}})
    workspace.apply_thing(untrusting)
    workspace.apply_thing(late_ca, {"endpoint": {"caSecretName": "late-ca"}})
    workspace.apply_thing(lost, {"endpoint": {"host": "nowhere.invalid", "caSecretName": "broker-ca"}})
    workspace.apply_thing(foreign, trusting)
    workspace.apply_thing(unknown, trusting)
    for thing in (by_secret, by_config_map):
        workspace.wait_for(thing.name, "Ready")
    expected = (
        (untrusting, "Connected", "False", "TlsFailed", "endpoint.caSecretName"),
        (late_ca, "Stalled", "True", "CaNotFound", "late-ca"),
        (lost, "Connected", "False", "EndpointUnreachable", "nowhere.invalid cannot be resolved"),
        (foreign, "Stalled", "True", "NotAuthorized", f"client id {foreign.name}"),
        (unknown, "Stalled", "True", "NotAuthorized", "must be"),
    )
    for thing, condition, status, reason, words in expected:
        assert words in workspace.wait_for(thing.name, condition, status, reason=reason)["message"]
        assert workspace.condition(thing.name, "Ready")["status"] == "False"
    workspace.patch(untrusting.name, trusting)
    store(workspace, "Secret", "late-ca", right_ca)
    workspace.patch(lost.name, {"endpoint": {"host": None}})
    workspace.store_credentials(foreign)
    workspace.store_credentials(unknown)
    for thing in made:
        workspace.wait_for(thing.name, "Ready")
        assert workspace.condition(thing.name, "Stalled") == {}
        assert workspace.condition(thing.name, "Reconciling") == {}


def test_a_good_session_outlives_bad_secrets_and_a_good_new_one_replaces_it(
    workspace: Workspace, things: Things
) -> None:
    restart(workspace, QUICK)
    thing = things(1)[0]
    workspace.store_credentials(thing)
    workspace.apply_thing(thing, {"desired": {"mode": "auto"}})
    workspace.wait_for(thing.name, "Ready")
    before = fingerprint(workspace, thing)
    secret = f"thing-{thing.name}"
    workspace.store_credentials(nobodys(thing), name=secret)
    message = workspace.wait_for(thing.name, "Stalled", reason="NotAuthorized")["message"]
    assert "goes on with the former ones" in message
    is_alive(workspace, thing, 1)
    workspace.kubectl("delete", "secret", secret)
    workspace.wait_for(thing.name, "CredentialsValid", "False", reason="SecretNotFound")
    assert workspace.condition(thing.name, "Connected")["status"] == "True"
    is_alive(workspace, thing, 2)
    renewed = workspace.cloud.replace_certificate(thing)
    workspace.store_credentials(renewed)
    workspace.wait_for(thing.name, "CredentialsValid", reason="Valid")
    workspace.patch(thing.name, {"desired": {"mode": "eco"}})
    workspace.wait_for(thing.name, "Ready")
    assert workspace.desired(renewed) == {"mode": "eco"}
    assert fingerprint(workspace, thing) != before
    is_alive(workspace, renewed, 3)
    eventually(lambda: workspace.condition(thing.name, "Stalled") == {}, "nothing is stalled")


def test_another_client_of_the_same_name_is_found_out_and_the_session_comes_back(
    workspace: Workspace, things: Things
) -> None:
    restart(workspace, QUICK)
    thing = things(1)[0]
    workspace.store_credentials(thing)
    workspace.apply_thing(thing)
    workspace.wait_for(thing.name, "Ready")
    with rival(workspace, thing):
        workspace.wait_for(thing.name, "Connected", "False", reason="TakenOver")
        assert workspace.condition(thing.name, "Ready")["status"] == "True"
    workspace.wait_for(thing.name, "Connected", "True")
    is_alive(workspace, thing, 1)


def test_the_end_flushes_what_is_pending_and_writes_nothing_else(
    workspace: Workspace, things: Things
) -> None:
    restart(workspace, {"THING_OPERATOR_STATUS__MIN_INTERVAL": "1s"})
    *made, last = things(FLEET)
    for thing in made:
        workspace.store_credentials(thing)
        workspace.apply_thing(thing, {"mirror": {"minInterval": "1h"}})
    workspace.store_credentials(last)
    workspace.apply_thing(last)
    for thing in (*made, last):
        workspace.wait_for(thing.name, "Ready")
    is_alive(workspace, last, 0)
    before = {body["metadata"]["name"]: body for body in workspace.list("things")}
    for number, thing in enumerate(made):
        workspace.cloud.update_shadow(thing, {"reported": {"n": number}})
    is_alive(workspace, last, 1)
    assert workspace.operator.stop() == 0
    after = {body["metadata"]["name"]: body for body in workspace.list("things")}
    for number, thing in enumerate(made):
        status = after[thing.name]["status"]
        assert status["shadow"]["reported"] == {"n": number}
        assert status["conditions"][2] == before[thing.name]["status"]["conditions"][2]
        assert status["conditions"][2]["type"] == "Connected"
        assert after[thing.name]["metadata"]["generation"] == before[thing.name]["metadata"]["generation"]
