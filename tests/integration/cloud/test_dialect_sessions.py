"""Who may connect, and what becomes of a session, row by row (docs/background/aws-iot-shadow.md#mqtt-dialect)."""

import json
import socket
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from paho.mqtt.enums import MQTTProtocolVersion
from tests.support import bare_mqtt
from tests.support.bare_tls import context_of, dial
from tests.support.broker_log import Explained
from tests.support.devices import Device, service_identity, tls_context
from tests.support.polling import eventually

from thing_operator_local.cloud.certificates import ThingAuthority, thing_authority
from thing_operator_local.cloud.client import CloudThing, LocalCloud
from thing_operator_local.pki import KeyType

# --- CONNECT


def _connect(cloud: LocalCloud, thing: CloudThing, **settings: Any) -> Device:
    device = Device(cloud.info, thing, **settings).connect()
    device.client.disconnect()
    device.client.loop_stop()
    return device


@pytest.mark.parametrize("client_id", ["other", "", "$thing", "{name}x"])
def test_client_id_other_than_the_thing_is_refused(
    cloud: LocalCloud, thing: CloudThing, client_id: str
) -> None:
    assert _connect(cloud, thing, client_id=client_id.format(name=thing.name)).connack == "Not authorized"


@pytest.mark.parametrize(
    "will",
    [
        pytest.param(("$aws/things/{name}/shadow/update", b"{}", 2, False), id="QoS 2 (espMqttClient 116)"),
        pytest.param(("$aws/things/{name}/shadow/update", b"{}", 1, True), id="retain on a reserved topic"),
        pytest.param(("tcxn/things/other/shadow/update", b"{}", 1, False), id="another's topic"),
    ],
)
def test_will_that_may_not_be_makes_connect_fail(
    cloud: LocalCloud, thing: CloudThing, will: tuple[str, bytes, int, bool]
) -> None:
    device = _connect(cloud, thing, will=(will[0].format(name=thing.name), *will[1:]))
    assert device.connack is None
    assert device.closed


def test_mqtt_3_1_is_refused_as_unacceptable_protocol(cloud: LocalCloud, thing: CloudThing) -> None:
    assert (
        _connect(cloud, thing, protocol=MQTTProtocolVersion.MQTTv31).connack == "Unsupported protocol version"
    )


def test_mqtt_5_is_refused_as_mqtt_5_has_it(
    cloud: LocalCloud, thing: CloudThing, explained: Explained
) -> None:
    """CONNACK with reason 0x84: AWS has MQTT 5, MIC's Thing API has not, and half of it would help nobody."""
    device = _connect(cloud, thing, protocol=MQTTProtocolVersion.MQTTv5)
    assert device.connack == "Unsupported protocol version"
    explained(f'client "{thing.name}"', "protocol level 5")


def test_a_bridge_of_mosquitto_is_a_client_like_others(cloud: LocalCloud, thing: CloudThing) -> None:
    """It sets the highest bit of the protocol level; AWS takes it."""
    context = context_of(cloud, thing)
    with dial(cloud, context) as sock:
        sock.sendall(bare_mqtt.connect(thing.name, level=0x84))
        assert sock.recv(4) == b"\x20\x02\x00\x00"
        topic = f"$aws/things/{thing.name}/shadow/update".encode()
        body = len(topic).to_bytes(2) + topic + b"\x00\x01" + b'{"state":{"reported":{"bridge":1}}}'
        sock.sendall(bytes([0x32, len(body)]) + body)
        assert sock.recv(4) == b"\x40\x02\x00\x01"
    eventually(lambda: cloud.get_shadow(thing) is not None, "the report")


