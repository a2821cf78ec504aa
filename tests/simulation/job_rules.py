"""The rules about jobs that always hold, as a process and the service see them."""

from collections.abc import Callable, Mapping
from typing import Any

from tests.simulation.invariants import Invariant, condition
from tests.simulation.jobs_model import JobsModel, JobUpdate
from tests.simulation.lives import Life, Lives
from tests.simulation.loop import SimulatedProcess

from thing_operator.core.json_bytes import decode
from thing_operator_local.cloud.job_requests import BY_DEVICES, JobRequest, JobStatus

_ENDS = {"Succeed": JobStatus.SUCCEEDED, "Fail": JobStatus.FAILED}
"""How a job is to end, by ``spec.device.jobs``."""


class JobRules:
    """Watches what is sent, taken and answered of jobs."""

    def __init__(self, lives: Lives, violate: Callable[[Invariant, str], None]) -> None:
        self._lives = lives
        self._violate = violate
        self._taken: dict[str, str] = {}
        """Jobs by the token of the update by which they have ended."""
        self._answered: set[tuple[str, str]] = set()
        """By process, the jobs of which it was answered that it has ended them."""

    def on_sent(self, process: SimulatedProcess, request: JobRequest) -> None:
        """A process sends an update of a job."""
        status = decode(request.payload).get("status")
        is_end = status in BY_DEVICES and not JobStatus(status).is_pending
        if is_end and (process.label, request.job_id) in self._answered:
            self._violate(Invariant.JOB_ONCE, f"{process.label} ends {request.job_id} once more: {status}")

    def on_taken(self, update: JobUpdate) -> None:
        """The service has taken one."""
        before, after = update.before, update.after
        words = f"{update.process.label} {after.job_id}: {dict(before.details)} {after.status} {dict(after.details)}"
        if after.status.is_pending:
            if progress(after.details) < progress(before.details):
                self._violate(Invariant.JOB_FORWARD, words)
            return
        self._taken[update.token] = after.job_id
        asked = {
            handling_of(spec) for life in self._lives.of_thing(after.thing) for spec in life.specs.values()
        }
        if after.status not in {_ENDS[each] for each in asked if each in _ENDS}:
            self._violate(Invariant.JOB_FORWARD, words)

    def on_shown(self, process: SimulatedProcess, topic: str, payload: bytes) -> None:
        """A message has reached a process."""
        if topic.endswith("/update/accepted") and "/jobs/" in topic:
            job_id = self._taken.get(decode(payload).get("clientToken", ""))
            if job_id is not None:
                self._answered.add((process.label, job_id))


def handling_of(spec: Mapping[str, Any]) -> str:
    """What a spec says of jobs."""
    return str(spec.get("device", {}).get("jobs", "Ignore"))


def progress(details: Mapping[str, str]) -> int:
    """Per cent in the details of an execution."""
    return int(details.get("progress", 0))


def check_jobs(
    jobs: JobsModel, life: Life, status: dict[str, Any], violate: Callable[[Invariant, str], None]
) -> None:
    """After quiet time, of a Thing that is connected."""
    if condition(status, "JobsUnavailable").get("status") == "True":
        return  # connections have ended when its topics were subscribed to
    if handling_of(life.spec) in _ENDS and (waiting := jobs.pending(life.thing)):
        violate(Invariant.JOB_DONE, f"{life.tag}: {waiting}")
    shown = status.get("lastJob")
    if shown is None:
        return
    found = jobs.find(life.thing, shown["jobId"])
    if found is None:
        violate(Invariant.STATUS_TRUE, f"{life.tag}: {shown} was never there")
        return
    states = {found.status.replace("_", "").lower()} | (
        {"removed"} if not jobs.is_there(found.job_id) else set()
    )
    if shown["state"].lower() not in states:
        violate(Invariant.STATUS_TRUE, f"{life.tag}: {shown} is {found.status}")
