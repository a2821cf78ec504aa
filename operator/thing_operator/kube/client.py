"""The one seam to the API server: plain JSON in and out over aiohttp, with the login of ``kubernetes.aio``.

The library's own requests cost several times as much: its generated models, and a look for proxies and
``.netrc`` at each request.
"""

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode

import aiohttp
import yaml
from kubernetes.aio.client import Configuration
from kubernetes.aio.client.rest import RESTClientObject
from kubernetes.aio.config import ConfigException, load_incluster_config, load_kube_config
from yarl import URL

from thing_operator.api import names
from thing_operator.core.errors import ThingOperatorError
from thing_operator.core.json_bytes import decode, encode
from thing_operator.core.resource import ObjectKey, Resource
from thing_operator.kube.errors import (
    ApiUnavailableError,
    ConflictError,
    LoginError,
    NamespaceTerminatingError,
    NotFoundError,
    ThrottledError,
    error_of,
)
from thing_operator.kube.ports import WATCH_TIMEOUT, Body, Operations, WatchEvent
from thing_operator.kube.proxies import checked_proxy, environment_proxy
from thing_operator.kube.resources import SECRETS

_PARALLEL = 10
"""Requests under way at a time, watches aside: each connection costs a quarter of a MiB for its TLS."""
_REQUEST_TIMEOUT = aiohttp.ClientTimeout(total=30)
_WATCH_SILENCE = timedelta(seconds=90)
"""Seconds after which a silent watch is taken for dead: the API server sends a bookmark every 60 s."""
_LONGEST_LINE = 1 << 21
"""Bytes of one watch event: an object of etcd's limit, and room for its escapes."""
_QUOTES_NOTHING = frozenset({401, 403, 404, 409, 410, 429})
_MANAGED = {"fieldManager": names.FIELD_MANAGER}
_JSON = "application/json"
_METADATA_ONLY = "application/json;as=PartialObjectMetadata{};g=meta.k8s.io;v=v1"


@dataclass(frozen=True, slots=True)
class Request:
    """One request to the API server; its text, as in messages, is method and path."""

    method: str
    path: str
    query: Mapping[str, str] | None = None
    body: Body | Operations | None = None
    content_type: str = _JSON
    accept: str = _JSON

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def target(self) -> str:
        """Path and query, encoded."""
        return f"{self.path}?{urlencode(self.query)}" if self.query else self.path


@dataclass(frozen=True, slots=True)
class Login:
    """What the client is logged in with, for others who need the same: paths of PEM files, and a token."""

    server: str
    ca_file: str | None
    certificate_file: str | None
    key_file: str | None
    token: str | None = field(repr=False)


