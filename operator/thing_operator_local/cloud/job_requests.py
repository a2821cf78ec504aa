"""Requests of AWS IoT Jobs: their topics, and reading what they say. Pure.

Source: docs/background/aws-iot-jobs.md.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from thing_operator_local.cloud.json_text import Json, JsonObject, load
from thing_operator_local.cloud.shadow_topics import is_thing_name

NEXT: Final = "$next"
LONGEST_STEP: Final = 7 * 24 * 60
"""Minutes: the most that a time-out may be."""

_JOB_ID: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_DETAIL_NAME: Final = re.compile(r"[a-zA-Z0-9:_-]{1,128}")
_DETAIL_LENGTH: Final = 1024
_DETAILS: Final = 10
_TOKEN_BYTES: Final = 64


class JobError(Exception):
    """A refusal: what ``.../rejected`` or the REST answer says. ``state`` is that of the execution, where it counts."""

    def __init__(self, code: str, message: str, *, state: JsonObject | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.state = state


class JobOperation(StrEnum):
    """What a device can ask of its jobs."""

    GET_PENDING = "GetPendingJobExecutions"
    START_NEXT = "StartNextPendingJobExecution"
    DESCRIBE = "DescribeJobExecution"
    UPDATE = "UpdateJobExecution"


class JobStatus(StrEnum):
    """Where an execution is in its life."""

    QUEUED = "QUEUED"
    IN_PROGRESS = "IN_PROGRESS"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    REJECTED = "REJECTED"
    CANCELED = "CANCELED"
    TIMED_OUT = "TIMED_OUT"
    REMOVED = "REMOVED"

    @property
    def is_pending(self) -> bool:
        """Whether it is one of those that a thing has to do."""
        return self in {JobStatus.QUEUED, JobStatus.IN_PROGRESS}


BY_DEVICES: Final = frozenset(
    {JobStatus.IN_PROGRESS, JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.REJECTED}
)
"""What a device may make of an execution."""


@dataclass(frozen=True, slots=True)
class JobRequest:
    """One request of a device; ``job_id`` is ``$next`` or a name where the operation has one."""

    thing: str
    operation: JobOperation
    job_id: str = ""
    payload: bytes = b""

    @property
    def topic(self) -> str:
        """Where it is published; its answers come on ``accepted`` and ``rejected`` below."""
        return f"$aws/things/{self.thing}/jobs/{_LEVELS[self.operation].format(self.job_id)}"


@dataclass(frozen=True, slots=True)
class JobCommand:
    """What a request says. Times are in minutes."""

    status: JobStatus | None
    details: dict[str, str] | None
    expected_version: int | None
    number: int | None
    step_timeout: int | None
    with_state: bool
    with_document: bool | None
    token: str | None


_LEVELS: Final = {
    JobOperation.GET_PENDING: "get",
    JobOperation.START_NEXT: "start-next",
    JobOperation.DESCRIBE: "{}/get",
    JobOperation.UPDATE: "{}/update",
}


def is_job_id(text: str) -> bool:
    """Whether AWS IoT takes it as the id of a job."""
    return _JOB_ID.fullmatch(text) is not None


def read_job_topic(topic: str, payload: bytes) -> JobRequest | None:
    """The request that is published there; None for any other topic."""
    match topic.split("/"):
        case ["$aws", "things", thing, "jobs", "get"]:
            found = JobRequest(thing, JobOperation.GET_PENDING, payload=payload)
        case ["$aws", "things", thing, "jobs", "start-next"]:
            found = JobRequest(thing, JobOperation.START_NEXT, payload=payload)
        case ["$aws", "things", thing, "jobs", job_id, "get"]:
            found = JobRequest(thing, JobOperation.DESCRIBE, job_id, payload)
        case ["$aws", "things", thing, "jobs", job_id, "update"]:
            found = JobRequest(thing, JobOperation.UPDATE, job_id, payload)
        case _:
            return None
    return found if is_thing_name(found.thing) else None


def token_of(payload: bytes) -> str | None:
    """The clientToken to answer with; None where it cannot be read."""
    try:
        token = _object(payload).get("clientToken")
    except JobError:
        return None
    return token if isinstance(token, str) else None


def read_command(request: JobRequest) -> JobCommand:
    """What a request says. Raises JobError: InvalidJson, InvalidRequest, InvalidTopic."""
    if request.job_id and request.job_id != NEXT and not is_job_id(request.job_id):
        raise JobError("InvalidTopic", f"{request.job_id} is no job id")
    if request.operation is JobOperation.UPDATE and request.job_id == NEXT:
        raise JobError("InvalidTopic", "An update names a job")
    body = _object(request.payload)
    token = body.get("clientToken")
    if token is not None and (not isinstance(token, str) or len(token.encode()) > _TOKEN_BYTES):
        raise JobError("InvalidRequest", "clientToken must be a string of at most 64 bytes")
    return JobCommand(
        status=_status(body) if request.operation is JobOperation.UPDATE else None,
        details=_details(body.get("statusDetails")),
        expected_version=_number(body, "expectedVersion"),
        number=_number(body, "executionNumber"),
        step_timeout=_minutes(body.get("stepTimeoutInMinutes"), "stepTimeoutInMinutes"),
        with_state=_flag(body, "includeJobExecutionState") or False,
        with_document=_flag(body, "includeJobDocument"),
        token=token,
    )


def read_timeout(value: Json) -> int | None:
    """Minutes from the start of an execution to its end, as a job is made with. Raises JobError."""
    return _minutes(value, "inProgressTimeoutInMinutes")


def _object(payload: bytes) -> JsonObject:
    if not payload.strip():
        return {}
    try:
        body = load(payload.decode())
    except ValueError:
        raise JobError("InvalidJson", "The payload is no JSON") from None
    if not isinstance(body, dict):
        raise JobError("InvalidJson", "The payload is no JSON object")
    return body


def _status(body: JsonObject) -> JobStatus:
    text = body.get("status")
    if text not in set(BY_DEVICES):
        raise JobError("InvalidRequest", f"status must be one of {', '.join(sorted(BY_DEVICES))}")
    return JobStatus(text)


def _details(value: Json) -> dict[str, str] | None:
    if value is None:
        return None
    if not isinstance(value, dict) or len(value) > _DETAILS:
        raise JobError("InvalidRequest", f"statusDetails must be an object of at most {_DETAILS} strings")
    for name, text in value.items():
        if not _DETAIL_NAME.fullmatch(name):
            raise JobError("InvalidRequest", f"statusDetails has an invalid key: {name}")
        if not isinstance(text, str) or not 1 <= len(text) <= _DETAIL_LENGTH or not text.isprintable():
            raise JobError("InvalidRequest", f"statusDetails has an invalid value for {name}")
    return value


def _number(body: JsonObject, name: str) -> int | None:
    """AWS's clients send numbers as texts, too."""
    value = body.get(name)
    if isinstance(value, str) and value.isdecimal():
        value = int(value)
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 0):
        return value
    raise JobError("InvalidRequest", f"{name} must be a number")


def _minutes(value: Json, name: str) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= LONGEST_STEP:
        raise JobError("InvalidRequest", f"{name} must be a number from 1 to {LONGEST_STEP}")
    return value


def _flag(body: JsonObject, name: str) -> bool | None:
    value = body.get(name)
    if value is None or isinstance(value, bool):
        return value
    raise JobError("InvalidRequest", f"{name} must be true or false")
