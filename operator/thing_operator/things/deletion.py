"""The end of a Thing: its session, its shadow, its claim."""

from contextlib import suppress
from datetime import timedelta

from thing_operator.api.names import THINGS
from thing_operator.connections.sessions import SessionManager
from thing_operator.core.clock import Clock
from thing_operator.core.errors import UserError
from thing_operator.core.resource import ObjectKey, ObjectRef
from thing_operator.kube.snapshot import ObjectSnapshot
from thing_operator.things.connect import Connect
from thing_operator.things.finalizer import ShadowFinalizer
from thing_operator.things.publisher import StatusPublisher
from thing_operator.things.registry import ThingRegistry
from thing_operator.things.runtime import ThingRuntime
from thing_operator.twin.ending import Ending, ending_of, left_as_it_is
from thing_operator.twin.resolved import Resolution, ResolvedThing


class ThingDeletion:
    """Ends what belongs to a Thing that is being deleted, or that is no longer there."""

    def __init__(
        self,
        *,
        registry: ThingRegistry,
        connect: Connect,
        sessions: SessionManager,
        finalizer: ShadowFinalizer,
        publisher: StatusPublisher,
        clock: Clock,
    ) -> None:
        self._registry = registry
        self._connect = connect
        self._sessions = sessions
        self._finalizer = finalizer
        self._publisher = publisher
        self._clock = clock

    async def reconcile(self, snapshot: ObjectSnapshot, thing: ThingRuntime) -> timedelta | None:
        """A Thing being deleted: without our finalizer only its session ends, with it the shadow is cleaned up.

        A released one may still be shown with the finalizer, until the API server's event of its end comes.
        Returns when to try again, None when all is done. Raises what the API server answers.
        """
        if thing.is_released or not self._finalizer.is_on(snapshot):
            self._leave(snapshot.key, thing)
            self._registry.claims.withdraw(snapshot.key)
            return None
        if thing.ending_since is None:
            thing.ending_since = self._clock.monotonic()
        resolution = self._registry.resolve(snapshot)
        spec, managed = resolution.spec, self._publisher.managed(snapshot)
        if resolution.is_suspended:
            await self._connect.end(thing, report_offline=True)
            self._registry.claims.withdraw(snapshot.key)
        is_run_by_another = self._is_run_by_another(snapshot, thing, resolution.resolved)
        is_suspended = resolution.is_suspended
        ending = ending_of(spec, managed, is_suspended=is_suspended, is_run_by_another=is_run_by_another)
        if spec is not None and ending is not Ending.WORK:
            left = (
                left_as_it_is(spec, managed, is_suspended=is_suspended)
                if ending is Ending.HANDS_OFF
                else None
            )
            await self._finalizer.release(snapshot, left=left)
            thing.is_released = True
            return None
        await self._have_session(snapshot, thing, resolution)
        thing.device.stop()
        thing.jobs.stop()
        again = await self._finalizer.finish(
            snapshot,
            policy=spec.deletion_policy if spec else None,
            session=thing.connection.session,
            managed=managed,
            since=thing.ending_since,
        )
        if again is None:
            thing.is_released = True
            await self._connect.end(thing, report_offline=False)
        return again

    async def stand_down(self, key: ObjectKey) -> None:
        """The object is somebody else's to run: its session ends, and nothing more is written of it."""
        thing = self._registry.remove(key)
        if thing is None:
            return
        self._publisher.stand_back(ObjectRef(THINGS, key, thing.uid))
        await self._connect.end(thing, report_offline=False)
        self._registry.claims.withdraw(key)

    async def forget(self, key: ObjectKey) -> None:
        """The object is no longer there: its session ends, and whoever waited for its thing may have it."""
        thing = self._registry.remove(key)
        if thing is not None:
            self._leave(key, thing)
        self._registry.release(key)

    def _leave(self, key: ObjectKey, thing: ThingRuntime) -> None:
        """Nothing is simulated any more; the session ends unless the Thing is created again at once."""
        thing.device.stop()
        thing.jobs.stop()
        self._sessions.leave(key, thing.connection, uid=thing.uid)

    def _is_run_by_another(
        self, snapshot: ObjectSnapshot, thing: ThingRuntime, resolved: ResolvedThing | None
    ) -> bool:
        """Of a thing whose endpoint is not known, nobody can say."""
        return resolved is not None and self._registry.claims.is_held_by_another(
            snapshot, thing.connection, resolved
        )

    async def _have_session(
        self, snapshot: ObjectSnapshot, thing: ThingRuntime, resolution: Resolution
    ) -> None:
        if resolution.spec is not None and resolution.resolved is not None:
            with suppress(UserError):  # then there is no session, and the time runs out
                await self._connect.open_session(snapshot, thing, resolution.resolved)
