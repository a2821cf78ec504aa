"""The thing's side of jobs against AWS's, as the local cloud has it: both know only the documentation."""

import itertools
import json
from datetime import timedelta
from typing import Any

import pytest
from tests.unit.jobs.theatre import THING, Theatre

from thing_operator.api.jobs import JobHandling
from thing_operator.core.json_bytes import encode
from thing_operator.jobs.messages import ExecutionKey, JobStatus
from thing_operator.jobs.orders import JobOrder, JobOrderError
from thing_operator.jobs.program import NO_JOBS, JobsProgram
from thing_operator.jobs.record import JobRecord
from thing_operator_local.cloud.job_requests import JobOperation as ServiceOperation
from thing_operator_local.cloud.job_requests import JobRequest as ServiceRequest

SUCCEED = JobsProgram(handling=JobHandling.SUCCEED)
FAIL = JobsProgram(handling=JobHandling.FAIL, details={"reason": "no space"})
SLOW = JobsProgram(handling=JobHandling.SUCCEED, duration=timedelta(seconds=40))
BRIDGE = JobsProgram(handling=JobHandling.BRIDGE)


def connected(program: JobsProgram) -> Theatre:
    theatre = Theatre(program)
    theatre.connect()
    theatre.deliver()
    return theatre


class TestSimulated:
    @pytest.mark.parametrize(
        ("program", "end", "details"),
        [
            (SUCCEED, "SUCCEEDED", {"progress": "100"}),
            (FAIL, "FAILED", {"progress": "0", "reason": "no space"}),
        ],
    )
    def test_a_job_is_started_and_ended(
        self, program: JobsProgram, end: str, details: dict[str, str]
    ) -> None:
        theatre = connected(program)
        theatre.create()
        theatre.deliver()
        assert theatre.at_service() == (end, details)
        assert theatre.statuses() == ["j1 IN_PROGRESS", f"j1 {end}"]
        assert theatre.agent.due(theatre.now) is None

    def test_jobs_are_done_one_after_another(self) -> None:
        theatre = connected(SUCCEED)
        theatre.create("j1")
        theatre.create("j2")
        theatre.deliver()
        assert theatre.statuses() == ["j1 IN_PROGRESS", "j1 SUCCEEDED", "j2 IN_PROGRESS", "j2 SUCCEEDED"]

    def test_one_that_waited_is_done_after_the_connection(self) -> None:
        theatre = Theatre(SUCCEED)
        theatre.create()
        theatre.connect()
        theatre.deliver()
        assert theatre.at_service()[0] == "SUCCEEDED"

    def test_progress_is_reported_in_quarters(self) -> None:
        theatre = connected(SLOW)
        theatre.create()
        theatre.deliver()
        seen = []
        for _ in range(4):
            seen.append(theatre.at_service())
            theatre.wait(10)
        assert seen == [("IN_PROGRESS", {"progress": each}) for each in ("0", "25", "50", "75")]
        assert theatre.at_service() == ("SUCCEEDED", {"progress": "100"})
        assert [body["status"] for topic, body in theatre.sent if topic == "j1/update"] == [
            *["IN_PROGRESS"] * 3,
            "SUCCEEDED",
        ]

    def test_a_restart_goes_on_where_the_job_is(self) -> None:
        theatre = connected(SLOW)
        theatre.create()
        theatre.deliver()
        theatre.wait(22)
        record = theatre.agent.record
        theatre.new_agent(record)
        theatre.connect()
        theatre.deliver()
        assert theatre.agent.record == record
        theatre.wait(17)
        assert theatre.at_service() == ("IN_PROGRESS", {"progress": "75"})
        theatre.wait(2)
        assert theatre.at_service()[0] == "SUCCEEDED"
        assert theatre.statuses().count("j1 SUCCEEDED") == 1

    def test_what_ended_while_the_operator_was_away_is_found_out(self) -> None:
        theatre = Theatre(SUCCEED, record=JobRecord(ExecutionKey("j1", 1), JobStatus.IN_PROGRESS))
        theatre.create()
        theatre.service.cancel("j1", force=True)
        theatre.connect()
        theatre.deliver()
        assert theatre.statuses()[-1] == "j1 CANCELED"

    def test_one_that_was_deleted_meanwhile_is_removed(self) -> None:
        theatre = Theatre(SUCCEED, record=JobRecord(ExecutionKey("j0", 1), JobStatus.IN_PROGRESS))
        theatre.create("j1")
        theatre.connect()
        theatre.deliver()
        assert theatre.statuses() == ["j0 IN_PROGRESS", "j0 REMOVED", "j1 IN_PROGRESS", "j1 SUCCEEDED"]

    @pytest.mark.parametrize("force", ["cancel", "delete", "time out", "step"])
    def test_an_end_by_others_is_seen(self, force: str) -> None:
        theatre = connected(
            JobsProgram(handling=JobHandling.SUCCEED, duration=timedelta(hours=2), step_timeout=20)
        )
        theatre.create(timeout=10 if force == "time out" else None)
        theatre.deliver()
        match force:
            case "cancel":
                theatre.under_way += theatre.service.cancel("j1", force=True)
                theatre.deliver()
            case "delete":
                theatre.under_way += theatre.service.delete("j1")
                theatre.deliver()
            case _:
                theatre.wait(1500)
        ends = {"cancel": "CANCELED", "delete": "REMOVED", "time out": "TIMED_OUT", "step": "TIMED_OUT"}
        assert theatre.statuses() == ["j1 IN_PROGRESS", f"j1 {ends[force]}"]

    def test_a_lost_answer_is_no_second_end(self) -> None:
        """Sent again, the update is refused, and the refusal says that it had come about."""
        theatre = connected(SUCCEED)
        theatre.create()
        arriving, theatre.under_way = theatre.under_way, []
        for each in arriving:
            theatre.agent.receive(each.topic, each.payload, theatre.now)
        theatre.ask()
        started = theatre.under_way.pop()
        theatre.agent.receive(started.topic, started.payload, theatre.now)
        theatre.ask()
        assert theatre.sent[-1][0] == "j1/update"
        theatre.drop()
        theatre.connect()
        theatre.deliver()
        assert theatre.statuses()[-1] == "j1 SUCCEEDED"
        assert theatre.ends == {("j1", "SUCCEEDED"): 1}

    def test_an_update_that_is_not_answered_is_sent_again(self) -> None:
        theatre = connected(SUCCEED)
        theatre.create()
        theatre.under_way.clear()
        theatre.wait(60)
        assert theatre.statuses() == [], "nobody has notified the thing"
        theatre.drop()
        theatre.connect()
        theatre.under_way.clear()
        theatre.wait(15)
        assert theatre.at_service()[0] == "SUCCEEDED"

    def test_somebody_elses_update_is_no_trouble(self) -> None:
        """The version is then another one, and is taken from the refusal."""
        theatre = connected(SLOW)
        theatre.create()
        theatre.deliver()
        someone = encode({"status": "IN_PROGRESS"})

        theatre.service.handle(ServiceRequest(THING, ServiceOperation.UPDATE, "j1", someone))
        theatre.wait(60)
        assert theatre.at_service()[0] == "SUCCEEDED"
        assert any(body.get("expectedVersion") == 3 for _, body in theatre.sent)

    def test_what_the_service_refuses_is_said_and_left(self) -> None:
        theatre = connected(JobsProgram(handling=JobHandling.FAIL, details={"a b": "x"}))
        theatre.create()
        theatre.deliver()
        record = theatre.agent.record
        assert record is not None
        assert (record.status, "invalid key" in record.message) == (JobStatus.IN_PROGRESS, True)
        assert theatre.agent.due(theatre.now) is None
        theatre.agent.follow(SUCCEED)
        theatre.ask()
        theatre.deliver()
        assert theatre.at_service()[0] == "SUCCEEDED"

    def test_a_spec_that_is_changed_counts_for_the_job_in_progress(self) -> None:
        theatre = connected(SLOW)
        theatre.create()
        theatre.deliver()
        theatre.wait(12)
        theatre.agent.follow(JobsProgram(handling=JobHandling.SUCCEED, duration=timedelta(seconds=10)))
        theatre.ask()
        theatre.deliver()
        assert theatre.at_service()[0] == "SUCCEEDED"

    def test_jobs_that_are_ignored_again_are_not_asked_for(self) -> None:
        theatre = connected(SLOW)
        theatre.agent.follow(SLOW)
        theatre.agent.follow(NO_JOBS)
        sent = len(theatre.sent)
        theatre.create()
        theatre.deliver()
        assert (len(theatre.sent), theatre.agent.due(theatre.now)) == (sent, None)


