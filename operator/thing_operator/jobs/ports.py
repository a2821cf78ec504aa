"""Where the twin's own program meets the jobs of its Thing, while ``spec.device.jobs`` is Bridge.

The bridge is a :class:`JobListener`, and speaks to a :class:`JobDesk`. Until somebody does, a job stays as it is, by
the time-outs that it was created with.
"""

from collections.abc import Mapping
from typing import Protocol

from thing_operator.core.resource import ObjectKey
from thing_operator.jobs.messages import JobExecution, JobStatus


class JobListener(Protocol):
    """Who is notified of jobs, such as the bridge."""

    def job_changed(self, thing: ObjectKey, execution: JobExecution | None) -> None:
        """Another execution is the next or present one of this Thing, or it has changed; None: there is none.

        Called on the event loop; must be quick. The same execution may come again, with the same key, after a
        connection was lost: what was done of it is not to be done twice.
        """


class JobDesk(Protocol):
    """The jobs of one Thing, for its own program."""

    @property
    def current(self) -> JobExecution | None:
        """The execution that is next or in progress, with what is to be done; None when there is none."""

    async def order(
        self,
        job_id: str,
        status: JobStatus,
        *,
        details: Mapping[str, str] | None = None,
        step_timeout: int | None = None,
    ) -> None:
        """Start it or tell of progress (IN_PROGRESS), or end it (SUCCEEDED, FAILED, REJECTED).

        ``details``: statusDetails from then on, None to leave them; ``step_timeout``: minutes until the next word of
        it must come. Returns when the service has accepted it. Raises JobOrderError.
        """
