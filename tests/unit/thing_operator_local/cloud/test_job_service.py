"""AWS IoT Jobs as the local cloud has it: what devices get, who is notified, time-outs, cancelling."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.support.clock import FakeClock

from thing_operator_local.cloud.job_requests import JobError, JobOperation, JobRequest, read_job_topic
from thing_operator_local.cloud.job_service import JobAnswer, JobService, listed_jobs
from thing_operator_local.cloud.shadow_service import Publication

Json = Any
THING = "t1"
NOTIFY, NOTIFY_NEXT = "notify", "notify-next"


def bodies(publications: list[Publication] | tuple[Publication, ...]) -> dict[str, Json]:
    return {each.topic.rsplit("/", 1)[1]: json.loads(each.payload) for each in publications}


class JobCloud:
    """The service with one thing, and answers as JSON."""

    def __init__(self) -> None:
        self.clock = FakeClock(start=datetime.fromtimestamp(1_790_000_000, UTC))
        self.service = JobService(self.clock.epoch)

    def create(self, job_id: str = "j1", *, timeout: int | None = None) -> dict[str, Json]:
        return bodies(self.service.create(job_id, {"do": job_id}, [THING], timeout=timeout))

    def send(self, operation: JobOperation, job_id: str = "", **body: Json) -> JobAnswer:
        return self.service.handle(JobRequest(THING, operation, job_id, json.dumps(body).encode()))

    def start(self, **body: Json) -> Json:
        return json.loads(self.send(JobOperation.START_NEXT, **body).payload).get("execution")

    def update(self, job_id: str, status: str, **body: Json) -> JobAnswer:
        return self.send(JobOperation.UPDATE, job_id, status=status, **body)

    def status(self, job_id: str = "j1") -> str:
        return self.service.executions(job_id)[0].status


def test_the_notifications_of_awss_example() -> None:
    """The series of three jobs in AWS's guide: who is notified of what, and what nobody is notified of."""
    cloud = JobCloud()
    said = cloud.create("j1")
    assert [each["jobId"] for each in said[NOTIFY]["jobs"]["QUEUED"]] == ["j1"]
    assert said[NOTIFY_NEXT]["execution"]["jobDocument"] == {"do": "j1"}
    said = cloud.create("j2")
    assert NOTIFY_NEXT not in said
    assert [each["jobId"] for each in said[NOTIFY]["jobs"]["QUEUED"]] == ["j1", "j2"]
    assert cloud.send(JobOperation.START_NEXT).notifications == ()
    cloud.create("j3")
    said = bodies(cloud.update("j1", "SUCCEEDED").notifications)
    assert [each["jobId"] for each in said[NOTIFY]["jobs"]["QUEUED"]] == ["j2", "j3"]
    assert said[NOTIFY_NEXT]["execution"]["jobId"] == "j2"
    said = bodies(cloud.update("j3", "IN_PROGRESS").notifications)
    assert NOTIFY not in said
    assert said[NOTIFY_NEXT]["execution"]["jobId"] == "j3"
    said = bodies(cloud.update("j2", "REJECTED").notifications)
    assert NOTIFY_NEXT not in said
    assert [each["jobId"] for each in said[NOTIFY]["jobs"]["IN_PROGRESS"]] == ["j3"]
    said = bodies(cloud.service.delete("j3"))
    assert said[NOTIFY]["jobs"] == {}
    assert "execution" not in said[NOTIFY_NEXT]


def test_start_next_changes_nothing_of_what_is_in_progress() -> None:
    cloud = JobCloud()
    assert cloud.start() is None
    cloud.create("j1")
    started = cloud.start(statusDetails={"progress": "0"})
    assert (started["status"], started["versionNumber"], started["statusDetails"]) == (
        "IN_PROGRESS",
        2,
        {"progress": "0"},
    )
    assert cloud.start(statusDetails={"progress": "9"}) == started


def test_an_update_takes_the_place_of_all_details_or_leaves_them() -> None:
    cloud = JobCloud()
    cloud.create()
    cloud.start(statusDetails={"a": "1", "b": "2"})
    cloud.update("j1", "IN_PROGRESS", statusDetails={"c": "3"})
    answer = cloud.update("j1", "SUCCEEDED", includeJobExecutionState=True, includeJobDocument=True)
    body = json.loads(answer.payload)
    assert body["executionState"] == {"status": "SUCCEEDED", "statusDetails": {"c": "3"}, "versionNumber": 4}
    assert body["jobDocument"] == {"do": "j1"}


