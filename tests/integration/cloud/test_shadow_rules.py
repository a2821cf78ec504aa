"""The table of the shadow service's rules against the running cloud, asked over MQTT and over AWS's REST."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.support.devices import Device
from tests.support.rest import Rest
from tests.support.shadow_dialogue import Observed, Rule, Step
from tests.support.shadow_rules import RULES

from thing_operator_local.cloud.client import CloudThing, LocalCloud
from thing_operator_local.cloud.shadow_topics import ShadowOperation

Json = Any

_METHODS = {ShadowOperation.GET: "GET", ShadowOperation.UPDATE: "POST", ShadowOperation.DELETE: "DELETE"}
_BARRIER = "and how is it now"


@pytest.fixture(scope="session")
def fresh(cloud: LocalCloud) -> Callable[[], CloudThing]:
    """One thing after the other, all made at once: each dialogue begins without a shadow."""
    made = cloud.things(cloud.create_batch(2 * len(RULES), key_type="ec"))
    return iter(made.values()).__next__


@pytest.fixture
def thing(fresh: Callable[[], CloudThing]) -> CloudThing:
    return fresh()


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_over_mqtt(device: Device, rule: Rule) -> None:
    def ask(step: Step, sent: bytes) -> Observed:
        device.publish(f"{device.topics.prefix}/{step.operation}", sent)
        seen, after = _seen_until_barrier(device)
        answer = seen.get("rejected") or seen["accepted"]
        return Observed(answer.get("code", 200), answer, seen, after)

    rule.hold(ask)


@pytest.mark.parametrize("rule", [each for each in RULES if not each.mqtt_only], ids=str)
def test_over_rest(cloud: LocalCloud, thing: CloudThing, device: Device, rule: Rule) -> None:
    """What is accepted is seen by subscribers, what is refused or read is not.

    Source: docs/background/aws-iot-shadow.md#topics.
    """
    rest = Rest(cloud, thing)

    def ask(step: Step, sent: bytes) -> Observed:
        status, error, answer = rest(_METHODS[step.operation], f"/things/{thing.name}/shadow", sent)
        assert (error is None) == (status == 200)
        seen, after = _seen_until_barrier(device)
        return Observed(status, answer, seen, after, over_rest=True)

    rule.hold(ask)


def _seen_until_barrier(device: Device) -> tuple[dict[str, Json], Json]:
    """What came by the last level of its topic, each once, and the document or None; nothing is left to come.

    The local cloud answers in the order of asking and the broker keeps the order on one connection.
    """
    device.publish(device.topics.get, json.dumps({"clientToken": _BARRIER}).encode())
    seen: dict[str, Json] = {}
    while True:
        topic, body = device.next()
        kind = topic.rpartition("/")[2]
        if body.get("clientToken") == _BARRIER:
            return seen, body if kind == "accepted" else None
        assert kind not in seen, f"{kind} came twice"
        seen[kind] = body
