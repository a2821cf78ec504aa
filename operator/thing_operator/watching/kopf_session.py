"""What kopf speaks to the API server through: it asks as it always does, and is answered from here.

kopf takes much for the end of its run that passes by itself: a 401, a 403 that lasts, a 5xx, a page of HTML, an ERROR
in a watch. Here all of that is a lost connection, which kopf waits out. The requests are those of our own client,
with its login, trust and proxy; what goes wrong with them is reported to readiness and to the log, and how long to wait
is decided, by ``watching.object_stream``.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from yarl import URL

from thing_operator.core.resource import Resource
from thing_operator.watching.object_stream import ObjectStream

_OF_KOPF = (
    Resource("", "v1", "namespaces", "Namespace"),
    Resource("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition"),
)
"""What kopf wants to find before it begins, though its settings say not to look at any of them."""


class KopfSession:
    """In place of an aiohttp session, of which kopf needs no more than this."""

    closed = False

    def __init__(self, streams: Mapping[str, ObjectStream], resources: Sequence[Resource]) -> None:
        """``streams`` by the path of their collection; ``resources``: the kinds that they are of."""
        self.headers: dict[str, str] = {}
        self._streams = streams
        self._discovery = _discovery((*_OF_KOPF, *resources))

    async def request(self, method: str, url: str, **_: Any) -> "_Answer":
        """The answer to a request of kopf's; what is asked of the API server for it is asked when it is read.

        So nothing fails before kopf reads, where it takes a lost connection without a word in the log. LookupError
        for what kopf has not asked so far: a new version of it that does needs an answer here.
        """
        asked = URL(url)
        stream = self._streams.get(asked.path)
        if stream is not None and method.upper() == "GET":
            if asked.query.get("watch") == "true":
                return _Answer(lines=stream.lines())
            return _Answer(document=lambda: _listed(stream))
        if asked.path not in self._discovery:
            raise LookupError(f"kopf asks {method} {asked.path}, which nobody answers")
        return _Answer(document=_found(self._discovery[asked.path]))

    async def close(self) -> None:
        """Nothing to close: the connections are the client's."""


class _Content:
    """The body of an answer that goes on, as kopf reads it."""

    def __init__(self, lines: AsyncGenerator[bytes, None]) -> None:
        self._lines = lines

    def iter_chunked(self, _size: int) -> AsyncGenerator[bytes, None]:
        """Line by line, which suits kopf as well as any pieces."""
        return self._lines


class _Answer:
    """In place of an aiohttp response: a document, or lines without end."""

    status = 200

    def __init__(
        self,
        *,
        document: Callable[[], Awaitable[Any]] | None = None,
        lines: AsyncGenerator[bytes, None] | None = None,
    ) -> None:
        self._document = document
        self._lines = lines
        self.content = _Content(lines) if lines else None

    async def json(self) -> Any:
        """The document."""
        return await self._document() if self._document else None

    def close(self) -> None:
        """Nothing to do: whoever reads closes the lines."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._lines is not None:
            await self._lines.aclose()


async def _listed(stream: ObjectStream) -> dict[str, Any]:
    """A list without objects: the informer has taken them."""
    return {"metadata": {"resourceVersion": await stream.begin()}, "items": []}


def _found(document: dict[str, Any]) -> Callable[[], Awaitable[Any]]:
    async def find() -> dict[str, Any]:
        return document

    return find


def _discovery(resources: Sequence[Resource]) -> dict[str, dict[str, Any]]:
    """What an API server says by path of what it serves, as if it served all of these.

    kopf looks once: of a CRD that is not there yet, or not yet said to be, it would hear nothing ever after. So a
    kind that is missing is found out by its list, which is tried until it is there.
    """
    groups: dict[str, dict[str, Any]] = {}
    found: dict[str, dict[str, Any]] = {"/api": {"versions": ["v1"]}, "/apis": {"groups": []}}
    for each in resources:
        root = each.path(None).removesuffix(f"/{each.plural}")
        if each.group and each.group not in groups:
            groups[each.group] = version = {"version": each.version}
            found["/apis"]["groups"].append(
                {"name": each.group, "versions": [version], "preferredVersion": version}
            )
        found.setdefault(root, {"resources": []})["resources"].append(
            {
                "name": each.plural,
                "singularName": each.kind.lower(),
                "kind": each.kind,
                "namespaced": True,
                "verbs": ["list", "watch"],
            }
        )
    return found
