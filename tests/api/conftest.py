"""What the tests of the controller's infrastructure need of the real API server."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

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
    async with asyncio.timeout(60):
        for kind in (THINGS, BATCHES):
            while not await is_served(connected, kind):  # noqa: ASYNC110 - the server tells nobody
                await asyncio.sleep(0.1)
    yield connected
    await connected.close()


@pytest.fixture
def until() -> Callable[..., object]:
    """Polls until a condition holds."""

    async def poll(condition: Callable[[], object], *, seconds: float = 60) -> None:
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110 - a test's own polling
                await asyncio.sleep(0.02)

    return poll
