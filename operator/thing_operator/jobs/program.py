"""What a Thing does with the jobs of its thing: ``spec.device.jobs``, made ready to run. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from thing_operator.api.jobs import JobHandling
from thing_operator.api.thing import ThingSpec
from thing_operator.core.durations import parse_duration

_STEPS: Final = 4
"""A job that takes its time reports a quarter, a half and three quarters."""
_SHORTEST_STEP: Final = 1.0
"""Seconds: what is quicker reports its end alone."""


@dataclass(frozen=True, slots=True)
class JobsProgram:
    """What is done with jobs. Nothing at all: ``NO_JOBS``."""

    handling: JobHandling = JobHandling.IGNORE
    duration: timedelta = timedelta(0)
    details: Mapping[str, str] = field(default_factory=dict)
    """What the end of a job reports besides."""
    step_timeout: int | None = None
    """Minutes within which the next update must come, or the service ends the job; None for no such time."""

    @property
    def is_simulated(self) -> bool:
        """Whether the operator starts and ends jobs by itself."""
        return self.handling in {JobHandling.SUCCEED, JobHandling.FAIL}

    def progress(self, elapsed: float) -> int:
        """Per cent to report after so many seconds: in quarters; 100 is the end."""
        duration = self.duration.total_seconds()
        if elapsed >= duration:
            return 100
        if duration < _STEPS * _SHORTEST_STEP:
            return 0
        return int(max(0.0, elapsed) / duration * _STEPS) * (100 // _STEPS)

    def seconds_until(self, progress: int) -> float:
        """From the begin until there is more to report than ``progress`` per cent."""
        duration = self.duration.total_seconds()
        if duration < _STEPS * _SHORTEST_STEP:
            return duration
        return duration * min(progress // (100 // _STEPS) + 1, _STEPS) / _STEPS


NO_JOBS = JobsProgram()


def jobs_program(spec: ThingSpec) -> JobsProgram:
    """``spec.device`` as far as it is about jobs."""
    device = spec.device
    if device is None or device.jobs in {None, JobHandling.IGNORE}:
        return NO_JOBS
    return JobsProgram(
        handling=device.jobs or JobHandling.IGNORE,
        duration=parse_duration(device.job_duration or "0s"),
        details={each.name: each.value for each in device.job_details or ()},
        step_timeout=device.job_step_timeout_minutes,
    )
