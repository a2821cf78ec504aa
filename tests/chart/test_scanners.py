"""What kube-score and kubeconform find: nothing but what the chart's README gives a reason for."""

import csv
import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from tests.chart.matrix import MATRIX
from tests.chart.rendering import CHART, ROOT, Helm, Json
from tests.support.controlplane import Kubectl

from thing_operator_local.controlplane import ControlPlane

# What is not ours, by the tools that bring the kinds.
FOREIGN = "Application,ExternalSecret,GitRepository,HelmRelease,Kustomization,SealedSecret"


def run(program: Path, *arguments: str, manifests: str = "") -> str:
    done = subprocess.run(
        [str(program), *arguments], input=manifests, capture_output=True, text=True, check=False, timeout=60
    )
    assert not done.stderr, done.stderr
    return done.stdout


def findings(program: Path, manifests: str) -> set[str]:
    """The checks that kube-score finds something with, those that it runs on request included."""
    known = csv.reader(run(program, "list").splitlines())
    optional = [f"--enable-optional-test={row[0]}" for row in known if row[-1] == "optional"]
    assert optional
    how = ("score", "--kubernetes-version=v1.37", "--output-format=json", *optional, "-")
    passed = 10
    return {
        check["check"]["id"]
        for body in json.loads(run(program, *how, manifests=manifests))
        for check in body["checks"]
        if not check["skipped"] and check["grade"] < passed
    }


def argued() -> set[str]:
    """The checks in the README's table."""
    text = (CHART / "README.md").read_text(encoding="utf-8")
    return set(re.findall(r"^\| `kube-score` `([-a-z]+)` \|", text, re.MULTILINE))


def test_each_finding_of_kube_score_has_its_reason(chart: Helm, scanners: dict[str, Path]) -> None:
    program = scanners["kube-score"]
    assert findings(program, chart.text()) == argued()
    hardened = chart.text({"networkPolicy": {"enabled": True}, "image": {"pullPolicy": "Always"}})
    assert findings(program, hardened) == argued() - {"pod-networkpolicy", "container-image-pull-policy"}


@pytest.fixture(scope="module")
def schemas(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A JSON schema for each kind that the API server and the monitoring project have, no unknown field allowed."""
    folder = tmp_path_factory.mktemp("schemas")
    index = json.loads(control_plane.kubectl("get", "--raw=/openapi/v3"))["paths"]
    for path in index:
        if path.startswith(("api/", "apis/")):
            document = json.loads(control_plane.kubectl("get", f"--raw=/openapi/v3/{path}"))
            components = document.get("components", {"schemas": {}})
            for schema in components["schemas"].values():
                closed(schema)
            for name, schema in components["schemas"].items():
                for kind in schema.get("x-kubernetes-group-version-kind", []):
                    save(folder, kind, {"$ref": f"#/components/schemas/{name}", "components": components})
    monitoring = Path(__file__).with_name("monitoring-crds.yaml").read_text(encoding="utf-8")
    for crd in yaml.safe_load_all(monitoring):
        for version in crd["spec"]["versions"]:
            kind = {
                "group": crd["spec"]["group"],
                "version": version["name"],
                "kind": crd["spec"]["names"]["kind"],
            }
            save(folder, kind, version["schema"]["openAPIV3Schema"])
    return folder


def closed(schema: Json) -> None:
    if "properties" in schema and "x-kubernetes-preserve-unknown-fields" not in schema:
        schema.setdefault("additionalProperties", False)
        for child in schema["properties"].values():
            closed(child)
    for child in (schema.get("items"), schema.get("additionalProperties")):
        if isinstance(child, dict):
            closed(child)


def save(folder: Path, kind: Json, schema: Json) -> None:
    """Where kubeconform looks: deployment-apps-v1.json, pod-v1.json."""
    group = kind["group"].partition(".")[0]
    name = "-".join(part for part in (kind["kind"].lower(), group, kind["version"]) if part)
    (folder / f"{name}.json").write_text(json.dumps(schema), encoding="utf-8")


def faults(program: Path, schemas: Path, manifests: str) -> list[Json]:
    location = f"--schema-location={schemas}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json"
    done = run(program, "-strict", "-output=json", location, f"-skip={FOREIGN}", "-", manifests=manifests)
    found: list[Json] = json.loads(done)["resources"]
    return found


def test_kubeconform_finds_nothing(
    chart: Helm, scanners: dict[str, Path], schemas: Path, kubectl: Kubectl
) -> None:
    texts = [chart.text(values) for values in MATRIX.values()]
    texts += [
        kubectl("kustomize", str(ROOT / "deploy" / "overlays" / name)) for name in ("cluster", "namespaced")
    ]
    own = [*(ROOT / "deploy" / "examples").glob("*.yaml"), *(ROOT / "deploy" / "tenants").iterdir()]
    texts += [file.read_text(encoding="utf-8") for file in own]
    for text in texts:
        assert faults(scanners["kubeconform"], schemas, text) == []


def test_kubeconform_would_find_a_field_too_much(scanners: dict[str, Path], schemas: Path) -> None:
    for body in (
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x"}, "spec": {"replica": 1}},
        {"apiVersion": "thing-operator.io/v1alpha1", "kind": "Thing", "spec": {"desird": {}}},
    ):
        [fault] = faults(scanners["kubeconform"], schemas, json.dumps(body))
        assert "additional properties" in fault["msg"]
