"""What the tests of the operator's ``kube`` package need of the real API server."""

from collections.abc import AsyncIterator

import pytest
from tests.support.api_server import close
from tests.support.polling import until

from thing_operator.api.names import BATCHES, THINGS
from thing_operator.core.errors import TransientError
from thing_operator.core.resource import Resource
from thing_operator.kube.client import KubeClient
from thing_operator.kube.errors import NotFoundError
from thing_operator_local.controlplane import ControlPlane


async def is_served(client: KubeClient, kind: Resource) -> bool:
    try:
        await client.list(kind)
    except (TransientError, NotFoundError):
        return False
    return True


@pytest.fixture
async def client(control_plane: ControlPlane) -> AsyncIterator[KubeClient]:
    """An administrator, when the API server serves our kinds: just started, it says for a moment that it will soon."""
    connected = await KubeClient.connect(kubeconfig=control_plane.kubeconfig)
    for kind in (THINGS, BATCHES):
        await until(lambda: is_served(connected, kind), f"{kind.plural} are served")  # noqa: B023 - awaited here
    yield connected
    await close(connected, control_plane.kubeconfig)
