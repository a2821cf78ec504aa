"""The bodies of requests and answers, as models: from them comes the OpenAPI document, too. Pure."""

from enum import StrEnum
from typing import Annotated, Any, Final, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from thing_operator.bridge.problems import BridgeProblem, invalid
from thing_operator.core.error_words import first_flaw
from thing_operator.core.json_bytes import RepeatedKeyError, decode, encode, refuse_repeated_keys
from thing_operator.core.json_values import DEPTH_LIMIT, JsonObject, is_deeper
from thing_operator.core.printable import printable
from thing_operator.jobs.messages import JobExecution
from thing_operator.shadow.documents import ShadowDocument
from thing_operator.shadow.validation import InvalidDocumentError, check_section

_KEY_SHOWN: Final = 128
"""Letters of a key that a refusal quotes."""
BODY_LIMIT: Final = 8 * 1024
"""Bytes of a request's body: as much as a shadow takes."""
_YEAR_2100_MS: Final = 4_102_444_800_000


class Report(BaseModel):
    """What a thing reports: merged into the shadow's reported section as one update."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    reported: dict[str, Any] = Field(
        description="keys with their values; null removes a key, a key that is absent stays as it is"
    )
    timestamp: Annotated[int, Field(ge=0, le=_YEAR_2100_MS, strict=True)] | None = Field(
        default=None,
        description="when this was the case, in milliseconds since 1970, for MIC's history; now if absent",
    )


class ReportAccepted(BaseModel):
    """The shadow service has accepted the report."""

    version: int = Field(description="of the shadow with the report in it")


class Shadow(BaseModel):
    """A shadow at one version."""

    version: int = Field(description="which write of the shadow it is; 0: there is no shadow")
    timestamp: int = Field(description="when it was written last, in seconds since 1970; 0: not known")
    desired: dict[str, Any] = Field(description="what the thing is to be")
    reported: dict[str, Any] = Field(description="what the thing last said that it is")
    delta: dict[str, Any] = Field(description="what is desired and not reported")


class Delta(BaseModel):
    """What is desired and not reported, at one version of the shadow."""

    version: int = Field(description="of the shadow")
    delta: dict[str, Any] = Field(description="empty: nothing is left to be done")


class Reset(BaseModel):
    """Versions of the shadow were missed: the document that comes next is the whole truth."""

    since: int = Field(description="the version that the reader had")
    version: int = Field(description="the version that comes next")


class JobWord(StrEnum):
    """What the twin's program says of a job, in AWS's words."""

    IN_PROGRESS = "IN_PROGRESS"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    REJECTED = "REJECTED"


class JobUpdate(BaseModel):
    """What becomes of a job: it is started or goes on (IN_PROGRESS), or ends."""

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel)

    status: JobWord = Field(description="IN_PROGRESS, SUCCEEDED, FAILED or REJECTED")
    details: dict[str, Annotated[str, Field(max_length=1024)]] | None = Field(
        default=None, max_length=10, description="statusDetails from now on; as they were if absent"
    )
    step_timeout_minutes: Annotated[int, Field(ge=1, le=10080, strict=True)] | None = Field(
        default=None, description="so long until the next update must come"
    )


class JobAccepted(BaseModel):
    """AWS IoT Jobs has accepted what the twin's program says of the job."""

    status: JobWord = Field(description="that the job has now")


class Job(BaseModel):
    """A job that waits for the twin's program, or is in progress."""

    id: str = Field(description="of the job")
    number: int = Field(description="of its execution: a job that is retried has several")
    status: str = Field(description="QUEUED or IN_PROGRESS")
    details: dict[str, str] = Field(description="statusDetails as they are")
    document: Any = Field(description="what is to be done")


class JobEvent(BaseModel):
    """The job that is the thing's next or present one."""

    job: Job | None = Field(description="null: there is none")


class RefusalBody(BaseModel):
    """Why a request was not carried out."""

    reason: str = Field(description="one word, for programs")
    message: str = Field(description="what is wrong")
    remedy: str = Field(description="what to do about it")


Model = TypeVar("Model", bound=BaseModel)


def _read(body: bytes, model: type[Model], *, example: str) -> Model:
    remedy = f"send an object such as {example}"
    try:
        value = decode(body)
        refuse_repeated_keys(body)
    except RepeatedKeyError as error:
        key = printable(error.key[:_KEY_SHOWN])
        raise invalid(
            f'the body has the key "{key}" twice in one object', remedy="send each key once"
        ) from None
    except ValueError:
        raise invalid("the body is not JSON", remedy=remedy) from None
    if is_deeper(value):
        raise invalid(f"the body is nested deeper than {DEPTH_LIMIT} levels")
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise invalid(
            first_flaw(error, under="" if isinstance(value, dict) else "the body"), remedy=remedy
        ) from None


def read_job_update(body: bytes) -> JobUpdate:
    """What becomes of a job, by a body. Raises BridgeError, which names the field."""
    return _read(body, JobUpdate, example='{"status": "SUCCEEDED"}')


def read_report(body: bytes) -> Report:
    """The report in a body. Raises BridgeError, which names the field."""
    report = _read(body, Report, example='{"reported": {"t": 1}}')
    if not report.reported:
        raise invalid("reported: it is empty", remedy="name a key and its value")
    try:
        check_section(report.reported, name="reported", document_limit=BODY_LIMIT, null_keys=True)
    except InvalidDocumentError as error:
        raise invalid(error.message) from None
    return report


def shadow_body(document: ShadowDocument) -> bytes:
    """A :class:`Shadow` as JSON."""
    return encode(shadow_of(document))


def shadow_of(document: ShadowDocument) -> JsonObject:
    """The members of a :class:`Shadow`."""
    return {
        "version": document.version,
        "timestamp": document.updated_time or document.timestamp,
        "desired": document.desired,
        "reported": document.reported,
        "delta": document.delta,
    }


def job_of(execution: JobExecution) -> JsonObject:
    """The members of a :class:`Job`."""
    return {
        "id": execution.key.job_id,
        "number": execution.key.number,
        "status": str(execution.status),
        "details": dict(execution.details),
        "document": execution.document,
    }


def refusal_body(problem: BridgeProblem) -> bytes:
    """A :class:`RefusalBody` as JSON."""
    return encode({"reason": problem.reason, "message": problem.message, "remedy": problem.remedy})
