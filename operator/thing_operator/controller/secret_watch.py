"""Telling of Secrets that came, changed or went, by their metadata only. Nothing is kept in memory.

kopf would hold every Secret's content to watch it; here the API server sends names only, and who needs a
Secret's content reads that one. Users' own Secrets (cert-manager, External Secrets, Sealed Secrets) carry no
label of ours, so a selector would not do.
"""

import asyncio
import logging
import random
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass

from thing_operator.controller.kube import SECRETS, Body, KubeClient, ObjectKey
from thing_operator.controller.kube_errors import ApiUnavailableError, ExpiredError
from thing_operator.errors import ThingOperatorError

log = logging.getLogger(__name__)

_FIRST_PAUSE = 1.0
_MAX_PAUSE = 60.0


@dataclass(slots=True)
class _Stream:
    """Where the watch of one namespace stands; ``version`` None: it begins anew, with a list."""

    namespace: str | None
    version: str | None = None
    failures: int = 0


class SecretWatch:
    """One watch, or one per namespace where the operator may see some only."""

    def __init__(
        self,
        client: KubeClient,
        *,
        namespaces: tuple[str, ...],
        on_secret: Callable[[ObjectKey], None],
        on_resync: Callable[[], None],
    ) -> None:
        self._client = client
        self._streams = [_Stream(namespace) for namespace in namespaces or (None,)]
        self._on_secret = on_secret
        self._on_resync = on_resync
        self._rng = random.Random()  # noqa: S311 - jitter

    async def prepare(self) -> None:
        """Note from where on to watch: who reads a Secret after this misses no later change of it.

        Raises what the API server answers, such as a missing right.
        """
        for stream in self._streams:
            stream.version = await self._latest_version(stream.namespace)

    async def run(self) -> None:
        """Watch until cancelled; trouble is waited out."""
        async with asyncio.TaskGroup() as group:
            for stream in self._streams:
                group.create_task(self._run(stream))

    async def _run(self, stream: _Stream) -> None:
        while True:
            try:
                await self._follow(stream)
                continue
            except ExpiredError as error:
                stream.version, trouble = None, error.message
            except ThingOperatorError as error:
                trouble = error.message
            except Exception:
                log.exception("the watch of Secrets failed unexpectedly")
                stream.version, trouble = None, "it begins anew"
            longest = min(_MAX_PAUSE, _FIRST_PAUSE * 2.0**stream.failures)
            pause = self._rng.uniform(_FIRST_PAUSE / 2, longest)
            stream.failures = min(stream.failures + 1, 16)
            log.warning("the watch of Secrets: %s; again in %.1f s", trouble, pause)
            await asyncio.sleep(pause)

    async def _follow(self, stream: _Stream) -> None:
        """Tell of what happens until the API server ends the watch, which is every five minutes."""
        if stream.version is None:
            stream.version = await self._latest_version(stream.namespace)
            # What happened before is not told: whoever refers to a Secret looks at it again.
            self._on_resync()
        heard = False
        events = self._client.watch(
            SECRETS, namespace=stream.namespace, resource_version=stream.version, metadata_only=True
        )
        async with aclosing(events):
            async for event in events:
                heard = True
                stream.failures = 0
                stream.version = event.body["metadata"]["resourceVersion"]
                if event.kind != "BOOKMARK":
                    self._on_secret(_key(event.body))
        if not heard:
            # There is a bookmark before the end at least: something is in between, or the version is not of
            # this server's history (a restored backup), and then nothing would ever be told.
            stream.version = None
            raise ApiUnavailableError("it ended without a word")

    async def _latest_version(self, namespace: str | None) -> str:
        pages = self._client.pages(SECRETS, namespace=namespace, query={"limit": "1"}, metadata_only=True)
        async with aclosing(pages):
            page = await anext(pages)
        version: str = page["metadata"]["resourceVersion"]
        return version


def _key(body: Body) -> ObjectKey:
    meta = body["metadata"]
    return ObjectKey(meta["namespace"], meta["name"])
