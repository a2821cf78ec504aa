"""``thing-operator thing report``: a person's way to the bridge, by a real API server and a port-forward."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.bridge import make_caller
from tests.support.cloud import Things
from tests.support.controlplane import Kubectl
from tests.support.kubelet import node_with_pod, pod_with_bridge
from tests.support.operator import Workspace
from tests.support.ports import reserved_ports

from thing_operator_local.controlplane import ControlPlane
from thing_operator_local.environment import inherited_environment


@pytest.fixture
def bridged(idle_workspace: Workspace) -> Workspace:
    (port,) = reserved_ports(1)
    idle_workspace.operator.settings |= {"THING_OPERATOR_BRIDGE__PORT": str(port)}
    idle_workspace.operator.start()
    return idle_workspace


def report(plane: ControlPlane, namespace: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    where = (
        f"--namespace={namespace}",
        f"--operator-namespace={namespace}",
        f"--kubeconfig={plane.kubeconfig}",
    )
    command = [sys.executable, "-m", "thing_operator", "thing", "report", *arguments, *where]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=120, env=inherited_environment()
    )


def test_a_person_reports(
    bridged: Workspace, kubectl: Kubectl, control_plane: ControlPlane, things: Things, tmp_path: Path
) -> None:
    [thing] = things(1)
    bridged.store_credentials(thing)
    bridged.apply_thing(thing)
    bridged.wait_for(thing.name, "Ready")
    namespace = bridged.namespace
    without = report(control_plane, namespace, thing.name, "a=1")
    assert (without.returncode, "config.bridge.port" in without.stderr) == (2, True)
    port = int(bridged.operator.settings["THING_OPERATOR_BRIDGE__PORT"])
    with node_with_pod(kubectl, namespace, pod_with_bridge(namespace, port), tmp_path):
        unknown = report(control_plane, namespace, thing.name, "a=1")
        assert (unknown.returncode, "--service-account" in unknown.stderr) == (2, True)
        make_caller(kubectl, namespace)
        done = report(
            control_plane, namespace, thing.name, "temperature=4.5", "/door/open=true", "note=it is cold"
        )
        assert done.returncode == 0, done.stderr
        assert bridged.reported(thing) == {"temperature": 4.5, "door": {"open": True}, "note": "it is cold"}
        more = report(control_plane, namespace, thing.name, "note=null", "--output=json")
        assert json.loads(more.stdout)["version"] > 1
        assert "note" not in bridged.reported(thing)
        wrong = report(control_plane, namespace, "nothing", "a=1")
        assert (wrong.returncode, "NotFound" in wrong.stderr) == (2, True)
        odd = report(control_plane, namespace, "../other/things/x", "a=1")
        assert (odd.returncode, "NAME ../other/things/x: a name of lower-case" in odd.stderr) == (2, True)
