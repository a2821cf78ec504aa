"""kopf's handlers: they translate an event of kopf's, and decide nothing."""

from collections.abc import Callable, Mapping
from typing import Any

from thing_operator.informing.informer import Informer
from thing_operator.watching.kopf_session import KopfSession
from thing_operator.watching.lean_kopf import kopf
from thing_operator.watching.object_stream import ObjectStream


def kopf_registry(streams: Mapping[str, ObjectStream]) -> kopf.OperatorRegistry:
    """kopf's handlers of these streams' kinds, and a login that is a session over them; ``streams`` by their paths."""
    registry = kopf.OperatorRegistry()
    informers = {stream.informer.resource: stream.informer for stream in streams.values()}
    session = KopfSession(streams, list(informers))

    @kopf.on.login(id="login", registry=registry)
    async def login(**_: Any) -> kopf.AiohttpSession:
        # Not the server's own name: who speaks to it, and by which login, is the client's business.
        return kopf.AiohttpSession(server="https://kubernetes", aiohttp_session=session)  # type: ignore[arg-type]

    for resource, informer in informers.items():
        follow = kopf.on.event(
            resource.group, resource.version, resource.plural, id=resource.plural, registry=registry
        )
        follow(_handler(informer))
    return registry


def _handler(informer: Informer) -> Callable[..., Any]:
    async def take(event: Mapping[str, Any], **_: Any) -> None:
        informer.on_event(event["type"], event["object"])

    return take
