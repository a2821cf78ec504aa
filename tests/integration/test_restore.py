"""What comes back from a backup goes on: with its status as if nothing had been, and without it as well as can be."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.integration.batches import batch_spec, batch_url, create_things, results, store
from tests.support.cloud import Things
from tests.support.controlplane import Kubectl
from tests.support.operator import Json, Workspace
from tests.support.polling import eventually

from thing_operator_local.cloud.client import CloudThing, MicSession
from thing_operator_local.controlplane import ControlPlane

OPERATING = Path(__file__).resolve().parents[2] / "docs" / "operations" / "operating.md"
Recipe = Callable[[str], None]


@pytest.fixture
def recipe(workspace: Workspace, control_plane: ControlPlane, tmp_path: Path) -> Recipe:
    """Runs a recipe of the documentation, by its first line, as a user in the workspace's namespace does."""
    if shutil.which("jq") is None:
        pytest.skip("jq is not installed")
    kubeconfig = Path(shutil.copy(control_plane.kubeconfig, tmp_path / "kubeconfig"))
    program = str(control_plane.kubectl_path)
    env = {"PATH": f"{Path(program).parent}:/usr/local/bin:/usr/bin:/bin", "KUBECONFIG": str(kubeconfig)}
    env["HOME"] = str(tmp_path)
    context = [program, "config", "set-context", "--current", f"--namespace={workspace.namespace}"]
    subprocess.run(context, env=env, check=True, capture_output=True)
    found = re.findall(r"```sh\n# (\w+)\n(.+?)```", OPERATING.read_text(encoding="utf-8"), re.DOTALL)
    recipes = dict(found)

    def run(name: str) -> None:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", recipes[name]],
            cwd=tmp_path,
            env=env,
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
        )
        assert done.returncode == 0, done.stderr

    return run


def shadow_version(workspace: Workspace, thing: CloudThing) -> int:
    """The same as before: nothing was sent."""
    version: int = (workspace.cloud.get_shadow(thing) or {})["version"]
    return version


def await_delta(workspace: Workspace, thing: CloudThing, delta: Json) -> None:
    """Wait until the status shows what somebody else has set."""
    eventually(
        lambda: workspace.get(thing.name)["status"]["shadow"].get("delta") == delta, "the other's value"
    )


def store_damaged(workspace: Workspace, thing: CloudThing) -> None:
    """Credentials that nobody can read, in place of a thing's own."""
    damaged = {"stringData": {"tls.crt": "no PEM", "tls.key": "no PEM"}}
    workspace.kubectl(
        "patch", "secret", f"thing-{thing.name}", "--type=merge", f"--patch={json.dumps(damaged)}"
    )


def remove_all(workspace: Workspace) -> None:
    workspace.kubectl("delete", "thingbatches,things,secrets", "--all", "--wait", "--timeout=100s")


def saved(workspace: Workspace, *kinds: str, without: tuple[str, ...] = ("status",)) -> list[Json]:
    """As ``kubectl get`` gives them, but for what a new object cannot have."""
    bodies = [body for kind in kinds for body in workspace.list(kind)]
    for body in bodies:
        for field in without:
            body.pop(field, None)
        for field in ("uid", "resourceVersion", "creationTimestamp", "generation"):
            body["metadata"].pop(field, None)
    return [body for body in bodies if body["metadata"]["name"] not in {"zip", "url", "account"}]


