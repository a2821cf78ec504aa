"""Telling of Secrets that came, changed or went, by their metadata only. Nothing is kept in memory.

kopf would hold every Secret's content to watch it; here the API server sends names only, and who needs a
Secret's content reads that one. Users' own Secrets (cert-manager, External Secrets, Sealed Secrets) carry no
label of ours, so a selector would not do.
"""

import asyncio
import logging
import random
from collections.abc import Callable

from thing_operator.controller.kube import SECRETS, Body, KubeClient, ObjectKey
from thing_operator.controller.kube_errors import ExpiredError
from thing_operator.errors import ThingOperatorError

log = logging.getLogger(__name__)

_MAX_PAUSE = 60.0


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
        self._namespaces: tuple[str | None, ...] = namespaces or (None,)
        self._on_secret = on_secret
        self._on_resync = on_resync
        self._rng = random.Random()  # noqa: S311 - jitter
        self._versions: dict[str | None, str] = {}

    async def prepare(self) -> None:
        """Note from where on to watch: who reads a Secret after this misses no later change of it.

        Raises what the API server answers, such as a missing right.
        """
        for namespace in self._namespaces:
            self._versions[namespace] = await self._latest_version(namespace)

    async def run(self) -> None:
        """Watch until cancelled; trouble is waited out."""
        async with asyncio.TaskGroup() as group:
            for namespace in self._namespaces:
                group.create_task(self._run(namespace))

    async def _run(self, namespace: str | None) -> None:
        version = self._versions.get(namespace)
        failures = 0
        while True:
            try:
                if version is None:
                    version = await self._latest_version(namespace)
                    # What happened before is not told: whoever refers to a Secret looks at it again.
                    self._on_resync()
                async for event in self._client.watch(
                    SECRETS, namespace=namespace, resource_version=version, metadata_only=True
                ):
                    failures = 0
                    version = event.body["metadata"]["resourceVersion"]
                    if event.kind != "BOOKMARK":
                        self._on_secret(_key(event.body))
            except ExpiredError:
                version = None
            except ThingOperatorError as error:
                pause = self._rng.uniform(0.5, min(_MAX_PAUSE, 2.0**failures))
                failures = min(failures + 1, 16)
                log.warning("the watch of Secrets: %s; again in %.1f s", error.message, pause)
                await asyncio.sleep(pause)

    async def _latest_version(self, namespace: str | None) -> str:
        pages = self._client.pages(SECRETS, namespace=namespace, query={"limit": "1"}, metadata_only=True)
        async for page in pages:
            version: str = page["metadata"]["resourceVersion"]
            return version
        raise AssertionError("a list has at least one page")


def _key(body: Body) -> ObjectKey:
    meta = body["metadata"]
    return ObjectKey(meta["namespace"], meta["name"])
