"""The shadow service over real MQTT, from AWS's documentation (D) and live tests (V) as reference 1 marks them."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from tests.fixtures.cloud import Things
from tests.integration.cloud.devices import Device

from thing_operator.local.cloud.client import CloudThing, LocalCloud
from thing_operator.shadow.topics import ShadowTopics

Json = Any


@pytest.fixture
def thing(things: Things) -> CloudThing:
    return things(1)[0]


@pytest.fixture
def device(cloud: LocalCloud, thing: CloudThing) -> Iterator[Device]:
    with Device(cloud.info, thing) as device:
        device.subscribe_all()
        yield device


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


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        pytest.param(b"{", 400, "Invalid JSON", id="D unparsable"),
        pytest.param(b"", 400, "Invalid JSON", id="D empty"),
        pytest.param(b"[]", 400, "Invalid JSON", id="not an object"),
        pytest.param(
            b"\xff", 415, "Unsupported documented encoding; supported encoding is UTF-8", id="D UTF-8"
        ),
        pytest.param({}, 400, "Missing required node: state", id="V embedded cpp 110, 168"),
        pytest.param({"state": "x"}, 400, "State node must be an object", id="D"),
        pytest.param({"state": {"desired": 1}}, 400, "Desired node must be an object", id="D desired"),
        pytest.param({"state": {"reported": "x"}}, 400, "Reported node must be an object", id="D reported"),
        pytest.param({"state": {}, "version": "foo"}, 400, "Invalid version", id="D version"),
        pytest.param({"state": {}, "clientToken": "x" * 65}, 400, "Invalid clientToken", id="D token"),
        pytest.param(
            {"state": {"delta": {}}},
            400,
            "State contains an invalid node: 'delta'",
            id="V shadow-manager 178",
        ),
        pytest.param(
            {"state": {"desired": {"a": "x" * 8200}}},
            413,
            "The payload exceeds the maximum size allowed",
            id="D",
        ),
    ],
)
def test_refused(device: Device, body: Json, code: int, message: str) -> None:
    device.publish(device.topics.update, body)
    topic, answer = device.next()
    assert (topic, answer["code"], answer["message"]) == ("update/rejected", code, message)
    device.publish(device.topics.get)
    assert device.next()[1]["code"] == 404, "nothing came of it"


def test_the_merged_document_counts(device: Device) -> None:
    """V, re:Post and shadow-manager 126: a small update gets 413 when the document would grow too large."""
    update(device, {"state": {"desired": {"a": "x" * 8000}}})
    device.publish(device.topics.update, {"state": {"reported": {"b": "y" * 300}}, "clientToken": "t"})
    topic, answer = device.next()
    assert (topic, answer["code"], answer["clientToken"]) == ("update/rejected", 413, "t")
    update(device, {"state": {"desired": None, "reported": {"b": "y" * 300}}})


def test_answers_of_one_update_belong_together(device: Device) -> None:
    """D 1.3, V embedded-C 32 and 90, python-v2 328: one version and one token on all of them."""
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
    assert "delta" not in documents["current"]["state"], "V ministack 1395"


def test_delta_comes_until_all_is_reported(device: Device) -> None:
    """V AWSCRT.jl, moto: on every accepted update while there is a difference, all of it; none when there is none."""
    assert update(device, {"state": {"desired": {"a": 1, "b": {"c": [1], "d": 2}}}})["delta"]["version"] == 1
    answers = update(device, {"state": {"reported": {"a": 1, "b": {"d": 2}}}})
    assert answers["delta"]["state"] == {"b": {"c": [1]}}
    assert get(device)["state"]["delta"] == {"b": {"c": [1]}}
    assert "delta" not in update(device, {"state": {"reported": {"b": {"c": [1]}, "extra": 1}}})
    document = get(device)
    assert "delta" not in document["state"]
    assert document["state"]["desired"] == {"a": 1, "b": {"c": [1], "d": 2}}, (
        "V embedded-C 143: never cleared"
    )
    assert update(device, {"state": {"reported": {"a": None}}})["delta"]["state"] == {"a": 1}


def test_version_conflict_and_success(device: Device) -> None:
    update(device, {"state": {"desired": {"a": 1}}})
    device.publish(device.topics.update, {"state": {"desired": {"a": 2}}, "version": 2, "clientToken": "t"})
    topic, answer = device.next()
    assert (topic, answer["code"], answer["message"]) == ("update/rejected", 409, "Version conflict")
    assert answer["clientToken"] == "t"
    assert update(device, {"state": {}, "version": 1})["accepted"]["version"] == 2


def test_empty_and_null_states_count_as_updates(device: Device) -> None:
    """V moto test_update_empty_state and others."""
    assert update(device, {"state": {}})["accepted"]["version"] == 1
    assert get(device)["state"] == {}
    assert update(device, {"state": {"desired": {}}})["accepted"]["version"] == 2
    update(device, {"state": {"desired": {"a": 1}, "reported": {"b": 1}}})
    cleared = update(device, {"state": None})["accepted"]
    assert (cleared["state"], cleared["metadata"]) == (None, {"timestamp": cleared["timestamp"]})
    document = get(device)
    assert (document["state"], document["metadata"], document["version"]) == ({}, {}, 4)


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
    assert update(device, {"state": {"desired": {"a": 1}}})["accepted"]["version"] > 1, "D: kept for 48 h"


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
    """D 1.1: only the token tells whose."""
    cloud.update_shadow(thing, {"desired": {"a": 1}})
    answers = device.take(3)
    assert set(answers) == {"update/accepted", "update/delta", "update/documents"}
    assert "clientToken" not in json.dumps(answers)


def test_twenty_requests_a_second_per_thing(cloud: LocalCloud, device: Device, things: Things) -> None:
    """D 1.9: more get 429; another thing is not concerned."""
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
