"""The last job in status, what is remembered of it after a restart, and its Events."""

from datetime import UTC, datetime
from itertools import product

import pytest

from thing_operator.api.jobs import JobHandling, JobState, LastJob
from thing_operator.api.thing import DeviceSpec, ThingSpec, ThingStatus
from thing_operator.core.reasons import Reason
from thing_operator.jobs.messages import ExecutionKey, JobStatus
from thing_operator.jobs.record import JobRecord
from thing_operator.twin.last_job import job_event, last_job, record_of
from thing_operator.twin.observation import Observation
from thing_operator.twin.status import build_status, is_urgent

NOW = datetime(2026, 11, 28, tzinfo=UTC)
KEY = ExecutionKey("j1", 1)
DONE = JobRecord(KEY, JobStatus.SUCCEEDED, 1_790_000_000, 1_790_000_001, 1_790_000_002, 100, "m")
JOBS = ThingSpec(device=DeviceSpec(jobs=JobHandling.SUCCEED))


def status(
    job: JobRecord | None, *, spec: ThingSpec | None = JOBS, previous: ThingStatus | None = None
) -> ThingStatus:
    observation = Observation(generation=1, now=NOW, previous=previous or ThingStatus(), spec=spec, job=job)
    return build_status(observation)


@pytest.mark.parametrize("state", JobStatus)
def test_a_status_remembers_all_of_it(state: JobStatus) -> None:
    for record in (DONE, JobRecord(KEY, state)):
        assert record_of(LastJob.model_validate(last_job(record).to_wire())) == record


def test_what_somebody_has_written_into_status_goes_into_no_topic() -> None:
    assert record_of(None) is None
    assert record_of(LastJob(job_id="a/b", execution_number=1, state=JobState.QUEUED)) is None


def test_status_has_the_last_job_while_jobs_are_looked_at() -> None:
    shown = status(DONE)
    assert shown.last_job == last_job(DONE)
    assert status(None, previous=shown).last_job == shown.last_job, "not seen yet"
    assert status(DONE, spec=None).last_job == shown.last_job
    assert status(None, spec=ThingSpec(), previous=shown).last_job is None


def test_a_job_alone_is_not_urgent() -> None:
    before = status(None)
    assert not is_urgent(before, status(DONE, previous=before))


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (JobStatus.QUEUED, None),
        (JobStatus.IN_PROGRESS, Reason.JOB_STARTED),
        (JobStatus.SUCCEEDED, Reason.JOB_SUCCEEDED),
        (JobStatus.FAILED, Reason.JOB_FAILED),
        (JobStatus.REJECTED, Reason.JOB_FAILED),
        (JobStatus.TIMED_OUT, Reason.JOB_FAILED),
        (JobStatus.CANCELED, Reason.JOB_CANCELED),
        (JobStatus.REMOVED, Reason.JOB_CANCELED),
    ],
)
def test_each_step_is_one_event(state: JobStatus, reason: Reason | None) -> None:
    after = JobRecord(KEY, state)
    for before in (None, JobRecord(ExecutionKey("j1", 2), state), JobRecord(ExecutionKey("j0", 1), state)):
        event = job_event(before, after)
        assert (event[0] if event is not None else None) is reason
        assert event is None or "j1" in event[1]


def test_staying_is_none() -> None:
    for state, progress in product(JobStatus, (None, 50)):
        assert job_event(JobRecord(KEY, state), JobRecord(KEY, state, progress=progress)) is None
    assert job_event(DONE, None) is None
