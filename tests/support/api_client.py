"""API clients for tests: one that answers nothing, to be a fake's base, and one that passes everything on."""

from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any

from thing_operator.core.resource import ObjectKey, Resource
from thing_operator.kube.ports import ApiClient, Body, Operations, WatchEvent, WatchRequest


class FakeClient(ApiClient):
    """Fails the test at each request; a fake overrides what it is to be asked."""

    async def get(
        self, resource: Resource, key: ObjectKey, *, not_before: str | None = None
    ) -> dict[str, Any]:
        raise AssertionError(f"get {resource.plural} {key}")

    async def list(
        self,
        resource: Resource,
        *,
        namespace: str | None = None,
        label_selector: str | None = None,
        metadata_only: bool = False,
        page_size: int = 500,
    ) -> list[dict[str, Any]]:
        raise AssertionError(f"list {resource.plural}")

    def pages(
        self, resource: Resource, *, namespace: str | None, query: Mapping[str, str], metadata_only: bool
    ) -> AsyncGenerator[dict[str, Any], None]:
        raise AssertionError(f"list {resource.plural} by the page")

    async def create(self, resource: Resource, namespace: str, body: Body) -> dict[str, Any]:
        raise AssertionError(f"create {resource.plural}")

    async def replace(
        self, resource: Resource, key: ObjectKey, body: Body, *, lane: str = ""
    ) -> dict[str, Any]:
        raise AssertionError(f"replace {resource.plural} {key}")

    async def json_patch(
        self, resource: Resource, key: ObjectKey, operations: Operations, *, subresource: str | None = None
    ) -> str:
        raise AssertionError(f"patch {resource.plural} {key}")

    async def apply(self, resource: Resource, key: ObjectKey, body: Body) -> dict[str, Any]:
        raise AssertionError(f"apply {resource.plural} {key}")

    async def delete(
        self, resource: Resource, key: ObjectKey, *, uid: str | None = None, version: str | None = None
    ) -> None:
        raise AssertionError(f"delete {resource.plural} {key}")

    def watch(
        self, request: WatchRequest, *, on_open: Callable[[], None] = lambda: None
    ) -> AsyncGenerator[WatchEvent, None]:
        raise AssertionError(f"watch {request.resource.plural}")

    def watch_lines(
        self, request: WatchRequest, *, on_open: Callable[[], None] = lambda: None
    ) -> AsyncGenerator[bytes, None]:
        raise AssertionError(f"watch {request.resource.plural} by the line")


class ForwardingClient(ApiClient):
    """Passes everything on to another client; ``calls`` are the names of the methods, in order."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client
        self.calls: list[str] = []

    async def get(
        self, resource: Resource, key: ObjectKey, *, not_before: str | None = None
    ) -> dict[str, Any]:
        self.calls.append("get")
        return await self._client.get(resource, key, not_before=not_before)

    async def list(
        self,
        resource: Resource,
        *,
        namespace: str | None = None,
        label_selector: str | None = None,
        metadata_only: bool = False,
        page_size: int = 500,
    ) -> list[dict[str, Any]]:
        self.calls.append("list")
        return await self._client.list(
            resource,
            namespace=namespace,
            label_selector=label_selector,
            metadata_only=metadata_only,
            page_size=page_size,
        )

    def pages(
        self, resource: Resource, *, namespace: str | None, query: Mapping[str, str], metadata_only: bool
    ) -> AsyncGenerator[dict[str, Any], None]:
        self.calls.append("pages")
        return self._client.pages(resource, namespace=namespace, query=query, metadata_only=metadata_only)

    async def create(self, resource: Resource, namespace: str, body: Body) -> dict[str, Any]:
        self.calls.append("create")
        return await self._client.create(resource, namespace, body)

    async def replace(
        self, resource: Resource, key: ObjectKey, body: Body, *, lane: str = ""
    ) -> dict[str, Any]:
        self.calls.append("replace")
        return await self._client.replace(resource, key, body, lane=lane)

    async def json_patch(
        self, resource: Resource, key: ObjectKey, operations: Operations, *, subresource: str | None = None
    ) -> str:
        self.calls.append("json_patch")
        return await self._client.json_patch(resource, key, operations, subresource=subresource)

    async def apply(self, resource: Resource, key: ObjectKey, body: Body) -> dict[str, Any]:
        self.calls.append("apply")
        return await self._client.apply(resource, key, body)

    async def delete(
        self, resource: Resource, key: ObjectKey, *, uid: str | None = None, version: str | None = None
    ) -> None:
        self.calls.append("delete")
        await self._client.delete(resource, key, uid=uid, version=version)

    def watch(
        self, request: WatchRequest, *, on_open: Callable[[], None] = lambda: None
    ) -> AsyncGenerator[WatchEvent, None]:
        self.calls.append("watch")
        return self._client.watch(request, on_open=on_open)

    def watch_lines(
        self, request: WatchRequest, *, on_open: Callable[[], None] = lambda: None
    ) -> AsyncGenerator[bytes, None]:
        self.calls.append("watch_lines")
        return self._client.watch_lines(request, on_open=on_open)
