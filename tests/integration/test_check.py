"""``thing-operator check`` reads YAML as kubectl does, and what its page says for CI works as it stands."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.support.controlplane import Kubectl
from tests.support.yaml_words import WORDS

from thing_operator_local.controlplane import ControlPlane

pytestmark = pytest.mark.usefixtures("control_plane")

ROOT = Path(__file__).resolve().parents[2]
GOOD = 'apiVersion: thing-operator.io/v1alpha1\nkind: Thing\nmetadata: {name: a}\nspec: {thingName: "7"}\n'
BAD = GOOD.replace('"7"', "007")


def read_by(kubectl: Kubectl, words: str) -> object:
    text = f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\ndata:\n  a: {words}\n"
    return json.loads(kubectl("annotate", "--local", "-f", "-", "-o", "json", "a=b", input=text))["data"]["a"]


def test_kubectl_reads_unquoted_words_like_this(kubectl: Kubectl) -> None:
    found = read_by(kubectl, f"[{', '.join(WORDS)}]")
    assert isinstance(found, list)
    assert json.dumps(found) == json.dumps(list(WORDS.values()))


def test_kubectl_makes_a_text_of_a_key_like_this(kubectl: Kubectl) -> None:
    found = read_by(kubectl, "{y: 1, 1.50: 2, 010: 3, 2026-01-01: 4}")
    assert found == {"true": 1, "1.5": 2, "8": 3, "2026-01-01": 4}


def workflow() -> dict[str, Any]:
    """The workflow of docs/tasks/checking.md."""
    page = (ROOT / "docs" / "tasks" / "checking.md").read_text(encoding="utf-8")
    block = page.split("```yaml\n", maxsplit=1)[1].split("```", maxsplit=1)[0]
    return dict(yaml.safe_load(block))


def in_ci(command: str, repository: Path, control_plane: ControlPlane) -> int:
    """As a runner does it: bash that ends with the first failure, in the checkout; the exit code."""
    programs = (Path(sys.executable).parent, control_plane.kubectl_path.parent)
    path = os.pathsep.join([*map(str, programs), os.environ["PATH"]])
    shell = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", command]
    return subprocess.run(shell, cwd=repository, env=os.environ | {"PATH": path}, check=False).returncode


@pytest.mark.parametrize(("manifest", "code"), [(GOOD, 0), (BAD, 1)], ids=["right", "wrong"])
def test_the_workflow_for_ci_checks_a_repository(
    tmp_path: Path, control_plane: ControlPlane, manifest: str, code: int
) -> None:
    """But for its installation, which needs a registry: the command of this checkout is on PATH."""
    things, overlay = tmp_path / "things", tmp_path / "overlays" / "plant"
    things.mkdir()
    overlay.mkdir(parents=True)
    (things / "a.yaml").write_text(manifest)
    (overlay / "a.yaml").write_text(manifest)
    (overlay / "kustomization.yaml").write_text("namespace: plant\nresources: [a.yaml]\n")
    install, *commands = (step["run"] for step in workflow()["jobs"]["check"]["steps"] if "run" in step)
    assert install == "pipx install './.thing-operator[check]'"
    assert [in_ci(command, tmp_path, control_plane) for command in commands] == [code, code]


@pytest.mark.parametrize(("manifest", "code"), [(GOOD, 0), (BAD, 1)], ids=["right", "wrong"])
def test_the_hook_for_pre_commit_checks_files(
    tmp_path: Path, control_plane: ControlPlane, manifest: str, code: int
) -> None:
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    (tmp_path / "a.yaml").write_text(manifest)
    (tmp_path / "b.yaml").write_text("a: b\n")
    assert in_ci(f"{hook['entry']} a.yaml b.yaml", tmp_path, control_plane) == code
