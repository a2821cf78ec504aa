"""The finalizer of a Thing, and what is done to its shadow before the Thing is released.

Only ``deletionPolicy`` Clear and Delete need either. The wait is bounded: a Thing never hangs longer than
``deletionTimeout``, whatever the cloud does.
"""

import asyncio
from datetime import timedelta

from thing_operator.api.names import FINALIZER, THINGS
from thing_operator.api.thing import DeletionPolicy, ThingSpec
from thing_operator.core.clock import Clock
from thing_operator.core.errors import ThingOperatorError
from thing_operator.core.json_values import JsonObject
from thing_operator.core.reasons import Reason
from thing_operator.kube.finalizer import Finalizer
from thing_operator.kube.ports import ApiClient, RecordEvent
from thing_operator.kube.snapshot import ObjectSnapshot
from thing_operator.session import ShadowSession
from thing_operator.shadow.messages import UNSET, Unset
from thing_operator.shadow.planning import DesiredPolicy, plan_section
from thing_operator.twin.ending import needs_finalizer
from thing_operator.twin.managed_paths import ManagedPaths

_RETRY_INTERVAL = timedelta(seconds=5)
_CLOCKS_DIFFER = timedelta(days=1)
"""By more than this no clock is wrong that TLS works with."""
_LAST_TRY = timedelta(minutes=1)


class ShadowFinalizer:
    """Puts the finalizer on and takes it off, and clears or deletes the shadow in between."""

    def __init__(
        self, *, client: ApiClient, timeout: timedelta, clock: Clock, record_event: RecordEvent
    ) -> None:
        self._finalizer = Finalizer(client, THINGS, FINALIZER)
        self._timeout = timeout
        self._clock = clock
        self._record_event = record_event

    async def ensure(self, snapshot: ObjectSnapshot, spec: ThingSpec, *, can_work: bool) -> None:
        """Have the finalizer on a living Thing exactly when its policy needs it, suspended or not.

        ``can_work``: not put on while nobody knows the broker: a deletion would wait in vain.
        """
        needed = needs_finalizer(spec)
        if can_work or not needed:
            await self._finalizer.ensure(snapshot, needed=needed)

    def is_on(self, snapshot: ObjectSnapshot) -> bool:
        """Whether a Thing being deleted still waits for us."""
        return self._finalizer.is_on(snapshot)

    async def release(self, snapshot: ObjectSnapshot, *, left: str | None = None) -> None:
        """Let a Thing being deleted go; ``left`` is the Event's message where its policy was not carried out."""
        await self._finalizer.release(snapshot)
        if left is not None:
            self._record_event(snapshot, Reason.SHADOW_RETAINED, left)

    async def finish(
        self,
        snapshot: ObjectSnapshot,
        *,
        policy: DeletionPolicy | None,
        session: ShadowSession | None,
        managed: ManagedPaths,
        since: float,
    ) -> timedelta | None:
        """Do the work if it can be done now; returns when to try again, None when the Thing is released.

        ``since``: when this process first saw the deletion (monotonic).
        """
        try:
            if session is not None and session.view.connected:
                async with asyncio.timeout(max(0.0, self._left(snapshot, since).total_seconds())):
                    done = await self._work(policy, session=session, managed=managed)
                await self._finalizer.release(snapshot)
                if done is not None:
                    self._record_event(snapshot, *done)
                return None
        except TimeoutError:
            trouble = "no answer of the shadow service"
        except ThingOperatorError as error:
            trouble = error.message
        else:
            trouble = session.view.message if session is not None else "no session"
        left = self._left(snapshot, since)
        if left > timedelta(0):
            return min(left, _RETRY_INTERVAL)
        # Said when it is so: a release that is refused is tried again and again.
        await self._finalizer.release(snapshot)
        self._record_event(
            snapshot,
            Reason.DELETION_TIMED_OUT,
            f"released after {self._timeout} with the shadow left as it is ({trouble}): remove it in MIC if need be",
        )
        return None

    def _left(self, snapshot: ObjectSnapshot, since: float) -> timedelta:
        """How long this Thing may still hang. The time before ``since`` does not count: what was deleted while nobody
        was there is seen to all the same, and the API server's clock may be an hour before or behind ours.

        So the wait begins again with a restart, but not for ever: what is long overdue by either clock gets a last
        try only.
        """
        now = self._clock.now()
        is_overdue = now - (snapshot.deleting_since or now) > self._timeout + _CLOCKS_DIFFER
        wait = min(self._timeout, _LAST_TRY) if is_overdue else self._timeout
        return wait - timedelta(seconds=self._clock.monotonic() - since)

    async def _work(
        self, policy: DeletionPolicy | None, *, session: ShadowSession, managed: ManagedPaths
    ) -> tuple[Reason, str] | None:
        """What was done to the shadow, for an Event."""
        if policy is DeletionPolicy.DELETE:
            await session.delete_shadow()
            return Reason.SHADOW_DELETED, "the shadow was deleted, as deletionPolicy asks"
        document = session.view.document
        if policy is not DeletionPolicy.CLEAR or document is None:
            return None
        desired, reported = (
            _clear(managed.desired, document.desired),
            _clear(managed.reported, document.reported),
        )
        if desired is not UNSET or reported is not UNSET:
            await session.update(desired=desired, reported=reported)
        return Reason.SHADOW_CLEARED, "the keys set by this Thing were removed from the shadow"


def _clear(managed: tuple[str, ...], current: JsonObject) -> JsonObject | Unset:
    patch = plan_section(wanted={}, policy=DesiredPolicy.MERGE, managed=managed, current=current).patch
    return UNSET if patch is None else patch
