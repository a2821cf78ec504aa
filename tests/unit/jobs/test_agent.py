"""The thing's side of jobs against AWS's, as the local cloud has it: both know only the documentation."""

import itertools
import json
from datetime import timedelta
from typing import Any

import pytest
from tests.unit.jobs.theatre import THING, Theatre, connected

from thing_operator.api.jobs import JobHandling
from thing_operator.core.json_bytes import encode
from thing_operator.jobs.messages import ExecutionKey, JobStatus
from thing_operator.jobs.program import NO_JOBS, JobsProgram
from thing_operator.jobs.record import JobRecord
from thing_operator_local.cloud.job_requests import JobOperation as ServiceOperation
from thing_operator_local.cloud.job_requests import JobRequest as ServiceRequest

SUCCEED = JobsProgram(handling=JobHandling.SUCCEED)
FAIL = JobsProgram(handling=JobHandling.FAIL, details={"reason": "no space"})
SLOW = JobsProgram(handling=JobHandling.SUCCEED, duration=timedelta(seconds=40))


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
