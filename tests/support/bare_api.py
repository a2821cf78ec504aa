"""The API server as bare aiohttp reaches it: what the bench makes, changes and counts things with."""

import asyncio
import base64
import json
import re
import ssl
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import aiohttp
import yaml

from thing_operator.api import names

Json = dict[str, Any]
T = TypeVar("T")

THINGS = f"/apis/{names.GROUP}/{names.VERSION}/namespaces/{{namespace}}/things"
SECRETS = "/api/v1/namespaces/{namespace}/secrets"
_PARALLEL = 16
_WRITE = re.compile('verb="(POST|PUT|PATCH|APPLY|DELETE)"')
USER_AGENT = "bench"
"""Tells the bench's requests from the operator's in the audit log."""


class Api:
    """An async context manager around one connection pool."""

    def __init__(self, kubeconfig: Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        self._server: str = cluster["server"]
        self._context = ssl.create_default_context(cadata=_decoded(cluster, "certificate-authority-data"))
        with tempfile.NamedTemporaryFile("w") as pair:  # mode 0600
            pair.write(_decoded(user, "client-certificate-data") + _decoded(user, "client-key-data"))
            pair.flush()
            self._context.load_cert_chain(pair.name)

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=self._context), headers={"User-Agent": USER_AGENT}
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def call(
        self, method: str, path: str, body: Any = None, *, content_type: str = "application/json"
    ) -> Json:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": content_type}
        async with self._session.request(method, self._server + path, data=data, headers=headers) as answer:
            found: Json = json.loads(await answer.read())
            if not answer.ok:
                raise RuntimeError(f"{method} {path}: {answer.status} {found.get('message')}")
            return found

    async def writes(self, resource: str) -> int:
        """How often the API server was asked to write objects of a kind, by whomever, refusals included."""
        async with self._session.get(f"{self._server}/metrics") as answer:
            lines = (await answer.text()).splitlines()
        asked = [line for line in lines if line.startswith("apiserver_request_total{")]
        counted = [line for line in asked if f'resource="{resource}"' in line and _WRITE.search(line)]
        return sum(int(float(line.rpartition(" ")[2])) for line in counted)

    async def watch(self, path: str, *, version: str) -> AsyncIterator[Json]:
        """Events after ``version``, for at most an hour."""
        url = f"{self._server}{path}?watch=true&resourceVersion={version}&timeoutSeconds=3600"
        limits = aiohttp.ClientTimeout(total=None)
        async with self._session.get(url, timeout=limits, read_bufsize=1 << 20) as answer:
            if not answer.ok:
                raise RuntimeError(f"watch of {path}: {answer.status}")
            async for line in answer.content:
                yield json.loads(line)

    async def version(self, path: str) -> str:
        """The resource version from which a watch misses nothing that happens after now."""
        found = await self.call("GET", f"{path}?limit=1")
        return str(found["metadata"]["resourceVersion"])

    async def count(self, path: str) -> int:
        """Number of objects in a collection."""
        found = await self.call("GET", f"{path}?limit=1")
        return len(found["items"]) + int(found["metadata"].get("remainingItemCount") or 0)


async def for_each(
    items: Iterable[T], act: Callable[[T], Awaitable[object]], *, parallel: int = _PARALLEL
) -> None:
    """Do it for all, some at a time."""
    left = iter(items)

    async def work() -> None:
        for item in left:
            await act(item)

    async with asyncio.TaskGroup() as group:
        for _ in range(parallel):
            group.create_task(work())


def _decoded(section: Json, field: str) -> str:
    return base64.b64decode(section[field]).decode()
