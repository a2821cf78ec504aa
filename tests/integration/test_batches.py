"""ThingBatches end to end: a zip from the cloud's MIC API becomes Secrets and Things."""

import io
import json
import zipfile
from typing import Any

from tests.integration.batches import batch_spec, batch_url, create_things, store
from tests.support.operator import Workspace
from tests.support.polling import eventually

from thing_operator_local.cloud.client import MicSession


def test_a_hundred_things_from_zip_to_ready(workspace: Workspace) -> None:
    data = workspace.cloud.create_batch(100, key_type="ec")
    workspace.store_zip(data)
    workspace.apply("ThingBatch", "b", batch_spec(**create_things({"a": 1})))
    workspace.wait_for("b", "Ready", reason="Imported", kind="thingbatch")
    status = workspace.get("b", kind="thingbatch")["status"]
    assert (status["total"], status["imported"], status["failed"]) == (100, 100, 0)
    assert len(status["things"]) == 100

    def all_ready() -> bool:
        found = workspace.list("things")
        return len(found) == 100 and all(
            any(c["type"] == "Ready" and c["status"] == "True" for c in thing["status"].get("conditions", []))
            for thing in found
        )

    eventually(all_ready, "all Ready")
    secrets = [body for body in workspace.list("secrets") if body["type"] == "kubernetes.io/tls"]
    assert len(secrets) == 100
    assert set(secrets[0]["metadata"]["labels"]) == {
        "thing-operator.io/batch",
        "thing-operator.io/thing-name",
    }
    assert "ownerReferences" not in secrets[0]["metadata"]
    before = {body["metadata"]["name"]: body["metadata"]["resourceVersion"] for body in secrets}
    workspace.kubectl("annotate", "secret", "zip", "touched=1")
    workspace.kubectl("annotate", "thingbatch", "b", "touched=1")
    workspace.store_zip(data)
    workspace.apply("ThingBatch", "b", batch_spec(**create_things({"a": 2})))
    eventually(
        lambda: all(body["spec"]["desired"] == {"a": 2} for body in workspace.list("things")), "template"
    )
    after = {
        body["metadata"]["name"]: body["metadata"]["resourceVersion"]
        for body in workspace.list("secrets")
        if body["type"] == "kubernetes.io/tls"
    }
    assert after == before


def test_an_object_of_the_template_may_be_emptied(workspace: Workspace) -> None:
    data = workspace.cloud.create_batch(2, key_type="ec")
    made = workspace.cloud.things(data)
    workspace.store_zip(data)

    def check_template(desired: dict[str, Any]) -> None:
        workspace.apply("ThingBatch", "b", batch_spec(**create_things(desired)))
        workspace.wait_for("b", "Ready", reason="Imported", kind="thingbatch")
        for name, thing in made.items():
            assert workspace.get(name)["spec"]["desired"] == desired
            workspace.wait_for(name, "Ready")
            assert workspace.desired(thing) == desired

    check_template({"x": {"a": 1}})
    check_template({"x": {}})


def test_one_bad_folder_spoils_nothing_and_is_named(workspace: Workspace) -> None:
    data = workspace.cloud.create_batch(3, key_type="ec")
    spoilt = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(spoilt, "w") as target:
        names = sorted(source.namelist())
        bad = names[0].split("/")[0]
        for name in names:
            target.writestr(name, b"no PEM" if name == f"{bad}/cert.pem" else source.read(name))
    workspace.store_zip(spoilt.getvalue())
    workspace.apply("ThingBatch", "b", batch_spec())
    found = workspace.wait_for("b", "Stalled", reason="PartlyImported", kind="thingbatch")
    assert f"2 of 3 things imported: {bad}" in found["message"]
    workspace.store_zip(data)
    workspace.wait_for("b", "Ready", kind="thingbatch")


