"""The shadow service's rules, each row with its source (marks of reference aws-iot-shadow.md)."""

import json
from typing import Any

import pytest
from hypothesis import given
from tests.unit.shadow.strategies import objects

from thing_operator.shadow.documents import EMPTY_DOCUMENT
from thing_operator.shadow.merging import difference, merge
from thing_operator.shadow.messages import (
    decode_accepted,
    decode_documents,
    decode_get_accepted,
    encode_update,
)
from thing_operator.shadow.service import Options, Outcome, ShadowRequest, ShadowService
from thing_operator.shadow.topics import Operation
from thing_operator.shadow.values import json_equal

Json = Any
THING = "t1"


class Clock:
    def __init__(self) -> None:
        self.now = 1_790_000_000.0

    def __call__(self) -> float:
        return self.now


class Cloud:
    """A service with one thing, and answers as JSON."""

    def __init__(self, options: Options | None = None) -> None:
        self.clock = Clock()
        self.service = ShadowService(self.clock, options or Options(requests_per_second=None))

    def send(self, operation: Operation, body: Json = None, *, shadow: str | None = None) -> Outcome:
        payload = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        return self.service.handle(ShadowRequest(THING, shadow, operation, payload))

    def update(self, body: Json, *, shadow: str | None = None) -> Outcome:
        return self.send(Operation.UPDATE, body, shadow=shadow)

    def state(self, *, shadow: str | None = None) -> Json:
        return json.loads(self.send(Operation.GET, shadow=shadow).payload)["state"]

    def version(self) -> int:
        return int(json.loads(self.send(Operation.GET).payload)["version"])


def published(outcome: Outcome) -> dict[str, Json]:
    return {
        publication.topic.rsplit("/", 1)[1]: json.loads(publication.payload)
        for publication in outcome.publications
    }


@pytest.fixture
def cloud() -> Cloud:
    return Cloud()


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        pytest.param(b"{", 400, "Invalid JSON", id="D 1.8 unparsable"),
        pytest.param(b'{"state":{"desired":{"a":NaN}}}', 400, "Invalid JSON", id="D 1.8 NaN"),
        pytest.param(b'{"state":{"desired":{"a":1e999}}}', 400, "Invalid JSON", id="I 1.8 infinite"),
        pytest.param(b"\xff\xfe", 415, "Unsupported documented encoding", id="D 1.8 not UTF-8"),
        pytest.param({}, 400, "Missing required node: state", id="V embedded cpp 110"),
        pytest.param({"state": 1}, 400, "State node must be an object", id="D 1.8"),
        pytest.param({"state": []}, 400, "State node must be an object", id="D 1.8 array"),
        pytest.param({"state": {"desired": 1}}, 400, "Desired node must be an object", id="D 1.8 desired"),
        pytest.param({"state": {"reported": []}}, 400, "Reported node must be an object", id="D 1.8"),
        pytest.param(
            {"state": {"delta": {}}}, 400, "State contains an invalid node: 'delta'", id="V PR 178"
        ),
        pytest.param({"state": {}, "version": None}, 400, "Invalid version", id="D version null"),
        pytest.param({"state": {}, "version": "foo"}, 400, "Invalid version", id="D version text"),
        pytest.param({"state": {}, "version": True}, 400, "Invalid version", id="version boolean"),
        pytest.param({"state": {}, "version": 9}, 409, "Version conflict", id="D 409"),
        pytest.param({"state": {}, "version": 0}, 409, "Version conflict", id="G probe below"),
        pytest.param({"state": {}, "clientToken": "x" * 65}, 400, "Invalid clientToken", id="D 64 bytes"),
        pytest.param({"state": {}, "clientToken": "ø" * 33}, 400, "Invalid clientToken", id="bytes"),
        pytest.param({"state": {"desired": {"a": [None]}}}, 400, "Invalid JSON", id="D null in array"),
        pytest.param(
            {"state": {"desired": {"a": "x" * 8192}}},
            413,
            "The payload exceeds the maximum size allowed",
            id="D 1.9 size",
        ),
    ],
)  # fmt: skip
def test_refusals(cloud: Cloud, body: Json, code: int, message: str) -> None:
    cloud.update({"state": {"desired": {"k": 1}}})
    outcome = cloud.update(body)
    answer = json.loads(outcome.payload)
    assert (outcome.accepted, outcome.code, answer["code"]) == (False, code, code)
    assert answer["message"].startswith(message)
    assert list(published(outcome)) == ["rejected"]
    assert cloud.version() == 1


def nested(depth: int) -> Json:
    value: Json = 1
    for _ in range(depth):
        value = {"k": value}
    return value


def test_depth_counts_keys_below_the_section() -> None:
    cloud = Cloud(Options(max_depth=6, requests_per_second=None))
    assert cloud.update({"state": {"desired": nested(6)}}).accepted
    answer = json.loads(cloud.update({"state": {"desired": nested(7)}}).payload)
    assert answer["message"] == "JSON contains too many levels of nesting; maximum is 6"


