"""The Things of other replicas for a thing, as the API server shows them: no replica keeps another one's Things."""

import logging
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Final

from pydantic import ValidationError

from thing_operator.api.names import THINGS
from thing_operator.api.thing import ThingStatus
from thing_operator.config import EndpointSettings
from thing_operator.core.clock import Clock
from thing_operator.core.object_names import is_object_name
from thing_operator.core.resource import ObjectKey
from thing_operator.kube.errors import InvalidObjectError, NotFoundError
from thing_operator.kube.ports import ApiClient
from thing_operator.kube.snapshot import ObjectSnapshot
from thing_operator.shadow.topics import parent_thing_names
from thing_operator.twin.claims import Addressing
from thing_operator.twin.resolved import ResolvedThing
from thing_operator.twin.rivals import Rival, ShownThing, holder_before

log = logging.getLogger(__name__)

_SELECTORS: Final = (
    "spec.thingName={},spec.parentRef.name=",
    "metadata.name={},spec.thingName=,spec.parentRef.name=",
)
"""Of the Things with credentials of their own for things of a name."""


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

    def lists(self, resolved: ResolvedThing) -> int:
        """So many requests has the API server for a Thing like this, or a few less."""
        if resolved.parent is not None:
            return len(self._namespaces)
        names = (resolved.thing_name, *parent_thing_names(resolved.thing_name))
        return len(_SELECTORS) * len(names) * len(self._namespaces)

    async def holder_before(self, snapshot: ObjectSnapshot, *, thing_name: str) -> ObjectKey | None:
        """The Thing of another replica that this one, which is for a thing of this name, has to wait for.

        Raises what the API server answers.
        """
        own, others = None, []
        try:
            async for found, parent in self._candidates(snapshot, thing_name):
                rival = self._rival(found, parent)
                # A networked child is where its parent is.
                divided = (parent or found).snapshot
                if rival is not None and found.snapshot.uid == snapshot.uid:
                    own = rival
                elif rival is not None and self._runs_elsewhere(divided.key, divided.uid):
                    others.append(rival)
        except InvalidObjectError as error:
            log.warning("duplicates in other replicas are not found: update the CRDs (%s)", error.message)
        if own is None:
            return None
        holder = holder_before(own, others, self._addressing)
        return holder.key if holder is not None else None

    def _rival(self, found: ShownThing, parent: ShownThing | None) -> Rival | None:
        return Rival.of(
            found,
            parent=parent,
            settings=self._settings,
            addressing=self._addressing,
            now=self._clock.now(),
        )

    async def _candidates(
        self, snapshot: ObjectSnapshot, thing_name: str
    ) -> AsyncGenerator[tuple[ShownThing, ShownThing | None], None]:
        """What may be for a thing of this name, this Thing included, each with its parent if it is a child."""
        of_own_parent = None
        if snapshot.parent_key is not None:
            own, parent = await self._read(snapshot.key), await self._read(snapshot.parent_key)
            if own is None or parent is None:
                return
            yield own, parent
            rival = self._rival(parent, None)
            of_own_parent = rival.claim.thing_name if rival is not None else None
        async for found in self._named(thing_name):
            yield found, None
        for name in parent_thing_names(thing_name):
            if name == of_own_parent:
                continue  # whose other children have other names
            async for parent in self._named(name):
                key = parent.snapshot.key
                async for child in self._selected(f"spec.parentRef.name={key.name}", key.namespace):
                    yield child, parent

    async def _named(self, thing_name: str) -> AsyncGenerator[ShownThing, None]:
        """The Things with credentials of their own for things of this name."""
        # No object has a name of other letters: of what has a child's name, none.
        for selector in _SELECTORS if is_object_name(thing_name) else _SELECTORS[:1]:
            for namespace in self._namespaces:
                async for found in self._selected(selector.format(thing_name), namespace):
                    yield found

    async def _selected(self, selector: str, namespace: str | None) -> AsyncGenerator[ShownThing, None]:
        pages = self._client.pages(
            THINGS, namespace=namespace, query={"fieldSelector": selector}, metadata_only=False
        )
        async with aclosing(pages):
            async for page in pages:
                for body in page["items"]:
                    if (found := _shown(body)) is not None:
                        yield found

    async def _read(self, key: ObjectKey) -> ShownThing | None:
        try:
            return _shown(await self._client.get(THINGS, key))
        except NotFoundError:
            return None


def _shown(body: Mapping[str, Any]) -> ShownThing | None:
    """None where the status is not the operator's."""
    try:
        status = ThingStatus.model_validate(body.get("status") or {})
    except ValidationError:
        return None
    return ShownThing(ObjectSnapshot.from_body(body), status)
