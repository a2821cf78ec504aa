"""AWS IoT's MQTT 3.1.1 dialect, row by row (docs/background/aws-iot-shadow.md#mqtt-dialect), over real TLS."""

import json
import socket
import ssl
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from paho.mqtt.enums import MQTTProtocolVersion
from tests.support import bare_mqtt
from tests.support.cloud import Things
from tests.support.devices import WITHIN, Device, service_identity, tls_context
from tests.support.polling import eventually

from thing_operator_local.cloud.certificates import ThingAuthority, thing_authority
from thing_operator_local.cloud.client import CloudThing, LocalCloud
from thing_operator_local.cloud.layout import CloudLayout
from thing_operator_local.pki import KeyType


@pytest.fixture
def device(cloud: LocalCloud, thing: CloudThing) -> Iterator[Device]:
    """Connected, and subscribed to nothing yet."""
    with Device(cloud.info, thing) as device:
        yield device


# --- SUBSCRIBE


def test_eight_filters_are_granted_and_nine_close_without_suback(device: Device) -> None:
    filters = [f"$aws/things/{device.name}/shadow/name/n{i}/get/accepted" for i in range(9)]
    assert device.subscribe(*filters[:8]) == [1] * 8
    assert device.subscribe(*filters) == []
    device.expect_closed()


def test_nine_filters_in_unsubscribe_close(device: Device) -> None:
    device.client.unsubscribe([f"$aws/things/{device.name}/shadow/name/n{i}/get" for i in range(9)])
    device.expect_closed()


def test_the_51st_subscription_is_refused_and_the_connection_stays(device: Device) -> None:
    filters = [f"$aws/things/{device.name}/shadow/name/n{i}/get/accepted" for i in range(51)]
    for start in range(0, 48, 8):
        assert device.subscribe(*filters[start : start + 8]) == [1] * 8
    assert device.subscribe(*filters[48:]) == [1, 1, 0x80]
    assert device.subscribe(filters[0]) == [1], "asking again for one that is held counts nothing"
    device.client.unsubscribe(filters[0])
    eventually(lambda: device.subscribe(filters[50]) == [1], "room for another")


@pytest.mark.parametrize(
    "foreign",
    [
        "$aws/things/other/shadow/update/accepted",
        "$aws/things/+/shadow/update/accepted",
        "$aws/things/#",
        "tcxn/things/other/shadow/update",
        "tcxn/#",
        "#",
        "+/things/{name}/shadow/update",
        "$aws/things/{name}x/shadow/update",
        "$aws/events/presence/connected/{name}",
        "$service/#",
        "$share/g/$aws/things/other/shadow/update",
        "$SYS/#",
        "$aws/things/{name}/tunnels/notify",
    ],
)
def test_subscribing_to_what_is_not_ones_own_closes(device: Device, foreign: str) -> None:
    assert device.subscribe(foreign.format(name=device.name)) == []
    device.expect_closed()


@pytest.mark.parametrize("filter_", ["{own}/#/accepted", "{own}/upd+", "{own}/upd#", ""])
def test_an_invalid_filter_closes_without_suback(cloud: LocalCloud, thing: CloudThing, filter_: str) -> None:
    """As MQTT has a server do with what breaks its rules; paho would not send it."""
    context = tls_context(cloud.info.ca, thing.certificate_pem, thing.private_key_pem)
    with _dial(cloud, context) as sock:
        sock.sendall(bare_mqtt.connect(thing.name))
        assert sock.recv(4) == b"\x20\x02\x00\x00"
        sock.sendall(bare_mqtt.subscribe([filter_.format(own=f"$aws/things/{thing.name}/shadow")]))
        assert sock.recv(10) == b""
    log, who = CloudLayout(cloud.folder).broker_log, f'client "{thing.name}"'
    eventually(lambda: _said(log.read_text(), who, "filter"), "the reason in the log")


def test_wildcards_below_ones_own_shadow_are_granted(device: Device) -> None:
    name = device.name
    own = [f"$aws/things/{name}/shadow/#", f"$aws/things/{name}/shadow/+/accepted"]
    children = [f"$aws/things/{name}__pump/shadow/update/accepted"]
    assert device.subscribe(*own, *children) == [1, 1, 1]


def test_subscribe_with_qos_2_closes_without_suback(device: Device) -> None:
    assert device.subscribe(device.topics.get_accepted, qos=2) == []
    device.expect_closed()


