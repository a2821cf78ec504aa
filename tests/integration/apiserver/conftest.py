"""An operator that reaches the API server by the meddling proxy, and more of them beside it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.apiserver.trouble import SETTINGS, Another
from tests.support.controlplane import Kubectl
from tests.support.meddling_proxy import MeddlingProxy
from tests.support.operator import OperatorProcess, Workspace

from thing_operator_local.cloud.client import LocalCloud
from thing_operator_local.controlplane import ControlPlane


@pytest.fixture
def meddled(proxy: MeddlingProxy, idle_workspace: Workspace) -> Workspace:
    """Its operator is still to be started; the proxy is there until it has ended."""
    idle_workspace.operator.settings |= SETTINGS | {"KUBECONFIG": str(proxy.kubeconfig)}
    return idle_workspace


@pytest.fixture
def another(
    kubectl: Kubectl, control_plane: ControlPlane, cloud: LocalCloud, namespace: str, tmp_path: Path
) -> Iterator[Another]:
    """Makes one more operator of the namespace, still to be started; of all with ``everywhere``."""
    made: list[OperatorProcess] = []

    def make(*options: str, everywhere: bool = False, **settings: str) -> Workspace:
        folder = tmp_path / f"another-{len(made)}"
        folder.mkdir()
        operator = OperatorProcess(plane=control_plane, cloud=cloud, namespace=namespace, folder=folder)
        operator.settings |= SETTINGS | settings
        operator.options = list(options)
        if everywhere:
            operator.namespaces = []
        made.append(operator)
        return Workspace(kubectl=kubectl, cloud=cloud, operator=operator, namespace=namespace)

    yield make
    for operator in made:
        operator.stop()
        text = operator.log.read_text(errors="replace") if operator.log.exists() else ""
        print(text)
        assert "Traceback" not in text
