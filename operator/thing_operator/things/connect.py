"""The stage that gives a Thing its session, or ends it."""

from contextlib import suppress
from dataclasses import replace

from thing_operator.connections.session_slot import SessionSlot
from thing_operator.connections.sessions import SessionManager
from thing_operator.connections.shared_claims import SharedClaims
from thing_operator.core.clock import Clock
from thing_operator.core.errors import ThingOperatorError, UserError
from thing_operator.core.reasons import Reason
from thing_operator.kube.snapshot import ObjectSnapshot
from thing_operator.things.finalizer import ShadowFinalizer
from thing_operator.things.publisher import StatusPublisher
from thing_operator.things.runtime import ThingRuntime
from thing_operator.twin.acceptance import is_accepted
from thing_operator.twin.problem import Problem
from thing_operator.twin.resolved import Resolution, ResolvedThing

_ENDS_SESSION = frozenset(
    {
        Reason.DUPLICATE_THING,
        Reason.ENDPOINT_NOT_ALLOWED,
        Reason.ENDPOINT_NOT_CONFIGURED,
        Reason.PARENT_MISSING,
        Reason.PARENT_NOT_READY,
        Reason.PARENT_IS_CHILD,
    }
)


class Connect:
    """Claims the thing, puts the finalizer on where one is needed, and has the session under way."""

    def __init__(
        self,
        *,
        claims: SharedClaims,
        sessions: SessionManager,
        finalizer: ShadowFinalizer,
        publisher: StatusPublisher,
        clock: Clock,
    ) -> None:
        self._claims = claims
        self._sessions = sessions
        self._finalizer = finalizer
        self._publisher = publisher
        self._clock = clock

    async def run(self, snapshot: ObjectSnapshot, thing: ThingRuntime, resolution: Resolution) -> Resolution:
        """Have the session under way that the spec asks for, or none; adds the problem that is in the way of one.

        Raises what is worth another try with backoff: trouble with the API server.
        """
        is_suspended = resolution.is_suspended
        if is_suspended:
            await self.end(thing, report_offline=True)
            self._claims.withdraw(snapshot.key)
        resolution = await self._with_finalizer(snapshot, resolution)
        spec, resolved = resolution.spec, resolution.resolved
        if resolution.problem is not None or spec is None or resolved is None:
            return await self._give_up(snapshot, thing, resolution)
        if is_suspended:
            return resolution
        self._expect_acceptance(snapshot, thing)
        try:
            problem = await self.open_session(snapshot, thing, resolved)
        except UserError as error:
            return replace(resolution, problem=Problem.of(error))
        if problem is not None:
            return await self._give_up(snapshot, thing, replace(resolution, problem=problem))
        return resolution

    async def open_session(
        self, snapshot: ObjectSnapshot, thing: ThingRuntime, resolved: ResolvedThing
    ) -> Problem | None:
        """Claim the thing with the credentials that there are, and have the session under way; returns the problem when
        another Thing holds it.

        Without credentials there is no claim, and no session unless one is up. Raises UserError and what the API server
        answers.
        """
        slot = thing.connection
        if resolved.parent is not None:
            return await self._open_child(snapshot, slot, resolved)
        try:
            identity = await self._sessions.identify(snapshot, slot, resolved)
            if slot.ends_at is not None and slot.ends_at <= self._clock.now():
                await self.end(thing, report_offline=True)
        finally:
            if not slot.can_claim:
                self._claims.withdraw(snapshot.key)
        if not slot.can_claim:
            return None
        before = self._publisher.held(snapshot)
        problem = await self._claims.claim(snapshot, slot, resolved, before=before)
        if problem is None:
            await self._sessions.ensure(snapshot, slot, resolved, identity)
        return problem

    async def _open_child(
        self, snapshot: ObjectSnapshot, slot: SessionSlot, resolved: ResolvedThing
    ) -> Problem | None:
        """The same of a networked child, on its parent's session; also returns the problem when there is none."""
        children = self._sessions.children
        problem = children.problem(snapshot, resolved)
        if problem is None:
            before = self._publisher.held(snapshot)
            problem = await self._claims.claim(snapshot, slot, resolved, before=before)
        if problem is None:
            await children.ensure(snapshot, slot, resolved)
        return problem

    async def prepare(self, snapshot: ObjectSnapshot, thing: ThingRuntime, resolution: Resolution) -> None:
        """Read what the session of a Thing needs that will be this process's, if it is to have one. Whatever goes wrong
        is said when it is.
        """
        resolved = resolution.resolved
        if resolution.problem is not None or resolved is None or resolution.is_suspended:
            return
        if resolved.parent is None:
            with suppress(ThingOperatorError):
                await self._sessions.prepare(snapshot, thing.connection, resolved)

    async def end(self, thing: ThingRuntime, *, report_offline: bool) -> None:
        """End device, jobs and session; ``report_offline``: a thing that reports presence says it is offline."""
        thing.device.stop()
        thing.jobs.stop()
        await self._sessions.close(thing.connection, report_offline=report_offline)

    async def _with_finalizer(self, snapshot: ObjectSnapshot, resolution: Resolution) -> Resolution:
        """The finalizer follows the policy; adds the problem when it may not be set."""
        if resolution.spec is None:
            return resolution
        try:
            can_work = resolution.problem is None
            await self._finalizer.ensure(snapshot, resolution.spec, can_work=can_work)
        except UserError as error:
            return replace(resolution, problem=resolution.problem or Problem.of(error))
        return resolution

    async def _give_up(
        self, snapshot: ObjectSnapshot, thing: ThingRuntime, resolution: Resolution
    ) -> Resolution:
        problem = resolution.problem
        if problem is not None and problem.reason in _ENDS_SESSION:
            # The thing of a duplicate goes on: it is not offline, and the duplicate waits for it.
            is_duplicate = problem.reason == Reason.DUPLICATE_THING
            await self.end(thing, report_offline=not is_duplicate)
            if not is_duplicate or thing.connection.credentials_problem is not None:
                self._claims.withdraw(snapshot.key)
        return resolution

    def _expect_acceptance(self, snapshot: ObjectSnapshot, thing: ThingRuntime) -> None:
        acceptance = thing.requests.acceptance
        if snapshot.generation != acceptance.generation:
            accepted = is_accepted(self._publisher.held(snapshot), snapshot.generation)
            acceptance.expect(snapshot.generation, now=self._clock.monotonic(), accepted=accepted)
