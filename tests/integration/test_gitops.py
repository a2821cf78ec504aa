"""What GitOps tools and waiting tools make of Things: they agree, and nobody fights over a field."""

import json
import subprocess
import threading
from pathlib import Path

import pytest
import yaml
from tests.support.argocd import SCRIPTS, TextTimes, health_of
from tests.support.cloud import Things
from tests.support.controlplane import Kubectl
from tests.support.operator import Json, Workspace
from tests.support.polling import eventually

from thing_operator.core.thing_names import secret_name
from thing_operator.credentials.keys import pick_pair
from thing_operator_local.cloud.client import CloudThing
from thing_operator_local.controlplane import ControlPlane
from thing_operator_local.errors import LocalError

ROOT = Path(__file__).resolve().parents[2]

# Each state of a Thing that tools must agree about: what kstatus says, whether ``kubectl wait
# --for=condition=Ready`` is content, and what Argo CD shows.
ROWS = {
    "created": ("InProgress", False, "Progressing"),
    "edited": ("InProgress", False, "Progressing"),
    "connecting": ("InProgress", False, "Progressing"),
    "device-offline": ("Current", True, "Healthy"),
    "in-sync": ("Current", True, "Healthy"),
    "broker-down-after-acceptance": ("Current", True, "Healthy"),
    "broker-down-before-acceptance": ("InProgress", False, "Progressing"),
    "certificate-expired": ("Failed", False, "Degraded"),
    "suspended": ("Current", True, "Suspended"),
    "deleting": ("Terminating", False, "Progressing"),
}
ARGO_OF_KSTATUS = {
    "InProgress": {"Progressing"},
    "Current": {"Healthy", "Suspended"},
    "Failed": {"Degraded"},
    "Terminating": {"Progressing"},
}


def row(name: str) -> Json:
    text = (SCRIPTS / "Thing" / "testdata" / f"{name}.yaml").read_text(encoding="utf-8")
    found: Json = yaml.load(text, Loader=TextTimes)  # noqa: S506 - a safe loader
    return found


def write_chart(folder: Path, objects: list[Json]) -> Path:
    """A chart of these objects, as a user ships Things."""
    (folder / "templates").mkdir(parents=True)
    (folder / "Chart.yaml").write_text("{apiVersion: v2, name: things, version: 0.1.0}", encoding="utf-8")
    for body in objects:
        file = folder / "templates" / f"{body['metadata']['name']}.yaml"
        file.write_text(json.dumps(body), encoding="utf-8")
    return folder


def manifest(body: Json) -> Json:
    metadata = {"name": body["metadata"]["name"]}
    if "finalizers" in body["metadata"]:
        metadata["finalizers"] = body["metadata"]["finalizers"]
    return {
        "apiVersion": body["apiVersion"],
        "kind": body["kind"],
        "metadata": metadata,
        "spec": body["spec"],
    }


class Release:
    """A Helm release of a chart of Things."""

    def __init__(self, program: Path, plane: ControlPlane, chart: Path, namespace: str) -> None:
        self._common = (str(chart), f"--namespace={namespace}", f"--kubeconfig={plane.kubeconfig}")
        self._program = str(program)

    def run(self, verb: str, *options: str) -> subprocess.CompletedProcess[str]:
        command = [self._program, verb, "things", *self._common, *options]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_every_row_is_said_alike_by_kstatus_kubectl_and_argo_cd(
    helm: Path, control_plane: ControlPlane, kubectl: Kubectl, namespace: str, tmp_path: Path
) -> None:
    bodies = {name: row(name) for name in ROWS}
    release = Release(
        helm,
        control_plane,
        write_chart(tmp_path / "c", [manifest(body) for body in bodies.values()]),
        namespace,
    )
    installed = release.run("install")
    assert installed.returncode == 0, installed.stderr
    for name, body in bodies.items():
        bring_about(kubectl, namespace, name, body)

    # Helm 4 waits by kstatus, and names what it waited for in vain with what kstatus says of it.
    waited = release.run("upgrade", "--wait", "--timeout=4s")
    assert waited.returncode != 0
    for name, (kstatus, _, argo) in ROWS.items():
        named = f"/{name} not ready. status: {kstatus}," in waited.stderr
        assert named == (kstatus != "Current"), f"{name}: {waited.stderr}"
        live = json.loads(kubectl("get", "thing", name, f"--namespace={namespace}", "--output=json"))
        assert health_of("Thing", live)["status"] == argo
        assert argo in ARGO_OF_KSTATUS[kstatus]

    content = {name for name in ROWS if kubectl_wait(kubectl, namespace, name)}
    assert content == {name for name, (_, ready, _) in ROWS.items() if ready}

    patch = '{"metadata":{"finalizers":null}}'
    kubectl("patch", "thing", "deleting", "--type=merge", f"--patch={patch}", f"--namespace={namespace}")


