"""Asking the API server who a caller is and what the caller may do. No token is kept, nor comes into a log."""

import hashlib
import logging
import os
from collections.abc import Awaitable
from typing import Any, Final, TypeVar

from thing_operator.bridge.answer_cache import AnswerCache
from thing_operator.bridge.limits import CallerLimits
from thing_operator.bridge.problems import BridgeError, BridgeReason, access_unknown
from thing_operator.bridge.reviews import (
    ACCESS_REVIEWS,
    TOKEN_REVIEWS,
    Caller,
    access_review,
    caller_in,
    is_allowed,
    token_review,
)
from thing_operator.core.clock import Clock
from thing_operator.core.errors import ThingOperatorError
from thing_operator.core.log_limit import LogLimit
from thing_operator.core.resource import ObjectKey, Resource
from thing_operator.core.turns import Turns
from thing_operator.kube.ports import ApiClient

V = TypeVar("V")

log = logging.getLogger(__name__)

_FRESH: Final = 10.0
"""Seconds: so long what the API server has said stands, and a right that was taken away is still there."""
_STALE: Final = 20.0
"""So long it is still given to whoever asks first, while the API server is asked again: nobody waits for that."""
_KEPT: Final = 60.0
"""So long it stands while the API server does not answer."""
_SIZE: Final = 4096
_AT_A_TIME: Final = 4
"""Reviews under way: the API server is asked for Things, too. Tenants have them in turn, and so have the addresses from
which tokens come that are not known.
"""


class CallerAccess:
    """Who may do what, for one audience. ``limits``: of tokens that are not known."""

    def __init__(self, client: ApiClient, *, audience: str, limits: CallerLimits, clock: Clock) -> None:
        self._client = client
        self._audience = audience
        self._limits = limits
        self._log_limit = LogLimit(clock=clock)
        self._salt = os.urandom(16)
        self._turns = Turns(_AT_A_TIME)
        self._callers: AnswerCache[bytes, tuple[Caller | None]] = AnswerCache(
            fresh=_FRESH, stale=_STALE, kept=_KEPT, size=_SIZE, clock=clock
        )
        self._rights: AnswerCache[tuple[Caller, ObjectKey, str], bool] = AnswerCache(
            fresh=_FRESH, stale=_STALE, kept=_KEPT, size=2 * _SIZE, clock=clock
        )

    async def caller(self, token: str | None, *, address: str) -> Caller:
        """Whose the token is. Raises BridgeError: nobody's, too many of those from ``address``, or not to be known."""
        if token is None:
            raise _unauthenticated("there is no bearer token", audience=self._audience)
        digest = hashlib.blake2b(token.encode(), key=self._salt, digest_size=16).digest()
        if at_hand := self._callers.at_hand(digest):
            return _somebody(at_hand, audience=self._audience)
        is_new = not self._callers.has(digest)
        if is_new:
            self._limits.admit_token(address)
        found = await self._known(self._callers.get(digest, lambda: self._review_token(token, address)))
        if is_new and found == _NOBODY:
            self._limits.note_bad_token(address)
        return _somebody(found, audience=self._audience)

    async def require(self, caller: Caller, key: ObjectKey, verb: str) -> None:
        """Raises BridgeError unless the caller may do this with the Thing's bridge."""
        # Of all Things of the namespace first: most callers may that, and it is one answer for all of them.
        for place in (ObjectKey(key.namespace, ""), key):
            if await self._may(caller, place, verb):
                return
        raise BridgeError.of(
            403,
            BridgeReason.FORBIDDEN,
            f"{caller.name} may not {verb} things/bridge of {key}",
            remedy="have a Role with this verb on things/bridge bound to it in that namespace",
        )

    async def _may(self, caller: Caller, key: ObjectKey, verb: str) -> bool:
        question = (caller, key, verb)
        at_hand = self._rights.at_hand(question)
        if at_hand is not None:
            return at_hand
        return await self._known(self._rights.get(question, lambda: self._review_access(caller, key, verb)))

    async def _review_token(self, token: str, address: str) -> tuple[Caller | None]:
        answer = await self._ask(TOKEN_REVIEWS, token_review(token, self._audience), group=address)
        return (caller_in(answer, self._audience),)

    async def _review_access(self, caller: Caller, key: ObjectKey, verb: str) -> bool:
        return is_allowed(
            await self._ask(ACCESS_REVIEWS, access_review(caller, key, verb), group=caller.tenant)
        )

    async def _ask(self, resource: Resource, body: dict[str, Any], *, group: str) -> dict[str, Any]:
        async with self._turns.turn(group):
            return await self._client.create(resource, "", body)

    async def _known(self, answer: Awaitable[V]) -> V:
        """An answer; without one the caller is refused, and the log says why."""
        try:
            return await answer
        except ThingOperatorError as error:
            level = self._log_limit.level(error.reason)
            log.log(level, "the bridge cannot ask who may do what: %s", error.message)
            raise access_unknown() from None


_NOBODY: Final[tuple[Caller | None]] = (None,)


def _somebody(found: tuple[Caller | None], *, audience: str) -> Caller:
    (caller,) = found
    if caller is None:
        raise _unauthenticated("the token is not valid here", audience=audience)
    return caller


def _unauthenticated(what: str, *, audience: str) -> BridgeError:
    return BridgeError.of(
        401,
        BridgeReason.UNAUTHENTICATED,
        what,
        remedy=f"send Authorization: Bearer and a service account's token for the audience {audience}",
    )
