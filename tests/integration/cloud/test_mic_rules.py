"""MIC on top of the shadows: republish, backdate, observation times, networked children.

Source: docs/background/mic.md#topics-of-a-thing and docs/background/mic.md#networked-things.
"""

import json
import time
from typing import Any

from tests.support.devices import Device

from thing_operator_local.cloud.client import CloudThing, LocalCloud
from thing_operator_local.cloud.layout import CloudLayout


def observations(cloud: LocalCloud, thing: str) -> list[dict[str, Any]]:
    lines = CloudLayout(cloud.info.ca.parent.parent).observations.read_text(encoding="utf-8").splitlines()
    return [found for found in map(json.loads, lines) if found["thing"] == thing]


def test_publish_on_mics_update_topic_reaches_the_shadow(cloud: LocalCloud, thing: CloudThing) -> None:
    with Device(cloud.info, thing) as device:
        device.subscribe_all()
        device.subscribe(device.topics.update)
        body = {"state": {"reported": {"online": 0}}, "clientToken": "w"}
        device.publish(f"tcxn/things/{thing.name}/shadow/update", body)
        answers = device.take(3)
        assert answers["update"] == body, "it comes by on the shadow's own topic"
        assert answers["update/accepted"]["clientToken"] == "w"


def test_the_largest_and_many_messages_pass_the_republish(cloud: LocalCloud, thing: CloudThing) -> None:
    with Device(cloud.info, thing) as device:
        assert device.subscribe(device.topics.update) == [1]
        sent = [b"x" * size for size in (131072, 1, 0, 40_000, 40_000, 131072)]
        for payload in sent:
            device.publish(f"tcxn/things/{thing.name}/shadow/update", payload)
        assert [device.messages.get(timeout=60)[1] for _ in sent] == sent


def test_backdate_is_history_only(cloud: LocalCloud, thing: CloudThing) -> None:
    with Device(cloud.info, thing) as device:
        device.subscribe_all()
        body = {"timestamp": 1759990000000, "state": {"reported": {"temperature": 18.9}}}
        device.publish_and_wait(f"tcxn/things/{thing.name}/shadow/backdate", body)
        device.publish(device.topics.get)
        assert device.next()[1]["code"] == 404, "the shadow is untouched"
    (found,) = observations(cloud, thing.name)
    assert (found["timestamp"], found["source"]) == (1759990000000, "backdate")
    assert found["reported"] == {"temperature": 18.9}


def test_observation_has_the_requests_time_or_the_arrivals(cloud: LocalCloud, thing: CloudThing) -> None:
    before = time.time_ns() // 1_000_000
    with Device(cloud.info, thing) as device:
        device.subscribe_all()
        for body in (
            {"timestamp": 1760000000123, "state": {"reported": {"t": 1}}},
            {"state": {"reported": {"t": 2}}},
            {"state": {"desired": {"t": 3}}},
            {"timestamp": 1760000000999, "state": {"reported": 4}},
        ):
            device.publish(device.topics.update, body)
        answers = [device.next() for _ in range(8)]
    assert answers[-1][0] == "update/rejected"
    given, arrived = observations(cloud, thing.name)
    assert (given["timestamp"], given["reported"]) == (1760000000123, {"t": 1})
    assert before <= given["received"] == given["received"]
    assert arrived["timestamp"] == arrived["received"] >= before


def test_networked_child_uses_its_parents_certificate(cloud: LocalCloud, thing: CloudThing) -> None:
    child = f"{thing.name}__pump"
    with Device(cloud.info, thing) as device:
        own = f"$aws/things/{child}/shadow/update"
        assert device.subscribe(f"{own}/accepted", f"{own}/documents") == [1, 1]
        device.publish(own, {"state": {"reported": {"tcxn": {"thingType": "pump"}, "flow": 11}}})
        device.take(2)
    assert cloud.get_shadow(thing) is None
    found = cloud.get_shadow(CloudThing(child, thing.certificate_pem, thing.private_key_pem))
    assert found is not None
    assert found["state"]["reported"]["flow"] == 11


def test_childs_name_is_no_identity_of_its_own(cloud: LocalCloud, thing: CloudThing) -> None:
    device = Device(cloud.info, thing, client_id=f"{thing.name}__pump").connect()
    assert device.connack == "Not authorized"
    device.client.loop_stop()
