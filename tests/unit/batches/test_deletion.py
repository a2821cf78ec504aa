"""The end of a ThingBatch where the operator has lost its Role: the namespace is being deleted."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from tests.support.api_client import FakeClient
from tests.support.clock import FakeClock

from thing_operator.api.names import BATCH_FINALIZER, BATCH_UID_ANNOTATION
from thing_operator.batches.deletion import BatchDeletion
from thing_operator.batches.parallel import Parallel
from thing_operator.core.resource import ObjectKey, Resource
from thing_operator.kube.errors import ForbiddenError
from thing_operator.kube.ports import Operations
from thing_operator.kube.snapshot import ObjectSnapshot


class WithoutRole(FakeClient):
    """May patch ThingBatches, and nothing else, unless it is ``given``; then there is one Thing left."""

    def __init__(self) -> None:
        self.patched: list[Operations] = []
        self.given = False

    async def list(self, resource: Resource, **_: Any) -> list[dict[str, Any]]:
        if self.given:
            ending = {"deletionTimestamp": "2026-01-01T00:00:00Z", "annotations": {BATCH_UID_ANNOTATION: "u"}}
            return [{"metadata": ending}]
        raise ForbiddenError(f"may not list {resource.plural}")

    async def json_patch(
        self, resource: Resource, key: ObjectKey, operations: Operations, *, subresource: str | None = None
    ) -> str:
        self.patched.append(operations)
        return ""


def deleted_batch(at: datetime) -> ObjectSnapshot:
    now = at.strftime("%Y-%m-%dT%H:%M:%SZ")
    return ObjectSnapshot.from_body(
        {
            "metadata": {
                "name": "b",
                "namespace": "ns",
                "uid": "u",
                "generation": 2,
                "resourceVersion": "1",
                "finalizers": [BATCH_FINALIZER],
                "creationTimestamp": now,
                "deletionTimestamp": now,
            },
            "spec": {"source": {"secrets": [{"name": "z", "key": "k"}]}, "deletionPolicy": "Delete"},
        }
    )


@pytest.mark.parametrize("ahead", [timedelta(hours=hours) for hours in (-1, 0, 1)])
async def test_it_waits_for_a_role_that_may_come_back_and_is_released_then(
    ahead: timedelta, caplog: pytest.LogCaptureFixture
) -> None:
    """However far the API server's clock is ahead of ours."""
    client, clock = WithoutRole(), FakeClock()
    deletion = BatchDeletion(client, parallel=Parallel(), clock=clock)
    snapshot = deleted_batch(clock.now() + ahead)
    with pytest.raises(ForbiddenError):
        await deletion.run(snapshot)
    clock.advance(29)
    with pytest.raises(ForbiddenError):
        await deletion.run(snapshot)
    assert client.patched == []
    clock.advance(2)
    assert await deletion.run(snapshot) == 0
    [operations] = client.patched
    assert operations[-1] == {"op": "add", "path": "/metadata/finalizers", "value": []}
    assert "ns/b is released with its children as they are" in caplog.text


async def test_a_right_that_was_there_meanwhile_is_waited_for_once_more() -> None:
    client, clock = WithoutRole(), FakeClock()
    deletion = BatchDeletion(client, parallel=Parallel(), clock=clock)
    snapshot = deleted_batch(clock.now())
    for is_given in (False, True, False):
        client.given = is_given
        if is_given:
            assert await deletion.run(snapshot) == 1
        else:
            with pytest.raises(ForbiddenError):
                await deletion.run(snapshot)
        clock.advance(29)
    assert client.patched == []
