"""What the twin's own program has to say to a job, and how that ends. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from thing_operator.jobs.messages import JobStatus


class JobOrderError(Exception):
    """The job does not become what was asked for; ``message`` says why, and is for whoever asked."""

    def __init__(self, message: str, *, is_final: bool = True) -> None:
        """``is_final``: the same order comes to nothing again."""
        super().__init__(message)
        self.message = message
        self.is_final = is_final


@dataclass(frozen=True, slots=True)
class JobOrder:
    """A new status of a job: IN_PROGRESS to start it or to tell of progress, or one of its ends.

    ``details`` are those that the job has from then on, in place of all it had. ``step_timeout`` is in minutes.
    ``answer`` is called once: with None when the service has accepted it, else with why not.
    """

    job_id: str
    status: JobStatus
    details: Mapping[str, str]
    step_timeout: int | None
    answer: Callable[[JobOrderError | None], None]
