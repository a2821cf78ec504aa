"""Trouble on demand: each kind does what it says, and is over when it is cleared."""

import json
import socket
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection
from typing import Any

import pytest
from tests.support.cloud import Things
from tests.support.devices import Device
from tests.support.polling import eventually

from thing_operator_local.cloud.client import CloudRefusedError, CloudThing, LocalCloud
from thing_operator_local.cloud.control import CloudControl
from thing_operator_local.cloud.faults import Action
from thing_operator_local.cloud.layout import CloudLayout
from thing_operator_local.cloud.shadow_topics import ShadowMessage, ShadowOperation
from thing_operator_local.errors import LocalError
from thing_operator_local.ports import LOOPBACK

UPDATE = {"state": {"desired": {"a": 1}}}


def test_dropped_answer_never_comes_and_the_update_stands(control: CloudControl, device: Device) -> None:
    control.fault(Action.DROP, thing=device.name, kinds=frozenset({ShadowMessage.ACCEPTED}), count=1)
    device.publish(device.topics.update, UPDATE)
    assert set(device.take(2)) == {"update/delta", "update/documents"}
    device.publish(device.topics.update, UPDATE)
    assert device.take(3)["update/accepted"]["version"] == 2


def test_delayed_answer_comes_later(control: CloudControl, device: Device) -> None:
    control.fault(
        Action.DELAY, thing=device.name, kinds=frozenset({ShadowMessage.ACCEPTED}), count=1, seconds=0.3
    )
    started = time.monotonic()
    device.publish(device.topics.update, UPDATE)
    assert set(device.take(2)) == {"update/delta", "update/documents"}
    assert device.next()[0] == "update/accepted"
    assert time.monotonic() - started >= 0.3


def test_duplicated_and_reordered_answers(control: CloudControl, device: Device) -> None:
    control.fault(Action.DUPLICATE, thing=device.name, kinds=frozenset({ShadowMessage.DELTA}), count=1)
    control.fault(Action.REORDER, thing=device.name, count=1)
    device.publish(device.topics.update, UPDATE)
    seen = [device.next()[0] for _ in range(4)]
    assert seen == ["update/accepted", "update/documents", "update/delta", "update/delta"]


@pytest.mark.parametrize("code", [429, 500])
def test_rejection_on_demand_changes_nothing(
    cloud: LocalCloud, control: CloudControl, device: Device, thing: CloudThing, code: int
) -> None:
    control.fault(Action.REJECT, thing=device.name, operation=ShadowOperation.UPDATE, code=code, count=2)
    device.publish(device.topics.update, UPDATE | {"clientToken": "t"})
    topic, answer = device.next()
    assert (topic, answer["code"], answer["clientToken"]) == ("update/rejected", code, "t")
    with pytest.raises(CloudRefusedError) as refused:
        cloud.update_shadow(thing, {"desired": {}})
    assert refused.value.status == code
    assert cloud.get_shadow(thing) is None
    cloud.update_shadow(thing, {"desired": {}})


def test_paused_service_answers_when_it_goes_on(
    control: CloudControl, device: Device, thing: CloudThing
) -> None:
    control.pause()
    device.publish_and_wait(device.topics.update, UPDATE)
    device.publish_and_wait(device.topics.get)
    assert device.messages.empty()
    control.resume()
    assert [device.next()[0] for _ in range(4)][-2:] == ["update/accepted", "get/accepted"]


def test_more_than_ten_requests_in_flight_get_429(control: CloudControl, device: Device) -> None:
    """AWS's limit: 10 unanswered requests per thing (docs/background/aws-iot-shadow.md#limits)."""
    control.pause()
    for number in range(12):
        device.publish_and_wait(device.topics.get, {"clientToken": str(number)})
    control.resume()
    codes = [device.next()[1]["code"] for _ in range(12)]
    assert codes == [404] * 10 + [429] * 2
    device.publish(device.topics.get)
    assert device.next()[1]["code"] == 404, "and room again after the answers"


def test_kick_closes_one_connection(control: CloudControl, device: Device) -> None:
    control.kick(device.name)
    device.expect_closed()
    with pytest.raises(LocalError, match="no such client"):
        control.kick("nobody")


