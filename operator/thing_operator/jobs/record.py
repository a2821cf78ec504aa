"""What is known of the job that a thing had last, and what of it deserves an Event. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Self

from thing_operator.jobs.messages import ExecutionKey, JobExecution, JobStatus

PROGRESS: Final = "progress"
"""The name in statusDetails under which per cent are reported."""


@dataclass(frozen=True, slots=True)
class JobRecord:
    """One execution without what is to be done, which nobody but the twin's program gets to see.

    Times are epoch seconds; ``progress`` is in per cent.
    """

    key: ExecutionKey
    status: JobStatus
    queued_at: int | None = None
    started_at: int | None = None
    ended_at: int | None = None
    progress: int | None = None
    message: str = ""

    @classmethod
    def of(cls, execution: JobExecution) -> Self:
        """Of an execution that is queued or in progress."""
        return cls(
            key=execution.key,
            status=execution.status,
            queued_at=execution.queued_at,
            started_at=execution.started_at,
            progress=progress_in(execution.details),
        )

    @property
    def is_open(self) -> bool:
        """Whether something may still become of it."""
        return not self.status.is_terminal

    def ended(self, status: JobStatus, *, at: float, progress: int | None) -> Self:
        """The same execution, ended so; ``progress`` None leaves that as it was."""
        progress = self.progress if progress is None else progress
        return replace(self, status=status, ended_at=int(at), progress=progress, message="")


def progress_in(details: Mapping[str, str]) -> int | None:
    """Per cent as statusDetails have them; None where they say nothing that is a number of them."""
    text = details.get(PROGRESS, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 3 and int(text) <= 100 else None
