"""deploy/examples/twin as a user would have it: built by kustomize, its pod's program run as the pod says."""

import json
import os
import sys
from pathlib import Path

import pytest
import yaml
from tests.support.cloud import Things
from tests.support.controlplane import Kubectl
from tests.support.operator import Json, Workspace
from tests.support.polling import eventually
from tests.support.ports import reserved_ports

from thing_operator_local.ports import LOOPBACK
from thing_operator_local.processes import ChildProcess

EXAMPLE = Path(__file__).resolve().parents[3] / "deploy" / "examples" / "twin"


def built(kubectl: Kubectl, namespace: str) -> dict[str, Json]:
    """The objects of the example by kind, in a namespace of the test."""
    text = kubectl("kustomize", str(EXAMPLE)).replace("namespace: freezers", f"namespace: {namespace}")
    return {body["kind"]: body for body in yaml.safe_load_all(text)}


@pytest.fixture
def example(idle_workspace: Workspace, kubectl: Kubectl, things: Things) -> tuple[Workspace, dict[str, Json]]:
    """The example applied, for a thing of the local cloud, beside an operator with a bridge."""
    (port,) = reserved_ports(1)
    idle_workspace.operator.settings |= {"THING_OPERATOR_BRIDGE__PORT": str(port)}
    idle_workspace.operator.start()
    objects = built(kubectl, idle_workspace.namespace)
    [thing] = things(1)
    objects["Thing"]["spec"]["thingName"] = thing.name
    idle_workspace.store_credentials(thing)
    for body in objects.values():
        idle_workspace.kubectl(
            "apply", "--server-side", "--validate=strict", "--filename=-", stdin=json.dumps(body)
        )
    idle_workspace.wait_for("freezer-9", "Ready")
    return idle_workspace, objects


def run_pod(workspace: Workspace, objects: dict[str, Json], folder: Path) -> ChildProcess:
    """What the kubelet would do: the volumes as files, the variables, the program."""
    spec = objects["Deployment"]["spec"]["template"]["spec"]
    [container] = spec["containers"]
    for name, text in objects["ConfigMap"]["data"].items():
        (folder / name).write_text(text, encoding="utf-8")
    [source] = next(each for each in spec["volumes"] if "projected" in each)["projected"]["sources"]
    audience = source["serviceAccountToken"]["audience"]
    asked = ("create", "token", spec["serviceAccountName"], f"--audience={audience}")
    (folder / "token").write_text(workspace.kubectl(*asked), encoding="utf-8")
    port = workspace.operator.settings["THING_OPERATOR_BRIDGE__PORT"]
    given = {each["name"]: each.get("value") for each in container["env"]}
    env = {"PATH": os.environ["PATH"], "THING": given["THING"], "NAMESPACE": workspace.namespace}
    env |= {"BRIDGE_URL": f"http://{LOOPBACK}:{port}", "TOKEN_FILE": str(folder / "token")}
    assert env.keys() - {"PATH"} == given.keys()
    assert container["command"] == ["python", "-B", "/twin/twin.py"]
    return ChildProcess(
        [sys.executable, "-B", str(folder / "twin.py")], name="twin", log=folder / "twin.log", env=env
    )


def test_the_twin_follows_its_setpoint(example: tuple[Workspace, dict[str, Json]], tmp_path: Path) -> None:
    workspace, objects = example
    twin = run_pod(workspace, objects, tmp_path)

    def temperature() -> float | None:
        shadow: Json = workspace.get("freezer-9")["status"].get("shadow", {})
        found: float | None = shadow.get("reported", {}).get("temperature")
        return found

    try:
        eventually(lambda: temperature() == -18, "the temperature in status")
        workspace.patch("freezer-9", {"desired": {"setpoint": 4}})
        eventually(lambda: temperature() == 4, "the new temperature in status")
        # Its operator comes back, and so does the twin.
        workspace.operator.stop()
        workspace.operator.start()
        workspace.patch("freezer-9", {"desired": {"setpoint": -20}})
        eventually(lambda: temperature() == -20, "the temperature after a restart")
        twin.check_running()
    finally:
        twin.stop(grace=5)
        print((tmp_path / "twin.log").read_text(encoding="utf-8"))