def test_refused_connections_leave_connected_clients_alone(
    cloud: LocalCloud, control: CloudControl, device: Device, thing: CloudThing
) -> None:
    control.refuse_connections()
    with (
        pytest.raises(OSError),
        socket.create_connection((cloud.info.mqtt_host, cloud.info.mqtt_port), timeout=60) as plain,
        ssl.create_default_context(cafile=cloud.info.ca).wrap_socket(
            plain, server_hostname=cloud.info.mqtt_host
        ),
    ):
        pass
    device.publish_and_wait(device.topics.update, UPDATE)
    control.refuse_connections(refuse=False)
    with Device(cloud.info, thing):
        device.expect_closed()


def test_slow_tls(cloud: LocalCloud, control: CloudControl, thing: CloudThing) -> None:
    control.slow_tls(0.4)
    started = time.monotonic()
    with Device(cloud.info, thing):
        assert time.monotonic() - started >= 0.4


def test_forgotten_sessions(cloud: LocalCloud, control: CloudControl, thing: CloudThing) -> None:
    with Device(cloud.info, thing, clean=False) as device:
        assert device.subscribe(device.topics.update_accepted) == [1]

    def kept() -> dict[str, Any] | None:
        found = next(session for session in control.sessions() if session["clientId"] == thing.name)
        return None if found["connected"] else found

    assert eventually(kept, "the broker has noticed the end") == {
        "clientId": thing.name,
        "connected": False,
        "clean": False,
        "keepAlive": 60,
        "subscriptions": [device.topics.update_accepted],
    }
    control.forget_sessions()
    assert thing.name not in {session["clientId"] for session in control.sessions()}
    with Device(cloud.info, thing, clean=False) as device:
        assert not device.session_present
    control.forget_sessions()


def test_restarted_broker_keeps_port_and_shadows(
    cloud: LocalCloud, control: CloudControl, device: Device, thing: CloudThing
) -> None:
    device.publish(device.topics.update, UPDATE)
    device.take(3)
    port = cloud.info.mqtt_port
    control.restart_broker()
    device.expect_closed()
    assert cloud.info.mqtt_port == port
    with Device(cloud.info, thing) as again:
        again.subscribe_all()
        again.publish(again.topics.get)
        assert again.next()[1]["version"] == 1


def test_batches_made_while_the_broker_restarts(cloud: LocalCloud, control: CloudControl) -> None:
    """A certificate that is announced meanwhile waits for the new broker."""

    def restart_often() -> None:
        for _ in range(5):
            control.restart_broker()

    with ThreadPoolExecutor() as pool:
        restarts = pool.submit(restart_often)
        made: dict[str, CloudThing] = {}
        while not restarts.done():
            made |= cloud.things(cloud.create_batch(1, key_type="ec"))
        restarts.result()
    for thing in made.values():
        with Device(cloud.info, thing):
            pass


@pytest.mark.parametrize(("asked", "held"), [(5, 30), (30, 30), (1200, 1200), (1201, 1200), (0, 1200)])
def test_keep_alive_is_clamped(
    cloud: LocalCloud, control: CloudControl, thing: CloudThing, asked: int, held: int
) -> None:
    """30 to 1200 s; 0 and more than 1200 mean 1200, less than 30 means 30.

    Source: docs/background/aws-iot-shadow.md#mqtt-dialect.
    """
    with Device(cloud.info, thing, keep_alive=asked):
        found = [session for session in control.sessions() if session["clientId"] == thing.name]
        assert [session["keepAlive"] for session in found] == [held]


def test_door_is_closed_without_its_token(cloud: LocalCloud) -> None:
    port = json.loads(CloudLayout(cloud.info.ca.parent.parent).control.read_bytes())["port"]
    with closing(HTTPConnection(LOOPBACK, port, timeout=60)) as connection:
        connection.request("GET", "/sessions", headers={"Authorization": "Bearer wrong"})
        assert connection.getresponse().status == 403


def test_two_things_do_not_share_their_trouble(
    cloud: LocalCloud, control: CloudControl, things: Things
) -> None:
    first, second = things(2)
    control.fault(Action.DROP, thing=first.name)
    with Device(cloud.info, first) as hit, Device(cloud.info, second) as spared:
        hit.subscribe_all()
        spared.subscribe_all()
        hit.publish_and_wait(hit.topics.update, UPDATE)
        spared.publish(spared.topics.update, UPDATE)
        spared.take(3)
        eventually(lambda: cloud.get_shadow(first) is not None, "the update to be kept")
        assert hit.messages.empty()
