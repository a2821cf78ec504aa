"""Jobs of a thing: what ``spec.device`` says of them, and what ``status`` tells."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from thing_operator.api.model import ApiModel, DelayText, rules


class JobHandling(StrEnum):
    """What becomes of a job that is created for the thing."""

    SUCCEED = "Succeed"
    FAIL = "Fail"
    IGNORE = "Ignore"
    BRIDGE = "Bridge"


class JobState(StrEnum):
    """Where the execution of a job is in its life: AWS's words, written as Kubernetes writes such words."""

    QUEUED = "Queued"
    IN_PROGRESS = "InProgress"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    REJECTED = "Rejected"
    CANCELED = "Canceled"
    TIMED_OUT = "TimedOut"
    REMOVED = "Removed"


JOB_RULES: tuple[tuple[str, str], ...] = (
    (
        "!has(self.jobDuration) || (has(self.jobs) && self.jobs in ['Succeed', 'Fail'])",
        "jobDuration goes with jobs: Succeed or Fail",
    ),
    (
        "!has(self.jobDetails) || (has(self.jobs) && self.jobs in ['Succeed', 'Fail'])",
        "jobDetails goes with jobs: Succeed or Fail",
    ),
    (
        "!has(self.jobStepTimeoutMinutes) || (has(self.jobs) && self.jobs != 'Ignore')",
        "jobStepTimeoutMinutes goes with jobs: Succeed, Fail or Bridge",
    ),
)
"""CEL rules of ``spec.device``."""


class JobDetail(ApiModel):
    """A name and a text of a job's status details."""

    name: Annotated[
        str,
        Field(
            pattern=r"^[a-zA-Z0-9:_-]+$",
            max_length=128,
            json_schema_extra=rules(
                ("self != 'progress'", "progress is reported by the operator: choose another name")
            ),
        ),
    ] = Field(description="Name: 1 to 128 letters, digits, colons, underscores and hyphens; not progress.")
    value: Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f-\x9f]+$", max_length=1024)] = Field(
        description="Text: 1 to 1024 characters, without control characters such as line breaks."
    )


class JobFields(ApiModel):
    """The part of ``spec.device`` that is about jobs."""

    jobs: JobHandling | None = Field(
        default=None,
        description="What becomes of a job (AWS IoT Jobs, MIC's device jobs) that is created for the thing. "
        "Succeed, Fail: the operator starts it, and ends it so after jobDuration. Ignore (default): the operator "
        "does not look at jobs. Bridge: the twin's own program starts and ends it, by the bridge; until it does, "
        "the job waits.",
    )
    job_duration: DelayText | None = Field(
        default=None,
        description="Time from the start of a job to its end, as a duration (30s), at most 24h. From 4s on, a "
        "quarter, a half and three quarters are reported as progress. Goes with jobs: Succeed or Fail. Default: "
        "it ends at once.",
    )
    job_details: Annotated[tuple[JobDetail, ...], Field(max_length=9)] | None = Field(
        default=None,
        description="Status details that the end of a job reports, such as why it fails. At most 9, with different "
        "names. Goes with jobs: Succeed or Fail.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )
    job_step_timeout_minutes: (
        Annotated[int, Field(ge=1, le=10080, json_schema_extra={"format": "int32"})] | None
    ) = Field(
        default=None,
        description="Minutes, 1 to 10080, within which the next update of a started job must come; if none does, "
        "AWS ends the job as TimedOut. Sent with its start and with each update. Default: only the time-out that "
        "the job was created with.",
    )


class LastJob(ApiModel):
    """The job that the thing had last, without its document, which may hold secrets."""

    job_id: str = Field(description="Id of the job.")
    execution_number: int = Field(
        description="Which execution of the job it is; a job that is retried has several.",
        json_schema_extra={"format": "int64"},
    )
    state: JobState = Field(
        description="Queued, InProgress, Succeeded, Failed, Rejected, Canceled, TimedOut or Removed."
    )
    progress: int | None = Field(
        default=None,
        description="Per cent, as the status detail progress says.",
        json_schema_extra={"format": "int32"},
    )
    queued_time: datetime | None = Field(
        default=None, description="Time when the job was queued for the thing."
    )
    started_time: datetime | None = Field(default=None, description="Time when the job was started.")
    ended_time: datetime | None = Field(
        default=None, description="Time when the job was found to have ended."
    )
    message: str | None = Field(default=None, description="Explanation for a person, where there is one.")
