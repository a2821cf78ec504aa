"""One pass over one Thing: gather, plan, act, say. The decisions are in ``plan``, ``conditions``, ``status``."""

import random
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

from thing_operator.api.names import THINGS
from thing_operator.api.thing import MirrorSpec, ThingSpec, ThingStatus
from thing_operator.config import Settings
from thing_operator.core.clock import Clock
from thing_operator.core.durations import parse_duration
from thing_operator.core.errors import UserError
from thing_operator.core.reasons import Reason
from thing_operator.core.resource import ObjectKey, ObjectRef
from thing_operator.device import DeviceProgram
from thing_operator.kube.cache import ObjectCache
from thing_operator.kube.parsed import ParsedStatuses
from thing_operator.kube.ports import Enqueue, RecordEvent
from thing_operator.kube.records import ObjectRecord
from thing_operator.kube.status_writer import StatusWriter
from thing_operator.things.claims import Claims
from thing_operator.things.condition_counts import ConditionCounts, ConditionSet
from thing_operator.things.conditions import accepted_generation, condition_keys, event_worthy
from thing_operator.things.deletion import ThingDeletion
from thing_operator.things.managed_paths import ManagedPaths
from thing_operator.things.mirror import settle
from thing_operator.things.observation import Observation, Problem
from thing_operator.things.observer import ThingObserver
from thing_operator.things.requeue import requeue_after
from thing_operator.things.resolved import ResolvedThing, resolve_thing
from thing_operator.things.runtime import Acknowledgements, RetryGates, ThingRuntime
from thing_operator.things.sessions import SessionManager
from thing_operator.things.shadow_sync import DesiredState, SyncOutcome, sync_shadow
from thing_operator.things.status import build_status, is_urgent
from thing_operator.things.virtual_device import VirtualDevice

_ENDS_SESSION = frozenset(
    {Reason.DUPLICATE_THING, Reason.ENDPOINT_NOT_ALLOWED, Reason.ENDPOINT_NOT_CONFIGURED}
)


