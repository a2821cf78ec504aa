"""Reports which Secrets were created, changed or deleted, by their metadata only. Nothing is kept in memory.

kopf would hold every Secret's content to watch it; here the API server sends names only, and who needs a
Secret's content reads that one. Users' own Secrets (cert-manager, External Secrets, Sealed Secrets) carry no
label of ours, so a selector would not do.
"""

from collections.abc import Callable
from contextlib import aclosing

from thing_operator.core.clock import Clock
from thing_operator.core.resource import ObjectKey
from thing_operator.kube.ports import ApiClient
from thing_operator.kube.resources import SECRETS
from thing_operator.watching.stream_health import StreamHealth
from thing_operator.watching.watch import Watch


class SecretWatch:
    """One watch, or one per namespace where the operator may see some only.

    ``on_secret`` is called with each Secret that was created, changed or deleted; ``on_resync`` where some may have
    been missed.
    """

    def __init__(
        self,
        client: ApiClient,
        *,
        namespaces: tuple[str, ...],
        on_secret: Callable[[ObjectKey], None],
        on_resync: Callable[[], None],
        clock: Clock,
    ) -> None:
        self._client = client
        self._watch = Watch(
            client,
            SECRETS,
            namespaces=namespaces,
            begin=self._begin,
            on_event=lambda event: on_secret(ObjectKey.of(event.body["metadata"])),
            on_gap=on_resync,  # what happened in a gap is not reported: whoever refers to a Secret is requeued
            metadata_only=True,
            clock=clock,
        )

    async def run(self) -> None:
        """Watch until cancelled; trouble is waited out."""
        await self._watch.run()

    @property
    def healths(self) -> list[StreamHealth]:
        """How each of its streams is doing."""
        return self._watch.healths

    def version_of(self, namespace: str) -> str | None:
        """The newest resource version that was shown of a namespace's Secrets; None before the watch has begun."""
        return self._watch.version_of(namespace)

    async def _begin(self, namespace: str | None) -> str:
        pages = self._client.pages(SECRETS, namespace=namespace, query={"limit": "1"}, metadata_only=True)
        async with aclosing(pages):
            page = await anext(pages)
        version: str = page["metadata"]["resourceVersion"]
        return version
