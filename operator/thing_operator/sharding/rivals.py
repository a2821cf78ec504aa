"""The Things of other replicas for a thing, as the API server shows them: no replica keeps another one's Things."""

import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Final

from pydantic import ValidationError

from thing_operator.api.names import THINGS
from thing_operator.api.thing import ThingStatus
from thing_operator.config import EndpointSettings
from thing_operator.core.clock import Clock
from thing_operator.core.resource import ObjectKey
from thing_operator.kube.errors import InvalidObjectError
from thing_operator.kube.ports import ApiClient
from thing_operator.kube.snapshot import ObjectSnapshot
from thing_operator.twin.claims import Addressing
from thing_operator.twin.rivals import Rival, holder_before

log = logging.getLogger(__name__)

_SELECTORS: Final = ("spec.thingName={}", "metadata.name={},spec.thingName=")
"""Of the Things for things of a name."""


class Rivals:
    """Looks for them. ``runs_elsewhere``: whether the object of this key and uid is another replica's to run.

    ``namespaces`` empty: all.
    """

    def __init__(
        self,
        client: ApiClient,
        *,
        settings: EndpointSettings,
        namespaces: Sequence[str],
        runs_elsewhere: Callable[[ObjectKey, str], bool],
        clock: Clock,
    ) -> None:
        self._client = client
        self._settings = settings
        self._addressing = Addressing(settings.account_per_address)
        self._namespaces = tuple(namespaces) or (None,)
        self._runs_elsewhere = runs_elsewhere
        self._clock = clock
        self.lists = len(_SELECTORS) * len(self._namespaces)
        """So many requests has the API server for one thing."""

    async def holder_before(self, snapshot: ObjectSnapshot, *, thing_name: str) -> ObjectKey | None:
        """The Thing of another replica that this one, which is for a thing of this name, has to wait for.

        Raises what the API server answers.
        """
        own, others = None, []
        try:
            async for body in self._named(thing_name):
                found = ObjectSnapshot.from_body(body)
                rival = self._rival(found, body)
                if rival is not None and found.uid == snapshot.uid:
                    own = rival
                elif rival is not None and self._runs_elsewhere(found.key, found.uid):
                    others.append(rival)
        except InvalidObjectError as error:
            log.warning("duplicates in other replicas are not found: update the CRDs (%s)", error.message)
        if own is None:
            return None
        holder = holder_before(own, others, self._addressing)
        return holder.key if holder is not None else None

    def _rival(self, snapshot: ObjectSnapshot, body: Mapping[str, Any]) -> Rival | None:
        try:
            status = ThingStatus.model_validate(body.get("status") or {})
        except ValidationError:
            return None  # it is not the operator's
        return Rival.of(
            snapshot,
            status,
            settings=self._settings,
            addressing=self._addressing,
            now=self._clock.now(),
        )

    async def _named(self, thing_name: str) -> AsyncIterator[Mapping[str, Any]]:
        """The Things for things of this name, as the API server has them."""
        for selector in _SELECTORS:
            query = {"fieldSelector": selector.format(thing_name)}
            for namespace in self._namespaces:
                pages = self._client.pages(THINGS, namespace=namespace, query=query, metadata_only=False)
                async with aclosing(pages):
                    async for page in pages:
                        for body in page["items"]:
                            yield body