class KubeClient:
    """The :class:`~thing_operator.kube.ports.ApiClient` of a cluster, with one login; for one event loop."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration
        self._proxy = _proxy(configuration)
        self._turns = asyncio.Semaphore(_PARALLEL)
        # TLS as the library sets it up. No limit to the connections: each watched namespace has one for
        # itself.
        context = RESTClientObject(configuration).ssl_context
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=context), read_bufsize=_LONGEST_LINE
        )

    @classmethod
    async def connect(cls, *, kubeconfig: Path | None = None) -> Self:
        """Log in by ``kubeconfig`` or KUBECONFIG, else by the pod's service account, else by the user's kubeconfig.

        What is named goes first: a pod of a CI has a service account, too, of a cluster that is not meant.
        Raises LoginError.
        """
        configuration = Configuration()
        path = str(kubeconfig) if kubeconfig else os.environ.get("KUBECONFIG") or None
        if path is not None and not _is_there(path):
            raise LoginError(
                f"there is no kubeconfig {path}: set KUBECONFIG, or run in a pod with a service account"
            )
        try:
            if path is None and "KUBERNETES_SERVICE_HOST" in os.environ:
                load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
            else:
                await load_kube_config(  # type: ignore[no-untyped-call]
                    config_file=path, client_configuration=configuration
                )
            return cls(configuration)
        except (ConfigException, OSError) as error:
            raise LoginError(
                f"cannot log in to a cluster ({error}): set KUBECONFIG, or run in a pod with a service account"
            ) from None
        except (yaml.YAMLError, ValueError, TypeError, KeyError, AttributeError):
            # Not the error's own words: they may quote the file, and a token stands in it.
            raise LoginError(f"{path or '~/.kube/config'} is not a kubeconfig: correct it") from None

    async def login(self) -> Login:
        """The login in force; a service account's token is read again when it may have been renewed."""
        configuration = self._configuration
        header = await configuration.get_api_key_with_prefix("BearerToken")
        return Login(
            server=configuration.host,
            ca_file=configuration.ssl_ca_cert,
            certificate_file=configuration.cert_file,
            key_file=configuration.key_file,
            token=header.split(" ", maxsplit=1)[1] if header else None,
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def get(self, resource: Resource, key: ObjectKey) -> dict[str, Any]:
        """One object as the API server has it. Raises NotFoundError, and the others of ``kube.errors``."""
        return await self._json(Request("GET", resource.path(key.namespace, key.name)))

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
        """The same page by page, for who does not want to hold them all."""
        accept = _METADATA_ONLY.format("List") if metadata_only else _JSON
        proceed: str | None = None
        while True:
            asked = dict(query) | ({"continue": proceed} if proceed else {})
            page = await self._json(Request("GET", resource.path(namespace), query=asked, accept=accept))
            yield page
            proceed = page["metadata"].get("continue")
            if not proceed:
                return

    async def create(self, resource: Resource, namespace: str, body: Body) -> dict[str, Any]:
        """Make an object; ConflictError when there is one of that name."""
        return await self._json(Request("POST", resource.path(namespace), query=_MANAGED, body=body))

    async def json_patch(
        self, resource: Resource, key: ObjectKey, operations: Operations, *, subresource: str | None = None
    ) -> None:
        """Change an object by JSON Patch; InvalidObjectError when a ``test`` fails."""
        request = Request(
            "PATCH",
            resource.path(key.namespace, key.name, subresource),
            query=_MANAGED,
            body=operations,
            content_type="application/json-patch+json",
            # The watch shows what became of it; of the answer nothing is looked at.
            accept=_METADATA_ONLY.format(""),
        )
        await self._content(request)

    async def apply(self, resource: Resource, key: ObjectKey, body: Body) -> dict[str, Any]:
        """Server-side apply of the fields in ``body``, which become ours."""
        request = Request(
            "PATCH",
            resource.path(key.namespace, key.name),
            query=_MANAGED | {"force": "true"},
            body=body,
            content_type="application/apply-patch+yaml",
        )
        return await self._json(request)

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
        resource: Resource,
        *,
        namespace: str | None,
        resource_version: str,
        metadata_only: bool = False,
        timeout: timedelta = WATCH_TIMEOUT,
        silence: timedelta = _WATCH_SILENCE,
        on_open: Callable[[], None] = lambda: None,
    ) -> AsyncGenerator[WatchEvent, None]:
        """Events after a resource version, until the server ends the watch. ExpiredError asks for a new list.

        The server ends it after ``timeout``; ApiUnavailableError says that it broke, or that nothing came for the
        time of ``silence`` (there is a bookmark a minute).
        ``on_open`` is called once the server has begun to answer: the first event may be a minute away.
        """
        seconds = timeout.total_seconds()
        request = Request(
            "GET",
            resource.path(namespace),
            query={
                "watch": "true",
                "allowWatchBookmarks": "true",
                "resourceVersion": resource_version,
                "timeoutSeconds": str(int(seconds)),
            },
            accept=_METADATA_ONLY.format("") if metadata_only else _JSON,
        )
        limits = aiohttp.ClientTimeout(total=seconds + 10, sock_connect=10, sock_read=silence.total_seconds())
        response = await self._send(request, limits)
        on_open()
        try:
            async for line in response.content:
                yield _watch_event(line, request)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ApiUnavailableError(f"the watch of {request.path} broke: {error!r}") from None
        finally:
            response.close()

    async def _json(self, request: Request) -> dict[str, Any]:
        content = await self._content(request)
        try:
            found: dict[str, Any] = decode(content)
        except ValueError as error:
            raise ApiUnavailableError(f"{request}: the answer broke off ({error!r})") from None
        return found

    async def _content(self, request: Request) -> bytes:
        async with self._turns:
            response = await self._send(request, _REQUEST_TIMEOUT)
            try:
                return await response.read()
            except (aiohttp.ClientError, TimeoutError) as error:
                raise ApiUnavailableError(f"{request}: the answer broke off ({error!r})") from None

    async def _send(self, request: Request, limits: aiohttp.ClientTimeout) -> aiohttp.ClientResponse:
        """The answer, when it says that all is well; its content is still to come."""
        headers = {"Content-Type": request.content_type, "Accept": request.accept}
        try:
            token = await self._configuration.get_api_key_with_prefix("BearerToken")
            if token:
                headers["Authorization"] = token
            response = await self._http.request(
                request.method,
                URL(self._configuration.host + request.target, encoded=True),
                headers=headers,
                data=None if request.body is None else encode(request.body),
                timeout=limits,
                proxy=self._proxy,
                proxy_headers=self._configuration.proxy_headers,
                server_hostname=self._configuration.tls_server_name,
            )
            if response.ok:
                return response
            raise await _refusal(response, request)
        except ConfigException as error:
            raise ApiUnavailableError(
                f"{request}: the service account's token cannot be read ({error})"
            ) from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ApiUnavailableError(f"{request}: the API server cannot be reached ({error!r})") from None


