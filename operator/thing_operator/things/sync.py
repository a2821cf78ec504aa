"""The stage that brings the shadow and the virtual device to the spec."""

from collections.abc import Callable

from thing_operator.api.thing import ThingSpec
from thing_operator.core.clock import Clock
from thing_operator.core.errors import UserError
from thing_operator.core.reasons import Reason
from thing_operator.kube.ports import RecordEvent
from thing_operator.kube.snapshot import ObjectSnapshot
from thing_operator.observability.observers import ThingObserver
from thing_operator.things.devices import DeviceManager
from thing_operator.things.observe import Observe
from thing_operator.things.publisher import StatusPublisher
from thing_operator.things.runtime import ThingRuntime
from thing_operator.things.shadow_sync import DesiredState, SyncOutcome, sync_shadow
from thing_operator.twin.managed_paths import ManagedPaths
from thing_operator.twin.resolved import Resolution, ResolvedThing


class Sync:
    """Sends what the shadow lacks, and has the device run once it is accepted."""

    def __init__(
        self,
        *,
        devices: DeviceManager,
        observe: Observe,
        publisher: StatusPublisher,
        document_limit: int,
        record_event: RecordEvent,
        observer: ThingObserver,
        spec_is_current: Callable[[str], bool],
        clock: Clock,
    ) -> None:
        """``document_limit``: bytes that the shadow service takes; ``spec_is_current``: whether specs can be vouched
        for.
        """
        self._devices = devices
        self._observe = observe
        self._publisher = publisher
        self._document_limit = document_limit
        self._record_event = record_event
        self._observer = observer
        self._spec_is_current = spec_is_current
        self._clock = clock

    async def run(self, snapshot: ObjectSnapshot, thing: ThingRuntime, resolution: Resolution) -> SyncOutcome:
        """Bring the shadow to the spec; nothing is done where a problem is in the way, or the Thing suspended.

        Raises what the API server answers when the managed paths cannot be persisted.
        """
        previous = self._publisher.held(snapshot)
        spec, resolved = resolution.spec, resolution.resolved
        before = self._publisher.managed(snapshot)
        unchanged = SyncOutcome(before, blocking_problem=resolution.problem)
        if resolution.problem is not None or spec is None or resolved is None or resolution.is_suspended:
            return unchanged

        self._devices.run_jobs(snapshot, thing.jobs, resolution, previous, thing.connection.session)

        async def persist(managed: ManagedPaths) -> None:
            await self._publisher.persist(
                snapshot,
                managed,
                published=thing.published,
                observe=lambda: self._observe.run(snapshot, thing, resolution, SyncOutcome(managed)),
            )

        try:
            outcome = await sync_shadow(
                thing.connection.writable,
                thing.requests,
                self._desired_state(snapshot, thing, spec, resolved),
                previous=previous,
                managed=before,
                persist=persist,
            )
        except UserError as error:
            return unchanged.blocked_by(error)
        self._after(snapshot, thing, resolved, outcome)
        return outcome

    def _desired_state(
        self, snapshot: ObjectSnapshot, thing: ThingRuntime, spec: ThingSpec, resolved: ResolvedThing
    ) -> DesiredState:
        """Raises InvalidDeviceError."""
        program = thing.device.compile(
            spec,
            generation=snapshot.generation,
            thing_name=resolved.thing_name,
            document_limit=self._document_limit,
        )
        return DesiredState(
            generation=snapshot.generation,
            spec=spec,
            program=program,
            document_limit=self._document_limit,
            is_current=lambda: self._spec_is_current(snapshot.key.namespace),
        )

    def _after(
        self, snapshot: ObjectSnapshot, thing: ThingRuntime, resolved: ResolvedThing, outcome: SyncOutcome
    ) -> None:
        if outcome.accepted or thing.requests.taken == snapshot.generation:
            seconds = thing.requests.acceptance.arrived(now=self._clock.monotonic())
            if seconds is not None:
                self._observer.synced(seconds)
        if outcome.accepted:
            self._devices.run(snapshot, thing.device, resolved, session=lambda: thing.connection.writable)
        if outcome.repaired:
            paths = ", ".join(outcome.repaired[:5])
            self._record_event(snapshot, Reason.DRIFT_REPAIRED, f"changed by others and repaired: {paths}")
