"""What the rest of the operator asks of Kubernetes, apart from how it is done."""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, Protocol

from thing_operator.core.reasons import Reason
from thing_operator.core.resource import ObjectKey, Resource
from thing_operator.kube.snapshot import ObjectSnapshot

Body = Mapping[str, Any]
"""An object as JSON."""

Operations = Sequence[Mapping[str, Any]]
"""A JSON Patch."""

Enqueue = Callable[[ObjectKey], None]
"""Put an object's key on the work queue."""

EnqueueAfter = Callable[[ObjectKey, timedelta], None]
"""Put it there for so long from now, unless it is due before."""

RecordEvent = Callable[[ObjectSnapshot, Reason, str], None]
"""Record an Event about an object, with reason and message; its type is the reason's."""

WATCH_TIMEOUT: Final = timedelta(minutes=5)
"""After which the API server ends a watch: another begins where it ended."""


def named(name: str) -> dict[str, str]:
    """The selector of the objects of this name."""
    return {"fieldSelector": f"metadata.name={name}"}


@dataclass(frozen=True, slots=True)
class WatchRequest:
    """What a watch is to show: the changes of a kind's objects after a resource version, in a namespace or in all."""

    resource: Resource
    namespace: str | None
    resource_version: str
    metadata_only: bool = False
    query: Mapping[str, str] = field(default_factory=dict)
    """Selectors; ``shardSelector``: of the objects with these uids alone, where the API server knows that."""
    timeout: timedelta = WATCH_TIMEOUT

    @property
    def path(self) -> str:
        """The path of the request."""
        return self.resource.path(self.namespace)


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """ADDED, MODIFIED, DELETED or BOOKMARK, and the object."""

    kind: str
    body: Body


class ApiClient(Protocol):
    """Reads and writes objects at the API server. Every method raises the errors of ``kube.errors``."""

    async def get(
        self, resource: Resource, key: ObjectKey, *, not_before: str | None = None
    ) -> dict[str, Any]:
        """One object. NotFoundError when it is not there.

        ``not_before``: as of this resource version or a later one will do, which the API server has in its memory.
        """

    async def list(
        self,
        resource: Resource,
        *,
        namespace: str | None = None,
        label_selector: str | None = None,
        metadata_only: bool = False,
        page_size: int = 500,
    ) -> list[dict[str, Any]]:
        """All objects of a kind in a namespace, or in all of them."""

    def pages(
        self, resource: Resource, *, namespace: str | None, query: Mapping[str, str], metadata_only: bool
    ) -> AsyncGenerator[dict[str, Any], None]:
        """The same page by page (each a List with its metadata), for who does not want to hold them all."""

    async def create(self, resource: Resource, namespace: str, body: Body) -> dict[str, Any]:
        """Make an object and return it as stored; ConflictError when there is one of that name."""

    async def replace(
        self, resource: Resource, key: ObjectKey, body: Body, *, lane: str = ""
    ) -> dict[str, Any]:
        """Write an object whole and return it as stored; made where there is none and its kind allows that.

        ConflictError when it is there in another version than the body's; InvalidObjectError when the body has none.
        It waits for no other request: made for Leases, which are written in time or not at all. Requests of one
        ``lane`` have connections of their own: to make one takes two round trips more, and TLS.
        """

    async def json_patch(
        self, resource: Resource, key: ObjectKey, operations: Operations, *, subresource: str | None = None
    ) -> str:
        """Change an object by JSON Patch; InvalidObjectError when a ``test`` fails. Returns its resourceVersion."""

    async def apply(self, resource: Resource, key: ObjectKey, body: Body) -> dict[str, Any]:
        """Server-side apply of the fields in ``body``, which become ours; returns the object as stored."""

    async def delete(
        self, resource: Resource, key: ObjectKey, *, uid: str | None = None, version: str | None = None
    ) -> None:
        """Delete an object, of this uid and version only; that it is deleted already, or another one, is fine."""

    def watch(
        self, request: WatchRequest, *, on_open: Callable[[], None] = lambda: None
    ) -> AsyncGenerator[WatchEvent, None]:
        """Events until the API server ends the watch. ExpiredError asks for a new list.

        ``on_open`` is called once the server has begun to answer: the first event may be a minute away.
        """

    def watch_lines(
        self, request: WatchRequest, *, on_open: Callable[[], None] = lambda: None
    ) -> AsyncGenerator[bytes, None]:
        """The same as the API server writes it: a line of JSON for each event, ERROR included.

        Raises ShardSelectorError when the server knows ``shardSelector`` and finds a mistake in it.
        """
