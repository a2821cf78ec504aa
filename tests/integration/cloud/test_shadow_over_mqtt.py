"""The shadow service over real MQTT, after AWS's documentation and live tests of others.

Source: docs/background/aws-iot-shadow.md.
"""

import json
import time
from typing import Any

from tests.support.cloud import Things
from tests.support.devices import Device

from thing_operator.shadow.topics import ShadowTopics
from thing_operator_local.cloud.client import CloudThing, LocalCloud

Json = Any


def update(device: Device, body: Json) -> dict[str, Json]:
    """Ask for an update that is accepted; its answers by the last level of their topics."""
    device.publish(device.topics.update, body)
    answers: dict[str, Json] = {}
    while "accepted" not in answers:
        topic, answer = device.next()
        assert topic != "update/rejected", answer
        answers[topic.rpartition("/")[2]] = answer
    return answers


def get(device: Device) -> Json:
    device.publish(device.topics.get)
    topic, document = device.next()
    assert topic == "get/accepted"
    return document


def test_answers_of_one_update_belong_together(device: Device) -> None:
    """One version and one token on all of them (docs/background/aws-iot-shadow.md#answers)."""
    update(device, {"state": {"desired": {"mode": "auto"}, "reported": {"mode": "auto"}}})
    body = {"state": {"desired": {"limits": {"min": 4}}}, "version": 1, "clientToken": "op-7f3a"}
    answers = update(device, body)
    now = answers["accepted"]["timestamp"]
    assert answers["accepted"] == {
        "state": {"desired": {"limits": {"min": 4}}},
        "metadata": {"desired": {"limits": {"min": {"timestamp": now}}}},
        "version": 2,
        "timestamp": now,
        "clientToken": "op-7f3a",
    }
    assert answers["delta"] == {
        "state": {"limits": {"min": 4}},
        "metadata": {"limits": {"min": {"timestamp": now}}},
        "version": 2,
        "timestamp": now,
        "clientToken": "op-7f3a",
    }
    documents = answers["documents"]
    assert (documents["clientToken"], documents["timestamp"]) == ("op-7f3a", now)
    assert documents["previous"]["version"] == 1
    assert documents["previous"]["state"] == {"desired": {"mode": "auto"}, "reported": {"mode": "auto"}}
    assert documents["current"]["version"] == 2
    assert documents["current"]["state"]["desired"] == {"mode": "auto", "limits": {"min": 4}}
    assert "delta" not in documents["current"]["state"], "documents carry no delta"


def test_delta_comes_until_all_is_reported(device: Device) -> None:
    """On every accepted update while there is a difference, all of it; else none.

    Source: docs/background/aws-iot-shadow.md#delta.
    """
    assert update(device, {"state": {"desired": {"a": 1, "b": {"c": [1], "d": 2}}}})["delta"]["version"] == 1
    answers = update(device, {"state": {"reported": {"a": 1, "b": {"d": 2}}}})
    assert answers["delta"]["state"] == {"b": {"c": [1]}}
    assert get(device)["state"]["delta"] == {"b": {"c": [1]}}
    assert "delta" not in update(device, {"state": {"reported": {"b": {"c": [1]}, "extra": 1}}})
    document = get(device)
    assert "delta" not in document["state"]
    assert document["state"]["desired"] == {"a": 1, "b": {"c": [1], "d": 2}}, "AWS never clears desired"
    assert update(device, {"state": {"reported": {"a": None}}})["delta"]["state"] == {"a": 1}


def test_delete_and_begin_again(device: Device) -> None:
    update(device, {"state": {"desired": {"a": 1}}})
    device.publish(device.topics.delete, {"clientToken": "d-1"})
    topic, answer = device.next()
    assert topic == "delete/accepted"
    assert set(answer) == {"version", "timestamp", "clientToken"}
    for ask in (device.topics.get, device.topics.delete):
        device.publish(ask, {"clientToken": "again", "other": "is ignored"})
        topic, answer = device.next()
        assert (answer["code"], answer["clientToken"]) == (404, "again")
        assert answer["message"].startswith("No shadow exists with name: ")
    assert update(device, {"state": {"desired": {"a": 1}}})["accepted"]["version"] > 1, "kept for 48 h"


def test_named_shadow_has_topics_and_versions_of_its_own(device: Device) -> None:
    update(device, {"state": {"desired": {"a": 1}}})
    named = ShadowTopics(device.name, "config")
    assert (
        device.subscribe(named.update_accepted, named.update_delta, named.get_accepted, named.get_rejected)
        == [1] * 4
    )
    device.publish(named.get)
    assert device.next()[0] == "name/config/get/rejected"
    device.publish(named.update, {"state": {"desired": {"b": 1}}})
    answers = device.take(2)
    assert answers["name/config/update/accepted"]["version"] == 1
    assert answers["name/config/update/delta"]["state"] == {"b": 1}
    assert get(device)["state"]["desired"] == {"a": 1}


def test_everybody_sees_everybodys_answers(cloud: LocalCloud, device: Device, thing: CloudThing) -> None:
    """Only the token tells whose (docs/background/aws-iot-shadow.md#topics)."""
    cloud.update_shadow(thing, {"desired": {"a": 1}})
    answers = device.take(3)
    assert set(answers) == {"update/accepted", "update/delta", "update/documents"}
    assert "clientToken" not in json.dumps(answers)


def test_twenty_requests_a_second_per_thing(cloud: LocalCloud, device: Device, things: Things) -> None:
    """More get 429; another thing is not concerned (docs/background/aws-iot-shadow.md#limits)."""
    codes = []
    started = time.monotonic()
    for _ in range(30):
        device.publish(device.topics.get)
        codes.append(device.next()[1]["code"])
    assert codes[:20] == [404] * 20
    if time.monotonic() - started < 1:  # else the machine was too slow to ask so often
        assert set(codes[20:]) == {429}
    (other,) = things(1)
    assert cloud.get_shadow(other) is None
