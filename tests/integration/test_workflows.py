"""The workflows of GitHub as their own linter sees them; that they call nothing but what can be run anywhere."""

import subprocess
from pathlib import Path

import pytest
import yaml

from thing_operator_local.controlplane import locate_binaries
from thing_operator_local.toolchain import Reporter
from thing_operator_local.toolchain.programs import ACTIONLINT

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").iterdir())


@pytest.fixture(scope="module")
def actionlint(reporter: Reporter) -> Path:
    return locate_binaries([ACTIONLINT], reporter=reporter)[ACTIONLINT]


def complaints(program: Path, workflow: Path) -> str:
    # It has shellcheck look at the scripts, where that is on PATH.
    done = subprocess.run([program, "-no-color", workflow], capture_output=True, text=True, check=False)
    assert not done.stderr
    return done.stdout


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_actionlint_finds_nothing(actionlint: Path, workflow: Path) -> None:
    assert complaints(actionlint, workflow) == ""


def test_actionlint_would_find_a_misspelt_key(actionlint: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yml"
    wrong.write_text(
        WORKFLOWS[0].read_text(encoding="utf-8").replace("runs-on:", "run-on:", 1), encoding="utf-8"
    )
    assert "run-on" in complaints(actionlint, wrong)


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_calls_make_and_pins_what_it_uses(workflow: Path) -> None:
    jobs = yaml.safe_load(workflow.read_text(encoding="utf-8"))["jobs"]
    for job in jobs.values():
        assert job["timeout-minutes"]
        for step in job["steps"]:
            if "uses" in step:
                name, _, commit = step["uses"].partition("@")
                assert len(commit) == 40, f"{name} is not pinned by commit"
            else:
                assert step["run"].startswith(("make ", ".ci/run", "sudo apt-get ", "gh release create "))
