"""The stage that puts together what a reconcile has found."""

from dataclasses import replace
from datetime import timedelta

from thing_operator.connections.claims import ThingClaims
from thing_operator.connections.session_slot import SessionSlot
from thing_operator.core.clock import Clock
from thing_operator.core.reasons import Reason
from thing_operator.kube.snapshot import ObjectSnapshot
from thing_operator.session import SessionView
from thing_operator.things.publisher import StatusPublisher
from thing_operator.things.runtime import ThingRuntime
from thing_operator.things.shadow_sync import SyncOutcome
from thing_operator.twin.judging import problems_of_spec
from thing_operator.twin.observation import Observation
from thing_operator.twin.problem import Problem
from thing_operator.twin.resolved import Resolution


class Observe:
    """Makes the one value that status, Events and the next reconcile are decided from."""

    def __init__(
        self,
        *,
        publisher: StatusPublisher,
        claims: ThingClaims,
        disconnect_grace: timedelta,
        document_limit: int,
        clock: Clock,
    ) -> None:
        self._publisher = publisher
        self._claims = claims
        self._disconnect_grace = disconnect_grace
        self._document_limit = document_limit
        self._clock = clock

    def run(
        self, snapshot: ObjectSnapshot, thing: ThingRuntime, resolution: Resolution, outcome: SyncOutcome
    ) -> Observation:
        """What is the case at this moment, as far as the stages before have found out."""
        slot = thing.connection
        return Observation(
            generation=snapshot.generation,
            now=self._clock.now(),
            previous=self._publisher.previous(snapshot),
            held=self._publisher.held(snapshot),
            spec=resolution.spec,
            resolved=resolution.resolved,
            blocking_problem=outcome.blocking_problem,
            spec_problems=self._spec_problems(snapshot, resolution, outcome),
            credentials=slot.credentials,
            credentials_problem=slot.credentials_problem,
            session=self._view(snapshot, slot),
            last_view=slot.last_view,
            session_ends_at=slot.ends_at,
            request_problem=outcome.problem,
            device_problem=thing.device.problem,
            job=thing.jobs.record,
            jobs_problem=thing.jobs.problem,
            accepted=outcome.accepted,
            accepted_newest=thing.requests.acceptance.newest,
            drift=outcome.drift,
            suspended_by=resolution.suspended_by,
            managed=outcome.managed,
            disconnect_grace=self._disconnect_grace,
        )

    def _spec_problems(
        self, snapshot: ObjectSnapshot, resolution: Resolution, outcome: SyncOutcome
    ) -> tuple[Problem, ...]:
        """Of a Thing for which nothing was planned: else the plan has said it."""
        if outcome.blocking_problem is None or resolution.spec is None:
            return ()
        return problems_of_spec(resolution.spec, name=snapshot.key.name, document_limit=self._document_limit)

    def _view(self, snapshot: ObjectSnapshot, slot: SessionSlot) -> SessionView | None:
        """What the session shows; of a takeover only this operator can know that it has both sides."""
        if slot.session is None:
            return None
        view = slot.session.view
        if view.reason is not Reason.TAKEN_OVER:
            return view
        other = self._claims.twin_in_words(snapshot.key, slot.session.spec.thing_name)
        return (
            view
            if other is None
            else replace(view, message=f"{other} has the same certificate: {view.message}")
        )
