"""The topics of AWS IoT Jobs for one thing.

Source: docs/background/aws-iot-jobs.md#topics.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

_JOB_ID: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")

NEXT: Final = "$next"
"""In place of a job's id: the execution that is next."""


def is_job_id(text: str) -> bool:
    """Whether AWS IoT takes it as the id of a job. What is none goes into no topic."""
    return _JOB_ID.fullmatch(text) is not None


class JobOperation(StrEnum):
    """The requests that are made, by the level of their topics, and the notification that comes unasked."""

    START_NEXT = "start-next"
    DESCRIBE = "get"
    UPDATE = "update"
    NOTIFY_NEXT = "notify-next"


@dataclass(frozen=True, slots=True)
class JobAnswer:
    """A topic on which something arrives, taken apart."""

    operation: JobOperation
    accepted: bool = True
    """False: the request was refused. A notification is no answer, and is True."""


@dataclass(frozen=True, slots=True)
class JobTopics:
    """All topics of one thing's jobs that are spoken."""

    thing: str

    @property
    def prefix(self) -> str:
        """What all of them begin with, without a slash at the end."""
        return f"$aws/things/{self.thing}/jobs"

    @property
    def start_next(self) -> str:
        """Where the next execution is asked for and started."""
        return f"{self.prefix}/{JobOperation.START_NEXT}"

    def describe(self, job_id: str = NEXT) -> str:
        """Where one execution is asked for, or the next one."""
        return f"{self.prefix}/{job_id}/{JobOperation.DESCRIBE}"

    def update(self, job_id: str) -> str:
        """Where an execution's status is changed."""
        return f"{self.prefix}/{job_id}/{JobOperation.UPDATE}"

    def filters(self, *, wildcard: bool = False) -> tuple[str, ...]:
        """What is subscribed to, in one SUBSCRIBE. The four filters of ``wildcard`` bring what the seven do."""
        prefix = self.prefix
        asked = ("start-next", "+/get", "+/update")
        words = ("+",) if wildcard else ("accepted", "rejected")
        answers = (f"{each}/{word}" for each in asked for word in words)
        return tuple(f"{prefix}/{each}" for each in (JobOperation.NOTIFY_NEXT, *answers))

    def read(self, topic: str) -> JobAnswer | None:
        """What a message on this topic is; None for what is not looked at."""
        prefix = f"{self.prefix}/"
        if not topic.startswith(prefix):
            return None
        match topic.removeprefix(prefix).split("/"):
            case ["notify-next"]:
                return JobAnswer(JobOperation.NOTIFY_NEXT)
            case ["start-next", ("accepted" | "rejected") as word]:
                return JobAnswer(JobOperation.START_NEXT, word == "accepted")
            case [_, ("get" | "update") as operation, ("accepted" | "rejected") as word]:
                return JobAnswer(JobOperation(operation), word == "accepted")
            case _:
                return None
