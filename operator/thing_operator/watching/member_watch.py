"""The objects that belong to others, wherever those are: for a replica whose API server sends it a share by uids alone.

A networked child is run where its parent is, which its own uid does not say: so every replica has to receive all of
them. An API server without the feature ShardedListAndWatch sends everything anyway.
"""

import asyncio
from typing import Final

from thing_operator.core.clock import Clock
from thing_operator.informing.informer import Informer
from thing_operator.kube.ports import ApiClient, WatchEvent
from thing_operator.watching.watch import Watch

MEMBERS: Final = "spec.parentRef.name!="
"""The field selector of what has a parent."""
_LOOK_SECONDS: Final = 5.0


class MemberWatch:
    """One watch, or one per namespace, from the moment on at which the informer asks for a share."""

    def __init__(
        self, client: ApiClient, informer: Informer, *, namespaces: tuple[str, ...], clock: Clock
    ) -> None:
        self._informer = informer
        self._watch = Watch(
            client,
            informer.resource,
            namespaces=namespaces,
            begin=lambda namespace: informer.list_members(namespace, MEMBERS),
            on_event=self._on_event,
            query={"fieldSelector": MEMBERS},
            clock=clock,
        )

    async def run(self) -> None:
        """Watch until cancelled; trouble is waited out."""
        while not self._informer.selectors(self._informer.share()):  # noqa: ASYNC110 - a cheap look
            # Another replica may come at any time, and nobody says so.
            await asyncio.sleep(_LOOK_SECONDS)
        await self._watch.run()

    def _on_event(self, event: WatchEvent) -> None:
        if not self._informer.absorbs(event):
            self._informer.on_event(event.kind, event.body)
