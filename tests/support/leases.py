"""The Leases of an API server in memory, as several operators see them at once, each over a link of its own."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any

from tests.support.api_client import FakeClient

from thing_operator.core.errors import ThingOperatorError
from thing_operator.core.resource import ObjectKey, Resource
from thing_operator.kube.contact import Contact
from thing_operator.kube.errors import (
    ApiUnavailableError,
    ConflictError,
    ForbiddenError,
    InvalidObjectError,
    NotFoundError,
)
from thing_operator.kube.ports import Body, WatchEvent, WatchRequest
from thing_operator.leadership.lease import LEASE_NAME, LEASES


class LeaseStore:
    """All Leases, with the API server's rules for versions (tried on 1.37): a PUT makes what is not there, one without
    a version is refused where there is one, one with an old version is a conflict.
    """

    def __init__(self) -> None:
        self.objects: dict[ObjectKey, dict[str, Any]] = {}
        self.writes = 0
        self._made = 0
        self._version = 100
        self._watchers: list[tuple[str | None, asyncio.Queue[WatchEvent]]] = []
        self.past: list[WatchEvent] = []

    @property
    def leases(self) -> dict[str, dict[str, Any]]:
        """The Leases of operators, which have one name, by namespace."""
        return {key.namespace: body for key, body in self.objects.items() if key.name == LEASE_NAME}

    def holder(self, namespace: str) -> str | None:
        """Who holds the Lease of a namespace; None when there is none."""
        lease = self.leases.get(namespace)
        return None if lease is None else str(lease["spec"]["holderIdentity"])

    def put(self, key: ObjectKey, body: Body) -> dict[str, Any]:
        """A PUT; returns what is stored."""
        known, version = self.objects.get(key), body["metadata"].get("resourceVersion")
        if known is not None and version is None:
            raise InvalidObjectError("metadata.resourceVersion: must be specified for an update")
        if known is not None and version != known["metadata"]["resourceVersion"]:
            raise ConflictError("the object has been modified")
        stored: dict[str, Any] = json.loads(json.dumps(body))
        if known is None:
            self._made += 1
        stored["metadata"]["uid"] = known["metadata"]["uid"] if known else f"uid-{self._made}"
        stored["metadata"]["resourceVersion"] = self._next_version()
        self.objects[key] = stored
        self.writes += 1
        self._tell("ADDED" if known is None else "MODIFIED", stored)
        return stored

    def delete(self, key: ObjectKey, version: str | None = None) -> None:
        """A DELETE, of this version only."""
        known = self.objects.get(key)
        if known is not None and version in {None, known["metadata"]["resourceVersion"]}:
            del self.objects[key]
            body = known | {"metadata": known["metadata"] | {"resourceVersion": self._next_version()}}
            self._tell("DELETED", body)

    def list(self, namespace: str | None) -> dict[str, Any]:
        """A list of one namespace or all."""
        items = [body for key, body in self.objects.items() if namespace in {None, key.namespace}]
        return {"metadata": {"resourceVersion": str(self._version)}, "items": items}

    def watch(self, namespace: str | None, version: str) -> "asyncio.Queue[WatchEvent]":
        """What has happened since that version, and what happens from now on."""
        queue: asyncio.Queue[WatchEvent] = asyncio.Queue()
        for event in self.past:
            metadata = event.body["metadata"]
            if namespace in {None, metadata["namespace"]} and int(metadata["resourceVersion"]) > int(version):
                queue.put_nowait(event)
        self._watchers.append((namespace, queue))
        return queue

    def _next_version(self) -> str:
        self._version += 1
        return str(self._version)

    def _tell(self, kind: str, body: dict[str, Any]) -> None:
        self.past.append(WatchEvent(kind, body))
        for namespace, queue in self._watchers:
            if namespace in {None, body["metadata"]["namespace"]}:
                queue.put_nowait(WatchEvent(kind, body))


class LeaseLink(FakeClient):
    """One operator's way to the store. ``up`` False: nothing is answered; ``denied``: the verbs it has no right to;
    ``delays``: the seconds that a verb takes to arrive, and ``event`` those of a watch.
    """

    def __init__(self, store: LeaseStore, contact: Contact) -> None:
        self._store = store
        self._contact = contact
        self.up = True
        self.delays: dict[str, float] = {}
        self.denied: set[str] = set()
        self.asked: list[str] = []

    async def get(
        self, resource: Resource, key: ObjectKey, *, not_before: str | None = None
    ) -> dict[str, Any]:
        await self._ask("get", resource)
        if key not in self._store.objects:
            raise NotFoundError(f"{key} not found")
        return self._store.objects[key]

    async def replace(
        self, resource: Resource, key: ObjectKey, body: Body, *, lane: str = ""
    ) -> dict[str, Any]:
        await self._ask("update", resource)
        return self._store.put(key, body)

    async def delete(
        self, resource: Resource, key: ObjectKey, *, uid: str | None = None, version: str | None = None
    ) -> None:
        await self._ask("delete", resource)
        self._store.delete(key, version)

    async def pages(
        self, resource: Resource, *, namespace: str | None, query: Mapping[str, str], metadata_only: bool
    ) -> AsyncGenerator[dict[str, Any], None]:
        await self._ask("list", resource)
        yield self._store.list(namespace)

    async def watch(
        self, request: WatchRequest, *, on_open: Callable[[], None] = lambda: None
    ) -> AsyncGenerator[WatchEvent, None]:
        await self._ask("watch", request.resource)
        queue = self._store.watch(request.namespace, request.resource_version)
        while True:
            event = await queue.get()
            await asyncio.sleep(self.delays.get("event", 0))
            if not self.up:
                raise ApiUnavailableError("the watch broke")
            self._contact.answered()
            yield event

    async def _ask(self, verb: str, resource: Resource) -> None:
        assert resource == LEASES
        self.asked.append(verb)
        await asyncio.sleep(self.delays.get(verb, 0))
        if not self.up:
            error: ThingOperatorError = ApiUnavailableError("no connection")
            raise error
        self._contact.answered()
        if verb in self.denied:
            raise ForbiddenError(f"no right to {verb}")
