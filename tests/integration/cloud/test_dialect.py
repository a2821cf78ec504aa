"""What a client may subscribe to and publish over TLS, row by row (docs/background/aws-iot-shadow.md#mqtt-dialect)."""

import json
from collections.abc import Iterator

import pytest
from tests.support import bare_mqtt
from tests.support.bare_tls import context_of, dial
from tests.support.broker_log import Explained
from tests.support.cloud import Things
from tests.support.devices import WITHIN, Device, service_identity
from tests.support.polling import eventually

from thing_operator_local.cloud.client import CloudThing, LocalCloud


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
def test_an_invalid_filter_closes_without_suback(
    cloud: LocalCloud, thing: CloudThing, explained: Explained, filter_: str
) -> None:
    """As MQTT has a server do with what breaks its rules; paho would not send it."""
    context = context_of(cloud, thing)
    with dial(cloud, context) as sock:
        sock.sendall(bare_mqtt.connect(thing.name))
        assert sock.recv(4) == b"\x20\x02\x00\x00"
        sock.sendall(bare_mqtt.subscribe([filter_.format(own=f"$aws/things/{thing.name}/shadow")]))
        assert sock.recv(10) == b""
    explained(f'client "{thing.name}"', "filter")


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


def test_job_topics_are_ones_own(device: Device, explained: Explained) -> None:
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
    explained(f'{jobs}/notify-next": nothing answers')


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
