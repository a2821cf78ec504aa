"""Whole renderings: the same however they are made, and what a real API server says to them."""

import json
import re
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.chart.matrix import EVERYTHING, MATRIX
from tests.chart.rendering import CHART, ROOT, Helm, Json, installable, load, of_kind, parent_chart
from tests.support.controlplane import Kubectl

from thing_operator import __version__
from thing_operator_local.controlplane import ControlPlane


def test_it_renders_the_same_twice_and_alike_by_helm_3_and_as_a_part_of_a_chart(
    chart: Helm, chart3: Helm, tmp_path: Path
) -> None:
    """The parent has the values in its own values.yaml, as a repository for GitOps has them."""
    for number, values in enumerate(MATRIX.values()):
        objects = load(values, chart)
        assert objects == load(values, chart)
        parent = parent_chart(tmp_path / str(number), {"thing-operator": installable(values)})
        for helm in (chart3, replace(chart, chart=parent), replace(chart3, chart=parent)):
            assert in_order(load(values if helm is chart3 else {}, helm)) == in_order(objects)


def in_order(objects: list[Json]) -> list[str]:
    return sorted(map(json.dumps, objects))


def test_both_versions_of_helm_find_no_fault(chart: Helm, chart3: Helm) -> None:
    for values in MATRIX.values():
        assert chart.lint(values) == ""
        assert chart3.lint(values) == ""


def test_every_object_says_whose_it_is_and_where(chart: Helm) -> None:
    cluster_wide = {"ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition"}
    cluster_wide |= {"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"}
    for body in chart.objects(EVERYTHING | {"crds": {"enabled": True}, "extraObjects": []}):
        metadata = body["metadata"]
        assert metadata["labels"]["app.kubernetes.io/instance"] == "r"
        assert metadata["labels"]["team"] == "cold-chain"
        assert metadata["annotations"]["example.com/owner"] == "me"
        assert ("namespace" in metadata) == (body["kind"] not in cluster_wide)


def test_selectors_find_the_pod_and_only_it(chart: Helm) -> None:
    objects = chart.objects(EVERYTHING)
    deployment = of_kind(objects, "Deployment")[0]["spec"]
    labels = deployment["template"]["metadata"]["labels"]
    test_labels = of_kind(objects, "Pod")[0]["metadata"]["labels"]
    service = of_kind(objects, "Service")[0]
    selectors = [
        deployment["selector"]["matchLabels"],
        service["spec"]["selector"],
        of_kind(objects, "PodDisruptionBudget")[0]["spec"]["selector"]["matchLabels"],
        of_kind(objects, "NetworkPolicy")[0]["spec"]["podSelector"]["matchLabels"],
        of_kind(objects, "PodMonitor")[0]["spec"]["selector"]["matchLabels"],
    ]
    for selector in selectors:
        assert selector.items() <= labels.items()
        assert not selector.items() <= test_labels.items()
    monitor = of_kind(objects, "ServiceMonitor")[0]["spec"]["selector"]["matchLabels"]
    assert monitor.items() <= service["metadata"]["labels"].items()


def test_two_releases_share_no_name(chart: Helm) -> None:
    def cluster_names(namespace: str) -> set[str]:
        helm = Helm(chart.program, namespace=namespace)
        return {body["metadata"]["name"] for body in helm.objects() if "namespace" not in body["metadata"]}

    assert cluster_names("one") & cluster_names("two") == set()


def test_chart_crds_and_program_are_of_one_version(chart: Helm) -> None:
    about = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    assert about["appVersion"] == about["version"] == __version__
    rendered = of_kind(load({}, chart), "CustomResourceDefinition")
    written = [yaml.safe_load(file.read_text(encoding="utf-8")) for file in (ROOT / "crds").iterdir()]
    assert {body["metadata"]["name"]: body["spec"] for body in rendered} == {
        body["metadata"]["name"]: body["spec"] for body in written
    }


def test_lint_and_package(helm: Path, helm3: Path, tmp_path: Path) -> None:
    for program in (helm, helm3):
        lint = [str(program), "lint", "--strict", str(CHART), "--set=image.registry=localhost"]
        subprocess.run(lint, check=True, capture_output=True)
        subprocess.run(
            [program, "package", CHART, "--destination", tmp_path], check=True, capture_output=True
        )
    assert [file.name for file in tmp_path.iterdir()] == [f"thing-operator-{__version__}.tgz"]