def test_certificate_is_required_and_has_to_be_ours(cloud: LocalCloud, thing: CloudThing) -> None:
    bare = ssl.create_default_context(cafile=cloud.info.ca)
    assert not _is_answered(cloud, bare, thing.name)
    subject = thing_authority(cloud.info.ca.parent).subject
    authority = ThingAuthority.new(subject, not_after=datetime.now(UTC) + timedelta(days=1))
    stranger = authority.thing(KeyType.EC)
    context = tls_context(cloud.info.ca, stranger.certificate.encode(), stranger.private_key.encode())
    assert not _is_answered(cloud, context, thing.name)
    own = context_of(cloud, thing)
    assert _is_answered(cloud, own, thing.name)


def test_clear_text_is_not_answered(cloud: LocalCloud) -> None:
    with socket.create_connection((cloud.info.mqtt_host, cloud.info.mqtt_port), timeout=60) as plain:
        plain.sendall(bare_mqtt.connect("x"))
        assert not plain.recv(100).startswith(b"\x20")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_1_2_and_1_3(cloud: LocalCloud, thing: CloudThing, version: ssl.TLSVersion) -> None:
    context = context_of(cloud, thing)
    context.minimum_version = context.maximum_version = version
    context.set_alpn_protocols(["x-amzn-mqtt-ca"])  # as on port 443
    assert _is_answered(cloud, context, thing.name)


def _is_answered(cloud: LocalCloud, context: ssl.SSLContext, client_id: str) -> bool:
    try:
        with dial(cloud, context) as sock:
            sock.sendall(bare_mqtt.connect(client_id))
            return sock.recv(4) == b"\x20\x02\x00\x00"
    except (ssl.SSLError, ConnectionError):
        return False


# --- sessions


def test_second_connect_takes_over_and_the_first_gets_no_packet(cloud: LocalCloud, thing: CloudThing) -> None:
    """MQTT 3.1.1 knows no DISCONNECT from a server: the first sees its connection end, nothing else."""
    context = context_of(cloud, thing)
    with dial(cloud, context) as first:
        first.sendall(bare_mqtt.connect(thing.name))
        assert first.recv(4) == b"\x20\x02\x00\x00"
        with Device(cloud.info, thing) as second:
            assert first.recv(100) == b""
            second.publish_and_wait(second.topics.update, {"state": {}})


def test_of_many_that_connect_at_once_one_is_left_and_is_served(cloud: LocalCloud, thing: CloudThing) -> None:
    """None may be left that is up, gets nothing, and that no later one ends."""
    for _ in range(10):
        with ExitStack() as running, ThreadPoolExecutor(8) as pool:
            devices = [Device(cloud.info, thing) for _ in range(8)]
            for device in devices:
                running.push(device)
            list(pool.map(Device.connect, devices))
            eventually(lambda: sum(not device.closed for device in devices) == 1, "all but one to be closed")  # noqa: B023
            (left,) = (device for device in devices if not device.closed)
            left.subscribe_all()
            left.publish(left.topics.get)
            assert left.next()[0] == "get/rejected"


def test_takeover_publishes_the_will_of_the_first(cloud: LocalCloud, thing: CloudThing) -> None:
    """The will comes after the new session: docs/background/mic.md#stale-offline-after-a-takeover."""
    will = (f"tcxn/things/{thing.name}/shadow/update", b'{"state":{"reported":{"online":0}}}', 1, False)
    with Device(cloud.info, thing, will=will) as first, Device(cloud.info, thing) as second:
        first.expect_closed()
        eventually(lambda: cloud.get_shadow(thing) is not None, "the will to reach the shadow")
        second.publish(second.topics.get)
    document = cloud.get_shadow(thing)
    assert document is not None
    assert document["state"] == {"reported": {"online": 0}}


def test_will_on_a_shadow_topic_is_routed_and_changes_nothing(cloud: LocalCloud, thing: CloudThing) -> None:
    """AWS documents it; MIC's remedy is the tcxn topic."""
    topic = f"$aws/things/{thing.name}/shadow/update"
    body = {"state": {"reported": {"online": 0}}}
    observer = Device(cloud.info, service_identity(cloud.info), client_id="$observer-will")
    with observer:
        assert observer.subscribe(topic, f"{topic}/accepted") == [1, 1]
        Device(cloud.info, thing, will=(topic, json.dumps(body).encode(), 1, False)).connect().drop()
        assert observer.next() == ("update", body)
    assert cloud.get_shadow(thing) is None


