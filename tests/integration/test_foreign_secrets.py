"""Secrets that other tools make work for a Thing as they are, and are never written to."""

import base64
import json
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from tests.support.cloud import Things
from tests.support.operator import Workspace
from tests.support.pki import ec_pair

from thing_operator.credentials import check_pair
from thing_operator_local.cloud.client import CloudThing

Json = dict[str, Any]


def put(workspace: Workspace, body: Json) -> None:
    workspace.kubectl("apply", "--server-side", "--filename=-", stdin=json.dumps(body))


def of_cert_manager(thing: CloudThing, *, is_issued: bool) -> Json:
    """A Certificate's Secret: leaf and issuer in one file, a PKCS#8 key, an empty certificate until it is issued."""
    key = load_pem_private_key(thing.private_key_pem, None)
    issuer = ec_pair().certificate.decode()
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/tls",
        "metadata": {
            "name": f"thing-{thing.name}",
            "labels": {"controller.cert-manager.io/fao": "true"},
            "annotations": {
                "cert-manager.io/certificate-name": "freezer",
                "cert-manager.io/issuer-name": "mic",
            },
        },
        "stringData": {
            "tls.crt": thing.certificate_pem.decode() + issuer if is_issued else "",
            "tls.key": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
            "ca.crt": issuer if is_issued else "",
        },
    }


def of_external_secrets(thing: CloudThing) -> Json:
    """An ExternalSecret's, with MIC's file names as a vault has them, and never to be changed again."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "immutable": True,
        "metadata": {
            "name": "from-the-vault",
            "labels": {"reconcile.external-secrets.io/managed": "true"},
            "annotations": {"reconcile.external-secrets.io/data-hash": "0"},
        },
        "stringData": {
            "cert.pem": thing.certificate_pem.decode(),
            "privkey.pem": thing.private_key_pem.decode(),
            "pubkey.pem": "not needed",
        },
    }


def of_sealed_secrets(thing: CloudThing) -> Json:
    """What a SealedSecret becomes: keys of one's own, and an owner."""
    owner = {"apiVersion": "v1", "kind": "Secret", "name": "from-the-vault", "uid": "", "controller": True}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": {"name": "unsealed", "ownerReferences": [owner]},
        "stringData": {
            "client": thing.certificate_pem.decode(),
            "client-key": thing.private_key_pem.decode(),
        },
    }


def test_secrets_of_other_tools_work_and_are_not_touched(workspace: Workspace, things: Things) -> None:
    issued, vault, sealed = things(3)
    put(workspace, of_cert_manager(issued, is_issued=False))
    put(workspace, of_external_secrets(vault))
    unsealed = of_sealed_secrets(sealed)
    unsealed["metadata"]["ownerReferences"][0]["uid"] = workspace.get("from-the-vault", kind="secret")[
        "metadata"
    ]["uid"]
    put(workspace, unsealed)
    workspace.apply_thing(issued)
    workspace.apply_thing(vault, {"credentials": {"secretName": "from-the-vault"}})
    keys = {"certificateKey": "client", "privateKeyKey": "client-key"}
    workspace.apply_thing(sealed, {"credentials": {"secretName": "unsealed", **keys}})
    waiting = workspace.wait_for(issued.name, "CredentialsValid", "False", reason="KeyMissing")
    assert "tls.crt (empty)" in waiting["message"]
    put(workspace, of_cert_manager(issued, is_issued=True))
    before = workspace.versions("secrets")
    for thing in (issued, vault, sealed):
        workspace.wait_for(thing.name, "Ready")
        workspace.wait_for(thing.name, "Connected")
        found = workspace.get(thing.name)["status"]["certificate"]
        pair = check_pair(thing.certificate_pem, thing.private_key_pem, now=datetime.now(UTC))
        assert found["fingerprint"] == pair.fingerprint
    workspace.kubectl("delete", "things", "--all")
    assert workspace.versions("secrets") == before


def test_cas_of_other_tools_work_and_an_empty_one_is_waited_for(workspace: Workspace, things: Things) -> None:
    """As OpenShift, an editor of Windows and cert-manager leave them."""
    injected, commented, issued = things(3)
    pem = workspace.cloud.info.ca.read_bytes()
    in_latin_1 = base64.b64encode("# f\u00fcr \u00c5\n".encode("latin-1") + pem).decode()

    def put_ca(name: str, kind: str, **fields: dict[str, str]) -> None:
        put(workspace, {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, **fields})

    put_ca("injected", "ConfigMap", data={"ca-bundle.crt": f"\ufeff{pem.decode()}"})
    put_ca("commented", "ConfigMap", binaryData={"ca.crt": in_latin_1})
    put_ca("issued", "Secret", stringData={"ca.crt": "", "tls.crt": ""})
    workspace.apply_thing(injected, {"endpoint": {"caConfigMapName": "injected"}})
    workspace.apply_thing(commented, {"endpoint": {"caConfigMapName": "commented"}})
    workspace.apply_thing(issued, {"endpoint": {"caSecretName": "issued"}})
    for thing in (injected, commented, issued):
        workspace.store_credentials(thing)
    waiting = workspace.wait_for(issued.name, "Ready", "False", reason="CaNotFound")
    assert "ca.crt of Secret issued is empty" in waiting["message"]
    put_ca("issued", "Secret", stringData={"ca.crt": pem.decode(), "tls.crt": ""})
    for thing in (injected, commented, issued):
        workspace.wait_for(thing.name, "Connected")
