"""An operator that reaches the API server by the meddling proxy."""

import pytest
from tests.support.meddling_proxy import MeddlingProxy
from tests.support.operator import Workspace

SETTINGS = {
    "THING_OPERATOR_SESSION__MIN_RECONNECT_INTERVAL": "1s",
    "THING_OPERATOR_SESSION__MAX_BACKOFF": "2s",
    "THING_OPERATOR_STATUS__MIN_INTERVAL": "200ms",
    # No comparison that mends things unseen, unless the test is about it.
    "THING_OPERATOR_RESYNC_INTERVAL": "1h",
}


@pytest.fixture
def meddled(proxy: MeddlingProxy, idle_workspace: Workspace) -> Workspace:
    """Its operator is still to be started; the proxy is there until it has ended."""
    idle_workspace.operator.settings |= SETTINGS | {"KUBECONFIG": str(proxy.kubeconfig)}
    return idle_workspace
