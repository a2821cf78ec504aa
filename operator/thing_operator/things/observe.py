"""The stage that puts together what a reconcile has found."""

from datetime import timedelta

from thing_operator.core.clock import Clock
from thing_operator.kube.snapshot import ObjectSnapshot
from thing_operator.things.publisher import StatusPublisher
from thing_operator.things.runtime import ThingRuntime
from thing_operator.things.shadow_sync import SyncOutcome
from thing_operator.twin.observation import Observation
from thing_operator.twin.resolved import Resolution


class Observe:
    """Makes the one value that status, Events and the next reconcile are decided from."""

    def __init__(self, *, publisher: StatusPublisher, disconnect_grace: timedelta, clock: Clock) -> None:
        self._publisher = publisher
        self._disconnect_grace = disconnect_grace
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
            spec=resolution.spec,
            resolved=resolution.resolved,
            blocking_problem=outcome.blocking_problem,
            credentials=slot.credentials,
            credentials_problem=slot.credentials_problem,
            session=slot.session.view if slot.session else None,
            last_view=slot.last_view,
            request_problem=outcome.problem,
            device_problem=thing.device.problem,
            accepted=outcome.accepted,
            drift=outcome.drift,
            managed=outcome.managed,
            disconnect_grace=self._disconnect_grace,
        )