def bring_about(kubectl: Kubectl, namespace: str, name: str, body: Json) -> None:
    """Have the API server hold the object in the row's state, written as the operator would."""
    where = ("thing", name, f"--namespace={namespace}")
    if name != "created":
        status = json.dumps({"status": body["status"]})
        kubectl("patch", *where, "--subresource=status", "--type=merge", f"--patch={status}")
    if name == "edited":
        # By whoever owns the chart's field, so that the release has nothing to put back.
        kubectl("patch", *where, "--type=merge", '--patch={"spec":{"mirror":{"reported":"None"}}}')
    if name == "deleting":
        kubectl("delete", *where, "--wait=false")


def kubectl_wait(kubectl: Kubectl, namespace: str, name: str) -> bool:
    try:
        kubectl("wait", "--for=condition=Ready", f"thing/{name}", f"--namespace={namespace}", "--timeout=0s")
    except LocalError as error:
        if "condition not met" not in error.message:
            raise
        return False
    return True


def test_helm_waits_for_real_things(
    helm: Path, control_plane: ControlPlane, workspace: Workspace, things: Things, tmp_path: Path
) -> None:
    """Helm 4's --wait ends when the shadow has the desired state, and fails early on what a person must mend."""
    good, swapped = things(2)
    workspace.store_credentials(good)

    def things_chart(name: str, *found: CloudThing) -> Path:
        objects = [
            {
                "apiVersion": "thing-operator.io/v1alpha1",
                "kind": "Thing",
                "metadata": {"name": thing.name},
                "spec": {"desired": {"setpoint": -18}},
            }
            for thing in found
        ]
        return write_chart(tmp_path / name, objects)

    release = Release(helm, control_plane, things_chart("good", good), workspace.namespace)
    done = release.run("install", "--wait", "--timeout=30s")
    assert done.returncode == 0, done.stderr
    assert workspace.desired(good) == {"setpoint": -18}
    assert workspace.condition(good.name, "InSync")["status"] == "False"
    assert health_of("Thing", workspace.get(good.name))["status"] == "Healthy"

    mixed = CloudThing(swapped.name, swapped.certificate_pem, good.private_key_pem)
    workspace.store_credentials(mixed)
    release = Release(helm, control_plane, things_chart("both", good, swapped), workspace.namespace)
    done = release.run("upgrade", "--wait", "--timeout=8s")
    assert done.returncode != 0
    assert f"/{swapped.name} not ready. status: Failed," in done.stderr
    assert f"/{good.name} not ready" not in done.stderr
    assert health_of("Thing", workspace.get(swapped.name))["status"] == "Degraded"


def test_an_object_may_be_emptied_in_a_chart(
    helm: Path, control_plane: ControlPlane, workspace: Workspace, things: Things, tmp_path: Path
) -> None:
    """Helm 4 applies on the server, which may make null of the emptied objects: once, and the Thing is Ready."""
    thing = things(1)[0]
    workspace.store_credentials(thing)

    def release(name: str, spec: Json) -> Release:
        body = workspace.manifest("Thing", thing.name, spec)
        return Release(helm, control_plane, write_chart(tmp_path / name, [body]), workspace.namespace)

    full = {"desired": {"x": {"a": 1}, "y": 1}, "device": {"connectionStatus": True}}
    done = release("full", full).run("install", "--wait", "--timeout=30s")
    assert done.returncode == 0, done.stderr
    emptied = {"desired": {"x": {}, "y": 1}, "device": {}}
    for number in range(2):
        done = release(f"emptied-{number}", emptied).run("upgrade", "--wait", "--timeout=30s")
        assert done.returncode == 0, done.stderr
        assert "a" not in (workspace.desired(thing).get("x") or {})
    assert workspace.get(thing.name)["spec"] == emptied
    eventually(lambda: workspace.desired(thing) == {"x": {}, "y": 1}, "as the chart has it")