class TestTrouble:
    def answer(self, theatre: Theatre, **body: Any) -> None:
        topic, asked = theatre.sent[-1]
        theatre.under_way.clear()
        payload = encode({"clientToken": asked["clientToken"]} | body)
        theatre.agent.receive(f"$aws/things/{THING}/jobs/{topic}/rejected", payload, theatre.now)

    def test_a_service_that_does_not_answer_is_asked_less_and_less_and_said(self) -> None:
        theatre = Theatre(SUCCEED)
        theatre.connect()
        times = []
        for _ in range(4):
            theatre.under_way.clear()
            times.append(theatre.now)
            due = theatre.agent.due(theatre.now)
            assert due is not None
            theatre.clock.advance(due - theatre.now)
            assert theatre.agent.next_request(theatre.now) is None
            due = theatre.agent.due(theatre.now)
            assert due is not None
            theatre.clock.advance(due - theatre.now)
            theatre.ask()
        pauses = [round(after - before) for before, after in itertools.pairwise(times)]
        assert pauses == [12, 14, 18]
        assert theatre.agent.trouble == "AWS IoT Jobs does not answer"
        theatre.deliver()
        assert theatre.agent.trouble is None

    @pytest.mark.parametrize("code", ["RequestThrottled", "InternalError", "SomethingNew"])
    def test_what_may_pass_is_asked_again(self, code: str) -> None:
        theatre = Theatre(SUCCEED)
        theatre.create()
        theatre.connect()
        self.answer(theatre, code=code, message="not now")
        assert theatre.agent.next_request(theatre.now) is None
        theatre.wait(5)
        assert theatre.at_service()[0] == "SUCCEEDED"

    @pytest.mark.parametrize(("late", "end"), [(False, "CANCELED"), (True, "TIMED_OUT")])
    def test_an_end_of_which_nothing_is_said_is_judged_by_the_clock(self, *, late: bool, end: str) -> None:
        theatre = connected(
            JobsProgram(handling=JobHandling.SUCCEED, duration=timedelta(hours=1), step_timeout=5)
        )
        theatre.create()
        theatre.deliver()
        if late:
            theatre.clock.advance(300)
        theatre.agent.receive(f"$aws/things/{THING}/jobs/notify-next", b'{"timestamp": 1}', theatre.now)
        theatre.ask()
        topic, asked = theatre.sent[-1]
        theatre.agent.receive(
            f"$aws/things/{THING}/jobs/{topic}/accepted",
            encode({"clientToken": asked["clientToken"]}),
            theatre.now,
        )
        for code in ("TerminalStateReached", "TerminalStateReached"):
            theatre.ask()
            self.answer(theatre, code=code, message="it has ended")
        theatre.note()
        assert theatre.statuses()[-1] == f"j1 {end}"

    @pytest.mark.parametrize(
        ("body", "end"),
        [
            (
                {"execution": {"jobId": "j1", "executionNumber": 1, "versionNumber": 3, "status": "FAILED"}},
                "FAILED",
            ),
            ({}, "IN_PROGRESS"),
        ],
    )
    def test_a_service_that_shows_what_has_ended(self, body: dict[str, Any], end: str) -> None:
        """AWS says TerminalStateReached instead; nothing depends on that. What it knows nothing of is let go."""
        theatre = connected(SLOW)
        theatre.create()
        theatre.deliver()
        theatre.service.delete("j1")
        theatre.agent.receive(f"$aws/things/{THING}/jobs/notify-next", b"{}", theatre.now)
        for answer in ({}, body):
            theatre.ask()
            theatre.under_way.clear()
            topic, asked = theatre.sent[-1]
            payload = encode({"clientToken": asked["clientToken"]} | answer)
            theatre.agent.receive(f"$aws/things/{THING}/jobs/{topic}/accepted", payload, theatre.now)
        theatre.ask()
        theatre.deliver()
        assert theatre.statuses()[-1] == f"j1 {end}"
        assert theatre.agent.current is None

    @pytest.mark.parametrize(
        ("code", "status"),
        [
            ("VersionMismatch", "IN_PROGRESS"),
            ("ResourceNotFound", "REMOVED"),
            ("TerminalStateReached", "CANCELED"),
        ],
    )
    def test_a_refused_update_without_a_state(self, code: str, status: str) -> None:
        theatre = connected(SLOW)
        theatre.create()
        theatre.deliver()
        theatre.clock.advance(11)
        request = theatre.agent.next_request(theatre.now)
        assert request is not None
        theatre.sent.append((request.topic.partition("/jobs/")[2], json.loads(request.payload)))
        self.answer(theatre, code=code, message="no")
        theatre.note()
        assert theatre.statuses()[-1] == f"j1 {status}"

    def test_an_update_that_nobody_needs_any_more_is_accepted(self) -> None:
        """The service had said that the execution has ended, and lets it be changed all the same."""
        theatre = Theatre(SUCCEED, record=JobRecord(ExecutionKey("j1", 1), JobStatus.IN_PROGRESS))
        theatre.connect()
        theatre.under_way.clear()
        for answer, word in (
            ({}, "accepted"),
            ({"code": "TerminalStateReached"}, "rejected"),
            ({}, "accepted"),
        ):
            topic, asked = theatre.sent[-1]
            theatre.under_way.clear()
            payload = encode({"clientToken": asked["clientToken"]} | answer)
            theatre.agent.receive(f"$aws/things/{THING}/jobs/{topic}/{word}", payload, theatre.now)
            theatre.ask()
        assert theatre.sent[-1][0] == "start-next"

    def test_a_notification_of_the_job_in_progress_asks_nothing(self) -> None:
        theatre = connected(SLOW)
        theatre.create()
        theatre.deliver()
        sent = len(theatre.sent)
        execution = {"jobId": "j1", "executionNumber": 1, "versionNumber": 2, "status": "IN_PROGRESS"}
        payload = encode({"execution": execution})
        theatre.agent.receive(f"$aws/things/{THING}/jobs/notify-next", payload, theatre.now)
        theatre.ask()
        assert len(theatre.sent) == sent

    def test_answers_for_others_do_nothing(self) -> None:
        theatre = Theatre(SUCCEED)
        theatre.connect()
        for word in ("accepted", "rejected"):
            for topic in ("start-next", "j1/get", "j1/update"):
                payload = b'{"clientToken": "other", "code": "InternalError"}'
                theatre.agent.receive(f"$aws/things/{THING}/jobs/{topic}/{word}", payload, theatre.now)
        theatre.agent.receive(f"$aws/things/{THING}/jobs/notify", b"", theatre.now)
        assert theatre.agent.is_waiting