def _proxy(configuration: Configuration) -> str | None:
    """The proxy that leads to the API server, looked up once and not for each request; a kubeconfig's goes first."""
    if configuration.proxy:
        return checked_proxy(configuration.proxy, field="proxy-url of the kubeconfig")
    return environment_proxy(configuration.host, os.environ)


def _is_there(kubeconfig: str) -> bool:
    """Whether one file at least of a value of KUBECONFIG exists."""
    return any(Path(part).expanduser().is_file() for part in kubeconfig.split(os.pathsep))


def _watch_event(line: bytes, request: Request) -> WatchEvent:
    """One line of a watch; raises what it says when it says why the watch ends."""
    event = decode(line)
    kind, body = event["type"], event["object"]
    if kind == "ERROR":
        action, detail = f"watch {request.path}", body.get("message", "")
        raise error_of(body.get("code", 500), action=action, detail=detail)
    return WatchEvent(kind, body)


async def _refusal(response: aiohttp.ClientResponse, request: Request) -> ThingOperatorError:
    try:
        status = decode(await response.read())
        detail, causes = str(status["message"]), (status.get("details") or {}).get("causes") or []
    except (ValueError, KeyError, TypeError, AttributeError):
        status, detail, causes = {}, response.reason or "", []
    if any(cause.get("reason") == NamespaceTerminatingError.reason for cause in causes):
        return NamespaceTerminatingError(f"{request}: the namespace is being deleted")
    if f"/{SECRETS.plural}" in request.path and response.status not in _QUOTES_NOTHING:
        # Of a type that does not fit, the API server quotes the value: in a Secret, perhaps a key.
        fields = ", ".join(str(cause.get("field")) for cause in causes)
        detail = " ".join(part for part in (status.get("reason"), fields) if part) or response.reason or ""
    error = error_of(response.status, action=str(request), detail=detail)
    if isinstance(error, ThrottledError):
        after = response.headers.get("Retry-After", "")
        error.retry_after = timedelta(seconds=int(after) if after.isdecimal() else 0)
    return error
