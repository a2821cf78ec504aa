"""One kind of object as the API server has it: list and watch keep a cache, and what differs is enqueued."""

from collections.abc import Mapping, Sequence
from typing import Any

from thing_operator.core.clock import Clock
from thing_operator.core.resource import ObjectKey, ObjectRef, Resource
from thing_operator.kube.cache import ObjectCache
from thing_operator.kube.ports import ApiClient, Enqueue
from thing_operator.kube.snapshot import ObjectSnapshot
from thing_operator.kube.status_writer import StatusWriter

_PAGE = "500"
"""Objects of a page of a list: bodies are heavy."""


class Informer:
    """Takes watch events and lists of one kind. ``namespaces`` empty: all."""

    def __init__(
        self,
        client: ApiClient,
        resource: Resource,
        *,
        namespaces: Sequence[str],
        cache: ObjectCache,
        writer: StatusWriter,
        enqueue: Enqueue,
        clock: Clock,
    ) -> None:
        self.resource = resource
        self.cache = cache
        self._client = client
        self._namespaces = namespaces
        self._writer = writer
        self._enqueue = enqueue
        self._clock = clock

    def on_event(self, change: str | None, body: Mapping[str, Any]) -> None:
        """A watch event: ADDED, MODIFIED, DELETED, or None for an object of kopf's first list."""
        if change == "DELETED":
            self._remove(ObjectSnapshot.from_body(body))
        else:
            self._put(body)

    def on_deleted(self, ref: ObjectRef) -> None:
        """Somebody else has found that this object is no longer there."""
        snapshot = self.cache.get(ref.key)
        if ref.resource == self.resource and snapshot is not None and snapshot.uid == ref.uid:
            self._remove(snapshot)

    async def relist(self) -> None:
        """Take what is listed and drop what is not. Raises what the API server answers."""
        for namespace in self._namespaces or (None,):
            await self.relist_namespace(namespace)

    async def relist_namespace(self, namespace: str | None) -> str:
        """As :meth:`relist` for one namespace, None for all; returns the resourceVersion to watch from."""
        known = {
            snapshot.key: snapshot for snapshot in self.cache if namespace in {None, snapshot.key.namespace}
        }
        version = ""
        asked_at = self._clock.monotonic()
        pages = self._client.pages(
            self.resource, namespace=namespace, query={"limit": _PAGE}, metadata_only=False
        )
        async for page in pages:
            version = page["metadata"]["resourceVersion"]
            for body in page["items"]:
                self._put(body, asked_at=asked_at)
                known.pop(ObjectKey(body["metadata"]["namespace"], body["metadata"]["name"]), None)
        for key, snapshot in known.items():
            if self.cache.get(key) is snapshot:
                self._remove(snapshot)
        return version

    def _put(self, body: Mapping[str, Any], *, asked_at: float | None = None) -> None:
        """Take an object; ``asked_at``: from a list that was asked for then (monotonic seconds)."""
        snapshot = ObjectSnapshot.from_body(body)
        ref, status = self._ref(snapshot), body.get("status") or {}
        self._writer.seed(ref, status)
        foreign = asked_at is not None and self._writer.detect_foreign_write(ref, status, asked_at=asked_at)
        if self.cache.put(snapshot) or foreign:
            self._enqueue(snapshot.key)

    def _remove(self, snapshot: ObjectSnapshot) -> None:
        kept = self.cache.get(snapshot.key)
        if kept is not None and kept.uid == snapshot.uid:
            self.cache.remove(snapshot.key)
        self._writer.drop(self._ref(snapshot))
        self._enqueue(snapshot.key)

    def _ref(self, snapshot: ObjectSnapshot) -> ObjectRef:
        return ObjectRef(self.resource, snapshot.key, snapshot.uid)
