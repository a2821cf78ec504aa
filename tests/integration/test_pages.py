"""The commands of the documentation, run as they stand there: tests/support/pages.py says what is a command."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.cloud import Things
from tests.support.operator import Workspace
from tests.support.pages import ROOT, checkout, command_blocks, run_script, script
from tests.support.ports import reserved_ports

from thing_operator_local.controlplane import ControlPlane, locate_binaries
from thing_operator_local.environment import inherited_environment
from thing_operator_local.toolchain import Reporter, cache_dir
from thing_operator_local.toolchain.cache import CACHE_VARIABLE

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

WITHOUT_A_CLUSTER = (
    *("README.md", "docs/operations/install.md"),
    *("docs/tasks/local-cloud.md", "docs/tasks/bridge.md"),
)
WITH_AN_OPERATOR = ("docs/tasks/batches.md", "docs/tasks/things.md")


Programs = dict[str, Path]


@pytest.fixture(scope="session")
def programs(helm: Path, reporter: Reporter) -> Programs:
    """What the pages take for installed, by name."""
    return locate_binaries(("helm", "kubectl"), reporter=reporter)


@pytest.fixture
def empty_cluster(tmp_path: Path, reporter: Reporter) -> Iterator[ControlPlane]:
    """One without our CRDs, for a page alone."""
    with ControlPlane(tmp_path / "plane", reporter=reporter) as plane:
        yield plane


def environment(folder: Path, kubeconfig: Path, tools: Programs) -> dict[str, str]:
    """A reader's shell: a home of its own, the three programs on PATH, and no cloud of other tests in sight."""
    programs, cache = folder / "bin", folder / "cache"
    programs.mkdir()
    command = Path(sys.executable).with_name("thing-operator")
    for name, path in {**tools, "thing-operator": command}.items():
        (programs / name).symlink_to(path)
    cache.mkdir()
    (cache / "bin").symlink_to(cache_dir() / "bin")
    health, metrics = reserved_ports(2)
    return inherited_environment() | {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "HOME": str(folder / "home"),
        "KUBECONFIG": str(kubeconfig),
        CACHE_VARIABLE: str(cache),
        "THING_OPERATOR_HEALTH__PORT": str(health),
        "THING_OPERATOR_METRICS__PORT": str(metrics),
    }


def follow(page: str, folder: Path, env: dict[str, str]) -> None:
    """Run the page's blocks in a copy of the checkout, and print how many there are and which are not run."""
    blocks = list(command_blocks(ROOT / page))
    used = {word for block in blocks for word in re.findall(r"\b(?:curl|jq|unzip)\b", block.text)}
    if missing := sorted(name for name in used if shutil.which(name) is None):
        pytest.skip(f"{page} uses {', '.join(missing)}: install what is missing")
    dry = {block.line: block.marks["not run"] for block in blocks if "not run" in block.marks}
    print(f"{page}: {len(blocks)} blocks, {len(blocks) - len(dry)} run, {len(dry)} by dry run: {dry}")
    (folder / "home").mkdir()
    (folder / "page").mkdir()
    here = checkout(folder / "checkout")
    (port,) = reserved_ports(1)
    code, output = run_script(script(ROOT / page, folder / "page", port=port), cwd=here, env=env, timeout=600)
    print(output)
    assert code == 0
    assert output.rstrip().endswith("#### end")


@pytest.mark.parametrize("page", WITHOUT_A_CLUSTER)
def test_a_page_that_begins_with_an_empty_cluster(
    page: str, empty_cluster: ControlPlane, local_cloud: object, programs: Programs, tmp_path: Path
) -> None:
    env = environment(tmp_path, empty_cluster.kubeconfig, programs)
    follow(page, tmp_path, env)


@pytest.mark.parametrize("page", WITH_AN_OPERATOR)
def test_a_page_for_those_who_have_an_operator(
    page: str, workspace: Workspace, things: Things, programs: Programs, tmp_path: Path
) -> None:
    """freezer-1 is there, and the files that the pages speak of."""
    (thing,) = things(1)
    workspace.store_credentials(thing)
    workspace.apply_thing(thing, {"desired": {"setpoint": -18, "mode": "auto"}}, name="freezer-1")
    own = tmp_path / "own-kubeconfig"
    _, variables = workspace.operator.invocation()
    shutil.copy(variables["KUBECONFIG"], own)
    context = ("config", "set-context", "--current", f"--kubeconfig={own}")
    subprocess.run([programs["kubectl"], *context, f"--namespace={workspace.namespace}"], check=True)
    here = tmp_path / "checkout"
    here.mkdir()
    (here / "batch.zip").write_bytes(workspace.cloud.create_batch(2, key_type="ec"))
    (here / "cert.pem").write_bytes(thing.certificate_pem)
    (here / "privkey.pem").write_bytes(thing.private_key_pem)
    follow(page, tmp_path, environment(tmp_path, own, programs))
