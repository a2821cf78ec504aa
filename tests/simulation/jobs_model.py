"""AWS IoT Jobs in memory, behind the broker model: the rules are the local cloud's (``thing_operator_local.cloud``).

What is under way of a job is known by its id and the thing's name: a job has one execution for each thing.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from tests.simulation.loop import SimulatedProcess, simulation_loop

from thing_operator_local.cloud.job_requests import JobOperation, JobRequest
from thing_operator_local.cloud.job_service import Execution, JobService
from thing_operator_local.cloud.shadow_service import Publication

_LOOKS_EVERY = 15.0
"""Seconds between two looks at which time-outs are over."""


@dataclass(frozen=True, slots=True)
class JobUpdate:
    """An update of an execution that the service has taken."""

    process: SimulatedProcess
    token: str
    before: Execution
    after: Execution


class JobsModel:
    """All jobs. ``clock`` gives epoch seconds; ``publish`` sends what things are notified of."""

    def __init__(
        self,
        *,
        clock: Callable[[], float],
        publish: Callable[[Iterable[Publication]], None],
        on_update: Callable[[JobUpdate], None],
    ) -> None:
        self._service = JobService(clock)
        self._publish = publish
        self._on_update = on_update
        self._known: dict[tuple[str, str], Execution] = {}
        """The last that there was of each, by thing and job; of a job that was deleted, too."""

    # --- who makes jobs

    def create(self, job_id: str, thing: str, document: dict[str, Any], *, timeout: int | None) -> None:
        """A job for one thing; ``timeout`` in minutes."""
        if not self._known:
            simulation_loop().outside(_LOOKS_EVERY, self._expire)
        self._publish(self._service.create(job_id, document, [thing], timeout=timeout))
        self._follow()

    def cancel(self, job_id: str, *, force: bool) -> None:
        """Cancel it while it is queued; with ``force`` also in progress."""
        self._publish(self._service.cancel(job_id, force=force))
        self._follow()

    def delete(self, job_id: str) -> None:
        """Whatever it is at."""
        self._follow()
        self._publish(self._service.delete(job_id))

    def ids(self) -> list[str]:
        """Of all jobs that there are."""
        return [job.job_id for job in self._service.jobs()]

    # --- who looks

    def find(self, thing: str, job_id: str) -> Execution | None:
        """An execution as it is, or as it was when its job was deleted."""
        return self._known.get((thing, job_id))

    def is_there(self, job_id: str) -> bool:
        """Whether a job was not deleted."""
        return job_id in self.ids()

    def pending(self, thing: str) -> list[str]:
        """The jobs that a thing has still to do."""
        there = set(self.ids())
        return [
            job_id
            for (name, job_id), found in self._known.items()
            if name == thing and job_id in there and found.status.is_pending
        ]

    # --- things

    def handle(self, request: JobRequest, process: SimulatedProcess) -> tuple[Publication, list[Publication]]:
        """The answer to a request, and what the thing is notified of."""
        before = self.find(request.thing, request.job_id)
        answer = self._service.handle(request)
        self._follow()
        after = self.find(request.thing, request.job_id)
        if answer.code is None and request.operation is JobOperation.UPDATE and before and after:
            token = json.loads(request.payload).get("clientToken", "")
            self._on_update(JobUpdate(process, token, before, after))
        return answer.publication, list(answer.notifications)

    def _follow(self) -> None:
        there = set(self.ids())
        for job_id in {job_id for (_, job_id), _ in self._service.changes()} & there:
            for each in self._service.executions(job_id):
                self._known[each.thing, job_id] = each

    def _expire(self) -> None:
        self._publish(self._service.expire())
        self._follow()
        simulation_loop().outside(_LOOKS_EVERY, self._expire)
