"""An operator that reaches the API server by the meddling proxy."""

import pytest
from tests.integration.apiserver.trouble import SETTINGS
from tests.support.meddling_proxy import MeddlingProxy
from tests.support.operator import Workspace


@pytest.fixture
def meddled(proxy: MeddlingProxy, idle_workspace: Workspace) -> Workspace:
    """Its operator is still to be started; the proxy is there until it has ended."""
    idle_workspace.operator.settings |= SETTINGS | {"KUBECONFIG": str(proxy.kubeconfig)}
    return idle_workspace
