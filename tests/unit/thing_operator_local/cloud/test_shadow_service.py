"""What the table of rules cannot say of the shadow service: times, options, memory, properties."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.support.clock import FakeClock
from tests.support.shadow_rules.refusals import nested

from thing_operator_local.cloud.shadow_service import (
    ShadowAnswer,
    ShadowOptions,
    ShadowRequest,
    ShadowService,
)
from thing_operator_local.cloud.shadow_topics import ShadowOperation

Json = Any
THING = "t1"


class Cloud:
    """A service with one thing, and answers as JSON."""

    def __init__(self, options: ShadowOptions | None = None) -> None:
        self.clock = FakeClock(start=datetime.fromtimestamp(1_790_000_000, UTC))
        self.service = ShadowService(self.clock.epoch, options or ShadowOptions(requests_per_second=None))

    def send(
        self, operation: ShadowOperation, body: Json = None, *, shadow: str | None = None
    ) -> ShadowAnswer:
        payload = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        return self.service.handle(ShadowRequest(THING, shadow, operation, payload))

    def update(self, body: Json, *, shadow: str | None = None) -> ShadowAnswer:
        return self.send(ShadowOperation.UPDATE, body, shadow=shadow)

    def state(self, *, shadow: str | None = None) -> Json:
        return json.loads(self.send(ShadowOperation.GET, shadow=shadow).payload)["state"]

    def version(self) -> int:
        return int(json.loads(self.send(ShadowOperation.GET).payload)["version"])


def published(outcome: ShadowAnswer) -> dict[str, Json]:
    return {
        publication.topic.rsplit("/", 1)[1]: json.loads(publication.payload)
        for publication in outcome.publications
    }


@pytest.fixture
def cloud() -> Cloud:
    return Cloud()


def test_depth_counts_keys_below_the_section() -> None:
    cloud = Cloud(ShadowOptions(max_depth=6, requests_per_second=None))
    assert cloud.update({"state": {"desired": nested(6)}}).accepted
    answer = json.loads(cloud.update({"state": {"desired": nested(7)}}).payload)
    assert answer["message"] == "JSON contains too many levels of nesting; maximum is 6"


@pytest.mark.parametrize("value", ["123456789012345678901234567890", "-1e-320", r'"\ud800"', r'"\u0000"'])
def test_what_is_hard_to_write_comes_back_as_it_was(cloud: Cloud, value: str) -> None:
    outcome = cloud.update(b'{"state":{"desired":{"a":%s}}}' % value.encode())
    assert outcome.accepted
    assert cloud.state()["desired"] == {"a": json.loads(value)}


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
    cloud.clock.advance(10)
    cloud.update({"state": {"desired": {"a": {"x": 1}}}})
    metadata = json.loads(cloud.send(ShadowOperation.GET).payload)["metadata"]["desired"]
    old, new = {"timestamp": 1_790_000_000}, {"timestamp": 1_790_000_010}
    assert metadata == {"a": {"x": new, "y": old}, "l": [old, {"z": old}]}


@pytest.mark.parametrize("operation", [ShadowOperation.GET, ShadowOperation.DELETE])
def test_404_for_no_shadow(cloud: Cloud, operation: ShadowOperation) -> None:
    outcome = cloud.send(operation, {"clientToken": "g"})
    answer = json.loads(outcome.payload)
    assert (answer["code"], answer["clientToken"]) == (404, "g")
    assert answer["message"] == "No shadow exists with name: 't1'"


def test_the_version_is_remembered_48_hours_after_a_deletion(cloud: Cloud) -> None:
    cloud.update({"state": {"desired": {"a": 1}}})
    answer = json.loads(cloud.send(ShadowOperation.DELETE).payload)
    assert answer["version"] == 1
    cloud.clock.advance(48 * 3600 - 1)
    cloud.update({"state": {}})
    assert cloud.version() == 3
    assert cloud.state() == {}
    cloud.send(ShadowOperation.DELETE)
    cloud.clock.advance(48 * 3600)
    cloud.update({"state": {}})
    assert cloud.version() == 1


def test_named_shadows_are_documents_of_their_own(cloud: Cloud) -> None:
    cloud.update({"state": {"desired": {"a": 1}}})
    cloud.update({"state": {"desired": {"b": 1}}}, shadow="config")
    assert cloud.state(shadow="config") == {"desired": {"b": 1}, "delta": {"b": 1}}
    assert cloud.service.list_named(THING) == ["config"]
    cloud.send(ShadowOperation.DELETE, shadow="config")
    assert cloud.service.list_named(THING) == []
    assert "desired" in cloud.state()


def test_rate_per_thing() -> None:
    cloud = Cloud(ShadowOptions(requests_per_second=20))
    codes = [cloud.send(ShadowOperation.GET).code for _ in range(21)]
    assert codes == [404] * 20 + [429]
    refused = cloud.send(ShadowOperation.UPDATE, {"state": {}, "clientToken": "op-1"})
    assert (refused.code, json.loads(refused.payload)["clientToken"]) == (429, "op-1")
    cloud.clock.advance(1.01)
    assert cloud.send(ShadowOperation.GET).code == 404


def test_export_and_load_keep_everything(cloud: Cloud) -> None:
    cloud.update({"state": {"desired": {"a": 1}}})
    cloud.send(ShadowOperation.DELETE)
    kept = cloud.service.export(THING, None)
    other = Cloud()
    other.service.load(iter([json.loads(json.dumps(kept))]))
    other.update({"state": {}})
    assert other.version() == 3
