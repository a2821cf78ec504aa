"""``thing-operator status`` with the rights of who may view Things and nothing else."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.support.cloud import Things
from tests.support.controlplane import Kubectl
from tests.support.operator import Workspace
from tests.support.polling import eventually
from typer.testing import CliRunner, Result

from thing_operator.cli.main import app
from thing_operator_local.controlplane import ControlPlane


@pytest.fixture
def kubeconfig(control_plane: ControlPlane, workspace: Workspace, tmp_path: Path) -> Path:
    """Of an account that may get and list the Things of the workspace's namespace; its context names that."""
    workspace.kubectl("create", "serviceaccount", "viewer")
    rights = ["--verb=get,list", "--resource=things.thing-operator.io"]
    workspace.kubectl("create", "role", "view-things", *rights)
    account = f"--serviceaccount={workspace.namespace}:viewer"
    workspace.kubectl("create", "rolebinding", "viewer", "--role=view-things", account)
    file = tmp_path / "viewer"
    control_plane.service_account_kubeconfig(file, namespace=workspace.namespace, name="viewer")
    return file


def status(kubeconfig: Path, *arguments: str) -> Result:
    command = ["status", f"--kubeconfig={kubeconfig}", *arguments]
    return CliRunner().invoke(app, command, env={"COLUMNS": "200"})


def as_json(kubeconfig: Path, *arguments: str) -> Any:
    return json.loads(status(kubeconfig, *arguments, "-o", "json").stdout)


def test_from_the_secret_to_the_device(kubeconfig: Path, workspace: Workspace, things: Things) -> None:
    here = f"--namespace={workspace.namespace}"
    thing = things(1)[0]
    workspace.apply_thing(thing, {"desired": {"setpoint": -18, "mode": "auto"}}, name="freezer")
    workspace.wait_for("freezer", "Ready", "False", reason="SecretNotFound")
    done = status(kubeconfig, "freezer", here)
    assert done.exit_code == 1, done.output
    assert "✗ Secret  SecretNotFound" in done.stdout

    workspace.store_credentials(thing)
    workspace.cloud.update_shadow(thing, {"reported": {"mode": "auto"}})
    workspace.wait_for("freezer", "Ready")
    workspace.wait_for("freezer", "InSync", "False", reason="DeltaPending")
    eventually(lambda: workspace.get("freezer")["status"]["shadow"].get("reported"), "it is mirrored")
    done = status(kubeconfig, thing.name, here)
    assert done.exit_code == 0, done.output
    chain = [line[:10] for line in done.stdout.splitlines()[1:5]]
    assert chain == ["✓ Secret  ", "✓ session ", "✓ shadow  ", "… device  "]
    rows = {row["pointer"]: row for row in as_json(kubeconfig, "freezer", here)["values"]}
    assert rows["/mode"]["reported"] == "auto"
    assert "pendingSince" not in rows["/mode"]
    assert "pendingSince" in rows["/setpoint"]


def test_how_many_are_in_which_state(kubeconfig: Path, workspace: Workspace) -> None:
    here = f"--namespace={workspace.namespace}"
    done = status(kubeconfig, here)
    assert done.stdout.startswith(f"No Things in namespace {workspace.namespace}: --namespace names another")
    assert done.exit_code == 0
    workspace.apply("Thing", "one", {})
    workspace.wait_for("one", "Ready", "False", reason="SecretNotFound")
    done = status(kubeconfig, here)
    assert done.exit_code == 1
    assert done.stdout.startswith("1 Thing: 0 Ready, 0 connected, 0 in sync\n")
    assert f"oldest problem: {workspace.namespace}/one for " in done.stdout
    chain = status(kubeconfig, "one", here).stdout.splitlines()
    assert chain[1].startswith("✗ Secret  SecretNotFound (for ")
    assert chain[3].endswith("): see Secret")
    found = as_json(kubeconfig, here)
    assert [(each["reason"], each["count"]) for each in found["reasons"]] == [("SecretNotFound", 1)]


def test_what_may_not_be_seen_is_said(kubeconfig: Path, workspace: Workspace) -> None:
    done = status(kubeconfig, "-A")
    assert (done.exit_code, "you may not list Things in all namespaces: name one with -n" in done.stderr) == (
        2,
        True,
    )
    done = status(kubeconfig, "nothing", f"--namespace={workspace.namespace}")
    assert (done.exit_code, "there is no Thing nothing in namespace" in done.stderr) == (2, True)
    done = status(kubeconfig, "nothing", "-A")
    assert (done.exit_code, "--all-namespaces goes with neither" in done.stderr) == (2, True)


def test_without_the_crds_it_says_what_to_install(bare_control_plane: ControlPlane, kubectl: Kubectl) -> None:
    done = status(bare_control_plane.kubeconfig)
    assert (done.exit_code, "install the CRDs (" in done.stderr) == (2, True)