def test_hash_does_not_match_its_parent_level(device: Device) -> None:
    """AWS: ``a/#`` matches ``a/b`` and not ``a``, unlike MQTT says."""
    assert device.subscribe(f"{device.topics.update}/#") == [1]
    device.publish(device.topics.update, {"state": {"reported": {"a": 1}}})
    assert set(device.take(2)) == {"update/documents", "update/accepted"}
    assert device.subscribe(device.topics.update) == [1], "the parent level can be had by itself"
    device.publish(device.topics.update, {"state": {"reported": {"a": 2}}})
    assert set(device.take(3)) == {"update", "update/documents", "update/accepted"}


def test_first_level_wildcards_do_not_match_dollar_topics(cloud: LocalCloud, things: Things) -> None:
    (thing,) = things(1)
    observer = Device(cloud.info, service_identity(cloud.info), client_id="$observer-wild")
    with observer, Device(cloud.info, thing) as device:
        assert observer.subscribe("#", "+/things/+/shadow/update") == [1, 1]
        device.publish_and_wait(device.topics.update, {"state": {}})
        device.publish_and_wait(f"tcxn/things/{thing.name}/shadow/backdate", {"state": {}})
        assert observer.messages.get(timeout=60)[0] == f"tcxn/things/{thing.name}/shadow/backdate"


# --- PUBLISH


@pytest.mark.parametrize("qos", [0, 1])
@pytest.mark.parametrize(
    "foreign",
    [
        "$aws/things/other/shadow/update",
        "$aws/things/{name}/tunnels/notify",
        "$aws/things/{name}x/shadow/update",
        "$aws/things/{name}__/shadow/update",
        "tcxn/things/other/shadow/update",
        "thing-update/root/{name}",
        "any/topic",
        "$service/$aws/things/{name}/shadow/update",
    ],
)
def test_publishing_to_what_is_not_ones_own_closes_without_puback(
    device: Device, foreign: str, qos: int
) -> None:
    packet = device.publish(foreign.format(name=device.name), qos=qos)
    device.expect_closed()
    assert qos == 0 or packet not in device.published


def test_job_topics_are_ones_own(cloud: LocalCloud, device: Device) -> None:
    """What may be subscribed to may be published to; what is no request is answered by nobody, which the log says."""
    jobs = f"$aws/things/{device.name}/jobs"
    assert device.subscribe(
        f"{jobs}/notify-next", f"{jobs}/$next/get/accepted", f"{jobs}/+/update/rejected"
    ) == [
        1,
        1,
        1,
    ]
    device.publish_and_wait(f"{jobs}/$next/get", {"clientToken": "mine"})
    topic, payload = device.messages.get(timeout=WITHIN)
    assert (topic, json.loads(payload)["clientToken"]) == (f"{jobs}/$next/get/accepted", "mine")
    device.publish_and_wait(f"{jobs}/notify-next", {})
    log = CloudLayout(cloud.folder).broker_log
    eventually(lambda: f'{jobs}/notify-next": nothing answers' in log.read_text(), "the reason in the log")


def test_qos_2_publish_closes(device: Device) -> None:
    device.publish(device.topics.get, qos=2)
    device.expect_closed()
    assert not device.published


def test_retain_on_a_reserved_topic_closes(device: Device) -> None:
    device.publish(device.topics.update, {"state": {}}, retain=True)
    device.expect_closed()


def test_payload_of_128_kib_passes_and_one_more_byte_closes(device: Device) -> None:
    topic = f"$aws/things/{device.name}/shadow/update/anything"
    device.publish_and_wait(topic, b"x" * 131072)
    device.publish(topic, b"x" * 131073)
    device.expect_closed()


def test_seven_slashes_pass_and_eight_close(device: Device) -> None:
    prefix = f"$aws/things/{device.name}/shadow"
    device.publish_and_wait(f"{prefix}/name/n/update/accepted")
    device.publish(f"{prefix}/name/n/update/accepted/x")
    device.expect_closed()


def test_topic_of_256_bytes_passes_and_one_more_closes(device: Device) -> None:
    prefix = f"$aws/things/{device.name}/shadow/"
    device.publish_and_wait(prefix + "x" * (256 - len(prefix)))
    device.publish(prefix + "x" * (257 - len(prefix)))
    device.expect_closed()


def test_response_topics_published_by_clients_are_routed_and_not_processed(device: Device) -> None:
    device.subscribe_all()
    for topic in (device.topics.update_accepted, device.topics.update_documents, device.topics.get_accepted):
        device.publish(topic, {"mine": True})
        assert device.next()[1] == {"mine": True}
    device.publish(device.topics.get)
    assert device.next()[0] == "get/rejected", "no shadow came of it"


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


