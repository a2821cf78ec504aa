"""The models tell the same story as the real parts."""

import asyncio
import random
from datetime import timedelta

import pytest
from tests.simulation import api_story, broker_story
from tests.simulation.api_link import ApiLink
from tests.simulation.api_model import ApiModel
from tests.simulation.broker_model import BrokerModel
from tests.simulation.broker_story import BrokerWorld
from tests.simulation.identities import identity
from tests.simulation.loop import PROCESS, SimulatedProcess, run_simulation, simulation_loop
from tests.simulation.operators import ProcessClock
from tests.simulation.weather import ApiWeather
from tests.support.api_server import close
from tests.support.clock import START
from tests.support.cloud import Things
from tests.support.pki import identity_of

from thing_operator.core.clock import SystemClock
from thing_operator.credentials import CaBundle
from thing_operator.kube.client import KubeClient
from thing_operator.kube.contact import Contact
from thing_operator.mqtt.keep_alive import KeepAliveTicker
from thing_operator.mqtt.transport import PahoConnector
from thing_operator.session import Endpoint, Identity, SessionSpec
from thing_operator_local.cloud.client import LocalCloud
from thing_operator_local.cloud.control import CloudControl
from thing_operator_local.controlplane import ControlPlane

_PATIENCE = timedelta(minutes=1)
_THINGS = 8
"""Of the broker's story."""


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
        on_refused=lambda _uid: None,
        on_doubt=lambda *_: None,
    )
    return await api_story.tell(link, namespace)


async def _story_of_the_server(plane: ControlPlane, namespace: str) -> list[str]:
    clock = SystemClock()
    contact = Contact(patience=_PATIENCE, clock=clock)
    client = await KubeClient.connect(
        kubeconfig=plane.kubeconfig, kube_context=None, clock=clock, contact=contact
    )
    try:
        return await api_story.tell(client, namespace)
    finally:
        await close(client, plane.kubeconfig)


@pytest.mark.timeout(120)
def test_the_model_of_the_api_server(control_plane: ControlPlane, namespace: str) -> None:
    """Answers, versions and events, of all that the operator asks."""
    real = asyncio.run(_story_of_the_server(control_plane, namespace))
    assert run_simulation(_story_of_the_model(namespace)) == real


async def _story_of_the_broker_model() -> list[str]:
    PROCESS.set(SimulatedProcess("pod", 1))
    broker = BrokerModel(
        dice=random.Random(1),
        clock=simulation_loop().time,
        observer=lambda *_: None,
        on_update=lambda _update: None,
        on_sent=lambda *_: None,
        on_refused=lambda *_: None,
        on_takeover=lambda *_: None,
        on_crossing=lambda _process: None,
    )
    specs = []
    for number in range(_THINGS):
        found = identity(number)
        broker.certificates[found.fingerprint] = f"t{number}"
        shown = Identity(found.certificate_pem, found.key_pem, found.fingerprint)
        specs.append(SessionSpec(f"t{number}", Endpoint("broker", 8883), shown))
    world = BrokerWorld(
        broker,
        tuple(specs),
        create_job=lambda job, thing: broker.jobs.create(job, thing, {"do": "it"}, timeout=None),
        settling=1.0,
    )
    return await broker_story.tell(world)


async def _story_of_the_cloud(cloud: LocalCloud, things: Things, control: CloudControl) -> list[str]:
    info = cloud.info
    endpoint = Endpoint(info.mqtt_host, info.mqtt_port, CaBundle.of(info.ca.read_text(encoding="ascii")))
    keep_alives = KeepAliveTicker(timedelta(minutes=1))
    connector = PahoConnector(keep_alives, message_limit=1 << 20)
    specs = (
        SessionSpec(thing.name, endpoint, identity_of(thing.certificate_pem, thing.private_key_pem))
        for thing in things(_THINGS)
    )
    world = BrokerWorld(
        connector,
        tuple(specs),
        create_job=lambda job, thing: control.create_job(job, {"do": "it"}, things=[thing]),
        settling=0.0,
    )
    try:
        return await broker_story.tell(world)
    finally:
        connector.close()


@pytest.mark.timeout(120)
def test_the_model_of_the_broker(cloud: LocalCloud, things: Things, control: CloudControl) -> None:
    """Versions, deltas, refusals, filters, wills, takeovers, children and jobs."""
    real = asyncio.run(_story_of_the_cloud(cloud, things, control))
    assert run_simulation(_story_of_the_broker_model()) == real