def test_a_corrupted_zip_is_refused_whole(workspace: Workspace) -> None:
    data = workspace.cloud.create_batch(2, key_type="ec")
    workspace.store_zip(data[: len(data) // 2])
    workspace.apply("ThingBatch", "b", batch_spec())
    found = workspace.wait_for("b", "Stalled", reason="InvalidArchive", kind="thingbatch")
    assert "zip/batch.zip" in found["message"]
    assert workspace.list("things") == []


def test_a_secret_of_somebody_else_is_not_overwritten(workspace: Workspace) -> None:
    data = workspace.cloud.create_batch(2, key_type="ec")
    first = min(workspace.cloud.things(data))
    workspace.kubectl("create", "secret", "generic", f"thing-{first}", "--from-literal=mine=1")
    workspace.store_zip(data)
    workspace.apply("ThingBatch", "b", batch_spec())
    workspace.wait_for("b", "Stalled", reason="PartlyImported", kind="thingbatch")
    things = {found["name"]: found for found in workspace.get("b", kind="thingbatch")["status"]["things"]}
    assert things[first]["result"] == "Conflict"
    assert set(workspace.get(f"thing-{first}", kind="secret")["data"]) == {"mine"}


def test_a_thing_of_somebody_else_is_not_overwritten(workspace: Workspace) -> None:
    data = workspace.cloud.create_batch(2, key_type="ec")
    first, second = sorted(workspace.cloud.things(data))
    workspace.apply("Thing", first, {"thingName": first, "desired": {"mine": 1}})
    workspace.store_zip(data)
    workspace.apply("ThingBatch", "b", batch_spec(prunePolicy="Delete", **create_things({"a": 1})))
    found = workspace.wait_for("b", "Stalled", reason="PartlyImported", kind="thingbatch")
    assert f"Thing {first} is there and was not made by this ThingBatch" in found["message"]
    things = {found["name"]: found for found in workspace.get("b", kind="thingbatch")["status"]["things"]}
    assert {name: found["result"] for name, found in things.items()} == {
        first: "Conflict",
        second: "Imported",
    }
    assert workspace.get(first)["spec"] == {"thingName": first, "desired": {"mine": 1}}
    # Nor is it pruned when its folder leaves the zip.
    workspace.store_zip(workspace.cloud.create_batch(1, key_type="ec"))
    workspace.wait_for("b", "Ready", reason="Imported", kind="thingbatch")
    assert first in workspace.versions()
    assert second not in workspace.versions()


def test_two_batches_with_the_same_thing_do_not_fight(workspace: Workspace) -> None:
    data = workspace.cloud.create_batch(1, key_type="ec")
    (name,) = workspace.cloud.things(data)
    workspace.store_zip(data)
    workspace.apply("ThingBatch", "first", batch_spec(**create_things({"a": 1})))
    workspace.wait_for("first", "Ready", reason="Imported", kind="thingbatch")
    before = workspace.versions("secrets") | workspace.versions()
    workspace.apply("ThingBatch", "second", batch_spec(prunePolicy="Delete", **create_things({"a": 2})))
    workspace.wait_for("second", "Stalled", reason="PartlyImported", kind="thingbatch")
    workspace.kubectl("delete", "thingbatch", "second")
    assert workspace.versions("secrets")[f"thing-{name}"] == before[f"thing-{name}"]
    assert workspace.get(name)["spec"]["desired"] == {"a": 1}


def test_the_same_zip_again_writes_nothing(workspace: Workspace) -> None:
    """A pass that has only its own status to write shows that the others before it are over."""
    data = workspace.cloud.create_batch(3, key_type="ec")
    workspace.store_zip(data)
    workspace.apply("ThingBatch", "b", batch_spec(**create_things({"a": 1})))
    workspace.wait_for("b", "Ready", reason="Imported", kind="thingbatch")
    for name in workspace.versions():
        workspace.wait_for(name, "Ready")
        workspace.wait_for(name, "InSync", "False")
    before = workspace.versions("secrets"), workspace.versions()
    status = workspace.get("b", kind="thingbatch")["status"]
    workspace.kubectl("delete", "secret", "zip")
    workspace.store_zip(data)
    workspace.kubectl("annotate", "thingbatch", "b", "touched=1")
    workspace.operator.stop()
    workspace.operator.start()
    workspace.apply("ThingBatch", "b", batch_spec(prunePolicy="Retain", **create_things({"a": 1})))
    workspace.wait_for("b", "Ready", reason="Imported", kind="thingbatch")
    after = workspace.versions("secrets"), workspace.versions()
    del before[0]["zip"], after[0]["zip"]
    assert after == before
    unmoved = ("sourceDigest", "total", "imported", "failed", "things", "sources")
    now = workspace.get("b", kind="thingbatch")["status"]
    assert {key: now[key] for key in unmoved} == {key: status[key] for key in unmoved}


def test_children_have_no_owner_and_a_finalizer_takes_their_place(workspace: Workspace) -> None:
    data = workspace.cloud.create_batch(1, key_type="ec")
    (name,) = workspace.cloud.things(data)
    workspace.store_zip(data)

    def finalizers() -> list[str]:
        found: list[str] = workspace.get("b", kind="thingbatch")["metadata"].get("finalizers", [])
        return found

    for policy, wanted in (("Delete", ["thing-operator.io/children"]), ("Retain", [])):
        workspace.apply("ThingBatch", "b", batch_spec(deletionPolicy=policy, **create_things({})))
        workspace.wait_for("b", "Ready", reason="Imported", kind="thingbatch")
        assert finalizers() == wanted
        children = [workspace.get(f"thing-{name}", kind="secret"), workspace.get(name)]
        # Argo CD reconciles its application at each status write of what a tracked object owns, unless asked not to.
        ignored = "argocd.argoproj.io/ignore-resource-updates"
        assert {body["metadata"]["annotations"][ignored] for body in children} == {"true"}
        assert [body["metadata"].get("ownerReferences") for body in children] == [None, None]
    # An earlier version had owners, and others may have theirs.
    uid = workspace.get("b", kind="thingbatch")["metadata"]["uid"]
    ours = {"apiVersion": "thing-operator.io/v1alpha1", "kind": "ThingBatch", "name": "b", "uid": uid}
    theirs = {"apiVersion": "v1", "kind": "Secret", "name": "zip"}
    theirs["uid"] = workspace.get("zip", kind="secret")["metadata"]["uid"]
    owners = json.dumps({"metadata": {"ownerReferences": [ours, theirs]}})
    workspace.kubectl("patch", "secret", f"thing-{name}", f"--patch={owners}")
    workspace.apply("ThingBatch", "b", batch_spec(**create_things({})))
    workspace.wait_for("b", "Ready", reason="Imported", kind="thingbatch")
    assert workspace.get(f"thing-{name}", kind="secret")["metadata"]["ownerReferences"] == [theirs]
    workspace.kubectl("delete", "thingbatch", "b", "--cascade=foreground", "--wait")
    assert {f"thing-{name}"} < workspace.versions("secrets").keys()
    assert workspace.versions().keys() == {name}


def test_a_batch_takes_along_what_it_has_imported_the_secrets_last(workspace: Workspace) -> None:
    """Things that are to clear their shadows still need their Secrets; what an earlier batch has left is not its."""
    before, data = (workspace.cloud.create_batch(size, key_type="ec") for size in (1, 2))
    (left,), members = workspace.cloud.things(before), workspace.cloud.things(data)
    workspace.store_zip(before)
    workspace.apply("ThingBatch", "b", batch_spec(**create_things({"a": 1})))
    workspace.wait_for("b", "Ready", reason="Imported", kind="thingbatch")
    workspace.kubectl("delete", "thingbatch", "b", "--wait")
    workspace.store_zip(data)
    template = {"spec": {"desired": {"a": 1}, "deletionPolicy": "Clear"}}
    spec = batch_spec(deletionPolicy="Delete", things={"create": True, "template": template})
    workspace.apply("ThingBatch", "b", spec)
    workspace.wait_for("b", "Ready", reason="Imported", kind="thingbatch")
    for name in members:
        workspace.wait_for(name, "Ready")
    workspace.operator.stop()
    workspace.kubectl("delete", "thingbatch", "b", "--wait=false")
    # After a restart it has no session to clear by, and has to read the Secrets.
    workspace.operator.start()
    eventually(lambda: workspace.list("thingbatches") == [], "the batch is deleted")
    assert workspace.versions().keys() == {left}
    assert workspace.versions("secrets").keys() == {"zip", f"thing-{left}"}
    for thing in members.values():
        assert workspace.desired(thing) == {}


def test_deletion_and_pruning_by_policy(workspace: Workspace) -> None:
    data = workspace.cloud.create_batch(2, key_type="ec")
    other = workspace.cloud.create_batch(1, key_type="ec")
    workspace.store_zip(data)
    policies = {"prunePolicy": "Delete", "deletionPolicy": "Delete"}
    workspace.apply("ThingBatch", "b", batch_spec(**policies, **create_things({})))
    workspace.wait_for("b", "Ready", kind="thingbatch")
    assert len(workspace.list("things")) == 2
    workspace.store_zip(other)
    kept = set(workspace.cloud.things(other))
    eventually(lambda: {body["metadata"]["name"] for body in workspace.list("things")} == kept, "pruned")
    workspace.kubectl("delete", "thingbatch", "b")
    eventually(lambda: workspace.list("things") == [], "deleted with their batch")


def test_a_url_is_fetched_once_and_never_shown(workspace: Workspace) -> None:
    url = batch_url(workspace, 2)
    store(workspace, "where", url=url)
    workspace.apply("ThingBatch", "b", {"source": {"url": {"secretName": "where"}}})
    workspace.wait_for("b", "Ready", reason="Imported", kind="thingbatch")
    signature = url.partition("Signature=")[2]
    seen = (
        workspace.kubectl("get", "thingbatches,events", "--output=json") + workspace.operator.log.read_text()
    )
    assert signature not in seen
    # The same url is not asked again, though it has expired by then; a broken one is named.
    workspace.apply(
        "ThingBatch", "b", {"source": {"url": {"secretName": "where"}}, **create_things({"a": 1})}
    )
    eventually(lambda: len(workspace.list("things")) == 2, "Things")
    store(workspace, "where", url=url.replace("Signature=", "Signature=0"))
    found = workspace.wait_for("b", "Stalled", reason="UrlExpired", kind="thingbatch")
    assert "fresh one" in found["message"]
    store(workspace, "where", url="https://other.example/zip")
    workspace.wait_for("b", "Stalled", reason="UrlNotAllowed", kind="thingbatch")
    assert len(workspace.get("b", kind="thingbatch")["status"]["things"]) == 2


def test_mic_makes_the_batch_once(workspace: Workspace) -> None:
    info = workspace.cloud.info
    before = len(MicSession(info).batches())
    store(workspace, "account", userName=info.user_name, password="wrong")
    order = {
        "host": "localhost",
        "accountSecretName": "account",
        "thingType": "pump",
        "domain": "root",
        "size": 3,
    }
    workspace.apply("ThingBatch", "b", {"source": {"cloudApi": order}})
    workspace.wait_for("b", "Stalled", reason="CloudLoginFailed", kind="thingbatch")
    assert len(MicSession(info).batches()) == before
    store(workspace, "account", password=info.password)
    workspace.wait_for("b", "Ready", reason="Imported", kind="thingbatch")
    status = workspace.get("b", kind="thingbatch")["status"]
    assert (status["total"], status["order"]["currentSize"]) == (3, 3)
    workspace.operator.stop(grace=0)
    workspace.operator.start()
    workspace.kubectl("delete", "secret", "account")
    workspace.apply("ThingBatch", "b", {"source": {"cloudApi": order}, **create_things({"a": 1})})
    eventually(lambda: len(workspace.list("things")) == 3, "Things")
    assert len(MicSession(info).batches()) == before + 1
    assert info.password not in workspace.operator.log.read_text()


def test_the_source_goes_when_asked_and_the_things_stay(workspace: Workspace) -> None:
    data = workspace.cloud.create_batch(2, key_type="ec")
    workspace.store_zip(data)
    workspace.apply("ThingBatch", "b", batch_spec(removeSource=True, prunePolicy="Delete"))
    workspace.wait_for("b", "Ready", reason="Imported", kind="thingbatch")
    eventually(lambda: "zip" not in {s["metadata"]["name"] for s in workspace.list("secrets")}, "removed")
    workspace.apply(
        "ThingBatch", "b", batch_spec(removeSource=True, prunePolicy="Delete", **create_things({}))
    )
    eventually(lambda: len(workspace.list("things")) == 2, "Things of a batch without its zip")
    more = batch_spec(prunePolicy="Delete")
    more["source"]["secrets"].append({"name": "later", "key": "batch.zip"})
    workspace.apply("ThingBatch", "b", more)
    workspace.wait_for("b", "Ready", "False", reason="SourceNotFound", kind="thingbatch")
    workspace.store_zip(workspace.cloud.create_batch(1, key_type="ec"), name="later")
    workspace.wait_for("b", "Ready", reason="Imported", kind="thingbatch")
    status = workspace.get("b", kind="thingbatch")["status"]
    assert (status["total"], status["imported"]) == (3, 3)


def test_new_certificates_in_the_zip_rotate_secret_and_session(workspace: Workspace) -> None:
    data = workspace.cloud.create_batch(1, key_type="ec")
    (old,) = workspace.cloud.things(data).values()
    workspace.store_zip(data)
    workspace.apply("ThingBatch", "b", batch_spec(**create_things({"a": 1})))
    eventually(lambda: workspace.list("things"), "the Thing")
    before = workspace.wait_for(old.name, "Ready") and workspace.get(old.name)["status"]["certificate"]
    new = workspace.cloud.replace_certificate(old)
    renewed = io.BytesIO()
    with zipfile.ZipFile(renewed, "w") as target:
        target.writestr(f"{new.name}/cert.pem", new.certificate_pem)
        target.writestr(f"{new.name}/privkey.pem", new.private_key_pem)
    workspace.store_zip(renewed.getvalue())
    eventually(lambda: workspace.get(old.name)["status"]["certificate"] != before, "the new certificate")
    workspace.wait_for(old.name, "Connected")
    workspace.cloud.update_shadow(new, {"reported": {"b": 2}})
    eventually(lambda: workspace.get(old.name)["status"]["shadow"].get("reported") == {"b": 2}, "session")