@pytest.fixture(scope="module")
def namespaces(control_plane: ControlPlane) -> None:
    """The namespaces that are rendered into, and the kinds that other projects bring."""
    control_plane.kubectl(
        "apply", "--server-side", f"--filename={Path(__file__).with_name('monitoring-crds.yaml')}"
    )
    for name in ("ns", "team-a", "team-b"):
        control_plane.kubectl("create", "namespace", name)
    for crd in ("servicemonitors", "podmonitors", "prometheusrules"):
        control_plane.kubectl(
            "wait", "--for=condition=Established", f"crd/{crd}.monitoring.coreos.com", "--timeout=30s"
        )


@pytest.mark.usefixtures("namespaces")
@pytest.mark.parametrize("values", MATRIX.values(), ids=MATRIX)
def test_the_api_server_takes_every_object(chart: Helm, kubectl: Kubectl, values: Json) -> None:
    objects = load(values, chart)
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
    arguments = ("apply", "--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict")
    answer = kubectl(*arguments, "--output=name", "--filename=-", input=text)
    assert len(answer.split()) == len(objects)


def notes(helm: Helm, values: Json) -> str:
    """What an installation says at its end."""
    command = [
        str(helm.program),
        "install",
        "r",
        str(CHART),
        "--namespace=ns",
        "--dry-run=client",
        "--values=-",
    ]
    done = subprocess.run(
        command, input=json.dumps(installable(values)), capture_output=True, text=True, check=True
    )
    return done.stdout.split("\nNOTES:\n")[1]


def types_in(value: Any) -> Any:
    """What is in there, by the types of the leaves alone."""
    if isinstance(value, dict):
        return {key: types_in(each) for key, each in value.items()}
    return [types_in(each) for each in value] if isinstance(value, list) else type(value)


def test_names_that_yaml_reads_as_numbers_stay_names(chart: Helm) -> None:
    """A namespace may be the number of a customer."""

    def types(*, release: str, namespace: str, full: str, run: str) -> Any:
        values = EVERYTHING | {"fullnameOverride": full, "namespaces": [run], "extraObjects": []}
        values |= {"serviceAccount": {"name": full}, "config": {"bridge": {"port": 8090}}}
        return types_in(replace(chart, release=release, namespace=namespace).objects(values))

    words = types(release="abc", namespace="def", full="ghi", run="jkl")
    assert types(release="123", namespace="456", full="789", run="77") == words


def test_the_notes_say_what_to_do_next(chart: Helm) -> None:
    usual = notes(chart, {"config": {"endpoint": {"host": "b.example"}}})
    lines = [line.strip() for line in usual.splitlines()]
    commands = [line for line in lines if line.startswith(("kubectl", "helm"))]
    assert commands == [
        "kubectl --namespace ns rollout status deployment/r-thing-operator",
        "helm test r --namespace ns",
        "kubectl create secret generic first-zip --namespace default --from-file=batch.zip",
        "kubectl apply --namespace default --filename -",
        "kubectl get thingbatches,things --namespace default",
    ]
    narrowed = ("in all but kube-system", "namespaces={team-a,team-b}", "rbac.batches=false")
    assert [words for words in narrowed if words not in usual] == []
    special = notes(chart, {"namespaces": ["team-a"], "replicas": 0, "crds": {"enabled": False}})
    assert "docs/troubleshooting.md" in usual
    assert "docs/operations/alerts.md" in usual
    for words in (
        "kubectl apply --server-side -f crds/",
        "namespaces team-a",
        "--namespace team-a",
        "spec.endpoint.host",
        "replicas: 0",
        "crds.enabled: false",
    ):
        assert words in special
        assert words not in usual
    assert "It may read Secrets in all" not in special


@pytest.mark.usefixtures("namespaces")
@pytest.mark.parametrize("batches", [True, False])
def test_the_first_manifest_is_right_and_writes_nothing(
    chart: Helm, kubectl: Kubectl, *, batches: bool
) -> None:
    """Whoever installs the chart pastes it as it stands, onto things that are real."""
    said = notes(chart, {"namespaces": ["team-a"], "rbac": {"batches": batches}})
    [manifest] = re.findall(r"echo '([^']+)' \|\n +kubectl apply --namespace team-a --filename -\n", said)
    body = yaml.safe_load(manifest)
    assert body["kind"] == ("ThingBatch" if batches else "Thing")
    assert {"desired", "device", "simulate", "template"} & set(re.findall(r"\w+", manifest)) == set()
    kubectl(
        *("apply", "--dry-run=server", "--validate=strict", "--namespace=team-a", "--filename=-"),
        input=manifest,
    )
    assert "deploy/" not in said