def await_collection(kubectl: Kubectl, namespace: str, *, of: Json) -> None:
    """Wait until the garbage collector has deleted an object that came after all others and has this owner."""
    late = {"name": "late", "namespace": namespace, "ownerReferences": [of]}
    kubectl("create", "-f-", input=json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": late}))
    eventually(
        lambda: not kubectl("get", "configmap", "late", f"-n{namespace}", "--ignore-not-found"), "collected"
    )


def test_the_recipe_brings_back_a_namespace_that_goes_on_as_it_was(
    workspace: Workspace, recipe: Recipe, things: Things
) -> None:
    """Nothing is imported or sent, not even under Once, be the Thing Ready or not; and what was set before is still
    known, so that it can go.
    """
    single, once, not_ready = things(3)
    data = workspace.cloud.create_batch(2, key_type="ec")
    workspace.store_zip(data)
    spec = batch_spec(removeSource=True, deletionPolicy="Delete", **create_things({"a": 1}))
    workspace.apply("ThingBatch", "b", spec)
    workspace.wait_for("b", "Ready", reason="Imported", kind="thingbatch")
    for thing, policy in ((single, "Merge"), (once, "Once"), (not_ready, "Once")):
        workspace.store_credentials(thing)
        # So that the recipe takes it, too: who makes Secrets has a place of his own for them.
        workspace.kubectl("label", "secret", f"thing-{thing.name}", "thing-operator.io/batch=none")
        workspace.apply_thing(thing, {"desired": {"a": 0}, "desiredPolicy": policy})
        workspace.wait_for(thing.name, "Ready")
        workspace.patch(thing.name, {"desired": {"a": 1, "b": 2}})
    names = [single.name, once.name, not_ready.name, *workspace.cloud.things(data)]
    for name in names:
        workspace.wait_for(name, "Ready")
    for thing in (once, not_ready):
        workspace.cloud.update_shadow(thing, {"desired": {"a": 99}})
        await_delta(workspace, thing, {"a": 99, "b": 2})
    store_damaged(workspace, not_ready)
    workspace.wait_for(not_ready.name, "Stalled", reason="InvalidPem")
    names.remove(not_ready.name)
    recipe("backup")
    remove_all(workspace)
    workspace.operator.stop()
    before = [shadow_version(workspace, thing) for thing in (single, once, not_ready)]
    recipe("restore")
    workspace.operator.start()
    for name in names:
        workspace.wait_for(name, "Connected")
        workspace.wait_for(name, "Ready")
    workspace.wait_for("b", "Ready", reason="Imported", kind="thingbatch")
    workspace.wait_for(not_ready.name, "Ready", "False", reason="InvalidPem")
    workspace.store_credentials(not_ready)
    workspace.wait_for(not_ready.name, "Ready")
    assert [shadow_version(workspace, thing) for thing in (single, once, not_ready)] == before
    workspace.kubectl(
        "patch", "thing", single.name, "--type=json", '-p=[{"op":"remove","path":"/spec/desired/b"}]'
    )
    eventually(
        lambda: workspace.desired(single) == {"a": 1}, "the key that was set before the backup is removed"
    )
    workspace.apply("ThingBatch", "b", spec | create_things({"a": 2}))
    eventually(lambda: all(results(workspace)[name]["result"] == "Imported" for name in results(workspace)))
    members = workspace.cloud.things(data).values()
    eventually(lambda: all(workspace.desired(thing) == {"a": 2} for thing in members), "the template")
    workspace.kubectl("delete", "thingbatch", "b", "--wait", "--timeout=100s")
    left = sorted(thing.name for thing in (single, once, not_ready))
    assert sorted(workspace.versions()) == left, "the batch takes its children along"
    assert len(workspace.list("secrets")) == len(left)


def test_objects_saved_as_they_are_lose_no_key_to_the_garbage_collector(
    workspace: Workspace, kubectl: Kubectl, namespace: str
) -> None:
    """Without status, with whatever owners kubectl has shown; and one of the Secrets copied to another namespace."""
    data = workspace.cloud.create_batch(3, key_type="ec")
    workspace.store_zip(data)
    spec = batch_spec(removeSource=True, deletionPolicy="Delete", **create_things({"a": 1}))
    workspace.apply("ThingBatch", "b", spec)
    workspace.wait_for("b", "Ready", reason="Imported", kind="thingbatch")
    eventually(lambda: "zip" not in workspace.versions("secrets"), "the zip is removed")
    owner = {"apiVersion": "thing-operator.io/v1alpha1", "kind": "ThingBatch", "name": "b"}
    owner["uid"] = workspace.get("b", kind="thingbatch")["metadata"]["uid"]
    bodies = saved(workspace, "secrets", "things", "thingbatches")
    remove_all(workspace)
    for body in bodies:
        workspace.create(body)
    other = f"{namespace}-other"
    kubectl("create", "namespace", other)
    copy = next(body for body in bodies if body["kind"] == "Secret")
    kubectl(
        "create",
        "--filename=-",
        input=json.dumps(copy | {"metadata": copy["metadata"] | {"namespace": other}}),
    )
    for where in (namespace, other):
        await_collection(kubectl, where, of=owner)
    found = workspace.wait_for("b", "Ready", reason="Imported", kind="thingbatch")
    assert found["message"].startswith("3 of 3 things imported: their Secrets were there")
    assert len(workspace.list("secrets")) == len(workspace.list("things")) == 3
    assert copy["metadata"]["name"] in kubectl("get", "secrets", f"--namespace={other}", "--output=name")
    # The template reaches the Things, and what is deleted is asked for by name.
    workspace.apply("ThingBatch", "b", spec | create_things({"a": 2}))
    eventually(lambda: {body["spec"]["desired"]["a"] for body in workspace.list("things")} == {2}, "template")
    first = min(workspace.cloud.things(data))
    workspace.kubectl("delete", "secret", f"thing-{first}")
    workspace.apply("ThingBatch", "b", spec | create_things({"a": 3}))
    found = workspace.wait_for("b", "Stalled", reason="PartlyImported", kind="thingbatch")
    assert (
        f"{first}: its Secret is not there any more, nor is the zip: give the zip again" in found["message"]
    )
    workspace.store_zip(data)
    workspace.wait_for("b", "Ready", reason="Imported", kind="thingbatch")
    # It is the owner of its children as before.
    workspace.kubectl("delete", "thingbatch", "b", "--wait", "--timeout=100s")
    assert workspace.list("secrets") == workspace.list("things") == []
    kubectl("delete", "namespace", other, "--wait=false")


def test_a_batch_without_status_fetches_and_orders_nothing(workspace: Workspace) -> None:
    """Its url has expired, or MIC has made it: the Secrets are what there is to go by."""
    info = workspace.cloud.info
    url = batch_url(workspace, 2)
    store(workspace, "url", url=url)
    store(workspace, "account", userName=info.user_name, password=info.password)
    order = {
        "host": "localhost",
        "accountSecretName": "account",
        "thingType": "restored",
        "domain": "root",
        "size": 2,
    }
    specs: dict[str, Json] = {
        "by-url": {"source": {"url": {"secretName": "url"}}},
        "by-order": {"source": {"cloudApi": order}},
    }
    for name, spec in specs.items():
        workspace.apply("ThingBatch", name, spec | create_things({"a": 1}))
        workspace.wait_for(name, "Ready", reason="Imported", kind="thingbatch")
    orders = len(MicSession(info).batches())
    bodies = saved(workspace, "secrets", "things", "thingbatches")
    workspace.kubectl("delete", "thingbatches", "--all", "--wait")
    store(workspace, "url", url=url.replace("Signature=", "Signature=0"))
    for body in bodies:
        if body["kind"] == "ThingBatch":
            workspace.create(body)
    for name, spec in specs.items():
        found = workspace.wait_for(name, "Ready", reason="Imported", kind="thingbatch")
        assert "2 of 2 things imported: their Secrets were there" in found["message"]
        workspace.apply("ThingBatch", name, spec | create_things({"a": 2}))
    eventually(
        lambda: {body["spec"]["desired"]["a"] for body in workspace.list("things")} == {2}, "templates"
    )
    # One Secret is missing: MIC is asked for what it has made, and for nothing new.
    one = min(results(workspace, "by-order"))
    workspace.kubectl("delete", "secret", f"thing-{one}")
    workspace.apply("ThingBatch", "by-order", specs["by-order"] | create_things({"a": 3}))
    workspace.wait_for("by-order", "Stalled", reason="OrderUnknown", kind="thingbatch")
    assert results(workspace, "by-order")[one]["result"] == "Invalid"
    (batch_id,) = [
        item["batchId"]
        for item in MicSession(info).batches()
        if item["attributes"]["thingType"] == "restored"
    ]
    named = {"source": {"cloudApi": order | {"batchId": batch_id}}}
    workspace.apply("ThingBatch", "by-order", named | create_things({"a": 3}))
    workspace.wait_for("by-order", "Ready", reason="Imported", kind="thingbatch")
    assert len(MicSession(info).batches()) == orders
