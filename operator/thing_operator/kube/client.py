"""The one seam to the API server: plain JSON in and out.

The requests of ``kubernetes.aio`` cost several times as much: its generated models, and a look for proxies and
``.netrc`` at each request.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Self

import aiohttp

from thing_operator.api import names
from thing_operator.core.clock import Clock, SystemClock
from thing_operator.core.json_bytes import decode
from thing_operator.core.page_size import MOST_OBJECTS, PageSize
from thing_operator.core.resource import ObjectKey, Resource
from thing_operator.kube.answers import read_within
from thing_operator.kube.contact import Contact
from thing_operator.kube.errors import (
    ApiUnavailableError,
    ConflictError,
    NotFoundError,
    SilentWatchError,
)
from thing_operator.kube.outage import NOT_THE_API_SERVER, words_of
from thing_operator.kube.ports import Body, Operations, WatchEvent, WatchRequest
from thing_operator.kube.request import JSON, Request
from thing_operator.kube.sender import Sender, broken_off
from thing_operator.kube.watch_events import ERROR, read_event, trouble_of
from thing_operator.login.login import Login, Logins, read_login

_PARALLEL = 10
"""Requests under way at a time, watches aside: each connection costs a quarter of a MiB for its TLS."""
_WATCH_SILENCE = timedelta(seconds=90)
"""After which a silent watch is taken for dead: the API server sends a bookmark every 60 s."""
_PATIENCE = timedelta(minutes=1)
_MANAGED = {"fieldManager": names.FIELD_MANAGER}
_METADATA_ONLY = "application/json;as=PartialObjectMetadata{};g=meta.k8s.io;v=v1"
_UNMANAGED = ";drop=metadata.managedFields"
"""Who owns which field is a third of an object, and nobody reads it here. A server that does not know this (KEP-5958:
none up to 1.37) sends all of it."""

log = logging.getLogger(__name__)


class KubeClient:
    """The :class:`~thing_operator.kube.ports.ApiClient` of a cluster, with one login; for one event loop."""

    def __init__(self, logins: Logins, contact: Contact) -> None:
        self._contact = contact
        self._logins = logins
        self._turns = asyncio.Semaphore(_PARALLEL)
        self._sender = Sender(logins, contact)

    @classmethod
    async def connect(
        cls,
        *,
        kubeconfig: Path | None = None,
        kube_context: str | None = None,
        clock: Clock | None = None,
        contact: Contact | None = None,
    ) -> Self:
        """Log in by ``kubeconfig`` or KUBECONFIG, else by the pod's service account, else by the user's kubeconfig.

        ``kube_context`` is one of the kubeconfig's instead of its current one; ``contact`` notes each answer.

        Raises LoginError.
        """
        clock = clock or SystemClock()
        first = await read_login(kubeconfig, kube_context=kube_context)
        if not first.tls.verify:
            log.warning(
                "insecure-skip-tls-verify: the certificate of %s is not checked, so that anybody on the way may "
                "take its place: name a certificate-authority in the kubeconfig",
                first.server,
            )
        read = partial(read_login, kubeconfig, kube_context=first.kube_context)
        return cls(Logins(first, read, clock=clock), contact or Contact(patience=_PATIENCE, clock=clock))

    @property
    def login(self) -> Login:
        """What it is logged in with now."""
        return self._logins.in_force

    async def close(self) -> None:
        """Close the connections."""
        await self._sender.close()

    async def get(
        self, resource: Resource, key: ObjectKey, *, not_before: str | None = None
    ) -> dict[str, Any]:
        """One object as the API server has it. Raises NotFoundError, and the others of ``kube.errors``."""
        query = {"resourceVersion": not_before} if not_before else None
        path = resource.path(key.namespace, key.name)
        return await self._json(Request("GET", path, query=query, accept=JSON + _UNMANAGED))

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
        query = {"limit": str(page_size)} | ({"labelSelector": label_selector} if label_selector else {})
        found: list[dict[str, Any]] = []
        async for page in self.pages(resource, namespace=namespace, query=query, metadata_only=metadata_only):
            found += page["items"]
        return found

    async def pages(
        self, resource: Resource, *, namespace: str | None, query: Mapping[str, str], metadata_only: bool
    ) -> AsyncGenerator[dict[str, Any], None]:
        """The same page by page, for who does not want to hold them all; pages of large objects have fewer of them."""
        accept = (_METADATA_ONLY.format("List") if metadata_only else JSON) + _UNMANAGED
        size, continue_token = PageSize(int(query.get("limit", MOST_OBJECTS))), None
        while True:
            asked = dict(query) | {"limit": str(size.objects)}
            if continue_token:
                asked["continue"] = continue_token
            request = Request("GET", resource.path(namespace), query=asked, accept=accept)
            content = await self._page(request, size)
            if content is None:
                size.was_too_large()
                continue
            size.was_read()
            page = _object_of(content, request)
            if not isinstance(page.get("metadata"), dict) or "items" not in page:
                raise ApiUnavailableError(f"{request}: the answer is no list: {NOT_THE_API_SERVER}")
            continue_token = page["metadata"].get("continue")
            # Of no object at all, the metadata are null.
            yield page | {"items": page.pop("items") or []}
            # Two pages of large objects are not held at once.
            del content, page
            if not continue_token:
                return

    async def create(self, resource: Resource, namespace: str, body: Body) -> dict[str, Any]:
        """Make an object; ConflictError when there is one of that name."""
        return await self._json(Request("POST", resource.path(namespace), query=_MANAGED, body=body))

    async def replace(
        self, resource: Resource, key: ObjectKey, body: Body, *, lane: str = ""
    ) -> dict[str, Any]:
        """Write an object whole, without waiting for a turn; made where there is none and its kind allows that."""
        path = resource.path(key.namespace, key.name)
        request = Request("PUT", path, query=_MANAGED, body=body, lane=lane)
        return _object_of(await self._sender.read(request), request)

    async def json_patch(
        self, resource: Resource, key: ObjectKey, operations: Operations, *, subresource: str | None = None
    ) -> str:
        """Change an object by JSON Patch; InvalidObjectError when a ``test`` fails. Returns its version since then."""
        request = Request(
            "PATCH",
            resource.path(key.namespace, key.name, subresource),
            query=_MANAGED,
            body=operations,
            content_type="application/json-patch+json",
            # The watch shows what became of it.
            accept=_METADATA_ONLY.format("") + _UNMANAGED,
        )
        metadata = (await self._json(request)).get("metadata") or {}
        return str(metadata.get("resourceVersion", ""))

    async def apply(self, resource: Resource, key: ObjectKey, body: Body) -> dict[str, Any]:
        """Server-side apply of the fields in ``body``, which become ours.

        Of an object that it empties the API server makes null (structured-merge-diff 6.4): to have it as in ``body``,
        it is applied once more.
        """
        request = Request(
            "PATCH",
            resource.path(key.namespace, key.name),
            query=_MANAGED | {"force": "true"},
            body=body,
            content_type="application/apply-patch+yaml",
        )
        answer = await self._json(request)
        return await self._json(request) if _made_null(body, answer) else answer

    async def delete(
        self, resource: Resource, key: ObjectKey, *, uid: str | None = None, version: str | None = None
    ) -> None:
        """Delete an object, of this uid and version only; that it is deleted already, or another one, is fine."""
        conditions = {"uid": uid, "resourceVersion": version}
        given = {name: value for name, value in conditions.items() if value}
        body = {"preconditions": given} if given else None
        try:
            await self._json(Request("DELETE", resource.path(key.namespace, key.name), body=body))
        except (NotFoundError, ConflictError):
            return

    async def watch(
        self,
        request: WatchRequest,
        *,
        silence: timedelta = _WATCH_SILENCE,
        on_open: Callable[[], None] = lambda: None,
    ) -> AsyncGenerator[WatchEvent, None]:
        """Events until the server ends the watch. ExpiredError asks for a new list, ApiUnavailableError says that it
        broke. See :meth:`watch_lines`.
        """
        lines = self.watch_lines(request, silence=silence, on_open=on_open)
        async with aclosing(lines):
            async for line in lines:
                event = read_event(line, request.path)
                if event.kind == ERROR:
                    raise trouble_of(event, request.path)
                yield event

    async def watch_lines(
        self,
        request: WatchRequest,
        *,
        silence: timedelta = _WATCH_SILENCE,
        on_open: Callable[[], None] = lambda: None,
    ) -> AsyncGenerator[bytes, None]:
        """The same as the API server writes it: a line of JSON for each event, ERROR included.

        The server ends it after the request's time; ApiUnavailableError says that it broke, or that nothing came for
        the time of ``silence`` (there is a bookmark a minute).
        ``on_open`` is called once the server has begun to answer: the first event may be a minute away.
        """
        seconds = request.timeout.total_seconds()
        options = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": request.resource_version,
            "timeoutSeconds": str(int(seconds)),
        }
        accept = (_METADATA_ONLY.format("") if request.metadata_only else JSON) + _UNMANAGED
        asked = Request("GET", request.path, query=options | dict(request.query), accept=accept)
        limits = aiohttp.ClientTimeout(total=seconds + 10, sock_connect=10, sock_read=silence.total_seconds())
        response = await self._sender.open(asked, limits)
        on_open()
        try:
            async for line in response.content:
                self._contact.answered()
                yield line
        except TimeoutError:
            raise SilentWatchError(
                f"the watch of {request.path} has shown nothing for {silence.total_seconds():g} s"
            ) from None
        except (aiohttp.ClientError, ValueError) as error:
            # ValueError: a line longer than any object.
            raise ApiUnavailableError(f"the watch of {request.path} broke: {words_of(error)}") from None
        finally:
            response.close()

    async def _json(self, request: Request) -> dict[str, Any]:
        return _object_of(await self._content(request), request)

    async def _content(self, request: Request) -> bytes:
        async with self._turns:
            return await self._sender.read(request)

    async def _page(self, request: Request, size: PageSize) -> bytes | None:
        """The content; None when it is larger than a page may be."""
        async with self._turns:
            response = await self._sender.open(request)
            try:
                return await read_within(response, limit=size.limit)
            except (aiohttp.ClientError, TimeoutError) as error:
                raise broken_off(request, error) from None


def _object_of(content: bytes, request: Request) -> dict[str, Any]:
    try:
        found = decode(content)
    except ValueError as error:
        raise broken_off(request, error) from None
    if not isinstance(found, dict):
        raise ApiUnavailableError(f"{request}: the answer is no object: {NOT_THE_API_SERVER}")
    return found


def _made_null(wanted: Mapping[str, Any], stored: Mapping[str, Any]) -> bool:
    """Whether an empty object that was applied is null in the answer."""
    for name, value in wanted.items():
        found = stored.get(name, value)
        if isinstance(value, Mapping) and (found is None or _made_null(value, found)):
            return True
    return False
