"""Giving a Thing the jobs of its thing, where its spec asks for them."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from thing_operator.api.jobs import JobHandling
from thing_operator.api.thing import ThingStatus
from thing_operator.core.clock import Clock
from thing_operator.core.memory_budget import MemoryBudget
from thing_operator.jobs.program import NO_JOBS, jobs_program
from thing_operator.jobs.record import JobRecord
from thing_operator.kube.ports import Enqueue, RecordEvent
from thing_operator.kube.snapshot import ObjectSnapshot
from thing_operator.observability.observers import ThingObserver
from thing_operator.session import Session, ShadowSession
from thing_operator.things.thing_jobs import JobsContext, ThingJobs
from thing_operator.twin.last_job import job_event, last_job, record_of
from thing_operator.twin.resolved import Resolution

if TYPE_CHECKING:
    from thing_operator.jobs.ports import JobListener


@dataclass(slots=True)
class JobsSlot:
    """The jobs of one Thing. Written here and nowhere else."""

    jobs: ThingJobs | None = None
    """None where they are not looked at: ten thousand Things are held."""

    @property
    def record(self) -> JobRecord | None:
        """The job that the thing had last; None where none was seen."""
        return self.jobs.record if self.jobs is not None else None

    @property
    def problem(self) -> str | None:
        """Why jobs are not looked at though they are to be."""
        return self.jobs.problem if self.jobs is not None else None

    def stop(self) -> None:
        """Jobs are not looked at any more."""
        if self.jobs is not None:
            self.jobs.stop()
            self.jobs = None


class JobsManager:
    """Begins with the jobs of Things, and says what becomes of them."""

    def __init__(
        self,
        *,
        listeners: Sequence["JobListener"],
        budget: MemoryBudget,
        enqueue: Enqueue,
        record_event: RecordEvent,
        observer: ThingObserver,
        clock: Clock,
        rng: random.Random,
    ) -> None:
        """``listeners`` are notified of jobs of Things with ``jobs: Bridge``; others may come later."""
        self._listeners = listeners
        self._context = JobsContext.new(budget=budget, clock=clock, rng=rng)
        self._enqueue = enqueue
        self._record_event = record_event
        self._observer = observer

    def run(
        self,
        snapshot: ObjectSnapshot,
        slot: JobsSlot,
        resolution: Resolution,
        previous: ThingStatus,
        session: ShadowSession | None,
    ) -> None:
        """Have jobs treated as the spec says, on this session. A networked child has none: its parent has."""
        spec, resolved = resolution.spec, resolution.resolved
        program = jobs_program(spec) if spec is not None else NO_JOBS
        if program == NO_JOBS or resolved is None or not isinstance(session, Session | None):
            slot.stop()
            return
        if slot.jobs is None:
            slot.jobs = ThingJobs(
                resolved.thing_name,
                namespace=snapshot.key.namespace,
                context=self._context,
                record=record_of(previous.last_job),
                on_change=self._changed(snapshot),
            )
        slot.jobs.run(program, session)

    def _changed(self, snapshot: ObjectSnapshot) -> Callable[[ThingJobs, JobRecord | None], None]:
        def changed(jobs: ThingJobs, before: JobRecord | None) -> None:
            after = jobs.record
            event = job_event(before, after)
            if event is not None and after is not None:
                self._record_event(snapshot, *event)
                self._observer.job(last_job(after).state)
            if jobs.handling is JobHandling.BRIDGE:
                for listener in self._listeners:
                    listener.job_changed(snapshot.key, jobs.current)
            self._enqueue(snapshot.key)

        return changed
