"""The claims of this process, held against those of the other replicas where there is reason to.

Two Things for one thing are mostly in two shards, and no replica keeps another one's Things. So the API server is
asked for the Things of a thing name, and only on suspicion: a connection that the other side has ended soon after it
was ready may be another client with the same id. A Thing that was never connected is held against others before its
first CONNECT, as far as a small budget goes, so that one that was added by mistake ends nobody's session.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, Self

from thing_operator.api.thing import ThingStatus
from thing_operator.config import Settings
from thing_operator.connections.claims import ThingClaims, duplicate_problem
from thing_operator.connections.session_slot import SessionSlot
from thing_operator.core.clock import Clock
from thing_operator.core.rate_limit import SharedBucket
from thing_operator.core.resource import ObjectKey
from thing_operator.kube.ports import ApiClient
from thing_operator.kube.snapshot import ObjectSnapshot
from thing_operator.sharding.duties import Duties
from thing_operator.sharding.rivals import Rivals
from thing_operator.twin.problem import Problem
from thing_operator.twin.resolved import ResolvedThing

_AGAIN: Final = timedelta(minutes=1)
"""Nobody reports here that the other Thing is deleted or suspended."""
_LATER: Final = timedelta(seconds=10)
"""When many Things wait like that."""
_LISTS_PER_SECOND: Final = 4.0
"""Of all members together, for Things that were never connected, and again for all others: each list has the API server
go through all Things of its namespace. So of many Things that are new, or that one broker drops, few are held against
others.
"""
_LISTS_AT_ONCE: Final = 40.0


class SharedClaims:
    """Who may hold the session of each thing, over all replicas. ``members``: how many there are."""

    def __init__(
        self, claims: ThingClaims, rivals: Rivals, *, members: Callable[[], int], clock: Clock
    ) -> None:
        self._claims = claims
        self._rivals = rivals
        self._members = members
        self._clock = clock
        self._first_lists, self._lists = (
            SharedBucket(_LISTS_PER_SECOND, burst=lambda _share: _LISTS_AT_ONCE, sharers=members)
            for _ in range(2)
        )

    @classmethod
    def over_replicas(
        cls, claims: ThingClaims, *, client: ApiClient, settings: Settings, duties: Duties, clock: Clock
    ) -> Self:
        """Of a process whose part among them ``duties`` says."""
        rivals = Rivals(
            client,
            settings=settings.endpoint,
            namespaces=settings.namespaces,
            runs_elsewhere=duties.runs_elsewhere,
            clock=clock,
        )
        return cls(claims, rivals, members=duties.members, clock=clock)

    async def claim(
        self, snapshot: ObjectSnapshot, slot: SessionSlot, resolved: ResolvedThing, *, before: ThingStatus
    ) -> Problem | None:
        """Claim the thing for this object, which has credentials or a session; the problem when another holds it.

        ``before``: its status. Raises what the API server answers.
        """
        problem = self._claims.claim(snapshot, slot, resolved, before=before)
        rivalry, now = slot.rivalry, self._clock.now()
        # A child is where its parent is, and so are all others for the same thing.
        if problem is not None or self._members() <= 1 or resolved.parent is not None:
            rivalry.holder = None
        elif self._is_due(slot, before, now):
            rivalry.holder = await self._rivals.holder_before(snapshot, thing_name=resolved.thing_name)
            rivalry.look_at = now + _AGAIN
        self._claims.wait_elsewhere(snapshot.key, rivalry.holder, resolved.thing_name)
        if rivalry.holder is None:
            return problem
        return replace(duplicate_problem(snapshot.key, rivalry.holder, resolved), ends_at=rivalry.look_at)

    def withdraw(self, key: ObjectKey) -> None:
        """Give up the claim of a Thing that is to have no session; who waited for it is enqueued."""
        self._claims.withdraw(key)

    def _is_due(self, slot: SessionSlot, before: ThingStatus, now: datetime) -> bool:
        """Whether there is reason to look for Things of other replicas, and it may be done now. Each reason counts
        once.
        """
        rivalry, session = slot.rivalry, slot.session
        if rivalry.holder is not None:
            is_due = now >= rivalry.look_at
            if is_due and not self._may_look(self._lists):
                rivalry.look_at, is_due = now + _LATER, False
            return is_due
        if session is not None:
            drops = session.view.quick_drops
            is_news = drops not in {0, rivalry.quick_drops}
            if is_news and not self._may_look(self._lists):
                return False
            rivalry.quick_drops = drops
            return is_news
        # Of a Thing that was connected once there is a shadow in its status.
        is_first = before.shadow is None and not rivalry.has_looked
        rivalry.has_looked = True
        return is_first and self._may_look(self._first_lists)

    def _may_look(self, lists: SharedBucket) -> bool:
        now = self._clock.monotonic()
        bucket = lists.at(now)
        if not bucket.try_take(now):
            return False
        bucket.reserve(now, self._rivals.lists - 1)
        return True