def test_a_tool_that_applies_again_and_again_finds_nothing_to_do(
    workspace: Workspace, things: Things
) -> None:
    """Server-side apply as Flux and Argo CD do it, 60 times, while the device reports all the time."""
    thing = things(1)[0]
    workspace.store_credentials(thing)
    desired = {"setpoint": -18, "limits": {"min": 1.0, "big": 1e3, "none": [], "empty": {}}, "text": ""}
    body = {
        "apiVersion": "thing-operator.io/v1alpha1",
        "kind": "Thing",
        "metadata": {"name": thing.name, "labels": {"team": "cold-chain"}},
        "spec": {"desired": desired, "deletionPolicy": "Clear"},
    }

    def apply(*options: str) -> Json:
        arguments = ("apply", "--server-side", "--field-manager=gitops", "--output=json", "--filename=-")
        found: Json = json.loads(workspace.kubectl(*arguments, *options, stdin=json.dumps(body)))
        return found

    apply()
    workspace.wait_for(thing.name, "Ready")
    first = workspace.get(thing.name)
    over = threading.Event()

    def churn() -> None:
        count = 0
        while not over.wait(0.1):
            count += 1
            workspace.cloud.update_shadow(thing, {"reported": {"setpoint": -count, "n": count}})

    churning = threading.Thread(target=churn)
    churning.start()
    try:
        for _ in range(60):
            answer = apply()
            assert drift(answer, first) == {}
    finally:
        over.set()
        churning.join()
    eventually(lambda: workspace.get(thing.name)["status"]["shadow"].get("reported", {}).get("n"), "reports")
    seen = json.loads(workspace.kubectl("get", "thing", thing.name, "--output=json", "--show-managed-fields"))
    assert seen["status"]["shadow"]["version"] > first["status"]["shadow"]["version"] + 10
    assert seen["metadata"]["generation"] == 1
    owned = {
        (e["manager"], e.get("subresource", "")): set(e["fieldsV1"])
        for e in seen["metadata"]["managedFields"]
    }
    assert owned["thing-operator", "status"] == {"f:status"}
    # With Clear there is a finalizer, and nothing else of metadata or spec is the operator's.
    [entry] = [
        e
        for e in seen["metadata"]["managedFields"]
        if e["manager"] == "thing-operator" and "subresource" not in e
    ]
    assert set(entry["fieldsV1"]) == {"f:metadata"}
    assert set(entry["fieldsV1"]["f:metadata"]) == {"f:finalizers"}


def drift(found: Json, first: Json) -> Json:
    """What differs outside status, as Flux compares."""
    parts = {"spec": found["spec"], "labels": found["metadata"].get("labels")}
    parts["annotations"] = found["metadata"].get("annotations")
    parts["generation"] = found["metadata"]["generation"]
    before = {"spec": first["spec"], "labels": first["metadata"].get("labels")}
    before["annotations"] = first["metadata"].get("annotations")
    before["generation"] = first["metadata"]["generation"]
    return {key: (before[key], value) for key, value in parts.items() if before[key] != value}


OURS = "thing-operator.io/v1alpha1"
FOREIGN = {"bitnami.com/v1alpha1", "external-secrets.io/v1"}


def examples() -> list[Path]:
    return sorted(
        path for path in (ROOT / "deploy" / "examples").rglob("*.yaml") if path.name != "kustomization.yaml"
    )


