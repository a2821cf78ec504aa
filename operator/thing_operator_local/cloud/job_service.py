"""AWS IoT Jobs as a pure state machine: the local cloud puts it behind MQTT and REST.

It follows docs/background/aws-iot-jobs.md and shares no code with the operator, so that no mistake is made on both
sides. The clock is injected; nothing here does I/O.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

from thing_operator_local.cloud.job_requests import (
    NEXT,
    JobCommand,
    JobError,
    JobOperation,
    JobRequest,
    JobStatus,
    read_command,
    token_of,
)
from thing_operator_local.cloud.json_text import Json, JsonObject, dump
from thing_operator_local.cloud.shadow_service import Publication

_LISTED: Final = 10
"""Executions in one notification."""


@dataclass(frozen=True, slots=True)
class Job:
    """A task for things. ``timeout`` is in minutes from the start of an execution."""

    job_id: str
    document: Json
    created_at: float
    timeout: int | None = None
    is_canceled: bool = False


@dataclass(frozen=True, slots=True)
class Execution:
    """One job on one thing. Times are epoch seconds."""

    job_id: str
    thing: str
    number: int
    status: JobStatus
    version: int
    queued_at: float
    updated_at: float
    started_at: float | None = None
    details: Mapping[str, str] = field(default_factory=dict)
    ends_at: float | None = None
    """When the time-out of the job ends it."""
    step_ends_at: float | None = None

    @property
    def deadline(self) -> float | None:
        """When it is timed out, if nothing happens."""
        return min((each for each in (self.ends_at, self.step_ends_at) if each is not None), default=None)

    @property
    def state(self) -> JsonObject:
        """What a refused update, or one that asks for it, learns."""
        return {
            "status": self.status,
            "statusDetails": dict(self.details),
            "versionNumber": self.version,
        }

    @property
    def summary(self) -> JsonObject:
        """As it stands in lists."""
        body = {
            "jobId": self.job_id,
            "queuedAt": int(self.queued_at),
            "startedAt": None if self.started_at is None else int(self.started_at),
            "lastUpdatedAt": int(self.updated_at),
            "executionNumber": self.number,
            "versionNumber": self.version,
        }
        return {name: value for name, value in body.items() if value is not None}


@dataclass(frozen=True, slots=True)
class JobAnswer:
    """The answer to the asker, and what subscribers get to see besides: the notifications."""

    code: str | None
    """None: accepted."""
    payload: bytes
    topic: str
    notifications: tuple[Publication, ...] = ()

    @property
    def publication(self) -> Publication:
        """The answer over MQTT."""
        return Publication(self.topic, self.payload)


class JobService:
    """All jobs of an account. ``clock`` gives epoch seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._jobs: dict[str, Job] = {}
        self._executions: dict[str, dict[str, Execution]] = {}
        """By thing and job id, in the order in which they were queued."""
        self._changed: set[tuple[str, str]] = set()
        """What is to be kept again: thing and job id of an execution; of a job no thing."""

    # --- by whoever makes jobs

    def create(
        self, job_id: str, document: Json, things: Iterable[str], *, timeout: int | None
    ) -> list[Publication]:
        """A job for these things. Raises JobError when the id is taken."""
        if job_id in self._jobs:
            raise JobError("ConflictException", f"Job {job_id} already exists")
        now = self._clock()
        self._put(Job(job_id, document, now, timeout))
        publications: list[Publication] = []
        for thing in dict.fromkeys(things):
            queued = Execution(job_id, thing, 1, JobStatus.QUEUED, 1, queued_at=now, updated_at=now)
            publications += self._change(queued)
        return publications

    def cancel(self, job_id: str, *, force: bool) -> list[Publication]:
        """Cancel what of a job is queued, with ``force`` also what is in progress. Raises JobError."""
        self._put(replace(self._job(job_id), is_canceled=True))
        publications: list[Publication] = []
        for each in self.executions(job_id):
            if each.status is JobStatus.QUEUED or (force and each.status is JobStatus.IN_PROGRESS):
                publications += self._change(self._moved(each, JobStatus.CANCELED))
        return publications

    def delete(self, job_id: str) -> list[Publication]:
        """Forget a job and all its executions, whatever they are at. Raises JobError."""
        self._job(job_id)
        publications: list[Publication] = []
        for each in self.executions(job_id):
            publications += self._forget(each)
        del self._jobs[job_id]
        self._changed.add(("", job_id))
        return publications

    def forget(self, thing: str) -> None:
        """Forget the executions of a thing that is no more. Nobody is notified."""
        self._changed |= {(thing, job_id) for job_id in self._executions.pop(thing, ())}

    def jobs(self) -> list[Job]:
        """All jobs, in the order in which they were made."""
        return list(self._jobs.values())

    def executions(self, job_id: str) -> list[Execution]:
        """All executions of a job. Raises JobError when there is no such job."""
        self._job(job_id)
        return [found[job_id] for found in self._executions.values() if job_id in found]

    # --- time-outs

    def expire(self) -> list[Publication]:
        """Time out the executions that are due."""
        now = self._clock()
        every = (each for found in self._executions.values() for each in found.values())
        late = [each for each in every if each.deadline is not None and each.deadline <= now]
        publications: list[Publication] = []
        for each in late:
            publications += self._change(self._moved(each, JobStatus.TIMED_OUT))
        return publications

    # --- by devices

    def handle(self, request: JobRequest) -> JobAnswer:
        """Answer one request; never raises for what it says."""
        try:
            command = read_command(request)
            body, notifications = self._handlers[request.operation](self, request, command)
        except JobError as error:
            said = {
                "code": error.code,
                "message": error.message,
                "executionState": error.state,
                "timestamp": int(self._clock()),
                "clientToken": token_of(request.payload),
            }
            payload = dump({name: value for name, value in said.items() if value is not None})
            return JobAnswer(error.code, payload, f"{request.topic}/rejected")
        rest = {"timestamp": int(self._clock())} | ({"clientToken": command.token} if command.token else {})
        return JobAnswer(None, dump(body | rest), f"{request.topic}/accepted", tuple(notifications))

    def _get_pending(self, request: JobRequest, _: JobCommand) -> tuple[JsonObject, list[Publication]]:
        pending = self._pending(request.thing)
        lists = {
            "inProgressJobs": [each.summary for each in pending if each.status is JobStatus.IN_PROGRESS],
            "queuedJobs": [each.summary for each in pending if each.status is JobStatus.QUEUED],
        }
        return lists, []

    def _start_next(self, request: JobRequest, command: JobCommand) -> tuple[JsonObject, list[Publication]]:
        found = self._next(request.thing)
        if found is None:
            return {}, []
        notifications: list[Publication] = []
        if found.status is JobStatus.QUEUED:
            found = self._moved(found, JobStatus.IN_PROGRESS, command)
            notifications = self._change(found)
        return {"execution": self._shown(found)}, notifications

    def _describe(self, request: JobRequest, command: JobCommand) -> tuple[JsonObject, list[Publication]]:
        if request.job_id == NEXT:
            found = self._next(request.thing)
            return (
                {}
                if found is None
                else {"execution": self._shown(found, with_document=command.with_document)}
            ), []
        found = self._execution(request, command)
        if not found.status.is_pending:
            raise JobError("TerminalStateReached", f"Job {found.job_id} has reached a terminal state")
        return {"execution": self._shown(found, with_document=command.with_document)}, []

    def _update(self, request: JobRequest, command: JobCommand) -> tuple[JsonObject, list[Publication]]:
        found, status = self._execution(request, command), command.status
        if status is None or not found.status.is_pending:
            raise JobError(
                "InvalidStateTransition",
                f"The execution is {found.status} and cannot become {status}",
                state=found.state,
            )
        if command.expected_version not in {None, found.version}:
            raise JobError("VersionMismatch", f"The version is {found.version}", state=found.state)
        changed = self._moved(found, status, command)
        notifications = self._change(changed)
        body: JsonObject = {"executionState": changed.state} if command.with_state else {}
        if command.with_document:
            body["jobDocument"] = self._jobs[found.job_id].document
        return body, notifications

    _handlers: Final = {
        JobOperation.GET_PENDING: _get_pending,
        JobOperation.START_NEXT: _start_next,
        JobOperation.DESCRIBE: _describe,
        JobOperation.UPDATE: _update,
    }

    # --- keeping

    def changes(self) -> Iterator[tuple[tuple[str, str], JsonObject | None]]:
        """What has changed since this was last asked, for :meth:`load`: a key and a body, None for what is no more."""
        changed, self._changed = self._changed, set()
        for thing, job_id in sorted(changed):
            found = self._executions.get(thing, {}).get(job_id) if thing else self._jobs.get(job_id)
            yield (thing, job_id), None if found is None else asdict(found)

    def load(self, kept: Iterable[Mapping[str, Any]]) -> None:
        """Take over the bodies that :meth:`changes` gave."""
        executions = []
        for body in kept:
            if "thing" in body:
                executions.append(Execution(**{**body, "status": JobStatus(body["status"])}))
            else:
                self._jobs[body["job_id"]] = Job(**body)
        for each in sorted(executions, key=lambda each: each.queued_at):
            self._executions.setdefault(each.thing, {})[each.job_id] = each

    # --- inside

    def _put(self, job: Job) -> None:
        self._jobs[job.job_id] = job
        self._changed.add(("", job.job_id))

    def _job(self, job_id: str) -> Job:
        if job_id not in self._jobs:
            raise JobError("ResourceNotFound", f"There is no job {job_id}")
        return self._jobs[job_id]

    def _execution(self, request: JobRequest, command: JobCommand) -> Execution:
        found = self._executions.get(request.thing, {}).get(request.job_id)
        if found is None or command.number not in {None, found.number}:
            raise JobError("ResourceNotFound", f"There is no job {request.job_id} for {request.thing}")
        return found

    def _pending(self, thing: str) -> list[Execution]:
        """Those in progress first, each part in the order in which they were queued."""
        found = [each for each in self._executions.get(thing, {}).values() if each.status.is_pending]
        return sorted(found, key=lambda each: each.status is not JobStatus.IN_PROGRESS)

    def _next(self, thing: str) -> Execution | None:
        return next(iter(self._pending(thing)), None)

    def _moved(self, found: Execution, status: JobStatus, command: JobCommand | None = None) -> Execution:
        """The execution after a change of its status. The timer of a step goes on unless a new one is given."""
        now = self._clock()
        details = found.details if command is None or command.details is None else command.details
        changed = replace(found, status=status, version=found.version + 1, updated_at=now, details=details)
        if not status.is_pending:
            return replace(changed, ends_at=None, step_ends_at=None)
        if found.started_at is None:
            timeout = self._job(found.job_id).timeout
            changed = replace(
                changed, started_at=now, ends_at=None if timeout is None else now + 60 * timeout
            )
        if command is not None and command.step_timeout is not None:
            changed = replace(changed, step_ends_at=now + 60 * command.step_timeout)
        return changed

    def _shown(self, found: Execution, *, with_document: bool | None = None) -> JsonObject:
        body = found.summary | {"thingName": found.thing, "status": found.status}
        if found.details:
            body["statusDetails"] = dict(found.details)
        if found.deadline is not None:
            body["approximateSecondsBeforeTimedOut"] = max(0, int(found.deadline - self._clock()))
        if with_document is not False:
            body["jobDocument"] = self._jobs[found.job_id].document
        return body

    def _change(self, changed: Execution) -> list[Publication]:
        """Keep it; returns what its thing is notified of."""
        before = self._pending(changed.thing)
        self._executions.setdefault(changed.thing, {})[changed.job_id] = changed
        self._changed.add((changed.thing, changed.job_id))
        return self._notifications(changed.thing, before)

    def _forget(self, removed: Execution) -> list[Publication]:
        before = self._pending(removed.thing)
        del self._executions[removed.thing][removed.job_id]
        self._changed.add((removed.thing, removed.job_id))
        return self._notifications(removed.thing, before)

    def _notifications(self, thing: str, before: list[Execution]) -> list[Publication]:
        after = self._pending(thing)
        stamp: JsonObject = {"timestamp": int(self._clock())}
        publications = []
        if {each.job_id for each in before} != {each.job_id for each in after}:
            lists: JsonObject = {}
            for each in after[:_LISTED]:
                lists.setdefault(each.status, []).append(each.summary)
            publications.append(_notification(thing, "notify", stamp | {"jobs": lists}))
        first = after[0] if after else None
        if (before[0].job_id if before else None) != (first.job_id if first else None):
            shown = {} if first is None else {"execution": self._shown(first)}
            publications.append(_notification(thing, "notify-next", stamp | shown))
        return publications


def listed_jobs(service: JobService) -> Iterator[JsonObject]:
    """All jobs with how many of their executions are at what, for people."""
    for job in service.jobs():
        counts: dict[str, int] = {}
        for each in service.executions(job.job_id):
            counts[each.status] = counts.get(each.status, 0) + 1
        yield {"jobId": job.job_id, "status": status_of(service, job), "executions": counts}


def status_of(service: JobService, job: Job) -> str:
    """AWS's word for where a job as a whole is."""
    if job.is_canceled:
        return "CANCELED"
    is_done = not any(each.status.is_pending for each in service.executions(job.job_id))
    return "COMPLETED" if is_done else "IN_PROGRESS"


def _notification(thing: str, level: str, body: JsonObject) -> Publication:
    return Publication(f"$aws/things/{thing}/jobs/{level}", dump(body))
