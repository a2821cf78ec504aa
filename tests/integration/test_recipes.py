"""What the docs offer to copy: the project with its workflow, the compose file, the cluster as a command."""

import json
import os
import re
import signal
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.support.polling import eventually

from thing_operator_local.toolchain import cache_dir
from thing_operator_local.toolchain.cache import CACHE_VARIABLE

ROOT = Path(__file__).resolve().parents[2]
_BLOCK = re.compile(r'^```\w+ title="(?P<path>[^"]+)"\n(?P<text>.*?)^```$', re.MULTILINE | re.DOTALL)


def _project(folder: Path) -> None:
    """The files of docs/tasks/testing.md, and the wheel that it speaks of."""
    page = (ROOT / "docs" / "tasks" / "testing.md").read_text(encoding="utf-8")
    for block in _BLOCK.finditer(page):
        file = folder / block["path"]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(block["text"], encoding="utf-8")
    wheel = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*wheel, "--wheel-dir", folder / "wheels", ROOT], check=True, timeout=120)


def _machine(folder: Path) -> dict[str, str]:
    """A Python of its own that has everything but thing-operator already: no package index is asked."""
    venv.create(folder / "venv", with_pip=True)
    known = folder / "known"
    known.mkdir()
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if "thing_operator" not in entry.name and entry.suffix != ".pth":
            (known / entry.name).symlink_to(entry)
    (own,) = (folder / "venv" / "lib").glob("python*/site-packages")
    (own / "known.pth").write_text(f"{known}\n")
    path = f"{folder / 'venv' / 'bin'}:{os.environ['PATH']}"
    return os.environ | {"PATH": path, "PIP_NO_INDEX": "1", CACHE_VARIABLE: str(cache_dir())}


def test_the_workflow_runs_as_it_stands(tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    _project(project)
    environment = _machine(tmp_path)
    workflow = yaml.safe_load((project / ".github" / "workflows" / "device.yaml").read_text(encoding="utf-8"))
    steps: list[dict[str, Any]] = workflow["jobs"]["test"]["steps"]
    (cached,) = (step["with"]["path"] for step in steps if "cache" in step.get("uses", ""))
    assert cached == "~/.cache/thing-operator"
    said = ""
    for step in steps:
        if "run" in step:
            done = subprocess.run(
                ["bash", "-e", "-c", step["run"]],
                cwd=project,
                env=environment,
                capture_output=True,
                text=True,
                timeout=250,
                check=False,
            )
            assert done.returncode == 0, done.stdout + done.stderr
            said = done.stdout
    assert "2 passed" in said


def test_the_cache_folder_of_the_workflow_is_the_default(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv(CACHE_VARIABLE, raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_dir() == tmp_path / ".cache" / "thing-operator"


def test_the_cluster_is_a_command(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "thing_operator", "cluster", "run", "--dir", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        places = json.loads(process.stdout.readline())
        kubectl = [places["kubectl"], f"--kubeconfig={tmp_path / 'kubeconfig'}"]
        done = subprocess.run(
            [*kubectl, "get", "crds", "-o", "name"], capture_output=True, text=True, check=True
        )
        assert "customresourcedefinition.apiextensions.k8s.io/things.thing-operator.io" in done.stdout
        second = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert second.returncode == 1
        assert f"a control plane already runs in {tmp_path}" in second.stderr
        process.send_signal(signal.SIGTERM)
    assert process.returncode == 0
    done = subprocess.run([*kubectl, "get", "crds"], capture_output=True, text=True, check=False)
    assert done.returncode != 0, "nothing is left of it"


def test_the_service_of_the_compose_file_starts(tmp_path: Path) -> None:
    compose = yaml.safe_load((ROOT / "deploy" / "local" / "compose.yaml").read_text(encoding="utf-8"))
    service = compose["services"]["cloud"]
    dockerfile = ROOT / service["build"]["dockerfile"]
    copied = dockerfile.with_name(f"{dockerfile.name}.dockerignore").read_text(encoding="utf-8").splitlines()
    assert "!operator" in copied, "the ignore file of the checkout leaves the stand-in out"
    ports = {word.rpartition("=")[2] for word in service["command"] if "-port=" in word}
    assert {each.rpartition(":")[2] for each in service["ports"]} == ports
    program, *words = service["command"]
    assert program == "thing-operator"
    # This machine's own folder, and ports that nobody has.
    arguments = [
        f"--dir={tmp_path}" if word == "--dir=/cloud" else word for word in words if "-port=" not in word
    ]
    with subprocess.Popen(
        [sys.executable, "-m", "thing_operator", *arguments], stdout=subprocess.DEVNULL
    ) as process:
        eventually((tmp_path / "cloud.json").is_file, "the file that the health check looks for")
        hostnames = json.loads((tmp_path / "cloud.json").read_bytes())["hostnames"]
        process.send_signal(signal.SIGTERM)
    assert "cloud" in hostnames
    assert service["healthcheck"]["test"] == ["CMD", "test", "-f", "/cloud/cloud.json"]
