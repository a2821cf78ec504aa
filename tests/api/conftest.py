"""What the tests of the controller's infrastructure need of the real API server."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from thing_operator.controller.kube import KubeClient
from thing_operator.local.controlplane import ControlPlane


@pytest.fixture
async def client(control_plane: ControlPlane) -> AsyncIterator[KubeClient]:
    """An administrator."""
    connected = await KubeClient.connect(kubeconfig=control_plane.kubeconfig)
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
