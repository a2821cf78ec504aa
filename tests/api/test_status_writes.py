"""The status writer against a real API server: what is stored, who owns it, and which refusal is which."""

import json
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.support.controlplane import Kubectl
from tests.support.polling import until

from thing_operator.api import names
from thing_operator.api.crds import NOT_SEEN_STATUS
from thing_operator.api.names import THINGS
from thing_operator.core.backoff import Backoff
from thing_operator.core.clock import SystemClock
from thing_operator.core.resource import ObjectKey, ObjectRef
from thing_operator.kube.client import KubeClient
from thing_operator.kube.errors import InvalidObjectError, NotFoundError
from thing_operator.kube.status_writer import StatusWriter

Json = dict[str, Any]
NOW = timedelta(0)


def status(reported: Json, **more: Any) -> Json:
    shadow = {"version": 1, "reported": reported, "delta": {}, "pending": [], "pendingCount": 0, "bytes": 10}
    return {"observedGeneration": 1, "thingName": "t", "shadow": shadow} | more


class WriterAtServer:
    def __init__(self, client: KubeClient, namespace: str) -> None:
        self.client = client
        self.namespace = namespace
        self.deleted: list[ObjectRef] = []
        self.writer = StatusWriter(
            client,
            writes_per_second=100,
            retry=Backoff(timedelta(seconds=1), timedelta(minutes=1), random.Random(1)),
            clock=SystemClock(),
            on_deleted=self.deleted.append,
        )

    async def make_thing(self, name: str = "t") -> ObjectRef:
        body = {
            "apiVersion": names.API_VERSION,
            "kind": names.THING_KIND,
            "metadata": {"name": name},
            "spec": {"desired": {"a": 1}},
        }
        made = await self.client.create(THINGS, self.namespace, body)
        ref = ObjectRef(THINGS, ObjectKey(self.namespace, name), made["metadata"]["uid"])
        self.writer.seed(ref, made["status"])
        return ref

    async def stored(self, ref: ObjectRef) -> Json:
        return await self.client.get(THINGS, ref.key)


@pytest.fixture
async def setup(client: KubeClient, namespace: str) -> AsyncIterator[WriterAtServer]:
    made = WriterAtServer(client, namespace)
    await made.writer.start()
    yield made
    await made.writer.stop()


async def test_a_status_is_replaced_whole(setup: WriterAtServer) -> None:
    ref = await setup.make_thing()
    await setup.writer.write_through(ref, status({"old": {"x": 1, "y": 2}, "kept": 1}, managedPaths=["/a"]))
    await setup.writer.write_through(ref, status({"old": {"y": 3}}))
    stored = await setup.stored(ref)
    assert stored["status"]["shadow"]["reported"] == {"old": {"y": 3}}
    assert "managedPaths" not in stored["status"]
    assert stored["metadata"]["generation"] == 1
    assert stored["spec"] == {"desired": {"a": 1}}


async def test_numbers_that_the_api_server_rounds_are_written_once(setup: WriterAtServer) -> None:
    ref = await setup.make_thing()
    numbers = {"max": 2**64 - 1, "exact": 2**63 - 1, "zero": -0.0, "beyond": 1e25, "low": -(2**63)}
    await setup.writer.write_through(ref, status(numbers))
    stored = (await setup.stored(ref))["status"]
    assert stored["shadow"]["reported"] == numbers | {"max": 2.0**64, "zero": 0}
    assert not setup.writer.detect_foreign_write(ref, stored, asked_at=float("inf"))
    other = status(numbers | {"max": 2**63 - 1})
    assert setup.writer.detect_foreign_write(ref, other, asked_at=float("inf"))


async def test_a_report_from_a_clock_ahead_is_shown_as_invalid_by_kubectl_alone(
    setup: WriterAtServer, kubectl: Kubectl
) -> None:
    ref = await setup.make_thing()
    ahead = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    shown = status({})
    shown["shadow"]["reportedTime"] = ahead
    await setup.writer.write_through(ref, shown)
    row = kubectl("get", "thing", "t", f"--namespace={ref.key.namespace}", "--no-headers")
    assert "<invalid>" in row
    assert (await setup.stored(ref))["status"]["shadow"]["reportedTime"] == ahead


async def test_the_owners_of_fields_do_not_grow_with_the_shadow(setup: WriterAtServer) -> None:
    ref = await setup.make_thing()
    leaves = {f"k{number}": {"deep": number} for number in range(50)}
    await setup.writer.write_through(ref, status(leaves))
    managed = (await setup.stored(ref))["metadata"]["managedFields"]
    ours = [each for each in managed if each.get("subresource") == "status"]
    assert [each["manager"] for each in ours] == [names.FIELD_MANAGER]
    assert ours[0]["fieldsV1"] == {"f:status": {}}


async def test_an_object_recreated_under_its_name_is_not_written(setup: WriterAtServer) -> None:
    old = await setup.make_thing()
    await setup.client.delete(THINGS, old.key)
    new = await setup.make_thing()
    setup.writer.enqueue(old, status({"of": "the old"}), urgent=True, min_interval=NOW)
    await until(lambda: setup.deleted == [old])
    assert (await setup.stored(new))["status"] == NOT_SEEN_STATUS
    with pytest.raises(NotFoundError, match="recreated"):
        await setup.writer.write_through(old, status({}))
    await setup.writer.write_through(new, status({"of": "the new"}))


async def test_a_deleted_object_is_reported(setup: WriterAtServer) -> None:
    ref = await setup.make_thing()
    await setup.client.delete(THINGS, ref.key)
    setup.writer.enqueue(ref, status({}), urgent=True, min_interval=NOW)
    await until(lambda: setup.deleted == [ref])


async def test_a_status_that_the_schema_refuses_is_no_lost_object_and_no_loop(
    setup: WriterAtServer, caplog: pytest.LogCaptureFixture
) -> None:
    ref = await setup.make_thing()
    bad = status({}) | {"observedGeneration": "one"}
    with pytest.raises(InvalidObjectError, match="observedGeneration"):
        await setup.writer.write_through(ref, bad)
    setup.writer.enqueue(ref, bad, urgent=True, min_interval=NOW)
    await until(lambda: "cannot be written" in caplog.text)
    await setup.writer.flush(timeout=timedelta(seconds=60))
    assert caplog.text.count("cannot be written") == 1
    assert setup.deleted == []
    setup.writer.enqueue(ref, status({"good": 1}), urgent=True, min_interval=NOW)
    await setup.writer.flush(timeout=timedelta(seconds=60))
    assert (await setup.stored(ref))["status"]["shadow"]["reported"] == {"good": 1}


async def test_what_differs_in_type_only_is_stored(setup: WriterAtServer) -> None:
    ref = await setup.make_thing()
    for value in (1, True, "1"):
        setup.writer.enqueue(ref, status({"on": value}), urgent=True, min_interval=NOW)
        await setup.writer.flush(timeout=timedelta(seconds=60))
        stored = (await setup.stored(ref))["status"]["shadow"]["reported"]["on"]
        assert json.dumps(stored) == json.dumps(value)


async def test_the_same_status_changes_nothing_at_the_api_server(setup: WriterAtServer) -> None:
    ref = await setup.make_thing()
    await setup.writer.write_through(ref, status({"a": 1}))
    before = (await setup.stored(ref))["metadata"]["resourceVersion"]
    await setup.writer.write_through(ref, status({"a": 1}))
    assert (await setup.stored(ref))["metadata"]["resourceVersion"] == before