def test_will_on_mics_topic_reaches_the_shadow_and_disconnect_sends_none(
    cloud: LocalCloud, thing: CloudThing
) -> None:
    will = (f"tcxn/things/{thing.name}/shadow/update", b'{"state":{"reported":{"online":0}}}', 1, False)
    observer = Device(cloud.info, service_identity(cloud.info), client_id="$observer-tcxn")
    with observer:
        own = f"$aws/things/{thing.name}/shadow/update"
        assert observer.subscribe(own, f"{own}/accepted", will[0]) == [1, 1, 1]
        with Device(cloud.info, thing, will=will):
            pass  # ends with DISCONNECT
        Device(cloud.info, thing, will=will).connect().drop()
        seen = [observer.next()[0] for _ in range(3)]
        assert seen == ["update", "update", "update/accepted"], (
            "the will, MIC's republish, the answer: once each"
        )
    document = cloud.get_shadow(thing)
    assert document is not None
    assert document["version"] == 1


def test_will_of_no_bytes_is_a_will(cloud: LocalCloud, thing: CloudThing) -> None:
    """MQTT allows it, and mochi by itself refuses its CONNECT."""
    topic = f"tcxn/things/{thing.name}/shadow/backdate"
    with Device(cloud.info, service_identity(cloud.info), client_id="$observer-empty") as observer:
        assert observer.subscribe(topic) == [1]
        device = Device(cloud.info, thing, will=(topic, b"", 1, False)).connect()
        assert device.connack == "Success"
        device.drop()
        assert observer.messages.get(timeout=60) == (topic, b"")


def test_session_that_is_not_clean_is_kept_with_its_messages(cloud: LocalCloud, thing: CloudThing) -> None:
    with Device(cloud.info, thing, clean=False) as device:
        assert not device.session_present
        assert device.subscribe(device.topics.update_accepted) == [1]
    cloud.update_shadow(thing, {"reported": {"a": 1}})
    with Device(cloud.info, thing, clean=False) as device:
        assert device.session_present
        assert device.next()[0] == "update/accepted"
    with Device(cloud.info, thing) as device:
        assert not device.session_present
    with Device(cloud.info, thing, clean=False) as device:
        assert not device.session_present, "a clean one in between ended it"


@pytest.mark.parametrize("direction", ["published", "received"])
def test_more_than_a_hundred_publishes_a_second_are_discarded(
    cloud: LocalCloud, thing: CloudThing, direction: str
) -> None:
    """Of one connection; it stays open, and what comes later is let through again.

    Source: docs/background/aws-iot-shadow.md#mqtt-dialect.
    """
    topic, sent = f"tcxn/things/{thing.name}/shadow/other", 2000
    observer = Device(cloud.info, service_identity(cloud.info), client_id=f"$observer-{direction}")
    with observer, Device(cloud.info, thing) as device:
        source, sink = (device, observer) if direction == "published" else (observer, device)
        assert sink.subscribe(topic) == [1]
        began = time.monotonic()
        for number in range(sent):
            source.publish(topic, {"number": number}, qos=0)
        # SUBACK comes after all that was sent before on the same connection.
        assert source.subscribe(f"{topic}2") == [1]
        assert sink.subscribe(f"{topic}3") == [1]
        most = 100 + 100 * (time.monotonic() - began)
        arrived = sink.messages.qsize()
        assert 100 <= arrived <= most

        def comes_through() -> bool:
            source.publish(topic, {"number": "last"}, qos=0)
            return any(b"last" in sink.messages.get()[1] for _ in range(sink.messages.qsize()))

        eventually(comes_through, "a later message")
        assert not device.closed