def test_a_refusal_echoes_the_token(cloud: Cloud) -> None:
    outcome = cloud.update({"state": 1, "clientToken": "op-1"})
    assert json.loads(outcome.payload)["clientToken"] == "op-1"


@pytest.mark.parametrize(
    ("first", "then", "state"),
    [
        pytest.param({"a": 1}, {"b": 2}, {"a": 1, "b": 2}, id="D absent untouched"),
        pytest.param({"a": {"x": 1}}, {"a": {"y": 2}}, {"a": {"x": 1, "y": 2}}, id="D objects merge"),
        pytest.param({"a": 1}, {"a": {"x": 1}}, {"a": {"x": 1}}, id="D type may change"),
        pytest.param({"a": 1}, {"a": {}}, {"a": {}}, id="V {} over scalar"),
        pytest.param({"a": {"x": 1}}, {"a": {}}, {"a": {"x": 1}}, id="I {} over object"),
        pytest.param({}, {"a": {}}, {"a": {}}, id="V {} over nothing"),
        pytest.param({"a": [1, 2]}, {"a": [3]}, {"a": [3]}, id="D arrays whole"),
        pytest.param({"a": 1, "b": 2}, {"a": None}, {"b": 2}, id="D null removes"),
        pytest.param({"a": 1}, {"z": None}, {"a": 1}, id="D null for absent"),
        pytest.param({"a": {"x": 1}, "b": 1}, {"a": {"x": None}}, {"a": {}, "b": 1}, id="G parent stays"),
        pytest.param({}, {"a": {"x": None, "y": 1}}, {"a": {"y": 1}}, id="I null in new object"),
    ],
)
def test_merge(cloud: Cloud, first: Json, then: Json, state: Json) -> None:
    cloud.update({"state": {"desired": first}})
    assert cloud.update({"state": {"desired": then}}).accepted
    assert cloud.state()["desired"] == state


@pytest.mark.parametrize("value", ["123456789012345678901234567890", "-1e-320", r'"\ud800"', r'"\u0000"'])
def test_what_is_hard_to_write_comes_back_as_it_was(cloud: Cloud, value: str) -> None:
    outcome = cloud.update(b'{"state":{"desired":{"a":%s}}}' % value.encode())
    assert outcome.accepted
    assert cloud.state()["desired"] == {"a": json.loads(value)}


def test_null_for_the_last_key_of_a_section_removes_the_section(cloud: Cloud) -> None:
    cloud.update({"state": {"desired": {"a": 1}, "reported": {"a": 1}}})
    cloud.update({"state": {"desired": {"a": None}}})
    assert cloud.state() == {"reported": {"a": 1}}


@pytest.mark.parametrize("section", ["desired", "reported"])
def test_null_section_is_removed(cloud: Cloud, section: str) -> None:
    cloud.update({"state": {"desired": {"a": 1}, "reported": {"a": 1}}})
    assert cloud.update({"state": {section: None}}).accepted
    assert section not in cloud.state()


@pytest.mark.parametrize("body", [{"state": {}}, {"state": {"desired": {}}}, {"state": None}])
def test_updates_without_content_count(cloud: Cloud, body: Json) -> None:
    """V: accepted, version + 1, and on a missing shadow it creates version 1 with state {}."""
    assert cloud.update(body).accepted
    assert cloud.state() == {}
    cloud.update(body)
    assert cloud.version() == 2


def test_state_null_clears_and_has_its_own_answer(cloud: Cloud) -> None:
    cloud.update({"state": {"desired": {"a": 1}, "reported": {"b": 1}}})
    answer = json.loads(cloud.update({"state": None}).payload)
    assert answer["state"] is None
    assert answer["metadata"] == {"timestamp": 1_790_000_000}
    assert cloud.state() == {}


def test_accepted_says_what_the_request_named(cloud: Cloud) -> None:
    cloud.update({"state": {"desired": {"mode": "auto"}}})
    answer = json.loads(
        cloud.update({"state": {"desired": {"limits": {"min": 4}}}, "clientToken": "op"}).payload
    )
    assert answer == {
        "state": {"desired": {"limits": {"min": 4}}},
        "metadata": {"desired": {"limits": {"min": {"timestamp": 1_790_000_000}}}},
        "version": 2,
        "timestamp": 1_790_000_000,
        "clientToken": "op",
    }


def test_delta_on_every_accepted_update_while_there_is_one(cloud: Cloud) -> None:
    first = published(cloud.update({"state": {"desired": {"a": 1, "b": 2}}, "clientToken": "x"}))
    assert first["delta"]["state"] == {"a": 1, "b": 2}
    assert first["delta"]["clientToken"] == "x"
    half = published(cloud.update({"state": {"reported": {"a": 1}}}))
    assert half["delta"]["state"] == {"b": 2}
    assert half["delta"]["metadata"] == {"b": {"timestamp": 1_790_000_000}}
    whole = published(cloud.update({"state": {"reported": {"b": 2.0}}}))
    assert "delta" not in whole
    assert half["delta"]["version"] == half["accepted"]["version"] == half["documents"]["current"]["version"]