def test_mqtt_5_is_refused_as_mqtt_5_has_it(cloud: LocalCloud, thing: CloudThing) -> None:
    """CONNACK with reason 0x84: AWS has MQTT 5, MIC's Thing API has not, and half of it would help nobody."""
    device = _connect(cloud, thing, protocol=MQTTProtocolVersion.MQTTv5)
    assert device.connack == "Unsupported protocol version"
    log = CloudLayout(cloud.folder).broker_log
    why = f'client "{thing.name}"'
    eventually(lambda: _said(log.read_text(), why, "protocol level 5"), "the reason in the log")


def test_a_bridge_of_mosquitto_is_a_client_like_others(cloud: LocalCloud, thing: CloudThing) -> None:
    """It sets the highest bit of the protocol level; AWS takes it."""
    context = tls_context(cloud.info.ca, thing.certificate_pem, thing.private_key_pem)
    with _dial(cloud, context) as sock:
        sock.sendall(_connect_packet(thing.name, level=0x84))
        assert sock.recv(4) == b"\x20\x02\x00\x00"
        topic = f"$aws/things/{thing.name}/shadow/update".encode()
        body = len(topic).to_bytes(2) + topic + b"\x00\x01" + b'{"state":{"reported":{"bridge":1}}}'
        sock.sendall(bytes([0x32, len(body)]) + body)
        assert sock.recv(4) == b"\x40\x02\x00\x01"
    eventually(lambda: cloud.get_shadow(thing) is not None, "the report")


def _said(log: str, *words: str) -> bool:
    return any(all(word in line for word in words) for line in log.splitlines())


def test_certificate_is_required_and_has_to_be_ours(cloud: LocalCloud, thing: CloudThing) -> None:
    bare = ssl.create_default_context(cafile=cloud.info.ca)
    assert not _is_answered(cloud, bare, thing.name)
    subject = thing_authority(cloud.info.ca.parent).subject
    authority = ThingAuthority.new(subject, not_after=datetime.now(UTC) + timedelta(days=1))
    stranger = authority.thing(KeyType.EC)
    context = tls_context(cloud.info.ca, stranger.certificate.encode(), stranger.private_key.encode())
    assert not _is_answered(cloud, context, thing.name)
    own = tls_context(cloud.info.ca, thing.certificate_pem, thing.private_key_pem)
    assert _is_answered(cloud, own, thing.name)


def test_clear_text_is_not_answered(cloud: LocalCloud) -> None:
    with socket.create_connection((cloud.info.mqtt_host, cloud.info.mqtt_port), timeout=60) as plain:
        plain.sendall(_connect_packet("x"))
        assert not plain.recv(100).startswith(b"\x20")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_1_2_and_1_3(cloud: LocalCloud, thing: CloudThing, version: ssl.TLSVersion) -> None:
    context = tls_context(cloud.info.ca, thing.certificate_pem, thing.private_key_pem)
    context.minimum_version = context.maximum_version = version
    context.set_alpn_protocols(["x-amzn-mqtt-ca"])  # as on port 443
    assert _is_answered(cloud, context, thing.name)


def _is_answered(cloud: LocalCloud, context: ssl.SSLContext, client_id: str) -> bool:
    try:
        with _dial(cloud, context) as sock:
            sock.sendall(_connect_packet(client_id))
            return sock.recv(4) == b"\x20\x02\x00\x00"
    except (ssl.SSLError, ConnectionError):
        return False


def _dial(cloud: LocalCloud, context: ssl.SSLContext) -> ssl.SSLSocket:
    plain = socket.create_connection((cloud.info.mqtt_host, cloud.info.mqtt_port), timeout=60)
    try:
        return context.wrap_socket(plain, server_hostname=cloud.info.mqtt_host)
    except BaseException:
        plain.close()
        raise


def _connect_packet(client_id: str, *, level: int = 4) -> bytes:
    name = client_id.encode()
    body = b"\x00\x04MQTT" + bytes([level]) + b"\x02\x00\x3c" + len(name).to_bytes(2, "big") + name
    return bytes([0x10, len(body)]) + body


# --- sessions


def test_second_connect_takes_over_and_the_first_gets_no_packet(cloud: LocalCloud, thing: CloudThing) -> None:
    """MQTT 3.1.1 knows no DISCONNECT from a server: the first sees its connection end, nothing else."""
    context = tls_context(cloud.info.ca, thing.certificate_pem, thing.private_key_pem)
    with _dial(cloud, context) as first:
        first.sendall(_connect_packet(thing.name))
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
