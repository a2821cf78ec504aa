"""The models tell the same story as the real parts."""

import asyncio
import random
from datetime import timedelta

import pytest
from tests.simulation.api_link import ApiLink
from tests.simulation.api_model import ApiModel
from tests.simulation.api_story import tell
from tests.simulation.loop import SimulatedProcess, run_simulation
from tests.simulation.operators import ProcessClock
from tests.simulation.weather import ApiWeather
from tests.support.clock import START

from thing_operator.core.clock import SystemClock
from thing_operator.kube.client import KubeClient
from thing_operator.kube.contact import Contact
from thing_operator_local.controlplane import ControlPlane

_PATIENCE = timedelta(minutes=1)


async def _story_of_the_model(namespace: str) -> list[str]:
    process = SimulatedProcess("pod", 1)
    clock, model = ProcessClock(process), ApiModel(now=lambda: START, on_write=lambda _write: None)
    link = ApiLink(
        model,
        process,
        dice=random.Random(1),
        weather=ApiWeather(),
        contact=Contact(patience=_PATIENCE, clock=clock),
        on_crossing=lambda _process: None,
        on_status=lambda *_: None,
        on_doubt=lambda *_: None,
    )
    return await tell(link, namespace)


async def _story_of_the_server(plane: ControlPlane, namespace: str) -> list[str]:
    clock = SystemClock()
    contact = Contact(patience=_PATIENCE, clock=clock)
    client = await KubeClient.connect(
        kubeconfig=plane.kubeconfig, kube_context=None, clock=clock, contact=contact
    )
    try:
        return await tell(client, namespace)
    finally:
        await client.close()


@pytest.mark.timeout(120)
def test_the_model_of_the_api_server(control_plane: ControlPlane, namespace: str) -> None:
    """Answers, versions and events, of all that the operator asks."""
    real = asyncio.run(_story_of_the_server(control_plane, namespace))
    assert run_simulation(_story_of_the_model(namespace)) == real
