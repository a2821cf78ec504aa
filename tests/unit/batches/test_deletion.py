"""The end of a ThingBatch where the operator has lost its Role: the namespace is being deleted."""

from typing import Any

import pytest
from tests.support.api_client import FakeClient
from tests.support.clock import FakeClock

from thing_operator.api.names import BATCH_FINALIZER
from thing_operator.batches.deletion import BatchDeletion
from thing_operator.batches.parallel import Parallel
from thing_operator.core.resource import ObjectKey, Resource
from thing_operator.kube.errors import ForbiddenError
from thing_operator.kube.ports import Operations
from thing_operator.kube.snapshot import ObjectSnapshot


class WithoutRole(FakeClient):
    """May patch ThingBatches, and nothing else."""

    def __init__(self) -> None:
        self.patched: list[Operations] = []

    async def list(self, resource: Resource, **_: Any) -> list[dict[str, Any]]:
        raise ForbiddenError(f"may not list {resource.plural}")

    async def json_patch(
        self, resource: Resource, key: ObjectKey, operations: Operations, *, subresource: str | None = None
    ) -> None:
        self.patched.append(operations)


async def test_it_waits_for_a_role_that_may_come_back_and_is_released_then(
    caplog: pytest.LogCaptureFixture,
) -> None:
    client, clock = WithoutRole(), FakeClock()
    now = clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
    deletion = BatchDeletion(client, parallel=Parallel(), clock=clock)
    snapshot = ObjectSnapshot.from_body(
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
    with pytest.raises(ForbiddenError):
        await deletion.run(snapshot)
    assert client.patched == []
    clock.advance(31)
    assert await deletion.run(snapshot) == 0
    [operations] = client.patched
    assert operations[-1] == {"op": "add", "path": "/metadata/finalizers", "value": []}
    assert "ns/b is released with its children as they are" in caplog.text