@pytest.mark.parametrize("file", examples(), ids=lambda path: path.name)
def test_every_example_is_taken(kubectl: Kubectl, namespace: str, file: Path) -> None:
    """As it stands, in a namespace of the test; kinds of other projects are only looked at."""
    bodies = [body for body in yaml.safe_load_all(file.read_text(encoding="utf-8")) if body]
    assert any(body["apiVersion"] == OURS for body in bodies)
    for body in bodies:
        assert body["metadata"].get("namespace", "freezers") == "freezers"
        if body["apiVersion"] in FOREIGN:
            continue
        body["metadata"]["namespace"] = namespace
        arguments = ("apply", "--server-side", "--validate=strict", "--filename=-", "--output=json")
        taken = json.loads(kubectl(*arguments, input=json.dumps(body)))
        if body["apiVersion"] == OURS:
            assert taken["spec"] == body["spec"]


@pytest.mark.parametrize("name", ["sealed-secret", "external-secret"])
def test_what_other_projects_make_of_the_examples_is_what_the_things_look_for(name: str) -> None:
    """Name and keys of the Secret that their controllers would make."""
    text = (ROOT / "deploy" / "examples" / f"{name}.yaml").read_text(encoding="utf-8")
    source, thing = yaml.safe_load_all(text)
    spec = source["spec"]
    made = spec.get("target", source["metadata"])["name"]
    assert made == secret_name(thing["spec"]["thingName"])
    keys = spec.get("encryptedData") or {entry["secretKey"] for entry in spec["data"]}
    assert pick_pair(dict.fromkeys(keys, b"pem"))


def test_yaml_1_1_reads_the_same_from_the_examples(kubectl: Kubectl, namespace: str) -> None:
    """PyYAML is YAML 1.1 and kubectl (sigs.k8s.io/yaml) its own: what is quoted is the same to both."""
    file = ROOT / "deploy" / "examples" / "thing.yaml"
    text = file.read_text(encoding="utf-8")
    moved = text.replace("namespace: freezers", f"namespace: {namespace}")
    taken = json.loads(kubectl("apply", "--server-side", "--filename=-", "--output=json", input=moved))
    spec = yaml.safe_load(text)["spec"]
    assert taken["spec"] == spec
    assert spec["thingName"] == "00001721"
    assert {"y", "n", "on"} <= spec["desired"].keys()
    assert spec["desired"]["door"] == "on"
    with pytest.raises(LocalError, match=r"spec\.thingName: expected string"):
        kubectl("apply", "--server-side", "--filename=-", input=moved.replace('"00001721"', "00001721"))


def test_what_other_tools_read_is_well_formed(kubectl: Kubectl) -> None:
    documents: dict[str, list[Json]] = {}
    for folder in ("argocd", "flux"):
        for file in (ROOT / "deploy" / folder).rglob("*.yaml"):
            for body in yaml.safe_load_all(file.read_text(encoding="utf-8")):
                if body and "kind" in body and "testdata" not in file.parts:
                    documents.setdefault(body["kind"], []).append(body)
    chart = ROOT / documents["Application"][0]["spec"]["source"]["path"]
    assert (chart / "Chart.yaml").is_file()
    [release] = documents["HelmRelease"]
    assert (ROOT / release["spec"]["chart"]["spec"]["chart"] / "Chart.yaml").is_file()
    by_name = {body["metadata"]["name"]: body for body in documents["Kustomization"] if "metadata" in body}
    assert by_name["freezers"]["spec"]["dependsOn"] == [{"name": "thing-operator"}]
    path = by_name["thing-operator"]["spec"]["path"]
    assert "kind: HelmRelease" in kubectl("kustomize", str(ROOT / path))
    assert "kind: Thing" in kubectl("kustomize", str(ROOT / "deploy" / "examples"))


def test_the_values_in_the_examples_are_values_of_the_chart(helm: Path) -> None:
    for file, where in (("argocd/application.yaml", "helm"), ("flux/operator/operator.yaml", "values")):
        for body in yaml.safe_load_all((ROOT / "deploy" / file).read_text(encoding="utf-8")):
            values = body.get("spec", {}).get("values") or (
                body.get("spec", {}).get("source", {}).get("helm", {}).get("valuesObject")
            )
            if values:
                chart = str(ROOT / "charts" / "thing-operator")
                command = [str(helm), "template", "x", chart, "--values=-"]
                subprocess.run(command, input=json.dumps(values), text=True, check=True, capture_output=True)
                break
        else:
            pytest.fail(f"no {where} in {file}")
