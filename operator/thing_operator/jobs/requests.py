"""What is published: each request with its topic. Pure."""

from dataclasses import dataclass

from thing_operator.jobs.asking import JobChange
from thing_operator.jobs.messages import (
    ExecutionKey,
    JobExecution,
    encode_describe,
    encode_start_next,
    encode_update,
)
from thing_operator.jobs.record import PROGRESS
from thing_operator.jobs.topics import JobTopics


@dataclass(frozen=True, slots=True)
class JobRequest:
    """A message to AWS IoT Jobs."""

    topic: str
    payload: bytes


def start_next(topics: JobTopics, *, step_timeout: int | None, token: str) -> JobRequest:
    """Ask for the next execution and start it. ``step_timeout`` is in minutes."""
    payload = encode_start_next(details={PROGRESS: "0"}, step_timeout=step_timeout, token=token)
    return JobRequest(topics.start_next, payload)


def describe_next(topics: JobTopics, *, token: str) -> JobRequest:
    """Ask for the next execution as it is, and for what is to be done."""
    return JobRequest(topics.describe(), encode_describe(document=True, token=token))


def describe(topics: JobTopics, key: ExecutionKey, *, token: str) -> JobRequest:
    """Ask what has become of an execution."""
    payload = encode_describe(number=key.number, document=False, token=token)
    return JobRequest(topics.describe(key.job_id), payload)


def update(topics: JobTopics, execution: JobExecution, change: JobChange, *, token: str) -> JobRequest:
    """Change an execution, if it is still in the version that is known."""
    payload = encode_update(
        execution, change.status, details=change.details, step_timeout=change.step_timeout, token=token
    )
    return JobRequest(topics.update(execution.key.job_id), payload)
