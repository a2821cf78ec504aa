"""Batches from a terminal: batch import and batch create."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.support.operator import Workspace
from typer.testing import CliRunner, Result

from thing_operator.cli.main import app
from thing_operator_local.cloud.client import LocalCloud
from thing_operator_local.controlplane import ControlPlane

Json = dict[str, Any]
Import = Callable[..., tuple[int, Json]]


@pytest.fixture
def import_zip(workspace: Workspace, control_plane: ControlPlane, tmp_path: Path) -> Import:
    """Runs ``batch import`` with a zip; returns its exit code and its JSON."""

    def run(data: bytes, *more: str, name: str = "fleet") -> tuple[int, Json]:
        file = tmp_path / "batch.zip"
        file.write_bytes(data)
        where = [f"--namespace={workspace.namespace}", f"--kubeconfig={control_plane.kubeconfig}"]
        arguments = ["batch", "import", str(file), "--name", name, *where, "-o", "json", *more]
        result = CliRunner().invoke(app, arguments)
        assert "PRIVATE KEY" not in result.output
        return result.exit_code, json.loads(result.stdout)

    return run


def test_import_from_a_terminal(workspace: Workspace, import_zip: Import) -> None:
    data = workspace.cloud.create_batch(3, key_type="ec")
    code, result = import_zip(data, "--dry-run")
    assert (code, result["things"], result["sent"]) == (0, 3, [])
    assert workspace.list("thingbatches") == []
    code, result = import_zip(data, "--create-things")
    assert (code, result["sent"]) == (0, result["secrets"])
    workspace.wait_for("fleet", "Ready", reason="Imported", kind="thingbatch")
    assert import_zip(data, "--create-things")[1]["sent"] == []
    code, result = import_zip(data, "--namespace=nowhere")
    assert (code, result["error"]["message"]) == (
        2,
        "namespace nowhere does not exist: kubectl create namespace nowhere",
    )
    taken = import_zip(data, "--dry-run", name="taken")[1]["secrets"]
    workspace.kubectl("create", "secret", "generic", *taken, "--from-literal=mine=1")
    code, result = import_zip(data, name="taken")
    assert code == 2
    assert "was not made by batch import" in result["error"]["message"]


def test_an_import_in_parts_is_taken_up_where_it_ended(workspace: Workspace, import_zip: Import) -> None:
    data = workspace.cloud.create_batch(700, key_type="ec")
    first, second = import_zip(data, "--dry-run")[1]["secrets"]
    workspace.kubectl("create", "secret", "generic", second, "--from-literal=in-the-way=1")
    assert import_zip(data)[0] == 2
    assert first in workspace.versions("secrets")
    assert workspace.list("thingbatches") == []
    workspace.kubectl("delete", "secret", second)
    code, result = import_zip(data)
    assert (code, result["sent"], result["removed"]) == (0, [second], [])
    workspace.wait_for("fleet", "Ready", reason="Imported", kind="thingbatch")
    assert workspace.get("fleet", kind="thingbatch")["status"]["imported"] == 700
    # What the next import does not name any more holds keys, and is removed.
    code, result = import_zip(workspace.cloud.create_batch(1, key_type="ec"))
    assert (code, sorted(result["removed"])) == (0, sorted([first, second]))
    workspace.wait_for("fleet", "Ready", reason="Imported", kind="thingbatch")
    assert [name for name in workspace.versions("secrets") if "zip" in name] == result["secrets"]
    status = workspace.get("fleet", kind="thingbatch")["status"]
    assert (status["total"], status["imported"]) == (1, 1)


def test_mic_makes_a_batch_for_a_terminal(cloud: LocalCloud, tmp_path: Path) -> None:
    info = cloud.info
    file = tmp_path / "batch.zip"

    def run(password: str) -> Result:
        arguments = ["batch", "create", str(file), "--api", f"{info.api}/prod", "--ca-file", str(info.ca)]
        arguments += ["--thing-type", "lamp", "--domain", "root", "--size", "2"]
        return CliRunner().invoke(app, arguments, env={"MIC_USER": info.user_name, "MIC_PASSWORD": password})

    refused = run("wrong")
    assert refused.exit_code == 2
    assert "does not let the account in" in refused.stderr
    assert not file.exists()
    result = run(info.password)
    assert result.exit_code == 0, result.output
    assert file.stat().st_mode & 0o777 == 0o600
    assert len(cloud.things(file.read_bytes())) == 2
    assert info.password not in result.output
