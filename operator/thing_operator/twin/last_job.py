"""The last job of a Thing: what status says of it, and which Event its change deserves. Pure."""

from datetime import UTC, datetime
from typing import Final

from thing_operator.api.jobs import JobState, LastJob
from thing_operator.core.reasons import Reason
from thing_operator.jobs.messages import ExecutionKey, JobStatus
from thing_operator.jobs.record import JobRecord
from thing_operator.jobs.topics import is_job_id

_STATES: Final = {
    JobStatus.QUEUED: JobState.QUEUED,
    JobStatus.IN_PROGRESS: JobState.IN_PROGRESS,
    JobStatus.SUCCEEDED: JobState.SUCCEEDED,
    JobStatus.FAILED: JobState.FAILED,
    JobStatus.REJECTED: JobState.REJECTED,
    JobStatus.CANCELED: JobState.CANCELED,
    JobStatus.TIMED_OUT: JobState.TIMED_OUT,
    JobStatus.REMOVED: JobState.REMOVED,
}
_STATUSES: Final = {state: status for status, state in _STATES.items()}
_EVENTS: Final = {
    JobStatus.IN_PROGRESS: (Reason.JOB_STARTED, "job {} was started"),
    JobStatus.SUCCEEDED: (Reason.JOB_SUCCEEDED, "job {} has succeeded"),
    JobStatus.FAILED: (Reason.JOB_FAILED, "job {} has failed"),
    JobStatus.REJECTED: (Reason.JOB_FAILED, "job {} was rejected by the twin's program"),
    JobStatus.TIMED_OUT: (Reason.JOB_FAILED, "job {} has timed out"),
    JobStatus.CANCELED: (Reason.JOB_CANCELED, "job {} was canceled"),
    JobStatus.REMOVED: (Reason.JOB_CANCELED, "job {} was deleted"),
}


def last_job(record: JobRecord) -> LastJob:
    """The part of the status that tells of it."""
    return LastJob(
        job_id=record.key.job_id,
        execution_number=record.key.number,
        state=_STATES[record.status],
        progress=record.progress,
        queued_time=_time(record.queued_at),
        started_time=_time(record.started_at),
        ended_time=_time(record.ended_at),
        message=record.message or None,
    )


def record_of(job: LastJob | None) -> JobRecord | None:
    """What a status remembers; None for nothing, or for what is no job."""
    if job is None or not is_job_id(job.job_id):
        return None
    return JobRecord(
        key=ExecutionKey(job.job_id, job.execution_number),
        status=_STATUSES[job.state],
        queued_at=_seconds(job.queued_time),
        started_at=_seconds(job.started_time),
        ended_at=_seconds(job.ended_time),
        progress=job.progress,
        message=job.message or "",
    )


def job_event(before: JobRecord | None, after: JobRecord | None) -> tuple[Reason, str] | None:
    """Reason and message of the Event for a change; None where it deserves none."""
    if after is None or after.status not in _EVENTS:
        return None
    if before is not None and (before.key, before.status) == (after.key, after.status):
        return None
    reason, message = _EVENTS[after.status]
    return reason, message.format(after.key.job_id)


def _time(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, tz=UTC)


def _seconds(time: datetime | None) -> int | None:
    return None if time is None else int(time.timestamp())
