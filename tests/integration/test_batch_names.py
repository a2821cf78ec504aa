"""Names that meet: two things that come to one Secret, two ThingBatches of one name after each other."""

import io
import itertools
import zipfile

from tests.integration.batches import batch_spec, results
from tests.support.operator import Workspace
from tests.support.pki import Authority

from thing_operator.core.thing_names import secret_name


def names_of_one_secret() -> tuple[str, str]:
    """Two thing names of which the shortened names and the digests behind them are the same."""
    seen: dict[str, str] = {}
    for number in itertools.count():
        name = f"A_x:{'x' * 50}{number}"
        if other := seen.setdefault(secret_name(name), ""):
            return other, name
        seen[secret_name(name)] = name
    raise AssertionError


def zip_of(*names: str) -> bytes:
    data, authority = io.BytesIO(), Authority.new()
    with zipfile.ZipFile(data, "w") as archive:
        for name in names:
            identity = authority.identity("thing")
            archive.writestr(f"{name}/cert.pem", identity.certificate_pem)
            archive.writestr(f"{name}/privkey.pem", identity.private_key_pem)
    return data.getvalue()


def test_of_two_things_that_come_to_one_secret_the_second_is_refused(workspace: Workspace) -> None:
    one, other = names_of_one_secret()
    workspace.store_zip(zip_of(one, other))
    workspace.apply("ThingBatch", "b", batch_spec())
    workspace.wait_for("b", "Ready", "False", reason="PartlyImported", kind="thingbatch")
    found = results(workspace)
    assert sorted(each["result"] for each in found.values()) == ["Conflict", "Imported"]
    (imported,) = (name for name, each in found.items() if each["result"] == "Imported")
    annotations = workspace.get(secret_name(one), kind="secret")["metadata"]["annotations"]
    assert annotations["thing-operator.io/thing-name"] == imported


def test_a_batch_does_not_prune_what_one_of_the_same_name_has_left(workspace: Workspace) -> None:
    workspace.store_zip(zip_of("r1", "r2"))
    workspace.apply("ThingBatch", "b", batch_spec())
    workspace.wait_for("b", "Ready", reason="Imported", kind="thingbatch")
    workspace.kubectl("delete", "thingbatch", "b", "--wait")
    workspace.store_zip(zip_of("r2", "r3", "r4"))
    workspace.apply("ThingBatch", "b", batch_spec(prunePolicy="Delete"))
    message = workspace.wait_for("b", "Ready", reason="Imported", kind="thingbatch")["message"]
    assert "thing-r1: left by an earlier ThingBatch of this name" in message
    workspace.store_zip(zip_of("r4"))
    workspace.kubectl("wait", "secret/thing-r2", "--for=delete", "--timeout=30s")
    workspace.kubectl("wait", "secret/thing-r3", "--for=delete", "--timeout=30s")
    assert {"thing-r1", "thing-r4"} < workspace.versions("secrets").keys()
