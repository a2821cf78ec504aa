"""Requests and answers of AWS IoT Jobs as bytes.

Source: docs/background/aws-iot-jobs.md#messages and docs/background/aws-iot-jobs.md#error-codes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from thing_operator.core.json_bytes import decode, encode
from thing_operator.core.json_values import DEPTH_LIMIT, JsonObject, JsonValue, is_deeper
from thing_operator.jobs.topics import is_job_id

DETAIL_LIMIT: Final = 10
"""Name-value pairs of statusDetails."""
_NUMBER_LIMIT: Final = 2**53
_TIME_LIMIT: Final = 2**32
"""Epoch seconds: the year 2106."""
_MILLISECONDS: Final = 10**11
"""What is above is in milliseconds: AWS's documentation shows both."""
_TEXT_LIMIT: Final = 1024
"""Characters of the service's words that are kept."""


class MalformedJobMessageError(ValueError):
    """The bytes are no message of AWS IoT Jobs: no JSON, no object, or a member of a wrong type."""


class JobStatus(StrEnum):
    """Where an execution is in its life, in AWS's words."""

    QUEUED = "QUEUED"
    IN_PROGRESS = "IN_PROGRESS"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    REJECTED = "REJECTED"
    CANCELED = "CANCELED"
    TIMED_OUT = "TIMED_OUT"
    REMOVED = "REMOVED"

    @property
    def is_terminal(self) -> bool:
        """Whether nothing follows it."""
        return self not in {JobStatus.QUEUED, JobStatus.IN_PROGRESS}


class JobErrorCode(StrEnum):
    """Why a request was refused, in AWS's words; OTHER is any word that is none of them."""

    INVALID_TOPIC = "InvalidTopic"
    INVALID_JSON = "InvalidJson"
    INVALID_REQUEST = "InvalidRequest"
    INVALID_STATE_TRANSITION = "InvalidStateTransition"
    RESOURCE_NOT_FOUND = "ResourceNotFound"
    VERSION_MISMATCH = "VersionMismatch"
    INTERNAL_ERROR = "InternalError"
    REQUEST_THROTTLED = "RequestThrottled"
    TERMINAL_STATE_REACHED = "TerminalStateReached"
    OTHER = "Other"


@dataclass(frozen=True, slots=True)
class ExecutionKey:
    """Which execution: a job that is retried has several on one thing."""

    job_id: str
    number: int


@dataclass(frozen=True, slots=True)
class JobExecution:
    """One execution of a job on the thing, as the service tells of it. Times are epoch seconds."""

    key: ExecutionKey
    status: JobStatus
    version: int | None
    """None where it is not known."""
    queued_at: int | None = None
    started_at: int | None = None
    details: Mapping[str, str] = field(default_factory=dict)
    times_out_in: int | None = None
    """About so many seconds are left, as of the message; None where none of its time-outs runs."""
    document: JsonValue = field(default=None, repr=False)
    """What is to be done. It may hold secrets: it goes to the twin's own program, and nowhere else."""


@dataclass(frozen=True, slots=True)
class ExecutionState:
    """What the refusal of an update says of the execution."""

    status: JobStatus
    version: int


@dataclass(frozen=True, slots=True)
class JobNotice:
    """An execution, or that there is none: ``notify-next``, ``start-next/accepted``, ``get/accepted``."""

    execution: JobExecution | None
    sent_at: int | None
    """When the service sent it, by its clock, in epoch seconds."""
    token: str | None


@dataclass(frozen=True, slots=True)
class JobRejected:
    """``.../rejected``; ``state`` is there for an update that came too late or of another version."""

    code: JobErrorCode
    message: str
    state: ExecutionState | None
    token: str | None


def encode_start_next(*, details: Mapping[str, str], step_timeout: int | None, token: str) -> bytes:
    """Ask for the next execution and start it. ``step_timeout`` is in minutes."""
    return encode(_present(statusDetails=dict(details), stepTimeoutInMinutes=step_timeout, clientToken=token))


def encode_describe(*, number: int | None = None, document: bool, token: str) -> bytes:
    """Ask for an execution as it is; ``document``: with what is to be done."""
    return encode(_present(executionNumber=number, includeJobDocument=document, clientToken=token))