def test_documents_has_before_and_after_also_when_nothing_changed(cloud: Cloud) -> None:
    first = published(cloud.update({"state": {"desired": {"a": 1}}}))["documents"]
    assert first["previous"] is None
    again = published(cloud.update({"state": {"desired": {"a": 1}}}))["documents"]
    assert again["previous"]["state"] == again["current"]["state"] == {"desired": {"a": 1}}
    assert (again["previous"]["version"], again["current"]["version"]) == (1, 2)


def test_only_named_fields_get_a_new_time(cloud: Cloud) -> None:
    cloud.update({"state": {"desired": {"a": {"x": 1, "y": 2}, "l": [1, {"z": 2}]}}})
    cloud.clock.now += 10
    cloud.update({"state": {"desired": {"a": {"x": 1}}}})
    metadata = json.loads(cloud.send(Operation.GET).payload)["metadata"]["desired"]
    old, new = {"timestamp": 1_790_000_000}, {"timestamp": 1_790_000_010}
    assert metadata == {"a": {"x": new, "y": old}, "l": [old, {"z": old}]}


def test_version_is_a_compare_and_set(cloud: Cloud) -> None:
    cloud.update({"state": {}})
    assert cloud.update({"state": {}, "version": 1}).accepted
    assert cloud.update({"state": {}, "version": 1}).code == 409


@pytest.mark.parametrize("operation", [Operation.GET, Operation.DELETE])
def test_404_for_no_shadow(cloud: Cloud, operation: Operation) -> None:
    outcome = cloud.send(operation, {"clientToken": "g"})
    answer = json.loads(outcome.payload)
    assert (answer["code"], answer["clientToken"]) == (404, "g")
    assert answer["message"] == "No shadow exists with name: 't1'"


def test_the_version_is_remembered_48_hours_after_a_deletion(cloud: Cloud) -> None:
    cloud.update({"state": {"desired": {"a": 1}}})
    answer = json.loads(cloud.send(Operation.DELETE).payload)
    assert answer["version"] == 1
    cloud.clock.now += 48 * 3600 - 1
    cloud.update({"state": {}})
    assert cloud.version() == 3
    assert cloud.state() == {}
    cloud.send(Operation.DELETE)
    cloud.clock.now += 48 * 3600
    cloud.update({"state": {}})
    assert cloud.version() == 1


def test_named_shadows_are_documents_of_their_own(cloud: Cloud) -> None:
    cloud.update({"state": {"desired": {"a": 1}}})
    cloud.update({"state": {"desired": {"b": 1}}}, shadow="config")
    assert cloud.state(shadow="config") == {"desired": {"b": 1}, "delta": {"b": 1}}
    assert cloud.service.list_named(THING) == ["config"]
    cloud.send(Operation.DELETE, shadow="config")
    assert cloud.service.list_named(THING) == []
    assert "desired" in cloud.state()


def test_rate_per_thing() -> None:
    cloud = Cloud(Options(requests_per_second=20))
    codes = [cloud.send(Operation.GET).code for _ in range(21)]
    assert codes == [404] * 20 + [429]
    refused = cloud.send(Operation.UPDATE, {"state": {}, "clientToken": "op-1"})
    assert (refused.code, json.loads(refused.payload)["clientToken"]) == (429, "op-1")
    cloud.clock.now += 1.01
    assert cloud.send(Operation.GET).code == 404


def test_export_and_load_keep_everything(cloud: Cloud) -> None:
    cloud.update({"state": {"desired": {"a": 1}}})
    cloud.send(Operation.DELETE)
    kept = cloud.service.export(THING, None)
    other = Cloud()
    other.service.load(iter([json.loads(json.dumps(kept))]))
    other.update({"state": {}})
    assert other.version() == 3


@given(objects(), objects(), objects())
def test_a_client_follows_the_service_by_accepted_alone(
    desired: dict[str, Any], reported: dict[str, Any], more: dict[str, Any]
) -> None:
    """What the operator makes of ``accepted`` is what ``documents`` and ``get`` say."""
    cloud = Cloud(Options(requests_per_second=None, document_limit=10**6))
    document = EMPTY_DOCUMENT
    removal = dict.fromkeys(desired, None)
    for body in (
        encode_update(desired=desired, reported=reported),
        encode_update(desired=more),
        encode_update(desired=removal),
        encode_update(reported=None),
    ):
        outcome = cloud.update(body)
        document = document.after(decode_accepted(outcome.payload))
        current = decode_documents(outcome.publications[-2].payload).current
        read = decode_get_accepted(cloud.send(Operation.GET).payload).document
        for other in (current, read):
            assert json_equal(document.desired, other.desired)
            assert json_equal(document.reported, other.reported)
            assert document.version == other.version
            assert document.desired_metadata == other.desired_metadata
            assert document.reported_metadata == other.reported_metadata


@given(objects(), objects())
def test_delta_is_what_is_missing_and_nothing_else(desired: dict[str, Any], reported: dict[str, Any]) -> None:
    delta = difference(desired, reported)
    assert difference(desired, merge(reported, delta)) == {}
    assert (delta == {}) == json_equal(merge(reported, desired), reported)