class ThingReconciler:
    """Brings each Thing, its session and its shadow together. One instance a process; called by the queue."""

    def __init__(
        self,
        *,
        cache: ObjectCache,
        connector: SessionManager,
        ending: ThingDeletion,
        writer: StatusWriter,
        settings: Settings,
        enqueue: Enqueue,
        tell: RecordEvent,
        observer: ThingObserver,
        clock: Clock,
        rng: random.Random,
    ) -> None:
        self._cache = cache
        self._connector = connector
        self._ending = ending
        self._writer = writer
        self._statuses = ParsedStatuses(writer, ThingStatus, limit=128)
        self._settings = settings
        self._enqueue = enqueue
        self._tell = tell
        self._observer = observer
        self._clock = clock
        self._gates = RetryGates(clock=clock, rng=rng)
        self._claims = Claims()
        self.census = ConditionCounts()
        self._runtimes: dict[ObjectKey, ThingRuntime] = {}

    async def reconcile(self, key: ObjectKey) -> timedelta | None:
        """One pass; returns when to look again without being told, None for never.

        Raises what is worth another try with backoff: trouble with the API server.
        """
        record = self._cache.get(key)
        runtime = self._runtime(key, record)
        if record is None or runtime is None:
            await self._forget(key)
            return None
        with self._passing(key, runtime):
            if record.deleting_since is not None:
                return await self._end(record, runtime)
            seen, done = await self._observe(record, runtime)
            self._say(record, runtime, seen)
            program = runtime.compiled[1] if runtime.compiled else None
            runtime.settled = settle(seen, done, program=program)
            return requeue_after(seen, runtime, done.again)

    @contextmanager
    def _passing(self, key: ObjectKey, runtime: ThingRuntime) -> Iterator[None]:
        """What the session tells during a pass asks for another one only if this one did not end with all of it
        seen: most of it is the answer to what the pass itself has sent.
        """
        runtime.settled, runtime.passing, runtime.heard = None, True, False
        try:
            yield
        finally:
            runtime.passing = False
            if runtime.heard and runtime.settled is None:
                self._enqueue(key)

    def heard(self, key: ObjectKey) -> None:
        """The session of this Thing has news: a pass, unless all that is to be done is to mirror a report."""
        runtime, record = self._runtimes.get(key), self._cache.get(key)
        if runtime is not None and runtime.passing:
            runtime.heard = True
        elif runtime is None or record is None or not self._mirror(record, runtime):
            self._enqueue(key)

    def _mirror(self, record: ObjectRecord, runtime: ThingRuntime) -> bool:
        """Bring what was reported into status; False when that needs a pass."""
        settled, session = runtime.settled, runtime.session
        if settled is None or session is None or runtime.uid != record.uid:
            return False
        if session.view is settled.view:
            return True
        shadow = settled.mirrored(session.view)
        if shadow is None or record.generation != settled.generation:
            return False
        settled.view = session.view
        part, min_interval = {"shadow": shadow.to_wire()}, self._min_interval(settled.mirror)
        self._writer.amend(_status_target(record), part, min_interval=min_interval)
        return True

    def certificate_ends(self) -> Iterator[datetime]:
        """When each certificate in use ends."""
        return (
            runtime.credentials.not_after
            for runtime in self._runtimes.values()
            if runtime.credentials is not None
        )

    def standings(self) -> Iterator[tuple[ObjectKey, ConditionSet]]:
        """How each Thing stands that a pass has looked at."""
        return ((key, each.standing) for key, each in self._runtimes.items() if each.standing is not None)

    def secret_changed(self, secret: ObjectKey) -> None:
        """A Secret was made, changed or deleted: its users read it again."""
        for key in self._cache.users_of(secret):
            if key in self._runtimes:
                self._runtimes[key].forget_credentials()
            self._enqueue(key)

    def secrets_resynced(self) -> None:
        """The Secret watch had a gap: every Thing reads its Secret again."""
        for key, runtime in self._runtimes.items():
            runtime.forget_credentials()
            self._enqueue(key)

    async def _observe(self, record: ObjectRecord, runtime: ThingRuntime) -> tuple[Observation, SyncOutcome]:
        """What is the case after this pass, and how far it brought the shadow."""
        spec: ThingSpec | None = None
        target: ResolvedThing | None = None
        blocked: Problem | None = None
        done = SyncOutcome(ManagedPaths.of(self._previous(record)))
        try:
            spec = record.parse_spec(ThingSpec)
            target = self._target(record, spec)
            if spec.suspend:
                await self._connector.close(runtime, report_offline=True)
            else:
                self._expect(record, runtime)
                self._claim(record, target)
                await self._ending.prepare(record, spec)
                await self._connector.ensure(record, runtime, target, presence=_is_present(spec))
                done = await self._converge(record, runtime, spec, target)
        except UserError as error:
            blocked = Problem(error.reason, error.message, stalled=True)
            if error.reason in _ENDS_SESSION:
                # Of a duplicate the thing itself goes on: it is not offline.
                report_offline = error.reason != Reason.DUPLICATE_THING
                await self._connector.close(runtime, report_offline=report_offline)
        return self._seen(record, runtime, spec=spec, target=target, blocked=blocked, done=done), done

    def _expect(self, record: ObjectRecord, runtime: ThingRuntime) -> None:
        if record.generation == runtime.acceptance.generation:
            return
        accepted = accepted_generation(self._previous(record)) == record.generation
        runtime.acceptance.expect(record.generation, now=self._clock.monotonic(), accepted=accepted)

    def _target(self, record: ObjectRecord, spec: ThingSpec) -> ResolvedThing:
        return resolve_thing(name=record.key.name, spec=spec, settings=self._settings.endpoint)

    def _claim(self, record: ObjectRecord, target: ResolvedThing) -> None:
        affected = self._claims.claim(record.key, identity=target.identity, seniority=record.seniority)
        for key in affected:
            self._enqueue(key)
        holder = self._claims.holder(target.identity)
        if holder is not None and holder != record.key:
            raise UserError(
                f"Thing {holder} is older and runs thing {target.thing_name} on {target.host}:{target.port}: "
                "delete one of the two, or name another thing in spec.thingName",
                reason=Reason.DUPLICATE_THING,
            )

    async def _converge(
        self, record: ObjectRecord, runtime: ThingRuntime, spec: ThingSpec, target: ResolvedThing
    ) -> SyncOutcome:
        async def remember(memory: ManagedPaths) -> None:
            """Have the API server hold the memory before anything that it stands for is sent."""
            if self._recorded(record).covers(memory):
                return
            # What is under way may bring it: then it need not be said twice.
            await self._writer.landed(_status_target(record))
            if self._recorded(record).covers(memory):
                return
            done = SyncOutcome(memory)
            seen = self._seen(record, runtime, spec=spec, target=target, blocked=None, done=done)
            await self._writer.write(_status_target(record), build_status(seen).to_wire())

        limit = self._settings.shadow.document_limit
        program = runtime.program(spec, generation=record.generation, target=target, document_limit=limit)
        done = await sync_shadow(
            runtime,
            DesiredState(generation=record.generation, spec=spec, program=program, document_limit=limit),
            previous=self._previous(record),
            remember=remember,
        )
        if done.accepted:
            took = runtime.acceptance.arrived(now=self._clock.monotonic())
            if took is not None:
                self._observer.synced(took)
            self._play(record, runtime, program, target)
        if done.repaired:
            paths = ", ".join(done.repaired[:5])
            self._tell(record, Reason.DRIFT_REPAIRED, f"changed by others and put right: {paths}")
        return done

    def _play(
        self, record: ObjectRecord, runtime: ThingRuntime, program: DeviceProgram, target: ResolvedThing
    ) -> None:
        if runtime.device is None and program.signals:
            runtime.device = self._new_device(record, runtime)
        if runtime.device is not None:
            runtime.device.play(program, thing_name=target.thing_name, created=record.created_at)

    def _seen(
        self,
        record: ObjectRecord,
        runtime: ThingRuntime,
        *,
        spec: ThingSpec | None,
        target: ResolvedThing | None,
        blocked: Problem | None,
        done: SyncOutcome,
    ) -> Observation:
        return Observation(
            generation=record.generation,
            now=self._clock.now(),
            previous=self._previous(record),
            spec=spec,
            target=target,
            blocked=blocked,
            credentials=runtime.credentials,
            credentials_problem=runtime.credentials_problem,
            session=runtime.session.view if runtime.session else None,
            last_view=runtime.last_view,
            request_problem=done.problem,
            accepted=done.accepted,
            device_problem=runtime.device.problem if runtime.device else None,
            drift=done.drift,
            memory=done.memory,
            disconnect_grace=self._settings.session.disconnect_grace,
        )

    def _say(self, record: ObjectRecord, runtime: ThingRuntime, seen: Observation) -> None:
        status = build_status(seen)
        before = runtime.standing or condition_keys(seen.previous.conditions)
        for found in event_worthy(before, status.conditions):
            self._tell(record, Reason(found.reason), found.message)
        runtime.standing = self.census.move(runtime.standing, condition_keys(status.conditions))
        self._writer.submit(
            _status_target(record),
            status.to_wire(),
            urgent=is_urgent(seen.previous, status),
            min_interval=self._min_interval(seen.mirror),
        )

    def _min_interval(self, mirror: MirrorSpec | None) -> timedelta:
        own = mirror.min_interval if mirror else None
        return parse_duration(own) if own else self._settings.status.min_interval

    def _recorded(self, record: ObjectRecord) -> ManagedPaths:
        """What the API server remembers for certain: what is in every status it may hold by now."""
        possible = [ManagedPaths.of(status) for status in self._statuses.possible(_status_target(record))]
        return ManagedPaths(
            desired=_common(memory.desired for memory in possible),
            reported=_common(memory.reported for memory in possible),
        )

    def _previous(self, record: ObjectRecord) -> ThingStatus:
        return self._statuses.of(_status_target(record))

    def _runtime(self, key: ObjectKey, record: ObjectRecord | None) -> ThingRuntime | None:
        """The runtime of this very object: one of the same name that was made anew starts afresh."""
        runtime = self._runtimes.get(key)
        if record is None or (runtime is not None and runtime.uid != record.uid):
            return None
        if runtime is None:
            runtime = self._runtimes[key] = self._new_runtime(record)
        return runtime

    def _new_runtime(self, record: ObjectRecord) -> ThingRuntime:
        return ThingRuntime(
            uid=record.uid,
            requests=self._gates.for_failures(),
            repairs=self._gates.for_repeats(),
            greetings=self._gates.for_repeats(),
            answers=Acknowledgements(clock=self._clock, gate=self._gates.for_repeats()),
        )

    def _new_device(self, record: ObjectRecord, runtime: ThingRuntime) -> VirtualDevice:
        return VirtualDevice(
            session=lambda: runtime.session,
            settings=self._settings.device,
            clock=self._clock,
            on_problem=lambda: self._enqueue(record.key),
            on_dropped=lambda count: self._tell_dropped(record, count),
        )

    def _tell_dropped(self, record: ObjectRecord, count: int) -> None:
        limits = self._settings.device
        self._observer.samples_dropped(count)
        self._tell(
            record,
            Reason.SAMPLES_DROPPED,
            f"{count} simulated value(s) of the time without a connection are lost: the operator keeps "
            f"{limits.buffer_limit} (device.bufferLimit) for {limits.buffer_age} (device.bufferAge)",
        )

    async def _forget(self, key: ObjectKey) -> None:
        runtime = self._runtimes.pop(key, None)
        if runtime is not None:
            self.census.leave(runtime.standing)
            await self._connector.close(runtime, report_offline=True)
        self._cache.refer(key, ())
        for waiting in self._claims.release(key):
            self._enqueue(waiting)
        if self._cache.get(key) is not None:
            self._enqueue(key)

    async def _end(self, record: ObjectRecord, runtime: ThingRuntime) -> timedelta | None:
        """A Thing being deleted: without our finalizer only its session ends, with it the shadow is seen to."""
        if self._ending.has_finalizer(record):
            policy = None
            try:
                spec = record.parse_spec(ThingSpec)
                policy = spec.deletion_policy
                target = self._target(record, spec)
                self._claim(record, target)
                await self._connector.ensure(record, runtime, target, presence=_is_present(spec))
            except UserError as error:
                runtime.request_problem = Problem(error.reason, error.message, stalled=True)
            runtime.stop_device()
            memory = ManagedPaths.of(self._previous(record))
            again = await self._ending.settle(record, policy=policy, session=runtime.session, memory=memory)
            if again is not None:
                return again
            await self._connector.close(runtime, report_offline=False)
        else:
            await self._connector.close(runtime, report_offline=True)
        return None


def _is_present(spec: ThingSpec) -> bool:
    return spec.device is not None and bool(spec.device.connection_status)


def _common(memories: Iterable[Sequence[str]]) -> tuple[str, ...]:
    sets = [frozenset(memory) for memory in memories]
    return tuple(frozenset.intersection(*sets)) if sets else ()


def _status_target(record: ObjectRecord) -> ObjectRef:
    return ObjectRef(THINGS, record.key, record.uid)
