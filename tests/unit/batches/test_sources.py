"""Reading what a ThingBatch names: whose turn it is to download, and what is removed of a Secret after the import."""

import asyncio
import base64
from collections.abc import Callable
from typing import Any

from tests.support.api_client import FakeClient

from thing_operator.batches.sources import Completeness, SourceReader, SourceSecret
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
    ) -> str:
        if self.error is not None:
            raise self.error
        self.patched[key.name] = [dict(each) for each in operations]
        return ""


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


class SlowSite(HttpsClient):
    """A client for a site that answers when it is let; what is asked of it, and how many at a time."""

    def __init__(self) -> None:
        super().__init__(hosts=())
        self.asked: list[str] = []
        self.answers = asyncio.Event()

    async def download(
        self,
        url: str,
        *,
        limit: int,
        seconds: float = 0.0,
        patience: float = 0.0,
        on_size: Callable[[int], None] = lambda _size: None,
    ) -> bytes:
        self.asked.append(url)
        on_size(3)
        await self.answers.wait()
        return b"zip"


class Urls(FakeClient):
    """Every Secret has a url with its own name in it."""

    async def get(
        self, resource: Resource, key: ObjectKey, *, not_before: str | None = None
    ) -> dict[str, Any]:
        url = base64.b64encode(f"https://{key}".encode()).decode()
        return {"metadata": {"uid": "u", "resourceVersion": "1"}, "data": {"url": url}}


async def test_a_namespace_downloads_one_zip_at_a_time_and_holds_up_no_other() -> None:
    site = SlowSite()
    reader = SourceReader(Urls(), site)
    held: list[int] = []

    def hold(_size: int) -> Callable[[int], None]:
        return held.append

    async def fetch(namespace: str, name: str) -> bytes | None:
        found = await reader.from_url(
            namespace,
            secret_name=name,
            key="url",
            before=(),
            completeness=Completeness.LACKING,
            hold=hold,
        )
        return found.parts[0].content

    waiting = [asyncio.create_task(fetch(*place)) for place in (("a", "1"), ("a", "2"), ("b", "1"))]
    await asyncio.sleep(60)
    assert site.asked == ["https://a/1", "https://b/1"], "the second of a waits for the first, b for nobody"
    assert held == [3, 3], "what waits for its turn holds no memory"
    waiting[0].cancel()
    await asyncio.sleep(1)
    assert site.asked[2:] == ["https://a/2"], "whoever gives up hands its turn on"
    site.answers.set()
    assert await asyncio.gather(*waiting[1:]) == [b"zip", b"zip"]
