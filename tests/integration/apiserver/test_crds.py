"""CRDs that are not there yet, or are deleted and come back."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.apiserver.trouble import (
    QUICK,
    await_line,
    await_ready,
    connections,
    readyz,
    start_things,
)
from tests.integration.batches import batch_spec
from tests.support.cloud import Things
from tests.support.controlplane import CRDS
from tests.support.operator import OperatorProcess, Workspace
from tests.support.polling import eventually

from thing_operator_local.cloud.client import LocalCloud
from thing_operator_local.controlplane import ControlPlane

THINGS, BATCHES = (CRDS / f"{plural}.thing-operator.io.yaml" for plural in ("things", "thingbatches"))


@pytest.fixture
def workspace(bare_control_plane: ControlPlane, cloud: LocalCloud, tmp_path: Path) -> Iterator[Workspace]:
    """A namespace in a cluster that knows neither kind; its operator is still to be started."""
    kubectl = bare_control_plane.kubectl
    kubectl("create", "namespace", "plants")
    operator = OperatorProcess(plane=bare_control_plane, cloud=cloud, namespace="plants", folder=tmp_path)
    operator.prelude = QUICK
    yield Workspace(kubectl=kubectl, cloud=cloud, operator=operator, namespace="plants")
    operator.stop()
    kubectl("delete", "namespace", "plants", "--timeout=60s")
    kubectl("delete", "crd", "--all", "--timeout=60s")


def install(workspace: Workspace, crd: Path) -> None:
    workspace.kubectl("apply", "--server-side", f"--filename={crd}")
    workspace.kubectl("wait", f"crd/{crd.stem}", "--for=condition=Established", "--timeout=60s")


def await_unknown(workspace: Workspace, plural: str) -> None:
    """Wait until readiness says that this kind is missing, and what to do."""
    eventually(
        lambda: (
            readyz(workspace)[1]
            .get("crds", {})
            .get("detail", "")
            .startswith(f"the cluster does not know {plural}: install")
        ),
        f"readiness says that {plural} are missing",
    )


def test_a_start_without_the_crd_of_things_ends_with_one_sentence(workspace: Workspace) -> None:
    arguments, env = workspace.operator.invocation()
    done = subprocess.run(
        [sys.executable, "-m", "thing_operator", *arguments],
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(
        "error: the cluster does not know Things: install the CRDs"
    )
    assert "Traceback" not in done.stderr


def test_things_run_without_the_crd_of_batches_which_is_taken_up_when_it_is_there(
    workspace: Workspace, things: Things
) -> None:
    install(workspace, THINGS)
    workspace.operator.start()
    start_things(workspace, *things(1))
    before = connections(workspace)
    await_unknown(workspace, "thingbatches")
    await_line(workspace, "thingbatches in plants cannot be watched")
    for _ in range(2):
        install(workspace, BATCHES)
        await_ready(workspace)
        workspace.apply("ThingBatch", "b", batch_spec())
        workspace.wait_for("b", "Ready", "False", reason="SourceNotFound", kind="thingbatch")
        workspace.kubectl("delete", "crd", BATCHES.stem, "--timeout=60s")
        await_unknown(workspace, "thingbatches")
    assert connections(workspace) == before


def test_things_that_go_with_their_crd_are_taken_up_when_both_are_back(
    workspace: Workspace, things: Things
) -> None:
    (thing,) = things(1)
    for crd in (THINGS, BATCHES):
        install(workspace, crd)
    workspace.operator.start()
    start_things(workspace, thing, desired={"v": 1})
    workspace.kubectl("delete", "crd", THINGS.stem, "--timeout=60s")
    await_unknown(workspace, "things")
    eventually(lambda: not connections(workspace), "the session has ended with its Thing")
    install(workspace, THINGS)
    start_things(workspace, thing, desired={"v": 2})
    await_ready(workspace)
    assert workspace.desired(thing) == {"v": 2}
    assert json.loads(workspace.kubectl("get", "things", "--output=json"))["items"]
