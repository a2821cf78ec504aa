"""Events at a real API server, as kubectl shows them."""

from collections.abc import AsyncIterator
from contextlib import nullcontext
from typing import Any

import pytest
from tests.support.controlplane import Kubectl
from tests.support.polling import until

from thing_operator.api import names
from thing_operator.api.names import THINGS
from thing_operator.core.clock import SystemClock
from thing_operator.core.reasons import Reason
from thing_operator.core.resource import ObjectKey, ObjectRef, Resource
from thing_operator.kube.client import KubeClient
from thing_operator.kube.errors import InvalidObjectError
from thing_operator.kube.events import EventRecorder
from thing_operator.kube.resources import EVENTS


@pytest.fixture
async def recorder(client: KubeClient) -> AsyncIterator[EventRecorder]:
    made = EventRecorder(client, clock=SystemClock())
    await made.start()
    yield made
    await made.stop()


async def make_thing(client: KubeClient, namespace: str, name: str) -> ObjectRef:
    body = {"apiVersion": names.API_VERSION, "kind": names.THING_KIND, "metadata": {"name": name}, "spec": {}}
    made = await client.create(THINGS, namespace, body)
    return ObjectRef(THINGS, ObjectKey(namespace, name), made["metadata"]["uid"])


async def listed(client: KubeClient, namespace: str, count: int) -> list[dict[str, Any]]:
    """The Events of a namespace as soon as there are so many."""

    async def enough() -> list[dict[str, Any]]:
        found = await client.list(EVENTS, namespace=namespace)
        return found if len(found) >= count else []

    return await until(enough, f"{count} Events")


async def test_kubectl_shows_what_happened_and_how_often(
    client: KubeClient, recorder: EventRecorder, kubectl: Kubectl, namespace: str
) -> None:
    ref = await make_thing(client, namespace, "freezer-1")
    for _ in range(3):
        recorder.record(ref, reason=Reason.DRIFT_REPAIRED, message="repaired: /setpoint")
    recorder.record(ref, reason=Reason.KEY_MISMATCH, message="the key does not fit")
    recorder.record(ref, reason=Reason.ACCEPTED, message="ø" * 3000)

    # The last one recorded is there: so are all before it.
    events = await listed(client, namespace, 3)
    by_reason = {event["reason"]: event for event in events}
    assert len(events) == 3
    assert by_reason[Reason.DRIFT_REPAIRED]["count"] == 3
    assert by_reason[Reason.KEY_MISMATCH]["type"] == "Warning"
    assert by_reason[Reason.ACCEPTED]["type"] == "Normal"
    assert len(by_reason[Reason.ACCEPTED]["message"].encode()) <= 1024
    described = kubectl("describe", "thing", "freezer-1", f"--namespace={namespace}")
    assert "repaired: /setpoint" in described
    assert "(x3 over" in described
    found = kubectl("events", "--for=thing/freezer-1", f"--namespace={namespace}")
    assert "the key does not fit" in found


@pytest.mark.parametrize(("note", "is_taken"), [("x" * 1024, True), ("x" * 1025, False)])
async def test_what_is_recorded_is_within_the_limits_of_the_newer_api(
    *, client: KubeClient, namespace: str, note: str, is_taken: bool
) -> None:
    body = {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": "e", "namespace": namespace},
        "eventTime": "2026-01-01T00:00:00.000000Z",
        "reportingController": names.FIELD_MANAGER,
        "reportingInstance": "t",
        "action": "Test",
        "type": "Normal",
        "reason": max(Reason, key=len),
        "note": note,
        "regarding": {"kind": names.THING_KIND, "namespace": namespace, "name": "t"},
    }
    newer = Resource("events.k8s.io", "v1", "events", "Event")
    with nullcontext() if is_taken else pytest.raises(InvalidObjectError, match="1024"):
        await client.create(newer, namespace, body)


async def test_an_event_that_was_deleted_is_recreated(
    client: KubeClient, recorder: EventRecorder, namespace: str
) -> None:
    ref = await make_thing(client, namespace, "t")
    recorder.record(ref, reason=Reason.ACCEPTED, message="m")
    [first] = await listed(client, namespace, 1)
    await client.delete(EVENTS, ObjectKey(namespace, first["metadata"]["name"]))
    recorder.record(ref, reason=Reason.ACCEPTED, message="m")
    [second] = await listed(client, namespace, 1)
    assert second["count"] == 1
    assert second["metadata"]["name"] != first["metadata"]["name"]


async def test_a_namespace_that_goes_is_no_trouble(
    *,
    client: KubeClient,
    recorder: EventRecorder,
    kubectl: Kubectl,
    namespace: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("DEBUG", logger="thing_operator")
    ref = await make_thing(client, namespace, "t")
    hold = [{"op": "add", "path": "/metadata/finalizers", "value": ["example.com/held"]}]
    await client.json_patch(THINGS, ref.key, hold)
    kubectl("delete", "namespace", namespace, "--wait=false")
    recorder.record(ref, reason=Reason.ACCEPTED, message="m")
    await until(lambda: "goes with its namespace" in caplog.text)
    assert not [record for record in caplog.records if record.levelname == "WARNING"]
    await client.json_patch(THINGS, ref.key, [{"op": "remove", "path": "/metadata/finalizers"}])