def encode_update(
    execution: JobExecution,
    status: JobStatus,
    *,
    details: Mapping[str, str],
    step_timeout: int | None,
    token: str,
) -> bytes:
    """Change an execution, which must still be in the version that is known. ``step_timeout`` is in minutes."""
    return encode(
        _present(
            status=status,
            statusDetails=dict(details),
            expectedVersion=execution.version,
            executionNumber=execution.key.number,
            stepTimeoutInMinutes=step_timeout,
            clientToken=token,
        )
    )


def decode_notice(payload: bytes) -> JobNotice:
    """Read an execution or that there is none. Raises MalformedJobMessageError."""
    body = _body(payload)
    found = body.get("execution")
    if found is not None and not isinstance(found, dict):
        raise MalformedJobMessageError("execution is no object")
    return JobNotice(_execution(found) if found else None, _time(body, "timestamp"), _token(body))


def decode_updated(payload: bytes) -> str | None:
    """The token of an ``update/accepted``; nothing else of it is needed. Raises MalformedJobMessageError."""
    return _token(_body(payload))


def decode_rejected(payload: bytes) -> JobRejected:
    """Read ``.../rejected``. Raises MalformedJobMessageError when it has no code."""
    body = _body(payload)
    code = body.get("code")
    if not isinstance(code, str):
        raise MalformedJobMessageError("code is no text")
    state = body.get("executionState")
    return JobRejected(
        code=JobErrorCode(code) if code in set(JobErrorCode) else JobErrorCode.OTHER,
        message=str(body.get("message", code))[:_TEXT_LIMIT],
        state=ExecutionState(_status(state), _number(state, "versionNumber"))
        if isinstance(state, dict)
        else None,
        token=_token(body),
    )


def _execution(body: JsonObject) -> JobExecution:
    job_id = body.get("jobId")
    if not isinstance(job_id, str) or not is_job_id(job_id):
        raise MalformedJobMessageError("jobId is none")
    left = body.get("approximateSecondsBeforeTimedOut")
    return JobExecution(
        key=ExecutionKey(job_id, _number(body, "executionNumber")),
        status=_status(body),
        version=_number(body, "versionNumber"),
        queued_at=_time(body, "queuedAt"),
        started_at=_time(body, "startedAt"),
        details=_details(body.get("statusDetails")),
        times_out_in=left if isinstance(left, int) and 0 <= left < _TIME_LIMIT else None,
        document=body.get("jobDocument"),
    )


def _details(value: JsonValue) -> dict[str, str]:
    """What is no text is left out: only what we have written ourselves is looked for."""
    if not isinstance(value, dict):
        return {}
    texts = (
        (name[:_TEXT_LIMIT], text[:_TEXT_LIMIT]) for name, text in value.items() if isinstance(text, str)
    )
    return dict(pair for pair, _ in zip(texts, range(DETAIL_LIMIT), strict=False))


def _status(body: JsonObject) -> JobStatus:
    try:
        return JobStatus(str(body.get("status")))
    except ValueError:
        raise MalformedJobMessageError("status is none that is known") from None


def _number(body: JsonObject, name: str) -> int:
    value = body.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _NUMBER_LIMIT:
        raise MalformedJobMessageError(f"{name} is no number")
    return value


def _time(body: JsonObject, name: str) -> int | None:
    value = body.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    seconds = value // 1000 if value > _MILLISECONDS else value
    return seconds if 0 <= seconds < _TIME_LIMIT else None


def _body(payload: bytes) -> JsonObject:
    try:
        body = decode(payload)
    except ValueError:
        raise MalformedJobMessageError("not JSON") from None
    if not isinstance(body, dict):
        raise MalformedJobMessageError("not a JSON object")
    if is_deeper(body):
        raise MalformedJobMessageError(f"nested deeper than {DEPTH_LIMIT} levels")
    return body


def _token(body: JsonObject) -> str | None:
    token = body.get("clientToken")
    return token if isinstance(token, str) else None


def _present(**members: Any) -> JsonObject:
    """An object of the members that say something."""
    return {name: value for name, value in members.items() if value is not None and value != {}}
