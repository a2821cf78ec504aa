"""deploy/: the manifests for kustomize are the chart's, and whatever is in the folder can be built."""

from pathlib import Path

import pytest
import yaml
from tests.chart.rendering import ROOT, Json, of_kind
from tests.support.controlplane import Kubectl
from tools.deploy import generated


def test_the_manifests_are_what_the_chart_renders_to(helm: Path) -> None:
    for path, text in generated(helm).items():
        assert path.read_text(encoding="utf-8") == text, f"{path.relative_to(ROOT)}: run make chart"


def build(kubectl: Kubectl, folder: Path) -> list[Json]:
    return [body for body in yaml.safe_load_all(kubectl("kustomize", str(folder))) if body]


@pytest.mark.parametrize("scope", ["cluster", "namespaced"])
def test_the_overlays_give_the_rights_they_are_named_after(kubectl: Kubectl, scope: str) -> None:
    objects = build(kubectl, ROOT / "deploy" / "overlays" / scope)
    bound = [body["kind"] for body in objects if body["kind"].endswith("Binding")]
    assert bound == ["ClusterRoleBinding" if scope == "cluster" else "RoleBinding"]
    container = of_kind(objects, "Deployment")[0]["spec"]["template"]["spec"]["containers"][0]
    assert ("env" in container) == (scope == "namespaced")
    assert len(of_kind(objects, "CustomResourceDefinition")) == 2


def test_an_overlay_moves_it_and_changes_its_settings(kubectl: Kubectl, tmp_path: Path) -> None:
    base = ROOT / "deploy" / "overlays" / "namespaced"
    (tmp_path / "config.yaml").write_text("log: {level: debug}\n", encoding="utf-8")
    kustomization = {
        "namespace": "team-a",
        # Kustomize takes no absolute paths.
        "resources": [str(Path(*[".."] * (len(tmp_path.parts) - 1), *base.parts[1:]))],
        "configMapGenerator": [{"name": "thing-operator", "behavior": "replace", "files": ["config.yaml"]}],
    }
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(kustomization), encoding="utf-8")
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
