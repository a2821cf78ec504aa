"""``kubectl thing`` by a real kubectl, with the rights of the chart's role for viewers."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.support.cloud import Things
from tests.support.operator import Workspace
from tests.support.polling import eventually

from thing_operator_local.controlplane import CONTROL_PLANE, ControlPlane, locate_binaries
from thing_operator_local.toolchain import Reporter

ROLE = Path(__file__).parents[2] / "charts" / "thing-operator" / "templates" / "rbac" / "users.yaml"
VIEWED = ["things.thing-operator.io", "thingbatches.thing-operator.io"]


class Viewer:
    """kubectl with the plugin on PATH, as an account that may view and nothing else."""

    def __init__(self, kubectl: Path, kubeconfig: Path, namespace: str) -> None:
        self._kubectl = kubectl
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        self._environment = os.environ | {"PATH": path, "KUBECONFIG": str(kubeconfig), "COLUMNS": "200"}
        self.namespace = namespace

    def thing(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """``kubectl thing ...`` in the namespace."""
        return self._run("thing", *arguments, f"--namespace={self.namespace}")

    def as_json(self, *arguments: str) -> Any:
        return json.loads(self.thing(*arguments, "--output=json").stdout)

    def complete(self, *words: str) -> list[str]:
        """What kubectl offers after these words, the last of which is incomplete."""
        return self._run("__complete", "thing", *words).stdout.splitlines()

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(self._kubectl), *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=60, env=self._environment
        )

    @contextmanager
    def watching(self, *arguments: str) -> Iterator[Callable[[], list[Any]]]:
        """Reads the lines that ``kubectl thing watch`` has written so far; it is ended as by Ctrl-C."""
        command = [str(self._kubectl), "thing", "watch", *arguments, f"--namespace={self.namespace}"]
        output = Path(self._environment["KUBECONFIG"]).with_suffix(".watched")
        with (
            output.open("w") as file,
            subprocess.Popen(
                [*command, "--output=json"], stdout=file, env=self._environment, start_new_session=True
            ) as process,
        ):
            try:
                yield lambda: [json.loads(line) for line in output.read_text().splitlines()]
            finally:
                os.killpg(process.pid, signal.SIGINT)
            assert process.wait(timeout=30) == 0


@pytest.fixture
def viewer(control_plane: ControlPlane, workspace: Workspace, reporter: Reporter, tmp_path: Path) -> Viewer:
    workspace.kubectl("create", "serviceaccount", "viewer")
    rights = [
        "--verb=get,list,watch",
        *(f"--resource={each},{each.replace('.', '/status.', 1)}" for each in VIEWED),
    ]
    workspace.kubectl("create", "role", "view-things", *rights)
    account = f"--serviceaccount={workspace.namespace}:viewer"
    workspace.kubectl("create", "rolebinding", "viewer", "--role=view-things", account)
    file = tmp_path / "viewer"
    control_plane.service_account_kubeconfig(file, namespace=workspace.namespace, name="viewer")
    kubectl = locate_binaries(CONTROL_PLANE, reporter=reporter)["kubectl"]
    return Viewer(kubectl, file, workspace.namespace)


def test_the_role_of_viewers_is_that_of_the_chart() -> None:
    text = ROLE.read_text(encoding="utf-8")
    assert "resources: [things, thingbatches, things/status, thingbatches/status]" in text
    assert "verbs: [get, list, watch]" in text


def test_it_says_what_differs_why_and_what_to_do(
    viewer: Viewer, workspace: Workspace, things: Things
) -> None:
    thing = things(1)[0]
    workspace.apply_thing(thing, {"desired": {"setpoint": -18, "mode": "auto"}}, name="freezer")
    workspace.wait_for("freezer", "Ready", "False", reason="SecretNotFound")
    done = viewer.thing("explain", "freezer")
    assert done.returncode == 1, done.stderr
    assert "✗ Secret   SecretNotFound" in done.stdout
    assert "next step: Import the batch there" in done.stdout
    assert "you may not list Secrets here" in done.stdout
    assert "you may not list Leases" in done.stdout
    assert viewer.thing("diff", "freezer").returncode == 1
    assert viewer.as_json("diff", "freezer")["rows"][0]["state"] == "Unknown"

    workspace.store_credentials(thing)
    workspace.wait_for("freezer", "Ready")
    workspace.cloud.update_shadow(thing, {"reported": {"mode": "auto", "temperature": 4}})
    found = eventually(
        lambda: (rows := viewer.as_json("diff", thing.name, "--all")["rows"]) and len(rows) == 3 and rows,
        "the report is mirrored",
    )
    states = {row["pointer"]: row["state"] for row in found}
    assert states == {"/setpoint": "Pending", "/mode": "Same", "/temperature": "Reported"}
    assert viewer.thing("explain", "freezer").returncode == 0
    workspace.cloud.update_shadow(thing, {"reported": {"setpoint": -18}})
    eventually(lambda: viewer.thing("diff", "freezer").returncode == 0, "they agree")
    assert viewer.as_json("get", "--fleet")["ready"] == 1
    assert [row["name"] for row in yaml.safe_load(viewer.thing("get", "-o", "yaml").stdout)["things"]] == [
        "freezer"
    ]
    [root] = viewer.as_json("tree")["roots"]
    assert (root["kind"], root["name"], root["health"]) == ("Thing", "freezer", "Good")
    eventually(
        lambda: viewer.complete("explain", "-n", viewer.namespace, "fr") == ["freezer", ":4"],
        "kubectl completes the name",
    )


def test_a_watch_shows_each_change_until_it_is_ended(viewer: Viewer, workspace: Workspace) -> None:
    workspace.apply("Thing", "one", {})
    workspace.wait_for("one", "Ready", "False", reason="SecretNotFound")
    with viewer.watching() as lines:
        eventually(lambda: {row["name"] for row in lines()} == {"one"}, "the first list is shown")
        workspace.apply("Thing", "two", {"suspend": True})
        eventually(lambda: "two" in {row["name"] for row in lines()}, "the second Thing is shown")
        workspace.kubectl("delete", "thing", "one")
        eventually(
            lambda: any(row["name"] == "one" and row.get("deleted") for row in lines()),
            "that one is deleted is shown",
        )


def test_of_what_is_not_there_it_says_so(viewer: Viewer) -> None:
    done = viewer.thing("explain", "nothing")
    assert (done.returncode, "there is no Thing nothing in namespace" in done.stderr) == (2, True)
    done = viewer.thing("tree", "nothing")
    assert done.returncode == 1
