"""The log of a whole story at debug level: what is in it, and what must not be."""

import json
import re

from tests.integration.batches import batch_spec, batch_url, create_things, store
from tests.support.cloud import Things
from tests.support.devices import Device, service_identity
from tests.support.operator import Workspace
from tests.support.polling import eventually

from thing_operator_local.cloud.client import CloudThing


def key_lines(thing: CloudThing) -> list[str]:
    """The lines of a thing's key and certificate that are its own: the first ones are alike in all of a kind."""
    text = thing.private_key_pem + thing.certificate_pem
    return [line for line in text.decode().splitlines() if line and not line.startswith("-----")][1:]


def test_no_secret_is_in_the_log_and_each_transition_names_its_object(
    workspace: Workspace, things: Things
) -> None:
    workspace.operator.stop()
    workspace.operator.settings |= {
        "THING_OPERATOR_LOG__LEVEL": "debug",
        "THING_OPERATOR_LOG__FORMAT": "json",
    }
    workspace.operator.start()
    good, lost, mixed = things(3)
    workspace.store_credentials(good)
    workspace.apply_thing(good, {"desired": {"a": "shown-to-nobody"}})
    workspace.apply_thing(lost)
    secret = workspace.secret(mixed)
    secret["stringData"]["tls.key"] = good.private_key_pem.decode()
    workspace.kubectl("apply", "--filename=-", stdin=json.dumps(secret))
    workspace.apply_thing(mixed)
    data = workspace.cloud.create_batch(2, key_type="ec")
    workspace.store_zip(data)
    workspace.apply("ThingBatch", "b", batch_spec(**create_things({"a": 1})))
    url = batch_url(workspace, 2)
    store(workspace, "where", url=url)
    workspace.apply("ThingBatch", "u", {"source": {"url": {"secretName": "where"}}})
    info = workspace.cloud.info
    store(workspace, "account", userName=info.user_name, password=info.password)
    order = {
        "host": "localhost",
        "accountSecretName": "account",
        "thingType": "pump",
        "domain": "root",
        "size": 1,
    }
    workspace.apply("ThingBatch", "c", {"source": {"cloudApi": order}})
    for batch in ("b", "u", "c"):
        workspace.wait_for(batch, "Ready", reason="Imported", kind="thingbatch")
    workspace.wait_for(good.name, "Connected")
    workspace.wait_for(lost.name, "Ready", "False", reason="SecretNotFound")
    workspace.wait_for(mixed.name, "Ready", "False", reason="KeyMismatch")
    workspace.cloud.update_shadow(good, {"desired": {"a": "by-another"}})
    eventually(lambda: workspace.desired(good) == {"a": "shown-to-nobody"}, "repaired")
    uid = workspace.get(good.name)["metadata"]["uid"]
    # What cannot be understood is a warning, without what it says.
    log = workspace.operator.log
    with Device(info, service_identity(info), client_id="$stranger") as stranger:
        stranger.publish(f"$aws/things/{good.name}/shadow/update/accepted", b"shown-to-nobody")
        eventually(lambda: "is not of the shadow service" in log.read_text(encoding="utf-8"), "a warning")
    workspace.operator.stop()

    text = log.read_text(encoding="utf-8")
    everyone = [good, lost, mixed, *workspace.cloud.things(data).values()]
    secrets = [line for thing in everyone for line in key_lines(thing)]
    signature = re.search(r"[?&](?:X-Amz-)?Signature=([^&]+)", url)
    assert signature, "the url carries what opens it"
    secrets += [info.password, signature[1], "-----BEGIN", "PRIVATE KEY", "shown-to-nobody"]
    assert [secret for secret in secrets if secret in text] == []
    # Those of the first start are not JSON: its format was that of a terminal or of a file, as it happened to be.
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    events = [line for line in lines if line["logger"] == "thing_operator.kube.events"]
    accepted = [line for line in events if line.get("reason") == "Accepted" and line["object"] == good.name]
    assert [(line["kind"], line["namespace"], line["uid"]) for line in accepted] == [
        ("Thing", workspace.namespace, uid)
    ]
