"""deploy/: the manifests for kustomize are the chart's, and whatever is in the folder can be built."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.chart.rendering import ROOT, Helm, Json, of_kind
from tests.support.controlplane import Kubectl
from tools.deploy import generated


def test_the_manifests_are_what_the_chart_renders_to(helm: Path) -> None:
    for path, text in generated(helm).items():
        assert path.read_text(encoding="utf-8") == text, f"{path.relative_to(ROOT)}: run make chart"


def build(kubectl: Kubectl, folder: Path) -> list[Json]:
    return [body for body in yaml.safe_load_all(kubectl("kustomize", str(folder))) if body]


def from_here(folder: Path, target: Path) -> str:
    """A path relative to ``folder``: kustomize takes no absolute ones."""
    return str(Path(*[".."] * (len(folder.parts) - 1), *target.parts[1:]))


def write(folder: Path, **kustomization: object) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization), encoding="utf-8")


@pytest.mark.parametrize("scope", ["cluster", "namespaced"])
def test_the_overlays_give_the_rights_they_are_named_after(kubectl: Kubectl, scope: str) -> None:
    objects = build(kubectl, ROOT / "deploy" / "overlays" / scope)
    bound = {body["kind"] for body in objects if body["kind"].endswith("Binding")}
    everywhere = {"ClusterRoleBinding", "ValidatingAdmissionPolicyBinding"} if scope == "cluster" else set()
    assert bound == {"RoleBinding"} | everywhere
    container = of_kind(objects, "Deployment")[0]["spec"]["template"]["spec"]["containers"][0]
    variables = {variable["name"] for variable in container["env"]}
    assert ("THING_OPERATOR_NAMESPACES" in variables) == (scope == "namespaced")
    assert "THING_OPERATOR_SHARDING__GROUP" in variables
    assert len(of_kind(objects, "CustomResourceDefinition")) == 2


def test_an_overlay_moves_it_and_changes_its_settings(kubectl: Kubectl, tmp_path: Path) -> None:
    base = ROOT / "deploy" / "overlays" / "namespaced"
    (tmp_path / "config.yaml").write_text("log: {level: debug}\n", encoding="utf-8")
    write(
        tmp_path,
        namespace="team-a",
        resources=[from_here(tmp_path, base)],
        configMapGenerator=[{"name": "thing-operator", "behavior": "replace", "files": ["config.yaml"]}],
    )
    objects = build(kubectl, tmp_path)
    namespaces = {body["metadata"].get("namespace", "team-a") for body in objects}
    assert namespaces == {"team-a"}
    [config] = of_kind(objects, "ConfigMap")
    assert config["data"]["config.yaml"] == "log: {level: debug}\n"
    [volume] = [
        volume
        for volume in of_kind(objects, "Deployment")[0]["spec"]["template"]["spec"]["volumes"]
        if "configMap" in volume
    ]
    assert volume["configMap"]["name"] == config["metadata"]["name"] != "thing-operator"


def test_openshift_chooses_the_users(kubectl: Kubectl, tmp_path: Path) -> None:
    overlay, component = ROOT / "deploy" / "overlays" / "cluster", ROOT / "deploy" / "kustomize" / "openshift"
    write(tmp_path, resources=[from_here(tmp_path, overlay)], components=[from_here(tmp_path, component)])
    pod = of_kind(build(kubectl, tmp_path), "Deployment")[0]["spec"]["template"]["spec"]
    assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}


def test_the_bridge_is_a_component_that_says_what_the_chart_does(
    kubectl: Kubectl, chart: Helm, tmp_path: Path
) -> None:
    overlay, component = ROOT / "deploy" / "overlays" / "cluster", ROOT / "deploy" / "kustomize" / "bridge"
    write(tmp_path, resources=[from_here(tmp_path, overlay)], components=[from_here(tmp_path, component)])
    built = build(kubectl, tmp_path)
    by_chart = chart.objects({"config": {"bridge": {"port": 8090}}})
    ours, theirs = (of_kind(each, "Deployment")[0]["spec"]["template"]["spec"] for each in (built, by_chart))
    assert ours["containers"][0]["ports"] == theirs["containers"][0]["ports"]
    added = [each["name"] for each in ours["containers"][0]["env"] if "BRIDGE" in each["name"]]
    assert (
        added == [each["name"] for each in theirs["containers"][0]["env"] if "BRIDGE" in each["name"]] != []
    )
    services = {body["metadata"]["name"]: body["spec"]["ports"] for body in of_kind(built, "Service")}
    assert services["thing-operator-bridge"][0]["port"] == 8090
    roles = {body["metadata"]["name"]: body["rules"] for body in of_kind(built, "ClusterRole")}
    assert {"thing-operator-bridge", "thing-operator-bridge-reviews"} <= roles.keys()
    [binding] = [
        body for body in of_kind(built, "ClusterRoleBinding") if "bridge" in body["metadata"]["name"]
    ]
    assert binding["subjects"][0]["namespace"] == "thing-operator"


def references(schema: Json, path: str = "spec") -> Iterator[tuple[str, str]]:
    """Kind and path of each field of a spec that holds the name of a Secret or ConfigMap."""
    for key, node in schema.get("properties", {}).items():
        here = f"{path}/{key}"
        if key.lower().endswith("secretname"):
            yield "Secret", here
        elif key.lower().endswith("configmapname"):
            yield "ConfigMap", here
        elif key == "secrets":
            yield "Secret", f"{here}/name"
        yield from references(node, here)


def with_name(path: str, name: str) -> Any:
    head, _, rest = path.partition("/")
    value = with_name(rest, name) if rest else name
    return {head: [value] if head == "secrets" else value}


@pytest.mark.parametrize("way", ["component", "configurations"])
def test_kustomize_renames_what_things_and_batches_name(kubectl: Kubectl, tmp_path: Path, way: str) -> None:
    """Each field of the CRDs that names a Secret or ConfigMap follows the hash and the prefix that kustomize gives."""
    folder = ROOT / "deploy" / "kustomize"
    objects = []
    for file in (ROOT / "crds").iterdir():
        crd = yaml.safe_load(file.read_text(encoding="utf-8"))
        spec = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
        kind = crd["spec"]["names"]["kind"]
        for number, (referred, path) in enumerate(references(spec)):
            body = {"apiVersion": "thing-operator.io/v1alpha1", "kind": kind}
            metadata = {
                "name": f"{kind.lower()}-{number}",
                "annotations": {"refers-to": f"{referred} {path}"},
            }
            objects.append(body | {"metadata": metadata} | with_name(path, "mine"))
    assert len(objects) >= 8
    (tmp_path / "objects.yaml").write_text(yaml.safe_dump_all(objects), encoding="utf-8")
    if way == "component":
        how: Json = {"components": [from_here(tmp_path, folder)]}
    else:
        shutil.copy(folder / "namereference.yaml", tmp_path)
        how = {"configurations": ["namereference.yaml"]}
    generator = [{"name": "mine", "literals": ["a=b"]}]
    write(
        tmp_path,
        namePrefix="team-",
        resources=["objects.yaml"],
        secretGenerator=generator,
        configMapGenerator=generator,
        **how,
    )
    built = build(kubectl, tmp_path)
    names = {body["kind"]: body["metadata"]["name"] for body in built if "data" in body}
    assert all(name.startswith("team-mine-") for name in names.values())
    for body in built:
        if "spec" in body:
            referred, path = body["metadata"]["annotations"]["refers-to"].split()
            assert {"spec": body["spec"]} == with_name(path, names[referred]), path
