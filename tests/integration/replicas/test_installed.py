"""Replicas as the chart installs them for the namespaces of a team: their rights are enough, and none is idle."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.installed import CHART, InstalledOperator, run_helm, settings_for
from tests.support.cloud import Things
from tests.support.operator import Json, Workspace, total
from tests.support.polling import eventually
from tests.support.replicas import SHARDS, Group

from thing_operator_local.cloud.client import LocalCloud
from thing_operator_local.controlplane import ControlPlane

HOME, TEAM = "thing-operator", "team"
RELEASE = ("thing-operator", f"--namespace={HOME}")
SHARDING: Json = {"leaseDuration": "4s", "renewInterval": "800ms", "calm": "2s"}
LEASES = {
    (HOME, "get"),
    (HOME, "list"),
    (HOME, "watch"),
    (HOME, "update"),
    (HOME, "delete"),
    (TEAM, "get"),
    (TEAM, "list"),
    (TEAM, "watch"),
    (TEAM, "update"),
    (TEAM, "delete"),
}
"""What is asked about Leases, and where; a PUT that makes one is an update."""


@pytest.fixture
def replicas(
    bare_control_plane: ControlPlane, cloud: LocalCloud, helm: Path, tmp_path: Path
) -> Iterator[list[InstalledOperator]]:
    """Two pods of the chart and the third that comes for one of them, still to be started."""
    plane = bare_control_plane
    for name in (HOME, TEAM):
        plane.kubectl("create", "namespace", name)
    ca = f"--from-file=ca.crt={cloud.info.ca}"
    plane.kubectl("create", "configmap", "broker-ca", ca, f"--namespace={HOME}")
    values: Json = {
        "namespaces": [TEAM],
        "replicas": 2,
        "config": settings_for(cloud) | {"sharding": SHARDING},
        "endpointCa": {"configMapName": "broker-ca"},
        "image": {"registry": "registry.example.com"},
    }
    run_helm(helm, plane, "install", RELEASE[0], str(CHART), RELEASE[1], values=values)
    made = []
    for number in range(3):
        folder = tmp_path / str(number)
        folder.mkdir()
        made.append(InstalledOperator(plane=plane, cloud=cloud, namespace=HOME, folder=folder))
        made[-1].use_ports_of_its_own()
    yield made
    for each in made:
        each.stop()
        print(each.log.read_text(errors="replace") if each.log.exists() else "")
    run_helm(helm, plane, "uninstall", *RELEASE)


@pytest.mark.timeout(300)
def test_a_namespaced_release_has_the_rights_that_its_replicas_need_and_uses_them(
    bare_control_plane: ControlPlane,
    cloud: LocalCloud,
    things: Things,
    replicas: list[InstalledOperator],
    tmp_path: Path,
) -> None:
    first, second, third = replicas
    workspace = Workspace(kubectl=bare_control_plane.kubectl, cloud=cloud, operator=first, namespace=TEAM)
    first.start()
    second.start()
    Group.await_shared([first, second])
    fleet = things(12)
    for each in fleet:
        workspace.store_credentials(each)
        workspace.apply_thing(each, {"desired": {"v": 1}})
    for each in fleet:
        workspace.wait_for(each.name, "Ready")
    running = [total(each.scrape(), "sessions", "Ready") for each in (first, second)]
    assert all(running), running
    check_viewer(bare_control_plane, tmp_path / "viewer")
    first.stop(grace=0)
    Group.await_shared([second])
    third.start()
    Group.await_shared([second, third])
    assert second.stop(grace=60) == 0
    Group.await_shared([third])
    for each in fleet:
        workspace.patch(each.name, {"desired": {"v": 2}})
    for each in fleet:
        workspace.wait_for(each.name, "Ready")
    assert third.stop(grace=60) == 0
    check_audit(bare_control_plane)


def check_viewer(plane: ControlPlane, kubeconfig: Path) -> None:
    """Whoever may view the release's namespace sees who runs what, and nobody else does."""
    namespace = f"--namespace={HOME}"
    plane.kubectl("create", "serviceaccount", "viewer", namespace)
    plane.service_account_kubeconfig(kubeconfig, namespace=HOME, name="viewer")
    refused = shown(kubeconfig)
    assert refused.returncode == 2
    assert f"you may not list Leases in namespace {HOME}" in refused.stderr
    plane.kubectl(
        "create", "rolebinding", "viewer", "--clusterrole=view", f"--serviceaccount={HOME}:viewer", namespace
    )
    eventually(lambda: shown(kubeconfig).returncode == 0, "a viewer sees it")
    (group,) = json.loads(shown(kubeconfig).stdout)
    assert (group["held"], group["shards"], len(group["members"])) == (SHARDS, SHARDS, 2)


def shown(kubeconfig: Path) -> "subprocess.CompletedProcess[str]":
    """What ``thing-operator shards`` says of the release."""
    return subprocess.run(
        [sys.executable, "-m", "thing_operator", "shards", "--output=json", f"--namespace={HOME}"],
        env={"KUBECONFIG": str(kubeconfig)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def check_audit(plane: ControlPlane) -> None:
    """Nothing was refused to the operator, and of Leases it asked what it may ask."""
    asked = set()
    for line in plane.audit_log.read_text(encoding="utf-8").splitlines():
        event = json.loads(line)
        reference = event.get("objectRef", {})
        if event["user"]["username"] == f"system:serviceaccount:{HOME}:thing-operator":
            assert event["responseStatus"]["code"] != 403, json.dumps(event)
            if reference.get("resource") == "leases":
                asked.add((reference["namespace"], event["verb"]))
    assert asked == LEASES
