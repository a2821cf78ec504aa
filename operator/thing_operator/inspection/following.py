"""Things as they change: a list, and then the watch, for as long as somebody looks."""

import asyncio
import random
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from thing_operator.api.names import THINGS
from thing_operator.core.backoff import Backoff
from thing_operator.core.resource import ObjectKey
from thing_operator.inspection.reading import refused
from thing_operator.kube.errors import ApiUnavailableError, ExpiredError, ForbiddenError, NotFoundError
from thing_operator.kube.ports import ApiClient, WatchEvent, WatchRequest, named
from thing_operator.kube.watch_events import BOOKMARK, DELETED

_BACKOFF: Final = Backoff(timedelta(seconds=1), timedelta(seconds=15), random.Random())  # noqa: S311 - a pause


@dataclass(slots=True)
class Followed:
    """The Things as the API server has them, by key, and why that may be out of date."""

    things: dict[ObjectKey, dict[str, Any]] = field(default_factory=dict)
    changed: ObjectKey | None = None
    """Which one has changed last; None for all of them."""
    trouble: str = ""


async def follow(
    client: ApiClient, namespace: str | None, *, name: str | None = None
) -> AsyncGenerator[Followed, None]:
    """The same object after each change, without end. A broken watch is opened again, with growing pauses.

    Raises what a list raises that a person has to see to: no right, no CRDs.
    """
    followed = Followed()
    failures = 0
    while True:
        try:
            async for _ in _listed_and_watched(client, namespace, name, followed):
                failures = 0
                yield followed
        except ExpiredError:
            continue
        except ApiUnavailableError as error:
            failures += 1
            followed.trouble, followed.changed = error.message, None
            yield followed
            await asyncio.sleep(_BACKOFF.delay(failures).total_seconds())


async def _listed_and_watched(
    client: ApiClient, namespace: str | None, name: str | None, followed: Followed
) -> AsyncGenerator[None, None]:
    query = named(name) if name else {}
    version = ""
    found: dict[ObjectKey, dict[str, Any]] = {}
    try:
        async for page in client.pages(THINGS, namespace=namespace, query=query, metadata_only=False):
            version = page["metadata"]["resourceVersion"]
            found |= {ObjectKey.of(body["metadata"]): body for body in page["items"]}
    except (NotFoundError, ForbiddenError) as error:
        raise refused(error, namespace) from None
    followed.things, followed.changed, followed.trouble = found, None, ""
    yield
    while True:
        request = WatchRequest(THINGS, namespace, version, query=query)
        async with aclosing(client.watch(request)) as events:
            async for event in events:
                version = event.body["metadata"]["resourceVersion"]
                if _take(event, followed):
                    yield


def _take(event: WatchEvent, followed: Followed) -> bool:
    if event.kind == BOOKMARK:
        return False
    key = ObjectKey.of(event.body["metadata"])
    if event.kind == DELETED:
        followed.things.pop(key, None)
    else:
        followed.things[key] = dict(event.body)
    followed.changed = key
    return True
