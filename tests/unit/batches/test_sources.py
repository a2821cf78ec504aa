"""What is removed of a source Secret once everything is imported."""

from typing import Any

from tests.support.api_client import FakeClient

from thing_operator.batches.sources import SourceReader, SourceSecret
from thing_operator.core.resource import ObjectKey, Resource
from thing_operator.download.https import HttpsClient
from thing_operator.kube.errors import InvalidObjectError
from thing_operator.kube.ports import Operations


class Sources(FakeClient):
    """Notes what is deleted, and what is changed how."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.deleted: list[tuple[str, str | None, str | None]] = []
        self.patched: dict[str, list[dict[str, Any]]] = {}

    async def delete(
        self, resource: Resource, key: ObjectKey, *, uid: str | None = None, version: str | None = None
    ) -> None:
        self.deleted.append((key.name, uid, version))

    async def json_patch(
        self, resource: Resource, key: ObjectKey, operations: Operations, *, subresource: str | None = None
    ) -> None:
        if self.error is not None:
            raise self.error
        self.patched[key.name] = [dict(each) for each in operations]


def secret(name: str, key: str, *all_keys: str) -> SourceSecret:
    return SourceSecret(ObjectKey("ns", name), f"uid-{name}", "7", key, frozenset(all_keys))


async def removed(*secrets: SourceSecret, error: Exception | None = None) -> Sources:
    client = Sources(error)
    await SourceReader(client, HttpsClient(hosts=())).remove(secrets)
    return client


async def test_a_secret_of_nothing_but_zips_is_deleted_as_it_was_read() -> None:
    done = await removed(
        secret("one", "batch.zip", "batch.zip"), secret("two", "a", "a", "b"), secret("two", "b", "a", "b")
    )
    assert done.deleted == [("one", "uid-one", "7"), ("two", "uid-two", "7")]
    assert done.patched == {}


async def test_of_a_secret_with_something_else_the_zips_are_removed_alone() -> None:
    done = await removed(
        secret("s", "b.zip", "a.zip", "b.zip", "pw"), secret("s", "a.zip", "a.zip", "b.zip", "pw")
    )
    assert done.deleted == []
    assert done.patched == {
        "s": [
            {"op": "test", "path": "/metadata/uid", "value": "uid-s"},
            {"op": "test", "path": "/metadata/resourceVersion", "value": "7"},
            {"op": "remove", "path": "/data/a.zip"},
            {"op": "remove", "path": "/data/b.zip"},
        ]
    }


async def test_a_secret_that_was_changed_since_is_left_for_the_next_reconcile() -> None:
    done = await removed(secret("s", "a", "a", "pw"), error=InvalidObjectError("test failed"))
    assert (done.deleted, done.patched) == ([], {})