@pytest.mark.parametrize(
    ("request_of", "code"),
    [
        (lambda cloud: cloud.update("j1", "IN_PROGRESS", expectedVersion=7), "VersionMismatch"),
        (lambda cloud: cloud.update("done", "SUCCEEDED"), "InvalidStateTransition"),
        (lambda cloud: cloud.update("j9", "SUCCEEDED"), "ResourceNotFound"),
        (lambda cloud: cloud.update("j1", "SUCCEEDED", executionNumber=2), "ResourceNotFound"),
        (lambda cloud: cloud.update("j1", "CANCELED"), "InvalidRequest"),
        (lambda cloud: cloud.update("j1", "FAILED", statusDetails={"a b": "x"}), "InvalidRequest"),
        (lambda cloud: cloud.update("j1", "FAILED", statusDetails={"a": "x\ny"}), "InvalidRequest"),
        (lambda cloud: cloud.update("j1", "FAILED", statusDetails={"a": "x" * 1025}), "InvalidRequest"),
        (
            lambda cloud: cloud.update("j1", "FAILED", statusDetails={f"k{n}": "x" for n in range(11)}),
            "InvalidRequest",
        ),
        (lambda cloud: cloud.update("j1", "IN_PROGRESS", stepTimeoutInMinutes=0), "InvalidRequest"),
        (lambda cloud: cloud.update("j1", "IN_PROGRESS", stepTimeoutInMinutes=10081), "InvalidRequest"),
        (lambda cloud: cloud.update("j1", "IN_PROGRESS", clientToken="x" * 65), "InvalidRequest"),
        (lambda cloud: cloud.update("j1", "IN_PROGRESS", includeJobDocument=1), "InvalidRequest"),
        (lambda cloud: cloud.update("j1", "IN_PROGRESS", expectedVersion="x"), "InvalidRequest"),
        (lambda cloud: cloud.update("$next", "SUCCEEDED"), "InvalidTopic"),
        (lambda cloud: cloud.update("a.b", "SUCCEEDED"), "InvalidTopic"),
        (lambda cloud: cloud.send(JobOperation.DESCRIBE, "done"), "TerminalStateReached"),
        (
            lambda cloud: cloud.service.handle(JobRequest(THING, JobOperation.UPDATE, "j1", b"{")),
            "InvalidJson",
        ),
        (
            lambda cloud: cloud.service.handle(JobRequest(THING, JobOperation.UPDATE, "j1", b"[]")),
            "InvalidJson",
        ),
    ],
)
def test_what_is_refused(request_of: Any, code: str) -> None:
    """And nothing has changed."""
    cloud = JobCloud()
    cloud.create("done")
    cloud.update("done", "SUCCEEDED")
    cloud.create("j1")
    answer = request_of(cloud)
    assert (answer.code, json.loads(answer.payload)["code"]) == (code, code)
    assert answer.topic.endswith("/rejected")
    assert answer.notifications == ()
    assert cloud.status("j1") == "QUEUED"


def test_a_refused_update_learns_the_state_and_its_token() -> None:
    cloud = JobCloud()
    cloud.create()
    cloud.start(statusDetails={"progress": "0"})
    state = {"status": "IN_PROGRESS", "statusDetails": {"progress": "0"}, "versionNumber": 2}
    body = json.loads(cloud.update("j1", "SUCCEEDED", expectedVersion="1", clientToken="mine").payload)
    assert (body["executionState"], body["clientToken"]) == (state, "mine")
    cloud.service.cancel("j1", force=True)
    body = json.loads(cloud.update("j1", "SUCCEEDED", expectedVersion=2).payload)
    assert (body["code"], body["executionState"]["status"]) == ("InvalidStateTransition", "CANCELED")


def test_describing_and_listing() -> None:
    cloud = JobCloud()
    assert "execution" not in json.loads(cloud.send(JobOperation.DESCRIBE, "$next", clientToken="c").payload)
    cloud.create("j1")
    cloud.create("j2")
    cloud.start()
    found = json.loads(cloud.send(JobOperation.DESCRIBE, "$next").payload)["execution"]
    assert (found["jobId"], found["jobDocument"], found["thingName"]) == ("j1", {"do": "j1"}, THING)
    found = json.loads(cloud.send(JobOperation.DESCRIBE, "j2", includeJobDocument=False).payload)["execution"]
    assert (found["status"], "jobDocument" in found) == ("QUEUED", False)
    pending = json.loads(cloud.send(JobOperation.GET_PENDING).payload)
    assert [each["jobId"] for each in pending["inProgressJobs"] + pending["queuedJobs"]] == ["j1", "j2"]
    assert next(iter(listed_jobs(cloud.service))) == {
        "jobId": "j1",
        "status": "IN_PROGRESS",
        "executions": {"IN_PROGRESS": 1},
    }