class OrderAnswers:
    """What became of orders."""

    def __init__(self) -> None:
        self.said: list[str | None] = []

    def __call__(self, error: JobOrderError | None) -> None:
        self.said.append(error.message if error is not None else None)

    def order(self, status: JobStatus, **details: str) -> JobOrder:
        return JobOrder("j1", status, details, 5, self)


class TestBridge:
    def test_a_job_waits_until_the_program_starts_and_ends_it(self) -> None:
        theatre, answers = connected(BRIDGE), OrderAnswers()
        theatre.create()
        theatre.deliver()
        theatre.wait(1000)
        current = theatre.agent.current
        assert current is not None
        assert (current.status, current.document) == (JobStatus.QUEUED, {"do": "j1"})
        for status, details in (
            (JobStatus.IN_PROGRESS, {"progress": "40"}),
            (JobStatus.IN_PROGRESS, {}),
            (JobStatus.SUCCEEDED, {"took": "1 s"}),
        ):
            theatre.agent.order(answers.order(status, **details))
            theatre.ask()
            theatre.deliver()
        assert answers.said == [None, None, None]
        assert theatre.at_service() == ("SUCCEEDED", {"took": "1 s"})
        assert theatre.statuses() == ["j1 QUEUED", "j1 IN_PROGRESS", "j1 SUCCEEDED"]
        assert [each.progress for each in theatre.history if each is not None][1] == 40

    def test_what_cannot_be_is_refused_in_words(self) -> None:
        answers = OrderAnswers()
        with pytest.raises(JobOrderError, match="not Bridge"):
            connected(SUCCEED).agent.order(answers.order(JobStatus.IN_PROGRESS))
        theatre = connected(BRIDGE)
        with pytest.raises(JobOrderError, match="not the thing's next one"):
            theatre.agent.order(answers.order(JobStatus.IN_PROGRESS))
        theatre.create()
        theatre.deliver()
        first = answers.order(JobStatus.IN_PROGRESS)
        theatre.agent.order(first)
        with pytest.raises(JobOrderError, match="being changed already") as refused:
            theatre.agent.order(answers.order(JobStatus.SUCCEEDED))
        assert not refused.value.is_final
        theatre.agent.withdraw(answers.order(JobStatus.FAILED))
        theatre.agent.withdraw(first)
        theatre.agent.order(answers.order(JobStatus.REJECTED))
        theatre.ask()
        theatre.deliver()
        assert theatre.at_service()[0] == "REJECTED"
        assert answers.said == [None]

    def test_an_order_for_what_has_ended_says_how(self) -> None:
        theatre, answers = connected(BRIDGE), OrderAnswers()
        theatre.create()
        theatre.deliver()
        theatre.service.cancel("j1", force=True)
        theatre.agent.order(answers.order(JobStatus.IN_PROGRESS))
        theatre.ask()
        theatre.deliver()
        assert answers.said == ["the job has ended: CANCELED"]
        assert theatre.statuses()[-1] == "j1 CANCELED"

    def test_an_order_that_the_service_refuses_is_answered_with_its_words(self) -> None:
        theatre, answers = connected(BRIDGE), OrderAnswers()
        theatre.create()
        theatre.deliver()
        theatre.agent.order(answers.order(JobStatus.IN_PROGRESS, **{"a b": "x"}))
        theatre.ask()
        theatre.deliver()
        assert answers.said == ["statusDetails has an invalid key: a b"]
        assert theatre.at_service()[0] == "QUEUED"

    def test_an_order_outlives_a_connection(self) -> None:
        theatre, answers = connected(BRIDGE), OrderAnswers()
        theatre.create()
        theatre.deliver()
        theatre.agent.order(answers.order(JobStatus.IN_PROGRESS))
        theatre.drop()
        theatre.ask()
        theatre.connect()
        theatre.deliver()
        assert answers.said == [None]
        assert theatre.at_service()[0] == "IN_PROGRESS"

    def test_an_order_ends_when_jobs_are_no_longer_the_programs(self) -> None:
        theatre, answers = connected(BRIDGE), OrderAnswers()
        theatre.create()
        theatre.deliver()
        theatre.agent.order(answers.order(JobStatus.IN_PROGRESS))
        theatre.agent.follow(SUCCEED)
        theatre.ask()
        theatre.deliver()
        assert answers.said == ["spec.device.jobs was changed"]
        assert theatre.at_service()[0] == "SUCCEEDED"

    def test_another_one_that_somebody_has_started_comes_first(self) -> None:
        theatre = connected(BRIDGE)
        theatre.create("j1")
        theatre.create("j2")
        theatre.deliver()
        request = ServiceRequest(THING, ServiceOperation.UPDATE, "j2", b'{"status": "IN_PROGRESS"}')
        theatre.under_way += theatre.service.handle(request).notifications
        theatre.deliver()
        assert theatre.statuses() == ["j1 QUEUED", "j2 IN_PROGRESS"]

    def test_a_document_can_be_let_go(self) -> None:
        theatre = connected(BRIDGE)
        theatre.agent.drop_document()
        theatre.create()
        theatre.deliver()
        theatre.agent.drop_document()
        assert theatre.agent.current is not None
        assert theatre.agent.current.document is None
        assert theatre.agent.handling is JobHandling.BRIDGE
