"""The claims of this process, held against those of the other replicas where there is reason to.

Two Things for one thing are mostly in two shards, and no replica keeps another one's Things. So the API server is
asked for the Things of a thing name, and only on suspicion: a connection that the other side has ended soon after it
was ready may be another client with the same id. A Thing that was never connected is held against others before its
first CONNECT, as far as a small budget goes, so that one that was added by mistake ends nobody's session.

A networked child and a Thing with a certificate of its own may be for one thing, too, and no broker ends either's
connection: their client ids differ. So whatever has a child's name is held against others whenever it begins a session,
at once or when its turn comes.
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
from thing_operator.kube.ports import ApiClient, EnqueueAfter
from thing_operator.kube.snapshot import ObjectSnapshot
from thing_operator.sharding.duties import Duties
from thing_operator.sharding.rivals import Rivals
from thing_operator.twin.problem import Problem
from thing_operator.twin.resolved import ResolvedThing
from thing_operator.twin.rivals import is_up

_AGAIN: Final = timedelta(minutes=1)
"""Nobody reports here that the other Thing is deleted or suspended."""
_LATER: Final = timedelta(seconds=10)
"""When many Things wait like that."""
_LISTS_PER_SECOND: Final = 4.0
"""Of all members together: for Things that were never connected, again for children and what has their names, and again
for all others. Each list has the API server go through all Things of its namespace. So of many Things that are new, or
that one broker drops, few are held against others.
"""
_LISTS_AT_ONCE: Final = 40.0


class SharedClaims:
    """Who may hold the session of each thing, over all replicas. ``members``: how many take part; ``has_fellows``:
    whether there are others, those that are about to end included.
    """

    def __init__(
        self,
        claims: ThingClaims,
        rivals: Rivals,
        *,
        members: Callable[[], int],
        has_fellows: Callable[[], bool],
        enqueue_after: EnqueueAfter,
        clock: Clock,
    ) -> None:
        self._claims = claims
        self._rivals = rivals
        self._has_fellows = has_fellows
        self._enqueue_after = enqueue_after
        self._clock = clock
        self._first_lists = _lists_shared_by(members)
        self._turns = _lists_shared_by(members)
        self._lists = _lists_shared_by(members)

    @classmethod
    def over_replicas(
        cls,
        claims: ThingClaims,
        *,
        client: ApiClient,
        settings: Settings,
        duties: Duties,
        enqueue_after: EnqueueAfter,
        clock: Clock,
    ) -> Self:
        """Of a process whose part among them ``duties`` says."""
        rivals = Rivals(
            client,
            settings=settings.endpoint,
            namespaces=settings.namespaces,
            runs_elsewhere=duties.runs_elsewhere,
            clock=clock,
        )
        return cls(
            claims,
            rivals,
            members=duties.members,
            has_fellows=duties.has_fellows,
            enqueue_after=enqueue_after,
            clock=clock,
        )

    async def claim(
        self, snapshot: ObjectSnapshot, slot: SessionSlot, resolved: ResolvedThing, *, before: ThingStatus
    ) -> Problem | None:
        """Claim the thing for this object, which has credentials or a session; the problem when another holds it.

        ``before``: its status. Raises what the API server answers.
        """
        problem = self._claims.claim(snapshot, slot, resolved, before=before)
        rivalry, now = slot.rivalry, self._clock.now()
        if problem is not None or not self._has_fellows():
            rivalry.holder = None
        elif self._is_due(snapshot.key, slot, resolved, before=before, now=now):
            rivalry.holder = await self._rivals.holder_before(snapshot, thing_name=resolved.thing_name)
            rivalry.look_at, rivalry.turn_at = now + _AGAIN, None
        self._claims.wait_elsewhere(snapshot.key, rivalry.holder, resolved.thing_name)
        if rivalry.holder is None:
            return problem
        return replace(duplicate_problem(snapshot.key, rivalry.holder, resolved), ends_at=rivalry.look_at)

    def withdraw(self, key: ObjectKey) -> None:
        """Give up the claim of a Thing that is to have no session; who waited for it is enqueued."""
        self._claims.withdraw(key)

    def _is_due(
        self,
        key: ObjectKey,
        slot: SessionSlot,
        resolved: ResolvedThing,
        *,
        before: ThingStatus,
        now: datetime,
    ) -> bool:
        """Whether there is reason to look for Things of other replicas, and it may be done now. Each reason counts
        once.
        """
        rivalry, session = slot.rivalry, slot.session
        lists = self._rivals.lists(resolved)
        if rivalry.holder is not None:
            is_due = now >= rivalry.look_at
            if is_due and not self._may_look(self._lists, lists):
                rivalry.look_at, is_due = now + _LATER, False
            return is_due
        if session is not None:
            drops = session.view.quick_drops
            is_new = drops not in {0, rivalry.quick_drops}
            if is_new and not self._may_look(self._lists, lists):
                return False
            rivalry.quick_drops = drops
            if is_new:
                return True
        if resolved.has_childs_name:
            return self._is_its_turn(key, slot, lists, before=before)
        if session is not None:
            return False
        # Of a Thing that was connected once there is a shadow in its status.
        is_first = before.shadow is None and not rivalry.has_looked
        rivalry.has_looked = True
        return is_first and self._may_look(self._first_lists, lists)

    def _is_its_turn(self, key: ObjectKey, slot: SessionSlot, lists: int, *, before: ThingStatus) -> bool:
        """Whether what has a child's name is to look now: once for each session that it begins, but for one that it had
        in another replica, or before a restart.
        """
        rivalry, now = slot.rivalry, self._clock.monotonic()
        if rivalry.turn_at is None and slot.session is None and not is_up(before):
            rivalry.turn_at = now + self._turns.at(now).reserve(now, lists)
        if rivalry.turn_at is None:
            return False
        left = rivalry.turn_at - now
        if left > 0:
            self._enqueue_after(key, timedelta(seconds=left))
        return left <= 0

    def _may_look(self, buckets: SharedBucket, lists: int) -> bool:
        now = self._clock.monotonic()
        bucket = buckets.at(now)
        if not bucket.try_take(now):
            return False
        bucket.reserve(now, lists - 1)
        return True


def _lists_shared_by(members: Callable[[], int]) -> SharedBucket:
    return SharedBucket(_LISTS_PER_SECOND, burst=lambda _share: _LISTS_AT_ONCE, sharers=members)
