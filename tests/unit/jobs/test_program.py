"""What ``spec.device`` says of jobs, and when progress is reported."""

from datetime import timedelta

import pytest

from thing_operator.api.jobs import JobDetail, JobHandling
from thing_operator.api.thing import DeviceSpec, ThingSpec
from thing_operator.jobs.program import NO_JOBS, JobsProgram, jobs_program
from thing_operator.jobs.record import progress_in


@pytest.mark.parametrize(
    "spec",
    [ThingSpec(), ThingSpec(device=DeviceSpec()), ThingSpec(device=DeviceSpec(jobs=JobHandling.IGNORE))],
)
def test_jobs_are_not_looked_at_unless_asked_for(spec: ThingSpec) -> None:
    assert jobs_program(spec) == NO_JOBS


def test_all_that_can_be_said() -> None:
    device = DeviceSpec(
        jobs=JobHandling.FAIL,
        job_duration="1m",
        job_details=(JobDetail(name="reason", value="no space"),),
        job_step_timeout_minutes=5,
    )
    assert jobs_program(ThingSpec(device=device)) == JobsProgram(
        handling=JobHandling.FAIL,
        duration=timedelta(minutes=1),
        details={"reason": "no space"},
        step_timeout=5,
    )
    assert jobs_program(ThingSpec(device=DeviceSpec(jobs=JobHandling.BRIDGE))).handling is JobHandling.BRIDGE


@pytest.mark.parametrize(
    ("seconds", "steps"),
    [
        (0, [(0, 100)]),
        (3, [(0, 0), (2.9, 0), (3, 100)]),
        (40, [(-5, 0), (9.9, 0), (10, 25), (29.9, 50), (39.9, 75), (40, 100), (99, 100)]),
    ],
)
def test_progress_is_in_quarters_where_they_take_a_second(
    seconds: int, steps: list[tuple[float, int]]
) -> None:
    program = JobsProgram(handling=JobHandling.SUCCEED, duration=timedelta(seconds=seconds))
    assert [(elapsed, program.progress(elapsed)) for elapsed, _ in steps] == steps


@pytest.mark.parametrize(("progress", "due"), [(0, 10), (25, 20), (74, 30), (75, 40), (100, 40)])
def test_when_there_is_more_to_report(progress: int, due: float) -> None:
    program = JobsProgram(handling=JobHandling.SUCCEED, duration=timedelta(seconds=40))
    assert program.seconds_until(progress) == due
    assert JobsProgram(duration=timedelta(seconds=3)).seconds_until(0) == 3


@pytest.mark.parametrize(
    ("text", "found"), [("0", 0), ("100", 100), ("101", None), ("-1", None), ("²", None), ("x", None)]
)
def test_per_cent_in_details(text: str, found: int | None) -> None:
    assert progress_in({"progress": text}) == found
    assert progress_in({}) is None
