"""Which replica has a Thing that this process does not have."""

import re
from collections.abc import Callable
from typing import Final

from thing_operator.api.names import THINGS
from thing_operator.bridge.answer_cache import AnswerCache
from thing_operator.bridge.problems import access_unknown, not_here, unknown_thing
from thing_operator.core.clock import Clock
from thing_operator.core.errors import ThingOperatorError
from thing_operator.core.resource import ObjectKey
from thing_operator.kube.errors import ForbiddenError, NotFoundError
from thing_operator.kube.ports import ApiClient

_FRESH: Final = 10.0
_STALE: Final = 60.0
_KEPT: Final = 600.0
"""Seconds: a Thing of another uid under the same name is rare, and its holder looks for itself."""
_SIZE: Final = 16384

_ADDRESS: Final = re.compile(r"http://([0-9.]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}")
"""As replicas write it: an address and no name, so that nothing is looked up."""

BridgeOf = Callable[[str], str | None]
"""Where the bridge of the replica is that holds the Thing of a uid; None: nobody else is known to hold it."""


class Holders:
    """Finds holders by the uid of a Thing, or of its parent, which the API server is asked for."""

    def __init__(self, client: ApiClient, bridge_of: BridgeOf, *, clock: Clock) -> None:
        self._client = client
        self._bridge_of = bridge_of
        self._uids: AnswerCache[ObjectKey, str] = AnswerCache(
            fresh=_FRESH, stale=_STALE, kept=_KEPT, size=_SIZE, clock=clock
        )

    async def address(self, key: ObjectKey) -> str:
        """The address of the holder's bridge, ``http://host:port``. Raises BridgeError: there is no such Thing, or it
        cannot be said now who holds it.
        """
        try:
            uid = await self._uids.get(key, lambda: self._uid(key))
        except ThingOperatorError:
            raise access_unknown() from None
        if not uid:
            raise unknown_thing(key)
        address = self._bridge_of(uid)
        if address is None or not _ADDRESS.fullmatch(address):
            raise not_here(key)
        return address

    async def _uid(self, key: ObjectKey) -> str:
        """Empty when there is none, or none that this operator may see."""
        try:
            body = await self._client.get(THINGS, key)
            parent = (body.get("spec") or {}).get("parentRef") or {}
            if parent.get("name"):
                body = await self._client.get(THINGS, ObjectKey(key.namespace, str(parent["name"])))
        except (NotFoundError, ForbiddenError):
            return ""
        return str(body["metadata"]["uid"])