def test_a_job_times_out_from_its_start_on() -> None:
    cloud = JobCloud()
    cloud.create(timeout=5)
    cloud.clock.advance(3600)
    assert cloud.service.expire() == [], "it has not been started"
    assert cloud.start()["approximateSecondsBeforeTimedOut"] == 300
    cloud.clock.advance(300)
    said = bodies(cloud.service.expire())
    assert cloud.status() == "TIMED_OUT"
    assert set(said) == {NOTIFY, NOTIFY_NEXT}
    assert cloud.service.expire() == []


def test_a_step_times_out_unless_it_is_set_again() -> None:
    cloud = JobCloud()
    cloud.create()
    cloud.start(stepTimeoutInMinutes=2)
    cloud.clock.advance(60)
    cloud.update("j1", "IN_PROGRESS", stepTimeoutInMinutes=2)
    cloud.clock.advance(60)
    cloud.update("j1", "IN_PROGRESS")
    cloud.service.expire()
    assert cloud.status() == "IN_PROGRESS"
    cloud.clock.advance(60)
    cloud.service.expire()
    assert cloud.status() == "TIMED_OUT"


@pytest.mark.parametrize(("force", "after"), [(False, ["IN_PROGRESS", "CANCELED"]), (True, ["CANCELED"] * 2)])
def test_cancelling(*, force: bool, after: list[str]) -> None:
    cloud = JobCloud()
    cloud.service.create("j1", {}, [THING, "t2"], timeout=None)
    cloud.start()
    cloud.service.cancel("j1", force=force)
    assert [each.status for each in cloud.service.executions("j1")] == after
    assert next(iter(listed_jobs(cloud.service)))["status"] == "CANCELED"


def test_an_id_is_taken_once_and_a_job_that_is_not_there_is_refused() -> None:
    cloud = JobCloud()
    cloud.create()
    with pytest.raises(JobError, match="already exists"):
        cloud.create()
    for call in (cloud.service.delete, cloud.service.executions):
        with pytest.raises(JobError, match="no job j9"):
            call("j9")


def test_what_is_kept_is_all() -> None:
    cloud = JobCloud()
    kept: dict[tuple[str, str], Json] = {}
    cloud.create("j1", timeout=5)
    cloud.create("j2")
    cloud.start(statusDetails={"progress": "0"}, stepTimeoutInMinutes=3)
    kept.update(cloud.service.changes())
    cloud.update("j1", "SUCCEEDED")
    cloud.service.delete("j2")
    kept.update(cloud.service.changes())
    assert list(cloud.service.changes()) == []
    again = JobService(cloud.clock.epoch)
    again.load(json.loads(json.dumps([body for body in kept.values() if body is not None])))
    assert again.jobs() == cloud.service.jobs()
    assert again.executions("j1") == cloud.service.executions("j1")
    cloud.service.forget(THING)
    assert dict(cloud.service.changes()) == {(THING, "j1"): None}
    assert cloud.service.executions("j1") == []


@pytest.mark.parametrize(
    ("topic", "operation", "job_id"),
    [
        ("$aws/things/t1/jobs/get", JobOperation.GET_PENDING, ""),
        ("$aws/things/t1/jobs/start-next", JobOperation.START_NEXT, ""),
        ("$aws/things/t1/jobs/$next/get", JobOperation.DESCRIBE, "$next"),
        ("$aws/things/t1/jobs/get/get", JobOperation.DESCRIBE, "get"),
        ("$aws/things/t1/jobs/j1/update", JobOperation.UPDATE, "j1"),
    ],
)
def test_topics_of_requests(topic: str, operation: JobOperation, job_id: str) -> None:
    request = JobRequest(THING, operation, job_id, b"{}")
    assert read_job_topic(topic, b"{}") == request
    assert request.topic == topic


@pytest.mark.parametrize(
    "topic",
    [
        "$aws/things/t1/jobs/notify",
        "$aws/things/t1/jobs/get/accepted",
        "$aws/things/t 1/jobs/get",
        "$aws/things/t1/shadow/get",
    ],
)
def test_other_topics_are_no_requests(topic: str) -> None:
    assert read_job_topic(topic, b"") is None
